/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Who writes to the UDP ports that guests have bound.
 *
 * Each client is a talk: a flow in which the gateway is that client, or, where
 * that cannot be, a socket of the host's namespace. What the guest answers goes
 * to the egress's send(). Talks end when they have been idle; of too many, the
 * one that was idle longest makes room.
 */
#include "host/egress.h"

#include <errno.h>
#include <string.h>

#include "base/table.h"
#include "host/forward/forward.h"

#define SECOND 1000000000ull

/** Datagrams that wait for the driving thread. */
#define WAITING_MAX 256u
/** Clients of one port at once. */
#define TALKS_MAX 1024u
/** Idle times: without an answer, and with one. */
#define IDLE_ONE_WAY_NS (30 * SECOND)
#define IDLE_NS         (180 * SECOND)
/** A datagram's payload over IPv4, the larger one. */
#define BYTES_MAX 65507u

struct gn_egress_port {
    struct gn__bound_port bound; /* first */
    struct gn__io *io;           /* NULL: no talk yet */
    struct gn__table talks;      /* struct talk */
    struct gn__list by_use;      /* struct talk, idle longest first */
    struct gn__io_timer timer;
    struct gn__io_end end;
    const struct gn__via *via; /* of who is being answered */
};

/** A client. */
struct talk {
    struct gn__table_node node;
    struct gn__list by_use;
    struct gn_egress_port *port;
    struct gn__endpoint client;
    struct gn__outside_flow *flow; /* or: */
    struct gn_sock *sock;
    struct gn__via via; /* of its last datagram */
    uint64_t used_at;
    bool answered;
};

/** A datagram that was handed in. */
struct letter {
    struct gn__list link;
    struct gn__endpoint from;
    struct gn__via via;
    size_t len;
    uint8_t bytes[];
};

static const struct gn__mem *mem_of(const struct gn_egress_port *port)
{
    return &port->bound.engine->net.mem;
}

/* ---- talks ---- */

static void talk_end(struct talk *talk)
{
    struct gn_egress_port *port = talk->port;

    if (talk->flow)
        gn__outside_flow_close(talk->flow);
    if (talk->sock) {
        gn_sock_close(talk->sock);
        gn_sock_unref(talk->sock);
    }
    gn__table_del(&port->talks, &talk->node);
    gn__list_del(&talk->by_use);
    gn__free(mem_of(port), talk, sizeof(*talk));
}

static void talk_used(struct talk *talk)
{
    talk->used_at = gn__io_now(talk->port->io);
    gn__list_del(&talk->by_use);
    gn__list_add_tail(&talk->port->by_use, &talk->by_use);
}

static void answer(struct talk *talk, const void *bytes, size_t len)
{
    struct gn__egress *egress = talk->port->bound.egress;
    struct sockaddr_storage to;

    talk->answered = true;
    talk_used(talk);
    gn__endpoint_to_sockaddr(&talk->client, AF_UNSPEC, (struct sockaddr *)&to,
                             sizeof(to));
    talk->port->via = &talk->via;
    if (egress->ops.send)
        egress->ops.send(egress->self, talk->port, bytes, len,
                         (struct sockaddr *)&to);
}

const struct gn__via *gn__egress_via(const struct gn_egress_port *port)
{
    return port->via;
}

static void flow_received(struct gn__outside_flow *flow, const void *data,
                          size_t len, void *user)
{
    (void)flow;
    answer(user, data, len);
}

static void flow_failed(struct gn__outside_flow *flow, int error, void *user)
{
    (void)flow;
    (void)error;
    (void)user;
}

static void flow_ended(struct gn__outside_flow *flow, int why, void *user)
{
    (void)flow;
    (void)why;
    talk_end(user);
}

static const struct gn__outside_flow_ops flow_ops = {
    .received = flow_received,
    .failed = flow_failed,
    .ended = flow_ended,
};

static void sock_ready(struct gn_sock *sock, short events, void *arg)
{
    struct talk *talk = arg;
    uint8_t bytes[BYTES_MAX];
    ssize_t n;

    (void)events;
    n = gn_sock_recv(sock, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n >= 0)
        answer(talk, bytes, (size_t)n);
    else if (n == -ECANCELED)
        talk_end(talk);
}

/* By a flow, or else as the gateway. */
static int talk_open(struct talk *talk, struct gn_network *net)
{
    struct gn__outside_flow_config config = {.ops = &flow_ops, .user = talk};
    struct gn_egress_port *port = talk->port;
    struct gn__endpoint to;
    int err;

    err = gn__bound_target(&port->bound, &talk->client, &to);
    if (err)
        return err;
    if (gn__gateway_shows(net, &talk->client, &to)) {
        err = gn__outside_flow_open(net, &talk->client, &to, &config,
                                    &talk->flow);
        if (err != -EADDRNOTAVAIL && err != -EADDRINUSE)
            return err;
    }
    err = gn__gateway_connect(net, SOCK_DGRAM, &to, &talk->sock);
    if (err)
        return err;
    err = gn_sock_watch(talk->sock, POLLIN, sock_ready, talk);
    if (err) {
        gn_sock_close(talk->sock);
        gn_sock_unref(talk->sock);
    }
    return err;
}

static struct talk *talk_find(const struct gn_egress_port *port,
                              const struct gn__endpoint *client)
{
    struct gn__table_node *node =
        gn__table_find(&port->talks, client, sizeof(*client));

    return node ? gn__container_of(node, struct talk, node) : NULL;
}

static struct talk *oldest(const struct gn_egress_port *port)
{
    struct gn__list *first = gn__list_first(&port->by_use);

    return first ? gn__container_of(first, struct talk, by_use) : NULL;
}

