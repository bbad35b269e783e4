/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Connections as descriptors, for code that knows nothing else: a pair of
 * kernel sockets, one end for the user, and a relay between the other and the
 * connection's socket.
 *
 * A pair of TCP sockets is made over the host's loopback, where another process
 * of the machine might connect first: the connection that is accepted has to
 * come from the port that we connected from.
 */
#include <guestnet/conn.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/lock.h"
#include "base/text.h"
#include "host/conn/conn.h"
#include "host/conn/dial.h"
#include "host/forward/forward.h"

/** How long the host's loopback may take, ms: it takes microseconds. */
#define LOOPBACK_MS 1000
/** Connections of others that are turned away meanwhile. */
#define MAX_STRANGERS 16u

/* ---- pairs; the first end is ours, and does not block ---- */

static void close_pair(const int pair[2])
{
    close(pair[0]);
    close(pair[1]);
}

static int make_unix_pair(int pair[2])
{
    int err;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return -errno;
    err = gn__fd_nonblock(pair[0], true);
    if (err)
        close_pair(pair);
    return err;
}

/* A listening socket on a free port of the loopback. */
static int listen_loopback(struct sockaddr_in *addr)
{
    socklen_t len = sizeof(*addr);
    int err, fd;

    memset(addr, 0, sizeof(*addr));
    addr->sin_family = AF_INET;
    addr->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (!bind(fd, (struct sockaddr *)addr, sizeof(*addr)) &&
        !listen(fd, (int)MAX_STRANGERS) &&
        !getsockname(fd, (struct sockaddr *)addr, &len))
        return fd;
    err = -errno;
    close(fd);
    return err;
}

static int wait_for(int fd, short events)
{
    struct pollfd pollfd = {.fd = fd, .events = events};
    int n = poll(&pollfd, 1, LOOPBACK_MS);

    return n > 0 ? 0 : n < 0 ? -errno : -ETIMEDOUT;
}

static int connect_loopback(const struct sockaddr_in *to,
                            struct sockaddr_in *from)
{
    socklen_t len = sizeof(*from);
    int err = 0, fd;

    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)to, sizeof(*to)))
        err = errno == EINPROGRESS ? wait_for(fd, POLLOUT) : -errno;
    if (!err && getsockname(fd, (struct sockaddr *)from, &len))
        err = -errno;
    if (!err)
        return fd;
    close(fd);
    return err;
}

/* The connection that comes from @from. */
static int accept_from(int listener, const struct sockaddr_in *from)
{
    unsigned n;

    for (n = 0; n < MAX_STRANGERS; n++) {
        struct sockaddr_in peer = {.sin_port = 0};
        socklen_t len = sizeof(peer);
        int fd, err = wait_for(listener, POLLIN);

        if (err)
            return err;
        fd = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
        if (fd < 0 && errno != EAGAIN && errno != ECONNABORTED)
            return -errno;
        if (fd >= 0 && peer.sin_port == from->sin_port &&
            peer.sin_addr.s_addr == from->sin_addr.s_addr)
            return fd;
        if (fd >= 0)
            close(fd);
    }
    return -ECONNABORTED;
}

/* The user gets the end that has connected without waiting: the kernel lets
 * connect(2) say once that it is done, and libcurl 7.88 calls it whatever it
 * was told. */
static int make_tcp_pair(int pair[2])
{
    struct sockaddr_in to, from = {.sin_port = 0};
    int listener = listen_loopback(&to), at_once = 1;

    if (listener < 0)
        return listener;
    pair[1] = connect_loopback(&to, &from);
    pair[0] = pair[1] < 0 ? pair[1] : accept_from(listener, &from);
    close(listener);
    if (pair[1] < 0)
        return pair[1];
    if (pair[0] < 0) {
        close(pair[1]);
        return pair[0];
    }
    (void)!gn__fd_nonblock(pair[1], false);
    /* Bytes that are late were so already when they came; the other end's
     * options are the user's. */
    (void)setsockopt(pair[0], IPPROTO_TCP, TCP_NODELAY, &at_once,
                     sizeof(at_once));
    return 0;
}

/* ---- handing over ---- */

