/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Picking a port, RFC 6056.
 *
 * For a connection: algorithm 3. Where the search begins depends on both
 * addresses and the remote port under a secret, so that one peer learns
 * nothing about the ports used towards others; a counter moves it on. A port
 * may serve many destinations: what must be free is the 4-tuple. Those that
 * are in TIME_WAIT are taken when a handful in a row are not free: looking
 * through thousands of them for each connection would cost more than reusing
 * one, which RFC 6191 allows as its sequence numbers go on rising.
 *
 * For bind(2): a random place to begin at, and no port that is in use.
 */
#include <errno.h>

#include "base/siphash.h"
#include "namespace/internal.h"
#include "namespace/sock/bind.h"

#define N_PORTS (GN__PORT_LAST - GN__PORT_FIRST + 1)
/* Ports looked at before one in TIME_WAIT is good enough. */
#define PATIENCE 16

static uint32_t dial_offset(const struct gn_namespace *ns,
                            const struct gn__endpoint *local,
                            const struct gn__endpoint *remote)
{
    struct {
        struct gn__addr local;
        struct gn__endpoint remote;
    } tuple = {local->addr, *remote};

    return (uint32_t)gn__siphash24(ns->rng.key, &tuple, sizeof(tuple));
}

/* May connect() take this port, which others use already? Not if a socket is
 * bound to it: its owner asked for it, or accepts on it. */
static bool may_dial_from(const struct gn_namespace *ns, uint16_t port)
{
    struct gn__port_use *use = gn__port_find(ns, GN__PROTO_TCP, port);
    struct gn__list *it;

    if (!use)
        return true;
    gn__list_foreach (it, &use->bindings) {
        if (!gn__container_of(it, struct gn__binding, of_use)->dialled)
            return false;
    }
    return true;
}

int gn__port_dial(struct gn_sock *sock, struct gn__endpoint *local,
                  const struct gn__endpoint *remote)
{
    struct gn_namespace *ns = sock->ns;
    uint32_t start =
        (dial_offset(ns, local, remote) + ns->port_counter) % N_PORTS;
    uint16_t time_wait = 0;
    uint32_t i;

    for (i = 0; i < N_PORTS && !(time_wait && i >= PATIENCE); i++) {
        local->port = (uint16_t)(GN__PORT_FIRST + (start + i) % N_PORTS);
        if (!may_dial_from(ns, local->port))
            continue;
        switch (gn__tcp_tuple_use(&ns->stack, local, remote)) {
        case GN__TUPLE_FREE:
            ns->port_counter += i + 1;
            return 0;
        case GN__TUPLE_TIME_WAIT:
            if (!time_wait)
                time_wait = local->port;
            break;
        case GN__TUPLE_USED:
            break;
        }
    }
    local->port = time_wait;
    ns->port_counter += i + 1;
    return time_wait ? 0 : -EADDRNOTAVAIL;
}

uint16_t gn__port_pick(struct gn_sock *sock, const struct gn__addr *addr)
{
    unsigned proto = sock->type == SOCK_STREAM ? GN__PROTO_TCP : GN__PROTO_UDP;
    uint32_t start = (uint32_t)gn__rng_below(&sock->ns->rng, N_PORTS);
    uint16_t port;
    uint32_t i;

    for (i = 0; i < N_PORTS; i++) {
        port = (uint16_t)(GN__PORT_FIRST + (start + i) % N_PORTS);
        if (!gn__port_find(sock->ns, proto, port))
            return port;
    }
    for (i = 0; i < N_PORTS; i++) {
        port = (uint16_t)(GN__PORT_FIRST + (start + i) % N_PORTS);
        if (!gn__port_conflicts(sock, addr, port, true))
            return port;
    }
    return 0;
}
