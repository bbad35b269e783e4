/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Interfaces: lo, which has no wire, and eth0, eth1, ... which are ports of a
 * network's switch with addresses from its pools.
 *
 * lo's addresses (127.0.0.0/8 and ::1) are in no table: every namespace has
 * them, and they never meet.
 *
 * The hardware address is for show, since the switch carries IP, but programs
 * print it and derive things from it: it follows from the names of network,
 * namespace and interface, so it is the same in each run. The link-local
 * address follows from it (RFC 4291 appendix A); should it be taken, the next
 * one in a fixed sequence is tried.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/siphash.h"
#include "base/text.h"
#include "namespace/lifecycle.h"
#include "switch/switch.h"

/** The first interface of a namespace; eth0, eth1 follow. */
#define LO_INDEX 1u

#define LO_MTU     GN__PACKET_MAX
#define MAX_IFACES 1024u
#define MAX_ADDRS  (GN_INTERFACE_ADDRS - 1u) /* and the link-local one */
#define FE80_TRIES 64u

void gn__iface_deliver(struct gn__port *port, struct gn__packet *packet)
{
    struct gn__iface *iface = gn__container_of(port, struct gn__iface, port);

    gn__ns_input(iface->ns, iface, packet);
}

struct gn_namespace *gn__iface_namespace(struct gn__port *port)
{
    return gn__container_of(port, struct gn__iface, port)->ns;
}

void gn__iface_end(struct gn__port *port)
{
    struct gn__iface *iface = gn__container_of(port, struct gn__iface, port);

    gn__ns_drop_iface(iface->ns, iface);
}

static const struct gn__port_ops iface_ops = {
    .name = "interface",
    .deliver = gn__iface_deliver,
    .namespace = gn__iface_namespace,
    .end = gn__iface_end,
};

/* ---- addresses ---- */

static int take_gateways(struct gn__iface *iface)
{
    struct gn_network *net = iface->port.net;
    size_t i;
    int err = 0;

    for (i = 0; i < net->n_prefixes && !err; i++) {
        const struct gn__pool *pool = &net->prefixes[i].pool;

        if (pool->has_gateway)
            err = gn__port_add_addr(&iface->port, &pool->gateway,
                                    pool->prefix.len, (int)i);
    }
    return err;
}

static int take_asked(struct gn__iface *iface,
                      const struct gn__iface_config *config)
{
    const char *const *text;
    unsigned n = 0;
    int err = 0;

    for (text = config->addresses; *text && !err; text++) {
        if (++n > MAX_ADDRS)
            return gn__text_refuse(config->why, config->why_len,
                                   "addresses: %u at most", MAX_ADDRS);
        err = gn__port_take_addr(&iface->port, *text, config->why,
                                 config->why_len);
    }
    return err;
}

static int take_addresses(struct gn__iface *iface,
                          const struct gn__iface_config *config)
{
    if (config->gateways)
        return take_gateways(iface);
    if (config->addresses)
        return take_asked(iface, config);
    return gn__port_take_lowest(&iface->port);
}

static bool has_v6(const struct gn__iface *iface)
{
    struct gn__list *it;

    gn__list_foreach (it, &iface->port.addrs) {
        if (!gn__addr_is_v4(
                &gn__container_of(it, struct gn__port_addr, of_port)->addr))
            return true;
    }
    return false;
}

/* ---- life ---- */

struct gn__iface *gn__ns_lo(const struct gn_namespace *ns)
{
    return gn__container_of(ns->ifaces.next, struct gn__iface, of_ns);
}

static unsigned n_ifaces(const struct gn_namespace *ns)
{
    struct gn__list *it;
    unsigned n = 0;

    gn__list_foreach (it, &ns->ifaces) {
        n++;
    }
    return n;
}

/* An index is used again only after all others, as on Linux. */
static unsigned next_index(const struct gn_namespace *ns)
{
    unsigned index = ns->last_index;

    do {
        index = index < INT_MAX ? index + 1 : LO_INDEX;
    } while (gn__ns_iface_by_index(ns, index));
    return index;
}

int gn__iface_add(struct gn_namespace *ns,
                  const struct gn__iface_config *config, struct gn__iface **out)
{
    const struct gn__mem *mem = &ns->engine->net.mem;
    struct gn__iface *iface;
    int err;

    if (n_ifaces(ns) >= MAX_IFACES)
        return -ENOSPC;
    iface = gn__zalloc(mem, sizeof(*iface));
    if (!iface)
        return -ENOMEM;
    gn__port_init(&iface->port,
                  config->gateways ? &gn__gateway_ops : &iface_ops, &ns->guest,
                  config->net ? config->mtu : LO_MTU);
    iface->port.any_source = ns->forwarding;
    iface->ns = ns;
    gn__list_init(&iface->groups);
    iface->loopback = !config->net;
    iface->up = true;
    err = config->net ? gn__port_attach(&iface->port, config->net)
                      : gn__gate_take(ns->engine, &iface->port);
    if (err)
        goto undo_alloc;
    if (config->net)
        err = take_addresses(iface, config);
    if (err)
        goto undo_attach;
    iface->index = ns->last_index = next_index(ns);
    if (config->net)
        (void)snprintf(iface->name, sizeof(iface->name), "eth%u",
                       iface->index - LO_INDEX - 1);
    else
        (void)snprintf(iface->name, sizeof(iface->name), "lo");
    gn__list_add_tail(&ns->ifaces, &iface->of_ns);
    gn__iface_hear(iface);
    gn__routes_changed(ns);
    *out = iface;
    return 0;

undo_attach:
    gn__port_detach(&iface->port);
    gn__gate_give(ns->engine, &iface->port);
undo_alloc:
    gn__free(mem, iface, sizeof(*iface));
    return err;
}

