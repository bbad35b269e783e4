/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/lock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define THREADS 8
#define ROUNDS  20000

struct shared {
    struct gn__lock lock;
    uint64_t counter; /* plain: the lock orders it */
};

static void *count(void *arg)
{
    struct shared *shared = arg;
    unsigned i;

    for (i = 0; i < ROUNDS; i++) {
        gn__lock_take(&shared->lock, i % 7 == 0);
        shared->counter++;
        gn__lock_give(&shared->lock);
    }
    return NULL;
}

static void one_at_a_time(void **state)
{
    struct shared shared = {0};
    pthread_t threads[THREADS];
    unsigned i;

    (void)state;
    for (i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count, &shared), 0);
    for (i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(shared.counter, THREADS * ROUNDS);
}

struct greedy {
    struct gn__lock lock;
    _Atomic int stop;
};

static void *hold_on(void *arg)
{
    struct greedy *greedy = arg;
    uint64_t end;

    while (!atomic_load(&greedy->stop)) {
        gn__lock_take(&greedy->lock, false);
        for (end = gn__monotonic_ns() + 20000; gn__monotonic_ns() < end;)
            continue;
        gn__lock_give(&greedy->lock);
    }
    return NULL;
}

/* Counted and not timed: each of these takings had to end for the next. */
static void greedy_threads_let_all_others_in(void **state)
{
    struct greedy greedy = {0};
    pthread_t threads[4];
    unsigned i;

    (void)state;
    for (i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hold_on, &greedy),
                         0);
    for (i = 0; i < 300; i++) {
        gn__lock_take(&greedy.lock, i & 1);
        gn__lock_give(&greedy.lock);
    }
    atomic_store(&greedy.stop, 1);
    for (i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

struct table_tennis {
    _Atomic uint32_t spot[2];
};

static void *play(void *arg)
{
    struct table_tennis *game = arg;
    unsigned i;

    for (i = 0; i < ROUNDS / 4; i++) {
        if (i % 3)
            (void)gn__spot_look(&game->spot[1], gn__monotonic_ns() + 1000);
        assert_true(gn__spot_sleep(&game->spot[1], GN__SPOT_NEVER));
        atomic_store(&game->spot[1], 0);
        gn__spot_wake(&game->spot[0]);
    }
    return NULL;
}

static void no_wake_up_is_lost(void **state)
{
    struct table_tennis game = {0};
    pthread_t thread;
    unsigned i;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, play, &game), 0);
    for (i = 0; i < ROUNDS / 4; i++) {
        gn__spot_wake(&game.spot[1]);
        assert_true(gn__spot_sleep(&game.spot[0], GN__SPOT_NEVER));
        atomic_store(&game.spot[0], 0);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void a_sleep_ends_at_its_deadline(void **state)
{
    _Atomic uint32_t spot = 0;
    uint64_t until = gn__monotonic_ns() + 2000000;

    (void)state;
    assert_false(gn__spot_sleep(&spot, until));
    assert_true(gn__monotonic_ns() >= until);
    assert_int_equal(atomic_load(&spot), 0);
    assert_false(gn__spot_sleep(&spot, 0));
    gn__spot_wake(&spot);
    assert_true(gn__spot_sleep(&spot, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_at_a_time),
        cmocka_unit_test(greedy_threads_let_all_others_in),
        cmocka_unit_test(no_wake_up_is_lost),
        cmocka_unit_test(a_sleep_ends_at_its_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
