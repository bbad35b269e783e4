/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Readiness, and what waits for it.
 *
 * Backends say what holds now (ops->ready), in the bits of poll(2). Code that
 * changes a socket (a segment that arrived, our own call) puts it on the
 * engine's list of changed sockets. On leaving the engine each of them is
 * looked at once, and whatever waits for a state that holds now is told. There
 * are three kinds of such waits, and each looks at the state and not at an
 * edge, so that a wake-up cannot be lost:
 *
 *   waits         threads in a call, or polls over several sockets; fired once
 *   the watch     a callback on the driving thread, again and again
 *   descriptors   a level to be shown after unlocking (host/kernel/sockfd.c)
 */
#include <errno.h>
#include <string.h>

#include "namespace/internal.h"
#include "namespace/sock/sock.h"

/** What a poll shows of a socket that its namespace has ended. */
#define DEAD_EVENTS \
    (POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLRDHUP | POLLERR | POLLHUP)
#define ALWAYS (POLLERR | POLLHUP | POLLNVAL)

short gn__sock_ready(struct gn_sock *sock)
{
    if (sock->dead == -EBADF)
        return POLLNVAL;
    return sock->dead ? DEAD_EVENTS : sock->ops->ready(sock);
}

static bool anybody_looks(const struct gn_sock *sock)
{
    return sock->watch || !gn__list_empty(&sock->waits) ||
           !gn__list_empty(&sock->fds);
}

void gn__sock_changed(void *owner)
{
    struct gn_sock *sock = owner;

    if (gn__list_empty(&sock->changed))
        gn__list_add_tail(&sock->engine->changed, &sock->changed);
}

void gn__sock_touch(struct gn_sock *sock)
{
    if (anybody_looks(sock))
        gn__sock_changed(sock);
}

static void fire_waits(struct gn_sock *sock, short ready)
{
    struct gn__list *it, *tmp;

    gn__list_foreach_safe (it, tmp, &sock->waits) {
        struct gn__wait *wait = gn__container_of(it, struct gn__wait, link);

        if (!(ready & (wait->events | ALWAYS)) &&
            !(wait->events & GN__WAIT_ANY))
            continue;
        gn__list_del(&wait->link);
        wait->fire(wait);
    }
}

static void poll_show(struct gn_sock *sock, struct gn__sock_fd *fd, bool level)
{
    if (atomic_load_explicit(&fd->level, memory_order_relaxed) == level)
        return;
    atomic_store_explicit(&fd->level, level, memory_order_release);
    if (gn__list_empty(&fd->unlock.link))
        gn__list_add_tail(&sock->engine->fds, &fd->unlock.link);
}

void gn__sock_notify(struct gn_sock *sock)
{
    struct gn__list *it;
    short ready;

    if (!anybody_looks(sock))
        return;
    ready = gn__sock_ready(sock);
    fire_waits(sock, ready);
    gn__watch_notify(sock, ready);
    gn__list_foreach (it, &sock->fds) {
        struct gn__sock_fd *fd =
            gn__container_of(it, struct gn__sock_fd, of_sock);

        poll_show(sock, fd, ready & (fd->events | ALWAYS));
    }
}

void gn__sock_fds_end(struct gn_sock *sock)
{
    struct gn__list *it;

    while ((it = gn__list_pop(&sock->fds))) {
        struct gn__sock_fd *fd =
            gn__container_of(it, struct gn__sock_fd, of_sock);

        atomic_store(&fd->ended, true);
        if (gn__list_empty(&fd->unlock.link))
            gn__list_add_tail(&sock->engine->fds, &fd->unlock.link);
    }
}

void gn__sock_poll_end(struct gn_sock *sock)
{
    gn__sock_notify(sock);
}

/* ---- waiting for one socket ---- */

struct sleeper {
    struct gn__wait wait;
    struct gn__waiter waiter;
};

static void wake_sleeper(struct gn__wait *wait)
{
    struct gn_sock *sock = wait->arg;
    struct sleeper *sleeper = gn__container_of(wait, struct sleeper, wait);

    gn__engine_wake(sock->engine, &sleeper->waiter);
}

/* It may be another guest's socket, which goes on. */
static void abandon_sleeper(struct gn__waiter *waiter)
{
    struct sleeper *self = gn__container_of(waiter, struct sleeper, waiter);
    struct gn_sock *sock = self->wait.arg;

    if (gn__list_empty(&self->wait.link))
        return; /* It has ended, and may be gone. */
    gn__engine_enter(sock->engine);
    gn__list_del(&self->wait.link);
    gn__sock_leave(sock);
}

uint64_t gn__sock_deadline(const struct gn_sock *sock, uint64_t timeout_ns)
{
    return timeout_ns ? gn__ns_deadline(sock->ns, timeout_ns) : GN__NEVER;
}

