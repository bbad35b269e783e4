/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The life of a network. It is made in one go and closed in two steps, both
 * from the driving thread. First the objects that talk to the kernel end,
 * without the lock, then under it all that lives in the network. Behind the
 * callbacks of what ended so, its memory goes, and its driver and its closer
 * are told. Calls that are still on their way to the driving thread are
 * cancelled.
 *
 * The random key of a network follows from its engine's, or from its own seed,
 * and its name. Networks of one name are told apart by their order.
 */
#include <guestnet/network.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "base/text.h"
#include "namespace/lifecycle.h"
#include "switch/switch.h"
#include "resolver/resolver.h"

#define NAME_MAX_LEN   63u
#define DOMAIN_MAX_LEN 253u
#define MAX_PREFIXES   16u
/** The least that the host's own namespace may have. */
#define HOST_SOCKETS 65536u
#define BUFFERED_MAX (1024ull * 1024 * 1024)
/** Namespaces that end while the lock is held once. */
#define END_AT_ONCE 32u

/* ---- what a configuration may say ---- */

static bool is_printable(const char *text)
{
    for (; *text; text++) {
        if (*text <= ' ' || *text > '~')
            return false;
    }
    return true;
}

static int check_name(const struct gn_network_config *config)
{
    const char *name = config->name;

    if (!name || (*name && strnlen(name, NAME_MAX_LEN + 1) <= NAME_MAX_LEN &&
                  is_printable(name)))
        return 0;
    return gn__text_refuse(config->why, config->why_len,
                           "name \"%.70s\": not 1 to %u printable characters",
                           name, NAME_MAX_LEN);
}

/* Labels with dots between; one at the end is allowed. */
static int check_domain(const struct gn_network_config *config)
{
    const char *at = config->domain;
    size_t len;

    if (!at)
        return 0;
    if (strnlen(at, DOMAIN_MAX_LEN + 1) > DOMAIN_MAX_LEN)
        return gn__text_refuse(config->why, config->why_len,
                               "domain: longer than %u bytes", DOMAIN_MAX_LEN);
    do {
        len = strcspn(at, ".");
        if (!gn__label_is_valid(at, len))
            return gn__text_refuse(
                config->why, config->why_len,
                "domain \"%.60s\": \"%.*s\" is not a DNS label", config->domain,
                len < 64 ? (int)len : 64, at);
        at += len + (at[len] == '.');
    } while (*at);
    if (gn__hostname_is_below(config->domain, "localhost"))
        return gn__text_refuse(
            config->why, config->why_len,
            "domain \"%.60s\": names below localhost stand for each "
            "guest's own loopback (RFC 6761)",
            config->domain);
    return 0;
}

static uint32_t mtu_min(const struct gn_network *net)
{
    size_t i;

    for (i = 0; i < net->n_prefixes; i++) {
        if (!gn__prefix_is_v4(&net->prefixes[i].prefix))
            return GN_MTU_MIN6;
    }
    return GN_MTU_MIN4;
}

static int check_mtu(const struct gn_network_config *config,
                     const struct gn_network *net)
{
    uint32_t least = mtu_min(net);

    if (net->mtu >= least && net->mtu <= GN_MTU_MAX)
        return 0;
    return gn__text_refuse(config->why, config->why_len,
                           "mtu %u: not between %u and %u", net->mtu, least,
                           GN_MTU_MAX);
}

int gn__net_check_mtu(const struct gn_network *net, uint32_t mtu, char *why,
                      size_t why_len)
{
    uint32_t least = mtu_min(net);

    if (!mtu || (mtu >= least && mtu <= net->mtu))
        return 0;
    return gn__text_refuse(why, why_len,
                           "mtu %u: not between %u and %u, the network's", mtu,
                           least, net->mtu);
}

static int check_config(const struct gn_network_config *config)
{
    int err;

    if (!gn__config_is_known(config, config->size, sizeof(*config)))
        return -EINVAL; /* Not even `why` may be believed. */
    err = check_name(config);
    return err ? err : check_domain(config);
}

/* ---- prefixes ---- */

static size_t count_prefixes(const struct gn_network_config *config)
{
    size_t n = 0;

    while (config->prefixes && n <= MAX_PREFIXES && config->prefixes[n])
        n++;
    return n;
}

