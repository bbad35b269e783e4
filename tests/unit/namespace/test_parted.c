/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What guests that play machines go through (namespace/machine.h): groups that
 * do not reach each other, interfaces that are held, clocks that are wrong,
 * power that is cut.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "namespace/namespace.h"
#include "tests/lib/case.h"
#include "tests/lib/simnet.h"
#include "tests/lib/units.h"

static const char *const here[] = {"10.1.0.0/24", NULL};
static const char *const there[] = {"10.2.0.0/24", NULL};

/* a (10.1.0.2) -- router (10.1.0.3, 10.2.0.2) -- b (10.2.0.3) */
struct fixture {
    struct gn_simnet sim;
    struct gn_network *far;
    struct gn_namespace *a, *b, *router;
    struct gn_sock *from, *to;
    struct gn__walls walls;
};

static int setup(void **state)
{
    struct gn_namespace_config router = {
        .size = sizeof(router), .name = "router", .forwarding = true};
    struct fixture *f = test_calloc(1, sizeof(*f));

    gn_simnet_setup(&f->sim, here, 1);
    f->far = gn_simnet_add(&f->sim, "far", there);
    f->a = gn_simnet_guest(f->sim.net, "a");
    assert_int_equal(gn_namespace_create(f->sim.net, &router, &f->router), 0);
    assert_int_equal(gn_namespace_attach(f->router, f->far, NULL), 0);
    f->b = gn_simnet_guest(f->far, "b");
    assert_int_equal(gn_route_add(f->a, "10.2.0.0/24", "10.1.0.3"), 0);
    assert_int_equal(gn_route_add(f->b, "10.1.0.0/24", "10.2.0.2"), 0);
    f->from = gn_simnet_udp(f->a, "10.1.0.2:7");
    f->to = gn_simnet_udp(f->b, "10.2.0.3:7");
    gn__ns_engine(f->a)->walls = &f->walls;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn__ns_engine(f->a)->walls = NULL;
    gn_simnet_end(f->from);
    gn_simnet_end(f->to);
    gn_network_close(f->far, NULL, NULL);
    gn_simnet_teardown(&f->sim);
    test_free(f);
    return 0;
}

static void say(struct fixture *f, const char *text)
{
    assert_int_equal(gn_simnet_send(f->from, "10.2.0.3:7", text, strlen(text)),
                     (ssize_t)strlen(text));
    gn_clock_advance(f->sim.clock, GN_MS);
}

static void groups_are_parted_across_routers(void **state)
{
    struct fixture *f = *state;

    gn__ns_set_group(f->b, GN__GROUPS_MAX - 1);
    gn__walls_set(&f->walls, 0, GN__GROUPS_MAX - 1, true);
    say(f, "lost");
    gn_simnet_expect(f->to, NULL);
    assert_int_equal(gn_simnet_ns_drops(f->b, GN_DROP_BLOCKED), 1);
    gn__walls_set(&f->walls, 0, GN__GROUPS_MAX - 1, false);
    say(f, "healed");
    gn_simnet_expect(f->to, "healed");
}

static void a_wall_has_one_direction(void **state)
{
    struct fixture *f = *state;

    gn__ns_set_group(f->b, 3);
    gn__walls_set(&f->walls, 3, 0, true);
    say(f, "through");
    gn_simnet_expect(f->to, "through");
    assert_int_equal(gn_simnet_send(f->to, "10.1.0.2:7", "back", 4), 4);
    gn_clock_advance(f->sim.clock, GN_MS);
    gn_simnet_expect(f->from, NULL);
}

static void a_router_is_in_no_group_of_the_parted(void **state)
{
    struct fixture *f = *state;

    gn__ns_set_group(f->router, 5);
    gn__walls_set(&f->walls, 0, 5, true);
    gn__walls_set(&f->walls, 5, 0, true);
    say(f, "through");
    gn_simnet_expect(f->to, "through");
}

static void a_held_receiver_gets_all_of_it_later(void **state)
{
    struct fixture *f = *state;

    gn__ns_hold(f->b, true);
    say(f, "one");
    say(f, "two");
    gn_simnet_expect(f->to, NULL);
    gn__ns_hold(f->b, false);
    gn_clock_advance(f->sim.clock, 0);
    gn_simnet_expect(f->to, "one");
    gn_simnet_expect(f->to, "two");
}

static void what_several_sent_keeps_its_order(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *c = gn_simnet_guest(f->far, "c");
    struct gn_sock *sock = gn_simnet_udp(c, "10.2.0.4:7");
    static const char *const texts[] = {"a1", "c1", "a2", "c2"};
    int i;

    gn__ns_hold(f->b, true);
    for (i = 0; i < 4; i++) {
        assert_int_equal(
            gn_simnet_send(i % 2 ? sock : f->from, "10.2.0.3:7", texts[i], 2),
            2);
        gn_clock_advance(f->sim.clock, GN_MS);
    }
    gn__ns_hold(f->b, false);
    gn_clock_advance(f->sim.clock, 0);
    for (i = 0; i < 4; i++)
        gn_simnet_expect(f->to, texts[i]);
    gn_simnet_end(sock);
}