void gn__iface_remove(struct gn__iface *iface)
{
    struct gn_namespace *ns = iface->ns;
    struct gn_network *net = iface->port.net;

    assert(gn__list_empty(&iface->groups));
    gn__wire_iface_gone(iface);
    gn__routes_end(ns, iface);
    gn__list_del(&iface->of_ns);
    gn__port_detach(&iface->port);
    gn__gate_give(ns->engine, &iface->port); /* lo has one too. */
    if (net && !gn__guest_is_in(&ns->guest, net))
        gn__paths_end(net, ns->guest.id);
    gn__free(&ns->engine->net.mem, iface, sizeof(*iface));
}

/* ---- what follows from names ---- */

/* The n-th hardware address in this interface's sequence. */
static void derive_mac(const struct gn__iface *iface, unsigned n,
                       uint8_t mac[6])
{
    static const uint64_t key[2] = {0x677565737465746e, 0x6c6f63616c6d6163};
    char name[256];
    uint64_t hash;
    int len;

    len = snprintf(name, sizeof(name), "%s %s %s %u", iface->port.net->name,
                   iface->ns->guest.identity, iface->name, n);
    hash = gn__siphash24(key, name, (size_t)len);
    memcpy(mac, &hash, 6);
    mac[0] = (uint8_t)((mac[0] & 0xfc) | 0x02); /* Local, unicast. */
}

static struct gn__addr linklocal_of(const uint8_t mac[6])
{
    struct gn__addr addr = {{0xfe, 0x80}};

    memcpy(addr.bytes + 8, mac, 3);
    addr.bytes[8] ^= 0x02;
    addr.bytes[11] = 0xff;
    addr.bytes[12] = 0xfe;
    memcpy(addr.bytes + 13, mac + 3, 3);
    return addr;
}

int gn__iface_identify(struct gn__iface *iface)
{
    int err = -EADDRINUSE;
    unsigned n;

    gn__port_identify(&iface->port, iface->name);
    derive_mac(iface, 0, iface->mac);
    if (!has_v6(iface))
        return 0;
    for (n = 0; n < FE80_TRIES && err == -EADDRINUSE; n++) {
        struct gn__addr addr;

        derive_mac(iface, n, iface->mac);
        addr = linklocal_of(iface->mac);
        err = gn__port_add_addr(&iface->port, &addr, 64, -1);
    }
    gn__routes_changed(iface->ns);
    return err;
}

/* ---- enumeration ---- */

static unsigned flags_of(const struct gn__iface *iface)
{
    unsigned flags = iface->up ? IFF_UP : 0;

    if (iface->loopback)
        return flags | IFF_LOOPBACK | IFF_RUNNING;
    if (iface->port.net && !iface->port.wire.config.down)
        flags |= IFF_RUNNING;
    return flags | IFF_BROADCAST | IFF_MULTICAST;
}

static void show_addr(struct gn_interface *out, const struct gn__addr *addr,
                      uint8_t prefix_len)
{
    if (out->n_addrs == GN_INTERFACE_ADDRS)
        return;
    out->addrs[out->n_addrs].ip = gn__addr_to_ip(addr);
    out->addrs[out->n_addrs].prefix_len = prefix_len;
    out->n_addrs++;
}

static void iface_show(const struct gn__iface *iface, struct gn_interface *out)
{
    struct gn__list *it;

    memset(out, 0, sizeof(*out));
    out->index = iface->index;
    memcpy(out->name, iface->name, sizeof(out->name));
    out->mtu = iface->port.mtu;
    out->flags = flags_of(iface);
    memcpy(out->mac, iface->mac, sizeof(out->mac));
    if (iface->loopback) {
        struct gn__addr v4 = gn__addr_loopback(AF_INET);
        struct gn__addr v6 = gn__addr_loopback(AF_INET6);

        show_addr(out, &v4, 8);
        show_addr(out, &v6, 128);
    }
    gn__list_foreach (it, &iface->port.addrs) {
        struct gn__port_addr *owned =
            gn__container_of(it, struct gn__port_addr, of_port);

        show_addr(out, &owned->addr, owned->prefix_len);
    }
    gn__iface_show_groups(iface, out);
}

int gn_namespace_interfaces(struct gn_namespace *ns, struct gn_interface *out,
                            size_t cap, size_t *n)
{
    struct gn__list *it;
    size_t i = 0;

    if (!ns || !n || (cap && !out))
        return -EINVAL;
    gn__engine_enter(ns->engine);
    gn__list_foreach (it, &ns->ifaces) {
        if (i < cap)
            iface_show(gn__container_of(it, struct gn__iface, of_ns), &out[i]);
        i++;
    }
    gn__engine_leave(ns->engine);
    *n = i;
    return 0;
}

int gn_namespace_interface_by_name(struct gn_namespace *ns, const char *name,
                                   struct gn_interface *out)
{
    struct gn__list *it;
    int err = -ENODEV;

    if (!ns || !name || !out)
        return -EINVAL;
    gn__engine_enter(ns->engine);
    gn__list_foreach (it, &ns->ifaces) {
        struct gn__iface *iface = gn__container_of(it, struct gn__iface, of_ns);

        if (strcmp(iface->name, name))
            continue;
        iface_show(iface, out);
        err = 0;
        break;
    }
    gn__engine_leave(ns->engine);
    return err;
}

int gn_namespace_interface_by_index(struct gn_namespace *ns, unsigned index,
                                    struct gn_interface *out)
{
    struct gn__iface *iface;

    if (!ns || !out)
        return -EINVAL;
    gn__engine_enter(ns->engine);
    iface = gn__ns_iface_by_index(ns, index);
    if (iface)
        iface_show(iface, out);
    gn__engine_leave(ns->engine);
    return iface ? 0 : -ENODEV;
}