static int check_overlap(const struct gn_network_config *config,
                         const struct gn_network *net,
                         const struct gn__prefix *prefix)
{
    char text[GN__ADDR_TEXT], other[GN__ADDR_TEXT];
    size_t i;

    for (i = 0; i < net->n_prefixes; i++) {
        if (gn__prefix_overlaps(&net->prefixes[i].prefix, prefix))
            return gn__text_refuse(
                config->why, config->why_len, "prefix \"%s\" overlaps \"%s\"",
                gn__prefix_format(prefix, text, sizeof(text)),
                gn__prefix_format(&net->prefixes[i].prefix, other,
                                  sizeof(other)));
    }
    return 0;
}

/* Guests have no multicast, loopback or link-local addresses of a pool. */
static int check_kind(const struct gn_network_config *config,
                      const struct gn__prefix *prefix)
{
    static const char *const special[] = {"127.0.0.0/8", "224.0.0.0/3",
                                          "::1/128", "fe80::/10", "ff00::/8"};
    char text[GN__ADDR_TEXT];
    size_t i;

    for (i = 0; i < sizeof(special) / sizeof(*special); i++) {
        struct gn__prefix kept;

        if (gn__prefix_parse(special[i], &kept, NULL, 0) || prefix->len == 0 ||
            !gn__prefix_overlaps(&kept, prefix))
            continue;
        return gn__text_refuse(
            config->why, config->why_len,
            "prefix \"%s\": guests can have no addresses of %s",
            gn__prefix_format(prefix, text, sizeof(text)), special[i]);
    }
    return 0;
}

static int add_prefix(struct gn_network *net,
                      const struct gn_network_config *config, const char *text)
{
    struct gn__net_prefix *p = &net->prefixes[net->n_prefixes];
    int err;

    err = gn__prefix_parse(text, &p->prefix, config->why, config->why_len);
    if (err)
        return err;
    err = check_kind(config, &p->prefix);
    if (err)
        return err;
    err = check_overlap(config, net, &p->prefix);
    if (err)
        return err;
    err = gn__pool_init(&p->pool, &net->engine->net.mem, &p->prefix, NULL);
    if (!err)
        net->n_prefixes++;
    return err;
}

static void free_prefixes(struct gn_network *net)
{
    size_t i;

    for (i = 0; i < net->n_prefixes; i++)
        gn__pool_done(&net->prefixes[i].pool);
    gn__free(&net->engine->net.mem, net->prefixes,
             MAX_PREFIXES * sizeof(*net->prefixes));
}

static int add_prefixes(struct gn_network *net,
                        const struct gn_network_config *config)
{
    size_t i, n = count_prefixes(config);
    int err = 0;

    if (n > MAX_PREFIXES)
        return gn__text_refuse(config->why, config->why_len,
                               "prefixes: %u at most", MAX_PREFIXES);
    net->prefixes = gn__zalloc_array(&net->engine->net.mem, MAX_PREFIXES,
                                     sizeof(*net->prefixes));
    if (!net->prefixes)
        return -ENOMEM;
    for (i = 0; i < n && !err; i++)
        err = add_prefix(net, config, config->prefixes[i]);
    if (err)
        free_prefixes(net);
    return err;
}

/* ---- creating ---- */

static bool is_named(struct gn__engine *engine, const char *name)
{
    return gn__table_find(&gn__shared_of(engine)->names, name, strlen(name));
}

static unsigned count_named(struct gn__engine *engine, const char *name)
{
    struct gn__list *it;
    unsigned n = 0;

    if (!is_named(engine, name))
        return 0;
    gn__list_foreach (it, &gn__shared_of(engine)->networks) {
        if (!strcmp(gn__container_of(it, struct gn_network, of_engine)->name,
                    name))
            n++;
    }
    return n;
}

static void set_name(struct gn_network *net, const char *name)
{
    unsigned *i = &gn__shared_of(net->engine)->first_number;

    if (name) {
        memcpy(net->name, name, strlen(name) + 1);
        return;
    }
    for (;; ++*i) {
        (void)snprintf(net->name, sizeof(net->name), "net%u", *i);
        if (!is_named(net->engine, net->name))
            return;
    }
}

static void forget_name(struct gn_network *net)
{
    struct gn__shared *shared = gn__shared_of(net->engine);

    gn__table_del(&shared->names, &net->by_name);
    shared->first_number = 0; /* It may be one of those. */
}

