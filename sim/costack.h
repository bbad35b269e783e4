/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_SIM_COSTACK_H
#define GN_SIM_COSTACK_H

/*
 * Stacks of coroutines. Those of the usual size are cut from slabs and used
 * again; below each is a page that cannot be touched, as long as the kernel has
 * mappings left for that (each takes one of vm.max_map_count's 65,530): the
 * first GN__COSTACK_GUARDS have one. The others have a word at their end that a
 * stack which grew too large has overwritten; looking at it takes memory and
 * time that those with a guard do not need.
 *
 * Memory is the kernel's until a stack is used, and stays with it then.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

/** The usual size, bytes. */
#define GN__COSTACK_DEFAULT 65536u
/** The least that any call of the library needs, with room for the user's. */
#define GN__COSTACK_MIN 16384u
/** Stacks that have a guard page. */
#define GN__COSTACK_GUARDS 16000u

struct gn__costacks {
    struct gn__list slabs;
    struct gn__list idle; /* of the usual size */
    size_t n_guards;
};

/** What a task has: from low to low + size. */
struct gn__costack {
    void *low;
    size_t size;
    bool guarded;
};

void gn__costacks_init(struct gn__costacks *stacks);
/** Unmap them; none is in use. */
void gn__costacks_done(struct gn__costacks *stacks);

/** Is @at on it? */
static inline bool gn__costack_has(const struct gn__costack *stack,
                                   const void *at)
{
    return (uintptr_t)at - (uintptr_t)stack->low < stack->size;
}

/** @size  Rounded up to pages; GN__COSTACK_MIN at least. -ENOMEM, -EINVAL. */
int gn__costack_take(struct gn__costacks *stacks, size_t size,
                     struct gn__costack *out);
void gn__costack_give(struct gn__costacks *stacks, struct gn__costack *stack);

/** Has it grown beyond its end, where no guard page saw it? */
bool gn__costack_is_overrun(const struct gn__costack *stack);

#endif /* GN_SIM_COSTACK_H */
