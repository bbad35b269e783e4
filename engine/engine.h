/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_ENGINE_ENGINE_H
#define GN_ENGINE_ENGINE_H

/*
 * The engine: the passive core that moves packets and runs timers when it is
 * called with the time, and the seam to its caller (the driver).
 *
 * It owns no thread, reads no clock and does no I/O. Every entry is
 *
 *     gn__engine_enter()   takes the lock, reads the driver's clock once
 *     ... the operation ...
 *     gn__engine_leave()   delivers packets and runs timers until none is due
 *                          or the budget is spent (then it is "due now"),
 *                          tells the sockets that changed, releases the
 *                          lock, and only then wakes threads
 *
 * No lock is held in a callback: callbacks are deferred tasks, queued under the
 * lock and run by the driving thread with gn__engine_dispatch(), guest by guest
 * (base/sched.h; docs/decisions/0020).
 *
 * Networks of one driver share an engine; a namespace can be attached only to
 * networks of its engine. The lock is one for the process (lwIP is), whatever
 * the number of engines; see the driver's lock.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/io.h"
#include "base/list.h"
#include "base/ref.h"
#include "base/rng.h"
#include "base/sched.h"
#include "netstack/netstack.h"

/** Packets moved by one entry before it leaves the rest as "due now". */
#define GN__ENGINE_BUDGET 64u
/** Callbacks of one turn begin within this, ns; then descriptors are looked at
 *  again. */
#define GN__ENGINE_TURN_NS 100000u

/** Packets that wait in all lanes; a sender that has less than the least is
 *  never refused, and beyond may have a quarter of what is left. */
#define GN__RUN_QUEUE_MAX   16384u
#define GN__RUN_QUEUE_LEAST 256u
#define GN__RUN_QUEUE_SHARE 4u

struct gn__engine;
struct gn__walls;

/** Where a thread (or a coroutine) sleeps. Zero is one that is not woken. */
struct gn__parker {
    _Atomic uint32_t woken;
    bool patient; /* it waits for much to be moved: no need to wake at once */
    void *task;   /* the driver's own */
};

/** The seam: everything the engine needs of the world outside. */
struct gn__driver_ops {
    const char *name;
    /** Now, ns, monotonic; never 0. */
    uint64_t (*now)(void *self);
    void (*random)(void *self, void *out, size_t len);
    /** A guest's code asks what time it is, without the lock: it may be waiting
     *  for another. NULL: nothing to be done. */
    void (*asked)(void *self);
    /** @driver: the caller is the driving thread, which is preferred. */
    void (*lock)(void *self, bool driver);
    void (*unlock)(void *self);
    /** Sleep until woken or until @deadline (ns of now(); GN__NEVER). Called
     *  without the lock. -EDEADLK where sleeping is impossible. */
    int (*park)(void *self, struct gn__parker *parker, uint64_t deadline);
    void (*unpark)(void *self, struct gn__parker *parker);
    /** The next deadline moved earlier, or deferred tasks are waiting (deadline
     *  is then now). Called without the lock; must be cheap when the driver is
     *  awake already or is the caller. */
    void (*kick)(void *self, uint64_t deadline);
    /** Is the calling thread the driving thread (inside a callback too)? */
    bool (*is_driving)(void *self);
    /** May the caller be parked although it drives, because it has a stack of
     *  its own beside the driver's? NULL: no. */
    bool (*may_park)(void *self);
    /** The owner of the references that a call now gets: gn__ns_cut() gives all
     *  of an owner's back. NULL: the caller's, which is not known. */
    const void *(*holder)(void *self);
    /** The calling thread does what only the driving thread may: it is that
     *  one from now on, unless another is driving right now. NULL: nothing to
     *  be done, any thread may or the driver is no thread. */
    void (*claim)(void *self);
    /** On the driving thread, without the lock: a network is gone. Calls
     *  @done exactly once; after the driver has ended if this was the last
     *  one and it ends then. */
    void (*gone)(void *self, void (*done)(void *arg), void *arg);
    /** The engine is gone with its last reference; free self. Any thread. */
    void (*released)(void *self);
    /** Kernel descriptors, on the driving thread, without the lock. NULL: the
     *  driver has none. Errors are those of gn__io_watch(). */
    int (*watch)(void *self, struct gn__io_watch *watch, int fd, short events);
    void (*unwatch)(void *self, struct gn__io_watch *watch);
    /** Keep the loop running (+1), or no longer (-1). Driving thread. NULL:
     *  nothing to keep. */
    void (*hold)(void *self, int n);
};

