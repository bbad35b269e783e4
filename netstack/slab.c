/* SPDX-License-Identifier: BSD-3-Clause */
#include "netstack/slab.h"

#include "netstack/poison.h"

/* Blocks are allocated at the full size of their class, which the size they
 * are given back with leads to again. */
static size_t class_of(size_t size)
{
    return size ? (size - 1) / GN__SLAB_STEP : 0;
}

static size_t class_size(size_t class)
{
    return (class + 1) * GN__SLAB_STEP;
}

void *gn__slab_take(struct gn__slab *slab, const struct gn__mem *mem,
                    size_t size)
{
    size_t class = class_of(size);
    void *block;

    if (class >= GN__SLAB_SIZES)
        return gn__alloc(mem, size);
    block = slab->top[class];
    if (!block)
        return gn__alloc(mem, class_size(class));
    gn__unpoison(block, class_size(class));
    slab->top[class] = *(void **)block;
    slab->n[class]--;
    return block;
}

void gn__slab_give(struct gn__slab *slab, const struct gn__mem *mem,
                   void *block, size_t size)
{
    size_t class = class_of(size);

    if (class >= GN__SLAB_SIZES) {
        gn__free(mem, block, size);
        return;
    }
    if (slab->n[class] >= GN__SLAB_DEPTH) {
        gn__free(mem, block, class_size(class));
        return;
    }
    *(void **)block = slab->top[class];
    slab->top[class] = block;
    slab->n[class]++;
    /* The leak sanitizer follows no pointer that is poisoned: it would take the
     * blocks behind the first for lost in a program that ends meanwhile. */
    gn__poison((void **)block + 1, class_size(class) - sizeof(void *));
}

void gn__slab_done(struct gn__slab *slab, const struct gn__mem *mem)
{
    size_t class;

    for (class = 0; class < GN__SLAB_SIZES; class ++) {
        while (slab->top[class]) {
            void *block = slab->top[class];

            gn__unpoison(block, class_size(class));
            slab->top[class] = *(void **)block;
            gn__free(mem, block, class_size(class));
        }
        slab->n[class] = 0;
    }
}
