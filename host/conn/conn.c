/* SPDX-License-Identifier: BSD-3-Clause */

/* A conn's life, and the public calls; see conn.h. */
#include "host/conn/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

/** How much later to try again when memory was out, ns. */
#define RETRY_NS 10000000u
/** Linux' MAX_TCP_KEEPIDLE. */
#define IDLE_MAX_S 32767u

static struct gn_conn *conn_of(struct gn__handle *handle)
{
    return gn__container_of(handle, struct gn_conn, handle);
}

/* ---- turns ---- */

static void run_turn(struct gn__handle *handle)
{
    struct gn_conn *conn = conn_of(handle);
    bool due = conn->due;

    gn__handle_ref(handle);
    conn->due = false;
    if (due)
        conn->ops->work(conn);
    else
        gn__write_call_back(conn);
    gn__handle_unref(handle);
}

void gn__conn_defer(struct gn_conn *conn)
{
    conn->due = true;
    gn__handle_defer(&conn->handle);
}

static void run_retry(struct gn__io_timer *timer)
{
    gn__conn_defer(gn__container_of(timer, struct gn_conn, retry));
}

void gn__conn_retry(struct gn_conn *conn)
{
    struct gn__io *io = conn->handle.io;

    gn__io_start(io, &conn->retry, gn__io_now(io) + RETRY_NS);
}

void gn__conn_fail(struct gn_conn *conn, int error)
{
    if (!conn->error)
        conn->error = error;
    gn__write_fail_all(conn, error);
    if (conn->n_done || conn->read_cb)
        gn__conn_defer(conn);
}

void gn__conn_end_read(struct gn_conn *conn, int status)
{
    gn_conn_read_cb callback = conn->read_cb;

    conn->read_cb = NULL;
    conn->eof = status == GN_EOF;
    callback(conn, status, NULL, conn->read_arg);
}

/* ---- life ---- */

static void conn_stop(struct gn__handle *handle)
{
    struct gn_conn *conn = conn_of(handle);

    gn__io_stop(handle->io, &conn->retry);
    if (conn->handed_over)
        return;
    conn->ops->stop(conn);
    gn_sock_close(handle->sock);
}

static void conn_cancel(struct gn__handle *handle)
{
    gn__write_cancel(conn_of(handle));
}

static void conn_last(struct gn__handle *handle)
{
    struct gn_conn *conn = conn_of(handle);

    if (conn->read_cb)
        gn__conn_end_read(conn, -ECANCELED);
}

static const struct gn__handle_ops handle_ops = {
    .name = "conn",
    .size = sizeof(struct gn_conn),
    .turn = run_turn,
    .stop = conn_stop,
    .cancel = conn_cancel,
    .last = conn_last,
};

int gn__conn_create(struct gn_network *net, struct gn_conn **out)
{
    struct gn__handle *handle;
    struct gn_conn *conn;
    int err;

    err = gn__handle_create(&handle_ops, net, &handle);
    if (err)
        return err;
    conn = conn_of(handle);
    gn__list_init(&conn->queue);
    gn__list_init(&conn->done);
    conn->retry.fire = run_retry;
    conn->high_water = GN_CONN_HIGH_WATER;
    *out = conn;
    return 0;
}

void gn__conn_discard(struct gn_conn *conn)
{
    gn__handle_discard(&conn->handle);
}

int gn__conn_begin(struct gn_conn *conn, struct gn_sock *sock)
{
    int err;

    conn->ops = sock->type == SOCK_STREAM ? &gn__conn_stream : &gn__conn_dgram;
    gn__handle_set_sock(&conn->handle, sock);
    conn->retry.account = conn->handle.task.account;
    err = conn->ops->start(conn);
    if (err)
        gn__handle_set_sock(&conn->handle, NULL);
    return err;
}

static void linger_not(struct gn__handle *handle)
{
    const struct linger now = {1, 0};

    (void)gn_sock_setopt(handle->sock, SOL_SOCKET, SO_LINGER, &now,
                         sizeof(now)); /* A dead socket has no peer. */
}

int gn_conn_close(struct gn_conn *conn, gn_close_cb callback, void *arg)
{
    if (!conn)
        return -EINVAL;
    return gn__handle_public_close(&conn->handle, NULL, callback, arg);
}

int gn_conn_reset(struct gn_conn *conn, gn_close_cb callback, void *arg)
{
    if (!conn)
        return -EINVAL;
    return gn__handle_public_close(&conn->handle, linger_not, callback, arg);
}

