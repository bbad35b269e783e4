/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections between stacks on a wire, under a clock of our own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/wire.h"
#include "tests/lib/units.h"

#define HOUR (3600 * GN_S)
#define DAY  (24 * HOUR)

static int setup(void **state)
{
    static struct wire wire;

    wire_init(&wire, NULL, HOUR);
    *state = &wire;
    return 0;
}

static int teardown(void **state)
{
    wire_done(*state);
    return 0;
}

static void bytes_arrive_in_order(struct wire *wire, bool v6)
{
    struct wire_pair pair = wire_connect(wire, 0, 1, 40000, v6);
    uint64_t sent = 0, got = 0, limit = 3 << 20;
    unsigned idle = 0;

    while (got < limit && idle < 1000) {
        size_t n = wire_send(pair.client, &sent, limit - sent);

        wire_pass(wire, 0);
        n += wire_recv(pair.server, &got, 1 << 20);
        idle = n ? 0 : idle + 1;
        if (!n)
            wire_pass(wire, GN_S / 100);
    }
    assert_int_equal(got, limit);
    gn__tcp_close(pair.client);
    /* The FIN may be lost as well. */
    for (idle = 0; idle < 1000 && !gn__tcp_eof(pair.server); idle++)
        wire_pass(wire, GN_S / 100);
    assert_true(gn__tcp_eof(pair.server));
    gn__tcp_close(pair.server);
}

static void bytes_arrive_over_ip4(void **state)
{
    bytes_arrive_in_order(*state, false);
}

static void bytes_arrive_over_ip6(void **state)
{
    bytes_arrive_in_order(*state, true);
}

static void bytes_arrive_in_spite_of_loss(void **state)
{
    struct wire *wire = *state;

    wire->delay_ns = 5000000;
    wire->jitter_ns = 1000000;
    wire->loss_ppm = 30000;
    wire->mtu = 1500;
    bytes_arrive_in_order(wire, false);
    assert_true(wire->n_lost > 10);
}

static void closed_port_refuses(void **state)
{
    struct wire *wire = *state;
    struct gn__endpoint local = {.addr = wire->end[0].addr, .port = 4000};
    struct gn__endpoint remote = {.addr = wire->end[1].addr, .port = 81};
    struct gn__tcp_params params;
    struct gn__conn *conn;

    gn__tcp_params_default(&params);
    assert_int_equal(gn__tcp_connect(&wire->end[0].stack, &local, &remote,
                                     &params, wire, &conn),
                     0);
    wire_pass(wire, GN_S / 1000);
    assert_int_equal(gn__tcp_error(conn), -ECONNREFUSED);
    gn__tcp_close(conn);
}

static bool lose_all(struct wire *wire, const struct gn__packet *packet)
{
    (void)wire;
    (void)packet;
    return true;
}

static bool failed(void *arg)
{
    return gn__tcp_error(arg) != 0;
}

static void silent_address_times_out_as_linux(void **state)
{
    struct wire *wire = *state;
    struct gn__endpoint local = {.addr = wire->end[0].addr, .port = 4000};
    struct gn__endpoint remote = {.addr = wire->end[1].addr, .port = 80};
    struct gn__tcp_params params;
    struct gn__conn *conn;
    uint64_t began = wire->net.now, took;

    wire->filter = lose_all;
    gn__tcp_params_default(&params);
    assert_int_equal(gn__tcp_connect(&wire->end[0].stack, &local, &remote,
                                     &params, wire, &conn),
                     0);
    assert_true(wire_until(wire, failed, conn, HOUR));
    took = wire->net.now - began;
    assert_int_equal(gn__tcp_error(conn), -ETIMEDOUT);
    assert_in_range(took / GN_S, 125, 130);
    assert_int_equal(wire->n_packets, 7);
    gn__tcp_close(conn);
}

static void idle_connection_costs_nothing(void **state)
{
    struct wire *wire = *state;
    struct wire_pair pair = wire_connect(wire, 0, 1, 40000, false);
    uint64_t sent = 0, got = 0, packets;

    wire_pass(wire, GN_S);
    assert_int_equal(wire_next(wire), GN__NEVER);
    packets = wire->n_packets;
    wire_pass(wire, 60 * DAY); /* across the wrap of a clock of ms */
    assert_int_equal(wire->n_packets, packets);
    assert_int_equal(wire_send(pair.client, &sent, 1000), 1000);
    wire_pass(wire, 0);
    assert_int_equal(wire_recv(pair.server, &got, 2000), 1000);
    gn__tcp_close(pair.client);
    gn__tcp_close(pair.server);
}