/** A timer of nanosecond precision; embedded. */
struct gn__event {
    struct gn__heap_node node;
    void (*fire)(struct gn__event *event);
    bool armed;
};

/**
 * A thread that waits; lives on its stack. One that waits for several things
 * has a waiter on the list of each: the first is the one it sleeps with, the
 * others name it in `chief`, and are taken off their lists by the thread.
 */
struct gn__waiter {
    struct gn__list link;
    struct gn__parker parker;
    struct gn__waiter *chief; /* NULL: itself */
    short events;             /* of a socket: what it waits for */
    const char *call;         /* what it waits in, for reports: "accept" */
    /** The wait never returns, because its coroutine does not go on: give back
     *  what the call holds. Without the lock, off every list. NULL: nothing. */
    void (*abandon)(struct gn__waiter *waiter);
    struct gn_sock *sock; /* and for what; NULL: no socket */
    bool waking;          /* it has been woken, or is about to be */
    bool *fired;          /* NULL or set under the lock when it is woken */
};

/**
 * Work for the time after unlocking: descriptors that show readiness. A thread
 * that leaves takes some off the list and calls take() under the lock, unlocks,
 * and calls run() on each; if one is queued again meanwhile, another thread may
 * be running the same one at once.
 */
struct gn__unlock_hook {
    struct gn__list link; /* in engine->fds; empty: not queued */
    void (*take)(
        struct gn__unlock_hook *unlock); /* keep it alive until run() ends */
    void (*run)(struct gn__unlock_hook *unlock);
};

/** Packets due now of one sender, in order: what packet->from points to begins
 *  with one. */
struct gn__lane {
    struct gn__list turn; /* in engine->lanes, if there are any */
    struct gn__packet *head;
    struct gn__packet **tail;
    uint32_t n;
};

/** Whose engine it is: what packets and changes are handed to, under the
 *  lock. */
struct gn__engine_user {
    const char *name;
    size_t room; /* bytes of its own behind the engine, gn__engine_room() */
    /** The room is zero; @key seeds what is hashed in it. NULL: nothing. */
    void (*init)(struct gn__engine *engine, const uint64_t key[2]);
    /** With the engine; packets have been freed. NULL: nothing. */
    void (*done)(struct gn__engine *engine);
    /** A packet is where it was under way to (consumed). */
    void (*arrived)(struct gn__engine *engine, struct gn__packet *packet);
    /** A node that was put on engine->changed, off it: once for each entry. */
    void (*changed)(struct gn__list *node);
};

struct gn__engine {
    const struct gn__driver_ops *driver;
    void *driver_self;
    const struct gn__engine_user *user;
    struct gn__ref refs;
    struct gn__netstack net;       /* net.now is the time of this entry */
    struct gn__rng rng;            /* everything random derives from it */
    uint64_t key[2];               /* the seed of namespaces' streams */
    struct gn__list lanes;         /* of senders that have packets due now */
    struct gn__lane own_lane;      /* of packets that no port has sent */
    uint32_t lane_turn;            /* moved of the first lane in its turn */
    uint32_t n_run;                /* packets in all of them */
    struct gn__heap under_way;     /* packets on links, by arrival */
    struct gn__heap events;        /* struct gn__event */
    size_t under_way_bytes;        /* memory held by packets on links */
    size_t under_way_max;          /* the user's limit of it */
    uint64_t last_generation;      /* of what the user numbers */
    struct gn__list changed;       /* what user->changed is to be told of */
    struct gn__sched deferred;     /* callbacks that are due */
    struct gn__list wakes;         /* struct gn__waiter, after unlocking */
    struct gn__list fds;           /* struct gn__unlock_hook */
    const struct gn__walls *walls; /* between groups of guests; NULL: none.
                                      Borrowed */
    struct gn__waiter *standby;    /* the sleeper that runs deadlines */
    bool dispatching;              /* a callback is running */
    _Atomic uint64_t next;         /* the next deadline, at the last leave */
    _Atomic uint64_t armed;        /* what the driver knows of it; both are
                                    written under the lock */
    uint64_t entries;              /* for statistics and tests */
};

/* The time of this entry, ns. */
static inline uint64_t gn__now(const struct gn__engine *engine)
{
    return engine->net.now;
}

/** The user's own. */
static inline void *gn__engine_room(struct gn__engine *engine)
{
    return engine + 1;
}

