/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A superblock is 256 KiB, aligned to 256 KiB, and holds cells of one size:
 *
 *     | superblock | chunk, payload | chunk, payload | ... | not yet carved |
 *
 * Masking any address in it gives the superblock, which knows the size of its
 * cells; a multiplication by the size's reciprocal then gives the cell. Cells
 * are carved when they are first needed, so that memory which was never used
 * is never touched.
 *
 * Each size class has a lock and a list of the superblocks that have a free
 * cell. The free cells of a superblock are a stack: the cell that is taken
 * next is the one given back last, which the cache still holds. A full
 * superblock is on no list and comes to the front with its first free cell.
 * A few whose cells are all free are kept in each class, so that one which
 * breathes does not allocate at every breath: memory fresh from the system
 * costs more than the copy it is for. The others go back to the allocator.
 *
 * No lock-free stacks: popping one reads the link of a cell whose superblock
 * another thread may be returning to the allocator. The lock is held for some
 * ten instructions.
 *
 * The pool counts its users: itself while open, and every superblock. The user
 * that leaves last frees it, on whatever thread that is.
 */
#include "netstack/chunk.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

#include "base/list.h"
#include "netstack/poison.h"

#define SUPERBLOCK_SIZE ((size_t)256 * 1024)
#define FIRST_CELL      ((size_t)256)
#define CACHE_LINE      64u
#define KEPT_MAX        8u

/* 2^40 divided by the size of a cell, rounded up: exact for every offset in a
 * superblock, see chunk_at(). */
#define RECIPROCAL_BITS 40
#define CELL(size)                                                 \
    {                                                              \
        (size), (SUPERBLOCK_SIZE - FIRST_CELL) / (size),           \
            (((uint64_t)1 << RECIPROCAL_BITS) + (size)-1) / (size) \
    }

enum { N_CLASSES = 5 };

/* Multiples of a cache line but of no large power of two, so that the cells of
 * a superblock spread over the whole cache. */
static const struct cell_size {
    uint32_t cell;
    uint32_t n;
    uint64_t reciprocal;
} cell_sizes[N_CLASSES] = {
    CELL(GN__CHUNK_HEADER + 512),  /* small writes */
    CELL(GN__CHUNK_HEADER + 2048), /* a segment at an MTU of 1500 */
    CELL(4608),
    CELL(17408), /* a segment at an MTU of 16 KiB; 15 fill a superblock */
    CELL(GN__CHUNK_HEADER + GN__CHUNK_MAX),
};

struct size_class {
    _Alignas(CACHE_LINE) pthread_mutex_t lock;
    struct gn__list partial; /* superblocks with a free cell, hottest first */
    uint32_t n_empty;        /* superblocks all free; also in partial */
    bool closed;
};

struct gn__chunk_pool {
    struct size_class classes[N_CLASSES];
    struct gn__mem mem;
    void *base;
    atomic_size_t held;
    atomic_uint users;
};

struct superblock {
    struct gn__list node; /* in size_class.partial, while not full */
    struct gn__chunk *free;
    const struct cell_size *size;
    struct size_class *class;
    struct gn__chunk_pool *pool;
    void *base;
    uint32_t n_carved;
    uint32_t n_used;
};

_Static_assert(sizeof(struct superblock) <= FIRST_CELL, "header fits");
_Static_assert(sizeof(struct gn__chunk) <= GN__CHUNK_HEADER, "header fits");

static struct superblock *superblock_of(const void *p)
{
    return (struct superblock *)((uintptr_t)p & ~(SUPERBLOCK_SIZE - 1));
}

static struct gn__chunk *chunk_at(struct superblock *block, uint32_t index)
{
    uint8_t *cells = (uint8_t *)block + FIRST_CELL;

    return (struct gn__chunk *)(void *)(cells +
                                        (size_t)index * block->size->cell);
}

