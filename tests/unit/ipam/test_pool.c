/* SPDX-License-Identifier: BSD-3-Clause */

/* Pools as namespaces use them: what prefixes reserve, and what calls
 * return. */
#include "ipam/ipam.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/heap.h"

struct fixture {
    struct gn_test_heap heap;
    struct gn__mem mem;
    struct gn__pool pool;
};

static int setup(void **state)
{
    static struct fixture f;

    gn_test_heap_init(&f.heap);
    gn__mem_init(&f.mem, &f.heap.alloc);
    f.pool = (struct gn__pool){0};
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

static struct gn__addr addr(const char *text)
{
    struct gn__addr a;

    assert_int_equal(gn__addr_parse(text, &a), 0);
    return a;
}

static void open_pool(struct fixture *f, const char *text)
{
    struct gn__prefix prefix;

    assert_int_equal(gn__prefix_parse(text, &prefix, NULL, 0), 0);
    assert_int_equal(gn__pool_init(&f->pool, &f->mem, &prefix, NULL), 0);
}

static void expect_take(struct fixture *f, const char *expected)
{
    char text[GN__ADDR_TEXT];
    struct gn__addr a;

    assert_int_equal(gn__pool_take(&f->pool, &a), 0);
    assert_string_equal(gn__addr_format(&a, text, sizeof(text)), expected);
}

static void expect_exhausted(struct fixture *f)
{
    struct gn__addr a;

    assert_int_equal(gn__pool_take(&f->pool, &a), -ENOSPC);
}

static int take_exact(struct fixture *f, const char *text)
{
    struct gn__addr a = addr(text);

    return gn__pool_take_exact(&f->pool, &a);
}

static bool is_edge(struct fixture *f, const char *text)
{
    struct gn__addr a = addr(text);

    return gn__pool_is_edge(&f->pool, &a);
}

static int give(struct fixture *f, const char *text)
{
    struct gn__addr a = addr(text);

    return gn__pool_give(&f->pool, &a);
}

static int reserve(struct fixture *f, const char *first, const char *last)
{
    struct gn__addr a = addr(first), b = addr(last);

    return gn__pool_reserve(&f->pool, &a, &b);
}

static int release(struct fixture *f, const char *first, const char *last)
{
    struct gn__addr a = addr(first), b = addr(last);

    return gn__pool_release(&f->pool, &a, &b);
}

static void v4_reserves_network_broadcast_gateway(void **state)
{
    struct fixture *f = *state;

    open_pool(f, "10.0.0.0/29");
    for (int i = 2; i <= 6; i++) {
        char text[32];

        snprintf(text, sizeof(text), "10.0.0.%d", i);
        expect_take(f, text);
    }
    expect_exhausted(f);
    assert_int_equal(take_exact(f, "10.0.0.0"), -EADDRINUSE);
    assert_int_equal(take_exact(f, "10.0.0.1"), -EADDRINUSE);
    assert_int_equal(take_exact(f, "10.0.0.7"), -EADDRINUSE);
    assert_true(is_edge(f, "10.0.0.0"));
    assert_false(is_edge(f, "10.0.0.1"));
    assert_false(is_edge(f, "10.0.0.6"));
    assert_true(is_edge(f, "10.0.0.7"));
    assert_false(is_edge(f, "10.0.0.8"));
}

static void v4_30_has_one_guest(void **state)
{
    struct fixture *f = *state;

    open_pool(f, "10.0.0.4/30");
    expect_take(f, "10.0.0.6");
    expect_exhausted(f);
}

static void v4_31_has_gateway_and_one_guest(void **state)
{
    struct fixture *f = *state;

    open_pool(f, "10.0.0.6/31");
    assert_true(f->pool.has_gateway);
    expect_take(f, "10.0.0.7");
    expect_exhausted(f);
    assert_false(is_edge(f, "10.0.0.6"));
    assert_false(is_edge(f, "10.0.0.7"));
}

static void v4_32_is_one_guest(void **state)
{
    struct fixture *f = *state;

    open_pool(f, "10.0.0.6/32");
    assert_false(f->pool.has_gateway);
    expect_take(f, "10.0.0.6");
    expect_exhausted(f);
}

static void v4_0_begins_and_ends_right(void **state)
{
    struct fixture *f = *state;

    open_pool(f, "0.0.0.0/0");
    expect_take(f, "0.0.0.2");
    assert_int_equal(take_exact(f, "255.255.255.254"), 0);
    assert_int_equal(take_exact(f, "255.255.255.255"), -EADDRINUSE);
    assert_int_equal(reserve(f, "0.0.0.3", "255.255.255.253"), 0);
    expect_exhausted(f);
}

static void v6_64_reserves_anycast_and_gateway(void **state)
{
    struct fixture *f = *state;

    open_pool(f, "fd77::/64");
    expect_take(f, "fd77::2");
    expect_take(f, "fd77::3");
    assert_int_equal(take_exact(f, "fd77::"), -EADDRINUSE);
    assert_int_equal(take_exact(f, "fd77::1"), -EADDRINUSE);
    assert_int_equal(take_exact(f, "fd77::ffff:ffff:ffff:ffff"), 0);
    assert_true(is_edge(f, "fd77::"));
    assert_false(is_edge(f, "fd77::ffff:ffff:ffff:ffff"));
}

static void v6_127_has_gateway_and_one_guest(void **state)
{
    struct fixture *f = *state;

    open_pool(f, "fd77::8/127");
    expect_take(f, "fd77::9");
    expect_exhausted(f);
}

static void v6_128_is_one_guest(void **state)
{
    struct fixture *f = *state;

    open_pool(f, "fd77::8/128");
    expect_take(f, "fd77::8");
    expect_exhausted(f);
}

static void v6_0_can_be_exhausted(void **state)
{
    struct fixture *f = *state;

    open_pool(f, "::/0");
    expect_take(f, "::2");
    assert_int_equal(
        reserve(f, "::3", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"), 0);
    expect_take(f, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    expect_exhausted(f);
    assert_int_equal(give(f, "::2"), 0);
    expect_take(f, "::2");
}

static void v6_never_hands_out_mapped_addresses(void **state)
{
    struct fixture *f = *state;

    open_pool(f, "::/64");
    assert_int_equal(take_exact(f, "::fffe:ffff:ffff"), 0);
    assert_int_equal(reserve(f, "::2", "::fffe:ffff:fffe"), 0);
    expect_take(f, "::1:0:0:0");
    assert_int_equal(take_exact(f, "10.0.0.1"), -EINVAL);
    assert_int_equal(release(f, "::", "::1:0:0:1"), 0);
    assert_int_equal(reserve(f, "::2", "::fffe:ffff:fffe"), 0);
    expect_take(f, "::1:0:0:1");
}

static void given_back_is_lowest_again(void **state)
{
    struct fixture *f = *state;

    open_pool(f, "10.0.0.0/24");
    expect_take(f, "10.0.0.2");
    expect_take(f, "10.0.0.3");
    expect_take(f, "10.0.0.4");
    assert_int_equal(give(f, "10.0.0.3"), 0);
    expect_take(f, "10.0.0.3");
    expect_take(f, "10.0.0.5");
}

static void give_refuses_foreign_free_and_reserved(void **state)
{
    struct fixture *f = *state;

    open_pool(f, "10.0.0.0/24");
    assert_int_equal(give(f, "10.0.1.5"), -EINVAL);
    assert_int_equal(give(f, "fd77::5"), -EINVAL);
    assert_int_equal(give(f, "10.0.0.5"), -EINVAL);
    assert_int_equal(give(f, "10.0.0.1"), -EINVAL);
    assert_int_equal(give(f, "10.0.0.255"), -EINVAL);
    expect_take(f, "10.0.0.2");
    assert_int_equal(give(f, "10.0.0.2"), 0);
    assert_int_equal(give(f, "10.0.0.2"), -EINVAL);
}

static void take_exact_refuses_taken_and_foreign(void **state)
{
    struct fixture *f = *state;

    open_pool(f, "10.0.0.0/24");
    assert_int_equal(take_exact(f, "10.0.0.2"), 0);
    assert_int_equal(take_exact(f, "10.0.0.2"), -EADDRINUSE);
    assert_int_equal(take_exact(f, "10.0.1.2"), -EINVAL);
    expect_take(f, "10.0.0.3");
    assert_int_equal(f->pool.n_taken, 2);
}

static void reserved_ranges_are_skipped_until_released(void **state)
{
    struct fixture *f = *state;

    open_pool(f, "10.0.0.0/16");
    assert_int_equal(reserve(f, "10.0.0.0", "10.0.3.9"), 0);
    assert_int_equal(reserve(f, "10.0.2.0", "10.0.4.1"), 0);
    expect_take(f, "10.0.4.2");
    assert_int_equal(take_exact(f, "10.0.1.1"), -EADDRINUSE);
    assert_int_equal(release(f, "10.0.1.0", "10.0.1.0"), 0);
    expect_take(f, "10.0.1.0");
    expect_take(f, "10.0.4.3");
    assert_int_equal(release(f, "10.0.0.0", "10.0.255.255"), 0);
    expect_take(f, "10.0.0.2");
    assert_int_equal(take_exact(f, "10.0.0.1"), -EADDRINUSE);
    assert_int_equal(take_exact(f, "10.0.255.255"), -EADDRINUSE);
    assert_int_equal(take_exact(f, "10.0.1.0"), -EADDRINUSE);
}

static void reserve_refuses_taken_and_foreign(void **state)
{
    struct fixture *f = *state;

    open_pool(f, "10.0.0.0/16");
    assert_int_equal(take_exact(f, "10.0.7.7"), 0);
    assert_int_equal(reserve(f, "10.0.1.0", "10.0.200.0"), -EADDRINUSE);
    assert_int_equal(reserve(f, "10.0.7.8", "10.1.0.0"), -EINVAL);
    assert_int_equal(reserve(f, "10.0.9.0", "10.0.8.0"), -EINVAL);
    assert_int_equal(release(f, "10.0.9.0", "10.0.8.0"), -EINVAL);
    assert_int_equal(take_exact(f, "10.0.1.0"), 0);
}

static void gateway_can_be_chosen(void **state)
{
    struct fixture *f = *state;
    struct gn__addr gateway = addr("10.0.0.254");
    struct gn__pool_options options = {.gateway = &gateway};
    struct gn__prefix prefix;

    assert_int_equal(gn__prefix_parse("10.0.0.0/24", &prefix, NULL, 0), 0);
    assert_int_equal(gn__pool_init(&f->pool, &f->mem, &prefix, &options), 0);
    expect_take(f, "10.0.0.1");
    assert_int_equal(take_exact(f, "10.0.0.254"), -EADDRINUSE);
    assert_int_equal(release(f, "10.0.0.0", "10.0.0.255"), 0);
    assert_int_equal(take_exact(f, "10.0.0.254"), -EADDRINUSE);
}

static void gateway_can_be_left_out(void **state)
{
    struct fixture *f = *state;
    struct gn__pool_options options = {.no_gateway = true};
    struct gn__prefix prefix;

    assert_int_equal(gn__prefix_parse("10.0.0.0/24", &prefix, NULL, 0), 0);
    assert_int_equal(gn__pool_init(&f->pool, &f->mem, &prefix, &options), 0);
    assert_false(f->pool.has_gateway);
    expect_take(f, "10.0.0.1");
}

static void gateway_must_be_usable(void **state)
{
    static const char *const bad[] = {"10.0.0.0", "10.0.0.255", "10.0.1.1",
                                      "fd77::1"};
    struct fixture *f = *state;
    struct gn__prefix prefix;

    assert_int_equal(gn__prefix_parse("10.0.0.0/24", &prefix, NULL, 0), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct gn__addr gateway = addr(bad[i]);
        struct gn__pool_options options = {.gateway = &gateway};

        assert_int_equal(gn__pool_init(&f->pool, &f->mem, &prefix, &options),
                         -EINVAL);
    }
}

static void the_tree_grows_from_full(void **state)
{
    struct gn__addr base = addr("fd77::"), expected, a;
    struct fixture *f = *state;

    open_pool(f, "fd77::/64");
    for (uint32_t i = 2; i < 70000; i++) {
        expected = gn__addr_from_number(gn__addr_to_number(&base) + i);
        assert_int_equal(gn__pool_take(&f->pool, &a), 0);
        assert_memory_equal(&a, &expected, sizeof(a));
    }
}

/* Memory in use after the same 200 takes. */
static uint64_t bytes_for(struct fixture *f, const char *prefix)
{
    struct gn__addr a;
    uint64_t bytes;

    open_pool(f, prefix);
    for (int i = 0; i < 200; i++)
        assert_int_equal(gn__pool_take(&f->pool, &a), 0);
    bytes = f->heap.live_bytes;
    gn__pool_done(&f->pool);
    return bytes;
}

static void a_64_costs_what_a_24_costs(void **state)
{
    struct fixture *f = *state;
    uint64_t v4 = bytes_for(f, "10.0.0.0/24");

    assert_in_range(bytes_for(f, "fd77::/64"), 1, v4);
    assert_in_range(bytes_for(f, "::/0"), 1, v4 + 2048);
}

static void half_a_64_reserved_costs_a_path(void **state)
{
    struct fixture *f = *state;

    open_pool(f, "fd77::/64");
    assert_int_equal(
        reserve(f, "fd77::8000:0:0:0", "fd77::ffff:ffff:ffff:ffff"), 0);
    assert_in_range(f->heap.live_bytes, 1, 1024);
    assert_int_equal(reserve(f, "fd77::77", "fd77::ffff:ffff:ffff:fffe"), 0);
    assert_in_range(f->heap.live_bytes, 1, 2048);
    assert_int_equal(release(f, "fd77::", "fd77::ffff:ffff:ffff:ffff"), 0);
    assert_in_range(f->heap.live_bytes, 1, 64);
}

static void a_million_takes_are_dense_and_go_away(void **state)
{
    enum { N = 1000000 };
    struct fixture *f = *state;
    struct gn__addr a;
    uint64_t idle;

    open_pool(f, "10.0.0.0/8");
    idle = f->heap.live_bytes;
    for (uint32_t i = 0; i < N; i++) {
        assert_int_equal(gn__pool_take(&f->pool, &a), 0);
        assert_int_equal(gn__addr_v4(&a), 0x0a000002 + i);
    }
    assert_int_equal(f->pool.n_taken, N);
    assert_in_range(f->heap.live_bytes, N / 8, N);
    for (uint32_t i = 0; i < N; i++) {
        /* A permutation: N and the step have no common divisor. */
        a = gn__addr_from_v4(0x0a000002 + (uint32_t)(i * 700001ULL % N));
        assert_int_equal(gn__pool_give(&f->pool, &a), 0);
    }
    assert_int_equal(f->pool.n_taken, 0);
    /* The nodes that remain may have room for more children than they have. */
    assert_in_range(f->heap.live_bytes, idle, idle + 4 * 64 * sizeof(void *));
}

static int sweep_body(struct gn_test_heap *heap, void *arg)
{
    struct gn__addr low = addr("fd77::40:0:0"), high = addr("fd77::99:7:7");
    struct gn__addr mid = addr("fd77::60:0:1"), a;
    struct gn__prefix prefix;
    struct gn__pool pool;
    struct gn__mem mem;
    uint64_t before;
    int err;

    (void)arg;
    gn__mem_init(&mem, &heap->alloc);
    assert_int_equal(gn__prefix_parse("fd77::/64", &prefix, NULL, 0), 0);
    err = gn__pool_init(&pool, &mem, &prefix, NULL);
    if (err)
        return err;
    before = heap->live_bytes;
    err = gn__pool_take(&pool, &a);
    if (err)
        goto failed;
    before = heap->live_bytes;
    err = gn__pool_reserve(&pool, &low, &high);
    if (err) {
        assert_true(gn__pool_is_free(&pool, &low));
        assert_true(gn__pool_is_free(&pool, &high));
        goto failed;
    }
    before = heap->live_bytes;
    err = gn__pool_release(&pool, &mid, &mid);
    if (err) {
        assert_false(gn__pool_is_free(&pool, &mid));
        goto failed;
    }
    before = heap->live_bytes;
    err = gn__pool_take_exact(&pool, &mid);
    if (err) {
        assert_true(gn__pool_is_free(&pool, &mid));
        goto failed;
    }
    assert_int_equal(gn__pool_give(&pool, &mid), 0);
    assert_int_equal(gn__pool_give(&pool, &a), 0);
    before = heap->live_bytes;

failed:
    /* Arrays of children may stay longer than they must be. */
    assert_in_range(heap->live_bytes, before, before + 256);
    gn__pool_done(&pool);
    return err;
}

static void out_of_memory_changes_nothing(void **state)
{
    (void)state;
    assert_in_range(gn_test_heap_sweep(sweep_body, NULL), 20, 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(v4_reserves_network_broadcast_gateway),
        CASE(v4_30_has_one_guest),
        CASE(v4_31_has_gateway_and_one_guest),
        CASE(v4_32_is_one_guest),
        CASE(v4_0_begins_and_ends_right),
        CASE(v6_64_reserves_anycast_and_gateway),
        CASE(v6_127_has_gateway_and_one_guest),
        CASE(v6_128_is_one_guest),
        CASE(v6_0_can_be_exhausted),
        CASE(v6_never_hands_out_mapped_addresses),
        CASE(given_back_is_lowest_again),
        CASE(give_refuses_foreign_free_and_reserved),
        CASE(take_exact_refuses_taken_and_foreign),
        CASE(reserved_ranges_are_skipped_until_released),
        CASE(reserve_refuses_taken_and_foreign),
        CASE(gateway_can_be_chosen),
        CASE(gateway_can_be_left_out),
        CASE(gateway_must_be_usable),
        CASE(the_tree_grows_from_full),
        CASE(a_64_costs_what_a_24_costs),
        CASE(half_a_64_reserved_costs_a_path),
        CASE(a_million_takes_are_dense_and_go_away),
        CASE(out_of_memory_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
