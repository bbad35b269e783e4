/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_FORWARD_INLET_H
#define GN_FORWARD_INLET_H

/*
 * A datagram socket of the kernel's by which clients reach a guest's port: its
 * flows, and what is read and sent for them.
 */
#include "host/forward/flow.h"

struct gn__inlet;

struct gn__inlet_config {
    struct gn_network *net;
    struct gn__io *io;
    struct gn__account *account; /* whose work it is; NULL: the host's */
    int fd; /* bound, non-blocking, with gn__dgram_want_details(); borrowed
               until gn__inlet_close() */
    int family;
    uint32_t max_flows;
    bool as_gateway;
    uint64_t brief_ns; /* idle times; 0: as Linux */
    uint64_t assured_ns;
    /** Where @client is to go; see gn__flow_ops.target. */
    int (*target)(void *user, const struct gn__endpoint *client,
                  struct gn__endpoint *out);
    /** See gn__flow_ops.turned_away. NULL: nothing happens. */
    void (*turned_away)(void *user, const struct gn__endpoint *client, int why);
    void *user;
};

struct gn__inlet {
    struct gn__flow_table table; /* first */
    struct gn__inlet_config config;
    struct gn__io_watch watch;
};

/** Begin to read. Errors are those of gn__io_watch(). */
GN_WARN_UNUSED int gn__inlet_open(struct gn__inlet *inlet,
                                  const struct gn__inlet_config *config);
/** Stop, and end the flows; the descriptor stays open. */
void gn__inlet_close(struct gn__inlet *inlet);

#endif /* GN_FORWARD_INLET_H */
