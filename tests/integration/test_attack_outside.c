/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Guests that flood the world outside: what is held of each stays bounded and
 * is counted, and a guest that means well is served meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/arena.h"
#include "tests/lib/beyond.h"
#include "tests/lib/case.h"
#include "tests/lib/foe.h"

/* One thread sends them all: under the race detector a part is enough. */
#ifdef __SANITIZE_THREAD__
#define MILLION 200000u
#else
#define MILLION 1000000u
#endif
#define KIB  1024u
#define MIB  (1024u * KIB)
#define GOOD "198.51.100.1:80"

struct fixture {
    struct arena arena;
    struct beyond bad;  /* the foe's world: never answers */
    struct beyond good; /* the client's */
    struct foe foe;
    struct gn_namespace *client;
    uint64_t heap; /* bytes that live before the attack */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    arena_begin(&f->arena, NULL);
    beyond_init(&f->bad);
    beyond_init(&f->good);
    f->bad.mode = BEYOND_WAIT;
    foe_open(&f->foe, f->arena.net, "10.77.6.6", "fd77::6:6");
    gn__engine_enter(f->arena.net->engine);
    assert_int_equal(gn__port_set_outside(&f->foe.port, &f->bad.outside), 0);
    gn__engine_leave(f->arena.net->engine);
    f->client = beyond_guest(&f->good, f->arena.net, "client", NULL);
    f->heap = f->arena.heap.live_bytes;
    f->arena.heap.peak_bytes = f->heap;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    foe_close(&f->foe);
    arena_pass(&f->arena, GN_MS, 10000);
    beyond_done(&f->bad);
    beyond_done(&f->good);
    assert_int_equal(f->bad.n_pending, 0);
    arena_end(&f->arena);
    free(f);
    return 0;
}

static uint64_t peak(const struct fixture *f)
{
    return f->arena.heap.peak_bytes - f->heap;
}

static uint64_t host_drops(struct fixture *f, enum gn_drop why)
{
    return arena_drops(gn_network_gateway(f->arena.net), why);
}

static void client_is_served(struct fixture *f)
{
    struct gn_sock *tcp = arena_open(f->client, SOCK_STREAM, GOOD);
    struct gn_sock *udp = arena_open(f->client, SOCK_DGRAM, GOOD);
    char buf[8];

    assert_int_equal(arena_connect(tcp, GOOD), -EINPROGRESS);
    assert_int_equal(arena_sendto(udp, GOOD, "dgram", 5), 5);
    arena_pass(&f->arena, GN_MS, 20000);
    assert_int_equal(arena_error(tcp), 0);
    assert_int_equal(gn_sock_recv(udp, buf, sizeof(buf), 0), 5);
    assert_int_equal(gn_sock_send(tcp, "hello", 5, 0), 5);
    arena_pass(&f->arena, GN_MS, 20000);
    assert_int_equal(gn_sock_recv(tcp, buf, sizeof(buf), 0), 5);
    arena_drop(tcp);
    arena_drop(udp);
}

static struct gn__endpoint target(uint32_t i)
{
    return (struct gn__endpoint){.addr = gn__addr_from_v4(0xcb000000u + i),
                                 .port = 80};
}

static void syn(struct fixture *f, uint32_t i, uint8_t flags)
{
    struct foe_segment segment = {.src = f->foe.v4,
                                  .dst = target(i).addr,
                                  .src_port = (uint16_t)(1024 + i % 60000),
                                  .dst_port = 80,
                                  .seq = i,
                                  .window = 8192,
                                  .flags = flags};
    uint8_t bytes[128];

    assert_true(foe_send(&f->foe, bytes, foe_tcp(&segment, bytes)));
}

static void a_million_syns_to_a_million_addresses(void **state)
{
    struct fixture *f = *state;
    uint32_t i;

    for (i = 0; i < MILLION; i++) {
        syn(f, i, FOE_SYN);
        if (i % 250000 == 100000) {
            client_is_served(f);
            arena_others_work(&f->arena);
        }
    }
    assert_int_equal(f->bad.n_dials, 1024);
    assert_int_equal(host_drops(f, GN_DROP_OUTGOING), MILLION - 1024);
    assert_true(peak(f) < 4 * MIB);
    client_is_served(f);
}

/* Each is dialled, forgotten and dialled anew. */
static void syns_and_resets(void **state)
{
    struct fixture *f = *state;
    uint32_t i;

    for (i = 0; i < 100000; i++) {
        syn(f, i, FOE_SYN);
        if (i % 3 == 0)
            arena_pass(&f->arena, 1000, 1000);
        syn(f, i, FOE_RST);
        if (i % 1000 == 999)
            arena_pass(&f->arena, GN_MS, 10000);
    }
    arena_pass(&f->arena, GN_MS, 10000);
    assert_int_equal(f->bad.n_pending, 0);
    assert_int_equal(f->bad.n_dials, f->bad.n_cancelled);
    assert_true(peak(f) < 2 * MIB);
    client_is_served(f);
}

static void datagram(struct fixture *f, uint32_t i, size_t len)
{
    static const uint8_t data[1400];
    struct gn__endpoint from = {.addr = f->foe.v4, .port = 9};
    struct gn__endpoint to = target(i);
    uint8_t bytes[1500];

    assert_true(
        foe_send(&f->foe, bytes, foe_udp(&from, &to, data, len, bytes)));
}

