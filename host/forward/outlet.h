/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_FORWARD_OUTLET_H
#define GN_FORWARD_OUTLET_H

/*
 * Datagrams that a guest began to exchange with a peer of the kernel's: a
 * connected kernel socket for each flow (namespace/gateway/flow.c, which knows
 * when it ends). So only that peer's answers come back (RFC 4787:
 * endpoint-dependent filtering), and the kernel tells what ICMP says of what
 * was sent.
 */
#include "base/io.h"
#include "namespace/namespace.h"

struct gn__outlet;

/** How one is started. */
struct gn__outlet_config {
    struct gn__io *io;
    struct gn__outside_dial *dial; /* what began it; consumed */
    int fd;                        /* a connected socket; consumed */
    struct gn__fd_share share;     /* what it is held for; consumed */
    struct gn__outside_set *set;   /* flows that are bounded with it, which
                                      outlive it; NULL: only the guest's are */
    uint64_t brief_ns;             /* idle times; 0: as Linux */
    uint64_t assured_ns;
    /** It is over, and gone when this returns; why: gn__outside_flow_ops.ended,
     *  -ECANCELED when the network closes. NULL: nothing is told. */
    void (*ended)(int why, void *arg);
    void *arg;
};

/**
 * Start. All that is consumed is also consumed when it fails; the guest has
 * been told then.
 *
 *   -ENOMEM, -ENOSPC, -ENOTSUP (no descriptors under this driver), -EPERM,
 *   -ECANCELED (the guest gave up)
 */
GN_WARN_UNUSED int gn__outlet_start(const struct gn__outlet_config *config,
                                    struct gn__outlet **out);
/** End it; nothing is told. */
void gn__outlet_end(struct gn__outlet *outlet);
/** The same, and its owner is told -ECANCELED, before this returns. */
void gn__outlet_cut(struct gn__outlet *outlet);

#endif /* GN_FORWARD_OUTLET_H */
