/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Datagrams for the UDP ports that guests have bound, handed in by hooks.
 *
 * They come from any thread and wait in a bounded list, until the port's
 * deferred task hands them to its flows. What the guest answers goes to the
 * egress's send().
 */
#include "host/egress/egress.h"

#include <errno.h>
#include <string.h>

#include "host/forward/forward.h"

/** Datagrams that wait for the driving thread. */
#define WAITING_MAX 256u
/** Clients of one port at once. */
#define CLIENTS_MAX 1024u
/** A datagram's payload over IPv4, the larger one. */
#define BYTES_MAX 65507u

struct gn_egress_port {
    struct gn__bound_port bound; /* first */
    struct gn__flow_table flows; /* flows.io NULL: none yet, or no more */
    struct gn__io_end end;
};

/** A datagram that was handed in. */
struct letter {
    struct gn__list link;
    struct gn__dgram dgram;
    uint8_t bytes[];
};

static struct gn_egress_port *port_of(struct gn__flow_table *table)
{
    return gn__container_of(table, struct gn_egress_port, flows);
}

/* ---- flows ---- */

static int port_target(struct gn__flow_table *table,
                       const struct gn__endpoint *client,
                       struct gn__endpoint *out)
{
    return gn__bound_target(&port_of(table)->bound, client, out);
}

static bool port_answer(struct gn__flow_table *table,
                        const struct gn__dgram *dgram)
{
    struct gn_egress_port *port = port_of(table);
    struct gn__egress *egress = port->bound.egress;
    struct gn__endpoint local = {.addr = dgram->local,
                                 .scope = dgram->iface,
                                 .port = port->bound.local.port};
    struct sockaddr_storage from, to;

    if (!egress->ops.send)
        return false;
    gn__endpoint_to_sockaddr(&local, AF_UNSPEC, (struct sockaddr *)&from,
                             sizeof(from));
    gn__endpoint_to_sockaddr(&dgram->peer, AF_UNSPEC, (struct sockaddr *)&to,
                             sizeof(to));
    egress->ops.send(egress->self, port, dgram->data, dgram->len,
                     gn__addr_is_any(&dgram->local) ? NULL
                                                    : (struct sockaddr *)&from,
                     (struct sockaddr *)&to);
    return true;
}

static const struct gn__flow_ops port_ops = {
    .name = "hooks",
    .target = port_target,
    .answer = port_answer,
};

static void flows_done(struct gn_egress_port *port)
{
    if (!port->flows.io)
        return;
    gn__flow_table_done(&port->flows);
    gn__io_forget_end(&port->end);
    port->flows.io = NULL;
}

static void at_end(struct gn__io_end *end)
{
    flows_done(gn__container_of(end, struct gn_egress_port, end));
}

static bool flows_init(struct gn_egress_port *port, struct gn_network *net)
{
    struct gn__io *io;

    if (port->flows.io)
        return true;
    io = gn__network_io(net);
    if (!io)
        return false;
    gn__flow_table_init(&port->flows, &port_ops, net, io, CLIENTS_MAX);
    port->end.run = at_end;
    gn__io_at_end(io, &port->end);
    return true;
}

/* ---- what is handed in ---- */

static void letter_free(struct gn_egress_port *port, struct letter *letter)
{
    gn__free(&port->bound.engine->net.mem, letter,
             sizeof(*letter) + letter->dgram.len);
}

static void take_up(struct gn__deferred *deferred)
{
    struct gn_egress_port *port =
        gn__container_of(deferred, struct gn_egress_port, bound.deferred);
    struct gn_network *net = gn__namespace_network(port->bound.ns);
    struct gn__list *link;

    while ((link = gn__bound_take(&port->bound))) {
        struct letter *letter = gn__container_of(link, struct letter, link);

        if (net && flows_init(port, net))
            gn__flow_receive(&port->flows, &letter->dgram);
        letter_free(port, letter);
    }
}

static int port_put(struct gn_egress_port *port, const struct gn__dgram *dgram)
{
    struct letter *letter =
        gn__zalloc(&port->bound.engine->net.mem, sizeof(*letter) + dgram->len);
    int err;

    if (!letter)
        return -ENOMEM;
    letter->dgram = *dgram;
    letter->dgram.data = letter->bytes;
    if (dgram->len)
        memcpy(letter->bytes, dgram->data, dgram->len);
    err = gn__bound_put(&port->bound, &letter->link, WAITING_MAX);
    if (err)
        letter_free(port, letter);
    return err;
}

int gn_egress_packet(struct gn_egress_port *port, const void *bytes, size_t len,
                     const struct sockaddr *from, const struct sockaddr *to)
{
    struct gn__dgram dgram = {.data = bytes, .len = len};
    struct gn__endpoint local = {.addr = gn__addr_any(AF_INET6)};

    if (!port || !from || (!bytes && len) ||
        gn__endpoint_from_sockaddr(from, sizeof(struct sockaddr_in6), AF_UNSPEC,
                                   &dgram.peer) ||
        (to && gn__endpoint_from_sockaddr(to, sizeof(struct sockaddr_in6),
                                          AF_UNSPEC, &local)))
        return -EINVAL;
    if (len > BYTES_MAX)
        return -EMSGSIZE;
    dgram.local = local.addr;
    dgram.iface = local.scope;
    return port_put(port, &dgram);
}

/* ---- ports ---- */

void gn__egress_port_begin(struct gn__egress *egress,
                           struct gn__outside_port *outside)
{
    struct gn_network *net = gn__namespace_network(outside->ns);
    struct gn_egress_port *port;
    struct sockaddr_storage local;

    if (!net || !egress->ops.listen_packet)
        return;
    port = gn__zalloc(&gn__network_engine(net)->net.mem, sizeof(*port));
    if (!port)
        return;
    gn__bound_init(&port->bound, egress, outside);
    port->bound.deferred.run = take_up;
    outside->user = port;
    gn__endpoint_to_sockaddr(&outside->local, AF_UNSPEC,
                             (struct sockaddr *)&local, sizeof(local));
    if (egress->ops.listen_packet(egress->self, port,
                                  (struct sockaddr *)&local)) {
        outside->user = NULL;
        gn__egress_port_end(port);
    }
}

void gn__egress_port_end(struct gn_egress_port *port)
{
    struct gn__engine *engine = port->bound.engine;
    struct gn__list *link;

    gn__bound_done(&port->bound);
    while ((link = gn__bound_take(&port->bound)))
        letter_free(port, gn__container_of(link, struct letter, link));
    flows_done(port);
    gn__free(&engine->net.mem, port, sizeof(*port));
    gn__engine_unref(engine);
}

struct gn_namespace *gn_egress_port_namespace(const struct gn_egress_port *port)
{
    return port ? port->bound.ns : NULL;
}

void gn_egress_port_set_user(struct gn_egress_port *port, void *user)
{
    if (port)
        port->bound.base.user = user;
}

void *gn_egress_port_user(const struct gn_egress_port *port)
{
    return port ? port->bound.base.user : NULL;
}
