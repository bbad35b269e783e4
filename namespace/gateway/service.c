/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Hosts of a network that the gateway proxies: each is a port of the switch, so
 * that its addresses are in the network like a guest's and packets find it; and
 * what they carry goes where packets for the outside go, as dials of its
 * services. Answers leave by the gateway, as the host's address.
 *
 * A port that no service has is refused, as by a host with no listener there.
 */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "namespace/lifecycle.h"
#include "namespace/gateway/guest.h"
#include "switch/switch.h"

static void host_deliver(struct gn__port *port, struct gn__packet *packet)
{
    struct gn_network *net = port->net;

    if (!packet->corrupt) {
        gn__outside_host_input(net, packet);
        return;
    }
    gn__ns_drop(net->gateway, GN_DROP_CORRUPT);
    gn__packet_free(packet);
}

const struct gn__port_ops gn__host_ops = {
    .name = "host",
    .deliver = host_deliver,
};

/* ---- finding ---- */

struct gn__host *gn__host_at(const struct gn_network *net,
                             const struct gn__addr *addr)
{
    const struct gn__port_addr *owned = gn__port_addr_find(net, addr);

    return owned && owned->port->ops == &gn__host_ops
               ? gn__container_of(owned->port, struct gn__host, port)
               : NULL;
}

static struct gn__service *find_service(const struct gn__host *host, int type,
                                        uint16_t port)
{
    struct gn__list *it;

    gn__list_foreach (it, &host->services) {
        struct gn__service *service =
            gn__container_of(it, struct gn__service, of_host);

        if (service->type == type && service->port == port)
            return service;
    }
    return NULL;
}

bool gn__host_serves(const struct gn__host *host, unsigned proto, uint16_t port)
{
    int type = proto == GN__PROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;

    return find_service(host, type, port) != NULL;
}

struct gn__outside *gn__outside_for(const struct gn__outside_guest *guest,
                                    const struct gn__outside_key *key)
{
    const struct gn__host *host = gn__host_at(guest->net, &key->outside.addr);
    struct gn__service *service;

    if (!host)
        return guest->outside;
    service = find_service(host, (int)key->type, key->outside.port);
    return service ? &service->outside : NULL;
}

size_t gn__service_addrs(const struct gn__service *service,
                         struct gn__addr *out, size_t cap)
{
    struct gn__engine *engine;
    struct gn__list *it;
    size_t n = 0;

    if (!service->host)
        return 0;
    engine = service->host->port.net->engine;
    gn__engine_enter(engine);
    gn__list_foreach (it, &service->host->port.addrs) {
        if (n < cap)
            out[n++] =
                gn__container_of(it, struct gn__port_addr, of_port)->addr;
    }
    gn__engine_leave(engine);
    return n;
}

/* ---- life ---- */

static void host_freed(struct gn__guest *guest)
{
    gn__free(&guest->engine->net.mem, guest, sizeof(struct gn__host));
}

static void host_end(struct gn__host *host)
{
    gn__port_detach(&host->port);
    gn__guest_end(&host->guest);
    gn__guest_unref(&host->guest);
}

static int host_join(struct gn__host *host, struct gn_network *net,
                     const char *name, char *why, size_t why_len)
{
    int err = gn__guest_take_name(&host->guest, name, why, why_len);

    if (!err)
        err = gn__port_attach(&host->port, net);
    if (!err)
        err = gn__port_take_lowest(&host->port);
    if (err == -ENOSPC)
        (void)gn__text_refuse(why, why_len,
                              "name \"%s\": network \"%s\" has no free address",
                              name, net->name);
    return err;
}

/* Paths of the host's namespace are its paths. */
static int host_create(struct gn_network *net, const char *name, char *why,
                       size_t why_len, struct gn__host **out)
{
    const struct gn__guest_config config = {.freed = host_freed};
    const struct gn__mem *mem = &net->engine->net.mem;
    struct gn__host *host = gn__zalloc(mem, sizeof(*host));
    int err = -ENOMEM;

    if (!host)
        return -ENOMEM;
    if (gn__guest_init(&host->guest, net, &config)) {
        gn__free(mem, host, sizeof(*host));
        return -ENOMEM;
    }
    gn__list_init(&host->services);
    gn__port_init(&host->port, &gn__host_ops, &host->guest, net->mtu);
    host->port.party = net->gateway->guest.id;
    err = host_join(host, net, name, why, why_len);
    if (err)
        host_end(host);
    else
        *out = host;
    return err;
}

/* The one that has the name; NULL: none, or a guest has it. */
static struct gn__host *host_named(const struct gn_network *net,
                                   const char *name)
{
    struct gn__table_node *node;
    struct gn__guest *guest;
    struct gn__list *first;
    char lower[64] = "";

    gn__hostname_lower(name, lower);
    node = gn__table_find(&net->names, lower, strlen(lower));
    if (!node)
        return NULL;
    guest = gn__container_of(node, struct gn__guest, by_name);
    first = gn__list_first(&guest->ports);
    if (!first || gn__container_of(first, struct gn__port, of_owner)->ops !=
                      &gn__host_ops)
        return NULL;
    return (struct gn__host *)(void *)guest;
}

static int find_host(struct gn_network *net, const char *name, char *why,
                     size_t why_len, struct gn__host **out)
{
    if (gn__label_check(name, why, why_len))
        return -EINVAL;
    if (!net->n_prefixes) {
        (void)gn__text_refuse(why, why_len,
                              "name \"%s\": network \"%s\" has no prefixes",
                              name, net->name);
        return -EADDRNOTAVAIL;
    }
    *out = host_named(net, name);
    return *out ? 0 : host_create(net, name, why, why_len, out);
}

static int service_open(struct gn_network *net, const char *name,
                        struct gn__service *service, char *why, size_t why_len)
{
    struct gn__host *host;
    int err = net->closing ? -ECANCELED : 0;

    if (!err)
        err = find_host(net, name, why, why_len, &host);
    if (err)
        return err;
    if (find_service(host, service->type, service->port)) {
        (void)gn__text_refuse(why, why_len,
                              "name \"%s:%u\": it is forwarded already", name,
                              service->port);
        return -EADDRINUSE;
    }
    service->host = host;
    gn__list_add_tail(&host->services, &service->of_host);
    gn__served_changed(net->engine);
    return 0;
}

int gn__service_open(struct gn_network *net, const char *name,
                     struct gn__service *service, char *why, size_t why_len)
{
    int err;

    gn__engine_enter(net->engine);
    err = service_open(net, name, service, why, why_len);
    gn__engine_leave(net->engine);
    return err;
}

/* Those that its owner has heard of have ended. */
static void refuse_dials(const struct gn_network *net,
                         const struct gn__service *service)
{
    struct gn__table_node *node, *next;
    struct gn__list *it;

    gn__list_foreach (it, &net->outside.guests) {
        struct gn__outside_guest *guest =
            gn__container_of(it, struct gn__outside_guest, of_net);

        gn__table_foreach_safe (node, next, &guest->dials) {
            struct gn__dial *dial =
                gn__container_of(node, struct gn__dial, node);

            if (dial->outside == &service->outside && !dial->told)
                gn__dial_refuse(dial, -ECONNREFUSED);
        }
    }
}

void gn__service_close(struct gn__service *service)
{
    struct gn__host *host = service->host;
    struct gn__engine *engine;

    if (!host)
        return;
    engine = host->port.net->engine;
    gn__engine_enter(engine);
    gn__list_del(&service->of_host);
    service->host = NULL;
    refuse_dials(host->port.net, service);
    if (gn__list_empty(&host->services))
        host_end(host);
    gn__engine_leave(engine);
}
