/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_DRIVER_POLLSET_H
#define GN_HOST_DRIVER_POLLSET_H

/*
 * The watches of a driver on an epoll descriptor of their own: a loop has to
 * look at that one descriptor only, however many watches there are. One that is
 * ready becomes a task of its account, and is told when that has its turn.
 */
#include <sys/epoll.h>

#include "base/io.h"

/** Events fetched at once. */
#define GN__POLLSET_EVENTS 64

struct gn__pollset;

/** What stands behind it: where tasks are queued. */
struct gn__pollset_ops {
    void (*queue)(struct gn__pollset *set, struct gn__deferred *task);
    void (*cancel)(struct gn__pollset *set, struct gn__deferred *task);
};

struct gn__pollset {
    const struct gn__pollset_ops *ops;
    int fd;          /* the epoll descriptor; close-on-exec */
    uint32_t n_runs; /* that have begun */
    struct gn__mem mem;
    struct gn__pollset_slot *slots;
    uint32_t n_slots;
    uint32_t free; /* the first free slot, from 1; 0: none */
};

GN_WARN_UNUSED int gn__pollset_init(struct gn__pollset *set,
                                    const struct gn__pollset_ops *ops,
                                    const struct gn__mem *mem);
void gn__pollset_done(struct gn__pollset *set);

/** Errors are those of gn__io_watch(). */
GN_WARN_UNUSED int gn__pollset_watch(struct gn__pollset *set,
                                     struct gn__io_watch *watch, int fd,
                                     short events);
void gn__pollset_unwatch(struct gn__pollset *set, struct gn__io_watch *watch);

/** What gn__pollset_wait() has found. */
struct gn__pollset_events {
    struct epoll_event event[GN__POLLSET_EVENTS];
    int n;
};

/** Wait until some are ready, at most @timeout_ms (-1: for ever; 0: not at
 *  all); a signal does not end it. */
void gn__pollset_wait(struct gn__pollset *set, int timeout_ms,
                      struct gn__pollset_events *out);
/** Queue them, and what is ready besides if there were as many as can be
 *  fetched at once; a bounded number. */
void gn__pollset_tell(struct gn__pollset *set,
                      struct gn__pollset_events *events);
/** Both, without waiting. */
void gn__pollset_run(struct gn__pollset *set);

#endif /* GN_HOST_DRIVER_POLLSET_H */