static bool lose_first(struct wire *wire, const struct gn__packet *packet)
{
    (void)packet;
    wire->filter = NULL;
    return true;
}

/* A pause between the handshake and the first bytes is no round trip: what is
 * lost afterwards is repeated soon. */
static void pause_before_data_is_no_round_trip(void **state)
{
    struct wire *wire = *state;
    struct wire_pair pair = wire_connect(wire, 0, 1, 40000, false);
    uint64_t sent = 0, got = 0;

    wire_pass(wire, 60 * GN_S);
    assert_int_equal(wire_send(pair.client, &sent, 100), 100);
    wire_pass(wire, GN_S);
    assert_int_equal(wire_recv(pair.server, &got, 200), 100);
    wire->filter = lose_first;
    assert_int_equal(wire_send(pair.client, &sent, 100), 100);
    wire_pass(wire, GN_S);
    assert_null(wire->filter);
    assert_int_equal(wire_recv(pair.server, &got, 200), 100);
    gn__tcp_close(pair.client);
    gn__tcp_close(pair.server);
}

/* Neither is the time that lost SYNs took. */
static void lost_syns_do_not_slow_the_data(void **state)
{
    struct wire *wire = *state;
    struct gn__endpoint local = {.addr = wire->end[0].addr, .port = 4000};
    struct gn__endpoint remote = {.addr = wire->end[1].addr, .port = 80};
    struct gn__tcp_params params;
    struct gn__conn *client, *server;
    uint64_t sent = 0, got = 0;

    gn__tcp_params_default(&params);
    assert_int_equal(gn__tcp_listen(&wire->end[1].stack, &params, 1, wire,
                                    &wire->end[1].listener),
                     0);
    wire->filter = lose_all;
    assert_int_equal(gn__tcp_connect(&wire->end[0].stack, &local, &remote,
                                     &params, wire, &client),
                     0);
    wire_pass(wire, 20 * GN_S);
    wire->filter = NULL;
    wire_pass(wire, 20 * GN_S);
    assert_true(gn__tcp_connected(client));
    assert_true(client->rtt_ns < GN_S / 100);
    server = gn__tcp_accept(wire->end[1].listener, wire);
    assert_non_null(server);
    wire->filter = lose_first;
    assert_int_equal(wire_send(client, &sent, 100), 100);
    wire_pass(wire, 2 * GN_S);
    assert_int_equal(wire_recv(server, &got, 200), 100);
    gn__tcp_close(client);
    gn__tcp_close(server);
}

static void keepalive_probes_at_its_deadline(void **state)
{
    struct wire *wire = *state;
    struct wire_pair pair = wire_connect(wire, 0, 1, 40000, false);
    struct gn__tcp_params params;
    uint64_t packets, began;

    wire_pass(wire, GN_S);
    gn__tcp_params_default(&params);
    params.keepalive = true;
    params.keep_idle_s = 600;
    params.keep_interval_s = 10;
    params.keep_count = 3;
    began = wire->net.now;
    packets = wire->n_packets;
    gn__tcp_set(pair.client, &params);
    wire_pass(wire, 598 * GN_S);
    assert_int_equal(wire->n_packets, packets);
    wire_pass(wire, 3 * GN_S);
    assert_int_equal(wire->n_packets, packets + 2);
    /* The peer vanishes: three probes, then it is over. */
    wire->filter = lose_all;
    assert_true(wire_until(wire, failed, pair.client, 2 * HOUR));
    assert_int_equal(gn__tcp_error(pair.client), -ETIMEDOUT);
    assert_in_range((wire->net.now - began) / GN_S, 1229, 1233);
    gn__tcp_close(pair.client);
    gn__tcp_vanish(pair.server);
}

/* Seconds until the connection of @params is over, with no peer there. */
static uint64_t seconds_of_silence(struct wire *wire,
                                   const struct wire_pair *pair,
                                   const struct gn__tcp_params *params)
{
    uint64_t began = wire->net.now;

    wire->filter = lose_all;
    gn__tcp_set(pair->client, params);
    assert_true(wire_until(wire, failed, pair->client, 2 * HOUR));
    assert_int_equal(gn__tcp_error(pair->client), -ETIMEDOUT);
    gn__tcp_close(pair->client);
    gn__tcp_vanish(pair->server);
    return (wire->net.now - began + GN_S / 2) / GN_S;
}

