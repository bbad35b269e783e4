/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The life of a namespace.
 *
 * It ends in one go, under the lock: sockets are told and let go, what was
 * sent last is in the engine's queue by then, addresses and the name are free
 * for the next one. Only the memory stays until the last reference is given
 * back: by sockets that their owners still hold, and calls that blocked in it.
 *
 *     open --(kill)--> killed --+
 *       \                        +--(close, or its network's)--> ended --> gone
 *        +--(detach)--> local --+
 *
 * Closing it reports "gone" from the driving thread, behind all callbacks that
 * were queued before. A thread that waits for it need not go that way when no
 * callback is running.
 *
 * Random streams are named by the namespace, not by its number: what a guest
 * draws stays the same when others come and go.
 */
#include <guestnet/namespace.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "base/counter.h"
#include "base/text.h"
#include "namespace/lifecycle.h"
#include "switch/switch.h"
#include "resolver/resolver.h"

#define LABEL_MAX 63u

const struct gn_limits gn__limits_default = {
    .max_sockets = 1024,
    .max_connections = 16384,
    .max_time_wait = 16384,
    .max_groups = 256,
    .max_buffered = 64u * 1024 * 1024,
    .icmp_per_second = 1000,
    .max_outgoing = 1024,
    .max_flows = 1024,
    .max_lookups = 256,
    .lookup_timeout_ms = 10000,
    .max_timers = 1024,
};

/* ---- names ---- */

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9');
}

bool gn__label_is_valid(const char *label, size_t len)
{
    size_t i;

    if (!len || len > LABEL_MAX || !is_alnum(label[0]) ||
        !is_alnum(label[len - 1]))
        return false;
    for (i = 0; i < len; i++) {
        if (!is_alnum(label[i]) && label[i] != '-')
            return false;
    }
    return true;
}

int gn__label_check(const char *name, char *why, size_t why_len)
{
    if (!gn__label_is_valid(name, strnlen(name, LABEL_MAX + 1)))
        return gn__text_refuse(why, why_len,
                               "name \"%.70s\": not a DNS label (letters, "
                               "digits and inner hyphens, 1 to 63 of them)",
                               name);
    if (gn__hostname_is_below(name, "localhost"))
        return gn__text_refuse(why, why_len,
                               "name \"%.70s\": stands for each guest's own "
                               "loopback (RFC 6761), so nobody would find this "
                               "one by it",
                               name);
    return 0;
}

/* ---- creating ---- */

static int init_stack(struct gn_namespace *ns)
{
    uint64_t key[2];
    int err;

    gn__rng_fill(&ns->rng, key, sizeof(key));
    err = gn__stack_init(&ns->stack, &ns->engine->net, &gn__ns_stack_ops, ns,
                         key);
    if (err)
        return err;
    ns->stack.budget.limit = (size_t)ns->guest.limits.max_buffered;
    ns->stack.budget.parent = &ns->guest.home->budget;
    ns->stack.max_conns = ns->guest.limits.max_connections;
    ns->stack.max_time_wait = ns->guest.limits.max_time_wait;
    return 0;
}

static void ns_identify(struct gn_namespace *ns)
{
    gn__guest_identify(&ns->guest, ns->is_gateway ? "host" : NULL,
                       ns->guest.home->n_created);
}

static int add_ifaces(struct gn_namespace *ns,
                      const struct gn_namespace_config *config)
{
    struct gn__iface_config lo = {0};
    struct gn__iface_config eth0 = {
        .net = ns->guest.home,
        .mtu = ns->guest.home->mtu,
        .addresses = config->addresses,
        .gateways = ns->is_gateway,
        .why = config->why,
        .why_len = config->why_len,
    };
    struct gn__iface *iface;
    int err;

    err = gn__iface_add(ns, &lo, &iface);
    if (err)
        return err;
    if (!ns->guest.home->n_prefixes) {
        if (config->addresses && config->addresses[0])
            return gn__text_refuse(
                config->why, config->why_len,
                "address \"%.60s\": the network has no prefixes",
                config->addresses[0]);
        ns_identify(ns);
        return 0;
    }
    err = gn__iface_add(ns, &eth0, &iface);
    if (err)
        return err;
    ns_identify(ns);
    return gn__iface_identify(iface);
}

