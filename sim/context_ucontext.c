/* SPDX-License-Identifier: BSD-3-Clause */

/* Contexts by makecontext(3), where boost.context is missing. */
#include "sim/context.h"

#if !defined(GN_FCONTEXT)

#include <stdint.h>

const char *const gn__context_kind = "ucontext";

/* makecontext(3) passes integers: a pointer in two halves. */
static void context_enter(unsigned high, unsigned low)
{
    struct gn__context *self =
        (void *)(uintptr_t)((uint64_t)high << 32 | (uint64_t)low);

    self->entry(self->arg);
}

void gn__context_make(struct gn__context *context, void *stack, size_t size,
                      void (*entry)(void *arg), void *arg)
{
    uint64_t self = (uintptr_t)context;

    context->entry = entry;
    context->arg = arg;
    (void)getcontext(&context->at); /* It cannot fail on Linux. */
    context->at.uc_stack.ss_sp = stack;
    context->at.uc_stack.ss_size = size;
    context->at.uc_link = NULL;
    makecontext(&context->at, (void (*)(void))context_enter, 2,
                (unsigned)(self >> 32), (unsigned)self);
}

void gn__context_switch(struct gn__context *from, struct gn__context *to)
{
    (void)swapcontext(&from->at, &to->at); /* Fails only without memory. */
}

#endif
