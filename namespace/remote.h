/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NAMESPACE_REMOTE_H
#define GN_NAMESPACE_REMOTE_H

/*
 * Guests whose stack is elsewhere: behind the interface of such a namespace is
 * a wire and no socket. It has a name, limits, counters, a way outside and a
 * link as any other; what arrives at eth0 goes to the wire, and what comes from
 * the wire goes to the switch.
 *
 * All of it under the engine's lock.
 */
#include <guestnet/namespace.h>

#include "base/addr.h"
#include "netstack/netstack.h"

struct gn__iface;
struct gn__wire;

struct gn__wire_ops {
    const char *name;
    /** A packet for the guest (consumed). */
    void (*deliver)(struct gn__wire *wire, struct gn__packet *packet);
    /** Its interface is gone, by gn_namespace_detach() or the network's end:
     *  nothing is delivered any more, and what is sent is dropped. */
    void (*gone)(struct gn__wire *wire);
};

/** IPv6 addresses of one guest that are known to be used. */
#define GN__WIRE_HEARD 16u

/** Embedded in its owner's struct. */
struct gn__wire {
    const struct gn__wire_ops *ops;
    struct gn_namespace *ns; /* a reference, until gn__wire_close() */
    struct gn__iface *iface; /* NULL: gone */
    struct gn__addr heard[GN__WIRE_HEARD]; /* the last of n_heard */
    unsigned n_heard;
};

/**
 * Create the namespace of @wire, whose ops are set. Without the lock.
 *
 * @mtu  0: the network's.
 *
 * Errors are those of gn_namespace_create(); -EINVAL also for an MTU that is
 * not between the least of its network's versions and the network's.
 */
GN_WARN_UNUSED int gn__wire_create(struct gn__wire *wire,
                                   struct gn_network *net,
                                   const struct gn_namespace_config *config,
                                   uint32_t mtu);
/** End the namespace; ops->gone() is not called. Without the lock. */
void gn__wire_close(struct gn__wire *wire);

/** Its callbacks' account, as long as the reference to the namespace. Any
 *  time. */
struct gn__account *gn__wire_account(const struct gn__wire *wire);

/** Send towards @next_hop (consumed). */
void gn__wire_send(struct gn__wire *wire, const struct gn__addr *next_hop,
                   struct gn__packet *packet);
/** Count a drop at the namespace. */
void gn__wire_drop(struct gn__wire *wire, enum gn_drop why);
/** Count, and free. */
void gn__wire_discard(struct gn__wire *wire, struct gn__packet *packet,
                      enum gn_drop why);

/** Does it pass on packets of others, so that its sources are not checked? */
void gn__wire_set_router(struct gn__wire *wire);
/** Is this one of its addresses? */
bool gn__wire_owns(const struct gn__wire *wire, const struct gn__addr *addr);
/**
 * The guest uses this IPv6 address. By name it is found by those only: which of
 * its addresses it takes is its own choice (by DHCPv6 or of its own making),
 * and a guest that is told another one waits until that times out.
 */
void gn__wire_hear(struct gn__wire *wire, const struct gn__addr *addr);
bool gn__wire_is_heard(const struct gn__wire *wire,
                       const struct gn__addr *addr);
/** The owner of an address in its network, as Ethernet asks. */
enum gn__wire_owner {
    GN__WIRE_NOBODY = 0,
    GN__WIRE_ITSELF,
    GN__WIRE_OTHER,  /* @mac gets the other port's: the gateway's for a host
                        that it proxies */
    GN__WIRE_GATEWAY /* the same, of the gateway */
};
enum gn__wire_owner gn__wire_find(const struct gn__wire *wire,
                                  const struct gn__addr *addr, uint8_t mac[6]);
/** The hardware address of the port that sent @packet; the gateway's where none
 *  did. */
void gn__wire_sender(const struct gn__wire *wire,
                     const struct gn__packet *packet, uint8_t mac[6]);
/** The address of the given version that another port with this MAC has, to
 *  send by it. False: none. */
bool gn__wire_hop(const struct gn__wire *wire, const uint8_t mac[6], bool v4,
                  struct gn__addr *out);
/** 255.255.255.255, or the last address of a prefix. */
bool gn__wire_is_broadcast(const struct gn__wire *wire,
                           const struct gn__addr *addr);

/** Its n-th address that is not link-local, with the prefix. False: no more. */
bool gn__wire_addr(const struct gn__wire *wire, size_t n, struct gn__addr *addr,
                   struct gn__prefix *prefix);
/** Take this address, which must be free. -EADDRNOTAVAIL (in no prefix; not of
 *  link-local ones), -EADDRINUSE, -ENOMEM. */
GN_WARN_UNUSED int gn__wire_claim(struct gn__wire *wire,
                                  const struct gn__addr *addr);
/** Take any free address of this prefix. -ENOSPC, -ENOMEM. */
GN_WARN_UNUSED int gn__wire_take(struct gn__wire *wire,
                                 const struct gn__prefix *prefix,
                                 struct gn__addr *out);
/** Give an address back. */
void gn__wire_give(struct gn__wire *wire, const struct gn__addr *addr);

/** The n-th prefix of its network and the gateway's address there; any: none.
 *  False: no more. */
bool gn__wire_prefix(const struct gn__wire *wire, size_t n,
                     struct gn__prefix *prefix, struct gn__addr *gateway);
/** The gateway's hardware and link-local address (any: no IPv6). */
void gn__wire_gateway(const struct gn__wire *wire, uint8_t mac[6],
                      struct gn__addr *linklocal);
/** Is this an address outside the network? @gateway: the gateway's of its
 *  version. */
bool gn__wire_outside(const struct gn__wire *wire, const struct gn__addr *addr,
                      struct gn__addr *gateway);
uint32_t gn__wire_mtu(const struct gn__wire *wire);
/** The network's domain and the guest's name; borrowed, "" if none. */
const char *gn__wire_domain(const struct gn__wire *wire);
const char *gn__wire_name(const struct gn__wire *wire);

/** Hear what is sent to a group, once per join. -ENOMEM, -ENOBUFS (as many as
 *  limits.max_groups). */
GN_WARN_UNUSED int gn__wire_join(struct gn__wire *wire,
                                 const struct gn__addr *group);
void gn__wire_leave(struct gn__wire *wire, const struct gn__addr *group);

#endif /* GN_NAMESPACE_REMOTE_H */
