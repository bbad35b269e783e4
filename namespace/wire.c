/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What lies between namespaces, as it is set: the links of their interfaces,
 * and the paths from one to another.
 */
#include <guestnet/link.h>

#include <errno.h>
#include <string.h>

#include "namespace/internal.h"

static struct gn__iface *wired_iface(struct gn_namespace *ns, const char *name)
{
    struct gn__list *it;

    gn__list_foreach (it, &ns->ifaces) {
        struct gn__iface *iface = gn__container_of(it, struct gn__iface, of_ns);

        if (!strcmp(iface->name, name))
            return iface;
    }
    return NULL;
}

int gn_link_set(struct gn_namespace *ns, const char *interface,
                const struct gn_link_config *config)
{
    struct gn__iface *iface;
    int err;

    if (!ns || (interface && !strcmp(interface, "lo")))
        return -EINVAL;
    gn__engine_enter(ns->engine);
    iface = wired_iface(ns, interface ? interface : "eth0");
    err = iface ? gn__link_set(&iface->port, config) : -ENODEV;
    gn__engine_leave(ns->engine);
    return err;
}

int gn_link_change(struct gn_namespace *ns, const char *interface,
                   const struct gn_link_change *change)
{
    struct gn__iface *iface;
    int err;

    if (!ns || !change || (interface && !strcmp(interface, "lo")))
        return -EINVAL;
    gn__engine_enter(ns->engine);
    iface = wired_iface(ns, interface ? interface : "eth0");
    err = iface ? gn__link_change(&iface->port, change) : -ENODEV;
    gn__engine_leave(ns->engine);
    return err;
}

int gn_link_get(struct gn_namespace *ns, const char *interface,
                struct gn_link_config *out)
{
    struct gn__iface *iface;

    if (!ns || !out || (interface && !strcmp(interface, "lo")))
        return -EINVAL;
    gn__engine_enter(ns->engine);
    iface = wired_iface(ns, interface ? interface : "eth0");
    if (iface)
        *out = iface->port.wire.config;
    gn__engine_leave(ns->engine);
    return iface ? 0 : -ENODEV;
}

int gn_path_set(struct gn_network *net, struct gn_namespace *from,
                struct gn_namespace *to, const struct gn_path_config *config)
{
    int err;

    if (!net || !from || !to)
        return -EINVAL;
    gn__engine_enter(net->engine);
    err = gn__path_set(net, &from->guest, &to->guest, config);
    gn__engine_leave(net->engine);
    return err;
}

int gn_path_change(struct gn_network *net, struct gn_namespace *from,
                   struct gn_namespace *to, const struct gn_path_change *change)
{
    int err;

    if (!net || !from || !to || !change)
        return -EINVAL;
    gn__engine_enter(net->engine);
    err = gn__path_change(net, &from->guest, &to->guest, change);
    gn__engine_leave(net->engine);
    return err;
}
