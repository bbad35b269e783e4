/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a message means is one table of (version, type, code) to kind: read from
 * left to right to take a message apart, and from right to left, first match,
 * to build one. Linux's answers to errors are a second table.
 *
 * Both versions' errors have the same shape: eight bytes, of which the last
 * four are the MTU, the pointer or unused, and then the beginning of the packet
 * that caused them, as much as a minimal MTU carries.
 */
#include "netstack/icmp.h"

#include <errno.h>
#include <string.h>

#include "base/wire.h"

#define ICMP_HDR_LEN 8u
#define ICMP_TTL     64
/* RFC 1812 section 4.3.2.5: errors have the precedence of network control. */
#define ICMP4_TOS 0xc0
/* The quoted headers, a fragment header, the ports and the sequence number. */
#define QUOTE_READ (GN__IP_HEADERS_MAX + 8 + 8)

enum { ANY_CODE = 255 };

enum {
    TYPE4_ECHO_REPLY = GN__ICMP4_ECHO_REPLY,
    TYPE4_UNREACHABLE = 3,
    TYPE4_ECHO = 8,
    TYPE4_TIME = 11,
    TYPE4_PARAMETER = 12,
    TYPE6_UNREACHABLE = 1,
    TYPE6_TOO_BIG = 2,
    TYPE6_TIME = 3,
    TYPE6_PARAMETER = 4,
    TYPE6_ECHO = 128,
    TYPE6_ECHO_REPLY = GN__ICMP6_ECHO_REPLY,
    TYPE6_REDIRECT = 137
};

static const struct meaning {
    uint8_t version;
    uint8_t type;
    uint8_t code;
    uint8_t kind;
} meanings[] = {
    {4, TYPE4_ECHO, 0, GN__ICMP_ECHO_REQUEST},
    {4, TYPE4_ECHO_REPLY, 0, GN__ICMP_ECHO_REPLY},
    {4, TYPE4_UNREACHABLE, 0, GN__ICMP_NET_UNREACHABLE},
    {4, TYPE4_UNREACHABLE, 1, GN__ICMP_HOST_UNREACHABLE},
    {4, TYPE4_UNREACHABLE, 2, GN__ICMP_PROTO_UNREACHABLE},
    {4, TYPE4_UNREACHABLE, 3, GN__ICMP_PORT_UNREACHABLE},
    {4, TYPE4_UNREACHABLE, 4, GN__ICMP_TOO_BIG},
    {4, TYPE4_UNREACHABLE, 13, GN__ICMP_PROHIBITED},
    {4, TYPE4_UNREACHABLE, 6, GN__ICMP_NET_UNREACHABLE},  /* unknown */
    {4, TYPE4_UNREACHABLE, 7, GN__ICMP_HOST_UNREACHABLE}, /* unknown */
    {4, TYPE4_UNREACHABLE, 8, GN__ICMP_HOST_UNREACHABLE}, /* isolated */
    {4, TYPE4_UNREACHABLE, 9, GN__ICMP_PROHIBITED},
    {4, TYPE4_UNREACHABLE, 10, GN__ICMP_PROHIBITED},
    {4, TYPE4_UNREACHABLE, 11, GN__ICMP_NET_UNREACHABLE},  /* for this TOS */
    {4, TYPE4_UNREACHABLE, 12, GN__ICMP_HOST_UNREACHABLE}, /* the same */
    {4, TYPE4_UNREACHABLE, 14, GN__ICMP_PROHIBITED},
    {4, TYPE4_UNREACHABLE, 15, GN__ICMP_PROHIBITED},
    {4, TYPE4_TIME, 0, GN__ICMP_TIME_EXCEEDED},
    {4, TYPE4_TIME, 1, GN__ICMP_REASSEMBLY_TIME},
    {4, TYPE4_PARAMETER, 0, GN__ICMP_PARAMETER},
    {4, TYPE4_PARAMETER, ANY_CODE, GN__ICMP_PARAMETER},
    {6, TYPE6_ECHO, 0, GN__ICMP_ECHO_REQUEST},
    {6, TYPE6_ECHO_REPLY, 0, GN__ICMP_ECHO_REPLY},
    {6, TYPE6_UNREACHABLE, 0, GN__ICMP_NET_UNREACHABLE},
    {6, TYPE6_UNREACHABLE, 1, GN__ICMP_PROHIBITED},
    {6, TYPE6_UNREACHABLE, 3, GN__ICMP_HOST_UNREACHABLE},
    {6, TYPE6_UNREACHABLE, 4, GN__ICMP_PORT_UNREACHABLE},
    {6, TYPE6_UNREACHABLE, 2, GN__ICMP_HOST_UNREACHABLE}, /* beyond scope */
    {6, TYPE6_UNREACHABLE, 5, GN__ICMP_PROHIBITED},       /* source address */
    {6, TYPE6_UNREACHABLE, 6, GN__ICMP_PROHIBITED},       /* route rejected */
    {6, TYPE6_TOO_BIG, 0, GN__ICMP_TOO_BIG},
    {6, TYPE6_TOO_BIG, ANY_CODE, GN__ICMP_TOO_BIG},
    {6, TYPE6_TIME, 0, GN__ICMP_TIME_EXCEEDED},
    {6, TYPE6_TIME, 1, GN__ICMP_REASSEMBLY_TIME},
    {6, TYPE6_PARAMETER, 1, GN__ICMP_PROTO_UNREACHABLE},
    {6, TYPE6_PARAMETER, 0, GN__ICMP_PARAMETER},
    {6, TYPE6_PARAMETER, ANY_CODE, GN__ICMP_PARAMETER},
};

