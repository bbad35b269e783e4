/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ARP and Neighbour Discovery: what the guest asks for is answered where
 * another port has the address, and only there. Silence is an answer too: a
 * probe for an address that is free, or the guest's own, must pass (RFC 5227,
 * RFC 4862 section 5.4).
 *
 * IPv6 guests make addresses of their own. The first solicitation that names
 * one (that of duplicate address detection, or a later one if the guest does
 * none) claims it, if it is of a /64 of the network or link-local, no other
 * port has it, and the guest has fewer than it may have. It is given back with
 * the NIC, or when its last frame is two hours old. A link-local address that
 * another guest has is no conflict: each is alone on its wire, and only cannot
 * be reached by it from the others.
 */
#include "guests/nic/nic.h"

#include "base/units.h"
#include "guests/nic/arp.h"
#include "guests/nic/nd.h"

#define CLAIM_IDLE_NS (2 * 3600 * GN__NS_PER_S)

/* ---- ARP ---- */

static void arp_reply(struct gn_nic *nic, const struct gn__arp *asked,
                      const uint8_t mac[GN__MAC_LEN])
{
    struct gn__arp reply = {
        .op = GN__ARP_REPLY, .sender = asked->target, .target = asked->sender};
    uint8_t bytes[GN__ARP_LEN];

    memcpy(reply.sender_mac, mac, GN__MAC_LEN);
    memcpy(reply.target_mac, asked->sender_mac, GN__MAC_LEN);
    gn__arp_build(&reply, bytes);
    gn__nic_answer_arp(nic, bytes, sizeof(bytes));
}

static bool is_others(struct gn_nic *nic, const struct gn__addr *addr,
                      uint8_t mac[GN__MAC_LEN])
{
    enum gn__wire_owner owner = gn__wire_find(&nic->wire, addr, mac);

    return owner == GN__WIRE_OTHER || owner == GN__WIRE_GATEWAY;
}

/* It says that it has an address which another port has: that one objects,
 * RFC 5227 section 2.4. */
static void arp_defend(struct gn_nic *nic, const struct gn__arp *arp,
                       const uint8_t mac[GN__MAC_LEN])
{
    struct gn__arp claimed = *arp;

    gn__nic_spoofed(nic);
    claimed.target = arp->sender;
    arp_reply(nic, &claimed, mac);
}

void gn__nic_arp_input(struct gn_nic *nic, const uint8_t *data, size_t len)
{
    uint8_t mac[GN__MAC_LEN];
    struct gn__arp arp;

    if (!gn__arp_parse(data, len, &arp)) {
        gn__nic_malformed(nic);
        return;
    }
    if (!gn__mac_equal(arp.sender_mac, nic->mac)) {
        gn__nic_spoofed(nic);
        return;
    }
    if (is_others(nic, &arp.sender, mac))
        arp_defend(nic, &arp, mac);
    else if (arp.op == GN__ARP_REQUEST && is_others(nic, &arp.target, mac))
        arp_reply(nic, &arp, mac);
}

/* ---- claims ---- */

static size_t n_addresses(struct gn_nic *nic)
{
    struct gn__prefix prefix;
    struct gn__addr addr;
    size_t n = 0, i;

    while (gn__wire_addr(&nic->wire, n, &addr, &prefix))
        n++;
    for (i = 0; i < nic->n_claims; i++)
        n += gn__addr_is_linklocal(&nic->claims[i].addr);
    return n;
}

/* Is it of a prefix that addresses are made of? */
static bool is_autonomous(struct gn_nic *nic, const struct gn__addr *addr)
{
    struct gn__prefix prefix;
    struct gn__addr gateway;
    size_t n;

    for (n = 0; gn__wire_prefix(&nic->wire, n, &prefix, &gateway); n++) {
        if (!gn__prefix_is_v4(&prefix) && prefix.len == 64 &&
            gn__prefix_contains(&prefix, addr))
            return true;
    }
    return false;
}

