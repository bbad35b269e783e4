/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Single claims first, then random calls on a wheel and on a model that is an
 * array searched from start to end.
 */
#include "base/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/lib/seed.h"

static void empty_wheel_never_ends(void **state)
{
    struct gn__wheel w;

    (void)state;
    gn__wheel_init(&w, 1000);
    assert_int_equal(gn__wheel_next(&w), GN__WHEEL_NEVER);
    assert_null(gn__wheel_pop(&w, UINT64_MAX));
    assert_int_equal(gn__wheel_next(&w), GN__WHEEL_NEVER);
}

static void is_due_at_its_tick_and_not_before(void **state)
{
    struct gn__wheel_node node = {0};
    struct gn__wheel w;

    (void)state;
    for (unsigned shift = 0; shift < 63; shift++) {
        uint64_t tick = (UINT64_C(1) << shift) + 5;

        gn__wheel_init(&w, 3);
        gn__wheel_arm(&w, &node, tick);
        assert_true(gn__wheel_armed(&node));
        assert_null(gn__wheel_pop(&w, tick - 1));
        assert_ptr_equal(gn__wheel_pop(&w, tick), &node);
        assert_false(gn__wheel_armed(&node));
        assert_null(gn__wheel_pop(&w, tick));
    }
}

static void coming_back_at_next_finds_the_tick(void **state)
{
    struct gn__wheel_node node = {0};
    struct gn__wheel w;

    (void)state;
    for (unsigned shift = 0; shift < 62; shift++) {
        uint64_t tick = 3 * (UINT64_C(1) << shift) + 1, next;
        unsigned n = 0;

        gn__wheel_init(&w, 0);
        gn__wheel_arm(&w, &node, tick);
        while ((next = gn__wheel_next(&w)) < tick) {
            assert_null(gn__wheel_pop(&w, next));
            assert_true(gn__wheel_next(&w) > next);
            assert_in_range(++n, 1, GN__WHEEL_LEVELS);
        }
        assert_ptr_equal(gn__wheel_pop(&w, next), &node);
    }
}

static void next_is_exact_in_the_first_block(void **state)
{
    struct gn__wheel_node node = {0};
    struct gn__wheel w;

    (void)state;
    gn__wheel_init(&w, 64);
    for (uint64_t tick = 64; tick < 128; tick++) {
        gn__wheel_arm(&w, &node, tick);
        assert_int_equal(gn__wheel_next(&w), tick);
    }
    gn__wheel_disarm(&w, &node);
    assert_int_equal(gn__wheel_next(&w), GN__WHEEL_NEVER);
    gn__wheel_disarm(&w, &node);
}

static void past_ticks_are_due_at_once(void **state)
{
    struct gn__wheel_node past = {0}, now = {0};
    struct gn__wheel w;

    (void)state;
    gn__wheel_init(&w, 500);
    gn__wheel_arm(&w, &now, 500);
    gn__wheel_arm(&w, &past, 7);
    assert_int_equal(gn__wheel_next(&w), 500);
    assert_ptr_equal(gn__wheel_pop(&w, 500), &now);
    assert_ptr_equal(gn__wheel_pop(&w, 500), &past);
    assert_null(gn__wheel_pop(&w, 500));
}

static void one_tick_keeps_the_order_of_arming(void **state)
{
    struct gn__wheel_node node[6] = {{{0}, 0}};
    const uint64_t tick = 1000000;
    struct gn__wheel w;

    (void)state;
    gn__wheel_init(&w, 0);
    gn__wheel_arm(&w, &node[0], tick);
    gn__wheel_arm(&w, &node[1], tick);
    assert_null(gn__wheel_pop(&w, 500000));
    gn__wheel_arm(&w, &node[2], tick);
    assert_null(gn__wheel_pop(&w, 999990));
    gn__wheel_arm(&w, &node[3], tick);
    gn__wheel_arm(&w, &node[0], tick);
    assert_ptr_equal(gn__wheel_pop(&w, tick + 9), &node[1]);
    assert_ptr_equal(gn__wheel_pop(&w, tick + 9), &node[2]);
    assert_ptr_equal(gn__wheel_pop(&w, tick + 9), &node[3]);
    assert_ptr_equal(gn__wheel_pop(&w, tick + 9), &node[0]);
    assert_null(gn__wheel_pop(&w, tick + 9));
}

