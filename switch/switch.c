/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The switch carries IP packets from port to port by their next hop. It does
 * not count hops, and it does not route: that is done by namespaces that
 * forward.
 *
 * The receiver is chosen when a packet is sent, and checked again at every stop
 * by the generation of the receiver's gate: the address may have been given to
 * another port meanwhile, which never sees the packet.
 *
 * A port remembers its last next hop, so that a conversation costs no look-up.
 * That is good for as long as the receiver's gate is the same, and no port that
 * stays has given an address back.
 *
 * Errors that the switch has to report come from the gateway's address, and
 * are limited for each port that causes them.
 */
#include <errno.h>
#include <string.h>

#include "base/units.h"
#include "switch/internal.h"

void gn__net_drop(struct gn_network *net, enum gn_drop why)
{
    net->stats.drops[why]++;
}

void gn__switch_drop(struct gn_network *net, struct gn__packet *packet,
                     enum gn_drop why)
{
    gn__net_drop(net, why);
    gn__packet_free(packet);
}

/* ---- errors ---- */

bool gn__bucket_take(struct gn__bucket *bucket, uint64_t now,
                     uint32_t per_second)
{
    uint64_t price = GN__NS_PER_S / per_second;
    uint64_t room = price * (per_second / 10 > 6 ? per_second / 10 : 6);

    bucket->level += now - bucket->filled_at;
    bucket->filled_at = now;
    if (bucket->level > room)
        bucket->level = room;
    if (bucket->level < price)
        return false;
    bucket->level -= price;
    return true;
}

bool gn__net_gateway(const struct gn_network *net, const struct gn__addr *like,
                     struct gn__addr *out)
{
    bool found = false;
    size_t i;

    for (i = 0; i < net->n_prefixes; i++) {
        const struct gn__pool *pool = &net->prefixes[i].pool;
        bool inside = gn__prefix_contains(&pool->prefix, like);

        if (!pool->has_gateway ||
            gn__addr_is_v4(&pool->gateway) != gn__addr_is_v4(like) ||
            (found && !inside))
            continue;
        *out = pool->gateway;
        found = true;
        if (inside)
            break;
    }
    return found;
}

/* Tell the sender, if that may be, and drop the packet. */
static void switch_reject(struct gn_network *net, struct gn__packet *packet,
                          enum gn__icmp_kind kind, uint32_t mtu,
                          enum gn_drop why)
{
    struct gn__port *from = gn__packet_from(packet);
    struct gn__packet *error = NULL;
    struct gn__addr gateway;

    if (from && gn__net_gateway(net, &packet->ip.dst, &gateway))
        error = gn__icmp_error(packet->pool, packet, &gateway, kind, mtu);
    gn__switch_drop(net, packet, why);
    if (!error)
        return;
    if (!gn__bucket_take(&from->icmp, gn__now(net->engine),
                         net->limits.icmp_per_second)) {
        gn__switch_drop(net, error, GN_DROP_ICMP_RATE);
        return;
    }
    net->stats.icmp_errors++;
    gn__packet_address(error, NULL, from);
    gn__switch_pass(net, error);
}

/* ---- up: from the sender to the switch ---- */

static bool source_is_right(const struct gn__port *from,
                            const struct gn__addr *src)
{
    struct gn__list *it;

    gn__list_foreach (it, &from->addrs) {
        if (gn__addr_equal(
                &gn__container_of(it, struct gn__port_addr, of_port)->addr,
                src))
            return true;
    }
    if (from->any_source)
        return !gn__addr_is_loopback(src) && !gn__addr_is_any(src);
    return from->ops->speaks_for && from->ops->speaks_for(from, src);
}

static bool is_in_prefix(const struct gn_network *net,
                         const struct gn__addr *addr)
{
    size_t i;

    for (i = 0; i < net->n_prefixes; i++) {
        if (gn__prefix_contains(&net->prefixes[i].prefix, addr))
            return true;
    }
    return gn__addr_is_linklocal(addr);
}

bool gn__net_is_broadcast(const struct gn_network *net,
                          const struct gn__addr *addr)
{
    size_t i;

    if (!gn__addr_is_v4(addr))
        return false;
    for (i = 0; i < net->n_prefixes; i++) {
        const struct gn__prefix *prefix = &net->prefixes[i].prefix;
        struct gn__addr last;

        if (!gn__prefix_contains(prefix, addr) || prefix->len > 30)
            continue;
        last = gn__prefix_last(prefix);
        return gn__addr_equal(&last, addr);
    }
    return gn__addr_is_broadcast(addr);
}

