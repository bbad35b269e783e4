/* SPDX-License-Identifier: BSD-3-Clause */
#include "netstack/chunk.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/heap.h"
#include "tests/lib/seed.h"

#define SUPERBLOCK 262144u

/* A length of each size class. */
static const size_t lengths[] = {100, 1448, 4096, 16384, 65536};
enum { N_LENGTHS = sizeof(lengths) / sizeof(lengths[0]) };

struct fixture {
    struct gn_test_heap heap;
    struct gn__chunk_pool *pool;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct gn__mem mem;

    gn_test_heap_init(&f->heap);
    gn__mem_init(&mem, &f->heap.alloc);
    *state = f;
    return gn__chunk_pool_create(&mem, &f->pool);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->pool)
        gn__chunk_pool_close(f->pool);
    gn_test_heap_done(&f->heap);
    free(f);
    return 0;
}

/* Allocate chunks of a length until a second superblock is needed: then all
 * but the last fill the first one. Returns how many. */
static size_t fill_superblock(struct fixture *f, size_t len,
                              struct gn__chunk **chunks, size_t cap)
{
    size_t held = gn__chunk_pool_held(f->pool);
    size_t n = 0;

    while (gn__chunk_pool_held(f->pool) <= held + SUPERBLOCK) {
        assert_true(n < cap);
        chunks[n] = gn__chunk_alloc(f->pool, len);
        assert_non_null(chunks[n]);
        n++;
    }
    return n;
}

static void alloc_gives_the_room_asked_for(void **state)
{
    struct fixture *f = *state;

    for (size_t len = 0; len <= GN__CHUNK_MAX; len += len < 9000 ? 1 : 977) {
        struct gn__chunk *chunk = gn__chunk_alloc(f->pool, len);

        assert_non_null(chunk);
        assert_true(gn__chunk_room(chunk) >= len);
        assert_true(gn__chunk_cost(chunk) > gn__chunk_room(chunk));
        memset(gn__chunk_data(chunk), 0x5a, gn__chunk_room(chunk));
        gn__chunk_unref(chunk);
    }
}

static void alloc_refuses_more_than_the_maximum(void **state)
{
    struct fixture *f = *state;

    assert_null(gn__chunk_alloc(f->pool, GN__CHUNK_MAX + 1));
    assert_null(gn__chunk_alloc(f->pool, SIZE_MAX));
}

static void payload_begins_at_a_cache_line(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < N_LENGTHS; i++) {
        struct gn__chunk *chunk = gn__chunk_alloc(f->pool, lengths[i]);

        assert_int_equal((uintptr_t)gn__chunk_data(chunk) % 64, 0);
        gn__chunk_unref(chunk);
    }
}

static void every_byte_leads_to_its_chunk(void **state)
{
    struct fixture *f = *state;
    struct gn__chunk *chunks[600];

    for (size_t i = 0; i < N_LENGTHS; i++) {
        size_t n = fill_superblock(f, lengths[i], chunks, 600);

        for (size_t c = 0; c < n; c++) {
            const uint8_t *data = gn__chunk_data(chunks[c]);
            size_t room = gn__chunk_room(chunks[c]);

            for (size_t at = 0; at < room; at += 61)
                assert_ptr_equal(gn__chunk_of(data + at), chunks[c]);
            assert_ptr_equal(gn__chunk_of(data + room - 1), chunks[c]);
        }
        for (size_t c = 0; c < n; c++)
            gn__chunk_unref(chunks[c]);
    }
}

static void chunks_do_not_overlap(void **state)
{
    struct fixture *f = *state;
    struct gn__chunk *chunks[600];

    for (size_t i = 0; i < N_LENGTHS; i++) {
        size_t n = fill_superblock(f, lengths[i], chunks, 600);

        for (size_t c = 0; c < n; c++)
            memset(gn__chunk_data(chunks[c]), (int)c,
                   gn__chunk_room(chunks[c]));
        for (size_t c = 0; c < n; c++) {
            const uint8_t *data = gn__chunk_data(chunks[c]);

            assert_int_equal(data[0], (uint8_t)c);
            assert_int_equal(data[gn__chunk_room(chunks[c]) - 1], (uint8_t)c);
            gn__chunk_unref(chunks[c]);
        }
    }
}

static void a_superblock_holds_what_its_size_allows(void **state)
{
    static const size_t expected[N_LENGTHS] = {454, 124, 56, 15, 3};
    struct fixture *f = *state;
    struct gn__chunk *chunks[600];

    for (size_t i = 0; i < N_LENGTHS; i++) {
        size_t n = fill_superblock(f, lengths[i], chunks, 600);

        assert_int_equal(n - 1, expected[i]);
        while (n > 0)
            gn__chunk_unref(chunks[--n]);
    }
}

