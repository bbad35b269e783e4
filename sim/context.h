/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_SIM_CONTEXT_H
#define GN_SIM_CONTEXT_H

/*
 * A place in a program that has a stack of its own: what a coroutine goes on
 * from. By boost.context's assembly where it was found at build time
 * (fcontext/context.c), else by ucontext (context_ucontext.c), which makes two
 * system calls a switch; docs/decisions/0017-tasks.md has the costs.
 *
 * Sanitizers are told of each switch; that is the caller's part (fiber.h).
 */
#include <stddef.h>

#if defined(GN_FCONTEXT)
struct gn__context {
    void *at;               /* the end of its stack that is in use */
    struct gn__context *to; /* that it switches to */
    void (*entry)(void *arg);
    void *arg;
};

static inline const void *gn__context_at(const struct gn__context *context)
{
    return context->at;
}
#else
#include <ucontext.h>
struct gn__context {
    ucontext_t at;
    void (*entry)(void *arg);
    void *arg;
};

/* It is among the registers: where depends on the machine. */
static inline const void *gn__context_at(const struct gn__context *context)
{
    return context;
}
#endif

/** "boost.context", "ucontext". */
extern const char *const gn__context_kind;

/**
 * Have @context begin with @entry, which never returns, on @stack of @size
 * bytes, when it is first switched to. @context stays where it is.
 */
void gn__context_make(struct gn__context *context, void *stack, size_t size,
                      void (*entry)(void *arg), void *arg);

/** Leave off here, in @from, and go on in @to. Returns when @from is switched
 *  to. */
void gn__context_switch(struct gn__context *from, struct gn__context *to);

#endif /* GN_SIM_CONTEXT_H */
