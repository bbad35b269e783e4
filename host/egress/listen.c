/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Ports that guests have bound, and the clients that connect to those that
 * listen.
 *
 * A client that is handed in for a port comes from any thread and waits in a
 * bounded list; the port's deferred task takes it up, and ends with the port.
 * It becomes a connection to the guest, made as itself or as the gateway, which
 * a relay joins with the client's socket. From then on it is a visit, and does
 * not need the port.
 *
 * A guest that has no socket left for one more accepts no more, and a client
 * that is connected to it gets no answer: the owner of a kernel listener then
 * accepts no more, and goes on when a visit has ended.
 */
#include "host/egress/egress.h"

#include <errno.h>

#include <guestnet/error.h>

#include "base/fd.h"
#include "host/forward/forward.h"

/** Clients that wait for the driving thread. */
#define WAITING_MAX 128u

struct gn_egress_listener {
    struct gn__bound_port bound; /* first */
};

/** A client that has connected. */
struct client {
    struct gn__list link;
    struct gn__endpoint peer;
    bool has_peer;
    int fd;
};

/** A client that is joined with the guest, which the port may not outlive. */
struct visit {
    struct gn__list link;         /* in bound->visits */
    struct gn__bound_port *bound; /* NULL: the port is gone */
    struct gn_namespace *ns;      /* a reference */
    struct gn__pass *pass;        /* NULL: no rules have a say */
    uint16_t port;
};

/* ---- what is handed in ---- */

void gn__bound_init(struct gn__bound_port *bound, struct gn__egress *egress,
                    const struct gn__outside_port *port)
{
    bound->egress = egress;
    bound->ns = port->ns;
    bound->engine = gn__ns_engine(port->ns); /* Also of one that has ended. */
    gn__engine_ref(bound->engine);
    bound->local = port->local;
    bound->v6only = port->v6only;
    gn__list_init(&bound->waiting);
    gn__list_init(&bound->deferred.link);
    gn__list_init(&bound->visits);
    bound->guest_room = UINT32_MAX;
    bound->deferred.account = gn__ns_account(port->ns);
}

static void leave_visits(struct gn__bound_port *bound)
{
    struct gn__list *node;

    while ((node = gn__list_pop(&bound->visits)))
        gn__container_of(node, struct visit, link)->bound = NULL;
}

void gn__bound_done(struct gn__bound_port *bound)
{
    leave_visits(bound);
    gn__engine_enter(bound->engine);
    gn__deferred_cancel(bound->engine, &bound->deferred);
    gn__engine_leave(bound->engine);
}

int gn__bound_put(struct gn__bound_port *bound, struct gn__list *link,
                  size_t max)
{
    struct gn__engine *engine = bound->engine;
    int err = 0;

    gn__engine_ref(engine); /* The port may be gone when we leave. */
    gn__engine_enter(engine);
    if (bound->n_waiting >= max) {
        err = -ENOBUFS;
    } else {
        gn__list_add_tail(&bound->waiting, link);
        bound->n_waiting++;
        gn__deferred_queue(engine, &bound->deferred);
    }
    gn__engine_leave(engine);
    gn__engine_unref(engine);
    return err;
}

struct gn__list *gn__bound_take(struct gn__bound_port *bound)
{
    struct gn__list *link;

    gn__engine_enter(bound->engine);
    link = gn__list_pop(&bound->waiting);
    if (link)
        bound->n_waiting--;
    gn__engine_leave(bound->engine);
    return link;
}

/* ---- which guest's address is meant ---- */

/* The guest's address of a family in its own network. */
static bool find_addr(struct gn_namespace *ns, int family, struct gn__addr *out)
{
    struct gn_interface eth0;
    size_t i;

    if (gn_namespace_interface_by_index(ns, 2, &eth0))
        return false;
    for (i = 0; i < eth0.n_addrs && i < GN_INTERFACE_ADDRS; i++) {
        if (eth0.addrs[i].ip.family == family &&
            !gn__addr_from_ip(&eth0.addrs[i].ip, out) &&
            !gn__addr_is_linklocal(out))
            return true;
    }
    return false;
}

int gn__bound_target(const struct gn__bound_port *bound,
                     const struct gn__endpoint *client,
                     struct gn__endpoint *out)
{
    int family = client ? gn__addr_family(&client->addr) : AF_INET;
    int other = family == AF_INET ? AF_INET6 : AF_INET;
    bool v4 = !gn__addr_is_any(&bound->local.addr) ||
              gn__addr_is_v4(&bound->local.addr) || !bound->v6only;
    bool v6 = !gn__addr_is_v4(&bound->local.addr);

