/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reassembly by lwIP (ip4_reass(), ip6_reass()), which wants a fragment's
 * headers in one piece and writes its bookkeeping over them: the header of a
 * packet is its own, so it may.
 *
 * The whole packet is made anew from the chain of pbufs, payload by
 * reference, and parsed like any other that enters.
 */
#include <string.h>

#include "lwip/ip4_frag.h"
#include "lwip/ip6_frag.h"
#include "netstack/lwip/inner.h"

/* Seconds until nothing can be waiting any more: lwIP does not tell. One for
 * each instance, swapped with the rest of its state. */
static uint32_t seconds_left;

static bool add_piece(struct gn__packet *whole, const struct pbuf *q)
{
    const struct gn__packet *piece = gn__lwip_packet_of(q);
    const uint8_t *data = q->payload;
    struct gn__slice slice = {.data = data, .len = q->len};

    if (!q->len)
        return true;
    if (data >= piece->head && data < piece->head + sizeof(piece->head))
        return !gn__packet_add_copy(whole, data, q->len);
    slice.chunk = gn__chunk_of(data);
    gn__chunk_ref(slice.chunk);
    if (!gn__packet_add(whole, &slice))
        return true;
    gn__chunk_unref(slice.chunk);
    return false;
}

/* More pieces than a packet has slices: one copy. */
static bool add_flat(struct gn__packet *whole, struct pbuf *p, u16_t from)
{
    struct gn__slice slice = {.len = (uint32_t)(p->tot_len - from)};
    uint8_t *data;

    while (whole->n_slices) {
        gn__chunk_unref(whole->slices[--whole->n_slices].chunk);
        whole->len -= whole->slices[whole->n_slices].len;
    }
    slice.chunk = gn__chunk_alloc(whole->pool->chunks, slice.len);
    if (!slice.chunk)
        return false;
    data = gn__chunk_data(slice.chunk);
    pbuf_copy_partial(p, data, (u16_t)slice.len, from);
    slice.data = data;
    if (!gn__packet_add(whole, &slice))
        return true;
    gn__chunk_unref(slice.chunk);
    return false;
}

static bool reass_fill(struct gn__packet *whole, struct pbuf *p)
{
    u16_t head = p->len < GN__PACKET_HEAD ? p->len : GN__PACKET_HEAD;
    const struct pbuf *q;

    memcpy(whole->head, p->payload, head);
    whole->head_len = head;
    whole->len = head;
    if (p->len > head)
        return add_flat(whole, p, head);
    for (q = p->next; q; q = q->next)
        if (!add_piece(whole, q))
            return add_flat(whole, p, head);
    return true;
}

static struct gn__packet *reass_rebuild(struct gn__stack *stack, struct pbuf *p)
{
    struct gn__packet *whole = gn__packet_alloc(&stack->net->packets);
    bool absent = gn__lwip_packet_of(p)->csum_absent;

    if (!whole)
        return NULL;
    whole->csum_absent = absent;
    if (!reass_fill(whole, p) ||
        gn__ip_parse(whole->head, whole->head_len, whole->len, false,
                     &whole->ip) ||
        gn__ip_is_fragment(&whole->ip) ||
        (!absent && !gn__packet_checksum_ok(whole))) {
        gn__packet_free(whole);
        return NULL;
    }
    return whole;
}

/* Half of the guest's memory at most. To make room, time passes faster for what
 * waits: the oldest go first. */
static void make_room(struct gn__stack *stack, size_t cost)
{
    size_t most = stack->budget.limit / 2;

    while (seconds_left > 1 && stack->reassembling > 0 &&
           (cost > most || stack->reassembling > most - cost))
        (void)gn__lwip_reassembly_second(stack);
}

struct gn__packet *gn__lwip_reassemble(struct gn__stack *stack,
                                       struct gn__packet *fragment)
{
    bool v6 = fragment->ip.version == 6;
    struct gn__packet *whole = NULL;
    struct pbuf *p;
    size_t before;

    gn__lwip_begin(stack, GN__PACKET_MAX, 0, &fragment->ip.src);
    make_room(stack, gn__lwip_cost(fragment));
    before = stack->budget.held;
    gn__lwip_current(fragment);
    p = gn__lwip_view(fragment, v6 ? fragment->ip.frag_hdr : 0);
    p = v6 ? ip6_reass(p) : ip4_reass(p);
    if (p) {
        whole = reass_rebuild(stack, p);
        pbuf_free(p);
    }
    seconds_left = IPV6_REASS_MAXAGE + 2;
    stack->reassembling += stack->budget.held - before;
    return whole;
}

bool gn__lwip_reassembly_second(struct gn__stack *stack)
{
    size_t before = stack->budget.held;

    ip_reass_tmr();
    ip6_reass_tmr();
    stack->reassembling += stack->budget.held - before;
    if (stack->budget.held < before && stack->ops->dropped)
        stack->ops->dropped(stack, GN__TCP_DROP_REASSEMBLY);
    return --seconds_left > 0;
}

void gn__lwip_reassembly_drop(void)
{
    for (; seconds_left; seconds_left--) {
        ip_reass_tmr();
        ip6_reass_tmr();
    }
}
