/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The two resolvers that need no settings.
 *
 * `local` knows what no server needs to be asked for: addresses and ports in
 * text, "localhost" and all below it (RFC 6761 section 6.3), and the loopback's
 * addresses. Every lookup goes through it first.
 *
 * `own` has the names of the network that a lookup is made in, as they are at
 * that moment: nothing is kept, so guests come and go as they like, and its
 * answers may not be kept either (their TTL is 0).
 */
#include <guestnet/resolver.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "host/names/lookup.h"

#define LOCALHOST "localhost"

static void fill_endpoint(struct gn_answer *answer,
                          const struct gn__endpoint *endpoint)
{
    memset(answer, 0, sizeof(*answer));
    (void)gn__endpoint_to_sockaddr(endpoint, AF_UNSPEC,
                                   (struct sockaddr *)&answer->addr,
                                   sizeof(answer->addr));
}

static void names_fill(struct gn_answer *answer, const struct gn__addr *addr)
{
    struct gn__endpoint endpoint = {.addr = *addr};

    fill_endpoint(answer, &endpoint);
}

/* Every question is answered at once. */
static void no_cancel(void *self, struct gn_lookup *lookup)
{
    (void)self;
    (void)lookup;
}

/* ---- addresses in text ---- */

/* Digits, with any number of zeros in front, as strtoul(3) takes them. */
static bool read_digits(const char *text, uint32_t max, uint32_t *out)
{
    uint64_t n = 0;

    if (!*text)
        return false;
    for (; *text >= '0' && *text <= '9' && n <= max; text++)
        n = 10 * n + (uint64_t)(*text - '0');
    if (*text || n > max)
        return false;
    *out = (uint32_t)n;
    return true;
}

/* The number of an interface; of addresses that mean something on one link
 * only, its name as well, and the name goes first. */
static bool read_scope(struct gn_namespace *ns, const struct in6_addr *addr,
                       const char *text, uint32_t *out)
{
    struct gn_interface iface;

    if ((!IN6_IS_ADDR_LINKLOCAL(addr) && !IN6_IS_ADDR_MC_LINKLOCAL(addr) &&
         !IN6_IS_ADDR_MC_NODELOCAL(addr)) ||
        gn_namespace_interface_by_name(ns, text, &iface))
        return read_digits(text, UINT32_MAX, out);
    *out = iface.index;
    return true;
}

static bool read_v6(struct gn_namespace *ns, const char *text,
                    struct sockaddr_in6 *out)
{
    size_t len = strcspn(text, "%");
    char bare[INET6_ADDRSTRLEN];

    if (!gn__text_cut(text, len, bare, sizeof(bare)) ||
        inet_pton(AF_INET6, bare, &out->sin6_addr) != 1)
        return false;
    out->sin6_family = AF_INET6;
    return !text[len] ||
           read_scope(ns, &out->sin6_addr, text + len + 1, &out->sin6_scope_id);
}

bool gn__hostname_literal(struct gn_namespace *ns, const char *text,
                          struct gn_answer *out)
{
    struct in_addr v4;

    memset(out, 0, sizeof(*out));
    if (!strpbrk(text, " \t\n\v\f\r") && inet_aton(text, &v4)) {
        out->addr.ss_family = AF_INET;
        ((struct sockaddr_in *)&out->addr)->sin_addr = v4;
        return true;
    }
    return read_v6(ns, text, (struct sockaddr_in6 *)&out->addr);
}

bool gn__port_literal(const char *text, uint16_t *out)
{
    uint32_t n;

    if (!read_digits(text, UINT16_MAX, &n))
        return false;
    *out = (uint16_t)n;
    return true;
}

/* ---- local ---- */

static bool is_localhost(const char *host)
{
    return gn__hostname_is_below(host, LOCALHOST);
}

static bool is_loopback(const struct sockaddr *addr)
{
    struct gn__endpoint endpoint;

    return !gn__endpoint_from_sockaddr(addr, sizeof(struct sockaddr_storage),
                                       AF_UNSPEC, &endpoint) &&
           gn__addr_is_loopback(&endpoint.addr);
}

bool gn__is_local_question(const struct gn__question *question)
{
    struct in_addr v4;
    uint16_t port;

    switch (question->kind) {
    case GN_QUERY_IP: /* A name has no colon, and not only digits and dots. */
        return strchr(question->name, ':') || inet_aton(question->name, &v4) ||
               is_localhost(question->name);
    case GN_QUERY_PORT:
        return gn__port_literal(question->name, &port);
    case GN_QUERY_ADDR:
        return is_loopback(question->addr);
    default:
        return is_localhost(question->name);
    }
}

