/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * How a guest learns its addresses, the way out and the names' server: DHCP,
 * DHCPv6 and router advertisements, from the gateway.
 *
 * A port is one guest, so a lease is the port's address, whatever the client
 * calls itself: a virtual machine that is started again, or boots another
 * system with another client identifier, has the same one. An address that a
 * client declines stays taken, so that no other guest meets the conflict, and
 * the guest is given another.
 */
#include "guests/nic/nic.h"

#include "base/units.h"
#include "guests/nic/dhcp4.h"
#include "guests/nic/dhcp6.h"
#include "guests/nic/nd.h"

#define LEASE_S     3600u
#define VALID_S     86400u
#define PREFERRED_S 14400u
/* A guest may not shorten what it was told to less than two hours (RFC 4862
 * section 5.5.3), so no advertisement could take back a longer lifetime when
 * the next network has another prefix; those of RFC 9096 section 3.3 end by
 * themselves. */
#define RA_VALID_S     5400u
#define RA_PREFERRED_S 2700u
#define ROUTER_S       1800u
#define DNS_S          ROUTER_S
/* Unsolicited advertisements of a new guest, RFC 4861 section 10. */
#define ADVERTS        3u
#define ADVERT_NS      (2 * GN__NS_PER_S)
#define ADVERT_REST_NS (600 * GN__NS_PER_S)

/* ---- DHCP ---- */

/* The address that the guest has by DHCP: the first IPv4 one. */
static bool lease4_find(struct gn_nic *nic, struct gn__dhcp4_lease *lease)
{
    struct gn__prefix prefix;
    struct gn__addr addr;
    bool named = gn__addr_is_v4(&nic->lease4);
    size_t n;

    for (n = 0; gn__wire_addr(&nic->wire, n, &addr, &prefix); n++) {
        if (!gn__addr_is_v4(&addr) ||
            (named && !gn__addr_equal(&addr, &nic->lease4)))
            continue;
        lease->addr = addr;
        lease->prefix = prefix;
        return true;
    }
    return false;
}

static bool lease4_fill(struct gn_nic *nic, struct gn__dhcp4_lease *lease)
{
    struct gn__prefix prefix;
    size_t n;

    memset(lease, 0, sizeof(*lease));
    if (!lease4_find(nic, lease))
        return false;
    for (n = 0; gn__wire_prefix(&nic->wire, n, &prefix, &lease->gateway); n++) {
        if (gn__prefix_equal(&prefix, &lease->prefix))
            break;
    }
    lease->dns = lease->gateway;
    lease->domain = gn__wire_domain(&nic->wire);
    lease->host_name = gn__wire_name(&nic->wire);
    lease->mtu = gn__wire_mtu(&nic->wire);
    lease->lease_s = LEASE_S;
    return !gn__addr_is_any(&lease->gateway);
}

static void dhcp4_declined(struct gn_nic *nic, const struct gn__dhcp4 *request,
                           const struct gn__dhcp4_lease *lease)
{
    struct gn__addr other;

    if (!gn__addr_equal(&request->wanted, &lease->addr) ||
        nic->n_declined >= nic->max_addresses ||
        gn__wire_take(&nic->wire, &lease->prefix, &other))
        return;
    nic->n_declined++;
    nic->lease4 = other;
    gn__nic_tell(nic, GN_NIC_ADDRESSES);
}

static void dhcp4_input(struct gn_nic *nic, const uint8_t *msg, size_t len)
{
    struct gn__dhcp4_lease lease;
    struct gn__dhcp4 request;
    struct gn__ip_build ip = {.ttl = 64, .tos = 0x10};
    uint8_t out[GN__DHCP4_MAX];
    enum gn__dhcp4_type answer;

    if (!gn__dhcp4_parse(msg, len, &request)) {
        gn__nic_malformed(nic);
        return;
    }
    if (!lease4_fill(nic, &lease))
        return;
    if (request.type == GN__DHCP4_DECLINE)
        dhcp4_declined(nic, &request, &lease);
    answer = gn__dhcp4_answer(&request, &lease, out, &len);
    if (!answer)
        return;
    ip.src = lease.gateway;
    if (gn__dhcp4_is_broadcast(&request, answer))
        ip.dst = gn__addr_from_v4(UINT32_MAX);
    else
        ip.dst = gn__addr_is_any(&request.own) ? lease.addr : request.own;
    gn__nic_answer_udp(nic, &ip, GN__DHCP4_SERVER_PORT, GN__DHCP4_CLIENT_PORT,
                       out, len);
}

/* ---- DHCPv6 ---- */