static void init_random(struct gn_network *net, uint64_t seed)
{
    uint64_t seeded[2] = {seed, 0x6e6574776f726b73};
    char name[sizeof(net->name) + 32];
    struct gn__rng rng;
    int len;

    len = snprintf(name, sizeof(name), "network %s %u", net->name,
                   count_named(net->engine, net->name));
    gn__rng_init(&rng, seed ? seeded : net->engine->key, name, (size_t)len);
    gn__rng_fill(&rng, net->key, sizeof(net->key));
}

static void init_table(struct gn_network *net, struct gn__table *table,
                       const char *name)
{
    struct gn__rng rng;
    uint64_t key[2];

    gn__rng_init(&rng, net->key, name, strlen(name));
    gn__rng_fill(&rng, key, sizeof(key));
    gn__table_init(table, &net->engine->net.mem, key);
}

static void init_simple(struct gn_network *net,
                        const struct gn_network_config *config)
{
    set_name(net, config->name);
    init_random(net, config->seed);
    init_table(net, &net->addresses, "addresses");
    init_table(net, &net->names, "names");
    init_table(net, &net->paths, "paths");
    init_table(net, &net->groups, "groups");
    init_table(net, &net->outside.ghosts, "ghosts");
    gn__list_init(&net->of_engine);
    gn__list_init(&net->ports);
    gn__list_init(&net->namespaces);
    gn__list_init(&net->published);
    gn__list_init(&net->ended);
    gn__list_init(&net->capture_hooks);
    gn__list_init(&net->calls);
    gn__list_init(&net->outside.guests);
    net->mtu = config->mtu ? config->mtu : GN_MTU_DEFAULT;
    (void)snprintf(net->domain, sizeof(net->domain), "%s",
                   config->domain ? config->domain : "guest.internal");
    net->limits = config->limits;
    gn__limits_fill(&net->limits, &gn__limits_default);
    net->budget.limit =
        (size_t)(config->max_buffered ? config->max_buffered : BUFFERED_MAX);
    net->resolver = config->resolver;
    net->query_log = config->query_log;
    net->query_log_arg = config->query_log_arg;
    net->log = config->log;
    net->log_arg = config->log_arg;
}

static void done_tables(struct gn_network *net)
{
    gn__table_done(&net->addresses);
    gn__table_done(&net->names);
    gn__table_done(&net->paths);
    gn__table_done(&net->groups);
    gn__table_done(&net->outside.ghosts);
}

static void log_line(const struct gn_network *net, const char *what)
{
    char line[128];

    if (!net->log)
        return;
    (void)snprintf(line, sizeof(line), "network %s: %s", net->name, what);
    net->log(GN_LOG_INFO, line, net->log_arg);
}

/* The host's namespace has the other ends of what all guests have with the
 * host and the outside: it needs room for many of them. */
static struct gn_limits gateway_limits(const struct gn_network *net)
{
    struct gn_limits limits = net->limits;

    if (limits.max_sockets < HOST_SOCKETS)
        limits.max_sockets = HOST_SOCKETS;
    if (limits.max_connections < HOST_SOCKETS)
        limits.max_connections = HOST_SOCKETS;
    if (limits.max_buffered < net->budget.limit / 2)
        limits.max_buffered = net->budget.limit / 2;
    return limits;
}

static void addr_added(struct gn_network *net)
{
    gn__served_changed(net->engine);
}

static int network_create(struct gn__engine *engine,
                          const struct gn_network_config *config,
                          struct gn_network **out)
{
    struct gn_namespace_config gateway = {.size = sizeof(gateway)};
    const struct gn__mem *mem = &engine->net.mem;
    struct gn_network *net = gn__zalloc(mem, sizeof(*net));
    int err;

    if (!net)
        return -ENOMEM;
    net->engine = engine;
    net->addr_added = addr_added;
    init_simple(net, config);
    err = gn__table_add(&gn__shared_of(engine)->names, &net->by_name, net->name,
                        strlen(net->name));
    if (err)
        goto undo_alloc;
    err = gn__logger_create(net);
    if (err)
        goto undo_name;
    err = add_prefixes(net, config);
    if (err)
        goto undo_logger;
    err = check_mtu(config, net);
    gateway.limits = gateway_limits(net);
    if (!err)
        err = gn__ns_create(net, &gateway, true, &net->gateway);
    if (err)
        goto undo_prefixes;
    gn__fds_init(net, config->max_descriptors);
    gn__engine_ref(engine);
    gn__list_add_tail(&gn__shared_of(engine)->networks, &net->of_engine);
    *out = net;
    return 0;

undo_prefixes:
    free_prefixes(net);
undo_logger:
    gn__logger_discard(net);
undo_name:
    forget_name(net);
undo_alloc:
    done_tables(net);
    gn__free(mem, net, sizeof(*net));
    return err;
}

