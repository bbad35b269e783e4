/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/lib/seed.h"

#define N 600

static void equal_times_keep_their_order(void **state)
{
    struct gn__heap_node node[50];
    struct gn__heap heap;

    (void)state;
    gn__heap_init(&heap);
    assert_true(gn__heap_empty(&heap));
    assert_null(gn__heap_pop(&heap));
    for (int i = 0; i < 50; i++)
        gn__heap_insert(&heap, &node[i], 7);
    for (int i = 0; i < 50; i++) {
        assert_ptr_equal(gn__heap_first(&heap), &node[i]);
        assert_ptr_equal(gn__heap_pop(&heap), &node[i]);
    }
    assert_true(gn__heap_empty(&heap));
}

/* The model: which nodes are in, searched from start to end. */
struct model {
    struct gn__heap heap;
    struct gn__heap_node node[N];
    bool in[N];
    struct gn_test_seed seed;
};

static struct gn__heap_node *model_first(struct model *m)
{
    struct gn__heap_node *best = NULL;

    for (int i = 0; i < N; i++) {
        struct gn__heap_node *node = &m->node[i];

        if (m->in[i] && (!best || node->time < best->time ||
                         (node->time == best->time && node->seq < best->seq)))
            best = node;
    }
    return best;
}

static void step(struct model *m)
{
    size_t i = gn_test_random_below(&m->seed, N);
    struct gn__heap_node *first;

    switch (gn_test_random_below(&m->seed, 4)) {
    case 0:
    case 1:
        if (!m->in[i])
            gn__heap_insert(&m->heap, &m->node[i],
                            gn_test_random_below(&m->seed, 100));
        m->in[i] = true;
        break;
    case 2:
        if (m->in[i])
            gn__heap_remove(&m->heap, &m->node[i]);
        m->in[i] = false;
        break;
    default:
        first = gn__heap_pop(&m->heap);
        if (first)
            m->in[first - m->node] = false;
        break;
    }
}

static void agrees_with_a_search(void **state)
{
    static struct model m;

    (void)state;
    gn_test_seed_init(&m.seed);
    gn__heap_init(&m.heap);
    for (int i = 0; i < 20000; i++) {
        step(&m);
        assert_ptr_equal(gn__heap_first(&m.heap), model_first(&m));
    }
    while (!gn__heap_empty(&m.heap)) {
        struct gn__heap_node *first = model_first(&m);

        assert_ptr_equal(gn__heap_pop(&m.heap), first);
        m.in[first - m.node] = false;
    }
    assert_null(model_first(&m));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_times_keep_their_order),
        cmocka_unit_test(agrees_with_a_search),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
