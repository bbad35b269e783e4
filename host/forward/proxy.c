/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/forward/proxy.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

/** The longest line, with its NUL. */
#define PROXY_MAX 108

int gn__proxy_announce(int fd, const struct gn__endpoint *from,
                       const struct gn__endpoint *to)
{
    char line[PROXY_MAX], source[GN__ADDR_TEXT], target[GN__ADDR_TEXT];
    int n = snprintf(line, sizeof(line), "PROXY TCP%c %s %s %u %u\r\n",
                     gn__addr_is_v4(&from->addr) ? '4' : '6',
                     gn__addr_format(&from->addr, source, sizeof(source)),
                     gn__addr_format(&to->addr, target, sizeof(target)),
                     from->port, to->port);

    return send(fd, line, (size_t)n, MSG_NOSIGNAL) == n ? 0 : -EPIPE;
}
