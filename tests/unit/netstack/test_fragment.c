/* SPDX-License-Identifier: BSD-3-Clause */
#include "netstack/packet.h"

#include <errno.h>

#include "tests/lib/case.h"
#include "tests/lib/seed.h"
#include "tests/unit/netstack/fixture.h"

/* Fragments in the order in which they came. */
struct pieces {
    struct gn__packet *list[4096];
    size_t n;
};

static struct pieces pieces, finer;

static void collect(struct gn__packet *fragment, void *arg)
{
    struct pieces *to = arg;

    assert_true(to->n < sizeof(to->list) / sizeof(to->list[0]));
    to->list[to->n++] = fragment;
}

static void pieces_free(struct pieces *from)
{
    while (from->n > 0)
        gn__packet_free(from->list[--from->n]);
}

static uint8_t original[GN__PACKET_MAX], rebuilt[GN__PACKET_MAX];

/* What stands in a fragment behind its own headers. */
static size_t data_at(const struct gn__packet *piece)
{
    const struct gn__ip *ip = &piece->ip;

    return ip->version == 4 ? ip->l4 : ip->frag_hdr + 8u;
}

/*
 * Put a packet together as RFC 791 and RFC 8200 say, from bytes alone, and
 * return its length. Demands that the fragments fit, and follow each other
 * without gap or overlap.
 */
static size_t rebuild(const struct pieces *from, uint32_t mtu, uint8_t *out)
{
    const struct gn__packet *first = from->list[0];
    size_t headers = data_at(first), len;
    bool v4 = first->ip.version == 4;

    gn__packet_read(first, 0, out, headers);
    if (!v4) {
        size_t at = 40, next_at = 6;

        headers -= 8;
        for (; at < headers; at += (out[at + 1] + 1u) * 8)
            next_at = at;
        assert_int_equal(out[next_at], GN__PROTO_IP6_FRAGMENT);
        out[next_at] = out[headers];
    }
    len = headers;
    for (size_t i = 0; i < from->n; i++) {
        const struct gn__packet *piece = from->list[i];
        size_t at = data_at(piece);

        assert_true(piece->len <= mtu);
        assert_packet_sound(piece);
        assert_int_equal(piece->ip.more, i + 1 < from->n);
        assert_int_equal(piece->ip.frag_off, len - headers);
        assert_int_equal(piece->ip.frag_id, first->ip.frag_id);
        len += gn__packet_read(piece, at, out + len, piece->len - at);
    }
    if (v4) {
        gn__put16(out + 2, (uint16_t)len);
        gn__put16(out + 6, 0);
        gn__put16(out + 10, 0);
        gn__put16(out + 10, gn__ip4_checksum(out, headers));
    } else {
        gn__put16(out + 4, (uint16_t)(len - 40));
    }
    return len;
}

static void assert_rebuilds(const struct pieces *from, uint32_t mtu,
                            const uint8_t *bytes, size_t len)
{
    assert_int_equal(rebuild(from, mtu, rebuilt), len);
    assert_memory_equal(rebuilt, bytes, len);
}

static void a_packet_that_fits_is_passed_on_as_it_is(void **state)
{
    struct fixture *f = *state;
    size_t len = datagram_make("10.77.0.2", "10.77.0.3", 576, original);
    struct gn__packet *packet = packet_make(f, original, len, 28, 1000);

    pieces.n = 0;
    assert_int_equal(gn__packet_fragment(packet, 576, 1, collect, &pieces), 0);
    assert_int_equal(pieces.n, 1);
    assert_ptr_equal(pieces.list[0], packet);
    assert_false(gn__ip_is_fragment(&packet->ip));
    pieces_free(&pieces);
}

static void fragments_share_the_payload(void **state)
{
    struct fixture *f = *state;
    size_t len = datagram_make("10.77.0.2", "10.77.0.3", 3000, original);
    struct gn__packet *packet = packet_make(f, original, len, 28, 3000);
    const uint8_t *data = packet->slices[0].data;

    pieces.n = 0;
    assert_int_equal(gn__packet_fragment(packet, 1500, 1, collect, &pieces), 0);
    assert_int_equal(pieces.n, 3);
    assert_ptr_equal(pieces.list[0]->slices[0].data, data);
    assert_ptr_equal(pieces.list[1]->slices[0].data, data + 1472);
    assert_ptr_equal(pieces.list[2]->slices[0].data, data + 2952);
    assert_int_equal(pieces.list[0]->len, 1500);
    assert_int_equal(pieces.list[1]->len, 1500);
    assert_int_equal(pieces.list[2]->len, 40);
    assert_rebuilds(&pieces, 1500, original, len);
    pieces_free(&pieces);
}