/* ---- reading ---- */

struct read_call {
    struct gn_conn *conn;
    gn_conn_read_cb callback;
    void *arg;
};

static int run_read_start(void *arg)
{
    const struct read_call *call = arg;
    struct gn_conn *conn = call->conn;

    if (!gn__handle_is_open(&conn->handle))
        return -ECANCELED;
    if (conn->read_cb)
        return -EALREADY;
    conn->read_cb = call->callback;
    conn->read_arg = call->arg;
    gn__conn_defer(conn);
    return 0;
}

int gn_conn_read_start(struct gn_conn *conn, gn_conn_read_cb callback,
                       void *arg)
{
    struct read_call call = {conn, callback, arg};

    if (!conn || !callback)
        return -EINVAL;
    return gn__handle_call(&conn->handle, run_read_start, &call);
}

static int run_read_stop(void *arg)
{
    struct gn_conn *conn = arg;

    conn->read_cb = NULL;
    return 0;
}

void gn_conn_read_stop(struct gn_conn *conn)
{
    if (conn)
        (void)gn__handle_call(&conn->handle, run_read_stop, conn);
}

/* ---- writing ---- */

struct write_call {
    struct gn_conn *conn;
    const struct iovec *iov;
    unsigned n;
    gn_conn_write_cb callback;
    void *arg;
};

static int may_write(const struct gn_conn *conn)
{
    if (!gn__handle_is_open(&conn->handle))
        return -ECANCELED;
    return conn->fin ? -EPIPE : conn->error;
}

/* Something new stands in the queue, and has to be seen to. */
static void look_after(struct gn_conn *conn, bool was_empty)
{
    if (was_empty && !conn->retry.started)
        conn->ops->flush(conn);
    if (was_empty && gn__write_first(conn))
        gn__conn_defer(conn);
    else if (conn->n_done)
        gn__handle_defer(&conn->handle);
}

static int run_write(void *arg)
{
    const struct write_call *call = arg;
    struct gn_conn *conn = call->conn;
    bool was_empty = !gn__write_first(conn);
    int err = may_write(conn);

    if (!err)
        err = gn__write_queue(conn, call->iov, call->n, call->callback,
                              call->arg);
    if (err)
        return err;
    look_after(conn, was_empty);
    if (conn->queued > conn->high_water)
        conn->above = true;
    return conn->above;
}

static int check_iov(const struct iovec *iov, size_t n)
{
    size_t i;

    if (n > GN_IOV_MAX)
        return -EMSGSIZE;
    for (i = 0; i < n; i++) {
        if (!iov[i].iov_base && iov[i].iov_len)
            return -EINVAL;
    }
    return 0;
}

int gn_conn_writev(struct gn_conn *conn, const struct iovec *iov, size_t n,
                   gn_conn_write_cb callback, void *arg)
{
    struct write_call call = {conn, iov, (unsigned)n, callback, arg};
    int err;

    if (!conn || !iov)
        return -EINVAL;
    err = check_iov(iov, n);
    return err ? err : gn__handle_call(&conn->handle, run_write, &call);
}

int gn_conn_write(struct gn_conn *conn, const void *data, size_t len,
                  gn_conn_write_cb callback, void *arg)
{
    /* Writing only reads what iov_base points to. */
    struct iovec iov = {(void *)(uintptr_t)data, len};

    return gn_conn_writev(conn, &iov, 1, callback, arg);
}

struct try_call {
    struct gn_conn *conn;
    const void *data;
    size_t len;
    ssize_t n;
};

static int run_try_write(void *arg)
{
    struct try_call *call = arg;
    struct gn_conn *conn = call->conn;
    int err = may_write(conn);

    if (!err && gn__write_first(conn))
        err = -EAGAIN;
    if (err)
        return err;
    call->n =
        gn_sock_send(conn->handle.sock, call->data, call->len, MSG_DONTWAIT);
    if (call->n >= 0)
        return 0;
    if (call->n == -ENOBUFS || call->n == -ENOMEM)
        return -EAGAIN;
    if (call->n != -EAGAIN && conn->ops == &gn__conn_stream)
        gn__conn_fail(conn, (int)call->n);
    return (int)call->n;
}

