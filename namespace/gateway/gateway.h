/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NAMESPACE_GATEWAY_GATEWAY_H
#define GN_NAMESPACE_GATEWAY_GATEWAY_H

/*
 * Addresses outside the network: the gateway stands in for all of them.
 *
 * Packets for an address that no guest of the network has go to the gateway,
 * which is the host's namespace, if their sender may reach the outside (its
 * port has a struct gn__outside) or a peer outside talks to it already. There
 * the gateway proxies the other end, with the outside's address as its own:
 *
 *   out, TCP   a SYN is held (the last one of each 4-tuple, a bounded number
 *              for each guest) and becomes a dial; accepted, it is fed to the
 *              stack, and the guest's connection is established with a socket
 *              of the host's; refused, the guest gets what the kernel said:
 *              in a namespace of ours the exact errno, on a wire RST, ICMP or
 *              silence
 *   out, UDP   the first datagram becomes a dial, the next wait with it
 *              (bounded); accepted, it is a flow
 *   out, ICMP  the same of echo requests, told apart by their identifier: what
 *              goes through the flow are ICMP messages as ping sockets have
 *              them
 *   in, TCP    gn__outside_connect(): a connection to a guest whose other end
 *              has the client's own address
 *   in, UDP    gn__outside_flow_open()
 *
 * The gateway's own addresses are outside, too, for a sender with hooks, where
 * the host's namespace itself has no socket.
 *
 * So a guest's sockets are ordinary ones, whatever is at the other end: poll,
 * options, shutdown, links and captures work as between guests, and guests
 * behind wires get the same service.
 *
 * Each guest that talks to the outside has a stack of its own at the gateway,
 * so that what one of them does to it (connections, memory, fragments) costs
 * the others nothing, and what is left of a guest that is gone never meets the
 * next owner of its address.
 *
 * The operations run on the driving thread without the lock, as deferred tasks,
 * and all functions here are called there.
 */
#include <guestnet/stats.h>

#include "base/units.h"
#include "engine/engine.h"
#include "namespace/sock/sock.h"

struct gn__port;
struct gn_network;
struct gn__outside;
struct gn__outside_dial;
struct gn__outside_flow;
struct gn__outside_port;

/** What a guest reaches the outside by. */
struct gn__outside_ops {
    const char *name;
    /**
     * A guest connects (SOCK_STREAM), or has sent its first datagram
     * (SOCK_DGRAM) or echo request (SOCK_RAW). Ends by gn__outside_accept(),
     * _accept_flow() or _refuse(), once, now or later.
     */
    void (*dial)(struct gn__outside *outside, struct gn__outside_dial *dial);
    /** The guest gave up or is gone: forget @dial, which ends now. */
    void (*cancel)(struct gn__outside *outside, struct gn__outside_dial *dial);
    /**
     * A socket of the namespace listens (SOCK_STREAM) or is bound (SOCK_DGRAM)
     * to a port it was given by number, on an address that is not its loopback.
     * NULL: the hooks need not know.
     */
    void (*bound)(struct gn__outside *outside, struct gn__outside_port *port);
    /** That is over: forget @port. */
    void (*unbound)(struct gn__outside *outside, struct gn__outside_port *port);
    /** It was set by gn__ns_set_outside() or gn__port_set_outside(): under the
     *  lock. NULL: the hooks need not know. */
    void (*taken)(struct gn__outside *outside);
    /** One that was set is gone: the last call for it. NULL: the hooks need not
     *  know. */
    void (*released)(struct gn__outside *outside);
};

/** Embedded in its owner's struct, which outlives the namespaces and ports that
 *  use it: until the last ops->released(). */
struct gn__outside {
    const struct gn__outside_ops *ops;
};

/**
 * Let a new guest reach the outside by @outside, once, before it is used.
 * Under the engine's lock. -ENOMEM; -EADDRNOTAVAIL: it is in no network.
 */
GN_WARN_UNUSED int gn__ns_set_outside(struct gn_namespace *ns,
                                      struct gn__outside *outside);
GN_WARN_UNUSED int gn__port_set_outside(struct gn__port *port,
                                        struct gn__outside *outside);

/**
 * A service that guests reach at a host of the network that is none of its
 * namespaces: the gateway proxies it. A host has a name, addresses of its own
 * (the lowest free one of each prefix) and any number of services; it begins
 * with the first and ends with the last. Every guest reaches it, with hooks or
 * without: what it sends to a service's port are dials of @outside, whose
 * ops->bound() and taken() are not called.
 */