static void nodes_of_the_far_end_do_not_slow_a_jump(void **state)
{
    struct gn__wheel_node node = {0};
    struct gn__wheel w;

    (void)state;
    gn__wheel_init(&w, 0);
    gn__wheel_arm(&w, &node, UINT64_MAX - 1);
    assert_null(gn__wheel_pop(&w, UINT64_MAX - 2));
    assert_ptr_equal(gn__wheel_pop(&w, UINT64_MAX), &node);
}

#define N 200

struct model {
    struct gn__wheel wheel;
    struct gn__wheel_node node[N];
    uint64_t tick[N];
    uint64_t seq[N];
    bool armed[N];
    uint64_t now, next_seq;
    struct gn_test_seed seed;
};

static int model_first(const struct model *m)
{
    int best = -1;

    for (int i = 0; i < N; i++) {
        assert_int_equal(gn__wheel_armed(&m->node[i]), m->armed[i]);
        if (m->armed[i] &&
            (best < 0 || m->tick[i] < m->tick[best] ||
             (m->tick[i] == m->tick[best] && m->seq[i] < m->seq[best])))
            best = i;
    }
    return best;
}

/* A distance of any order of magnitude. */
static uint64_t any_distance(struct model *m, unsigned max_bits)
{
    unsigned n = (unsigned)gn_test_random_below(&m->seed, max_bits);

    return gn_test_random(&m->seed) >> (63 - n);
}

static void arm_any(struct model *m, uint64_t from, unsigned max_bits)
{
    size_t i = gn_test_random_below(&m->seed, N);
    uint64_t tick = from + any_distance(m, max_bits);

    if (gn_test_random_below(&m->seed, 10) == 0)
        tick = from > 100 ? from - 100 : 0;
    gn__wheel_arm(&m->wheel, &m->node[i], tick);
    m->tick[i] = tick < from ? from : tick;
    m->seq[i] = m->next_seq++;
    m->armed[i] = true;
}

static void disarm_any(struct model *m)
{
    size_t i = gn_test_random_below(&m->seed, N);

    gn__wheel_disarm(&m->wheel, &m->node[i]);
    m->armed[i] = false;
}

static void advance(struct model *m, unsigned max_bits)
{
    uint64_t now = m->now + any_distance(m, max_bits);
    int first = model_first(m);

    while (first >= 0 && m->tick[first] <= now) {
        assert_ptr_equal(gn__wheel_pop(&m->wheel, now), &m->node[first]);
        m->armed[first] = false;
        m->now = m->tick[first];
        if (gn_test_random_below(&m->seed, 4) == 0)
            arm_any(m, m->now, max_bits);
        first = model_first(m);
    }
    assert_null(gn__wheel_pop(&m->wheel, now));
    m->now = now;
}

static void check_next(const struct model *m)
{
    int first = model_first(m);
    uint64_t next = gn__wheel_next(&m->wheel);

    if (first < 0) {
        assert_int_equal(next, GN__WHEEL_NEVER);
        return;
    }
    assert_true(next <= m->tick[first]);
    assert_true(next >= m->now);
    if (m->tick[first] / 64 == m->now / 64)
        assert_int_equal(next, m->tick[first]);
}

static void run(uint64_t start, unsigned max_bits)
{
    static struct model m;

    m = (struct model){.now = start};
    gn_test_seed_init(&m.seed);
    gn__wheel_init(&m.wheel, start);
    for (int i = 0; i < 5000; i++) {
        switch (gn_test_random_below(&m.seed, 4)) {
        case 0:
            advance(&m, max_bits);
            break;
        case 1:
            disarm_any(&m);
            break;
        default:
            arm_any(&m, m.now, max_bits);
            break;
        }
        check_next(&m);
    }
}

static void agrees_with_a_search_near(void **state)
{
    (void)state;
    run(0, 10);
}

static void agrees_with_a_search_over_weeks(void **state)
{
    (void)state;
    run(12345, 28);
}

static void agrees_with_a_search_beyond_the_last_level(void **state)
{
    (void)state;
    run((UINT64_C(1) << 36) - 1000, 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_wheel_never_ends),
        cmocka_unit_test(is_due_at_its_tick_and_not_before),
        cmocka_unit_test(coming_back_at_next_finds_the_tick),
        cmocka_unit_test(next_is_exact_in_the_first_block),
        cmocka_unit_test(past_ticks_are_due_at_once),
        cmocka_unit_test(one_tick_keeps_the_order_of_arming),
        cmocka_unit_test(nodes_of_the_far_end_do_not_slow_a_jump),
        cmocka_unit_test(agrees_with_a_search_near),
        cmocka_unit_test(agrees_with_a_search_over_weeks),
        cmocka_unit_test(agrees_with_a_search_beyond_the_last_level),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
