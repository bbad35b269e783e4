/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_SWITCH_PORT_H
#define GN_SWITCH_PORT_H

/*
 * Ports of a network's switch: what another folder needs to attach something.
 *
 *     gn__guest_init(&guest, net, ...)      the owner: limits, counters, ...
 *     gn__port_init(&port, &ops, &guest)
 *     gn__port_attach(&port, net)
 *     gn__port_take_lowest(), _take_addr()  addresses of the network's pools
 *     gn__guest_identify(), gn__port_identify()
 *     gn__port_input(&port, ...)            a packet from it into the switch
 *     ops->deliver(), ops->flush()          packets for it
 *     gn__port_detach(), gn__guest_end(), gn__guest_unref()
 *
 * A port is attached to one network; a guest may have several. Whatever holds a
 * packet on its way looks at the port's gate, so a port may be detached at any
 * time, and the next owner of its addresses never meets what was sent to it.
 *
 * All of it under the engine's lock unless said otherwise.
 */
#include <guestnet/link.h>
#include <guestnet/network.h>

#include "switch/guest.h"

struct gn__changes;
struct gn__outside_guest;
struct gn__port;

/**
 * A port as a packet under way knows it. Gates are used again but never freed
 * while the engine lives, so that a packet may look at the gate of a port that
 * is gone: the generation says so. Zero: free.
 */
struct gn__gate {
    struct gn__lane lane; /* of what is sent from here; first */
    uint64_t generation;
    struct gn__port *port;
    struct gn__gate *next_free;
};

/** A token bucket: what may be sent of something in a second. */
struct gn__bucket {
    uint64_t level; /* ns worth of time */
    uint64_t filled_at;
};

/** What is behind a port. NULL where a comment does not say "required": nothing
 *  is done, or the answer is no. */
struct gn__port_ops {
    const char *name;
    /** A packet for this port; consumed. Required. */
    void (*deliver)(struct gn__port *port, struct gn__packet *packet);
    /** It was given packets in an entry that is over: once for each entry,
     *  without the lock, by the thread that made it; another one may be in it
     *  for the same port at once. The owner's memory is good until it returns,
     *  whatever else has ended. */
    void (*flush)(struct gn__port *port);
    /** The namespace whose sockets get what is delivered. */
    struct gn_namespace *(*namespace)(struct gn__port *port);
    /** Its network ends: gn__port_detach() and what else there is to do; that
     *  alone if NULL. */
    void (*end)(struct gn__port *port);

    /* Of a network's uplink, gn_network.uplink: */

    /** Does a packet of @from to @addr, which no port has, go here? */
    bool (*reaches)(const struct gn__port *port, const struct gn__port *from,
                    const struct gn__addr *addr);
    /** May it send as @addr, which it does not have? */
    bool (*speaks_for)(const struct gn__port *port,
                       const struct gn__addr *addr);
    /** @other is about to be detached from the network. */
    void (*gone)(struct gn__port *port, struct gn__port *other);
};

/** One direction of a link: its queue's state. */
struct gn__link_state {
    uint64_t busy_until;   /* the rate limiter's clock, ns */
    uint64_t last_arrival; /* keeps order unless reordering is asked for */
};

/** A link: what packets meet between a port and the switch. */
struct gn__link {
    struct gn_link_config config; /* as it is now */
    struct gn__changes *changes;  /* for a time; NULL: none */
    bool perfect;                 /* nothing to do: the direct path */
    struct gn__rng rng;
    struct gn__link_state up; /* port to switch */
    struct gn__link_state down;
};

/** From the port into the switch, and from there to the port. */
enum gn__port_way { GN__WAY_UP = 0, GN__WAY_DOWN, GN__N_WAYS };

/** Packets of a held port, in each direction. */
#define GN__PORT_HELD_MAX 1024u

/** What a held port keeps of one direction. */
struct gn__port_held {
    struct gn__packet *head;
    struct gn__packet **tail;
    unsigned n;
};