struct gn__service {
    struct gn__outside outside; /* its ops are set by its owner */
    int type;                   /* the same: SOCK_STREAM, SOCK_DGRAM */
    uint16_t port;
    struct gn__host *host; /* NULL: it is not open */
    struct gn__list of_host;
};
/**
 * @name  Copied: one DNS label.
 *
 *   -EADDRINUSE     A guest has the name, or there is such a service there.
 *   -EADDRNOTAVAIL  The network has no prefixes.
 *   -ENOSPC         A prefix has no free address.
 *   -EINVAL         No label.
 *   -ENOMEM, -ECANCELED (the network is closing)
 */
GN_WARN_UNUSED int gn__service_open(struct gn_network *net, const char *name,
                                    struct gn__service *service, char *why,
                                    size_t why_len);
/** Dials that its owner has heard of must have ended; others are refused, and
 *  none comes any more. Not open: nothing happens. */
void gn__service_close(struct gn__service *service);
/** Copy the host's addresses: returns how many, @cap at most. */
size_t gn__service_addrs(const struct gn__service *service,
                         struct gn__addr *out, size_t cap);

/** What a namespace is given as its egress: its way outside. */
struct gn_egress {
    struct gn__outside *outside;
};

/** The guest that dials, and the address. user: the ops' own. */
struct gn__outside_dial {
    struct gn__guest *who; /* a reference */
    int type; /* SOCK_STREAM, SOCK_DGRAM; SOCK_RAW: echoes, whose identifier
                 is the guest's port */
    struct gn__endpoint guest;
    struct gn__endpoint outside;
    const char *tls_name; /* the host is to speak TLS with it; NULL: plain */
    void *user;
};

struct gn__outside_port {
    struct gn_namespace *ns; /* a reference */
    int type;
    struct gn__endpoint local; /* any address: all of the namespace's */
    bool v6only;               /* local is ::, and IPv4 is not meant */
    void *user;
};

/** Let it be connected. @out: a non-blocking socket in the host's namespace,
 *  owned by the caller, that becomes writable when the guest has answered.
 *  Consumes the dial, also when it fails: -ENOMEM, -ENOBUFS (the guest has as
 *  many connections as it may), -ECANCELED (the guest gave up; there will be no
 *  ops->cancel() any more). */
GN_WARN_UNUSED int gn__outside_accept(struct gn__outside_dial *dial,
                                      struct gn_sock **out);
/** End it with a negative errno. -ETIMEDOUT on a wire, and of datagrams: the
 *  guest hears nothing. Consumes the dial. */
void gn__outside_refuse(struct gn__outside_dial *dial, int error);

/**
 * Flows that are bounded together: those a guest began, those that others began
 * with it, or those of one published port. Where there are @max of them a new
 * one takes the place of the one that is idle longest, among those that are
 * new while these hold a quarter of all places or more: so clients that are
 * forged cannot push out all that are known, and those that are new do not
 * push out each other.
 */
struct gn__outside_set {
    uint32_t max;
    uint32_t n;
    uint32_t n_brief;
    struct gn__list brief;   /* struct gn__outside_flow, idle longest first */
    struct gn__list assured; /* the same */
};
void gn__outside_set_init(struct gn__outside_set *set, uint32_t max);

/** Datagrams between one endpoint outside and one of a guest. The calls come on
 *  the driving thread; none after gn__outside_flow_close(). */
struct gn__outside_flow_ops {
    /** From the guest; borrowed for the call. */
    void (*received)(struct gn__outside_flow *flow, const void *data,
                     size_t len, void *user);
    /** ICMP said that a datagram did not arrive at the guest: -ECONNREFUSED, no
     *  socket has the port; -EHOSTUNREACH, -ENETUNREACH, -EACCES, ... */
    void (*failed)(struct gn__outside_flow *flow, int error, void *user);
    /** It is over, behind what had arrived, and owed gn__outside_flow_close():
     *  -ECANCELED (its guest, or the guest's socket, is gone), -ETIMEDOUT (it
     *  was idle), -ENOBUFS (it made room for another; inside the call that
     *  began that one). The last call. */
    void (*ended)(struct gn__outside_flow *flow, int why, void *user);
};

/** What a flow is begun with. */
struct gn__outside_flow_config {
    const struct gn__outside_flow_ops *ops;
    void *user;
    struct gn__outside_set *set; /* of the opener, which outlives the flow;
                                    NULL: only the guest's bounds it */
    uint64_t brief_ns;   /* idle, after one exchange; 0: GN__FLOW_BRIEF_NS */
    uint64_t assured_ns; /* idle, else; 0: GN__FLOW_ASSURED_NS */
};

