/* SPDX-License-Identifier: BSD-3-Clause */
#include "netstack/packet.h"

#include <errno.h>

#include "tests/lib/case.h"
#include "tests/unit/netstack/fixture.h"
#include "tests/unit/netstack/golden.h"

/* From outside, not trusted; NULL and the flaw if refused. */
static struct gn__packet *take(struct fixture *f, const uint8_t *bytes,
                               size_t len, enum gn__ip_flaw *flaw)
{
    struct gn__packet *packet;
    int err;

    *flaw = GN__IP_FINE;
    err = gn__packet_from_bytes(&f->packets, bytes, len, false, flaw, &packet);
    if (err) {
        assert_int_equal(err, -EINVAL);
        assert_int_not_equal(*flaw, GN__IP_FINE);
        return NULL;
    }
    return packet;
}

static void assert_refused(struct fixture *f, const uint8_t *bytes, size_t len,
                           enum gn__ip_flaw expected)
{
    enum gn__ip_flaw flaw;

    assert_null(take(f, bytes, len, &flaw));
    assert_int_equal(flaw, expected);
    assert_int_equal(f->packets.n_live, 0);
}

static void headers_are_copied_and_payload_goes_into_a_chunk(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < N_GOLDENS; i++) {
        const struct golden *g = &goldens[i];
        enum gn__ip_flaw flaw;
        struct gn__packet *packet = take(f, g->bytes, g->len, &flaw);

        assert_non_null(packet);
        assert_int_equal(packet->head_len, g->headers);
        assert_int_equal(packet->n_slices, 1);
        assert_false(packet->csum_absent);
        assert_packet_sound(packet);
        assert_packet_bytes(packet, g->bytes, g->len);
        gn__packet_free(packet);
    }
}

static void padding_is_left_out(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[60] = {0};
    enum gn__ip_flaw flaw;
    struct gn__packet *packet;

    memset(bytes, 0xee, sizeof(bytes));
    memcpy(bytes, golden_echo4, sizeof(golden_echo4));
    packet = take(f, bytes, sizeof(bytes), &flaw);
    assert_non_null(packet);
    assert_packet_bytes(packet, golden_echo4, sizeof(golden_echo4));
    gn__packet_free(packet);
}

static void nothing_is_no_packet(void **state)
{
    assert_refused(*state, golden_tcp4, 0, GN__IP_SHORT);
}

static void every_damaged_bit_is_found(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < N_GOLDENS; i++) {
        const struct golden *g = &goldens[i];
        uint8_t bytes[GOLDEN_MAX];

        for (size_t bit = g->l4 * 8; bit < g->len * 8u; bit++) {
            memcpy(bytes, g->bytes, g->len);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_refused(f, bytes, g->len, GN__IP_BAD_CHECKSUM);
        }
    }
}

static void trusted_packets_count_as_without_checksums(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[sizeof(golden_tcp4)];
    struct gn__packet *packet;
    enum gn__ip_flaw flaw;

    memcpy(bytes, golden_tcp4, sizeof(bytes));
    bytes[10] ^= 1;
    bytes[36] ^= 1;
    assert_refused(f, bytes, sizeof(bytes), GN__IP_BAD_CHECKSUM);
    assert_int_equal(gn__packet_from_bytes(&f->packets, bytes, sizeof(bytes),
                                           true, &flaw, &packet),
                     0);
    assert_true(packet->csum_absent);
    gn__packet_fill_checksums(packet);
    assert_packet_bytes(packet, golden_tcp4, sizeof(golden_tcp4));
    gn__packet_free(packet);
}

static void udp_without_checksum_is_fine_over_ipv4_only(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[GOLDEN_MAX];
    enum gn__ip_flaw flaw;
    struct gn__packet *packet;

    memcpy(bytes, golden_udp4_zero, sizeof(golden_udp4_zero));
    bytes[26] = bytes[27] = 0;
    bytes[28] ^= 1;
    packet = take(f, bytes, sizeof(golden_udp4_zero), &flaw);
    assert_non_null(packet);
    gn__packet_free(packet);

    memcpy(bytes, golden_udp6, sizeof(golden_udp6));
    bytes[46] = bytes[47] = 0;
    assert_refused(f, bytes, sizeof(golden_udp6), GN__IP_BAD_CHECKSUM);
}

