/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_CONN_CONN_H
#define GN_HOST_CONN_CONN_H

/*
 * What is inside a gn_conn.
 *
 *     conn.c    life, options, and the public calls
 *     write.c   the queue of writes and their callbacks
 *     stream.c  TCP: rounds by reference (namespace/sock/stream.h)
 *     fd.c      TCP, handed over as a descriptor
 *     dgram.c   UDP: one datagram for one read, one for one write
 *
 * All of it is for the driving thread. A conn works in turns: because its
 * socket changed, because a call left something over, or because its time is
 * up. In each, writes go first, then their callbacks, then reading, and it ends
 * with the socket asked to tell of just what is missing: bytes only while
 * there is a reader, room only while something waits.
 */
#include <guestnet/conn.h>

#include <sys/uio.h>

#include "host/conn/handle.h"

/** Buffers that a write has room for by itself. */
#define GN__WRITE_FEW 2u

/** A write, or the end of them. */
struct gn__write {
    struct gn__list link;
    gn_conn_write_cb callback;
    void *arg;
    int status;
    bool fin;    /* shut down instead */
    unsigned n;  /* in iov */
    unsigned at; /* the first that is not all written */
    size_t off;  /* in it */
    size_t left; /* bytes */
    struct iovec *iov;
    struct iovec few[GN__WRITE_FEW]; /* iov, if they are enough */
};

/** What is different between streams and datagrams. */
struct gn__conn_ops {
    const char *name;
    /** Begin; may fail with -ENOMEM. */
    int (*start)(struct gn_conn *conn);
    void (*stop)(struct gn_conn *conn);
    /** Send from the queue what can be. */
    void (*flush)(struct gn_conn *conn);
    /** Write, call back, read, and ask for what is missing. */
    void (*work)(struct gn_conn *conn);
};

extern const struct gn__conn_ops gn__conn_stream;
extern const struct gn__conn_ops gn__conn_dgram;

struct gn_conn {
    struct gn__handle handle; /* first */
    const struct gn__conn_ops *ops;
    struct gn__stream_hook hook; /* stream */
    size_t passed; /* stream: bytes of the last round that were given out */
    struct gn__io_timer retry; /* memory was out */
    gn_conn_read_cb read_cb;   /* NULL: not reading */
    void *read_arg;
    struct gn__list queue; /* struct gn__write, in order */
    struct gn__list done;  /* the same, to be called back */
    unsigned n_done;
    _Atomic size_t queued;  /* bytes in the queue; read by any thread */
    struct gn__write spare; /* the one that needs no memory of its own */
    bool spare_used;
    _Atomic bool fin;  /* shutdown was asked for; read by any thread */
    _Atomic bool eof;  /* the end was told; the same */
    bool due;          /* more than callbacks are to do in the turn */
    bool handed_over;  /* the socket, to a relay */
    bool told;         /* to the server of a listening descriptor */
    bool above;        /* the mark, and the caller was told */
    short watched;     /* dgram: what the socket is watched for */
    _Atomic int error; /* what ended it; read by any thread */
    size_t high_water;
    gn_conn_drain_cb drain_cb;
    void *drain_arg;
    void *user;
};

/** A conn without its socket; driving thread. -ENOMEM, -ECANCELED. */
GN_WARN_UNUSED int gn__conn_create(struct gn_network *net,
                                   struct gn_conn **out);
/** Give it its socket: connected, and non-blocking from now on. 0: consumed;
 *  -ENOMEM: not. */
GN_WARN_UNUSED int gn__conn_begin(struct gn_conn *conn, struct gn_sock *sock);
/** Undo gn__conn_create(). */
void gn__conn_discard(struct gn_conn *conn);

/** Work on a later turn. */
void gn__conn_defer(struct gn_conn *conn);
/** Memory was out: work a little later. */
void gn__conn_retry(struct gn_conn *conn);
/**
 * Relay between an open stream conn and a connected, non-blocking stream socket
 * of the kernel's; the conn is closed. @fd is consumed, also on error, and so
 * is @share, which it is held for. @opener goes in front of all else to it,
 * even if it is still connecting; NULL: nothing does.
 *
 * Errors are those of gn_conn_fd(); the conn is then still open, or broken.
 */
GN_WARN_UNUSED int gn__conn_give(struct gn_conn *conn, int fd,
                                 struct gn__fd_share *share,
                                 const char *opener);

/** It is over: all that waits gets @error, and so will the reader when nothing
 *  is left to read. */
void gn__conn_fail(struct gn_conn *conn, int error);
/** Tell the reader that it was the last, GN_EOF or an error. */
void gn__conn_end_read(struct gn_conn *conn, int status);

static inline bool gn__conn_reads(const struct gn_conn *conn)
{
    return conn->read_cb && gn__handle_is_open(&conn->handle);
}

/* ---- conn_write.c ---- */

static inline struct gn__write *gn__write_first(const struct gn_conn *conn)
{
    struct gn__list *node = gn__list_first(&conn->queue);

    return node ? gn__container_of(node, struct gn__write, link) : NULL;
}
/** Put one at the end; @iov is copied, NULL: shut down instead. -ENOMEM. */
GN_WARN_UNUSED int gn__write_queue(struct gn_conn *conn,
                                   const struct iovec *iov, unsigned n,
                                   gn_conn_write_cb callback, void *arg);
/** The first of the queue is over. */
void gn__write_finish(struct gn_conn *conn, int status);
/** Take note that @n bytes of the queue were sent, in order; writes that are
 *  whole are finished. */
void gn__write_advance(struct gn_conn *conn, size_t n);
/** Collect what the queue has to send, up to @max elements and to a FIN.
 *  Returns how many; *@bytes gets what they hold. */
unsigned gn__write_gather(const struct gn_conn *conn, struct iovec *iov,
                          unsigned max, size_t *bytes);
/** Everything that waits is over. */
void gn__write_fail_all(struct gn_conn *conn, int status);
/** Run the callbacks of those that are done, and the drain callback. */
void gn__write_call_back(struct gn_conn *conn);
/** The same when the conn is stopped: all of them, the rest cancelled. */
void gn__write_cancel(struct gn_conn *conn);

#endif /* GN_HOST_CONN_CONN_H */