/* tcp(7). */
static void user_timeout_overrides_keepalive(void **state)
{
    struct wire *wire = *state;
    struct wire_pair pair = wire_connect(wire, 0, 1, 40000, false);
    struct gn__tcp_params params;

    gn__tcp_params_default(&params);
    params.keepalive = true;
    params.keep_idle_s = 20;
    params.keep_interval_s = 10;
    params.user_timeout_ms = 50000;
    assert_int_equal(seconds_of_silence(wire, &pair, &params), 50);
}

/* More probes than lwIP can count. */
static void keepalive_goes_on_for_a_long_user_timeout(void **state)
{
    struct wire *wire = *state;
    struct wire_pair pair = wire_connect(wire, 0, 1, 40000, false);
    struct gn__tcp_params params;
    uint64_t packets = wire->n_packets;

    gn__tcp_params_default(&params);
    params.keepalive = true;
    params.keep_idle_s = 1;
    params.keep_interval_s = 1;
    params.user_timeout_ms = 400000;
    assert_int_equal(seconds_of_silence(wire, &pair, &params), 400);
    assert_in_range(wire->n_packets - packets, 395, 405);
}

static void keepalive_counts_from_when_it_is_switched_on(void **state)
{
    struct wire *wire = *state;
    struct wire_pair pair = wire_connect(wire, 0, 1, 40000, false);
    struct gn__tcp_params params;

    gn__tcp_params_default(&params);
    wire_pass(wire, 15 * GN_S);
    params.keepalive = true;
    params.keep_idle_s = 20;
    params.keep_interval_s = 10;
    params.keep_count = 1;
    assert_int_equal(seconds_of_silence(wire, &pair, &params), 30);
}

static void user_timeout_bounds_the_handshake(void **state)
{
    struct wire *wire = *state;
    struct gn__endpoint local = {.addr = wire->end[0].addr, .port = 4000};
    struct gn__endpoint remote = {.addr = wire->end[1].addr, .port = 80};
    struct gn__tcp_params params;
    struct gn__conn *client;
    uint64_t began = wire->net.now;

    gn__tcp_params_default(&params);
    params.user_timeout_ms = 3000;
    wire->filter = lose_all;
    assert_int_equal(gn__tcp_connect(&wire->end[0].stack, &local, &remote,
                                     &params, wire, &client),
                     0);
    assert_true(wire_until(wire, failed, client, HOUR));
    assert_int_equal(gn__tcp_error(client), -ETIMEDOUT);
    assert_in_range(wire->net.now - began, 3 * GN_S, 3 * GN_S + GN_S / 5);
    gn__tcp_close(client);
}

static void reset_reaches_the_peer(void **state)
{
    struct wire *wire = *state;
    struct wire_pair pair = wire_connect(wire, 0, 1, 40000, false);

    gn__tcp_abort(pair.client);
    wire_pass(wire, 0);
    assert_int_equal(gn__tcp_error(pair.server), -ECONNRESET);
    gn__tcp_close(pair.server);
}

static void unread_bytes_make_close_reset(void **state)
{
    struct wire *wire = *state;
    struct wire_pair pair = wire_connect(wire, 0, 1, 40000, false);
    uint64_t sent = 0;

    wire_send(pair.client, &sent, 10);
    wire_pass(wire, 0);
    gn__tcp_close(pair.server);
    wire_pass(wire, 0);
    assert_int_equal(gn__tcp_error(pair.client), -ECONNRESET);
    gn__tcp_close(pair.client);
}

static void half_close_lets_the_rest_through(void **state)
{
    struct wire *wire = *state;
    struct wire_pair pair = wire_connect(wire, 0, 1, 40000, true);
    uint64_t sent = 0, got = 0;

    assert_int_equal(gn__tcp_shutdown(pair.client), 0);
    wire_pass(wire, 10 * GN_S);
    assert_true(gn__tcp_eof(pair.server));
    assert_int_equal(wire_send(pair.server, &sent, 50000), 50000);
    wire_pass(wire, HOUR);
    assert_int_equal(wire_recv(pair.client, &got, 100000), 50000);
    gn__tcp_close(pair.server);
    wire_pass(wire, GN_S / 10);
    assert_true(gn__tcp_eof(pair.client));
    gn__tcp_close(pair.client);
}

