/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/table.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/list.h"
#include "tests/lib/case.h"
#include "tests/lib/heap.h"
#include "tests/lib/seed.h"

#define N 3000

struct item {
    int before; /* So that the node is not at the item's start. */
    uint32_t key;
    struct gn__table_node node;
};

struct fixture {
    struct gn_test_heap heap;
    struct gn__mem mem;
    struct gn__table table;
    struct item item[N];
};

static const uint64_t key[2] = {3, 4};

static int setup(void **state)
{
    static struct fixture f;

    gn_test_heap_init(&f.heap);
    gn__mem_init(&f.mem, &f.heap.alloc);
    gn__table_init(&f.table, &f.mem, key);
    for (uint32_t i = 0; i < N; i++)
        f.item[i].key = i;
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn__table_done(&f->table);
    gn_test_heap_done(&f->heap);
    return 0;
}

static int add(struct fixture *f, uint32_t i)
{
    return gn__table_add(&f->table, &f->item[i].node, &f->item[i].key,
                         sizeof(f->item[i].key));
}

static struct item *find(struct fixture *f, uint32_t i)
{
    struct gn__table_node *node = gn__table_find(&f->table, &i, sizeof(i));

    return node ? gn__container_of(node, struct item, node) : NULL;
}

static void finds_what_is_in(void **state)
{
    struct fixture *f = *state;

    assert_null(find(f, 0));
    for (uint32_t i = 0; i < N; i += 2)
        assert_int_equal(add(f, i), 0);
    assert_int_equal(gn__table_count(&f->table), N / 2);
    for (uint32_t i = 0; i < N; i++)
        assert_ptr_equal(find(f, i), i % 2 ? NULL : &f->item[i]);
}

static void a_hash_serves_every_search_of_its_key(void **state)
{
    struct gn__table_node a, b;
    struct fixture *f = *state;
    unsigned hash = gn__table_hash(&f->table, "ab", 2);

    assert_null(gn__table_find_by(&f->table, hash, "ab", 2));
    assert_int_equal(gn__table_add_by(&f->table, &a, hash, "ab", 2), 0);
    assert_int_equal(gn__table_add(&f->table, &b, "abc", 3), 0);
    assert_ptr_equal(gn__table_find_by(&f->table, hash, "ab", 2), &a);
    assert_ptr_equal(gn__table_find(&f->table, "ab", 2), &a);
    gn__table_del(&f->table, &a);
    gn__table_del(&f->table, &b);
}

static void keys_may_differ_in_length(void **state)
{
    struct gn__table_node a, b;
    struct fixture *f = *state;

    assert_int_equal(gn__table_add(&f->table, &a, "ab", 2), 0);
    assert_int_equal(gn__table_add(&f->table, &b, "abc", 3), 0);
    assert_ptr_equal(gn__table_find(&f->table, "abc", 3), &b);
    assert_ptr_equal(gn__table_find(&f->table, "abc", 2), &a);
    assert_null(gn__table_find(&f->table, "abc", 1));
    gn__table_del(&f->table, &a);
    gn__table_del(&f->table, &b);
}

static void last_removal_frees_all(void **state)
{
    struct fixture *f = *state;

    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 100; i++)
            assert_int_equal(add(f, i), 0);
        assert_true(f->heap.n_live > 0);
        for (uint32_t i = 0; i < 100; i++)
            gn__table_del(&f->table, &f->item[i].node);
        assert_int_equal(f->heap.n_live, 0);
        assert_null(find(f, 5));
    }
}

static void a_small_table_is_small(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(add(f, 0), 0);
    assert_in_range(f->heap.live_bytes, 1, 256);
}

static void iterates_in_order_of_insertion(void **state)
{
    struct gn__table_node *it, *tmp;
    struct fixture *f = *state;
    uint32_t n = 0;

    for (uint32_t i = 0; i < 500; i++)
        assert_int_equal(add(f, i * 7 % 500), 0);
    gn__table_foreach (it, &f->table) {
        struct item *item = gn__container_of(it, struct item, node);

        assert_int_equal(item->key, n++ * 7 % 500);
    }
    assert_int_equal(n, 500);
    gn__table_foreach_safe (it, tmp, &f->table) {
        struct item *item = gn__container_of(it, struct item, node);

        gn__table_del(&f->table, it);
        item->key = 0xffffffff;
    }
    assert_int_equal(gn__table_count(&f->table), 0);
}

static void random_calls_agree_with_an_array(void **state)
{
    static bool in[N];
    struct fixture *f = *state;
    struct gn_test_seed seed;
    size_t n = 0;

    gn_test_seed_init(&seed);
    for (int i = 0; i < 60000; i++) {
        uint32_t k = (uint32_t)gn_test_random_below(&seed, N);

        assert_ptr_equal(find(f, k), in[k] ? &f->item[k] : NULL);
        if (in[k])
            gn__table_del(&f->table, &f->item[k].node);
        else
            assert_int_equal(add(f, k), 0);
        n = in[k] ? n - 1 : n + 1;
        in[k] = !in[k];
        assert_int_equal(gn__table_count(&f->table), n);
    }
}

/* Each addition once without memory, and then with it. */
static void out_of_memory_changes_nothing(void **state)
{
    struct fixture *f = *state;
    int n_failed = 0;

    for (uint32_t i = 0; i < N; i++) {
        for (uint64_t at = 0;; at++) {
            int err;

            gn_test_heap_fail_at(&f->heap, at, true);
            err = add(f, i);
            if (!err)
                break;
            n_failed++;
            assert_int_equal(err, -ENOMEM);
            assert_int_equal(gn__table_count(&f->table), i);
            assert_null(find(f, i));
            assert_int_equal(f->heap.n_live, i ? 2 : 0);
        }
        for (uint32_t j = i > 20 ? i - 20 : 0; j <= i; j++)
            assert_ptr_equal(find(f, j), &f->item[j]);
    }
    assert_in_range(n_failed, 5, 40);
    gn_test_heap_fail_at(&f->heap, GN_TEST_HEAP_NEVER, false);
    for (uint32_t i = 0; i < N; i++)
        assert_ptr_equal(find(f, i), &f->item[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(finds_what_is_in),
        CASE(a_hash_serves_every_search_of_its_key),
        CASE(keys_may_differ_in_length),
        CASE(last_removal_frees_all),
        CASE(a_small_table_is_small),
        CASE(iterates_in_order_of_insertion),
        CASE(random_calls_agree_with_an_array),
        CASE(out_of_memory_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