static void remove_ifaces(struct gn_namespace *ns)
{
    struct gn__list *node;

    while ((node = gn__list_last(&ns->ifaces)))
        gn__iface_remove(gn__container_of(node, struct gn__iface, of_ns));
}

static void ns_freed(struct gn__guest *guest)
{
    struct gn_namespace *ns =
        gn__container_of(guest, struct gn_namespace, guest);

    if (ns->router_ways)
        gn__free(&ns->engine->net.mem, ns->router_ways,
                 GN__N_WAYS * sizeof(*ns->router_ways));
    gn__free(&ns->engine->net.mem, ns, sizeof(*ns));
}

static struct gn_namespace *ns_alloc(struct gn_network *net,
                                     const struct gn_namespace_config *config,
                                     bool gateway)
{
    const struct gn__mem *mem = &net->engine->net.mem;
    struct gn_namespace *ns = gn__zalloc(mem, sizeof(*ns));
    struct gn__guest_config guest = {
        .freed = ns_freed,
        .ns = ns,
        .account = gateway ? &net->engine->deferred.host : NULL,
        .limits = &config->limits,
        .resolver = config->resolver,
        .life = config->life,
    };

    if (!ns)
        return NULL;
    if (gn__guest_init(&ns->guest, net, &guest)) {
        gn__free(mem, ns, sizeof(*ns));
        return NULL;
    }
    ns->engine = net->engine;
    ns->ip_id = GN__COUNT_FROM(uint16_t);
    ns->port_counter = GN__COUNT_FROM(uint32_t);
    if (gateway)
        ns->guest.limits.max_sockets = UINT32_MAX; /* The host's own. */
    ns->forwarding = config->forwarding;
    ns->is_gateway = gateway;
    ns->observer = &gn__gateway_port_observer;
    ns->transports = gateway ? &gn__gateway_transports : &gn__sock_transports;
    gn__list_init(&ns->of_net);
    gn__list_init(&ns->ifaces);
    gn__list_init(&ns->routes);
    gn__list_init(&ns->socks);
    gn__list_init(&ns->sleepers);
    gn__list_init(&ns->closed.link);
    return ns;
}

int gn__ns_create(struct gn_network *net,
                  const struct gn_namespace_config *config, bool gateway,
                  struct gn_namespace **out)
{
    struct gn_namespace *ns;
    int err = 0;

    ns = ns_alloc(net, config, gateway);
    if (!ns)
        return -ENOMEM;
    net->n_created++;
    if (config->name)
        err = gn__guest_take_name(&ns->guest, config->name, config->why,
                                  config->why_len);
    if (err)
        goto undo_guest;
    err = add_ifaces(ns, config);
    if (err)
        goto undo_ifaces;
    gn__rng_init(&ns->rng, net->key, ns->guest.stream,
                 strlen(ns->guest.stream));
    if (config->egress)
        err = gn__guest_keep_names(&ns->guest, &ns->rng);
    if (err)
        goto undo_ifaces;
    err = init_stack(ns);
    if (err)
        goto undo_ifaces;
    if (config->egress)
        err = gn__ns_set_outside(ns, config->egress->outside);
    if (err)
        goto undo_stack;
    gn__list_add_tail(&net->namespaces, &ns->of_net);
    *out = ns;
    return 0;

undo_stack:
    gn__stack_done(&ns->stack);
undo_ifaces:
    remove_ifaces(ns);
undo_guest:
    gn__guest_end(&ns->guest);
    net->n_created--;
    gn__ns_unref(ns);
    return err;
}

static int check_config(const struct gn_network *net,
                        const struct gn_namespace_config *config)
{
    if (!gn__config_is_known(config, config->size, sizeof(*config)))
        return -EINVAL; /* Not even `why` may be believed. */
    if (config->name &&
        gn__label_check(config->name, config->why, config->why_len))
        return -EINVAL;
    if (config->egress && !net->n_prefixes)
        return gn__text_refuse(
            config->why, config->why_len,
            "egress: network \"%s\" has no prefixes, so nothing leads "
            "outside",
            net->name);
    return 0;
}

