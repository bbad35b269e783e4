/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A socket's life, and the calls that never block.
 *
 * References are counted without the lock, as they are taken and given back by
 * threads that do nothing else; everything else about a socket is under the
 * engine's lock. A socket keeps the memory of its namespace and, through that,
 * the engine, so that a call on a socket of a network that is long gone still
 * finds a lock to take and an error to return.
 */
#include "namespace/sock/sock.h"

#include <errno.h>

#include "namespace/internal.h"
#include "namespace/namespace.h"
#include "namespace/sock/bind.h"
#include "namespace/sock/msg.h"
#include "namespace/sock/system.h"

int gn__sock_enter(struct gn_sock *sock)
{
    int dead;

    if (!sock)
        return -EFAULT;
    gn__engine_enter(sock->engine);
    dead = sock->dead;
    if (dead)
        gn__sock_leave(sock);
    return dead;
}

void gn__sock_leave(struct gn_sock *sock)
{
    gn__engine_leave_for(sock->engine, sock->account);
}

static void default_options(struct gn_sock *sock)
{
    struct gn__sock_opt *opt = &sock->opt;

    gn__tcp_params_default(&opt->tcp);
    opt->tcp.ttl = 64;
    opt->hops6 = 64;
    opt->mcast_ttl = 1;
    opt->mcast_hops6 = 1;
    opt->mcast_loop = true;
    opt->mcast_loop6 = true;
    opt->mcast_all = sock->family == AF_INET; /* IPv6: none of IPv4. */
    opt->mcast_all6 = true;
    opt->quick_ack = true;
    opt->pmtu = 1; /* IP_PMTUDISC_WANT */
    opt->pmtu6 = 1;
    opt->rcvlowat = 1;
    opt->sndbuf = sock->type == SOCK_STREAM ? 16384 : 212992;
    opt->rcvbuf = sock->type == SOCK_STREAM ? 131072 : 212992;
}

static int may_open(struct gn_namespace *ns)
{
    if (ns->killed || ns->closing)
        return -ECANCELED;
    if (ns->n_socks >= ns->guest.limits.max_sockets) {
        ns->guest.stats.sockets_refused++;
        gn__log(ns->guest.home, GN_LOG_WARN, GN__LOG_LIMITED,
                "guest %s: no more sockets: max_sockets is %u",
                gn__log_name(&ns->guest), ns->guest.limits.max_sockets);
        return -EMFILE;
    }
    return 0;
}

int gn__sock_create(struct gn_namespace *ns, const struct gn__sock_ops *ops,
                    int family, struct gn_sock **out)
{
    struct gn_sock *sock;
    int err = may_open(ns);

    if (err)
        return err;
    sock = gn__zalloc(&ns->engine->net.mem, ops->size);
    if (!sock)
        return -ENOMEM;
    sock->ops = ops;
    sock->engine = ns->engine;
    sock->holder = gn__engine_holder(ns->engine);
    sock->ns = ns;
    sock->family = family;
    gn__ref_init(&sock->refs, 1);
    atomic_init(&sock->n_by_waits, 0);
    atomic_init(&sock->room, 0);
    gn__list_init(&sock->changed);
    gn__list_init(&sock->waits);
    gn__list_init(&sock->fds);
    gn__list_init(&sock->groups);
    sock->local.addr = gn__addr_any(family);
    sock->remote.addr = gn__addr_any(family);
    ops->init(sock);
    default_options(sock);
    gn__ns_ref(ns);
    sock->account = gn__account_ref(ns->guest.account);
    ns->n_socks++;
    gn__list_add_tail(&ns->socks, &sock->of_ns);
    *out = sock;
    return 0;
}

static void unlink_sock(struct gn_sock *sock)
{
    gn__list_del(&sock->changed);
    gn__list_del(&sock->of_ns);
    sock->ns->n_socks--;
}

void gn__sock_discard(struct gn_sock *sock)
{
    struct gn_namespace *ns = sock->ns;

    unlink_sock(sock);
    gn__account_unref(sock->account);
    gn__free(&sock->engine->net.mem, sock, sock->ops->size);
    gn__ns_unref(ns);
}

