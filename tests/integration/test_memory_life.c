/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Whole lives with each allocation failing in turn: what packets need and do
 * not get is lost as on a bad wire, connections get over it, guests leave and
 * networks close, and nothing is left behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/guestnet.h>

#include "tests/lib/heap.h"
#include "tests/lib/units.h"

struct life {
    struct gn_clock *clock;
    struct gn_network *net[2];
    struct gn_namespace *a, *b, *router;
    struct gn_sock *sock[6];
};

static int make_network(struct life *life, unsigned i, const char *v4,
                        const char *v6)
{
    const char *const prefixes[] = {v4, v6, NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_VIRTUAL,
                                       .clock = life->clock,
                                       .mtu = 1500};

    return gn_network_create(&config, &life->net[i]);
}

static int make_guest(struct gn_network *net, bool forwarding,
                      struct gn_namespace **out)
{
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .forwarding = forwarding};

    return gn_namespace_create(net, &config, out);
}

/* Two networks with a guest each, and a router between. */
static int begin(struct life *life, struct gn_test_heap *heap)
{
    struct gn_clock_config clock = {.size = sizeof(clock),
                                    .alloc = &heap->alloc};
    int err;

    memset(life, 0, sizeof(*life));
    err = gn_clock_create(&clock, &life->clock);
    if (!err)
        err = make_network(life, 0, "10.1.0.0/24", "fd01::/64");
    if (!err)
        err = make_network(life, 1, "10.2.0.0/24", "fd02::/64");
    if (!err)
        err = make_guest(life->net[0], false, &life->a);
    if (!err)
        err = make_guest(life->net[1], false, &life->b);
    if (!err)
        err = make_guest(life->net[0], true, &life->router);
    if (!err)
        err = gn_namespace_attach(life->router, life->net[1], NULL);
    if (!err)
        err = gn_route_add(life->a, "10.2.0.0/24", "10.1.0.3");
    if (!err)
        err = gn_route_add(life->b, "10.1.0.0/24", "10.2.0.3");
    return err;
}

static void end(struct life *life)
{
    size_t i;

    for (i = 0; i < 6; i++)
        gn_sock_close(life->sock[i]);
    gn_network_close(life->net[0], NULL, NULL);
    gn_network_close(life->net[1], NULL, NULL);
    for (i = 0; i < 6; i++)
        gn_sock_unref(life->sock[i]);
    gn_clock_close(life->clock);
}

static struct sockaddr_storage address(const char *text, socklen_t *len)
{
    struct sockaddr_storage ss;

    assert_int_equal(gn_addr_parse(text, &ss, len), 0);
    return ss;
}

static int open_bound(struct life *life, unsigned i, struct gn_namespace *ns,
                      int type, const char *text)
{
    socklen_t len;
    struct sockaddr_storage ss = address(text, &len);
    int err;

    err =
        gn_sock_open(ns, ss.ss_family, type | SOCK_NONBLOCK, 0, &life->sock[i]);
    return err ? err : gn_sock_bind(life->sock[i], (struct sockaddr *)&ss, len);
}

static int connect_to(struct life *life, unsigned i, const char *text)
{
    socklen_t len;
    struct sockaddr_storage ss = address(text, &len);
    int err = gn_sock_connect(life->sock[i], (struct sockaddr *)&ss, len);

    return err == -EINPROGRESS ? 0 : err;
}

static int shortage(long result)
{
    return result == -ENOBUFS ? -ENOMEM : (int)result;
}

/* ---- a stream over the router ---- */

static int wait_for(struct life *life, unsigned i, short events)
{
    uint64_t until = gn_clock_now_ns(life->clock) + 130 * GN_S;
    struct gn_pollfd fd = {.sock = life->sock[i], .events = events};

    while (gn_sock_poll(&fd, 1, 0) == 0) {
        if (gn_clock_now_ns(life->clock) > until)
            return -ETIMEDOUT;
        gn_clock_advance(life->clock, 100 * GN_MS);
    }
    return 0;
}

#define AMOUNT 100000u

static int move_bytes(struct life *life)
{
    static uint8_t out[AMOUNT], in[AMOUNT];
    size_t sent = 0, got = 0;
    uint64_t until = gn_clock_now_ns(life->clock) + 130 * GN_S;
    ssize_t n;

    while (got < AMOUNT) {
        if (gn_clock_now_ns(life->clock) > until)
            return -ETIMEDOUT;
        n = sent < AMOUNT
                ? gn_sock_send(life->sock[1], out + sent, AMOUNT - sent, 0)
                : 0;
        sent += n > 0 ? (size_t)n : 0;
        if (n < 0 && n != -EAGAIN && shortage(n) != -ENOMEM)
            return (int)n;
        gn_clock_advance(life->clock, 50 * GN_MS);
        n = gn_sock_recv(life->sock[2], in, sizeof(in), 0);
        got += n > 0 ? (size_t)n : 0;
        if (n < 0 && n != -EAGAIN)
            return (int)n;
    }
    return 0;
}

static int stream_body(struct gn_test_heap *heap, void *arg)
{
    struct life life;
    int err = begin(&life, heap);

    (void)arg;
    if (!err)
        err = open_bound(&life, 0, life.b, SOCK_STREAM, "10.2.0.2:80");
    if (!err)
        err = gn_sock_listen(life.sock[0], 4);
    if (!err)
        err = open_bound(&life, 1, life.a, SOCK_STREAM, "0.0.0.0");
    if (!err)
        err = connect_to(&life, 1, "10.2.0.2:80");
    if (!err)
        err = wait_for(&life, 0, POLLIN);
    if (!err)
        err = gn_sock_accept(life.sock[0], NULL, NULL, SOCK_NONBLOCK,
                             &life.sock[2]);
    if (!err)
        err = move_bytes(&life);
    /* With every allocation failing nothing arrives any more. */
    if (err && heap->fail_all)
        err = -ENOMEM;
    end(&life);
    return shortage(err);
}