/** Idle times as of Linux' conntrack (nf_conntrack_proto_udp.c): after a single
 *  exchange, and for one that went both ways and on for some time. */
#define GN__FLOW_BRIEF_NS   (30 * GN__NS_PER_S)
#define GN__FLOW_ASSURED_NS (180 * GN__NS_PER_S)

/** The descriptors that flows cost are used up: the flow of the same guest that
 *  is idle longest makes room for @dial, which begins one. It has let go when
 *  this returns. */
void gn__outside_make_room(struct gn__outside_dial *dial);
/** Let it be a flow, and hear what waited. Consumes the dial, also when it
 *  fails: -ENOMEM, -ECANCELED. @out: gn__outside_flow_close(). */
GN_WARN_UNUSED int gn__outside_accept_flow(
    struct gn__outside_dial *dial, const struct gn__outside_flow_config *config,
    struct gn__outside_flow **out);
/**
 * From an endpoint outside to one of a guest in @net.
 *
 * @outside  NULL: a port of the gateway's own address that is free.
 *
 *   -EADDRINUSE     There is one.
 *   -EADDRNOTAVAIL  @outside cannot be proxied, see gn__outside_may_come(), or
 *                   is of the other family; or the gateway has no port or no
 *                   address of the guest's family.
 *   -EHOSTUNREACH   No guest has the address.
 *   -ENOMEM, -ECANCELED (the network is closing)
 */
GN_WARN_UNUSED int gn__outside_flow_open(
    struct gn_network *net, const struct gn__endpoint *outside,
    const struct gn__endpoint *guest,
    const struct gn__outside_flow_config *config,
    struct gn__outside_flow **out);
/**
 * Send to the guest; cut by nothing, dropped as any packet may be.
 *
 *   -EMSGSIZE  More than 65507 bytes, of IPv6 65487; of echoes 8 more, their
 *              header (counted)
 *   -ECANCELED  The guest is gone.   -ENOBUFS (counted)
 */
int gn__outside_flow_send(struct gn__outside_flow *flow, const void *data,
                          size_t len);
/**
 * The outside said that a datagram did not arrive (a negative errno): tell the
 * guest by ICMP. Not of -ETIMEDOUT.
 *
 * @mtu  Of -EMSGSIZE: what the way takes, RFC 1191 and RFC 8201; 0: nobody has
 *       said, and nor is the guest told.
 */
void gn__outside_flow_unreach(struct gn__outside_flow *flow, int error,
                              uint32_t mtu);
/** A datagram of the guest's was lost: count it, at the guest as well. */
void gn__outside_flow_drop(struct gn__outside_flow *flow, enum gn_drop why);
void gn__outside_flow_close(struct gn__outside_flow *flow);

/** How many connections the guest at this address has sockets for, beside one
 *  that listens; UINT32_MAX: not known (behind a wire or a router). */
uint32_t gn__outside_sockets(struct gn_network *net,
                             const struct gn__addr *addr);
/** The account of the guest at this address, a reference; NULL: no guest has it
 *  (or one behind a router). */
struct gn__account *gn__outside_account(struct gn_network *net,
                                        const struct gn__addr *addr);

/** May the gateway be the proxy of this address towards guests of @net? Not:
 *  loopback, link-local of IPv6, any, multicast, broadcast, one in the
 *  network's prefixes. */
bool gn__outside_may_be(struct gn_network *net, const struct gn__addr *addr);
/** The same if the guest did not begin? Not: link-local of IPv4 either. */
bool gn__outside_may_come(struct gn_network *net, const struct gn__addr *addr);

/**
 * Connect to a guest as @outside. @out: a non-blocking, connecting socket in
 * the host's namespace, owned by the caller.
 *
 *   -EADDRNOTAVAIL  @outside cannot be proxied.
 *   -EADDRINUSE     There is a connection with this 4-tuple.
 *   -EBUSY          There is one that has ended and waits for the guest's last
 *                   acknowledgements: soon there is none.
 *   -EHOSTUNREACH   No guest has the address.
 *   -ENOBUFS        The guest has limits.max_connections by the gateway.
 *   -ENOMEM, -ECANCELED (the network is closing)
 */
GN_WARN_UNUSED int gn__outside_connect(struct gn_network *net,
                                       const struct gn__endpoint *outside,
                                       const struct gn__endpoint *guest,
                                       struct gn_sock **out);

#endif /* GN_NAMESPACE_GATEWAY_GATEWAY_H */
