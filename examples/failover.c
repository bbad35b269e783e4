/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An HTTP service: three servers, a balancer that leaves out those that do not
 * answer, and clients that try again. Servers crash, stand still and are
 * parted, and each request has its answer in the end: failover --seeds 1000
 */
#include <guestnet/guestnet.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_SERVERS  3
#define N_CLIENTS  2
#define N_MACHINES (N_SERVERS + 1 + N_CLIENTS)
#define N_REQUESTS 20
#define MS         UINT64_C(1000000)
#define SECOND     (1000 * MS)
#define TEXT_MAX   256

static int n_answered;
/* Up to @end, or the end of the stream. */
static int recv_text(struct gn_sock *sock, char *out, const char *end)
{
    size_t len = 0;
    ssize_t n;

    memset(out, 0, TEXT_MAX);
    do {
        n = gn_sock_recv(sock, out + len, TEXT_MAX - 1 - len, 0);
        len += n > 0 ? (size_t)n : 0;
    } while (n > 0 && len < TEXT_MAX - 1 && !(end && strstr(out, end)));
    return n < 0 ? (int)n : end && !strstr(out, end) ? -EPIPE : 0;
}

/* Ask @address, for no longer than @ms. 0 if the answer is a 200. */
static int fetch(const char *address, int number, unsigned ms, char *out)
{
    struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    struct gn_sock *sock;
    int err =
        gn_sock_dial(gn_task_namespace(), "tcp4", address, ms, NULL, 0, &sock);

    if (err)
        return err;
    (void)snprintf(out, TEXT_MAX, "GET /%d HTTP/1.0\r\n\r\n", number);
    err = gn_sock_setopt(sock, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    if (!err && gn_sock_send(sock, out, strlen(out), 0) < 0)
        err = -EPIPE;
    if (!err)
        err = recv_text(sock, out, NULL);
    gn_sock_unref(sock);
    return err ? err : strncmp(out, "HTTP/1.0 200", 12) ? -EIO : 0;
}

/* The balancer does not crash, so this may be here. */
static unsigned next;
static uint64_t out_until[N_SERVERS];

static int pass_on(int number, char *out)
{
    uint64_t now = gn_now_ns(gn_task_namespace());
    char address[16];
    int i;

    for (i = 0; i < N_SERVERS; i++) {
        unsigned server = next++ % N_SERVERS;

        (void)snprintf(address, sizeof(address), "s%u:80", server);
        if (now < out_until[server])
            continue;
        if (!fetch(address, number, 300, out))
            return 0;
        out_until[server] = now + SECOND;
        gn_sim_log("%s is left out", address);
        gn_sim_reached("a server is left out");
    }
    return -EHOSTDOWN;
}

/* The square of a number; at the balancer, that of a server. */
static int answer(void *arg)
{
    struct gn_sock *sock = arg;
    char text[TEXT_MAX];
    int n;

    if (!recv_text(sock, text, "\r\n\r\n") &&
        sscanf(text, "GET /%d ", &n) == 1) {
        if (strcmp(gn_machine_name(gn_task_machine()), "balancer") != 0) {
            (void)gn_sleep_ns(gn_task_namespace(), 10 * MS); /* Hard work. */
            (void)snprintf(text, sizeof(text), "HTTP/1.0 200 OK\r\n\r\n%d",
                           n * n);
        } else if (pass_on(n, text)) {
            (void)strcpy(text, "HTTP/1.0 503 Service Unavailable\r\n\r\n");
        }
        (void)gn_sock_send(sock, text, strlen(text), 0);
    }
    gn_sock_unref(sock);
    return 0;
}

/* Accept for ever; a task for each connection. */
static int serve(void *arg)
{
    struct gn_namespace *ns = gn_task_namespace();
    struct gn_sock *listener, *sock;

    (void)arg;
    if (gn_sock_listen_at(ns, "tcp4", ":80", 16, NULL, 0, &listener))
        gn_sim_fail("cannot listen");
    while (!gn_sock_accept(listener, NULL, NULL, 0, &sock)) {
        if (gn_task_start(ns, NULL, answer, sock, NULL))
            gn_sock_unref(sock);
    }
    return 0;
}

static int ask(void *arg)
{
    char text[TEXT_MAX], *body;
    int i;

    (void)arg;
    for (i = 1; i <= N_REQUESTS; i++) {
        while (fetch("balancer:80", i, 2000, text)) {
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
    return 0;
}

static int start(struct gn_network *net, const char *name)
{
    bool is_client = name[0] == 'c';
    struct gn_namespace_config ns = {.size = sizeof(ns), .name = name};
    struct gn_link_config link = {.size = sizeof(link), .latency_us = 2000};
    struct gn_machine_config config = {.size = sizeof(config),
                                       .ns = &ns,
                                       .link = &link,
                                       .boot = is_client ? ask : serve,
                                       .daemon = !is_client};
    struct gn_machine *machine;

    return gn_machine_create(net, &config, &machine) ||
           gn_machine_start(machine);
}

static int set_up(struct gn_clock *clock, void *arg)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    static const char *names[] = {"balancer", "s0", "s1", "s2", "c0", "c1"};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_VIRTUAL,
                                       .clock = clock};
    struct gn_network *net;
    int i, err = gn_network_create(&config, &net);

    (void)arg;
    for (i = 0; i < N_MACHINES && !err; i++)
        err = start(net, names[i]);
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
