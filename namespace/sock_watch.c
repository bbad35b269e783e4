/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The subscription: a callback on the driving thread for as long as what it
 * asked for holds.
 *
 * A notice that is queued or running holds a reference, so that the socket is
 * there when it runs. After each run the socket is settled again, which queues
 * the notice anew if the state still asks for it: other sockets' notices come
 * first, and one that is never read starves nobody.
 */
#include <errno.h>

#include "namespace/internal.h"
#include "namespace/sock.h"
#include "namespace/sock_system.h"

struct gn__watch {
    struct gn__notice notice;
    struct gn_sock *sock;
    gn_watch_cb callback;
    void *arg;
    short events; /* 0: stopped */
    bool queued;
    bool running;             /* the callback, without the lock */
    struct gn__list stoppers; /* struct gn__waiter: until it has run */
};

void gn__watch_settle(struct gn_sock *sock, short ready)
{
    struct gn__watch *watch = sock->watch;

    if (!watch || !watch->events || watch->queued || watch->running)
        return;
    if (!(ready & (watch->events | POLLERR | POLLHUP)))
        return;
    watch->queued = true;
    gn_sock_ref(sock);
    gn__notice_queue(sock->engine, &watch->notice);
}

/* Inside the engine: what to call with, 0 for not at all. The reference of
 * the notice alone does not count: its user has let go of the socket. */
static short begin_run(struct gn__watch *watch)
{
    struct gn_sock *sock = watch->sock;
    short asked = watch->events | POLLERR | POLLHUP;

    watch->queued = false;
    if (!watch->events || atomic_load(&sock->refs) == 1)
        return 0;
    return gn__sock_ready(sock) & asked;
}

static void end_run(struct gn__watch *watch)
{
    struct gn__list *it;

    watch->running = false;
    while ((it = gn__list_pop(&watch->stoppers)))
        gn__engine_wake(watch->sock->engine,
                        gn__container_of(it, struct gn__waiter, link));
    gn__sock_changed(watch->sock);
}

static void run(struct gn__notice *notice)
{
    struct gn__watch *watch =
        gn__container_of(notice, struct gn__watch, notice);
    struct gn_sock *sock = watch->sock;
    gn_watch_cb callback;
    void *arg;
    short ready;

    gn__engine_enter(sock->engine);
    ready = begin_run(watch);
    callback = watch->callback;
    arg = watch->arg;
    watch->running = ready != 0;
    gn__engine_leave(sock->engine);
    if (ready) {
        callback(sock, ready, arg);
        gn__engine_enter(sock->engine);
        end_run(watch);
        gn__engine_leave(sock->engine);
    }
    gn_sock_unref(sock);
}

/* The caller holds a reference, so the notice's is not the last. */
static void cancel(struct gn__watch *watch)
{
    watch->events = 0;
    if (!watch->queued || gn__list_empty(&watch->notice.link))
        return; /* Not queued, or about to look at events. */
    gn__notice_cancel(watch->sock->engine, &watch->notice);
    watch->queued = false;
    gn_sock_unref(watch->sock);
}

void gn__watch_stop(struct gn_sock *sock)
{
    struct gn__watch *watch = sock->watch;

    if (!watch)
        return;
    cancel(watch);
    while (watch->running && !gn__engine_is_driving(sock->engine)) {
        struct gn__waiter waiter = {.events = 0};

        gn__list_add_tail(&watch->stoppers, &waiter.link);
        if (gn__engine_wait(sock->engine, &waiter, GN__NEVER))
            return;
    }
}

void gn__watch_free(struct gn_sock *sock)
{
    gn__free(&sock->engine->net.mem, sock->watch, sizeof(*sock->watch));
    sock->watch = NULL;
}

static int make(struct gn_sock *sock)
{
    struct gn__watch *watch = sock->watch;

    if (watch)
        return 0;
    watch = gn__zalloc(&sock->engine->net.mem, sizeof(*watch));
    if (!watch)
        return -ENOMEM;
    watch->notice.run = run;
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
    gn__engine_enter(sock->engine); /* Also a dead socket can be let alone. */
    gn__watch_stop(sock);
    err = events || sock->dead == -EBADF ? sock->dead : 0;
    if (events && !err)
        err = make(sock);
    if (events && !err) {
        sock->watch->events = events;
        sock->watch->callback = callback;
        sock->watch->arg = arg;
        gn__watch_settle(sock, gn__sock_ready(sock));
    }
    gn__sock_leave(sock);
    return err;
}
