/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What arrives at a namespace: for itself, for a group, or for others if it
 * forwards. Every packet ends here in exactly one of: a stack, a socket, an
 * answer, another interface, or a counted drop.
 *
 * Addresses are taken as a host with several interfaces takes them: one's own
 * address is good whichever interface it came in by. Loopback addresses never
 * come from a wire.
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

/* Drop, and tell the sender why. */
static void packet_refuse(struct gn_namespace *ns, struct gn__packet *packet,
                          enum gn__icmp_kind kind, enum gn_drop why)
{
    gn__ns_icmp_error(ns, packet, kind, 0);
    packet_drop(ns, packet, why);
}

/* ---- ICMP ---- */

static const struct gn__transport *transport_of(const struct gn_namespace *ns,
                                                unsigned proto)
{
    switch (proto) {
    case GN__PROTO_TCP:
        return &ns->transports->tcp;
    case GN__PROTO_UDP:
        return &ns->transports->udp;
    default:
        return NULL;
    }
}

static void icmp_error_input(struct gn_namespace *ns,
                             const struct gn__packet *packet,
                             const struct gn__icmp *icmp)
{
    const struct gn__transport *transport = NULL;

    if (icmp->has_inner && gn__ns_is_local(ns, &icmp->inner.src))
        transport = transport_of(ns, icmp->inner.proto);
    /* We have sent what it quotes, or it is not for us to believe. */
    if (!transport || !transport->error(ns, packet, icmp))
        gn__ns_drop(ns, GN_DROP_ICMP);
}

static void icmp_input(struct gn_namespace *ns, struct gn__packet *packet)
{
    struct gn__icmp icmp;

    if (!gn__icmp_parse(packet, &icmp)) {
        packet_drop(ns, packet, GN_DROP_MALFORMED);
        return;
    }
    switch (icmp.kind) {
    case GN__ICMP_ECHO_REQUEST:
        if (gn__icmp_echo_reply(packet)) {
            packet->forwarded = false;
            gn__ns_output(ns, packet);
        } else {
            packet_drop(ns, packet, GN_DROP_ICMP);
        }
        return;
    case GN__ICMP_NONE:
    case GN__ICMP_ECHO_REPLY:
    case GN__ICMP_OTHER:
        gn__ns_drop(ns, GN_DROP_ICMP);
        break;
    default:
        icmp_error_input(ns, packet, &icmp);
        break;
    }
    gn__packet_free(packet);
}

/* ---- for us ---- */

static bool is_icmp(const struct gn__packet *packet)
{
    return packet->ip.proto ==
           (packet->ip.version == 4 ? GN__PROTO_ICMP : GN__PROTO_ICMP6);
}

static void local_input(struct gn_namespace *ns, struct gn__iface *iface,
                        struct gn__packet *packet)
{
    const struct gn__transport *transport;

    if (gn__ip_is_fragment(&packet->ip)) {
        packet = gn__stack_reassemble(&ns->stack, packet);
        if (!packet)
            return;
    }
    if (is_icmp(packet)) {
        icmp_input(ns, packet);
        return;
    }
    transport = transport_of(ns, packet->ip.proto);
    if (!transport)
        packet_refuse(ns, packet, GN__ICMP_PROTO_UNREACHABLE, GN_DROP_PROTOCOL);
    else if (!transport->input(ns, iface, packet))
        packet_refuse(ns, packet, GN__ICMP_PORT_UNREACHABLE, GN_DROP_PORT);
}

/* To all hosts, or to a group: sockets take part, and nothing answers. */
static void group_input(struct gn_namespace *ns, struct gn__iface *iface,
                        struct gn__packet *packet)
{
    const struct gn__transport *transport;

    if (gn__ip_is_fragment(&packet->ip)) {
        packet = gn__stack_reassemble(&ns->stack, packet);
        if (!packet)
            return;
    }
    transport = transport_of(ns, packet->ip.proto);
    if (!transport || !transport->group_input)
        packet_drop(ns, packet, GN_DROP_PROTOCOL);
    else if (!transport->group_input(ns, iface, packet))
        packet_drop(ns, packet, GN_DROP_PORT);
}

