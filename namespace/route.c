/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Where a destination is reached from a namespace: its own addresses over
 * lo, addresses of its prefixes on the link, the rest by its routes, longest
 * prefix first, and then, if it may talk to the world outside, by the gateway.
 * Else there is no default route: what is outside is unreachable until a route
 * says otherwise.
 *
 * A namespace has a handful of interfaces and addresses, so they are walked;
 * routes are found by their prefix, a look for each length there is. The last
 * answers are kept, because most packets go where the one before them went: one
 * from a certain source, as packets have it, and one from any, as connect()
 * asks.
 *
 * The MTU of a way is known as far as one can see: that of the interface, of
 * the receiver on the same link, and what routers have said (RFC 1191, RFC
 * 8201), which is believed for ten minutes.
 */
#include <guestnet/addr.h>

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/units.h"
#include "base/wire.h"
#include "namespace/lifecycle.h"
#include "switch/switch.h"

#define MAX_ROUTES   65536u
#define PMTU_KEPT_NS (600ull * GN__NS_PER_S)

static const struct gn__addr loopback4 = {
    {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};
static const struct gn__addr loopback6 = {{[15] = 1}};

/* ---- own addresses ---- */

static struct gn__iface *first_iface(const struct gn_namespace *ns)
{
    struct gn__list *first = gn__list_first(&ns->ifaces);

    return first ? gn__container_of(first, struct gn__iface, of_ns) : NULL;
}

struct gn__iface *gn__ns_iface_by_index(const struct gn_namespace *ns,
                                        unsigned index)
{
    struct gn__list *it;

    gn__list_foreach (it, &ns->ifaces) {
        struct gn__iface *iface = gn__container_of(it, struct gn__iface, of_ns);

        if (iface->index == index)
            return iface;
    }
    return NULL;
}

static struct gn__port_addr *own_addr(const struct gn__iface *iface,
                                      const struct gn__addr *addr)
{
    struct gn__list *it;

    gn__list_foreach (it, &iface->port.addrs) {
        struct gn__port_addr *owned =
            gn__container_of(it, struct gn__port_addr, of_port);

        if (gn__addr_equal(&owned->addr, addr))
            return owned;
    }
    return NULL;
}

struct gn__iface *gn__ns_iface_of(struct gn_namespace *ns,
                                  const struct gn__addr *addr)
{
    struct gn__list *it;

    gn__list_foreach (it, &ns->ifaces) {
        struct gn__iface *iface = gn__container_of(it, struct gn__iface, of_ns);

        if (own_addr(iface, addr))
            return iface;
    }
    return gn__addr_is_loopback(addr) && !gn__addr_is_lo_broadcast(addr)
               ? first_iface(ns)
               : NULL;
}

bool gn__ns_is_local(struct gn_namespace *ns, const struct gn__addr *addr)
{
    return gn__ns_iface_of(ns, addr) != NULL;
}

/* ---- path MTU ---- */

void gn__ns_learn_mtu(struct gn_namespace *ns, const struct gn__addr *dst,
                      uint32_t mtu)
{
    uint64_t now = gn__now(ns->engine);
    struct gn__pmtu *entry, *oldest;
    unsigned i;

    if (!ns->pmtu)
        ns->pmtu = gn__zalloc_array(&ns->engine->net.mem, GN__N_PMTU,
                                    sizeof(*ns->pmtu));
    if (!ns->pmtu)
        return; /* The router will say it again. */
    oldest = &ns->pmtu[0];
    for (i = 0; i < GN__N_PMTU; i++) {
        entry = &ns->pmtu[i];
        if (entry->mtu && gn__addr_equal(&entry->dst, dst)) {
            oldest = entry;
            break;
        }
        if (entry->until < oldest->until)
            oldest = entry;
    }
    *oldest = (struct gn__pmtu){
        .dst = *dst,
        .mtu = gn__addr_is_v4(dst) && mtu < GN__IP_MIN_MTU4    ? GN__IP_MIN_MTU4
               : !gn__addr_is_v4(dst) && mtu < GN__IP_MIN_MTU6 ? GN__IP_MIN_MTU6
                                                               : mtu,
        .until = now + PMTU_KEPT_NS};
    gn__routes_changed(ns);
}

static uint32_t learned_mtu(const struct gn_namespace *ns,
                            const struct gn__addr *dst)
{
    unsigned i;

    for (i = 0; ns->pmtu && i < GN__N_PMTU; i++) {
        const struct gn__pmtu *entry = &ns->pmtu[i];

        if (entry->mtu && entry->until > gn__now(ns->engine) &&
            gn__addr_equal(&entry->dst, dst))
            return entry->mtu;
    }
    return UINT32_MAX;
}

static uint32_t mtu_smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The port that has the next hop; NULL: none, or it is our own loopback. */
static const struct gn__port *route_receiver(const struct gn__iface *iface,
                                             const struct gn__addr *hop)
{
    struct gn__table_node *node = NULL;

    if (iface->port.net)
        node = gn__table_find(&iface->port.net->addresses, hop, sizeof(*hop));
    return node ? gn__container_of(node, struct gn__port_addr, node)->port
                : NULL;
}

static uint32_t receiver_mtu(const struct gn__iface *iface,
                             const struct gn__addr *hop)
{
    const struct gn__port *to = route_receiver(iface, hop);

    return to ? to->mtu : UINT32_MAX;
}

/* ---- the way to a destination ---- */

/* The longest prefix of the interfaces that has the address; its length, or
 * -1. At equal length @prefer wins. */
static int on_link(struct gn_namespace *ns, const struct gn__addr *dst,
                   const struct gn__iface *prefer, struct gn__iface **out)
{
    struct gn__list *it, *jt;
    int best = -1;

    gn__list_foreach (it, &ns->ifaces) {
        struct gn__iface *iface = gn__container_of(it, struct gn__iface, of_ns);

        gn__list_foreach (jt, &iface->port.addrs) {
            struct gn__port_addr *owned =
                gn__container_of(jt, struct gn__port_addr, of_port);
            const struct gn__net_prefix *p;

            if (owned->prefix < 0)
                continue;
            p = &iface->port.net->prefixes[owned->prefix];
            if (!gn__prefix_contains(&p->prefix, dst) || p->prefix.len < best ||
                (p->prefix.len == best && iface != prefer))
                continue;
            best = p->prefix.len;
            *out = iface;
        }
    }
    return best;
}

static struct gn__route *route_at(const struct gn_namespace *ns,
                                  const struct gn__addr *addr, uint32_t len)
{
    struct gn__route_key key = {.addr = *addr, .len = len};
    struct gn__table_node *node =
        gn__table_find(&ns->route_table->by_prefix, &key, sizeof(key));

    return node ? gn__container_of(node, struct gn__route, node) : NULL;
}

static uint32_t *n_of_len(struct gn__route_table *table, bool is_v4)
{
    return is_v4 ? table->n_of_len4 : table->n_of_len6;
}

/* The longest prefix that there is a route for. */
static struct gn__route *by_route(struct gn_namespace *ns,
                                  const struct gn__addr *dst)
{
    bool is_v4 = gn__addr_is_v4(dst);
    unsigned len = is_v4 ? 33 : 129;
    struct gn__route *route = NULL;
    const uint32_t *n;

    if (!ns->route_table)
        return NULL;
    n = n_of_len(ns->route_table, is_v4);
    while (len-- > 0 && !route) {
        struct gn__addr masked;

        if (!n[len])
            continue;
        masked = gn__addr_mask(dst, len);
        route = route_at(ns, &masked, len);
    }
    return route;
}

/* Addresses that say nothing about the interface: link-local, multicast. */
static struct gn__iface *scoped_iface(struct gn_namespace *ns,
                                      const struct gn__addr *src,
                                      uint32_t scope)
{
    struct gn__iface *iface;
    struct gn__list *it;

    if (scope)
        return gn__ns_iface_by_index(ns, scope);
    iface = src ? gn__ns_iface_of(ns, src) : NULL;
    if (iface && (!iface->loopback || gn__addr_is_v4(src)))
        return iface; /* ::1 is a source anywhere, see find_way(). */
    gn__list_foreach (it, &ns->ifaces) {
        iface = gn__container_of(it, struct gn__iface, of_ns);
        if (!iface->loopback)
            return iface;
    }
    return NULL;
}

static bool is_linklocal6(const struct gn__addr *addr)
{
    return !gn__addr_is_v4(addr) && gn__addr_is_linklocal(addr);
}

static bool is_linklocal_group(const struct gn__addr *addr)
{
    return !gn__addr_is_v4(addr) && gn__addr_is_multicast(addr) &&
           gn__addr_needs_scope(addr);
}

/* RFC 6724 in its simple form: same version, same scope, and of those the one
 * whose prefix has the next hop. */
static const struct gn__addr *choose_source(const struct gn__iface *iface,
                                            const struct gn__addr *dst,
                                            const struct gn__addr *hop)
{
    bool local_scope = is_linklocal6(dst) || is_linklocal_group(dst);
    const struct gn__addr *best = NULL;
    struct gn__list *it;

    gn__list_foreach (it, &iface->port.addrs) {
        struct gn__port_addr *owned =
            gn__container_of(it, struct gn__port_addr, of_port);

        if (gn__addr_is_v4(&owned->addr) != gn__addr_is_v4(dst) ||
            is_linklocal6(&owned->addr) != local_scope)
            continue;
        if (!best)
            best = &owned->addr;
        if (owned->prefix >= 0 &&
            gn__prefix_contains(
                &iface->port.net->prefixes[owned->prefix].prefix, hop))
            return &owned->addr;
    }
    return best;
}

/* The source of a packet that leaves by lo and is for none of our own
 * addresses: Linux takes no address for it that is good on this host only, if
 * there is another. */
static const struct gn__addr *source_at_home(const struct gn_namespace *ns)
{
    const struct gn__addr *source = NULL;
    struct gn__list *it;

    gn__list_foreach (it, &ns->ifaces) {
        if (!source)
            source =
                choose_source(gn__container_of(it, struct gn__iface, of_ns),
                              &loopback4, &loopback4);
    }
    return source ? source : &loopback4;
}

/* To one of our own addresses, over lo. */
static int way_home(struct gn_namespace *ns, const struct gn__addr *dst,
                    const struct gn__addr *src, struct gn__way *out)
{
    out->iface = first_iface(ns);
    if (!out->iface)
        return -ENETUNREACH;
    out->local = true;
    out->next_hop = *dst;
    out->mtu = out->iface->port.mtu;
    if (src)
        out->source = *src;
    else if (!gn__addr_is_loopback(dst))
        out->source = *dst;
    else
        out->source = gn__addr_is_v4(dst) ? loopback4 : loopback6;
    return 0;
}

/* The interface whose network lets this namespace talk to hosts outside. */
static struct gn__iface *iface_outside(struct gn_namespace *ns,
                                       const struct gn__addr *dst,
                                       struct gn__iface *prefer)
{
    struct gn__list *it;

    if (prefer && gn__outside_reaches(&prefer->port, dst))
        return prefer;
    gn__list_foreach (it, &ns->ifaces) {
        struct gn__iface *iface = gn__container_of(it, struct gn__iface, of_ns);

        if (gn__outside_reaches(&iface->port, dst))
            return iface;
    }
    return NULL;
}

/* By the gateway. */
static bool way_outside(struct gn_namespace *ns, const struct gn__addr *dst,
                        struct gn__iface *prefer, struct gn__way *out)
{
    out->iface = iface_outside(ns, dst, prefer);
    return out->iface &&
           gn__net_gateway(out->iface->port.net, dst, &out->next_hop);
}

static int pick_iface(struct gn_namespace *ns, const struct gn__addr *dst,
                      const struct gn__addr *src, uint32_t scope,
                      struct gn__way *out)
{
    struct gn__iface *prefer = src ? gn__ns_iface_of(ns, src) : NULL;
    struct gn__route *route;
    int len;

    out->next_hop = *dst;
    if (is_linklocal6(dst) || gn__addr_is_multicast(dst) ||
        gn__addr_is_broadcast(dst)) {
        out->iface = scoped_iface(ns, src, scope);
        /* Multicast and broadcast of IPv4 can be sent over lo, if asked for. */
        return out->iface && (!out->iface->loopback || gn__addr_is_v4(dst))
                   ? 0
                   : -ENETUNREACH;
    }
    if (gn__addr_is_lo_broadcast(dst)) {
        out->iface = first_iface(ns);
        return out->iface ? 0 : -ENETUNREACH;
    }
    len = on_link(ns, dst, prefer, &out->iface);
    route = by_route(ns, dst);
    if (route && (int)route->key.len > len) {
        out->iface = route->iface;
        out->next_hop = route->gateway;
        return 0;
    }
    return len >= 0 || way_outside(ns, dst, prefer, out) ? 0 : -ENETUNREACH;
}

/* Is one of our own addresses reached by the interface that was asked for? */
static bool is_home(struct gn_namespace *ns, const struct gn__addr *dst,
                    uint32_t scope)
{
    const struct gn__iface *iface = gn__ns_iface_of(ns, dst);

    return iface && (!scope || iface->index == scope);
}

/* The interface that was asked for is not the one of the way: IPv4 takes the
 * destination for one on that link, IPv6 has no way. */
static int stay_on(struct gn_namespace *ns, const struct gn__addr *dst,
                   uint32_t scope, int err, struct gn__way *out)
{
    if (!err && out->iface->index == scope)
        return 0;
    out->iface = gn__ns_iface_by_index(ns, scope);
    if (!out->iface || !gn__addr_is_v4(dst))
        return -ENETUNREACH;
    out->next_hop = *dst;
    return 0;
}

static int bad_source(const struct gn__addr *src)
{
    if (!gn__addr_is_v4(src))
        return -EADDRNOTAVAIL;
    return gn__addr_is_multicast(src) || gn__addr_is_broadcast(src)
               ? -EINVAL
               : -ENETUNREACH;
}

static int find_way(struct gn_namespace *ns, const struct gn__addr *dst,
                    const struct gn__addr *src, uint32_t scope,
                    struct gn__way *out)
{
    const struct gn__addr *source = src;
    int err;

    memset(out, 0, sizeof(*out));
    if (src && !gn__ns_is_local(ns, src))
        return bad_source(src);
    if (src && gn__addr_is_v4(src) != gn__addr_is_v4(dst))
        return -ENETUNREACH;
    if (gn__addr_is_any(dst))
        return -ENETUNREACH;
    if (is_home(ns, dst, scope))
        return way_home(ns, dst, src, out);
    err = pick_iface(ns, dst, src, scope, out);
    if (scope)
        err = stay_on(ns, dst, scope, err, out);
    if (err)
        return err;
    /* As Linux: a loopback source stays at home. Of IPv6 it is sent, and no
     * receiver takes it (RFC 4291, 2.5.3). */
    if (src && gn__addr_is_v4(src) && gn__addr_is_loopback(src) &&
        !out->iface->loopback)
        return -EINVAL;
    if (!source && out->iface->loopback)
        source =
            gn__addr_is_lo_broadcast(dst) ? &loopback4 : source_at_home(ns);
    if (!source)
        source = choose_source(out->iface, dst, &out->next_hop);
    if (!source)
        return -ENETUNREACH;
    out->source = *source;
    out->broadcast = gn__iface_is_broadcast(out->iface, dst);
    out->mtu =
        mtu_smaller(mtu_smaller(out->iface->port.mtu,
                                receiver_mtu(out->iface, &out->next_hop)),
                    learned_mtu(ns, dst));
    return 0;
}

static_assert(GN__N_WAYS == 64, "a slot is six bits");

/* By what both hosts of a network and networks differ in. */
static unsigned slot_to(const struct gn__addr *dst)
{
    return gn__get32(dst->bytes + 12) * UINT32_C(0x9e3779b1) >> 26;
}

/* Where the answer is kept. A router is asked for the ways of all the hosts
 * behind it, in turns. */
static struct gn__last_way *last_way_to(struct gn_namespace *ns,
                                        const struct gn__addr *dst,
                                        const struct gn__addr *src)
{
    if (src || !ns->forwarding)
        return &ns->last_ways[src != NULL];
    if (!ns->router_ways)
        ns->router_ways = gn__zalloc_array(&ns->engine->net.mem, GN__N_WAYS,
                                           sizeof(*ns->router_ways));
    return ns->router_ways ? &ns->router_ways[slot_to(dst)] : &ns->last_ways[0];
}

static bool last_way_is(const struct gn__last_way *last,
                        const struct gn__addr *dst, const struct gn__addr *src)
{
    return last->valid && gn__addr_equal(&last->dst, dst) &&
           gn__addr_equal(&last->src, src);
}

int gn__ns_route(struct gn_namespace *ns, const struct gn__addr *dst,
                 const struct gn__addr *src, uint32_t scope,
                 struct gn__way *out)
{
    static const struct gn__addr none;
    struct gn__last_way *last = last_way_to(ns, dst, src);
    int err;

    if (!scope && last_way_is(last, dst, src ? src : &none)) {
        *out = last->way;
        return 0;
    }
    if (src && gn__addr_is_v4(src) && !gn__addr_is_v4(dst)) {
        err = find_way(ns, dst, NULL, scope, out);
        return err ? err : -EAFNOSUPPORT; /* Also from any address of IPv4. */
    }
    if (src && gn__addr_is_any(src))
        return gn__ns_route(ns, dst, NULL, scope, out);
    err = find_way(ns, dst, src, scope, out);
    if (err || scope)
        return err;
    last->dst = *dst;
    last->src = src ? *src : none;
    last->way = *out;
    last->valid = true;
    return 0;
}

static uint64_t path_us(const struct gn_network *net,
                        const struct gn__port *from, const struct gn__port *to)
{
    const struct gn__path *path = gn__path_of(net, from, to);

    return path ? path->config.latency_us : 0;
}

uint64_t gn__ns_round_trip(struct gn_namespace *ns, const struct gn__addr *dst)
{
    const struct gn__port *from, *to;
    struct gn__way way;
    uint64_t us;

    if (gn__ns_route(ns, dst, NULL, 0, &way) || way.local)
        return 0;
    from = &way.iface->port;
    us = 2ull * from->wire.config.latency_us;
    to = route_receiver(way.iface, &way.next_hop);
    if (to)
        us += 2ull * to->wire.config.latency_us + path_us(from->net, from, to) +
              path_us(from->net, to, from);
    return us * 1000;
}

/* ---- the table ---- */

static void table_free(struct gn_namespace *ns)
{
    gn__table_done(&ns->route_table->by_prefix);
    gn__free(&ns->engine->net.mem, ns->route_table, sizeof(*ns->route_table));
    ns->route_table = NULL;
}

static void route_free(struct gn_namespace *ns, struct gn__route *route)
{
    struct gn__route_table *table = ns->route_table;

    gn__list_del(&route->link);
    gn__table_del(&table->by_prefix, &route->node);
    n_of_len(table, gn__addr_is_v4(&route->key.addr))[route->key.len]--;
    gn__free(&ns->engine->net.mem, route, sizeof(*route));
    if (!--ns->n_routes)
        table_free(ns);
}

void gn__routes_end(struct gn_namespace *ns, const struct gn__iface *iface)
{
    struct gn__list *it, *tmp;

    gn__list_foreach_safe (it, tmp, &ns->routes) {
        struct gn__route *route = gn__container_of(it, struct gn__route, link);

        if (route->iface == iface)
            route_free(ns, route);
    }
    gn__routes_changed(ns);
}

static struct gn__route *find_route(struct gn_namespace *ns,
                                    const struct gn__prefix *prefix)
{
    return ns->route_table ? route_at(ns, &prefix->addr, prefix->len) : NULL;
}

static int table_create(struct gn_namespace *ns)
{
    const struct gn__mem *mem = &ns->engine->net.mem;

    if (ns->route_table)
        return 0;
    ns->route_table = gn__zalloc(mem, sizeof(*ns->route_table));
    if (!ns->route_table)
        return -ENOMEM;
    gn__table_init(&ns->route_table->by_prefix, mem, ns->rng.key);
    return 0;
}

static int route_create(struct gn_namespace *ns,
                        const struct gn__prefix *prefix, struct gn__route **out)
{
    const struct gn__mem *mem = &ns->engine->net.mem;
    struct gn__route *route;

    if (ns->n_routes >= MAX_ROUTES)
        return -ENOSPC;
    if (table_create(ns))
        return -ENOMEM;
    route = gn__zalloc(mem, sizeof(*route));
    if (!route)
        goto undo_table;
    route->key.addr = prefix->addr;
    route->key.len = prefix->len;
    if (gn__table_add(&ns->route_table->by_prefix, &route->node, &route->key,
                      sizeof(route->key)))
        goto undo_route;
    n_of_len(ns->route_table, gn__prefix_is_v4(prefix))[prefix->len]++;
    gn__list_add_tail(&ns->routes, &route->link);
    ns->n_routes++;
    *out = route;
    return 0;

undo_route:
    gn__free(mem, route, sizeof(*route));
undo_table:
    if (!ns->n_routes)
        table_free(ns);
    return -ENOMEM;
}

static int gateway_iface(struct gn_namespace *ns,
                         const struct gn__endpoint *gateway,
                         struct gn__iface **out)
{
    if (gn__ns_is_local(ns, &gateway->addr))
        return -EINVAL;
    if (is_linklocal6(&gateway->addr)) {
        *out = scoped_iface(ns, NULL, gateway->scope);
        return *out && !(*out)->loopback ? 0 : -ENETUNREACH;
    }
    return on_link(ns, &gateway->addr, NULL, out) < 0 ? -ENETUNREACH : 0;
}

static int route_add(struct gn_namespace *ns, const struct gn__prefix *prefix,
                     const struct gn__endpoint *gateway)
{
    struct gn__route *route = find_route(ns, prefix);
    struct gn__iface *iface = NULL;
    int err;

    err = gateway_iface(ns, gateway, &iface);
    if (err)
        return err;
    if (!route) {
        err = route_create(ns, prefix, &route);
        if (err)
            return err;
    }
    route->gateway = gateway->addr;
    route->iface = iface;
    gn__routes_changed(ns);
    return 0;
}

static int route_remove(struct gn_namespace *ns,
                        const struct gn__prefix *prefix)
{
    struct gn__route *route = find_route(ns, prefix);

    if (!route)
        return -ESRCH;
    route_free(ns, route);
    gn__routes_changed(ns);
    return 0;
}

static int parse_gateway(const char *text, const struct gn__prefix *prefix,
                         struct gn__endpoint *out)
{
    struct sockaddr_storage ss;
    socklen_t len;

    if (gn_addr_parse(text, &ss, &len) ||
        gn__endpoint_from_sockaddr((struct sockaddr *)&ss, len, AF_UNSPEC, out))
        return -EINVAL;
    if (out->port || gn__addr_is_v4(&out->addr) != gn__prefix_is_v4(prefix))
        return -EINVAL;
    return 0;
}

int gn_route_add(struct gn_namespace *ns, const char *prefix,
                 const char *gateway)
{
    struct gn__endpoint hop;
    struct gn__prefix parsed;
    int err;

    if (!ns || !prefix || gn__prefix_parse(prefix, &parsed, NULL, 0) ||
        (gateway && parse_gateway(gateway, &parsed, &hop)))
        return -EINVAL;
    gn__engine_enter(ns->engine);
    if (ns->killed || ns->closing)
        err = -ECANCELED;
    else if (ns->wire)
        err = -EOPNOTSUPP;
    else
        err =
            gateway ? route_add(ns, &parsed, &hop) : route_remove(ns, &parsed);
    gn__engine_leave(ns->engine);
    return err;
}

bool gn__network_leads_to(struct gn_network *net, const struct gn__addr *addr)
{
    struct gn__way way;
    bool leads;

    gn__engine_enter(net->engine);
    leads = gn__ns_route(net->gateway, addr, NULL, 0, &way) != -ENETUNREACH;
    gn__engine_leave(net->engine);
    return leads;
}
