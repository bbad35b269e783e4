/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * gn_wait_start(): one wait for many sockets and a time that calls back, and
 * what ends it: readiness, the time, a cancel, the namespace. Under a clock,
 * and no memory is left after any of it.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/simnet.h"

static const char *const prefixes[] = {"10.77.0.0/24", NULL};

struct fixture {
    struct gn_simnet sim;
    struct gn_namespace *ns;
    struct gn_sock *a, *b, *sender;
};

struct told {
    int n;
    int status;
    struct gn_wait *wait;
};

static void tell(struct gn_wait *wait, int status, void *arg)
{
    struct told *told = arg;

    told->n++;
    told->status = status;
    told->wait = wait;
}

static int setup(void **state)
{
    static struct fixture f;

    gn_simnet_setup(&f.sim, prefixes, 1);
    f.ns = gn_simnet_guest(f.sim.net, NULL);
    f.a = gn_simnet_udp(f.ns, "10.77.0.2:1");
    f.b = gn_simnet_udp(f.ns, "10.77.0.2:2");
    f.sender = gn_simnet_udp(f.ns, "10.77.0.2:3");
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_simnet_end(f->a);
    gn_simnet_end(f->b);
    gn_simnet_end(f->sender);
    gn_simnet_teardown(&f->sim);
    return 0;
}

static int start(struct fixture *f, uint64_t deadline_ns, struct told *told,
                 struct gn_wait **out)
{
    const struct gn_pollfd fds[] = {{f->a, -1, POLLIN, 0},
                                    {NULL, -1, POLLIN, 0},
                                    {f->b, -1, POLLIN, 0},
                                    {f->b, -1, POLLIN, 0}};

    return gn_wait_start(f->ns, fds, 4, deadline_ns, tell, told, out);
}

static void the_first_of_many_ends_it_once(void **state)
{
    struct fixture *f = *state;
    struct told told = {0};

    assert_int_equal(start(f, UINT64_MAX, &told, NULL), 0);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(told.n, 0);
    assert_int_equal(gn_simnet_send(f->sender, "10.77.0.2:2", "x", 1), 1);
    assert_int_equal(gn_simnet_send(f->sender, "10.77.0.2:1", "x", 1), 1);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(told.n, 1);
    assert_int_equal(told.status, 0);
}

static void what_is_ready_already_is_told_on_a_later_turn(void **state)
{
    struct fixture *f = *state;
    struct told told = {0};

    assert_int_equal(gn_simnet_send(f->sender, "10.77.0.2:1", "x", 1), 1);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(start(f, UINT64_MAX, &told, NULL), 0);
    assert_int_equal(told.n, 0);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(told.n, 1);
}

static void a_socket_is_in_several_waits(void **state)
{
    struct fixture *f = *state;
    struct told told[3] = {{0}};

    for (int i = 0; i < 3; i++)
        assert_int_equal(start(f, UINT64_MAX, &told[i], NULL), 0);
    assert_int_equal(gn_simnet_send(f->sender, "10.77.0.2:1", "x", 1), 1);
    gn_clock_advance(f->sim.clock, GN_MS);
    for (int i = 0; i < 3; i++)
        assert_int_equal(told[i].n, 1);
}

static void the_time_ends_it(void **state)
{
    struct fixture *f = *state;
    uint64_t until = gn_now_ns(f->ns) + 5 * GN_MS;
    struct told told = {0}, past = {0};

    assert_int_equal(start(f, until, &told, NULL), 0);
    assert_int_equal(
        gn_wait_start(f->ns, NULL, 0, until - 9 * GN_MS, tell, &past, NULL), 0);
    gn_clock_advance(f->sim.clock, 4 * GN_MS);
    assert_int_equal(past.status, -ETIMEDOUT);
    assert_int_equal(told.n, 0);
    gn_clock_advance(f->sim.clock, 2 * GN_MS);
    assert_int_equal(told.n, 1);
    assert_int_equal(told.status, -ETIMEDOUT);
}

static void cancelling_it_is_told_and_may_be_repeated(void **state)
{
    struct fixture *f = *state;
    struct told told = {0};
    struct gn_wait *wait;

    assert_int_equal(start(f, UINT64_MAX, &told, &wait), 0);
    gn_wait_cancel(wait);
    gn_wait_cancel(wait);
    assert_int_equal(told.n, 0);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(told.n, 1);
    assert_int_equal(told.status, -ECANCELED);
    assert_ptr_equal(told.wait, wait);
    gn_wait_cancel(wait);
    gn_wait_unref(wait);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(told.n, 1);
}

