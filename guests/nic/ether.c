/* SPDX-License-Identifier: BSD-3-Clause */
#include "guests/nic/ether.h"

#include "netstack/netstack.h"

const uint8_t gn__mac_broadcast[GN__MAC_LEN] = {0xff, 0xff, 0xff,
                                                0xff, 0xff, 0xff};

bool gn__ether_parse(const uint8_t *frame, size_t len, struct gn__ether *out)
{
    if (len < GN__ETHER_HDR_LEN)
        return false;
    memcpy(out->dst, frame, GN__MAC_LEN);
    memcpy(out->src, frame + 6, GN__MAC_LEN);
    out->type = gn__get16(frame + 12);
    return !gn__mac_is_group(out->src) && !gn__mac_is_zero(out->src);
}

void gn__ether_build(const struct gn__ether *ether,
                     uint8_t out[GN__ETHER_HDR_LEN])
{
    memcpy(out, ether->dst, GN__MAC_LEN);
    memcpy(out + 6, ether->src, GN__MAC_LEN);
    gn__put16(out + 12, ether->type);
}

bool gn__ether_group(const struct gn__addr *ip, uint8_t out[GN__MAC_LEN])
{
    static const uint8_t v4[GN__MAC_LEN] = {0x01, 0x00, 0x5e};
    static const uint8_t v6[GN__MAC_LEN] = {0x33, 0x33};

    if (gn__addr_is_broadcast(ip)) {
        memcpy(out, gn__mac_broadcast, GN__MAC_LEN);
        return true;
    }
    if (!gn__addr_is_multicast(ip))
        return false;
    if (gn__addr_is_v4(ip)) {
        memcpy(out, v4, 3);
        memcpy(out + 3, ip->bytes + 13, 3);
        out[3] &= 0x7f;
    } else {
        memcpy(out, v6, 2);
        memcpy(out + 2, ip->bytes + 12, 4);
    }
    return true;
}