static void ipv6_fragments_get_a_header_and_the_identification(void **state)
{
    struct fixture *f = *state;
    size_t len = datagram_make("fd77::2", "fd77::3", 3000, original);
    struct gn__packet *packet = packet_make(f, original, len, 48, 3000);

    pieces.n = 0;
    assert_int_equal(
        gn__packet_fragment(packet, 1280, 0xcafe1234, collect, &pieces), 0);
    assert_int_equal(pieces.n, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct gn__packet *piece = pieces.list[i];

        assert_int_equal(piece->head[6], GN__PROTO_IP6_FRAGMENT);
        assert_int_equal(piece->ip.frag_id, 0xcafe1234);
        assert_int_equal(piece->ip.frag_hdr, 40);
        assert_int_equal(piece->ip.proto, GN__PROTO_UDP);
    }
    assert_rebuilds(&pieces, 1280, original, len);
    pieces_free(&pieces);
}

static void ipv4_keeps_an_identification_it_has(void **state)
{
    static const uint16_t given[] = {0, 77};
    struct fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        size_t len = datagram_make("10.77.0.2", "10.77.0.3", 600, original);

        gn__put16(original + 4, given[i]);
        pieces.n = 0;
        assert_int_equal(
            gn__packet_fragment(packet_make(f, original, len, 28, 600), 576,
                                0x12345, collect, &pieces),
            0);
        assert_int_equal(pieces.list[0]->ip.frag_id,
                         given[i] ? given[i] : 0x2345);
        pieces_free(&pieces);
    }
}

static void fragments_go_where_the_packet_goes(void **state)
{
    struct fixture *f = *state;
    size_t len = datagram_make("10.77.0.2", "10.77.0.3", 600, original);
    struct gn__packet *packet = packet_make(f, original, len, 28, 600);

    packet->to = f;
    packet->to_generation = 12;
    packet->forwarded = true;
    pieces.n = 0;
    assert_int_equal(gn__packet_fragment(packet, 576, 1, collect, &pieces), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_ptr_equal(pieces.list[i]->to, f);
        assert_int_equal(pieces.list[i]->to_generation, 12);
        assert_true(pieces.list[i]->forwarded);
    }
    pieces_free(&pieces);
}

static void what_may_not_be_fragmented_stays_with_the_caller(void **state)
{
    struct fixture *f = *state;
    size_t len = datagram_make("10.77.0.2", "10.77.0.3", 600, original);
    struct gn__packet *packet = packet_make(f, original, len, 28, 600);

    pieces.n = 0;
    assert_int_equal(gn__packet_fragment(packet, 27, 1, collect, &pieces),
                     -EMSGSIZE);
    packet->ip.dont_fragment = true;
    assert_int_equal(gn__packet_fragment(packet, 576, 1, collect, &pieces),
                     -EMSGSIZE);
    assert_packet_bytes(packet, original, len);
    gn__packet_free(packet);
    assert_int_equal(pieces.n, 0);
}

static void ipv6_fragments_are_not_fragmented_again(void **state)
{
    struct fixture *f = *state;
    size_t len = datagram_make("fd77::2", "fd77::3", 3000, original);

    pieces.n = 0;
    finer.n = 0;
    assert_int_equal(
        gn__packet_fragment(packet_make(f, original, len, 48, 3000), 1500, 1,
                            collect, &pieces),
        0);
    assert_int_equal(
        gn__packet_fragment(pieces.list[0], 1280, 1, collect, &finer),
        -EMSGSIZE);
    assert_int_equal(finer.n, 0);
    pieces_free(&pieces);
}

