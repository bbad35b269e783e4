/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A packet is a row of pieces: its head, then its slices. Reading, summing and
 * cutting all walk that row with a struct cursor, so that no other function
 * knows where the head ends.
 *
 * A freed packet stays in its pool for the next one, up to a few: a round trip
 * then takes and gives back the same, still cached, few hundred bytes. Neither
 * head nor slices are cleared; head_len and n_slices say what of them counts.
 * What lies before head is cleared in two runs that compilers expand in line;
 * as one, it became a string instruction and cost twice as much.
 */
#include "netstack/packet.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/wire.h"
#include "netstack/poison.h"

_Static_assert(GN__IP_HEADERS_MAX + 8 + 60 <= GN__PACKET_HEAD,
               "a fragment header and the longest TCP header fit");
_Static_assert(GN__PACKET_MAX <= GN__CHUNK_MAX, "one chunk takes any payload");

/* The part of a packet that is not in use while it is idle: all but its first
 * member, the link. */
#define BEHIND_LINK \
    (sizeof(struct gn__packet) - offsetof(struct gn__packet, event))

/* The two runs of fields that a new packet has as zeros. */
#define BEFORE_IP \
    (offsetof(struct gn__packet, ip) - offsetof(struct gn__packet, pool))
#define BEFORE_HEAD \
    (offsetof(struct gn__packet, head) - offsetof(struct gn__packet, ip))

/* Walks the pieces of a part of a packet. */
struct cursor {
    const struct gn__packet *packet;
    size_t from;    /* still to be skipped */
    size_t left;    /* to be walked after that */
    unsigned index; /* of the next piece: 0 is head, 1 the first slice */
};

static size_t packet_piece(const struct gn__packet *packet, unsigned index,
                           const uint8_t **data)
{
    if (index == 0) {
        *data = packet->head;
        return packet->head_len;
    }
    *data = packet->slices[index - 1].data;
    return packet->slices[index - 1].len;
}

/* The next bytes that lie together; 0: there are none left. */
static size_t cursor_next(struct cursor *cursor, const uint8_t **data)
{
    while (cursor->left > 0 && cursor->index <= cursor->packet->n_slices) {
        size_t len = packet_piece(cursor->packet, cursor->index++, data);

        if (cursor->from >= len) {
            cursor->from -= len;
            continue;
        }
        *data += cursor->from;
        len -= cursor->from;
        cursor->from = 0;
        if (len > cursor->left)
            len = cursor->left;
        cursor->left -= len;
        return len;
    }
    return 0;
}

void gn__packet_pool_init(struct gn__packet_pool *pool,
                          const struct gn__mem *mem,
                          struct gn__chunk_pool *chunks)
{
    pool->mem = mem;
    pool->chunks = chunks;
    pool->idle = NULL;
    pool->n_idle = 0;
    pool->n_live = 0;
}

static struct gn__packet *pool_pop(struct gn__packet_pool *pool)
{
    struct gn__packet *packet = pool->idle;

    if (!packet)
        return NULL;
    gn__unpoison(&packet->event, BEHIND_LINK);
    pool->idle = packet->next;
    pool->n_idle--;
    return packet;
}

static void pool_push(struct gn__packet_pool *pool, struct gn__packet *packet)
{
    packet->next = pool->idle;
    pool->idle = packet;
    pool->n_idle++;
    gn__poison(&packet->event, BEHIND_LINK);
}

void gn__packet_pool_done(struct gn__packet_pool *pool)
{
    struct gn__packet *packet;

    assert(pool->n_live == 0);
    while ((packet = pool_pop(pool)))
        gn__free(pool->mem, packet, sizeof(*packet));
}

struct gn__packet *gn__packet_alloc(struct gn__packet_pool *pool)
{
    struct gn__packet *packet = pool_pop(pool);

    if (!packet)
        packet = gn__alloc(pool->mem, sizeof(*packet));
    if (!packet)
        return NULL;
    packet->next = NULL;
    memset(&packet->pool, 0, BEFORE_IP);
    memset(&packet->ip, 0, BEFORE_HEAD);
    packet->pool = pool;
    pool->n_live++;
    return packet;
}