int gn__net_prefix_of(const struct gn_network *net, const struct gn__addr *addr)
{
    size_t i;

    for (i = 0; i < net->n_prefixes; i++) {
        if (gn__prefix_contains(&net->prefixes[i].prefix, addr))
            return (int)i;
    }
    return -1;
}

bool gn__net_is_edge(const struct gn_network *net, const struct gn__addr *addr)
{
    size_t i;

    for (i = 0; i < net->n_prefixes; i++)
        if (gn__pool_is_edge(&net->prefixes[i].pool, addr))
            return true;
    return false;
}

/* The port that has this address: a guest's, the uplink in its place, or a
 * group's. */
static struct gn__port *switch_receiver(const struct gn__port *from,
                                        const struct gn__addr *hop)
{
    const struct gn_network *net = from->net;
    struct gn__port_addr *owned = gn__port_addr_find(net, hop);
    struct gn__port *uplink = net->uplink;
    struct gn__group *group;
    struct gn__addr addr;

    if (owned)
        return owned->port;
    if (uplink && uplink->ops->reaches(uplink, from, hop))
        return uplink;
    addr = gn__net_is_broadcast(net, hop) ? gn__group_broadcast() : *hop;
    group = gn__group_of(net, &addr);
    return group ? &group->port : NULL;
}

static struct gn__port *receiver_cached(struct gn__port *from,
                                        const struct gn__addr *hop)
{
    struct gn__port *to = gn__gate_port(from->last_gate, from->last_generation);

    if (to && gn__addr_equal(&from->last_hop, hop) &&
        from->last_given == from->net->n_given)
        return to;
    to = switch_receiver(from, hop);
    if (to) {
        from->last_hop = *hop;
        from->last_gate = to->gate;
        from->last_generation = to->generation;
        from->last_given = from->net->n_given;
    }
    return to;
}

static void port_is_unknown(struct gn_network *net, struct gn__packet *packet,
                            const struct gn__addr *hop)
{
    if (gn__addr_is_multicast(hop) || gn__net_is_broadcast(net, hop))
        gn__switch_drop(net, packet, GN_DROP_UNREACHABLE);
    else if (gn__addr_is_any(hop) || gn__addr_is_loopback(hop))
        gn__switch_drop(net, packet, GN_DROP_DESTINATION);
    else if (is_in_prefix(net, hop))
        switch_reject(net, packet, GN__ICMP_HOST_UNREACHABLE, 0,
                      GN_DROP_UNREACHABLE);
    else
        switch_reject(net, packet, GN__ICMP_NET_UNREACHABLE, 0,
                      GN_DROP_NO_ROUTE);
}

/* Across a link that is not perfect: damage and duplicate as drawn. Returns
 * the duplicate, or NULL; *out->drop says whether anything is left at all. */
static struct gn__packet *switch_cross(struct gn_network *net,
                                       struct gn__link *link,
                                       struct gn__link_state *dir,
                                       struct gn__packet *packet,
                                       struct gn__crossing *out)
{
    gn__link_cross(link, dir, packet, gn__now(net->engine), out);
    if (!out->drop && out->corrupt && gn__packet_damage(packet, &link->rng))
        out->drop = GN_DROP_MEMORY;
    if (out->drop || !out->duplicate)
        return NULL;
    return gn__packet_clone(packet);
}

/*
 * Packets on links take memory of the process, and a sender that fills it must
 * not cost others their packets. So each sender is charged for its own packets,
 * whichever link they are on. As with dynamic thresholds of a switch's shared
 * buffer (Choudhury and Hahne, 1998), the share shrinks with what is left: any
 * number of greedy senders leave a part for those that come later.
 */
static bool may_be_under_way(const struct gn__engine *engine,
                             const struct gn__port *from, size_t cost)
{
    size_t has = (from ? from->under_way : 0) + cost;
    size_t total = engine->under_way_bytes;

    return has <= GN__UNDER_WAY_LEAST ||
           (total < engine->under_way_max &&
            has <= (engine->under_way_max - total) / GN__UNDER_WAY_SHARE);
}

/* @from (NULL: no port) has more on its way than it may: it counts that,
 * too. */
