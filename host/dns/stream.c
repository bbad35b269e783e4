/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * DNS over TCP (RFC 7766): a connection stays for as many questions as the
 * client likes, since C libraries ask for both versions of an address by one;
 * answers come as they are found. One that is idle, or does not read, ends.
 */
#include "base/units.h"
#include "host/dns/dns.h"

#include <errno.h>
#include <string.h>

#include <guestnet/socket.h>

#define IDLE_NS    (20 * GN__NS_PER_S)
#define PREFIX_LEN 2u
/** Bytes of answers in a socket: it is the gateway's, whose memory is for
 *  all. */
#define SNDBUF  (16 * 1024)
#define OUT_MAX (2u * (GN__DNS_ANSWER_MAX + PREFIX_LEN))

struct gn__dns_conn {
    struct gn__list of_server;
    struct gn__dns_server *server;
    struct gn_namespace *ns;  /* whose it is; a reference */
    struct gn_sock *sock;     /* owned */
    struct gn__list requests; /* struct gn__dns_request.of_conn */
    struct gn__io_timer idle;
    struct gn__dns_from from;
    uint8_t in[PREFIX_LEN + GN__DNS_QUERY_MAX];
    size_t in_len;
    uint8_t *out; /* what the socket has not taken; NULL: nothing */
    size_t out_len;
    bool over; /* it ends when this turn is done */
    bool busy; /* its turn runs */
};

static void conn_ready(struct gn_sock *sock, short revents, void *arg);
static void conn_take_all(struct gn__dns_conn *conn);

static void conn_free(struct gn__dns_conn *conn)
{
    struct gn__dns_server *server = conn->server;
    struct gn__list *node;

    while ((node = gn__list_pop(&conn->requests)))
        gn__dns_request_cancel(
            gn__container_of(node, struct gn__dns_request, of_conn));
    gn__io_stop(server->io, &conn->idle);
    gn_sock_close(conn->sock);
    gn_sock_unref(conn->sock);
    gn__ns_unref(conn->ns);
    gn__free(server->mem, conn->out, OUT_MAX);
    gn__list_del(&conn->of_server);
    server->n_conns--;
    gn__free(server->mem, conn, sizeof(*conn));
}

static void conn_fail(struct gn__dns_conn *conn)
{
    conn->over = true;
    if (!conn->busy)
        conn_free(conn);
}

static void conn_idle(struct gn__io_timer *timer)
{
    conn_fail(gn__container_of(timer, struct gn__dns_conn, idle));
}

static void conn_watch(struct gn__dns_conn *conn)
{
    /* It reads before it asks more. */
    short events = conn->out_len ? POLLOUT : POLLIN;

    if (gn_sock_watch(conn->sock, events, conn_ready, conn))
        conn->over = true;
}

/* ---- writing ---- */

static void conn_flush(struct gn__dns_conn *conn)
{
    ssize_t n = gn_sock_send(conn->sock, conn->out, conn->out_len,
                             MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0 && n != -EAGAIN) {
        conn_fail(conn);
        return;
    }
    if (n > 0) {
        conn->out_len -= (size_t)n;
        memmove(conn->out, conn->out + n, conn->out_len);
    }
}

void gn__dns_conn_send(struct gn__dns_conn *conn, const uint8_t *msg,
                       size_t len)
{
    bool outer;

    if (!conn->out)
        conn->out = gn__alloc(conn->server->mem, OUT_MAX);
    if (!conn->out || conn->out_len + PREFIX_LEN + len > OUT_MAX) {
        conn_fail(conn);
        return;
    }
    conn->out[conn->out_len] = (uint8_t)(len >> 8);
    conn->out[conn->out_len + 1] = (uint8_t)len;
    memcpy(conn->out + conn->out_len + PREFIX_LEN, msg, len);
    conn->out_len += PREFIX_LEN + len;
    outer = conn->busy;
    conn->busy = true;
    conn_flush(conn);
    if (!outer)
        conn_take_all(conn);
    conn_watch(conn);
    conn->busy = outer;
    if (conn->over && !outer)
        conn_free(conn);
}

/* ---- reading ---- */

void gn__dns_conn_add(struct gn__dns_conn *conn,
                      struct gn__dns_request *request)
{
    gn__list_add_tail(&conn->requests, &request->of_conn);
}