void gn__packet_free(struct gn__packet *packet)
{
    struct gn__packet_pool *pool = packet->pool;

    for (unsigned i = 0; i < packet->n_slices; i++)
        gn__chunk_unref(packet->slices[i].chunk);
    pool->n_live--;
    if (pool->n_idle < GN__PACKET_IDLE)
        pool_push(pool, packet);
    else
        gn__free(pool->mem, packet, sizeof(*packet));
}

struct gn__packet *gn__packet_derive(const struct gn__packet *packet)
{
    struct gn__packet *copy = gn__packet_alloc(packet->pool);

    if (!copy)
        return NULL;
    copy->to = packet->to;
    copy->to_generation = packet->to_generation;
    copy->from = packet->from;
    copy->from_generation = packet->from_generation;
    copy->ip = packet->ip;
    copy->csum_absent = packet->csum_absent;
    copy->forwarded = packet->forwarded;
    copy->corrupt = packet->corrupt;
    copy->verdict = packet->verdict;
    copy->group = packet->group;
    return copy;
}

struct gn__packet *gn__packet_clone(const struct gn__packet *packet)
{
    struct gn__packet *copy = gn__packet_derive(packet);

    if (!copy)
        return NULL;
    copy->len = packet->len;
    copy->segment_size = packet->segment_size;
    copy->head_len = packet->head_len;
    memcpy(copy->head, packet->head, packet->head_len);
    copy->n_slices = packet->n_slices;
    for (unsigned i = 0; i < packet->n_slices; i++) {
        copy->slices[i] = packet->slices[i];
        gn__chunk_ref(copy->slices[i].chunk);
    }
    return copy;
}

/* Copy the payload of a slice and those behind it. */
static void packet_gather(const struct gn__packet *packet, unsigned first,
                          uint8_t *out)
{
    for (unsigned i = first; i < packet->n_slices; i++) {
        memcpy(out, packet->slices[i].data, packet->slices[i].len);
        out += packet->slices[i].len;
    }
}

/*
 * Copy all slices together into one. If the first one's chunk is ours alone
 * and has room, the others are copied behind it: so that many small slices,
 * added one by one, are not copied again and again.
 */
static int merge_slices(struct gn__packet *packet)
{
    size_t len = packet->len - packet->head_len;
    struct gn__slice *slice = &packet->slices[0];
    uint8_t *start = gn__chunk_data(slice->chunk);
    size_t skip = (size_t)(slice->data - start);

    if (gn__chunk_is_shared(slice->chunk) ||
        skip + len > gn__chunk_room(slice->chunk)) {
        struct gn__chunk *chunk = gn__chunk_alloc(packet->pool->chunks, len);

        if (!chunk)
            return -ENOMEM;
        packet_gather(packet, 0, gn__chunk_data(chunk));
        gn__chunk_unref(slice->chunk);
        slice->chunk = chunk;
        slice->data = gn__chunk_data(chunk);
    } else {
        packet_gather(packet, 1, start + skip + slice->len);
    }
    for (unsigned i = 1; i < packet->n_slices; i++)
        gn__chunk_unref(packet->slices[i].chunk);
    slice->len = (uint32_t)len;
    packet->n_slices = 1;
    return 0;
}

int gn__packet_add(struct gn__packet *packet, const struct gn__slice *slice)
{
    if (slice->len == 0) {
        gn__chunk_unref(slice->chunk);
        return 0;
    }
    if (packet->n_slices > 0) {
        struct gn__slice *last = &packet->slices[packet->n_slices - 1];

        if (last->chunk == slice->chunk &&
            last->data + last->len == slice->data) {
            last->len += slice->len;
            packet->len += slice->len;
            gn__chunk_unref(slice->chunk);
            return 0;
        }
    }
    if (packet->n_slices == GN__PACKET_SLICES) {
        int err = merge_slices(packet);

        if (err)
            return err;
    }
    packet->slices[packet->n_slices++] = *slice;
    packet->len += slice->len;
    return 0;
}

/* Append a chunk that holds @len bytes; consumed in any case. */
static int add_chunk(struct gn__packet *packet, struct gn__chunk *chunk,
                     size_t len)
{
    struct gn__slice slice = {chunk, gn__chunk_data(chunk), (uint32_t)len};
    int err = gn__packet_add(packet, &slice);

    if (err)
        gn__chunk_unref(chunk);
    return err;
}

