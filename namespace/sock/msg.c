/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Send and receive: six public forms of two operations.
 *
 * A blocking stream send goes on until everything is taken; an error after
 * some bytes is left for the next call to say, as on Linux. A receive returns
 * as soon as it has what was asked for at least: all of it with MSG_WAITALL,
 * else SO_RCVLOWAT, which is one byte.
 */
#include "namespace/sock/msg.h"

#include <errno.h>
#include <string.h>

#include "namespace/sock/system.h"

/* ---- sending ---- */

/* Inside the engine: one round, waiting for room if that is asked for. */
static int try_send(struct gn_sock *sock, struct gn__xfer *io,
                    uint64_t *deadline)
{
    int err;

    for (;;) {
        err = sock->ops->send(sock, io);
        if (err != -EAGAIN || !gn__sock_blocks(sock, io->flags))
            return err;
        if (!*deadline)
            *deadline = gn__sock_deadline(sock, sock->opt.send_timeout_ns);
        err = gn__sock_wait(sock, "send", POLLOUT, *deadline);
        if (err)
            return err;
    }
}

static ssize_t send_all(struct gn_sock *sock, struct gn__xfer *io)
{
    uint64_t deadline = 0;
    int err;
    unsigned i;

    do {
        err = io->n_slices ? 0 : sock->ops->prepare(sock, io);
        if (err == -EAGAIN)
            gn__engine_yield(sock->engine);
        if (!err)
            err = gn__sock_enter(sock);
        if (err)
            break;
        err = try_send(sock, io, &deadline);
        gn__sock_leave(sock);
    } while (!err && io->done < io->total);
    for (i = 0; i < io->n_slices; i++)
        gn__chunk_unref(io->slices[i].chunk);
    return io->done > 0 ? (ssize_t)io->done : err;
}

static int check_send(const struct gn_sock *sock, struct gn__xfer *io, size_t n)
{
    int err;

    if (!sock)
        return -EFAULT;
    if (!gn__addr_len_ok(io->to_len))
        return -EINVAL;
    if (io->flags & (MSG_OOB | MSG_FASTOPEN))
        return -EOPNOTSUPP;
    err = gn__iov_check(io->iov.at, n, &io->total);
    if (err)
        return err;
    return gn__iov_is_there(io->iov.at, n) ? 0 : -EFAULT;
}

ssize_t gn_sock_sendto(struct gn_sock *sock, const void *data, size_t len,
                       int flags, const struct sockaddr *addr,
                       socklen_t addr_len)
{
    /* Sending only reads what iov_base points to. */
    struct iovec iov = {(void *)(uintptr_t)data, len};
    struct gn__xfer io;
    int err;

    if (gn__sock_is_system(sock))
        return gn__system_sendto(sock, data, len, flags, addr, addr_len);
    gn__xfer_clear(&io);
    io.iov.at = &iov;
    io.flags = flags;
    io.to = addr;
    io.to_len = addr ? addr_len : 0;
    err = check_send(sock, &io, 1);
    return err ? err : send_all(sock, &io);
}

ssize_t gn_sock_send(struct gn_sock *sock, const void *data, size_t len,
                     int flags)
{
    return gn_sock_sendto(sock, data, len, flags, NULL, 0);
}

ssize_t gn_sock_sendmsg(struct gn_sock *sock, const struct msghdr *msg,
                        int flags)
{
    struct gn__xfer io;
    int err;

    if (!msg)
        return -EFAULT;
    if (gn__sock_is_system(sock))
        return gn__system_sendmsg(sock, msg, flags);
    gn__xfer_clear(&io);
    io.iov.at = msg->msg_iov;
    io.flags = flags;
    if (msg->msg_name && msg->msg_namelen != 0) {
        io.to = msg->msg_name;
        io.to_len = msg->msg_namelen;
    }
    if (io.to_len > sizeof(struct sockaddr_storage) && (int)io.to_len > 0)
        io.to_len = sizeof(struct sockaddr_storage); /* Linux cuts this one. */
    if (msg->msg_controllen > 0 && !msg->msg_control)
        return -EFAULT;
    if (msg->msg_controllen > 0)
        io.control = msg;
    err = check_send(sock, &io, msg->msg_iovlen);
    return err ? err : send_all(sock, &io);
}

/* ---- receiving ---- */

/* Any change is worth a look where POLLIN has a threshold of its own. */
static short recv_events(const struct gn_sock *sock)
{
    return sock->opt.rcvlowat > 1 ? GN__WAIT_ANY : POLLIN;
}

static size_t recv_target(const struct gn_sock *sock, const struct gn__xfer *io)
{
    size_t least = sock->opt.rcvlowat;

    if (io->flags & MSG_WAITALL || least > io->total)
        least = io->total;
    return least > 0 ? least : 1;
}

/* Inside the engine: one round, waiting for something if that is asked for. */
static int try_recv(struct gn_sock *sock, struct gn__xfer *io,
                    uint64_t *deadline)
{
    int err;

    for (;;) {
        err = sock->ops->recv(sock, io);
        if (err != -EAGAIN || !gn__sock_blocks(sock, io->flags) ||
            io->done >= recv_target(sock, io))
            return err;
        if (!*deadline)
            *deadline = gn__sock_deadline(sock, sock->opt.recv_timeout_ns);
        err = gn__sock_wait(sock, "receive", recv_events(sock), *deadline);
        if (err == -EAGAIN && io->total == 0 && sock->type == SOCK_STREAM)
            return 0; /* Linux waits, and has got all it was asked for. */
        if (err)
            return err;
    }
}