int gn__sock_wait(struct gn_sock *sock, const char *call, short events,
                  uint64_t deadline)
{
    struct sleeper sleeper = {
        .wait = {.events = events, .fire = wake_sleeper, .arg = sock},
        .waiter.parker.patient = events == POLLOUT,
        .waiter.call = call,
        .waiter.sock = sock,
        .waiter.abandon = abandon_sleeper};
    int err;

    gn__list_add_tail(&sock->waits, &sleeper.wait.link);
    err = gn__engine_wait(sock->engine, &sleeper.waiter, deadline);
    gn__list_del(&sleeper.wait.link);
    if (sock->dead)
        return sock->dead;
    return err == -ETIMEDOUT ? -EAGAIN : err;
}

/* ---- waiting for many ---- */

/* As many waits are kept on the stack. */
#define FEW 32

struct poller {
    struct gn__engine *engine;
    struct gn__waiter waiter;
    struct gn_pollfd *fds;
    size_t n;
    struct gn__wait *waits;
    struct gn__wait few[FEW];
};

static void wake_poller(struct gn__wait *wait)
{
    struct poller *poller = wait->arg;

    gn__engine_wake(poller->engine, &poller->waiter);
}

static int poll_scan(const struct poller *poller)
{
    int count = 0;
    size_t i;

    for (i = 0; i < poller->n; i++) {
        struct gn_pollfd *fd = &poller->fds[i];

        fd->revents = 0;
        if (fd->sock)
            fd->revents = gn__sock_ready(fd->sock) & (fd->events | ALWAYS);
        count += fd->revents != 0;
    }
    return count;
}

static void abandon_poller(struct gn__waiter *waiter)
{
    struct poller *poller = gn__container_of(waiter, struct poller, waiter);
    size_t i;

    gn__engine_enter(poller->engine);
    for (i = 0; i < poller->n; i++)
        gn__list_del(&poller->waits[i].link);
    gn__engine_leave(poller->engine);
    if (poller->waits != poller->few)
        gn__free(&poller->engine->net.mem, poller->waits,
                 poller->n * sizeof(*poller->waits));
}

static int sleep_once(struct poller *poller, uint64_t deadline)
{
    size_t i;
    int err;

    memset(&poller->waiter, 0, sizeof(poller->waiter));
    poller->waiter.call = "poll";
    poller->waiter.abandon = abandon_poller;
    for (i = 0; i < poller->n; i++) {
        struct gn__wait *wait = &poller->waits[i];

        wait->events = poller->fds[i].events;
        wait->fire = wake_poller;
        wait->arg = poller;
        gn__list_init(&wait->link);
        if (poller->fds[i].sock)
            gn__list_add_tail(&poller->fds[i].sock->waits, &wait->link);
    }
    err = gn__engine_wait(poller->engine, &poller->waiter, deadline);
    for (i = 0; i < poller->n; i++)
        gn__list_del(&poller->waits[i].link);
    return err;
}

/* Whose clock and whose account it is; NULL: there is no socket. */
static const struct gn_sock *poll_owner(const struct gn_pollfd *fds, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        if (fds[i].sock)
            return fds[i].sock;
    }
    return NULL;
}

static uint64_t poll_deadline(const struct poller *poller, int timeout_ms)
{
    const struct gn_sock *owner = poll_owner(poller->fds, poller->n);
    uint64_t span = (uint64_t)timeout_ms * 1000000;

    if (timeout_ms < 0)
        return GN__NEVER;
    return owner ? gn__ns_deadline(owner->ns, span)
                 : gn__now(poller->engine) + span;
}

static int poll_inside(struct poller *poller, int timeout_ms)
{
    uint64_t deadline = poll_deadline(poller, timeout_ms);
    int count, err = 0;

    for (;;) {
        count = poll_scan(poller);
        if (count > 0 || timeout_ms == 0 || err == -ETIMEDOUT)
            return count;
        if (err)
            return err;
        err = sleep_once(poller, deadline);
    }
}

int gn__sock_poll(struct gn__engine *engine, struct gn_pollfd *fds, size_t n,
                  int timeout_ms)
{
    const struct gn__mem *mem = &engine->net.mem;
    const struct gn_sock *owner = poll_owner(fds, n);
    struct poller poller = {.engine = engine, .fds = fds, .n = n};
    int result;

    poller.waits = poller.few;
    if (n > FEW) {
        poller.waits = gn__zalloc_array(mem, n, sizeof(*poller.waits));
        if (!poller.waits)
            return -ENOMEM;
    }
    gn__engine_enter(engine);
    result = poll_inside(&poller, timeout_ms);
    gn__engine_leave_for(engine, owner ? owner->account : NULL);
    if (n > FEW)
        gn__free(mem, poller.waits, n * sizeof(*poller.waits));
    return result;
}