void gn__packet_cut(struct gn__packet *packet, uint32_t len)
{
    while (packet->n_slices > 0 && packet->len > len) {
        struct gn__slice *last = &packet->slices[packet->n_slices - 1];
        uint32_t rest = packet->len - len;

        if (rest < last->len) {
            last->len -= rest;
            packet->len = len;
            return;
        }
        packet->len -= last->len;
        packet->n_slices--;
        gn__chunk_unref(last->chunk);
    }
    if (packet->len > len) {
        packet->head_len = (uint16_t)len;
        packet->len = len;
    }
}

int gn__packet_add_copy(struct gn__packet *packet, const void *data, size_t len)
{
    struct gn__chunk *chunk;

    if (len == 0)
        return 0;
    chunk = gn__chunk_alloc(packet->pool->chunks, len);
    if (!chunk)
        return -ENOMEM;
    memcpy(gn__chunk_data(chunk), data, len);
    return add_chunk(packet, chunk, len);
}

static int add_shared(struct gn__packet *packet, struct gn__chunk *chunk,
                      const uint8_t *data, size_t len)
{
    struct gn__slice slice = {chunk, data, (uint32_t)len};
    int err;

    gn__chunk_ref(chunk);
    err = gn__packet_add(packet, &slice);
    if (err)
        gn__chunk_unref(chunk);
    return err;
}

/* Append bytes of another packet's head: to head, what it has room for. */
static int add_head(struct gn__packet *packet, const uint8_t *data, size_t len)
{
    size_t room = GN__PACKET_HEAD - packet->head_len;

    if (packet->n_slices > 0)
        room = 0;
    if (room > len)
        room = len;
    memcpy(packet->head + packet->head_len, data, room);
    packet->head_len = (uint16_t)(packet->head_len + room);
    packet->len += (uint32_t)room;
    return gn__packet_add_copy(packet, data + room, len - room);
}

int gn__packet_add_range(struct gn__packet *packet,
                         const struct gn__packet *source, size_t from,
                         size_t len)
{
    struct cursor cursor = {source, from, len, 0};
    const uint8_t *data;
    size_t n;
    int err = 0;

    while (!err && (n = cursor_next(&cursor, &data)) > 0) {
        if (cursor.index == 1)
            err = add_head(packet, data, n);
        else
            err = add_shared(packet, source->slices[cursor.index - 2].chunk,
                             data, n);
    }
    return err;
}

size_t gn__packet_read(const struct gn__packet *packet, size_t from, void *out,
                       size_t len)
{
    struct cursor cursor = {packet, from, len, 0};
    uint8_t *to = out;
    const uint8_t *data;
    size_t n;

    while ((n = cursor_next(&cursor, &data)) > 0) {
        memcpy(to, data, n);
        to += n;
    }
    return len - cursor.left;
}

size_t gn__packet_copy(const struct gn__packet *packet, void *out, size_t cap)
{
    return gn__packet_read(packet, 0, out, cap);
}

bool gn__packet_pull_more(struct gn__packet *packet, size_t len)
{
    size_t want;
    unsigned used = 0; /* slices that have nothing left */

    if (packet->len < len || len > GN__PACKET_HEAD)
        return false;
    want = len - packet->head_len;
    gn__packet_read(packet, packet->head_len, packet->head + packet->head_len,
                    want);
    packet->head_len = (uint16_t)len;
    while (want > 0 && packet->slices[used].len <= want) {
        want -= packet->slices[used].len;
        gn__chunk_unref(packet->slices[used++].chunk);
    }
    packet->n_slices = (uint8_t)(packet->n_slices - used);
    memmove(packet->slices, packet->slices + used,
            packet->n_slices * sizeof(packet->slices[0]));
    if (want > 0) {
        packet->slices[0].data += want;
        packet->slices[0].len -= (uint32_t)want;
    }
    return true;
}

/* Where a transport protocol has its checksum. */
struct sum_rule {
    uint8_t proto;
    uint8_t version; /* 0: both */
    uint8_t min_len; /* of the header */
    uint8_t at;      /* offset of the checksum in it */
    bool pseudo;     /* the pseudo-header is summed too */
};

