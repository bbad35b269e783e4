/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_NETSTACK_FIXTURE_H
#define TESTS_UNIT_NETSTACK_FIXTURE_H

/*
 * What the tests of packets share: pools over a counting heap, and packets
 * whose payload lies in slices of given lengths.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/wire.h"
#include "netstack/packet.h"
#include "tests/lib/heap.h"

struct fixture {
    struct gn_test_heap *heap;
    struct gn__mem mem;
    struct gn__chunk_pool *chunks;
    struct gn__packet_pool packets;
};

static inline int fixture_init(struct fixture *f, struct gn_test_heap *heap)
{
    int err;

    f->heap = heap;
    gn__mem_init(&f->mem, &heap->alloc);
    err = gn__chunk_pool_create(&f->mem, &f->chunks);
    if (!err)
        gn__packet_pool_init(&f->packets, &f->mem, f->chunks);
    return err;
}

static inline void fixture_done(struct fixture *f)
{
    assert_int_equal(f->packets.n_live, 0);
    gn__packet_pool_done(&f->packets);
    gn__chunk_pool_close(f->chunks);
}

static inline int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct gn_test_heap *heap = calloc(1, sizeof(*heap));

    gn_test_heap_init(heap);
    *state = f;
    return fixture_init(f, heap);
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    fixture_done(f);
    gn_test_heap_done(f->heap);
    free(f->heap);
    free(f);
    return 0;
}

/* Payload whose bytes differ from their neighbours and from payload of other
 * packets. */
static inline void fill_pattern(uint8_t *out, size_t len, unsigned salt)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(i * 31 + i / 256 + salt);
}

/**
 * A packet from bytes that are not all in order: @head_len of them in head, the
 * rest in slices of @slice_len bytes. NULL if memory is short.
 */
static inline struct gn__packet *packet_make(struct fixture *f,
                                             const uint8_t *bytes, size_t len,
                                             size_t head_len, size_t slice_len)
{
    struct gn__packet *packet = gn__packet_alloc(&f->packets);
    enum gn__ip_flaw flaw;

    if (!packet)
        return NULL;
    flaw = gn__ip_parse(bytes, len, len, false, &packet->ip);
    assert_int_equal(flaw, GN__IP_FINE);
    memcpy(packet->head, bytes, head_len);
    packet->head_len = (uint16_t)head_len;
    packet->len = (uint32_t)head_len;
    packet->csum_absent = true;
    while (packet->len < len) {
        size_t n = len - packet->len;

        if (n > slice_len)
            n = slice_len;
        if (gn__packet_add_copy(packet, bytes + packet->len, n)) {
            gn__packet_free(packet);
            return NULL;
        }
    }
    return packet;
}

/**
 * A UDP datagram of @len bytes in all, with right checksums. Returns @len.
 */
static inline size_t datagram_make(const char *src, const char *dst, size_t len,
                                   uint8_t *out)
{
    struct gn__ip_build what = {.proto = GN__PROTO_UDP, .ttl = 64, .id = 9};
    struct gn__ip ip;
    bool odd = false;
    uint32_t sum;
    uint8_t *udp;
    size_t udp_len;

    assert_int_equal(gn__addr_parse(src, &what.src), 0);
    assert_int_equal(gn__addr_parse(dst, &what.dst), 0);
    udp_len = len - (gn__addr_is_v4(&what.src) ? 20 : 40);
    what.payload_len = udp_len;
    udp = out + gn__ip_build(&what, out);
    fill_pattern(udp, udp_len, 7);
    gn__put16(udp + 4, (uint16_t)udp_len);
    gn__put16(udp + 6, 0);
    assert_int_equal(gn__ip_parse(out, len, len, false, &ip), GN__IP_FINE);
    sum = gn__csum_pseudo(&ip, (uint32_t)udp_len);
    gn__put16(udp + 6, gn__csum_fold(gn__csum_add(sum, udp, udp_len, &odd)));
    if (ip.version == 4)
        gn__put16(out + 10, gn__ip4_checksum(out, 20));
    return len;
}

/* The packet's bytes, compared with others. */
static inline void assert_packet_bytes(const struct gn__packet *packet,
                                       const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(GN__PACKET_MAX);

    assert_int_equal(packet->len, len);
    assert_int_equal(gn__packet_copy(packet, copy, GN__PACKET_MAX), len);
    assert_memory_equal(copy, bytes, len);
    free(copy);
}

/* What is written about a packet is what its bytes say. */
static inline void assert_packet_sound(const struct gn__packet *packet)
{
    const struct gn__ip *ip = &packet->ip;
    uint32_t len = packet->head_len;
    struct gn__ip parsed;

    assert_int_equal(gn__ip_parse(packet->head, packet->head_len, packet->len,
                                  !packet->csum_absent, &parsed),
                     GN__IP_FINE);
    assert_true(gn__addr_equal(&ip->src, &parsed.src));
    assert_true(gn__addr_equal(&ip->dst, &parsed.dst));
    assert_int_equal(ip->version, parsed.version);
    assert_int_equal(ip->proto, parsed.proto);
    assert_int_equal(ip->ttl, parsed.ttl);
    assert_int_equal(ip->tos, parsed.tos);
    assert_int_equal(ip->l4, parsed.l4);
    assert_int_equal(ip->total_len, parsed.total_len);
    assert_int_equal(ip->frag_off, parsed.frag_off);
    assert_int_equal(ip->frag_hdr, parsed.frag_hdr);
    assert_int_equal(ip->frag_id, parsed.frag_id);
    assert_int_equal(ip->more, parsed.more);
    assert_int_equal(ip->dont_fragment, parsed.dont_fragment);
    assert_int_equal(ip->has_options, parsed.has_options);
    assert_int_equal(packet->len, parsed.total_len);
    assert_true(packet->n_slices <= GN__PACKET_SLICES);
    for (unsigned i = 0; i < packet->n_slices; i++) {
        assert_true(packet->slices[i].len > 0);
        assert_ptr_equal(gn__chunk_of(packet->slices[i].data),
                         packet->slices[i].chunk);
        len += packet->slices[i].len;
    }
    assert_int_equal(packet->len, len);
}

#endif /* TESTS_UNIT_NETSTACK_FIXTURE_H */
