/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * gn_timer_start(), in virtual time, where every call has its nanosecond, and
 * in real time. Timers that threads cancel: test_request_cancel.c.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/guestnet.h>

#include "namespace/namespace.h"
#include "tests/lib/case.h"
#include "tests/lib/heap.h"
#include "tests/lib/talk.h"
#include "tests/lib/units.h"

/** What was told of a timer. */
struct told {
    struct talk *talk;
    struct gn_timer *timer; /* NULL: the handle was not asked for */
    unsigned cancel_at;     /* the call that cancels and lets go; 0: none */
    _Atomic unsigned calls; /* with status 0 */
    _Atomic unsigned ends;  /* with another */
    _Atomic int end;
    uint64_t at[8]; /* of the first calls, ns */
};

static void tell(struct gn_timer *timer, int status, void *arg)
{
    struct told *told = arg;
    unsigned n = told->calls;

    assert_int_equal(told->ends, 0); /* That was the last call. */
    if (status) {
        told->end = status;
        told->ends++;
        return;
    }
    if (n < 8)
        told->at[n] = gn_now_ns(told->talk->a);
    if (n + 1 == told->cancel_at) {
        assert_ptr_equal(timer, told->timer);
        gn_timer_cancel(timer);
        gn_timer_unref(timer);
    }
    told->calls++;
}

static void start(struct told *told, struct talk *talk, uint64_t after,
                  uint64_t interval)
{
    told->talk = talk;
    assert_int_equal(
        gn_timer_start(talk->a, after, interval, tell, told, &told->timer), 0);
}

static void expect(const struct told *told, unsigned calls, int end)
{
    assert_int_equal(told->calls, calls);
    assert_int_equal(told->ends, end ? 1 : 0);
    assert_int_equal(told->end, end);
}

/* ---- in virtual time ---- */

static void it_calls_once_at_its_time(void **state)
{
    struct talk *talk = *state;
    uint64_t begun = gn_now_ns(talk->a);
    struct told told = {0};

    start(&told, talk, 5 * GN_MS, 0);
    gn_clock_advance(talk->clock, 5 * GN_MS - 1);
    expect(&told, 0, 0);
    gn_clock_advance(talk->clock, 1);
    expect(&told, 1, 0);
    assert_int_equal(told.at[0], begun + 5 * GN_MS);
    talk_pass_ms(talk, 100);
    gn_timer_cancel(told.timer);
    talk_pass_ms(talk, 100);
    expect(&told, 1, 0);
    gn_timer_unref(told.timer);
}

static void zero_is_a_later_turn(void **state)
{
    struct talk *talk = *state;
    struct told told = {0};

    start(&told, talk, 0, 0);
    gn_timer_unref(told.timer);
    expect(&told, 0, 0);
    gn_clock_advance(talk->clock, 0);
    expect(&told, 1, 0);
}

static void what_never_comes_ends_with_the_network(void **state)
{
    struct talk *talk = *state;
    struct told told = {.talk = talk}, far = {.talk = talk};

    assert_int_equal(gn_timer_start(talk->a, UINT64_MAX, 1, tell, &told, NULL),
                     0);
    assert_int_equal(
        gn_timer_start(talk->a, UINT64_MAX - 1, 1, tell, &far, NULL), 0);
    assert_int_equal(gn_clock_next_ns(talk->clock), UINT64_MAX);
    gn_network_close(talk->net, NULL, NULL);
    talk->net = NULL;
    expect(&told, 0, -ECANCELED);
    expect(&far, 0, -ECANCELED);
}

