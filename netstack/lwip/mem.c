/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lwIP's heap: the engine's slab and allocator, charged to the guest whose
 * instance is in place. It is charged even beyond the budget, for a guest must
 * be able to acknowledge and so to get rid of what it holds; what a guest can
 * have here is bounded by its connections and by the payload it is let to
 * queue.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/lwip/inner.h"

struct block {
    _Alignas(16) size_t size;
};

void *gn__lwip_malloc(size_t size)
{
    struct gn__stack *stack = gn__swap_current();
    size_t total = size + sizeof(struct block);
    struct block *block =
        gn__slab_take(&stack->net->slab, &stack->net->mem, total);

    if (!block)
        return NULL;
    block->size = total;
    gn__budget_force(&stack->budget, total);
    return block + 1;
}

void *gn__lwip_calloc(size_t n, size_t size)
{
    void *p = n && size > SIZE_MAX / n ? NULL : gn__lwip_malloc(n * size);

    if (p)
        memset(p, 0, n * size);
    return p;
}

void gn__lwip_free(void *p)
{
    struct gn__stack *stack = gn__swap_current();
    struct block *block = (struct block *)p - 1;

    gn__budget_give(&stack->budget, block->size);
    gn__slab_give(&stack->net->slab, &stack->net->mem, block, block->size);
}

/* Only our own mistakes get here: a debug build stops at them. */
_Noreturn void gn__lwip_assert_failed(const char *what, const char *file,
                                      int line)
{
    fprintf(stderr, "%s:%d: lwIP: %s\n", file, line, what);
    abort();
}