/** @alloc NULL: malloc. Seeds itself from driver->random. One reference. */
GN_WARN_UNUSED int gn__engine_create(const struct gn__driver_ops *driver,
                                     void *driver_self,
                                     const struct gn__engine_user *user,
                                     const struct gn_allocator *alloc,
                                     struct gn__engine **out);
/** Sockets may outlive their network; each holds the engine (and with it the
 *  driver and its lock). With the last reference both are freed. ref: any
 *  time; unref: without the lock. */
void gn__engine_ref(struct gn__engine *engine);
void gn__engine_unref(struct gn__engine *engine);

void gn__engine_enter(struct gn__engine *engine);
void gn__engine_leave(struct gn__engine *engine);
/** The same for a thread of @account's guest. */
void gn__engine_leave_for(struct gn__engine *engine,
                          const struct gn__account *account);

/** A call that was refused without entering: if the driving thread has work,
 *  give it the processor. A caller that asks again at once would otherwise
 *  spend the time in which room is made. */
void gn__engine_yield(struct gn__engine *engine);

/** For drivers: when to call again (0: now), computed at the last leave. */
uint64_t gn__engine_deadline(const struct gn__engine *engine);
/** For drivers: the last entry has left packets over, and not for callbacks. */
bool gn__engine_is_behind(const struct gn__engine *engine);
/** For drivers, on the driving thread, without the lock: enter, run what is
 *  due, leave. */
void gn__engine_run(struct gn__engine *engine);
/** Run deferred tasks (callbacks), at most @max, and none after
 *  GN__ENGINE_TURN_NS; true if any ran. Driving thread. */
bool gn__engine_dispatch(struct gn__engine *engine, unsigned max);

/** Queue a packet for delivery to packet->to, behind those that packet->from
 *  has sent before. */
void gn__engine_post(struct gn__engine *engine, struct gn__packet *packet);
void gn__lane_init(struct gn__lane *lane);
/** May one more be queued of this lane (NULL: from no sender)? */
static inline bool gn__engine_has_room(const struct gn__engine *engine,
                                       const struct gn__lane *lane)
{
    uint32_t n = (lane ? lane : &engine->own_lane)->n, all = engine->n_run;

    return n < GN__RUN_QUEUE_LEAST ||
           (all < GN__RUN_QUEUE_MAX &&
            n < (GN__RUN_QUEUE_MAX - all) / GN__RUN_QUEUE_SHARE);
}
/** The same, at a later time. */
void gn__engine_post_at(struct gn__engine *engine, struct gn__packet *packet,
                        uint64_t when);
void gn__event_arm(struct gn__engine *engine, struct gn__event *event,
                   uint64_t when);
void gn__event_disarm(struct gn__engine *engine, struct gn__event *event);
void gn__deferred_queue(struct gn__engine *engine,
                        struct gn__deferred *deferred);
void gn__deferred_cancel(struct gn__engine *engine,
                         struct gn__deferred *deferred);
/** The same on the driving thread, without the lock. */
void gn__engine_defer(struct gn__engine *engine, struct gn__deferred *deferred);
void gn__engine_forget(struct gn__engine *engine,
                       struct gn__deferred *deferred);
/** Is the calling thread the driving thread? */
bool gn__engine_is_driving(const struct gn__engine *engine);
/** May the caller wait: not on the driving thread, unless the driver can park
 *  what runs there. */
bool gn__engine_may_wait(const struct gn__engine *engine);
/** gn__driver_ops.holder; NULL: not known. */
const void *gn__engine_holder(const struct gn__engine *engine);
/** The same as gn__engine_is_driving(), for calls that only the driving thread
 *  may make unless any thread may: they make the caller the driving thread
 *  where another may have been that before. */
bool gn__engine_claim(const struct gn__engine *engine);

/**
 * Sleep until the waiter (already on some list, by the caller) is woken or
 * @deadline; leaves the engine and enters it again. A sleeping thread runs
 * the engine's deadlines itself. The waiter is off its list on return.
 *
 *   -EDEADLK  The caller may not wait, gn__engine_may_wait().
 *   -ETIMEDOUT
 */
GN_WARN_UNUSED int gn__engine_wait(struct gn__engine *engine,
                                   struct gn__waiter *waiter,
                                   uint64_t deadline);
/** Under the lock: move a waiter to those that are woken after unlocking. */
void gn__engine_wake(struct gn__engine *engine, struct gn__waiter *waiter);

#endif /* GN_ENGINE_ENGINE_H */
