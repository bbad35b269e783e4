/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets as lwIP sees them: pbufs that live inside the packet (its header,
 * and one for each slice of payload) and free it with the last of them. They
 * are this instance's alone; what the sender keeps for retransmission is
 * another pbuf that refers to the same chunk.
 */
#include "lwip/ip.h"
#include "netstack/lwip/inner.h"

struct view {
    struct pbuf_custom custom; /* first: lwIP's free function gets it */
    struct gn__packet *packet;
};

_Static_assert(sizeof(struct view) * (GN__PACKET_SLICES + 1) <=
                   GN__PACKET_STACK_BYTES,
               "GN__PACKET_STACK_BYTES is too small");

size_t gn__lwip_cost(const struct gn__packet *packet)
{
    size_t sum = sizeof(*packet);
    unsigned i;

    for (i = 0; i < packet->n_slices; i++)
        sum += gn__chunk_cost(packet->slices[i].chunk);
    return sum;
}

struct gn__packet *gn__lwip_packet_of(const struct pbuf *p)
{
    return ((const struct view *)(const void *)p)->packet;
}

static void free_view(struct pbuf *p)
{
    struct gn__packet *packet = gn__lwip_packet_of(p);

    if (--packet->live_refs)
        return;
    gn__budget_give(&gn__swap_current()->budget, gn__lwip_cost(packet));
    gn__packet_free(packet);
}

static struct pbuf *pbuf_make(struct gn__packet *packet, unsigned i,
                              const uint8_t *data, uint32_t len)
{
    struct view *view = (struct view *)(void *)packet->stack + i;

    view->packet = packet;
    view->custom.custom_free_function = free_view;
    packet->live_refs++;
    /* PBUF_REF: the bytes are not the pbuf's own. lwIP writes into headers
     * only, which are the packet's. */
    return pbuf_alloced_custom(PBUF_RAW, (u16_t)len, PBUF_REF, &view->custom,
                               (void *)(uintptr_t)data, (u16_t)len);
}

struct pbuf *gn__lwip_view(struct gn__packet *packet, uint16_t skip)
{
    struct pbuf *head = pbuf_make(packet, 0, packet->head + skip,
                                  (uint32_t)(packet->head_len - skip));
    struct pbuf *last = head;
    unsigned i;

    gn__budget_force(&gn__swap_current()->budget, gn__lwip_cost(packet));
    for (i = 0; i < packet->n_slices; i++) {
        last->next = pbuf_make(packet, i + 1, packet->slices[i].data,
                               packet->slices[i].len);
        last = last->next;
    }
    head->tot_len = (u16_t)(packet->len - skip);
    for (last = head; last->next; last = last->next)
        last->next->tot_len = (u16_t)(last->tot_len - last->len);
    return head;
}

void gn__lwip_current(const struct gn__packet *packet)
{
    bool v6 = packet->ip.version == 6;

    ip_data.current_netif = &gn__lwip_netif;
    ip_data.current_input_netif = &gn__lwip_netif;
    ip_data.current_ip4_header =
        v6 ? NULL : (struct ip_hdr *)(uintptr_t)packet->head;
    ip_data.current_ip6_header =
        v6 ? (struct ip6_hdr *)(uintptr_t)packet->head : NULL;
    ip_data.current_ip_header_tot_len = packet->ip.l4;
    gn__lwip_addr(&packet->ip.src, &ip_data.current_iphdr_src);
    gn__lwip_addr(&packet->ip.dst, &ip_data.current_iphdr_dest);
}