/* Its place among them; n_claims: none. */
static size_t claim_at(const struct gn_nic *nic, const struct gn__addr *addr)
{
    size_t i;

    for (i = 0; i < nic->n_claims; i++) {
        if (gn__addr_equal(&nic->claims[i].addr, addr))
            break;
    }
    return i;
}

bool gn__nic_is_claimed(const struct gn_nic *nic, const struct gn__addr *addr)
{
    return claim_at(nic, addr) < nic->n_claims;
}

/* When the one that is idle longest is given back. */
static void claims_arm(struct gn_nic *nic)
{
    uint64_t first = UINT64_MAX;
    size_t i;

    for (i = 0; i < nic->n_claims; i++) {
        if (nic->claims[i].used_at < first)
            first = nic->claims[i].used_at;
    }
    gn__event_disarm(nic->handle.engine, &nic->claims_idle);
    if (nic->n_claims)
        gn__event_arm(nic->handle.engine, &nic->claims_idle,
                      first + CLAIM_IDLE_NS);
}

static void claims_idle(struct gn__event *event)
{
    struct gn_nic *nic = gn__container_of(event, struct gn_nic, claims_idle);
    uint64_t now = gn__nic_now(nic);
    size_t i = 0;

    while (i < nic->n_claims) {
        if (now - nic->claims[i].used_at < CLAIM_IDLE_NS) {
            i++;
            continue;
        }
        gn__wire_give(&nic->wire, &nic->claims[i].addr);
        nic->claims[i] = nic->claims[--nic->n_claims];
        gn__nic_tell(nic, GN_NIC_ADDRESSES);
    }
    claims_arm(nic);
}

void gn__nic_claims_init(struct gn_nic *nic)
{
    nic->claims_idle.fire = claims_idle;
}

void gn__nic_claims_done(struct gn_nic *nic)
{
    gn__event_disarm(nic->handle.engine, &nic->claims_idle);
    nic->n_claims = 0;
}

/* False: it may not be taken. */
static bool neighbor_claim(struct gn_nic *nic, const struct gn__addr *addr)
{
    if (!gn__addr_is_linklocal(addr) && !is_autonomous(nic, addr))
        return false;
    if (gn__addr_is_v4(addr) || nic->n_claims == GN__NIC_CLAIMS_MAX ||
        n_addresses(nic) >= nic->max_addresses ||
        gn__wire_claim(&nic->wire, addr))
        return false;
    nic->claims[nic->n_claims++] =
        (struct gn__nic_claim){*addr, gn__nic_now(nic)};
    gn__wire_hear(&nic->wire, addr);
    if (nic->n_claims == 1)
        claims_arm(nic);
    gn__nic_tell(nic, GN_NIC_ADDRESSES);
    return true;
}

bool gn__nic_may_send_from(struct gn_nic *nic, const struct gn__addr *src)
{
    size_t i;

    if (gn__wire_owns(&nic->wire, src)) {
        i = claim_at(nic, src);
        if (i < nic->n_claims)
            nic->claims[i].used_at = gn__nic_now(nic);
        gn__wire_hear(&nic->wire, src);
        return true;
    }
    if (gn__addr_is_any(src) || gn__addr_is_loopback(src))
        return false;
    return (nic->flags & GN_NIC_ROUTER) || neighbor_claim(nic, src);
}

/* ---- Neighbour Discovery ---- */

static void advertise_neighbor(struct gn_nic *nic,
                               const struct gn__packet *asked,
                               const struct gn__addr *target,
                               const uint8_t mac[GN__MAC_LEN], bool is_router)
{
    static const struct gn__addr all_nodes = {{0xff, 0x02, [15] = 1}};
    bool probe = gn__addr_is_any(&asked->ip.src);
    struct gn__nd advert = {.type = GN__ND_NEIGHBOR_ADVERT,
                            .target = *target,
                            .has_mac = true,
                            .router = is_router,
                            .solicited = !probe,
                            .override = true};
    struct gn__ip_build ip = {.src = *target,
                              .dst = probe ? all_nodes : asked->ip.src,
                              .proto = GN__PROTO_ICMP6,
                              .ttl = 255};
    uint8_t msg[GN__ND_LEN];

    memcpy(advert.mac, mac, GN__MAC_LEN);
    ip.payload_len = gn__nd_build(&advert, msg);
    gn__nic_answer(nic, &ip, msg);
}

