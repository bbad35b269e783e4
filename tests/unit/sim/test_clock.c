/* SPDX-License-Identifier: BSD-3-Clause */
#include <guestnet/link.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/simnet.h"

static const char *const prefixes[] = {"10.77.0.0/24", NULL};

struct fixture {
    struct gn_simnet sim;
    struct gn_sock *from, *to;
    unsigned n_asked;
};

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    struct gn_link_config slow = {.latency_us = 1000};
    struct gn_namespace *a, *b;

    gn_simnet_setup(&f->sim, prefixes, 1);
    a = gn_simnet_guest(f->sim.net, "a");
    b = gn_simnet_guest(f->sim.net, "b");
    assert_int_equal(gn_link_set(a, NULL, &slow), 0);
    f->from = gn_simnet_udp(a, "10.77.0.2:1");
    f->to = gn_simnet_udp(b, "10.77.0.3:1");
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

static void send_one(struct fixture *f)
{
    assert_int_equal(gn_simnet_send(f->from, "10.77.0.3:1", "x", 1), 1);
}

static void time_stands_still_by_itself(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(gn_clock_now_ns(f->sim.clock), 1000 * GN_MS);
    assert_int_equal(gn_clock_next_ns(f->sim.clock), UINT64_MAX);
    assert_false(gn_clock_step(f->sim.clock));
    send_one(f);
    assert_int_equal(gn_clock_now_ns(f->sim.clock), 1000 * GN_MS);
    assert_int_equal(gn_clock_next_ns(f->sim.clock), 1001 * GN_MS);
    gn_simnet_expect(f->to, NULL);
}

static void a_step_goes_to_the_next_deadline(void **state)
{
    struct fixture *f = *state;

    send_one(f);
    assert_true(gn_clock_step(f->sim.clock));
    assert_int_equal(gn_clock_now_ns(f->sim.clock), 1001 * GN_MS);
    gn_simnet_expect(f->to, "x");
}

static void advancing_runs_what_is_due_on_the_way(void **state)
{
    struct fixture *f = *state;

    send_one(f);
    gn_clock_advance(f->sim.clock, GN_MS - 1);
    gn_simnet_expect(f->to, NULL);
    gn_clock_advance(f->sim.clock, 3600 * 1000 * GN_MS);
    assert_int_equal(gn_clock_now_ns(f->sim.clock),
                     (3601 * 1000 + 1) * GN_MS - 1);
    gn_simnet_expect(f->to, "x");
}

static bool has_arrived(void *arg)
{
    struct fixture *f = arg;
    char c;

    f->n_asked++;
    return gn_simnet_recv(f->to, &c, 1) == 1;
}

static void running_until_stops_when_it_is_so(void **state)
{
    struct fixture *f = *state;

    send_one(f);
    assert_true(gn_clock_run_until(f->sim.clock, UINT64_MAX, has_arrived, f));
    assert_int_equal(gn_clock_now_ns(f->sim.clock), 1001 * GN_MS);
    assert_int_equal(f->n_asked, 2);
}

static void running_until_stops_at_its_deadline(void **state)
{
    struct fixture *f = *state;

    send_one(f);
    assert_false(
        gn_clock_run_until(f->sim.clock, 1000 * GN_MS + 5, has_arrived, f));
    assert_int_equal(gn_clock_now_ns(f->sim.clock), 1000 * GN_MS + 5);
    gn_clock_advance(f->sim.clock, GN_MS);
    gn_simnet_expect(f->to, "x");
}

static void running_until_stops_when_nothing_is_left(void **state)
{
    struct fixture *f = *state;

    assert_false(gn_clock_run_until(f->sim.clock, UINT64_MAX, has_arrived, f));
    assert_int_equal(gn_clock_now_ns(f->sim.clock), 1000 * GN_MS);
}

static void networks_of_a_clock_share_its_time(void **state)
{
    struct fixture *f = *state;
    struct gn_network *other = gn_simnet_add(&f->sim, "other", prefixes);
    struct gn_namespace *ns = gn_simnet_guest(other, "a");

    gn_clock_advance(f->sim.clock, 5 * GN_MS);
    assert_int_equal(gn_now_ns(ns), 1005 * GN_MS);
    assert_int_equal(gn_now_ns(gn_network_gateway(f->sim.net)), 1005 * GN_MS);
    assert_ptr_equal(gn_network_clock(other), f->sim.clock);
    gn_network_close(other, NULL, NULL);
}

static void nothing_can_block(void **state)
{
    struct fixture *f = *state;
    char c;

    assert_int_equal(gn_sock_set_nonblock(f->to, false), 0);
    assert_int_equal(gn_sock_recv(f->to, &c, 1, 0), -EDEADLK);
    assert_int_equal(gn_sleep_ns(gn_network_gateway(f->sim.net), 1), -EDEADLK);
}

static void a_seed_decides_what_is_drawn(void **state)
{
    struct gn_simnet sim[3];
    uint64_t drawn[3];
    unsigned i;

    (void)state;
    for (i = 0; i < 3; i++) {
        gn_simnet_setup(&sim[i], prefixes, i == 2 ? 99 : 7);
        gn_random(gn_network_gateway(sim[i].net), &drawn[i], sizeof(*drawn));
        gn_simnet_teardown(&sim[i]);
    }
    assert_true(drawn[0] == drawn[1]);
    assert_true(drawn[0] != drawn[2]);
}

static void a_network_may_have_its_own_seed(void **state)
{
    struct fixture *f = *state;
    struct gn_network_config config = {
        .size = sizeof(config), .name = "seeded", .seed = 5};
    uint64_t drawn[2];
    unsigned i;

    for (i = 0; i < 2; i++) {
        struct gn_simnet sim;
        struct gn_network *net;

        gn_simnet_setup(&sim, prefixes, 100 + i);
        assert_int_equal(gn_simnet_create(&sim, &config, &net), 0);
        gn_random(gn_network_gateway(net), &drawn[i], sizeof(*drawn));
        gn_network_close(net, NULL, NULL);
        gn_simnet_teardown(&sim);
    }
    assert_true(drawn[0] == drawn[1]);
    (void)f;
}

static void bad_arguments_are_refused(void **state)
{
    struct gn_clock_config config = {.size = 1};
    struct gn_clock *clock;

    (void)state;
    assert_int_equal(gn_clock_create(NULL, NULL), -EINVAL);
    assert_int_equal(gn_clock_create(&config, &clock), -EINVAL);
    gn_clock_close(NULL);
    gn_clock_advance(NULL, 1);
    assert_false(gn_clock_step(NULL));
    assert_false(gn_clock_run_until(NULL, 1, NULL, NULL));
    assert_int_equal(gn_clock_now_ns(NULL), 0);
    assert_int_equal(gn_clock_next_ns(NULL), UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(time_stands_still_by_itself),
        CASE(a_step_goes_to_the_next_deadline),
        CASE(advancing_runs_what_is_due_on_the_way),
        CASE(running_until_stops_when_it_is_so),
        CASE(running_until_stops_at_its_deadline),
        CASE(running_until_stops_when_nothing_is_left),
        CASE(networks_of_a_clock_share_its_time),
        CASE(nothing_can_block),
        cmocka_unit_test(a_seed_decides_what_is_drawn),
        CASE(a_network_may_have_its_own_seed),
        cmocka_unit_test(bad_arguments_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
