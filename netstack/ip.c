/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parsing reads each header once, front to back, and checks every length
 * against the bytes that are there before it reads them. IPv6 extension
 * headers are walked with a struct walk that holds where the next one begins;
 * the walk ends at the first header that is not one, or at the data of a later
 * fragment, whose headers were in the first.
 *
 * Checksums are sums in memory order (RFC 1071 section 2 B: byte order does
 * not matter until the end), 8 bytes at a time with the carries counted apart.
 */
#include "netstack/ip.h"

#include <string.h>

#include "base/wire.h"

/* IPv4 options (RFC 791 section 3.1), type with copy bit and class. */
enum {
    OPT4_END = 0,
    OPT4_NOP = 1,
    OPT4_LOOSE_ROUTE = 131,
    OPT4_STRICT_ROUTE = 137
};

/* IPv6 options (RFC 8200 section 4.2): the two high bits of the type say what a
 * node that does not know it must do; 0 is to skip it. */
enum { OPT6_PAD1 = 0, OPT6_ACTION = 0xc0 };

enum {
    FRAG4_MORE = 0x2000,
    FRAG4_DONT = 0x4000,
    FRAG4_OFFSET = 0x1fff,
    FRAG6_MORE = 0x0001,
    FRAG6_OFFSET = 0xfff8,
    FRAG6_LEN = 8
};

struct walk {
    const uint8_t *head;
    size_t head_len; /* what of the packet is in head */
    size_t at;       /* where the header of type next begins */
    uint8_t next;
    struct gn__ip *ip;
};

static enum gn__ip_flaw check_options4(const uint8_t *opt, size_t len)
{
    size_t i = 0;

    while (i < len && opt[i] != OPT4_END) {
        if (opt[i] == OPT4_NOP) {
            i++;
            continue;
        }
        if (len - i < 2 || opt[i + 1] < 2 || opt[i + 1] > len - i)
            return GN__IP_BAD_OPTION;
        if (opt[i] == OPT4_LOOSE_ROUTE || opt[i] == OPT4_STRICT_ROUTE)
            return GN__IP_BAD_OPTION;
        i += opt[i + 1];
    }
    return GN__IP_FINE;
}

static enum gn__ip_flaw check_addresses4(const struct gn__ip *ip)
{
    bool from_zero_net = ip->src.bytes[12] == 0 && !gn__addr_is_any(&ip->src);
    bool to_zero_net = ip->dst.bytes[12] == 0;

    if (from_zero_net || to_zero_net || gn__addr_is_multicast(&ip->src) ||
        gn__addr_is_broadcast(&ip->src))
        return GN__IP_BAD_ADDRESS;
    return GN__IP_FINE;
}

static enum gn__ip_flaw check_addresses6(const struct gn__ip *ip)
{
    bool no_scope = ip->dst.bytes[0] == 0xff && (ip->dst.bytes[1] & 15) == 0;

    if (gn__addr_is_multicast(&ip->src) || gn__addr_is_any(&ip->dst) ||
        gn__addr_is_v4(&ip->src) || gn__addr_is_v4(&ip->dst) || no_scope)
        return GN__IP_BAD_ADDRESS;
    return GN__IP_FINE;
}

/* @data_len bytes of fragment data behind headers of @header_len bytes, which
 * the whole packet will have too. */
static enum gn__ip_flaw check_fragment(const struct gn__ip *ip,
                                       size_t header_len, size_t data_len)
{
    if (!gn__ip_is_fragment(ip))
        return GN__IP_FINE;
    if (data_len == 0 || (ip->more && data_len % 8 != 0) ||
        header_len + ip->frag_off + data_len > GN__IP_MAX)
        return GN__IP_BAD_FRAGMENT;
    return GN__IP_FINE;
}

static enum gn__ip_flaw header_parse4(const uint8_t *head, size_t head_len,
                                      size_t total, bool check_sum,
                                      struct gn__ip *ip)
{
    enum gn__ip_flaw flaw = GN__IP_FINE;
    size_t hdr_len = (size_t)(head[0] & 15) * 4;
    uint16_t frag;