int gn_namespace_create(struct gn_network *net,
                        const struct gn_namespace_config *config,
                        struct gn_namespace **out)
{
    static const struct gn_namespace_config defaults = {.size =
                                                            sizeof(defaults)};
    int err;

    if (!net || !out)
        return -EINVAL;
    if (!config)
        config = &defaults;
    err = check_config(net, config);
    if (err)
        return err;
    gn__engine_enter(net->engine);
    err = net->closing ? -ECANCELED : gn__ns_create(net, config, false, out);
    gn__engine_leave(net->engine);
    return err;
}

const char *gn_namespace_name(const struct gn_namespace *ns)
{
    return ns ? ns->guest.name : "";
}

int gn_namespace_hostname(struct gn_namespace *ns, char *buf, size_t cap)
{
    char name[GN__ADDR_TEXT + 8];

    if (!ns || !buf)
        return -EINVAL;
    gn__engine_enter(ns->engine);
    gn__guest_hostname(&ns->guest, name, sizeof(name));
    gn__engine_leave(ns->engine);
    if (strlen(name) >= cap)
        return -ENAMETOOLONG;
    memcpy(buf, name, strlen(name) + 1);
    return 0;
}

/* ---- interfaces come and go ---- */

static int namespace_attach(struct gn_namespace *ns,
                            const struct gn__iface_config *config)
{
    struct gn__iface *iface;
    unsigned last_index = ns->last_index;
    int err;

    if (ns->killed || ns->closing || config->net->closing)
        return -ECANCELED;
    err = gn__iface_add(ns, config, &iface);
    if (err)
        return err;
    err = gn__iface_identify(iface);
    if (err) {
        gn__iface_remove(iface);
        ns->last_index = last_index; /* The next one has its number. */
    }
    return err;
}

static int check_attach(const struct gn_network *net,
                        const struct gn_attach_config *config)
{
    if (!gn__config_is_known(config, config->size, sizeof(*config)))
        return -EINVAL;
    if (!net->n_prefixes)
        return gn__text_refuse(config->why, config->why_len,
                               "network \"%s\" has no prefixes", net->name);
    return gn__net_check_mtu(net, config->mtu, config->why, config->why_len);
}

int gn_namespace_attach(struct gn_namespace *ns, struct gn_network *net,
                        const struct gn_attach_config *config)
{
    static const struct gn_attach_config defaults = {.size = sizeof(defaults)};
    struct gn__iface_config iface = {.net = net};
    int err;

    if (!ns || !net)
        return -EINVAL;
    if (!config)
        config = &defaults;
    err = check_attach(net, config);
    if (err)
        return err;
    if (ns->engine != net->engine)
        return -EXDEV;
    if (ns->wire)
        return -EOPNOTSUPP;
    iface.mtu = config->mtu ? config->mtu : net->mtu;
    iface.addresses = config->addresses;
    iface.why = config->why;
    iface.why_len = config->why_len;
    gn__engine_enter(ns->engine);
    err = namespace_attach(ns, &iface);
    gn__engine_leave(ns->engine);
    return err;
}

void gn__ns_drop_iface(struct gn_namespace *ns, struct gn__iface *iface)
{
    gn__sock_iface_gone(ns, iface);
    gn__iface_remove(iface);
}

static struct gn__iface *home_iface(const struct gn_namespace *ns)
{
    struct gn__list *it;

    gn__list_foreach (it, &ns->ifaces) {
        struct gn__iface *iface = gn__container_of(it, struct gn__iface, of_ns);

        if (iface->port.net && iface->port.net == ns->guest.home)
            return iface;
    }
    return NULL;
}

void gn_namespace_detach(struct gn_namespace *ns)
{
    struct gn__iface *eth0;

    if (!ns || ns->is_gateway)
        return;
    gn__engine_enter(ns->engine);
    eth0 = ns->closing || ns->detached ? NULL : home_iface(ns);
    if (eth0) {
        ns->detached = true;
        gn__ns_drop_iface(ns, eth0);
    }
    gn__engine_leave(ns->engine);
}

/* ---- the end ---- */

