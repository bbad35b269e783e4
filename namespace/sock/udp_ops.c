/* SPDX-License-Identifier: BSD-3-Clause */

/* Datagram sockets: binding, connecting, readiness; ip4_datagram_connect(),
 * __udp_disconnect() and datagram_poll() of Linux. */
#include <errno.h>

#include "namespace/internal.h"
#include "namespace/sock/bind.h"
#include "namespace/sock/udp.h"

static void udp_init(struct gn_sock *sock)
{
    struct gn__udp_sock *udp = gn__udp_of(sock);

    sock->type = SOCK_DGRAM;
    sock->protocol = IPPROTO_UDP;
    udp->tail = &udp->head;
}

static void udp_end(struct gn_sock *sock, enum gn__sock_end how)
{
    (void)how;
    gn__udp_changed(gn__udp_of(sock));
    gn__udp_flush(gn__udp_of(sock));
    gn__udp_uncork(gn__udp_of(sock));
}

static int bind_to(struct gn_sock *sock, const struct sockaddr *addr,
                   socklen_t len)
{
    struct gn__udp_sock *udp = gn__udp_of(sock);
    int err = gn__bind_call(sock, addr, len, udp->connected);

    if (!err)
        gn__udp_hear(udp);
    return err;
}

static int no_listen(struct gn_sock *sock, uint32_t backlog)
{
    (void)sock;
    (void)backlog;
    return -EOPNOTSUPP;
}

static int no_accept(struct gn_sock *sock, struct gn_sock **out)
{
    (void)sock;
    (void)out;
    return -EOPNOTSUPP;
}

/* ---- connect ---- */

static int udp_disconnect(struct gn__udp_sock *udp)
{
    struct gn_sock *sock = &udp->sock;

    udp->connected = false;
    sock->routed = false;
    gn__bind_iface(sock, 0);
    sock->local.scope = 0;
    sock->remote = (struct gn__endpoint){.addr = gn__addr_any(sock->family)};
    if (!sock->addr_locked) {
        gn__sock_forget_addr(sock);
        gn__bind_narrow(sock, &sock->local.addr);
    }
    if (!sock->port_locked) {
        gn__bind_release(sock);
        sock->local.port = 0;
    }
    gn__udp_hear(udp);
    return 0;
}

static int route_to(struct gn_sock *sock, const struct gn__endpoint *remote,
                    struct gn__way *way)
{
    int err = gn__sock_route(sock, remote, way);

    if (!err && way->broadcast && !sock->opt.broadcast)
        return -EACCES;
    return err;
}

/* An IPv6 socket takes an IPv4 address, too: ip6_datagram_connect(). */
static int parse_peer(struct gn_sock *sock, const struct sockaddr *addr,
                      socklen_t len, struct gn__endpoint *out)
{
    if (sock->family != AF_INET6 || addr->sa_family != AF_INET)
        return gn__dest_connect(sock, addr, len, out);
    if (sock->opt.v6only)
        return -EAFNOSUPPORT;
    return gn__endpoint_from_sockaddr(addr, len, AF_INET, out);
}

/* What connect() has chosen stays the source, also of later peers. */
static void keep_source(struct gn_sock *sock, const struct gn__addr *source)
{
    if (gn__addr_is_any(&sock->local.addr)) {
        sock->local.addr = *source;
        sock->local.scope = gn__sock_scope_of(sock, source);
        gn__bind_narrow(sock, source);
    } else if (sock->addr_of_many && gn__addr_is_any(&sock->many_source) &&
               gn__addr_is_v4(source) == gn__addr_is_v4(&sock->local.addr)) {
        sock->many_source = *source;
    }
}

static int connect_to(struct gn_sock *sock, const struct sockaddr *addr,
                      socklen_t len)
{
    struct gn__udp_sock *udp = gn__udp_of(sock);
    struct gn__endpoint remote;
    struct gn__way way;
    int err;

    if (len < sizeof(addr->sa_family))
        return -EINVAL;
    if (addr->sa_family == AF_UNSPEC)
        return udp_disconnect(udp);
    err = gn__udp_autobind(udp);
    if (!err)
        err = parse_peer(sock, addr, len, &remote);
    if (!err && gn__addr_is_v4(&remote.addr))
        sock->routed = false; /* For IPv4 also if there is no way. */
    if (!err)
        err = route_to(sock, &remote, &way);
    if (err)
        return err;
    keep_source(sock, &way.source);
    sock->remote = remote;
    sock->routed = true;
    udp->connected = true;
    gn__udp_recork(udp);
    gn__udp_hear(udp);
    return 0;
}

static int udp_connected(struct gn_sock *sock)
{
    (void)sock;
    return 0;
}

/* ---- the rest ---- */

static int udp_shut(struct gn_sock *sock, unsigned how)
{
    sock->shut |= (uint8_t)how;
    gn__udp_changed(gn__udp_of(sock));
    return gn__udp_of(sock)->connected ? 0 : -ENOTCONN;
}

static int udp_peer(struct gn_sock *sock)
{
    return gn__udp_of(sock)->connected && sock->remote.port ? 0 : -ENOTCONN;
}

static ssize_t udp_available(struct gn_sock *sock)
{
    ssize_t first = gn__udp_first(gn__udp_of(sock));

    return first > 0 ? first : 0;
}

static ssize_t udp_unsent(struct gn_sock *sock)
{
    const struct gn__udp_sock *udp = gn__udp_of(sock);

    return (ssize_t)(gn__udp_gathered(udp) + udp->sending);
}

static short udp_ready(struct gn_sock *sock)
{
    short mask = 0;

    if (gn__udp_is_writable(gn__udp_of(sock)))
        mask |= POLLOUT | POLLWRNORM | POLLWRBAND;
    if (sock->err)
        mask |= POLLERR;
    if (sock->shut & GN__SHUT_RECV)
        mask |= POLLRDHUP | POLLIN | POLLRDNORM;
    if (sock->shut == GN__SHUT_BOTH)
        mask |= POLLHUP;
    if (gn__udp_of(sock)->head)
        mask |= POLLIN | POLLRDNORM;
    return mask;
}

static void udp_options(struct gn_sock *sock)
{
    gn__udp_changed(gn__udp_of(sock)); /* The others are read when used. */
}

static void iface_gone(struct gn_sock *sock, struct gn__iface *iface)
{
    if (gn__ns_iface_of(sock->ns, &sock->local.addr) != iface)
        return;
    sock->err = -ENETDOWN;
    gn__udp_changed(gn__udp_of(sock));
    gn__sock_touch(sock);
}

const struct gn__sock_ops gn__sock_udp = {
    .name = "udp",
    .size = sizeof(struct gn__udp_sock),
    .init = udp_init,
    .end = udp_end,
    .bind = bind_to,
    .listen = no_listen,
    .connect = connect_to,
    .connected = udp_connected,
    .accept = no_accept,
    .prepare = gn__udp_prepare,
    .send = gn__udp_send,
    .recv = gn__udp_recv,
    .shutdown = udp_shut,
    .peer = udp_peer,
    .available = udp_available,
    .unsent = udp_unsent,
    .ready = udp_ready,
    .options = udp_options,
    .iface_gone = iface_gone,
};
