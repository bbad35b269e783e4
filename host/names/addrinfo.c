/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * getaddrinfo(3): first the kinds of sockets, each with its port, then the
 * addresses, then one entry for each pair. What glibc does where POSIX leaves a
 * choice is done here too: hints that are NULL stand for AI_V4MAPPED and
 * AI_ADDRCONFIG, "*" for no node or service, and sockets of no stated type are
 * given for SOCK_STREAM, SOCK_DGRAM and SOCK_RAW.
 *
 * Only what is neither a number nor localhost is looked up, and waits.
 */
#include "host/names/addrinfo.h"

#include <errno.h>
#include <string.h>

#include "host/names/lookup.h"

#define FLAGS_KNOWN                                                      \
    (AI_PASSIVE | AI_CANONNAME | AI_NUMERICHOST | AI_V4MAPPED | AI_ALL | \
     AI_ADDRCONFIG | AI_NUMERICSERV | AI_IDN | AI_CANONIDN)
#define N_KINDS 3u

/** A kind of socket, and its port. */
struct kind {
    int type;
    int protocol;
    uint16_t port;
};

/** A call of getaddrinfo(). */
struct call {
    struct gn_namespace *ns;
    const char *node;
    const char *service;
    struct addrinfo hints;
    int asked_flags;
    struct kind kinds[N_KINDS];
    size_t n_kinds;
    struct gn_answer answers[GN__ANSWERS_MAX];
    size_t n_answers;
    char canonical[GN__HOSTNAME_MAX + 1];
    uint64_t timeout_ns;
};

/* ---- hints ---- */

static const char *real_text(const char *text)
{
    return text && strcmp(text, "*") != 0 ? text : NULL;
}

static int addrinfo_check(const struct call *call)
{
    int flags = call->hints.ai_flags;
    int family = call->hints.ai_family;

    if (!call->node && !call->service)
        return GN_EAI_NONAME;
    if ((flags & ~FLAGS_KNOWN) || ((flags & AI_CANONNAME) && !call->node))
        return GN_EAI_BADFLAGS;
    return family == AF_UNSPEC || family == AF_INET || family == AF_INET6
               ? 0
               : GN_EAI_FAMILY;
}

/* ---- services ---- */

static const struct kind all_kinds[N_KINDS] = {
    {SOCK_STREAM, IPPROTO_TCP, 0},
    {SOCK_DGRAM, IPPROTO_UDP, 0},
    {SOCK_RAW, 0, 0}, /* any protocol */
};

static bool addrinfo_fits(const struct kind *kind, const struct addrinfo *hints)
{
    return (!hints->ai_socktype || hints->ai_socktype == kind->type) &&
           (!hints->ai_protocol || !kind->protocol ||
            hints->ai_protocol == kind->protocol);
}

static void add_kind(struct call *call, const struct kind *kind, uint16_t port)
{
    struct kind *added = &call->kinds[call->n_kinds++];

    *added = *kind;
    added->port = port;
    if (!added->protocol)
        added->protocol = call->hints.ai_protocol;
}

static int look_up_service(struct call *call, const struct kind *kind)
{
    struct gn__question question = {.kind = GN_QUERY_PORT,
                                    .proto = kind->type == SOCK_STREAM ? "tcp"
                                                                       : "udp",
                                    .name = call->service,
                                    .timeout_ns = call->timeout_ns};
    struct gn__awaited awaited;
    int err;

    if (!gn__service_is_valid(call->service))
        return GN_EAI_SERVICE;
    err = gn__lookup_and_wait(call->ns, &question, &awaited);
    if (err)
        return gn__gai_error(err);
    add_kind(call, kind, awaited.result.port);
    gn__awaited_done(&awaited);
    return 0;
}

