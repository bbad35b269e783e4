/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Random calls on a pool, compared with a model that keeps one byte for each
 * address. Wide prefixes are compared in a window at their start and one at
 * their end; ranges may span everything between.
 */
#include "ipam/ipam.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/heap.h"
#include "tests/lib/seed.h"

enum { FREE, TAKEN, RESERVED, FIXED };

#define WINDOW 5000

/* Index 0 to half - 1 is the start of the prefix, the rest its end. */
struct model {
    struct gn__prefix prefix;
    size_t n, half;
    unsigned char state[2 * WINDOW];
    uint64_t n_taken;
};

struct fixture {
    struct gn_test_heap heap;
    struct gn_test_seed seed;
    struct gn__mem mem;
    struct gn__pool pool;
    struct model model;
};

static int setup(void **state)
{
    static struct fixture f;

    f = (struct fixture){0};
    gn_test_heap_init(&f.heap);
    gn_test_seed_init(&f.seed);
    gn__mem_init(&f.mem, &f.heap.alloc);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn__pool_done(&f->pool);
    gn_test_heap_done(&f->heap);
    return 0;
}

static struct gn__addr model_addr(const struct model *m, size_t i)
{
    struct gn__addr first = gn__prefix_first(&m->prefix);
    struct gn__addr last = gn__prefix_last(&m->prefix);

    if (i < m->half)
        return gn__addr_from_number(gn__addr_to_number(&first) + i);
    return gn__addr_from_number(gn__addr_to_number(&last) - (m->n - 1 - i));
}

static void start(struct fixture *f, const char *text)
{
    struct model *m = &f->model;
    unsigned n_host;

    assert_int_equal(gn__prefix_parse(text, &m->prefix, NULL, 0), 0);
    assert_int_equal(gn__pool_init(&f->pool, &f->mem, &m->prefix, NULL), 0);
    n_host = gn__prefix_width(&m->prefix) - m->prefix.len;
    m->n = n_host < 13 ? (size_t)1 << n_host : 2 * WINDOW;
    m->half = n_host < 13 ? m->n : WINDOW;
    if (n_host >= 2)
        m->state[0] = FIXED;
    if (n_host >= 2 && gn__prefix_is_v4(&m->prefix))
        m->state[m->n - 1] = FIXED;
    if (n_host >= 1)
        m->state[n_host >= 2 ? 1 : 0] = FIXED;
}

static size_t any_index(struct fixture *f)
{
    struct model *m = &f->model;

    /* Half of the calls in a small part, so that they meet. */
    if (gn_test_random_below(&f->seed, 2))
        return gn_test_random_below(&f->seed, m->n < 200 ? m->n : 200);
    return gn_test_random_below(&f->seed, m->n);
}

/* The window's start must not run full: what follows it is not modelled. */
static void step_take(struct fixture *f)
{
    struct model *m = &f->model;
    struct gn__addr a, expected;
    size_t i = 0;

    while (i < m->n && m->state[i] != FREE)
        i++;
    if (i >= m->half && m->half < m->n)
        return;
    if (i == m->n) {
        assert_int_equal(gn__pool_take(&f->pool, &a), -ENOSPC);
        return;
    }
    expected = model_addr(m, i);
    assert_int_equal(gn__pool_take(&f->pool, &a), 0);
    assert_memory_equal(&a, &expected, sizeof(a));
    m->state[i] = TAKEN;
    m->n_taken++;
}

static void step_take_exact(struct fixture *f)
{
    size_t i = any_index(f);
    struct gn__addr a = model_addr(&f->model, i);
    int expected = f->model.state[i] == FREE ? 0 : -EADDRINUSE;

    assert_int_equal(gn__pool_take_exact(&f->pool, &a), expected);
    if (!expected) {
        f->model.state[i] = TAKEN;
        f->model.n_taken++;
    }
}

static void step_give(struct fixture *f)
{
    size_t i = any_index(f);
    struct gn__addr a = model_addr(&f->model, i);
    int expected = f->model.state[i] == TAKEN ? 0 : -EINVAL;

    assert_int_equal(gn__pool_give(&f->pool, &a), expected);
    if (!expected) {
        f->model.state[i] = FREE;
        f->model.n_taken--;
    }
}

