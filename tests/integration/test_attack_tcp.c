/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Connections that mean harm: each attack is bounded in packets, memory and
 * time, and two bystanders notice nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "netstack/lwip/limits.h"
#include "tests/lib/arena.h"
#include "tests/lib/foe.h"

#define SERVER "10.77.1.1:80"
#define HOUR   (3600 * GN_S)

struct fixture {
    struct arena arena;
    struct gn_namespace *server;
    struct gn_namespace *client;
    struct gn_sock *listener;
    struct foe foe;
    uint64_t packets; /* at the last look */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    arena_begin(&f->arena, NULL);
    f->server = arena_guest(&f->arena, "10.77.1.1", NULL);
    f->client = arena_guest(&f->arena, "10.77.1.2", NULL);
    f->listener = arena_listener(f->server, SERVER, 16);
    foe_open(&f->foe, f->arena.net, "10.77.6.6", "fd77::6:6");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    foe_close(&f->foe);
    arena_drop(f->listener);
    arena_end(&f->arena);
    free(f);
    return 0;
}

/* Packets through the switch since the last time it was asked. */
static uint64_t packets_since(struct fixture *f)
{
    struct gn_stats stats;
    uint64_t n;

    gn_network_stats(f->arena.net, &stats);
    n = stats.packets_in - f->packets;
    f->packets = stats.packets_in;
    return n;
}

/* Send until it would block; how many bytes were taken. */
static uint64_t fill(struct gn_sock *sock)
{
    static const char data[65536];
    uint64_t total = 0;
    ssize_t n;

    while ((n = gn_sock_send(sock, data, sizeof(data), 0)) > 0)
        total += (uint64_t)n;
    assert_true(n == -EAGAIN || n == -ENOBUFS);
    return total;
}

static uint64_t drain(struct gn_sock *sock)
{
    static char data[65536];
    uint64_t total = 0;
    ssize_t n;

    while ((n = gn_sock_recv(sock, data, sizeof(data), 0)) > 0)
        total += (uint64_t)n;
    assert_int_equal(n, -EAGAIN);
    return total;
}

/* ---- both windows closed ---- */

static void two_that_write_and_never_read_fall_silent(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *end[2];
    uint64_t sent[2] = {0}, got[2] = {0};
    unsigned round;

    end[0] = arena_open(f->client, SOCK_STREAM, SERVER);
    end[1] = arena_join(&f->arena, end[0], f->listener, SERVER);
    (void)packets_since(f);
    for (round = 0; round < 20; round++) {
        sent[0] += fill(end[0]);
        sent[1] += fill(end[1]);
        arena_pass(&f->arena, GN_MS, 100);
    }
    assert_true(packets_since(f) < 500);

    /* Probes of a closed window, and their answers: one each in 6 s. */
    arena_pass(&f->arena, HOUR, 20000);
    assert_true(packets_since(f) < 2 * 2 * 3600 / 6 + 100);
    arena_others_work(&f->arena);

    for (round = 0; round < 100; round++) {
        got[1] += drain(end[0]);
        got[0] += drain(end[1]);
        arena_pass(&f->arena, 100 * GN_MS, 1000);
    }
    assert_int_equal(got[0], sent[0]);
    assert_int_equal(got[1], sent[1]);
    arena_drop(end[0]);
    arena_drop(end[1]);
}

/* ---- holes ---- */

static void push_byte(struct foe_conn *conn, uint32_t offset)
{
    uint8_t byte = (uint8_t)(offset * 7);

    foe_push(conn, FOE_ACK, offset, &byte, 1);
}

static struct gn_sock *accept_foe(struct fixture *f, struct foe_conn *conn)
{
    struct gn__addr to = foe_addr("10.77.1.1");
    struct gn_sock *sock;

    assert_true(foe_connect(conn, &f->foe, 4000, &to, 80));
    sock = arena_accept(f->listener);
    assert_non_null(sock);
    return sock;
}

