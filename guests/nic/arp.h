/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_GUESTS_NIC_ARP_H
#define GN_GUESTS_NIC_ARP_H

/*
 * ARP for IPv4 over Ethernet (RFC 826, RFC 5227).
 */
#include "guests/nic/ether.h"

#define GN__ARP_LEN 28u

enum gn__arp_op { GN__ARP_REQUEST = 1, GN__ARP_REPLY = 2 };

struct gn__arp {
    uint16_t op;
    uint8_t sender_mac[GN__MAC_LEN];
    uint8_t target_mac[GN__MAC_LEN];
    struct gn__addr sender; /* any: a probe, RFC 5227 section 2.1.1 */
    struct gn__addr target;
};

/** What follows the Ethernet header; padding behind it is ignored. False: it is
 *  no request or reply for IPv4 over Ethernet, or says that a group's MAC or
 *  address is its sender's. */
bool gn__arp_parse(const uint8_t *data, size_t len, struct gn__arp *out);
void gn__arp_build(const struct gn__arp *arp, uint8_t out[GN__ARP_LEN]);

#endif /* GN_GUESTS_NIC_ARP_H */
