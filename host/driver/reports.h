/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_DRIVER_REPORTS_H
#define GN_HOST_DRIVER_REPORTS_H

/*
 * What has happened to a thing of the caller's, told to it on a later turn,
 * where it may end the thing. Events that come faster than they are told are
 * left out: the code that reports them counts them.
 */
#include "base/addr.h"
#include "base/io.h"

/** Events that wait to be told. */
#define GN__REPORTS 32u

struct sockaddr;
struct gn__reports;

/** An event of the owner's kinds; @peer is borrowed, NULL: none. */
typedef void (*gn__report_cb)(struct gn__reports *reports, int kind, int error,
                              const struct sockaddr *peer);

struct gn__report {
    int kind;
    int error;
    bool has_peer;
    struct gn__endpoint peer;
};

/** Embedded, in what lives on the turn in which it is stopped. */
struct gn__reports {
    struct gn__deferred task;
    struct gn__io *io;
    gn__report_cb tell;
    unsigned first;
    unsigned n;
    struct gn__report ring[GN__REPORTS];
};

void gn__reports_init(struct gn__reports *reports, struct gn__io *io,
                      gn__report_cb tell);
/** @peer: copied; NULL: none. */
void gn__reports_add(struct gn__reports *reports, int kind, int error,
                     const struct gn__endpoint *peer);
/** Nothing is told any more; also from inside a callback. */
void gn__reports_stop(struct gn__reports *reports);

#endif /* GN_HOST_DRIVER_REPORTS_H */
