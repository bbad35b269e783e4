/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/forward/gateway.h"

#include <errno.h>

#include "namespace/namespace.h"

bool gn__gateway_shows(struct gn_network *net,
                       const struct gn__endpoint *client,
                       const struct gn__endpoint *to)
{
    return client &&
           gn__addr_is_v4(&client->addr) == gn__addr_is_v4(&to->addr) &&
           gn__outside_may_come(net, &client->addr);
}

int gn__gateway_connect(struct gn_network *net, int type,
                        const struct gn__endpoint *to, struct gn_sock **out)
{
    int family = gn__addr_family(&to->addr);
    struct sockaddr_storage addr;
    struct gn_sock *sock;
    socklen_t len;
    int err;

    err = gn_sock_open(gn_network_gateway(net), family, type | SOCK_NONBLOCK, 0,
                       &sock);
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