static void pool_drop_user(struct gn__chunk_pool *pool)
{
    struct gn__mem mem = pool->mem;

    if (atomic_fetch_sub_explicit(&pool->users, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned i = 0; i < N_CLASSES; i++)
        pthread_mutex_destroy(&pool->classes[i].lock);
    gn__free_aligned(&mem, pool->base, CACHE_LINE, sizeof(*pool));
}

int gn__chunk_pool_create(const struct gn__mem *mem,
                          struct gn__chunk_pool **out)
{
    void *base;
    struct gn__chunk_pool *pool =
        gn__alloc_aligned(mem, CACHE_LINE, sizeof(*pool), &base);

    if (!pool)
        return -ENOMEM;
    for (unsigned i = 0; i < N_CLASSES; i++) {
        struct size_class *class = &pool->classes[i];

        pthread_mutex_init(&class->lock, NULL);
        gn__list_init(&class->partial);
        class->n_empty = 0;
        class->closed = false;
    }
    pool->mem = *mem;
    pool->base = base;
    atomic_init(&pool->held, 0);
    atomic_init(&pool->users, 1);
    *out = pool;
    return 0;
}

static struct superblock *superblock_create(struct gn__chunk_pool *pool,
                                            unsigned index)
{
    void *base;
    struct superblock *block =
        gn__alloc_aligned(&pool->mem, SUPERBLOCK_SIZE, SUPERBLOCK_SIZE, &base);

    if (!block)
        return NULL;
    gn__list_init(&block->node);
    block->free = NULL;
    block->size = &cell_sizes[index];
    block->class = &pool->classes[index];
    block->pool = pool;
    block->base = base;
    block->n_carved = 0;
    block->n_used = 0;
    atomic_fetch_add_explicit(&pool->held, SUPERBLOCK_SIZE,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&pool->users, 1, memory_order_relaxed);
    return block;
}

static void superblock_destroy(struct superblock *block)
{
    struct gn__chunk_pool *pool = block->pool;

    gn__unpoison(block, SUPERBLOCK_SIZE);
    gn__free_aligned(&pool->mem, block->base, SUPERBLOCK_SIZE, SUPERBLOCK_SIZE);
    atomic_fetch_sub_explicit(&pool->held, SUPERBLOCK_SIZE,
                              memory_order_relaxed);
    pool_drop_user(pool);
}

/* Close the class, and take out one superblock that is all free; or NULL. */
static struct superblock *class_close(struct size_class *class)
{
    struct superblock *found = NULL;
    struct gn__list *it;

    pthread_mutex_lock(&class->lock);
    class->closed = true;
    gn__list_foreach (it, &class->partial) {
        struct superblock *block =
            gn__container_of(it, struct superblock, node);

        if (block->n_used == 0) {
            found = block;
            gn__list_del(&block->node);
            break;
        }
    }
    pthread_mutex_unlock(&class->lock);
    return found;
}

void gn__chunk_pool_close(struct gn__chunk_pool *pool)
{
    struct superblock *block;

    for (unsigned i = 0; i < N_CLASSES; i++) {
        while ((block = class_close(&pool->classes[i])))
            superblock_destroy(block);
    }
    pool_drop_user(pool);
}

size_t gn__chunk_pool_held(struct gn__chunk_pool *pool)
{
    return atomic_load_explicit(&pool->held, memory_order_relaxed);
}

static struct gn__chunk *superblock_carve(struct superblock *block)
{
    struct gn__chunk *chunk = chunk_at(block, block->n_carved++);

    chunk->room = block->size->cell - GN__CHUNK_HEADER;
    gn__poison(gn__chunk_data(chunk), chunk->room);
    return chunk;
}

/* Under the lock; the superblock has a free cell. */
static struct gn__chunk *superblock_take(struct superblock *block)
{
    struct gn__chunk *chunk = block->free;

    if (chunk)
        block->free = chunk->next_free;
    else
        chunk = superblock_carve(block);
    if (block->n_used == 0)
        block->class->n_empty--;
    if (++block->n_used == block->size->n)
        gn__list_del(&block->node);
    return chunk;
}

/* From the superblocks there are. */
static struct gn__chunk *class_take(struct size_class *class)
{
    struct gn__chunk *chunk = NULL;
    struct gn__list *node;

    pthread_mutex_lock(&class->lock);
    node = gn__list_first(&class->partial);
    if (node)
        chunk =
            superblock_take(gn__container_of(node, struct superblock, node));
    pthread_mutex_unlock(&class->lock);
    return chunk;
}

/* From a new superblock, for which the lock is not held: allocating may take
 * long. Two threads that come here at once make two. */
static struct gn__chunk *class_grow(struct gn__chunk_pool *pool, unsigned index)
{
    struct size_class *class = &pool->classes[index];
    struct superblock *block = superblock_create(pool, index);
    struct gn__chunk *chunk;

    if (!block)
        return NULL;
    pthread_mutex_lock(&class->lock);
    gn__list_add_head(&class->partial, &block->node);
    class->n_empty++;
    chunk = superblock_take(block);
    pthread_mutex_unlock(&class->lock);
    return chunk;
}

struct gn__chunk *gn__chunk_alloc(struct gn__chunk_pool *pool, size_t len)
{
    struct gn__chunk *chunk;
    unsigned index = 0;

    if (len > GN__CHUNK_MAX)
        return NULL;
    while (len + GN__CHUNK_HEADER > cell_sizes[index].cell)
        index++;
    chunk = class_take(&pool->classes[index]);
    if (!chunk)
        chunk = class_grow(pool, index);
    if (!chunk)
        return NULL;
    gn__ref_init(&chunk->refs, 1);
    gn__unpoison(gn__chunk_data(chunk), chunk->room);
    return chunk;
}

/* Under the lock: may a superblock that is all free now be kept? */
static bool class_keeps(struct size_class *class)
{
    if (!class->closed && class->n_empty < KEPT_MAX) {
        class->n_empty++;
        return true;
    }
    return false;
}

void gn__chunk_give(struct gn__chunk *chunk)
{
    struct superblock *block = superblock_of(chunk);
    struct size_class *class = block->class;
    bool gone;

    gn__poison(gn__chunk_data(chunk), chunk->room);
    pthread_mutex_lock(&class->lock);
    chunk->next_free = block->free;
    block->free = chunk;
    if (block->n_used-- == block->size->n)
        gn__list_add_head(&class->partial, &block->node);
    gone = block->n_used == 0 && !class_keeps(class);
    if (gone)
        gn__list_del(&block->node);
    pthread_mutex_unlock(&class->lock);
    if (gone)
        superblock_destroy(block);
}

struct gn__chunk *gn__chunk_of(const void *data)
{
    struct superblock *block = superblock_of(data);
    uint64_t offset = (uintptr_t)data - (uintptr_t)block - FIRST_CELL;

    /*
     * The reciprocal is less than 1 too large, so the product, as a number of
     * cells, is less than offset / 2^40 < 2^-22 too large: not enough to reach
     * the next cell, which is at least 1 / 65600 away.
     */
    return chunk_at(block, (uint32_t)((offset * block->size->reciprocal) >>
                                      RECIPROCAL_BITS));
}
