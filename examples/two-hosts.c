/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two hosts on one network, in one process: a server answers in a task of its
 * own, a client asks it, over IPv4 and over IPv6, on a line that is 10 ms long.
 * Nothing here needs root, and nothing of it is visible outside the process.
 *
 *     cc two-hosts.c $(pkg-config --cflags --libs guestnet)
 *
 * The same code runs in three worlds:
 *
 *     ./a.out            on a network in real time, a thread for each task
 *     ./a.out virtual    under a clock: 80 ms pass in no time, and each run is
 *                        the same run
 *     ./a.out kernel     over the kernel's own loopback
 */
#include <guestnet/guestnet.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every call says what went wrong as a negative errno. */
static ssize_t check(const char *what, ssize_t result)
{
    if (result >= 0)
        return result;
    fprintf(stderr, "%s: %s\n", what, gn_strerror((int)result));
    exit(1);
}

struct world {
    struct gn_clock *clock;
    struct gn_network *net;
    struct gn_namespace *server, *client;
    struct gn_sock *listener;
    const char *at[2]; /* where the client finds the server */
};

/* What the server does: as on Linux, with gn_sock_ for the calls. */
static int serve(void *arg)
{
    struct world *w = arg;
    char text[256], peer[GN_ADDR_TEXT_MAX];
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    struct gn_sock *sock;
    ssize_t n;

    while (gn_sock_accept(w->listener, (struct sockaddr *)&from, &len, 0,
                          &sock) == 0) {
        n = gn_sock_recv(sock, text, sizeof(text), 0);
        if (n > 0 &&
            gn_addr_format((struct sockaddr *)&from, peer, sizeof(peer)) == 0) {
            printf("server: %s says \"%.*s\"\n", peer, (int)n, text);
            (void)gn_sock_send(sock, text, (size_t)n, 0);
        }
        gn_sock_close(sock);
        gn_sock_unref(sock);
        len = sizeof(from);
    }
    return 0; /* The socket has been closed: -EBADF. */
}

static void ask(struct gn_namespace *ns, const char *address)
{
    uint64_t begin = gn_now_ns(ns);
    struct gn_sock *sock;
    char answer[256];
    ssize_t n;

    check(address, gn_sock_dial(ns, "tcp", address, 5000, NULL, 0, &sock));
    check("send", gn_sock_send(sock, "hello", 5, 0));
    n = check("recv", gn_sock_recv(sock, answer, sizeof(answer), 0));
    printf("client: %s answers \"%.*s\" after %" PRIu64 " ms\n", address,
           (int)n, answer, (gn_now_ns(ns) - begin) / 1000000);
    gn_sock_close(sock);
    gn_sock_unref(sock);
}

static int be_client(void *arg)
{
    struct world *w = arg;
    struct gn_task *server;

    check("listen", gn_sock_listen_at(w->server, "tcp", ":7007", 0, NULL, 0,
                                      &w->listener));
    check("task", gn_task_start(w->server, NULL, serve, w, &server));
    ask(w->client, w->at[0]);
    ask(w->client, w->at[1]);
    gn_sock_close(w->listener); /* Ends the accept(). */
    check("join", gn_task_join(server, NULL));
    gn_sock_unref(w->listener);
    return 0;
}

/* ---- the worlds ---- */

static void make_network(struct world *w)
{
    const char *prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = w->clock ? GN_DRIVE_VIRTUAL
                                                         : GN_DRIVE_THREAD,
                                       .clock = w->clock};
    struct gn_namespace_config server = {.size = sizeof(server),
                                         .name = "server"};
    struct gn_namespace_config client = {.size = sizeof(client),
                                         .name = "client"};
    struct gn_link_config line = {.size = sizeof(line), .latency_us = 10000};

    check("network", gn_network_create(&config, &w->net));
    check("server", gn_namespace_create(w->net, &server, &w->server));
    check("client", gn_namespace_create(w->net, &client, &w->client));
    check("link", gn_link_set(w->client, "eth0", &line));
}

int main(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "real";
    struct world w = {.at = {"10.77.0.2:7007", "[fd77::2]:7007"}};
    struct gn_sim_report report = {.size = sizeof(report)};
    struct gn_task *client;

    if (!strcmp(kind, "kernel")) {
        check("server", gn_namespace_system(&w.server));
        check("client", gn_namespace_system(&w.client));
        w.at[0] = "127.0.0.1:7007";
        w.at[1] = "[::1]:7007";
    } else {
        if (!strcmp(kind, "virtual"))
            check("clock", gn_clock_create(NULL, &w.clock));
        make_network(&w);
    }
    check("task", gn_task_start(w.client, NULL, be_client, &w, &client));
    if (w.clock) {
        check("run", gn_clock_run(w.clock, UINT64_MAX, &report));
        printf("clock: %s\n", report.end == GN_SIM_DONE ? "all tasks have ended"
                                                        : report.text);
    }
    check("join", gn_task_join(client, NULL));
    gn_namespace_close(w.client, 0, NULL, NULL);
    gn_namespace_close(w.server, 0, NULL, NULL);
    gn_network_close(w.net, NULL, NULL);
    gn_clock_close(w.clock);
    return 0;
}
