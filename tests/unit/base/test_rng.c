/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t key[2] = {1, 2};

static void equal_names_give_equal_streams(void **state)
{
    struct gn__rng a, b, other_name, other_key;
    const uint64_t next_key[2] = {1, 3};
    int n_equal = 0;

    (void)state;
    gn__rng_init(&a, key, "web", 3);
    gn__rng_init(&b, key, "web", 3);
    gn__rng_init(&other_name, key, "db", 2);
    gn__rng_init(&other_key, next_key, "web", 3);
    for (int i = 0; i < 1000; i++) {
        uint64_t value = gn__rng_u64(&a);

        assert_true(gn__rng_u64(&b) == value);
        n_equal += gn__rng_u64(&other_name) == value;
        n_equal += gn__rng_u64(&other_key) == value;
    }
    assert_int_equal(n_equal, 0);
}

static void streams_do_not_change_between_builds(void **state)
{
    struct gn__rng a;

    (void)state;
    gn__rng_init(&a, key, "web", 3);
    assert_true(gn__rng_u64(&a) == UINT64_C(0xb6584167af44d2e2));
    assert_true(gn__rng_u64(&a) == UINT64_C(0x2f40f78c567cf917));
}

static void fill_is_the_same_stream(void **state)
{
    uint8_t bytes[21];
    struct gn__rng a, b;

    (void)state;
    gn__rng_init(&a, key, "x", 1);
    gn__rng_init(&b, key, "x", 1);
    gn__rng_fill(&a, bytes, sizeof(bytes));
    gn__rng_fill(&a, NULL, 0);
    for (size_t i = 0; i < sizeof(bytes); i += 8) {
        uint64_t word = gn__rng_u64(&b);

        for (size_t j = i; j < i + 8 && j < sizeof(bytes); j++, word >>= 8)
            assert_int_equal(bytes[j], word & 0xff);
    }
    assert_true(gn__rng_u64(&a) == gn__rng_u64(&b));
}

/* Each of n values about as often: 5 sigma of the binomial distribution. */
static void below_is_even(void **state)
{
    enum { N_DRAWS = 60000, N = 6 };
    int count[N] = {0};
    struct gn__rng a;

    (void)state;
    gn__rng_init(&a, key, "dice", 4);
    for (int i = 0; i < N_DRAWS; i++) {
        uint64_t value = gn__rng_below(&a, N);

        assert_true(value < N);
        count[value]++;
    }
    for (int i = 0; i < N; i++)
        assert_in_range(count[i], 10000 - 460, 10000 + 460);
}

static void below_takes_any_bound(void **state)
{
    struct gn__rng a;
    int n_high = 0;

    (void)state;
    gn__rng_init(&a, key, "bounds", 6);
    assert_true(gn__rng_below(&a, 1) == 0);
    for (int i = 0; i < 1000; i++)
        n_high += gn__rng_below(&a, UINT64_MAX) > UINT64_MAX / 2;
    assert_in_range(n_high, 400, 600);
    /* Two thirds of 2^64: a modulo would give the lower half twice as often. */
    n_high = 0;
    for (int i = 0; i < 3000; i++)
        n_high += gn__rng_below(&a, UINT64_MAX / 3 * 2) > UINT64_MAX / 3;
    assert_in_range(n_high, 1350, 1650);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_names_give_equal_streams),
        cmocka_unit_test(streams_do_not_change_between_builds),
        cmocka_unit_test(fill_is_the_same_stream),
        cmocka_unit_test(below_is_even),
        cmocka_unit_test(below_takes_any_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