static void msg_deliver(struct gn_sock *sock, struct gn__xfer *io)
{
    bool discard = io->flags & MSG_TRUNC && sock->type == SOCK_STREAM;
    unsigned i;

    gn__iov_write(&io->iov, io->small, io->n_small);
    io->done += io->n_small;
    for (i = 0; i < io->n_slices; i++) {
        if (!discard)
            gn__iov_write(&io->iov, io->slices[i].data, io->slices[i].len);
        io->done += io->slices[i].len;
        gn__chunk_unref(io->slices[i].chunk);
    }
    io->n_slices = 0;
    io->n_small = 0;
}

static bool msg_satisfied(size_t target, const struct gn__xfer *io)
{
    return io->stop || io->done >= io->total ||
           (io->done >= target && !io->capped);
}

static ssize_t recv_all(struct gn_sock *sock, struct gn__xfer *io)
{
    uint64_t deadline = 0;
    size_t target;
    int err;

    do {
        err = gn__sock_enter(sock);
        if (err)
            break;
        err = try_recv(sock, io, &deadline);
        target = recv_target(sock, io);
        gn__sock_leave(sock);
        msg_deliver(sock, io);
    } while (!err && !msg_satisfied(target, io));
    return io->done > 0 || !err ? (ssize_t)io->done : err;
}

static int check_recv(const struct gn_sock *sock, struct gn__xfer *io, size_t n)
{
    if (!sock)
        return -EFAULT;
    if (io->flags & MSG_OOB && sock->type == SOCK_STREAM)
        return -EOPNOTSUPP;
    if (io->flags & MSG_ERRQUEUE)
        return -EAGAIN;
    return gn__iov_check(io->iov.at, n, &io->total);
}

/* There is nowhere to copy to: a fault if there is anything to be copied. A
 * stream keeps that; a datagram is lost, as on Linux. */
static ssize_t recv_nowhere(struct gn_sock *sock, struct gn__xfer *io)
{
    uint64_t deadline = 0;
    bool any;
    int err = gn__sock_enter(sock);

    if (err)
        return err;
    if (sock->type == SOCK_STREAM)
        io->flags |= MSG_PEEK;
    err = try_recv(sock, io, &deadline);
    gn__sock_leave(sock);
    any = io->n_small > 0 || io->n_slices > 0;
    while (io->n_slices > 0)
        gn__chunk_unref(io->slices[--io->n_slices].chunk);
    return !err && any ? -EFAULT : err;
}

static ssize_t recv_checked(struct gn_sock *sock, struct gn__xfer *io, size_t n)
{
    bool discards = sock->type == SOCK_STREAM && io->flags & MSG_TRUNC;

    return discards || gn__iov_is_there(io->iov.at, n) ? recv_all(sock, io)
                                                       : recv_nowhere(sock, io);
}

/* What a call on a datagram socket returns: with MSG_TRUNC its true length. */
static ssize_t recv_result(const struct gn_sock *sock,
                           const struct gn__xfer *io, ssize_t n)
{
    if (n >= 0 && sock->type == SOCK_DGRAM && io->flags & MSG_TRUNC)
        return (ssize_t)io->length;
    return n;
}

ssize_t gn_sock_recvfrom(struct gn_sock *sock, void *data, size_t len,
                         int flags, struct sockaddr *addr, socklen_t *addr_len)
{
    struct iovec iov = {data, len};
    struct gn__xfer io;
    ssize_t n;
    int err;

    if (addr && !addr_len)
        return -EFAULT;
    if (addr && (int)*addr_len < 0)
        return -EINVAL;
    if (gn__sock_is_system(sock))
        return gn__system_recvfrom(sock, data, len, flags, addr, addr_len);
    gn__xfer_clear(&io);
    io.iov.at = &iov;
    io.flags = flags;
    err = check_recv(sock, &io, 1);
    if (err)
        return err;
    n = recv_checked(sock, &io, 1);
    if (n >= 0 && addr) {
        if (sock->type == SOCK_DGRAM)
            gn__sock_put_addr(sock, &io.from, addr, addr_len);
        else
            *addr_len = 0;
    }
    return recv_result(sock, &io, n);
}

ssize_t gn_sock_recv(struct gn_sock *sock, void *data, size_t len, int flags)
{
    return gn_sock_recvfrom(sock, data, len, flags, NULL, NULL);
}

static void finish_msg(const struct gn_sock *sock, const struct gn__xfer *io,
                       struct msghdr *msg)
{
    msg->msg_flags = 0;
    if (sock->type == SOCK_STREAM) {
        msg->msg_namelen = 0;
        msg->msg_controllen = 0;
        return;
    }
    if (msg->msg_name)
        gn__sock_put_addr(sock, &io->from, msg->msg_name, &msg->msg_namelen);
    if (io->length > io->total)
        msg->msg_flags |= MSG_TRUNC;
    gn__cmsg_write(msg, &io->ancillary);
}

ssize_t gn_sock_recvmsg(struct gn_sock *sock, struct msghdr *msg, int flags)
{
    struct gn__xfer io;
    ssize_t n;
    int err;

    if (!msg)
        return -EFAULT;
    if (gn__sock_is_system(sock))
        return gn__system_recvmsg(sock, msg, flags);
    if (msg->msg_name && (int)msg->msg_namelen < 0)
        return -EINVAL;
    gn__xfer_clear(&io);
    io.iov.at = msg->msg_iov;
    io.flags = flags;
    err = check_recv(sock, &io, msg->msg_iovlen);
    if (err)
        return err;
    n = recv_checked(sock, &io, msg->msg_iovlen);
    if (n >= 0)
        finish_msg(sock, &io, msg);
    return recv_result(sock, &io, n);
}