static void a_million_datagrams_to_a_million_addresses(void **state)
{
    struct fixture *f = *state;
    uint32_t i;

    for (i = 0; i < MILLION; i++) {
        datagram(f, i, 1);
        if (i % 250000 == 100000) {
            client_is_served(f);
            arena_others_work(&f->arena);
        }
    }
    assert_int_equal(f->bad.n_dials, 1024);
    assert_true(peak(f) < 4 * MIB);
    /* Answered, they are flows, and new ones take their places. */
    while (f->bad.n_pending)
        assert_int_equal(beyond_accept(&f->bad), 0);
    f->bad.mode = BEYOND_ECHO;
    for (i = 0; i < 100000; i++) {
        datagram(f, 2 * MILLION + i, 1);
        if (i % 1000 == 999)
            arena_pass(&f->arena, GN_MS, 10000);
    }
    assert_int_equal(f->bad.n_flows, 1024);
    assert_int_equal(f->bad.n_flows_evicted, 100000);
    assert_true(peak(f) < 6 * MIB);
    client_is_served(f);
}

/* 1024 dials with as many large datagrams as may wait: memory is the guest's,
 * and there is an end of it. */
static void large_datagrams_that_wait(void **state)
{
    struct fixture *f = *state;
    uint32_t i;

    for (i = 0; i < 400000; i++)
        datagram(f, i % 1000, 1400);
    assert_true(host_drops(f, GN_DROP_FLOW) + host_drops(f, GN_DROP_MEMORY) >
                300000);
    assert_true(peak(f) < 2 * 64 * MIB); /* Aligned blocks cost up to twice. */
    client_is_served(f);
}

/* A guest whose memory is used up: what begins without any is not kept, and the
 * end proves that nothing of it is left. */
static struct gn_namespace *poor_guest(struct fixture *f, uint64_t max_buffered)
{
    const struct gn_limits limits = {.max_buffered = max_buffered};

    return beyond_guest(&f->bad, f->arena.net, NULL, &limits);
}

static void an_address_of(uint32_t i, char *text, size_t cap)
{
    (void)snprintf(text, cap, "203.%u.%u.%u:80", i >> 16 & 0xff, i >> 8 & 0xff,
                   i & 0xff);
}

static void datagrams_that_there_is_no_memory_for(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *ns = poor_guest(f, MIB);
    struct gn_sock *sock = arena_open(ns, SOCK_DGRAM, GOOD);
    static const uint8_t data[16000];
    char address[32];
    uint32_t i;

    arena_set(sock, SOL_SOCKET, SO_SNDBUF, 4 * (int)MIB);
    f->heap = f->arena.heap.live_bytes;
    for (i = 0; i < 20000; i++) {
        an_address_of(i, address, sizeof(address));
        (void)arena_sendto(sock, address, data, sizeof(data));
    }
    assert_true(host_drops(f, GN_DROP_MEMORY) > 10000);
    assert_true(peak(f) < 4 * MIB);
    client_is_served(f);
    arena_drop(sock);
    gn_namespace_close(ns, 0, NULL, NULL);
}

static void connections_that_there_is_no_memory_for(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *ns = poor_guest(f, 128 * KIB);
    struct gn_sock *sock[400];
    char address[32];
    uint32_t i;

    f->heap = f->arena.heap.live_bytes;
    for (i = 0; i < 400; i++) {
        an_address_of(i, address, sizeof(address));
        sock[i] = arena_open(ns, SOCK_STREAM, GOOD);
        (void)arena_connect(sock[i], address);
    }
    arena_pass(&f->arena, 10 * GN_S, 100000);
    assert_true(host_drops(f, GN_DROP_MEMORY) > 0);
    assert_true(peak(f) < 4 * MIB);
    client_is_served(f);
    for (i = 0; i < 400; i++)
        arena_drop(sock[i]);
    gn_namespace_close(ns, 0, NULL, NULL);
}

/* All are answered, and the foe never goes on. */
static void handshakes_that_never_end(void **state)
{
    struct fixture *f = *state;
    uint32_t i;

    f->bad.mode = BEYOND_ECHO;
    for (i = 0; i < 60000; i++) {
        syn(f, i, FOE_SYN);
        if (i % 500 == 499)
            arena_pass(&f->arena, GN_MS, 20000);
    }
    assert_true(f->bad.n_conns <= 16384);
    assert_true(peak(f) < 64 * MIB);
    client_is_served(f);
    arena_pass(&f->arena, 60 * GN_S, 400000);
    assert_int_equal(f->bad.n_conns, 0);
    client_is_served(f);
}

static void pieces_that_never_become_whole(void **state)
{
    static const uint8_t data[1024];
    struct gn__addr dst = foe_addr("203.0.113.9");
    struct fixture *f = *state;
    uint8_t bytes[1500];
    uint32_t i;

    for (i = 0; i < 100000; i++) {
        size_t n = foe_fragment(&f->foe.v4, &dst, 17, i, 0, true, data,
                                sizeof(data), bytes);

        assert_true(foe_send(&f->foe, bytes, n));
    }
    assert_true(peak(f) < 80 * MIB);
    client_is_served(f);
    arena_others_work(&f->arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_million_syns_to_a_million_addresses),
        CASE(syns_and_resets),
        CASE(a_million_datagrams_to_a_million_addresses),
        CASE(large_datagrams_that_wait),
        CASE(datagrams_that_there_is_no_memory_for),
        CASE(connections_that_there_is_no_memory_for),
        CASE(handshakes_that_never_end),
        CASE(pieces_that_never_become_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
