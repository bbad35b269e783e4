/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NAMESPACE_SHARED_H
#define GN_NAMESPACE_SHARED_H

/*
 * What namespaces keep with an engine: its room (gn__engine_user).
 */
#include "switch/switch.h"

/** Bound ports that are found without a search in their table. */
#define GN__HOT_PORTS 16u

struct gn__port_use;

struct gn__shared {
    struct gn__gates gates;   /* first: the switch's */
    struct gn__list networks; /* struct gn_network.of_engine */
    struct gn__table names;   /* struct gn_network.by_name */
    unsigned first_number;    /* net0, net1, ... before this one are in use */
    struct gn__table ports;   /* bound ports of all namespaces (sock) */
    /** Some of them (sock); each NULL or in the table. */
    struct gn__port_use *hot_ports[GN__HOT_PORTS];
    struct gn__list served_waits; /* struct gn__waiter, for a port to be
                                     served (sock) */
};

static inline struct gn__shared *gn__shared_of(struct gn__engine *engine)
{
    return gn__engine_room(engine);
}

#endif /* GN_NAMESPACE_SHARED_H */