enum { N_MEANINGS = sizeof(meanings) / sizeof(meanings[0]) };

/* What Linux tells sockets: icmp_err_convert[] and the switches around it for
 * IPv4, icmpv6_err_convert() for IPv6. */
static const struct verdict {
    int error4;
    int error6;
    bool fatal4;
    bool fatal6;
} verdicts[GN__ICMP_N_KINDS] = {
    [GN__ICMP_NET_UNREACHABLE] = {-ENETUNREACH, -ENETUNREACH, false, false},
    [GN__ICMP_HOST_UNREACHABLE] = {-EHOSTUNREACH, -EHOSTUNREACH, false, false},
    [GN__ICMP_PROTO_UNREACHABLE] = {-ENOPROTOOPT, -EPROTO, true, true},
    [GN__ICMP_PORT_UNREACHABLE] = {-ECONNREFUSED, -ECONNREFUSED, true, true},
    [GN__ICMP_PROHIBITED] = {-EHOSTUNREACH, -EACCES, true, true},
    [GN__ICMP_TOO_BIG] = {-EMSGSIZE, -EMSGSIZE, true, true},
    [GN__ICMP_TIME_EXCEEDED] = {-EHOSTUNREACH, -EHOSTUNREACH, false, false},
    [GN__ICMP_REASSEMBLY_TIME] = {-EHOSTUNREACH, -EHOSTUNREACH, false, false},
    [GN__ICMP_PARAMETER] = {-EPROTO, -EPROTO, true, true},
};

static enum gn__icmp_kind kind_of(uint8_t version, uint8_t type, uint8_t code)
{
    for (size_t i = 0; i < N_MEANINGS; i++) {
        const struct meaning *m = &meanings[i];

        if (m->version == version && m->type == type &&
            (m->code == code || m->code == ANY_CODE))
            return m->kind;
    }
    return GN__ICMP_OTHER;
}

static const struct meaning *meaning_of(uint8_t version,
                                        enum gn__icmp_kind kind)
{
    for (size_t i = 0; i < N_MEANINGS; i++) {
        if (meanings[i].version == version && meanings[i].kind == kind)
            return &meanings[i];
    }
    return NULL;
}

/* Kinds that quote a packet and may be answered to nothing. */
static bool kind_is_error(enum gn__icmp_kind kind)
{
    return kind >= GN__ICMP_NET_UNREACHABLE && kind <= GN__ICMP_PARAMETER;
}

static uint8_t proto_of(uint8_t version)
{
    return version == 4 ? GN__PROTO_ICMP : GN__PROTO_ICMP6;
}

/* The quoted packet is cut short, so only its header is held against its
 * length. */
static void parse_inner(const struct gn__packet *packet, struct gn__icmp *out)
{
    uint8_t quote[QUOTE_READ];
    struct gn__ip *inner = &out->inner;
    const uint8_t *l4;
    size_t len = gn__packet_read(packet, packet->ip.l4 + ICMP_HDR_LEN, quote,
                                 sizeof(quote));

    if (gn__ip_parse(quote, len, GN__IP_MAX, false, inner) ||
        inner->version != packet->ip.version)
        return;
    if (inner->proto == GN__PROTO_TCP || inner->proto == GN__PROTO_UDP) {
        if (inner->frag_off != 0 || inner->l4 + 8u > len)
            return;
        l4 = quote + inner->l4;
        out->inner_src_port = gn__get16(l4);
        out->inner_dst_port = gn__get16(l4 + 2);
        if (inner->proto == GN__PROTO_TCP)
            out->inner_seq = gn__get32(l4 + 4);
    }
    out->has_inner = true;
}

