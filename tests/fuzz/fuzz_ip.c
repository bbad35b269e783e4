/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Raw bytes as a packet from outside, and all that is done to packets below
 * TCP: parsed, copied, pulled, cloned, given checksums, fragmented and put
 * together again, answered by ICMP errors and echo replies. What is said about
 * a packet must always be what its bytes say, and no reference may be lost.
 *
 * The first four bytes of the input choose: flags, MTU (2 bytes), layout.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "netstack/icmp.h"
#include "netstack/packet.h"
#include "tests/fuzz/check.h"

enum { CHOICES = 4, FLAG_TRUSTED = 1, FLAG_ABSENT = 2 };

struct fuzz {
    struct gn__mem mem;
    struct gn__chunk_pool *chunks;
    struct gn__packet_pool packets;
};

/* Puts fragments together as they come, in order. */
struct assembly {
    uint8_t bytes[GN__PACKET_MAX];
    uint32_t mtu;
    size_t headers;
    size_t len;
    bool more;
};

static struct assembly assembly;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fuzz *fuzz_get(void)
{
    static struct fuzz fuzz;

    if (fuzz.chunks)
        return &fuzz;
    gn__mem_init(&fuzz.mem, NULL);
    if (gn__chunk_pool_create(&fuzz.mem, &fuzz.chunks))
        abort();
    gn__packet_pool_init(&fuzz.packets, &fuzz.mem, fuzz.chunks);
    return &fuzz;
}

static void check_ip(const struct gn__ip *a, const struct gn__ip *b)
{
    CHECK(gn__addr_equal(&a->src, &b->src));
    CHECK(gn__addr_equal(&a->dst, &b->dst));
    CHECK(a->version == b->version && a->proto == b->proto);
    CHECK(a->ttl == b->ttl && a->tos == b->tos && a->l4 == b->l4);
    CHECK(a->total_len == b->total_len && a->frag_off == b->frag_off);
    CHECK(a->frag_hdr == b->frag_hdr && a->frag_id == b->frag_id);
    CHECK(a->more == b->more && a->dont_fragment == b->dont_fragment);
    CHECK(a->has_options == b->has_options);
}

static void check_sound(const struct gn__packet *packet)
{
    uint32_t len = packet->head_len;
    struct gn__ip ip;

    CHECK(packet->head_len <= GN__PACKET_HEAD);
    CHECK(gn__ip_parse(packet->head, packet->head_len, packet->len,
                       !packet->csum_absent, &ip) == GN__IP_FINE);
    check_ip(&packet->ip, &ip);
    CHECK(packet->len == ip.total_len);
    CHECK(packet->n_slices <= GN__PACKET_SLICES);
    for (unsigned i = 0; i < packet->n_slices; i++) {
        CHECK(packet->slices[i].len > 0);
        CHECK(gn__chunk_of(packet->slices[i].data) == packet->slices[i].chunk);
        len += packet->slices[i].len;
    }
    CHECK(packet->len == len);
}

/* The same packet in slices of other lengths. */
static struct gn__packet *cut_up(const struct gn__packet *packet,
                                 uint8_t layout)
{
    struct gn__packet *copy = gn__packet_derive(packet);
    size_t at = 0, step = 1 + layout % 64;
    uint8_t byte;

    CHECK(copy);
    if (step < packet->ip.l4)
        step = packet->ip.l4;
    while (at < packet->len) {
        size_t n = packet->len - at < step ? packet->len - at : step;

        /* Every second part is copied, so that parts do not adjoin. */
        if (at == 0 || n > 1) {
            CHECK(!gn__packet_add_range(copy, packet, at, n));
        } else {
            gn__packet_read(packet, at, &byte, 1);
            CHECK(!gn__packet_add_copy(copy, &byte, 1));
        }
        at += n;
        step += layout / 64 + 1u;
    }
    CHECK(gn__packet_pull(copy, copy->ip.l4));
    return copy;
}

/* What leaves the process comes in again. */
static void check_filled(struct fuzz *f, const struct gn__packet *packet)
{
    static uint8_t bytes[GN__PACKET_MAX];
    struct gn__packet *filled = gn__packet_clone(packet), *taken;
    enum gn__ip_flaw flaw;
    size_t len;

    CHECK(filled);
    gn__packet_fill_checksums(filled);
    check_sound(filled);
    len = gn__packet_copy(filled, bytes, sizeof(bytes));
    if (gn__packet_from_bytes(&f->packets, bytes, len, false, &flaw, &taken)) {
        CHECK(flaw == GN__IP_BAD_CHECKSUM);
        CHECK(!gn__packet_checksum_ok(filled));
    } else {
        check_ip(&taken->ip, &packet->ip);
        gn__packet_free(taken);
    }
    gn__packet_free(filled);
}