static void udp_covers_what_its_length_says(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[GOLDEN_MAX];
    enum gn__ip_flaw flaw;
    struct gn__packet *packet;

    /* Bytes behind the datagram, within the IP packet. */
    memcpy(bytes, golden_udp6, sizeof(golden_udp6));
    memset(bytes + sizeof(golden_udp6), 0xee, 5);
    bytes[5] = (uint8_t)(bytes[5] + 5);
    packet = take(f, bytes, sizeof(golden_udp6) + 5, &flaw);
    assert_non_null(packet);
    gn__packet_free(packet);

    memcpy(bytes, golden_udp6, sizeof(golden_udp6));
    bytes[45] = 7;
    assert_refused(f, bytes, sizeof(golden_udp6), GN__IP_BAD_CHECKSUM);
    bytes[45] = 16;
    assert_refused(f, bytes, sizeof(golden_udp6), GN__IP_BAD_CHECKSUM);
}

static void transport_shorter_than_its_header_is_refused(void **state)
{
    static const uint8_t protos[] = {6, 17, 1};
    static const uint8_t min_len[] = {20, 8, 4};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(protos); i++) {
        for (size_t n = 0; n < min_len[i]; n++) {
            uint8_t bytes[40] = {GOLDEN_IP4(0, 0, 0, 0)};

            bytes[3] = (uint8_t)(20 + n);
            bytes[9] = protos[i];
            gn__put16(bytes + 10, gn__ip4_checksum(bytes, 20));
            assert_refused(f, bytes, 20 + n, GN__IP_BAD_CHECKSUM);
        }
    }
}

static void checksums_of_fragments_are_not_looked_at(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[GOLDEN_MAX];
    enum gn__ip_flaw flaw;
    struct gn__packet *packet;

    memcpy(bytes, golden_tcp4, sizeof(golden_tcp4));
    gn__put16(bytes + 6, 5);
    gn__put16(bytes + 10, 0);
    gn__put16(bytes + 10, gn__ip4_checksum(bytes, 20));
    packet = take(f, bytes, sizeof(golden_tcp4), &flaw);
    assert_non_null(packet);
    assert_int_equal(packet->head_len, 20);
    gn__packet_fill_checksums(packet);
    assert_packet_bytes(packet, bytes, sizeof(golden_tcp4));
    gn__packet_free(packet);
}

static void unknown_protocols_have_no_checksum(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[GOLDEN_MAX];
    enum gn__ip_flaw flaw;
    struct gn__packet *packet;

    memcpy(bytes, golden_udp6, sizeof(golden_udp6));
    bytes[6] = 253;
    packet = take(f, bytes, sizeof(golden_udp6), &flaw);
    assert_non_null(packet);
    assert_int_equal(packet->head_len, 40);
    gn__packet_fill_checksums(packet);
    assert_packet_bytes(packet, bytes, sizeof(golden_udp6));
    gn__packet_free(packet);
}

static void a_lying_tcp_header_length_moves_no_more_than_there_is(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[GOLDEN_MAX];
    struct gn__packet *packet;
    enum gn__ip_flaw flaw;

    for (unsigned words = 0; words < 16; words++) {
        memcpy(bytes, golden_tcp4, sizeof(golden_tcp4));
        bytes[32] = (uint8_t)(words << 4);
        assert_int_equal(gn__packet_from_bytes(&f->packets, bytes,
                                               sizeof(golden_tcp4), true, &flaw,
                                               &packet),
                         0);
        assert_packet_sound(packet);
        assert_packet_bytes(packet, bytes, sizeof(golden_tcp4));
        gn__packet_free(packet);
    }
}

static int take_all(struct gn_test_heap *heap, void *arg)
{
    struct fixture f;
    int err = fixture_init(&f, heap);

    (void)arg;
    if (err)
        return err;
    for (size_t i = 0; i < N_GOLDENS && !err; i++) {
        struct gn__packet *packet;
        enum gn__ip_flaw flaw;

        err = gn__packet_from_bytes(&f.packets, goldens[i].bytes,
                                    goldens[i].len, false, &flaw, &packet);
        if (!err)
            gn__packet_free(packet);
    }
    fixture_done(&f);
    return err;
}

