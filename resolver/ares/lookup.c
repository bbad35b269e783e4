/* SPDX-License-Identifier: BSD-3-Clause */
#include "resolver/ares/internal.h"

/*
 * The operations of the resolver. A lookup puts one or two questions for each
 * name that it asks for: an address of either version is a question of its own
 * (query.c). When they have ended, it has an answer, or there is another name
 * to ask for (search.c), or it ends with what the search makes of it. Where
 * only one version is answered, that one is the answer.
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
    case ARES_ENOTIMP:
    case ARES_EREFUSED:
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
    default: /* Malformed, or taken for that by the server. */
        return GN_EAI_FAIL;
    }
}

/* ---- beginning and end ---- */

static int lookup_create(struct gn__ares *ares, struct gn_lookup *outer,
                         struct gn__ares_lookup **out)
{
    struct gn__ares_session *session;
    struct gn__ares_lookup *lookup;
    int err = gn__ares_session(ares, outer, &session);

    if (err)
        return err;
    lookup = calloc(1, sizeof(*lookup));
    if (!lookup)
        return -ENOMEM;
    lookup->session = session;
    lookup->outer = outer;
    err = gn__ares_share_take(lookup);
    if (err) {
        free(lookup);
        return err;
    }
    session->n_live++;
    gn_lookup_set_user(outer, lookup);
    atomic_fetch_add(&ares->lookups, 1);
    *out = lookup;
    return 0;
}

static void lookup_free(struct gn__ares_lookup *lookup)
{
    struct gn__ares_session *session = lookup->session;

    gn__ares_share_give(lookup);
    if (lookup->outer) {
        session->n_live--;
        gn_lookup_set_user(lookup->outer, NULL);
    }
    free(lookup->answers);
    ares_free_string(lookup->message);
    free(lookup);
}

/* Some of each version, where there are more than are kept. */
static size_t pick_answers(const struct gn__ares_lookup *lookup,
                           struct gn_answer out[GN__ANSWERS_MAX])
{
    const struct gn__ares_query *a = &lookup->queries[0];
    const struct gn__ares_query *b = &lookup->queries[1];
    size_t half = GN__ANSWERS_MAX / 2;
    size_t n_b = b->n < half || a->n + b->n <= GN__ANSWERS_MAX ? b->n
                 : a->n < half ? GN__ANSWERS_MAX - a->n
                               : half;
    size_t n_a = a->n + n_b <= GN__ANSWERS_MAX ? a->n : GN__ANSWERS_MAX - n_b;

    memcpy(out, lookup->answers, n_a * sizeof(*out));
    memcpy(out + n_a, lookup->answers + GN__ANSWERS_MAX, n_b * sizeof(*out));
    return n_a + n_b;
}

static void answer_addresses(struct gn__ares_lookup *lookup)
{
    struct gn_answer answers[GN__ANSWERS_MAX];
    size_t n = pick_answers(lookup, answers);

    gn_lookup_set_searched(lookup->outer, lookup->name);
    gn_lookup_done_ip(lookup->outer, 0, answers, n,
                      lookup->found[0] ? lookup->found : NULL);
}

/* @status: the channel's. Nothing of the lookup is under way. */
static void lookup_finish(struct gn__ares_lookup *lookup, int status)
{
    struct gn_lookup *outer = lookup->outer;
    int err = status == ARES_ECANCELLED && lookup->session->watch_err
                  ? lookup->session->watch_err
                  : gn__ares_error(status);

    if (outer && err)
        gn__lookup_fail(outer, err);
    else if (outer && lookup->kind == GN_QUERY_IP)
        answer_addresses(lookup);
    else if (outer && lookup->kind == GN_QUERY_ADDR)
        gn_lookup_done_addr(outer, 0, lookup->found, lookup->ttl_s);
    else if (outer)
        gn_lookup_done_query(outer, 0, lookup->message, lookup->len);
    lookup_free(lookup);
}

/* ---- one name after the other ---- */

/* What two questions about one name come to, as in the C library: what a server
 * says of the name goes before what it fails to say. */
