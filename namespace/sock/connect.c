/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Connecting a stream: __inet_stream_connect() of Linux, with what it does to
 * the socket's addresses.
 *
 * An attempt that fails leaves its error for SO_ERROR or the next connect(),
 * whichever asks first; the socket can then be connected again, from the
 * address and port that bind() gave it, if any.
 */
#include <errno.h>

#include "namespace/internal.h"
#include "namespace/sock/bind.h"
#include "namespace/sock/tcp.h"

int gn__tcp_sock_bind(struct gn_sock *sock, const struct sockaddr *addr,
                      socklen_t len)
{
    struct gn__tcp_sock *tcp = gn__tcp_of(sock);
    int err;

    gn__tcp_look(tcp);
    err =
        gn__bind_call(sock, addr, len, gn__tcp_state_of(tcp) != GN__TCP_CLOSE);
    if (!err)
        tcp->bound = sock->local.addr;
    return err;
}

/* ---- beginning ---- */

/* Both endpoints, but for a local port that has to be picked. */
static int choose_way(struct gn__tcp_sock *tcp, struct gn__endpoint *local,
                      const struct gn__endpoint *remote)
{
    struct gn_sock *sock = &tcp->sock;
    struct gn__addr source = gn__source_of(sock);
    struct gn__way way;
    int err;

    if (!gn__addr_is_v4(&remote->addr) && gn__addr_is_multicast(&remote->addr))
        return -ENETUNREACH;
    err = gn__ns_route(sock->ns, &remote->addr, &source,
                       remote->scope ? remote->scope : sock->bound_if, &way);
    if (err)
        return err;
    if (gn__ns_is_for_many(sock->ns, &remote->addr))
        return -ENETUNREACH;
    if (tcp->tls_name &&
        !gn__outside_leaves(&way.iface->port, &way.next_hop, remote))
        return -EOPNOTSUPP;
    local->addr = way.source;
    local->scope = gn__sock_scope_of(sock, &way.source);
    local->port = sock->binding ? sock->local.port : 0;
    local->reserved = 0;
    return 0;
}

/* The port, and what holds it while the connection exists. */
static int choose_port(struct gn_sock *sock, struct gn__endpoint *local,
                       const struct gn__endpoint *remote,
                       struct gn__binding **out)
{
    int err = 0;

    if (sock->binding) {
        if (gn__tcp_tuple_use(&sock->ns->stack, local, remote) ==
            GN__TUPLE_USED)
            return -EADDRNOTAVAIL;
        *out = gn__binding_ref(sock->binding);
        return 0;
    }
    err = gn__port_dial(sock, local, remote);
    if (err)
        return err;
    *out = gn__bind_share(sock, local, true);
    return *out ? 0 : -ENOMEM;
}

static void count_refusal(struct gn_namespace *ns)
{
    if (ns->stack.n_conns >= ns->stack.max_conns)
        ns->guest.stats.connections_refused++;
    else
        gn__ns_refuse_buffer(ns);
}

static int open_conn(struct gn__tcp_sock *tcp, const struct gn__endpoint *local,
                     const struct gn__endpoint *remote,
                     struct gn__binding *binding)
{
    struct gn_sock *sock = &tcp->sock;
    struct gn__tcp_params params = gn__tcp_params_of(sock, &remote->addr);
    struct gn__conn *conn;
    int err =
        gn__tcp_connect(&sock->ns->stack, local, remote, &params, sock, &conn);

    if (err == -ENOBUFS)
        count_refusal(sock->ns);
    if (err)
        return err;
    gn__tcp_bind(conn, binding);
    tcp->held = binding;
    if (tcp->conn)
        gn__tcp_close(tcp->conn); /* What is left of an earlier one. */
    tcp->conn = conn;
    return 0;
}

