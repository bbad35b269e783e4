/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Memory that runs out, at every allocation in turn: each public call of
 * sockets either succeeds or says -ENOMEM or -ENOBUFS, and nothing is lost.
 * And memory that is bounded: slow readers hold what they may and no more.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/socks.h"

/* What a call may say when there is no memory; packets that were not made are
 * packets lost, so things that wait for one may not have happened. */
static bool is_short(long result)
{
    return result == -ENOMEM || result == -ENOBUFS;
}

static int world(struct gn_test_heap *heap, struct socks *f)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_clock_config clock = {
        .size = sizeof(clock), .seed = 1, .alloc = &heap->alloc};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_VIRTUAL};
    int err;

    memset(f, 0, sizeof(*f));
    err = gn_clock_create(&clock, &f->clock);
    if (err)
        return err;
    config.clock = f->clock;
    err = gn_network_create(&config, &f->net);
    if (!err)
        err = gn_namespace_create(f->net, NULL, &f->a);
    if (!err)
        err = gn_namespace_create(f->net, NULL, &f->b);
    return err;
}

static void end_world(struct socks *f)
{
    gn_network_close(f->net, NULL, NULL);
    gn_clock_close(f->clock);
}

static int open_one(struct gn_namespace *ns, int type, struct gn_sock **out)
{
    return gn_sock_open(ns, AF_INET, type | SOCK_NONBLOCK, 0, out);
}

static void watch_nothing(struct gn_sock *sock, short revents, void *arg)
{
    (void)sock;
    (void)revents;
    (void)arg;
}

static int stream_body(struct socks *f, struct gn_sock *socks[3])
{
    static uint8_t buf[40000];
    ssize_t n;
    int err;

    err = open_one(f->b, SOCK_STREAM, &socks[0]);
    if (!err)
        err = bind_to(socks[0], "10.77.0.3:80");
    if (!err)
        err = gn_sock_listen(socks[0], 4);
    if (!err)
        err = open_one(f->a, SOCK_STREAM, &socks[1]);
    if (!err)
        err = gn_sock_watch(socks[1], POLLIN, watch_nothing, NULL);
    if (!err)
        err = connect_to(socks[1], "10.77.0.3:80");
    if (err != -EINPROGRESS)
        return err;
    pass_ms(f, 5000);
    err = gn_sock_accept(socks[0], NULL, NULL, SOCK_NONBLOCK, &socks[2]);
    if (err)
        return err;
    n = gn_sock_send(socks[1], buf, sizeof(buf), 0);
    if (n < 0)
        return (int)n;
    n = gn_sock_send(socks[1], buf, 10, 0);
    pass_ms(f, 5000);
    (void)!gn_sock_recv(socks[2], buf, sizeof(buf), 0);
    return n < 0 ? (int)n : 0;
}

static int dgram_body(struct socks *f, struct gn_sock *socks[3])
{
    struct ip_mreq group = {{htonl(0xe0000105)}, {0}};
    static uint8_t buf[40000];
    ssize_t n;
    int err;

    err = open_one(f->b, SOCK_DGRAM, &socks[0]);
    if (!err)
        err = bind_to(socks[0], "0.0.0.0:53");
    if (!err)
        err = gn_sock_setopt(socks[0], IPPROTO_IP, IP_ADD_MEMBERSHIP, &group,
                             sizeof(group));
    if (!err)
        err = open_one(f->a, SOCK_DGRAM, &socks[1]);
    if (!err)
        err = connect_to(socks[1], "10.77.0.3:53");
    if (err)
        return err;
    n = gn_sock_send(socks[1], buf, 5, 0);
    if (n > 0)
        n = gn_sock_send(socks[1], buf, sizeof(buf), 0);
    pass_ms(f, 1000);
    while (gn_sock_recv(socks[0], buf, sizeof(buf), 0) > 0)
        continue;
    return n < 0 ? (int)n : 0;
}

static int run_body(struct gn_test_heap *heap,
                    int (*body)(struct socks *f, struct gn_sock *socks[3]))
{
    struct gn_sock *socks[3] = {NULL, NULL, NULL};
    struct socks f;
    unsigned i;
    int err = world(heap, &f);

    if (!err)
        err = body(&f, socks);
    for (i = 0; i < 3; i++)
        gn_sock_unref(socks[i]); /* The last reference closes. */
    end_world(&f);
    if (err == -EAGAIN && heap->failed)
        err = -ENOMEM; /* A packet was lost for want of memory. */
    return is_short(err) ? -ENOMEM : err;
}

static int stream(struct gn_test_heap *heap, void *arg)
{
    (void)arg;
    return run_body(heap, stream_body);
}

static int dgram(struct gn_test_heap *heap, void *arg)
{
    (void)arg;
    return run_body(heap, dgram_body);
}

static void every_allocation_of_a_stream_may_fail(void **state)
{
    struct gn_test_heap heap;

    (void)state;
    gn_test_heap_init(&heap);
    assert_true(gn_test_heap_sweep(stream, NULL) > 10);
    gn_test_heap_done(&heap);
}

static void every_allocation_of_datagrams_may_fail(void **state)
{
    (void)state;
    assert_true(gn_test_heap_sweep(dgram, NULL) > 10);
}

/* ---- bounds ---- */

static void slow_readers_hold_no_more_than_their_limit(void **state)
{
    struct socks *f = *state;
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .limits = {.max_buffered = 1u << 20}};
    struct gn_sock *listener, *clients[50], *servers[50];
    static uint8_t buf[65536];
    struct gn_namespace *ns;
    struct gn_stats stats;
    unsigned i, round;

    assert_int_equal(gn_namespace_create(f->net, &config, &ns), 0);
    listener = listen_at(ns, "10.77.0.4:80");
    assert_int_equal(gn_sock_listen(listener, 64), 0);
    for (i = 0; i < 50; i++) {
        clients[i] = open4(f->a, SOCK_STREAM);
        assert_int_equal(connect_to(clients[i], "10.77.0.4:80"), -EINPROGRESS);
        pass_ms(f, 1);
        servers[i] = accept_one(listener);
        assert_non_null(servers[i]);
    }
    for (round = 0; round < 20; round++) {
        for (i = 0; i < 50; i++)
            (void)!gn_sock_send(clients[i], buf, sizeof(buf), 0);
        pass_ms(f, 10);
        gn_namespace_stats(ns, &stats);
        /* Over by what was in the last packet, at most. */
        assert_in_range(stats.buffered, 0, (1u << 20) + 65536);
    }
    for (i = 0; i < 50; i++) {
        drop(clients[i]);
        drop(servers[i]);
    }
    drop(listener);
    gn_namespace_close(ns, 0, NULL, NULL);
}

static void a_socket_that_is_freed_open_is_closed(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server;
    char byte;

    connect_pair(f, 80, &client, &server);
    gn_sock_unref(client);
    pass_ms(f, 1);
    assert_int_equal(gn_sock_recv(server, &byte, 1, 0), 0);
    drop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_of_a_stream_may_fail),
        cmocka_unit_test(every_allocation_of_datagrams_may_fail),
        CASE_OF(socks, slow_readers_hold_no_more_than_their_limit),
        CASE_OF(socks, a_socket_that_is_freed_open_is_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
