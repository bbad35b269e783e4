/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The calls that may block and move no payload: connect, accept, close.
 */
#include <errno.h>

#include "namespace/internal.h"
#include "namespace/sock/msg.h"
#include "namespace/sock/system.h"

/* ---- connect ---- */

/* Inside the engine, while connecting: @begun is what to say on time-out. */
static int wait_connected(struct gn_sock *sock, int begun)
{
    uint64_t deadline = gn__sock_deadline(sock, sock->opt.send_timeout_ns);
    int err;

    do {
        err = gn__sock_wait(sock, "connect", GN__WAIT_ANY, deadline);
        if (err)
            return err == -EAGAIN ? begun : err;
        err = sock->ops->connected(sock);
    } while (err == -EALREADY);
    return err;
}

int gn_sock_connect(struct gn_sock *sock, const struct sockaddr *addr,
                    socklen_t len)
{
    bool blocks;
    int err;

    if (!addr)
        return -EFAULT;
    if (gn__sock_is_system(sock))
        return gn__system_connect(sock, addr, len);
    err = gn__sock_enter(sock);
    if (err)
        return err;
    blocks = gn__sock_blocks(sock, 0);
    if (!gn__addr_len_ok(len))
        err = -EINVAL;
    else if (blocks && sock->type == SOCK_STREAM &&
             !gn__engine_may_wait(sock->engine))
        err = -EDEADLK; /* Before anything is sent. */
    else
        err = sock->ops->connect(sock, addr, len);
    if (blocks && (err == -EINPROGRESS || err == -EALREADY))
        err = wait_connected(sock, err);
    gn__sock_touch(sock);
    gn__sock_leave(sock);
    return err;
}

/* ---- accept ---- */

static int try_accept(struct gn_sock *sock, struct gn_sock **out)
{
    uint64_t deadline = 0;
    int err;

    for (;;) {
        err = sock->ops->accept(sock, out);
        if (err != -EAGAIN || !gn__sock_blocks(sock, 0))
            return err;
        if (!deadline)
            deadline = gn__sock_deadline(sock, sock->opt.recv_timeout_ns);
        err = gn__sock_wait(sock, "accept", POLLIN, deadline);
        if (err)
            return err;
    }
}

int gn_sock_accept(struct gn_sock *sock, struct sockaddr *addr, socklen_t *len,
                   int flags, struct gn_sock **out)
{
    struct gn_sock *child;
    int err;

    if (!out || (addr && !len))
        return -EFAULT;
    if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC) || (addr && (int)*len < 0))
        return -EINVAL;
    if (gn__sock_is_system(sock))
        return gn__system_accept(sock, addr, len, flags, out);
    err = gn__sock_enter(sock);
    if (err)
        return err;
    err = try_accept(sock, &child);
    if (!err) {
        atomic_store(&child->nonblock, (flags & SOCK_NONBLOCK) != 0);
        if (addr)
            gn__sock_put_addr(child, &child->remote, addr, len);
        gn__sock_touch(sock);
        *out = child;
    }
    gn__sock_leave(sock);
    return err;
}

/* ---- close ---- */

void gn_sock_close(struct gn_sock *sock)
{
    if (!sock)
        return;
    gn__engine_enter(sock->engine);
    if (sock->dead != -EBADF) {
        /* As Linux, whether the socket blocks or not. */
        if (!sock->dead && sock->opt.linger && sock->opt.linger_s > 0 &&
            sock->ops->linger)
            sock->ops->linger(sock);
        gn__sock_close(sock);
    }
    gn__watch_stop(sock);
    gn__sock_leave(sock);
}