static int may_hand_over(const struct gn_conn *conn)
{
    if (!gn__handle_is_open(&conn->handle))
        return -ECANCELED;
    if (conn->ops != &gn__conn_stream)
        return -EOPNOTSUPP;
    if (!conn->handle.engine->driver->watch)
        return -ENOTSUP;
    if (!gn__list_empty(&conn->queue))
        return -EBUSY;
    return conn->fin ? -EPIPE : conn->error;
}

/* The relay has the socket from now on; or it has reset it. */
static int start_relay(struct gn_conn *conn, int fd, struct gn__fd_share *share,
                       const char *opener)
{
    struct gn__relay_config config = {
        .io = conn->handle.io,
        .sock = gn_sock_ref(conn->handle.sock),
        .fd = fd,
        .share = gn__fds_pass(share),
        .opener = opener,
    };
    struct gn__relay *relay;

    conn->read_cb = NULL;
    conn->ops->stop(conn);
    conn->handed_over = true;
    return gn__relay_start(&config, &relay);
}

int gn__conn_give(struct gn_conn *conn, int fd, struct gn__fd_share *share,
                  const char *opener)
{
    int err = may_hand_over(conn);

    if (err) {
        close(fd);
        gn__fds_give(share);
        return err;
    }
    err = start_relay(conn, fd, share, opener);
    if (err) {
        gn__conn_fail(conn, err);
        return err;
    }
    return gn__handle_close(&conn->handle, NULL, NULL);
}

struct fd_call {
    struct gn_conn *conn;
    enum gn_fd_kind kind;
    int fd;
};

static int run_conn_fd(void *arg)
{
    struct fd_call *call = arg;
    struct gn_conn *conn = call->conn;
    struct gn__fd_share share = {.guest = NULL}; /* The host asked for it. */
    int pair[2], err = may_hand_over(conn);

    if (!err)
        err = call->kind == GN_FD_TCP ? make_tcp_pair(pair)
                                      : make_unix_pair(pair);
    if (err)
        return err;
    err = gn__conn_give(conn, pair[0], &share, NULL);
    if (err)
        close(pair[1]);
    else
        call->fd = pair[1];
    return err;
}

int gn_conn_fd(struct gn_conn *conn, enum gn_fd_kind kind, int *fd)
{
    struct fd_call call = {conn, kind, -1};
    int err;

    if (!conn || !fd || (unsigned)kind >= GN_N_FD_KINDS)
        return -EINVAL;
    err = gn__handle_call(&conn->handle, run_conn_fd, &call);
    if (!err)
        *fd = call.fd;
    return err;
}

/* ---- dialling one ---- */

struct fd_dial {
    struct gn__dial_call call;
    enum gn_fd_kind kind;
    int result; /* the descriptor, or an error */
    _Atomic uint32_t done;
};

static int to_fd(struct gn_conn *conn, enum gn_fd_kind kind)
{
    int fd, err = gn_conn_fd(conn, kind, &fd);

    if (!err)
        return fd;
    (void)gn_conn_reset(conn, NULL, NULL); /* It may be at its end. */
    return err;
}

static void fd_dialled(struct gn_dial *dial, int status, struct gn_conn *conn,
                       void *arg)
{
    struct fd_dial *fd_dial = arg;

    (void)dial;
    fd_dial->result = status ? status : to_fd(conn, fd_dial->kind);
    gn__spot_wake(&fd_dial->done);
}

int gn_dial_fd(struct gn_namespace *from, const char *proto,
               const char *address, const struct gn_dial_options *options,
               int *fd)
{
    struct fd_dial dial = {.kind = options ? options->fd_kind : 0};
    struct gn_network *net;
    int err;

    if (!from || !fd)
        return -EINVAL;
    err = gn__dial_check(proto, address, options, &dial.call);
    if (err)
        return err;
    if (dial.call.target.type != SOCK_STREAM)
        return -EOPNOTSUPP;
    net = gn__namespace_network(from);
    if (!net)
        return -ENOTSUP;
    if (gn__engine_is_driving(gn__network_engine(net)))
        return -EDEADLK;
    dial.call.from = from;
    dial.call.callback = fd_dialled;
    dial.call.arg = &dial;
    err = gn__dial_start(&dial.call);
    if (err)
        return err;
    (void)gn__spot_sleep(&dial.done, GN__SPOT_NEVER);
    if (dial.result < 0)
        return dial.result;
    *fd = dial.result;
    return 0;
}