static void failed_allocations_leave_nothing_behind(void **state)
{
    (void)state;
    assert_true(gn_test_heap_sweep(take_all, NULL) >= 3);
}

static void checksums_are_filled_in_however_a_packet_is_cut(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < N_GOLDENS; i++) {
        const struct golden *g = &goldens[i];

        for (size_t head = g->l4; head <= g->len; head++) {
            for (size_t slice = 1; slice < 12; slice++) {
                uint8_t bytes[GOLDEN_MAX];
                struct gn__packet *packet;

                memcpy(bytes, g->bytes, g->len);
                memset(bytes + g->sum_at, 0xee, 2);
                packet = packet_make(f, bytes, g->len, head, slice);
                gn__packet_fill_checksums(packet);
                assert_false(packet->csum_absent);
                assert_packet_bytes(packet, g->bytes, g->len);
                assert_true(gn__packet_checksum_ok(packet));
                gn__packet_free(packet);
            }
        }
    }
}

static void filling_checksums_leaves_clones_alone(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[sizeof(golden_tcp4)];
    struct gn__packet *packet, *clone;

    memcpy(bytes, golden_tcp4, sizeof(bytes));
    gn__put16(bytes + 36, 0x1111);
    packet = packet_make(f, bytes, sizeof(bytes), 20, 30);
    clone = gn__packet_clone(packet);
    gn__packet_fill_checksums(packet);
    assert_packet_bytes(packet, golden_tcp4, sizeof(golden_tcp4));
    assert_packet_bytes(clone, bytes, sizeof(bytes));
    gn__packet_free(packet);
    gn__packet_free(clone);
}

static void a_clone_shares_payload_and_outlives_the_packet(void **state)
{
    struct fixture *f = *state;
    struct gn__packet *packet =
        packet_make(f, golden_tcp4, sizeof(golden_tcp4), 40, 7);
    struct gn__packet *clone;

    packet->segment_size = 5;
    packet->to = f;
    packet->to_generation = 3;
    packet->from = packet;
    packet->from_generation = 4;
    packet->on_link = true;
    packet->forwarded = true;
    clone = gn__packet_clone(packet);
    assert_ptr_equal(clone->slices[1].data, packet->slices[1].data);
    assert_int_equal(clone->segment_size, 5);
    assert_ptr_equal(clone->to, f);
    assert_int_equal(clone->to_generation, 3);
    assert_ptr_equal(clone->from, packet);
    assert_int_equal(clone->from_generation, 4);
    assert_false(clone->on_link);
    assert_true(clone->forwarded);
    assert_true(clone->csum_absent);
    gn__packet_free(packet);
    assert_packet_sound(clone);
    assert_packet_bytes(clone, golden_tcp4, sizeof(golden_tcp4));
    gn__packet_free(clone);
}

static void a_new_packet_is_empty(void **state)
{
    struct fixture *f = *state;
    struct gn__packet *packet =
        packet_make(f, golden_tcp4, sizeof(golden_tcp4), 40, 7);

    packet->to = packet->from = f;
    packet->at_switch = packet->on_link = packet->corrupt = true;
    gn__packet_free(packet);
    packet = gn__packet_alloc(&f->packets);
    assert_int_equal(packet->len, 0);
    assert_int_equal(packet->head_len, 0);
    assert_int_equal(packet->n_slices, 0);
    assert_null(packet->next);
    assert_null(packet->to);
    assert_null(packet->from);
    assert_false(packet->at_switch);
    assert_false(packet->on_link);
    assert_false(packet->corrupt);
    assert_false(packet->csum_absent);
    assert_int_equal(packet->ip.version, 0);
    gn__packet_free(packet);
}

