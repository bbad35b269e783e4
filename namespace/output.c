/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What leaves a namespace, and what leaves it for itself. Nothing is delivered
 * from here: a packet is put into the engine's queue, so that no stack is
 * entered while it, or another, is in the middle of something.
 *
 * Packets too large for their way are cut here, IPv6 only where it was made;
 * what must not be cut is answered as a router would, also to ourselves.
 */
#include <errno.h>

#include "namespace/lifecycle.h"
#include "switch/switch.h"

static void packet_drop(struct gn_namespace *ns, struct gn__packet *packet,
                        enum gn_drop why)
{
    gn__ns_drop(ns, why);
    gn__packet_free(packet);
}

void gn__ns_loop(struct gn_namespace *ns, struct gn__iface *iface,
                 struct gn__packet *packet)
{
    struct gn__engine *engine = ns->engine;

    if (!gn__engine_has_room(engine, &iface->port.gate->lane)) {
        packet_drop(ns, packet, GN_DROP_QUEUE);
        return;
    }
    gn__packet_address(packet, &iface->port, &iface->port);
    gn__engine_post(engine, packet);
}

struct sending {
    struct gn__iface *iface;
    const struct gn__addr *next_hop;
};

static void send_piece(struct gn__packet *packet, void *arg)
{
    const struct sending *sending = arg;
    struct gn__iface *iface = sending->iface;

    if (!iface->port.net)
        packet_drop(iface->ns, packet, GN_DROP_DOWN);
    else
        gn__switch_send(&iface->port, sending->next_hop, packet);
}

/* The way is too narrow: say so to the packet's sender. */
static void reject_big(struct gn_namespace *ns, struct gn__packet *packet,
                       uint32_t mtu)
{
    struct gn__packet *error;

    if (packet->forwarded) {
        gn__ns_icmp_error(ns, packet, GN__ICMP_TOO_BIG, mtu);
        packet_drop(ns, packet, GN_DROP_TOO_BIG);
        return;
    }
    error = gn__icmp_error(packet->pool, packet, &packet->ip.src,
                           GN__ICMP_TOO_BIG, mtu);
    packet_drop(ns, packet, GN_DROP_TOO_BIG);
    if (error)
        gn__ns_loop(ns, gn__ns_lo(ns), error);
}

static void send_cut(struct gn_namespace *ns, struct sending *sending,
                     struct gn__packet *packet, uint32_t mtu)
{
    bool whole_only =
        packet->ip.version == 4 ? packet->ip.dont_fragment : packet->forwarded;
    uint32_t id = packet->ip.version == 4 ? ns->ip_id++ : gn__rng_u32(&ns->rng);
    int err = -EMSGSIZE;

    if (!whole_only)
        err = gn__packet_fragment(packet, mtu, id, send_piece, sending);
    if (err == -EMSGSIZE)
        reject_big(ns, packet, mtu);
    else if (err)
        gn__ns_drop(ns, GN_DROP_MEMORY);
}

static void mark_out(struct gn_namespace *ns, struct gn__packet *packet)
{
    if (packet->forwarded) {
        ns->guest.stats.packets_forwarded++;
        return;
    }
    packet->group = ns->group;
    ns->guest.stats.packets_out++;
    ns->guest.stats.bytes_out += packet->len;
}

static void output_from(struct gn_namespace *ns, const struct gn__addr *source,
                        struct gn__packet *packet)
{
    struct gn__way way;
    int err;

    err = gn__ns_route(ns, &packet->ip.dst, source, 0, &way);
    if (!err) {
        gn__ns_output_by(ns, &way, packet, UINT32_MAX);
        return;
    }
    if (packet->forwarded)
        gn__ns_icmp_error(ns, packet, GN__ICMP_NET_UNREACHABLE, 0);
    packet_drop(ns, packet, GN_DROP_NO_ROUTE);
}

void gn__ns_output(struct gn_namespace *ns, struct gn__packet *packet)
{
    output_from(ns, packet->forwarded ? NULL : &packet->ip.src, packet);
}

void gn__ns_output_foreign(struct gn_namespace *ns, struct gn__packet *packet)
{
    output_from(ns, NULL, packet);
}

void gn__ns_output_by(struct gn_namespace *ns, const struct gn__way *way,
                      struct gn__packet *packet, uint32_t mtu)
{
    struct sending sending = {.iface = way->iface, .next_hop = &way->next_hop};

    mark_out(ns, packet);
    if (way->mtu < mtu)
        mtu = way->mtu;
    if (way->local)
        gn__ns_loop(ns, way->iface, packet);
    else if (!gn__packet_fits(packet, mtu))
        send_cut(ns, &sending, packet, mtu);
    else
        send_piece(packet, &sending);
}

void gn__ns_output_on(struct gn_namespace *ns, struct gn__iface *iface,
                      const struct gn__addr *next_hop,
                      struct gn__packet *packet, uint32_t mtu)
{
    struct sending sending = {.iface = iface, .next_hop = next_hop};

    if (iface->port.mtu < mtu)
        mtu = iface->port.mtu;
    mark_out(ns, packet);
    if (iface->loopback)
        gn__ns_loop(ns, iface, packet);
    else if (packet->ip.ttl == 0)
        packet_drop(ns, packet,
                    GN_DROP_TTL); /* RFC 1112: not beyond this host. */
    else if (!gn__packet_fits(packet, mtu))
        send_cut(ns, &sending, packet, mtu);
    else
        send_piece(packet, &sending);
}

/* ---- ICMP errors ---- */

/* The address an error comes from: the one the packet was for, if it is ours,
 * else the one that its sender is reached from. */
static bool error_source(struct gn_namespace *ns,
                         const struct gn__packet *cause, struct gn__addr *out)
{
    struct gn__way way;

    if (gn__ns_is_local(ns, &cause->ip.dst)) {
        *out = cause->ip.dst;
        return true;
    }
    if (gn__ns_route(ns, &cause->ip.src, NULL, 0, &way))
        return false;
    *out = way.source;
    return true;
}

void gn__ns_icmp_error(struct gn_namespace *ns, const struct gn__packet *cause,
                       enum gn__icmp_kind kind, uint32_t mtu)
{
    struct gn__packet *error;
    struct gn__addr from;

    /* From an address of the link an error stays there: ::1 is not. */
    if (cause->ip.version == 6 && gn__addr_is_linklocal(&cause->ip.dst) &&
        gn__addr_is_loopback(&cause->ip.src))
        return;
    if (!error_source(ns, cause, &from))
        return;
    error = gn__icmp_error(cause->pool, cause, &from, kind, mtu);
    if (!error)
        return;
    if (!gn__bucket_take(&ns->icmp, gn__now(ns->engine),
                         ns->guest.limits.icmp_per_second)) {
        packet_drop(ns, error, GN_DROP_ICMP_RATE);
        return;
    }
    ns->guest.stats.icmp_errors++;
    gn__ns_output(ns, error);
}
