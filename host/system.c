/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * gn_namespace_system(): the kernel's sockets, as namespace/sock/system.c wants
 * them. Each system call in the form of the public one: a negative errno, never
 * -EINTR (the call is made again; one with a time-out of its own begins it
 * anew), and no SIGPIPE.
 *
 * The namespace lives in a network of its own, without prefixes, so that it has
 * a life, limits and a clock like any other. The network goes with it.
 */
#include <guestnet/namespace.h>
#include <guestnet/network.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "namespace/namespace.h"

static int result_of(int n)
{
    return n < 0 ? -errno : n;
}

static ssize_t bytes_of(ssize_t n)
{
    return n < 0 ? -errno : n;
}

static int sys_open(int family, int type, int protocol)
{
    return result_of(socket(family, type | SOCK_CLOEXEC, protocol));
}

static void sys_close(int fd)
{
    (void)close(fd); /* Also after an error it is closed. */
}

/*
 * Calls that block are woken by shutdown(2), also on a socket that is not
 * connected. It leaves a mark that later calls meet, with one exception: a
 * connection can still be begun, and is waited for as long as SO_SNDTIMEO
 * says.
 */
static void sys_interrupt(int fd)
{
    static const struct timeval soon = {.tv_usec = 1};

    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon));
    (void)shutdown(fd, SHUT_RDWR);
}

static int sys_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
    return result_of(bind(fd, addr, len));
}

static int sys_listen(int fd, int backlog)
{
    return result_of(listen(fd, backlog));
}

static int sys_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    int n;

    do
        n = result_of(connect(fd, addr, len)); /* Again: waits on. */
    while (n == -EINTR);
    return n;
}

static int sys_accept(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    int n;

    do
        n = result_of(accept4(fd, addr, len, flags | SOCK_CLOEXEC));
    while (n == -EINTR);
    return n;
}

static ssize_t sys_sendto(int fd, const void *data, size_t len, int flags,
                          const struct sockaddr *addr, socklen_t addr_len)
{
    ssize_t n;

    do
        n = bytes_of(
            sendto(fd, data, len, flags | MSG_NOSIGNAL, addr, addr_len));
    while (n == -EINTR);
    return n;
}

static ssize_t sys_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    ssize_t n;

    do
        n = bytes_of(sendmsg(fd, msg, flags | MSG_NOSIGNAL));
    while (n == -EINTR);
    return n;
}

static ssize_t sys_recvfrom(int fd, void *data, size_t len, int flags,
                            struct sockaddr *addr, socklen_t *addr_len)
{
    ssize_t n;

    do
        n = bytes_of(recvfrom(fd, data, len, flags, addr, addr_len));
    while (n == -EINTR);
    return n;
}

static ssize_t sys_recvmsg(int fd, struct msghdr *msg, int flags)
{
    ssize_t n;

    do
        n = bytes_of(recvmsg(fd, msg, flags));
    while (n == -EINTR);
    return n;
}

static int sys_shutdown(int fd, int how)
{
    return result_of(shutdown(fd, how));
}

static int sys_name(int fd, struct sockaddr *addr, socklen_t *len)
{
    return result_of(getsockname(fd, addr, len));
}

static int sys_peer(int fd, struct sockaddr *addr, socklen_t *len)
{
    return result_of(getpeername(fd, addr, len));
}

static int sys_setopt(int fd, int level, int name, const void *value,
                      socklen_t len)
{
    return result_of(setsockopt(fd, level, name, value, len));
}

static int sys_getopt(int fd, int level, int name, void *value, socklen_t *len)
{
    return result_of(getsockopt(fd, level, name, value, len));
}

static int sys_nonblock(int fd)
{
    int flags = result_of(fcntl(fd, F_GETFL));

    return flags < 0 ? flags : (flags & O_NONBLOCK) != 0;
}

static int sys_set_nonblock(int fd, bool on)
{
    int value = on;

    return result_of(ioctl(fd, FIONBIO, &value));
}

static ssize_t sys_available(int fd)
{
    int n = 0, err = result_of(ioctl(fd, SIOCINQ, &n));

    return err ? err : n;
}

static ssize_t sys_unsent(int fd)
{
    int n = 0, err = result_of(ioctl(fd, SIOCOUTQ, &n));

    return err ? err : n;
}

static int sys_bell(void)
{
    return result_of(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

static void sys_ring(int bell)
{
    uint64_t one = 1;
    ssize_t n = write(bell, &one, sizeof(one));

    (void)n; /* It is rung once. */
}

/* An epoll descriptor is readable while what it watches is ready, and its bits
 * are those of poll(2). */
static int sys_show(int fd, int bell, short events)
{
    struct epoll_event event = {.events = (uint16_t)events};
    struct epoll_event over = {.events = EPOLLIN};
    int shown = result_of(epoll_create1(EPOLL_CLOEXEC));
    int err;

    if (shown < 0)
        return shown;
    err = result_of(epoll_ctl(shown, EPOLL_CTL_ADD, fd, &event));
    if (!err)
        err = result_of(epoll_ctl(shown, EPOLL_CTL_ADD, bell, &over));
    if (!err)
        return shown;
    sys_close(shown);
    return err;
}

static const struct gn__kernel kernel = {
    .open = sys_open,
    .close = sys_close,
    .interrupt = sys_interrupt,
    .bell = sys_bell,
    .ring = sys_ring,
    .bind = sys_bind,
    .listen = sys_listen,
    .connect = sys_connect,
    .accept = sys_accept,
    .sendto = sys_sendto,
    .sendmsg = sys_sendmsg,
    .recvfrom = sys_recvfrom,
    .recvmsg = sys_recvmsg,
    .shutdown = sys_shutdown,
    .name = sys_name,
    .peer = sys_peer,
    .setopt = sys_setopt,
    .getopt = sys_getopt,
    .nonblock = sys_nonblock,
    .set_nonblock = sys_set_nonblock,
    .available = sys_available,
    .unsent = sys_unsent,
    .show = sys_show,
};

int gn_namespace_system(struct gn_namespace **out)
{
    static const struct gn_network_config config = {.size = sizeof(config),
                                                    .name = "system"};
    struct gn_network *net;
    int err;

    if (!out)
        return -EINVAL;
    err = gn_network_create(&config, &net);
    if (err)
        return err;
    err = gn__namespace_system(net, &kernel, out);
    if (err)
        gn_network_close(net, NULL, NULL);
    return err;
}