/* What a piece out of order may cost: a packet and the least chunk. */
#define PIECE_MAX (sizeof(struct gn__packet) + 512u)

static void one_byte_holes(struct fixture *f, uint32_t n, uint32_t first,
                           uint32_t stride)
{
    struct foe_conn conn;
    struct gn_sock *sock = accept_foe(f, &conn);
    uint64_t before = arena_stats(f->server).buffered;
    uint64_t heap = f->arena.heap.live_bytes;
    uint32_t i, span = first + n * stride;
    uint8_t buf[4096];
    ssize_t got;

    (void)packets_since(f);
    for (i = 0; i < n; i++)
        push_byte(&conn, first + i * stride);
    /* At most one answer for each, and a bounded number of them kept. */
    assert_true(packets_since(f) <= 2 * n);
    assert_true(arena_stats(f->server).buffered - before <
                (GN__OOSEQ_PIECES + 1) * PIECE_MAX);
    assert_true(f->arena.heap.live_bytes - heap <
                2 * (GN__OOSEQ_PIECES + 1) * PIECE_MAX);
    assert_int_equal(gn_sock_recv(sock, buf, sizeof(buf), 0), -EAGAIN);
    arena_others_work(&f->arena);

    /* The holes are filled, and all that was let go is sent again. */
    for (i = 0; i < span; i++) {
        push_byte(&conn, i);
        if (i % sizeof(buf) == sizeof(buf) - 1)
            arena_pass(&f->arena, 0, 100);
    }
    arena_pass(&f->arena, GN_S, 1000);
    for (i = 0; i < span; i += (uint32_t)got) {
        ssize_t j;

        got = gn_sock_recv(sock, buf, sizeof(buf), 0);
        assert_true(got > 0);
        for (j = 0; j < got; j++)
            assert_int_equal(buf[j], (uint8_t)((i + (uint32_t)j) * 7));
    }
    arena_drop(sock);
}

static void twenty_thousand_bytes_behind_a_hole_are_bounded(void **state)
{
    one_byte_holes(*state, 20000, 1, 1);
}

static void twenty_thousand_holes_are_bounded(void **state)
{
    one_byte_holes(*state, 20000, 1, 2);
}

static void holes_sent_backwards_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct foe_conn conn;
    struct gn_sock *sock = accept_foe(f, &conn);
    uint64_t before = arena_stats(f->server).buffered;
    uint32_t i;

    for (i = 30000; i > 0; i--)
        push_byte(&conn, i);
    assert_true(arena_stats(f->server).buffered - before <
                (GN__OOSEQ_PIECES + 1) * PIECE_MAX);
    arena_drop(sock);
}

/* ---- a peer that answers everything ---- */

/* To each segment one outside the window, which has to be acknowledged. */
static void answer_tcp(struct foe *foe, const struct gn__packet *packet)
{
    struct foe_conn *conn = foe->arg;
    struct foe_segment segment = {.src = conn->local.addr,
                                  .dst = conn->remote.addr,
                                  .src_port = conn->local.port,
                                  .dst_port = conn->remote.port,
                                  .seq = conn->seq - 100000,
                                  .ack = conn->ack,
                                  .window = conn->window,
                                  .flags = FOE_ACK,
                                  .data = "x",
                                  .len = 1};
    uint8_t bytes[128];

    if (packet->ip.proto == GN__PROTO_TCP)
        foe_reply(foe, bytes, foe_tcp(&segment, bytes));
}

static void answer_ping(struct foe *foe, const struct gn__packet *packet)
{
    uint8_t echo[8] = {8}, bytes[128];

    if (packet->ip.proto == GN__PROTO_ICMP)
        foe_reply(foe, bytes,
                  foe_ip(&foe->v4, &packet->ip.src, GN__PROTO_ICMP, echo,
                         sizeof(echo), bytes));
}

