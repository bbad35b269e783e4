/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * TCP packets that stand for several segments, as network cards know them: cut
 * where something takes whole segments only, and made of adjacent segments
 * where something takes more.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/wire.h"
#include "netstack/packet.h"

#define TCP_FIN 0x01u
#define TCP_PSH 0x08u
#define TCP_ACK 0x10u
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

/* ---- merging ---- */

/** Payload of segments that are worth it: smaller ones are not bulk. */
#define MERGE_MIN 512u

/* TCP whose header stands in head, and nothing of the payload with it. */
static bool is_mergeable(const struct gn__packet *packet)
{
    size_t l4 = packet->ip.l4;

    return packet->ip.proto == GN__PROTO_TCP &&
           l4 == (packet->ip.version == 4 ? 20u : GN__IP6_HDR_LEN) &&
           !gn__ip_is_fragment(&packet->ip) && packet->head_len >= l4 + 20 &&
           packet->head_len == gn__packet_segment_headers(packet) &&
           packet->n_slices > 0 && !packet->corrupt && !packet->on_link;
}

/* IP headers that differ in lengths, identification and sum only. */
static bool is_same_way(const struct gn__packet *a, const struct gn__packet *b)
{
    const uint8_t *x = a->head, *y = b->head;

    if (a->ip.version != b->ip.version || a->from != b->from ||
        a->from_generation != b->from_generation)
        return false;
    if (a->ip.version == 6)
        return !memcmp(x, y, 4) && !memcmp(x + 6, y + 6, GN__IP6_HDR_LEN - 6);
    return !memcmp(x, y, 2) && !memcmp(x + 6, y + 6, 4) &&
           !memcmp(x + 12, y + 12, 8);
}

/* TCP headers of one connection that say the same, the second of what follows
 * on the first one's payload. */
static bool is_next_segment(const struct gn__packet *packet,
                            const struct gn__packet *next)
{
    const uint8_t *x = packet->head + packet->ip.l4;
    const uint8_t *y = next->head + next->ip.l4;
    size_t len = packet->head_len - packet->ip.l4;

    return packet->head_len == next->head_len && !memcmp(x, y, 4) &&
           gn__get32(y + 4) ==
               gn__get32(x + 4) + packet->len - packet->head_len &&
           !memcmp(x + 8, y + 8, 5) && x[13] == TCP_ACK &&
           (y[13] & ~(TCP_FIN | TCP_PSH)) == TCP_ACK &&
           !memcmp(x + 14, y + 14, 2) && !memcmp(x + 18, y + 18, len - 18);
}

/* Segments are of one size but for the last, which may be shorter. */
static bool is_same_size(const struct gn__packet *packet,
                         const struct gn__packet *next)
{
    uint32_t len = packet->len - packet->head_len;
    uint32_t size = packet->segment_size ? packet->segment_size : len;
    uint32_t next_len = next->len - next->head_len;

    return size >= MERGE_MIN && size <= UINT16_MAX && len % size == 0 &&
           (next->segment_size ? next->segment_size == size
                               : next_len <= size) &&
           packet->len + next_len <= GN__PACKET_MAX;
}

/* Without a copy. */
static bool has_slices_for(const struct gn__packet *packet,
                           const struct gn__packet *next)
{
    const struct gn__slice *last = &packet->slices[packet->n_slices - 1];
    const struct gn__slice *first = &next->slices[0];
    bool joined =
        last->chunk == first->chunk && last->data + last->len == first->data;

    return packet->n_slices + next->n_slices - joined <= (int)GN__PACKET_SLICES;
}

/* There is room for them, so that nothing can fail. */
static void slices_move(struct gn__packet *packet, struct gn__packet *next)
{
    int err = 0;

    for (unsigned i = 0; i < next->n_slices; i++)
        err |= gn__packet_add(packet, &next->slices[i]);
    assert(!err);
    (void)err;
    next->n_slices = 0; /* Their references have moved. */
}

bool gn__packet_merge(struct gn__packet *packet, struct gn__packet *next)
{
    uint16_t size = (uint16_t)(packet->len - packet->head_len);

    if (!is_mergeable(packet) || !is_mergeable(next) ||
        !is_same_way(packet, next) || !is_next_segment(packet, next) ||
        !is_same_size(packet, next) || !has_slices_for(packet, next))
        return false;
    slices_move(packet, next);
    if (!packet->segment_size)
        packet->segment_size = size;
    packet->head[packet->ip.l4 + 13] = next->head[next->ip.l4 + 13];
    packet->csum_absent = true;
    lengths_write(packet);
    gn__packet_free(next);
    return true;
}
