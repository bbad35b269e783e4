/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Echo requests to addresses outside. Those of one identifier to one address
 * are a flow, as datagrams from one port to another are; what goes through it
 * are whole ICMP messages, which the kernel's ping sockets take and give: with
 * an identifier of their own, so that the guest's is put back into each answer.
 */
#include <string.h>

#include "namespace/gateway/guest.h"
#include "netstack/netstack.h"

static bool key_read(const struct gn__packet *packet,
                     struct gn__outside_key *key)
{
    uint8_t header[GN__ICMP_ECHO_LEN];

    if (gn__packet_read(packet, packet->ip.l4, header, sizeof(header)) !=
        sizeof(header))
        return false;
    key->outside.addr = packet->ip.dst;
    key->guest.addr = packet->ip.src;
    key->guest.port = (uint16_t)gn__get16(header + 4);
    return true;
}

void gn__outside_echo_input(struct gn__outside_guest *guest,
                            struct gn__packet *packet)
{
    struct gn__outside_key key = {.type = SOCK_RAW};

    if (!key_read(packet, &key))
        gn__outside_drop(guest, packet, GN_DROP_MALFORMED);
    else if (!gn__flow_input(guest, &key, packet))
        gn__dial_begin(guest, &key, 0, packet);
}

bool gn__echo_answer(const struct gn__outside_flow *flow,
                     struct gn__slice *data, struct gn__packet *packet)
{
    bool v4 = gn__addr_is_v4(&flow->key.guest.addr);
    struct gn__icmp_echo echo = {.src = flow->key.outside.addr,
                                 .dst = flow->key.guest.addr,
                                 .reply = true,
                                 .id = flow->key.guest.port};

    if (data->len < GN__ICMP_ECHO_LEN ||
        data->data[0] != (v4 ? GN__ICMP4_ECHO_REPLY : GN__ICMP6_ECHO_REPLY))
        return false;
    echo.seq = (uint16_t)gn__get16(data->data + 6);
    data->data += GN__ICMP_ECHO_LEN;
    data->len -= GN__ICMP_ECHO_LEN;
    gn__icmp_echo_write(packet, &echo, data->len);
    return true;
}

void gn__echo_cause(const struct gn__outside_flow *flow,
                    struct gn__packet *packet)
{
    const struct gn__icmp_echo echo = {.src = flow->key.guest.addr,
                                       .dst = flow->key.outside.addr,
                                       .id = flow->key.guest.port};

    gn__icmp_echo_write(packet, &echo, 0);
}
