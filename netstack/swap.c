/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which guest's lwIP state is in place.
 *
 * lwIP keeps its state in file-scope variables. The joined object gathers all
 * of them into one section (netstack/state.ld); an instance is a copy of that
 * section, and to enter an instance is to copy the section out to its owner
 * and the other's copy in.
 *
 * This file names no variable of lwIP and its copies are out of line behind a
 * barrier, and must stay so: where a compiler sees both a variable and the
 * copy, it may keep the variable in a register across the copy, since the two
 * are distinct objects to it (seen with gcc and clang at -O2).
 *
 * The section exists once per process, so all of this runs under the
 * process's one engine lock.
 */
#include "netstack/conn.h"

#include <errno.h>
#include <string.h>

#include "netstack/lwip/glue.h"

static struct gn__stack *current;
static bool initialised;

static size_t state_size(void)
{
    return (size_t)(gn__netstack_ops.state_end - gn__netstack_ops.state_start);
}

static __attribute__((noinline)) void swap_copy(void *to, const void *from)
{
    __asm__ volatile("" ::: "memory");
    memcpy(to, from, state_size());
    __asm__ volatile("" ::: "memory");
}

/* The state no instance has touched: what each begins with. It is kept in
 * place until the first instance is entered, and copied then. */
static unsigned char pristine[8192];

static void swap_initialise(void)
{
    gn__netstack_ops.init();
    swap_copy(pristine, gn__netstack_ops.state_start);
    initialised = true;
}

void gn__swap_reenter(struct gn__stack *stack)
{
    if (current == stack)
        return;
    if (current)
        swap_copy(current->state, gn__netstack_ops.state_start);
    swap_copy(gn__netstack_ops.state_start, stack->state);
    current = stack;
}

int gn__swap_enter(struct gn__stack *stack)
{
    if (!stack->state) {
        if (!initialised)
            swap_initialise();
        stack->state = gn__alloc(&stack->net->mem, state_size());
        if (!stack->state)
            return -ENOMEM;
        swap_copy(stack->state, pristine);
    }
    gn__swap_reenter(stack);
    return 0;
}

void gn__swap_drop(struct gn__stack *stack)
{
    if (current == stack)
        current = NULL;
    gn__free(&stack->net->mem, stack->state, state_size());
    stack->state = NULL;
}

struct gn__stack *gn__swap_current(void)
{
    return current;
}

size_t gn__swap_size(void)
{
    return state_size();
}
