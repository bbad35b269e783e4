/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Descriptors of preview 1: standard streams and sockets.
 *
 * The C library looks for directories from descriptor 3 on with fd_prestat_get,
 * and stops at the first EBADF: so that is what sockets answer there.
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "guests/wasi/preview1.h"

struct gn__wasi_sock *gn__wasi_fd_sock(struct gn__wasi_call *call,
                                       uint32_t number, int *err)
{
    const struct gn__wasi_handle *fd = gn__wasi_handle_any(call->guest, number);

    *err = fd && fd->kind == GN__WASI_STDIO ? -ENOTSOCK : -EBADF;
    if (fd && fd->kind == GN__WASI_SOCKET)
        return fd->of.sock;
    return NULL;
}

int gn__wasi_fd_install(struct gn__wasi_call *call, struct gn__wasi_sock *sock,
                        uint64_t at)
{
    struct gn_wasi_guest *guest = call->guest;
    int number = -EFAULT;

    if (gn__wasi_at(guest, at, 4))
        number = gn__wasi_handle_new(guest, GN__WASI_SOCKET);
    if (number < 0) {
        gn__wasi_sock_unref(sock);
        return number;
    }
    guest->handles[number].of.sock = sock;
    return gn__wasi_put32(guest, at, (uint64_t)number);
}

/* ---- bytes ---- */

ssize_t gn__wasi_fd_recv(struct gn__wasi_call *call, struct gn__wasi_sock *sock,
                         uint32_t riflags, struct msghdr *msg)
{
    int err = gn__wasi_iov(call, msg);
    ssize_t got;

    if (err)
        return err;
    got =
        gn_sock_recvmsg(sock->sock, msg, riflags & P1_RECV_PEEK ? MSG_PEEK : 0);
    if (got == -EAGAIN && !sock->nonblock)
        return gn__wasi_wait_sock(call, sock, POLLIN, sock->recv_timeout_ns);
    return got;
}

/* What is behind the first @skip bytes. */
static void msg_skip(struct msghdr *msg, uint64_t skip)
{
    while (msg->msg_iovlen && skip >= msg->msg_iov->iov_len) {
        skip -= msg->msg_iov->iov_len;
        msg->msg_iov++;
        msg->msg_iovlen--;
    }
    if (msg->msg_iovlen) {
        msg->msg_iov->iov_base = (char *)msg->msg_iov->iov_base + skip;
        msg->msg_iov->iov_len -= skip;
    }
}

/* A stream that blocks goes on until all is sent; call->done says how much. */
ssize_t gn__wasi_fd_send(struct gn__wasi_call *call, struct gn__wasi_sock *sock,
                         struct msghdr *msg)
{
    int err = gn__wasi_iov(call, msg);
    ssize_t sent;

    if (err)
        return err;
    if (call->done)
        msg_skip(msg, call->done);
    sent = gn_sock_sendmsg(sock->sock, msg, 0);
    if (sent < 0 && sent != -EAGAIN)
        return call->done ? (ssize_t)call->done : sent;
    if (sock->nonblock)
        return sent;
    if (sent >= 0) {
        call->done += (uint64_t)sent;
        msg_skip(msg, (uint64_t)sent);
        if (sock->type == SOCK_DGRAM || !msg->msg_iovlen)
            return (ssize_t)call->done;
    }
    err = gn__wasi_wait_sock(call, sock, POLLOUT, sock->send_timeout_ns);
    return err == -EAGAIN && call->done ? (ssize_t)call->done : err;
}

ssize_t gn__wasi_kernel_readv(int fd, const struct iovec *list, int n)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    ssize_t got;

    if (fd < 0)
        return 0;
    while ((got = readv(fd, list, n)) < 0 &&
           (errno == EINTR || errno == EAGAIN))
        (void)poll(&ready, 1, -1);
    return got < 0 ? -errno : got;
}

ssize_t gn__wasi_kernel_writev(int fd, const struct iovec *list, int n)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    ssize_t sent = 0;

    if (fd < 0) {
        for (int i = 0; i < n; i++)
            sent += (ssize_t)list[i].iov_len;
        return sent;
    }
    while ((sent = writev(fd, list, n)) < 0 &&
           (errno == EINTR || errno == EAGAIN))
        (void)poll(&ready, 1, -1);
    return sent < 0 ? -errno : sent;
}

static ssize_t stdio_move(struct gn__wasi_call *call, int fd,
                          ssize_t (*move)(int, const struct iovec *, int))
{
    struct msghdr msg;
    int err = gn__wasi_iov(call, &msg);

    return err ? err : move(fd, msg.msg_iov, (int)msg.msg_iovlen);
}