/* One that was asked for, or all that go without saying. */
static int addrinfo_numbered(struct call *call, uint16_t port)
{
    bool one = call->hints.ai_socktype || call->hints.ai_protocol;
    size_t i;

    for (i = 0; i < N_KINDS; i++) {
        if (!addrinfo_fits(&all_kinds[i], &call->hints))
            continue;
        if (one && all_kinds[i].type == SOCK_RAW && call->service)
            return GN_EAI_SERVICE; /* It has no ports. */
        add_kind(call, &all_kinds[i], port);
        if (one)
            return 0;
    }
    if (call->n_kinds)
        return 0;
    return call->hints.ai_socktype ? GN_EAI_SOCKTYPE : GN_EAI_SERVICE;
}

static int addrinfo_named(struct call *call)
{
    int err = call->hints.ai_socktype ? GN_EAI_SOCKTYPE : GN_EAI_SERVICE;
    size_t i;

    for (i = 0; i < N_KINDS; i++) {
        if (!addrinfo_fits(&all_kinds[i], &call->hints))
            continue;
        err = all_kinds[i].type == SOCK_RAW
                  ? GN_EAI_SERVICE
                  : look_up_service(call, &all_kinds[i]);
        if (err && err != GN_EAI_SERVICE)
            return err;
    }
    return call->n_kinds ? 0 : err;
}

static int find_kinds(struct call *call)
{
    uint16_t port = 0;

    if (!call->service || !*call->service ||
        gn__port_literal(call->service, &port))
        return addrinfo_numbered(call, port);
    if (strspn(call->service, "0123456789") == strlen(call->service))
        return GN_EAI_SERVICE; /* Beyond 65535. */
    if (call->hints.ai_flags & AI_NUMERICSERV)
        return GN_EAI_NONAME;
    return addrinfo_named(call);
}

/* ---- addresses ---- */

static void add_v4(struct call *call, uint32_t addr)
{
    struct sockaddr_in *sin = (void *)&call->answers[call->n_answers++].addr;

    memset(sin, 0, sizeof(struct sockaddr_storage));
    sin->sin_family = AF_INET;
    sin->sin_addr.s_addr = htonl(addr);
}

static void add_v6(struct call *call, const struct in6_addr *addr)
{
    struct sockaddr_in6 *sin6 = (void *)&call->answers[call->n_answers++].addr;

    memset(sin6, 0, sizeof(struct sockaddr_storage));
    sin6->sin6_family = AF_INET6;
    sin6->sin6_addr = *addr;
}

static bool has_room_for(const struct call *call, int family)
{
    return call->hints.ai_family == AF_UNSPEC ||
           call->hints.ai_family == family;
}

/* Without a node: here, or with AI_PASSIVE anywhere. */
static void find_here(struct call *call)
{
    bool passive = call->hints.ai_flags & AI_PASSIVE;

    if (passive && has_room_for(call, AF_INET))
        add_v4(call, INADDR_ANY);
    if (has_room_for(call, AF_INET6))
        add_v6(call, passive ? &in6addr_any : &in6addr_loopback);
    if (!passive && has_room_for(call, AF_INET))
        add_v4(call, INADDR_LOOPBACK);
}

static void map_v4(struct sockaddr_storage *addr)
{
    struct in_addr v4 = ((struct sockaddr_in *)addr)->sin_addr;
    struct sockaddr_in6 *sin6 = (void *)addr;

    memset(sin6, 0, sizeof(*sin6));
    sin6->sin6_family = AF_INET6;
    memset(sin6->sin6_addr.s6_addr + 10, 0xff, 2);
    memcpy(sin6->sin6_addr.s6_addr + 12, &v4, sizeof(v4));
}

static void unmap_v4(struct sockaddr_storage *addr)
{
    struct sockaddr_in *sin = (void *)addr;
    struct in_addr v4;

    memcpy(&v4, ((struct sockaddr_in6 *)addr)->sin6_addr.s6_addr + 12,
           sizeof(v4));
    memset(addr, 0, sizeof(*addr));
    sin->sin_family = AF_INET;
    sin->sin_addr = v4;
}

