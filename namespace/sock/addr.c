/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Addresses as calls are given them: what may be bound to, what may be sent
 * to. The order of the checks is that of Linux' inet_bind(), inet6_bind(),
 * tcp_v4_connect() and tcp_v6_connect().
 */
#include <errno.h>
#include <string.h>

#include "namespace/internal.h"
#include "namespace/sock/bind.h"

/* AF_UNSPEC with the wildcard is taken for AF_INET, by old custom. */
static int parse_v4(const struct sockaddr *addr, socklen_t len,
                    struct gn__endpoint *out)
{
    struct sockaddr_in sin;

    if (len < sizeof(sin))
        return -EINVAL;
    memcpy(&sin, addr, sizeof(sin));
    if (sin.sin_family == AF_UNSPEC && sin.sin_addr.s_addr == INADDR_ANY)
        sin.sin_family = AF_INET;
    return gn__endpoint_from_sockaddr((const struct sockaddr *)&sin,
                                      sizeof(sin), AF_INET, out);
}

static int may_bind_v4(struct gn_namespace *ns, const struct gn__addr *addr)
{
    if (gn__addr_is_any(addr) || gn__ns_is_local(ns, addr) ||
        gn__ns_is_for_many(ns, addr))
        return 0;
    return -EADDRNOTAVAIL;
}

/* Whose a link-local address is must be said; by which bound_if is set, also if
 * it cannot be bound to, as on Linux. What is good beyond a link may be another
 * interface's. */
static int bind_scope(struct gn_sock *sock, const struct gn__endpoint *want)
{
    bool needs = gn__addr_needs_scope(&want->addr);
    struct gn__iface *iface;

    if (needs && want->scope)
        sock->bound_if = want->scope;
    if (!sock->bound_if)
        return needs ? -EINVAL : 0;
    iface = gn__ns_iface_by_index(sock->ns, sock->bound_if);
    if (!iface)
        return -ENODEV;
    if (!needs && !gn__addr_is_loopback(&want->addr))
        return 0;
    return gn__addr_is_multicast(&want->addr) ||
                   gn__ns_iface_of(sock->ns, &want->addr) == iface
               ? 0
               : -EADDRNOTAVAIL;
}

static int may_bind_v6(struct gn_sock *sock, const struct gn__endpoint *want)
{
    int err;

    if (gn__addr_is_v4(&want->addr))
        return sock->opt.v6only ? -EINVAL : may_bind_v4(sock->ns, &want->addr);
    if (gn__addr_is_any(&want->addr))
        return 0;
    err = bind_scope(sock, want);
    if (err || gn__addr_is_multicast(&want->addr))
        return err;
    return gn__ns_is_local(sock->ns, &want->addr) ? 0 : -EADDRNOTAVAIL;
}

static int check_bind(struct gn_sock *sock, const struct sockaddr *addr,
                      socklen_t len, bool busy, struct gn__endpoint *want)
{
    int err;

    if (sock->family == AF_INET) {
        err = parse_v4(addr, len, want);
        if (!err)
            err = may_bind_v4(sock->ns, &want->addr);
        return err ? err : busy || sock->binding ? -EINVAL : 0;
    }
    err = gn__endpoint_from_sockaddr(addr, len, AF_INET6, want);
    if (err)
        return err;
    if (busy || sock->binding ||
        (sock->type == SOCK_STREAM && !gn__addr_is_v4(&want->addr) &&
         gn__addr_is_multicast(&want->addr)))
        return -EINVAL;
    return may_bind_v6(sock, want);
}

void gn__bind_iface(struct gn_sock *sock, unsigned iface)
{
    sock->bound_if = iface;
    if (sock->binding)
        sock->binding->iface = iface;
}

void gn__sock_forget_addr(struct gn_sock *sock)
{
    sock->local.addr = gn__addr_any(sock->family);
    sock->local.scope = 0;
}

