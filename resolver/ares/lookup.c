/* SPDX-License-Identifier: BSD-3-Clause */
#include "resolver/ares/internal.h"

/*
 * The operations of the resolver: each is one call into c-ares with an ask as
 * its argument, and one callback that turns what comes back into an answer.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int gn__ares_error(int status)
{
    switch ((ares_status_t)status) {
    case ARES_SUCCESS:
        return 0;
    case ARES_ENODATA:
        return GN_EAI_NODATA;
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
    case ARES_ENONAME:
        return GN_EAI_NONAME;
    case ARES_ESERVFAIL:
    case ARES_ECONNREFUSED:
    case ARES_ENOSERVER:
        return GN_EAI_AGAIN;
    case ARES_EBADFAMILY:
        return GN_EAI_FAMILY;
    case ARES_ETIMEOUT:
        return -ETIMEDOUT;
    case ARES_ENOMEM:
        return -ENOMEM;
    case ARES_EFILE:
        return -EMFILE;
    case ARES_EDESTRUCTION:
    case ARES_ECANCELLED:
        return -ECANCELED;
    default: /* Refused, malformed, not understood. */
        return GN_EAI_FAIL;
    }
}

/* Prepare to ask. */
static int begin(struct gn__ares *ares, struct gn_lookup *lookup,
                 struct gn__ares_ask **out)
{
    struct gn__ares_session *session;
    struct gn__ares_ask *ask;
    int err = gn__ares_session(ares, lookup, &session);

    if (err)
        return err;
    if (session->n_pending >= ares->settings.max_pending)
        return GN_EAI_AGAIN;
    ask = calloc(1, sizeof(*ask));
    if (!ask)
        return -ENOMEM;
    ask->session = session;
    ask->lookup = lookup;
    session->n_pending++;
    session->n_live++;
    gn_lookup_set_user(lookup, ask);
    atomic_fetch_add(&ares->lookups, 1);
    *out = ask;
    return 0;
}

/* The channel is done with an ask: who waits for the answer, or NULL; and how
 * it ended. */
static struct gn_lookup *finish(struct gn__ares_ask *ask, int *status)
{
    struct gn__ares_session *session = ask->session;
    struct gn_lookup *lookup = ask->lookup;

    *status = *status == ARES_ECANCELLED && session->watch_err
                  ? session->watch_err
                  : gn__ares_error(*status);
    session->n_pending--;
    if (lookup) {
        session->n_live--;
        gn_lookup_set_user(lookup, NULL);
    }
    free(ask);
    return lookup;
}

static uint32_t lower_ttl(uint32_t ttl, int other)
{
    uint32_t value = other > 0 ? (uint32_t)other : 0;

    return value < ttl ? value : ttl;
}

/* A name out of an answer, if it can be one of a host. */
static const char *host_name(const char *name)
{
    return name && gn__hostname_is_valid(name) ? name : NULL;
}

/* ---- names to addresses ---- */

static size_t collect(const struct ares_addrinfo *info, uint32_t ttl,
                      struct gn_answer answers[GN__ANSWERS_MAX])
{
    const struct ares_addrinfo_node *node;
    size_t n = 0;

    for (node = info->nodes; node && n < GN__ANSWERS_MAX;
         node = node->ai_next) {
        struct gn_answer *answer = &answers[n];

        if (node->ai_family != AF_INET && node->ai_family != AF_INET6)
            continue;
        memset(answer, 0, sizeof(*answer));
        memcpy(&answer->addr, node->ai_addr, node->ai_addrlen);
        answer->ttl_s = lower_ttl(ttl, node->ai_ttl);
        n++;
    }
    return n;
}

static void got_ip(void *arg, int status, int timeouts,
                   struct ares_addrinfo *info)
{
    struct gn_lookup *lookup = finish(arg, &status);
    struct gn_answer answers[GN__ANSWERS_MAX];
    const struct ares_addrinfo_cname *cname;
    const char *canonical;
    uint32_t ttl = UINT32_MAX;

    (void)timeouts;
    if (lookup && !status) {
        canonical = info->name;
        for (cname = info->cnames; cname; cname = cname->next) {
            ttl = lower_ttl(ttl, cname->ttl);
            canonical = cname->name;
        }
        gn_lookup_done_ip(lookup, 0, answers, collect(info, ttl, answers),
                          host_name(canonical));
    } else if (lookup) {
        gn_lookup_done_ip(lookup, status, NULL, 0, NULL);
    }
    ares_freeaddrinfo(info);
}

static int lookup_ip(void *self, struct gn_lookup *lookup, const char *proto,
                     const char *host)
{
    struct ares_addrinfo_hints hints = {
        .ai_family = gn__ip_family(proto),
        .ai_flags = ARES_AI_CANONNAME | ARES_AI_NOSORT,
    };
    struct gn__ares_session *session;
    struct gn__ares_ask *ask;
    int err = begin(self, lookup, &ask);

    if (err)
        return err;
    session = ask->session;
    ares_getaddrinfo(session->channel, host, NULL, &hints, got_ip, ask);
    gn__ares_settle(session);
    return 0;
}

/* ---- addresses to names ---- */