static void neighbor_solicited(struct gn_nic *nic,
                               const struct gn__packet *packet,
                               const struct gn__nd *nd)
{
    uint8_t mac[GN__MAC_LEN];
    enum gn__wire_owner owner = gn__wire_find(&nic->wire, &nd->target, mac);
    bool probe = gn__addr_is_any(&packet->ip.src);

    if (owner == GN__WIRE_NOBODY && probe)
        (void)neighbor_claim(nic, &nd->target);
    /* Link-local addresses are of each wire, but for the gateway's. */
    if (owner == GN__WIRE_OTHER && probe && gn__addr_is_linklocal(&nd->target))
        return;
    if (owner == GN__WIRE_OTHER || owner == GN__WIRE_GATEWAY)
        advertise_neighbor(nic, packet, &nd->target, mac,
                           owner == GN__WIRE_GATEWAY);
}

/* It says that it has the address: as with ARP, another port may object. */
static void neighbor_advertised(struct gn_nic *nic,
                                const struct gn__packet *packet,
                                const struct gn__nd *nd)
{
    uint8_t mac[GN__MAC_LEN];
    enum gn__wire_owner owner = gn__wire_find(&nic->wire, &nd->target, mac);

    if (owner == GN__WIRE_NOBODY)
        (void)neighbor_claim(nic, &nd->target);
    if (owner != GN__WIRE_GATEWAY &&
        (owner != GN__WIRE_OTHER || gn__addr_is_linklocal(&nd->target)))
        return;
    gn__nic_spoofed(nic);
    advertise_neighbor(nic, packet, &nd->target, mac,
                       owner == GN__WIRE_GATEWAY);
}

void gn__nic_moved(struct gn_nic *nic, const struct gn__packet *packet,
                   const uint8_t mac[GN__MAC_LEN], bool is_router)
{
    struct gn__arp asked = {.sender = packet->ip.src, .target = packet->ip.dst};

    if (packet->ip.version == 6) {
        advertise_neighbor(nic, packet, &packet->ip.dst, mac, is_router);
        return;
    }
    memcpy(asked.sender_mac, nic->mac, GN__MAC_LEN);
    arp_reply(nic, &asked, mac);
}

void gn__nic_nd_input(struct gn_nic *nic, const struct gn__packet *packet)
{
    uint8_t msg[256];
    struct gn__nd nd;
    size_t len;

    len = gn__packet_read(packet, packet->ip.l4, msg, sizeof(msg));
    if (msg[0] == GN__ND_ROUTER_ADVERT || msg[0] == GN__ND_REDIRECT) {
        gn__nic_spoofed(nic); /* Only a router may say this. */
        return;
    }
    if (packet->ip.ttl != 255 || !gn__nd_parse(msg, len, &nd)) {
        gn__nic_malformed(nic);
        return;
    }
    if (!gn__addr_is_any(&packet->ip.src))
        (void)gn__nic_may_send_from(nic, &packet->ip.src);
    if (nd.type == GN__ND_NEIGHBOR_SOLICIT)
        neighbor_solicited(nic, packet, &nd);
    else if (nd.type == GN__ND_NEIGHBOR_ADVERT)
        neighbor_advertised(nic, packet, &nd);
    else if (!(nic->flags & GN_NIC_NO_RA))
        gn__nic_advertise(
            nic, gn__addr_is_any(&packet->ip.src) ? NULL : &packet->ip.src);
}