/* Packets go to and fro for ever, and still each entry ends. */
static void expect_busy(struct fixture *f)
{
    uint64_t now = gn_clock_now_ns(f->arena.clock);
    struct gn_namespace *late;
    unsigned i;

    (void)packets_since(f);
    for (i = 0; i < 1000; i++) {
        assert_true(gn_clock_step(f->arena.clock));
        assert_int_equal(gn_clock_next_ns(f->arena.clock), now);
    }
    assert_in_range(packets_since(f), 1000, 1000 * 2 * GN__ENGINE_BUDGET);
    arena_others_work(&f->arena);

    late = arena_guest(&f->arena, NULL, NULL);
    gn_namespace_close(late, 0, NULL, NULL);
    assert_int_equal(gn_clock_next_ns(f->arena.clock), now);
}

static void a_guest_that_answers_every_segment_takes_a_share_only(void **state)
{
    struct fixture *f = *state;
    struct foe_conn conn;
    struct gn_sock *sock = accept_foe(f, &conn);

    f->foe.arg = &conn;
    f->foe.receive = answer_tcp;
    foe_push(&conn, FOE_ACK, (uint32_t)-100000, "x", 1);
    expect_busy(f);
    f->foe.receive = NULL;
    arena_drop(sock);
}

static void a_guest_that_answers_every_echo_takes_a_share_only(void **state)
{
    struct fixture *f = *state;
    struct gn__addr to = foe_addr("10.77.1.1");
    uint8_t echo[8] = {8}, bytes[128];

    f->foe.receive = answer_ping;
    assert_true(foe_send(
        &f->foe, bytes,
        foe_ip(&f->foe.v4, &to, GN__PROTO_ICMP, echo, sizeof(echo), bytes)));
    expect_busy(f);
    f->foe.receive = NULL;
}

/* The same, and the network is closed in the middle of it. */
static void close_ends_endless_answers(void **state)
{
    struct fixture *f = *state;
    struct gn__addr to = foe_addr("10.77.1.1");
    uint8_t echo[8] = {8}, bytes[128];

    f->foe.receive = answer_ping;
    assert_true(foe_send(
        &f->foe, bytes,
        foe_ip(&f->foe.v4, &to, GN__PROTO_ICMP, echo, sizeof(echo), bytes)));
    expect_busy(f);
    gn_namespace_close(f->server, 0, NULL, NULL);
    arena_pass(&f->arena, 0, 100);
    assert_true(gn_clock_next_ns(f->arena.clock) >
                gn_clock_now_ns(f->arena.clock));
}

/* ---- forged segments ---- */

/* RFC 5961: what ends a connection must have the exact number. */
static void forged_segments_end_nothing(void **state)
{
    static const uint8_t flags[] = {FOE_RST, FOE_RST | FOE_ACK,
                                    FOE_SYN, FOE_SYN | FOE_ACK,
                                    FOE_FIN, FOE_FIN | FOE_SYN | FOE_RST};
    struct fixture *f = *state;
    struct foe_conn conn;
    struct gn_sock *sock = accept_foe(f, &conn);
    uint32_t i;
    char byte;

    for (i = 1; i < 20000; i++)
        foe_push(&conn, flags[i % 6], i % 2 ? i * 6 : i * 200000u, NULL, 0);
    assert_int_equal(gn_sock_recv(sock, &byte, 1, 0), -EAGAIN);
    assert_int_equal(arena_error(sock), 0);
    foe_push(&conn, FOE_ACK, 0, "x", 1);
    assert_int_equal(gn_sock_recv(sock, &byte, 1, 0), 1);
    conn.seq++;
    foe_push(&conn, FOE_RST, 0, NULL, 0);
    assert_int_equal(gn_sock_recv(sock, &byte, 1, 0), -ECONNRESET);
    arena_drop(sock);
}

/* ---- readers that do not read ---- */

