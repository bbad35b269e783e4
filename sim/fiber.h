/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_SIM_FIBER_H
#define GN_SIM_FIBER_H

/*
 * A context with its stack, as the sanitizers want to know it: AddressSanitizer
 * and ThreadSanitizer are told of each switch, LeakSanitizer looks for pointers
 * on stacks that are not running. errno is a fiber's own.
 */
#include <stdbool.h>

#include "sim/context.h"
#include "sim/costack.h"

/** A coroutine's, or the scheduler's, which has the thread's stack. */
struct gn__fiber {
    struct gn__context context;
    struct gn__costack stack; /* low NULL: the thread's */
    int error;                /* errno, while it is left */
    void *fake_stack;         /* AddressSanitizer's */
    const void *bottom;       /* of the thread's stack, as it says */
    size_t bottom_size;
    void *tsan; /* ThreadSanitizer's name for it */
};

/** The thread's: the scheduler. */
void gn__fiber_init(struct gn__fiber *fiber);

/** One that begins with @entry, which ends by gn__fiber_leave(). -ENOMEM,
 *  -EINVAL. */
int gn__fiber_create(struct gn__fiber *fiber, struct gn__costacks *stacks,
                     size_t size, void (*entry)(void *arg), void *arg);
/** It is not running: give its stack back, whatever is on it. */
void gn__fiber_destroy(struct gn__fiber *fiber, struct gn__costacks *stacks);

/** The first thing that entry does. */
void gn__fiber_begin(struct gn__fiber *fiber, struct gn__fiber *from);
/** From the scheduler to a coroutine, or back. Returns when @from goes on. */
void gn__fiber_switch(struct gn__fiber *from, struct gn__fiber *to);
/** The same for the last time. Does not return. */
void gn__fiber_leave(struct gn__fiber *from, struct gn__fiber *to);

#endif /* GN_SIM_FIBER_H */