/** Where something is attached to the switch. */
struct gn__port {
    const struct gn__port_ops *ops;
    struct gn__guest *owner;      /* NULL: the switch's own */
    struct gn_network *net;       /* NULL once detached */
    struct gn__list link;         /* in net->ports */
    struct gn__list of_owner;     /* in owner->ports, while it is attached */
    struct gn__unlock_hook flush; /* ops->flush is due */
    struct gn__gate *gate;        /* NULL: not attached */
    uint64_t generation;          /* unique in the engine; 0: no port's */
    uint64_t party;               /* the end of paths it belongs to */
    uint32_t mtu;
    bool any_source;                   /* a router: sources are not checked */
    struct gn__outside_guest *outside; /* NULL: it never met the outside */
    struct gn__link wire;
    struct gn__port_held *held; /* GN__N_WAYS of them; NULL: it is not held */
    struct gn__list addrs;      /* struct gn__port_addr.of_port */
    struct gn__list groups;     /* struct gn__member.of_port */
    struct gn__bucket icmp;     /* errors the switch sends to it */
    uint64_t slowest_ns;        /* one-way delay of the slowest way met */
    uint64_t under_way;         /* bytes of packets it sent that are on links */
    /* The last next hop, good while the gate's generation is the same and no
     * address was given back. */
    struct gn__addr last_hop;
    struct gn__gate *last_gate;
    uint64_t last_generation, last_given;
};

/** An address a port owns; in the network's table. */
struct gn__port_addr {
    struct gn__table_node node;
    struct gn__list of_port;
    struct gn__port *port;
    struct gn__addr addr;
    uint8_t prefix_len;
    int prefix; /* index in net->prefixes; -1: none (fe80) */
};

/** @owner: outlives it; NULL for the switch's own. @mtu: IP bytes. */
void gn__port_init(struct gn__port *port, const struct gn__port_ops *ops,
                   struct gn__guest *owner, uint32_t mtu);
/** Returns 0 or -ENOMEM. */
GN_WARN_UNUSED int gn__port_attach(struct gn__port *port,
                                   struct gn_network *net);
/** Name its link's random stream: by the owner's identity and @name
 *  ("eth0"). */
void gn__port_identify(struct gn__port *port, const char *name);
/** Nothing is delivered to it any more; its addresses go back. Detached
 *  already, nothing happens. */
void gn__port_detach(struct gn__port *port);
/** Keep what it sends and gets, or let that go on. */
void gn__port_hold(struct gn__port *port, bool on);

/** The lowest free address of each prefix. Errors are those of
 *  gn__pool_take(); what was taken is the port's until it is detached. */
GN_WARN_UNUSED int gn__port_take_lowest(struct gn__port *port);
/**
 * This address of one of the network's prefixes.
 *
 * @why  One line for a person; NULL: none.
 *
 *   -EADDRINUSE  It is another port's, or not for guests.
 *   -EINVAL      @text is no address, or it is in no prefix.   -ENOMEM
 */
GN_WARN_UNUSED int gn__port_take_addr(struct gn__port *port, const char *text,
                                      char *why, size_t why_len);
/** The same of one that is in binary form. */
GN_WARN_UNUSED int gn__port_take_exact(struct gn__port *port,
                                       const struct gn__addr *addr);
/** Under the lock: no port gets this address until gn__net_release(). -EINVAL:
 *  it is in no prefix; -EADDRINUSE, -ENOMEM. */
GN_WARN_UNUSED int gn__net_reserve(struct gn_network *net,
                                   const struct gn__addr *addr);
void gn__net_release(struct gn_network *net, const struct gn__addr *addr);
/** An address of @prefix that is the caller's, and goes back to its pool with
 *  the port; -1: of none. -EADDRINUSE, -ENOMEM. */
GN_WARN_UNUSED int gn__port_add_addr(struct gn__port *port,
                                     const struct gn__addr *addr,
                                     uint8_t prefix_len, int prefix);
/** Give one of its addresses back: the port is about to go. */
void gn__port_drop_addr(struct gn__port *port, struct gn__port_addr *owned);
/** The same, and the port stays: no port that has sent there does so again. */
void gn__port_give_addr(struct gn__port *port, struct gn__port_addr *owned);
/** The port that has an address; NULL: no port of the network. */
struct gn__port_addr *gn__port_addr_find(const struct gn_network *net,
                                         const struct gn__addr *addr);

/**
 * A packet of the guest's own from what is behind the port (consumed). It is
 * counted at the owner; its source must be the port's, unless it is a router.
 *
 * @next_hop  Where it is handed to; NULL: its destination.
 */
void gn__port_input(struct gn__port *port, const struct gn__addr *next_hop,
                    struct gn__packet *packet);
/** The same without counting: from a port into the switch. */
void gn__switch_send(struct gn__port *from, const struct gn__addr *next_hop,
                     struct gn__packet *packet);

/** The namespace whose sockets get what is delivered; NULL: none. */
static inline struct gn_namespace *gn__port_namespace(struct gn__port *port)
{
    return port->ops->namespace ? port->ops->namespace(port) : NULL;
}

#endif /* GN_SWITCH_PORT_H */