    *out = bound->local;
    out->scope = 0;
    if (!gn__addr_is_any(&bound->local.addr))
        return 0;
    if ((family == AF_INET ? v4 : v6) &&
        find_addr(bound->ns, family, &out->addr))
        return 0;
    if ((other == AF_INET ? v4 : v6) && find_addr(bound->ns, other, &out->addr))
        return 0;
    return -EADDRNOTAVAIL;
}

/* ---- clients ---- */

static void client_free(struct gn__engine *engine, struct client *client)
{
    if (client->fd >= 0)
        gn__relay_reset(client->fd); /* The guest has not heard of it. */
    gn__free(&engine->net.mem, client, sizeof(*client));
}

static int reach_guest(struct gn__bound_port *bound, struct gn_network *net,
                       const struct gn__endpoint *client, struct gn_sock **out)
{
    struct gn__endpoint to;
    int err;

    err = gn__bound_target(bound, client, &to);
    if (err)
        return err;
    bound->guest_room = gn__outside_sockets(net, &to.addr);
    if (gn__gateway_shows(net, client, &to)) {
        err = gn__outside_connect(net, client, &to, out);
        if (err != -EADDRNOTAVAIL)
            return err;
    }
    return gn__gateway_connect(net, SOCK_STREAM, &to, out);
}

static void turned_away(struct gn_namespace *ns, unsigned port, int why)
{
    if (why == -ECANCELED)
        return;
    gn__ns_client_lost(ns);
    gn__guest_log(gn__ns_guest(ns), GN_LOG_WARN, GN__LOG_TURNED_AWAY,
                  "a client of its port %u as it is shown was turned away: %s",
                  port, gn_strerror(why));
}

void gn__bound_turned_away(const struct gn__bound_port *bound, int why)
{
    turned_away(bound->ns, bound->local.port, why);
}

bool gn__bound_has_room(const struct gn__bound_port *bound)
{
    return bound->n_visits < bound->guest_room;
}

static struct visit *visit_create(struct gn__bound_port *bound)
{
    struct visit *visit = gn__zalloc(&bound->engine->net.mem, sizeof(*visit));

    if (!visit)
        return NULL;
    visit->bound = bound;
    visit->ns = bound->ns;
    visit->port = bound->local.port;
    gn__ns_ref(visit->ns);
    gn__list_add_tail(&bound->visits, &visit->link);
    bound->n_visits++;
    return visit;
}

static void visit_free(struct visit *visit)
{
    struct gn__engine *engine = gn__ns_engine(visit->ns);
    struct gn__mem mem = engine->net.mem;

    gn__list_del(&visit->link);
    if (visit->bound)
        visit->bound->n_visits--;
    gn__pass_end(visit->pass);
    gn__ns_unref(visit->ns);
    gn__free(&mem, visit, sizeof(*visit));
}

static void visit_ended(int status, void *arg)
{
    struct visit *visit = arg;
    struct gn__bound_port *bound = visit->bound;

    if (gn__relay_is_unreached(status))
        turned_away(visit->ns, visit->port, status);
    visit_free(visit);
    if (bound && bound->left)
        bound->left(bound->base.user);
}

/* What it takes to join a client with the guest; consumes nothing. */
static int visit_begin(struct gn__bound_port *bound,
                       const struct gn__endpoint *peer,
                       struct gn__relay_config *config)
{
    struct gn_network *net = gn__namespace_network(bound->ns);
    int err;

    config->io = net ? gn__network_io(net) : NULL;
    if (!config->io)
        return -ECANCELED;
    err = gn__fds_take(gn__ns_guest(bound->ns), &config->share);
    if (err)
        return err;
    config->ended = visit_ended;
    config->arg = visit_create(bound);
    if (!config->arg)
        return -ENOMEM;
    err = reach_guest(bound, net, peer, &config->sock);
    if (err)
        visit_free(config->arg);
    return err;
}

void gn__bound_join(struct gn__bound_port *bound,
                    const struct gn__endpoint *peer, int fd,
                    struct gn__pass *pass)
{
    struct gn__relay_config config = {.fd = fd};
    struct gn__relay *relay;
    int err = visit_begin(bound, peer, &config);