static void the_chunk_given_back_last_is_taken_first(void **state)
{
    struct fixture *f = *state;
    struct gn__chunk *a = gn__chunk_alloc(f->pool, 100);
    struct gn__chunk *b = gn__chunk_alloc(f->pool, 100);

    gn__chunk_unref(b);
    gn__chunk_unref(a);
    assert_ptr_equal(gn__chunk_alloc(f->pool, 100), a);
    assert_ptr_equal(gn__chunk_alloc(f->pool, 100), b);
    gn__chunk_unref(a);
    gn__chunk_unref(b);
}

static void a_chunk_lives_as_long_as_a_reference(void **state)
{
    struct fixture *f = *state;
    struct gn__chunk *a = gn__chunk_alloc(f->pool, 100);
    struct gn__chunk *b;

    assert_false(gn__chunk_is_shared(a));
    gn__chunk_ref(a);
    assert_true(gn__chunk_is_shared(a));
    gn__chunk_unref(a);
    assert_false(gn__chunk_is_shared(a));
    b = gn__chunk_alloc(f->pool, 100);
    assert_ptr_not_equal(a, b);
    gn__chunk_unref(a);
    gn__chunk_unref(b);
}

static void nothing_is_held_before_the_first_chunk(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(gn__chunk_pool_held(f->pool), 0);
}

static void free_superblocks_go_back_except_a_few(void **state)
{
    struct fixture *f = *state;
    struct gn__chunk *chunks[256];

    for (size_t i = 3; i < N_LENGTHS; i++) {
        size_t before = gn__chunk_pool_held(f->pool);

        for (size_t c = 0; c < 256; c++)
            chunks[c] = gn__chunk_alloc(f->pool, lengths[i]);
        assert_true(gn__chunk_pool_held(f->pool) >= before + 12 * SUPERBLOCK);
        for (size_t c = 0; c < 256; c++)
            gn__chunk_unref(chunks[c]);
        assert_in_range(gn__chunk_pool_held(f->pool), before,
                        before + 8 * SUPERBLOCK);
    }
}

static void an_empty_superblock_is_used_again(void **state)
{
    struct fixture *f = *state;
    uint64_t n_allocs;

    gn__chunk_unref(gn__chunk_alloc(f->pool, 16384));
    n_allocs = f->heap.n_allocs;
    for (int i = 0; i < 100; i++)
        gn__chunk_unref(gn__chunk_alloc(f->pool, 16384));
    assert_int_equal(f->heap.n_allocs, n_allocs);
}

static void memory_goes_with_the_last_chunk_after_close(void **state)
{
    struct fixture *f = *state;
    struct gn__chunk *chunks[20];

    for (size_t i = 0; i < 20; i++)
        chunks[i] = gn__chunk_alloc(f->pool, lengths[i % N_LENGTHS]);
    gn__chunk_pool_close(f->pool);
    f->pool = NULL;
    for (size_t i = 0; i < 20; i++) {
        assert_true(f->heap.n_live > 0);
        memset(gn__chunk_data(chunks[i]), 1, lengths[i % N_LENGTHS]);
        gn__chunk_unref(chunks[i]);
    }
    assert_int_equal(f->heap.n_live, 0);
}

static int use_pool(struct gn_test_heap *heap, void *arg)
{
    struct gn__chunk_pool *pool;
    struct gn__mem mem;
    int err;

    (void)arg;
    gn__mem_init(&mem, &heap->alloc);
    err = gn__chunk_pool_create(&mem, &pool);
    if (err)
        return err;
    for (size_t i = 0; i < N_LENGTHS && !err; i++) {
        struct gn__chunk *chunk = gn__chunk_alloc(pool, lengths[i]);

        if (chunk)
            gn__chunk_unref(chunk);
        else
            err = -ENOMEM;
    }
    gn__chunk_pool_close(pool);
    return err;
}

static void failed_allocations_leave_nothing_behind(void **state)
{
    (void)state;
    assert_int_equal(gn_test_heap_sweep(use_pool, NULL), 1 + N_LENGTHS);
}

/* Chunks that are given back by another thread than took them. */
enum { N_THREADS = 4, N_SLOTS = 64, N_ROUNDS = 20000 };

struct exchange {
    struct gn__chunk_pool *pool;
    _Atomic(struct gn__chunk *) slots[N_SLOTS];
    struct gn_test_seed seeds[N_THREADS];
    atomic_uint next_thread;
    atomic_uint n_damaged;
};