static int name_status(const struct gn__ares_lookup *lookup)
{
    static const int said[] = {ARES_SUCCESS, ARES_ENOTFOUND, ARES_ENODATA};
    size_t i, k;

    for (i = 0; i < sizeof(said) / sizeof(*said); i++) {
        for (k = 0; k < lookup->n_queries; k++) {
            if (lookup->queries[k].status == said[i])
                return said[i];
        }
    }
    return lookup->queries[0].status;
}

/* Is there anything in the answer? A name with other records has no data. */
static int found_status(const struct gn__ares_lookup *lookup)
{
    if (lookup->kind == GN_QUERY_IP)
        return lookup->queries[0].n + lookup->queries[1].n ? ARES_SUCCESS
                                                           : ARES_ENODATA;
    if (lookup->kind == GN_QUERY_ADDR)
        return lookup->found[0] ? ARES_SUCCESS : ARES_ENODATA;
    return lookup->message ? ARES_SUCCESS : ARES_ENOMEM;
}

static bool is_final(const struct gn__ares_lookup *lookup, int status)
{
    return !lookup->outer || lookup->kind != GN_QUERY_IP ||
           status == ARES_SUCCESS || status == ARES_ECANCELLED ||
           status == ARES_EDESTRUCTION || status == ARES_ENOMEM;
}

/* All questions about a name have ended. True: there is another name. */
static bool name_ended(struct gn__ares_lookup *lookup)
{
    int status = name_status(lookup);

    if (is_final(lookup, status)) {
        lookup_finish(lookup, status ? status : found_status(lookup));
        return false;
    }
    gn__ares_search_note(&lookup->search, status);
    if (gn__ares_search_next(&lookup->search, lookup->name))
        return true;
    lookup_finish(lookup, gn__ares_search_status(&lookup->search));
    return false;
}

/* Ask for lookup->name, and for the next ones as long as answers are known at
 * once. */
static void ask_names(struct gn__ares_lookup *lookup)
{
    unsigned i;

    do {
        lookup->is_starting = true;
        lookup->n_left = lookup->n_queries;
        for (i = 0; i < lookup->n_queries; i++)
            gn__ares_query_start(&lookup->queries[i]);
        lookup->is_starting = false;
    } while (!lookup->n_left && name_ended(lookup));
}

static void read_record(struct gn__ares_query *query,
                        const ares_dns_record_t *record)
{
    struct gn__ares_lookup *lookup = query->lookup;
    size_t first = query == lookup->queries ? 0 : GN__ANSWERS_MAX;

    if (lookup->kind == GN_QUERY_IP)
        query->n =
            gn__ares_read_addresses(record, query->type, lookup->name,
                                    lookup->answers + first, lookup->found);
    else if (lookup->kind == GN_QUERY_ADDR)
        (void)gn__ares_read_name(record, lookup->name, lookup->found,
                                 &lookup->ttl_s);
    else
        query->status =
            (int)ares_dns_write(record, &lookup->message, &lookup->len);
}

void gn__ares_query_ended(struct gn__ares_query *query,
                          const ares_dns_record_t *record)
{
    struct gn__ares_lookup *lookup = query->lookup;

    if (query->status == ARES_SUCCESS && lookup->outer)
        read_record(query, record);
    if (--lookup->n_left == 0 && !lookup->is_starting && name_ended(lookup))
        ask_names(lookup);
}

/* ---- names to addresses ---- */

static void add_query(struct gn__ares_lookup *lookup, ares_dns_rec_type_t type)
{
    struct gn__ares_query *query = &lookup->queries[lookup->n_queries++];

    query->lookup = lookup;
    query->type = type;
}

/* RFC 7686: such names are not for the DNS. */
static bool is_onion(const char *host)
{
    return gn__hostname_is_below(host, "onion");
}

/* The hosts file's answer, if it has one: 0, and it has been given. The C
 * library compares its names as they are written, with their dot. */
static int ask_hosts(struct gn__ares_lookup *lookup, const char *proto,
                     const char *host, bool is_absolute)
{
    struct gn_resolver *hosts;
    int err =
        is_absolute ? GN_EAI_NONAME : gn__ares_hosts(lookup->session, &hosts);

    if (!err && !hosts)
        err = GN_EAI_NONAME;
    if (!err)
        err = hosts->ops->lookup_ip(hosts->self, lookup->outer, proto, host);
    return err;
}

