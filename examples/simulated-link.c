/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One guest sends a megabyte to another over a bad link, under a clock that
 * jumps from one event to the next: the transfer takes seconds of simulated
 * time and milliseconds of ours, and every run prints the same figures. Give
 * another seed as argument to see another run.
 *
 * Calls cannot block under such a clock, so the guests are two callbacks.
 *
 *     cc simulated-link.c $(pkg-config --cflags --libs guestnet)
 */
#include <guestnet/guestnet.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define TOTAL (1024u * 1024)

struct transfer {
    struct gn_clock *clock;
    struct gn_sock *listener;
    struct gn_sock *sender;
    struct gn_sock *receiver; /* NULL until accepted */
    size_t sent;
    size_t received;
    int err;
};

static void note(const struct transfer *t, const char *what)
{
    printf("%10.3f ms  %s, %zu bytes received\n",
           (double)gn_clock_now_ns(t->clock) / 1e6, what, t->received);
}

static void on_readable(struct gn_sock *sock, short revents, void *arg)
{
    static char buf[65536];
    struct transfer *t = arg;
    size_t before = t->received;
    ssize_t n;

    (void)revents;
    while ((n = gn_sock_recv(sock, buf, sizeof(buf), 0)) > 0)
        t->received += (size_t)n;
    if (t->received / (TOTAL / 4) != before / (TOTAL / 4))
        note(t, "receiving");
    if (n < 0 && n != -EAGAIN)
        t->err = (int)n;
    if (n != -EAGAIN)
        gn_sock_watch(sock, 0, NULL, NULL);
}

static void on_connection(struct gn_sock *listener, short revents, void *arg)
{
    struct transfer *t = arg;

    (void)revents;
    t->err = gn_sock_accept(listener, NULL, NULL, SOCK_NONBLOCK, &t->receiver);
    gn_sock_watch(listener, 0, NULL, NULL);
    if (t->err)
        return;
    note(t, "accepted");
    t->err = gn_sock_watch(t->receiver, POLLIN, on_readable, t);
}

static void on_writable(struct gn_sock *sock, short revents, void *arg)
{
    static const char zeros[16384];
    struct transfer *t = arg;
    ssize_t n = 0;

    (void)revents;
    while (t->sent < TOTAL) {
        size_t left = TOTAL - t->sent;
        size_t len = left < sizeof(zeros) ? left : sizeof(zeros);

        n = gn_sock_send(sock, zeros, len, 0);
        if (n < 0)
            break;
        t->sent += (size_t)n;
    }
    if (n == -EAGAIN)
        return;
    gn_sock_watch(sock, 0, NULL, NULL);
    t->err = n < 0 ? (int)n : gn_sock_shutdown(sock, SHUT_WR);
}

static bool is_over(void *arg)
{
    const struct transfer *t = arg;

    return t->err || t->received >= TOTAL;
}

/** Bob listens, Alice connects; the rest follows when the clock moves. */
static int start(struct transfer *t, struct gn_namespace *alice,
                 struct gn_namespace *bob)
{
    struct sockaddr_storage addr;
    socklen_t len;
    int err = gn_addr_parse("10.77.0.3:80", &addr, &len);

    if (!err)
        err = gn_sock_open(bob, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0,
                           &t->listener);
    if (!err)
        err = gn_sock_bind(t->listener, (struct sockaddr *)&addr, len);
    if (!err)
        err = gn_sock_listen(t->listener, 1);
    if (!err)
        err = gn_sock_watch(t->listener, POLLIN, on_connection, t);
    if (!err)
        err = gn_sock_open(alice, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0,
                           &t->sender);
    if (!err)
        err = gn_sock_connect(t->sender, (struct sockaddr *)&addr, len);
    if (err == -EINPROGRESS)
        err = gn_sock_watch(t->sender, POLLOUT, on_writable, t);
    return err;
}

static int run(struct gn_network *net, struct transfer *t)
{
    struct gn_link_config bad = {
        .size = sizeof(bad),
        .latency_us = 20000,
        .jitter_us = 1000,
        .rate_bps = 10000000,
        .loss_ppm = 30000,
    };
    struct gn_namespace *alice, *bob;
    struct gn_stats stats;
    int err = gn_namespace_create(net, NULL, &alice);

    if (!err)
        err = gn_namespace_create(net, NULL, &bob);
    if (!err)
        err = gn_link_set(alice, "eth0", &bad);
    if (!err)
        err = start(t, alice, bob);
    if (err)
        return err;
    if (!gn_clock_run_until(t->clock, UINT64_MAX, is_over, t))
        return -ETIMEDOUT;
    note(t, "finished");
    gn_network_stats(net, &stats);
    printf("%" PRIu64 " packets, %" PRIu64 " lost\n", stats.packets_in,
           stats.drops[GN_DROP_LOSS]);
    return t->err;
}

int main(int argc, char **argv)
{
    const char *prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_clock_config clock_config = {
        .size = sizeof(clock_config),
        .seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1,
    };
    struct gn_network_config config = {
        .size = sizeof(config),
        .prefixes = prefixes,
        .drive = GN_DRIVE_VIRTUAL,
    };
    struct transfer t = {0};
    struct gn_network *net = NULL;
    int err = gn_clock_create(&clock_config, &t.clock);

    config.clock = t.clock;
    if (!err)
        err = gn_network_create(&config, &net);
    if (!err)
        err = run(net, &t);
    if (err)
        fprintf(stderr, "%s\n", gn_strerror(err));
    gn_sock_unref(t.receiver);
    gn_sock_unref(t.sender);
    gn_sock_unref(t.listener);
    gn_network_close(net, NULL, NULL);
    gn_clock_close(t.clock);
    return err ? 1 : 0;
}
