/* SPDX-License-Identifier: BSD-3-Clause */
#include <guestnet/link.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/rawport.h"
#include "tests/lib/simnet.h"

#define N 2000u

static const char *const prefixes[] = {"10.77.0.0/16", NULL};

struct fixture {
    struct gn_simnet sim;
    struct gn_namespace *a, *b;
    struct gn_sock *from, *to;
};

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    gn_simnet_setup(&f->sim, prefixes, 7);
    f->a = gn_simnet_guest(f->sim.net, "a");
    f->b = gn_simnet_guest(f->sim.net, "b");
    f->from = gn_simnet_udp(f->a, "10.77.0.2:1");
    f->to = gn_simnet_udp(f->b, "10.77.0.3:1");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_simnet_end(f->from);
    gn_simnet_end(f->to);
    gn_simnet_teardown(&f->sim);
    test_free(f);
    return 0;
}

static void set(struct gn_namespace *ns, struct gn_link_config config)
{
    assert_int_equal(gn_link_set(ns, "eth0", &config), 0);
}

static void send_number(struct fixture *f, uint32_t n)
{
    assert_int_equal(gn_simnet_send(f->from, "10.77.0.3:1", &n, sizeof(n)),
                     sizeof(n));
}

/* The next number that came, or -1. */
static int64_t next_number(struct fixture *f)
{
    uint32_t n;

    if (gn_simnet_recv(f->to, &n, sizeof(n)) != sizeof(n))
        return -1;
    return n;
}

static void latency_is_exact(void **state)
{
    struct fixture *f = *state;

    set(f->a, (struct gn_link_config){.latency_us = 3000});
    set(f->b, (struct gn_link_config){.latency_us = 4000});
    send_number(f, 1);
    gn_clock_advance(f->sim.clock, 7 * GN_MS - 1);
    assert_int_equal(next_number(f), -1);
    gn_clock_advance(f->sim.clock, 1);
    assert_int_equal(next_number(f), 1);
}

static void jitter_keeps_the_order(void **state)
{
    struct fixture *f = *state;
    uint64_t start = gn_clock_now_ns(f->sim.clock), last = 0, first = 0;
    uint32_t i, n = 0;
    int64_t got;

    set(f->a, (struct gn_link_config){.latency_us = 10000, .jitter_us = 5000});
    for (i = 0; i < 100; i++) {
        send_number(f, i);
        gn_clock_advance(f->sim.clock, GN_MS / 2);
        for (; (got = next_number(f)) >= 0; n++) {
            last = gn_clock_now_ns(f->sim.clock);
            first = first ? first : last;
            assert_int_equal(got, n);
        }
    }
    gn_clock_advance(f->sim.clock, 20 * GN_MS);
    for (; (got = next_number(f)) >= 0; n++)
        assert_int_equal(got, n);
    assert_int_equal(n, 100);
    assert_in_range(first - start, 5 * GN_MS, 15 * GN_MS + GN_MS / 2);
}

static uint32_t count_received(struct fixture *f, uint32_t rounds)
{
    uint32_t i, n = 0;

    for (i = 0; i < rounds; i++) {
        send_number(f, i);
        gn_clock_advance(f->sim.clock, GN_MS);
        while (next_number(f) >= 0)
            n++;
    }
    gn_clock_advance(f->sim.clock, 1000 * GN_MS);
    while (next_number(f) >= 0)
        n++;
    return n;
}

static void loss_is_as_configured_and_counted(void **state)
{
    struct fixture *f = *state;
    uint32_t n;

    set(f->a, (struct gn_link_config){.loss_ppm = 100000});
    n = count_received(f, N);
    assert_in_range(n, N * 87 / 100, N * 93 / 100);
    assert_int_equal(gn_simnet_drops(f->sim.net, GN_DROP_LOSS), N - n);
}

static void duplicates_arrive_twice(void **state)
{
    struct fixture *f = *state;

    set(f->b, (struct gn_link_config){.duplicate_ppm = 1000000});
    assert_int_equal(count_received(f, 50), 100);
    set(f->b, (struct gn_link_config){0});
    set(f->a,
        (struct gn_link_config){.duplicate_ppm = 1000000, .latency_us = 100});
    assert_int_equal(count_received(f, 50), 100);
}

static void damaged_packets_are_dropped_by_the_receiver(void **state)
{
    struct fixture *f = *state;

    set(f->a, (struct gn_link_config){.corrupt_ppm = 1000000});
    assert_int_equal(count_received(f, 50), 0);
    assert_int_equal(gn_simnet_ns_drops(f->b, GN_DROP_CORRUPT), 50);
}

