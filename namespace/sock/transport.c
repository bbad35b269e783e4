/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the IP layer knows of sockets: a row for each protocol.
 */
#include "namespace/lifecycle.h"

/* A peer that can send us packets could otherwise make us send small ones
 * only. */
static void learn_mtu(struct gn_namespace *ns, const struct gn__icmp *icmp)
{
    if (icmp->kind == GN__ICMP_TOO_BIG && icmp->mtu)
        gn__ns_learn_mtu(ns, &icmp->inner.dst, icmp->mtu);
}

static bool tcp_input(struct gn_namespace *ns, struct gn__iface *iface,
                      struct gn__packet *packet)
{
    (void)iface;
    gn__tcp_input(&ns->stack, packet);
    return true;
}

static bool tcp_error(struct gn_namespace *ns, const struct gn__packet *packet,
                      const struct gn__icmp *icmp)
{
    (void)packet;
    if (!gn__tcp_has_sent(&ns->stack, icmp))
        return false;
    learn_mtu(ns, icmp);
    gn__tcp_icmp_error(&ns->stack, icmp);
    return true;
}

static bool udp_error(struct gn_namespace *ns, const struct gn__packet *packet,
                      const struct gn__icmp *icmp)
{
    (void)packet;
    if (!gn__sock_udp_has_sent(ns, icmp))
        return false;
    learn_mtu(ns, icmp);
    gn__sock_udp_error(ns, icmp);
    return true;
}

const struct gn__transports gn__sock_transports = {
    .tcp = {.input = tcp_input, .error = tcp_error},
    .udp = {.input = gn__sock_udp_input,
            .group_input = gn__sock_udp_input,
            .error = udp_error},
};
