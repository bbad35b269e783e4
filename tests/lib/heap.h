/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_HEAP_H
#define TESTS_LIB_HEAP_H

/*
 * An allocator that counts and that fails when told to.
 *
 * It checks what the library promises to an allocator: sizes on free match, and
 * nothing is freed twice or was never allocated. A broken promise is printed
 * and ends the test program. Safe from any thread.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <guestnet/mem.h>

/* What gn_test_heap_fail_at() takes for "never". */
#define GN_TEST_HEAP_NEVER UINT64_MAX

struct gn_test_heap {
    struct gn_allocator alloc; /* Give the address of this to the library. */
    pthread_mutex_t lock;
    uint64_t n_allocs; /* Allocations asked for since init or fail_at. */
    uint64_t n_live;   /* Allocated and not freed. */
    uint64_t live_bytes;
    uint64_t peak_bytes;
    uint64_t fail_at; /* Which one of n_allocs fails, counted from 0. */
    bool fail_all;    /* And all after it too. */
    bool failed;      /* One has failed since fail_at. */
};

void gn_test_heap_init(struct gn_test_heap *heap);

/** Asserts (cmocka) that nothing is allocated any more. */
void gn_test_heap_done(struct gn_test_heap *heap);

/**
 * Let the n-th allocation from now (0 is the next) fail; with all set also
 * every later one. GN_TEST_HEAP_NEVER ends it.
 */
void gn_test_heap_fail_at(struct gn_test_heap *heap, uint64_t n, bool all);

/**
 * Run a body with its first allocation failing, then with its second, and so
 * on, until it runs without any failing; each of them alone first, then each
 * with all after it.
 *
 * @body  Does the whole of what is tested, from nothing to nothing, with
 *        heap->alloc. Returns 0 on success, which must be what it returns when
 *        nothing failed, or -ENOMEM. Success is also right where a failure was
 *        survived. Anything else fails the test, and so does memory that is
 *        still allocated when it returns.
 *
 * Returns how many allocations the body makes when nothing fails.
 */
uint64_t gn_test_heap_sweep(int (*body)(struct gn_test_heap *heap, void *arg),
                            void *arg);

#endif /* TESTS_LIB_HEAP_H */
