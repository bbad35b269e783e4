/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Each block has a header with its size and a mark that says whether it is
 * allocated; freed blocks are filled, so that what still reads them shows.
 */
#include "tests/lib/heap.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LIVE  UINT64_C(0x6c697665626c6f63)
#define FREED UINT64_C(0x66726565646d656d)

struct header {
    _Alignas(max_align_t) uint64_t mark;
    size_t size;
};

static void die(const char *what, size_t is, size_t should)
{
    fprintf(stderr, "heap: %s: %zu, should be %zu\n", what, is, should);
    abort();
}

static bool fails(struct gn_test_heap *heap)
{
    uint64_t n = heap->n_allocs++;

    if (n != heap->fail_at && !(heap->fail_all && n > heap->fail_at))
        return false;
    heap->failed = true;
    return true;
}

static void count(struct gn_test_heap *heap, size_t size)
{
    heap->n_live++;
    heap->live_bytes += size;
    if (heap->live_bytes > heap->peak_bytes)
        heap->peak_bytes = heap->live_bytes;
}

static void *heap_alloc(size_t size, void *arg)
{
    struct gn_test_heap *heap = arg;
    struct header *header = NULL;

    if (size == 0)
        die("size of an allocation", 0, 1);
    pthread_mutex_lock(&heap->lock);
    if (!fails(heap))
        header = malloc(sizeof(*header) + size);
    if (header)
        count(heap, size);
    pthread_mutex_unlock(&heap->lock);
    if (!header)
        return NULL;
    header->mark = LIVE;
    header->size = size;
    memset(header + 1, 0xa5, size);
    return header + 1;
}

static void heap_free(void *p, size_t size, void *arg)
{
    struct gn_test_heap *heap = arg;
    struct header *header;

    if (!p)
        die("freed pointer", 0, 1);
    header = (struct header *)p - 1;
    if (header->mark != LIVE)
        die("freed twice or never allocated; size", size, size);
    if (header->size != size)
        die("size on free", size, header->size);
    header->mark = FREED;
    memset(p, 0x5a, size);
    pthread_mutex_lock(&heap->lock);
    heap->n_live--;
    heap->live_bytes -= size;
    pthread_mutex_unlock(&heap->lock);
    free(header);
}

void gn_test_heap_init(struct gn_test_heap *heap)
{
    memset(heap, 0, sizeof(*heap));
    heap->alloc = (struct gn_allocator){heap_alloc, heap_free, heap};
    pthread_mutex_init(&heap->lock, NULL);
    heap->fail_at = GN_TEST_HEAP_NEVER;
}

void gn_test_heap_done(struct gn_test_heap *heap)
{
    if (heap->n_live)
        fprintf(stderr, "heap: %" PRIu64 " blocks, %" PRIu64 " bytes leaked\n",
                heap->n_live, heap->live_bytes);
    assert_int_equal(heap->n_live, 0);
    assert_int_equal(heap->live_bytes, 0);
    pthread_mutex_destroy(&heap->lock);
}

void gn_test_heap_fail_at(struct gn_test_heap *heap, uint64_t n, bool all)
{
    pthread_mutex_lock(&heap->lock);
    heap->n_allocs = 0;
    heap->fail_at = n;
    heap->fail_all = all && n != GN_TEST_HEAP_NEVER;
    heap->failed = false;
    pthread_mutex_unlock(&heap->lock);
}

/* Whether the n-th allocation, counted from 0, was there to fail. */
static bool run_failing(int (*body)(struct gn_test_heap *heap, void *arg),
                        void *arg, uint64_t n, bool all, uint64_t *n_allocs)
{
    struct gn_test_heap heap;
    bool failed;
    int err;

    gn_test_heap_init(&heap);
    gn_test_heap_fail_at(&heap, n, all);
    err = body(&heap, arg);
    failed = heap.failed;
    *n_allocs = heap.n_allocs;
    if (err && (err != -ENOMEM || !failed))
        fail_msg("returned %d; allocation %" PRIu64 " %s", err, n,
                 failed ? "failed" : "was never reached");
    gn_test_heap_done(&heap);
    return failed;
}

uint64_t gn_test_heap_sweep(int (*body)(struct gn_test_heap *heap, void *arg),
                            void *arg)
{
    uint64_t n_allocs = 0;

    for (uint64_t n = 0; run_failing(body, arg, n, false, &n_allocs); n++)
        continue;
    for (uint64_t n = 0; run_failing(body, arg, n, true, &n_allocs); n++)
        continue;
    return n_allocs;
}