static struct talk *talk_begin(struct gn_egress_port *port,
                               struct gn_network *net,
                               const struct gn__endpoint *client)
{
    struct talk *talk;

    if (gn__table_count(&port->talks) >= TALKS_MAX)
        talk_end(oldest(port));
    talk = gn__zalloc(mem_of(port), sizeof(*talk));
    if (!talk)
        return NULL;
    talk->port = port;
    talk->client = *client;
    if (talk_open(talk, net))
        goto undo_alloc;
    if (gn__table_add(&port->talks, &talk->node, &talk->client,
                      sizeof(talk->client)))
        goto undo_open;
    talk->used_at = gn__io_now(port->io);
    gn__list_add_tail(&port->by_use, &talk->by_use);
    if (!port->timer.started)
        gn__io_start(port->io, &port->timer, talk->used_at + IDLE_ONE_WAY_NS);
    return talk;

undo_open:
    if (talk->flow)
        gn__outside_flow_close(talk->flow);
    if (talk->sock) {
        gn_sock_close(talk->sock);
        gn_sock_unref(talk->sock);
    }
undo_alloc:
    gn__free(mem_of(port), talk, sizeof(*talk));
    return NULL;
}

static void end_idle(struct gn__io_timer *timer)
{
    struct gn_egress_port *port =
        gn__container_of(timer, struct gn_egress_port, timer);
    uint64_t now = gn__io_now(port->io);
    struct gn__list *it, *tmp;

    gn__list_foreach_safe (it, tmp, &port->by_use) {
        struct talk *talk = gn__container_of(it, struct talk, by_use);
        uint64_t idle = talk->answered ? IDLE_NS : IDLE_ONE_WAY_NS;

        if (now >= talk->used_at + idle)
            talk_end(talk);
        else if (now < talk->used_at + IDLE_ONE_WAY_NS)
            break; /* and so are all behind it */
    }
    if (oldest(port))
        gn__io_start(port->io, &port->timer, now + IDLE_ONE_WAY_NS / 2);
}

static void end_all(struct gn_egress_port *port)
{
    struct talk *talk;

    while ((talk = oldest(port)))
        talk_end(talk);
}

/* ---- what is handed in ---- */

static void at_end(struct gn__io_end *end)
{
    struct gn_egress_port *port =
        gn__container_of(end, struct gn_egress_port, end);

    end_all(port);
    gn__io_stop(port->io, &port->timer);
    port->io = NULL;
}

static bool has_io(struct gn_egress_port *port, struct gn_network *net)
{
    if (port->io)
        return true;
    port->io = gn__network_io(net);
    if (!port->io)
        return false;
    port->end.run = at_end;
    port->timer.fire = end_idle;
    port->timer.account = port->bound.notice.account;
    gn__io_at_end(port->io, &port->end);
    return true;
}

static void deliver(struct gn_egress_port *port, const struct letter *letter)
{
    struct gn_network *net = gn__namespace_network(port->bound.ns);
    struct talk *talk;

    if (!net || !has_io(port, net))
        return;
    talk = talk_find(port, &letter->from);
    if (!talk)
        talk = talk_begin(port, net, &letter->from);
    if (!talk) {
        gn__network_drop(net, GN_DROP_FLOWS);
        return;
    }
    talk_used(talk);
    talk->via = letter->via;
    /* The network counts what it loses. */
    if (talk->flow)
        (void)gn__outside_flow_send(talk->flow, letter->bytes, letter->len);
    else
        (void)gn_sock_send(talk->sock, letter->bytes, letter->len,
                           MSG_DONTWAIT);
}

static void letter_free(struct gn_egress_port *port, struct letter *letter)
{
    gn__free(mem_of(port), letter, sizeof(*letter) + letter->len);
}

static void take_up(struct gn__notice *notice)
{
    struct gn_egress_port *port =
        gn__container_of(notice, struct gn_egress_port, bound.notice);
    struct gn__list *link;

    while ((link = gn__bound_take(&port->bound))) {
        struct letter *letter = gn__container_of(link, struct letter, link);

        deliver(port, letter);
        letter_free(port, letter);
    }
}

int gn__egress_packet(struct gn_egress_port *port, const void *bytes,
                      size_t len, const struct gn__endpoint *from,
                      const struct gn__via *via)
{
    struct letter *letter;
    int err;

    letter = gn__zalloc(mem_of(port), sizeof(*letter) + len);
    if (!letter)
        return -ENOMEM;
    letter->from = *from;
    letter->via = *via;
    letter->len = len;
    if (len)
        memcpy(letter->bytes, bytes, len);
    err = gn__bound_put(&port->bound, &letter->link, WAITING_MAX);
    if (err)
        letter_free(port, letter);
    return err;
}

int gn_egress_packet(struct gn_egress_port *port, const void *bytes, size_t len,
                     const struct sockaddr *from)
{
    static const struct gn__via none;
    struct gn__endpoint client;

    if (!port || !from || (!bytes && len) ||
        gn__endpoint_from_sockaddr(from, sizeof(struct sockaddr_in6), AF_UNSPEC,
                                   &client))
        return -EINVAL;
    if (len > BYTES_MAX)
        return -EMSGSIZE;
    return gn__egress_packet(port, bytes, len, &client, &none);
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
    port->bound.notice.run = take_up;
    gn__table_init(&port->talks, mem_of(port), port->bound.engine->net.secret);
    gn__list_init(&port->by_use);
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
    if (port->io) {
        end_all(port);
        gn__io_stop(port->io, &port->timer);
        gn__io_forget_end(&port->end);
    }
    gn__table_done(&port->talks);
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