/* A clock that gains a tenth: 11 ms of it take 10. */
static void a_drifting_clock_counts(void **state)
{
    struct talk *talk = *state;
    uint64_t begun = gn_now_ns(talk->a);
    struct told told = {0}, never = {0};

    gn__ns_set_drift(talk->a, 100000000);
    start(&told, talk, 11 * GN_MS, 22 * GN_MS);
    start(&never, talk, UINT64_MAX, 0);
    talk_pass_ms(talk, 9);
    expect(&told, 0, 0);
    talk_pass_ms(talk, 1);
    expect(&told, 1, 0);
    talk_pass_ms(talk, 40);
    expect(&told, 3, 0);
    assert_int_equal(told.at[0], begun + 11 * GN_MS);
    assert_int_equal(told.at[1], begun + 33 * GN_MS);
    assert_int_equal(told.at[2], begun + 55 * GN_MS);
    assert_int_equal(gn_clock_next_ns(talk->clock),
                     gn_now_ns(talk->b) + 20 * GN_MS);
    gn_timer_cancel(told.timer);
    gn_timer_cancel(never.timer);
    talk_pass_ms(talk, 0);
    gn_timer_unref(told.timer);
    gn_timer_unref(never.timer);
}

static void wait_is_over(struct gn_wait *wait, int status, void *arg)
{
    struct told *told = arg;

    (void)wait;
    told->end = status;
    told->at[0] = gn_now_ns(told->talk->a);
}

static void so_it_does_for_a_wait(void **state)
{
    struct talk *talk = *state;
    struct told told = {.talk = talk};
    uint64_t begun = gn_now_ns(talk->a);

    gn__ns_set_drift(talk->a, 100000000);
    assert_int_equal(gn_wait_start(talk->a, NULL, 0, begun + 11 * GN_MS,
                                   wait_is_over, &told, NULL),
                     0);
    talk_pass_ms(talk, 9);
    assert_int_equal(told.at[0], 0);
    talk_pass_ms(talk, 1);
    assert_int_equal(told.end, -ETIMEDOUT);
    assert_int_equal(told.at[0], begun + 11 * GN_MS);
}

static void dialled(struct gn_dial *dial, int status, struct gn_conn *conn,
                    void *arg)
{
    struct told *told = arg;

    (void)dial;
    assert_null(conn);
    told->end = status;
    told->at[0] = gn_now_ns(told->talk->a);
}

static void and_for_a_dial(void **state)
{
    struct talk *talk = *state;
    struct told told = {.talk = talk};
    struct gn_link_config down = {.size = sizeof(down), .down = true};
    struct gn_dial_options options = {.size = sizeof(options),
                                      .timeout_ms = 110};
    uint64_t begun = gn_now_ns(talk->a);

    assert_int_equal(gn_link_set(talk->b, "eth0", &down), 0);
    gn__ns_set_drift(talk->a, 100000000);
    assert_int_equal(
        gn_dial(talk->a, "tcp", "10.77.0.3:7", &options, dialled, &told, NULL),
        0);
    talk_pass_ms(talk, 99);
    assert_int_equal(told.at[0], 0);
    talk_pass_ms(talk, 1);
    assert_int_equal(told.end, -ETIMEDOUT);
    assert_int_equal(told.at[0], begun + 110 * GN_MS);
}

static void one_that_repeats_keeps_its_pace(void **state)
{
    struct talk *talk = *state;
    uint64_t begun = gn_now_ns(talk->a);
    struct told told = {0};

    start(&told, talk, 5 * GN_MS, 10 * GN_MS);
    talk_pass_ms(talk, 30);
    expect(&told, 3, 0);
    assert_int_equal(told.at[0], begun + 5 * GN_MS);
    assert_int_equal(told.at[1], begun + 15 * GN_MS);
    assert_int_equal(told.at[2], begun + 25 * GN_MS);
    gn_timer_cancel(told.timer);
    expect(&told, 3, 0);
    talk_pass_ms(talk, 30);
    expect(&told, 3, -ECANCELED);
    gn_timer_unref(told.timer);
}

static void a_callback_may_cancel_and_let_go(void **state)
{
    struct talk *talk = *state;
    struct told often = {.cancel_at = 3}, once = {.cancel_at = 1};

    start(&often, talk, 0, GN_MS);
    start(&once, talk, 0, 0);
    talk_pass_ms(talk, 10);
    expect(&often, 3, -ECANCELED);
    expect(&once, 1, 0); /* It was over. */
}

