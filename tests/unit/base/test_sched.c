/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/heap.h"

#define N_ACCOUNTS 3
#define N_TASKS    8

/* Three guests with some tasks each; order says which ran: "a0b0a1". */
struct fixture {
    struct gn_test_heap heap;
    struct gn__mem mem;
    struct gn__sched sched;
    struct gn__account *accounts[N_ACCOUNTS];
    struct job {
        struct gn__deferred task;
        struct fixture *f;
        char name[3];
    } jobs[N_ACCOUNTS][N_TASKS];
    struct job host;
    char order[256];
};

static void run(struct gn__deferred *task)
{
    struct job *job = gn__container_of(task, struct job, task);

    strncat(job->f->order, job->name,
            sizeof(job->f->order) - strlen(job->f->order) - 1);
}

static void job_init(struct fixture *f, struct job *job, char a, unsigned n)
{
    job->f = f;
    job->task.run = run;
    job->name[0] = a;
    job->name[1] = (char)('0' + n);
}

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    unsigned i, n;

    gn_test_heap_init(&f->heap);
    gn__mem_init(&f->mem, &f->heap.alloc);
    gn__sched_init(&f->sched);
    job_init(f, &f->host, 'h', 0);
    for (i = 0; i < N_ACCOUNTS; i++) {
        f->accounts[i] = gn__account_create(&f->mem);
        assert_non_null(f->accounts[i]);
        for (n = 0; n < N_TASKS; n++) {
            job_init(f, &f->jobs[i][n], (char)('a' + i), n);
            f->jobs[i][n].task.account = f->accounts[i];
        }
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    unsigned i;

    for (i = 0; i < N_ACCOUNTS; i++)
        gn__account_unref(f->accounts[i]);
    gn__sched_done(&f->sched);
    gn_test_heap_done(&f->heap);
    test_free(f);
    return 0;
}

static void queue(struct fixture *f, unsigned account, unsigned n)
{
    gn__sched_queue(&f->sched, &f->jobs[account][n].task);
}

static void queue_all(struct fixture *f, unsigned account)
{
    unsigned n;

    for (n = 0; n < N_TASKS; n++)
        queue(f, account, n);
}

/* Run one, which takes that long; false: there was none. */
static bool turn(struct fixture *f, uint64_t cost_ns)
{
    struct gn__deferred *task = gn__sched_pick(&f->sched);

    if (!task)
        return false;
    task->run(task);
    gn__sched_charge(&f->sched, cost_ns);
    return true;
}

static const char *run_all(struct fixture *f)
{
    while (turn(f, 0))
        continue;
    return f->order;
}

static void accounts_take_turns(void **state)
{
    struct fixture *f = *state;

    queue_all(f, 0);
    queue(f, 1, 0);
    queue(f, 1, 1);
    queue(f, 2, 0);
    assert_string_equal(run_all(f), "a0b0c0a1b1a2a3a4a5a6a7");
    assert_int_equal(f->sched.n, 0);
}

static void the_host_program_is_one_of_them(void **state)
{
    struct fixture *f = *state;

    queue_all(f, 0);
    gn__sched_queue(&f->sched, &f->host.task);
    (void)turn(f, 0);
    (void)turn(f, 0);
    assert_string_equal(f->order, "a0h0");
}

static void a_task_that_is_queued_stays_where_it_is(void **state)
{
    struct fixture *f = *state;

    queue(f, 0, 0);
    queue(f, 0, 1);
    queue(f, 0, 0);
    assert_string_equal(run_all(f), "a0a1");
}

/* The first guest's tasks take three times as long as the second's. */
static void an_account_that_takes_longer_has_fewer_turns(void **state)
{
    struct fixture *f = *state;

    queue_all(f, 0);
    queue_all(f, 1);
    while (f->sched.n) {
        struct gn__deferred *task = gn__sched_pick(&f->sched);

        task->run(task);
        gn__sched_charge(&f->sched, task->account == f->accounts[0]
                                        ? 3 * GN__SCHED_COST_MIN
                                        : GN__SCHED_COST_MIN);
    }
    assert_string_equal(f->order, "a0b0b1b2a1b3b4b5a2b6b7a3a4a5a6a7");
}

