/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The gateway as a port of the switch: an interface of the host's namespace that
 * the network has for its uplink.
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
    return gn__outside_may_be(port->net, addr);
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
