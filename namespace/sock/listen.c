/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Listening streams, and which of them a connection request reaches: the one
 * whose address says most.
 */
#include <errno.h>

#include "namespace/internal.h"
#include "namespace/sock/bind.h"
#include "namespace/sock/tcp.h"

int gn__tcp_sock_listen(struct gn_sock *sock, uint32_t backlog)
{
    struct gn__tcp_params params = gn__tcp_params_of(sock, &sock->remote.addr);
    struct gn__tcp_sock *tcp = gn__tcp_of(sock);
    bool had_port = sock->binding != NULL;
    int err = 0;

    gn__tcp_look(tcp);
    if (tcp->phase != GN__PHASE_UNCONNECTED)
        return -EINVAL;
    if (tcp->listener) {
        tcp->backlog = backlog;
        gn__tcp_listener_set(tcp->listener, backlog, &params);
        return 0;
    }
    if (gn__tcp_state_of(tcp) != GN__TCP_CLOSE)
        return -EINVAL;
    if (!had_port) {
        tcp->bound = sock->local.addr;
        err = gn__bind_sock(sock, &sock->local.addr, 0);
    }
    if (!err)
        err = gn__bind_listen(sock);
    if (!err)
        err = gn__tcp_listen(&sock->ns->stack, &params, backlog, sock,
                             &tcp->listener);
    if (!err && sock->port_locked)
        err = sock->ns->observer->bound(sock);
    if (err) {
        if (tcp->listener)
            gn__tcp_unlisten(tcp->listener);
        tcp->listener = NULL;
        gn__bind_unlisten(sock);
        if (!had_port)
            gn__bind_release(sock);
        return err;
    }
    tcp->backlog = backlog;
    sock->routed = false;
    return 0;
}

void gn__tcp_sock_unlisten(struct gn__tcp_sock *tcp, bool silent)
{
    struct gn__conn *conn;

    while (silent && (conn = gn__tcp_accept(tcp->listener, NULL)))
        gn__tcp_vanish(conn);
    gn__tcp_unlisten(tcp->listener);
    tcp->listener = NULL;
    gn__bind_unlisten(&tcp->sock);
}

/* ---- accept ---- */

/* The child holds the port by itself, so that it outlives the listener. */
static void hold_port(struct gn_sock *sock, struct gn_sock *child,
                      struct gn__conn *conn)
{
    struct gn__binding *b = gn__bind_share(child, &child->local, false);

    if (!b) /* No memory: then by the listener's binding. */
        b = gn__binding_ref(sock->binding);
    gn__tcp_bind(conn, b);
    gn__tcp_of(child)->held = b;
}

static void listener_adopt(struct gn_sock *sock, struct gn_sock *child,
                           struct gn__conn *conn)
{
    struct gn__tcp_sock *tcp = gn__tcp_of(child);

    child->opt = sock->opt;
    child->opt.priority = 0; /* All but these are inherited. */
    child->opt.tcp.defer_s = 0;
    child->local = *gn__tcp_local(conn);
    child->remote = *gn__tcp_remote(conn);
    if (!child->remote.scope && gn__addr_needs_scope(&child->remote.addr))
        child->remote.scope = gn__sock_scope_of(child, &child->local.addr);
    child->bound_if = child->remote.scope;
    child->addr_locked = sock->addr_locked;
    child->routed = true;
    tcp->conn = conn;
    tcp->phase = GN__PHASE_CONNECTED;
    tcp->bound = child->local.addr;
    hold_port(sock, child, conn);
    atomic_store_explicit(&child->room, (uint32_t)gn__tcp_space(conn),
                          memory_order_relaxed);
}

int gn__tcp_sock_accept(struct gn_sock *sock, struct gn_sock **out)
{
    struct gn__tcp_sock *tcp = gn__tcp_of(sock);
    struct gn__conn *conn;
    struct gn_sock *child;
    int err;

    if (!tcp->listener)
        return -EINVAL;
    if (sock->err == -ENETDOWN) /* Others are not accept(2)'s to say. */
        return gn__sock_take_error(sock);
    if (!gn__tcp_acceptable(tcp->listener))
        return -EAGAIN;
    err = gn__sock_create(sock->ns, sock->ops, sock->family, &child);
    if (err)
        return err;
    conn = gn__tcp_accept(tcp->listener, child);
    if (!conn) {
        gn__sock_discard(child);
        return -EAGAIN;
    }
    listener_adopt(sock, child, conn);
    *out = child;
    return 0;
}

/* ---- which listener gets a request ---- */

static unsigned listener_score(const struct gn__binding *b,
                               const struct gn__endpoint *local,
                               const struct gn__endpoint *remote,
                               unsigned iface)
{
    (void)remote;
    return b->listening ? gn__binding_score(b, &local->addr, iface) : 0;
}

struct gn__listener *gn__sock_listener(struct gn_namespace *ns,
                                       const struct gn__endpoint *local,
                                       const struct gn__endpoint *remote)
{
    struct gn__port_use *use = gn__port_find(ns, GN__PROTO_TCP, local->port);
    struct gn__binding *best = NULL;

    if (use)
        best = gn__binding_pick(ns, use, listener_score, local, remote,
                                local->scope);
    return best ? gn__tcp_of(best->sock)->listener : NULL;
}