void gn__sock_end(struct gn_sock *sock, int error, enum gn__sock_end how)
{
    if (sock->dead != -EBADF)
        sock->dead = error;
    sock->ended = true;
    gn__sock_groups_end(sock, NULL);
    gn__sock_hear(sock, 0);
    sock->ops->end(sock, how);
    gn__bind_release(sock);
    gn__sock_poll_end(sock);
    unlink_sock(sock);
}

void gn__sock_close(struct gn_sock *sock)
{
    sock->dead = -EBADF;
    sock->closed = true;
    if (!sock->ended)
        gn__sock_end(sock, -EBADF, GN__END_CLOSE);
    else
        gn__sock_poll_end(sock);
}

void gn__sock_end_all(struct gn_namespace *ns, int error, bool silent)
{
    struct gn__list *it;

    while ((it = gn__list_first(&ns->socks)))
        gn__sock_end(gn__container_of(it, struct gn_sock, of_ns), error,
                     silent ? GN__END_SILENT : GN__END_ABORT);
    while ((it = gn__list_pop(&ns->sleepers))) {
        struct gn__wait *wait = gn__container_of(it, struct gn__wait, link);

        wait->fire(wait);
    }
}

void gn__sock_iface_gone(struct gn_namespace *ns, struct gn__iface *iface)
{
    struct gn__list *it, *tmp;

    gn__list_foreach_safe (it, tmp, &ns->socks) {
        struct gn_sock *sock = gn__container_of(it, struct gn_sock, of_ns);

        gn__sock_groups_end(sock, iface);
        sock->ops->iface_gone(sock, iface);
    }
}

/* ---- open, references ---- */

static int pick_ops(int type, int protocol, const struct gn__sock_ops **out)
{
    switch (type) {
    case SOCK_STREAM:
        if (protocol != 0 && protocol != IPPROTO_TCP)
            return -EPROTONOSUPPORT;
        *out = &gn__sock_tcp;
        return 0;
    case SOCK_DGRAM:
        if (protocol != 0 && protocol != IPPROTO_UDP)
            return -EPROTONOSUPPORT;
        *out = &gn__sock_udp;
        return 0;
    default:
        return type <= 0 || type > SOCK_PACKET ? -EINVAL : -ESOCKTNOSUPPORT;
    }
}

int gn_sock_open(struct gn_namespace *ns, int family, int type, int protocol,
                 struct gn_sock **out)
{
    const int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
    const struct gn__sock_ops *ops;
    struct gn_sock *sock;
    int err;

    if (!ns || !out)
        return -EFAULT;
    if (family != AF_INET && family != AF_INET6)
        return -EAFNOSUPPORT;
    if (protocol < 0 || protocol > 255)
        return -EINVAL;
    err = pick_ops(type & ~flags, protocol, &ops);
    if (err)
        return err;
    if (ns->kernel)
        return gn__system_open(ns, family, type, protocol, out);
    if (ns->wire)
        return -EOPNOTSUPP;
    gn__engine_enter(ns->engine);
    err = gn__sock_create(ns, ops, family, &sock);
    if (!err) {
        sock->nonblock = type & SOCK_NONBLOCK;
        *out = sock;
    }
    gn__ns_leave(ns);
    return err;
}

struct gn_sock *gn_sock_ref(struct gn_sock *sock)
{
    if (sock)
        gn__ref_take(&sock->refs);
    return sock;
}

/* Without a reference left, inside the engine: nothing there may lead to it any
 * more. */
static void forget_sock(struct gn_sock *sock)
{
    if (!sock->closed)
        gn__sock_close(sock);
    gn__sock_fds_end(sock);
    gn__watch_end(sock);
    gn__list_del(&sock->changed);
}

void gn_sock_unref(struct gn_sock *sock)
{
    struct gn_namespace *ns;

    if (!sock || !gn__ref_give(&sock->refs))
        return;
    if (!sock->closed || sock->watch || !gn__list_empty(&sock->fds)) {
        gn__engine_enter(sock->engine);
        forget_sock(sock);
        gn__sock_leave(sock);
    }
    if (sock->ops->done)
        sock->ops->done(sock);
    ns = sock->ns;
    gn__account_unref(sock->account);
    gn__free(&sock->engine->net.mem, sock, sock->ops->size);
    gn__ns_unref(ns);
}

/* ---- calls that never block ---- */

int gn__sock_take_error(struct gn_sock *sock)
{
    int err = sock->err;

    sock->err = 0;
    return err;
}

