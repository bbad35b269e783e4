/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/ref.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define N_THREADS 4u
#define N_ROUNDS  20000u

static void the_last_one_is_told(void **state)
{
    struct gn__ref ref;

    (void)state;
    gn__ref_init(&ref, 1);
    assert_false(gn__ref_is_shared(&ref));
    gn__ref_take(&ref);
    assert_true(gn__ref_is_shared(&ref));
    assert_false(gn__ref_give(&ref));
    assert_false(gn__ref_is_shared(&ref));
    assert_true(gn__ref_give(&ref));
}

static void it_may_begin_with_several(void **state)
{
    struct gn__ref ref;

    (void)state;
    gn__ref_init(&ref, 2);
    assert_false(gn__ref_give(&ref));
    assert_true(gn__ref_give(&ref));
}

static void zero_is_never_left(void **state)
{
    struct gn__ref ref;

    (void)state;
    gn__ref_init(&ref, 1);
    assert_true(gn__ref_try(&ref));
    assert_false(gn__ref_give(&ref));
    assert_true(gn__ref_give(&ref));
    assert_false(gn__ref_try(&ref));
    assert_false(gn__ref_try(&ref));
}

/* One thread gives the last reference of each of many objects back while the
 * others ask for one: whichever got zero, there is exactly one last. */
struct object {
    struct gn__ref ref;
    _Atomic uint32_t n_last;
};

static struct object objects[N_ROUNDS];

static void *ask_for_each(void *arg)
{
    uint32_t i;

    (void)arg;
    for (i = 0; i < N_ROUNDS; i++) {
        if (gn__ref_try(&objects[i].ref) && gn__ref_give(&objects[i].ref))
            objects[i].n_last++;
    }
    return NULL;
}

static void there_is_one_last_among_threads(void **state)
{
    pthread_t threads[N_THREADS];
    uint32_t i;

    (void)state;
    for (i = 0; i < N_ROUNDS; i++)
        gn__ref_init(&objects[i].ref, 1);
    for (i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_for_each, NULL),
                         0);
    for (i = 0; i < N_ROUNDS; i++) {
        if (gn__ref_give(&objects[i].ref))
            objects[i].n_last++;
    }
    for (i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (i = 0; i < N_ROUNDS; i++)
        assert_int_equal(objects[i].n_last, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_one_is_told),
        cmocka_unit_test(it_may_begin_with_several),
        cmocka_unit_test(zero_is_never_left),
        cmocka_unit_test(there_is_one_last_among_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