static void any_range(struct fixture *f, size_t *first, size_t *last)
{
    size_t len = gn_test_random_below(&f->seed, 3)
                     ? gn_test_random_below(&f->seed, 150)
                     : gn_test_random_below(&f->seed, f->model.n);

    *first = any_index(f);
    *last = *first + len < f->model.n ? *first + len : f->model.n - 1;
}

static void step_reserve(struct fixture *f)
{
    struct model *m = &f->model;
    size_t first, last;
    struct gn__addr a, b;
    int expected = 0;

    any_range(f, &first, &last);
    a = model_addr(m, first);
    b = model_addr(m, last);
    for (size_t i = first; i <= last; i++)
        expected = m->state[i] == TAKEN ? -EADDRINUSE : expected;
    assert_int_equal(gn__pool_reserve(&f->pool, &a, &b), expected);
    for (size_t i = first; i <= last && !expected; i++)
        m->state[i] = m->state[i] == FREE ? RESERVED : m->state[i];
}

static void step_release(struct fixture *f)
{
    struct model *m = &f->model;
    size_t first, last;
    struct gn__addr a, b;

    any_range(f, &first, &last);
    a = model_addr(m, first);
    b = model_addr(m, last);
    assert_int_equal(gn__pool_release(&f->pool, &a, &b), 0);
    for (size_t i = first; i <= last; i++)
        m->state[i] = m->state[i] == RESERVED ? FREE : m->state[i];
}

static void compare(struct fixture *f)
{
    struct model *m = &f->model;

    assert_int_equal(f->pool.n_taken, m->n_taken);
    for (size_t i = 0; i < m->n; i++) {
        struct gn__addr a = model_addr(m, i);

        assert_int_equal(gn__pool_is_free(&f->pool, &a), m->state[i] == FREE);
        assert_int_equal(gn__pool_is_taken(&f->pool, &a), m->state[i] == TAKEN);
    }
}

static void give_all(struct fixture *f)
{
    struct model *m = &f->model;
    struct gn__addr first = gn__prefix_first(&m->prefix);
    struct gn__addr last = gn__prefix_last(&m->prefix);

    for (size_t i = 0; i < m->n; i++) {
        struct gn__addr a = model_addr(m, i);

        if (m->state[i] == TAKEN)
            assert_int_equal(gn__pool_give(&f->pool, &a), 0);
    }
    assert_int_equal(gn__pool_release(&f->pool, &first, &last), 0);
}

static void run(struct fixture *f, const char *prefix)
{
    static void (*const step[])(struct fixture *) = {
        step_take, step_take,    step_take,    step_take_exact,
        step_give, step_reserve, step_release, step_give,
    };
    uint64_t idle;

    start(f, prefix);
    idle = f->heap.live_bytes;
    for (int i = 0; i < 20000; i++) {
        step[gn_test_random_below(&f->seed, 8)](f);
        if (i % 1000 == 0)
            compare(f);
    }
    compare(f);
    give_all(f);
    assert_in_range(f->heap.live_bytes, idle, idle + 22 * 64 * sizeof(void *));
}

#define MODEL_CASE(name, prefix)   \
    static void name(void **state) \
    {                              \
        run(*state, prefix);       \
    }

MODEL_CASE(v4_32, "10.0.0.7/32")
MODEL_CASE(v4_31, "10.0.0.6/31")
MODEL_CASE(v4_29, "10.0.0.8/29")
MODEL_CASE(v4_26, "10.0.0.64/26")
MODEL_CASE(v4_24, "10.0.0.0/24")
MODEL_CASE(v4_20, "10.0.16.0/20")
MODEL_CASE(v4_8, "10.0.0.0/8")
MODEL_CASE(v4_0, "0.0.0.0/0")
MODEL_CASE(v6_128, "fd77::7/128")
MODEL_CASE(v6_127, "fd77::6/127")
MODEL_CASE(v6_120, "fd77::100/120")
MODEL_CASE(v6_64, "fd77::/64")
MODEL_CASE(v6_48, "fd77::/48")
MODEL_CASE(v6_2, "4000::/2")

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(v4_32),  CASE(v4_31), CASE(v4_29), CASE(v4_26),  CASE(v4_24),
        CASE(v4_20),  CASE(v4_8),  CASE(v4_0),  CASE(v6_128), CASE(v6_127),
        CASE(v6_120), CASE(v6_64), CASE(v6_48), CASE(v6_2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