    if (head_len < GN__IP4_HDR_LEN)
        return GN__IP_SHORT;
    ip->total_len = gn__get16(head + 2);
    if (hdr_len < GN__IP4_HDR_LEN || ip->total_len < hdr_len)
        return GN__IP_BAD_LENGTH;
    if (ip->total_len > total || hdr_len > head_len)
        return GN__IP_SHORT;
    if (check_sum && gn__ip4_checksum(head, hdr_len) != 0)
        return GN__IP_BAD_CHECKSUM;
    frag = gn__get16(head + 6);
    ip->version = 4;
    ip->tos = head[1];
    ip->frag_id = gn__get16(head + 4);
    ip->dont_fragment = frag & FRAG4_DONT;
    ip->more = frag & FRAG4_MORE;
    ip->frag_off = (uint16_t)((frag & FRAG4_OFFSET) * 8);
    ip->frag_hdr = 0;
    ip->ttl = head[8];
    ip->proto = head[9];
    ip->l4 = (uint16_t)hdr_len;
    ip->has_options = hdr_len > GN__IP4_HDR_LEN;
    ip->src = gn__addr_from_v4_bytes(head + 12);
    ip->dst = gn__addr_from_v4_bytes(head + 16);
    if (ip->has_options)
        flaw =
            check_options4(head + GN__IP4_HDR_LEN, hdr_len - GN__IP4_HDR_LEN);
    if (!flaw)
        flaw = check_fragment(ip, hdr_len, ip->total_len - hdr_len);
    return flaw ? flaw : check_addresses4(ip);
}

/* The options of a hop-by-hop or destination header: all but those that may be
 * skipped are refused, jumbograms with them. */
static enum gn__ip_flaw check_options6(const uint8_t *opt, size_t len)
{
    size_t i = 0;

    while (i < len) {
        if (opt[i] == OPT6_PAD1) {
            i++;
            continue;
        }
        if (len - i < 2 || opt[i + 1] > len - i - 2)
            return GN__IP_BAD_OPTION;
        if (opt[i] & OPT6_ACTION)
            return GN__IP_BAD_OPTION;
        i += 2u + opt[i + 1];
    }
    return GN__IP_FINE;
}

/* RFC 8200 section 4.4: a routing header with nothing left to do is skipped;
 * type 0 is refused altogether (RFC 5095). */
static enum gn__ip_flaw check_routing6(const uint8_t *header)
{
    uint8_t type = header[2], segments_left = header[3];

    return type == 0 || segments_left ? GN__IP_BAD_OPTION : GN__IP_FINE;
}

static enum gn__ip_flaw parse_fragment6(struct walk *walk)
{
    const uint8_t *header = walk->head + walk->at;
    struct gn__ip *ip = walk->ip;
    uint16_t frag = gn__get16(header + 2);
    size_t data;

    if (ip->frag_hdr)
        return GN__IP_BAD_OPTION;
    ip->frag_hdr = (uint16_t)walk->at;
    ip->frag_off = frag & FRAG6_OFFSET;
    ip->more = frag & FRAG6_MORE;
    ip->frag_id = gn__get32(header + 4);
    data = walk->at + FRAG6_LEN;
    return check_fragment(ip, walk->at, ip->total_len - data);
}

static bool is_extension(uint8_t proto)
{
    return proto == GN__PROTO_IP6_HOP_BY_HOP ||
           proto == GN__PROTO_IP6_ROUTING || proto == GN__PROTO_IP6_FRAGMENT ||
           proto == GN__PROTO_IP6_DESTINATION;
}

/* Checks the extension header at walk->at and moves behind it. */
static enum gn__ip_flaw header_step6(struct walk *walk)
{
    const uint8_t *header = walk->head + walk->at;
    enum gn__ip_flaw flaw = GN__IP_FINE;
    bool fragment = walk->next == GN__PROTO_IP6_FRAGMENT;
    size_t most = GN__IP_HEADERS_MAX;
    size_t len, room = walk->head_len;

