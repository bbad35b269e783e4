/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_GUESTS_NIC_DHCP6_H
#define GN_GUESTS_NIC_DHCP6_H

/*
 * DHCPv6 (RFC 8415) between a client on a port of its own and the gateway:
 * addresses (IA_NA), DNS servers and the search list (RFC 3646), rapid commit.
 * No clock and no pool: what may be leased is told.
 */
#include "guests/nic/ether.h"

#define GN__DHCP6_SERVER_PORT 547u
#define GN__DHCP6_CLIENT_PORT 546u
#define GN__DHCP6_MAX         1200u
#define GN__DHCP6_ADDRS       8u
/** IA_NAs of one message; more are not answered. */
#define GN__DHCP6_IAS 4u

enum gn__dhcp6_type {
    GN__DHCP6_NONE = 0,
    GN__DHCP6_SOLICIT = 1,
    GN__DHCP6_ADVERTISE = 2,
    GN__DHCP6_REQUEST = 3,
    GN__DHCP6_CONFIRM = 4,
    GN__DHCP6_RENEW = 5,
    GN__DHCP6_REBIND = 6,
    GN__DHCP6_REPLY = 7,
    GN__DHCP6_RELEASE = 8,
    GN__DHCP6_DECLINE = 9,
    GN__DHCP6_INFORMATION = 11
};

struct gn__dhcp6_ia {
    uint32_t id;
    struct gn__addr addrs[GN__DHCP6_ADDRS]; /* that it names */
    uint8_t n_addrs;
};

/** What a client says. */
struct gn__dhcp6 {
    uint8_t type;
    uint32_t xid; /* 24 bits */
    uint8_t client_id[130];
    uint8_t client_id_len;
    uint8_t server_id[130];
    uint8_t server_id_len;
    bool rapid;
    struct gn__dhcp6_ia ias[GN__DHCP6_IAS];
    uint8_t n_ias;
};

/** False: no client's message, malformed, or without what RFC 8415 section 16
 *  wants in it. */
bool gn__dhcp6_parse(const uint8_t *msg, size_t len, struct gn__dhcp6 *out);

/** What a client may have. */
struct gn__dhcp6_lease {
    uint8_t mac[GN__MAC_LEN]; /* of the server, in its identifier (DUID-LL) */
    struct gn__addr addrs[GN__DHCP6_ADDRS];
    uint8_t n_addrs;
    struct gn__addr dns; /* any: none */
    const char *domain;  /* "": none */
    uint32_t valid_s, preferred_s;
};

/** Answer @request. Returns the type of the answer, of *@len bytes, or
 *  GN__DHCP6_NONE: there is none. Addresses of DECLINE are the caller's to act
 *  on. */
enum gn__dhcp6_type gn__dhcp6_answer(const struct gn__dhcp6 *request,
                                     const struct gn__dhcp6_lease *lease,
                                     uint8_t out[GN__DHCP6_MAX], size_t *len);

#endif /* GN_GUESTS_NIC_DHCP6_H */
