/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Ports come and go, and own addresses of the network's pools meanwhile.
 */
#include "switch/port.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "switch/internal.h"

/* ---- the end of a batch ---- */

/* Under the lock: what is flushed without it stays until that is done. */
static void flush_take(struct gn__unlock_hook *unlock)
{
    gn__guest_ref(gn__container_of(unlock, struct gn__port, flush)->owner);
}

static void flush_run(struct gn__unlock_hook *unlock)
{
    struct gn__port *port = gn__container_of(unlock, struct gn__port, flush);
    struct gn__guest *owner = port->owner;

    port->ops->flush(port);
    gn__guest_unref(owner);
}

void gn__port_deliver(struct gn__port *port, struct gn__packet *packet)
{
    if (port->ops->flush && gn__list_empty(&port->flush.link))
        gn__list_add_tail(&port->net->engine->fds, &port->flush.link);
    port->ops->deliver(port, packet);
}

/* ---- life ---- */

void gn__port_init(struct gn__port *port, const struct gn__port_ops *ops,
                   struct gn__guest *owner, uint32_t mtu)
{
    memset(port, 0, sizeof(*port));
    port->ops = ops;
    port->owner = owner;
    port->party = owner ? owner->id : 0;
    port->mtu = mtu;
    port->wire.perfect = true;
    port->flush.take = flush_take;
    port->flush.run = flush_run;
    gn__list_init(&port->flush.link);
    gn__list_init(&port->link);
    gn__list_init(&port->of_owner);
    gn__list_init(&port->addrs);
    gn__list_init(&port->groups);
}

int gn__port_attach(struct gn__port *port, struct gn_network *net)
{
    int err = gn__gate_take(net->engine, port);

    if (err)
        return err;
    port->net = net;
    if (!port->party)
        port->party = port->generation;
    gn__list_add_tail(&net->ports, &port->link);
    if (port->owner)
        gn__list_add_tail(&port->owner->ports, &port->of_owner);
    if (port->ops->reaches)
        net->uplink = port;
    return 0;
}

void gn__port_identify(struct gn__port *port, const char *name)
{
    char text[sizeof(port->owner->stream) + 32];

    (void)snprintf(text, sizeof(text), "link %s %s", port->owner->stream, name);
    gn__link_init(&port->wire, port->net->key, text);
}

void gn__port_detach(struct gn__port *port)
{
    struct gn_network *net = port->net;
    struct gn__list *it, *tmp;

    if (!net)
        return;
    if (net->uplink)
        net->uplink->ops->gone(net->uplink, port);
    gn__port_forget_held(port);
    gn__changes_end(&port->wire.changes);
    if (net->uplink == port)
        net->uplink = NULL;
    gn__group_leave_all(port);
    gn__list_foreach_safe (it, tmp, &port->addrs) {
        gn__port_drop_addr(port,
                           gn__container_of(it, struct gn__port_addr, of_port));
    }
    gn__gate_give(net->engine, port);
    gn__list_del(&port->link);
    gn__list_del(&port->of_owner);
    gn__list_del(&port->flush.link);
    port->net = NULL;
}

/* ---- addresses ---- */

struct gn__port_addr *gn__port_addr_find(const struct gn_network *net,
                                         const struct gn__addr *addr)
{
    struct gn__table_node *node =
        gn__table_find(&net->addresses, addr, sizeof(*addr));

    return node ? gn__container_of(node, struct gn__port_addr, node) : NULL;
}

int gn__port_add_addr(struct gn__port *port, const struct gn__addr *addr,
                      uint8_t prefix_len, int prefix)
{
    struct gn_network *net = port->net;
    const struct gn__mem *mem = &net->engine->net.mem;
    struct gn__port_addr *owned;

    if (gn__port_addr_find(net, addr))
        return -EADDRINUSE;
    owned = gn__zalloc(mem, sizeof(*owned));
    if (!owned)
        return -ENOMEM;
    owned->port = port;
    owned->addr = *addr;
    owned->prefix_len = prefix_len;
    owned->prefix = prefix;
    if (gn__table_add(&net->addresses, &owned->node, &owned->addr,
                      sizeof(owned->addr))) {
        gn__free(mem, owned, sizeof(*owned));
        return -ENOMEM;
    }
    gn__list_add_tail(&port->addrs, &owned->of_port);
    net->addr_added(net);
    return 0;
}

