/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_SIM_COSCHED_H
#define GN_SIM_COSCHED_H

/*
 * The coroutines of a clock: which can go on, and until when the others sleep.
 *
 *     start --> READY --gn__cosched_run()--> running --gn__cosched_park()--+
 *                 ^                             |                          |
 *                 |                             +--> ended, or given up    v
 *                 +--gn__cosched_unpark(), or its time has come---------parked
 *
 * All of it runs on the thread that uses the clock. A turn runs those that are
 * ready when it begins, in the order in which they became so; what they make
 * ready has the next turn, at the same time. So the order follows from the
 * calls and from nothing else.
 *
 * A coroutine that is given up does not go on: nothing on its stack is undone,
 * as on a machine whose power is cut. Its stack stays until the end, because
 * what it waited for may know of it.
 */
#include "base/heap.h"
#include "base/list.h"
#include "namespace/namespace.h"
#include "sim/fiber.h"

struct gn__cosched;

/** Coroutines that stand still together, and what of them would go on. */
struct gn__cogroup {
    bool held;
    struct gn__list waiting; /* struct gn__coroutine.link */
};

void gn__cogroup_init(struct gn__cogroup *group);
void gn__cogroup_hold(struct gn__cogroup *group, bool held);

/** A coroutine; embedded. */
struct gn__coroutine {
    struct gn__heap_node node; /* sleeping until its time */
    struct gn__fiber fiber;
    const void *guest; /* memory that it will look at when it goes on */
    struct gn__cosched *sched;
    struct gn__list of_sched;
    struct gn__cogroup *group; /* NULL: none */
    struct gn__list link;      /* ready, or waiting in its group */
    bool timed;
    bool over;                 /* it does not go on */
    bool done;                 /* run() has returned */
    bool dropped;              /* to be ended when it is left */
    struct gn__parker *parker; /* where it is parked; NULL: it is not */
    void (*run)(struct gn__coroutine *coroutine);
    /** It is over, its stack given back: `done`: run() has returned.
     *  Scheduler's stack; may free it. */
    void (*ended)(struct gn__coroutine *coroutine, bool done);
};

struct gn__cosched {
    struct gn__fiber scheduler;
    struct gn__costacks stacks;
    struct gn__list all;
    struct gn__list ready;
    struct gn__heap sleepers;
    struct gn__coroutine *running; /* NULL: the scheduler's stack */
    struct gn__coroutine *overrun; /* one whose stack was too small; NULL */
    uint64_t n_switches;
};

void gn__cosched_init(struct gn__cosched *sched);
/** End all that are left, as given up. */
void gn__cosched_done(struct gn__cosched *sched);

/** The coroutine that calls, of any clock; NULL: none. */
struct gn__coroutine *gn__cosched_current(void);

/**
 * The coroutine that ran last on this thread and is on its stack no more,
 * because a longjmp() went to the thread's own stack; NULL: none. Another stack
 * than these two is one that the coroutine's code has made, and switches to.
 */
struct gn__coroutine *gn__cosched_left(void);

/** Make it ready. co->run and ->ended are set. -ENOMEM, -EINVAL. */
GN_WARN_UNUSED int gn__cosched_start(struct gn__cosched *sched,
                                     struct gn__coroutine *coroutine,
                                     size_t stack_size);

/** Run those that are ready, or whose time has come by @now, one turn. */
void gn__cosched_run(struct gn__cosched *sched, uint64_t now);
/** When to call it next: 0: now; GN__NEVER. */
uint64_t gn__cosched_next(const struct gn__cosched *sched);

/** The running one waits until it is woken or until @deadline. -EDEADLK on the
 *  scheduler's stack. */
GN_WARN_UNUSED int gn__cosched_park(struct gn__cosched *sched,
                                    struct gn__parker *parker,
                                    uint64_t deadline);
void gn__cosched_unpark(struct gn__cosched *sched, struct gn__parker *parker);

/** It does not go on: it lets go of what it waits for. Then end it, as given
 *  up; the running one when it is left. */
void gn__cosched_doom(struct gn__coroutine *coroutine);
void gn__cosched_drop(struct gn__coroutine *coroutine);

/** The running one does not go on. Does not return. */
_Noreturn void gn__cosched_give_up(struct gn__cosched *sched);

#endif /* GN_SIM_COSCHED_H */