    if (err) {
        gn__relay_reset(fd); /* The guest has not heard of it. */
        gn__fds_give(&config.share);
        gn__pass_end(pass);
    } else {
        ((struct visit *)config.arg)->pass = pass;
        err = gn__relay_start(&config, &relay); /* It was reset. */
        if (err)
            visit_free(config.arg);
        else
            gn__egress_relay_open(pass, relay);
    }
    if (err)
        gn__bound_turned_away(bound, err);
}

static void take_up(struct gn__deferred *deferred)
{
    struct gn__bound_port *bound =
        gn__container_of(deferred, struct gn__bound_port, deferred);
    struct gn__list *link;

    while ((link = gn__bound_take(bound))) {
        struct client *client = gn__container_of(link, struct client, link);

        gn__bound_join(bound, client->has_peer ? &client->peer : NULL,
                       client->fd, NULL);
        client->fd = -1;
        client_free(bound->engine, client);
    }
}

int gn_egress_accepted(struct gn_egress_listener *listener, int fd,
                       const struct sockaddr *peer)
{
    struct gn__engine *engine;
    struct client *client;
    int err = -EINVAL;

    if (!listener || gn__fd_prepare(fd))
        goto undo_fd;
    engine = listener->bound.engine;
    client = gn__zalloc(&engine->net.mem, sizeof(*client));
    err = -ENOMEM;
    if (!client)
        goto undo_fd;
    client->fd = fd;
    client->has_peer =
        peer && !gn__endpoint_from_sockaddr(peer, sizeof(struct sockaddr_in6),
                                            AF_UNSPEC, &client->peer);
    err = gn__bound_put(&listener->bound, &client->link, WAITING_MAX);
    if (err)
        client_free(engine, client);
    return err;

undo_fd:
    if (fd >= 0)
        gn__relay_reset(fd);
    return err;
}

/* ---- listeners ---- */

void gn__egress_listen_begin(struct gn__egress *egress,
                             struct gn__outside_port *port)
{
    struct gn_network *net = gn__namespace_network(port->ns);
    struct gn_egress_listener *listener;
    struct sockaddr_storage local;

    if (!net || !egress->ops.listen)
        return;
    listener = gn__zalloc(&gn__network_engine(net)->net.mem, sizeof(*listener));
    if (!listener)
        return;
    gn__bound_init(&listener->bound, egress, port);
    listener->bound.deferred.run = take_up;
    port->user = listener;
    gn__endpoint_to_sockaddr(&port->local, AF_UNSPEC, (struct sockaddr *)&local,
                             sizeof(local));
    if (egress->ops.listen(egress->self, listener, (struct sockaddr *)&local)) {
        port->user = NULL;
        gn__egress_listen_end(listener);
    }
}

void gn__egress_listen_end(struct gn_egress_listener *listener)
{
    struct gn__engine *engine = listener->bound.engine;
    struct gn__list *link;

    gn__bound_done(&listener->bound);
    while ((link = gn__bound_take(&listener->bound)))
        client_free(engine, gn__container_of(link, struct client, link));
    gn__free(&engine->net.mem, listener, sizeof(*listener));
    gn__engine_unref(engine);
}

void gn__egress_bound(struct gn__outside *outside,
                      struct gn__outside_port *port)
{
    port->user = NULL;
    if (port->type == SOCK_STREAM)
        gn__egress_listen_begin(gn__egress_of(outside), port);
    else
        gn__egress_port_begin(gn__egress_of(outside), port);
}

void gn__egress_unbound(struct gn__outside *outside,
                        struct gn__outside_port *port)
{
    struct gn__egress *egress = gn__egress_of(outside);

    if (!port->user)
        return;
    if (egress->ops.cancel)
        egress->ops.cancel(egress->self, port->user);
    if (port->type == SOCK_STREAM)
        gn__egress_listen_end(port->user);
    else
        gn__egress_port_end(port->user);
}

struct gn_namespace *gn_egress_listener_namespace(
    const struct gn_egress_listener *listener)
{
    return listener ? listener->bound.ns : NULL;
}

void gn_egress_listener_set_user(struct gn_egress_listener *listener,
                                 void *user)
{
    if (listener)
        listener->bound.base.user = user;
}

void *gn_egress_listener_user(const struct gn_egress_listener *listener)
{
    return listener ? listener->bound.base.user : NULL;
}
