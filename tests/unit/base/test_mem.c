/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/heap.h"

static void malloc_is_the_default(void **state)
{
    struct gn__mem mem;
    char *p;

    (void)state;
    gn__mem_init(&mem, NULL);
    p = gn__zalloc(&mem, 100);
    assert_non_null(p);
    for (int i = 0; i < 100; i++)
        assert_int_equal(p[i], 0);
    gn__free(&mem, p, 100);
    gn__free(&mem, NULL, 100);
}

static void custom_allocator_gets_matching_sizes(void **state)
{
    struct gn_test_heap heap;
    struct gn__mem mem;
    char *s;
    void *p;

    (void)state;
    gn_test_heap_init(&heap);
    gn__mem_init(&mem, &heap.alloc);
    p = gn__alloc(&mem, 0);
    assert_non_null(p);
    assert_int_equal(heap.live_bytes, 1);
    gn__free(&mem, p, 0);
    p = gn__zalloc_array(&mem, 10, 12);
    assert_int_equal(heap.live_bytes, 120);
    gn__free(&mem, p, 120);
    s = gn__strdup(&mem, "eth0");
    assert_string_equal(s, "eth0");
    assert_int_equal(heap.live_bytes, 5);
    gn__strfree(&mem, s);
    gn__strfree(&mem, NULL);
    gn_test_heap_done(&heap);
}

static void array_too_large_for_a_size_fails(void **state)
{
    struct gn__mem mem;

    (void)state;
    gn__mem_init(&mem, NULL);
    assert_null(gn__zalloc_array(&mem, SIZE_MAX / 2, 3));
}

static void check_aligned(const struct gn__mem *mem)
{
    void *base[8];

    for (int i = 0; i < 8; i++) {
        char *p = gn__alloc_aligned(mem, 65536, 65536 - (size_t)i, &base[i]);

        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 65536, 0);
        memset(p, i, 65536 - (size_t)i);
    }
    for (int i = 0; i < 8; i++)
        gn__free_aligned(mem, base[i], 65536, 65536 - (size_t)i);
}

static void aligned_blocks_from_malloc(void **state)
{
    struct gn__mem mem;
    void *base;

    (void)state;
    gn__mem_init(&mem, NULL);
    check_aligned(&mem);
    assert_null(gn__alloc_aligned(&mem, 64, SIZE_MAX - 10, &base));
}

static void aligned_blocks_from_a_custom_allocator(void **state)
{
    struct gn_test_heap heap;
    struct gn__mem mem;
    void *base;

    (void)state;
    gn_test_heap_init(&heap);
    gn__mem_init(&mem, &heap.alloc);
    check_aligned(&mem);
    gn_test_heap_fail_at(&heap, 0, false);
    assert_null(gn__alloc_aligned(&mem, 65536, 65536, &base));
    gn_test_heap_done(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malloc_is_the_default),
        cmocka_unit_test(custom_allocator_gets_matching_sizes),
        cmocka_unit_test(array_too_large_for_a_size_fails),
        cmocka_unit_test(aligned_blocks_from_malloc),
        cmocka_unit_test(aligned_blocks_from_a_custom_allocator),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
