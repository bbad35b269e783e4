/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NAMESPACE_SOCK_STREAM_H
#define GN_NAMESPACE_SOCK_STREAM_H

/*
 * A stream socket by reference, for code that moves payload between it and
 * something else and copies none: relays.
 *
 * All that a round has to say and to ask is one entry of the engine. Slices
 * that are sent move their references into the connection. Slices that are
 * received stay in the connection, and keep its window closed, until the next
 * round says how many of their bytes went on: bytes that the other side does
 * not take cost nothing but the window.
 *
 * The hook is a wait and a deferred task in one: armed by a round for what it
 * did not find, it runs once on the driving thread when that changes.
 */
#include "namespace/sock/sock.h"
#include "netstack/netstack.h"

/** Slices that one round sends, or receives. */
#define GN__ROUND_SEND 4u
#define GN__ROUND_RECV 16u

/** Zero: not armed. For the driving thread, as its deferred task runs there. */
struct gn__stream_hook {
    struct gn_sock *sock; /* borrowed */
    struct gn__wait wait;
    struct gn__deferred deferred;
};

struct gn__stream_round {
    /* Said. */
    struct gn__slice send[GN__ROUND_SEND]; /* in order; those left are moved to
                                              the front */
    unsigned n_send;
    bool fin;      /* shut down for sending, behind what is sent */
    size_t passed; /* bytes of the round before that may go; set to 0 */
    size_t max;    /* bytes to receive; 0: none are wanted now */
    bool wants_room;
    /* Answered. */
    struct gn__slice recv[GN__ROUND_RECV]; /* with references */
    unsigned n_recv;
    size_t room;   /* bytes that sending would take; 0: too few to begin */
    bool eof;      /* the peer's end is all that is left to receive */
    bool shut;     /* fin has been sent */
    bool stalled;  /* no memory to send: nothing will tell when there is */
    bool starting; /* not yet connected */
};

/** @run: called on the driving thread, without the lock. */
void gn__stream_hook_init(struct gn__stream_hook *hook, struct gn_sock *sock,
                          void (*run)(struct gn__deferred *deferred));
/** It does not run any more. Driving thread. */
void gn__stream_hook_done(struct gn__stream_hook *hook);

/**
 * One round. Arms the hook: for bytes or the end, if some were wanted and none
 * were there; for room, if wanted and little is there; always for errors.
 *
 * Returns 0; or what ended the connection, when nothing is left to receive or
 * nothing was wanted: -ECONNRESET, -ECONNREFUSED, -ETIMEDOUT, ..., or
 * sock->dead; it will go on to.
 */
GN_WARN_UNUSED int gn__stream_round(struct gn__stream_hook *hook,
                                    struct gn__stream_round *round);

/** Close with a reset, as with SO_LINGER of 0; keeps the reference. */
void gn__stream_abort(struct gn_sock *sock);

#endif /* GN_NAMESPACE_SOCK_STREAM_H */
