/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The namespace of a guest behind a wire, see remote.h. Its port is that of an
 * ordinary interface, so all that looks at ports (gateway, names, captures,
 * paths, lists of guests) finds the namespace as it finds any other.
 */
#include "namespace/remote.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "namespace/gateway/gateway.h"
#include "namespace/lifecycle.h"
#include "switch/switch.h"

/* ---- life ---- */

static int check_network(const struct gn_network *net,
                         const struct gn_namespace_config *config, uint32_t mtu)
{
    int err = gn__net_check_mtu(net, mtu, config->why, config->why_len);

    if (err || net->n_prefixes)
        return err;
    return gn__text_refuse(config->why, config->why_len,
                           "network \"%s\" has no prefixes", net->name);
}

/* Packets for all hosts are for the wire too: its guest's stack picks. */
static int join_all(struct gn__iface *iface)
{
    const struct gn__addr v4 = gn__addr_from_v4(0xe0000001);
    const struct gn__addr v6 = {{0xff, 0x02, [15] = 1}};
    struct gn__addr all = gn__group_broadcast();
    int err = gn__group_join(&iface->port, &all);

    if (!err)
        err = gn__group_join(&iface->port, &v4);
    return err ? err : gn__group_join(&iface->port, &v6);
}

/* A router passes on packets for others, whatever their source. */
static bool is_for_others(const struct gn_namespace *ns,
                          const struct gn__packet *packet)
{
    const struct gn__addr *dst = &packet->ip.dst;

    return !gn__wire_owns(ns->wire, dst) && !gn__addr_is_multicast(dst) &&
           !gn__wire_is_broadcast(ns->wire, dst);
}

/* A packet that was damaged has a wrong checksum, for the guest to find; but
 * segments that are cut from it would be given right ones. */
static enum gn_drop wire_flaw(const struct gn_namespace *ns,
                              const struct gn__packet *packet)
{
    if (gn__ns_is_walled_off(ns, packet) && !is_for_others(ns, packet))
        return GN_DROP_BLOCKED;
    return packet->corrupt && packet->segment_size ? GN_DROP_CORRUPT
                                                   : GN_DROP_NONE;
}

static void wire_deliver(struct gn__port *port, struct gn__packet *packet)
{
    struct gn_namespace *ns =
        gn__container_of(port, struct gn__iface, port)->ns;
    enum gn_drop flaw = wire_flaw(ns, packet);

    ns->guest.stats.packets_in++;
    ns->guest.stats.bytes_in += packet->len;
    if (flaw)
        gn__wire_discard(ns->wire, packet, flaw);
    else
        ns->wire->ops->deliver(ns->wire, packet);
}

/* Those of an ordinary interface, except for the sockets. */
static const struct gn__port_ops wire_port_ops = {
    .name = "wire",
    .deliver = wire_deliver,
    .end = gn__iface_end,
};

int gn__wire_create(struct gn__wire *wire, struct gn_network *net,
                    const struct gn_namespace_config *config, uint32_t mtu)
{
    struct gn_namespace *ns;
    struct gn__iface *eth0;
    int err = check_network(net, config, mtu);

    if (!err)
        err = gn_namespace_create(net, config, &ns);
    if (err)
        return err;
    gn__engine_enter(ns->engine);
    eth0 =
        gn__container_of(gn__list_last(&ns->ifaces), struct gn__iface, of_ns);
    err = eth0->loopback ? -ECANCELED : join_all(eth0); /* Just ended. */
    if (!err) {
        ns->wire = wire;
        wire->ns = ns;
        wire->iface = eth0;
        eth0->port.ops = &wire_port_ops;
        eth0->port.mtu = mtu ? mtu : net->mtu;
    }
    gn__engine_leave(ns->engine);
    if (err)
        gn_namespace_close(ns, GN_CLOSE_SILENT, NULL, NULL);
    else
        gn__ns_ref(ns);
    return err;
}

void gn__wire_close(struct gn__wire *wire)
{
    struct gn_namespace *ns = wire->ns;
    struct gn__engine *engine = ns->engine;
    bool open;

    gn__engine_enter(engine);
    wire->iface = NULL;
    wire->ns = NULL;
    open = !ns->closing;
    ns->wire = NULL;
    if (open)
        gn__ns_end(ns, true);
    gn__engine_leave(engine);
    if (open)
        gn__ns_unref(ns); /* Its own; else the network has it. */
    gn__ns_unref(ns);
}

void gn__wire_iface_gone(struct gn__iface *iface)
{
    struct gn__wire *wire = iface->ns->wire;

    if (!wire || wire->iface != iface)
        return;
    wire->iface = NULL;
    wire->ops->gone(wire);
}

struct gn__account *gn__wire_account(const struct gn__wire *wire)
{
    return wire->ns->guest.account;
}

/* ---- packets ---- */

void gn__wire_drop(struct gn__wire *wire, enum gn_drop why)
{
    gn__guest_drop(&wire->ns->guest, why);
}

