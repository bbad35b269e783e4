/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/forward/attempt.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- connecting ---- */

/* Is it connected? If not, -ENOTCONN. On one machine a port may meet itself: a
 * connection to a free port that was picked for this end, too. Nothing listens
 * there: -ECONNREFUSED. */
static int is_connected(int fd)
{
    struct sockaddr_storage local = {0}, peer = {0};
    socklen_t local_len = sizeof(local), peer_len = sizeof(peer);

    if (getpeername(fd, (struct sockaddr *)&peer, &peer_len))
        return -ENOTCONN;
    return peer.ss_family != AF_UNIX &&
                   !getsockname(fd, (struct sockaddr *)&local, &local_len) &&
                   local_len == peer_len && !memcmp(&local, &peer, local_len)
               ? -ECONNREFUSED
               : 0;
}

static int socket_error(int fd)
{
    socklen_t len = sizeof(int);
    int error = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
        error = errno;
    return !error && is_connected(fd) == -ECONNREFUSED ? -ECONNREFUSED : -error;
}

/* The machine itself has answered before connect(2) returns, and says
 * EINPROGRESS all the same. */
static int look_once(int fd)
{
    struct pollfd look = {.fd = fd, .events = POLLOUT};
    int err = is_connected(fd);

    if (err != -ENOTCONN)
        return err;
    return poll(&look, 1, 0) == 1 ? socket_error(fd) : -EINPROGRESS;
}

static socklen_t address_len(const struct sockaddr *addr)
{
    switch (addr->sa_family) {
    case AF_INET:
        return sizeof(struct sockaddr_in);
    case AF_INET6:
        return sizeof(struct sockaddr_in6);
    default:
        return sizeof(struct sockaddr_un);
    }
}

int gn__attempt_charge(struct gn__outside_dial *dial,
                       struct gn__fd_share *share)
{
    if (dial->type != SOCK_STREAM && !share->guest && !gn__fds_left(dial->who))
        gn__outside_make_room(dial);
    return gn__fds_take(dial->who, share);
}

/* SOCK_RAW: the kernel's ping socket, which is for echoes, of IPv4 and IPv6. */
static int socket_open(int type, int family)
{
    int protocol = 0;

    if (type == SOCK_RAW) {
        protocol = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
        type = SOCK_DGRAM;
    }
    return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

int gn__attempt_open(int type, const struct sockaddr *addr, int *out)
{
    int fd = socket_open(type, addr->sa_family), on = 1, err = 0;

    if (fd < 0)
        return -errno;
    if (addr->sa_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)))
        err = -errno;
    if (!err && connect(fd, addr, address_len(addr)))
        err = -errno;
    if (err == -EINPROGRESS)
        err = look_once(fd);
    else if (!err && is_connected(fd) == -ECONNREFUSED)
        err = -ECONNREFUSED;
    if (err && err != -EINPROGRESS)
        (void)close(fd); /* Also after an error it is closed. */
    else
        *out = fd;
    return err;
}

/* ---- waiting ---- */

static void attempt_finish(struct gn__attempt *attempt, int status)
{
    gn__attempt_stop(attempt);
    attempt->done(attempt, status);
}

static void attempt_ready(struct gn__io_watch *watch, short revents)
{
    struct gn__attempt *attempt =
        gn__container_of(watch, struct gn__attempt, watch);

    if (revents & (POLLOUT | POLLERR | POLLHUP))
        attempt_finish(attempt, socket_error(attempt->fd));
}

static void attempt_late(struct gn__io_timer *timer)
{
    attempt_finish(gn__container_of(timer, struct gn__attempt, timer),
                   -ETIMEDOUT);
}

static void network_closes(struct gn__io_end *end)
{
    attempt_finish(gn__container_of(end, struct gn__attempt, end), -ECANCELED);
}

int gn__attempt_start(struct gn__attempt *attempt, struct gn__io *io, int fd,
                      uint64_t timeout_ns, struct gn__account *account,
                      gn__attempt_cb done)
{
    int err;

    *attempt = (struct gn__attempt){.io = io, .fd = fd, .done = done};
    attempt->watch.ready = attempt_ready;
    attempt->watch.account = account;
    attempt->timer.fire = attempt_late;
    attempt->timer.account = account;
    attempt->end.run = network_closes;
    err = gn__io_watch(io, &attempt->watch, fd, POLLOUT);
    if (err) {
        attempt->io = NULL;
        return err;
    }
    gn__io_at_end(io, &attempt->end);
    gn__io_hold(io);
    if (timeout_ns)
        gn__io_start(io, &attempt->timer, gn__io_now(io) + timeout_ns);
    return 0;
}

void gn__attempt_stop(struct gn__attempt *attempt)
{
    struct gn__io *io = attempt->io;

    if (!io)
        return;
    attempt->io = NULL;
    gn__io_unwatch(io, &attempt->watch);
    gn__io_stop(io, &attempt->timer);
    gn__io_forget_end(&attempt->end);
    gn__io_release(io);
}
