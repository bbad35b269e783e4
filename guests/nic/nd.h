/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_GUESTS_NIC_ND_H
#define GN_GUESTS_NIC_ND_H

/*
 * Neighbour Discovery (RFC 4861) and the options of router advertisements:
 * prefixes, MTU, RDNSS and DNSSL (RFC 8106). What is read and written here
 * is the ICMPv6 message; its checksum is left 0 and not looked at, since that
 * is of the packet.
 */
#include "guests/nic/ether.h"

enum gn__nd_type {
    GN__ND_ROUTER_SOLICIT = 133,
    GN__ND_ROUTER_ADVERT = 134,
    GN__ND_NEIGHBOR_SOLICIT = 135,
    GN__ND_NEIGHBOR_ADVERT = 136,
    GN__ND_REDIRECT = 137
};

/** A solicitation, or a neighbour advertisement. */
struct gn__nd {
    uint8_t type;
    struct gn__addr target;   /* not of a router solicitation */
    uint8_t mac[GN__MAC_LEN]; /* source or target link-layer address */
    bool has_mac;
    bool router, solicited, override; /* of an advertisement */
};

/** Room for any of them but a router advertisement. */
#define GN__ND_LEN 32u

/** Is it one of the five types? Such messages stay on their link. */
static inline bool gn__nd_is(uint8_t icmp_type)
{
    return icmp_type >= GN__ND_ROUTER_SOLICIT && icmp_type <= GN__ND_REDIRECT;
}

/** False: another type (router advertisements and redirects included), cut
 *  short, an option of length 0 or beyond the end, or a target that is a
 *  group's. */
bool gn__nd_parse(const uint8_t *msg, size_t len, struct gn__nd *out);
/** A neighbour solicitation or advertisement; bytes written. */
size_t gn__nd_build(const struct gn__nd *nd, uint8_t out[GN__ND_LEN]);

/** The solicited-node group of an address, RFC 4291 section 2.7.1. */
struct gn__addr gn__nd_solicited_group(const struct gn__addr *addr);

struct gn__ra_prefix {
    struct gn__prefix prefix;
    bool autonomous; /* addresses may be made of it: a /64 */
    uint32_t valid_s, preferred_s;
};

#define GN__RA_PREFIXES 8u
#define GN__RA_MAX      1024u

struct gn__ra {
    uint8_t mac[GN__MAC_LEN];
    uint16_t router_s; /* lifetime; 0: no default router */
    uint32_t mtu;      /* 0: not said */
    bool managed;      /* addresses by DHCPv6 as well */
    bool other;        /* the rest by DHCPv6 */
    struct gn__ra_prefix prefixes[GN__RA_PREFIXES];
    size_t n_prefixes;
    struct gn__addr dns; /* any: none */
    const char *domain;  /* of DNSSL; "" or NULL: none */
    uint32_t dns_s;      /* lifetime of both */
};

/** Write a router advertisement; bytes written. */
size_t gn__ra_build(const struct gn__ra *ra, uint8_t out[GN__RA_MAX]);

/** Write a name as labels of RFC 1035 without compression. Returns the bytes
 *  written, 0 if it is empty, does not fit, or has a label over 63 bytes. */
size_t gn__domain_write(const char *name, uint8_t *out, size_t cap);

#endif /* GN_GUESTS_NIC_ND_H */