void gn__wire_discard(struct gn__wire *wire, struct gn__packet *packet,
                      enum gn_drop why)
{
    gn__guest_drop(&wire->ns->guest, why);
    gn__packet_free(packet);
}

void gn__wire_send(struct gn__wire *wire, const struct gn__addr *next_hop,
                   struct gn__packet *packet)
{
    struct gn_namespace *ns = wire->ns;

    if (!wire->iface || ns->killed) {
        gn__wire_discard(wire, packet, GN_DROP_DOWN);
        return;
    }
    packet->group = ns->group;
    gn__port_input(&wire->iface->port, next_hop, packet);
}

void gn__wire_set_router(struct gn__wire *wire)
{
    wire->iface->port.any_source = true;
}

/* ---- which port has what ---- */

static struct gn__port *port_at(const struct gn__wire *wire,
                                const struct gn__addr *addr)
{
    struct gn__table_node *node;

    if (!wire->iface)
        return NULL;
    node =
        gn__table_find(&wire->iface->port.net->addresses, addr, sizeof(*addr));
    return node ? gn__container_of(node, struct gn__port_addr, node)->port
                : NULL;
}

static struct gn__iface *iface_of(struct gn__port *port)
{
    return port && port->owner && port->owner->ns
               ? gn__container_of(port, struct gn__iface, port)
               : NULL;
}

static const struct gn__iface *gateway_iface(const struct gn__wire *wire)
{
    return wire->iface ? iface_of(wire->iface->port.net->uplink) : NULL;
}

bool gn__wire_owns(const struct gn__wire *wire, const struct gn__addr *addr)
{
    struct gn__list *it;

    if (!wire->iface)
        return false;
    gn__list_foreach (it, &wire->iface->port.addrs) {
        if (gn__addr_equal(
                &gn__container_of(it, struct gn__port_addr, of_port)->addr,
                addr))
            return true;
    }
    return false;
}

bool gn__wire_is_heard(const struct gn__wire *wire, const struct gn__addr *addr)
{
    unsigned i;

    for (i = 0; i < wire->n_heard && i < GN__WIRE_HEARD; i++) {
        if (gn__addr_equal(&wire->heard[i], addr))
            return true;
    }
    return gn__addr_is_v4(addr);
}

void gn__wire_hear(struct gn__wire *wire, const struct gn__addr *addr)
{
    if (!gn__wire_is_heard(wire, addr))
        wire->heard[wire->n_heard++ % GN__WIRE_HEARD] = *addr;
}

enum gn__wire_owner gn__wire_find(const struct gn__wire *wire,
                                  const struct gn__addr *addr, uint8_t mac[6])
{
    struct gn__port *port = port_at(wire, addr);
    const struct gn__iface *iface = iface_of(port);

    if (port && !iface && gn__outside_proxies(port->net, addr))
        iface = gateway_iface(wire);
    if (!iface)
        return GN__WIRE_NOBODY;
    if (iface == wire->iface)
        return GN__WIRE_ITSELF;
    memcpy(mac, iface->mac, 6);
    return port == port->net->uplink ? GN__WIRE_GATEWAY : GN__WIRE_OTHER;
}

void gn__wire_sender(const struct gn__wire *wire,
                     const struct gn__packet *packet, uint8_t mac[6])
{
    const struct gn__iface *iface = iface_of(gn__packet_from(packet));
    struct gn__addr ignored;

    if (iface)
        memcpy(mac, iface->mac, 6);
    else
        gn__wire_gateway(wire, mac, &ignored);
}

static bool addr_of_version(const struct gn__port *port, bool v4,
                            struct gn__addr *out)
{
    struct gn__list *it;

    gn__list_foreach (it, &port->addrs) {
        *out = gn__container_of(it, struct gn__port_addr, of_port)->addr;
        if (gn__addr_is_v4(out) == v4 && !gn__addr_is_linklocal(out))
            return true;
    }
    return false;
}

bool gn__wire_hop(const struct gn__wire *wire, const uint8_t mac[6], bool v4,
                  struct gn__addr *out)
{
    const struct gn__iface *iface = gateway_iface(wire);
    struct gn__list *it;

    if (iface && memcmp(iface->mac, mac, 6) == 0)
        return addr_of_version(&iface->port, v4, out);
    if (!wire->iface)
        return false;
    gn__list_foreach (it, &wire->iface->port.net->ports) {
        iface = iface_of(gn__container_of(it, struct gn__port, link));
        if (iface && iface != wire->iface && memcmp(iface->mac, mac, 6) == 0)
            return addr_of_version(&iface->port, v4, out);
    }
    return false;
}

bool gn__wire_is_broadcast(const struct gn__wire *wire,
                           const struct gn__addr *addr)
{
    return wire->iface && gn__net_is_broadcast(wire->iface->port.net, addr);
}

/* ---- addresses ---- */

bool gn__wire_addr(const struct gn__wire *wire, size_t n, struct gn__addr *addr,
                   struct gn__prefix *prefix)
{
    struct gn__list *it;

