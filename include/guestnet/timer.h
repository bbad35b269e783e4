/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_TIMER_H
#define GUESTNET_TIMER_H

/*
 * Timers in a guest's time: how one that is made of callbacks sleeps, retries,
 * and gives up. Under a clock that is virtual time, and by the guest's own
 * clock if that drifts (machine.h), as it goes when the timer starts and each
 * time that it calls back.
 *
 *     gn_timer_start(ns, 500 * MS, 0, retry, arg, NULL)    once
 *     gn_timer_start(ns, 0, 1000 * MS, tick, arg, &timer)  at once, and then
 *                                                          every second
 *
 * A timer is a request as guestnet.h describes it, and its handle is counted.
 * One that repeats calls back each time, and in the end once with an error. It
 * is charged to its guest, as all that the guest causes, and ends with it.
 *
 * A callback comes on the driving thread and never early. A timer that is late,
 * because the thread was busy or the machine slept, does not catch up: it calls
 * once, and goes on at the times it would have had.
 *
 * Timers keep a loop running until they are over.
 */
#include <stdint.h>

#include <guestnet/export.h>

GN_BEGIN_DECLS

struct gn_namespace;
struct gn_timer;

/**
 * The time has come, or never will.
 *
 * @timer   Borrowed for the call.
 * @status  0, or as the last call: -ECANCELED (it was cancelled, its guest
 *          killed or closed, or its network closed) or -ENOMEM (it never
 *          began).
 */
typedef void (*gn_timer_cb)(struct gn_timer *timer, int status, void *arg);

/**
 * Start a timer.
 *
 * @ns           Whose time, limit and turn on the driving thread it has: a
 *               guest, or gn_network_gateway().
 * @after_ns     From now until the first call, on a later turn even if it is
 *               0; UINT64_MAX: never.
 * @interval_ns  From then on between calls; 0: there is one only.
 * @callback     Runs once; with @interval_ns until it is told an error.
 * @out          NULL, or set on success, before @callback can run. Owned by the
 *               caller: gn_timer_unref().
 *
 * Returns 0, or:
 *   -EINVAL     @ns or @callback is NULL.
 *   -EAGAIN     The guest has gn_limits.max_timers already.
 *   -ECANCELED  The guest was killed or is closing, or its network is.
 *   -ENOMEM     Out of memory.
 *   -ENOTSUP    A namespace of gn_namespace_system().
 * Under GN_DRIVE_THREAD any thread, and it waits for none.
 */
GN_API GN_WARN_UNUSED int gn_timer_start(struct gn_namespace *ns,
                                         uint64_t after_ns,
                                         uint64_t interval_ns,
                                         gn_timer_cb callback, void *arg,
                                         struct gn_timer **out);

/** End it early: its last call comes with -ECANCELED on a later turn. When that
 *  has been, again, in its only call, or NULL: does nothing. Threads as
 *  gn_timer_start(). */
GN_API void gn_timer_cancel(struct gn_timer *timer);
/** Let go of the handle; the timer goes on. Any thread, before or after the
 *  callback or in it. NULL is allowed. */
GN_API void gn_timer_unref(struct gn_timer *timer);

GN_END_DECLS

#endif /* GUESTNET_TIMER_H */
