/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Sockets of the kernel under the same API: gn_namespace_system().
 *
 * Life and limits are those of any socket: opening, closing, references, the
 * end of the namespace. A call is the kernel's, and blocks in the kernel. It is
 * made without the lock, and so meets a close from another thread; the number
 * of a descriptor that is closed under a call could mean another file by the
 * time the call looks at it. Therefore the descriptor is counted: the socket
 * has a share, and so has each call while it is in the kernel. The last one
 * closes it. When the socket ends, calls that are inside, or on their way in,
 * are sent home (kernel->interrupt), and find on their way out that it is over.
 *
 * Descriptors that show readiness stay open as long as the socket's memory, and
 * a bell that rings for them when the socket ends.
 *
 * This folder does no I/O. The system calls are a table, struct gn__kernel,
 * whose owner is host/kernel/system.c.
 */
#include "namespace/sock/system.h"

#include <errno.h>

#include "namespace/internal.h"

/** Descriptors of one socket that show readiness. */
#define SHOWN_MAX 4u

struct gn__system_fd {
    struct gn__unlock_hook end; /* of the socket's share, after unlocking */
    struct gn__mem mem;
    const struct gn__kernel *kernel;
    struct gn__ref refs;   /* of the memory: all shares, and the socket's */
    struct gn__ref shares; /* of the descriptor */
    _Atomic int over;      /* 0, or what calls return: the socket has ended */
    int fd;
    int bell; /* rung when the socket ends; below 0: no call would hear it */
    unsigned n_shown;
    struct {
        short events;
        int fd;
    } shown[SHOWN_MAX];
};

struct system_sock {
    struct gn_sock sock; /* first */
    struct gn__system_fd *held;
};

static struct system_sock *of_sock(struct gn_sock *sock)
{
    return (struct system_sock *)(void *)sock;
}

/* ---- the descriptor ---- */

static void system_unref(struct gn__system_fd *held)
{
    struct gn__mem mem = held->mem;

    if (!gn__ref_give(&held->refs))
        return;
    while (held->n_shown > 0)
        held->kernel->close(held->shown[--held->n_shown].fd);
    if (held->bell >= 0)
        held->kernel->close(held->bell);
    gn__free(&mem, held, sizeof(*held));
}

static void system_release(struct gn__system_fd *held)
{
    if (!gn__ref_give(&held->shares))
        return;
    held->kernel->close(held->fd);
    system_unref(held);
}

static void take_end(struct gn__unlock_hook *unlock)
{
    (void)unlock; /* It has the socket's share. */
}

static void run_end(struct gn__unlock_hook *unlock)
{
    struct gn__system_fd *held =
        gn__container_of(unlock, struct gn__system_fd, end);

    if (held->bell >= 0)
        held->kernel->ring(held->bell);
    if (gn__ref_is_shared(&held->shares))
        held->kernel->interrupt(held->fd);
    system_release(held);
}

/* Consumes @fd, which below 0 is an error. */
static int system_hold(const struct gn_namespace *ns, int fd,
                       struct gn__system_fd **out)
{
    struct gn__system_fd *held;

    if (fd < 0)
        return fd;
    held = gn__zalloc(&ns->engine->net.mem, sizeof(*held));
    if (!held) {
        ns->kernel->close(fd);
        return -ENOMEM;
    }
    held->end.take = take_end;
    held->end.run = run_end;
    gn__list_init(&held->end.link);
    held->mem = ns->engine->net.mem;
    held->kernel = ns->kernel;
    gn__ref_init(&held->refs, 2);
    gn__ref_init(&held->shares, 1);
    atomic_init(&held->over, 0);
    held->fd = fd;
    held->bell = -1;
    *out = held;
    return 0;
}

int gn__system_begin(struct gn_sock *sock, struct gn__system_use *use)
{
    int err = gn__sock_enter(sock);

    if (err)
        return err;
    use->held = of_sock(sock)->held;
    use->kernel = use->held->kernel;
    use->fd = use->held->fd;
    gn__ref_take(&use->held->shares);
    gn__sock_leave(sock);
    return 0;
}

/* 0, or what calls return since the socket has ended. */
static int use_end(const struct gn__system_use *use)
{
    int over = atomic_load(&use->held->over);

    system_release(use->held);
    return over;
}

int gn__system_finish(const struct gn__system_use *use, int result)
{
    int over = use_end(use);

    return over ? over : result;
}

ssize_t gn__system_finish_bytes(const struct gn__system_use *use,
                                ssize_t result)
{
    int over = use_end(use);

    return over ? over : result;
}

