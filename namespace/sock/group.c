/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Which multicast groups a socket is in, and what it hears unasked. The
 * interface counts how many want a group (iface_group.c); here is which socket.
 */
#include <errno.h>

#include "namespace/internal.h"
#include "namespace/sock/sock.h"

struct membership {
    struct gn__list link; /* in sock->groups */
    struct gn__addr group;
    struct gn__iface *iface;
};

/* @index 0: on any interface. */
static struct membership *group_find(const struct gn_sock *sock,
                                     const struct gn__addr *group,
                                     unsigned index)
{
    struct gn__list *it;

    gn__list_foreach (it, &sock->groups) {
        struct membership *m = gn__container_of(it, struct membership, link);

        if ((index == 0 || m->iface->index == index) &&
            gn__addr_equal(&m->group, group))
            return m;
    }
    return NULL;
}

static void group_leave(struct gn_sock *sock, struct membership *m)
{
    gn__iface_leave(m->iface, &m->group);
    sock->ns->n_memberships--;
    gn__list_del(&m->link);
    gn__free(&sock->engine->net.mem, m, sizeof(*m));
}

static int group_join(struct gn_sock *sock, const struct gn__addr *group,
                      struct gn__iface *iface)
{
    struct gn_namespace *ns = sock->ns;
    struct membership *m;
    int err;

    if (ns->n_memberships >= ns->guest.limits.max_groups)
        return -ENOBUFS;
    m = gn__alloc(&sock->engine->net.mem, sizeof(*m));
    if (!m)
        return -ENOMEM;
    err = gn__iface_join(iface, group);
    if (err) {
        gn__free(&sock->engine->net.mem, m, sizeof(*m));
        return err;
    }
    m->group = *group;
    m->iface = iface;
    gn__list_add_tail(&sock->groups, &m->link);
    ns->n_memberships++;
    return 0;
}

unsigned gn__sock_group_iface(struct gn_sock *sock,
                              const struct gn__addr *group)
{
    struct gn__way way;

    return gn__ns_route(sock->ns, group, NULL, 0, &way) ? 0 : way.iface->index;
}

int gn__sock_join(struct gn_sock *sock, const struct gn__addr *group,
                  unsigned index)
{
    struct gn__iface *iface;

    if (!gn__addr_is_multicast(group))
        return -EINVAL;
    if (!gn__addr_is_v4(group) && group_find(sock, group, index))
        return -EADDRINUSE; /* For IPv6 on any interface, if none is named. */
    if (!index)
        index = gn__sock_group_iface(sock, group);
    iface = gn__ns_iface_by_index(sock->ns, index);
    if (!iface)
        return -ENODEV;
    return group_find(sock, group, iface->index)
               ? -EADDRINUSE
               : group_join(sock, group, iface);
}

int gn__sock_leave_group(struct gn_sock *sock, const struct gn__addr *group,
                         unsigned index)
{
    struct membership *m = group_find(sock, group, index);

    if (!m)
        return -EADDRNOTAVAIL;
    group_leave(sock, m);
    return 0;
}

bool gn__sock_in_group(const struct gn_sock *sock, const struct gn__addr *group,
                       unsigned index)
{
    return group_find(sock, group, index) != NULL;
}

void gn__sock_groups_end(struct gn_sock *sock, const struct gn__iface *iface)
{
    struct gn__list *it, *tmp;

    gn__list_foreach_safe (it, tmp, &sock->groups) {
        struct membership *m = gn__container_of(it, struct membership, link);

        if (!iface || m->iface == iface)
            group_leave(sock, m);
    }
}

void gn__sock_hear(struct gn_sock *sock, unsigned hears)
{
    struct gn_namespace *ns = sock->ns;
    struct gn__list *it;
    unsigned what;

    if (sock->hears == hears)
        return;
    for (what = 0; what < GN__N_HEARS; what++) {
        ns->n_hearing[what] -= sock->hears >> what & 1;
        ns->n_hearing[what] += hears >> what & 1;
    }
    sock->hears = (uint8_t)hears;
    gn__list_foreach (it, &ns->ifaces) {
        gn__iface_hear(gn__container_of(it, struct gn__iface, of_ns));
    }
}
