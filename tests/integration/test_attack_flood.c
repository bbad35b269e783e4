/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Floods: of connection requests, of broadcasts, of fragments. What is held
 * stays bounded and is counted, and a guest that means well still gets through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "netstack/lwip/limits.h"
#include "tests/lib/arena.h"
#include "tests/lib/foe.h"

#define SERVER "10.77.1.1:80"
#define KIB    1024u
#define MIB    (1024u * KIB)

struct fixture {
    struct arena arena;
    struct gn_namespace *server;
    struct gn_namespace *client;
    struct foe foe;
    uint64_t heap; /* bytes that live before the attack */
};

static void begin(struct fixture *f, const struct gn_limits *limits)
{
    f->server = arena_guest(&f->arena, "10.77.1.1", limits);
    f->client = arena_guest(&f->arena, "10.77.1.2", NULL);
    f->heap = f->arena.heap.live_bytes;
    f->arena.heap.peak_bytes = f->heap;
}

static uint64_t peak(const struct fixture *f)
{
    return f->arena.heap.peak_bytes - f->heap;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    arena_begin(&f->arena, NULL);
    foe_open(&f->foe, f->arena.net, "10.77.6.6", "fd77::6:6");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    foe_close(&f->foe);
    arena_end(&f->arena);
    free(f);
    return 0;
}

/* ---- connection requests ---- */

/* The i-th of a flood, from an address that no guest has. */
static void syn(struct fixture *f, uint32_t i)
{
    struct foe_segment segment = {.src =
                                      gn__addr_from_v4(0x0a4d8000u + i % 30000),
                                  .dst = foe_addr("10.77.1.1"),
                                  .src_port = (uint16_t)(1024 + i % 60000),
                                  .dst_port = 80,
                                  .seq = i,
                                  .window = 8192,
                                  .flags = FOE_SYN};
    uint8_t bytes[128];

    assert_true(foe_send(&f->foe, bytes, foe_tcp(&segment, bytes)));
}

static void connect_through_flood(struct fixture *f, struct gn_sock *listener)
{
    struct gn_sock *client = arena_open(f->client, SOCK_STREAM, SERVER);
    struct gn_sock *server = arena_join(&f->arena, client, listener, SERVER);

    arena_drop(client);
    arena_drop(server);
}

static void syn_flood(struct fixture *f, int backlog, uint32_t most)
{
    struct gn_sock *listener = arena_listener(f->server, SERVER, backlog);
    uint32_t i;

    foe_spoof(&f->foe);
    for (i = 0; i < 100000; i++) {
        syn(f, i);
        if (i % 20000 == 19999) {
            connect_through_flood(f, listener);
            arena_others_work(&f->arena);
            arena_pass(&f->arena, 10 * GN_MS, 20000);
        }
        assert_true(arena_stats(f->server).connections <= most + 2);
    }
    assert_true(arena_drops(f->server, GN_DROP_HALF_OPEN) > 100000 - most - 20);
    assert_true(peak(f) < most * 2 * KIB + MIB);

    /* None is answered: they are given up. */
    arena_pass(&f->arena, 120 * GN_S, 100000);
    assert_int_equal(arena_stats(f->server).connections, 0);
    connect_through_flood(f, listener);
    arena_drop(listener);
}

static void syn_flood_is_bounded_and_clients_get_through(void **state)
{
    begin(*state, NULL);
    syn_flood(*state, 16, 128);
}

static void syn_flood_of_a_long_backlog_is_bounded(void **state)
{
    begin(*state, NULL);
    syn_flood(*state, 4096, 4096);
}

static void syn_flood_cannot_use_up_the_limit_on_connections(void **state)
{
    struct gn_limits limits = {.max_connections = 64};

    begin(*state, &limits);
    syn_flood(*state, 16, 64);
}