/* Make an address in text what was asked for. */
static int fit_literal(struct call *call)
{
    struct sockaddr_storage *addr = &call->answers[0].addr;
    const struct sockaddr_in6 *sin6 = (const void *)addr;

    if (has_room_for(call, addr->ss_family))
        return 0;
    if (addr->ss_family == AF_INET) {
        if (!(call->hints.ai_flags & AI_V4MAPPED))
            return GN_EAI_ADDRFAMILY;
        map_v4(addr);
        return 0;
    }
    if (!IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr))
        return GN_EAI_ADDRFAMILY;
    unmap_v4(addr);
    return 0;
}

/* Does AI_ADDRCONFIG leave anything to be asked? It narrows the family. */
static bool addrinfo_configured(struct call *call)
{
    bool v4, v6;

    if (!(call->hints.ai_flags & AI_ADDRCONFIG))
        return true;
    v4 = gn__ns_has_family(call->ns, AF_INET);
    v6 = gn__ns_has_family(call->ns, AF_INET6);
    if (call->hints.ai_family == AF_UNSPEC && v4 != v6)
        call->hints.ai_family = v4 ? AF_INET : AF_INET6;
    return (call->hints.ai_family != AF_INET || v4) &&
           (call->hints.ai_family != AF_INET6 || v6);
}

static bool wants_mapped(const struct call *call)
{
    return call->hints.ai_family == AF_INET6 &&
           (call->hints.ai_flags & AI_V4MAPPED);
}

/* AI_V4MAPPED: IPv4 addresses if there are no others, with AI_ALL anyway. */
static void map_answers(struct call *call)
{
    bool all = call->hints.ai_flags & AI_ALL;
    size_t i, n = 0;

    for (i = 0; i < call->n_answers && !all; i++)
        n += call->answers[i].addr.ss_family == AF_INET6;
    all = all || !n;
    for (i = 0, n = 0; i < call->n_answers; i++) {
        if (call->answers[i].addr.ss_family == AF_INET6)
            call->answers[n++] = call->answers[i];
        else if (all) {
            call->answers[n] = call->answers[i];
            map_v4(&call->answers[n++].addr);
        }
    }
    call->n_answers = n;
}

static int look_up(struct call *call)
{
    struct gn__question question = {
        .kind = GN_QUERY_IP, .proto = "ip", .timeout_ns = call->timeout_ns};
    char name[GN__HOSTNAME_MAX + 1];
    struct gn__awaited awaited;
    int err;

    if (call->hints.ai_family == AF_INET)
        question.proto = "ip4";
    else if (call->hints.ai_family == AF_INET6 && !wants_mapped(call))
        question.proto = "ip6";
    gn__hostname_copy(call->node, name);
    question.name = name;
    question.is_absolute = gn__hostname_is_absolute(call->node);
    err = gn__lookup_and_wait(call->ns, &question, &awaited);
    if (err)
        return gn__gai_error(err);
    memcpy(call->answers, awaited.result.answers,
           awaited.result.n * sizeof(*call->answers));
    call->n_answers = awaited.result.n;
    gn__hostname_copy(awaited.result.name ? awaited.result.name : name,
                      call->canonical);
    gn__awaited_done(&awaited);
    return 0;
}

static void find_localhost(struct call *call)
{
    gn__hostname_copy(call->node, call->canonical);
    if (has_room_for(call, AF_INET6))
        add_v6(call, &in6addr_loopback);
    if (has_room_for(call, AF_INET) || wants_mapped(call))
        add_v4(call, INADDR_LOOPBACK);
}

/* An address with a scope that is none is first of all of its family. */
static bool is_other_family(const struct call *call)
{
    return call->hints.ai_family == AF_INET && strchr(call->node, '%') &&
           strchr(call->node, ':');
}