static void a_raw_port_sees_one_damaged_bit(void **state)
{
    struct fixture *f = *state;
    const char *const addrs[] = {"10.77.1.1", NULL};
    struct gn_rawport *raw = gn_rawport_open(f->sim.net, addrs, 0);
    uint8_t good[2048], bad[2048];
    unsigned i, bits, round;
    size_t len;
    static const uint8_t payload[1000] = {1, 2, 3};

    for (round = 0; round < 50; round++) {
        set(f->a, (struct gn_link_config){0});
        (void)!gn_simnet_send(f->from, "10.77.1.1:1", payload, sizeof(payload));
        len = gn_rawport_recv(raw, good, sizeof(good));
        set(f->a, (struct gn_link_config){.corrupt_ppm = 1000000});
        (void)!gn_simnet_send(f->from, "10.77.1.1:1", payload, sizeof(payload));
        assert_int_equal(gn_rawport_recv(raw, bad, sizeof(bad)), len);
        bits = 0;
        for (i = 20; i < len; i++)
            bits += (unsigned)__builtin_popcount(good[i] ^ bad[i]);
        assert_int_equal(bits, 1);
    }
    gn_rawport_close(raw);
}

static void reordered_packets_overtake(void **state)
{
    struct fixture *f = *state;
    int64_t got, last = -1;
    uint32_t i, overtaken = 0;

    set(f->a,
        (struct gn_link_config){.latency_us = 5000, .reorder_ppm = 250000});
    for (i = 0; i < 100; i++) {
        send_number(f, i);
        gn_clock_advance(f->sim.clock, 100000);
        while ((got = next_number(f)) >= 0) {
            overtaken += got < last;
            last = got > last ? got : last;
        }
    }
    assert_true(overtaken > 0);
}

static void a_rate_spreads_packets_and_fills_the_queue(void **state)
{
    struct fixture *f = *state;
    static const uint8_t payload[972]; /* 1000 bytes with headers. */
    uint8_t buf[1000];
    unsigned i, n = 0;

    /* 1000 bytes take a millisecond, and ten may wait. */
    set(f->a,
        (struct gn_link_config){.rate_bps = 8000000, .queue_bytes = 10000});
    for (i = 0; i < 100; i++)
        (void)!gn_simnet_send(f->from, "10.77.0.3:1", payload, sizeof(payload));
    assert_int_equal(gn_simnet_drops(f->sim.net, GN_DROP_QUEUE), 90);
    for (i = 0; i < 20; i++) {
        gn_clock_advance(f->sim.clock, GN_MS);
        if (gn_simnet_recv(f->to, buf, sizeof(buf)) < 0)
            break;
        n++;
        assert_true(gn_simnet_recv(f->to, buf, sizeof(buf)) < 0);
    }
    assert_int_equal(n, 10);
}

static void a_link_goes_down_and_up(void **state)
{
    struct fixture *f = *state;

    set(f->b, (struct gn_link_config){.latency_us = 1000});
    send_number(f, 1);
    set(f->b, (struct gn_link_config){.down = true});
    send_number(f, 2);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(next_number(f), 1); /* It was under way. */
    assert_int_equal(next_number(f), -1);
    assert_int_equal(gn_simnet_drops(f->sim.net, GN_DROP_DOWN), 1);
    set(f->b, (struct gn_link_config){0});
    send_number(f, 3);
    assert_int_equal(next_number(f), 3);
}

static void a_faster_link_does_not_reorder(void **state)
{
    struct fixture *f = *state;

    set(f->a, (struct gn_link_config){.latency_us = 10000});
    send_number(f, 1);
    set(f->a, (struct gn_link_config){0});
    send_number(f, 2);
    assert_int_equal(next_number(f), -1);
    gn_clock_advance(f->sim.clock, 10 * GN_MS);
    assert_int_equal(next_number(f), 1);
    assert_int_equal(next_number(f), 2);
    send_number(f, 3);
    assert_int_equal(next_number(f), 3); /* The direct path again. */
}

static void a_slow_sender_does_not_hold_up_others(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *c = gn_simnet_guest(f->sim.net, "c");
    struct gn_sock *fast = gn_simnet_udp(c, "10.77.0.4:1");
    uint32_t n = 9;

    set(f->a, (struct gn_link_config){.latency_us = 1000000});
    set(f->b, (struct gn_link_config){.latency_us = 1000, .rate_bps = 1000000});
    send_number(f, 1);
    (void)!gn_simnet_send(fast, "10.77.0.3:1", &n, sizeof(n));
    gn_clock_advance(f->sim.clock, 5 * GN_MS);
    assert_int_equal(next_number(f), 9);
    gn_simnet_end(fast);
}

static void a_link_remembers_its_settings(void **state)
{
    struct fixture *f = *state;
    struct gn_link_config config = {.latency_us = 5, .loss_ppm = 6};
    struct gn_link_config got;

    set(f->a, config);
    assert_int_equal(gn_link_get(f->a, NULL, &got), 0);
    assert_int_equal(got.latency_us, 5);
    assert_int_equal(got.loss_ppm, 6);
    assert_int_equal(gn_link_set(f->a, NULL, NULL), 0);
    assert_int_equal(gn_link_get(f->a, NULL, &got), 0);
    assert_int_equal(got.latency_us, 0);
}

