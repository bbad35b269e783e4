/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fragmentation (RFC 791 section 3.2, RFC 8200 section 4.5). Both versions cut
 * the same way: the bytes behind some headers are divided into runs whose
 * length is a multiple of 8, except the last. They differ in the headers that
 * go before each run, which struct cut describes.
 *
 * A run is a range of the whole packet: its payload is shared, not copied.
 */
#include "netstack/packet.h"

#include <errno.h>
#include <string.h>

#include "base/wire.h"

enum {
    FRAG4_MORE = 0x2000,
    FRAG6_MORE = 0x0001,
    FRAG6_LEN = 8,
    OPT4_END = 0,
    OPT4_NOP = 1,
    OPT4_COPIED = 0x80 /* in its type: goes into every fragment */
};

struct cut {
    const struct gn__packet *whole;
    uint32_t id;
    size_t data;      /* offset of the first run in the whole packet */
    size_t next_at;   /* IPv6: which byte says what follows those headers */
    size_t first_len; /* of the headers of the first fragment, */
    size_t later_len; /* and of the others */
    uint8_t first[GN__PACKET_HEAD];
    uint8_t later[GN__PACKET_HEAD];
};

/* The options that go into later fragments, padded; returns their length. That
 * each has a length and ends in time has been seen by gn__ip_parse(). */
static size_t copied_options(const uint8_t *opt, size_t len, uint8_t *out)
{
    size_t i = 0, n = 0;

    while (i < len && opt[i] != OPT4_END) {
        size_t opt_len = opt[i] == OPT4_NOP ? 1 : opt[i + 1];

        if (opt[i] & OPT4_COPIED) {
            memcpy(out + n, opt + i, opt_len);
            n += opt_len;
        }
        i += opt_len;
    }
    while (n % 4 != 0)
        out[n++] = OPT4_END;
    return n;
}

static void fragment_prepare4(struct cut *cut)
{
    const struct gn__packet *whole = cut->whole;
    size_t hdr_len = whole->ip.l4;

    if (whole->ip.frag_id != 0)
        cut->id = whole->ip.frag_id;
    cut->data = hdr_len;
    cut->first_len = hdr_len;
    memcpy(cut->first, whole->head, hdr_len);
    memcpy(cut->later, whole->head, GN__IP4_HDR_LEN);
    cut->later_len =
        GN__IP4_HDR_LEN + copied_options(whole->head + GN__IP4_HDR_LEN,
                                         hdr_len - GN__IP4_HDR_LEN,
                                         cut->later + GN__IP4_HDR_LEN);
    cut->later[0] = (uint8_t)(4u << 4 | cut->later_len / 4);
}

/*
 * The headers that go into every fragment end with the routing header, else
 * with the hop-by-hop header, else with the IPv6 header.
 */
static void fragment_prepare6(struct cut *cut)
{
    const struct gn__packet *whole = cut->whole;
    const uint8_t *head = whole->head;
    size_t at = GN__IP6_HDR_LEN, next_at = 6;

    cut->data = at;
    cut->next_at = next_at;
    while (at < whole->ip.l4) {
        uint8_t type = head[next_at];

        next_at = at;
        at += (head[at + 1] + (size_t)1) * 8;
        if (type == GN__PROTO_IP6_HOP_BY_HOP || type == GN__PROTO_IP6_ROUTING) {
            cut->data = at;
            cut->next_at = next_at;
        }
    }
    memcpy(cut->first, head, cut->data);
    memset(cut->first + cut->data, 0, FRAG6_LEN);
    cut->first[cut->data] = head[cut->next_at];
    gn__put32(cut->first + cut->data + 4, cut->id);
    cut->first[cut->next_at] = GN__PROTO_IP6_FRAGMENT;
    cut->first_len = cut->data + FRAG6_LEN;
    cut->later_len = cut->first_len;
    memcpy(cut->later, cut->first, cut->first_len);
}