/* The first message, if it is whole; false: it is not, or not one. */
static bool conn_take(struct gn__dns_conn *conn)
{
    size_t len = conn->in_len < PREFIX_LEN
                     ? 0
                     : (size_t)(conn->in[0] << 8 | conn->in[1]);
    uint8_t msg[GN__DNS_QUERY_MAX];
    struct gn__dns_request *request;

    if (!conn->over && len > GN__DNS_QUERY_MAX) {
        gn__dns_count(conn->ns, GN_DROP_MALFORMED);
        conn->over = true;
    }
    if (conn->over || conn->in_len < PREFIX_LEN ||
        conn->in_len - PREFIX_LEN < len)
        return false;
    memcpy(msg, conn->in + PREFIX_LEN, len);
    conn->in_len -= PREFIX_LEN + len;
    memmove(conn->in, conn->in + PREFIX_LEN + len, conn->in_len);
    request = gn__dns_ask(conn->server, &conn->from, msg, len);
    if (request)
        gn__dns_conn_add(conn, request);
    return true;
}

/* All that are whole, unless the client has answers to read first: conn_take()
 * goes on here when it has taken them. */
static void conn_take_all(struct gn__dns_conn *conn)
{
    while (!conn->out_len && conn_take(conn))
        continue;
}

static void conn_read(struct gn__dns_conn *conn)
{
    ssize_t n = gn_sock_recv(conn->sock, conn->in + conn->in_len,
                             sizeof(conn->in) - conn->in_len, MSG_DONTWAIT);

    if (n == -EAGAIN)
        return;
    if (n <= 0) {
        conn->over = true;
        return;
    }
    conn->in_len += (size_t)n;
    gn__io_start(conn->server->io, &conn->idle,
                 gn__io_now(conn->server->io) + IDLE_NS);
}

static void conn_ready(struct gn_sock *sock, short revents, void *arg)
{
    struct gn__dns_conn *conn = arg;

    (void)sock;
    conn->busy = true;
    if (conn->out_len)
        conn_flush(conn);
    else if (revents & (POLLIN | POLLHUP | POLLERR))
        conn_read(conn);
    if (!conn->over)
        conn_take_all(conn);
    if (!conn->over)
        conn_watch(conn);
    conn->busy = false;
    if (conn->over)
        conn_free(conn);
}

/* ---- clients ---- */

static bool has_room(const struct gn__dns_server *server,
                     const struct gn_namespace *ns)
{
    struct gn__list *it;
    unsigned n = 0;

    gn__list_foreach (it, &server->conns) {
        n += gn__container_of(it, struct gn__dns_conn, of_server)->ns == ns;
    }
    return n < GN__DNS_CONNS_EACH && server->n_conns < GN__DNS_CONNS_MAX;
}

/* @ns and @sock are consumed on success. */
static struct gn__dns_conn *conn_make(struct gn__dns_server *server,
                                      struct gn_sock *sock,
                                      const struct gn__dns_from *from,
                                      struct gn_namespace *ns)
{
    bool room = has_room(server, ns);
    struct gn__dns_conn *conn =
        room ? gn__zalloc(server->mem, sizeof(*conn)) : NULL;

    if (!conn) {
        gn__dns_count(ns, room ? GN_DROP_MEMORY : GN_DROP_CONNECTIONS);
        return NULL;
    }
    conn->server = server;
    conn->ns = ns;
    conn->sock = sock;
    conn->from = *from;
    conn->from.conn = conn;
    conn->idle.fire = conn_idle;
    gn__list_init(&conn->requests);
    gn__list_add_tail(&server->conns, &conn->of_server);
    server->n_conns++;
    return conn;
}

static int bound_memory(struct gn_sock *sock)
{
    const int size = SNDBUF;

    return gn_sock_setopt(sock, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

bool gn__dns_accept(struct gn__dns_server *server, struct gn_sock *listener)
{
    struct gn__dns_from from = {.addr_len = sizeof(from.addr)};
    struct gn__dns_conn *conn;
    struct gn_namespace *ns;
    struct gn_sock *sock;

    if (gn_sock_accept(listener, (struct sockaddr *)&from.addr, &from.addr_len,
                       SOCK_NONBLOCK, &sock))
        return false;
    ns = gn__dns_asker(server, &from);
    conn =
        ns && !bound_memory(sock) ? conn_make(server, sock, &from, ns) : NULL;
    if (!conn) {
        if (ns)
            gn__ns_unref(ns);
        gn_sock_close(sock);
        gn_sock_unref(sock);
        return true;
    }
    gn__io_start(server->io, &conn->idle, gn__io_now(server->io) + IDLE_NS);
    conn_watch(conn);
    return true;
}

void gn__dns_conns_end(struct gn__dns_server *server)
{
    struct gn__list *it, *tmp;

    gn__list_foreach_safe (it, tmp, &server->conns) {
        conn_free(gn__container_of(it, struct gn__dns_conn, of_server));
    }
}