void gn__port_drop_addr(struct gn__port *port, struct gn__port_addr *owned)
{
    struct gn_network *net = port->net;
    int err = 0;

    gn__list_del(&owned->of_port);
    gn__table_del(&net->addresses, &owned->node);
    if (owned->prefix >= 0)
        err = gn__pool_give(&net->prefixes[owned->prefix].pool, &owned->addr);
    (void)err; /* The gateway's address was never taken from the pool. */
    gn__free(&net->engine->net.mem, owned, sizeof(*owned));
}

void gn__port_give_addr(struct gn__port *port, struct gn__port_addr *owned)
{
    port->net->n_given++;
    gn__port_drop_addr(port, owned);
}

static int add_taken(struct gn__port *port, int prefix,
                     const struct gn__addr *addr)
{
    struct gn__net_prefix *p = &port->net->prefixes[prefix];
    int err = gn__port_add_addr(port, addr, p->prefix.len, prefix);

    if (err && gn__pool_give(&p->pool, addr))
        assert(false && "an address that was taken can be given back");
    return err;
}

int gn__port_take_lowest(struct gn__port *port)
{
    struct gn_network *net = port->net;
    struct gn__addr addr;
    size_t i;
    int err = 0;

    for (i = 0; i < net->n_prefixes && !err; i++) {
        err = gn__pool_take(&net->prefixes[i].pool, &addr);
        if (!err)
            err = add_taken(port, (int)i, &addr);
    }
    return err;
}

/* Of an address that its pool does not give. */
static const char *who_has(const struct gn_network *net,
                           const struct gn__addr *addr)
{
    const struct gn__port_addr *owned = gn__port_addr_find(net, addr);

    if (!owned)
        return "the network's own, its broadcast address, reserved, or that of "
               "a machine that is off";
    return owned->port == net->uplink ? "the gateway has it"
                                      : "another interface has it";
}

int gn__net_reserve(struct gn_network *net, const struct gn__addr *addr)
{
    int prefix = gn__net_prefix_of(net, addr);

    return prefix < 0 ? -EINVAL
                      : gn__pool_take_exact(&net->prefixes[prefix].pool, addr);
}

void gn__net_release(struct gn_network *net, const struct gn__addr *addr)
{
    int prefix = gn__net_prefix_of(net, addr);

    if (prefix < 0 || gn__pool_give(&net->prefixes[prefix].pool, addr))
        assert(false && "an address that was taken can be given back");
}

int gn__port_take_exact(struct gn__port *port, const struct gn__addr *addr)
{
    int err = gn__net_reserve(port->net, addr);

    return err ? err
               : add_taken(port, gn__net_prefix_of(port->net, addr), addr);
}

int gn__port_take_addr(struct gn__port *port, const char *text, char *why,
                       size_t why_len)
{
    struct gn__addr addr;
    int err;

    if (gn__addr_parse(text, &addr))
        return gn__text_refuse(why, why_len,
                               "address \"%.60s\": not an IPv4 or IPv6 address "
                               "such as \"10.77.0.5\"",
                               text);
    err = gn__port_take_exact(port, &addr);
    if (err == -EINVAL)
        (void)gn__text_refuse(why, why_len,
                              "address \"%.60s\": in none of the prefixes of "
                              "network \"%s\"",
                              text, port->net->name);
    else if (err == -EADDRINUSE)
        (void)gn__text_refuse(why, why_len, "address \"%.60s\": %s", text,
                              who_has(port->net, &addr));
    return err;
}

/* ---- packets ---- */

void gn__port_input(struct gn__port *port, const struct gn__addr *next_hop,
                    struct gn__packet *packet)
{
    struct gn__addr dst = packet->ip.dst;

    port->owner->stats.packets_out++;
    port->owner->stats.bytes_out += packet->len;
    gn__switch_send(port, next_hop ? next_hop : &dst, packet);
}
