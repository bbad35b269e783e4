/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Which multicast groups a socket is in, and whether it hears broadcasts.
 *
 * The interface counts who wants what (gn__iface_join(), _broadcast()), so
 * that the switch sends a group's packets only where somebody listens; here
 * is who it was. "Everybody" is kept as a group among the others.
 */
#include <errno.h>

#include "namespace/internal.h"
#include "namespace/sock.h"

struct membership {
    struct gn__list link; /* in sock->groups */
    struct gn__addr group;
    struct gn__iface *iface;
};

/* Where a group without an interface is heard: the first that is no loopback,
 * as the route to it would have it. */
static struct gn__iface *default_iface(struct gn_namespace *ns)
{
    struct gn__list *it;

    gn__list_foreach (it, &ns->ifaces) {
        struct gn__iface *iface = gn__container_of(it, struct gn__iface, of_ns);

        if (!iface->loopback)
            return iface;
    }
    return gn__ns_iface_by_index(ns, 1);
}

static struct membership *find(const struct gn_sock *sock,
                               const struct gn__addr *group,
                               const struct gn__iface *iface)
{
    struct gn__list *it;

    gn__list_foreach (it, &sock->groups) {
        struct membership *m = gn__container_of(it, struct membership, link);

        if (m->iface == iface && gn__addr_equal(&m->group, group))
            return m;
    }
    return NULL;
}

static void leave(struct gn_sock *sock, struct membership *m)
{
    if (gn__addr_is_broadcast(&m->group)) {
        (void)!gn__iface_broadcast(m->iface, false); /* Cannot fail. */
    } else {
        gn__iface_leave(m->iface, &m->group);
        sock->ns->n_memberships--;
    }
    gn__list_del(&m->link);
    gn__free(&sock->engine->net.mem, m, sizeof(*m));
}

static int join(struct gn_sock *sock, const struct gn__addr *group,
                struct gn__iface *iface)
{
    struct membership *m = gn__alloc(&sock->engine->net.mem, sizeof(*m));
    int err;

    if (!m)
        return -ENOMEM;
    err = gn__addr_is_broadcast(group) ? gn__iface_broadcast(iface, true)
                                       : gn__iface_join(iface, group);
    if (err) {
        gn__free(&sock->engine->net.mem, m, sizeof(*m));
        return err;
    }
    m->group = *group;
    m->iface = iface;
    gn__list_add_tail(&sock->groups, &m->link);
    return 0;
}

static int join_group(struct gn_sock *sock, const struct gn__addr *group,
                      struct gn__iface *iface)
{
    struct gn_namespace *ns = sock->ns;
    int err;

    if (ns->n_memberships >= ns->limits.max_groups)
        return -ENOBUFS;
    err = join(sock, group, iface);
    if (!err)
        ns->n_memberships++;
    return err;
}

int gn__sock_group(struct gn_sock *sock, const struct gn__addr *group,
                   unsigned index, bool joins)
{
    struct gn__iface *iface;
    struct membership *m;

    if (!gn__addr_is_multicast(group))
        return -EINVAL;
    iface = index ? gn__ns_iface_by_index(sock->ns, index)
                  : default_iface(sock->ns);
    if (!iface)
        return -ENODEV;
    m = find(sock, group, iface);
    if (joins)
        return m ? -EADDRINUSE : join_group(sock, group, iface);
    if (!m)
        return -EADDRNOTAVAIL;
    leave(sock, m);
    return 0;
}

bool gn__sock_in_group(const struct gn_sock *sock, const struct gn__addr *group,
                       unsigned index)
{
    struct gn__list *it;

    gn__list_foreach (it, &sock->groups) {
        struct membership *m = gn__container_of(it, struct membership, link);

        if (m->iface->index == index && gn__addr_equal(&m->group, group))
            return true;
    }
    return false;
}

void gn__sock_groups_end(struct gn_sock *sock, const struct gn__iface *iface)
{
    struct gn__list *it, *tmp;

    gn__list_foreach_safe (it, tmp, &sock->groups) {
        struct membership *m = gn__container_of(it, struct membership, link);

        if (!iface || m->iface == iface)
            leave(sock, m);
    }
}

static void stop_hearing(struct gn_sock *sock)
{
    struct gn__list *it, *tmp;

    gn__list_foreach_safe (it, tmp, &sock->groups) {
        struct membership *m = gn__container_of(it, struct membership, link);

        if (gn__addr_is_broadcast(&m->group))
            leave(sock, m);
    }
}

void gn__sock_hear(struct gn_sock *sock, bool broadcasts)
{
    const struct gn__addr everybody = gn__addr_from_v4(INADDR_BROADCAST);
    struct gn__list *it;

    if (sock->hears == broadcasts)
        return;
    sock->hears = broadcasts;
    if (!broadcasts) {
        stop_hearing(sock);
        return;
    }
    gn__list_foreach (it, &sock->ns->ifaces) {
        struct gn__iface *iface = gn__container_of(it, struct gn__iface, of_ns);

        /* Without memory it misses broadcasts, which may be lost anyway. */
        if (!iface->loopback)
            (void)!join(sock, &everybody, iface);
    }
}

/* All bits behind the prefix are 1. */
static bool is_last_of(const struct gn__port_addr *own, uint32_t v4)
{
    uint32_t host;

    if (!gn__addr_is_v4(&own->addr) || own->prefix_len >= 31)
        return false;
    host = UINT32_MAX >> own->prefix_len;
    return (v4 & host) == host &&
           (v4 | host) == (gn__addr_v4(&own->addr) | host);
}

bool gn__is_broadcast(const struct gn__iface *iface,
                      const struct gn__addr *addr)
{
    struct gn__list *it;
    uint32_t v4;

    if (!gn__addr_is_v4(addr))
        return false;
    v4 = gn__addr_v4(addr);
    if (v4 == INADDR_BROADCAST)
        return true;
    gn__list_foreach (it, &iface->port.addrs) {
        if (is_last_of(gn__container_of(it, struct gn__port_addr, of_port), v4))
            return true;
    }
    return false;
}