/* ---- for others ---- */

/* Link-local addresses (RFC 4291 section 2.5.6) and broadcasts of another
 * network (RFC 2644) stay where they are. */
static bool may_forward(struct gn_namespace *ns,
                        const struct gn__packet *packet)
{
    struct gn__way way;

    if (gn__addr_is_linklocal(&packet->ip.src) ||
        gn__addr_is_linklocal(&packet->ip.dst))
        return false;
    return gn__ns_route(ns, &packet->ip.dst, NULL, 0, &way) ||
           !way.iface->port.net ||
           !gn__net_is_broadcast(way.iface->port.net, &packet->ip.dst);
}

static void packet_forward(struct gn_namespace *ns, struct gn__packet *packet)
{
    if (!may_forward(ns, packet)) {
        packet_drop(ns, packet, GN_DROP_DESTINATION);
        return;
    }
    if (packet->ip.ttl <= 1) {
        packet_refuse(ns, packet, GN__ICMP_TIME_EXCEEDED, GN_DROP_TTL);
        return;
    }
    packet->ip.ttl--;
    gn__ip_set_ttl(packet->head, packet->ip.ttl);
    packet->forwarded = true;
    gn__ns_output(ns, packet);
}

/* ---- whose a packet is ---- */

static bool is_for_all(const struct gn__iface *iface,
                       const struct gn__addr *dst)
{
    if (iface->loopback && !gn__addr_is_multicast(dst))
        return gn__ns_is_for_many(iface->ns, dst);
    return gn__iface_hears(iface, dst) ||
           (iface->port.net && gn__net_is_broadcast(iface->port.net, dst));
}

/* A packet over lo is for this host, whatever its address: of IPv4, if its
 * sender asked for that interface. */
static bool is_by_lo(const struct gn__iface *iface, const struct gn__addr *dst)
{
    return iface->loopback && gn__addr_is_v4(dst) && !is_for_all(iface, dst) &&
           !gn__addr_is_multicast(dst);
}

static enum gn_drop flaw_of(const struct gn__iface *iface,
                            const struct gn__packet *packet)
{
    if (iface->loopback)
        return GN_DROP_NONE;
    if (gn__addr_is_loopback(&packet->ip.src))
        return GN_DROP_SOURCE;
    if (gn__addr_is_loopback(&packet->ip.dst))
        return GN_DROP_DESTINATION;
    return GN_DROP_NONE;
}

bool gn__ns_is_walled_off(const struct gn_namespace *ns,
                          const struct gn__packet *packet)
{
    const struct gn__walls *walls = ns->engine->walls;

    return walls && gn__walls_block(walls, packet->group, ns->group);
}

void gn__ns_input(struct gn_namespace *ns, struct gn__iface *iface,
                  struct gn__packet *packet)
{
    enum gn_drop flaw = flaw_of(iface, packet);
    bool is_local = gn__ns_is_local(ns, &packet->ip.dst) ||
                    is_by_lo(iface, &packet->ip.dst);
    bool is_ours = is_local || is_for_all(iface, &packet->ip.dst);

    ns->guest.stats.packets_in++;
    ns->guest.stats.bytes_in += packet->len;
    if (flaw)
        packet_drop(ns, packet, flaw);
    else if (is_ours && gn__ns_is_walled_off(ns, packet))
        packet_drop(ns, packet, GN_DROP_BLOCKED);
    else if (is_ours && packet->corrupt)
        packet_drop(ns, packet,
                    GN_DROP_CORRUPT); /* Routers see the IP header only. */
    else if (is_local)
        local_input(ns, iface, packet);
    else if (is_ours)
        group_input(ns, iface, packet);
    else if (ns->transports->foreign && ns->transports->foreign(ns, packet))
        return;
    else if (ns->forwarding && !iface->loopback)
        packet_forward(ns, packet);
    else
        packet_drop(ns, packet, GN_DROP_NOT_FORWARDED);
}