static void a_kill_ends_it_and_no_other_begins(void **state)
{
    struct fixture *f = *state;
    struct told told = {0}, timer = {0};

    assert_int_equal(start(f, UINT64_MAX, &told, NULL), 0);
    assert_int_equal(
        gn_wait_start(f->ns, NULL, 0, UINT64_MAX, tell, &timer, NULL), 0);
    gn_namespace_kill(f->ns);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(told.n, 1);
    assert_int_equal(timer.n, 1);
    assert_int_equal(timer.status, -ECANCELED);
    assert_int_equal(start(f, UINT64_MAX, &told, NULL), -ECANCELED);
}

static void closing_the_socket_ends_it(void **state)
{
    struct fixture *f = *state;
    struct told told = {0};

    assert_int_equal(start(f, UINT64_MAX, &told, NULL), 0);
    gn_sock_close(f->a);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(told.n, 1);
    assert_int_equal(told.status, 0);
}

static void a_close_of_the_network_ends_it(void **state)
{
    struct fixture *f = *state;
    struct told told = {0};
    struct gn_wait *wait;

    assert_int_equal(start(f, UINT64_MAX, &told, &wait), 0);
    gn_network_close(f->sim.net, NULL, NULL);
    f->sim.net = NULL;
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(told.n, 1);
    gn_wait_unref(wait);
}

static void a_guest_has_only_so_many(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .limits.max_timers = 2};
    struct told told = {0};
    struct gn_namespace *ns;
    struct gn_stats stats;
    int i;

    assert_int_equal(gn_namespace_create(f->sim.net, &config, &ns), 0);
    for (i = 0; i < 2; i++)
        assert_int_equal(gn_wait_start(ns, NULL, 0, gn_now_ns(ns) + GN_MS, tell,
                                       &told, NULL),
                         0);
    assert_int_equal(gn_wait_start(ns, NULL, 0, 0, tell, &told, NULL), -EAGAIN);
    gn_namespace_stats(ns, &stats);
    assert_int_equal(stats.timers, 2);
    assert_int_equal(stats.timers_refused, 1);
    gn_clock_advance(f->sim.clock, 2 * GN_MS);
    assert_int_equal(told.n, 2);
    assert_int_equal(gn_wait_start(ns, NULL, 0, 0, tell, &told, NULL), 0);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(told.n, 3);
}

static void what_cannot_be_waited_for_is_refused(void **state)
{
    struct fixture *f = *state;
    struct gn_pollfd fd = {NULL, 0, POLLIN, 0};
    struct gn_namespace *kernel;
    struct gn_simnet other;
    struct told told = {0};

    assert_int_equal(
        gn_wait_start(f->ns, &fd, 1, UINT64_MAX, tell, &told, NULL), -ENOTSUP);
    assert_int_equal(gn_wait_start(f->ns, NULL, 1, 0, tell, &told, NULL),
                     -EINVAL);
    assert_int_equal(gn_wait_start(f->ns, NULL, 0, 0, NULL, &told, NULL),
                     -EINVAL);
    assert_int_equal(gn_namespace_system(&kernel), 0);
    assert_int_equal(gn_wait_start(kernel, NULL, 0, 0, tell, &told, NULL),
                     -ENOTSUP);
    gn_namespace_close(kernel, 0, NULL, NULL);
    gn_simnet_setup(&other, prefixes, 2);
    fd.sock = f->a;
    assert_int_equal(gn_wait_start(gn_simnet_guest(other.net, NULL), &fd, 1, 0,
                                   tell, &told, NULL),
                     -EXDEV);
    gn_simnet_teardown(&other);
    assert_int_equal(told.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_of_many_ends_it_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            what_is_ready_already_is_told_on_a_later_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(a_socket_is_in_several_waits, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_time_ends_it, setup, teardown),
        cmocka_unit_test_setup_teardown(
            cancelling_it_is_told_and_may_be_repeated, setup, teardown),
        cmocka_unit_test_setup_teardown(a_kill_ends_it_and_no_other_begins,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(closing_the_socket_ends_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_close_of_the_network_ends_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_guest_has_only_so_many, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_waited_for_is_refused,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
