/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_SWITCH_NETWORK_H
#define GN_SWITCH_NETWORK_H

/*
 * A network, as the switch has it: which ports own which addresses, and what
 * lies between them.
 */
#include <guestnet/network.h>
#include <guestnet/stats.h>

#include "engine/engine.h"
#include "ipam/ipam.h"

struct gn__fd_pool;
struct gn__logger;
struct gn__port;
struct gn_namespace;

/** The gateway's side of the world outside (gateway/). */
struct gn__outside_net {
    struct gn__list guests;  /* struct gn__outside_guest.of_net */
    struct gn__table ghosts; /* those without a port, by its generation */
    uint32_t n_dials;
};

struct gn__net_prefix {
    struct gn__prefix prefix;
    struct gn__pool pool; /* knows the gateway */
};

/** A network: the switch's part, and what the layers above keep with it. */
struct gn_network {
    struct gn__engine *engine;
    struct gn__list of_engine; /* in gn__shared.networks */
    struct gn__table_node by_name;
    char name[64];
    uint64_t key[2]; /* what its random streams derive from */
    uint32_t mtu;
    struct gn__net_prefix *prefixes;
    size_t n_prefixes;
    struct gn__table addresses; /* struct gn__port_addr */
    uint64_t n_given;           /* addresses given back, gn__port_give_addr() */
    struct gn__table names;     /* struct gn__guest.by_name */
    struct gn__table paths;     /* struct gn__path, gn_path_set() */
    struct gn__table groups;    /* struct gn__group: their listeners */
    struct gn__list ports;      /* struct gn__port.link */
    struct gn__port *uplink;    /* has what no port has; NULL: none does */
    struct gn__list capture_hooks; /* struct gn__capture_hook */
    struct gn_limits limits;
    struct gn_stats stats;
    gn_log_cb log;
    void *log_arg;
    struct gn__logger *logger; /* NULL: no log */
    /** An address has become a port's. Under the lock. */
    void (*addr_added)(struct gn_network *net);

    /* Of the layers above: */
    struct gn__list namespaces; /* struct gn_namespace.of_net */
    struct gn__list published;  /* struct gn__published.of_net */
    struct gn__list ended;      /* those that ended with the network */
    struct gn_namespace *gateway;
    struct gn__outside_net outside;
    uint64_t n_created; /* namespaces, ever */
    char domain[254];
    struct gn__budget budget;
    struct gn__fd_pool *fds;      /* that its guests' descriptors are of */
    struct gn_resolver *resolver; /* NULL: its own names */
    gn_query_log_cb query_log;
    void *query_log_arg;
    struct gn__io *io;        /* NULL: not asked for yet */
    bool io_ended;            /* and not to be had any more */
    struct gn__list calls;    /* struct gn__call, on their way */
    struct gn__deferred ends; /* the first step of closing */
    struct gn__deferred closed;
    gn_close_cb close_cb;
    void *close_arg;
    bool closing;
};

/** Count a packet that was dropped. */
void gn__net_drop(struct gn_network *net, enum gn_drop why);
/** 255.255.255.255, or the last address of an IPv4 prefix that has one. */
bool gn__net_is_broadcast(const struct gn_network *net,
                          const struct gn__addr *addr);
/** An address of one of its prefixes that no guest can have: see
 *  gn__pool_is_edge(). */
bool gn__net_is_edge(const struct gn_network *net, const struct gn__addr *addr);
/** Which of its prefixes an address is in; -1: none. */
int gn__net_prefix_of(const struct gn_network *net,
                      const struct gn__addr *addr);
/** The gateway's address in the family of @like: of its prefix, or of any. */
GN_WARN_UNUSED bool gn__net_gateway(const struct gn_network *net,
                                    const struct gn__addr *like,
                                    struct gn__addr *out);

#endif /* GN_SWITCH_NETWORK_H */
