/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NAMESPACE_NAMESPACE_H
#define GN_NAMESPACE_NAMESPACE_H

/*
 * What the drivers and the rest of host/ need of networks and namespaces: an
 * engine to drive, a network made on it, and sockets to show as descriptors.
 * gn_network_create() picks the driver and is above both.
 */
#include <guestnet/namespace.h>
#include <guestnet/network.h>

#include "namespace/lookup_context.h"
#include "namespace/charge.h"
#include "namespace/descriptors.h"
#include "engine/engine.h"
#include "namespace/machine.h"
#include "namespace/gateway/gateway.h"
#include "namespace/sock/sock.h"
#include "namespace/sock/stream.h"
#include "namespace/sock/system.h"
#include "namespace/remote.h"
#include "namespace/timers.h"
#include "switch/switch.h"

/** What engines are made for (gn__engine_create()). */
extern const struct gn__engine_user gn__namespaces;

/**
 * Create a network on @engine, of which it takes a reference; the driver's
 * gone() is called when the network is gone. @config is not NULL; its drive,
 * clock and allocator have been looked at by the caller. Errors are those of
 * gn_network_create().
 */
GN_WARN_UNUSED int gn__network_create(struct gn__engine *engine,
                                      const struct gn_network_config *config,
                                      struct gn_network **out);

/** A DNS label of RFC 1123: letters, digits, inner hyphens, 1 to 63. */
bool gn__label_is_valid(const char *label, size_t len);
/** Can it be a guest's name? -EINVAL, with a line. */
GN_WARN_UNUSED int gn__label_check(const char *name, char *why, size_t why_len);

/** The engine a network is on. */
struct gn__engine *gn__network_engine(const struct gn_network *net);

/** The resolver of its configuration; NULL: its own names only. */
struct gn_resolver *gn__network_resolver(const struct gn_network *net);

/** The networks of an engine, in the order of their creation; NULL: no more. */
struct gn_network *gn__engine_network(struct gn__engine *engine, size_t i);

/** The largest IP packet of a network, bytes. */
uint32_t gn__network_mtu(const struct gn_network *net);

/** The network a namespace was created in; its io is the namespace's. NULL: it
 *  has ended. */
struct gn_network *gn__namespace_network(struct gn_namespace *ns);

/** Does any route of the gateway's lead to @addr, whichever port has it? Any
 *  thread, without the lock. */
bool gn__network_leads_to(struct gn_network *net, const struct gn__addr *addr);

/**
 * The descriptors, timers and turns that end with the network. On the driving
 * thread; NULL as long as none were set. set: @io is consumed, gn__io_done();
 * -ECANCELED: the network is closing, and @io is still the caller's.
 */
struct gn__io *gn__network_get_io(const struct gn_network *net);
GN_WARN_UNUSED int gn__network_set_io(struct gn_network *net,
                                      struct gn__io *io);

/** A call that is carried to the driving thread; embedded. */
struct gn__call {
    struct gn__list of_net;
    struct gn__deferred deferred;
    struct gn_network *net;
    /** Under the lock, before run() can be called. NULL: nothing is done. */
    void (*queued)(struct gn__call *call);
    /** @status  0, or -ECANCELED: the network has closed. Its last touch. */
    void (*run)(struct gn__call *call, int status);
};
/** Have call->run called once on the driving thread, on a later turn. Any
 *  thread. -ECANCELED: the network is closing; it is not called. */
GN_WARN_UNUSED int gn__network_call(struct gn_network *net,
                                    struct gn__call *call);
/** Count a datagram that the host's side lost; at the host's namespace, as all
 *  that has to do with the outside. Any thread, without the lock. */
void gn__network_drop(struct gn_network *net, enum gn_drop why);
/** Count a client that did not get to @ns, there and at the host's namespace.
 *  Any thread, without the lock. */
void gn__ns_client_lost(struct gn_namespace *ns);
/** Is the network closing? Any thread. */
bool gn__network_is_closing(struct gn_network *net);

/** A reference keeps the memory of a namespace for a thread that blocks in it;
 *  a closed one has `closing` set and nothing else. Any thread, no lock
 *  held. */
void gn__ns_ref(struct gn_namespace *ns);
void gn__ns_unref(struct gn_namespace *ns);
/** What it has as a guest; as long as @ns is. Any thread. */
struct gn__guest *gn__ns_guest(struct gn_namespace *ns);

#endif /* GN_NAMESPACE_NAMESPACE_H */
