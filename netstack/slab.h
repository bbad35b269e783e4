/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NETSTACK_SLAB_H
#define GN_NETSTACK_SLAB_H

/*
 * Small blocks that are about to be needed again: a segment takes three of
 * them and gives them back when it is acknowledged, a million times a second.
 * They are kept by size, the last one given back on top, a few of each; the
 * rest is the allocator's. Under the engine's lock.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

#define GN__SLAB_STEP  64u
#define GN__SLAB_SIZES 16u
#define GN__SLAB_DEPTH 32u

struct gn__slab {
    void *top[GN__SLAB_SIZES];
    uint32_t n[GN__SLAB_SIZES];
};

/** @size bytes, aligned to 16; NULL. */
void *gn__slab_take(struct gn__slab *slab, const struct gn__mem *mem,
                    size_t size);
void gn__slab_give(struct gn__slab *slab, const struct gn__mem *mem,
                   void *block, size_t size);
/** Give what is kept to the allocator. */
void gn__slab_done(struct gn__slab *slab, const struct gn__mem *mem);

#endif /* GN_NETSTACK_SLAB_H */
