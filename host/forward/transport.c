/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/forward/transport.h"

#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>

static struct msghdr message_of(const struct iovec *iov, unsigned n)
{
    return (struct msghdr){.msg_iov = (struct iovec *)(uintptr_t)iov,
                           .msg_iovlen = n};
}

static ssize_t plain_read(void *self, int fd, const struct iovec *iov,
                          unsigned n)
{
    struct msghdr msg = message_of(iov, n);
    ssize_t got = recvmsg(fd, &msg, MSG_DONTWAIT);

    (void)self;
    return got < 0 ? -errno : got;
}

static ssize_t plain_write(void *self, int fd, const struct iovec *iov,
                           unsigned n)
{
    struct msghdr msg = message_of(iov, n);
    ssize_t put = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);

    (void)self;
    return put < 0 ? -errno : put;
}

static int plain_shutdown(void *self, int fd)
{
    (void)self;
    return shutdown(fd, SHUT_WR) && errno != ENOTCONN ? -errno : 0;
}

static void plain_done(void *self)
{
    (void)self;
}

const struct gn__transport_ops gn__transport_plain = {
    .name = "plain",
    .read = plain_read,
    .write = plain_write,
    .shutdown = plain_shutdown,
    .done = plain_done,
};
