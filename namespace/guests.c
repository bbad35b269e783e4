/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The guests of a network, for programs that list them: those that were created
 * in it, in that order, and then those of other networks that have an interface
 * here.
 *
 * The list is taken at once, as references, and each guest is copied when its
 * turn comes: no lock is held in the callback, and no guest's copy keeps the
 * others waiting.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "namespace/lifecycle.h"
#include "namespace/namespace.h"
#include "switch/switch.h"
#include "resolver/resolver.h"

struct guests {
    struct gn_namespace **at; /* a reference each */
    size_t n, cap;
};

/* ---- one guest ---- */

static void info_addrs(const struct gn__guest *guest,
                       const struct gn_network *net,
                       struct gn_namespace_info *out)
{
    struct gn__list *i, *a;

    gn__list_foreach (i, &guest->ports) {
        struct gn__port *port = gn__container_of(i, struct gn__port, of_owner);

        if (port->net != net)
            continue;
        gn__list_foreach (a, &port->addrs) {
            const struct gn__port_addr *owned =
                gn__container_of(a, struct gn__port_addr, of_port);

            if (!gn__addr_is_linklocal(&owned->addr) &&
                out->n_addrs < GN_INTERFACE_ADDRS)
                out->addrs[out->n_addrs++] = gn__addr_to_ip(&owned->addr);
        }
    }
}

/* False: it is no more, or has left. */
static bool info_fill(struct gn_namespace *ns, const struct gn_network *net,
                      struct gn_namespace_info *out)
{
    bool open;

    memset(out, 0, sizeof(*out));
    gn__engine_enter(ns->engine);
    open = !ns->closing;
    if (open) {
        out->ns = ns;
        (void)snprintf(out->name, sizeof(out->name), "%s", ns->guest.name);
        out->limits = ns->guest.limits;
        gn__ns_stats(ns, &out->stats);
        info_addrs(&ns->guest, net, out);
    }
    gn__engine_leave(ns->engine);
    return open;
}

/* ---- all of them ---- */

/* The first interface of a guest of another network here. */
static struct gn_namespace *guest_of_port(struct gn__port *port,
                                          const struct gn_network *net)
{
    struct gn__list *it;

    if (!port->owner->ns || port->owner->home == net)
        return NULL;
    gn__list_foreach (it, &port->owner->ports) {
        struct gn__port *first =
            gn__container_of(it, struct gn__port, of_owner);

        if (first->net == net)
            return first == port ? port->owner->ns : NULL;
    }
    return NULL;
}

/* Those there is no room for are counted all the same. */
static void guests_add(struct guests *guests, struct gn_namespace *ns)
{
    if (guests->n < guests->cap) {
        gn__ns_ref(ns);
        guests->at[guests->n] = ns;
    }
    guests->n++;
}

static void guests_walk(struct guests *guests, struct gn_network *net)
{
    struct gn__list *it;
    struct gn_namespace *ns;

    gn__list_foreach (it, &net->namespaces) {
        ns = gn__container_of(it, struct gn_namespace, of_net);
        if (ns != net->gateway && !ns->closing)
            guests_add(guests, ns);
    }
    gn__list_foreach (it, &net->ports) {
        ns = guest_of_port(gn__container_of(it, struct gn__port, link), net);
        if (ns)
            guests_add(guests, ns);
    }
}

static void guests_drop(struct guests *guests, const struct gn__mem *mem)
{
    size_t i, n = guests->n < guests->cap ? guests->n : guests->cap;

    for (i = 0; i < n; i++)
        gn__ns_unref(guests->at[i]);
    gn__free(mem, guests->at, guests->cap * sizeof(*guests->at));
}

/* With room for @cap; -ENOBUFS: there are more, guests->n. */
static int guests_take(struct gn_network *net, size_t cap,
                       struct guests *guests)
{
    const struct gn__mem *mem = &net->engine->net.mem;

    *guests = (struct guests){.cap = cap};
    guests->at = gn__alloc(mem, cap * sizeof(*guests->at));
    if (!guests->at)
        return -ENOMEM;
    gn__engine_enter(net->engine);
    guests_walk(guests, net);
    gn__engine_leave(net->engine);
    return guests->n > cap ? -ENOBUFS : 0;
}

int gn_network_each_namespace(struct gn_network *net, gn_namespace_cb callback,
                              void *arg)
{
    struct gn_namespace_info info;
    struct guests guests;
    size_t i, cap = 64;
    int err;

    if (!net || !callback)
        return -EINVAL;
    while ((err = guests_take(net, cap, &guests)) == -ENOBUFS) {
        cap = guests.n + guests.n / 8;
        guests_drop(&guests, &net->engine->net.mem);
    }
    if (err)
        return err;
    for (i = 0; i < guests.n; i++) {
        if (info_fill(guests.at[i], net, &info))
            callback(&info, arg);
    }
    guests_drop(&guests, &net->engine->net.mem);
    return 0;
}

/* ---- by name ---- */

struct gn_namespace *gn_namespace_find(struct gn_network *net, const char *name)
{
    char lower[GN__LABEL_MAX + 1];
    struct gn__table_node *node;
    struct gn_namespace *ns = NULL;
    size_t len = name ? strnlen(name, sizeof(lower)) : 0;

    if (!net || !len || len > GN__LABEL_MAX)
        return NULL;
    gn__hostname_lower(name, lower);
    gn__engine_enter(net->engine);
    node = gn__table_find(&net->names, lower, len);
    if (node)
        ns = gn__container_of(node, struct gn__guest, by_name)->ns;
    gn__engine_leave(net->engine);
    return ns;
}