static void lease6_fill(struct gn_nic *nic, struct gn__dhcp6_lease *lease)
{
    struct gn__prefix prefix;
    struct gn__addr addr, ignored;
    size_t n;

    memset(lease, 0, sizeof(*lease));
    gn__wire_gateway(&nic->wire, lease->mac, &ignored);
    for (n = 0; gn__wire_addr(&nic->wire, n, &addr, &prefix); n++) {
        if (!gn__addr_is_v4(&addr) && lease->n_addrs < GN__DHCP6_ADDRS &&
            !gn__nic_is_claimed(nic, &addr))
            lease->addrs[lease->n_addrs++] = addr;
    }
    for (n = 0; gn__wire_prefix(&nic->wire, n, &prefix, &addr); n++) {
        if (!gn__prefix_is_v4(&prefix) && gn__addr_is_any(&lease->dns))
            lease->dns = addr;
    }
    lease->domain = gn__wire_domain(&nic->wire);
    lease->valid_s = VALID_S;
    lease->preferred_s = PREFERRED_S;
}

static void dhcp6_input(struct gn_nic *nic, const struct gn__packet *packet,
                        const uint8_t *msg, size_t len)
{
    struct gn__dhcp6_lease lease;
    struct gn__dhcp6 request;
    struct gn__ip_build ip = {.ttl = 64};
    uint8_t mac[GN__MAC_LEN], out[GN__DHCP6_MAX];

    gn__wire_gateway(&nic->wire, mac, &ip.src);
    if (gn__addr_is_any(&ip.src))
        return; /* There is no IPv6 here. */
    if (!gn__addr_is_linklocal(&packet->ip.src) ||
        !gn__dhcp6_parse(msg, len, &request)) {
        gn__nic_malformed(nic);
        return;
    }
    lease6_fill(nic, &lease);
    ip.dst = packet->ip.src;
    if (gn__dhcp6_answer(&request, &lease, out, &len))
        gn__nic_answer_udp(nic, &ip, GN__DHCP6_SERVER_PORT,
                           GN__DHCP6_CLIENT_PORT, out, len);
}

void gn__nic_dhcp_input(struct gn_nic *nic, const struct gn__packet *packet)
{
    uint8_t msg[1500];
    size_t len = gn__packet_read(packet, packet->ip.l4 + 8u, msg, sizeof(msg));

    if (packet->ip.version == 4)
        dhcp4_input(nic, msg, len);
    else
        dhcp6_input(nic, packet, msg, len);
}

/* ---- router advertisements ---- */

static void ra_fill(struct gn_nic *nic, struct gn__ra *ra)
{
    struct gn__prefix prefix;
    struct gn__addr gateway;
    size_t n;

    ra->router_s = ROUTER_S;
    ra->mtu = gn__wire_mtu(&nic->wire);
    ra->managed = ra->other = !(nic->flags & GN_NIC_NO_DHCP);
    ra->domain = gn__wire_domain(&nic->wire);
    ra->dns_s = DNS_S;
    ra->dns = gn__addr_any(AF_INET6);
    for (n = 0; gn__wire_prefix(&nic->wire, n, &prefix, &gateway); n++) {
        if (gn__prefix_is_v4(&prefix) || ra->n_prefixes == GN__RA_PREFIXES)
            continue;
        ra->prefixes[ra->n_prefixes++] =
            (struct gn__ra_prefix){.prefix = prefix,
                                   .autonomous = prefix.len == 64,
                                   .valid_s = RA_VALID_S,
                                   .preferred_s = RA_PREFERRED_S};
        if (gn__addr_is_any(&ra->dns))
            ra->dns = gateway;
    }
}

void gn__nic_advertise(struct gn_nic *nic, const struct gn__addr *to)
{
    static const struct gn__addr all_nodes = {{0xff, 0x02, [15] = 1}};
    struct gn__ip_build ip = {
        .dst = to ? *to : all_nodes, .proto = GN__PROTO_ICMP6, .ttl = 255};
    struct gn__ra ra = {.n_prefixes = 0};
    uint8_t msg[GN__RA_MAX];

    gn__wire_gateway(&nic->wire, ra.mac, &ip.src);
    if (gn__addr_is_any(&ip.src))
        return; /* There is no IPv6 here. */
    ra_fill(nic, &ra);
    ip.payload_len = gn__ra_build(&ra, msg);
    gn__nic_answer(nic, &ip, msg);
}

static void advert_arm(struct gn_nic *nic)
{
    uint64_t wait = nic->n_adverts < ADVERTS ? ADVERT_NS : ADVERT_REST_NS;

    gn__event_arm(nic->handle.engine, &nic->advert, gn__nic_now(nic) + wait);
}

static void advert_fire(struct gn__event *event)
{
    struct gn_nic *nic = gn__container_of(event, struct gn_nic, advert);

    /* A guest that was never heard may not exist yet: it will ask. */
    if (gn__mac_is_zero(nic->mac) || !nic->carrier)
        return;
    gn__nic_advertise(nic, NULL);
    nic->n_adverts++;
    advert_arm(nic);
}

void gn__nic_advertise_soon(struct gn_nic *nic)
{
    if (nic->flags & GN_NIC_NO_RA)
        return;
    nic->advert.fire = advert_fire;
    nic->n_adverts = 0;
    gn__event_disarm(nic->handle.engine, &nic->advert);
    advert_arm(nic);
}

void gn__nic_advertise_done(struct gn_nic *nic)
{
    gn__event_disarm(nic->handle.engine, &nic->advert);
}
