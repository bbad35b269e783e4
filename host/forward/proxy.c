/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/forward/proxy.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

int gn__proxy_format(const struct gn__endpoint *from,
                     const struct gn__endpoint *to, char line[GN__PROXY_MAX])
{
    char source[GN__ADDR_TEXT], target[GN__ADDR_TEXT];

    return snprintf(line, GN__PROXY_MAX, "PROXY TCP%c %s %s %u %u\r\n",
                    gn__addr_is_v4(&from->addr) ? '4' : '6',
                    gn__addr_format(&from->addr, source, sizeof(source)),
                    gn__addr_format(&to->addr, target, sizeof(target)),
                    from->port, to->port);
}

int gn__proxy_announce(int fd, const struct gn__endpoint *from,
                       const struct gn__endpoint *to)
{
    char line[GN__PROXY_MAX];
    int n = gn__proxy_format(from, to, line);

    return send(fd, line, (size_t)n, MSG_NOSIGNAL) == n ? 0 : -EPIPE;
}