static const struct sum_rule sum_rules[] = {
    {GN__PROTO_TCP, 0, 20, 16, true},
    {GN__PROTO_UDP, 0, 8, 6, true},
    {GN__PROTO_ICMP, 4, 4, 2, false},
    {GN__PROTO_ICMP6, 6, 4, 2, true},
};

/* NULL: no checksum that we know, or not in this piece of the packet alone. */
static const struct sum_rule *sum_rule(const struct gn__ip *ip)
{
    if (gn__ip_is_fragment(ip))
        return NULL;
    for (size_t i = 0; i < sizeof(sum_rules) / sizeof(sum_rules[0]); i++) {
        const struct sum_rule *rule = &sum_rules[i];

        if (rule->proto == ip->proto &&
            (rule->version == 0 || rule->version == ip->version))
            return rule;
    }
    return NULL;
}

/*
 * How many bytes the transport checksum covers: for UDP what its header says.
 * 0 if that, or the packet, is too short or too long.
 */
static size_t covered_len(const struct gn__packet *packet,
                          const struct sum_rule *rule)
{
    size_t len = packet->len - packet->ip.l4;
    uint8_t field[2] = {0};

    if (len < rule->min_len)
        return 0;
    if (rule->proto == GN__PROTO_UDP) {
        size_t said;

        gn__packet_read(packet, packet->ip.l4 + 4u, field, sizeof(field));
        said = gn__get16(field);
        return said < rule->min_len || said > len ? 0 : said;
    }
    return len;
}

/* 0 if the checksum in the packet is right; with 0 in its place, what it must
 * be. */
static uint16_t transport_sum(const struct gn__packet *packet,
                              const struct sum_rule *rule, size_t len)
{
    struct cursor cursor = {packet, packet->ip.l4, len, 0};
    const uint8_t *data;
    uint32_t sum = 0;
    bool odd = false;
    size_t n;

    if (rule->pseudo)
        sum = gn__csum_pseudo(&packet->ip, (uint32_t)len);
    while ((n = cursor_next(&cursor, &data)) > 0)
        sum = gn__csum_add(sum, data, n, &odd);
    return gn__csum_fold(sum);
}

static void fill_header4(struct gn__packet *packet)
{
    gn__put16(packet->head + 10, 0);
    gn__put16(
        packet->head + 10,
        gn__ip4_checksum(packet->head, (size_t)(packet->head[0] & 15) * 4));
}

static void fill_transport(struct gn__packet *packet)
{
    const struct sum_rule *rule = sum_rule(&packet->ip);
    size_t l4 = packet->ip.l4, len;
    uint8_t *field = packet->head + l4;
    uint16_t sum;

    if (!rule)
        return;
    len = covered_len(packet, rule);
    if (len == 0 || !gn__packet_pull(packet, l4 + rule->min_len))
        return;
    field += rule->at;
    gn__put16(field, 0);
    sum = transport_sum(packet, rule, len);
    if (sum == 0 && rule->proto == GN__PROTO_UDP)
        sum = 0xffff; /* 0 would say that there is none */
    gn__put16(field, sum);
}

void gn__packet_fill_checksums(struct gn__packet *packet)
{
    if (packet->ip.version == 4)
        fill_header4(packet);
    fill_transport(packet);
    packet->csum_absent = false;
}

bool gn__packet_fill_partial(struct gn__packet *packet, uint16_t *start,
                             uint16_t *offset)
{
    const struct sum_rule *rule = sum_rule(&packet->ip);
    size_t len = rule && rule->pseudo && packet->csum_absent
                     ? covered_len(packet, rule)
                     : 0;

    if (!len || !gn__packet_pull(packet, packet->ip.l4 + rule->min_len)) {
        if (packet->csum_absent)
            gn__packet_fill_checksums(packet);
        return false;
    }
    if (packet->ip.version == 4)
        fill_header4(packet);
    gn__put16(
        packet->head + packet->ip.l4 + rule->at,
        (uint16_t)~gn__csum_fold(gn__csum_pseudo(&packet->ip, (uint32_t)len)));
    *start = packet->ip.l4;
    *offset = rule->at;
    return true;
}