    if (!wire->iface)
        return false;
    gn__list_foreach (it, &wire->iface->port.addrs) {
        const struct gn__port_addr *owned =
            gn__container_of(it, struct gn__port_addr, of_port);

        if (owned->prefix < 0 || n--)
            continue;
        *addr = owned->addr;
        *prefix = wire->iface->port.net->prefixes[owned->prefix].prefix;
        return true;
    }
    return false;
}

static int claim_at(struct gn__wire *wire, size_t i,
                    const struct gn__addr *addr)
{
    struct gn__net_prefix *p = &wire->iface->port.net->prefixes[i];
    int err =
        gn__port_add_addr(&wire->iface->port, addr, p->prefix.len, (int)i);

    if (err && gn__pool_give(&p->pool, addr))
        return -ENOMEM;
    return err;
}

int gn__wire_claim(struct gn__wire *wire, const struct gn__addr *addr)
{
    struct gn_network *net = wire->iface ? wire->iface->port.net : NULL;
    int i, err;

    if (net && gn__addr_is_linklocal(addr) && !gn__addr_is_v4(addr))
        return gn__port_add_addr(&wire->iface->port, addr, 64, -1);
    i = net ? gn__net_prefix_of(net, addr) : -1;
    if (i < 0)
        return -EADDRNOTAVAIL;
    err = gn__pool_take_exact(&net->prefixes[i].pool, addr);
    return err ? err : claim_at(wire, (size_t)i, addr);
}

int gn__wire_take(struct gn__wire *wire, const struct gn__prefix *prefix,
                  struct gn__addr *out)
{
    struct gn_network *net = wire->iface ? wire->iface->port.net : NULL;
    size_t i;
    int err = -ENOSPC;

    for (i = 0; net && i < net->n_prefixes; i++) {
        if (!gn__prefix_equal(&net->prefixes[i].prefix, prefix))
            continue;
        err = gn__pool_take(&net->prefixes[i].pool, out);
        return err ? err : claim_at(wire, i, out);
    }
    return err;
}

void gn__wire_give(struct gn__wire *wire, const struct gn__addr *addr)
{
    struct gn__port_addr *owned;

    if (!gn__wire_owns(wire, addr))
        return;
    owned = gn__port_addr_find(wire->iface->port.net, addr);
    gn__port_give_addr(&wire->iface->port, owned);
}

/* ---- what a guest is told ---- */

bool gn__wire_prefix(const struct gn__wire *wire, size_t n,
                     struct gn__prefix *prefix, struct gn__addr *gateway)
{
    const struct gn_network *net = wire->iface ? wire->iface->port.net : NULL;
    const struct gn__pool *pool;

    if (!net || n >= net->n_prefixes)
        return false;
    pool = &net->prefixes[n].pool;
    *prefix = net->prefixes[n].prefix;
    *gateway =
        pool->has_gateway
            ? pool->gateway
            : gn__addr_any(gn__prefix_is_v4(prefix) ? AF_INET : AF_INET6);
    return true;
}

void gn__wire_gateway(const struct gn__wire *wire, uint8_t mac[6],
                      struct gn__addr *linklocal)
{
    const struct gn__iface *iface = gateway_iface(wire);
    struct gn__list *it;

    *linklocal = gn__addr_any(AF_INET6);
    if (!iface) {
        memset(mac, 0, 6);
        return;
    }
    memcpy(mac, iface->mac, 6);
    gn__list_foreach (it, &iface->port.addrs) {
        const struct gn__port_addr *owned =
            gn__container_of(it, struct gn__port_addr, of_port);

        if (!gn__addr_is_v4(&owned->addr) &&
            gn__addr_is_linklocal(&owned->addr))
            *linklocal = owned->addr;
    }
}

bool gn__wire_outside(const struct gn__wire *wire, const struct gn__addr *addr,
                      struct gn__addr *gateway)
{
    struct gn_network *net = wire->iface ? wire->iface->port.net : NULL;

    return net && gn__outside_may_be(net, addr) &&
           gn__net_gateway(net, addr, gateway);
}

uint32_t gn__wire_mtu(const struct gn__wire *wire)
{
    return wire->iface ? wire->iface->port.mtu : 0;
}

const char *gn__wire_domain(const struct gn__wire *wire)
{
    return wire->iface ? wire->iface->port.net->domain : "";
}

const char *gn__wire_name(const struct gn__wire *wire)
{
    return wire->ns->guest.name;
}

/* ---- groups ---- */

int gn__wire_join(struct gn__wire *wire, const struct gn__addr *group)
{
    struct gn_namespace *ns = wire->ns;
    int err;

    if (!wire->iface)
        return -ENOMEM;
    if (ns->n_memberships >= ns->guest.limits.max_groups)
        return -ENOBUFS;
    err = gn__group_join(&wire->iface->port, group);
    if (!err)
        ns->n_memberships++;
    return err;
}

void gn__wire_leave(struct gn__wire *wire, const struct gn__addr *group)
{
    if (!wire->iface)
        return;
    gn__group_leave(&wire->iface->port, group, false);
    wire->ns->n_memberships--;
}