/* It is due, and its callback has not begun. */
static void what_is_due_can_be_cancelled(void **state)
{
    struct talk *talk = *state;
    struct told told = {0};

    start(&told, talk, 0, 0);
    gn_timer_cancel(told.timer);
    gn_timer_cancel(told.timer);
    gn_timer_unref(told.timer);
    expect(&told, 0, 0);
    talk_pass_ms(talk, 1);
    expect(&told, 0, -ECANCELED);
}

struct order {
    unsigned n, seen[4];
};

struct numbered {
    struct order *order;
    unsigned i;
};

static void note(struct gn_timer *timer, int status, void *arg)
{
    struct numbered *numbered = arg;

    (void)timer;
    assert_int_equal(status, 0);
    numbered->order->seen[numbered->order->n++] = numbered->i;
}

static void timers_of_one_time_come_as_they_were_started(void **state)
{
    struct talk *talk = *state;
    struct order order = {0};
    struct numbered numbered[4];
    unsigned i;

    for (i = 0; i < 4; i++) {
        numbered[i] = (struct numbered){&order, i};
        assert_int_equal(gn_timer_start(talk->a, (i == 0) + GN_MS, 0, note,
                                        &numbered[i], NULL),
                         0);
    }
    talk_pass_ms(talk, 2);
    assert_int_equal(order.n, 4);
    for (i = 0; i < 4; i++)
        assert_int_equal(order.seen[i], (i + 1) % 4); /* The first was late. */
}

/* ---- the end of its guest, and of the network ---- */

static void a_killed_guest_has_no_timers(void **state)
{
    struct talk *talk = *state;
    struct told told = {0}, other = {.talk = talk};
    struct gn_timer *timer = NULL;

    start(&told, talk, GN_MS, GN_MS);
    assert_int_equal(gn_timer_start(talk->b, GN_MS, 0, tell, &other, NULL), 0);
    gn_namespace_kill(talk->a);
    assert_int_equal(gn_timer_start(talk->a, GN_MS, 0, tell, &told, &timer),
                     -ECANCELED);
    assert_null(timer);
    talk_pass_ms(talk, 10);
    expect(&told, 0, -ECANCELED);
    expect(&other, 1, 0);
    gn_timer_unref(told.timer);
}

static void is_last(void *arg)
{
    struct told *told = arg;

    expect(told, 0, -ECANCELED);
    told->at[0] = 1;
}

static void timers_end_before_their_guest_is_gone(void **state)
{
    struct talk *talk = *state;
    struct told told = {0};

    start(&told, talk, GN_MS, 0);
    gn_namespace_close(talk->a, 0, is_last, &told);
    talk_pass_ms(talk, 10);
    assert_int_equal(told.at[0], 1);
    gn_timer_unref(told.timer);
}

static void timers_end_before_their_network_is_gone(void **state)
{
    struct talk *talk = *state;
    struct told told = {0};

    start(&told, talk, GN_MS, 0);
    gn_network_close(talk->net, is_last, &told);
    assert_int_equal(gn_timer_start(talk->b, GN_MS, 0, tell, &told, NULL),
                     -ECANCELED);
    talk->net = NULL;
    talk_pass_ms(talk, 10);
    assert_int_equal(told.at[0], 1);
    gn_timer_unref(told.timer);
}

static void close_network(struct gn_timer *timer, int status, void *arg)
{
    struct talk *talk = arg;

    (void)timer;
    if (status)
        return;
    gn_network_close(talk->net, NULL, NULL);
    talk->net = NULL;
}

static void a_callback_may_close_the_network(void **state)
{
    struct talk *talk = *state;
    struct told told = {0};

    start(&told, talk, 2 * GN_MS, 0);
    assert_int_equal(
        gn_timer_start(talk->a, GN_MS, GN_MS, close_network, talk, NULL), 0);
    talk_pass_ms(talk, 5);
    assert_null(talk->net);
    expect(&told, 0, -ECANCELED);
    gn_timer_unref(told.timer);
}

/* ---- limits ---- */