static void tuple_rests_and_is_used_again(void **state)
{
    struct wire *wire = *state;
    unsigned i;

    for (i = 0; i < 50; i++) {
        struct wire_pair pair = wire_connect(wire, 0, 1, 40000, false);

        if (i & 1) {
            gn__tcp_close(pair.client);
            wire_pass(wire, 1000);
            gn__tcp_close(pair.server);
        } else {
            gn__tcp_close(pair.server);
            wire_pass(wire, 1000);
            gn__tcp_close(pair.client);
        }
        wire_pass(wire, 1000);
        assert_int_equal(wire->end[0].stack.n_conns, 0);
        assert_int_equal(wire->end[1].stack.n_conns, 0);
        assert_int_equal(
            wire->end[0].stack.n_time_wait + wire->end[1].stack.n_time_wait, 1);
    }
    wire_pass(wire, 2 * GN_S);
    assert_int_equal(wire->end[0].stack.n_time_wait, 0);
    assert_int_equal(wire->end[1].stack.n_time_wait, 0);
    assert_int_equal(gn__table_count(&wire->net.tuples), 0);
}

static void closed_windows_fall_silent(void **state)
{
    struct wire *wire = *state;
    struct wire_pair pair = wire_connect(wire, 0, 1, 40000, false);
    uint64_t a = 0, b = 0, packets;
    unsigned i;

    for (i = 0; i < 100; i++) {
        wire_send(pair.client, &a, 65536);
        wire_send(pair.server, &b, 65536);
        wire_pass(wire, 0);
    }
    packets = wire->n_packets;
    assert_true(packets < 200);
    wire_pass(wire, 60 * GN_S); /* probes of a closed window only */
    assert_true(wire->n_packets - packets < 200);
    gn__tcp_abort(pair.client);
    gn__tcp_abort(pair.server);
}

/* Two of these segments would fill a window of 128 KiB but for some bytes, and
 * the sender waited now and then for an acknowledgement, or to probe. */
static void the_largest_segments_wait_for_no_timer(void **state)
{
    struct wire *wire = *state;
    struct gn__rng *rng = &wire->rng;
    struct wire_pair pair;
    uint64_t sent = 0, got = 0, at;

    wire->mtu = 65535;
    pair = wire_connect(wire, 0, 1, 40000, false);
    at = wire->net.now;
    while (got < 256u << 20) {
        wire_send(pair.client, &sent, 1 + gn__rng_below(rng, 256u << 10));
        wire_pass(wire, GN_S / 100000);
        if (wire_recv(pair.server, &got, 1 + gn__rng_below(rng, 128u << 10)))
            at = wire->net.now;
        assert_true(wire->net.now - at < GN_S / 100);
    }
    gn__tcp_abort(pair.client);
    gn__tcp_abort(pair.server);
}

static void slow_reader_holds_no_more_than_its_window(void **state)
{
    struct wire *wire = *state;
    struct wire_pair pair = wire_connect(wire, 0, 1, 40000, false);
    uint64_t sent = 0, got = 0;
    unsigned i;

    for (i = 0; i < 200; i++) {
        wire_send(pair.client, &sent, 1);
        wire_send(pair.client, &sent, 700);
        wire_pass(wire, GN_S / 10);
    }
    while (wire_send(pair.client, &sent, 65536))
        wire_pass(wire, 0);
    assert_in_range(gn__tcp_readable(pair.server), 1, GN__WINDOW_START);
    assert_true(wire->end[1].stack.budget.held < 5 * GN__WINDOW_START);
    assert_true(wire->end[0].stack.budget.held < 1 << 20);
    while (got < sent) {
        if (!wire_recv(pair.server, &got, 65536))
            wire_pass(wire, GN_S / 10);
        wire_pass(wire, 0);
    }
    gn__tcp_close(pair.client);
    gn__tcp_close(pair.server);
}

