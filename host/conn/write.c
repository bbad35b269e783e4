/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The queue of a conn's writes, and the list of those that are done and whose
 * callbacks are due. Both are in the order in which the writes were asked for,
 * and nothing passes from one to the other but from the front, so callbacks
 * are in that order too.
 *
 * A conn has room for one small write in itself: a caller that waits for each
 * callback before the next write, or writes what is taken at once, costs no
 * allocation.
 */
#include "host/conn/conn.h"

#include <errno.h>
#include <string.h>

/* ---- requests ---- */

static size_t size_of(unsigned n)
{
    return sizeof(struct gn__write) +
           (n > GN__WRITE_FEW ? n * sizeof(struct iovec) : 0);
}

static struct gn__write *write_take(struct gn_conn *conn, unsigned n)
{
    struct gn__write *write;

    if (!conn->spare_used && n <= GN__WRITE_FEW) {
        conn->spare_used = true;
        write = &conn->spare;
        memset(write, 0, sizeof(*write));
    } else {
        write = gn__zalloc(&conn->handle.engine->net.mem, size_of(n));
    }
    if (!write)
        return NULL;
    write->n = n;
    write->iov =
        n <= GN__WRITE_FEW ? write->few : (struct iovec *)(void *)(write + 1);
    return write;
}

static void write_give(struct gn_conn *conn, struct gn__write *write)
{
    if (write == &conn->spare)
        conn->spare_used = false;
    else
        gn__free(&conn->handle.engine->net.mem, write, size_of(write->n));
}

int gn__write_queue(struct gn_conn *conn, const struct iovec *iov, unsigned n,
                    gn_conn_write_cb callback, void *arg)
{
    struct gn__write *write = write_take(conn, n);
    unsigned i;

    if (!write)
        return -ENOMEM;
    write->callback = callback;
    write->arg = arg;
    write->fin = !iov;
    for (i = 0; iov && i < n; i++) {
        write->iov[i] = iov[i];
        write->left += iov[i].iov_len;
    }
    conn->queued += write->left;
    gn__list_add_tail(&conn->queue, &write->link);
    return 0;
}

/* ---- sending ---- */

void gn__write_finish(struct gn_conn *conn, int status)
{
    struct gn__write *write = gn__write_first(conn);

    conn->queued -= write->left;
    write->left = 0;
    write->status = status;
    gn__list_del(&write->link);
    gn__list_add_tail(&conn->done, &write->link);
    conn->n_done++;
}

static void write_pass(struct gn_conn *conn, struct gn__write *write, size_t n)
{
    conn->queued -= n;
    write->left -= n;
    write->off += n;
    while (write->at < write->n && write->off >= write->iov[write->at].iov_len)
        write->off -= write->iov[write->at++].iov_len;
}

void gn__write_advance(struct gn_conn *conn, size_t n)
{
    struct gn__write *write;

    while ((write = gn__write_first(conn)) && !write->fin) {
        size_t part = n < write->left ? n : write->left;

        write_pass(conn, write, part);
        n -= part;
        if (write->left)
            return;
        gn__write_finish(conn, 0);
    }
}

/* The elements of one write, as far as there is room. */
static unsigned gather_one(const struct gn__write *write, struct iovec *iov,
                           unsigned max, size_t *bytes)
{
    unsigned i, n = 0;

    for (i = write->at; i < write->n && n < max; i++) {
        size_t off = i == write->at ? write->off : 0;

        iov[n].iov_base = (char *)write->iov[i].iov_base + off;
        iov[n].iov_len = write->iov[i].iov_len - off;
        *bytes += iov[n++].iov_len;
    }
    return n;
}

unsigned gn__write_gather(const struct gn_conn *conn, struct iovec *iov,
                          unsigned max, size_t *bytes)
{
    struct gn__list *it;
    unsigned n = 0;

    *bytes = 0;
    gn__list_foreach (it, &conn->queue) {
        const struct gn__write *write =
            gn__container_of(it, struct gn__write, link);

        if (write->fin || n == max)
            break;
        n += gather_one(write, iov + n, max - n, bytes);
    }
    return n;
}

void gn__write_fail_all(struct gn_conn *conn, int status)
{
    while (gn__write_first(conn))
        gn__write_finish(conn, status);
}

/* ---- callbacks ---- */

static void call_back(struct gn_conn *conn)
{
    struct gn__write *write =
        gn__container_of(gn__list_pop(&conn->done), struct gn__write, link);
    gn_conn_write_cb callback = write->callback;
    void *arg = write->arg;
    int status = write->status;

    conn->n_done--;
    write_give(conn, write);
    if (callback)
        callback(conn, status, arg);
}

static void say_drained(struct gn_conn *conn)
{
    if (!conn->above || conn->queued > conn->high_water)
        return;
    conn->above = false;
    if (conn->drain_cb)
        conn->drain_cb(conn, conn->drain_arg);
}

/* Those that become done by what the callbacks do have to wait for a turn of
 * their own: they may not be called from inside the call. */
void gn__write_call_back(struct gn_conn *conn)
{
    unsigned n = conn->n_done;

    while (n-- && gn__handle_is_open(&conn->handle))
        call_back(conn);
    if (!gn__handle_is_open(&conn->handle))
        return;
    say_drained(conn);
    if (conn->n_done && gn__handle_is_open(&conn->handle))
        gn__handle_defer(&conn->handle);
}

void gn__write_cancel(struct gn_conn *conn)
{
    gn__write_fail_all(conn, -ECANCELED);
    while (conn->n_done)
        call_back(conn);
}