static int find_name(struct call *call)
{
    int err = 0;

    if (is_other_family(call))
        return GN_EAI_ADDRFAMILY;
    if ((call->hints.ai_flags & AI_NUMERICHOST) ||
        !gn__hostname_is_valid(call->node) || !addrinfo_configured(call))
        return GN_EAI_NONAME;
    if (gn__hostname_is_below(call->node, "localhost"))
        find_localhost(call);
    else
        err = look_up(call);
    if (!err && wants_mapped(call))
        map_answers(call);
    return err;
}

static int find_answers(struct call *call)
{
    if (!call->node) {
        find_here(call);
        return 0;
    }
    if (!gn__hostname_literal(call->ns, call->node, &call->answers[0]))
        return find_name(call);
    call->n_answers = 1;
    return fit_literal(call);
}

/* ---- the list ---- */

static void set_port(struct sockaddr_storage *addr, uint16_t port)
{
    if (addr->ss_family == AF_INET)
        ((struct sockaddr_in *)addr)->sin_port = htons(port);
    else
        ((struct sockaddr_in6 *)addr)->sin6_port = htons(port);
}

static int add_entry(struct call *call, struct sockaddr_storage *addr,
                     const struct kind *kind, struct addrinfo ***tail,
                     const char *canonical)
{
    struct addrinfo entry = {.ai_flags = call->asked_flags,
                             .ai_family = addr->ss_family,
                             .ai_socktype = kind->type,
                             .ai_protocol = kind->protocol,
                             .ai_addr = (struct sockaddr *)addr,
                             .ai_addrlen = addr->ss_family == AF_INET
                                               ? sizeof(struct sockaddr_in)
                                               : sizeof(struct sockaddr_in6)};

    set_port(addr, kind->port);
    return gn__addrinfo_add(gn__ns_mem(call->ns), tail, &entry, canonical);
}

/* The first one has the canonical name: what was asked for, if it is an address
 * or leads to no other. */
static const char *canonical_of(const struct call *call)
{
    if (!(call->hints.ai_flags & AI_CANONNAME))
        return NULL;
    return *call->canonical ? call->canonical : call->node;
}

static int make_list(struct call *call, struct addrinfo **out)
{
    const char *canonical = canonical_of(call);
    struct addrinfo *list = NULL, **tail = &list;
    size_t i, k;
    int err = 0;

    for (i = 0; i < call->n_answers && !err; i++) {
        for (k = 0; k < call->n_kinds && !err; k++) {
            err = add_entry(call, &call->answers[i].addr, &call->kinds[k],
                            &tail, canonical);
            canonical = NULL;
        }
    }
    if (err)
        gn_freeaddrinfo(list);
    else
        *out = list;
    return err ? GN_EAI_MEMORY : 0;
}

static int addrinfo_run(struct call *call, struct addrinfo **out)
{
    int err = addrinfo_check(call);

    if (!err)
        err = find_kinds(call);
    if (!err)
        err = find_answers(call);
    return err ? err : make_list(call, out);
}

int gn__getaddrinfo(struct gn_namespace *ns, const char *node,
                    const char *service, const struct addrinfo *hints,
                    uint64_t timeout_ns, struct addrinfo **out)
{
    struct call call = {.ns = ns,
                        .node = real_text(node),
                        .service = real_text(service),
                        .timeout_ns = timeout_ns,
                        .hints.ai_flags = AI_V4MAPPED | AI_ADDRCONFIG};

    if (!ns || !out)
        return -EINVAL;
    if (gn__ns_is_system(ns))
        return gn__system_getaddrinfo(gn__ns_mem(ns), node, service, hints,
                                      out);
    if (hints)
        call.hints = *hints;
    call.asked_flags = call.hints.ai_flags;
    return addrinfo_run(&call, out);
}

int gn_getaddrinfo(struct gn_namespace *ns, const char *node,
                   const char *service, const struct addrinfo *hints,
                   struct addrinfo **out)
{
    return gn__getaddrinfo(ns, node, service, hints, 0, out);
}