static void drop_of(struct gn_network *net, struct gn__port *from,
                    struct gn__packet *packet, enum gn_drop why)
{
    if (from && from->owner)
        gn__guest_drop(from->owner, why);
    gn__switch_drop(net, packet, why);
}

static void put_on_link(struct gn_network *net, struct gn__packet *packet,
                        uint64_t when)
{
    struct gn__engine *engine = net->engine;
    struct gn__port *from = gn__packet_from(packet);
    size_t cost = gn__packet_cost(packet);

    if (!may_be_under_way(engine, from, cost)) {
        drop_of(net, from, packet, GN_DROP_UNDER_WAY);
        return;
    }
    packet->on_link = true;
    if (from)
        from->under_way += cost;
    gn__engine_post_at(engine, packet, when);
}

static void leave_link(struct gn__packet *packet)
{
    struct gn__port *from;

    if (!packet->on_link)
        return;
    from = gn__packet_from(packet);
    if (from)
        from->under_way -= gn__packet_cost(packet);
    packet->on_link = false;
}

static void leave_switch(struct gn_network *net, struct gn__packet *packet,
                         uint64_t when)
{
    net->stats.packets_out++;
    net->stats.bytes_out += packet->len;
    if (!gn__list_empty(&net->capture_hooks))
        gn__capture_hooks_see(net, packet);
    if (when <= gn__now(net->engine))
        gn__engine_post(net->engine, packet);
    else
        put_on_link(net, packet, when);
}

void gn__switch_climb(struct gn_network *net, struct gn__port *from,
                      struct gn__packet *packet)
{
    struct gn__crossing crossing;
    struct gn__packet *twin;

    if (from->wire.perfect) {
        gn__switch_forward(net, packet, gn__now(net->engine));
        return;
    }
    twin = switch_cross(net, &from->wire, &from->wire.up, packet, &crossing);
    if (crossing.drop) {
        gn__switch_drop(net, packet, crossing.drop);
        return;
    }
    if (twin) {
        twin->from = packet->from;
        twin->from_generation = packet->from_generation;
        twin->to = packet->to;
        twin->to_generation = packet->to_generation;
        twin->at_switch = false;
    }
    gn__switch_forward(net, packet, crossing.arrival);
    if (twin)
        gn__switch_forward(net, twin, crossing.arrival);
}

/* Is there nothing between the two that could delay, damage, hold or cut it? */
static bool is_straight(const struct gn__port *from, const struct gn__port *to,
                        const struct gn__packet *packet)
{
    return from->wire.perfect && to->wire.perfect &&
           to->ops != &gn__group_ops && !gn__table_count(&from->net->paths) &&
           gn__packet_fits(packet, to->mtu);
}

void gn__switch_send(struct gn__port *from, const struct gn__addr *next_hop,
                     struct gn__packet *packet)
{
    struct gn_network *net = from->net;
    struct gn__port *to;

    net->stats.packets_in++;
    net->stats.bytes_in += packet->len;
    if (!source_is_right(from, &packet->ip.src)) {
        if (from->owner)
            gn__guest_drop(from->owner, GN_DROP_SOURCE);
        gn__switch_drop(net, packet, GN_DROP_SOURCE);
        return;
    }
    if (!gn__engine_has_room(net->engine, &from->gate->lane)) {
        drop_of(net, from, packet, GN_DROP_QUEUE);
        return;
    }
    to = receiver_cached(from, next_hop);
    if (!to) {
        packet->from = from->gate;
        packet->from_generation = from->generation;
        port_is_unknown(net, packet, next_hop);
        return;
    }
    gn__packet_address(packet, from, to);
    if (from->held)
        gn__port_keep(from, GN__WAY_UP, packet);
    else if (is_straight(from, to, packet))
        leave_switch(net, packet, 0);
    else
        gn__switch_climb(net, from, packet);
}

void gn__switch_forward(struct gn_network *net, struct gn__packet *packet,
                        uint64_t when)
{
    struct gn__engine *engine = net->engine;
    struct gn__port *from = gn__packet_from(packet);
    struct gn__path *path = gn__path_of(net, from, gn__packet_to(packet));

    if (path) {
        enum gn_drop drop = gn__path_cross(path, &when);

        if (drop) {
            gn__switch_drop(net, packet, drop);
            return;
        }
    }
    if (when <= gn__now(engine)) {
        gn__switch_pass(net, packet);
        return;
    }
    packet->at_switch = true;
    put_on_link(net, packet, when);
}

