/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments that no connection sends: refusals, and TIME_WAIT's answers. */
#include <string.h>

#include "base/wire.h"
#include "netstack/tcp_internal.h"

#define HDR_LEN 20u

void gn__tcp_reply(struct gn__stack *stack, const struct gn__segment *to,
                   uint32_t seq, uint32_t ack, uint8_t flags)
{
    struct gn__packet *packet = gn__packet_alloc(&stack->net->packets);
    struct gn__ip_build ip = {.src = to->local.addr,
                              .dst = to->remote.addr,
                              .proto = GN__PROTO_TCP,
                              .ttl = 64,
                              .dont_fragment = true,
                              .payload_len = HDR_LEN};
    enum gn__ip_flaw flaw;
    uint8_t *hdr;
    size_t l4;

    if (!packet) {
        gn__tcp_dropped(stack, GN__TCP_DROP_MEMORY);
        return;
    }
    l4 = gn__ip_build(&ip, packet->head);
    hdr = packet->head + l4;
    memset(hdr, 0, HDR_LEN);
    gn__put16(hdr, to->local.port);
    gn__put16(hdr + 2, to->remote.port);
    gn__put32(hdr + 4, seq);
    gn__put32(hdr + 8, ack);
    hdr[12] = (HDR_LEN / 4) << 4;
    hdr[13] = flags;
    packet->head_len = (uint16_t)(l4 + HDR_LEN);
    packet->len = packet->head_len;
    packet->csum_absent = true;
    flaw = gn__ip_parse(packet->head, packet->head_len, packet->len, false,
                        &packet->ip);
    if (flaw) {
        /* What we answer came from an address that no host can have. */
        gn__packet_free(packet);
        return;
    }
    packet->verdict = (int16_t)to->verdict;
    stack->ops->output(stack, packet);
}

void gn__tcp_refuse(struct gn__stack *stack, const struct gn__segment *segment)
{
    uint32_t len = segment->len;

    if (segment->flags & GN__FLAG_ACK) {
        gn__tcp_reply(stack, segment, segment->ack, 0, GN__FLAG_RST);
        return;
    }
    if (segment->flags & GN__FLAG_SYN)
        len++;
    if (segment->flags & GN__FLAG_FIN)
        len++;
    gn__tcp_reply(stack, segment, 0, segment->seq + len,
                  GN__FLAG_RST | GN__FLAG_ACK);
}
