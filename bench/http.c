/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP: wrk asks a server made with libmicrohttpd for 1 KiB, over 64
 * connections that stay. Ours is a guest: its listener's connections are handed
 * to the server as descriptors, and its port is published.
 */
#include "bench.h"

#include <guestnet/guestnet.h>

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char page[1024];

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection,
                              const char *url, const char *method,
                              const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
    enum MHD_Result result;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        sizeof(page), page, MHD_RESPMEM_PERSISTENT);

    (void)arg, (void)url, (void)method, (void)version;
    (void)upload, (void)upload_size, (void)state;
    result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

/** What wrk says; -EPROTO: some requests failed. */
static int run_wrk(const struct bench_run *run, uint16_t port, double *out)
{
    unsigned seconds = run->quick ? 1 : 3;
    char line[256];
    bool failed = false;
    FILE *wrk;

    snprintf(line, sizeof(line), "wrk -t1 -c64 -d%us http://127.0.0.1:%u/ 2>&1",
             seconds, port);
    wrk = popen(line, "r");
    if (!wrk)
        return -errno;
    *out = 0;
    while (fgets(line, sizeof(line), wrk)) {
        failed |= strstr(line, "Socket errors") || strstr(line, "Non-2xx");
        (void)!sscanf(line, "Requests/sec: %lf", out);
    }
    if (pclose(wrk))
        return -ENOTSUP; /* There is no wrk. */
    return failed || *out <= 0 ? -EPROTO : 0;
}

static int measure_kernel(const struct bench_run *run, double *out)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_Daemon *server =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, answer,
                         NULL, MHD_OPTION_SOCK_ADDR, &addr, MHD_OPTION_END);
    const union MHD_DaemonInfo *info;
    int err;

    if (!server)
        return -ENOTSUP;
    info = MHD_get_daemon_info(server, MHD_DAEMON_INFO_BIND_PORT);
    err = run_wrk(run, info->port, out);
    MHD_stop_daemon(server);
    return err;
}

static void accepted(struct gn_listener *listener, int status,
                     struct gn_conn *conn, void *arg)
{
    struct sockaddr_in peer = {.sin_family = AF_INET};
    int fd;

    (void)listener;
    if (status)
        return;
    if (gn_conn_fd(conn, GN_FD_SOCKETPAIR, &fd))
        gn_conn_close(conn, NULL, NULL);
    else
        (void)MHD_add_connection(arg, fd, (struct sockaddr *)&peer,
                                 sizeof(peer));
}

static int open_guest(struct gn_network **net, struct gn_publication **pub,
                      struct MHD_Daemon *server)
{
    const char *prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    struct gn_listener *listener;
    struct gn_namespace *web;
    int err = gn_network_create(&config, net);

    if (!err)
        err = gn_namespace_create(*net, NULL, &web);
    if (!err)
        err = gn_listen(web, "tcp", ":80", accepted, server, &listener);
    if (!err)
        err = gn_publish(*net, "tcp", "127.0.0.1:0", "10.77.0.2:80", NULL, pub);
    return err;
}

static int measure_guest(const struct bench_run *run, double *out)
{
    struct MHD_Daemon *server = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC,
        0, NULL, NULL, answer, NULL, MHD_OPTION_END);
    struct sockaddr_in addr;
    socklen_t len = sizeof(addr);
    struct gn_publication *pub;
    struct gn_network *net;
    int err;

    if (!server)
        return -ENOTSUP;
    err = open_guest(&net, &pub, server);
    if (err)
        return err;
    gn_publication_addr(pub, (struct sockaddr *)&addr, &len);
    err = run_wrk(run, ntohs(addr.sin_port), out);
    gn_network_close(net, NULL, NULL);
    MHD_stop_daemon(server);
    return err;
}

static int measure_http(const struct bench_run *run, double *out)
{
    memset(page, 'x', sizeof(page));
    return run->side == BENCH_REFERENCE ? measure_kernel(run, out)
                                        : measure_guest(run, out);
}

const struct bench_row bench_http_rows[] = {
    {"publish_http",
     "1/s",
     "the same server on kernel loopback",
     measure_http,
     {0, 0},
     BENCH_RATIO_MIN,
     0.6},
    {NULL, NULL, NULL, NULL, {0, 0}, BENCH_PRINTED, 0},
};