static void an_idle_account_goes_before_the_others(void **state)
{
    struct fixture *f = *state;
    unsigned n;

    queue_all(f, 0);
    queue_all(f, 1);
    for (n = 0; n < 6; n++)
        (void)turn(f, GN__SCHED_COST_MAX);
    f->order[0] = '\0';
    queue(f, 2, 0);
    queue(f, 2, 1);
    (void)turn(f, 0);
    (void)turn(f, 0);
    assert_string_equal(f->order, "c0c1");
}

/* It has GN__SCHED_CREDIT before it takes turns with the others again. */
static void a_long_idle_account_has_a_bounded_start(void **state)
{
    struct fixture *f = *state;
    unsigned n;

    for (n = 0; n < 1000; n++) {
        f->order[0] = '\0';
        queue(f, 0, 0);
        (void)turn(f, GN__SCHED_COST_MAX);
    }
    f->order[0] = '\0';
    queue_all(f, 0);
    queue_all(f, 1);
    for (n = 0; n < 6; n++)
        (void)turn(f, GN__SCHED_COST_MAX);
    assert_memory_equal(f->order, "b0b1", 4);
    assert_non_null(strstr(f->order, "a1"));
}

static void what_one_task_costs_is_bounded(void **state)
{
    struct fixture *f = *state;

    queue(f, 0, 0);
    (void)turn(f, UINT64_MAX / 2);
    assert_int_equal(f->accounts[0]->spent, GN__SCHED_COST_MAX);
    queue(f, 0, 0);
    (void)turn(f, 0);
    assert_int_equal(f->accounts[0]->spent,
                     GN__SCHED_COST_MAX + GN__SCHED_COST_MIN);
}

static void a_cancelled_task_does_not_run(void **state)
{
    struct fixture *f = *state;

    gn__sched_cancel(&f->sched, &f->jobs[0][0].task); /* Nothing. */
    queue(f, 0, 0);
    queue(f, 0, 1);
    queue(f, 1, 0);
    gn__sched_cancel(&f->sched, &f->jobs[0][0].task);
    gn__sched_cancel(&f->sched, &f->jobs[1][0].task);
    assert_int_equal(f->sched.n, 1);
    assert_string_equal(run_all(f), "a1");
}

static void an_account_may_go_while_it_is_to_be_picked(void **state)
{
    struct fixture *f = *state;

    queue(f, 0, 0);
    queue(f, 1, 0);
    gn__sched_cancel(&f->sched, &f->jobs[0][0].task);
    gn__account_unref(f->accounts[0]);
    f->accounts[0] = NULL;
    assert_string_equal(run_all(f), "b0");
}

static void an_account_may_go_while_its_task_runs(void **state)
{
    struct fixture *f = *state;
    struct gn__deferred *task;

    queue(f, 0, 0);
    task = gn__sched_pick(&f->sched);
    assert_ptr_equal(task, &f->jobs[0][0].task);
    gn__account_unref(f->accounts[0]);
    f->accounts[0] = NULL;
    gn__sched_charge(&f->sched, 1);
}

static void what_is_handed_over_runs_before_what_comes_later(void **state)
{
    struct fixture *f = *state;

    queue(f, 0, 0);
    queue(f, 0, 1);
    gn__sched_hand_over(&f->sched, f->accounts[0]);
    gn__sched_queue(&f->sched, &f->host.task);
    queue(f, 0, 2);
    assert_string_equal(run_all(f), "a2a0a1h0");
}

static void what_comes_after_the_end_is_the_host_program_s(void **state)
{
    struct fixture *f = *state;

    queue(f, 0, 0);
    gn__sched_end(&f->sched, f->accounts[0]);
    gn__sched_queue(&f->sched, &f->host.task);
    queue(f, 0, 1);
    assert_string_equal(run_all(f), "a0h0a1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(accounts_take_turns),
        CASE(the_host_program_is_one_of_them),
        CASE(a_task_that_is_queued_stays_where_it_is),
        CASE(an_account_that_takes_longer_has_fewer_turns),
        CASE(an_idle_account_goes_before_the_others),
        CASE(a_long_idle_account_has_a_bounded_start),
        CASE(what_one_task_costs_is_bounded),
        CASE(a_cancelled_task_does_not_run),
        CASE(an_account_may_go_while_it_is_to_be_picked),
        CASE(an_account_may_go_while_its_task_runs),
        CASE(what_is_handed_over_runs_before_what_comes_later),
        CASE(what_comes_after_the_end_is_the_host_program_s),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