/* The name to ask for; RFC 1035 section 3.5, RFC 3596 section 2.5. */
static void reverse_name(const struct gn__addr *addr, char buf[80])
{
    const uint8_t *b = addr->bytes;
    int i;

    if (gn__addr_is_v4(addr)) {
        snprintf(buf, 80, "%u.%u.%u.%u.in-addr.arpa", b[15], b[14], b[13],
                 b[12]);
        return;
    }
    for (i = 15; i >= 0; i--)
        buf += snprintf(buf, 5, "%x.%x.", b[i] & 15u, b[i] >> 4);
    memcpy(buf, "ip6.arpa", sizeof("ip6.arpa"));
}

/* The first name, and how long it may be believed with what leads to it. */
static const char *read_names(const ares_dns_record_t *record, uint32_t *ttl)
{
    size_t i, n = ares_dns_record_rr_cnt(record, ARES_SECTION_ANSWER);

    *ttl = UINT32_MAX;
    for (i = 0; i < n; i++) {
        const ares_dns_rr_t *rr =
            ares_dns_record_rr_get_const(record, ARES_SECTION_ANSWER, i);
        unsigned rr_ttl = ares_dns_rr_get_ttl(rr);

        if (rr_ttl < *ttl)
            *ttl = rr_ttl;
        if (ares_dns_rr_get_type(rr) == ARES_REC_TYPE_PTR)
            return host_name(ares_dns_rr_get_str(rr, ARES_RR_PTR_DNAME));
    }
    return NULL;
}

static void got_names(void *arg, ares_status_t result, size_t timeouts,
                      const ares_dns_record_t *record)
{
    int status = (int)result;
    struct gn_lookup *lookup = finish(arg, &status);
    const char *name = NULL;
    uint32_t ttl = 0;

    (void)timeouts;
    if (!lookup)
        return;
    if (!status) {
        name = read_names(record, &ttl);
        status = name ? 0 : GN_EAI_NODATA;
    }
    gn_lookup_done_addr(lookup, status, name, ttl);
}

/* From the hosts file, whose names are good for now only. */
static void got_host(void *arg, int status, int timeouts, struct hostent *host)
{
    struct gn_lookup *lookup = finish(arg, &status);
    const char *name = NULL;

    (void)timeouts;
    if (!lookup)
        return;
    if (!status) {
        name = host_name(host->h_name);
        status = name ? 0 : GN_EAI_NODATA;
    }
    gn_lookup_done_addr(lookup, status, name, 0);
}

static void ask_names(struct gn__ares_ask *ask, const struct gn__addr *addr)
{
    struct gn__ares_session *session = ask->session;
    bool is_v4 = gn__addr_is_v4(addr);
    char name[80];

    if (session->ares->settings.hosts_file) {
        ares_gethostbyaddr(session->channel, addr->bytes + (is_v4 ? 12 : 0),
                           is_v4 ? 4 : 16, is_v4 ? AF_INET : AF_INET6, got_host,
                           ask);
        return;
    }
    reverse_name(addr, name);
    (void)ares_query_dnsrec(session->channel, name, ARES_CLASS_IN,
                            ARES_REC_TYPE_PTR, got_names, ask, NULL);
}

static int lookup_addr(void *self, struct gn_lookup *lookup,
                       const struct sockaddr *addr)
{
    socklen_t len = addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                               : sizeof(struct sockaddr_in6);
    struct gn__ares_session *session;
    struct gn__endpoint endpoint;
    struct gn__ares_ask *ask;
    int err = gn__endpoint_from_sockaddr(addr, len, AF_UNSPEC, &endpoint);

    if (!err)
        err = begin(self, lookup, &ask);
    if (err)
        return err;
    session = ask->session;
    ask_names(ask, &endpoint.addr);
    gn__ares_settle(session);
    return 0;
}

/* ---- other records ---- */

static void got_message(void *arg, ares_status_t result, size_t timeouts,
                        const ares_dns_record_t *record)
{
    int status = (int)result;
    struct gn_lookup *lookup = finish(arg, &status);
    unsigned char *message = NULL;
    size_t len = 0;

    (void)timeouts;
    if (!lookup)
        return;
    if (!status)
        status = gn__ares_error((int)ares_dns_write(record, &message, &len));
    gn_lookup_done_query(lookup, status, message, len);
    ares_free_string(message);
}

static int query(void *self, struct gn_lookup *lookup, const char *name,
                 uint16_t type)
{
    struct gn__ares_session *session;
    struct gn__ares_ask *ask;
    int err = begin(self, lookup, &ask);

    if (err)
        return err;
    session = ask->session;
    (void)ares_query_dnsrec(session->channel, name, ARES_CLASS_IN,
                            (ares_dns_rec_type_t)type, got_message, ask, NULL);
    gn__ares_settle(session);
    return 0;
}

/* ---- the rest ---- */

static void cancel(void *self, struct gn_lookup *lookup)
{
    struct gn__ares_ask *ask = gn_lookup_user(lookup);

    (void)self;
    if (!ask)
        return;
    ask->lookup = NULL;
    ask->session->n_live--;
    gn__ares_settle(ask->session);
}

static void close_resolver(void *self)
{
    gn__ares_unref(self);
}

const struct gn_resolver_ops gn__ares_ops = {
    .size = sizeof(gn__ares_ops),
    .name = "ares",
    .lookup_ip = lookup_ip,
    .lookup_addr = lookup_addr,
    .query = query,
    .cancel = cancel,
    .close = close_resolver,
};