/* ---- down: from the switch to the receiver ---- */

struct pieces {
    struct gn_network *net;
    const struct gn__packet *whole;
    struct gn__port *from, *to;
};

static void emit_piece(struct gn__packet *fragment, void *arg)
{
    struct pieces *pieces = arg;

    gn__packet_address(fragment, pieces->from, pieces->to);
    gn__switch_pass(pieces->net, fragment);
}

/* Larger than the receiver's MTU: in pieces, or not at all. */
static void cut_or_reject(struct gn_network *net, struct gn__packet *packet,
                          struct gn__port *to)
{
    struct pieces pieces = {
        .net = net, .from = gn__packet_from(packet), .to = to};
    int err = -EMSGSIZE;

    if (packet->ip.version == 4 && !packet->ip.dont_fragment)
        err = gn__packet_fragment(packet, to->mtu, 0, emit_piece, &pieces);
    if (err == -EMSGSIZE)
        switch_reject(net, packet, GN__ICMP_TOO_BIG, to->mtu, GN_DROP_TOO_BIG);
    else if (err)
        gn__net_drop(net, GN_DROP_MEMORY);
}

/* The slowest way either of them has met: for how long connections rest. */
static void note_slowness(struct gn__port *from, struct gn__port *to,
                          const struct gn__path *path)
{
    uint64_t slow = gn__link_slowness(&to->wire);

    if (path)
        slow += path->config.latency_us * 1000ull;
    if (from)
        slow += gn__link_slowness(&from->wire);
    if (slow > to->slowest_ns)
        to->slowest_ns = slow;
    if (from && slow > from->slowest_ns)
        from->slowest_ns = slow;
}

static void switch_descend(struct gn_network *net, struct gn__port *to,
                           struct gn__packet *packet)
{
    struct gn__crossing crossing;
    struct gn__packet *twin;

    twin = switch_cross(net, &to->wire, &to->wire.down, packet, &crossing);
    if (crossing.drop) {
        gn__switch_drop(net, packet, crossing.drop);
        return;
    }
    if (twin)
        gn__packet_address(twin, gn__packet_from(packet), to);
    leave_switch(net, packet, crossing.arrival);
    if (twin)
        leave_switch(net, twin, crossing.arrival);
}

void gn__switch_pass(struct gn_network *net, struct gn__packet *packet)
{
    struct gn__port *from, *to = gn__packet_to(packet);
    struct gn__path *path;

    if (!to) {
        gn__switch_drop(net, packet, GN_DROP_STALE);
        return;
    }
    packet->at_switch = false;
    packet->on_link = false;
    if (to->ops == &gn__group_ops) {
        gn__engine_post(net->engine, packet);
        return;
    }
    from = gn__packet_from(packet);
    path = gn__path_of(net, from, to);
    if (path && path->config.hold) {
        gn__path_hold(net, path, packet);
        return;
    }
    if (!gn__packet_fits(packet, to->mtu)) {
        cut_or_reject(net, packet, to);
        return;
    }
    if (!path && to->wire.perfect && (!from || from->wire.perfect)) {
        leave_switch(net, packet, 0);
        return;
    }
    note_slowness(from, to, path);
    if (to->wire.perfect)
        leave_switch(net, packet, 0);
    else
        switch_descend(net, to, packet);
}

/* ---- arrivals ---- */

/* The receiver or the whole network is gone; the sender may count that. */
static void drop_stale(struct gn__packet *packet, struct gn__port *from)
{
    if (from && from->net)
        gn__net_drop(from->net, GN_DROP_STALE);
    gn__packet_free(packet);
}

void gn__switch_arrived(struct gn__engine *engine, struct gn__packet *packet)
{
    struct gn__port *to = gn__packet_to(packet);
    struct gn__port *from;

    (void)engine;
    leave_link(packet);
    if (packet->at_switch) {
        from = gn__packet_from(packet);
        if (to)
            gn__switch_pass(to->net, packet);
        else
            drop_stale(packet, from);
        return;
    }
    if (!to) {
        drop_stale(packet, gn__packet_from(packet));
        return;
    }
    if (to->held)
        gn__port_keep(to, GN__WAY_DOWN, packet);
    else
        gn__port_deliver(to, packet);
}
