/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Sockets in loops of another kind: a descriptor that shows a socket's
 * readiness, and poll(2) over sockets and kernel descriptors together.
 *
 * A descriptor is an eventfd that is filled while any of its events holds and
 * emptied when none does. What it ought to show is a level, written under the
 * engine's lock; after unlocking, the thread that left brings the eventfd
 * there. Two threads may be doing that at once, so each does it under the
 * descriptor's own lock and by the level of that moment: the last one always
 * sees the last level, and no change is lost however they meet.
 *
 * A closed socket holds a level for ever, and its descriptors stay open until
 * the last reference is gone: a number that a thread polls is not given to
 * another file meanwhile.
 */
#include <guestnet/socket.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/ref.h"
#include "host/kernel/sockfd.h"
#include "namespace/namespace.h"

/** Descriptors of one socket. */
#define FDS_MAX 4u

struct sockfd {
    struct gn__sock_fd base; /* first */
    struct gn__mem mem;
    struct gn__ref refs; /* the socket's, and one of each sockfd_run() */
    pthread_mutex_t lock;
    int fd;     /* -1: closed */
    bool shown; /* the eventfd is filled */
};

static struct sockfd *of_unlock(struct gn__unlock_hook *unlock)
{
    return (struct sockfd *)(void *)gn__container_of(unlock, struct gn__sock_fd,
                                                     unlock);
}

static void sockfd_unref(struct sockfd *self)
{
    struct gn__mem mem = self->mem;

    if (!gn__ref_give(&self->refs))
        return;
    if (self->fd >= 0)
        close(self->fd);
    pthread_mutex_destroy(&self->lock);
    gn__free(&mem, self, sizeof(*self));
}

static void sockfd_show(struct sockfd *self, bool level)
{
    uint64_t value = 1;
    ssize_t n;

    if (self->fd < 0 || self->shown == level)
        return;
    /* Neither can fail: it is empty before the write, full before the read. */
    n = level ? write(self->fd, &value, sizeof(value))
              : read(self->fd, &value, sizeof(value));
    if (n == (ssize_t)sizeof(value))
        self->shown = level;
}

static void sockfd_take(struct gn__unlock_hook *unlock)
{
    gn__ref_take(&of_unlock(unlock)->refs);
}

static void sockfd_run(struct gn__unlock_hook *unlock)
{
    struct sockfd *self = of_unlock(unlock);
    bool closes;

    pthread_mutex_lock(&self->lock);
    sockfd_show(self, atomic_load(&self->base.level));
    closes = atomic_load(&self->base.ended) && self->fd >= 0;
    if (closes) {
        close(self->fd);
        self->fd = -1;
    }
    pthread_mutex_unlock(&self->lock);
    if (closes)
        sockfd_unref(self); /* The socket's. */
    sockfd_unref(self);
}

static int sockfd_create(const struct gn_sock *sock, short events,
                         struct sockfd **out)
{
    struct sockfd *self = gn__zalloc(&sock->engine->net.mem, sizeof(*self));

    if (!self)
        return -ENOMEM;
    self->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->fd < 0) {
        int err = -errno;

        gn__free(&sock->engine->net.mem, self, sizeof(*self));
        return err;
    }
    self->mem = sock->engine->net.mem;
    self->base.events = events;
    self->base.unlock.take = sockfd_take;
    self->base.unlock.run = sockfd_run;
    gn__list_init(&self->base.unlock.link);
    gn__ref_init(&self->refs, 1);
    pthread_mutex_init(&self->lock, NULL);
    *out = self;
    return 0;
}

/* Inside the engine: the one that is there for @events, or NULL. */
static struct sockfd *sockfd_find(const struct gn_sock *sock, short events,
                                  unsigned *n)
{
    struct gn__list *it;

    *n = 0;
    gn__list_foreach (it, &sock->fds) {
        struct sockfd *self = (struct sockfd *)(void *)gn__container_of(
            it, struct gn__sock_fd, of_sock);

        if (self->base.events == events)
            return self;
        (*n)++;
    }
    return NULL;
}

/* The one that is there, or @fresh if there is room; @fresh is NULL in order
 * to look whether one has to be made: then *@out is, too. */
static int sockfd_attach(struct gn_sock *sock, short events,
                         struct sockfd *fresh, struct sockfd **out, int *fd)
{
    int err = gn__sock_enter(sock);
    unsigned n;

    if (err)
        return err;
    *out = sockfd_find(sock, events, &n);
    if (!*out && n >= FDS_MAX) {
        err = -ENOSPC;
    } else if (!*out && fresh) {
        gn__list_add_tail(&sock->fds, &fresh->base.of_sock);
        gn__sock_touch(sock);
        *out = fresh;
    }
    if (*out)
        *fd = (*out)->fd;
    gn__sock_leave(sock);
    return err;
}

int gn_sock_fd(struct gn_sock *sock, short events, int *fd)
{
    struct sockfd *fresh = NULL, *self = NULL;
    int err;

    if (!sock || !fd)
        return -EFAULT;
    if (!events)
        return -EINVAL;
    if (gn__sock_is_system(sock))
        return gn__system_fd(sock, events, fd);
    err = sockfd_attach(sock, events, NULL, &self, fd);
    if (err || self)
        return err;
    err = sockfd_create(sock, events, &fresh);
    if (err)
        return err;
    assert(fresh);
    err = sockfd_attach(sock, events, fresh, &self, fd);
    if (self != fresh)
        sockfd_unref(fresh);
    return err;
}

/* ---- poll ---- */

/** More elements are refused. */
#define POLL_MAX 65536u

int gn_sock_poll(struct gn_pollfd *fds, size_t n, int timeout_ms)
{
    struct gn__engine *engine = NULL;
    bool mixed = false;
    size_t i;

    if (n > POLL_MAX)
        return -EINVAL;
    if (n > 0 && !fds)
        return -EFAULT;
    for (i = 0; i < n; i++) {
        if (!fds[i].sock) {
            mixed |= fds[i].fd >= 0;
        } else {
            mixed |= engine && engine != fds[i].sock->engine;
            mixed |= gn__sock_is_system(fds[i].sock);
            engine = fds[i].sock->engine;
        }
    }
    if (!engine || mixed)
        return gn__poll_mixed(fds, n, timeout_ms);
    return gn__sock_poll(engine, fds, n, timeout_ms);
}