static void only_options_with_the_copy_bit_go_into_later_fragments(void **state)
{
    static const uint8_t options[] = {
        7,    7, 4, 0, 0, 0, 0, /* record route: first fragment only */
        0x94, 4, 0, 0,          /* router alert: copied */
        1,                      /* NOP: not copied */
        0x88, 4, 1, 2,          /* stream identifier: copied */
        0,    0, 0, 0,          /* end */
    };
    static const uint8_t copied[] = {0x94, 4, 0, 0, 0x88, 4, 1, 2};
    struct fixture *f = *state;
    size_t hdr_len = 20 + sizeof(options), len = 1000;
    struct gn__packet *packet;

    datagram_make("10.77.0.2", "10.77.0.3", len, original);
    memcpy(original + 20, options, sizeof(options));
    original[0] = (uint8_t)(0x40 | hdr_len / 4);
    packet = packet_make(f, original, len, hdr_len + 8, len);
    pieces.n = 0;
    assert_int_equal(gn__packet_fragment(packet, 400, 1, collect, &pieces), 0);
    assert_int_equal(pieces.n, 3);
    assert_int_equal(pieces.list[0]->ip.l4, hdr_len);
    assert_memory_equal(pieces.list[0]->head + 20, options, sizeof(options));
    for (size_t i = 1; i < 3; i++) {
        assert_int_equal(pieces.list[i]->ip.l4, 28);
        assert_memory_equal(pieces.list[i]->head + 20, copied, sizeof(copied));
    }
    pieces_free(&pieces);
}

static void absent_checksums_are_computed_before_cutting(void **state)
{
    static const char *const addrs[][2] = {{"10.77.0.2", "10.77.0.3"},
                                           {"fd77::2", "fd77::3"}};
    struct fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        size_t l4 = i == 0 ? 20 : 40;
        size_t len = datagram_make(addrs[i][0], addrs[i][1], 3001, original);
        struct gn__packet *packet;

        memcpy(rebuilt, original, len);
        gn__put16(rebuilt + l4 + 6, 0);
        packet = packet_make(f, rebuilt, len, l4 + 8, 1111);
        pieces.n = 0;
        assert_int_equal(gn__packet_fragment(packet, 1280, 1, collect, &pieces),
                         0);
        for (size_t p = 0; p < pieces.n; p++) {
            assert_true(pieces.list[p]->csum_absent);
            gn__packet_fill_checksums(pieces.list[p]);
        }
        assert_rebuilds(&pieces, 1280, original, len);
        pieces_free(&pieces);
    }
}

/* A packet with random options or extension headers; returns its length, and
 * where its transport header is. */
static size_t random_packet(struct gn_test_seed *seed, bool v4, size_t *l4)
{
    size_t len = 600 + (gn_test_random_below(seed, 64000) >>
                        gn_test_random_below(seed, 6));
    size_t n = gn_test_random_below(seed, 4);

    fill_pattern(original, sizeof(original),
                 (unsigned)gn_test_random_below(seed, 256));
    datagram_make(v4 ? "10.77.0.2" : "fd77::2", v4 ? "10.77.0.3" : "fd77::3",
                  len, original);
    if (v4) {
        size_t option = gn_test_random_below(seed, 2) ? 0x94 : 7;

        *l4 = 20 + 4 * n;
        original[0] = (uint8_t)(0x45 + n);
        for (size_t i = 0; i < n; i++)
            gn__put32(original + 20 + 4 * i,
                      (uint32_t)(option << 24) | 4u << 16);
    } else {
        static const uint8_t types[] = {GN__PROTO_IP6_HOP_BY_HOP,
                                        GN__PROTO_IP6_ROUTING,
                                        GN__PROTO_IP6_DESTINATION};
        size_t next_at = 6;

        *l4 = 40;
        for (size_t i = n == 0 ? 3 : gn_test_random_below(seed, 3); i < 3;
             i++) {
            size_t hdr_len = 8 + 8 * gn_test_random_below(seed, 3);

            memset(original + *l4, 0, hdr_len);
            original[next_at] = types[i];
            original[*l4 + 1] = (uint8_t)(hdr_len / 8 - 1);
            original[*l4 + 2] = i == 1 ? 4 : 0;
            next_at = *l4;
            *l4 += hdr_len;
        }
        original[next_at] = GN__PROTO_UDP;
    }
    gn__put16(original + *l4 + 4, (uint16_t)(len - *l4));
    gn__put16(original + *l4 + 6, 0);
    return len;
}

static uint32_t random_mtu(struct gn_test_seed *seed, bool v4)
{
    size_t least = v4 ? 68 : 256;

    return (uint32_t)(least + (gn_test_random_below(seed, 20000) >>
                               gn_test_random_below(seed, 8)));
}

