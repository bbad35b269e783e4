/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The gateway as a port of the switch, an interface of the host's namespace
 * that the network has for its uplink; and as a namespace: its addresses stand
 * for more than its sockets, and it takes packets for addresses outside.
 */
#include "namespace/gateway/gateway.h"
#include "namespace/lifecycle.h"

static bool gateway_reaches(const struct gn__port *port,
                            const struct gn__port *from,
                            const struct gn__addr *addr)
{
    struct gn__addr own; /* of this family */

    return gn__outside_reaches(from, addr) &&
           gn__net_gateway(port->net, addr, &own);
}

static bool gateway_speaks_for(const struct gn__port *port,
                               const struct gn__addr *addr)
{
    return gn__outside_proxies(port->net, addr);
}

static void gateway_gone(struct gn__port *port, struct gn__port *other)
{
    (void)port;
    gn__outside_port_gone(other);
}

const struct gn__port_ops gn__gateway_ops = {
    .name = "gateway",
    .deliver = gn__iface_deliver,
    .namespace = gn__iface_namespace,
    .end = gn__iface_end,
    .reaches = gateway_reaches,
    .speaks_for = gateway_speaks_for,
    .gone = gateway_gone,
};

/* ---- the namespace ---- */

static bool gateway_tcp_input(struct gn_namespace *ns, struct gn__iface *iface,
                              struct gn__packet *packet)
{
    if (!gn__outside_stands_in(ns->guest.home, packet))
        return gn__sock_transports.tcp.input(ns, iface, packet);
    gn__outside_input(ns->guest.home, packet);
    return true;
}

static bool gateway_udp_input(struct gn_namespace *ns, struct gn__iface *iface,
                              struct gn__packet *packet)
{
    if (gn__sock_transports.udp.input(ns, iface, packet))
        return true;
    if (!gn__outside_stands_in(ns->guest.home, packet))
        return false;
    gn__outside_input(ns->guest.home, packet);
    return true;
}

static bool gateway_tcp_error(struct gn_namespace *ns,
                              const struct gn__packet *packet,
                              const struct gn__icmp *icmp)
{
    return gn__outside_error(ns->guest.home, packet, icmp) ||
           gn__sock_transports.tcp.error(ns, packet, icmp);
}

static bool gateway_udp_error(struct gn_namespace *ns,
                              const struct gn__packet *packet,
                              const struct gn__icmp *icmp)
{
    return gn__outside_error(ns->guest.home, packet, icmp) ||
           gn__sock_transports.udp.error(ns, packet, icmp);
}

static bool gateway_foreign(struct gn_namespace *ns, struct gn__packet *packet)
{
    struct gn_network *net = ns->guest.home;

    if (!gn__outside_may_be(net, &packet->ip.dst))
        return false;
    if (packet->corrupt) {
        gn__ns_drop(ns, GN_DROP_CORRUPT);
        gn__packet_free(packet);
    } else {
        gn__outside_input(net, packet);
    }
    return true;
}

const struct gn__transports gn__gateway_transports = {
    .tcp = {.input = gateway_tcp_input, .error = gateway_tcp_error},
    .udp = {.input = gateway_udp_input,
            .group_input = gn__sock_udp_input,
            .error = gateway_udp_error},
    .foreign = gateway_foreign,
};
