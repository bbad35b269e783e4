/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/dns/dns.h"

#include <errno.h>
#include <string.h>

#include <guestnet/socket.h>

/** Datagrams, or clients, of one turn. */
#define AT_ONCE 32u

struct dns_socket {
    struct gn__list of_server;
    struct gn__dns_server *server;
    struct gn_sock *sock; /* owned */
    bool stream;
};

/* ---- which guest asks ---- */

struct gn_namespace *gn__dns_asker(const struct gn__dns_server *server,
                                   const struct gn__dns_from *from)
{
    struct gn__endpoint client;

    if (gn__endpoint_from_sockaddr((const struct sockaddr *)&from->addr,
                                   from->addr_len, AF_UNSPEC, &client))
        return NULL;
    return gn__network_guest_at(server->net, &client.addr);
}

void gn__dns_count(struct gn_namespace *ns, enum gn_drop why)
{
    struct gn__engine *engine = ns ? gn__ns_engine(ns) : NULL;

    if (!engine)
        return;
    gn__engine_enter(engine);
    gn__guest_drop(gn__ns_guest(ns), why);
    gn__engine_leave(engine);
}

/* ---- turns ---- */

static bool datagram_take(struct dns_socket *at)
{
    struct gn__dns_from from = {.sock = at->sock};
    uint8_t msg[GN__DNS_QUERY_MAX];
    ssize_t n;

    from.addr_len = sizeof(from.addr);
    n = gn_sock_recvfrom(at->sock, msg, sizeof(msg), MSG_DONTWAIT,
                         (struct sockaddr *)&from.addr, &from.addr_len);
    if (n < 0)
        return false;
    (void)gn__dns_ask(at->server, &from, msg, (size_t)n);
    return true;
}

static void socket_ready(struct gn_sock *sock, short revents, void *arg)
{
    struct dns_socket *at = arg;
    unsigned n = 0;

    (void)revents;
    while (n++ < AT_ONCE &&
           (at->stream ? gn__dns_accept(at->server, sock) : datagram_take(at)))
        continue;
}

/* ---- life ---- */

static void socket_free(struct dns_socket *at)
{
    gn_sock_close(at->sock);
    gn_sock_unref(at->sock);
    gn__list_del(&at->of_server);
    gn__free(at->server->mem, at, sizeof(*at));
}

static void server_free(struct gn__dns_server *server)
{
    struct gn__engine *engine = server->engine;

    gn__free(server->mem, server, sizeof(*server));
    gn__engine_unref(engine);
}

void gn__dns_release(struct gn__dns_server *server)
{
    if (--server->n_requests == 0 && server->closing)
        server_free(server);
}

/* Lookups that are under way end by themselves, and free their requests. */
static void server_end(struct gn__io_end *end)
{
    struct gn__dns_server *server =
        gn__container_of(end, struct gn__dns_server, end);
    struct gn__list *it, *tmp;

    server->closing = true;
    gn__dns_conns_end(server);
    gn__list_foreach_safe (it, tmp, &server->sockets) {
        socket_free(gn__container_of(it, struct dns_socket, of_server));
    }
    if (!server->n_requests)
        server_free(server);
}

static int socket_open(struct gn__dns_server *server,
                       const struct gn__addr *addr, int type,
                       struct gn_sock **out)
{
    struct gn__endpoint at = {.addr = *addr, .port = GN__DNS_PORT};
    struct sockaddr_storage ss;
    socklen_t len = gn__endpoint_to_sockaddr(
        &at, gn__addr_family(addr), (struct sockaddr *)&ss, sizeof(ss));
    struct gn_sock *sock;
    int err;

    err = gn_sock_open(gn_network_gateway(server->net), gn__addr_family(addr),
                       type | SOCK_NONBLOCK, 0, &sock);
    if (err)
        return err;
    err = gn_sock_bind(sock, (struct sockaddr *)&ss, len);
    if (!err && type == SOCK_STREAM)
        err = gn_sock_listen(sock, (int)GN__DNS_CONNS_MAX);
    if (!err) {
        *out = sock;
        return 0;
    }
    gn_sock_close(sock);
    gn_sock_unref(sock);
    return err;
}

static int socket_make(struct gn__dns_server *server,
                       const struct gn__addr *addr, int type)
{
    struct dns_socket *at = gn__zalloc(server->mem, sizeof(*at));
    int err;

    if (!at)
        return -ENOMEM;
    err = socket_open(server, addr, type, &at->sock);
    if (err) {
        gn__free(server->mem, at, sizeof(*at));
        return err;
    }
    at->server = server;
    at->stream = type == SOCK_STREAM;
    gn__list_add_tail(&server->sockets, &at->of_server);
    err = gn_sock_watch(at->sock, POLLIN, socket_ready, at);
    if (err)
        socket_free(at);
    return err;
}

/* Where the host program has a socket, it serves itself. */
static int sockets_make(struct gn__dns_server *server)
{
    struct gn__addr addr;
    size_t i;
    int err = 0;

    for (i = 0; gn__network_gateway_addr(server->net, i, &addr); i++) {
        err = socket_make(server, &addr, SOCK_DGRAM);
        if (!err)
            err = socket_make(server, &addr, SOCK_STREAM);
        if (err && err != -EADDRINUSE)
            return err;
    }
    return 0;
}

int gn__dns_start(struct gn_network *net)
{
    struct gn__io *io = gn__network_io(net);
    struct gn__dns_server *server;
    int err;

    server = io ? gn__zalloc(io->mem, sizeof(*server)) : NULL;
    if (!server)
        return gn__network_is_closing(net) ? -ECANCELED : -ENOMEM;
    server->net = net;
    server->io = io;
    server->mem = &gn__network_engine(net)->net.mem;
    server->engine = gn__network_engine(net);
    gn__engine_ref(server->engine);
    server->end.run = server_end;
    gn__list_init(&server->sockets);
    gn__list_init(&server->conns);
    gn__list_init(&server->requests);
    err = sockets_make(server);
    if (err || gn__list_empty(&server->sockets))
        server_end(&server->end);
    else
        gn__io_at_end(io, &server->end);
    return err;
}