static struct gn__packet *random_layout(struct fixture *f,
                                        struct gn_test_seed *seed, size_t len,
                                        size_t l4)
{
    size_t room = GN__PACKET_HEAD - l4;
    size_t head = l4 + gn_test_random_below(seed, room + 1);
    size_t slice = len / (1 + gn_test_random_below(seed, 9)) + 1;
    struct gn__packet *packet = packet_make(f, original, len, head, slice);

    /* From here on the bytes are those with checksums. */
    gn__packet_fill_checksums(packet);
    gn__packet_copy(packet, original, len);
    packet->csum_absent = gn_test_random_below(seed, 2);
    return packet;
}

static void any_packet_is_the_same_after_reassembly(void **state)
{
    struct fixture *f = *state;
    struct gn_test_seed seed;

    gn_test_seed_init(&seed);
    for (int i = 0; i < 3000; i++) {
        bool v4 = gn_test_random_below(&seed, 2);
        size_t l4, len = random_packet(&seed, v4, &l4);
        uint32_t mtu = random_mtu(&seed, v4);
        struct gn__packet *packet = random_layout(f, &seed, len, l4);

        if (len <= mtu) {
            gn__packet_free(packet);
            continue;
        }
        pieces.n = 0;
        assert_int_equal(gn__packet_fragment(packet, mtu, 5, collect, &pieces),
                         0);
        assert_rebuilds(&pieces, mtu, original, len);
        pieces_free(&pieces);
    }
}

static void ipv4_fragments_may_be_fragmented_again(void **state)
{
    struct fixture *f = *state;
    struct gn_test_seed seed;

    gn_test_seed_init(&seed);
    for (int i = 0; i < 1000; i++) {
        size_t l4, len = random_packet(&seed, true, &l4);
        uint32_t mtu = random_mtu(&seed, true);
        uint32_t less = 68 + (uint32_t)gn_test_random_below(&seed, mtu - 67);
        struct gn__packet *packet = random_layout(f, &seed, len, l4);

        pieces.n = finer.n = 0;
        if (len <= mtu) {
            gn__packet_free(packet);
            continue;
        }
        assert_int_equal(gn__packet_fragment(packet, mtu, 5, collect, &pieces),
                         0);
        for (size_t p = 0; p < pieces.n; p++)
            assert_int_equal(
                gn__packet_fragment(pieces.list[p], less, 5, collect, &finer),
                0);
        assert_rebuilds(&finer, less, original, len);
        pieces_free(&finer);
    }
}

static int fragment_some(struct gn_test_heap *heap, void *arg)
{
    struct gn__packet *packet;
    struct fixture f;
    int err = fixture_init(&f, heap);

    (void)arg;
    if (err)
        return err;
    pieces.n = 0;
    packet = packet_make(&f, original, 5000, 48, 900);
    err = packet ? gn__packet_fragment(packet, 1280, 1, collect, &pieces)
                 : -ENOMEM;
    pieces_free(&pieces);
    fixture_done(&f);
    return err;
}

static void failed_allocations_leave_nothing_behind(void **state)
{
    (void)state;
    datagram_make("fd77::2", "fd77::3", 5000, original);
    assert_true(gn_test_heap_sweep(fragment_some, NULL) >= 6);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE_OF(fixture, a_packet_that_fits_is_passed_on_as_it_is),
        CASE_OF(fixture, fragments_share_the_payload),
        CASE_OF(fixture, ipv6_fragments_get_a_header_and_the_identification),
        CASE_OF(fixture, ipv4_keeps_an_identification_it_has),
        CASE_OF(fixture, fragments_go_where_the_packet_goes),
        CASE_OF(fixture, what_may_not_be_fragmented_stays_with_the_caller),
        CASE_OF(fixture, ipv6_fragments_are_not_fragmented_again),
        CASE_OF(fixture,
                only_options_with_the_copy_bit_go_into_later_fragments),
        CASE_OF(fixture, absent_checksums_are_computed_before_cutting),
        CASE_OF(fixture, any_packet_is_the_same_after_reassembly),
        CASE_OF(fixture, ipv4_fragments_may_be_fragmented_again),
        cmocka_unit_test(failed_allocations_leave_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
