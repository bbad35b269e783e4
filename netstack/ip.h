/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NETSTACK_IP_H
#define GN_NETSTACK_IP_H

/*
 * IP headers: parsed once, where a packet enters the network, and never
 * trusted before that. Everything behind this page works on struct gn__ip.
 * RFC 791, RFC 8200, RFC 1122 section 3.2.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define GN__IP4_HDR_LEN 20u
#define GN__IP6_HDR_LEN 40u
#define GN__IP_MIN_MTU4 576u
#define GN__IP_MIN_MTU6 1280u
/** The longest IP packet; an IPv6 one could be 40 bytes longer. */
#define GN__IP_MAX 65535u
/** The longest IP header with its extension headers: the transport header, and
 *  a fragment header before it, find room behind it in a packet's head. */
#define GN__IP_HEADERS_MAX 124u
/** IPv6 extension headers of one packet, besides a fragment header. */
#define GN__IP_EXTENSIONS_MAX 8u

enum gn__ip_proto {
    GN__PROTO_IP6_HOP_BY_HOP = 0,
    GN__PROTO_ICMP = 1,
    GN__PROTO_TCP = 6,
    GN__PROTO_UDP = 17,
    GN__PROTO_IP6_ROUTING = 43,
    GN__PROTO_IP6_FRAGMENT = 44,
    GN__PROTO_ICMP6 = 58,
    GN__PROTO_NONE = 59,
    GN__PROTO_IP6_DESTINATION = 60
};

/** What one IP header says, in host order. Addresses v4-mapped for IPv4. */
struct gn__ip {
    struct gn__addr src;
    struct gn__addr dst;
    uint8_t version;    /* 4 or 6 */
    uint8_t proto;      /* the upper protocol behind all extension headers;
                           * IPv6, later fragments: by the fragment header */
    uint8_t ttl;        /* hop limit */
    uint8_t tos;        /* traffic class */
    uint16_t l4;        /* offset of the upper header (or fragment data) */
    uint16_t total_len; /* of the packet, by its header */
    uint16_t frag_off;  /* bytes; 0 in a whole packet */
    uint16_t frag_hdr;  /* IPv6: offset of the fragment header, else 0;
                           * the fragment's data is 8 bytes behind it */
    uint32_t frag_id;
    bool more;          /* more fragments follow */
    bool dont_fragment; /* IPv4 DF; always true for IPv6 */
    bool has_options;   /* IPv4 options or IPv6 extension headers */
};

/** True if this is a piece of a packet and not a whole one. */
static inline bool gn__ip_is_fragment(const struct gn__ip *ip)
{
    return ip->frag_off != 0 || ip->more;
}

/** Why gn__ip_parse() refused a packet; also a drop reason. */
enum gn__ip_flaw {
    GN__IP_FINE = 0,
    GN__IP_SHORT, /* shorter than its header */
    GN__IP_BAD_VERSION,
    GN__IP_BAD_LENGTH,   /* lengths contradict each other */
    GN__IP_BAD_CHECKSUM, /* IPv4 header checksum */
    GN__IP_BAD_OPTION,   /* malformed or refused option or extension header */
    GN__IP_BAD_FRAGMENT, /* beyond 65,535, empty, or not a multiple of 8 */
    GN__IP_BAD_ADDRESS,  /* no such source or destination can be */
    GN__IP_N_FLAWS
};

/**
 * Parse the headers in @head, the first @head_len bytes of a packet of
 * @total bytes. The upper protocol's first bytes need not be in @head.
 *
 * @check_sum  verify IPv4's header checksum (packets made in process carry
 *             none)
 * @out        Written only on GN__IP_FINE.
 *
 * Refused besides what is malformed: sources that are multicast or broadcast,
 * unspecified destinations, other addresses of 0.0.0.0/8, IPv4-mapped addresses
 * in an IPv6 header (they would pass for IPv4), source routes, jumbograms,
 * options whose type says that a node that does not know them discards the
 * packet. Left to the caller: the sources 0.0.0.0 and ::, loopback addresses.
 * AH and ESP count as upper protocols.
 *
 * Bounded: at most GN__IP_EXTENSIONS_MAX extension headers, all within @head
 * and the first GN__IP_HEADERS_MAX bytes; one fragment header comes on top.
 */
enum gn__ip_flaw gn__ip_parse(const uint8_t *head, size_t head_len,
                              size_t total, bool check_sum, struct gn__ip *out);

/** What gn__ip_build() writes. */
struct gn__ip_build {
    struct gn__addr src;
    struct gn__addr dst;
    uint8_t proto;
    uint8_t ttl;
    uint8_t tos;
    bool dont_fragment; /* IPv4 */
    uint16_t id;        /* IPv4 */
    size_t payload_len; /* bytes behind the IP header */
};

/**
 * Write an IP header without options. Returns its length, 20 or 40. An IPv4
 * checksum is left 0. The version is that of @what->dst; the packet is at most
 * GN__IP_MAX bytes.
 */
size_t gn__ip_build(const struct gn__ip_build *what, uint8_t *out);

/** Set the hop limit in a header (and fix an IPv4 checksum in place). */
void gn__ip_set_ttl(uint8_t *head, uint8_t ttl);

/** IPv4 header checksum over @len bytes, ready to store big-endian. What
 *  stands in the checksum field counts: 0 comes out if it is right. */
uint16_t gn__ip4_checksum(const uint8_t *head, size_t len);

/**
 * The Internet checksum (RFC 1071) as a running sum, in the byte order of this
 * machine's memory; begin with 0 or gn__csum_pseudo().
 * @odd says whether an odd number of bytes went before, and is updated.
 */
uint32_t gn__csum_add(uint32_t sum, const void *data, size_t len, bool *odd);
/** The checksum of what was added, ready to store big-endian. */
uint16_t gn__csum_fold(uint32_t sum);
/** The sum of the pseudo-header, RFC 793 and RFC 8200 section 8.1. */
uint32_t gn__csum_pseudo(const struct gn__ip *ip, uint32_t upper_len);

#endif /* GN_NETSTACK_IP_H */
