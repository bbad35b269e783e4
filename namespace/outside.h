/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NAMESPACE_OUTSIDE_H
#define GN_NAMESPACE_OUTSIDE_H

/*
 * Addresses outside the network: the gateway stands in for all of them.
 *
 * Packets for an address that nobody in the network has go to the gateway,
 * which is the host's namespace, if their sender may reach the outside (its
 * port has a struct gn__outside) or somebody outside talks to it already. There
 * the gateway plays the other end, with the outside's address as its own:
 *
 *   out, TCP   a SYN is held (the last one of each 4-tuple, a bounded number
 *              for each guest) and becomes a dial; accepted, it is fed to the
 *              stack, and the guest's connection is established with a socket
 *              of the host's; refused, the guest gets what the kernel said:
 *              in a namespace of ours the exact errno, on a wire RST, ICMP or
 *              silence
 *   out, UDP   the first datagram becomes a dial, the next wait with it
 *              (bounded); accepted, it is a flow
 *   in, TCP    gn__outside_connect(): a connection to a guest whose other end
 *              has the client's own address
 *   in, UDP    gn__outside_flow_open()
 *
 * So a guest's sockets are ordinary ones, whoever is at the other end: poll,
 * options, shutdown, links and captures work as between guests, and frame ports
 * get the same service.
 *
 * The operations run on the driving thread without the lock, as notices, and
 * all functions here are called there.
 */
#include "namespace/engine.h"
#include "namespace/sock.h"

struct gn_network;
struct gn__outside;
struct gn__outside_dial;
struct gn__outside_flow;
struct gn__outside_port;

/** What a namespace or frame port reaches the outside by. */
struct gn__outside_ops {
    const char *name;
    /**
     * A guest connects (SOCK_STREAM), or has sent its first datagram
     * (SOCK_DGRAM). Ends by gn__outside_accept(), _accept_flow() or _refuse(),
     * once, now or later.
     */
    void (*dial)(struct gn__outside *outside, struct gn__outside_dial *dial);
    /** The guest gave up or is gone: forget @dial, which ends now. */
    void (*cancel)(struct gn__outside *outside, struct gn__outside_dial *dial);
    /**
     * A socket of the namespace listens (SOCK_STREAM) or is bound (SOCK_DGRAM)
     * to a port it was given by number, on an address that is not its loopback.
     * NULL: nobody wants to know.
     */
    void (*bound)(struct gn__outside *outside, struct gn__outside_port *port);
    /** That is over: forget @port. */
    void (*unbound)(struct gn__outside *outside, struct gn__outside_port *port);
};

/** Embedded in its owner's struct, which outlives the namespaces that use it. */
struct gn__outside {
    const struct gn__outside_ops *ops;
};

/** Who dials whom. user: the ops' own. */
struct gn__outside_dial {
    struct gn_namespace *ns; /* the guest's; NULL: a frame port */
    int type;                /* SOCK_STREAM, SOCK_DGRAM */
    struct gn__endpoint guest;
    struct gn__endpoint outside;
    void *user;
};

struct gn__outside_port {
    struct gn_namespace *ns;
    int type;
    struct gn__endpoint local; /* any address: all of the namespace's */
    void *user;
};

/** Let it be connected. @out: a non-blocking socket in the host's namespace,
 *  owned by the caller, that becomes writable when the guest has answered.
 *  Consumes the dial, also when it fails: -ENOMEM, -ECANCELED, ... */
GN_WARN_UNUSED int gn__outside_accept(struct gn__outside_dial *dial,
                                      struct gn_sock **out);
/** End it with a negative errno; -ETIMEDOUT: the guest hears nothing, and times
 *  out by itself. Consumes the dial. */
void gn__outside_refuse(struct gn__outside_dial *dial, int error);

/** Datagrams between one endpoint outside and one of a guest. */
struct gn__outside_flow_ops {
    /** From the guest; borrowed for the call. */
    void (*received)(struct gn__outside_flow *flow, const void *data,
                     size_t len, void *user);
    /** The guest said that nobody hears there (-ECONNREFUSED), or the flow is
     *  over (-ECANCELED: its guest is gone; the last call, frees nothing). */
    void (*failed)(struct gn__outside_flow *flow, int error, void *user);
};

GN_WARN_UNUSED int gn__outside_accept_flow(
    struct gn__outside_dial *dial, const struct gn__outside_flow_ops *ops,
    void *user, struct gn__outside_flow **out);
/** From an endpoint outside to one of a guest in @net. -EADDRINUSE: there is
 *  one; -EADDRNOTAVAIL: @outside cannot be played, see gn__outside_may_be(). */
GN_WARN_UNUSED int gn__outside_flow_open(struct gn_network *net,
                                         const struct gn__endpoint *outside,
                                         const struct gn__endpoint *guest,
                                         const struct gn__outside_flow_ops *ops,
                                         void *user,
                                         struct gn__outside_flow **out);
/** Send to the guest; cut by nothing, dropped as any packet may be. */
int gn__outside_flow_send(struct gn__outside_flow *flow, const void *data,
                          size_t len);
/** The outside said that nobody hears there: tell the guest by ICMP. */
void gn__outside_flow_refused(struct gn__outside_flow *flow);
void gn__outside_flow_close(struct gn__outside_flow *flow);

/** May the gateway play this address towards guests of @net? Not: loopback,
 *  link-local, any, multicast, broadcast, one in the network's prefixes. */
bool gn__outside_may_be(struct gn_network *net, const struct gn__addr *addr);

/**
 * Connect to a guest as @outside. @out: a non-blocking, connecting socket in
 * the host's namespace, owned by the caller.
 *
 *   -EADDRNOTAVAIL  @outside cannot be played, or the 4-tuple is in use.
 *   -ENOMEM, -ENOBUFS, -EHOSTUNREACH
 */
GN_WARN_UNUSED int gn__outside_connect(struct gn_network *net,
                                       const struct gn__endpoint *outside,
                                       const struct gn__endpoint *guest,
                                       struct gn_sock **out);

#endif /* GN_NAMESPACE_OUTSIDE_H */
