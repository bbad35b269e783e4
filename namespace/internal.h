/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NAMESPACE_INTERNAL_H
#define GN_NAMESPACE_INTERNAL_H

/*
 * What the files of this folder know of each other: interfaces and namespaces.
 * All of it under the engine's lock.
 *
 *     gn_namespace --owns--> gn__iface (is a gn__port) --on--> gn_network
 *     gn_network: table of addresses -> gn__port, pools, limits
 *
 * A packet's way: gn__ns_output() picks a route and an interface;
 * gn__switch_send() finds the port that owns the next hop and runs the links
 * of both ends; gn__port.deliver receives it; for a namespace that is
 * gn__ns_input(), which hands it to TCP, a UDP socket, ICMP, reassembly or,
 * if the namespace forwards, to gn__ns_output() again.
 */
#include <guestnet/link.h>
#include <guestnet/namespace.h>
#include <guestnet/network.h>
#include <guestnet/socket.h>

#include "ipam/ipam.h"
#include "namespace/descriptors.h"
#include "engine/engine.h"
#include "namespace/machine.h"
#include "namespace/shared.h"
#include "switch/switch.h"

struct gn__binding;
struct gn__kernel;
struct gn__outside_guest;

/** What sockets hear unasked, by the version of IP: broadcasts and 224.0.0.1,
 *  ff02::1. */
enum gn__hears { GN__HEARS_4 = 0, GN__HEARS_6, GN__N_HEARS };

/** An interface of a namespace: lo or ethN. */
struct gn__iface {
    struct gn__port port;
    struct gn__list of_ns;
    struct gn_namespace *ns;
    unsigned index; /* 1: lo, 2: eth0, ... */
    char name[16];
    uint8_t mac[6];
    struct gn__list groups; /* struct joined, iface_group.c */
    bool hearing[GN__N_HEARS];
    bool loopback;
    bool up;
};

struct gn__route {
    struct gn__list link;
    struct gn__table_node node;
    struct gn__route_key {
        struct gn__addr addr;
        uint32_t len; /* of its version's prefixes */
    } key;
    struct gn__addr gateway;
    struct gn__iface *iface;
};

/** Routes by their prefix, and how many there are of each length: a look-up
 *  takes one look for each length that there is. */
struct gn__route_table {
    struct gn__table by_prefix;
    uint32_t n_of_len4[33];
    uint32_t n_of_len6[129];
};

/** Where a destination is reached from here. */
struct gn__way {
    struct gn__iface *iface;
    struct gn__addr source; /* the source address to use */
    struct gn__addr next_hop;
    uint32_t mtu;
    bool local;     /* one of our own addresses */
    bool broadcast; /* the last address of the interface's prefix, or of all */
};

/** An answer of gn__ns_route(). */
struct gn__last_way {
    bool valid;
    struct gn__addr dst, src;
    struct gn__way way;
};

/** A router's answers from any source, by the destination. */
#define GN__N_WAYS 64u

/** A guest's clock beside the engine's: where both stood, and its rate. */
struct gn__ns_drift {
    uint64_t engine; /* 0: it never was another */
    uint64_t guest;
    int32_t ppb;
};

/** The MTU of the way to a destination, as routers have told. */
#define GN__N_PMTU 8u
struct gn__pmtu {
    struct gn__addr dst;
    uint32_t mtu; /* 0: a free entry */
    uint64_t until;
};

/** A protocol above IP, as the IP layer knows it. */
struct gn__transport {
    /** A whole packet for one of our addresses (consumed). False: no socket
     *  took it, and the packet is still the caller's (for the ICMP error). */
    bool (*input)(struct gn_namespace *ns, struct gn__iface *iface,
                  struct gn__packet *packet);
    /** The same of one for a group, or for all. NULL: it has none. */
    bool (*group_input)(struct gn_namespace *ns, struct gn__iface *iface,
                        struct gn__packet *packet);
    /** An ICMP error (@packet) that quotes a packet of ours. False: it was sent
     *  by nothing here. */
    bool (*error)(struct gn_namespace *ns, const struct gn__packet *packet,
                  const struct gn__icmp *icmp);
};

struct gn__transports {
    struct gn__transport tcp, udp;
    /** A packet for an address that is not ours. True: consumed. NULL: none is
     *  taken. */
    bool (*foreign)(struct gn_namespace *ns, struct gn__packet *packet);
};

/** Sockets (sock/transport.c). */
extern const struct gn__transports gn__sock_transports;
/** The same with what is behind the gateway (gateway/port.c). */
extern const struct gn__transports gn__gateway_transports;

/** What is told when sockets get and lose their ports. */
struct gn__port_observer {
    /** bind(2) with a port, of datagrams, or listen(2). Refused, the socket has
     *  none. */
    int (*bound)(struct gn_sock *sock);
    /** It has not that port any more, or does not listen. Any number of
     *  times. */
    void (*unbound)(struct gn_sock *sock);
    /** @binding has no socket any more. */
    void (*released)(struct gn__binding *binding);
};

