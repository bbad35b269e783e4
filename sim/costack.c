/* SPDX-License-Identifier: BSD-3-Clause */

/* Stacks of coroutines; see costack.h. */
#include "sim/costack.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/** Stacks of a slab. */
#define SLAB_STACKS 32u
/** What lies at the end of a stack that was not overrun. */
#define MARK UINT64_C(0x67756573746e6574)

/** At the high end of a stack that is idle, which is in memory once it was
 *  used. */
struct idle_stack {
    struct gn__list link;
    bool guarded;
};

struct slab {
    struct gn__list link;
    size_t size;
};

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static void *map_memory(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return at == MAP_FAILED ? NULL : at;
}

void gn__costacks_init(struct gn__costacks *stacks)
{
    gn__list_init(&stacks->slabs);
    gn__list_init(&stacks->idle);
    stacks->n_guards = 0;
}

void gn__costacks_done(struct gn__costacks *stacks)
{
    struct gn__list *it;

    while ((it = gn__list_pop(&stacks->slabs))) {
        struct slab *slab = gn__container_of(it, struct slab, link);

        (void)munmap(slab, slab->size);
    }
    gn__list_init(&stacks->idle);
}

/* The page below a stack; false if there is to be none. */
static bool stack_guard(struct gn__costacks *stacks, char *page)
{
    if (stacks->n_guards >= GN__COSTACK_GUARDS ||
        mprotect(page, page_size(), PROT_NONE))
        return false;
    stacks->n_guards++;
    return true;
}

static struct idle_stack *idle_at(void *low)
{
    char *end = (char *)low + GN__COSTACK_DEFAULT;

    return (struct idle_stack *)(void *)(end - sizeof(struct idle_stack));
}

static void *low_of(struct idle_stack *idle)
{
    return (char *)(idle + 1) - GN__COSTACK_DEFAULT;
}

static void stack_mark(void *low)
{
    uint64_t word = MARK;

    memcpy(low, &word, sizeof(word));
}

/* A page for the slab's own, then each stack above its guard page. */
static int add_slab(struct gn__costacks *stacks)
{
    size_t page = page_size(), each = GN__COSTACK_DEFAULT + page, i;
    struct slab *slab = map_memory(page + SLAB_STACKS * each);
    struct idle_stack *idle;
    char *at;

    if (!slab)
        return -ENOMEM;
    slab->size = page + SLAB_STACKS * each;
    gn__list_add_tail(&stacks->slabs, &slab->link);
    for (i = SLAB_STACKS; i-- > 0;) { /* The lowest is taken first. */
        at = (char *)slab + page + i * each;
        idle = idle_at(at + page);
        idle->guarded = stack_guard(stacks, at);
        gn__list_add_head(&stacks->idle, &idle->link);
    }
    return 0;
}

static int take_usual(struct gn__costacks *stacks, struct gn__costack *out)
{
    struct idle_stack *idle;
    int err;

    if (gn__list_empty(&stacks->idle)) {
        err = add_slab(stacks);
        if (err)
            return err;
    }
    idle =
        gn__container_of(gn__list_pop(&stacks->idle), struct idle_stack, link);
    out->low = low_of(idle);
    out->size = GN__COSTACK_DEFAULT;
    out->guarded = idle->guarded;
    return 0;
}

static int take_own(size_t size, struct gn__costack *out)
{
    size_t page = page_size();
    char *at;

    if (size > SIZE_MAX / 2)
        return -EINVAL;
    size = (size + page - 1) / page * page;
    at = map_memory(size + page);
    if (!at)
        return -ENOMEM;
    out->guarded = !mprotect(at, page, PROT_NONE);
    out->low = at + page;
    out->size = size;
    return 0;
}

int gn__costack_take(struct gn__costacks *stacks, size_t size,
                     struct gn__costack *out)
{
    int err = size == GN__COSTACK_DEFAULT ? take_usual(stacks, out)
                                          : take_own(size, out);

    if (!err && !out->guarded)
        stack_mark(out->low);
    return err;
}

void gn__costack_give(struct gn__costacks *stacks, struct gn__costack *stack)
{
    size_t page = page_size();
    struct idle_stack *idle;

    if (stack->size == GN__COSTACK_DEFAULT) {
        idle = idle_at(stack->low);
        idle->guarded = stack->guarded;
        gn__list_add_head(&stacks->idle, &idle->link);
    } else {
        (void)munmap((char *)stack->low - page, stack->size + page);
    }
    stack->low = NULL;
}

bool gn__costack_is_overrun(const struct gn__costack *stack)
{
    uint64_t word;

    if (stack->guarded)
        return false;
    memcpy(&word, stack->low, sizeof(word));
    return word != MARK;
}
