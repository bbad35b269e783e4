/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * HTTP as it is spoken by programs of other projects: libmicrohttpd in a guest,
 * which gets its connections as descriptors, and curl and wrk outside, by
 * published ports; and what tshark makes of a capture of it.
 */
#include <guestnet/guestnet.h>

#include <microhttpd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/program.h"
#include "tests/lib/pubnet.h"

#define BODY_LEN 1024

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define N_REQUESTS 1000
#else
#define N_REQUESTS 10000
#endif

struct fixture {
    struct pubnet *net;
    struct gn_programs programs;
    struct MHD_Daemon *daemon;
    struct gn_publication *pub;
    unsigned port;
};

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection,
                              const char *url, const char *method,
                              const char *version, const char *upload,
                              size_t *upload_len, void **request)
{
    static char body[BODY_LEN];
    struct MHD_Response *response;
    enum MHD_Result result;

    (void)arg, (void)url, (void)method, (void)version, (void)upload;
    (void)upload_len;
    if (!*request) { /* The header only: an answer now would close behind it. */
        *request = connection;
        return MHD_YES;
    }
    response = MHD_create_response_from_buffer(sizeof(body), body,
                                               MHD_RESPMEM_PERSISTENT);
    result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

static void accepted(struct gn_listener *listener, int status,
                     struct gn_conn *conn, void *daemon)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);
    int fd;

    (void)listener;
    if (status)
        return;
    assert_int_equal(gn_conn_peer(conn, (struct sockaddr *)&peer, &len), 0);
    assert_int_equal(gn_conn_fd(conn, GN_FD_SOCKETPAIR, &fd), 0);
    assert_int_equal(
        MHD_add_connection(daemon, fd, (struct sockaddr *)&peer, len), MHD_YES);
}

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    struct gn_listener *listener; /* Ends with the network. */

    assert_int_equal(pubnet_setup((void **)&f->net), 0);
    gn_programs_init(&f->programs);
    f->daemon =
        MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
                             MHD_USE_ITC | MHD_USE_NO_LISTEN_SOCKET,
                         0, NULL, NULL, answer, NULL,
                         MHD_OPTION_CONNECTION_LIMIT, 2000u, MHD_OPTION_END);
    assert_non_null(f->daemon);
    assert_int_equal(
        gn_listen(f->net->web, "tcp", ":80", accepted, f->daemon, &listener),
        0);
    f->pub = pubnet_publish(f->net, "tcp", "127.0.0.1:0", "web:80", NULL);
    f->port = pubnet_port(f->pub);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_network_close(f->net->net, NULL, NULL);
    f->net->net = NULL;
    MHD_stop_daemon(f->daemon);
    gn_programs_done(&f->programs);
    assert_int_equal(pubnet_teardown((void **)&f->net), 0);
    test_free(f);
    return 0;
}

/* How many answers came, all with status 200 and the whole body. */
static unsigned fetch(struct fixture *f, const char *options)
{
    static char out[N_REQUESTS * 16];
    unsigned n = 0;
    char *line;

    gn_program_run(out, sizeof(out),
                   "curl -sS --noproxy '*' %s -o /dev/null"
                   " -w '%%{http_code} %%{size_download}\\n'"
                   " 'http://127.0.0.1:%u/[1-%u]' 2>&1",
                   options, f->port, N_REQUESTS);
    for (line = strtok(out, "\n"); line; line = strtok(NULL, "\n")) {
        assert_string_equal(line, "200 1024");
        n++;
    }
    return n;
}

static void curl_keeps_its_connection(void **state)
{
    struct fixture *f = *state;

    gn_program_need("curl");
    assert_int_equal(fetch(f, ""), N_REQUESTS);
    assert_int_equal(pubnet_stats(f->pub).accepted, 1);
}

static void curl_opens_one_for_each_request(void **state)
{
    struct fixture *f = *state;

    gn_program_need("curl");
    assert_int_equal(fetch(f, "-H 'Connection: close'"), N_REQUESTS);
    assert_int_equal(pubnet_stats(f->pub).accepted, N_REQUESTS);
    assert_int_equal(pubnet_stats(f->pub).unreached, 0);
}

/* How many requests wrk made; it speaks of errors only when there were any. */
static unsigned load_once(struct fixture *f, const char *options)
{
    char out[4000];
    const char *at;

    gn_program_run(
        out, sizeof(out),
        "wrk -t 2 -c 64 -d 2s --timeout 60s %s http://127.0.0.1:%u/ 2>&1",
        options, f->port);
    if (strstr(out, "Socket errors") || strstr(out, "Non-2xx"))
        fail_msg("%s", out);
    at = strstr(out, " requests in ");
    assert_non_null(at);
    while (at > out && at[-1] != '\n' && at[-1] != ' ')
        at--;
    return (unsigned)atoi(at);
}

static void load(struct fixture *f, const char *options)
{
    unsigned n, n_made = 0;

    do {
        n = load_once(f, options);
        assert_true(n > 0);
        n_made += n;
    } while (n_made < N_REQUESTS);
}

static void wrk_finds_no_error(void **state)
{
    gn_program_need("wrk");
    load(*state, "");
    load(*state, "-H 'Connection: close'");
}

static void tshark_reads_what_went_over_the_network(void **state)
{
    struct fixture *f = *state;
    struct gn_capture_stats stats;
    struct gn_capture *capture;
    char path[128], out[4000];

    gn_program_need("curl");
    gn_program_need("tshark");
    (void)snprintf(path, sizeof(path), "%s/run.pcap", f->programs.folder);
    assert_int_equal(gn_capture_start(f->net->net, NULL, path, &capture), 0);
    gn_program_run(out, sizeof(out),
                   "curl -sS --noproxy '*' -o /dev/null -Z"
                   " 'http://127.0.0.1:%u/[1-50]' 2>&1",
                   f->port);
    gn_capture_stats(capture, &stats);
    assert_int_equal(stats.dropped, 0);
    assert_int_equal(gn_capture_stop(capture), 0);
    gn_program_run(out, sizeof(out),
                   "tshark -r %s -Y http.response.code==200 2>/dev/null |"
                   " wc -l",
                   path);
    assert_int_equal(atoi(out), 50);
    gn_program_run(out, sizeof(out),
                   "tshark -r %s -o ip.check_checksum:TRUE"
                   " -o tcp.check_checksum:TRUE -Y"
                   " '_ws.expert.severity >= \"Warning\" || _ws.malformed ||"
                   " tcp.analysis.lost_segment || tcp.analysis.retransmission'"
                   " 2>&1 | grep -v 'Running as user' || true",
                   path);
    assert_string_equal(out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(curl_keeps_its_connection),
        CASE(curl_opens_one_for_each_request),
        CASE(wrk_finds_no_error),
        CASE(tshark_reads_what_went_over_the_network),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