/* The descriptor of a call that moves bytes, and the place, at ARG(3), of how
 * many: 0 or an error. */
static int fd_check(struct gn__wasi_call *call,
                    const struct gn__wasi_handle **fd, uint8_t **count)
{
    *fd = gn__wasi_handle_any(call->guest, ARG(0));
    if (!*fd ||
        ((*fd)->kind != GN__WASI_SOCKET && (*fd)->kind != GN__WASI_STDIO))
        return -EBADF;
    *count = gn__wasi_at(call->guest, ARG(3), 4);
    return *count ? 0 : -EFAULT;
}

static int fd_moved(ssize_t n, uint8_t *count)
{
    if (n < 0)
        return (int)n;
    gn__wasi_store32(count, (uint32_t)n);
    return 0;
}

int gn__wasi_fd_read(struct gn__wasi_call *call)
{
    const struct gn__wasi_handle *fd;
    struct msghdr msg = {0};
    uint8_t *count;
    int err = fd_check(call, &fd, &count);

    if (err)
        return err;
    return fd_moved(fd->kind == GN__WASI_SOCKET
                        ? gn__wasi_fd_recv(call, fd->of.sock, 0, &msg)
                        : stdio_move(call, fd->fd, gn__wasi_kernel_readv),
                    count);
}

int gn__wasi_fd_write(struct gn__wasi_call *call)
{
    const struct gn__wasi_handle *fd;
    struct msghdr msg = {0};
    uint8_t *count;
    int err = fd_check(call, &fd, &count);

    if (err)
        return err;
    return fd_moved(fd->kind == GN__WASI_SOCKET
                        ? gn__wasi_fd_send(call, fd->of.sock, &msg)
                        : stdio_move(call, fd->fd, gn__wasi_kernel_writev),
                    count);
}

/* ---- what a descriptor is ---- */

static bool is_listening(struct gn__wasi_sock *sock)
{
    int on = 0;
    socklen_t len = sizeof(on);

    return sock->type == SOCK_STREAM &&
           !gn_sock_getopt(sock->sock, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) &&
           on;
}

static uint8_t filetype_of(const struct gn__wasi_handle *fd)
{
    if (fd->kind != GN__WASI_SOCKET)
        return P1_CHARACTER;
    return fd->of.sock->type == SOCK_DGRAM ? P1_DGRAM : P1_STREAM;
}

int gn__wasi_fd_fdstat_get(struct gn__wasi_call *call)
{
    const struct gn__wasi_handle *fd = gn__wasi_handle_any(call->guest, ARG(0));
    uint64_t rights = P1_RIGHT_STAT | P1_RIGHT_POLL | P1_RIGHT_FLAGS;
    uint8_t stat[24] = {0};

    if (!fd || (fd->kind != GN__WASI_SOCKET && fd->kind != GN__WASI_STDIO))
        return -EBADF;
    stat[0] = filetype_of(fd);
    if (fd->kind == GN__WASI_STDIO)
        rights |= ARG(0) ? P1_RIGHT_WRITE : P1_RIGHT_READ;
    else if (is_listening(fd->of.sock))
        rights |= P1_RIGHT_ACCEPT;
    else
        rights |= P1_RIGHT_READ | P1_RIGHT_WRITE | P1_RIGHT_SHUT;
    if (fd->kind == GN__WASI_SOCKET && fd->of.sock->nonblock)
        stat[2] = P1_NONBLOCK;
    rights = htole64(rights);
    memcpy(stat + 8, &rights, sizeof(rights));
    return gn__wasi_put(call->guest, ARG(1), stat, sizeof(stat));
}

int gn__wasi_fd_fdstat_set_flags(struct gn__wasi_call *call)
{
    const struct gn__wasi_handle *fd = gn__wasi_handle_any(call->guest, ARG(0));

    if (!fd || (fd->kind != GN__WASI_SOCKET && fd->kind != GN__WASI_STDIO))
        return -EBADF;
    if (fd->kind == GN__WASI_SOCKET)
        fd->of.sock->nonblock = ARG(1) & P1_NONBLOCK;
    return 0;
}

int gn__wasi_fd_filestat_get(struct gn__wasi_call *call)
{
    const struct gn__wasi_handle *fd = gn__wasi_handle_any(call->guest, ARG(0));
    uint8_t stat[64] = {0};

    if (!fd || (fd->kind != GN__WASI_SOCKET && fd->kind != GN__WASI_STDIO))
        return -EBADF;
    stat[16] = filetype_of(fd);
    return gn__wasi_put(call->guest, ARG(1), stat, sizeof(stat));
}