static void end_talks(struct gn_namespace *ns)
{
    struct gn__list *it;

    gn__list_foreach (it, &ns->ifaces) {
        gn__outside_talk_end(
            &gn__container_of(it, struct gn__iface, of_ns)->port);
    }
}

void gn_namespace_kill(struct gn_namespace *ns)
{
    if (!ns || ns->is_gateway)
        return;
    gn__engine_enter(ns->engine);
    if (!ns->killed && !ns->closing) {
        ns->killed = true;
        gn__sock_end_all(ns, -ECANCELED, false);
        end_talks(ns);
    }
    gn__engine_leave(ns->engine);
}

/* Connections that have no owner any more, but still have to deliver: the peer
 * is told that it will not get the rest. */
static void reset_unsent(struct gn__conn *conn, void *arg)
{
    (void)arg;
    if (!gn__tcp_owner(conn) && gn__tcp_unsent(conn))
        gn__tcp_abort(conn);
}

void gn__ns_end(struct gn_namespace *ns, bool silent)
{
    ns->closing = true;
    gn__sock_end_all(ns, -ECANCELED, silent);
    if (ns->is_gateway)
        gn__outside_end(ns->guest.home);
    if (!silent)
        gn__stack_each(&ns->stack, reset_unsent, NULL);
    gn__stack_done(&ns->stack);
    remove_ifaces(ns);
    gn__list_del(&ns->of_net);
    if (ns->pmtu)
        gn__free(&ns->engine->net.mem, ns->pmtu,
                 GN__N_PMTU * sizeof(*ns->pmtu));
    ns->pmtu = NULL;
    gn__guest_end(&ns->guest);
}

void gn__ns_ref(struct gn_namespace *ns)
{
    gn__guest_ref(&ns->guest);
}

void gn__ns_unref(struct gn_namespace *ns)
{
    gn__guest_unref(&ns->guest);
}

struct gn__guest *gn__ns_guest(struct gn_namespace *ns)
{
    return &ns->guest;
}

struct gn_network *gn__namespace_network(struct gn_namespace *ns)
{
    struct gn_network *net;

    gn__engine_enter(ns->engine);
    net = ns->kernel ? NULL : ns->guest.home;
    gn__engine_leave(ns->engine);
    return net;
}

static void report_closed(struct gn__deferred *deferred)
{
    struct gn_namespace *ns =
        gn__container_of(deferred, struct gn_namespace, closed);
    gn_close_cb callback = ns->close_cb;
    void *arg = ns->close_arg;

    gn__ns_unref(ns);
    callback(arg);
}

/* Whether hooks of the outside are told of its end, before its closer is. */
static bool meets_outside(const struct gn_namespace *ns)
{
    struct gn__list *it;

    gn__list_foreach (it, &ns->ifaces) {
        if (gn__container_of(it, struct gn__iface, of_ns)->port.outside)
            return true;
    }
    return false;
}

void gn_namespace_close(struct gn_namespace *ns, unsigned flags,
                        gn_close_cb callback, void *arg)
{
    struct gn__engine *engine;
    struct gn__closing closing;
    bool wait;

    if (!ns || ns->is_gateway || ns->wire)
        return;
    if (ns->kernel) { /* It is all there is in its network. */
        gn_network_close(ns->guest.home, callback, arg);
        return;
    }
    engine = ns->engine;
    gn__engine_ref(engine);
    gn__engine_enter(engine);
    wait = meets_outside(ns);
    gn__ns_end(ns, flags & GN_CLOSE_SILENT);
    /* Callbacks that are told of its end run before its closer returns. */
    wait = wait || engine->dispatching || engine->deferred.n;
    wait = wait && !callback && !gn__engine_is_driving(engine);
    if (wait) {
        gn__closing_init_wait(&closing, engine);
        callback = closing.callback;
        arg = closing.arg;
    }
    if (callback) {
        ns->close_cb = callback;
        ns->close_arg = arg;
        ns->closed.run = report_closed;
        gn__deferred_queue(engine, &ns->closed);
    }
    gn__engine_leave(engine);
    if (wait)
        gn__closing_wait(&closing);
    else if (!callback)
        gn__ns_unref(ns);
    gn__engine_unref(engine);
}
