/* SPDX-License-Identifier: BSD-3-Clause */

/* The coroutines of a clock; see cosched.h. */
#include "sim/cosched.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define CACHE_LINE 64u
/** What a call that ends a wait looks at, of a stack and of a guest. */
#define STACK_LINES 12u
#define GUEST_LINES 16u

static _Thread_local struct gn__coroutine *thread_current;

/* Looked at anew each time: behind a wait the thread may be another. */
__attribute__((noinline)) struct gn__coroutine *gn__cosched_current(void)
{
    __asm__ volatile("");
    return thread_current;
}

static bool is_on_stack_of_thread(const void *at)
{
    static _Thread_local struct gn__costack own;
    pthread_attr_t attr;

    if (!own.size && !pthread_getattr_np(pthread_self(), &attr)) {
        (void)pthread_attr_getstack(&attr, &own.low, &own.size);
        (void)pthread_attr_destroy(&attr);
    }
    return gn__costack_has(&own, at);
}

struct gn__coroutine *gn__cosched_left(void)
{
    const void *here = __builtin_frame_address(0);
    struct gn__coroutine *last = thread_current;

    if (!last || gn__costack_has(&last->fiber.stack, here))
        return NULL;
    return is_on_stack_of_thread(here) ? last : NULL;
}

void gn__cosched_init(struct gn__cosched *sched)
{
    gn__fiber_init(&sched->scheduler);
    gn__costacks_init(&sched->stacks);
    gn__list_init(&sched->all);
    gn__list_init(&sched->ready);
    gn__heap_init(&sched->sleepers);
    sched->running = NULL;
    sched->overrun = NULL;
    sched->n_switches = 0;
}

/* ---- groups ---- */

void gn__cogroup_init(struct gn__cogroup *group)
{
    group->held = false;
    gn__list_init(&group->waiting);
}

void gn__cogroup_hold(struct gn__cogroup *group, bool held)
{
    struct gn__list *first = gn__list_first(&group->waiting);
    struct gn__coroutine *coroutine;

    group->held = held;
    if (held || !first)
        return;
    coroutine = gn__container_of(first, struct gn__coroutine, link);
    gn__list_splice(&coroutine->sched->ready, &group->waiting);
}

/* ---- going on ---- */

static void make_ready(struct gn__coroutine *coroutine)
{
    if (gn__list_empty(&coroutine->link) && !coroutine->over)
        gn__list_add_tail(&coroutine->sched->ready, &coroutine->link);
}

static void stop_sleeping(struct gn__coroutine *coroutine)
{
    if (coroutine->timed)
        gn__heap_remove(&coroutine->sched->sleepers, &coroutine->node);
    coroutine->timed = false;
}

/* What it waits for is gone, or is to forget it. */
static void abandon_wait(struct gn__coroutine *coroutine)
{
    struct gn__waiter *waiter;

    if (!coroutine->parker)
        return;
    waiter = gn__container_of(coroutine->parker, struct gn__waiter, parker);
    coroutine->parker->task = NULL;
    if (waiter->link.next)
        gn__list_del(&waiter->link);
    if (waiter->abandon)
        waiter->abandon(waiter);
}

static void sched_finish(struct gn__coroutine *coroutine, bool done)
{
    struct gn__cosched *sched = coroutine->sched;

    stop_sleeping(coroutine);
    gn__list_del(&coroutine->link);
    gn__list_del(&coroutine->of_sched);
    gn__fiber_destroy(&coroutine->fiber, &sched->stacks);
    coroutine->ended(coroutine, done);
}

static void go_on(struct gn__cosched *sched, struct gn__coroutine *coroutine)
{
    sched->n_switches++;
    sched->running = thread_current = coroutine;
    gn__fiber_switch(&sched->scheduler, &coroutine->fiber);
    sched->running = thread_current = NULL;
    if (gn__costack_is_overrun(&coroutine->fiber.stack)) {
        coroutine->over = true;
        sched->overrun = coroutine;
    } else if (coroutine->done || coroutine->dropped) {
        sched_finish(coroutine, coroutine->done);
    }
}

void gn__cosched_doom(struct gn__coroutine *coroutine)
{
    stop_sleeping(coroutine);
    gn__list_del(&coroutine->link);
    coroutine->over = true;
    abandon_wait(coroutine);
    coroutine->parker = NULL;
}

void gn__cosched_drop(struct gn__coroutine *coroutine)
{
    if (coroutine->sched->running == coroutine)
        coroutine->dropped = true;
    else
        sched_finish(coroutine, false);
}

