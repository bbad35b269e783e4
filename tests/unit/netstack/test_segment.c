/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/netstack/fixture.h"
#include "tests/lib/case.h"

enum { PAYLOAD = 2500, SIZE = 1000, FIN = 1, PSH = 8, ACK = 16, CWR = 128 };

struct cut {
    struct gn__packet *pieces[8];
    size_t n;
};

static void keep(struct gn__packet *piece, void *arg)
{
    struct cut *cut = arg;

    assert_true(cut->n < 8);
    cut->pieces[cut->n++] = piece;
}

/* TCP with 12 bytes of options, no checksums, in slices of 700 bytes. */
static struct gn__packet *make_tcp(struct fixture *f, const char *src,
                                   const char *dst, uint8_t *bytes)
{
    struct gn__ip_build ip = {.proto = GN__PROTO_TCP,
                              .ttl = 64,
                              .id = 65535,
                              .dont_fragment = true,
                              .payload_len = 32 + PAYLOAD};
    size_t l4;

    assert_int_equal(gn__addr_parse(src, &ip.src), 0);
    assert_int_equal(gn__addr_parse(dst, &ip.dst), 0);
    l4 = gn__ip_build(&ip, bytes);
    memset(bytes + l4, 0, 32);
    gn__put32(bytes + l4 + 4, 0xfffffe00u); /* wraps within the payload */
    bytes[l4 + 12] = 8 << 4;
    bytes[l4 + 13] = FIN | PSH | ACK | CWR;
    fill_pattern(bytes + l4 + 32, PAYLOAD, 3);
    return packet_make(f, bytes, l4 + 32 + PAYLOAD, l4 + 32, 700);
}

static void check_pieces(struct fixture *f, const char *src, const char *dst)
{
    uint8_t *bytes = malloc(65536), *got = malloc(65536);
    struct gn__packet *packet = make_tcp(f, src, dst, bytes);
    struct cut cut = {.n = 0};
    size_t l4 = packet->ip.l4, i;

    assert_true(gn__packet_set_segments(packet, SIZE));
    assert_int_equal(gn__packet_segment(packet, keep, &cut), 0);
    assert_int_equal(cut.n, 3);
    for (i = 0; i < 3; i++) {
        struct gn__packet *piece = cut.pieces[i];
        size_t n = i < 2 ? SIZE : PAYLOAD - 2 * SIZE;
        struct gn__ip ip;
        size_t len;

        assert_int_equal(piece->segment_size, 0);
        gn__packet_fill_checksums(piece);
        assert_true(gn__packet_checksum_ok(piece));
        len = gn__packet_copy(piece, got, 65536);
        assert_int_equal(len, l4 + 32 + n);
        assert_int_equal(gn__ip_parse(got, len, len, true, &ip), GN__IP_FINE);
        assert_int_equal(gn__get32(got + l4 + 4),
                         0xfffffe00u + (uint32_t)i * SIZE);
        assert_int_equal(got[l4 + 13], i == 0   ? ACK | CWR
                                       : i == 2 ? FIN | PSH | ACK
                                                : ACK);
        assert_memory_equal(got + l4 + 32, bytes + l4 + 32 + i * SIZE, n);
        if (ip.version == 4)
            assert_int_equal(gn__get16(got + 4), (uint16_t)(65535 + i));
        gn__packet_free(piece);
    }
    free(bytes);
    free(got);
}

static void segments_are_as_tcp_had_sent_them(void **state)
{
    check_pieces(*state, "10.0.0.1", "10.0.0.2");
    check_pieces(*state, "fd00::1", "fd00::2");
}

static void an_mtu_is_compared_with_segments(void **state)
{
    uint8_t *bytes = malloc(65536);
    struct gn__packet *packet = make_tcp(*state, "10.0.0.1", "10.0.0.2", bytes);

    assert_true(gn__packet_fits(packet, 2552));
    assert_false(gn__packet_fits(packet, 2551));
    assert_true(gn__packet_set_segments(packet, SIZE));
    assert_true(gn__packet_fits(packet, 1052));
    assert_false(gn__packet_fits(packet, 1051));
    gn__packet_free(packet);
    free(bytes);
}

static void only_tcp_has_segments(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[1000];
    struct gn__packet *packet;

    datagram_make("10.0.0.1", "10.0.0.2", sizeof(bytes), bytes);
    packet = packet_make(f, bytes, sizeof(bytes), 28, 2000);
    assert_false(gn__packet_set_segments(packet, 100));
    assert_int_equal(packet->segment_size, 0);
    gn__packet_free(packet);
}

static void a_header_that_lies_has_none(void **state)
{
    uint8_t *bytes = malloc(65536);
    struct gn__packet *packet = make_tcp(*state, "10.0.0.1", "10.0.0.2", bytes);

    packet->head[20 + 12] = 15 << 4;
    assert_false(gn__packet_set_segments(packet, SIZE));
    packet->head[20 + 12] = 4 << 4;
    assert_false(gn__packet_set_segments(packet, SIZE));
    gn__packet_free(packet);
    free(bytes);
}

/* ---- merging ---- */

static void cut_up(struct fixture *f, const char *src, const char *dst,
                   uint8_t *bytes, struct cut *cut)
{
    struct gn__packet *packet = make_tcp(f, src, dst, bytes);

    packet->head[packet->ip.l4 + 13] = FIN | PSH | ACK;
    assert_true(gn__packet_set_segments(packet, SIZE));
    cut->n = 0;
    assert_int_equal(gn__packet_segment(packet, keep, cut), 0);
}

