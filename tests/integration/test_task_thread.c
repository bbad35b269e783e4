/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A clock is for one thread at a time, and not always the same one: a task that
 * left off in one thread goes on in another.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <guestnet/guestnet.h>

#define SECOND UINT64_C(1000000000)
#define TURNS  4

struct world {
    struct gn_clock *clock;
    struct gn_network *net;
    struct gn_namespace *ns;
    int n_turns;
};

static int world_open(void **state)
{
    static struct world w;
    struct gn_network_config config = {.size = sizeof(config),
                                       .drive = GN_DRIVE_VIRTUAL};

    w = (struct world){.n_turns = 0};
    *state = &w;
    assert_int_equal(gn_clock_create(NULL, &w.clock), 0);
    config.clock = w.clock;
    assert_int_equal(gn_network_create(&config, &w.net), 0);
    assert_int_equal(gn_namespace_create(w.net, NULL, &w.ns), 0);
    return 0;
}

static int world_close(void **state)
{
    struct world *w = *state;

    gn_network_close(w->net, NULL, NULL);
    gn_clock_close(w->clock);
    return 0;
}

/* Not inlined: what a compiler knows of one thread is wrong in another. */
__attribute__((noinline)) static int get_errno(void)
{
    __asm__ volatile("");
    return errno;
}

__attribute__((noinline)) static void set_errno(int value)
{
    __asm__ volatile("");
    errno = value;
}

static int sleep_and_look(void *arg)
{
    struct world *w = arg;

    for (int i = 1; i <= TURNS; i++) {
        set_errno(i);
        if (gn_sleep_ns(w->ns, SECOND) || get_errno() != i ||
            gn_task_namespace() != w->ns)
            gn_sim_fail("a task has changed");
        w->n_turns++;
    }
    return 0;
}

/* A second, with an errno of the thread's own, which stays. Returns what is
 * wrong. */
static void *let_time_pass(void *arg)
{
    struct world *w = arg;
    struct gn_sim_report report = {.size = sizeof(report)};

    set_errno(1000);
    if (gn_clock_run(w->clock, gn_clock_now_ns(w->clock) + SECOND, &report) ||
        report.end == GN_SIM_FAILED || gn_task_namespace() ||
        get_errno() != 1000)
        return w;
    return NULL;
}

static void a_task_goes_on_in_another_thread(void **state)
{
    struct world *w = *state;
    pthread_t thread;
    void *wrong;

    assert_int_equal(gn_task_start(w->ns, NULL, sleep_and_look, w, NULL), 0);
    for (int i = 0; i < TURNS; i++) {
        set_errno(2000);
        if (i % 2) {
            assert_null(let_time_pass(w));
            continue;
        }
        assert_int_equal(pthread_create(&thread, NULL, let_time_pass, w), 0);
        assert_int_equal(pthread_join(thread, &wrong), 0);
        assert_null(wrong);
        assert_int_equal(get_errno(), 2000);
    }
    assert_int_equal(w->n_turns, TURNS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_task_goes_on_in_another_thread,
                                        world_open, world_close),
    };

    return cmocka_run_group_tests_name("task_thread", tests, NULL, NULL);
}
