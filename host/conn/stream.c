/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * TCP under a gn_conn. What is read is not copied: a round shows slices of what
 * waits in the connection, the reader gets them one after the other, and the
 * next round lets go of as many as it took. Slices that it did not take,
 * because it stopped or closed, are still there, and the window says so to the
 * peer.
 *
 * What is written is copied once, by the socket's own call, which packs small
 * writes together.
 */
#include <errno.h>

#include "host/conn/conn.h"

/** Read in one turn, bytes: then others have theirs. */
#define TURN_READ (256u * 1024)
/** Sent by one call, elements. */
#define SEND_IOV 64u

static void run_hook(struct gn__deferred *deferred);

static int stream_start(struct gn_conn *conn)
{
    gn__stream_hook_init(&conn->hook, conn->handle.sock, run_hook);
    gn__conn_defer(conn);
    return 0;
}

/* Closing counts what was not read: what the reader has had was. */
static void stream_stop(struct gn_conn *conn)
{
    struct gn__stream_round round = {.passed = conn->passed};

    if (conn->passed)
        conn->error = gn__stream_round(&conn->hook, &round);
    conn->passed = 0;
    gn__stream_hook_done(&conn->hook);
}

/* ---- writing ---- */

static int send_some(struct gn_conn *conn, size_t *bytes)
{
    struct iovec iov[SEND_IOV];
    struct msghdr msg = {.msg_iov = iov};
    ssize_t n;

    msg.msg_iovlen = gn__write_gather(conn, iov, SEND_IOV, bytes);
    n = *bytes ? gn_sock_sendmsg(conn->handle.sock, &msg, MSG_DONTWAIT) : 0;
    if (n < 0)
        return (int)n;
    *bytes -= (size_t)n;
    gn__write_advance(conn, (size_t)n);
    return 0;
}

static int send_fin(struct gn_conn *conn)
{
    int err = gn_sock_shutdown(conn->handle.sock, SHUT_WR);

    if (err == -ENOBUFS || err == -ENOMEM)
        return err;
    gn__write_finish(conn, err);
    return 0;
}

static void stream_flush(struct gn_conn *conn)
{
    const struct gn__write *write;
    size_t left = 0;
    int err = 0;

    while (!err && !left && (write = gn__write_first(conn)))
        err = write->fin ? send_fin(conn) : send_some(conn, &left);
    if (err == -ENOBUFS || err == -ENOMEM)
        gn__conn_retry(conn);
    else if (err && err != -EAGAIN)
        gn__conn_fail(conn, err);
}

/* ---- reading ---- */

/* Give the reader what the round shows. */
static void stream_deliver(struct gn_conn *conn,
                           const struct gn__stream_round *round)
{
    unsigned i;

    for (i = 0; i < round->n_recv; i++) {
        const struct gn__slice *slice = &round->recv[i];

        if (gn__conn_reads(conn)) {
            conn->passed += slice->len;
            conn->read_cb(conn, slice->len, slice->data, conn->read_arg);
        }
        gn__chunk_unref(slice->chunk);
    }
}

/* Nothing is left to read: is it over? */
static void look_for_end(struct gn_conn *conn,
                         const struct gn__stream_round *round)
{
    if (!gn__conn_reads(conn))
        return;
    if (round->eof)
        gn__conn_end_read(conn, GN_EOF);
    else if (conn->error)
        gn__conn_end_read(conn, conn->error);
}

/* One round; true if another has something to say or to get. */
static bool turn_round(struct gn_conn *conn, struct gn__stream_round *round)
{
    int err;

    round->passed = conn->passed;
    round->max = conn->read_cb ? TURN_READ : 0;
    round->wants_room = gn__write_first(conn) && !conn->retry.started;
    conn->passed = 0;
    err = gn__stream_round(&conn->hook, round);
    if (err)
        gn__conn_fail(conn, err);
    if (!round->n_recv) {
        look_for_end(conn, round);
        return !err && round->wants_room && round->room;
    }
    stream_deliver(conn, round);
    return true;
}

static void stream_work(struct gn_conn *conn)
{
    struct gn__stream_round round = {.room = 1};
    size_t budget = TURN_READ;
    bool more;

    do {
        if (round.room)
            stream_flush(conn);
        gn__write_call_back(conn);
        if (!gn__handle_is_open(&conn->handle))
            return;
        more = turn_round(conn, &round);
        if (!gn__handle_is_open(&conn->handle))
            return;
        budget -= conn->passed < budget ? conn->passed : budget;
    } while (more && budget);
    if (more)
        gn__conn_defer(conn);
}

static void run_hook(struct gn__deferred *deferred)
{
    struct gn__stream_hook *hook =
        gn__container_of(deferred, struct gn__stream_hook, deferred);
    struct gn_conn *conn = gn__container_of(hook, struct gn_conn, hook);

    gn__handle_ref(&conn->handle);
    stream_work(conn);
    gn__handle_unref(&conn->handle);
}

const struct gn__conn_ops gn__conn_stream = {
    .name = "stream",
    .start = stream_start,
    .stop = stream_stop,
    .flush = stream_flush,
    .work = stream_work,
};
