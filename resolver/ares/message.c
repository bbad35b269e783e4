/* SPDX-License-Identifier: BSD-3-Clause */
#include "resolver/message.h"

/*
 * Resolvers differ in what they accept of an answer, so: the question stands in
 * every answer, FORMERR included; records of one type only, the alias before
 * its target; SOA where there is none; RA always; EDNS 0 whenever it was asked
 * for, and no cookies.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/wire.h"
#include "resolver/ares/internal.h"

#define HEADER_LEN   12u
#define NEGATIVE_TTL 5u /* s: of names that a guest may have soon */
#define OPCODE_QUERY 0u

/* ---- reading ---- */

static void edns_read(const ares_dns_record_t *record,
                      struct gn__dns_question *out)
{
    size_t i, n = ares_dns_record_rr_cnt(record, ARES_SECTION_ADDITIONAL);

    out->udp_size = GN__DNS_UDP_LEAST;
    for (i = 0; i < n; i++) {
        const ares_dns_rr_t *rr =
            ares_dns_record_rr_get_const(record, ARES_SECTION_ADDITIONAL, i);

        if (!rr || ares_dns_rr_get_type(rr) != ARES_REC_TYPE_OPT)
            continue;
        out->edns = true;
        out->udp_size = ares_dns_rr_get_u16(rr, ARES_RR_OPT_UDP_SIZE);
        if (out->udp_size < GN__DNS_UDP_LEAST)
            out->udp_size = GN__DNS_UDP_LEAST;
        if (out->udp_size > GN__DNS_UDP_MOST)
            out->udp_size = GN__DNS_UDP_MOST;
    }
}

static int question_read(const ares_dns_record_t *record,
                         struct gn__dns_question *out)
{
    ares_dns_rec_type_t type;
    ares_dns_class_t class_;
    const char *name;

    if (ares_dns_record_query_cnt(record) != 1 ||
        ares_dns_record_query_get(record, 0, &name, &type, &class_) !=
            ARES_SUCCESS ||
        strlen(name) >= sizeof(out->name))
        return GN__RCODE_FORMERR;
    memcpy(out->name, name, strlen(name) + 1);
    out->type = (uint16_t)type;
    out->class_ = (uint16_t)class_;
    edns_read(record, out);
    return GN__RCODE_OK;
}

int gn__dns_parse(const void *msg, size_t len, struct gn__dns_question *out)
{
    const uint8_t *bytes = msg;
    ares_dns_record_t *record = NULL;
    int rcode;

    memset(out, 0, sizeof(*out));
    out->udp_size = GN__DNS_UDP_LEAST;
    if (len < HEADER_LEN || (bytes[2] & 0x80))
        return -1;
    out->id = gn__get16(bytes);
    out->recursive = bytes[2] & 1;
    if ((bytes[2] >> 3 & 15) != OPCODE_QUERY)
        return GN__RCODE_NOTIMP;
    if (ares_dns_parse(bytes, len, 0, &record) != ARES_SUCCESS)
        return GN__RCODE_FORMERR;
    rcode = question_read(record, out);
    ares_dns_record_destroy(record);
    return rcode;
}

/* ---- writing ---- */

static bool add_addr(ares_dns_record_t *record, ares_dns_section_t section,
                     const char *name, const struct gn_answer *answer)
{
    const struct sockaddr_in6 *sin6 = (const void *)&answer->addr;
    const struct sockaddr_in *sin = (const void *)&answer->addr;
    bool v4 = answer->addr.ss_family == AF_INET;
    struct ares_in6_addr v6;
    ares_dns_rr_t *rr;

    if (ares_dns_record_rr_add(&rr, record, section, name,
                               v4 ? ARES_REC_TYPE_A : ARES_REC_TYPE_AAAA,
                               ARES_CLASS_IN, answer->ttl_s) != ARES_SUCCESS)
        return false;
    if (v4)
        return ares_dns_rr_set_addr(rr, ARES_RR_A_ADDR, &sin->sin_addr) ==
               ARES_SUCCESS;
    memcpy(&v6, &sin6->sin6_addr, sizeof(v6));
    return ares_dns_rr_set_addr6(rr, ARES_RR_AAAA_ADDR, &v6) == ARES_SUCCESS;
}