static void bad_settings_are_refused(void **state)
{
    struct fixture *f = *state;
    struct gn_link_config loss = {.loss_ppm = 1000001};
    struct gn_link_config size = {.size = 3};
    struct gn_link_config fine = {.size = sizeof(fine)};
    struct gn_path_config path = {.loss_ppm = 1000001};

    assert_int_equal(gn_link_set(NULL, NULL, &fine), -EINVAL);
    assert_int_equal(gn_link_set(f->a, "lo", &fine), -EINVAL);
    assert_int_equal(gn_link_set(f->a, "eth1", &fine), -ENODEV);
    assert_int_equal(gn_link_set(f->a, NULL, &loss), -EINVAL);
    assert_int_equal(gn_link_set(f->a, NULL, &size), -EINVAL);
    assert_int_equal(gn_link_get(f->a, NULL, NULL), -EINVAL);
    assert_int_equal(gn_path_set(f->sim.net, f->a, f->b, &path), -EINVAL);
    assert_int_equal(gn_path_set(f->sim.net, f->a, NULL, NULL), -EINVAL);
    assert_int_equal(gn_path_set(NULL, f->a, f->b, NULL), -EINVAL);
}

/* ---- paths ---- */

static void path(struct fixture *f, struct gn_path_config config)
{
    assert_int_equal(gn_path_set(f->sim.net, f->a, f->b, &config), 0);
}

static void a_path_is_one_direction(void **state)
{
    struct fixture *f = *state;
    uint32_t n = 5;

    path(f, (struct gn_path_config){.block = true});
    send_number(f, 1);
    assert_int_equal(next_number(f), -1);
    assert_int_equal(gn_simnet_drops(f->sim.net, GN_DROP_BLOCKED), 1);
    (void)!gn_simnet_send(f->to, "10.77.0.2:1", &n, sizeof(n));
    assert_int_equal(gn_simnet_recv(f->from, &n, sizeof(n)), sizeof(n));
    path(f, (struct gn_path_config){0});
    send_number(f, 2);
    assert_int_equal(next_number(f), 2);
}

static void a_path_adds_its_latency(void **state)
{
    struct fixture *f = *state;

    set(f->a, (struct gn_link_config){.latency_us = 1000});
    path(f, (struct gn_path_config){.latency_us = 2000});
    send_number(f, 1);
    gn_clock_advance(f->sim.clock, 3 * GN_MS - 1);
    assert_int_equal(next_number(f), -1);
    gn_clock_advance(f->sim.clock, 1);
    assert_int_equal(next_number(f), 1);
}

static void a_path_loses(void **state)
{
    struct fixture *f = *state;

    path(f, (struct gn_path_config){.loss_ppm = 1000000});
    assert_int_equal(count_received(f, 20), 0);
    assert_int_equal(gn_simnet_drops(f->sim.net, GN_DROP_LOSS), 20);
}

static void held_packets_go_on_in_order(void **state)
{
    struct fixture *f = *state;
    uint32_t i;

    path(f, (struct gn_path_config){.hold = true});
    for (i = 0; i < 1030; i++)
        send_number(f, i);
    gn_clock_advance(f->sim.clock, 1000 * GN_MS);
    assert_int_equal(next_number(f), -1);
    assert_int_equal(gn_simnet_drops(f->sim.net, GN_DROP_QUEUE), 6);
    path(f, (struct gn_path_config){0});
    gn_clock_advance(f->sim.clock, 0);
    for (i = 0; next_number(f) == i;)
        i++;
    assert_true(i > 100); /* As many as the socket's buffer takes. */
}

static void held_packets_go_with_their_receiver(void **state)
{
    struct fixture *f = *state;

    path(f, (struct gn_path_config){.hold = true});
    send_number(f, 1);
    gn_namespace_close(f->b, 0, NULL, NULL);
    assert_int_equal(gn_simnet_drops(f->sim.net, GN_DROP_STALE), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(latency_is_exact),
        CASE(jitter_keeps_the_order),
        CASE(loss_is_as_configured_and_counted),
        CASE(duplicates_arrive_twice),
        CASE(damaged_packets_are_dropped_by_the_receiver),
        CASE(a_raw_port_sees_one_damaged_bit),
        CASE(reordered_packets_overtake),
        CASE(a_rate_spreads_packets_and_fills_the_queue),
        CASE(a_link_goes_down_and_up),
        CASE(a_faster_link_does_not_reorder),
        CASE(a_slow_sender_does_not_hold_up_others),
        CASE(a_link_remembers_its_settings),
        CASE(bad_settings_are_refused),
        CASE(a_path_is_one_direction),
        CASE(a_path_adds_its_latency),
        CASE(a_path_loses),
        CASE(held_packets_go_on_in_order),
        CASE(held_packets_go_with_their_receiver),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
