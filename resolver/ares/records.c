/* SPDX-License-Identifier: BSD-3-Clause */
#include "resolver/ares/internal.h"

/*
 * The records that are read from answers: those that belong to the name that
 * was asked for, or to one that its aliases lead to. Anything else that a
 * server puts beside them is left out. Aliases come before what they lead to,
 * as the C library wants them (RFC 1034 section 4.3.2 builds answers in that
 * order).
 */
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

/** Where in an answer a reader is. */
struct chain {
    const char *name; /* whose records count */
    uint32_t ttl_s;   /* of the aliases that led here */
};

static uint32_t lower_ttl(const struct chain *chain, const ares_dns_rr_t *rr)
{
    uint32_t ttl_s = ares_dns_rr_get_ttl(rr);

    if (ttl_s > INT32_MAX) /* RFC 2181 section 8 */
        ttl_s = 0;
    return ttl_s < chain->ttl_s ? ttl_s : chain->ttl_s;
}

/* Does the record count, and is it no alias? Those are followed. */
static bool chain_takes(struct chain *chain, const ares_dns_rr_t *rr,
                        ares_dns_rec_type_t type)
{
    const char *target;

    if (ares_dns_rr_get_class(rr) != ARES_CLASS_IN ||
        strcasecmp(ares_dns_rr_get_name(rr), chain->name) != 0)
        return false;
    if (ares_dns_rr_get_type(rr) == type)
        return true;
    if (ares_dns_rr_get_type(rr) != ARES_REC_TYPE_CNAME)
        return false;
    target = ares_dns_rr_get_str(rr, ARES_RR_CNAME_CNAME);
    chain->ttl_s = lower_ttl(chain, rr);
    chain->name = target ? target : chain->name;
    return false;
}

/* A name out of an answer, if it can be one of a host. */
static const char *host_name(const char *name)
{
    return name && gn__hostname_is_valid(name) ? name : NULL;
}

static bool fill_answer(const ares_dns_rr_t *rr, struct gn_answer *answer)
{
    struct sockaddr_in6 *sin6 = (void *)&answer->addr;
    struct sockaddr_in *sin = (void *)&answer->addr;
    const void *addr;

    memset(answer, 0, sizeof(*answer));
    if (ares_dns_rr_get_type(rr) == ARES_REC_TYPE_A) {
        addr = ares_dns_rr_get_addr(rr, ARES_RR_A_ADDR);
        sin->sin_family = AF_INET;
        if (addr)
            memcpy(&sin->sin_addr, addr, sizeof(sin->sin_addr));
    } else {
        addr = ares_dns_rr_get_addr6(rr, ARES_RR_AAAA_ADDR);
        sin6->sin6_family = AF_INET6;
        if (addr)
            memcpy(&sin6->sin6_addr, addr, sizeof(sin6->sin6_addr));
    }
    return addr != NULL;
}

size_t gn__ares_read_addresses(const ares_dns_record_t *record,
                               ares_dns_rec_type_t type, const char *name,
                               struct gn_answer out[GN__ANSWERS_MAX],
                               char canonical[GN__HOSTNAME_MAX + 1])
{
    size_t i, n = 0, cnt = ares_dns_record_rr_cnt(record, ARES_SECTION_ANSWER);
    struct chain chain = {.name = name, .ttl_s = UINT32_MAX};

    for (i = 0; i < cnt && n < GN__ANSWERS_MAX; i++) {
        const ares_dns_rr_t *rr =
            ares_dns_record_rr_get_const(record, ARES_SECTION_ANSWER, i);

        if (!chain_takes(&chain, rr, type) || !fill_answer(rr, &out[n]))
            continue;
        out[n++].ttl_s = lower_ttl(&chain, rr);
    }
    if (n && !canonical[0] && host_name(chain.name))
        gn__hostname_copy(chain.name, canonical);
    return n;
}

bool gn__ares_read_name(const ares_dns_record_t *record, const char *name,
                        char out[GN__HOSTNAME_MAX + 1], uint32_t *ttl_s)
{
    size_t i, cnt = ares_dns_record_rr_cnt(record, ARES_SECTION_ANSWER);
    struct chain chain = {.name = name, .ttl_s = UINT32_MAX};

    for (i = 0; i < cnt; i++) {
        const ares_dns_rr_t *rr =
            ares_dns_record_rr_get_const(record, ARES_SECTION_ANSWER, i);
        const char *found;

        if (!chain_takes(&chain, rr, ARES_REC_TYPE_PTR))
            continue;
        found = host_name(ares_dns_rr_get_str(rr, ARES_RR_PTR_DNAME));
        if (!found)
            return false;
        gn__hostname_copy(found, out);
        *ttl_s = lower_ttl(&chain, rr);
        return true;
    }
    return false;
}
