/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Contexts by boost.context's C functions. They are joined into the library
 * under names of its own (CMakeLists.txt), so that a program may link
 * its own boost beside it.
 */
#include "sim/context.h"

struct transfer {
    void *from; /* where the one that switched has left off */
    void *data;
};

/* The assembly's own two. */
struct transfer jump_fcontext(void *to, void *data);
void *make_fcontext(void *top, size_t size, void (*entry)(struct transfer));

const char *const gn__context_kind = "boost.context";

/* The first time a context runs. */
static void context_enter(struct transfer transfer)
{
    struct gn__context *left = transfer.data, *self = left->to;

    left->at = transfer.from;
    self->entry(self->arg);
}

void gn__context_make(struct gn__context *context, void *stack, size_t size,
                      void (*entry)(void *arg), void *arg)
{
    context->entry = entry;
    context->arg = arg;
    context->at = make_fcontext((char *)stack + size, size, context_enter);
}

void gn__context_switch(struct gn__context *from, struct gn__context *to)
{
    struct transfer transfer;
    struct gn__context *left;

    from->to = to;
    transfer = jump_fcontext(to->at, from);
    left = transfer.data;
    left->at = transfer.from;
}