static void a_guest_has_as_many_as_it_may(void **state)
{
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .limits.max_timers = 2};
    struct talk *talk = *state;
    struct told told = {.talk = talk};
    struct gn_namespace *ns;
    struct gn_stats stats;

    assert_int_equal(gn_namespace_create(talk->net, &config, &ns), 0);
    assert_int_equal(gn_timer_start(ns, GN_MS, 0, tell, &told, NULL), 0);
    assert_int_equal(gn_timer_start(ns, GN_MS, 0, tell, &told, NULL), 0);
    assert_int_equal(gn_timer_start(ns, GN_MS, 0, tell, &told, NULL), -EAGAIN);
    gn_namespace_stats(ns, &stats);
    assert_int_equal(stats.timers, 2);
    assert_int_equal(stats.timers_refused, 1);
    talk_pass_ms(talk, 2);
    assert_int_equal(gn_timer_start(ns, GN_MS, 0, tell, &told, NULL), 0);
    talk_pass_ms(talk, 2);
    gn_namespace_stats(ns, &stats);
    assert_int_equal(stats.timers, 0);
    expect(&told, 3, 0);
}

static void the_kernels_namespace_has_none(void **state)
{
    struct gn_timer *timer = NULL;
    struct gn_namespace *ns;

    (void)state;
    assert_int_equal(gn_namespace_system(&ns), 0);
    assert_int_equal(gn_timer_start(ns, 0, 0, tell, NULL, &timer), -ENOTSUP);
    assert_int_equal(gn_timer_start(ns, 0, 0, NULL, NULL, &timer), -EINVAL);
    assert_null(timer);
    gn_namespace_close(ns, 0, NULL, NULL);
}

static int some_timers(struct gn_test_heap *heap, void *arg)
{
    struct told told = {0};
    struct talk talk;
    int err = talk_open(&talk, false, NULL, &heap->alloc);

    (void)arg;
    told.talk = &talk;
    if (!err)
        err = gn_timer_start(talk.a, GN_MS, GN_MS, tell, &told, NULL);
    if (!err) {
        talk_pass_ms(&talk, 3);
        expect(&told, 3, 0);
    }
    talk_close(&talk);
    return err;
}

static void memory_may_end_anywhere(void **state)
{
    (void)state;
    assert_true(gn_test_heap_sweep(some_timers, NULL) > 0);
}

/* ---- what it is for ---- */

/** A guest of callbacks that dials until there is a listener. */
struct eager {
    struct talk *talk;
    unsigned attempts;
    bool connected;
};

static void eager_dial(struct gn_timer *timer, int status, void *arg);

static void eager_dialled(struct gn_dial *dial, int status,
                          struct gn_conn *conn, void *arg)
{
    struct eager *eager = arg;

    (void)dial;
    if (!status) {
        eager->connected = true;
        assert_int_equal(gn_conn_close(conn, NULL, NULL), 0);
        return;
    }
    assert_int_equal(status, -ECONNREFUSED);
    assert_int_equal(
        gn_timer_start(eager->talk->a, 100 * GN_MS, 0, eager_dial, eager, NULL),
        0);
}

static void eager_dial(struct gn_timer *timer, int status, void *arg)
{
    struct eager *eager = arg;

    (void)timer;
    assert_int_equal(status, 0);
    eager->attempts++;
    assert_int_equal(gn_dial(eager->talk->a, "tcp4", "b:80", NULL,
                             eager_dialled, eager, NULL),
                     0);
}

static void a_guest_of_callbacks_retries(void **state)
{
    struct talk *talk = *state;
    struct eager eager = {.talk = talk};
    struct gn_sock *listener;

    eager_dial(NULL, 0, &eager);
    talk_pass_ms(talk, 250);
    assert_int_equal(eager.attempts, 3);
    assert_int_equal(
        gn_sock_listen_at(talk->b, "tcp", ":80", 0, NULL, 0, &listener), 0);
    talk_pass_ms(talk, 100);
    assert_true(eager.connected);
    gn_sock_close(listener);
    gn_sock_unref(listener);
}

/* ---- in real time ---- */

