/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What names mean in a network. A guest's name is one label, and the same with
 * the network's domain behind it; it leads to the guest's addresses in that
 * network. A guest that is in several networks asks them in the order of its
 * interfaces, the one it was created in first. The host's namespace is called
 * "gateway", unless a guest is.
 *
 * A guest always finds itself, as gn_namespace_hostname() calls it: by its
 * addresses, or where it has none, by its loopback.
 */
#include "namespace/lookup_context.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "namespace/lifecycle.h"
#include "switch/switch.h"

#define GATEWAY "gateway"
#define HOST    "host" /* the same, as virtual machines call it */

static const struct gn__addr loopback4 = {
    {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};
static const struct gn__addr loopback6 = {{[15] = 1}};

struct gn__engine *gn__ns_engine(const struct gn_namespace *ns)
{
    return ns->engine;
}

const struct gn__mem *gn__ns_mem(const struct gn_namespace *ns)
{
    return &ns->engine->net.mem;
}

struct gn__account *gn__ns_account(const struct gn_namespace *ns)
{
    return ns->guest.account;
}

bool gn__ns_is_over(struct gn_namespace *ns)
{
    bool over;

    gn__engine_enter(ns->engine);
    over = ns->killed || ns->closing;
    gn__ns_leave(ns);
    return over;
}

bool gn__ns_is_system(const struct gn_namespace *ns)
{
    return ns->kernel != NULL;
}

/* ---- where a lookup goes ---- */

static int may_ask(struct gn_namespace *ns)
{
    if (ns->killed || ns->closing || ns->guest.home->closing)
        return -ECANCELED;
    if (ns->n_lookups < ns->guest.limits.max_lookups)
        return 0;
    ns->guest.stats.lookups_refused++;
    gn__log(ns->guest.home, GN_LOG_WARN, GN__LOG_LIMITED,
            "guest %s: no more lookups: max_lookups is %u",
            gn__log_name(&ns->guest), ns->guest.limits.max_lookups);
    return -EAGAIN;
}

static void context_describe(struct gn_namespace *ns,
                             struct gn__lookup_context *out)
{
    struct gn_network *net = ns->guest.home;

    out->ns = ns;
    out->engine = ns->engine;
    out->net = net;
    out->resolver = ns->guest.resolver ? ns->guest.resolver : net->resolver;
    out->log = net->query_log;
    out->log_arg = net->query_log_arg;
    out->now = gn__now(ns->engine);
    out->timeout_ns = ns->guest.limits.lookup_timeout_ms * 1000000ull;
    out->mem = &ns->engine->net.mem;
}

int gn__ns_lookup_begin(struct gn_namespace *ns, struct gn__wait *wait,
                        struct gn__lookup_context *out)
{
    int err;

    if (ns->kernel)
        return -ENOTSUP;
    err = may_ask(ns);
    if (err)
        return err;
    context_describe(ns, out);
    ns->n_lookups++;
    ns->guest.stats.lookups++;
    gn__ns_ref(ns);
    gn__list_add_tail(&ns->sleepers, &wait->link);
    return 0;
}

void gn__ns_lookup_end(struct gn_namespace *ns, struct gn__wait *wait)
{
    gn__list_del(&wait->link);
    ns->n_lookups--;
}

/* ---- the networks a namespace is in ---- */

/* The one it was created in, if it is still there, then those of its
 * interfaces; NULL when there are no more. */
static struct gn_network *network_at(const struct gn_namespace *ns, size_t i)
{
    struct gn_network *home = ns->detached ? NULL : ns->guest.home;
    struct gn__list *it;

    if (home && i-- == 0)
        return home;
    gn__list_foreach (it, &ns->guest.ports) {
        struct gn_network *net =
            gn__container_of(it, struct gn__port, of_owner)->net;

        if (net != home && i-- == 0)
            return net;
    }
    return NULL;
}

/* ---- from names to addresses ---- */

static struct gn__guest *by_label(const struct gn_network *net,
                                  const char *label, size_t len)
{
    struct gn__table_node *node = gn__table_find(&net->names, label, len);

    if (node)
        return gn__container_of(node, struct gn__guest, by_name);
    if ((len == strlen(GATEWAY) && !memcmp(label, GATEWAY, len)) ||
        (len == strlen(HOST) && !memcmp(label, HOST, len)))
        return &net->gateway->guest;
    return NULL;
}

/* @host is in lower case. */
static struct gn__guest *by_host(const struct gn_network *net, const char *host)
{
    size_t len = strcspn(host, ".");

    if (host[len] && (!gn__hostname_is_below(host + len + 1, net->domain) ||
                      !gn__hostname_is_below(net->domain, host + len + 1)))
        return NULL;
    return by_label(net, host, len);
}

struct found {
    int family;
    struct gn__addr *out;
    size_t cap;
    size_t n;
};

static void found_one(struct found *found, const struct gn__addr *addr)
{
    size_t i;

    if (found->family != AF_UNSPEC && found->family != gn__addr_family(addr))
        return;
    for (i = 0; i < found->n; i++) {
        if (gn__addr_equal(&found->out[i], addr))
            return;
    }
    if (found->n < found->cap)
        found->out[found->n++] = *addr;
}

static bool is_used(const struct gn__guest *guest, const struct gn__addr *addr)
{
    const struct gn__wire *wire = guest->ns ? guest->ns->wire : NULL;

    return !wire || gn__wire_is_heard(wire, addr);
}

/* Its addresses in @net; NULL: in any. */
static void context_collect(const struct gn__guest *guest,
                            const struct gn_network *net, struct found *found)
{
    struct gn__list *i, *a;

    gn__list_foreach (i, &guest->ports) {
        struct gn__port *port = gn__container_of(i, struct gn__port, of_owner);

        if (net && port->net != net)
            continue;
        gn__list_foreach (a, &port->addrs) {
            const struct gn__port_addr *owned =
                gn__container_of(a, struct gn__port_addr, of_port);

            if (!gn__addr_is_linklocal(&owned->addr) &&
                is_used(guest, &owned->addr))
                found_one(found, &owned->addr);
        }
    }
}

/* One label, so that other names are not worth writing it down. */
static bool is_own_name(const struct gn_namespace *ns, const char *host)
{
    char own[GN__ADDR_TEXT + 8];

    if (strchr(host, '.'))
        return false;
    gn__guest_hostname(&ns->guest, own, sizeof(own));
    return gn__hostname_matches(own, host);
}

static bool has_addresses(const struct gn_namespace *ns, int family)
{
    struct gn__addr first;
    struct found found = {.family = family, .out = &first, .cap = 1};

    context_collect(&ns->guest, NULL, &found);
    return found.n > 0;
}

static void collect_own(const struct gn_namespace *ns, struct found *found)
{
    context_collect(&ns->guest, NULL, found);
    if (has_addresses(ns, AF_UNSPEC))
        return;
    found_one(found, &loopback4);
    found_one(found, &loopback6);
}

static int find_name(const struct gn_namespace *ns, const char *host,
                     struct found *found)
{
    const struct gn__guest *who;
    const struct gn_network *net;
    bool known = false;
    size_t i;

    if (is_own_name(ns, host)) {
        collect_own(ns, found);
        return 0;
    }
    for (i = 0; !found->n && (net = network_at(ns, i)); i++) {
        who = by_host(net, host);
        if (who)
            context_collect(who, net, found);
        known = known || who;
    }
    return known ? 0 : GN_EAI_NONAME;
}

int gn__ns_name_addrs(const struct gn_namespace *ns, const char *lower,
                      int family, struct gn__addr *out, size_t cap, size_t *n)
{
    struct found found = {.family = family, .out = out, .cap = cap};
    int err = find_name(ns, lower, &found);

    if (!err)
        *n = found.n;
    return err;
}

int gn__ns_find_name(struct gn_namespace *ns, const char *host, int family,
                     struct gn__addr *out, size_t cap, size_t *n)
{
    char lower[GN__HOSTNAME_MAX + 1];
    int err;

    if (!gn__hostname_is_valid(host))
        return GN_EAI_NONAME; /* It may be longer than there is room for. */
    gn__hostname_lower(host, lower);
    gn__engine_enter(ns->engine);
    err = gn__ns_name_addrs(ns, lower, family, out, cap, n);
    gn__ns_leave(ns);
    return err;
}

/* ---- from addresses to names ---- */

static const char *label_of(const struct gn_network *net,
                            const struct gn__guest *who)
{
    if (who->name[0])
        return who->name;
    return who == &net->gateway->guest &&
                   by_label(net, GATEWAY, strlen(GATEWAY)) == who
               ? GATEWAY
               : NULL;
}

static const char *find_addr(const struct gn_network *net,
                             const struct gn__addr *addr)
{
    const struct gn__port_addr *owned = gn__port_addr_find(net, addr);

    if (!owned || gn__addr_is_linklocal(addr))
        return NULL;
    return label_of(net, owned->port->owner);
}

struct gn_namespace *gn__network_guest_at(struct gn_network *net,
                                          const struct gn__addr *addr)
{
    struct gn_namespace *ns = NULL;
    struct gn__port_addr *owned;

    gn__engine_enter(net->engine);
    owned = gn__port_addr_find(net, addr);
    if (owned && owned->port->owner)
        ns = owned->port->owner->ns;
    if (ns)
        gn__ns_ref(ns);
    gn__engine_leave(net->engine);
    return ns;
}

bool gn__network_gateway_addr(struct gn_network *net, size_t n,
                              struct gn__addr *out)
{
    size_t i;

    for (i = 0; i < net->n_prefixes; i++) {
        if (!net->prefixes[i].pool.has_gateway || n--)
            continue;
        *out = net->prefixes[i].pool.gateway;
        return true;
    }
    return false;
}

int gn__ns_find_addr(struct gn_namespace *ns, const struct gn__addr *addr,
                     char out[GN__NAME_ROOM])
{
    const struct gn_network *net;
    const char *label = NULL;
    size_t i;

    gn__engine_enter(ns->engine);
    for (i = 0; !label && (net = network_at(ns, i)); i++) {
        label = find_addr(net, addr);
        if (label)
            (void)snprintf(out, GN__NAME_ROOM, "%s.%s", label, net->domain);
    }
    gn__ns_leave(ns);
    return label ? 0 : GN_EAI_NONAME;
}

void gn__ns_domain(struct gn_namespace *ns, char out[GN__NAME_ROOM])
{
    gn__engine_enter(ns->engine);
    (void)snprintf(out, GN__NAME_ROOM, "%s",
                   ns->guest.home ? ns->guest.home->domain : "");
    gn__ns_leave(ns);
}

/* ---- sources ---- */

static uint8_t prefix_len_of(const struct gn__iface *iface,
                             const struct gn__addr *addr)
{
    struct gn__list *it;

    gn__list_foreach (it, &iface->port.addrs) {
        const struct gn__port_addr *owned =
            gn__container_of(it, struct gn__port_addr, of_port);

        if (gn__addr_equal(&owned->addr, addr))
            return owned->prefix_len;
    }
    return 0;
}

static void find_source(struct gn_namespace *ns, const struct gn_answer *answer,
                        struct gn__source *out)
{
    struct gn__endpoint dst;
    struct gn__way way;

    memset(out, 0, sizeof(*out));
    if (gn__endpoint_from_sockaddr((const struct sockaddr *)&answer->addr,
                                   sizeof(answer->addr), AF_UNSPEC, &dst) ||
        gn__ns_route(ns, &dst.addr, NULL, dst.scope, &way))
        return;
    out->usable = true;
    out->addr = way.source;
    out->prefix_len = prefix_len_of(way.iface, &way.source);
}

void gn__ns_sources(struct gn_namespace *ns, const struct gn_answer *answers,
                    struct gn__source *out, size_t n)
{
    size_t i;

    gn__engine_enter(ns->engine);
    for (i = 0; i < n; i++)
        find_source(ns, &answers[i], &out[i]);
    gn__ns_leave(ns);
}

bool gn__ns_has_family(struct gn_namespace *ns, int family)
{
    bool has;

    gn__engine_enter(ns->engine);
    has = has_addresses(ns, family);
    gn__ns_leave(ns);
    return has;
}