/** The gateway (gateway/bound.c). */
extern const struct gn__port_observer gn__gateway_port_observer;

struct gn_namespace {
    struct gn__guest guest;    /* a reference while open, one of each socket */
    struct gn__engine *engine; /* the guest's */
    struct gn__list of_net;
    const struct gn__transports *transports;
    const struct gn__port_observer *observer;
    struct gn__stack stack;
    struct gn__rng rng;
    struct gn__list ifaces; /* lo first, then as they were attached */
    unsigned last_index;
    struct gn__list routes;
    struct gn__route_table *route_table; /* NULL: there are none */
    uint32_t n_routes;
    struct gn__last_way last_ways[2]; /* from any source, and from a certain */
    struct gn__last_way *router_ways; /* GN__N_WAYS; NULL: it is none */
    struct gn__pmtu *pmtu;            /* GN__N_PMTU entries; NULL: none yet */
    struct gn__list socks;            /* struct gn_sock.of_ns */
    struct gn__list sleepers;         /* struct gn__wait, in gn_sleep_ns() */
    uint32_t n_socks;
    uint32_t n_memberships;          /* of its sockets in groups (sock) */
    uint32_t n_hearing[GN__N_HEARS]; /* sockets that are to be told */
    uint32_t n_lookups;              /* under way (lookup_context.c) */
    uint32_t n_timers;               /* not over yet (timers.c) */
    struct gn__fd_pool own_fds;      /* a gateway's: of its network */
    uint32_t port_counter;           /* of RFC 6056 algorithm 3 (sock) */
    uint16_t ip_id;
    uint16_t group; /* of the engine's walls (machine.h) */
    struct gn__ns_drift drift;
    void *machine; /* the driver's own; NULL: none */
    bool forwarding;
    bool killed;   /* calls return -ECANCELED */
    bool detached; /* eth0 is gone */
    bool closing;
    bool is_gateway;
    const struct gn__kernel *kernel; /* NULL, or its sockets are the kernel's */
    struct gn__wire *wire;           /* NULL, or its stack is behind it */
    struct gn__bucket icmp;          /* ICMP errors it sends */
    struct gn__deferred closed;
    gn_close_cb close_cb;
    void *close_arg;
};

/* ---- namespaces: route.c, input.c, output.c ---- */

/**
 * Route to @dst. @src NULL or any: chosen (RFC 6724 in its simple form: an
 * address of the interface, same scope); else it must be ours.
 *
 *   -ENETUNREACH  No route.
 *   -EADDRNOTAVAIL  @src is not ours; -EINVAL or -ENETUNREACH of IPv4.
 */
GN_WARN_UNUSED int gn__ns_route(struct gn_namespace *ns,
                                const struct gn__addr *dst,
                                const struct gn__addr *src, uint32_t scope,
                                struct gn__way *out);
/** As gn__engine_leave(), for a thread of this guest. */
static inline void gn__ns_leave(struct gn_namespace *ns)
{
    gn__engine_leave_for(ns->engine, ns->guest.account);
}

/** Is @addr one that packets to this namespace may carry (127/8 included)? */
bool gn__ns_is_local(struct gn_namespace *ns, const struct gn__addr *addr);
struct gn__iface *gn__ns_iface_of(struct gn_namespace *ns,
                                  const struct gn__addr *addr);
/** lo. */
struct gn__iface *gn__ns_lo(const struct gn_namespace *ns);
struct gn__iface *gn__ns_iface_by_index(const struct gn_namespace *ns,
                                        unsigned i);
/** Send an IP packet of ours (parsed, consumed); fragments it if needed. */
void gn__ns_output(struct gn_namespace *ns, struct gn__packet *packet);
/** The same of one whose source is not the namespace's. */
void gn__ns_output_foreign(struct gn_namespace *ns, struct gn__packet *packet);
/** The same by a way that was found before in this entry, in pieces of @mtu at
 *  most. */
void gn__ns_output_by(struct gn_namespace *ns, const struct gn__way *way,
                      struct gn__packet *packet, uint32_t mtu);
/** The same over a given interface: multicast, broadcast, and where one has
 *  been asked for. */
void gn__ns_output_on(struct gn_namespace *ns, struct gn__iface *iface,
                      const struct gn__addr *next_hop,
                      struct gn__packet *packet, uint32_t mtu);
/** A packet that arrived at an interface (consumed). */
void gn__ns_input(struct gn_namespace *ns, struct gn__iface *iface,
                  struct gn__packet *packet);
/** Does a wall part it from the guest that made @packet? */
bool gn__ns_is_walled_off(const struct gn_namespace *ns,
                          const struct gn__packet *packet);
/** Send an ICMP error about @cause, if the rate limit allows. */
void gn__ns_icmp_error(struct gn_namespace *ns, const struct gn__packet *cause,
                       enum gn__icmp_kind kind, uint32_t mtu);