/* What makes no difference to sockets and streams. */
int gn__wasi_fd_known(struct gn__wasi_call *call)
{
    const struct gn__wasi_handle *fd = gn__wasi_handle_any(call->guest, ARG(0));

    return fd && (fd->kind == GN__WASI_SOCKET || fd->kind == GN__WASI_STDIO)
               ? 0
               : -EBADF;
}

int gn__wasi_fd_seek(struct gn__wasi_call *call)
{
    int err = gn__wasi_fd_known(call);

    return err ? err : -ESPIPE;
}

int gn__wasi_fd_close(struct gn__wasi_call *call)
{
    const struct gn__wasi_handle *fd = gn__wasi_handle_any(call->guest, ARG(0));

    if (!fd || (fd->kind != GN__WASI_SOCKET && fd->kind != GN__WASI_STDIO &&
                fd->kind != GN__WASI_BADFD))
        return -EBADF;
    gn__wasi_handle_drop(call->guest, ARG(0));
    return 0;
}

int gn__wasi_fd_renumber(struct gn__wasi_call *call)
{
    struct gn_wasi_guest *guest = call->guest;
    uint32_t from = ARG(0), to = ARG(1);
    struct gn__wasi_handle *a = gn__wasi_handle_any(guest, from);
    struct gn__wasi_handle *b = gn__wasi_handle_any(guest, to);

    if (!a || !b || a->kind > GN__WASI_SOCKET || b->kind > GN__WASI_SOCKET)
        return -EBADF;
    if (from == to)
        return 0;
    gn__wasi_handle_drop(guest, to);
    *b = *a;
    a->kind = GN__WASI_FREE;
    if (from < guest->free_from)
        guest->free_from = from;
    return 0;
}

/* ---- sockets ---- */

int gn__wasi_fd_accept(struct gn__wasi_call *call, uint32_t fdflags,
                       uint32_t at)
{
    struct gn__wasi_sock *from, *sock;
    int err;

    from = gn__wasi_fd_sock(call, ARG(0), &err);
    if (!from)
        return err;
    if (!gn__wasi_at(call->guest, at, 4))
        return -EFAULT;
    err = gn__wasi_sock_accept(call->guest, from, &sock);
    if (err == -EAGAIN && !from->nonblock)
        return gn__wasi_wait_sock(call, from, POLLIN, from->recv_timeout_ns);
    if (err)
        return err;
    sock->nonblock = fdflags & P1_NONBLOCK;
    return gn__wasi_fd_install(call, sock, at);
}

int gn__wasi_sock_accept_fd(struct gn__wasi_call *call)
{
    return gn__wasi_fd_accept(call, ARG(1), ARG(2));
}

/* With MSG_WAITALL this says what there is: a blocking stream's next read waits
 * for the rest, and C libraries read in a loop. */
int gn__wasi_sock_recv_fd(struct gn__wasi_call *call)
{
    uint8_t *count = gn__wasi_at(call->guest, ARG(4), 4);
    uint8_t *flags = gn__wasi_at(call->guest, ARG(5), 2);
    struct msghdr msg = {0};
    struct gn__wasi_sock *sock;
    ssize_t n;
    int err;

    sock = gn__wasi_fd_sock(call, ARG(0), &err);
    if (!sock)
        return err;
    if (!count || !flags)
        return -EFAULT;
    n = gn__wasi_fd_recv(call, sock, ARG(3), &msg);
    if (n >= 0)
        gn__wasi_store16(flags, gn__wasi_roflags(&msg));
    return fd_moved(n, count);
}

int gn__wasi_sock_send_fd(struct gn__wasi_call *call)
{
    uint8_t *count = gn__wasi_at(call->guest, ARG(4), 4);
    struct msghdr msg = {0};
    struct gn__wasi_sock *sock;
    int err;

    sock = gn__wasi_fd_sock(call, ARG(0), &err);
    if (!sock)
        return err;
    return count ? fd_moved(gn__wasi_fd_send(call, sock, &msg), count)
                 : -EFAULT;
}

int gn__wasi_sock_shutdown_fd(struct gn__wasi_call *call)
{
    struct gn__wasi_sock *sock;
    uint32_t how = ARG(1);
    int err;

    sock = gn__wasi_fd_sock(call, ARG(0), &err);
    if (!sock)
        return err;
    if (how == 0 || how > (P1_SHUT_RD | P1_SHUT_WR))
        return -EINVAL;
    return gn_sock_shutdown(sock->sock, how == P1_SHUT_RD   ? SHUT_RD
                                        : how == P1_SHUT_WR ? SHUT_WR
                                                            : SHUT_RDWR);
}
