/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/turns.h"

#define N 4

/* The driver behind it, played by the test; time is a number. */
struct fixture {
    struct gn_test_turns turns;
    struct gn__mem mem;
    uint64_t now;
    unsigned n_rearms;
    int holds;
    unsigned n_done;
    struct job {
        struct gn__io_timer timer;
        struct gn__deferred task;
        struct gn__io_end end;
        struct fixture *f;
        unsigned n;
        void (*also)(struct job *job);
    } jobs[N];
    char order[32];
};

static struct fixture *of_io(struct gn__io *io)
{
    return gn__container_of(io, struct fixture, turns.io);
}

static uint64_t fake_now(struct gn__io *io)
{
    return of_io(io)->now;
}

static void fake_rearm(struct gn__io *io)
{
    of_io(io)->n_rearms++;
}

static void fake_hold(struct gn__io *io, int n)
{
    of_io(io)->holds += n;
}

static void fake_done(struct gn__io *io)
{
    of_io(io)->n_done++;
}

static const struct gn__io_ops fake_ops = {
    .now = fake_now,
    .rearm = fake_rearm,
    .queue = gn_test_turns_queue,
    .cancel = gn_test_turns_cancel,
    .hold = fake_hold,
    .done = fake_done,
};

static void happened(struct job *job)
{
    struct fixture *f = job->f;

    job->n++;
    if (strlen(f->order) < sizeof(f->order) - 1)
        f->order[strlen(f->order)] = (char)('a' + (job - f->jobs));
    if (job->also)
        job->also(job);
}

static void fire(struct gn__io_timer *timer)
{
    happened(gn__container_of(timer, struct job, timer));
}

static void run(struct gn__deferred *task)
{
    happened(gn__container_of(task, struct job, task));
}

static void end(struct gn__io_end *at_end)
{
    happened(gn__container_of(at_end, struct job, end));
}

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    unsigned i;

    gn__mem_init(&f->mem, NULL);
    gn_test_turns_init(&f->turns, &fake_ops, &f->mem);
    f->now = 1000;
    for (i = 0; i < N; i++) {
        f->jobs[i].f = f;
        f->jobs[i].timer.fire = fire;
        f->jobs[i].task.run = run;
        f->jobs[i].end.run = end;
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    test_free(*state);
    return 0;
}

static void timers_fire_in_the_order_of_their_times(void **state)
{
    struct fixture *f = *state;

    gn__io_start(&f->turns.io, &f->jobs[0].timer, 3000);
    gn__io_start(&f->turns.io, &f->jobs[1].timer, 2000);
    gn__io_start(&f->turns.io, &f->jobs[2].timer, 2000);
    assert_int_equal(gn__io_deadline(&f->turns.io), 2000);
    assert_false(gn_test_turns_run(&f->turns, 16));
    assert_string_equal(f->order, "");
    f->now = 3000;
    assert_false(gn_test_turns_run(&f->turns, 16));
    assert_string_equal(f->order, "bca");
    assert_int_equal(gn__io_deadline(&f->turns.io), UINT64_MAX);
}

static void a_timer_started_again_fires_once(void **state)
{
    struct fixture *f = *state;

    gn__io_start(&f->turns.io, &f->jobs[0].timer, 1500);
    gn__io_start(&f->turns.io, &f->jobs[0].timer, 2500);
    f->now = 2000;
    (void)gn_test_turns_run(&f->turns, 16);
    assert_int_equal(f->jobs[0].n, 0);
    f->now = 2500;
    (void)gn_test_turns_run(&f->turns, 16);
    assert_int_equal(f->jobs[0].n, 1);
}

static void a_stopped_timer_does_not_fire(void **state)
{
    struct fixture *f = *state;

    gn__io_stop(&f->turns.io, &f->jobs[0].timer); /* Nothing. */
    gn__io_start(&f->turns.io, &f->jobs[0].timer, 1500);
    gn__io_stop(&f->turns.io, &f->jobs[0].timer);
    f->now = 2000;
    (void)gn_test_turns_run(&f->turns, 16);
    assert_int_equal(f->jobs[0].n, 0);
}

static void rearming_is_asked_for_when_the_first_changes(void **state)
{
    struct fixture *f = *state;

    gn__io_start(&f->turns.io, &f->jobs[0].timer, 2000);
    assert_int_equal(f->n_rearms, 1);
    gn__io_start(&f->turns.io, &f->jobs[1].timer, 3000);
    assert_int_equal(f->n_rearms, 1);
    gn__io_start(&f->turns.io, &f->jobs[1].timer, 1500);
    assert_int_equal(f->n_rearms, 2);
    gn__io_stop(&f->turns.io, &f->jobs[0].timer);
    assert_int_equal(f->n_rearms, 2);
}

static void start_at_once(struct job *job)
{
    gn__io_start(&job->f->turns.io, &job->timer, job->f->now);
}

static void a_timer_that_starts_itself_lets_tasks_have_their_turn(void **state)
{
    struct fixture *f = *state;

    f->jobs[0].also = start_at_once;
    gn__io_start(&f->turns.io, &f->jobs[0].timer, f->now);
    gn__io_defer(&f->turns.io, &f->jobs[1].task);
    assert_true(gn_test_turns_run(&f->turns, 5));
    assert_int_equal(f->jobs[0].n, 1);
    assert_int_equal(f->jobs[1].n, 1);
}

