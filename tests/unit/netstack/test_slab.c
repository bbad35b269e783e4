/* SPDX-License-Identifier: BSD-3-Clause */
#include "netstack/slab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/heap.h"

struct fixture {
    struct gn_test_heap heap;
    struct gn__mem mem;
    struct gn__slab slab;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    gn_test_heap_init(&f.heap);
    gn__mem_init(&f.mem, &f.heap.alloc);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn__slab_done(&f->slab, &f->mem);
    gn_test_heap_done(&f->heap);
    return 0;
}

static void last_one_given_is_taken_first(void **state)
{
    struct fixture *f = *state;
    void *a = gn__slab_take(&f->slab, &f->mem, 100);
    void *b = gn__slab_take(&f->slab, &f->mem, 100);

    gn__slab_give(&f->slab, &f->mem, a, 100);
    gn__slab_give(&f->slab, &f->mem, b, 100);
    assert_ptr_equal(gn__slab_take(&f->slab, &f->mem, 65), b);
    assert_ptr_equal(gn__slab_take(&f->slab, &f->mem, 128), a);
    gn__slab_give(&f->slab, &f->mem, a, 128);
    gn__slab_give(&f->slab, &f->mem, b, 65);
}

static void sizes_do_not_mix(void **state)
{
    struct fixture *f = *state;
    size_t size;

    for (size = 1; size < 2000; size += 7) {
        void *block = gn__slab_take(&f->slab, &f->mem, size);

        memset(block, 0xa5, size);
        gn__slab_give(&f->slab, &f->mem, block, size);
    }
    assert_true(f->heap.n_live <= GN__SLAB_SIZES);
}

static void no_more_than_a_few_are_kept(void **state)
{
    struct fixture *f = *state;
    void *blocks[200];
    size_t i;

    for (i = 0; i < 200; i++)
        blocks[i] = gn__slab_take(&f->slab, &f->mem, 500);
    for (i = 0; i < 200; i++)
        gn__slab_give(&f->slab, &f->mem, blocks[i], 500);
    assert_int_equal(f->heap.n_live, GN__SLAB_DEPTH);
}

/* What the leak sanitizer follows: all but its links may be poisoned. */
static void a_block_that_is_kept_shows_the_next(void **state)
{
    struct fixture *f = *state;
    void *first = gn__slab_take(&f->slab, &f->mem, 500);
    void *second = gn__slab_take(&f->slab, &f->mem, 500);

    gn__slab_give(&f->slab, &f->mem, first, 500);
    gn__slab_give(&f->slab, &f->mem, second, 500);
    assert_ptr_equal(*(void **)second, first);
}

static void without_memory_there_is_none(void **state)
{
    struct fixture *f = *state;

    gn_test_heap_fail_at(&f->heap, 0, true);
    assert_null(gn__slab_take(&f->slab, &f->mem, 10));
    assert_null(gn__slab_take(&f->slab, &f->mem, 10000));
    gn_test_heap_fail_at(&f->heap, GN_TEST_HEAP_NEVER, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(last_one_given_is_taken_first, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(sizes_do_not_mix, setup, teardown),
        cmocka_unit_test_setup_teardown(no_more_than_a_few_are_kept, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_block_that_is_kept_shows_the_next,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_there_is_none, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