static void slow_reader_holds_no_more_than_its_buffer(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *end[2];
    uint64_t held[2], sent;
    struct gn_stats stats;

    held[0] = arena_stats(f->client).buffered;
    held[1] = arena_stats(f->server).buffered;
    arena_set(f->listener, SOL_SOCKET, SO_RCVBUF, 32768);
    end[0] = arena_open(f->client, SOCK_STREAM, SERVER);
    arena_set(end[0], SOL_SOCKET, SO_SNDBUF, 32768);
    end[1] = arena_join(&f->arena, end[0], f->listener, SERVER);
    sent = fill(end[0]);
    arena_pass(&f->arena, HOUR, 20000);
    sent += fill(end[0]);
    stats = arena_stats(f->server);
    assert_true(stats.buffered - held[1] < 2 * 65536 + 65536);
    stats = arena_stats(f->client);
    assert_true(stats.buffered - held[0] < 2 * 65536 + 2 * 65536);
    assert_true(sent < 4 * 65536);
    arena_drop(end[0]);
    arena_drop(end[1]);
}

/* A sender that ignores the window, in pieces as small as can be. */
static void sender_that_ignores_the_window_gains_nothing(void **state)
{
    struct fixture *f = *state;
    struct foe_conn conn;
    struct gn_sock *sock = accept_foe(f, &conn);
    uint64_t before = arena_stats(f->server).buffered;
    uint32_t i;

    for (i = 0; i < 4 * GN__WINDOW_START; i++)
        foe_push(&conn, FOE_ACK, i, "x", 1);
    /* Less than its unit is announced as nothing. */
    assert_in_range(gn_sock_available(sock), GN__WINDOW_START - 255,
                    GN__WINDOW_START);
    assert_true(arena_stats(f->server).buffered - before <
                2 * GN__WINDOW_START);
    arena_drop(sock);
}

/* A receiver that acknowledges nothing. */
static void sender_holds_no_more_than_its_buffer(void **state)
{
    struct fixture *f = *state;
    struct foe_conn conn;
    struct gn_sock *sock = accept_foe(f, &conn);
    uint64_t before = arena_stats(f->server).buffered;
    uint64_t sent = fill(sock);

    (void)packets_since(f);
    arena_pass(&f->arena, HOUR / 60, 20000);
    sent += fill(sock);
    assert_true(sent < 2 * 256 * 1024);
    assert_true(arena_stats(f->server).buffered - before < 2 * 256 * 1024);
    assert_true(packets_since(f) < 100);
    arena_drop(sock);
}

/* ---- peers that let nothing end ---- */

/* Its window is closed, and it says so when it is asked. */
static void keep_closed(struct foe *foe, const struct gn__packet *packet)
{
    struct foe_segment answer = {
        .src = packet->ip.dst, .dst = packet->ip.src, .flags = FOE_ACK};
    struct foe_view view;
    uint8_t bytes[128];

    if (!foe_view(packet, &view) || view.flags & (FOE_SYN | FOE_RST))
        return;
    answer.src_port = view.dst_port;
    answer.dst_port = view.src_port;
    answer.seq = 1001;
    answer.ack = view.seq;
    foe_reply(foe, bytes, foe_tcp(&answer, bytes));
}

/* A server says something and closes; the foe never takes it. */
static void leave_one(struct fixture *f, struct gn_sock *listener,
                      const struct gn__addr *to, uint16_t from, size_t len)
{
    static const char data[100000];
    struct gn_sock *sock;
    struct foe_conn conn;

    assert_true(foe_connect(&conn, &f->foe, from, to, 8080));
    sock = arena_accept(listener);
    assert_non_null(sock);
    conn.window = 0;
    foe_push(&conn, FOE_ACK, 0, NULL, 0);
    (void)gn_sock_send(sock, data, len, 0);
    arena_drop(sock);
}

