/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_BASE_SCHED_H
#define GN_BASE_SCHED_H

/*
 * Which account has the next turn on the driving thread.
 *
 * Every call that is deferred to it (a dial, datagrams of a flow, a relay's
 * round, a lookup, a watched socket, a descriptor that became ready, a timer)
 * is a task, and belongs to an account: each guest has one, and so has the
 * host program. The account that has spent the least time goes first, so the
 * thread is shared by guest first, however many tasks one of them has; the
 * tasks of one account run in the order in which they were queued.
 *
 *     idle --(queue)--> waiting --(pick)--> running --(charge)--> idle, waiting
 *
 * An account that was idle does not get back the time that it left to others,
 * except for GN__SCHED_CREDIT: a guest that does little never waits for more
 * than one task of each of the others.
 *
 * A task must be short by itself: one that has more to do queues itself again.
 *
 * The scheduler knows no lock and no clock. Its user has both
 * (engine/engine.c).
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/ref.h"

/** The least that a task costs, ns: what a turn takes by itself. It is all
 *  that counts where time stands still. */
#define GN__SCHED_COST_MIN 1000u
/** The most, ns: a thread that lost its processor in the middle of a task must
 *  not make the guest pay. */
#define GN__SCHED_COST_MAX 1000000u
/** How far behind the others an account may be that was idle, ns. */
#define GN__SCHED_CREDIT 2000000u

/** The owner of tasks. Counted: whatever outlives a guest keeps its account. */
struct gn__account {
    struct gn__ref refs;
    struct gn__mem mem;
    struct gn__heap_node node; /* time: spent */
    struct gn__list tasks;     /* struct gn__deferred */
    uint64_t spent;            /* ns, with what it was not given back */
    bool waiting;              /* in the heap, which has a reference */
    _Atomic bool ended;        /* what comes now is the host program's */
};

/** A call that is due on the driving thread; embedded. Zero but for run: not
 *  queued, and the host program's. */
struct gn__deferred {
    struct gn__list link;                       /* of its account */
    void (*run)(struct gn__deferred *deferred); /* without the lock */
    struct gn__account *account; /* NULL: the host program's; borrowed */
};

struct gn__sched {
    struct gn__heap waiting;     /* accounts with tasks, or that had some */
    struct gn__account host;     /* the host program's */
    struct gn__account *running; /* a reference; NULL: none */
    uint64_t floor; /* what the one that was picked last had spent */
    size_t n;       /* tasks that are queued */
};

/** One reference. NULL: no memory. */
struct gn__account *gn__account_create(const struct gn__mem *mem);
struct gn__account *gn__account_ref(struct gn__account *account);
/** NULL: nothing happens. */
void gn__account_unref(struct gn__account *account);
/** Has gn__sched_end() been called? Any thread. */
static inline bool gn__account_has_ended(const struct gn__account *account)
{
    return atomic_load_explicit(&account->ended, memory_order_relaxed);
}

/** Has it more than one task that waits? */
static inline bool gn__account_is_busy(const struct gn__account *account)
{
    return gn__list_first(&account->tasks) != gn__list_last(&account->tasks);
}

void gn__sched_init(struct gn__sched *sched);
/** No task of any account is queued any more that could be run. */
void gn__sched_done(struct gn__sched *sched);

/** Queue a task; queued already, it stays where it is. */
void gn__sched_queue(struct gn__sched *sched, struct gn__deferred *task);
void gn__sched_cancel(struct gn__sched *sched, struct gn__deferred *task);

/** The next task, off its queue; NULL: none. The task that runs from here on is
 *  on its account, until gn__sched_charge() says what it took, or for nothing
 *  until the next is picked. */
struct gn__deferred *gn__sched_pick(struct gn__sched *sched);
void gn__sched_charge(struct gn__sched *sched, uint64_t cost_ns);

/** All of its tasks become the host program's, before those that come later:
 *  what the host program is told of an end stays in its order. */
void gn__sched_hand_over(struct gn__sched *sched, struct gn__account *account);
/** The same, and for all that come later. */
void gn__sched_end(struct gn__sched *sched, struct gn__account *account);

#endif /* GN_BASE_SCHED_H */