static void assemble(struct gn__packet *fragment, void *arg)
{
    struct assembly *a = arg;
    const struct gn__ip *ip = &fragment->ip;
    size_t at = ip->version == 4 ? ip->l4 : ip->frag_hdr + 8u;
    size_t off;

    check_sound(fragment);
    CHECK(fragment->len <= a->mtu);
    if (ip->version == 6 && ip->frag_hdr == 0)
        at = fragment->len; /* fits as it is */
    if (a->len == 0) {
        a->headers = gn__packet_read(fragment, 0, a->bytes, at);
        a->len = at;
    }
    off = a->len - a->headers;
    CHECK(off == 0 || ip->frag_off % 8 == 0);
    a->len +=
        gn__packet_read(fragment, at, a->bytes + a->len, fragment->len - at);
    a->more = ip->more;
    gn__packet_free(fragment);
}

/* Fragments hold what the packet held, from the first byte they may cut. */
static void check_fragments(const struct gn__packet *packet, uint32_t mtu)
{
    static uint8_t whole[GN__PACKET_MAX];
    struct gn__packet *filled = gn__packet_clone(packet);
    bool was_more = packet->ip.more;
    size_t len, data;
    int err;

    CHECK(filled);
    gn__packet_fill_checksums(filled);
    filled->csum_absent = packet->csum_absent;
    len = gn__packet_copy(filled, whole, sizeof(whole));
    assembly.mtu = mtu;
    assembly.len = 0;
    err = gn__packet_fragment(filled, mtu, 77, assemble, &assembly);
    if (err) {
        CHECK(assembly.len == 0);
        gn__packet_free(filled);
        return;
    }
    CHECK(assembly.more == was_more);
    data = assembly.len - assembly.headers;
    CHECK(data <= len);
    CHECK(memcmp(assembly.bytes + assembly.headers, whole + len - data, data) ==
          0);
}

static void check_icmp(struct fuzz *f, const struct gn__packet *packet)
{
    struct gn__addr from = gn__addr_from_v4(0x0a000001);
    struct gn__packet *reply = gn__packet_clone(packet), *error;
    struct gn__icmp icmp;

    CHECK(reply);
    (void)gn__icmp_parse(packet, &icmp);
    if (gn__icmp_echo_reply(reply)) {
        check_sound(reply);
        check_filled(f, reply);
        CHECK(!gn__icmp_echo_reply(reply));
    }
    gn__packet_free(reply);
    if (packet->ip.version == 6)
        from = (struct gn__addr){{0xfd, [15] = 1}};
    for (int kind = 0; kind <= GN__ICMP_N_KINDS; kind++) {
        error = gn__icmp_error(&f->packets, packet, &from,
                               (enum gn__icmp_kind)kind, 1280);
        if (!error)
            continue;
        check_sound(error);
        CHECK(error->len <= (packet->ip.version == 4 ? 576 : 1280));
        CHECK(gn__icmp_parse(error, &icmp));
        CHECK((int)icmp.kind == kind);
        check_filled(f, error);
        gn__packet_free(error);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz *f = fuzz_get();
    struct gn__packet *packet, *other;
    enum gn__ip_flaw flaw = GN__IP_FINE;
    uint8_t bytes[GN__PACKET_HEAD];
    uint32_t mtu;

    if (size < CHOICES)
        return 0;
    mtu = gn__get16(data + 1);
    if (gn__packet_from_bytes(&f->packets, data + CHOICES, size - CHOICES,
                              data[0] & FLAG_TRUSTED, &flaw, &packet)) {
        CHECK(flaw != GN__IP_FINE);
        return 0;
    }
    check_sound(packet);
    packet->csum_absent |= (data[0] & FLAG_ABSENT) != 0;
    gn__packet_copy(packet, bytes, sizeof(bytes));
    CHECK(memcmp(bytes, data + CHOICES,
                 packet->len < sizeof(bytes) ? packet->len : sizeof(bytes)) ==
          0);
    other = cut_up(packet, data[3]);
    check_sound(other);
    check_filled(f, packet);
    check_filled(f, other);
    check_fragments(packet, mtu);
    check_fragments(other, mtu);
    check_icmp(f, packet);
    check_icmp(f, other);
    gn__packet_free(packet);
    gn__packet_free(other);
    CHECK(f->packets.n_live == 0);
    CHECK(gn__chunk_pool_held(f->chunks) <= 5u * 262144);
    return 0;
}