/* ---- the backend: a socket's life; calls do not get there ---- */

static void system_init(struct gn_sock *sock)
{
    (void)sock; /* system_wrap() knows more. */
}

static void system_end(struct gn_sock *sock, enum gn__sock_end how)
{
    struct gn__system_fd *held = of_sock(sock)->held;

    (void)how;
    atomic_store(&held->over, sock->dead);
    gn__list_add_tail(&sock->engine->fds, &held->end.link);
}

static void system_done(struct gn_sock *sock)
{
    system_unref(of_sock(sock)->held);
}

static short system_ready(struct gn_sock *sock)
{
    (void)sock;
    return 0; /* A poll asks the kernel, gn__poll_mixed(). */
}

static void iface_gone(struct gn_sock *sock, struct gn__iface *iface)
{
    (void)sock; /* It uses the kernel's interfaces. */
    (void)iface;
}

const struct gn__sock_ops gn__sock_system = {
    .name = "system",
    .size = sizeof(struct system_sock),
    .init = system_init,
    .end = system_end,
    .done = system_done,
    .ready = system_ready,
    .iface_gone = iface_gone,
};

/* A socket for @fd, which is consumed and below 0 is an error. */
static int system_wrap(struct gn_namespace *ns, int family, int type, int fd,
                       struct gn_sock **out)
{
    struct gn__system_fd *held;
    struct gn_sock *sock;
    int err = system_hold(ns, fd, &held);

    if (err)
        return err;
    gn__engine_enter(ns->engine);
    err = gn__sock_create(ns, &gn__sock_system, family, &sock);
    if (!err) {
        sock->type = type;
        of_sock(sock)->held = held;
        *out = sock;
    }
    gn__ns_leave(ns);
    if (err) {
        system_release(held);
        system_unref(held);
    }
    return err;
}

/* ---- the calls ---- */

int gn__system_open(struct gn_namespace *ns, int family, int type, int protocol,
                    struct gn_sock **out)
{
    int fd = ns->kernel->open(family, type, protocol);

    return system_wrap(ns, family, type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), fd,
                       out);
}

int gn__system_bind(struct gn_sock *sock, const struct sockaddr *addr,
                    socklen_t len)
{
    struct gn__system_use use;
    int err = gn__system_begin(sock, &use);

    if (err)
        return err;
    return gn__system_finish(&use, use.kernel->bind(use.fd, addr, len));
}

int gn__system_listen(struct gn_sock *sock, int backlog)
{
    struct gn__system_use use;
    int err = gn__system_begin(sock, &use);

    if (err)
        return err;
    return gn__system_finish(&use, use.kernel->listen(use.fd, backlog));
}

int gn__system_connect(struct gn_sock *sock, const struct sockaddr *addr,
                       socklen_t len)
{
    struct gn__system_use use;
    int err = gn__system_begin(sock, &use);

    if (err)
        return err;
    return gn__system_finish(&use, use.kernel->connect(use.fd, addr, len));
}

int gn__system_accept(struct gn_sock *sock, struct sockaddr *addr,
                      socklen_t *len, int flags, struct gn_sock **out)
{
    struct gn__system_use use;
    int fd, err = gn__system_begin(sock, &use);

    if (err)
        return err;
    fd = use.kernel->accept(use.fd, addr, len, flags);
    err = gn__system_finish(&use, fd);
    if (err >= 0)
        return system_wrap(sock->ns, sock->family, sock->type, fd, out);
    if (fd >= 0)
        sock->ns->kernel->close(fd);
    return err;
}

ssize_t gn__system_sendto(struct gn_sock *sock, const void *data, size_t len,
                          int flags, const struct sockaddr *addr,
                          socklen_t addr_len)
{
    struct gn__system_use use;
    int err = gn__system_begin(sock, &use);

    if (err)
        return err;
    return gn__system_finish_bytes(
        &use, use.kernel->sendto(use.fd, data, len, flags, addr, addr_len));
}

ssize_t gn__system_sendmsg(struct gn_sock *sock, const struct msghdr *msg,
                           int flags)
{
    struct gn__system_use use;
    int err = gn__system_begin(sock, &use);

    if (err)
        return err;
    return gn__system_finish_bytes(&use,
                                   use.kernel->sendmsg(use.fd, msg, flags));
}

ssize_t gn__system_recvfrom(struct gn_sock *sock, void *data, size_t len,
                            int flags, struct sockaddr *addr,
                            socklen_t *addr_len)
{
    struct gn__system_use use;
    int err = gn__system_begin(sock, &use);

    if (err)
        return err;
    return gn__system_finish_bytes(
        &use, use.kernel->recvfrom(use.fd, data, len, flags, addr, addr_len));
}