/* Handshakes that are finished, and never accepted. */
static void full_backlog_is_counted_and_recovers(void **state)
{
    struct fixture *f = *state;
    struct gn__addr to = foe_addr("10.77.1.1");
    struct gn_sock *listener, *sock;
    struct foe_conn conn;
    unsigned i, n = 0;

    begin(f, NULL);
    listener = arena_listener(f->server, SERVER, 8);
    for (i = 0; i < 10000; i++)
        (void)foe_connect(&conn, &f->foe, (uint16_t)(2000 + i), &to, 80);
    assert_true(arena_drops(f->server, GN_DROP_BACKLOG) >= 10000 - 20);
    assert_true(arena_stats(f->server).connections <= 8 + 128 + 2);
    assert_true(peak(f) < 2 * MIB);
    while ((sock = arena_accept(listener))) {
        arena_drop(sock);
        n++;
    }
    assert_in_range(n, 8, 9);
    connect_through_flood(f, listener);
    arena_drop(listener);
}

/* ---- broadcasts ---- */

#define N_GUESTS 10000u

static void make_guests(struct fixture *f, struct gn_namespace **guests)
{
    unsigned i;

    for (i = 0; i < N_GUESTS; i++)
        guests[i] = arena_guest(&f->arena, NULL, NULL);
}

static struct gn_sock *shouter(struct gn_namespace *ns)
{
    struct gn_sock *sock = arena_bound(ns, SOCK_DGRAM, "0.0.0.0:98");

    arena_set(sock, SOL_SOCKET, SO_BROADCAST, 1);
    return sock;
}

static unsigned count_datagrams(struct gn_sock *sock)
{
    char text[16];
    unsigned n = 0;

    while (gn_sock_recv(sock, text, sizeof(text), 0) > 0)
        n++;
    return n;
}

static void broadcast_touches_only_the_listeners(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace **guests =
        calloc(N_GUESTS, sizeof(struct gn_namespace *));
    struct gn_sock *from, *ears[10];
    unsigned i;

    assert_non_null(guests);
    make_guests(f, guests);
    for (i = 0; i < 10; i++)
        ears[i] = arena_bound(guests[i * 997], SOCK_DGRAM, "0.0.0.0:99");
    from = shouter(guests[5]);
    f->heap = f->arena.heap.live_bytes;
    f->arena.heap.peak_bytes = f->heap;
    for (i = 0; i < 10000; i++)
        assert_int_equal(arena_sendto(from, "10.77.255.255:99", "hey", 3), 3);
    arena_pass(&f->arena, 0, 10000);
    arena_others_work(&f->arena);

    assert_true(peak(f) < 8 * MIB);
    for (i = 0; i < 10; i++) {
        struct gn_namespace *ns = guests[i * 997];

        assert_in_range(arena_stats(ns).packets_in, 9000, 10000);
        assert_true(arena_drops(ns, GN_DROP_SOCKET_BUFFER) > 0);
        assert_in_range(count_datagrams(ears[i]), 10, 2000);
        arena_drop(ears[i]);
    }
    for (i = 0; i < N_GUESTS; i++)
        assert_true(i % 997 == 0 || arena_stats(guests[i]).packets_in == 0);
    arena_drop(from);
    free(guests);
}

static void storm_to_ten_thousand_leaves_others_their_turn(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace **guests =
        calloc(N_GUESTS, sizeof(struct gn_namespace *));
    struct gn_sock **ears = calloc(N_GUESTS, sizeof(struct gn_sock *));
    struct gn_sock *from;
    struct gn_stats stats;
    unsigned i;

    assert_non_null(guests);
    assert_non_null(ears);
    make_guests(f, guests);
    for (i = 0; i < N_GUESTS; i++)
        ears[i] = arena_bound(guests[i], SOCK_DGRAM, "0.0.0.0:99");
    from = shouter(guests[0]);
    for (i = 0; i < 1000; i++) {
        assert_int_equal(arena_sendto(from, "255.255.255.255:99", "hey", 3), 3);
        if (i % 100 == 99)
            arena_others_work(&f->arena);
    }
    arena_pass(&f->arena, 0, N_GUESTS * 70 / 16);
    gn_network_stats(f->arena.net, &stats);
    assert_true(stats.drops[GN_DROP_BROADCAST] > 0);
    for (i = 0; i < N_GUESTS; i++) { /* A sender hears itself, too. */
        assert_in_range(count_datagrams(ears[i]), 1, 1000);
        arena_drop(ears[i]);
    }
    arena_drop(from);
    free(ears);
    free(guests);
}