static void another_thread_s_timers_call_on_the_driving_one(void **state)
{
    struct talk *talk = *state;
    struct told once = {0}, often = {0};
    uint64_t begun = gn_now_ns(talk->a);

    start(&once, talk, 2 * GN_MS, 0);
    start(&often, talk, 0, GN_MS);
    talk_count(talk, &often.calls, 5);
    gn_timer_cancel(often.timer);
    talk_count(talk, &often.ends, 1);
    talk_count(talk, &once.calls, 1);
    assert_true(once.at[0] >= begun + 2 * GN_MS);
    assert_true(often.at[4] >= begun + 4 * GN_MS);
    assert_int_equal(often.end, -ECANCELED);
    gn_timer_unref(once.timer);
    gn_timer_unref(often.timer);
}

static void caller_open(struct talk *talk)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {
        .size = sizeof(config), .prefixes = prefixes, .drive = GN_DRIVE_CALLER};

    memset(talk, 0, sizeof(*talk));
    assert_int_equal(gn_network_create(&config, &talk->net), 0);
    talk->a = gn_network_gateway(talk->net);
}

static void a_timer_keeps_its_loop_running(void **state)
{
    struct told told = {0};
    struct talk talk;

    (void)state;
    caller_open(&talk);
    assert_int_equal(gn_network_run(talk.net, GN_RUN_NOWAIT), 0);
    start(&told, &talk, GN_MS, 0);
    gn_timer_unref(told.timer);
    assert_int_equal(gn_network_run(talk.net, GN_RUN_DEFAULT), 0);
    expect(&told, 1, 0);
    gn_network_close(talk.net, NULL, NULL);
}

/* Ten of its times go by while the network is not run. */
static void what_was_missed_is_not_made_up_for(void **state)
{
    struct told told = {0};
    struct talk talk;
    uint64_t begun;

    (void)state;
    caller_open(&talk);
    begun = gn_now_ns(talk.a);
    start(&told, &talk, 10 * GN_MS, 10 * GN_MS);
    while (gn_now_ns(talk.a) < begun + 105 * GN_MS)
        (void)sched_yield();
    while (!told.calls)
        assert_int_equal(gn_network_run(talk.net, GN_RUN_NOWAIT), 1);
    assert_in_range(told.calls, 1, 4);
    while (told.calls < 5)
        assert_int_equal(gn_network_run(talk.net, GN_RUN_ONCE), 1);
    gn_network_close(talk.net, NULL, NULL);
    gn_timer_unref(told.timer);
    assert_int_equal(told.end, -ECANCELED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_OF(talk, it_calls_once_at_its_time),
        CASE_OF(talk, zero_is_a_later_turn),
        CASE_OF(talk, a_drifting_clock_counts),
        CASE_OF(talk, so_it_does_for_a_wait),
        CASE_OF(talk, and_for_a_dial),
        CASE_OF(talk, what_never_comes_ends_with_the_network),
        CASE_OF(talk, one_that_repeats_keeps_its_pace),
        CASE_OF(talk, a_callback_may_cancel_and_let_go),
        CASE_OF(talk, what_is_due_can_be_cancelled),
        CASE_OF(talk, timers_of_one_time_come_as_they_were_started),
        CASE_OF(talk, a_killed_guest_has_no_timers),
        CASE_OF(talk, timers_end_before_their_guest_is_gone),
        CASE_OF(talk, timers_end_before_their_network_is_gone),
        CASE_OF(talk, a_callback_may_close_the_network),
        CASE_OF(talk, a_guest_has_as_many_as_it_may),
        CASE_OF(talk, a_guest_of_callbacks_retries),
        cmocka_unit_test(the_kernels_namespace_has_none),
        cmocka_unit_test(memory_may_end_anywhere),
        cmocka_unit_test_setup_teardown(
            another_thread_s_timers_call_on_the_driving_one, talk_threaded,
            talk_teardown),
        cmocka_unit_test(a_timer_keeps_its_loop_running),
        cmocka_unit_test(what_was_missed_is_not_made_up_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