static void streams_get_over_any_failure(void **state)
{
    uint64_t n = gn_test_heap_sweep(stream_body, NULL);

    (void)state;
    print_message("%" PRIu64 " allocations\n", n);
}

/* ---- datagrams of all kinds ---- */

static void send_to(struct life *life, unsigned i, const char *to, size_t len)
{
    static const uint8_t data[20000];
    socklen_t ss_len;
    struct sockaddr_storage ss = address(to, &ss_len);

    (void)gn_sock_sendto(life->sock[i], data, len, 0, (struct sockaddr *)&ss,
                         ss_len);
}

/* Fragments, broadcasts, groups, errors, duplicates, held and damaged: what
 * gets through is not the question. */
static void send_all_kinds(struct life *life)
{
    struct gn_link_config wild = {.latency_us = 100,
                                  .jitter_us = 100,
                                  .duplicate_ppm = 500000,
                                  .corrupt_ppm = 300000};
    struct gn_path_config hold = {.hold = true};
    struct ip_mreqn group = {.imr_multiaddr.s_addr = htonl(0xe8000001u)};
    int on = 1;

    gn_sock_setopt(life->sock[1], SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
    gn_sock_setopt(life->sock[1], IPPROTO_IP, IP_ADD_MEMBERSHIP, &group,
                   sizeof(group));
    (void)!gn_path_set(life->net[0], life->a, life->router, &hold);
    send_to(life, 1, "10.2.0.2:53", 9000);
    send_to(life, 1, "10.2.0.2:54", 100);
    gn_clock_advance(life->clock, GN_MS);
    (void)!gn_path_set(life->net[0], life->a, life->router, NULL);
    (void)!gn_link_set(life->a, NULL, &wild);
    send_to(life, 1, "10.2.0.2:53", 20000);
    send_to(life, 1, "10.2.0.2:54", 1000);
    send_to(life, 1, "10.2.0.99:54", 1000);
    send_to(life, 1, "10.1.0.255:53", 3000);
    send_to(life, 1, "232.0.0.1:53", 3000);
    send_to(life, 2, "[fd01::3]:53", 9000);
    send_to(life, 2, "[fd01::3]:54", 100);
    send_to(life, 2, "[ff05::9]:54", 100);
}

static int datagram_body(struct gn_test_heap *heap, void *arg)
{
    struct life life;
    uint8_t byte;
    int err = begin(&life, heap);
    unsigned i;

    (void)arg;
    if (!err)
        err = open_bound(&life, 0, life.b, SOCK_DGRAM, "10.2.0.2:53");
    if (!err)
        err = open_bound(&life, 1, life.a, SOCK_DGRAM, "0.0.0.0:53");
    if (!err)
        err = open_bound(&life, 2, life.a, SOCK_DGRAM, "[::]:55");
    if (!err)
        err = open_bound(&life, 3, life.router, SOCK_DGRAM, "[::]:53");
    if (!err)
        send_all_kinds(&life);
    if (life.clock)
        gn_clock_advance(life.clock, 10 * GN_MS);
    for (i = 0; i < 4; i++)
        while (life.sock[i] && gn_sock_recv(life.sock[i], &byte, 1, 0) > 0)
            continue;
    if (!err)
        gn_clock_advance(life.clock, 100 * GN_S);
    end(&life);
    return shortage(err);
}

static void datagrams_may_be_lost_and_nothing_else(void **state)
{
    uint64_t n = gn_test_heap_sweep(datagram_body, NULL);

    (void)state;
    print_message("%" PRIu64 " allocations\n", n);
}

/* ---- guests that come and go ---- */

static void count(void *arg)
{
    ++*(unsigned *)arg;
}

static int come_and_go(struct life *life, unsigned *closed)
{
    unsigned due = 0, i;
    int err = 0;

    for (i = 0; i < 6 && !err; i++) {
        struct gn_namespace *ns;

        err = make_guest(life->net[0], i & 1, &ns);
        if (err)
            break;
        (void)!gn_namespace_attach(ns, life->net[1], NULL);
        (void)!gn_sock_open(ns, AF_INET6, SOCK_STREAM, 0, &life->sock[i]);
        if (i & 2)
            gn_namespace_detach(ns);
        if (i & 1)
            gn_namespace_kill(ns);
        gn_namespace_close(ns, i & 4 ? GN_CLOSE_SILENT : 0, count, closed);
        due++;
    }
    /* Whatever failed, each callback that was promised runs. */
    gn_clock_advance(life->clock, 0);
    assert_int_equal(*closed, due);
    return err;
}

static int guests_body(struct gn_test_heap *heap, void *arg)
{
    struct life life;
    unsigned closed = 0;
    int err = begin(&life, heap);

    (void)arg;
    if (!err)
        err = come_and_go(&life, &closed);
    end(&life);
    return shortage(err);
}

static void guests_come_and_go_whatever_fails(void **state)
{
    uint64_t n = gn_test_heap_sweep(guests_body, NULL);

    (void)state;
    print_message("%" PRIu64 " allocations\n", n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_get_over_any_failure),
        cmocka_unit_test(datagrams_may_be_lost_and_nothing_else),
        cmocka_unit_test(guests_come_and_go_whatever_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