static void a_timer_that_is_due_is_a_task_of_its_account(void **state)
{
    struct fixture *f = *state;
    struct gn__account *guest = gn__account_create(&f->mem);

    assert_non_null(guest);
    f->jobs[0].timer.account = guest;
    gn__io_start(&f->turns.io, &f->jobs[0].timer, f->now);
    gn__io_run(&f->turns.io, 1);
    assert_ptr_equal(gn__list_first(&guest->tasks),
                     &f->jobs[0].timer.task.link);
    gn__io_stop(&f->turns.io, &f->jobs[0].timer);
    assert_false(gn_test_turns_run(&f->turns, 1));
    assert_string_equal(f->order, "");
    gn__account_unref(guest);
}

static void defer_itself(struct job *job)
{
    gn__io_defer(&job->f->turns.io, &job->task);
}

static void a_task_may_queue_itself_again(void **state)
{
    struct fixture *f = *state;

    f->jobs[0].also = defer_itself;
    gn__io_defer(&f->turns.io, &f->jobs[0].task);
    assert_true(gn_test_turns_run(&f->turns, 1));
    assert_int_equal(f->jobs[0].n, 1);
    assert_true(gn_test_turns_run(&f->turns, 1));
    assert_int_equal(f->jobs[0].n, 2);
}

static void tasks_left_over_keep_their_order(void **state)
{
    struct fixture *f = *state;
    unsigned i;

    f->jobs[0].also = defer_itself;
    for (i = 0; i < N; i++)
        gn__io_defer(&f->turns.io, &f->jobs[i].task);
    gn__io_defer(&f->turns.io, &f->jobs[1].task); /* It waits already. */
    assert_true(gn_test_turns_run(&f->turns, 2));
    assert_string_equal(f->order, "ab");
    assert_true(gn_test_turns_run(&f->turns, 2));
    assert_string_equal(f->order, "abcd");
    f->jobs[0].also = NULL;
    assert_false(gn_test_turns_run(&f->turns, 2));
    assert_string_equal(f->order, "abcda");
}

static void cancel_others(struct job *job)
{
    gn__io_cancel(&job->f->turns.io, &job->f->jobs[1].task);
    gn__io_stop(&job->f->turns.io, &job->f->jobs[2].timer);
}

static void a_task_may_cancel_what_is_due_with_it(void **state)
{
    struct fixture *f = *state;

    gn__io_cancel(&f->turns.io, &f->jobs[1].task); /* Nothing. */
    f->jobs[0].also = cancel_others;
    gn__io_defer(&f->turns.io, &f->jobs[0].task);
    gn__io_defer(&f->turns.io, &f->jobs[1].task);
    gn__io_start(&f->turns.io, &f->jobs[0].timer, 1000);
    gn__io_start(&f->turns.io, &f->jobs[2].timer, 1000);
    assert_false(gn_test_turns_run(&f->turns, 16));
    assert_string_equal(f->order, "aa");
}

static void ends_run_newest_first_and_then_it_is_done(void **state)
{
    struct fixture *f = *state;

    gn__io_forget_end(&f->jobs[3].end); /* Nothing. */
    gn__io_at_end(&f->turns.io, &f->jobs[0].end);
    gn__io_at_end(&f->turns.io, &f->jobs[1].end);
    gn__io_at_end(&f->turns.io, &f->jobs[2].end);
    gn__io_forget_end(&f->jobs[1].end);
    gn__io_done(&f->turns.io);
    assert_string_equal(f->order, "ca");
    assert_int_equal(f->n_done, 1);
}

static void forget_first(struct job *job)
{
    gn__io_forget_end(&job->f->jobs[0].end);
}

static void an_end_may_end_others(void **state)
{
    struct fixture *f = *state;

    f->jobs[1].also = forget_first;
    gn__io_at_end(&f->turns.io, &f->jobs[0].end);
    gn__io_at_end(&f->turns.io, &f->jobs[1].end);
    gn__io_done(&f->turns.io);
    assert_string_equal(f->order, "b");
}

static void holds_nest(void **state)
{
    struct fixture *f = *state;

    gn__io_hold(&f->turns.io);
    gn__io_hold(&f->turns.io);
    gn__io_release(&f->turns.io);
    assert_int_equal(f->holds, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(timers_fire_in_the_order_of_their_times),
        CASE(a_timer_started_again_fires_once),
        CASE(a_stopped_timer_does_not_fire),
        CASE(rearming_is_asked_for_when_the_first_changes),
        CASE(a_timer_that_starts_itself_lets_tasks_have_their_turn),
        CASE(a_timer_that_is_due_is_a_task_of_its_account),
        CASE(a_task_may_queue_itself_again),
        CASE(tasks_left_over_keep_their_order),
        CASE(a_task_may_cancel_what_is_due_with_it),
        CASE(ends_run_newest_first_and_then_it_is_done),
        CASE(an_end_may_end_others),
        CASE(holds_nest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
