/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Ports that guests have bound by number, told to their hooks: an egress that
 * publishes them needs to know from when to when.
 *
 *     queued --(deferred)--> told --(unbound)--> going --(deferred)--> freed
 *       |
 *       +--(unbound)--> freed, and the hooks have not heard of it
 */
#include <errno.h>

#include "namespace/namespace.h"
#include "namespace/gateway/guest.h"

struct gn__bound {
    struct gn__outside_port pub; /* first */
    struct gn__list of_guest;
    struct gn__engine *engine; /* a reference */
    struct gn__outside *outside;
    struct gn_sock *sock; /* NULL: not bound any more */
    struct gn__deferred deferred;
    bool told;
};

static void bound_free(struct gn__bound *bound)
{
    struct gn__engine *engine = bound->engine;

    gn__ns_unref(bound->pub.ns);
    gn__free(&engine->net.mem, bound, sizeof(*bound));
    gn__engine_unref(engine); /* The caller has another one. */
}

static void tell_unbound(struct gn__deferred *deferred)
{
    struct gn__bound *bound =
        gn__container_of(deferred, struct gn__bound, deferred);
    struct gn__engine *engine = bound->engine;

    if (bound->outside->ops->unbound)
        bound->outside->ops->unbound(bound->outside, &bound->pub);
    gn__engine_ref(engine);
    gn__engine_enter(engine);
    bound_free(bound);
    gn__engine_leave(engine);
    gn__engine_unref(engine);
}

static void tell_bound(struct gn__deferred *deferred)
{
    struct gn__bound *bound =
        gn__container_of(deferred, struct gn__bound, deferred);
    struct gn__engine *engine = bound->engine;
    bool over;

    gn__engine_ref(engine);
    gn__engine_enter(engine);
    over = !bound->sock;
    if (over)
        bound_free(bound); /* In the moment between queue and call. */
    else
        bound->told = true;
    gn__engine_leave(engine);
    if (!over)
        bound->outside->ops->bound(bound->outside, &bound->pub);
    gn__engine_unref(engine);
}

static bool port_has(const struct gn__port *port, const struct gn__addr *addr)
{
    const struct gn__port_addr *owned;

    if (gn__addr_is_any(addr))
        return true;
    owned = gn__port_addr_find(port->net, addr);
    return owned && owned->port == port;
}

static bool wants_to_know(const struct gn__port *port)
{
    const struct gn__outside_guest *guest = port->outside;

    return guest && guest->outside && guest->outside->ops->bound;
}

/* The guest whose hooks want to know: of the interface that has its address, or
 * of the first. NULL: none. */
static struct gn__outside_guest *bound_interested(const struct gn_sock *sock)
{
    const struct gn__addr *addr = &sock->local.addr;
    struct gn__list *it;

    if (gn__addr_is_loopback(addr) || gn__addr_is_linklocal(addr) ||
        gn__addr_is_multicast(addr))
        return NULL;
    gn__list_foreach (it, &sock->ns->guest.ports) {
        struct gn__port *port = gn__container_of(it, struct gn__port, of_owner);

        if (wants_to_know(port) && port_has(port, addr))
            return port->outside;
    }
    return NULL;
}

static int bound_begin(struct gn_sock *sock)
{
    struct gn__outside_guest *guest = bound_interested(sock);
    struct gn__bound *bound;

    if (!guest)
        return 0;
    bound = gn__zalloc(&guest->engine->net.mem, sizeof(*bound));
    if (!bound)
        return -ENOMEM;
    bound->pub.ns = sock->ns;
    gn__ns_ref(sock->ns);
    bound->pub.type = sock->type;
    bound->pub.local = sock->local;
    bound->pub.v6only = sock->opt.v6only;
    bound->engine = guest->engine;
    gn__engine_ref(bound->engine);
    bound->outside = guest->outside;
    bound->sock = sock;
    bound->deferred.run = tell_bound;
    bound->deferred.account = sock->ns->guest.account;
    gn__list_init(&bound->deferred.link);
    gn__list_add_tail(&guest->bounds, &bound->of_guest);
    gn__deferred_queue(bound->engine, &bound->deferred);
    sock->bound = bound;
    return 0;
}

static void bound_unbind(struct gn__bound *bound)
{
    gn__list_del(&bound->of_guest);
    bound->sock->bound = NULL;
    bound->sock = NULL;
    if (bound->told) {
        bound->deferred.run = tell_unbound;
        gn__deferred_queue(bound->engine, &bound->deferred);
    } else if (!gn__list_empty(&bound->deferred.link)) {
        gn__deferred_cancel(bound->engine, &bound->deferred);
        bound_free(bound);
    }
}

static void bound_end(struct gn_sock *sock)
{
    if (sock->bound)
        bound_unbind(sock->bound);
}

const struct gn__port_observer gn__gateway_port_observer = {
    .bound = bound_begin,
    .unbound = bound_end,
    .released = gn__outside_released,
};

void gn__outside_bounds_end(struct gn__outside_guest *guest)
{
    struct gn__list *it, *tmp;

    gn__list_foreach_safe (it, tmp, &guest->bounds) {
        bound_unbind(gn__container_of(it, struct gn__bound, of_guest));
    }
}