    if (fragment || walk->ip->frag_hdr)
        most += FRAG6_LEN;
    if (room > most)
        room = most;
    if (room > walk->ip->total_len)
        room = walk->ip->total_len;
    if (walk->at + 8 > room)
        return GN__IP_BAD_OPTION;
    len = fragment ? FRAG6_LEN : (header[1] + 1u) * 8;
    if (walk->at + len > room)
        return GN__IP_BAD_OPTION;
    switch (walk->next) {
    case GN__PROTO_IP6_HOP_BY_HOP:
        flaw = walk->at == GN__IP6_HDR_LEN ? check_options6(header + 2, len - 2)
                                           : GN__IP_BAD_OPTION;
        break;
    case GN__PROTO_IP6_DESTINATION:
        flaw = check_options6(header + 2, len - 2);
        break;
    case GN__PROTO_IP6_ROUTING:
        flaw = check_routing6(header);
        break;
    default:
        flaw = parse_fragment6(walk);
        break;
    }
    walk->next = header[0];
    walk->at += len;
    return flaw;
}

static enum gn__ip_flaw header_walk6(struct walk *walk)
{
    enum gn__ip_flaw flaw = GN__IP_FINE;
    unsigned n = 0;

    while (!flaw && walk->ip->frag_off == 0 && is_extension(walk->next)) {
        if (walk->next != GN__PROTO_IP6_FRAGMENT &&
            n++ == GN__IP_EXTENSIONS_MAX)
            return GN__IP_BAD_OPTION;
        flaw = header_step6(walk);
    }
    walk->ip->has_options = walk->at > GN__IP6_HDR_LEN;
    walk->ip->proto = walk->next;
    walk->ip->l4 = (uint16_t)walk->at;
    return flaw;
}

static enum gn__ip_flaw header_parse6(const uint8_t *head, size_t head_len,
                                      size_t total, struct gn__ip *ip)
{
    struct walk walk = {head, head_len, GN__IP6_HDR_LEN, 0, ip};
    enum gn__ip_flaw flaw;
    size_t len;

    if (head_len < GN__IP6_HDR_LEN)
        return GN__IP_SHORT;
    len = GN__IP6_HDR_LEN + (size_t)gn__get16(head + 4);
    if (len > GN__IP_MAX)
        return GN__IP_BAD_LENGTH;
    if (len > total)
        return GN__IP_SHORT;
    ip->version = 6;
    ip->total_len = (uint16_t)len;
    ip->tos = (uint8_t)(gn__get16(head) >> 4);
    ip->ttl = head[7];
    ip->frag_id = 0;
    ip->more = false;
    ip->dont_fragment = true;
    ip->frag_off = 0;
    ip->frag_hdr = 0;
    ip->src = gn__addr_from_v6_bytes(head + 8);
    ip->dst = gn__addr_from_v6_bytes(head + 24);
    walk.next = head[6];
    flaw = header_walk6(&walk);
    return flaw ? flaw : check_addresses6(ip);
}

enum gn__ip_flaw gn__ip_parse(const uint8_t *head, size_t head_len,
                              size_t total, bool check_sum, struct gn__ip *out)
{
    enum gn__ip_flaw flaw;
    struct gn__ip ip;

    if (head_len == 0)
        return GN__IP_SHORT;
    switch (head[0] >> 4) {
    case 4:
        flaw = header_parse4(head, head_len, total, check_sum, &ip);
        break;
    case 6:
        flaw = header_parse6(head, head_len, total, &ip);
        break;
    default:
        return GN__IP_BAD_VERSION;
    }
    if (!flaw)
        *out = ip;
    return flaw;
}

static size_t header_build4(const struct gn__ip_build *what, uint8_t *out)
{
    out[0] = 0x45;
    out[1] = what->tos;
    gn__put16(out + 2, (uint16_t)(GN__IP4_HDR_LEN + what->payload_len));
    gn__put16(out + 4, what->id);
    gn__put16(out + 6, what->dont_fragment ? FRAG4_DONT : 0);
    out[8] = what->ttl;
    out[9] = what->proto;
    gn__put16(out + 10, 0);
    memcpy(out + 12, what->src.bytes + 12, 4);
    memcpy(out + 16, what->dst.bytes + 12, 4);
    return GN__IP4_HDR_LEN;
}

