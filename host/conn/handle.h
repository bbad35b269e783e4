/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_CONN_HANDLE_H
#define GN_HOST_CONN_HANDLE_H

/*
 * What conns, listeners and packet conns have in common: a life on the driving
 * thread that a caller may end at any time, and the network's end too.
 *
 *     OPEN --close--> CLOSING --a later turn--> GONE
 *       |                |
 *       +--the network ends--> ENDED --(closed or not)--> GONE
 *
 *   OPEN     Everything is allowed.
 *   CLOSING  The caller has let go of it: nothing of it calls any more, but
 *            the requests that are still to be ended, and the close callback.
 *   ENDED    Its network ended it and said so. A shell that answers calls with
 *            -ECANCELED until the network's own end; closing it then still
 *            gets its callback.
 *   GONE     Memory only, for callers up the stack that still hold a reference.
 *
 * It holds the loop while it is OPEN or CLOSING, and a reference to the engine
 * as long as there is memory.
 */
#include <guestnet/network.h>

#include "base/ref.h"
#include "host/driver/drive.h"

struct gn__handle;

enum gn__handle_state {
    GN__HANDLE_OPEN = 0,
    GN__HANDLE_CLOSING,
    GN__HANDLE_ENDED,
    GN__HANDLE_GONE
};

struct gn__handle_ops {
    const char *name;
    size_t size; /* of the struct whose first member is the handle */
    /** The turn that gn__handle_defer() asked for; OPEN. NULL: never asked. */
    void (*turn)(struct gn__handle *handle);
    /** Close the socket, stop watches and timers: once. Calls no callback. */
    void (*stop)(struct gn__handle *handle);
    /** Stopped: end the outstanding requests with -ECANCELED. NULL: none. */
    void (*cancel)(struct gn__handle *handle);
    /** Stopped and cancelled by the network: the subscriptions' last call. */
    void (*last)(struct gn__handle *handle);
};

struct gn__handle {
    const struct gn__handle_ops *ops;
    struct gn_network *net;
    struct gn__io *io;
    struct gn__engine *engine; /* a reference */
    struct gn_sock *sock;      /* a reference; NULL: not yet */
    struct gn__io_end end;
    struct gn__deferred task;
    _Atomic enum gn__handle_state state; /* read by any thread */
    struct gn__ref
        refs;   /* its own until GONE, and of its callbacks while they run */
    bool asked; /* to be closed */
    gn_close_cb close_cb;
    void *close_arg;
};

/**
 * Make one: zeroed, OPEN, and still without a socket. Driving thread.
 *
 *   -ENOMEM, -ECANCELED (the network is closing)
 */
GN_WARN_UNUSED int gn__handle_create(const struct gn__handle_ops *ops,
                                     struct gn_network *net,
                                     struct gn__handle **out);
/** It has this socket from now on, which may be NULL: its turns are those of
 *  the socket's guest. */
void gn__handle_set_sock(struct gn__handle *handle, struct gn_sock *sock);
/** Undo it, without a callback or ops->stop. A socket that it has is closed. */
void gn__handle_discard(struct gn__handle *handle);

/** Close it, on the driving thread. 0, or -EALREADY. */
int gn__handle_close(struct gn__handle *handle, gn_close_cb callback,
                     void *arg);

/** Have ops->turn run on a later turn. */
void gn__handle_defer(struct gn__handle *handle);

/** Keep the memory over callbacks. */
void gn__handle_ref(struct gn__handle *handle);
void gn__handle_unref(struct gn__handle *handle);

static inline bool gn__handle_is_open(const struct gn__handle *handle)
{
    return handle->state == GN__HANDLE_OPEN;
}

/**
 * A public call: run @call on the driving thread. There it is always run, and
 * has to look at the state; from another thread -ECANCELED may come instead.
 */
int gn__handle_call(struct gn__handle *handle, int (*call)(void *arg),
                    void *arg);

/** The public close: waits if there is no callback and this thread may.
 *  @before runs first, if the handle is OPEN; NULL: nothing does. */
int gn__handle_public_close(struct gn__handle *handle,
                            void (*before)(struct gn__handle *handle),
                            gn_close_cb callback, void *arg);

/** An address of its socket; an IPv4-mapped one as the IPv4 one it is. @get:
 *  gn_sock_name() or gn_sock_peer(). Any thread. */
int gn__handle_addr(struct gn__handle *handle,
                    int (*get)(struct gn_sock *, struct sockaddr *,
                               socklen_t *),
                    struct sockaddr *addr, socklen_t *len);

#endif /* GN_HOST_CONN_HANDLE_H */