static int connect_begin(struct gn__tcp_sock *tcp, const struct sockaddr *addr,
                         socklen_t len)
{
    struct gn_sock *sock = &tcp->sock;
    struct gn__endpoint local, remote;
    struct gn__binding *binding;
    int err = gn__dest_connect(sock, addr, len, &remote);

    if (!err)
        err = choose_way(tcp, &local, &remote);
    if (!err)
        err = choose_port(sock, &local, &remote, &binding);
    if (err)
        return err;
    err = open_conn(tcp, &local, &remote, binding);
    if (err) {
        gn__binding_unref(binding);
        return err;
    }
    gn__bind_narrow(sock, &local.addr);
    sock->local = local;
    sock->remote = remote;
    sock->err = 0;
    sock->routed = true;
    tcp->over = false;
    tcp->fin = false;
    tcp->phase = GN__PHASE_CONNECTING;
    return -EINPROGRESS;
}

void gn__tcp_sock_proxy(struct gn_sock *sock, struct gn__conn *conn)
{
    struct gn__tcp_sock *tcp = gn__tcp_of(sock);

    tcp->conn = conn;
    tcp->phase = GN__PHASE_CONNECTING;
    tcp->bound = gn__tcp_local(conn)->addr;
    sock->local = *gn__tcp_local(conn);
    sock->remote = *gn__tcp_remote(conn);
    sock->addr_locked = true;
    sock->port_locked = true;
    sock->routed = true;
}

/* ---- ending ---- */

static void forget_conn(struct gn__tcp_sock *tcp, enum gn__tcp_state state)
{
    switch (state) {
    case GN__TCP_ESTABLISHED:
    case GN__TCP_CLOSE_WAIT:
    case GN__TCP_FIN_WAIT1:
    case GN__TCP_FIN_WAIT2:
    case GN__TCP_SYN_RECV:
    case GN__TCP_SYN_SENT:
        tcp->sock.err = -ECONNRESET;
        break;
    default:
        break;
    }
    if (tcp->conn)
        gn__tcp_abort(tcp->conn);
    tcp->conn = NULL;
}

void gn__tcp_disconnect(struct gn__tcp_sock *tcp)
{
    struct gn_sock *sock = &tcp->sock;
    enum gn__tcp_state state = gn__tcp_state_of(tcp);

    if (tcp->listener)
        gn__tcp_sock_unlisten(tcp, false);
    forget_conn(tcp, state);
    if (!sock->port_locked && state != GN__TCP_CLOSE)
        gn__bind_release(sock);
    if (!sock->addr_locked)
        gn__sock_forget_addr(sock);
    gn__bind_narrow(sock, &tcp->bound);
    sock->remote.port = 0;
    sock->routed = false;
    sock->shut = 0;
    tcp->over = false;
    tcp->fin = false;
    tcp->phase = GN__PHASE_UNCONNECTED;
}

/* ---- the calls ---- */

int gn__tcp_sock_connected(struct gn_sock *sock)
{
    struct gn__tcp_sock *tcp = gn__tcp_of(sock);
    enum gn__tcp_state state;
    int err;

    gn__tcp_look(tcp);
    state = gn__tcp_state_of(tcp);
    if (state == GN__TCP_SYN_SENT || state == GN__TCP_SYN_RECV)
        return -EALREADY;
    if (state != GN__TCP_CLOSE) {
        tcp->phase = GN__PHASE_CONNECTED;
        return 0;
    }
    err = gn__sock_take_error(sock);
    gn__tcp_disconnect(tcp);
    return err ? err : -ECONNABORTED;
}

int gn__tcp_sock_connect(struct gn_sock *sock, const struct sockaddr *addr,
                         socklen_t len)
{
    struct gn__tcp_sock *tcp = gn__tcp_of(sock);

    gn__tcp_look(tcp);
    if (len < sizeof(addr->sa_family))
        return -EINVAL;
    if (addr->sa_family == AF_UNSPEC) {
        gn__tcp_disconnect(tcp);
        return 0;
    }
    switch (tcp->phase) {
    case GN__PHASE_CONNECTED:
        return -EISCONN;
    case GN__PHASE_CONNECTING:
        return gn__tcp_sock_connected(sock);
    case GN__PHASE_UNCONNECTED:
        if (gn__tcp_state_of(tcp) != GN__TCP_CLOSE)
            return -EISCONN;
        return connect_begin(tcp, addr, len);
    case GN__PHASE_DISCONNECTING:
    default:
        return -EINVAL;
    }
}
