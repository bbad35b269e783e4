/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lower edge of lwIP: one interface, which all instances share and which
 * hands every packet to the namespace to be routed; and the few functions of
 * parts of lwIP that are not built.
 */
#include <string.h>

#include "base/counter.h"
#include "base/siphash.h"
#include "base/wire.h"
#include "lwip/init.h"
#include "lwip/inet_chksum.h"
#include "lwip/ip4_frag.h"
#include "lwip/ip6_frag.h"
#include "lwip/nd6.h"
#include "lwip/sys.h"
#include "netstack/lwip/hooks.h"
#include "netstack/lwip/inner.h"

#define TCP_HDR_MIN 20u
#define ISN_TICK_NS 4000u /* RFC 6528: 4 us */

GN__SHARED struct netif gn__lwip_netif = {.mtu = 1};
GN__SHARED static uint64_t mtu_now = 1;
GN__SHARED static uint64_t floor_now[2] = {1, 0}; /* value, is set */

void gn__lwip_addr(const struct gn__addr *from, ip_addr_t *to)
{
    memset(to, 0, sizeof(*to));
    if (gn__addr_is_v4(from)) {
        IP_SET_TYPE(to, IPADDR_TYPE_V4);
        memcpy(&ip_2_ip4(to)->addr, from->bytes + 12, 4);
    } else {
        IP_SET_TYPE(to, IPADDR_TYPE_V6);
        memcpy(ip_2_ip6(to)->addr, from->bytes, 16);
    }
}

struct gn__addr gn__lwip_addr_back(const ip_addr_t *from)
{
    if (IP_IS_V6(from))
        return gn__addr_from_v6_bytes(ip_2_ip6(from)->addr);
    return gn__addr_from_v4_bytes(&ip_2_ip4(from)->addr);
}

void gn__lwip_begin(const struct gn__stack *stack, uint32_t mtu,
                    uint16_t max_segment, const struct gn__addr *remote)
{
    uint32_t headers = TCP_HDR_MIN + (gn__addr_is_v4(remote) ? GN__IP4_HDR_LEN
                                                             : GN__IP6_HDR_LEN);

    tcp_ticks = (u32_t)(stack->net->now / (GN__SLOW_MS * 1000000ull));
    if (max_segment && max_segment + headers < mtu)
        mtu = max_segment + headers;
    mtu_now = mtu < GN__PACKET_MAX ? mtu : GN__PACKET_MAX;
    gn__lwip_netif.mtu = (u16_t)mtu_now;
}

void gn__lwip_isn_floor(const uint32_t *floor)
{
    floor_now[0] = floor ? *floor : 0;
    floor_now[1] = floor != NULL;
}

/* RFC 6528: ISN = M + F(localip, localport, remoteip, remoteport, secret). */
u32_t gn__lwip_isn(const ip_addr_t *local, u16_t local_port,
                   const ip_addr_t *remote, u16_t remote_port)
{
    const struct gn__stack *stack = gn__swap_current();
    struct {
        struct gn__addr local, remote;
        uint16_t ports[2];
    } tuple = {gn__lwip_addr_back(local),
               gn__lwip_addr_back(remote),
               {local_port, remote_port}};
    uint32_t isn =
        (uint32_t)gn__siphash24(stack->isn_key, &tuple, sizeof(tuple));

    isn += (uint32_t)(stack->net->now / ISN_TICK_NS);
    isn |= GN__DRAWN_BITS;
    if (floor_now[1] && TCP_SEQ_LT(isn, (uint32_t)floor_now[0]))
        isn = (uint32_t)floor_now[0];
    return isn;
}

/* ---- output ---- */

/* Payload of @p from @from on, which does not fit into slices: one copy. */
static int add_flat(struct gn__packet *packet, struct pbuf *p, u16_t from)
{
    u16_t len = (u16_t)(p->tot_len - from);
    struct gn__slice slice = {.len = len};
    uint8_t *data;

    while (packet->n_slices) {
        gn__chunk_unref(packet->slices[--packet->n_slices].chunk);
        packet->len -= packet->slices[packet->n_slices].len;
    }
    slice.chunk = gn__chunk_alloc(packet->pool->chunks, len);
    if (!slice.chunk)
        return -1;
    data = gn__chunk_data(slice.chunk);
    pbuf_copy_partial(p, data, len, from);
    slice.data = data;
    if (!gn__packet_add(packet, &slice))
        return 0;
    gn__chunk_unref(slice.chunk);
    return -1;
}

