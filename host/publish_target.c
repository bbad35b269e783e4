/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Reaching the guest for a client.
 *
 * As itself if the gateway can play its address, and that 4-tuple is free: a
 * client that comes back from the same port may find the one before still
 * closing. Then, as whenever it cannot be shown, it is the gateway who
 * connects.
 */
#include <errno.h>

#include "host/publish.h"
#include "namespace/namespace.h"

bool gn__publish_shows(const struct gn_publication *pub,
                       const struct gn__endpoint *client,
                       const struct gn__endpoint *to)
{
    return !pub->as_gateway && client &&
           gn__addr_is_v4(&client->addr) == gn__addr_is_v4(&to->addr) &&
           gn__outside_may_be(pub->net, &client->addr);
}

static int connect_as_gateway(const struct gn_publication *pub,
                              const struct gn__endpoint *to,
                              struct gn_sock **out)
{
    int family = gn__addr_family(&to->addr);
    struct sockaddr_storage addr;
    struct gn_sock *sock;
    socklen_t len;
    int err;

    err = gn_sock_open(gn_network_host(pub->net), family,
                       SOCK_STREAM | SOCK_NONBLOCK, 0, &sock);
    if (err)
        return err;
    len = gn__endpoint_to_sockaddr(to, family, (struct sockaddr *)&addr,
                                   sizeof(addr));
    err = gn_sock_connect(sock, (struct sockaddr *)&addr, len);
    if (err && err != -EINPROGRESS) {
        gn_sock_close(sock);
        gn_sock_unref(sock);
        return err;
    }
    *out = sock;
    return 0;
}

int gn__publish_connect(struct gn_publication *pub,
                        const struct gn__endpoint *client,
                        const struct gn__endpoint *to, struct gn_sock **out)
{
    int err = -EADDRNOTAVAIL;

    if (gn__publish_shows(pub, client, to))
        err = gn__outside_connect(pub->net, client, to, out);
    if (err != -EADDRNOTAVAIL)
        return err;
    if (!pub->as_gateway)
        pub->stats.as_gateway++;
    return connect_as_gateway(pub, to, out);
}