bool gn__packet_checksum_ok(const struct gn__packet *packet)
{
    const struct sum_rule *rule = sum_rule(&packet->ip);
    uint8_t field[2] = {0};
    size_t len;

    if (!rule)
        return true;
    len = covered_len(packet, rule);
    if (len == 0)
        return false;
    gn__packet_read(packet, packet->ip.l4 + rule->at, field, sizeof(field));
    if (rule->proto == GN__PROTO_UDP && gn__get16(field) == 0)
        return packet->ip.version == 4; /* RFC 768; RFC 8200 section 8.1 */
    return transport_sum(packet, rule, len) == 0;
}

/* How many of the bytes behind the IP header belong in head. */
static size_t transport_header_len(const uint8_t *bytes,
                                   const struct gn__ip *ip)
{
    size_t len = ip->total_len - ip->l4, hdr_len;

    if (ip->frag_off != 0)
        return 0;
    switch (ip->proto) {
    case GN__PROTO_TCP:
        hdr_len = len > 12 ? (bytes[ip->l4 + 12] >> 4) * 4u : 20;
        if (hdr_len < 20)
            hdr_len = 20;
        break;
    case GN__PROTO_UDP:
    case GN__PROTO_ICMP:
    case GN__PROTO_ICMP6:
        hdr_len = 8;
        break;
    default:
        hdr_len = 0;
        break;
    }
    return hdr_len < len ? hdr_len : len;
}

/* Parsed, with its headers in head and no payload yet. */
static int packet_begin(struct gn__packet_pool *pool, const uint8_t *bytes,
                        size_t len, bool trusted, enum gn__ip_flaw *flaw,
                        struct gn__packet **out)
{
    struct gn__packet *packet;
    enum gn__ip_flaw found;
    struct gn__ip ip;

    found = gn__ip_parse(bytes, len, len, !trusted, &ip);
    if (found) {
        *flaw = found;
        return -EINVAL;
    }
    packet = gn__packet_alloc(pool);
    if (!packet)
        return -ENOMEM;
    packet->ip = ip;
    packet->csum_absent = trusted;
    packet->head_len = (uint16_t)(ip.l4 + transport_header_len(bytes, &ip));
    packet->len = packet->head_len;
    memcpy(packet->head, bytes, packet->head_len);
    *out = packet;
    return 0;
}

/* @err  What became of its payload. */
static int packet_end(struct gn__packet *packet, int err,
                      enum gn__ip_flaw *flaw, struct gn__packet **out)
{
    if (!err && !packet->csum_absent && !gn__packet_checksum_ok(packet)) {
        *flaw = GN__IP_BAD_CHECKSUM;
        err = -EINVAL;
    }
    if (err)
        gn__packet_free(packet);
    else
        *out = packet;
    return err;
}

int gn__packet_from_bytes(struct gn__packet_pool *pool, const void *data,
                          size_t len, bool trusted, enum gn__ip_flaw *flaw,
                          struct gn__packet **out)
{
    const uint8_t *bytes = data;
    struct gn__packet *packet;
    int err = packet_begin(pool, bytes, len, trusted, flaw, &packet);

    if (err)
        return err;
    err = gn__packet_add_copy(packet, bytes + packet->head_len,
                              (size_t)packet->ip.total_len - packet->head_len);
    return packet_end(packet, err, flaw, out);
}

int gn__packet_from_slice(struct gn__packet_pool *pool,
                          const struct gn__slice *slice, bool trusted,
                          enum gn__ip_flaw *flaw, struct gn__packet **out)
{
    struct gn__slice rest = *slice;
    struct gn__packet *packet;
    int err =
        packet_begin(pool, slice->data, slice->len, trusted, flaw, &packet);

    if (err)
        return err;
    rest.data += packet->head_len;
    rest.len = (uint32_t)packet->ip.total_len - packet->head_len;
    if (rest.len) {
        gn__chunk_ref(rest.chunk);
        err = gn__packet_add(packet, &rest);
        if (err)
            gn__chunk_unref(rest.chunk);
    }
    return packet_end(packet, err, flaw, out);
}

bool gn__packet_set_segments(struct gn__packet *packet, uint16_t size)
{
    size_t l4 = packet->ip.l4, headers;

    if (packet->ip.proto != GN__PROTO_TCP || gn__ip_is_fragment(&packet->ip) ||
        packet->head_len < l4 + 20)
        return false;
    headers = gn__packet_segment_headers(packet);
    if (headers < l4 + 20 || packet->head_len != headers)
        return false;
    packet->segment_size = size;
    return true;
}