static void what_is_closed_makes_room(void **state)
{
    const struct gn_limits limits = {.max_connections = 30};
    struct fixture *f = *state;
    struct gn_namespace *ns = arena_guest(&f->arena, "10.77.2.1", &limits);
    struct gn_sock *listener = arena_listener(ns, "10.77.2.1:8080", 16);
    struct gn__addr to = foe_addr("10.77.2.1");
    struct gn_sock *client, *server;
    uint16_t i;

    f->foe.receive = keep_closed;
    for (i = 0; i < 100; i++)
        leave_one(f, listener, &to, (uint16_t)(5000 + i), 100);
    assert_int_equal(arena_stats(ns).connections, 30);
    assert_int_equal(arena_drops(ns, GN_DROP_CONNECTIONS), 70);
    client = arena_open(f->client, SOCK_STREAM, "10.77.2.1:8080");
    server = arena_join(&f->arena, client, listener, "10.77.2.1:8080");
    arena_drop(client);
    arena_drop(server);
    arena_drop(listener);
    arena_pass(&f->arena, HOUR, 200000);
    assert_int_equal(arena_stats(ns).connections, 0);
    f->foe.receive = NULL;
}

static void memory_of_what_is_closed_is_had_back(void **state)
{
    const struct gn_limits limits = {.max_buffered = 1024 * 1024};
    struct fixture *f = *state;
    struct gn_namespace *ns = arena_guest(&f->arena, "10.77.2.1", &limits);
    struct gn_sock *listener = arena_listener(ns, "10.77.2.1:8080", 16);
    struct gn__addr to = foe_addr("10.77.2.1");
    struct gn_sock *client, *server;
    uint16_t i;

    f->foe.receive = keep_closed;
    client = arena_open(f->client, SOCK_STREAM, "10.77.2.1:8080");
    server = arena_join(&f->arena, client, listener, "10.77.2.1:8080");
    for (i = 0; i < 100; i++) {
        leave_one(f, listener, &to, (uint16_t)(5000 + i), 100000);
        assert_true(arena_stats(ns).buffered < limits.max_buffered);
    }
    assert_int_equal(gn_sock_send(server, "hello", 5, 0), 5);
    assert_true(arena_drops(ns, GN_DROP_MEMORY) > 0);
    arena_drop(client);
    arena_drop(server);
    arena_drop(listener);
    f->foe.receive = NULL;
}

/* One slow acknowledgement, and then silence: given up as soon as others. */
static void slow_round_trip_is_not_waited_for_for_hours(void **state)
{
    struct fixture *f = *state;
    struct foe_conn conn;
    struct gn_sock *sock = accept_foe(f, &conn);

    assert_int_equal(gn_sock_send(sock, "x", 1, 0), 1);
    arena_pass(&f->arena, 100 * GN_MS, 100);
    conn.ack++;
    arena_pass(&f->arena, 50 * GN_S, 1000);
    foe_push(&conn, FOE_ACK, 0, NULL, 0);
    assert_int_equal(gn_sock_send(sock, "y", 1, 0), 1);
    arena_pass(&f->arena, HOUR / 2, 1000);
    assert_int_equal(arena_error(sock), ETIMEDOUT);
    arena_drop(sock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            two_that_write_and_never_read_fall_silent, setup, teardown),
        cmocka_unit_test_setup_teardown(
            twenty_thousand_bytes_behind_a_hole_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(twenty_thousand_holes_are_bounded,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(holes_sent_backwards_are_bounded, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_guest_that_answers_every_segment_takes_a_share_only, setup,
            teardown),
        cmocka_unit_test_setup_teardown(
            a_guest_that_answers_every_echo_takes_a_share_only, setup,
            teardown),
        cmocka_unit_test_setup_teardown(close_ends_endless_answers, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(forged_segments_end_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            slow_reader_holds_no_more_than_its_buffer, setup, teardown),
        cmocka_unit_test_setup_teardown(
            sender_that_ignores_the_window_gains_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(sender_holds_no_more_than_its_buffer,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_closed_makes_room, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(memory_of_what_is_closed_is_had_back,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            slow_round_trip_is_not_waited_for_for_hours, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