/* A coroutine's first function; it ends by leaving. */
static void coroutine_main(void *arg)
{
    struct gn__coroutine *self = arg;

    gn__fiber_begin(&self->fiber, &self->sched->scheduler);
    self->run(self);
    self->over = true;
    self->done = true;
    gn__fiber_leave(&self->fiber, &self->sched->scheduler);
}

int gn__cosched_start(struct gn__cosched *sched,
                      struct gn__coroutine *coroutine, size_t stack_size)
{
    int err = gn__fiber_create(&coroutine->fiber, &sched->stacks, stack_size,
                               coroutine_main, coroutine);

    if (err)
        return err;
    coroutine->sched = sched;
    coroutine->timed = false;
    coroutine->over = false;
    coroutine->done = false;
    coroutine->dropped = false;
    coroutine->parker = NULL;
    gn__list_init(&coroutine->link);
    gn__list_add_tail(&sched->all, &coroutine->of_sched);
    make_ready(coroutine);
    return 0;
}

/* ---- turns ---- */

static void wake_sleepers(struct gn__cosched *sched, uint64_t now)
{
    struct gn__heap_node *node;

    while ((node = gn__heap_first(&sched->sleepers)) && node->time <= now) {
        struct gn__coroutine *coroutine =
            gn__container_of(node, struct gn__coroutine, node);

        stop_sleeping(coroutine);
        make_ready(coroutine);
    }
}

static void sched_fetch(const void *at, unsigned n_lines)
{
    const char *line = at;

    for (; n_lines; n_lines--, line += CACHE_LINE)
        __builtin_prefetch(line);
}

/* The task that is woken next has slept for long, and others have had the
 * cache: the memory that it goes on from is fetched while this turn runs. */
static void expect_next(const struct gn__cosched *sched)
{
    struct gn__heap_node *node = gn__heap_first(&sched->sleepers);
    const struct gn__coroutine *next;

    if (!node)
        return;
    next = gn__container_of(node, struct gn__coroutine, node);
    sched_fetch(gn__context_at(&next->fiber.context), STACK_LINES);
    sched_fetch(next->guest, GUEST_LINES);
}

void gn__cosched_run(struct gn__cosched *sched, uint64_t now)
{
    struct gn__list turn, *it;

    wake_sleepers(sched, now);
    expect_next(sched);
    gn__list_init(&turn);
    gn__list_splice(&turn, &sched->ready);
    while ((it = gn__list_pop(&turn))) {
        struct gn__coroutine *next =
            gn__container_of(it, struct gn__coroutine, link);

        if (next->group && next->group->held)
            gn__list_add_tail(&next->group->waiting, &next->link);
        else
            go_on(sched, next);
    }
}

uint64_t gn__cosched_next(const struct gn__cosched *sched)
{
    const struct gn__heap_node *node = gn__heap_first(&sched->sleepers);

    if (!gn__list_empty(&sched->ready))
        return 0;
    return node ? node->time : GN__NEVER;
}

void gn__cosched_done(struct gn__cosched *sched)
{
    struct gn__list *it;

    gn__list_foreach (it, &sched->all)
        abandon_wait(gn__container_of(it, struct gn__coroutine, of_sched));
    while ((it = gn__list_first(&sched->all)))
        sched_finish(gn__container_of(it, struct gn__coroutine, of_sched),
                     false);
    gn__costacks_done(&sched->stacks);
}

/* ---- waiting ---- */

int gn__cosched_park(struct gn__cosched *sched, struct gn__parker *parker,
                     uint64_t deadline)
{
    struct gn__coroutine *self = sched->running;

    if (!self)
        return -EDEADLK; /* Nothing else would let time pass. */
    if (atomic_load_explicit(&parker->woken, memory_order_relaxed))
        return 0;
    parker->task = self;
    self->parker = parker;
    if (deadline != GN__NEVER) {
        gn__heap_insert(&sched->sleepers, &self->node, deadline);
        self->timed = true;
    }
    gn__fiber_switch(&self->fiber, &sched->scheduler);
    stop_sleeping(self);
    self->parker = NULL;
    parker->task = NULL;
    return 0;
}

void gn__cosched_unpark(struct gn__cosched *sched, struct gn__parker *parker)
{
    (void)sched;
    atomic_store_explicit(&parker->woken, 1, memory_order_release);
    if (parker->task)
        make_ready(parker->task);
}

_Noreturn void gn__cosched_give_up(struct gn__cosched *sched)
{
    sched->running->over = true;
    gn__fiber_leave(&sched->running->fiber, &sched->scheduler);
    abort(); /* It is not switched to again. */
}