bool gn__icmp_parse(const struct gn__packet *packet, struct gn__icmp *out)
{
    const struct gn__ip *ip = &packet->ip;
    struct gn__icmp icmp = {0};
    uint8_t header[ICMP_HDR_LEN];

    if (gn__ip_is_fragment(ip) || ip->proto != proto_of(ip->version) ||
        gn__packet_read(packet, ip->l4, header, sizeof(header)) !=
            sizeof(header))
        return false;
    icmp.kind = kind_of(ip->version, header[0], header[1]);
    icmp.verdict = packet->verdict;
    if (icmp.kind == GN__ICMP_TOO_BIG)
        icmp.mtu =
            ip->version == 4 ? gn__get16(header + 6) : gn__get32(header + 4);
    if (kind_is_error(icmp.kind))
        parse_inner(packet, &icmp);
    *out = icmp;
    return true;
}

/*
 * ICMP errors and redirects, and what we do not know: it may be an error. Of
 * IPv4 only queries and their answers (RFC 1122 section 3.2.2) are known not
 * to be, of IPv6 all types from 128.
 */
static bool is_icmp_error(const struct gn__packet *packet)
{
    const struct gn__ip *ip = &packet->ip;
    uint8_t type;

    if (ip->proto != proto_of(ip->version))
        return false;
    if (gn__packet_read(packet, ip->l4, &type, 1) != 1)
        return true;
    if (ip->version == 6)
        return type < TYPE6_ECHO || type == TYPE6_REDIRECT;
    return !(type == TYPE4_ECHO || type == TYPE4_ECHO_REPLY || type == 9 ||
             type == 10 || (type >= 13 && type <= 18));
}

static bool may_answer(const struct gn__packet *cause, enum gn__icmp_kind kind)
{
    const struct gn__ip *ip = &cause->ip;
    bool multicast_counts = ip->version == 4 || kind != GN__ICMP_TOO_BIG;

    if (ip->frag_off != 0 || is_icmp_error(cause))
        return false;
    if (gn__addr_is_any(&ip->src) || gn__addr_is_multicast(&ip->src) ||
        gn__addr_is_broadcast(&ip->src) || gn__addr_is_broadcast(&ip->dst))
        return false;
    return !(multicast_counts && gn__addr_is_multicast(&ip->dst));
}

/* Which byte of an IPv6 packet names its upper protocol. */
static uint32_t next_header_at(const struct gn__packet *packet)
{
    size_t at = GN__IP6_HDR_LEN, next_at = 6;

    while (at < packet->ip.l4) {
        uint8_t type = packet->head[next_at];

        next_at = at;
        at += type == GN__PROTO_IP6_FRAGMENT ? 8
                                             : (packet->head[at + 1] + 1u) * 8;
    }
    return (uint32_t)next_at;
}

/* The last four bytes of the ICMP header. */
static uint32_t error_word(const struct gn__packet *cause,
                           enum gn__icmp_kind kind, uint32_t mtu)
{
    bool v4 = cause->ip.version == 4;

    switch (kind) {
    case GN__ICMP_TOO_BIG:
        return v4 && mtu > UINT16_MAX ? UINT16_MAX : mtu;
    case GN__ICMP_PARAMETER:
        return v4 ? mtu << 24 : mtu;
    case GN__ICMP_PROTO_UNREACHABLE:
        return v4 ? 0 : next_header_at(cause);
    default:
        return 0;
    }
}

/* Append what is quoted of @cause, with a right IPv4 checksum. */
static int add_quote(struct gn__packet *error, const struct gn__packet *cause,
                     size_t len)
{
    uint8_t *quote = error->head + error->head_len;
    int err = gn__packet_add_range(error, cause, 0, len);

    if (err || cause->ip.version != 4 || !cause->csum_absent)
        return err;
    gn__put16(quote + 10, 0);
    gn__put16(quote + 10, gn__ip4_checksum(quote, (size_t)(quote[0] & 15) * 4));
    return 0;
}

static void write_headers(struct gn__packet *error,
                          const struct gn__packet *cause,
                          const struct gn__addr *from,
                          const struct meaning *meaning, uint32_t word,
                          size_t quote_len)
{
    bool v4 = cause->ip.version == 4;
    struct gn__ip_build build = {
        .src = *from,
        .dst = cause->ip.src,
        .proto = proto_of(cause->ip.version),
        .ttl = ICMP_TTL,
        .tos = v4 ? (uint8_t)(ICMP4_TOS | (cause->ip.tos & 0x1e)) : 0,
        .payload_len = ICMP_HDR_LEN + quote_len,
    };
    size_t hdr_len = gn__ip_build(&build, error->head);
    uint8_t *icmp = error->head + hdr_len;

    icmp[0] = meaning->type;
    icmp[1] = meaning->code;
    gn__put16(icmp + 2, 0);
    gn__put32(icmp + 4, word);
    error->head_len = (uint16_t)(hdr_len + ICMP_HDR_LEN);
    error->len = error->head_len;
    error->csum_absent = true;
    error->ip = (struct gn__ip){
        .src = build.src,
        .dst = build.dst,
        .version = cause->ip.version,
        .proto = build.proto,
        .ttl = build.ttl,
        .tos = build.tos,
        .l4 = (uint16_t)hdr_len,
        .total_len = (uint16_t)(error->head_len + quote_len),
        .dont_fragment = !v4,
    };
}

