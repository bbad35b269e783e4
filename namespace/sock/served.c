/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Is a port served or published, and waiting until it is served. The waiters of
 * all networks of an engine are on one list, and look again whenever a socket
 * begins to listen, a datagram socket is bound, or a port of the switch gets an
 * address. All three are rare beside packets, and the list is nearly always
 * empty.
 */
#include <errno.h>

#include "namespace/gateway/guest.h"
#include "namespace/lifecycle.h"
#include "namespace/namespace.h"
#include "namespace/sock/bind.h"

#define ADDRS_MAX 16u

void gn__served_changed(struct gn__engine *engine)
{
    struct gn__list *it;

    while ((it = gn__list_first(&gn__shared_of(engine)->served_waits)))
        gn__engine_wake(engine, gn__container_of(it, struct gn__waiter, link));
}

/* ---- looking ---- */

static bool is_bound(const struct gn_namespace *ns, unsigned proto,
                     const struct gn__addr *addr, uint16_t port)
{
    struct gn__port_use *use = gn__port_find(ns, proto, port);
    struct gn__list *it;

    if (!use)
        return false;
    gn__list_foreach (it, &use->bindings) {
        const struct gn__binding *b =
            gn__container_of(it, struct gn__binding, of_use);

        if (b->sock && (proto == GN__PROTO_UDP || b->listening) &&
            gn__binding_covers(b, addr))
            return true;
    }
    return false;
}

/* The namespace that packets from @ns to @addr reach, in the networks it is
 * in; NULL: none. */
static const struct gn_namespace *served_owner(struct gn_namespace *ns,
                                               const struct gn__addr *addr)
{
    struct gn__list *it;

    if (gn__ns_is_local(ns, addr))
        return ns;
    gn__list_foreach (it, &ns->ifaces) {
        struct gn__iface *iface = gn__container_of(it, struct gn__iface, of_ns);
        const struct gn__port_addr *owned =
            iface->port.net ? gn__port_addr_find(iface->port.net, addr) : NULL;
        struct gn_namespace *owner =
            owned ? gn__port_namespace(owned->port) : NULL;

        if (owner)
            return owner;
    }
    return NULL;
}

/* One of the host's, at an address that is no namespace's. */
static bool is_service(const struct gn_namespace *ns,
                       const struct gn__served *what,
                       const struct gn__addr *addr)
{
    struct gn__list *it;

    gn__list_foreach (it, &ns->guest.ports) {
        struct gn__port *port = gn__container_of(it, struct gn__port, of_owner);
        const struct gn__host *host = gn__host_at(port->net, addr);

        if (host)
            return gn__host_serves(host, what->proto, what->port);
    }
    return false;
}

static bool is_served_at(struct gn_namespace *ns, const struct gn__served *what,
                         const struct gn__addr *addr)
{
    const struct gn_namespace *owner = served_owner(ns, addr);

    return owner ? is_bound(owner, what->proto, addr, what->port)
                 : is_service(ns, what, addr);
}

static bool is_served_here(struct gn_namespace *ns,
                           const struct gn__served *what)
{
    const struct gn__addr v4 = gn__addr_loopback(AF_INET);
    const struct gn__addr v6 = gn__addr_loopback(AF_INET6);

    return (what->family != AF_INET6 && is_served_at(ns, what, &v4)) ||
           (what->family != AF_INET && is_served_at(ns, what, &v6));
}

static bool is_served(struct gn_namespace *ns, const struct gn__served *what)
{
    struct gn__addr addrs[ADDRS_MAX];
    size_t i, n = 0;

    if (what->addr)
        return is_served_at(ns, what, what->addr);
    if (!what->name)
        return is_served_here(ns, what);
    if (gn__ns_name_addrs(ns, what->name, what->family, addrs, ADDRS_MAX, &n))
        return false;
    for (i = 0; i < n; i++) {
        if (is_served_at(ns, what, &addrs[i]))
            return true;
    }
    return false;
}

/* ---- what is published ---- */

void gn__published_add(struct gn_network *net, struct gn__published *published)
{
    gn__engine_enter(net->engine);
    gn__list_add_tail(&net->published, &published->of_net);
    gn__engine_leave(net->engine);
}

void gn__published_del(struct gn_network *net, struct gn__published *published)
{
    gn__engine_enter(net->engine);
    gn__list_del(&published->of_net);
    gn__engine_leave(net->engine);
}

/* Does it lead to this address? A name means what it does to the gateway. */
static bool published_leads_to(const struct gn__published *published,
                               struct gn_namespace *gateway,
                               const struct gn__addr *addr)
{
    char lower[GN__HOSTNAME_MAX + 1];
    struct gn__addr addrs[ADDRS_MAX];
    size_t i, n = 0;

    if (published->addr)
        return gn__addr_equal(published->addr, addr);
    gn__hostname_lower(published->name, lower);
    if (gn__ns_name_addrs(gateway, lower, AF_UNSPEC, addrs, ADDRS_MAX, &n))
        return false;
    for (i = 0; i < n; i++) {
        if (gn__addr_equal(&addrs[i], addr))
            return true;
    }
    return false;
}

static bool is_published(const struct gn_network *net,
                         const struct gn__served *what,
                         const struct gn__addr *addr)
{
    struct gn__list *it;

    gn__list_foreach (it, &net->published) {
        const struct gn__published *published =
            gn__container_of(it, struct gn__published, of_net);

        if (published->proto == what->proto && published->port == what->port &&
            published_leads_to(published, net->gateway, addr))
            return true;
    }
    return false;
}

bool gn__ns_is_served(struct gn_namespace *ns, const struct gn__served *what)
{
    struct gn__addr addrs[ADDRS_MAX];
    const struct gn_network *net;
    size_t i, n = 0;
    bool found;

    gn__engine_enter(ns->engine);
    net = ns->guest.home;
    found = is_served(ns, what);
    if (!found && net && what->name &&
        gn__ns_name_addrs(ns, what->name, what->family, addrs, ADDRS_MAX, &n))
        n = 0;
    for (i = 0; !found && i < n; i++)
        found = is_published(net, what, &addrs[i]);
    gn__ns_leave(ns);
    return found;
}

/* ---- waiting ---- */

/* One sleep; the list of waiters is left by being woken. */
static int wait_once(struct gn_namespace *ns, uint64_t deadline)
{
    struct gn__ns_waiter self = {
        .waiter = {.call = "wait for a listener", .abandon = gn__ns_abandon},
        .ns = ns};

    gn__list_add_tail(&gn__shared_of(ns->engine)->served_waits,
                      &self.waiter.link);
    return gn__ns_wait(ns, &self.waiter, deadline);
}

int gn__ns_wait_served(struct gn_namespace *ns, const struct gn__served *what,
                       uint64_t timeout_ns)
{
    uint64_t deadline;
    int err = 0;

    gn__engine_enter(ns->engine);
    gn__ns_ref(ns);
    deadline = timeout_ns ? gn__ns_deadline(ns, timeout_ns) : GN__NEVER;
    if (ns->killed || ns->closing)
        err = -ECANCELED;
    while (!err && !is_served(ns, what))
        err = wait_once(ns, deadline);
    gn__ns_leave(ns);
    gn__ns_unref(ns);
    return err;
}