static void check_merge(struct fixture *f, const char *src, const char *dst)
{
    uint8_t *bytes = malloc(65536), *got = malloc(65536);
    struct gn__packet *packet;
    struct cut cut;
    struct gn__ip ip;
    size_t len, l4;

    cut_up(f, src, dst, bytes, &cut);
    packet = cut.pieces[0];
    l4 = packet->ip.l4;
    assert_false(gn__packet_merge(packet, cut.pieces[2]));
    assert_true(gn__packet_merge(packet, cut.pieces[1]));
    assert_true(gn__packet_merge(packet, cut.pieces[2]));
    assert_int_equal(packet->segment_size, SIZE);
    gn__packet_fill_checksums(packet);
    assert_true(gn__packet_checksum_ok(packet));
    len = gn__packet_copy(packet, got, 65536);
    assert_int_equal(len, l4 + 32 + PAYLOAD);
    assert_int_equal(gn__ip_parse(got, len, len, true, &ip), GN__IP_FINE);
    bytes[l4 + 13] = FIN | PSH | ACK;
    assert_memory_equal(got + l4, bytes + l4, 16);
    assert_memory_equal(got + l4 + 18, bytes + l4 + 18, 14 + PAYLOAD);
    gn__packet_free(packet);
    free(bytes);
    free(got);
}

static void segments_become_one_again(void **state)
{
    check_merge(*state, "10.0.0.1", "10.0.0.2");
    check_merge(*state, "fd00::1", "fd00::2");
}

/* What is different in the second of two, and where: in its head, or, below 0,
 * in what is known of it. */
static void check_not_merged(struct fixture *f, int offset)
{
    uint8_t *bytes = malloc(65536);
    struct cut cut;
    size_t i;

    cut_up(f, "10.0.0.1", "10.0.0.2", bytes, &cut);
    if (offset < 0)
        cut.pieces[1]->corrupt = true;
    else
        cut.pieces[1]->head[offset] ^= 4;
    if (gn__packet_merge(cut.pieces[0], cut.pieces[1]))
        fail_msg("merged although byte %d differs", offset);
    for (i = 0; i < cut.n; i++)
        gn__packet_free(cut.pieces[i]);
    free(bytes);
}

static void what_says_something_else_stays_apart(void **state)
{
    /* TOS, fragments, TTL, addresses; ports, numbers, RST, window, urgent
     * pointer, options. */
    static const int offsets[] = {1,  6,  8,  15, 19, 21, 23, 27,
                                  31, 33, 35, 39, 41, 51, -1};
    size_t i;

    for (i = 0; i < sizeof(offsets) / sizeof(*offsets); i++)
        check_not_merged(*state, offsets[i]);
}

static void nothing_follows_on_a_push_or_a_short_one(void **state)
{
    uint8_t *bytes = malloc(65536);
    struct cut cut;
    size_t i;

    cut_up(*state, "10.0.0.1", "10.0.0.2", bytes, &cut);
    cut.pieces[0]->head[33] |= PSH;
    assert_false(gn__packet_merge(cut.pieces[0], cut.pieces[1]));
    gn__packet_cut(cut.pieces[1], cut.pieces[1]->len - 1);
    gn__put32(cut.pieces[2]->head + 24,
              gn__get32(cut.pieces[2]->head + 24) - 1);
    cut.pieces[0]->head[33] = ACK;
    assert_true(gn__packet_merge(cut.pieces[0], cut.pieces[1]));
    assert_false(gn__packet_merge(cut.pieces[0], cut.pieces[2]));
    for (i = 0; i < cut.n; i += 2)
        gn__packet_free(cut.pieces[i]);
    free(bytes);
}

/* The receiver's part: the sum over all of it, where the pseudo-header's is. */
static void a_partial_sum_is_completed_to_the_right_one(void **state)
{
    uint8_t *bytes = malloc(65536), *got = malloc(65536);
    struct gn__packet *packet = make_tcp(*state, "10.0.0.1", "10.0.0.2", bytes);
    uint16_t start, offset, sum, want;
    bool odd = false;
    size_t len;

    assert_true(gn__packet_fill_partial(packet, &start, &offset));
    assert_int_equal(start, 20);
    assert_int_equal(offset, 16);
    len = gn__packet_copy(packet, got, 65536);
    sum = gn__csum_fold(gn__csum_add(0, got + start, len - start, &odd));
    gn__packet_fill_checksums(packet);
    want = packet ? gn__get16(packet->head + start + offset) : 0;
    assert_int_equal(sum, want);
    assert_int_equal(gn__ip4_checksum(got, 20), 0);
    gn__packet_free(packet);
    free(bytes);
    free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_OF(fixture, segments_are_as_tcp_had_sent_them),
        CASE_OF(fixture, an_mtu_is_compared_with_segments),
        CASE_OF(fixture, only_tcp_has_segments),
        CASE_OF(fixture, a_header_that_lies_has_none),
        CASE_OF(fixture, segments_become_one_again),
        CASE_OF(fixture, what_says_something_else_stays_apart),
        CASE_OF(fixture, nothing_follows_on_a_push_or_a_short_one),
        CASE_OF(fixture, a_partial_sum_is_completed_to_the_right_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