void gn__ns_drop(struct gn_namespace *ns, enum gn_drop why);
/** Count, and log, that it had no memory for what it sends. */
void gn__ns_refuse_buffer(struct gn_namespace *ns);

/* ---- what interfaces hear: iface_group.c ---- */

/** Is it a broadcast address of this interface, or the general one? */
bool gn__iface_is_broadcast(const struct gn__iface *iface,
                            const struct gn__addr *addr);
/** Is it a group's, or a broadcast address of one of the interfaces? */
bool gn__ns_is_for_many(const struct gn_namespace *ns,
                        const struct gn__addr *addr);
/** Is what is sent to this group or broadcast address for this interface? */
bool gn__iface_hears(const struct gn__iface *iface,
                     const struct gn__addr *addr);
/** Join or leave a multicast group on an interface (counted). */
GN_WARN_UNUSED int gn__iface_join(struct gn__iface *iface,
                                  const struct gn__addr *group);
void gn__iface_leave(struct gn__iface *iface, const struct gn__addr *group);
/** ns->n_hearing has changed, or the interface is new. */
void gn__iface_hear(struct gn__iface *iface);
void gn__iface_show_groups(const struct gn__iface *iface,
                           struct gn_interface *out);

/* ---- the world outside: gateway/ ---- */

/** Does what @port sends to @addr go to the gateway, which answers as it? */
bool gn__outside_reaches(const struct gn__port *port,
                         const struct gn__addr *addr);
/** Is what @port sends to @to by @next_hop asked of its own way outside, and
 *  goes nowhere else? */
bool gn__outside_leaves(const struct gn__port *port,
                        const struct gn__addr *next_hop,
                        const struct gn__endpoint *to);
/** May the gateway send as @addr: one outside, or of a host it proxies? */
bool gn__outside_proxies(struct gn_network *net, const struct gn__addr *addr);
/** A packet that arrived at the gateway for an address outside (consumed). */
void gn__outside_input(struct gn_network *net, struct gn__packet *packet);
/** Is a whole packet for the gateway's own address, which the host's namespace
 *  has no UDP socket for, one for what is behind it? */
bool gn__outside_stands_in(struct gn_network *net, struct gn__packet *packet);
/** An ICMP error (it quotes a packet) that arrived at the gateway; false: what
 *  it quotes was sent by no guest's connection or flow here. */
GN_WARN_UNUSED bool gn__outside_error(struct gn_network *net,
                                      const struct gn__packet *packet,
                                      const struct gn__icmp *icmp);
/** The port at the gateway's addresses, and at all outside. */
extern const struct gn__port_ops gn__gateway_ops;
/** What a port of the switch has with the outside ends with it. */
void gn__outside_port_gone(struct gn__port *port);
/** Its dials, flows and bound ports end: it was killed. */
void gn__outside_talk_end(struct gn__port *port);
/** The network ends, after all namespaces but the host's, whose sockets have
 *  ended. */
void gn__outside_end(struct gn_network *net);
/** A connection of @ns is over before it was established. */
void gn__outside_gave_up(struct gn_namespace *ns,
                         const struct gn__endpoint *local,
                         const struct gn__endpoint *remote);

/* ---- sockets: what the rest of this folder calls (sock/) ---- */

/** A port may be served that was not: gn__ns_wait_served() looks again. */
void gn__served_changed(struct gn__engine *engine);

/** gn__stack_ops.listener, .changed and .released. */
struct gn__listener *gn__sock_listener(struct gn_namespace *ns,
                                       const struct gn__endpoint *local,
                                       const struct gn__endpoint *remote);
void gn__sock_changed(void *owner);
void gn__sock_port_released(struct gn_namespace *ns, void *binding);
/** gn__transport.input of UDP. */
bool gn__sock_udp_input(struct gn_namespace *ns, struct gn__iface *iface,
                        struct gn__packet *packet);
/** The binding of the socket that gets datagrams to @local from @remote; NULL:
 *  none does. */
struct gn__binding *gn__sock_udp_binding(struct gn_namespace *ns,
                                         const struct gn__endpoint *local,
                                         const struct gn__endpoint *remote);
/** Is there a socket that may have sent the UDP datagram an error quotes? */
bool gn__sock_udp_has_sent(struct gn_namespace *ns,
                           const struct gn__icmp *icmp);
/** An ICMP error about a UDP datagram of ours. */
void gn__sock_udp_error(struct gn_namespace *ns, const struct gn__icmp *icmp);
/** Readiness of a changed socket: wake waiters, watchers, descriptors. */
void gn__sock_notify(struct gn_sock *sock);
/** All sockets of a namespace end with @error (-ECANCELED for kill, ...);
 *  @silent: nothing is sent. */
void gn__sock_end_all(struct gn_namespace *ns, int error, bool silent);
/** Sockets bound to or connected over @iface fail with -ENETDOWN. */
void gn__sock_iface_gone(struct gn_namespace *ns, struct gn__iface *iface);

#endif /* GN_NAMESPACE_INTERNAL_H */
