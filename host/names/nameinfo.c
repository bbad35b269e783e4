/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * getnameinfo(3): the host and the service by themselves, each by its name if
 * it has one and a number was not asked for.
 */
#include <guestnet/resolver.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/names/addrinfo.h"
#include "host/names/lookup.h"

#define FLAGS_KNOWN                                                         \
    (NI_NUMERICHOST | NI_NUMERICSERV | NI_NOFQDN | NI_NAMEREQD | NI_DGRAM | \
     NI_IDN)

static int name_put(const char *text, char *buf, socklen_t cap)
{
    size_t len = strlen(text);

    if (len >= cap)
        return GN_EAI_OVERFLOW;
    memcpy(buf, text, len + 1);
    return 0;
}

/* A whole address of its family, whatever was passed. */
static int read_addr(const struct sockaddr *addr, socklen_t len,
                     struct sockaddr_storage *out)
{
    size_t least = sizeof(struct sockaddr_in);

    if (!addr || len < sizeof(sa_family_t))
        return GN_EAI_FAMILY;
    if (addr->sa_family == AF_INET6)
        least = sizeof(struct sockaddr_in6);
    else if (addr->sa_family != AF_INET)
        return GN_EAI_FAMILY;
    if (len < least)
        return GN_EAI_FAMILY;
    memset(out, 0, sizeof(*out));
    memcpy(out, addr, len < sizeof(*out) ? len : sizeof(*out));
    return 0;
}

/* ---- the host ---- */

static bool needs_interface(const struct in6_addr *addr)
{
    return IN6_IS_ADDR_LINKLOCAL(addr) || IN6_IS_ADDR_MC_LINKLOCAL(addr);
}

static void add_scope(struct gn_namespace *ns, const struct sockaddr_in6 *sin6,
                      char *text, size_t cap)
{
    size_t len = strlen(text);
    struct gn_interface iface;

    if (!sin6->sin6_scope_id)
        return;
    if (needs_interface(&sin6->sin6_addr) &&
        !gn_namespace_interface_by_index(ns, sin6->sin6_scope_id, &iface))
        (void)snprintf(text + len, cap - len, "%%%s", iface.name);
    else
        (void)snprintf(text + len, cap - len, "%%%u", sin6->sin6_scope_id);
}

static int numeric_host(struct gn_namespace *ns,
                        const struct sockaddr_storage *addr, char *host,
                        socklen_t cap)
{
    const struct sockaddr_in6 *sin6 = (const void *)addr;
    char text[INET6_ADDRSTRLEN + sizeof(((struct gn_interface *)0)->name) + 1];

    if (addr->ss_family == AF_INET) {
        (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)addr)->sin_addr,
                        text, sizeof(text));
        return name_put(text, host, cap);
    }
    (void)inet_ntop(AF_INET6, &sin6->sin6_addr, text, sizeof(text));
    add_scope(ns, sin6, text, sizeof(text));
    return name_put(text, host, cap);
}

/* "web.guest.internal" without the domain of the network. */
static int put_name(struct gn_namespace *ns, const char *name, int flags,
                    char *host, socklen_t cap)
{
    char domain[GN__NAME_ROOM], text[NI_MAXHOST];
    size_t len = strlen(name);

    (void)snprintf(text, sizeof(text), "%s", name);
    if (flags & NI_NOFQDN) {
        gn__ns_domain(ns, domain);
        if (*domain && gn__hostname_is_below(name, domain) &&
            !gn__hostname_is_below(domain, name))
            text[len - strlen(domain) - 1] = '\0';
    }
    return name_put(text, host, cap);
}

static int named_host(struct gn_namespace *ns, struct sockaddr_storage *addr,
                      int flags, char *host, socklen_t cap)
{
    struct gn__question question = {.kind = GN_QUERY_ADDR,
                                    .addr = (const struct sockaddr *)addr};
    struct gn__awaited awaited;
    int err;

    if (gn__is_local_question(&question))
        return name_put("localhost", host, cap);
    err = gn__lookup_and_wait(ns, &question, &awaited);
    if (err)
        return err == GN_EAI_NODATA ? GN_EAI_NONAME : gn__gai_error(err);
    err = put_name(ns, awaited.result.name, flags, host, cap);
    gn__awaited_done(&awaited);
    return err;
}

static int put_host(struct gn_namespace *ns, struct sockaddr_storage *addr,
                    int flags, char *host, socklen_t cap)
{
    int err = GN_EAI_NONAME;

    if (!(flags & NI_NUMERICHOST))
        err = named_host(ns, addr, flags, host, cap);
    if (err != GN_EAI_NONAME || (flags & NI_NAMEREQD))
        return err;
    return numeric_host(ns, addr, host, cap);
}

/* ---- the service ---- */

static int put_service(const struct sockaddr_storage *addr, int flags,
                       char *service, socklen_t cap)
{
    uint16_t port = ntohs(addr->ss_family == AF_INET
                              ? ((const struct sockaddr_in *)addr)->sin_port
                              : ((const struct sockaddr_in6 *)addr)->sin6_port);
    const char *name = NULL;
    char text[8];

    if (!(flags & NI_NUMERICSERV))
        name = gn__service_name(flags & NI_DGRAM ? "udp" : "tcp", port);
    (void)snprintf(text, sizeof(text), "%u", port);
    return name_put(name ? name : text, service, cap);
}

int gn_getnameinfo(struct gn_namespace *ns, const struct sockaddr *addr,
                   socklen_t len, char *host, socklen_t host_len, char *service,
                   socklen_t service_len, int flags)
{
    bool wants_host = host && host_len, wants_service = service && service_len;
    struct sockaddr_storage whole;
    int err;

    if (!ns)
        return -EINVAL;
    if (gn__ns_is_system(ns))
        return gn__system_getnameinfo(addr, len, host, host_len, service,
                                      service_len, flags);
    if (flags & ~FLAGS_KNOWN)
        return GN_EAI_BADFLAGS;
    err = read_addr(addr, len, &whole);
    if (err)
        return err;
    if (!host && !service)
        return GN_EAI_NONAME;
    if (wants_host)
        err = put_host(ns, &whole, flags, host, host_len);
    if (!err && wants_service)
        err = put_service(&whole, flags, service, service_len);
    return err;
}
