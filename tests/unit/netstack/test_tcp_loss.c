/* SPDX-License-Identifier: BSD-3-Clause */
/* What loss and delay cost, exactly: the clock is ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/wire.h"
#include "tests/lib/units.h"

#define ROUNDS 5000

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

struct read_goal {
    struct gn__conn *conn;
    size_t bytes;
};

static bool has_bytes(void *arg)
{
    struct read_goal *goal = arg;

    return gn__tcp_readable(goal->conn) >= goal->bytes;
}

/* One message there and one back. */
static uint64_t round_trip(struct wire *wire, struct wire_pair *pair,
                           uint64_t pos[4])
{
    struct read_goal there = {pair->server, 100}, back = {pair->client, 100};
    uint64_t began = wire->net.now;

    assert_int_equal(wire_send(pair->client, &pos[0], 100), 100);
    assert_true(wire_until(wire, has_bytes, &there, 100 * GN_S));
    assert_int_equal(wire_recv(pair->server, &pos[1], 100), 100);
    assert_int_equal(wire_send(pair->server, &pos[2], 100), 100);
    assert_true(wire_until(wire, has_bytes, &back, 100 * GN_S));
    assert_int_equal(wire_recv(pair->client, &pos[3], 100), 100);
    return wire->net.now - began;
}

static double in_ms(uint64_t ns)
{
    return (double)ns / (double)GN_MS;
}

static void round_trip_recovers_soon(void **state)
{
    static uint64_t took[ROUNDS];
    struct wire wire;
    struct wire_pair pair;
    uint64_t pos[4] = {0}, p99;
    unsigned i;

    (void)state;
    wire_init(&wire, NULL, GN_S);
    wire.delay_ns = 5 * GN_MS;
    pair = wire_connect(&wire, 0, 1, 40000, false);
    wire.loss_ppm = 10000;
    for (i = 0; i < ROUNDS; i++)
        took[i] = round_trip(&wire, &pair, pos);
    qsort(took, ROUNDS, sizeof(took[0]), by_size);
    p99 = took[ROUNDS * 99 / 100];
    printf("1 %% loss, 5 ms: round trip p50 %.1f ms, p99 %.1f ms, most %.1f\n",
           in_ms(took[ROUNDS / 2]), in_ms(p99), in_ms(took[ROUNDS - 1]));
    assert_true(p99 < 250 * GN_MS);
    gn__tcp_abort(pair.client);
    gn__tcp_abort(pair.server);
    wire_done(&wire);
}

/* Mbit/s of payload over a 20 ms, 100 Mbit/s link. */
static double bulk(uint32_t loss_ppm, uint32_t mtu, uint64_t bytes)
{
    struct wire wire;
    struct wire_pair pair;
    uint64_t sent = 0, got = 0, began, took;

    wire_init(&wire, NULL, GN_S);
    wire.delay_ns = 20 * GN_MS;
    wire.rate_bps = 100000000;
    wire.queue_ns = 100 * GN_MS;
    wire.mtu = mtu;
    pair = wire_connect(&wire, 0, 1, 40000, false);
    wire.loss_ppm = loss_ppm;
    began = wire.net.now;
    while (got < bytes) {
        uint64_t next;

        while (sent < bytes && wire_send(pair.client, &sent, bytes - sent))
            ;
        next = wire_next(&wire);
        assert_true(next != GN__NEVER && next - began < 10000 * GN_S);
        wire_run(&wire, next);
        while (wire_recv(pair.server, &got, 65536))
            ;
    }
    took = wire.net.now - began;
    gn__tcp_abort(pair.client);
    gn__tcp_abort(pair.server);
    wire_done(&wire);
    return (double)bytes * 8 * 1000 / (double)took;
}

static void bulk_fills_the_link(void **state)
{
    static const uint32_t mtus[] = {1500, 16384};
    static const uint32_t losses[] = {1000, 10000, 30000};
    unsigned m, l;

    (void)state;
    for (m = 0; m < 2; m++) {
        double clean = bulk(0, mtus[m], 64 << 20);

        printf("20 ms, 100 Mbit/s, MTU %u: %.1f Mbit/s", mtus[m], clean);
        assert_true(clean >= 90);
        for (l = 0; l < 3; l++)
            printf(", %.1f at %.1f %% loss", bulk(losses[l], mtus[m], 8 << 20),
                   losses[l] / 1e4);
        printf("\n");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip_recovers_soon),
        cmocka_unit_test(bulk_fills_the_link),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
