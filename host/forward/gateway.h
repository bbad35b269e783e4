/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_FORWARD_GATEWAY_H
#define GN_FORWARD_GATEWAY_H

/*
 * A client that comes to a guest from outside, by a published port or one that
 * an egress shows, comes as itself, or as the gateway where that cannot be.
 */
#include "namespace/namespace.h"

/** Can a guest at @to be shown this client? NULL: it has no address. */
bool gn__gateway_shows(struct gn_network *net,
                       const struct gn__endpoint *client,
                       const struct gn__endpoint *to);

/** As the gateway: a non-blocking socket of the host's namespace, connected or
 *  connecting to @to. @type: SOCK_STREAM, SOCK_DGRAM. */
GN_WARN_UNUSED int gn__gateway_connect(struct gn_network *net, int type,
                                       const struct gn__endpoint *to,
                                       struct gn_sock **out);

#endif /* GN_FORWARD_GATEWAY_H */