static bool add_name(ares_dns_record_t *record, const char *name,
                     ares_dns_rec_type_t type, ares_dns_rr_key_t key,
                     const char *target, uint32_t ttl_s)
{
    ares_dns_rr_t *rr;

    return ares_dns_record_rr_add(&rr, record, ARES_SECTION_ANSWER, name, type,
                                  ARES_CLASS_IN, ttl_s) == ARES_SUCCESS &&
           ares_dns_rr_set_str(rr, key, target) == ARES_SUCCESS;
}

/* RFC 2782, with as many addresses as there is room for. */
static bool add_service(ares_dns_record_t *record, const char *name,
                        const struct gn__dns_answer *answer, size_t n)
{
    ares_dns_rr_t *rr;
    size_t i;

    if (ares_dns_record_rr_add(&rr, record, ARES_SECTION_ANSWER, name,
                               ARES_REC_TYPE_SRV, ARES_CLASS_IN,
                               answer->ttl_s) != ARES_SUCCESS ||
        ares_dns_rr_set_u16(rr, ARES_RR_SRV_PRIORITY, 0) != ARES_SUCCESS ||
        ares_dns_rr_set_u16(rr, ARES_RR_SRV_WEIGHT, 0) != ARES_SUCCESS ||
        ares_dns_rr_set_u16(rr, ARES_RR_SRV_PORT, answer->port) !=
            ARES_SUCCESS ||
        ares_dns_rr_set_str(rr, ARES_RR_SRV_TARGET, answer->host) !=
            ARES_SUCCESS)
        return false;
    for (i = 0; i < n; i++) {
        if (!add_addr(record, ARES_SECTION_ADDITIONAL, answer->host,
                      &answer->addrs[i]))
            return false;
    }
    return true;
}

/* Without it some resolvers do not remember that there is nothing. */
static bool add_soa(ares_dns_record_t *record, const char *zone)
{
    ares_dns_rr_t *rr;

    return ares_dns_record_rr_add(&rr, record, ARES_SECTION_AUTHORITY, zone,
                                  ARES_REC_TYPE_SOA, ARES_CLASS_IN,
                                  NEGATIVE_TTL) == ARES_SUCCESS &&
           ares_dns_rr_set_str(rr, ARES_RR_SOA_MNAME, zone) == ARES_SUCCESS &&
           ares_dns_rr_set_str(rr, ARES_RR_SOA_RNAME, zone) == ARES_SUCCESS &&
           ares_dns_rr_set_u32(rr, ARES_RR_SOA_SERIAL, 1) == ARES_SUCCESS &&
           ares_dns_rr_set_u32(rr, ARES_RR_SOA_REFRESH, 3600) == ARES_SUCCESS &&
           ares_dns_rr_set_u32(rr, ARES_RR_SOA_RETRY, 600) == ARES_SUCCESS &&
           ares_dns_rr_set_u32(rr, ARES_RR_SOA_EXPIRE, 86400) == ARES_SUCCESS &&
           ares_dns_rr_set_u32(rr, ARES_RR_SOA_MINIMUM, NEGATIVE_TTL) ==
               ARES_SUCCESS;
}

static bool add_edns(ares_dns_record_t *record)
{
    ares_dns_rr_t *rr;

    return ares_dns_record_rr_add(&rr, record, ARES_SECTION_ADDITIONAL, "",
                                  ARES_REC_TYPE_OPT, ARES_CLASS_IN,
                                  0) == ARES_SUCCESS &&
           ares_dns_rr_set_u16(rr, ARES_RR_OPT_UDP_SIZE, GN__DNS_UDP_MOST) ==
               ARES_SUCCESS &&
           ares_dns_rr_set_u8(rr, ARES_RR_OPT_VERSION, 0) == ARES_SUCCESS &&
           ares_dns_rr_set_u16(rr, ARES_RR_OPT_FLAGS, 0) == ARES_SUCCESS;
}

/* @n  Of the addresses. */
static bool add_records(ares_dns_record_t *record,
                        const struct gn__dns_question *question,
                        const struct gn__dns_answer *answer, size_t n)
{
    const char *name = question->name;
    size_t i;

    if (answer->port)
        return add_service(record, name, answer, n);
    if (n && answer->canonical && strcasecmp(answer->canonical, name) != 0) {
        if (!add_name(record, name, ARES_REC_TYPE_CNAME, ARES_RR_CNAME_CNAME,
                      answer->canonical, answer->ttl_s))
            return false;
        name = answer->canonical;
    }
    for (i = 0; i < n; i++) {
        if (!add_addr(record, ARES_SECTION_ANSWER, name, &answer->addrs[i]))
            return false;
    }
    if (answer->host)
        return add_name(record, name, ARES_REC_TYPE_PTR, ARES_RR_PTR_DNAME,
                        answer->host, answer->ttl_s);
    return n || !answer->zone || add_soa(record, answer->zone);
}