int gn__bind_call(struct gn_sock *sock, const struct sockaddr *addr,
                  socklen_t len, bool busy)
{
    struct gn__endpoint want;
    bool v4_of_v6;
    int err = check_bind(sock, addr, len, busy, &want);

    if (!err)
        err = gn__bind_sock(sock, &want.addr, want.port);
    if (err) {
        if (err == -EADDRINUSE) /* Linux has overwritten it by then. */
            gn__sock_forget_addr(sock);
        return err;
    }
    if (sock->family == AF_INET)
        sock->routed = false;
    v4_of_v6 = sock->family == AF_INET6 && gn__addr_is_v4(&want.addr);
    sock->addr_locked = v4_of_v6 || !gn__addr_is_any(&want.addr);
    sock->addr_of_many = !v4_of_v6 && gn__ns_is_for_many(sock->ns, &want.addr);
    sock->many_source = gn__addr_any(gn__addr_family(&want.addr));
    if (sock->addr_locked && !gn__addr_is_v4(&want.addr))
        sock->opt.v6only = true; /* It can have no IPv4 peer any more. */
    sock->port_locked = want.port != 0;
    if (sock->type != SOCK_DGRAM || !sock->port_locked)
        return 0;
    err = sock->ns->observer->bound(sock);
    if (!err)
        return 0;
    gn__bind_release(sock);
    sock->local = (struct gn__endpoint){.addr = gn__addr_any(sock->family)};
    sock->addr_locked = false;
    sock->addr_of_many = false;
    sock->port_locked = false;
    return err;
}

/* "Any" is the own host: of IPv4 the address bound to, else loopback. That of
 * IPv6 stands for IPv4's loopback if the socket is bound to IPv4. */
static struct gn__addr own_host(const struct gn_sock *sock, bool v4)
{
    const struct gn__addr *local = &sock->local.addr;

    if (!v4 && !gn__addr_is_v4(local))
        return gn__addr_loopback(AF_INET6);
    if (v4 && gn__addr_is_v4(local) && gn__ns_is_local(sock->ns, local))
        return *local;
    return gn__addr_loopback(AF_INET);
}

int gn__dest_parse(const struct gn_sock *sock, const struct sockaddr *addr,
                   socklen_t len, struct gn__endpoint *out)
{
    int err = gn__endpoint_from_sockaddr(addr, len, sock->family, out);

    if (err)
        return err;
    if (gn__addr_is_any(&out->addr))
        out->addr = own_host(sock, gn__addr_is_v4(&out->addr));
    if (gn__addr_is_v4(&out->addr) && sock->opt.v6only)
        return -ENETUNREACH;
    if (!gn__addr_needs_scope(&out->addr))
        return 0;
    if (out->scope == 0)
        out->scope = sock->bound_if;
    return sock->bound_if && sock->bound_if != out->scope ? -EINVAL : 0;
}

int gn__dest_connect(struct gn_sock *sock, const struct sockaddr *addr,
                     socklen_t len, struct gn__endpoint *out)
{
    int err = gn__dest_parse(sock, addr, len, out);
    bool group = gn__addr_is_multicast(&out->addr);

    if (err || !gn__addr_needs_scope(&out->addr))
        return err;
    if (group && sock->type == SOCK_STREAM)
        return -ENETUNREACH;
    if (!out->scope && group)
        out->scope = sock->opt.mcast_iface6;
    if (!out->scope)
        return -EINVAL;
    gn__bind_iface(sock, out->scope); /* Linux keeps it also if this fails. */
    return 0;
}

uint32_t gn__sock_scope_of(const struct gn_sock *sock,
                           const struct gn__addr *own)
{
    const struct gn__iface *iface = NULL;

    if (gn__addr_needs_scope(own))
        iface = gn__ns_iface_of(sock->ns, own);
    return iface ? iface->index : 0;
}

struct gn__addr gn__source_to(const struct gn_sock *sock,
                              const struct gn__addr *dst)
{
    struct gn__addr source = gn__source_of(sock);

    if (gn__addr_is_v4(dst) && !gn__addr_is_v4(&source) && !sock->addr_locked)
        source = gn__addr_any(AF_INET6);
    if (gn__addr_is_any(&source) && gn__addr_is_v4(dst) &&
        gn__addr_is_multicast(dst))
        return sock->opt.mcast_source;
    return source;
}

unsigned gn__iface_to(const struct gn_sock *sock, const struct gn__endpoint *to)
{
    if (to->scope)
        return to->scope;
    if (sock->bound_if || !gn__addr_is_multicast(&to->addr))
        return sock->bound_if;
    return gn__addr_is_v4(&to->addr) ? sock->opt.mcast_iface
                                     : sock->opt.mcast_iface6;
}

int gn__sock_route(const struct gn_sock *sock,
                   const struct gn__endpoint *remote, struct gn__way *out)
{
    struct gn__addr source = gn__source_to(sock, &remote->addr);

    return gn__ns_route(sock->ns, &remote->addr, &source,
                        gn__iface_to(sock, remote), out);
}

struct gn__addr gn__source_of(const struct gn_sock *sock)
{
    const struct gn__addr *addr = &sock->local.addr;

    return sock->addr_of_many ? sock->many_source : *addr;
}