struct gn__packet *gn__icmp_error(struct gn__packet_pool *pool,
                                  const struct gn__packet *cause,
                                  const struct gn__addr *from,
                                  enum gn__icmp_kind kind, uint32_t mtu)
{
    bool v4 = cause->ip.version == 4;
    size_t room = v4 ? GN__IP_MIN_MTU4 - GN__IP4_HDR_LEN - ICMP_HDR_LEN
                     : GN__IP_MIN_MTU6 - GN__IP6_HDR_LEN - ICMP_HDR_LEN;
    size_t quote_len = cause->len < room ? cause->len : room;
    const struct meaning *meaning = meaning_of(cause->ip.version, kind);
    struct gn__packet *error;

    if (!meaning || !kind_is_error(kind) || !may_answer(cause, kind))
        return NULL;
    error = gn__packet_alloc(pool);
    if (!error)
        return NULL;
    write_headers(error, cause, from, meaning, error_word(cause, kind, mtu),
                  quote_len);
    error->group = cause->group;
    if (add_quote(error, cause, quote_len)) {
        gn__packet_free(error);
        return NULL;
    }
    return error;
}

static bool is_unicast(const struct gn__addr *addr)
{
    return !gn__addr_is_any(addr) && !gn__addr_is_multicast(addr) &&
           !gn__addr_is_broadcast(addr);
}

bool gn__icmp_echo_reply(struct gn__packet *packet)
{
    struct gn__ip *ip = &packet->ip;
    struct gn__addr src = ip->src;
    bool v4 = ip->version == 4;
    uint8_t *addrs = packet->head + (v4 ? 12 : 8);
    size_t addr_len = v4 ? 4 : 16;
    uint8_t *icmp = packet->head + ip->l4;
    uint8_t swapped[32];

    if (gn__ip_is_fragment(ip) || ip->proto != proto_of(ip->version) ||
        !is_unicast(&ip->src) || !is_unicast(&ip->dst) ||
        !gn__packet_pull(packet, ip->l4 + ICMP_HDR_LEN) ||
        icmp[0] != (v4 ? TYPE4_ECHO : TYPE6_ECHO) || icmp[1] != 0)
        return false;
    icmp[0] = v4 ? TYPE4_ECHO_REPLY : TYPE6_ECHO_REPLY;
    memcpy(swapped, addrs + addr_len, addr_len);
    memcpy(swapped + addr_len, addrs, addr_len);
    memcpy(addrs, swapped, 2 * addr_len);
    ip->src = ip->dst;
    ip->dst = src;
    gn__ip_set_ttl(packet->head, ICMP_TTL);
    ip->ttl = ICMP_TTL;
    packet->csum_absent = true;
    return true;
}

void gn__icmp_echo_write(struct gn__packet *packet,
                         const struct gn__icmp_echo *echo, size_t len)
{
    bool v4 = gn__addr_is_v4(&echo->dst);
    struct gn__ip_build build = {.src = echo->src,
                                 .dst = echo->dst,
                                 .proto = proto_of(v4 ? 4 : 6),
                                 .ttl = ICMP_TTL,
                                 .payload_len = ICMP_HDR_LEN + len};
    size_t hdr_len = gn__ip_build(&build, packet->head);
    uint8_t *icmp = packet->head + hdr_len;

    icmp[0] = v4 ? (echo->reply ? TYPE4_ECHO_REPLY : TYPE4_ECHO)
                 : (echo->reply ? TYPE6_ECHO_REPLY : TYPE6_ECHO);
    icmp[1] = 0;
    gn__put16(icmp + 2, 0);
    gn__put16(icmp + 4, echo->id);
    gn__put16(icmp + 6, echo->seq);
    packet->head_len = (uint16_t)(hdr_len + ICMP_HDR_LEN);
    packet->len = packet->head_len;
    packet->csum_absent = true;
    packet->ip = (struct gn__ip){
        .src = build.src,
        .dst = build.dst,
        .version = v4 ? 4 : 6,
        .proto = build.proto,
        .ttl = build.ttl,
        .l4 = (uint16_t)hdr_len,
        .total_len = (uint16_t)(packet->head_len + len),
        .dont_fragment = !v4,
    };
}

int gn__icmp_errno(enum gn__icmp_kind kind, int version, bool *fatal)
{
    const struct verdict *verdict;

    *fatal = false;
    if ((unsigned)kind >= GN__ICMP_N_KINDS)
        return 0;
    verdict = &verdicts[kind];
    *fatal = version == 4 ? verdict->fatal4 : verdict->fatal6;
    return version == 4 ? verdict->error4 : verdict->error6;
}
