/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NETSTACK_STASH_H
#define GN_NETSTACK_STASH_H

/*
 * Small blocks that are about to be needed again: a segment takes three of
 * them and gives them back when it is acknowledged, a million times a second.
 * They are kept by size, the last one given back on top, a few of each; the
 * rest is the allocator's. Under the engine's lock.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

#define GN__STASH_STEP  64u
#define GN__STASH_SIZES 16u
#define GN__STASH_DEPTH 32u

struct gn__stash {
    void *top[GN__STASH_SIZES];
    uint32_t n[GN__STASH_SIZES];
};

/** @size bytes, aligned to 16; NULL. */
void *gn__stash_take(struct gn__stash *stash, const struct gn__mem *mem,
                     size_t size);
void gn__stash_give(struct gn__stash *stash, const struct gn__mem *mem,
                    void *block, size_t size);
/** Give what is kept to the allocator. */
void gn__stash_done(struct gn__stash *stash, const struct gn__mem *mem);

#endif /* GN_NETSTACK_STASH_H */