static void backlog_is_honoured(void **state)
{
    struct wire *wire = *state;
    struct gn__endpoint remote = {.addr = wire->end[1].addr, .port = 80};
    struct gn__tcp_params params;
    struct gn__conn *conn[5];
    unsigned i, up = 0;

    gn__tcp_params_default(&params);
    assert_int_equal(gn__tcp_listen(&wire->end[1].stack, &params, 2, wire,
                                    &wire->end[1].listener),
                     0);
    for (i = 0; i < 5; i++) {
        struct gn__endpoint local = {.addr = wire->end[0].addr,
                                     .port = (uint16_t)(5000 + i)};

        assert_int_equal(gn__tcp_connect(&wire->end[0].stack, &local, &remote,
                                         &params, wire, &conn[i]),
                         0);
        wire_pass(wire, 1000);
        up += gn__tcp_connected(conn[i]);
    }
    assert_int_equal(up, 3); /* as Linux: the backlog and one more */
    assert_true(wire->end[1].drops[GN__TCP_DROP_BACKLOG] > 0);
    /* Room again: the others get in by their retransmissions. */
    for (i = 0; i < 5; i++) {
        struct gn__conn *got = gn__tcp_accept(wire->end[1].listener, wire);

        if (got)
            gn__tcp_abort(got);
        wire_pass(wire, 4 * GN_S);
    }
    for (i = 0; i < 5; i++) {
        assert_true(gn__tcp_connected(conn[i]));
        gn__tcp_abort(conn[i]);
    }
}

/* @from's connect() to @to, both on the port of the same number. */
static struct gn__conn *connect_port(struct wire *wire, unsigned from,
                                     unsigned to, uint16_t port)
{
    struct gn__endpoint local = {.addr = wire->end[from].addr, .port = port};
    struct gn__endpoint remote = {.addr = wire->end[to].addr, .port = port};
    struct gn__tcp_params params;
    struct gn__conn *conn;

    gn__tcp_params_default(&params);
    assert_int_equal(gn__tcp_connect(&wire->end[from].stack, &local, &remote,
                                     &params, wire, &conn),
                     0);
    return conn;
}

static void simultaneous_open_connects_both(void **state)
{
    struct wire *wire = *state;
    struct gn__conn *a, *b;
    uint64_t sent = 0, got = 0;

    wire->delay_ns = 1000000;
    a = connect_port(wire, 0, 1, 7000);
    b = connect_port(wire, 1, 0, 7000);
    wire_pass(wire, GN_S / 10);
    assert_true(gn__tcp_connected(a) && gn__tcp_connected(b));
    assert_int_equal(wire_send(a, &sent, 60000), 60000);
    wire_pass(wire, GN_S);
    assert_int_equal(wire_recv(b, &got, 100000), 60000);
    assert_true(wire->n_packets < 30);
    gn__tcp_close(a);
    gn__tcp_close(b);
    wire_pass(wire, GN_S);
}

static void socket_connects_to_itself(void **state)
{
    struct wire *wire = *state;
    struct gn__conn *self = connect_port(wire, 0, 0, 7000);
    uint64_t sent = 0, got = 0;

    wire_pass(wire, GN_S / 10);
    assert_true(gn__tcp_connected(self));
    assert_int_equal(wire_send(self, &sent, 60000), 60000);
    wire_pass(wire, GN_S / 10);
    assert_int_equal(wire_recv(self, &got, 100000), 60000);
    gn__tcp_close(self);
    wire_pass(wire, GN_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bytes_arrive_over_ip4, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_arrive_over_ip6, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_arrive_in_spite_of_loss, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(closed_port_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(silent_address_times_out_as_linux,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(idle_connection_costs_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(pause_before_data_is_no_round_trip,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(lost_syns_do_not_slow_the_data, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(keepalive_probes_at_its_deadline, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(user_timeout_overrides_keepalive, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            keepalive_goes_on_for_a_long_user_timeout, setup, teardown),
        cmocka_unit_test_setup_teardown(
            keepalive_counts_from_when_it_is_switched_on, setup, teardown),
        cmocka_unit_test_setup_teardown(user_timeout_bounds_the_handshake,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(reset_reaches_the_peer, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(unread_bytes_make_close_reset, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(half_close_lets_the_rest_through, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(tuple_rests_and_is_used_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_largest_segments_wait_for_no_timer,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(closed_windows_fall_silent, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            slow_reader_holds_no_more_than_its_window, setup, teardown),
        cmocka_unit_test_setup_teardown(backlog_is_honoured, setup, teardown),
        cmocka_unit_test_setup_teardown(simultaneous_open_connects_both, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(socket_connects_to_itself, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
