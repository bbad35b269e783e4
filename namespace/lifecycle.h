/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NAMESPACE_LIFECYCLE_H
#define GN_NAMESPACE_LIFECYCLE_H

/*
 * How networks, namespaces and interfaces come and go: what their files need
 * of each other. All under the engine's lock unless said otherwise.
 */
#include "namespace/internal.h"
#include "namespace/namespace.h"

/* ---- namespace.c ---- */

/** @gateway: the host's own, at the gateways' addresses. */
GN_WARN_UNUSED int gn__ns_create(struct gn_network *net,
                                 const struct gn_namespace_config *config,
                                 bool gateway, struct gn_namespace **out);
/** End all of it but the memory. */
void gn__ns_end(struct gn_namespace *ns, bool silent);
/** An interface goes away under the sockets that use it. */
void gn__ns_drop_iface(struct gn_namespace *ns, struct gn__iface *iface);

/** gn_namespace_stats(). */
void gn__ns_stats(const struct gn_namespace *ns, struct gn_stats *out);

extern const struct gn_limits gn__limits_default;

/* ---- network.c ---- */

/** May an interface there have this MTU (0: the network's)? -EINVAL, with a
 *  line. */
GN_WARN_UNUSED int gn__net_check_mtu(const struct gn_network *net, uint32_t mtu,
                                     char *why, size_t why_len);

/* ---- iface.c ---- */

/** What its port does (gn__port_ops). */
void gn__iface_deliver(struct gn__port *port, struct gn__packet *packet);
struct gn_namespace *gn__iface_namespace(struct gn__port *port);
void gn__iface_end(struct gn__port *port);

/** What an interface is made from. */
struct gn__iface_config {
    struct gn_network *net; /* NULL: lo */
    uint32_t mtu;
    const char *const *addresses; /* NULL: one from each prefix */
    bool gateways;                /* the gateways' addresses instead */
    char *why;
    size_t why_len;
};
/** Add an interface with its addresses; its streams are still unnamed. */
GN_WARN_UNUSED int gn__iface_add(struct gn_namespace *ns,
                                 const struct gn__iface_config *config,
                                 struct gn__iface **out);
/** Name what follows from the namespace's identity: link, MAC, fe80. */
GN_WARN_UNUSED int gn__iface_identify(struct gn__iface *iface);
/** Undo gn__iface_add(). */
void gn__iface_remove(struct gn__iface *iface);

/* ---- route.c ---- */

/** Forget routes over an interface, and the last answers. */
void gn__routes_end(struct gn_namespace *ns, const struct gn__iface *iface);
/** Something that routes depend on has changed. */
static inline void gn__routes_changed(struct gn_namespace *ns)
{
    ns->last_ways[0].valid = false;
    ns->last_ways[1].valid = false;
    for (unsigned i = 0; ns->router_ways && i < GN__N_WAYS; i++)
        ns->router_ways[i].valid = false;
}
/** What a round trip to @dst takes by the links' latencies as they are set
 *  now, as far as the next hop, ns. */
uint64_t gn__ns_round_trip(struct gn_namespace *ns, const struct gn__addr *dst);
/** A router says that packets to @dst may have @mtu bytes. */
void gn__ns_learn_mtu(struct gn_namespace *ns, const struct gn__addr *dst,
                      uint32_t mtu);

/* ---- output.c, stack.c ---- */

/** Give a packet to the namespace's own input, as if from @iface. */
void gn__ns_loop(struct gn_namespace *ns, struct gn__iface *iface,
                 struct gn__packet *packet);
extern const struct gn__stack_ops gn__ns_stack_ops;
enum gn_drop gn__tcp_drop_reason(enum gn__tcp_drop why);

/* ---- remote.c ---- */

/** An interface goes away; it may be a wire's. */
void gn__wire_iface_gone(struct gn__iface *iface);

/* ---- closing: close.c ---- */

/**
 * The closer, which is told that something is gone: a callback, or a thread
 * that waits in gn__closing_wait(), which is only for threads that do not
 * drive.
 */
struct gn__closing {
    gn_close_cb callback;
    void *arg;
    const struct gn__driver_ops *driver;
    struct gn__parker parker; /* of the thread that waits */
};
/** Make @closing tell the calling thread. */
void gn__closing_init_wait(struct gn__closing *closing,
                           const struct gn__engine *engine);
/** No lock held, and no reference needed: the engine may be gone. */
void gn__closing_wait(struct gn__closing *closing);

#endif /* GN_NAMESPACE_LIFECYCLE_H */