/* Has something been left out that the client asked for? */
static bool is_cut(const struct gn__dns_answer *answer, size_t n)
{
    return answer->cut || (n < answer->n && !answer->port);
}

static ares_dns_record_t *record_make(const struct gn__dns_question *question,
                                      const struct gn__dns_answer *answer,
                                      size_t n)
{
    unsigned flags = (unsigned)ARES_FLAG_QR | ARES_FLAG_RA |
                     (question->recursive ? ARES_FLAG_RD : 0) |
                     (answer->authoritative ? ARES_FLAG_AA : 0) |
                     (is_cut(answer, n) ? ARES_FLAG_TC : 0);
    ares_dns_record_t *record = NULL;
    bool asked = question->type != 0;

    if (ares_dns_record_create(&record, question->id, (unsigned short)flags,
                               ARES_OPCODE_QUERY,
                               (ares_dns_rcode_t)answer->rcode) != ARES_SUCCESS)
        return NULL;
    if ((!asked ||
         ares_dns_record_query_add(
             record, question->name, (ares_dns_rec_type_t)question->type,
             (ares_dns_class_t)question->class_) == ARES_SUCCESS) &&
        add_records(record, question, answer, n) &&
        (!question->edns || add_edns(record)))
        return record;
    ares_dns_record_destroy(record);
    return NULL;
}

/* Of @n addresses; 0: no memory, or more than @cap bytes, with *@big. */
static size_t write_some(const struct gn__dns_question *question,
                         const struct gn__dns_answer *answer, size_t n,
                         uint8_t *out, size_t cap, bool *big)
{
    ares_dns_record_t *record = record_make(question, answer, n);
    unsigned char *bytes = NULL;
    size_t len = 0;

    *big = false;
    if (record && ares_dns_write(record, &bytes, &len) == ARES_SUCCESS) {
        *big = len > cap;
        if (!*big)
            memcpy(out, bytes, len);
        ares_free_string(bytes);
    }
    ares_dns_record_destroy(record);
    return *big ? 0 : len;
}

size_t gn__dns_write(const struct gn__dns_question *question,
                     const struct gn__dns_answer *answer, uint8_t *out,
                     size_t cap)
{
    const struct gn__dns_answer none = {.rcode = answer->rcode,
                                        .authoritative = answer->authoritative,
                                        .cut = true};
    size_t n = answer->n, len;
    bool big;

    while (!(len = write_some(question, answer, n, out, cap, &big)) && big && n)
        n /= 2;
    return big ? write_some(question, &none, 0, out, cap, &big) : len;
}

/* ---- names of addresses ---- */

static bool name_reverse4(const char *name, struct sockaddr_storage *out)
{
    struct sockaddr_in *sin = (void *)out;
    unsigned part[4], i;
    uint32_t addr = 0;
    int used = 0;

    if (sscanf(name, "%3u.%3u.%3u.%3u%n", &part[0], &part[1], &part[2],
               &part[3], &used) != 4 ||
        strcasecmp(name + used, ".in-addr.arpa") != 0)
        return false;
    for (i = 0; i < 4; i++) {
        if (part[i] > 255)
            return false;
        addr |= part[i] << 8 * i;
    }
    sin->sin_family = AF_INET;
    sin->sin_addr.s_addr = htonl(addr);
    return true;
}

static int nibble_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool name_reverse6(const char *name, struct sockaddr_storage *out)
{
    struct sockaddr_in6 *sin6 = (void *)out;
    int i;

    if (strlen(name) != 64 + 8 || strcasecmp(name + 63, ".ip6.arpa") != 0)
        return false;
    for (i = 0; i < 32; i++) {
        int nibble = nibble_of(name[2 * i]);

        if (nibble < 0 || name[2 * i + 1] != '.')
            return false;
        sin6->sin6_addr.s6_addr[15 - i / 2] |=
            (uint8_t)(nibble << (i % 2 ? 4 : 0));
    }
    sin6->sin6_family = AF_INET6;
    return true;
}

bool gn__dns_reverse(const char *name, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    return name_reverse4(name, out) || name_reverse6(name, out);
}
