/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An HTTP service: three servers, a balancer that leaves out those that do not
 * answer, and clients that try again. Servers crash, stand still and are parted
 * from the balancer; each request has its answer in the end:
 *
 *     failover --seeds 1000
 */
#include <guestnet/guestnet.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_SERVERS  3
#define N_CLIENTS  2
#define N_REQUESTS 20
#define MS         UINT64_C(1000000)
#define SECOND     (1000 * MS)
#define TEXT_MAX   256

static int n_answered;

/* ---- HTTP, as much as it takes ---- */

static int set_timeout(struct gn_sock *sock, unsigned ms)
{
    struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    return gn_sock_setopt(sock, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
}

static int send_text(struct gn_sock *sock, const char *text)
{
    size_t len = strlen(text);

    return gn_sock_send(sock, text, len, 0) == (ssize_t)len ? 0 : -EPIPE;
}

/* Up to the end of the stream. */
static int recv_text(struct gn_sock *sock, char *out, const char *end)
{
    size_t len = 0;
    ssize_t n = 1;

    out[0] = '\0';
    while (n > 0 && len < TEXT_MAX - 1 && !(end && strstr(out, end))) {
        n = gn_sock_recv(sock, out + len, TEXT_MAX - 1 - len, 0);
        len += n > 0 ? (size_t)n : 0;
        out[len] = '\0';
    }
    return n < 0 ? (int)n : end && !strstr(out, end) ? -EPIPE : 0;
}

static void hang_up(struct gn_sock *sock)
{
    gn_sock_close(sock);
    gn_sock_unref(sock);
}

/* Ask @address, for no longer than @ms. 0 if the answer is a 200. */
static int fetch(const char *address, const char *path, unsigned ms, char *out)
{
    char request[TEXT_MAX];
    struct gn_sock *sock;
    int err =
        gn_sock_dial(gn_task_namespace(), "tcp4", address, ms, NULL, 0, &sock);

    if (err)
        return err;
    (void)snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\n\r\n", path);
    err = set_timeout(sock, ms);
    if (!err)
        err = send_text(sock, request);
    if (!err)
        err = recv_text(sock, out, NULL);
    hang_up(sock);
    return err ? err : strncmp(out, "HTTP/1.0 200", 12) ? -EIO : 0;
}

/* Accept for ever; a task for each connection. */
static int serve(gn_task_fn answer)
{
    struct gn_namespace *ns = gn_task_namespace();
    struct gn_sock *listener, *sock;

    if (gn_sock_listen_at(ns, "tcp4", ":80", 16, NULL, 0, &listener))
        gn_sim_fail("cannot listen");
    while (!gn_sock_accept(listener, NULL, NULL, 0, &sock)) {
        if (gn_task_start(ns, NULL, answer, sock, NULL))
            hang_up(sock);
    }
    return 0;
}

/* ---- servers: the square of a number ---- */

static int answer_square(void *arg)
{
    struct gn_sock *sock = arg;
    char text[TEXT_MAX];
    int n;

    if (!recv_text(sock, text, "\r\n\r\n") &&
        sscanf(text, "GET /%d ", &n) == 1) {
        (void)gn_sleep_ns(gn_task_namespace(), 10 * MS); /* It is hard work. */
        (void)snprintf(text, sizeof(text), "HTTP/1.0 200 OK\r\n\r\n%d", n * n);
        (void)send_text(sock, text);
    }
    hang_up(sock);
    return 0;
}

static int server_boot(void *arg)
{
    (void)arg;
    return serve(answer_square);
}

/* ---- the balancer ---- */

static struct {
    unsigned next;
    uint64_t out_until[N_SERVERS]; /* it does not crash, so this may be here */
} balancer;

static int pass_on(const char *path, char *out)
{
    uint64_t now = gn_now_ns(gn_task_namespace());
    char address[16];
    int i, err = -EHOSTDOWN;

    for (i = 0; i < N_SERVERS && err; i++) {
        unsigned server = balancer.next++ % N_SERVERS;

        if (now < balancer.out_until[server])
            continue;
        (void)snprintf(address, sizeof(address), "s%u:80", server);
        err = fetch(address, path, 300, out);
        if (err) {
            balancer.out_until[server] = now + SECOND;
            gn_sim_log("s%u is left out: %s", server, gn_strerror(err));
            gn_sim_reached("a server is left out");
        }
    }
    return err;
}

static int answer_by_others(void *arg)
{
    struct gn_sock *sock = arg;
    char text[TEXT_MAX], path[32];

    if (!recv_text(sock, text, "\r\n\r\n") &&
        sscanf(text, "GET %31s ", path) == 1) {
        if (pass_on(path, text))
            (void)strcpy(text, "HTTP/1.0 503 Service Unavailable\r\n\r\n");
        (void)send_text(sock, text);
    }
    hang_up(sock);
    return 0;
}

static int balancer_boot(void *arg)
{
    (void)arg;
    return serve(answer_by_others);
}

/* ---- clients ---- */

static int client_boot(void *arg)
{
    char path[16], text[TEXT_MAX], *body;
    int i;

    for (i = 1; i <= N_REQUESTS; i++) {
        (void)snprintf(path, sizeof(path), "/%d", i);
        while (fetch("balancer:80", path, 2000, text)) {
            gn_sim_reached("a client tries again");
            if (gn_sleep_ns(gn_task_namespace(), 100 * MS))
                return 1;
        }
        body = strstr(text, "\r\n\r\n");
        if (!body || atoi(body + 4) != i * i)
            gn_sim_fail("%d squared is no \"%s\"", i, text);
        n_answered++;
        (void)gn_sleep_ns(gn_task_namespace(), 300 * MS);
    }
    (void)arg;
    return 0;
}

/* ---- the test ---- */

static int start(struct gn_network *net, const char *kind, int i,
                 gn_task_fn boot, bool daemon)
{
    char name[16];
    struct gn_namespace_config ns = {.size = sizeof(ns), .name = name};
    struct gn_link_config link = {.size = sizeof(link), .latency_us = 2000};
    struct gn_machine_config config = {.size = sizeof(config),
                                       .ns = &ns,
                                       .link = &link,
                                       .boot = boot,
                                       .daemon = daemon};
    struct gn_machine *machine;
    int err;

    (void)snprintf(name, sizeof(name), i < 0 ? "%s" : "%s%d", kind, i);
    err = gn_machine_create(net, &config, &machine);
    return err ? err : gn_machine_start(machine);
}

static int set_up(struct gn_clock *clock, void *arg)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_VIRTUAL,
                                       .clock = clock};
    struct gn_network *net;
    int i, err = gn_network_create(&config, &net);

    (void)arg;
    n_answered = 0;
    memset(&balancer, 0, sizeof(balancer));
    for (i = 0; i < N_SERVERS && !err; i++)
        err = start(net, "s", i, server_boot, true);
    if (!err)
        err = start(net, "balancer", -1, balancer_boot, true);
    for (i = 0; i < N_CLIENTS && !err; i++)
        err = start(net, "c", i, client_boot, false);
    return err;
}

static int check(struct gn_clock *clock, void *arg)
{
    (void)clock, (void)arg;
    if (n_answered != N_CLIENTS * N_REQUESTS)
        gn_sim_fail("%d requests of %d have an answer", n_answered,
                    N_CLIENTS * N_REQUESTS);
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const servers[] = {"s0", "s1", "s2", NULL};
    static const char *const marks[] = {"a server is left out",
                                        "a client tries again", NULL};
    static const struct gn_plan_config faults = {
        .size = sizeof(faults), .machines = servers, .max_down = N_SERVERS};
    static const struct gn_scenario scenario = {.size = sizeof(scenario),
                                                .name = "failover",
                                                .setup = set_up,
                                                .check = check,
                                                .duration_ns = 60 * SECOND,
                                                .faults = &faults,
                                                .marks = marks};

    return gn_sim_main(argc, argv, &scenario, 1);
}