static void look_and_unref(struct exchange *x, struct gn__chunk *chunk)
{
    uint8_t *data = gn__chunk_data(chunk);
    uint32_t len;

    memcpy(&len, data, sizeof(len));
    if (data[len - 1] != (uint8_t)len)
        atomic_fetch_add(&x->n_damaged, 1);
    gn__chunk_unref(chunk);
}

static void *exchange_chunks(void *arg)
{
    struct exchange *x = arg;
    struct gn_test_seed *seed = &x->seeds[atomic_fetch_add(&x->next_thread, 1)];

    for (int i = 0; i < N_ROUNDS; i++) {
        uint32_t len = 8 + (uint32_t)(gn_test_random_below(seed, 65528) >>
                                      gn_test_random_below(seed, 12));
        struct gn__chunk *chunk = gn__chunk_alloc(x->pool, len);
        struct gn__chunk *other;

        if (!chunk)
            continue;
        memcpy(gn__chunk_data(chunk), &len, sizeof(len));
        gn__chunk_data(chunk)[len - 1] = (uint8_t)len;
        gn__chunk_ref(chunk);
        other = atomic_exchange(&x->slots[gn_test_random_below(seed, N_SLOTS)],
                                chunk);
        if (other)
            look_and_unref(x, other);
        look_and_unref(x, chunk);
    }
    return NULL;
}

static void chunks_may_be_given_back_by_other_threads(void **state)
{
    struct fixture *f = *state;
    struct exchange x = {.pool = f->pool};
    struct gn_test_seed seed;
    pthread_t threads[N_THREADS];

    gn_test_seed_init(&seed);
    for (size_t i = 0; i < N_THREADS; i++) {
        x.seeds[i].state = gn_test_random(&seed);
    }
    for (size_t i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, exchange_chunks, &x),
                         0);
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    gn__chunk_pool_close(f->pool);
    f->pool = NULL;
    for (size_t i = 0; i < N_SLOTS; i++) {
        struct gn__chunk *chunk = atomic_load(&x.slots[i]);

        if (chunk)
            look_and_unref(&x, chunk);
    }
    assert_int_equal(atomic_load(&x.n_damaged), 0);
    assert_int_equal(f->heap.n_live, 0);
}

/* The pool's end, met by several threads at once. */
enum { N_ENDS = 300 };

struct ending {
    struct gn__chunk *chunks[N_THREADS];
    pthread_barrier_t barrier;
    atomic_uint next_thread;
};

static void *unref_one(void *arg)
{
    struct ending *ending = arg;
    struct gn__chunk *chunk =
        ending->chunks[atomic_fetch_add(&ending->next_thread, 1)];

    pthread_barrier_wait(&ending->barrier);
    gn__chunk_unref(chunk);
    return NULL;
}

static void end_once(struct fixture *f, size_t n_lengths)
{
    struct ending ending = {.next_thread = 0};
    pthread_t threads[N_THREADS];
    struct gn__chunk_pool *pool;
    struct gn__mem mem;

    gn__mem_init(&mem, &f->heap.alloc);
    assert_int_equal(gn__chunk_pool_create(&mem, &pool), 0);
    pthread_barrier_init(&ending.barrier, NULL, N_THREADS + 1);
    for (size_t i = 0; i < N_THREADS; i++) {
        ending.chunks[i] = gn__chunk_alloc(pool, lengths[i % n_lengths]);
        assert_int_equal(pthread_create(&threads[i], NULL, unref_one, &ending),
                         0);
    }
    pthread_barrier_wait(&ending.barrier);
    gn__chunk_pool_close(pool);
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&ending.barrier);
}

static void the_last_reference_may_go_anywhere(void **state)
{
    struct fixture *f = *state;
    uint64_t n_live = f->heap.n_live;

    for (int i = 0; i < N_ENDS; i++) {
        end_once(f, i % 2 ? 1 : 4);
        assert_int_equal(f->heap.n_live, n_live);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(alloc_gives_the_room_asked_for, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(alloc_refuses_more_than_the_maximum,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(payload_begins_at_a_cache_line, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(every_byte_leads_to_its_chunk, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(chunks_do_not_overlap, setup, teardown),
        cmocka_unit_test_setup_teardown(a_superblock_holds_what_its_size_allows,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            the_chunk_given_back_last_is_taken_first, setup, teardown),
        cmocka_unit_test_setup_teardown(a_chunk_lives_as_long_as_a_reference,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_held_before_the_first_chunk,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(free_superblocks_go_back_except_a_few,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_superblock_is_used_again,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            memory_goes_with_the_last_chunk_after_close, setup, teardown),
        cmocka_unit_test(failed_allocations_leave_nothing_behind),
        cmocka_unit_test_setup_teardown(
            chunks_may_be_given_back_by_other_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(the_last_reference_may_go_anywhere,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