static void an_error_is_of_the_group_that_caused_it(void **state)
{
    struct fixture *f = *state;

    gn__ns_set_group(f->a, 3);
    gn__walls_set(&f->walls, 0, 3, true);
    assert_int_equal(gn_simnet_send(f->from, "10.1.0.99:7", "x", 1), 1);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(gn_simnet_drops(f->sim.net, GN_DROP_UNREACHABLE), 1);
    assert_int_equal(gn_simnet_ns_drops(f->a, GN_DROP_BLOCKED), 0);
}

static void a_held_sender_sends_later(void **state)
{
    struct fixture *f = *state;

    gn__ns_hold(f->a, true);
    say(f, "one");
    gn_simnet_expect(f->to, NULL);
    gn__ns_hold(f->a, false);
    gn_clock_advance(f->sim.clock, 0);
    gn_simnet_expect(f->to, "one");
}

static void a_held_guest_keeps_no_more_than_its_limit(void **state)
{
    struct fixture *f = *state;
    int i;

    gn__ns_hold(f->b, true);
    for (i = 0; i < 1030; i++)
        say(f, "x");
    assert_int_equal(gn_simnet_drops(f->far, GN_DROP_QUEUE), 6);
}

static void what_a_guest_held_ends_with_it(void **state)
{
    struct fixture *f = *state;

    gn__ns_hold(f->router, true);
    say(f, "lost");
    gn_namespace_close(f->router, 0, NULL, NULL);
    gn_clock_advance(f->sim.clock, GN_MS);
    gn_simnet_expect(f->to, NULL);
}

static void a_drifting_clock_gains(void **state)
{
    struct fixture *f = *state;
    uint64_t begin = gn_now_ns(f->a);

    gn__ns_set_drift(f->a, 100000000); /* a tenth */
    gn_clock_advance(f->sim.clock, 10 * GN_S);
    assert_int_equal(gn_now_ns(f->a) - begin, 11 * GN_S);
    assert_int_equal(gn__ns_span(f->a, 11 * GN_S), 10 * GN_S);
    gn__ns_set_drift(f->a, 0); /* What it has gained stays. */
    gn_clock_advance(f->sim.clock, GN_S);
    assert_int_equal(gn_now_ns(f->a) - begin, 12 * GN_S);
    assert_int_equal(gn_now_ns(f->b) - begin, 11 * GN_S);
}

static void spans_are_never_short(void **state)
{
    struct fixture *f = *state;
    uint64_t span, begin;

    gn__ns_set_drift(f->a, -333333333);
    for (span = 1; span < 100; span++) {
        begin = gn_now_ns(f->a);
        gn_clock_advance(f->sim.clock, gn__ns_span(f->a, span));
        assert_in_range(gn_now_ns(f->a) - begin, span, span + 1);
    }
}

struct late {
    struct gn_sock *sock;
    int status, dead;
};

static void wait_over(struct gn_wait *wait, int status, void *arg)
{
    struct late *late = arg;

    (void)wait;
    late->status = status;
    late->dead = gn_sock_nonblock(late->sock);
}

static void a_cut_leaves_a_wait_its_reference(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *c = gn_simnet_guest(f->far, "c");
    struct gn_pollfd fd = {.sock = gn_simnet_udp(c, "10.2.0.4:7"),
                           .events = POLLIN};
    struct late late = {.sock = fd.sock, .status = 1};

    assert_int_equal(
        gn_wait_start(f->b, &fd, 1, UINT64_MAX, wait_over, &late, NULL), 0);
    gn_sock_unref(fd.sock); /* The wait alone has it now. */
    gn__ns_cut(c, NULL);
    gn_clock_advance(f->sim.clock, GN_S);
    assert_int_equal(late.status, 0);
    assert_int_equal(late.dead, -ECANCELED);
}

static void a_cut_says_nothing(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *c = gn_simnet_guest(f->far, "c");
    uint64_t before;
    struct gn_stats stats;
    struct gn_sock *sock = gn_simnet_udp(c, "10.2.0.4:7");

    gn_network_stats(f->far, &stats);
    before = stats.packets_in;
    (void)sock; /* The test is no task: it is given back with the others. */
    gn__ns_cut(c, NULL);
    gn_clock_advance(f->sim.clock, GN_S);
    gn_network_stats(f->far, &stats);
    assert_int_equal(stats.packets_in, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(groups_are_parted_across_routers),
        CASE(a_wall_has_one_direction),
        CASE(a_router_is_in_no_group_of_the_parted),
        CASE(a_held_receiver_gets_all_of_it_later),
        CASE(what_several_sent_keeps_its_order),
        CASE(an_error_is_of_the_group_that_caused_it),
        CASE(a_held_sender_sends_later),
        CASE(a_held_guest_keeps_no_more_than_its_limit),
        CASE(what_a_guest_held_ends_with_it),
        CASE(a_drifting_clock_gains),
        CASE(spans_are_never_short),
        CASE(a_cut_leaves_a_wait_its_reference),
        CASE(a_cut_says_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
