/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What an interface hears besides what is sent to its addresses: broadcasts,
 * groups that sockets have joined, and those that every host is in (RFC 1112,
 * 224.0.0.1; RFC 4291, ff02::1).
 *
 * The switch is told only of what a socket can get, so that what is sent to
 * all costs as much as it has listeners. The groups of every host are treated
 * like broadcasts there: joined while a socket is bound in such a way that it
 * would be told, which the namespace counts.
 */
#include <errno.h>

#include "namespace/lifecycle.h"
#include "switch/switch.h"

/** A group that sockets have joined; in iface->groups. */
struct joined {
    struct gn__list link;
    struct gn__addr group;
    unsigned count;
};

static const struct gn__addr all_hosts4 = {
    {[10] = 0xff, [11] = 0xff, [12] = 224, [15] = 1}};
static const struct gn__addr all_nodes6 = {{0xff, 0x02, [15] = 1}};
static const struct gn__addr own_nodes6 = {{0xff, 0x01, [15] = 1}};

/* ---- broadcasts ---- */

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

bool gn__iface_is_broadcast(const struct gn__iface *iface,
                            const struct gn__addr *addr)
{
    struct gn__list *it;
    uint32_t v4;

    if (!gn__addr_is_v4(addr))
        return false;
    if (gn__addr_is_broadcast(addr))
        return true;
    if (iface->loopback)
        return gn__addr_is_lo_broadcast(addr);
    v4 = gn__addr_v4(addr);
    gn__list_foreach (it, &iface->port.addrs) {
        if (is_last_of(gn__container_of(it, struct gn__port_addr, of_port), v4))
            return true;
    }
    return false;
}

bool gn__ns_is_for_many(const struct gn_namespace *ns,
                        const struct gn__addr *addr)
{
    struct gn__list *it;

    if (gn__addr_is_multicast(addr) || gn__addr_is_broadcast(addr))
        return true;
    gn__list_foreach (it, &ns->ifaces) {
        if (gn__iface_is_broadcast(
                gn__container_of(it, struct gn__iface, of_ns), addr))
            return true;
    }
    return false;
}

/* ---- groups ---- */

static struct joined *joined_find(const struct gn__iface *iface,
                                  const struct gn__addr *group)
{
    struct gn__list *it;

    gn__list_foreach (it, &iface->groups) {
        struct joined *joined = gn__container_of(it, struct joined, link);

        if (gn__addr_equal(&joined->group, group))
            return joined;
    }
    return NULL;
}

static bool is_of_all(const struct gn__addr *group)
{
    return gn__addr_equal(group, &all_hosts4) ||
           gn__addr_equal(group, &all_nodes6) ||
           gn__addr_equal(group, &own_nodes6);
}

bool gn__iface_hears(const struct gn__iface *iface, const struct gn__addr *addr)
{
    if (gn__addr_is_multicast(addr))
        return is_of_all(addr) || joined_find(iface, addr);
    return gn__iface_is_broadcast(iface, addr);
}

int gn__iface_join(struct gn__iface *iface, const struct gn__addr *group)
{
    const struct gn__mem *mem = &iface->ns->engine->net.mem;
    struct joined *joined = joined_find(iface, group);
    int err;

    if (joined) {
        joined->count++;
        return 0;
    }
    joined = gn__alloc(mem, sizeof(*joined));
    if (!joined)
        return -ENOMEM;
    *joined = (struct joined){.group = *group, .count = 1};
    err = iface->port.net ? gn__group_join(&iface->port, group) : 0;
    if (err) {
        gn__free(mem, joined, sizeof(*joined));
        return err;
    }
    gn__list_add_tail(&iface->groups, &joined->link);
    return 0;
}

void gn__iface_leave(struct gn__iface *iface, const struct gn__addr *group)
{
    struct joined *joined = joined_find(iface, group);

    if (!joined || --joined->count)
        return;
    if (iface->port.net)
        gn__group_leave(&iface->port, group, false);
    gn__list_del(&joined->link);
    gn__free(&iface->ns->engine->net.mem, joined, sizeof(*joined));
}

/* ---- what every host hears ---- */

static int hear_begin(struct gn__iface *iface, enum gn__hears what)
{
    const struct gn__addr broadcasts = gn__group_broadcast();
    int err;

    if (!iface->port.net)
        return 0; /* lo: no other host is there to send. */
    if (what == GN__HEARS_6)
        return gn__group_join(&iface->port, &all_nodes6);
    err = gn__group_join(&iface->port, &broadcasts);
    if (err)
        return err;
    err = gn__group_join(&iface->port, &all_hosts4);
    if (err)
        gn__group_leave(&iface->port, &broadcasts, false);
    return err;
}

static void hear_end(struct gn__iface *iface, enum gn__hears what)
{
    const struct gn__addr broadcasts = gn__group_broadcast();

    if (!iface->port.net)
        return;
    if (what == GN__HEARS_6) {
        gn__group_leave(&iface->port, &all_nodes6, false);
        return;
    }
    gn__group_leave(&iface->port, &broadcasts, false);
    gn__group_leave(&iface->port, &all_hosts4, false);
}

void gn__iface_hear(struct gn__iface *iface)
{
    unsigned what;

    for (what = 0; what < GN__N_HEARS; what++) {
        bool wanted = iface->ns->n_hearing[what] > 0;

        if (wanted == iface->hearing[what])
            continue;
        /* Without memory it misses them, which may be lost anyway, until the
         * next socket is bound. */
        if (wanted && hear_begin(iface, (enum gn__hears)what))
            continue;
        if (!wanted)
            hear_end(iface, (enum gn__hears)what);
        iface->hearing[what] = wanted;
    }
}

/* ---- to be seen ---- */

static void show_group(struct gn_interface *out, const struct gn__addr *group)
{
    if (out->n_groups < GN_INTERFACE_GROUPS)
        out->groups[out->n_groups++] = gn__addr_to_ip(group);
}

void gn__iface_show_groups(const struct gn__iface *iface,
                           struct gn_interface *out)
{
    struct gn__list *it;

    show_group(out, &all_hosts4);
    show_group(out, &all_nodes6);
    gn__list_foreach (it, &iface->groups) {
        const struct joined *joined = gn__container_of(it, struct joined, link);

        if (!is_of_all(&joined->group))
            show_group(out, &joined->group);
    }
}