ssize_t gn_conn_try_write(struct gn_conn *conn, const void *data, size_t len)
{
    struct try_call call = {conn, data, len, 0};
    int err;

    if (!conn || (!data && len))
        return -EINVAL;
    err = gn__handle_call(&conn->handle, run_try_write, &call);
    return err ? err : call.n;
}

static int run_shutdown(void *arg)
{
    const struct write_call *call = arg;
    struct gn_conn *conn = call->conn;
    bool was_empty = !gn__write_first(conn);
    int err;

    if (!gn__handle_is_open(&conn->handle))
        return -ECANCELED;
    if (conn->ops != &gn__conn_stream)
        return -EOPNOTSUPP;
    if (conn->fin)
        return -EALREADY;
    err = conn->error;
    if (!err)
        err = gn__write_queue(conn, NULL, 0, call->callback, call->arg);
    if (err)
        return err;
    conn->fin = true;
    look_after(conn, was_empty);
    return 0;
}

int gn_conn_shutdown(struct gn_conn *conn, gn_conn_write_cb callback, void *arg)
{
    struct write_call call = {conn, NULL, 0, callback, arg};

    if (!conn)
        return -EINVAL;
    return gn__handle_call(&conn->handle, run_shutdown, &call);
}

/* ---- the mark ---- */

size_t gn_conn_queued(struct gn_conn *conn)
{
    return conn ? conn->queued : 0;
}

struct mark_call {
    struct gn_conn *conn;
    size_t bytes;
    gn_conn_drain_cb callback;
    void *arg;
};

static int run_mark(void *arg)
{
    const struct mark_call *call = arg;
    struct gn_conn *conn = call->conn;

    if (!gn__handle_is_open(&conn->handle))
        return -ECANCELED;
    conn->high_water = call->bytes ? call->bytes : GN_CONN_HIGH_WATER;
    conn->drain_cb = call->callback;
    conn->drain_arg = call->arg;
    if (conn->above && conn->queued <= conn->high_water)
        gn__handle_defer(&conn->handle);
    return 0;
}

void gn_conn_set_high_water(struct gn_conn *conn, size_t bytes,
                            gn_conn_drain_cb callback, void *arg)
{
    struct mark_call call = {conn, bytes, callback, arg};

    if (conn)
        (void)gn__handle_call(&conn->handle, run_mark, &call);
}

/* ---- what there is to know ---- */

bool gn_conn_is_readable(struct gn_conn *conn)
{
    return conn && gn__handle_is_open(&conn->handle) && !conn->eof &&
           !conn->error;
}

bool gn_conn_is_writable(struct gn_conn *conn)
{
    return conn && may_write(conn) == 0;
}

int gn_conn_name(struct gn_conn *conn, struct sockaddr *addr, socklen_t *len)
{
    if (!conn)
        return -EINVAL;
    return gn__handle_addr(&conn->handle, gn_sock_name, addr, len);
}

int gn_conn_peer(struct gn_conn *conn, struct sockaddr *addr, socklen_t *len)
{
    if (!conn)
        return -EINVAL;
    return gn__handle_addr(&conn->handle, gn_sock_peer, addr, len);
}

static int set_int(struct gn_conn *conn, int level, int name, int value)
{
    return gn_sock_setopt(conn->handle.sock, level, name, &value,
                          sizeof(value));
}

int gn_conn_nodelay(struct gn_conn *conn, bool on)
{
    if (!conn)
        return -EINVAL;
    if (conn->ops != &gn__conn_stream)
        return -EOPNOTSUPP;
    return set_int(conn, IPPROTO_TCP, TCP_NODELAY, on);
}

int gn_conn_keepalive(struct gn_conn *conn, bool on, unsigned idle_s)
{
    int err = 0;

    if (!conn || idle_s > IDLE_MAX_S)
        return -EINVAL;
    if (conn->ops != &gn__conn_stream)
        return -EOPNOTSUPP;
    if (on && idle_s)
        err = set_int(conn, IPPROTO_TCP, TCP_KEEPIDLE, (int)idle_s);
    return err ? err : set_int(conn, SOL_SOCKET, SO_KEEPALIVE, on);
}

struct gn_sock *gn_conn_sock(struct gn_conn *conn)
{
    return conn ? conn->handle.sock : NULL;
}

void gn_conn_set_user(struct gn_conn *conn, void *user)
{
    if (conn)
        conn->user = user;
}

void *gn_conn_user(const struct gn_conn *conn)
{
    return conn ? conn->user : NULL;
}