int gn__network_create(struct gn__engine *engine,
                       const struct gn_network_config *config,
                       struct gn_network **out)
{
    int err = check_config(config);

    if (err)
        return err;
    gn__engine_enter(engine);
    err = network_create(engine, config, out);
    gn__engine_leave(engine);
    if (!err)
        log_line(*out, "created");
    return err;
}

struct gn__engine *gn__network_engine(const struct gn_network *net)
{
    return net->engine;
}

uint32_t gn__network_mtu(const struct gn_network *net)
{
    return net->mtu;
}

struct gn_namespace *gn_network_gateway(struct gn_network *net)
{
    return net ? net->gateway : NULL;
}

struct gn_resolver *gn__network_resolver(const struct gn_network *net)
{
    return net->resolver;
}

struct gn_network *gn__engine_network(struct gn__engine *engine, size_t i)
{
    struct gn__list *it;

    gn__list_foreach (it, &gn__shared_of(engine)->networks) {
        if (i-- == 0)
            return gn__container_of(it, struct gn_network, of_engine);
    }
    return NULL;
}

const char *gn_network_name(const struct gn_network *net)
{
    return net ? net->name : "";
}

const char *gn_network_domain(const struct gn_network *net)
{
    return net ? net->domain : "";
}

/* ---- closing ---- */

/* Whether it has an interface in another network too. */
static bool is_elsewhere(const struct gn_namespace *ns,
                         const struct gn_network *net)
{
    struct gn__list *it;

    gn__list_foreach (it, &ns->ifaces) {
        struct gn__iface *iface = gn__container_of(it, struct gn__iface, of_ns);

        if (iface->port.net && iface->port.net != net)
            return true;
    }
    return false;
}

/*
 * Some of them, so that the lock is held for a bounded time; true if there are
 * more. Those that are left hear nothing of it: they are next. The host's was
 * created first and ends last.
 */
static bool end_namespaces(struct gn_network *net)
{
    struct gn__list *node;
    unsigned n;

    for (n = 0; n < END_AT_ONCE; n++) {
        struct gn_namespace *ns;

        node = gn__list_last(&net->namespaces);
        if (!node)
            return false;
        ns = gn__container_of(node, struct gn_namespace, of_net);
        gn__ns_end(ns, !is_elsewhere(ns, net));
        gn__list_add_tail(&net->ended, &ns->of_net);
    }
    return true;
}

/* Interfaces of namespaces that live elsewhere, and ports of other kinds. */
static void end_ports(struct gn_network *net)
{
    struct gn__list *node;

    while ((node = gn__list_first(&net->ports))) {
        struct gn__port *port = gn__container_of(node, struct gn__port, link);

        if (port->ops->end)
            port->ops->end(port);
        else
            gn__port_detach(port);
    }
}

/* ---- calls that are carried to the driving thread ---- */

static void run_call(struct gn__deferred *deferred)
{
    struct gn__call *call =
        gn__container_of(deferred, struct gn__call, deferred);
    struct gn__engine *engine = call->net->engine;

    gn__engine_enter(engine);
    gn__list_del(&call->of_net);
    gn__engine_leave(engine);
    call->run(call, 0);
}

int gn__network_call(struct gn_network *net, struct gn__call *call)
{
    struct gn__engine *engine = net->engine;
    int err = 0;

    call->net = net;
    memset(&call->deferred, 0, sizeof(call->deferred));
    call->deferred.run = run_call;
    gn__list_init(&call->of_net);
    gn__engine_ref(engine);
    gn__engine_enter(engine);
    if (net->closing) {
        err = -ECANCELED;
    } else {
        gn__list_add_tail(&net->calls, &call->of_net);
        gn__deferred_queue(engine, &call->deferred);
        if (call->queued)
            call->queued(call);
    }
    gn__engine_leave(engine);
    gn__engine_unref(engine);
    return err;
}

bool gn__network_is_closing(struct gn_network *net)
{
    bool closing;

    gn__engine_enter(net->engine);
    closing = net->closing;
    gn__engine_leave(net->engine);
    return closing;
}

