/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_GUESTS_NIC_ETHER_H
#define GN_GUESTS_NIC_ETHER_H

/*
 * Ethernet II headers, and the group addresses that IP maps to (RFC 894,
 * RFC 1112 section 6.4, RFC 2464 section 7). Frames carry no FCS.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/addr.h"

#define GN__ETHER_HDR_LEN 14u
#define GN__MAC_LEN       6u

enum gn__ether_type {
    GN__ETHER_IP4 = 0x0800,
    GN__ETHER_ARP = 0x0806,
    GN__ETHER_IP6 = 0x86dd
};

struct gn__ether {
    uint8_t dst[GN__MAC_LEN];
    uint8_t src[GN__MAC_LEN];
    uint16_t type; /* below 1536: the length of an 802.3 frame */
};

/** False: shorter than a header, or its source is a group or zero. */
bool gn__ether_parse(const uint8_t *frame, size_t len, struct gn__ether *out);
void gn__ether_build(const struct gn__ether *ether,
                     uint8_t out[GN__ETHER_HDR_LEN]);

/** Where a packet for this address goes if that is a group or broadcast: false
 *  for the addresses of one host. The broadcasts of a prefix are the caller's
 *  to know. */
bool gn__ether_group(const struct gn__addr *ip, uint8_t out[GN__MAC_LEN]);

static inline bool gn__mac_equal(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, GN__MAC_LEN) == 0;
}

/** A group's, broadcast included. */
static inline bool gn__mac_is_group(const uint8_t *mac)
{
    return (mac[0] & 1) != 0;
}

static inline bool gn__mac_is_zero(const uint8_t *mac)
{
    static const uint8_t zero[GN__MAC_LEN];

    return gn__mac_equal(mac, zero);
}

extern const uint8_t gn__mac_broadcast[GN__MAC_LEN];

#endif /* GN_GUESTS_NIC_ETHER_H */
