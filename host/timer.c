/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A timer of a guest's: an event of the engine, which queues a task of the
 * guest's account, which calls back.
 *
 *   waiting --(event: deferred)--> due --> callback --> over, or waiting again
 *      |                            |
 *      +----------------------------+--(cancel: deferred)--> over --> callback
 *
 * Starting and cancelling only touch what is under the engine's lock, so they
 * are for any thread. Three things end a timer early: gn_timer_cancel(), its
 * namespace's end (the wait that it has there) and its network's close (the end
 * that it has in the network's io). The first two come with the lock held or
 * from anywhere, write `cancelled` and queue the deferred task; the third calls
 * back at once.
 *
 * The io is the driving thread's, so a timer that another thread starts joins
 * it in its first deferred task, which comes at once.
 *
 * The namespace's memory, and by it the engine's, is kept by a reference. A
 * timer has itself until its last call, and so has the caller that asked for a
 * handle.
 */
#include <guestnet/timer.h>

#include <errno.h>

#include "base/ref.h"
#include "host/driver/drive.h"
#include "namespace/namespace.h"

struct gn_timer {
    struct gn_namespace *ns; /* a reference */
    struct gn_network *net;  /* good until it is cancelled */
    struct gn__engine *engine;
    struct gn__io *io; /* NULL: not joined */
    struct gn__io_end end;
    struct gn__wait wait;
    struct gn__event event;
    struct gn__deferred deferred;
    struct gn__ref refs;
    uint64_t at;       /* when it is due, ns; GN__NEVER */
    uint64_t interval; /* of its guest's clock; 0: once */
    bool due;          /* under the lock, as the next two */
    bool cancelled;
    bool over;
    gn_timer_cb callback;
    void *arg;
};

/* ---- under the lock ---- */

static void event_fires(struct gn__event *event)
{
    struct gn_timer *timer = gn__container_of(event, struct gn_timer, event);

    timer->due = true;
    gn__deferred_queue(timer->engine, &timer->deferred);
}

static void cancel_locked(struct gn_timer *timer)
{
    if (timer->over)
        return;
    timer->cancelled = true;
    gn__event_disarm(timer->engine, &timer->event);
    gn__deferred_queue(timer->engine, &timer->deferred);
}

static void namespace_ends(struct gn__wait *wait)
{
    cancel_locked(gn__container_of(wait, struct gn_timer, wait));
}

static void timer_arm(struct gn_timer *timer)
{
    if (timer->at != GN__NEVER)
        gn__event_arm(timer->engine, &timer->event, timer->at);
}

/* Calls that were missed are not made up for, and the pace is kept: that of the
 * guest's clock as it goes now. */
static void timer_arm_next(struct gn_timer *timer)
{
    uint64_t pace = gn__ns_span(timer->ns, timer->interval);
    uint64_t now = gn__now(timer->engine);

    timer->at += (now - timer->at) / pace * pace;
    timer->at = pace < GN__NEVER - timer->at ? timer->at + pace : GN__NEVER;
    timer_arm(timer);
}

/* ---- the network's io ---- */

static void network_ends(struct gn__io_end *end);

static int timer_join(struct gn_timer *timer)
{
    struct gn__io *io = gn__network_io(timer->net);

    if (!io)
        return gn__network_is_closing(timer->net) ? -ECANCELED : -ENOMEM;
    timer->io = io;
    timer->end.run = network_ends;
    gn__io_at_end(io, &timer->end);
    gn__io_hold(io);
    return 0;
}

static void timer_leave(struct gn_timer *timer)
{
    if (!timer->io)
        return;
    gn__io_forget_end(&timer->end);
    gn__io_release(timer->io);
    timer->io = NULL;
}

/* ---- on the driving thread ---- */

void gn_timer_unref(struct gn_timer *timer)
{
    struct gn_namespace *ns;

    if (!timer || !gn__ref_give(&timer->refs))
        return;
    ns = timer->ns;
    gn__free(gn__ns_mem(ns), timer, sizeof(*timer));
    gn__ns_unref(ns);
}

/* From here on it cannot be found any more; true if it was cancelled. */
static bool timer_claim(struct gn_timer *timer)
{
    bool cancelled;

    gn__engine_enter(timer->engine);
    cancelled = timer->cancelled;
    timer->over = true;
    gn__event_disarm(timer->engine, &timer->event);
    gn__deferred_cancel(timer->engine, &timer->deferred);
    gn__ns_timer_end(timer->ns, &timer->wait);
    gn__engine_leave(timer->engine);
    return cancelled;
}

static void timer_finish(struct gn_timer *timer, int status)
{
    if (timer_claim(timer))
        status = -ECANCELED;
    timer_leave(timer);
    timer->callback(timer, status, timer->arg);
    gn_timer_unref(timer);
}

static void network_ends(struct gn__io_end *end)
{
    timer_finish(gn__container_of(end, struct gn_timer, end), -ECANCELED);
}

/* Is there a call to be made; and if it repeats, the next is on its way. */
static bool timer_take_due(struct gn_timer *timer, bool *cancelled)
{
    bool due;

    gn__engine_enter(timer->engine);
    *cancelled = timer->cancelled;
    due = timer->due;
    timer->due = false;
    if (due && timer->interval && !*cancelled)
        timer_arm_next(timer);
    gn__engine_leave(timer->engine);
    return due;
}

static void timer_run(struct gn__deferred *deferred)
{
    struct gn_timer *timer =
        gn__container_of(deferred, struct gn_timer, deferred);
    bool cancelled, due = timer_take_due(timer, &cancelled);
    int err = 0;

    if (!cancelled && !timer->io)
        err = timer_join(timer);
    if (cancelled || err)
        timer_finish(timer, err);
    else if (due && !timer->interval)
        timer_finish(timer, 0);
    else if (due)
        timer->callback(timer, 0, timer->arg);
}

/* ---- the calls ---- */

static struct gn_timer *timer_make(struct gn_namespace *ns,
                                   uint64_t interval_ns, gn_timer_cb callback,
                                   void *arg)
{
    struct gn_timer *timer = gn__zalloc(gn__ns_mem(ns), sizeof(*timer));

    if (!timer)
        return NULL;
    timer->ns = ns;
    timer->engine = gn__ns_engine(ns);
    timer->interval = interval_ns;
    timer->callback = callback;
    timer->arg = arg;
    timer->wait.fire = namespace_ends;
    timer->event.fire = event_fires;
    timer->deferred.run = timer_run;
    timer->deferred.account = gn__ns_account(ns);
    return timer;
}

/* Its namespace and its driver know of it from here on, and unless this is the
 * driving thread it may even have called back. */
static int timer_submit(struct gn_timer *timer, uint64_t after_ns,
                        struct gn_timer **out)
{
    int err;

    gn__engine_enter(timer->engine);
    err = gn__ns_timer_begin(timer->ns, &timer->wait);
    if (!err) {
        timer->at = gn__ns_deadline(timer->ns, after_ns);
        timer_arm(timer);
        if (!timer->io)
            gn__deferred_queue(timer->engine, &timer->deferred);
        if (out)
            *out = timer;
    }
    gn__engine_leave(timer->engine);
    return err;
}

int gn_timer_start(struct gn_namespace *ns, uint64_t after_ns,
                   uint64_t interval_ns, gn_timer_cb callback, void *arg,
                   struct gn_timer **out)
{
    struct gn_timer *timer;
    int err = 0;

    if (!ns || !callback)
        return -EINVAL;
    if (gn__ns_is_system(ns))
        return -ENOTSUP;
    timer = timer_make(ns, interval_ns, callback, arg);
    if (!timer)
        return -ENOMEM;
    gn__ref_init(&timer->refs, out ? 2 : 1);
    timer->net = gn__namespace_network(ns);
    if (!timer->net)
        err = -ECANCELED;
    else if (gn__engine_is_driving(timer->engine))
        err = timer_join(timer);
    if (!err)
        err = timer_submit(timer, after_ns, out);
    if (err) {
        timer_leave(timer);
        gn__free(gn__ns_mem(ns), timer, sizeof(*timer));
    }
    return err;
}

void gn_timer_cancel(struct gn_timer *timer)
{
    if (!timer)
        return;
    gn__engine_enter(timer->engine);
    cancel_locked(timer);
    gn__engine_leave(timer->engine);
}