static void only_a_few_freed_packets_are_kept(void **state)
{
    enum { N = 3 * GN__PACKET_IDLE };
    struct fixture *f = *state;
    struct gn__packet *packets[N];
    uint64_t n_live = f->heap->n_live;

    for (size_t i = 0; i < N; i++)
        packets[i] = gn__packet_alloc(&f->packets);
    assert_int_equal(f->packets.n_live, N);
    for (size_t i = 0; i < N; i++)
        gn__packet_free(packets[i]);
    assert_int_equal(f->packets.n_live, 0);
    assert_int_equal(f->heap->n_live, n_live + GN__PACKET_IDLE);
}

/* A slice of a chunk, with a reference of its own. */
static struct gn__slice slice_of(struct gn__chunk *chunk, size_t from,
                                 size_t len)
{
    struct gn__slice slice = {chunk, gn__chunk_data(chunk) + from,
                              (uint32_t)len};

    gn__chunk_ref(chunk);
    return slice;
}

static void adjoining_slices_become_one(void **state)
{
    struct fixture *f = *state;
    struct gn__packet *packet = gn__packet_alloc(&f->packets);
    struct gn__chunk *chunk = gn__chunk_alloc(f->chunks, 100);
    struct gn__slice slice;

    for (size_t i = 0; i < 10; i++) {
        slice = slice_of(chunk, i * 10, 10);
        assert_int_equal(gn__packet_add(packet, &slice), 0);
    }
    assert_int_equal(packet->n_slices, 1);
    assert_int_equal(packet->len, 100);
    gn__chunk_unref(chunk);
    assert_false(gn__chunk_is_shared(chunk));
    gn__packet_free(packet);
}

static void empty_slices_are_left_out(void **state)
{
    struct fixture *f = *state;
    struct gn__packet *packet = gn__packet_alloc(&f->packets);
    struct gn__chunk *chunk = gn__chunk_alloc(f->chunks, 100);
    struct gn__slice slice = slice_of(chunk, 0, 0);

    assert_int_equal(gn__packet_add(packet, &slice), 0);
    assert_int_equal(packet->n_slices, 0);
    assert_false(gn__chunk_is_shared(chunk));
    gn__chunk_unref(chunk);
    gn__packet_free(packet);
}

static void more_slices_than_fit_are_copied_together(void **state)
{
    enum { N = 5000 };
    struct fixture *f = *state;
    struct gn__packet *packet = gn__packet_alloc(&f->packets);
    uint8_t bytes[N];

    fill_pattern(bytes, sizeof(bytes), 1);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(gn__packet_add_copy(packet, bytes + i, 1), 0);
    assert_true(packet->n_slices <= GN__PACKET_SLICES);
    assert_packet_bytes(packet, bytes, sizeof(bytes));
    gn__packet_free(packet);
}

static void copying_together_leaves_shared_chunks_alone(void **state)
{
    struct fixture *f = *state;
    struct gn__packet *packet = gn__packet_alloc(&f->packets);
    struct gn__chunk *chunk = gn__chunk_alloc(f->chunks, 100);
    struct gn__slice slice;
    uint8_t before[100];

    fill_pattern(gn__chunk_data(chunk), 100, 2);
    memcpy(before, gn__chunk_data(chunk), sizeof(before));
    for (size_t i = 0; i < 10; i++) {
        slice = slice_of(chunk, 90 - 10 * i, 10);
        assert_int_equal(gn__packet_add(packet, &slice), 0);
    }
    assert_memory_equal(gn__chunk_data(chunk), before, sizeof(before));
    for (size_t i = 0; i < 10; i++) {
        uint8_t part[10];

        assert_int_equal(gn__packet_read(packet, 10 * i, part, 10), 10);
        assert_memory_equal(part, before + 90 - 10 * i, 10);
    }
    gn__chunk_unref(chunk);
    gn__packet_free(packet);
}

