/* SPDX-License-Identifier: BSD-3-Clause */
/* What guests have on links is shared out among them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include <guestnet/link.h>

#include "namespace/internal.h"
#include "switch/internal.h"
#include "tests/lib/simnet.h"

#define HOSTILE   16u
#define MAX       (16u << 20) /* instead of GN__UNDER_WAY_MAX */
#define DATAGRAM  60000u
#define LATENCY_S 10u
/* No more than the receiver takes before it reads. */
#define QUIET_SENDS 50u

static const char *const prefixes[] = {"10.77.0.0/24", NULL};

struct fixture {
    struct gn_simnet sim;
    struct gn_namespace *target, *quiet, *hostile[HOSTILE];
    struct gn_sock *ear, *voice, *mouths[HOSTILE];
};

static struct gn_namespace *slow_guest(struct fixture *f)
{
    struct gn_link_config slow = {.size = sizeof(slow),
                                  .latency_us = LATENCY_S * 1000000};
    struct gn_namespace *ns = gn_simnet_guest(f->sim.net, NULL);

    assert_int_equal(gn_link_set(ns, "eth0", &slow), 0);
    return ns;
}

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    unsigned i;

    gn_simnet_setup(&f->sim, prefixes, 1);
    f->sim.net->engine->under_way_max = MAX;
    f->target = gn_simnet_guest_at(f->sim.net, "10.77.0.2");
    f->ear = gn_simnet_udp(f->target, "0.0.0.0:9");
    f->quiet = slow_guest(f);
    f->voice = gn_simnet_udp(f->quiet, "0.0.0.0:9");
    for (i = 0; i < HOSTILE; i++) {
        f->hostile[i] = slow_guest(f);
        f->mouths[i] = gn_simnet_udp(f->hostile[i], "0.0.0.0:9");
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    unsigned i;

    for (i = 0; i < HOSTILE; i++)
        gn_simnet_end(f->mouths[i]);
    gn_simnet_end(f->voice);
    gn_simnet_end(f->ear);
    gn_simnet_teardown(&f->sim);
    test_free(f);
    return 0;
}

/* Each sends a datagram in turn, as often, to a port that is closed. */
static void flood(struct fixture *f, unsigned n_guests, unsigned rounds)
{
    static const char data[DATAGRAM];
    unsigned i, round;

    for (round = 0; round < rounds; round++) {
        for (i = 0; i < n_guests; i++)
            (void)gn_simnet_send(f->mouths[i], "10.77.0.2:7", data, DATAGRAM);
    }
}

static void quiet_one_loses_nothing_to_sixteen_hostile(void **state)
{
    struct fixture *f = *state;
    char data[1000] = "";
    unsigned i;

    flood(f, HOSTILE, 2 * MAX / DATAGRAM / HOSTILE);
    for (i = 0; i < QUIET_SENDS; i++)
        assert_int_equal(gn_simnet_send(f->voice, "10.77.0.2:9", data, 1000),
                         1000);
    assert_int_equal(gn_simnet_ns_drops(f->quiet, GN_DROP_UNDER_WAY), 0);
    for (i = 0; i < HOSTILE; i++)
        assert_true(gn_simnet_ns_drops(f->hostile[i], GN_DROP_UNDER_WAY) > 0);
    assert_true(gn_simnet_drops(f->sim.net, GN_DROP_UNDER_WAY) >=
                HOSTILE * gn_simnet_ns_drops(f->hostile[0], GN_DROP_UNDER_WAY) /
                    2);
    gn_clock_advance(f->sim.clock, (LATENCY_S + 1) * 1000 * GN_MS);
    for (i = 0; i < QUIET_SENDS; i++)
        assert_int_equal(gn_simnet_recv(f->ear, data, sizeof(data)), 1000);
}

/* Not only little: a good part is left for those that come later. */
static void latecomer_has_as_much_as_the_hostile(void **state)
{
    struct fixture *f = *state;
    uint64_t least, most;

    flood(f, HOSTILE - 1, 2 * MAX / DATAGRAM / HOSTILE);
    most = f->sim.net->engine->under_way_bytes / (HOSTILE - 1);
    least = f->sim.net->engine->under_way_bytes;
    while (!gn_simnet_ns_drops(f->hostile[HOSTILE - 1], GN_DROP_UNDER_WAY))
        (void)gn_simnet_send(f->mouths[HOSTILE - 1], "10.77.0.2:7", "", 0);
    least = f->sim.net->engine->under_way_bytes - least;
    print_message("each of the first: %llu bytes, the last: %llu\n",
                  (unsigned long long)most, (unsigned long long)least);
    assert_true(least > most * 3 / 4);
    assert_true(f->sim.net->engine->under_way_bytes < MAX);
}

/* Errors that come back are under way, too. */
static void what_has_arrived_is_no_longer_charged(void **state)
{
    struct fixture *f = *state;
    uint64_t dropped;

    flood(f, 1, MAX / DATAGRAM);
    dropped = gn_simnet_ns_drops(f->hostile[0], GN_DROP_UNDER_WAY);
    assert_true(dropped > 0);
    gn_clock_advance(f->sim.clock, 2 * (LATENCY_S + 1) * 1000 * GN_MS);
    assert_int_equal(f->sim.net->engine->under_way_bytes, 0);
    flood(f, 1, GN__UNDER_WAY_LEAST / DATAGRAM);
    assert_int_equal(gn_simnet_ns_drops(f->hostile[0], GN_DROP_UNDER_WAY),
                     dropped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            quiet_one_loses_nothing_to_sixteen_hostile, setup, teardown),
        cmocka_unit_test_setup_teardown(latecomer_has_as_much_as_the_hostile,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_has_arrived_is_no_longer_charged,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