ssize_t gn__system_recvmsg(struct gn_sock *sock, struct msghdr *msg, int flags)
{
    struct gn__system_use use;
    int err = gn__system_begin(sock, &use);

    if (err)
        return err;
    return gn__system_finish_bytes(&use,
                                   use.kernel->recvmsg(use.fd, msg, flags));
}

int gn__system_shutdown(struct gn_sock *sock, int how)
{
    struct gn__system_use use;
    int err = gn__system_begin(sock, &use);

    if (err)
        return err;
    return gn__system_finish(&use, use.kernel->shutdown(use.fd, how));
}

int gn__system_name(struct gn_sock *sock, struct sockaddr *addr, socklen_t *len)
{
    struct gn__system_use use;
    int err = gn__system_begin(sock, &use);

    if (err)
        return err;
    return gn__system_finish(&use, use.kernel->name(use.fd, addr, len));
}

int gn__system_peer(struct gn_sock *sock, struct sockaddr *addr, socklen_t *len)
{
    struct gn__system_use use;
    int err = gn__system_begin(sock, &use);

    if (err)
        return err;
    return gn__system_finish(&use, use.kernel->peer(use.fd, addr, len));
}

int gn__system_setopt(struct gn_sock *sock, int level, int name,
                      const void *value, socklen_t len)
{
    struct gn__system_use use;
    int err = gn__system_begin(sock, &use);

    if (err)
        return err;
    return gn__system_finish(
        &use, use.kernel->setopt(use.fd, level, name, value, len));
}

int gn__system_getopt(struct gn_sock *sock, int level, int name, void *value,
                      socklen_t *len)
{
    struct gn__system_use use;
    int err = gn__system_begin(sock, &use);

    if (err)
        return err;
    return gn__system_finish(
        &use, use.kernel->getopt(use.fd, level, name, value, len));
}

int gn__system_set_nonblock(struct gn_sock *sock, bool on)
{
    struct gn__system_use use;
    int err = gn__system_begin(sock, &use);

    if (err)
        return err;
    return gn__system_finish(&use, use.kernel->set_nonblock(use.fd, on));
}

int gn__system_nonblock(struct gn_sock *sock)
{
    struct gn__system_use use;
    int err = gn__system_begin(sock, &use);

    if (err)
        return err;
    return gn__system_finish(&use, use.kernel->nonblock(use.fd));
}

ssize_t gn__system_available(struct gn_sock *sock)
{
    struct gn__system_use use;
    int err = gn__system_begin(sock, &use);

    if (err)
        return err;
    return gn__system_finish_bytes(&use, use.kernel->available(use.fd));
}

ssize_t gn__system_unsent(struct gn_sock *sock)
{
    struct gn__system_use use;
    int err = gn__system_begin(sock, &use);

    if (err)
        return err;
    return gn__system_finish_bytes(&use, use.kernel->unsent(use.fd));
}

/* ---- descriptors that show readiness ---- */

/* Inside the engine: making one does not block. */
static int system_show(struct gn__system_fd *held, short events)
{
    unsigned i;
    int fd;

    for (i = 0; i < held->n_shown; i++) {
        if (held->shown[i].events == events)
            return held->shown[i].fd;
    }
    if (i == SHOWN_MAX)
        return -ENOSPC;
    if (held->bell < 0)
        held->bell = held->kernel->bell();
    if (held->bell < 0)
        return held->bell;
    fd = held->kernel->show(held->fd, held->bell, events);
    if (fd < 0)
        return fd;
    held->shown[i].events = events;
    held->shown[i].fd = fd;
    held->n_shown++;
    return fd;
}

int gn__system_fd(struct gn_sock *sock, short events, int *fd)
{
    int result = gn__sock_enter(sock);

    if (result)
        return result;
    result = system_show(of_sock(sock)->held, events);
    gn__sock_leave(sock);
    if (result < 0)
        return result;
    *fd = result;
    return 0;
}

/* ---- the namespace ---- */

int gn__namespace_system(struct gn_network *net,
                         const struct gn__kernel *kernel,
                         struct gn_namespace **out)
{
    struct gn_namespace_config config = {.size = sizeof(config)};
    struct gn_namespace *ns;
    int err = gn_namespace_create(net, &config, &ns);

    if (err)
        return err;
    ns->kernel = kernel; /* No other thread has seen it. */
    *out = ns;
    return 0;
}
