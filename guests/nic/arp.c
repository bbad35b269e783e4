/* SPDX-License-Identifier: BSD-3-Clause */
#include "guests/nic/arp.h"

#include "netstack/netstack.h"

/* Ethernet, IPv4, six bytes, four bytes. */
static const uint8_t arp_kind[6] = {0, 1, 8, 0, GN__MAC_LEN, 4};

bool gn__arp_parse(const uint8_t *data, size_t len, struct gn__arp *out)
{
    if (len < GN__ARP_LEN || memcmp(data, arp_kind, sizeof(arp_kind)) != 0)
        return false;
    out->op = gn__get16(data + 6);
    if (out->op != GN__ARP_REQUEST && out->op != GN__ARP_REPLY)
        return false;
    memcpy(out->sender_mac, data + 8, GN__MAC_LEN);
    out->sender = gn__addr_from_v4_bytes(data + 14);
    memcpy(out->target_mac, data + 18, GN__MAC_LEN);
    out->target = gn__addr_from_v4_bytes(data + 24);
    return !gn__mac_is_group(out->sender_mac) &&
           !gn__addr_is_multicast(&out->sender) &&
           !gn__addr_is_broadcast(&out->sender);
}

void gn__arp_build(const struct gn__arp *arp, uint8_t out[GN__ARP_LEN])
{
    memcpy(out, arp_kind, sizeof(arp_kind));
    gn__put16(out + 6, arp->op);
    memcpy(out + 8, arp->sender_mac, GN__MAC_LEN);
    memcpy(out + 14, arp->sender.bytes + 12, 4);
    memcpy(out + 18, arp->target_mac, GN__MAC_LEN);
    memcpy(out + 24, arp->target.bytes + 12, 4);
}