/* An IPv4-mapped one is the IPv4 address that it stands for. */
static bool read_literal(struct gn_namespace *ns, const char *text,
                         struct gn_answer *out)
{
    const struct sockaddr_in6 *sin6 = (const void *)&out->addr;
    struct gn__endpoint endpoint;

    if (!gn__hostname_literal(ns, text, out) ||
        gn__endpoint_from_sockaddr((const struct sockaddr *)&out->addr,
                                   sizeof(out->addr), AF_UNSPEC, &endpoint))
        return false;
    if (out->addr.ss_family == AF_INET6 &&
        IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr))
        fill_endpoint(out, &endpoint);
    return true;
}

static int local_ip(void *self, struct gn_lookup *lookup, const char *proto,
                    const char *host)
{
    const struct gn__addr loopback6 = gn__addr_loopback(AF_INET6);
    const struct gn__addr loopback4 = gn__addr_loopback(AF_INET);
    struct gn_answer answers[2];
    size_t n = 1;

    (void)self;
    (void)proto;
    if (is_localhost(host)) {
        names_fill(&answers[0], &loopback6);
        names_fill(&answers[1], &loopback4);
        n = 2;
    } else if (gn_lookup_is_absolute(lookup) || /* "10.1." is a name */
               !read_literal(gn_lookup_namespace(lookup), host, &answers[0])) {
        return GN_EAI_NONAME;
    }
    gn_lookup_done_ip(lookup, 0, answers, n, host);
    return 0;
}

static int local_port(void *self, struct gn_lookup *lookup, const char *proto,
                      const char *service)
{
    uint16_t port;

    (void)self;
    (void)proto;
    if (!gn__port_literal(service, &port))
        return GN_EAI_SERVICE;
    gn_lookup_done_port(lookup, 0, port);
    return 0;
}

static int local_addr(void *self, struct gn_lookup *lookup,
                      const struct sockaddr *addr)
{
    (void)self;
    (void)addr;
    gn_lookup_done_addr(lookup, 0, LOCALHOST, 0);
    return 0;
}

static const struct gn_resolver_ops local_ops = {
    .size = sizeof(local_ops),
    .name = "local",
    .lookup_ip = local_ip,
    .lookup_port = local_port,
    .lookup_addr = local_addr,
    .cancel = no_cancel,
};

struct gn_resolver gn__resolver_local = {.ops = &local_ops};

/* ---- the network's own ---- */

static int own_ip(void *self, struct gn_lookup *lookup, const char *proto,
                  const char *host)
{
    struct gn_answer answers[GN__ANSWERS_MAX];
    struct gn__addr addrs[GN__ANSWERS_MAX];
    size_t i, n = 0;
    int err;

    (void)self;
    err = gn__ns_find_name(gn_lookup_namespace(lookup), host,
                           gn__ip_family(proto), addrs, GN__ANSWERS_MAX, &n);
    if (err)
        return err;
    for (i = 0; i < n; i++)
        names_fill(&answers[i], &addrs[i]);
    gn_lookup_done_ip(lookup, 0, answers, n, host);
    return 0;
}

static int own_addr(void *self, struct gn_lookup *lookup,
                    const struct sockaddr *addr)
{
    struct gn__endpoint endpoint;
    char name[GN__NAME_ROOM];
    int err;

    (void)self;
    err = gn__endpoint_from_sockaddr(addr, sizeof(struct sockaddr_storage),
                                     AF_UNSPEC, &endpoint);
    if (!err)
        err =
            gn__ns_find_addr(gn_lookup_namespace(lookup), &endpoint.addr, name);
    if (err)
        return GN_EAI_NONAME;
    gn_lookup_done_addr(lookup, 0, name, 0);
    return 0;
}

/* Nothing of another type, but of a name that is there it says so. */
static int own_query(void *self, struct gn_lookup *lookup, const char *name,
                     uint16_t type)
{
    struct gn__addr addr;
    size_t n;
    int err;

    (void)self;
    (void)type;
    err = gn__ns_find_name(gn_lookup_namespace(lookup), name, AF_UNSPEC, &addr,
                           1, &n);
    return err ? err : GN_EAI_NODATA;
}

static const struct gn_resolver_ops own_ops = {
    .size = sizeof(own_ops),
    .name = "network",
    .lookup_ip = own_ip,
    .lookup_addr = own_addr,
    .query = own_query,
    .cancel = no_cancel,
};

struct gn_resolver gn__resolver_own = {.ops = &own_ops};

int gn_resolver_network(struct gn_resolver **out)
{
    return gn_resolver_create(&own_ops, NULL, out);
}