static void a_slice_that_cannot_be_added_stays_with_the_caller(void **state)
{
    struct fixture *f = *state;
    struct gn__packet *packet = gn__packet_alloc(&f->packets);
    struct gn__chunk *chunk = gn__chunk_alloc(f->chunks, 2048);
    struct gn__chunk *others[200];
    struct gn__slice slice;
    size_t n = 0;

    for (size_t i = 0; i < GN__PACKET_SLICES; i++) {
        slice = slice_of(chunk, i * 300, 200);
        assert_int_equal(gn__packet_add(packet, &slice), 0);
    }
    /* All of the superblock that the copy would go into. */
    gn_test_heap_fail_at(f->heap, 0, true);
    while ((others[n] = gn__chunk_alloc(f->chunks, 1400)))
        n++;
    slice = slice_of(chunk, 1800, 200);
    assert_int_equal(gn__packet_add(packet, &slice), -ENOMEM);
    gn_test_heap_fail_at(f->heap, GN_TEST_HEAP_NEVER, false);
    assert_int_equal(packet->n_slices, GN__PACKET_SLICES);
    assert_int_equal(packet->len, GN__PACKET_SLICES * 200);
    gn__chunk_unref(slice.chunk);
    gn__chunk_unref(chunk);
    gn__packet_free(packet);
    while (n > 0)
        gn__chunk_unref(others[--n]);
}

static void pull_moves_payload_into_head(void **state)
{
    struct fixture *f = *state;

    for (size_t slice = 1; slice < 20; slice++) {
        for (size_t len = 0; len <= sizeof(golden_tcp4); len++) {
            struct gn__packet *packet =
                packet_make(f, golden_tcp4, sizeof(golden_tcp4), 20, slice);

            assert_true(gn__packet_pull(packet, len));
            assert_int_equal(packet->head_len, len < 20 ? 20 : len);
            assert_packet_sound(packet);
            assert_packet_bytes(packet, golden_tcp4, sizeof(golden_tcp4));
            gn__packet_free(packet);
        }
    }
}

static void pull_refuses_what_is_not_there_or_does_not_fit(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[300];
    struct gn__packet *packet = packet_make(
        f, bytes, datagram_make("fd77::2", "fd77::3", 150, bytes), 40, 9);

    assert_false(gn__packet_pull(packet, 151));
    assert_int_equal(packet->head_len, 40);
    gn__packet_free(packet);
    packet = packet_make(
        f, bytes, datagram_make("fd77::2", "fd77::3", 300, bytes), 40, 90);
    assert_false(gn__packet_pull(packet, GN__PACKET_HEAD + 1));
    assert_true(gn__packet_pull(packet, GN__PACKET_HEAD));
    assert_packet_bytes(packet, bytes, sizeof(bytes));
    gn__packet_free(packet);
}

static void any_part_can_be_read(void **state)
{
    struct fixture *f = *state;
    struct gn__packet *packet =
        packet_make(f, golden_tcp4, sizeof(golden_tcp4), 25, 7);
    size_t total = sizeof(golden_tcp4);

    for (size_t from = 0; from <= total; from++) {
        for (size_t len = 0; len <= total + 2; len++) {
            size_t there = from + len < total ? len : total - from;
            uint8_t out[GOLDEN_MAX];

            assert_int_equal(gn__packet_read(packet, from, out, len), there);
            assert_memory_equal(out, golden_tcp4 + from, there);
        }
    }
    gn__packet_free(packet);
}

static void copy_stops_where_the_buffer_ends(void **state)
{
    struct fixture *f = *state;
    struct gn__packet *packet =
        packet_make(f, golden_tcp4, sizeof(golden_tcp4), 25, 7);
    uint8_t out[31];

    out[30] = 0x77;
    assert_int_equal(gn__packet_copy(packet, out, 30), 30);
    assert_memory_equal(out, golden_tcp4, 30);
    assert_int_equal(out[30], 0x77);
    gn__packet_free(packet);
}

static void any_range_can_be_appended(void **state)
{
    struct fixture *f = *state;
    size_t total = sizeof(golden_tcp4);
    struct gn__packet *source = packet_make(f, golden_tcp4, total, 25, 7);

    for (size_t from = 0; from <= total; from++) {
        for (size_t len = 0; from + len <= total; len++) {
            struct gn__packet *packet = gn__packet_alloc(&f->packets);

            assert_int_equal(gn__packet_add_range(packet, source, from, len),
                             0);
            assert_packet_bytes(packet, golden_tcp4 + from, len);
            gn__packet_free(packet);
        }
    }
    gn__packet_free(source);
}

