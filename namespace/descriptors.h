/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NAMESPACE_DESCRIPTORS_H
#define GN_NAMESPACE_DESCRIPTORS_H

/*
 * What guests cost the process in descriptors. Code that opens one for a guest
 * takes a share first, keeps it beside the descriptor, and gives it back when
 * that is closed. Any thread, without the lock.
 */
#include "engine/engine.h"

struct gn__guest;
struct gn_network;

/** Descriptors that several guests share. Under the lock. */
struct gn__fd_pool {
    uint32_t max;
    uint32_t n; /* taken */
};

/** One descriptor. Zero: none was taken. */
struct gn__fd_share {
    struct gn__guest *guest;   /* a reference */
    struct gn__guest *gateway; /* the same: has its network's own pool */
    struct gn__fd_pool *pool;
};

/** The pool of networks without a number of their own has @max from now on. */
void gn__fds_bound(struct gn__engine *engine, uint32_t max);
/** A new network: @max of its own; 0: what it has is of the process's pool. */
void gn__fds_init(struct gn_network *net, uint32_t max);

/** Could @guest take one now? */
bool gn__fds_left(struct gn__guest *guest);
/** Take one for @guest; taken already, nothing happens. -ENOBUFS: it has as
 *  many as it may, which is counted at it. -ECANCELED: it has ended. */
GN_WARN_UNUSED int gn__fds_take(struct gn__guest *guest,
                                struct gn__fd_share *share);
/** Give it back; none: nothing happens. */
void gn__fds_give(struct gn__fd_share *share);
/** Hand it over to the descriptor's new owner; the caller's is none then. */
GN_WARN_UNUSED struct gn__fd_share gn__fds_pass(struct gn__fd_share *share);

#endif /* GN_NAMESPACE_DESCRIPTORS_H */
