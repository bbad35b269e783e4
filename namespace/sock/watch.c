/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The subscription: a callback on the driving thread for as long as what it
 * asked for holds.
 *
 * After each run the socket is told again, which queues the deferred task anew
 * if the state still asks for it: other sockets' deferred tasks come first, and
 * one that is never read starves no other. What its namespace has ended stays
 * ready for ever, so of that the watch is told once, for the last time.
 *
 * A deferred task that is queued holds no reference: the last one that is given
 * back ends the socket then and there, on whatever thread. The run takes one
 * for the time of the callback, if it still can. And where the driving thread
 * has the deferred task in its hands already, but not yet the lock, the watch
 * outlives the socket and is freed there (`sock` is NULL then).
 */
#include <assert.h>
#include <errno.h>

#include "namespace/internal.h"
#include "namespace/sock/sock.h"
#include "namespace/sock/system.h"

struct gn__watch {
    struct gn__deferred deferred;
    struct gn__engine *engine;
    struct gn_sock *sock; /* NULL: gone, when the deferred task was to run */
    gn_watch_cb callback;
    void *arg;
    short events;             /* 0: stopped */
    bool queued;              /* until it has the lock, also off the list */
    bool running;             /* the callback, without the lock */
    struct gn__list stoppers; /* struct gn__waiter: until it has run */
};

void gn__watch_notify(struct gn_sock *sock, short ready)
{
    struct gn__watch *watch = sock->watch;

    if (!watch || !watch->events || watch->queued || watch->running)
        return;
    if (!(ready & (watch->events | POLLERR | POLLHUP)))
        return;
    watch->queued = true;
    gn__deferred_queue(watch->engine, &watch->deferred);
}

static void watch_free(struct gn__watch *watch)
{
    gn__free(&watch->engine->net.mem, watch, sizeof(*watch));
}

/* Inside the engine: what to call with, and then with a reference to the
 * socket; or 0: not at all. */
static short watch_begin_run(struct gn__watch *watch)
{
    struct gn_sock *sock = watch->sock;
    short ready;

    watch->queued = false;
    if (!sock) {
        watch_free(watch);
        return 0;
    }
    if (!watch->events)
        return 0;
    ready = gn__sock_ready(sock) & (watch->events | POLLERR | POLLHUP);
    if (!ready || !gn__ref_try(&sock->refs))
        return 0;
    watch->running = true;
    if (sock->dead)
        watch->events = 0;
    return ready;
}

static void watch_end_run(struct gn__watch *watch)
{
    struct gn__list *it;

    watch->running = false;
    while ((it = gn__list_pop(&watch->stoppers)))
        gn__engine_wake(watch->engine,
                        gn__container_of(it, struct gn__waiter, link));
    gn__sock_changed(watch->sock);
}

static void watch_run(struct gn__deferred *deferred)
{
    struct gn__watch *watch =
        gn__container_of(deferred, struct gn__watch, deferred);
    struct gn__engine *engine = watch->engine; /* The driver has it. */
    struct gn_sock *sock = NULL;
    gn_watch_cb callback = NULL;
    void *arg = NULL;
    short ready;

    gn__engine_enter(engine);
    ready = watch_begin_run(watch);
    if (ready) {
        sock = watch->sock;
        callback = watch->callback;
        arg = watch->arg;
    }
    gn__engine_leave(engine);
    if (!ready)
        return;
    callback(sock, ready, arg);
    gn__engine_enter(engine);
    watch_end_run(watch);
    gn__engine_leave(engine);
    gn_sock_unref(sock);
}

static void watch_cancel(struct gn__watch *watch)
{
    watch->events = 0;
    if (!watch->queued || gn__list_empty(&watch->deferred.link))
        return; /* Not queued, or about to look at events. */
    gn__deferred_cancel(watch->engine, &watch->deferred);
    watch->queued = false;
}

void gn__watch_stop(struct gn_sock *sock)
{
    struct gn__watch *watch = sock->watch;

    if (!watch)
        return;
    watch_cancel(watch);
    while (watch->running && !gn__engine_is_driving(sock->engine)) {
        struct gn__waiter waiter = {.events = 0};

        gn__list_add_tail(&watch->stoppers, &waiter.link);
        if (gn__engine_wait(sock->engine, &waiter, GN__NEVER))
            return;
    }
}

void gn__watch_end(struct gn_sock *sock)
{
    struct gn__watch *watch = sock->watch;

    if (!watch)
        return;
    assert(!watch->running); /* It has a reference then. */
    sock->watch = NULL;
    watch_cancel(watch);
    watch->sock = NULL;
    if (!watch->queued)
        watch_free(watch);
}

static int watch_make(struct gn_sock *sock)
{
    struct gn__watch *watch = sock->watch;

    if (watch)
        return 0;
    watch = gn__zalloc(&sock->engine->net.mem, sizeof(*watch));
    if (!watch)
        return -ENOMEM;
    watch->deferred.run = watch_run;
    watch->engine = sock->engine;
    watch->deferred.account = sock->account;
    watch->sock = sock;
    gn__list_init(&watch->stoppers);
    sock->watch = watch;
    return 0;
}

int gn_sock_watch(struct gn_sock *sock, short events, gn_watch_cb callback,
                  void *arg)
{
    int err;

    if (!sock || (events && !callback))
        return -EFAULT;
    if (gn__sock_is_system(sock))
        return -ENOTSUP;
    gn__engine_enter(sock->engine); /* A dead socket can be let alone, too. */
    gn__watch_stop(sock);
    err = events || sock->dead == -EBADF ? sock->dead : 0;
    if (events && !err)
        err = watch_make(sock);
    if (events && !err) {
        sock->watch->events = events;
        sock->watch->callback = callback;
        sock->watch->arg = arg;
        gn__watch_notify(sock, gn__sock_ready(sock));
    }
    gn__sock_leave(sock);
    return err;
}