static void a_head_that_does_not_fit_is_copied_to_payload(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[180];
    size_t len = datagram_make("10.77.0.2", "10.77.0.3", 180, bytes);
    struct gn__packet *source = packet_make(f, bytes, len, 180, 1);
    struct gn__packet *packet = gn__packet_alloc(&f->packets);
    uint8_t out[360];

    for (int i = 0; i < 2; i++)
        assert_int_equal(gn__packet_add_range(packet, source, 0, len), 0);
    assert_int_equal(packet->head_len, GN__PACKET_HEAD);
    assert_int_equal(gn__packet_copy(packet, out, sizeof(out)), 360);
    assert_memory_equal(out, bytes, 180);
    assert_memory_equal(out + 180, bytes, 180);
    gn__packet_free(source);
    gn__packet_free(packet);
}

static void bytes_of_a_chunk_are_not_copied(void **state)
{
    struct fixture *f = *state;
    struct gn__chunk *chunk = gn__chunk_alloc(f->chunks, 1000);
    enum gn__ip_flaw flaw = GN__IP_FINE;
    struct gn__packet *packet;
    struct gn__slice all;

    assert_non_null(chunk);
    all = (struct gn__slice){chunk, gn__chunk_data(chunk), 1000};
    datagram_make("10.0.0.1", "10.0.0.2", 900, gn__chunk_data(chunk));
    assert_int_equal(
        gn__packet_from_slice(&f->packets, &all, false, &flaw, &packet), 0);
    assert_int_equal(packet->len, 900); /* What is behind it is left out. */
    assert_int_equal(packet->head_len, 28);
    assert_ptr_equal(packet->slices[0].data, all.data + 28);
    gn__packet_free(packet);
    gn__chunk_data(chunk)[500] ^= 1;
    assert_int_equal(
        gn__packet_from_slice(&f->packets, &all, false, &flaw, &packet),
        -EINVAL);
    assert_int_equal(flaw, GN__IP_BAD_CHECKSUM);
    assert_false(gn__chunk_is_shared(chunk));
    gn__chunk_unref(chunk);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE_OF(fixture, headers_are_copied_and_payload_goes_into_a_chunk),
        CASE_OF(fixture, padding_is_left_out),
        CASE_OF(fixture, nothing_is_no_packet),
        CASE_OF(fixture, every_damaged_bit_is_found),
        CASE_OF(fixture, trusted_packets_count_as_without_checksums),
        CASE_OF(fixture, udp_without_checksum_is_fine_over_ipv4_only),
        CASE_OF(fixture, udp_covers_what_its_length_says),
        CASE_OF(fixture, transport_shorter_than_its_header_is_refused),
        CASE_OF(fixture, checksums_of_fragments_are_not_looked_at),
        CASE_OF(fixture, unknown_protocols_have_no_checksum),
        CASE_OF(fixture, a_lying_tcp_header_length_moves_no_more_than_there_is),
        cmocka_unit_test(failed_allocations_leave_nothing_behind),
        CASE_OF(fixture, checksums_are_filled_in_however_a_packet_is_cut),
        CASE_OF(fixture, filling_checksums_leaves_clones_alone),
        CASE_OF(fixture, a_clone_shares_payload_and_outlives_the_packet),
        CASE_OF(fixture, a_new_packet_is_empty),
        CASE_OF(fixture, only_a_few_freed_packets_are_kept),
        CASE_OF(fixture, adjoining_slices_become_one),
        CASE_OF(fixture, empty_slices_are_left_out),
        CASE_OF(fixture, more_slices_than_fit_are_copied_together),
        CASE_OF(fixture, copying_together_leaves_shared_chunks_alone),
        CASE_OF(fixture, a_slice_that_cannot_be_added_stays_with_the_caller),
        CASE_OF(fixture, pull_moves_payload_into_head),
        CASE_OF(fixture, pull_refuses_what_is_not_there_or_does_not_fit),
        CASE_OF(fixture, any_part_can_be_read),
        CASE_OF(fixture, copy_stops_where_the_buffer_ends),
        CASE_OF(fixture, any_range_can_be_appended),
        CASE_OF(fixture, a_head_that_does_not_fit_is_copied_to_payload),
        CASE_OF(fixture, bytes_of_a_chunk_are_not_copied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
