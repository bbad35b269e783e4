/* SPDX-License-Identifier: BSD-3-Clause */

/* Stacks of coroutines. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sim/costack.h"
#include "tests/lib/case.h"

static struct gn__costacks stacks;

static int setup(void **state)
{
    (void)state;
    gn__costacks_init(&stacks);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gn__costacks_done(&stacks);
    return 0;
}

static void take(size_t size, struct gn__costack *out)
{
    assert_int_equal(gn__costack_take(&stacks, size, out), 0);
}

static void all_of_a_stack_can_be_used(void **state)
{
    struct gn__costack one, other;

    (void)state;
    take(GN__COSTACK_DEFAULT, &one);
    take(GN__COSTACK_DEFAULT, &other);
    assert_int_equal(one.size, GN__COSTACK_DEFAULT);
    memset((char *)one.low + 8, 1, one.size - 8);
    memset((char *)other.low + 8, 2, other.size - 8);
    assert_int_equal(((char *)one.low)[one.size - 1], 1);
    assert_false(gn__costack_is_overrun(&one));
    gn__costack_give(&stacks, &one);
    gn__costack_give(&stacks, &other);
}

static void what_was_given_back_is_taken_again(void **state)
{
    struct gn__costack one, again;
    void *low;

    (void)state;
    take(GN__COSTACK_DEFAULT, &one);
    low = one.low;
    gn__costack_give(&stacks, &one);
    take(GN__COSTACK_DEFAULT, &again);
    assert_ptr_equal(again.low, low);
    assert_false(gn__costack_is_overrun(&again));
    gn__costack_give(&stacks, &again);
}

static void an_overrun_is_seen(void **state)
{
    struct gn__costack one;

    (void)state;
    stacks.n_guards = GN__COSTACK_GUARDS;
    take(GN__COSTACK_DEFAULT, &one);
    assert_false(one.guarded);
    memset(one.low, 0, 8);
    assert_true(gn__costack_is_overrun(&one));
    gn__costack_give(&stacks, &one);
}

static void other_sizes_are_rounded_up_to_pages(void **state)
{
    struct gn__costack one;

    (void)state;
    take(20000, &one);
    assert_true(one.size >= 20000);
    assert_int_equal(one.size % 4096, 0);
    memset((char *)one.low + 8, 1, one.size - 8);
    gn__costack_give(&stacks, &one);
    assert_int_equal(gn__costack_take(&stacks, SIZE_MAX, &one), -EINVAL);
    assert_int_equal(gn__costack_take(&stacks, SIZE_MAX / 4, &one), -ENOMEM);
}

static void guards_come_to_an_end(void **state)
{
    static struct gn__costack many[100];
    size_t i;

    (void)state;
    stacks.n_guards = GN__COSTACK_GUARDS - 10;
    for (i = 0; i < 100; i++)
        take(GN__COSTACK_DEFAULT, &many[i]);
    assert_int_equal(stacks.n_guards, GN__COSTACK_GUARDS);
    for (i = 0; i < 100; i++)
        gn__costack_give(&stacks, &many[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(all_of_a_stack_can_be_used),
        CASE(what_was_given_back_is_taken_again),
        CASE(an_overrun_is_seen),
        CASE(other_sizes_are_rounded_up_to_pages),
        CASE(guards_come_to_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
