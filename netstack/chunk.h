/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NETSTACK_CHUNK_H
#define GN_NETSTACK_CHUNK_H

/*
 * Payload lives in chunks: reference-counted cells of a few sizes, which are
 * written once by their owner and then only read. A guest's bytes are copied
 * in once when they are sent and out once when they are received; on the way
 * only references move.
 *
 * Cells are carved from superblocks that are aligned to their own size, so
 * that the chunk of any payload byte is found by masking its address: lwIP
 * hands back bare pointers.
 *
 * A pool may be used from any thread: payload is allocated and given back
 * outside the engine's lock.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/ref.h"

/** The largest payload of one chunk, bytes: a whole 64 KiB write. */
#define GN__CHUNK_MAX 65536u

/* From a chunk to its first byte: a cache line, so that counting references
 * in one thread does not disturb another that reads the payload. */
#define GN__CHUNK_HEADER 64u

struct gn__chunk_pool;

/* Only chunk.c and the functions below look inside. */
struct gn__chunk {
    struct gn__ref refs;
    uint32_t room;
    struct gn__chunk *next_free;
};

/** Some bytes of a chunk; holds one reference while it is alive. */
struct gn__slice {
    struct gn__chunk *chunk;
    const uint8_t *data;
    uint32_t len;
};

/** Create a pool. @mem is copied. Returns 0 or -ENOMEM. */
GN_WARN_UNUSED int gn__chunk_pool_create(const struct gn__mem *mem,
                                         struct gn__chunk_pool **out);

/** Close it; the memory goes when the last chunk has been given back. */
void gn__chunk_pool_close(struct gn__chunk_pool *pool);

/** Bytes of superblocks now held. Any thread. */
size_t gn__chunk_pool_held(struct gn__chunk_pool *pool);

/**
 * Allocate a chunk with room for at least @len bytes (0..GN__CHUNK_MAX; more
 * is refused). Returns it with one reference, or NULL.
 */
struct gn__chunk *gn__chunk_alloc(struct gn__chunk_pool *pool, size_t len);

/** What gn__chunk_unref() does with the last reference; not for others. */
void gn__chunk_give(struct gn__chunk *chunk);

static inline void gn__chunk_ref(struct gn__chunk *chunk)
{
    gn__ref_take(&chunk->refs);
}

/** True if there are other references too. If there are none, the bytes behind
 *  the slice that the caller holds are free. */
static inline bool gn__chunk_is_shared(struct gn__chunk *chunk)
{
    return gn__ref_is_shared(&chunk->refs);
}

static inline void gn__chunk_unref(struct gn__chunk *chunk)
{
    /* The holder of the only reference need not lock the bus to drop it. */
    if (!gn__chunk_is_shared(chunk) || gn__ref_give(&chunk->refs))
        gn__chunk_give(chunk);
}

/** Where its bytes begin; a multiple of 64. */
static inline uint8_t *gn__chunk_data(struct gn__chunk *chunk)
{
    return (uint8_t *)chunk + GN__CHUNK_HEADER;
}

/** How many bytes there is room for. */
static inline size_t gn__chunk_room(const struct gn__chunk *chunk)
{
    return chunk->room;
}

/** What holding this chunk costs, bytes of memory: its whole cell. */
static inline size_t gn__chunk_cost(const struct gn__chunk *chunk)
{
    return chunk->room + GN__CHUNK_HEADER;
}

/** The chunk that @data, a pointer to payload inside a chunk, belongs to. */
struct gn__chunk *gn__chunk_of(const void *data);

#endif /* GN_NETSTACK_CHUNK_H */
