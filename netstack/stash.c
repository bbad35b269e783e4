/* SPDX-License-Identifier: BSD-3-Clause */
#include "netstack/stash.h"

#include "netstack/poison.h"

/* Blocks are allocated at the full size of their class, which the size they
 * are given back with leads to again. */
static size_t class_of(size_t size)
{
    return size ? (size - 1) / GN__STASH_STEP : 0;
}

static size_t class_size(size_t class)
{
    return (class + 1) * GN__STASH_STEP;
}

void *gn__stash_take(struct gn__stash *stash, const struct gn__mem *mem,
                     size_t size)
{
    size_t class = class_of(size);
    void *block;

    if (class >= GN__STASH_SIZES)
        return gn__alloc(mem, size);
    block = stash->top[class];
    if (!block)
        return gn__alloc(mem, class_size(class));
    gn__unpoison(block, class_size(class));
    stash->top[class] = *(void **)block;
    stash->n[class]--;
    return block;
}

void gn__stash_give(struct gn__stash *stash, const struct gn__mem *mem,
                    void *block, size_t size)
{
    size_t class = class_of(size);

    if (class >= GN__STASH_SIZES) {
        gn__free(mem, block, size);
        return;
    }
    if (stash->n[class] >= GN__STASH_DEPTH) {
        gn__free(mem, block, class_size(class));
        return;
    }
    *(void **)block = stash->top[class];
    stash->top[class] = block;
    stash->n[class]++;
    gn__poison(block, class_size(class));
}

void gn__stash_done(struct gn__stash *stash, const struct gn__mem *mem)
{
    size_t class;

    for (class = 0; class < GN__STASH_SIZES; class ++) {
        while (stash->top[class]) {
            void *block = stash->top[class];

            gn__unpoison(block, class_size(class));
            stash->top[class] = *(void **)block;
            gn__free(mem, block, class_size(class));
        }
        stash->n[class] = 0;
    }
}