/* Listeners may leave, and senders, while packets are being spread. */
static void guests_may_leave_in_a_storm(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *guests[500];
    struct gn_sock *ears[500], *from[10];
    unsigned i, j;

    begin(f, NULL);
    for (i = 0; i < 500; i++) {
        guests[i] = arena_guest(&f->arena, NULL, NULL);
        ears[i] = arena_bound(guests[i], SOCK_DGRAM, "0.0.0.0:99");
    }
    for (i = 0; i < 10; i++)
        from[i] = shouter(guests[i]);
    for (i = 0; i < 500; i++) {
        for (j = 0; j < 10; j++) /* Fails, of those that have left. */
            (void)arena_sendto(from[j], "255.255.255.255:99", "hey", 3);
        gn_namespace_close(guests[i * 7 % 500], i % 2 ? GN_CLOSE_SILENT : 0,
                           NULL, NULL);
        gn_clock_step(f->arena.clock);
    }
    arena_pass(&f->arena, 0, 1000);
    for (i = 0; i < 500; i++)
        arena_drop(ears[i]);
    for (i = 0; i < 10; i++)
        arena_drop(from[i]);
}

/* ---- fragments ---- */

static void send_piece(struct fixture *f, bool v6, uint32_t id, unsigned offset,
                       bool more, size_t len)
{
    static const uint8_t data[16 * KIB];
    static uint8_t bytes[17 * KIB];
    struct gn__addr to = foe_addr(v6 ? "fd77::1:1" : "10.77.1.1");

    assert_true(
        foe_send(&f->foe, bytes,
                 foe_fragment(v6 ? &f->foe.v6 : &f->foe.v4, &to, GN__PROTO_UDP,
                              id, offset, more, data, len, bytes)));
}

/* A datagram of the client that needs several packets, and arrives whole. */
static void fragmented_datagram_arrives(struct fixture *f, bool v6)
{
    const char *address = v6 ? "[fd77::1:1]:53" : "10.77.1.1:53";
    struct gn_sock *to = arena_bound(f->server, SOCK_DGRAM, address);
    struct gn_sock *from = arena_open(f->client, SOCK_DGRAM, address);
    static char sent[40000], got[50000];

    memset(sent, 'x', sizeof(sent));
    assert_int_equal(arena_sendto(from, address, sent, sizeof(sent)),
                     sizeof(sent));
    arena_pass(&f->arena, 0, 100);
    assert_int_equal(gn_sock_recv(to, got, sizeof(got), 0), sizeof(sent));
    assert_memory_equal(got, sent, sizeof(sent));
    arena_drop(to);
    arena_drop(from);
}

/* The server has both addresses of the same end. */
static void begin_reassembly(struct fixture *f, const struct gn_limits *limits)
{
    const char *addresses[] = {"10.77.1.1", "fd77::1:1", NULL};
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .addresses = addresses};

    if (limits)
        config.limits = *limits;
    assert_int_equal(gn_namespace_create(f->arena.net, &config, &f->server), 0);
    f->client = arena_guest(&f->arena, NULL, NULL);
    f->heap = f->arena.heap.live_bytes;
    f->arena.heap.peak_bytes = f->heap;
}

static void expect_bounded(struct fixture *f, bool v6, uint64_t most)
{
    uint64_t drops;

    assert_true(arena_stats(f->server).buffered <= most);
    assert_true(peak(f) < 2 * most + MIB);
    arena_others_work(&f->arena);
    fragmented_datagram_arrives(f, v6);
    assert_true(arena_stats(f->server).buffered > 0);
    drops = arena_drops(f->server, GN_DROP_REASSEMBLY);

    /* RFC 8200: 60 s, and a second for the timer. */
    arena_pass(&f->arena, 62 * GN_S, 1000);
    assert_int_equal(arena_stats(f->server).buffered, 0);
    assert_true(arena_drops(f->server, GN_DROP_REASSEMBLY) > drops);
    fragmented_datagram_arrives(f, v6);
}

