/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * UDP under a gn_conn: a connected socket, one datagram for a read and one for
 * a write. An error is about one datagram, usually an earlier one, and does not
 * end the conn; only the namespace's end does.
 */
#include <errno.h>

#include "host/conn/conn.h"
#include "host/conn/receive.h"

/** Sent in one turn, datagrams. */
#define TURN_SENDS 64u

static void on_ready(struct gn_sock *sock, short revents, void *arg);

static void dgram_watch(struct gn_conn *conn, short events)
{
    if (events == conn->watched)
        return;
    conn->watched = events;
    /* It has the memory it needs since dgram_start(); dead, it calls once
     * more. */
    (void)gn_sock_watch(conn->handle.sock, events, on_ready, conn);
}

static int dgram_start(struct gn_conn *conn)
{
    int err = gn_sock_watch(conn->handle.sock, POLLIN, on_ready, conn);

    if (err)
        return err;
    conn->watched = POLLIN;
    dgram_watch(conn, 0);
    return 0;
}

static void dgram_stop(struct gn_conn *conn)
{
    dgram_watch(conn, 0);
}

/* ---- writing ---- */

/* The first of the queue, which is one datagram; false if it has to wait. */
static bool send_one(struct gn_conn *conn, const struct gn__write *write)
{
    struct msghdr msg = {.msg_iov = write->iov, .msg_iovlen = write->n};
    ssize_t n = gn_sock_sendmsg(conn->handle.sock, &msg, MSG_DONTWAIT);

    if (n == -EAGAIN)
        return false;
    if (n == -ENOBUFS || n == -ENOMEM) {
        gn__conn_retry(conn);
        return false;
    }
    if (n == -ECANCELED)
        gn__conn_fail(conn, -ECANCELED);
    else
        gn__write_finish(conn, n < 0 ? (int)n : 0);
    return true;
}

static void dgram_flush(struct gn_conn *conn)
{
    const struct gn__write *write;
    unsigned max = TURN_SENDS;

    while (max-- && (write = gn__write_first(conn)) && send_one(conn, write))
        continue;
}

/* ---- reading ---- */

static bool dgram_receive(void *arg, ssize_t n, const void *data,
                          const struct sockaddr *from)
{
    struct gn_conn *conn = arg;

    (void)from;
    if (n == -ECANCELED)
        gn__conn_fail(conn, -ECANCELED);
    else
        conn->read_cb(conn, n, data, conn->read_arg);
    return !conn->error && gn__conn_reads(conn);
}

static void dgram_work(struct gn_conn *conn)
{
    short events;

    dgram_flush(conn);
    gn__write_call_back(conn);
    if (gn__conn_reads(conn) && !conn->error)
        gn__dgram_receive(conn->handle.sock, dgram_receive, conn);
    if (gn__conn_reads(conn) && conn->error)
        gn__conn_end_read(conn, conn->error);
    if (!gn__handle_is_open(&conn->handle))
        return;
    events = conn->read_cb ? POLLIN : 0;
    if (gn__write_first(conn) && !conn->retry.started)
        events |= POLLOUT;
    dgram_watch(conn, events);
}

static void on_ready(struct gn_sock *sock, short revents, void *arg)
{
    struct gn_conn *conn = arg;

    (void)sock;
    (void)revents;
    gn__handle_ref(&conn->handle);
    dgram_work(conn);
    gn__handle_unref(&conn->handle);
}

const struct gn__conn_ops gn__conn_dgram = {
    .name = "dgram",
    .start = dgram_start,
    .stop = dgram_stop,
    .flush = dgram_flush,
    .work = dgram_work,
};