/* The one that has waited longest, off both its lists; or NULL. */
static struct gn__call *take_call(struct gn_network *net)
{
    struct gn__engine *engine = net->engine;
    struct gn__call *call = NULL;
    struct gn__list *node;

    gn__engine_enter(engine);
    node = gn__list_pop(&net->calls);
    if (node) {
        call = gn__container_of(node, struct gn__call, of_net);
        gn__deferred_cancel(engine, &call->deferred);
    }
    gn__engine_leave(engine);
    return call;
}

static void cancel_calls(struct gn_network *net)
{
    struct gn__call *call;

    while ((call = take_call(net)))
        call->run(call, -ECANCELED);
}

/* ---- its descriptors, timers and turns ---- */

struct gn__io *gn__network_get_io(const struct gn_network *net)
{
    return net->io_ended ? NULL : net->io;
}

int gn__network_set_io(struct gn_network *net, struct gn__io *io)
{
    if (gn__network_is_closing(net))
        return -ECANCELED;
    net->io = io;
    return 0;
}

static void end_io(struct gn_network *net)
{
    net->io_ended = true;
    if (net->io)
        gn__io_end(net->io);
}

/* ---- the two steps ---- */

/* Without the lock, as all of the rest. */
static void report_closed(struct gn_network *net)
{
    struct gn__engine *engine = net->engine;
    const struct gn__driver_ops *driver = engine->driver;
    void *driver_self = engine->driver_self;
    gn_close_cb callback = net->close_cb;
    void *arg = net->close_arg;
    struct gn__list *node;

    if (net->io)
        gn__io_done(net->io);
    gn__logger_end(net);
    log_line(net, "closed");
    while ((node = gn__list_pop(&net->ended)))
        gn__ns_unref(gn__container_of(node, struct gn_namespace, of_net));
    free_prefixes(net);
    done_tables(net);
    gn__free(&engine->net.mem, net, sizeof(*net));
    gn__engine_unref(engine); /* The driver has one as long as it runs. */
    driver->gone(driver_self, callback, arg);
}

static void deferred_closed(struct gn__deferred *deferred)
{
    report_closed(gn__container_of(deferred, struct gn_network, closed));
}

/* Some of what lives in it; true if there is more. @next is queued then, and
 * @last when there is not; both may be NULL. */
static bool end_some(struct gn_network *net, struct gn__deferred *next,
                     struct gn__deferred *last)
{
    struct gn__engine *engine = net->engine;
    bool more;

    gn__engine_enter(engine);
    more = end_namespaces(net);
    if (!more) {
        end_ports(net);
        gn__paths_end(net, 0);
        gn__list_del(&net->of_engine);
        forget_name(net);
    }
    if (more && next)
        gn__deferred_queue(engine, next);
    if (!more && last)
        gn__deferred_queue(engine, last);
    gn__engine_leave(engine);
    return more;
}

static void deferred_ends(struct gn__deferred *deferred)
{
    struct gn_network *net =
        gn__container_of(deferred, struct gn_network, ends);

    cancel_calls(net);
    end_io(net);
    (void)end_some(net, deferred, &net->closed); /* It asks for more itself. */
}

static void network_ignore(void *arg)
{
    (void)arg;
}

/* Both steps at once, for the driving thread, which cannot wait. */
static void close_now(struct gn_network *net)
{
    cancel_calls(net);
    end_io(net);
    while (end_some(net, NULL, NULL))
        continue;
    report_closed(net);
}

void gn_network_close(struct gn_network *net, gn_close_cb callback, void *arg)
{
    struct gn__engine *engine;
    struct gn__closing closing;
    bool now;

    if (!net)
        return;
    engine = net->engine;
    now = gn__engine_claim(engine) && !callback;
    gn__closing_init_wait(&closing, engine);
    gn__engine_ref(engine);
    gn__engine_enter(engine);
    net->closing = true;
    net->close_cb = callback ? callback
                    : now    ? network_ignore
                             : closing.callback;
    net->close_arg = callback ? arg : closing.arg;
    net->ends.run = deferred_ends;
    net->closed.run = deferred_closed;
    if (!now)
        gn__deferred_queue(engine, &net->ends);
    gn__engine_leave(engine);
    if (now)
        close_now(net);
    gn__engine_unref(engine);
    if (!callback && !now)
        gn__closing_wait(&closing);
}