/* What a small fragment may cost. */
#define PIECE_MAX (sizeof(struct gn__packet) + 512u)

static void fragments_never_completed(struct fixture *f, bool v6)
{
    uint32_t i;

    begin_reassembly(f, NULL);
    for (i = 0; i < 100000; i++)
        send_piece(f, v6, i, 0, true, 8);
    expect_bounded(f, v6, GN__REASSEMBLY_PIECES * PIECE_MAX);
}

static void ip4_fragments_never_completed_are_bounded(void **state)
{
    fragments_never_completed(*state, false);
}

static void ip6_fragments_never_completed_are_bounded(void **state)
{
    fragments_never_completed(*state, true);
}

static void fragments_of_all_kinds(struct fixture *f, bool v6)
{
    uint32_t i;

    begin_reassembly(f, NULL);
    for (i = 0; i < 20000; i++) {
        send_piece(f, v6, 1, 0, true, 64);             /* the same again */
        send_piece(f, v6, 2, 8 * (i % 100), true, 64); /* overlapping */
        send_piece(f, v6, 3, 65000, i % 2, 64);        /* only the end */
        send_piece(f, v6, 4 + i, 64, true, 8);         /* only the middle */
    }
    expect_bounded(f, v6, GN__REASSEMBLY_PIECES * PIECE_MAX);
}

static void ip4_fragments_that_overlap_are_bounded(void **state)
{
    fragments_of_all_kinds(*state, false);
}

static void ip6_fragments_that_overlap_are_bounded(void **state)
{
    fragments_of_all_kinds(*state, true);
}

/* Large ones, to a guest that may hold little: both versions at once. */
static void fragments_leave_memory_for_connections(void **state)
{
    struct fixture *f = *state;
    struct gn_limits limits = {.max_buffered = 512 * KIB};
    struct gn_sock *listener;
    uint32_t i;

    begin_reassembly(f, &limits);
    listener = arena_listener(f->server, SERVER, 16);
    for (i = 0; i < 2000; i++) {
        send_piece(f, i % 2, i, 0, true, 16000);
        assert_true(arena_stats(f->server).buffered <= 512 * KIB);
    }
    for (i = 0; i < 20; i++) {
        struct gn_sock *end[2];
        char text[8];

        end[0] = arena_open(f->client, SOCK_STREAM, SERVER);
        end[1] = arena_join(&f->arena, end[0], listener, SERVER);
        assert_int_equal(gn_sock_send(end[0], "hello", 5, 0), 5);
        arena_pass(&f->arena, 0, 100);
        assert_int_equal(gn_sock_recv(end[1], text, sizeof(text), 0), 5);
        assert_int_equal(gn_sock_send(end[1], "hello", 5, 0), 5);
        arena_pass(&f->arena, 0, 100);
        assert_int_equal(gn_sock_recv(end[0], text, sizeof(text), 0), 5);
        arena_drop(end[0]);
        arena_drop(end[1]);
        send_piece(f, i % 2, 10000 + i, 0, true, 16000);
    }
    fragmented_datagram_arrives(f, false);
    fragmented_datagram_arrives(f, true);
    arena_drop(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            syn_flood_is_bounded_and_clients_get_through, setup, teardown),
        cmocka_unit_test_setup_teardown(syn_flood_of_a_long_backlog_is_bounded,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            syn_flood_cannot_use_up_the_limit_on_connections, setup, teardown),
        cmocka_unit_test_setup_teardown(full_backlog_is_counted_and_recovers,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(broadcast_touches_only_the_listeners,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            storm_to_ten_thousand_leaves_others_their_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(guests_may_leave_in_a_storm, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            ip4_fragments_never_completed_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(
            ip6_fragments_never_completed_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(ip4_fragments_that_overlap_are_bounded,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(ip6_fragments_that_overlap_are_bounded,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(fragments_leave_memory_for_connections,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