static int begin_addresses(struct gn__ares_lookup *lookup, int family,
                           const char *host, bool is_absolute)
{
    lookup->kind = GN_QUERY_IP;
    lookup->answers = calloc(2 * GN__ANSWERS_MAX, sizeof(*lookup->answers));
    if (!lookup->answers)
        return -ENOMEM;
    if (family != AF_INET6)
        add_query(lookup, ARES_REC_TYPE_A);
    if (family != AF_INET)
        add_query(lookup, ARES_REC_TYPE_AAAA);
    gn__ares_search_init(&lookup->search, &lookup->session->list, host,
                         is_absolute);
    return gn__ares_search_next(&lookup->search, lookup->name) ? 0
                                                               : GN_EAI_NONAME;
}

static int lookup_ip(void *self, struct gn_lookup *outer, const char *proto,
                     const char *host)
{
    bool is_absolute = gn_lookup_is_absolute(outer);
    struct gn__ares_session *session;
    struct gn__ares_lookup *lookup;
    int err =
        is_onion(host) ? GN_EAI_NONAME : lookup_create(self, outer, &lookup);

    if (err)
        return err;
    session = lookup->session;
    err = ask_hosts(lookup, proto, host, is_absolute);
    if (err == GN_EAI_NONAME || err == GN_EAI_NODATA) {
        err = begin_addresses(lookup, gn__ip_family(proto), host, is_absolute);
        if (!err) {
            ask_names(lookup);
            gn__ares_after_call(session);
            return 0;
        }
    }
    lookup_free(lookup);
    return err;
}

/* ---- addresses to names, other records ---- */

/* The name to ask for; RFC 1035 section 3.5, RFC 3596 section 2.5. */
static void reverse_name(const struct gn__addr *addr,
                         char buf[GN__HOSTNAME_MAX + 1])
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

/* One question about lookup->name. */
static void ask_one(struct gn__ares_lookup *lookup, enum gn_query_kind kind,
                    ares_dns_rec_type_t type)
{
    struct gn__ares_session *session = lookup->session;

    lookup->kind = kind;
    add_query(lookup, type);
    ask_names(lookup);
    gn__ares_after_call(session);
}

static int lookup_addr(void *self, struct gn_lookup *outer,
                       const struct sockaddr *addr)
{
    socklen_t len = addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                               : sizeof(struct sockaddr_in6);
    struct gn__ares_lookup *lookup;
    struct gn__endpoint endpoint;
    struct gn_resolver *hosts;
    int err = gn__endpoint_from_sockaddr(addr, len, AF_UNSPEC, &endpoint);

    if (!err)
        err = lookup_create(self, outer, &lookup);
    if (err)
        return err;
    err = gn__ares_hosts(lookup->session, &hosts);
    if (!err)
        err = hosts ? hosts->ops->lookup_addr(hosts->self, outer, addr)
                    : GN_EAI_NONAME;
    if (err != GN_EAI_NONAME) {
        lookup_free(lookup);
        return err;
    }
    reverse_name(&endpoint.addr, lookup->name);
    ask_one(lookup, GN_QUERY_ADDR, ARES_REC_TYPE_PTR);
    return 0;
}

static int lookup_query(void *self, struct gn_lookup *outer, const char *name,
                        uint16_t type)
{
    struct gn__ares_lookup *lookup;
    int err = lookup_create(self, outer, &lookup);

    if (err)
        return err;
    (void)snprintf(lookup->name, sizeof(lookup->name), "%s", name);
    ask_one(lookup, GN_QUERY_RECORD, (ares_dns_rec_type_t)type);
    return 0;
}

/* ---- the rest ---- */

static void lookup_cancel(void *self, struct gn_lookup *outer)
{
    struct gn__ares_lookup *lookup = gn_lookup_user(outer);

    (void)self;
    if (!lookup)
        return;
    lookup->outer = NULL;
    lookup->session->n_live--;
    gn__ares_after_call(lookup->session);
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
    .query = lookup_query,
    .cancel = lookup_cancel,
    .close = close_resolver,
};