static size_t header_build6(const struct gn__ip_build *what, uint8_t *out)
{
    gn__put32(out, 6u << 28 | (uint32_t)what->tos << 20);
    gn__put16(out + 4, (uint16_t)what->payload_len);
    out[6] = what->proto;
    out[7] = what->ttl;
    memcpy(out + 8, what->src.bytes, 16);
    memcpy(out + 24, what->dst.bytes, 16);
    return GN__IP6_HDR_LEN;
}

size_t gn__ip_build(const struct gn__ip_build *what, uint8_t *out)
{
    return gn__addr_is_v4(&what->dst) ? header_build4(what, out)
                                      : header_build6(what, out);
}

/* RFC 1624, equation 3: HC' = ~(~HC + ~m + m'). */
void gn__ip_set_ttl(uint8_t *head, uint8_t ttl)
{
    uint32_t sum;

    if (head[0] >> 4 == 6) {
        head[7] = ttl;
        return;
    }
    sum = (uint16_t)~gn__get16(head + 10);
    sum += (uint16_t)~gn__get16(head + 8);
    head[8] = ttl;
    sum += gn__get16(head + 8);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    gn__put16(head + 10, (uint16_t)~sum);
}

uint16_t gn__ip4_checksum(const uint8_t *head, size_t len)
{
    bool odd = false;

    return gn__csum_fold(gn__csum_add(0, head, len, &odd));
}

static uint64_t load64(const uint8_t *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof(word));
    return word;
}

/* 64 bits with carries apart, to 32 bits: 2^16 is 1 modulo 2^16 - 1. */
static uint32_t fold64(uint64_t sum, uint64_t carries)
{
    sum = (sum & 0xffffffff) + (sum >> 32) + carries;
    sum = (sum & 0xffffffff) + (sum >> 32);
    return (uint32_t)((sum & 0xffffffff) + (sum >> 32));
}

static uint32_t swap_bytes(uint32_t sum)
{
    return (sum & 0x00ff00ff) << 8 | (sum & 0xff00ff00) >> 8;
}

/* Two sums, so that neither waits for the other's carry. */
static uint32_t sum_block(const uint8_t *p, size_t len)
{
    uint64_t a = 0, b = 0, carries = 0, word;

    for (; len >= 16; p += 16, len -= 16) {
        word = load64(p);
        a += word;
        carries += a < word;
        word = load64(p + 8);
        b += word;
        carries += b < word;
    }
    if (len >= 8) {
        word = load64(p);
        a += word;
        carries += a < word;
        p += 8;
        len -= 8;
    }
    word = 0;
    memcpy(&word, p, len);
    b += word;
    carries += b < word;
    return fold64((uint64_t)fold64(a, carries) + fold64(b, 0), 0);
}

/* A block behind an odd number of bytes has each of its bytes in the other
 * half of a word: its own sum with the halves' bytes swapped (RFC 1071, 2 A
 * and B). */
uint32_t gn__csum_add(uint32_t sum, const void *data, size_t len, bool *odd)
{
    uint32_t block;

    if (len == 0)
        return sum;
    block = sum_block(data, len);
    if (*odd)
        block = swap_bytes(block);
    *odd ^= len & 1;
    return fold64((uint64_t)sum + block, 0);
}

uint16_t gn__csum_fold(uint32_t sum)
{
    uint8_t bytes[2];
    uint16_t folded;

    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    folded = (uint16_t)~sum;
    memcpy(bytes, &folded, sizeof(bytes));
    return gn__get16(bytes);
}

uint32_t gn__csum_pseudo(const struct gn__ip *ip, uint32_t upper_len)
{
    uint8_t tail[8] = {[7] = ip->proto};
    bool odd = false;
    uint32_t sum;

    gn__put32(tail, upper_len);
    sum = gn__csum_add(0, tail, sizeof(tail), &odd);
    if (ip->version == 4) {
        sum = gn__csum_add(sum, ip->src.bytes + 12, 4, &odd);
        return gn__csum_add(sum, ip->dst.bytes + 12, 4, &odd);
    }
    sum = gn__csum_add(sum, ip->src.bytes, 16, &odd);
    return gn__csum_add(sum, ip->dst.bytes, 16, &odd);
}
