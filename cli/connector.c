/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/connector.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/net/descriptors.h"
#include "cli/say.h"

int connector_open(struct connector *connector)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                   ends))
        return -errno;
    connector->sock = ends[0];
    return ends[1];
}

void connector_close(struct connector *connector)
{
    if (connector->sock >= 0)
        close(connector->sock);
    connector->sock = -1;
}

/* A part of the text comes from a machine, and a terminal shows it. */
static void connector_say(struct connector *connector, char *why)
{
    for (char *at = why; *at; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
    if (!why[0] || strcmp(why, connector->said) == 0)
        return;
    (void)snprintf(connector->said, sizeof(connector->said), "%s", why);
    say("--vsock %s: %s; waiting for it", connector->path, why);
}

void connector_serve(struct connector *connector)
{
    char why[sizeof(connector->said)];
    ssize_t n = recv(connector->sock, why, sizeof(why) - 1, MSG_DONTWAIT);
    uint8_t error = 0;
    int fd;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        connector_close(connector); /* The network has ended. */
        return;
    }
    why[n] = '\0';
    connector_say(connector, why);
    fd = where_connect(connector->path, SOCK_NONBLOCK);
    if (fd < 0)
        error = (uint8_t)-fd;
    (void)descriptors_send(connector->sock, &error, 1, &fd, fd >= 0);
    if (fd >= 0)
        close(fd);
}