static void fragment_finish4(const struct cut *cut, struct gn__packet *piece)
{
    struct gn__ip *ip = &piece->ip;
    uint8_t *head = piece->head;

    ip->l4 = piece->head_len;
    ip->has_options = ip->l4 > GN__IP4_HDR_LEN;
    ip->frag_id = cut->id & 0xffff;
    gn__put16(head + 2, ip->total_len);
    gn__put16(head + 4, (uint16_t)ip->frag_id);
    gn__put16(head + 6,
              (uint16_t)((ip->more ? FRAG4_MORE : 0) | ip->frag_off / 8));
    gn__put16(head + 10, 0);
    if (!piece->csum_absent)
        gn__put16(head + 10, gn__ip4_checksum(head, ip->l4));
}

static void fragment_finish6(const struct cut *cut, struct gn__packet *piece)
{
    struct gn__ip *ip = &piece->ip;
    uint8_t *head = piece->head;

    if (ip->frag_off == 0) {
        ip->l4 = (uint16_t)(ip->l4 + FRAG6_LEN);
    } else {
        ip->l4 = piece->head_len;
        ip->proto = head[cut->data];
    }
    ip->has_options = true;
    ip->frag_id = cut->id;
    ip->frag_hdr = (uint16_t)cut->data;
    gn__put16(head + 4, (uint16_t)(ip->total_len - GN__IP6_HDR_LEN));
    gn__put16(head + cut->data + 2,
              (uint16_t)(ip->frag_off | (ip->more ? FRAG6_MORE : 0)));
}

/* The fragment with the @len bytes at offset @off of what is cut. */
static struct gn__packet *make_piece(const struct cut *cut, size_t off,
                                     size_t len, bool more)
{
    struct gn__packet *piece = gn__packet_derive(cut->whole);
    size_t head_len = off == 0 ? cut->first_len : cut->later_len;

    if (!piece)
        return NULL;
    memcpy(piece->head, off == 0 ? cut->first : cut->later, head_len);
    piece->head_len = (uint16_t)head_len;
    piece->len = (uint32_t)head_len;
    piece->ip.total_len = (uint16_t)(head_len + len);
    piece->ip.frag_off = (uint16_t)(cut->whole->ip.frag_off + off);
    piece->ip.more = more;
    if (piece->ip.version == 4)
        fragment_finish4(cut, piece);
    else
        fragment_finish6(cut, piece);
    if (gn__packet_add_range(piece, cut->whole, cut->data + off, len)) {
        gn__packet_free(piece);
        return NULL;
    }
    return piece;
}

/* The first fragment of an IPv6 packet holds all its extension headers and the
 * beginning of what follows them (RFC 7112). */
static bool mtu_serves(const struct cut *cut, uint32_t mtu)
{
    size_t least = cut->first_len + 8;

    if (cut->whole->ip.version == 6)
        least = cut->whole->ip.l4 + FRAG6_LEN + 8u;
    return mtu >= least;
}

static int emit_pieces(const struct cut *cut, uint32_t mtu,
                       void (*emit)(struct gn__packet *fragment, void *arg),
                       void *arg)
{
    const struct gn__packet *whole = cut->whole;
    size_t len = whole->len - cut->data, off = 0;

    while (off < len) {
        size_t room = mtu - (off == 0 ? cut->first_len : cut->later_len);
        bool more = len - off > room;
        size_t n = more ? room & ~(size_t)7 : len - off;
        struct gn__packet *piece =
            make_piece(cut, off, n, more || whole->ip.more);

        if (!piece)
            return -ENOMEM;
        emit(piece, arg);
        off += n;
    }
    return 0;
}

int gn__packet_fragment(struct gn__packet *packet, uint32_t mtu, uint32_t id,
                        void (*emit)(struct gn__packet *fragment, void *arg),
                        void *arg)
{
    struct cut cut = {.whole = packet, .id = id};
    int err;

    if (packet->len <= mtu) {
        emit(packet, arg);
        return 0;
    }
    if (packet->ip.version == 4 ? packet->ip.dont_fragment
                                : packet->ip.frag_hdr != 0)
        return -EMSGSIZE;
    if (packet->csum_absent) {
        gn__packet_fill_checksums(packet);
        packet->csum_absent = true;
    }
    if (packet->ip.version == 4)
        fragment_prepare4(&cut);
    else
        fragment_prepare6(&cut);
    if (!mtu_serves(&cut, mtu))
        return -EMSGSIZE;
    err = emit_pieces(&cut, mtu, emit, arg);
    gn__packet_free(packet);
    return err;
}
