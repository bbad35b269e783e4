/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/lock_watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/stats.h>

#include "base/lock.h"

static void percentiles_are_exact_to_an_eighth(void **state)
{
    static struct gn__histogram histogram;
    uint64_t i;

    (void)state;
    gn__histogram_clear(&histogram);
    for (i = 1; i <= 100000; i++)
        gn__histogram_add(&histogram, i * 1000);
    assert_in_range(gn__histogram_percentile(&histogram, 50), 50000000,
                    50000000 * 9 / 8);
    assert_in_range(gn__histogram_percentile(&histogram, 99), 99000000,
                    99000000 * 9ull / 8);
    assert_int_equal(gn__histogram_percentile(&histogram, 100), 100000000);
    assert_int_equal(histogram.max, 100000000);
}

static void extremes_have_buckets(void **state)
{
    static struct gn__histogram histogram;

    (void)state;
    gn__histogram_clear(&histogram);
    assert_int_equal(gn__histogram_percentile(&histogram, 99), 0);
    gn__histogram_add(&histogram, 0);
    assert_int_equal(gn__histogram_percentile(&histogram, 99), 0);
    gn__histogram_add(&histogram, UINT64_MAX);
    assert_true(histogram.max == UINT64_MAX);
    assert_true(gn__histogram_percentile(&histogram, 99) > 1ull << 40);
}

static void lock_is_counted_while_watched(void **state)
{
    struct gn__lock *lock = gn__lock_process();
    struct gn_lock_stats stats;

    (void)state;
    gn__lock_take(lock, true);
    gn__lock_give(lock);
    gn_lock_watch(true);
    gn__lock_take(lock, true);
    gn__lock_give(lock);
    gn__lock_take(lock, false);
    gn__lock_give(lock);
    gn_lock_watch(false);
    gn__lock_take(lock, true);
    gn__lock_give(lock);
    gn_lock_stats(&stats);
    assert_int_equal(stats.waits, 1);
    assert_int_equal(stats.holds, 2);
    assert_true(stats.hold_max_ns >= stats.hold_p99_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_exact_to_an_eighth),
        cmocka_unit_test(extremes_have_buckets),
        cmocka_unit_test(lock_is_counted_while_watched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
