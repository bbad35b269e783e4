/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * TCP packets that stand for several segments, as network cards know them: cut
 * where something takes whole segments only.
 */
#include <errno.h>
#include <string.h>

#include "netstack/packet.h"
#include "base/wire.h"

#define TCP_FIN 0x01u
#define TCP_PSH 0x08u
#define TCP_CWR 0x80u

static void lengths_write(struct gn__packet *packet)
{
    packet->ip.total_len = (uint16_t)packet->len;
    if (packet->ip.version == 4)
        gn__put16(packet->head + 2, (uint16_t)packet->len);
    else
        gn__put16(packet->head + 4, (uint16_t)(packet->len - GN__IP6_HDR_LEN));
}

/* The headers of the piece that begins at @from and is the @index-th. */
static void headers_write(struct gn__packet *piece,
                          const struct gn__packet *whole, size_t headers,
                          size_t from, unsigned index, bool last)
{
    uint8_t *tcp = piece->head + piece->ip.l4;

    memcpy(piece->head, whole->head, headers);
    piece->head_len = (uint16_t)headers;
    piece->len = (uint32_t)headers;
    gn__put32(tcp + 4, gn__get32(tcp + 4) + (uint32_t)from);
    if (!last)
        tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    if (index)
        tcp[13] &= (uint8_t)~TCP_CWR;
    if (piece->ip.version == 4)
        gn__put16(piece->head + 4,
                  (uint16_t)(gn__get16(piece->head + 4) + index));
}

static struct gn__packet *piece_make(const struct gn__packet *whole,
                                     size_t headers, size_t from,
                                     unsigned index)
{
    struct gn__packet *piece = gn__packet_derive(whole);
    size_t left = whole->len - headers - from;
    bool last = left <= whole->segment_size;

    if (!piece)
        return NULL;
    piece->segment_size = 0;
    piece->csum_absent = true;
    headers_write(piece, whole, headers, from, index, last);
    if (gn__packet_add_range(piece, whole, headers + from,
                             last ? left : whole->segment_size)) {
        gn__packet_free(piece);
        return NULL;
    }
    lengths_write(piece);
    return piece;
}

int gn__packet_segment(struct gn__packet *packet,
                       void (*emit)(struct gn__packet *segment, void *arg),
                       void *arg)
{
    size_t headers = gn__packet_segment_headers(packet), from = 0;
    struct gn__packet *piece;
    unsigned index = 0;
    int err = 0;

    while (headers + from < packet->len && !err) {
        piece = piece_make(packet, headers, from, index++);
        from += packet->segment_size;
        if (piece)
            emit(piece, arg);
        else
            err = -ENOMEM;
    }
    gn__packet_free(packet);
    return err;
}