/* Payload by reference: only ROM pbufs point into chunks. */
static int add_payload(struct gn__packet *packet, struct pbuf *p, u16_t from)
{
    struct pbuf *q;

    if (p->len != from)
        return add_flat(packet, p, from);
    for (q = p->next; q; q = q->next) {
        struct gn__slice slice = {.data = q->payload, .len = q->len};

        if (!q->len)
            continue;
        if (!pbuf_match_type(q, PBUF_ROM))
            return add_flat(packet, p, from);
        slice.chunk = gn__chunk_of(q->payload);
        gn__chunk_ref(slice.chunk);
        if (gn__packet_add(packet, &slice)) {
            gn__chunk_unref(slice.chunk);
            return add_flat(packet, p, from);
        }
    }
    return 0;
}

static void read_ip4(struct gn__packet *packet)
{
    struct gn__ip *ip = &packet->ip;
    uint8_t *h = packet->head;

    /* Path MTU discovery, unless this segment was cut for a larger one. */
    ip->dont_fragment = packet->len <= mtu_now;
    if (ip->dont_fragment)
        h[6] |= 0x40;
    ip->version = 4;
    ip->proto = h[9];
    ip->ttl = h[8];
    ip->tos = h[1];
    ip->frag_id = gn__get16(h + 4);
    ip->src = gn__addr_from_v4_bytes(h + 12);
    ip->dst = gn__addr_from_v4_bytes(h + 16);
}

static void read_ip6(struct gn__packet *packet)
{
    struct gn__ip *ip = &packet->ip;
    uint8_t *h = packet->head;

    ip->version = 6;
    ip->proto = h[6];
    ip->ttl = h[7];
    ip->tos = (uint8_t)(h[0] << 4 | h[1] >> 4);
    ip->dont_fragment = true;
    ip->src = gn__addr_from_v6_bytes(h + 8);
    ip->dst = gn__addr_from_v6_bytes(h + 24);
}

static err_t netif_output(struct pbuf *p, u16_t ip_len)
{
    struct gn__stack *stack = gn__swap_current();
    struct gn__packet *packet = gn__packet_alloc(&stack->net->packets);
    const uint8_t *bytes = p->payload;
    u16_t head_len;

    if (!packet)
        return ERR_MEM;
    head_len = (u16_t)(ip_len + (bytes[ip_len + 12] >> 4) * 4);
    memcpy(packet->head, bytes, head_len);
    packet->head_len = head_len;
    packet->len = head_len;
    packet->csum_absent = true;
    if (p->tot_len > head_len && add_payload(packet, p, head_len)) {
        gn__packet_free(packet);
        return ERR_MEM;
    }
    packet->ip.l4 = ip_len;
    packet->ip.total_len = (uint16_t)packet->len;
    if (ip_len == GN__IP4_HDR_LEN)
        read_ip4(packet);
    else
        read_ip6(packet);
    stack->ops->output(stack, packet);
    return ERR_OK;
}

static err_t output_ip4(struct netif *netif, struct pbuf *p,
                        const ip4_addr_t *to)
{
    (void)netif;
    (void)to;
    return netif_output(p, GN__IP4_HDR_LEN);
}

static err_t output_ip6(struct netif *netif, struct pbuf *p,
                        const ip6_addr_t *to)
{
    (void)netif;
    (void)to;
    return netif_output(p, GN__IP6_HDR_LEN);
}

static err_t init_netif(struct netif *netif)
{
    netif->name[0] = 'g';
    netif->name[1] = 'n';
    netif->output = output_ip4;
    netif->output_ip6 = output_ip6;
    return ERR_OK;
}

/* What arrives is given to tcp_input() directly, see input.c. */
static err_t no_input(struct pbuf *p, struct netif *netif)
{
    (void)netif;
    pbuf_free(p);
    return ERR_OK;
}

void gn__lwip_init(void)
{
    lwip_init();
    netif_add_noaddr(&gn__lwip_netif, NULL, init_netif, no_input);
    netif_set_default(&gn__lwip_netif);
    netif_set_up(&gn__lwip_netif);
    netif_set_link_up(&gn__lwip_netif);
}

struct netif *gn__lwip_route(void)
{
    return &gn__lwip_netif;
}

/* ---- what lwIP calls of parts that are not built ---- */

void tcp_timer_needed(void)
{
}

u32_t sys_now(void)
{
    return (u32_t)(gn__swap_current()->net->now / 1000000);
}

u16_t nd6_get_destination_mtu(const ip6_addr_t *to, struct netif *netif)
{
    (void)to;
    (void)netif;
    return (u16_t)mtu_now;
}

struct netif *nd6_find_route(const ip6_addr_t *to)
{
    (void)to;
    return &gn__lwip_netif;
}

void nd6_restart_netif(struct netif *netif)
{
    (void)netif;
}

void nd6_cleanup_netif(struct netif *netif)
{
    (void)netif;
}

void icmp6_param_problem(struct pbuf *p, enum icmp6_pp_code code,
                         const void *pointer)
{
    (void)p;
    (void)code;
    (void)pointer;
}