void gn__sock_put_addr(const struct gn_sock *sock,
                       const struct gn__endpoint *from, struct sockaddr *addr,
                       socklen_t *len)
{
    *len = gn__endpoint_to_sockaddr(from, sock->family, addr, *len);
}

int gn_sock_bind(struct gn_sock *sock, const struct sockaddr *addr,
                 socklen_t len)
{
    int err;

    if (!addr)
        return -EFAULT;
    if (gn__sock_is_system(sock))
        return gn__system_bind(sock, addr, len);
    err = gn__sock_enter(sock);
    if (err)
        return err;
    err = gn__addr_len_ok(len) ? sock->ops->bind(sock, addr, len) : -EINVAL;
    gn__sock_leave(sock);
    return err;
}

int gn_sock_listen(struct gn_sock *sock, int backlog)
{
    uint32_t n = (uint32_t)backlog; /* below 0 is large, as on Linux */
    int err;

    if (gn__sock_is_system(sock))
        return gn__system_listen(sock, backlog);
    err = gn__sock_enter(sock);
    if (err)
        return err;
    err = sock->ops->listen(sock, n > GN__BACKLOG_MAX ? GN__BACKLOG_MAX : n);
    gn__sock_touch(sock);
    gn__sock_leave(sock);
    return err;
}

int gn_sock_shutdown(struct gn_sock *sock, int how)
{
    int err;

    if (!sock)
        return -EFAULT;
    if (gn__sock_is_system(sock))
        return gn__system_shutdown(sock, how);
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    err = gn__sock_enter(sock);
    if (err)
        return err;
    err = sock->ops->shutdown(sock, (unsigned)how + 1); /* bits, as Linux */
    gn__sock_touch(sock);
    gn__sock_leave(sock);
    return err;
}

static int check_addr_out(const struct sockaddr *addr, const socklen_t *len)
{
    if (!len || (!addr && *len > 0))
        return -EFAULT;
    return (int)*len < 0 ? -EINVAL : 0;
}

int gn_sock_name(struct gn_sock *sock, struct sockaddr *addr, socklen_t *len)
{
    int err = check_addr_out(addr, len);

    if (err)
        return err;
    if (gn__sock_is_system(sock))
        return gn__system_name(sock, addr, len);
    err = gn__sock_enter(sock);
    if (err)
        return err;
    gn__sock_put_addr(sock, &sock->local, addr, len);
    gn__sock_leave(sock);
    return 0;
}

int gn_sock_peer(struct gn_sock *sock, struct sockaddr *addr, socklen_t *len)
{
    int err = check_addr_out(addr, len);

    if (err)
        return err;
    if (gn__sock_is_system(sock))
        return gn__system_peer(sock, addr, len);
    err = gn__sock_enter(sock);
    if (err)
        return err;
    err = sock->ops->peer(sock);
    if (!err)
        gn__sock_put_addr(sock, &sock->remote, addr, len);
    gn__sock_leave(sock);
    return err;
}

int gn_sock_set_nonblock(struct gn_sock *sock, bool on)
{
    int err;

    if (gn__sock_is_system(sock))
        return gn__system_set_nonblock(sock, on);
    err = gn__sock_enter(sock);
    if (err)
        return err;
    sock->nonblock = on;
    gn__sock_leave(sock);
    return 0;
}

int gn_sock_nonblock(struct gn_sock *sock)
{
    int result;

    if (gn__sock_is_system(sock))
        return gn__system_nonblock(sock);
    result = gn__sock_enter(sock);
    if (result)
        return result;
    result = sock->nonblock;
    gn__sock_leave(sock);
    return result;
}

ssize_t gn_sock_available(struct gn_sock *sock)
{
    ssize_t result;

    if (gn__sock_is_system(sock))
        return gn__system_available(sock);
    result = gn__sock_enter(sock);
    if (result)
        return result;
    result = sock->ops->available(sock);
    gn__sock_leave(sock);
    return result;
}

ssize_t gn_sock_unsent(struct gn_sock *sock)
{
    ssize_t result;

    if (gn__sock_is_system(sock))
        return gn__system_unsent(sock);
    result = gn__sock_enter(sock);
    if (result)
        return result;
    result = sock->ops->unsent(sock);
    gn__sock_leave(sock);
    return result;
}
