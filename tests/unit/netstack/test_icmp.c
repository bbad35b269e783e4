/* SPDX-License-Identifier: BSD-3-Clause */
#include "netstack/icmp.h"

#include <errno.h>

#include "tests/lib/case.h"
#include "tests/unit/netstack/fixture.h"
#include "tests/unit/netstack/golden.h"

static const char *const guests[][2] = {{"10.77.0.2", "10.77.0.3"},
                                        {"fd77::2", "fd77::3"}};
static const char *const routers[] = {"10.77.0.1", "fd77::1"};

static struct gn__addr addr_of(const char *text)
{
    struct gn__addr addr;

    assert_int_equal(gn__addr_parse(text, &addr), 0);
    return addr;
}

static struct gn__packet *golden_packet(struct fixture *f, const uint8_t *bytes,
                                        size_t len)
{
    struct gn__packet *packet;
    enum gn__ip_flaw flaw;

    assert_int_equal(
        gn__packet_from_bytes(&f->packets, bytes, len, true, &flaw, &packet),
        0);
    return packet;
}

/* A datagram of @len bytes from guest 2 to guest 3. */
static struct gn__packet *datagram(struct fixture *f, int family, size_t len)
{
    uint8_t *bytes = malloc(len);
    struct gn__packet *packet;

    datagram_make(guests[family][0], guests[family][1], len, bytes);
    packet = golden_packet(f, bytes, len);
    free(bytes);
    return packet;
}

static struct gn__packet *error_about(struct fixture *f,
                                      const struct gn__packet *cause,
                                      enum gn__icmp_kind kind, uint32_t mtu)
{
    struct gn__addr from = addr_of(routers[cause->ip.version == 6]);

    return gn__icmp_error(&f->packets, cause, &from, kind, mtu);
}

/* An ICMP packet of this type and code with @len bytes of body. */
static struct gn__packet *message(struct fixture *f, int family, uint8_t type,
                                  uint8_t code, size_t len)
{
    uint8_t bytes[128] = {0};
    struct gn__ip_build what = {.src = addr_of(guests[family][0]),
                                .dst = addr_of(guests[family][1]),
                                .proto = family == 0 ? GN__PROTO_ICMP
                                                     : GN__PROTO_ICMP6,
                                .ttl = 64,
                                .payload_len = len};
    size_t hdr_len = gn__ip_build(&what, bytes);

    bytes[hdr_len] = type;
    bytes[hdr_len + 1] = code;
    return golden_packet(f, bytes, hdr_len + len);
}

static void errors_say_what_they_were_made_of(void **state)
{
    struct fixture *f = *state;

    for (int family = 0; family < 2; family++) {
        struct gn__packet *cause = datagram(f, family, 100);

        for (int kind = GN__ICMP_NET_UNREACHABLE; kind <= GN__ICMP_PARAMETER;
             kind++) {
            struct gn__packet *error = error_about(f, cause, kind, 1400);
            struct gn__icmp icmp;

            assert_non_null(error);
            assert_packet_sound(error);
            assert_true(error->csum_absent);
            assert_true(gn__icmp_parse(error, &icmp));
            assert_int_equal(icmp.kind, kind);
            assert_int_equal(icmp.mtu, kind == GN__ICMP_TOO_BIG ? 1400 : 0);
            assert_true(icmp.has_inner);
            assert_int_equal(icmp.inner.proto, GN__PROTO_UDP);
            assert_true(gn__addr_equal(&icmp.inner.src, &cause->ip.src));
            assert_true(gn__addr_equal(&icmp.inner.dst, &cause->ip.dst));
            assert_int_equal(icmp.inner_src_port, 0x0726);
            gn__packet_free(error);
        }
        gn__packet_free(cause);
    }
}

static void errors_go_back_to_the_source(void **state)
{
    struct fixture *f = *state;

    for (int family = 0; family < 2; family++) {
        struct gn__packet *cause = datagram(f, family, 100);
        struct gn__addr from = addr_of(routers[family]);
        struct gn__packet *error =
            error_about(f, cause, GN__ICMP_HOST_UNREACHABLE, 0);

        assert_true(gn__addr_equal(&error->ip.dst, &cause->ip.src));
        assert_true(gn__addr_equal(&error->ip.src, &from));
        assert_int_equal(error->ip.ttl, 64);
        gn__packet_free(error);
        gn__packet_free(cause);
    }
}

/* RFC 792, RFC 1191, RFC 4443: type, code and the word behind them. */
static void errors_have_their_types_and_codes(void **state)
{
    static const struct {
        enum gn__icmp_kind kind;
        uint8_t type4, code4, word4[4];
        uint8_t type6, code6, word6[4];
    } cases[] = {
        {GN__ICMP_NET_UNREACHABLE, 3, 0, {0}, 1, 0, {0}},
        {GN__ICMP_HOST_UNREACHABLE, 3, 1, {0}, 1, 3, {0}},
        {GN__ICMP_PROTO_UNREACHABLE, 3, 2, {0}, 4, 1, {0, 0, 0, 6}},
        {GN__ICMP_PORT_UNREACHABLE, 3, 3, {0}, 1, 4, {0}},
        {GN__ICMP_PROHIBITED, 3, 13, {0}, 1, 1, {0}},
        {GN__ICMP_TOO_BIG, 3, 4, {0, 0, 5, 0x14}, 2, 0, {0, 0, 5, 0x14}},
        {GN__ICMP_TIME_EXCEEDED, 11, 0, {0}, 3, 0, {0}},
        {GN__ICMP_REASSEMBLY_TIME, 11, 1, {0}, 3, 1, {0}},
    };
    struct fixture *f = *state;

    for (int family = 0; family < 2; family++) {
        struct gn__packet *cause = datagram(f, family, 100);

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            struct gn__packet *error =
                error_about(f, cause, cases[i].kind, 1300);
            const uint8_t *icmp = error->head + error->ip.l4;

            assert_int_equal(icmp[0], family ? cases[i].type6 : cases[i].type4);
            assert_int_equal(icmp[1], family ? cases[i].code6 : cases[i].code4);
            assert_memory_equal(icmp + 4,
                                family ? cases[i].word6 : cases[i].word4, 4);
            gn__packet_free(error);
        }
        gn__packet_free(cause);
    }
}

static void unknown_next_header_is_pointed_at_behind_extensions(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[GOLDEN_MAX] = {GOLDEN_IP6(24, 60)};
    struct gn__packet *cause, *error;

    bytes[40] = 60; /* destination options, then the same, then 253 */
    bytes[42] = 1;
    bytes[43] = 4;
    bytes[48] = 253;
    bytes[50] = 1;
    bytes[51] = 4;
    cause = golden_packet(f, bytes, 64);
    error = error_about(f, cause, GN__ICMP_PROTO_UNREACHABLE, 0);
    assert_int_equal(gn__get32(error->head + 44), 48);
    gn__packet_free(error);
    gn__packet_free(cause);
}

static void errors_quote_what_a_minimal_mtu_carries(void **state)
{
    static const size_t lens[] = {60,   190,  200,  547,  548,  549,
                                  1231, 1232, 1233, 9000, 65535};
    struct fixture *f = *state;

    for (int family = 0; family < 2; family++) {
        size_t most = family ? 1280 : 576, hdr_len = family ? 48 : 28;

        for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
            struct gn__packet *cause = datagram(f, family, lens[i]);
            struct gn__packet *error =
                error_about(f, cause, GN__ICMP_PORT_UNREACHABLE, 0);
            size_t quoted = error->len - hdr_len;
            uint8_t a[1280], b[1280];

            assert_packet_sound(error);
            assert_int_equal(quoted, lens[i] + hdr_len > most ? most - hdr_len
                                                              : lens[i]);
            gn__packet_read(error, hdr_len, a, quoted);
            gn__packet_read(cause, 0, b, quoted);
            assert_memory_equal(a, b, quoted);
            gn__packet_free(error);
            gn__packet_free(cause);
        }
    }
}

static void the_quoted_ipv4_header_has_a_checksum(void **state)
{
    struct fixture *f = *state;
    struct gn__packet *cause = datagram(f, 0, 100), *error;

    gn__put16(cause->head + 10, 0);
    error = error_about(f, cause, GN__ICMP_PORT_UNREACHABLE, 0);
    assert_int_equal(gn__ip4_checksum(error->head + 28, 20), 0);
    assert_int_equal(gn__get16(cause->head + 10), 0);
    gn__packet_free(error);
    gn__packet_free(cause);
}

static void errors_can_be_given_checksums(void **state)
{
    struct fixture *f = *state;

    for (int family = 0; family < 2; family++) {
        struct gn__packet *cause = datagram(f, family, 1001);
        struct gn__packet *error =
            error_about(f, cause, GN__ICMP_PORT_UNREACHABLE, 0);
        uint8_t bytes[1280];
        enum gn__ip_flaw flaw;
        struct gn__packet *taken;

        gn__packet_fill_checksums(error);
        gn__packet_copy(error, bytes, sizeof(bytes));
        assert_int_equal(gn__packet_from_bytes(&f->packets, bytes, error->len,
                                               false, &flaw, &taken),
                         0);
        gn__packet_free(taken);
        gn__packet_free(error);
        gn__packet_free(cause);
    }
}

static void no_error_is_sent_about_an_error(void **state)
{
    struct fixture *f = *state;

    for (int family = 0; family < 2; family++) {
        struct gn__packet *cause = datagram(f, family, 100);
        struct gn__packet *error =
            error_about(f, cause, GN__ICMP_PORT_UNREACHABLE, 0);

        assert_null(error_about(f, error, GN__ICMP_TIME_EXCEEDED, 0));
        gn__packet_free(error);
        gn__packet_free(cause);
    }
}

static void errors_are_sent_about_icmp_queries_only(void **state)
{
    static const uint8_t queries4[] = {0, 8, 9, 10, 13, 14, 15, 16, 17, 18};
    struct fixture *f = *state;

    for (unsigned type = 0; type < 256; type++) {
        for (int family = 0; family < 2; family++) {
            struct gn__packet *cause = message(f, family, (uint8_t)type, 0, 8);
            struct gn__packet *error =
                error_about(f, cause, GN__ICMP_TIME_EXCEEDED, 0);
            bool expected = family == 0 ? memchr(queries4, (int)type,
                                                 sizeof(queries4)) != NULL
                                        : type >= 128 && type != 137;

            assert_int_equal(error != NULL, expected);
            if (error)
                gn__packet_free(error);
            gn__packet_free(cause);
        }
    }
}

static void no_error_is_sent_about_a_later_fragment(void **state)
{
    struct fixture *f = *state;
    struct gn__packet *cause = datagram(f, 0, 100);

    gn__put16(cause->head + 6, 4);
    cause->ip.frag_off = 32;
    assert_null(error_about(f, cause, GN__ICMP_TIME_EXCEEDED, 0));
    gn__packet_free(cause);
}

static void no_error_is_sent_to_or_about_many(void **state)
{
    static const struct {
        const char *src, *dst;
        bool answered;
    } cases[] = {
        {"10.77.0.2", "10.77.0.3", true},
        {"127.0.0.1", "127.0.0.1", true},
        {"0.0.0.0", "10.77.0.3", false},
        {"10.77.0.2", "224.0.0.251", false},
        {"10.77.0.2", "255.255.255.255", false},
        {"fd77::2", "fd77::3", true},
        {"::1", "::1", true},
        {"::", "fd77::3", false},
        {"fd77::2", "ff02::fb", false},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t bytes[100];
        struct gn__packet *cause, *error;

        datagram_make(cases[i].src, cases[i].dst, sizeof(bytes), bytes);
        cause = golden_packet(f, bytes, sizeof(bytes));
        error = error_about(f, cause, GN__ICMP_PORT_UNREACHABLE, 0);
        assert_int_equal(error != NULL, cases[i].answered);
        if (error)
            gn__packet_free(error);
        gn__packet_free(cause);
    }
}

static void too_big_is_said_about_ipv6_multicast(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[100];
    struct gn__packet *cause, *error;

    datagram_make("fd77::2", "ff05::1234", sizeof(bytes), bytes);
    cause = golden_packet(f, bytes, sizeof(bytes));
    error = error_about(f, cause, GN__ICMP_TOO_BIG, 1280);
    assert_non_null(error);
    gn__packet_free(error);
    gn__packet_free(cause);
}

static void messages_that_are_no_errors_cannot_be_made_so(void **state)
{
    struct fixture *f = *state;
    struct gn__packet *cause = datagram(f, 0, 100);

    assert_null(error_about(f, cause, GN__ICMP_NONE, 0));
    assert_null(error_about(f, cause, GN__ICMP_ECHO_REPLY, 0));
    assert_null(error_about(f, cause, GN__ICMP_OTHER, 0));
    gn__packet_free(cause);
}

static void tcp_ports_and_sequence_are_read_from_the_quote(void **state)
{
    struct fixture *f = *state;
    struct gn__packet *cause =
        golden_packet(f, golden_tcp4, sizeof(golden_tcp4));
    struct gn__packet *error =
        error_about(f, cause, GN__ICMP_HOST_UNREACHABLE, 0);
    struct gn__icmp icmp;

    assert_true(gn__icmp_parse(error, &icmp));
    assert_true(icmp.has_inner);
    assert_int_equal(icmp.inner.proto, GN__PROTO_TCP);
    assert_int_equal(icmp.inner_src_port, 49152);
    assert_int_equal(icmp.inner_dst_port, 80);
    assert_int_equal(icmp.inner_seq, 0x01020304);
    gn__packet_free(error);
    gn__packet_free(cause);
}

static void eight_quoted_bytes_behind_the_header_are_enough(void **state)
{
    struct fixture *f = *state;

    for (size_t quoted = 0; quoted <= 28; quoted++) {
        uint8_t bytes[20 + 8 + 28] = {GOLDEN_IP4(0, 0, 1, 0)};
        struct gn__packet *packet;
        struct gn__icmp icmp;

        bytes[3] = (uint8_t)(28 + quoted);
        bytes[20] = 3;
        bytes[21] = 3;
        memcpy(bytes + 28, golden_tcp4, quoted);
        packet = golden_packet(f, bytes, 28 + quoted);
        assert_true(gn__icmp_parse(packet, &icmp));
        assert_int_equal(icmp.kind, GN__ICMP_PORT_UNREACHABLE);
        assert_int_equal(icmp.has_inner, quoted == 28);
        gn__packet_free(packet);
    }
}

static void messages_without_a_header_are_malformed(void **state)
{
    struct fixture *f = *state;

    for (int family = 0; family < 2; family++) {
        for (size_t len = 0; len <= 8; len++) {
            struct gn__packet *packet =
                message(f, family, family ? 128 : 8, 0, len);
            struct gn__icmp icmp;

            assert_int_equal(gn__icmp_parse(packet, &icmp), len == 8);
            gn__packet_free(packet);
        }
    }
}

static void other_protocols_are_not_parsed(void **state)
{
    struct fixture *f = *state;
    struct gn__packet *packet = datagram(f, 0, 100);
    struct gn__icmp icmp;

    assert_false(gn__icmp_parse(packet, &icmp));
    packet->ip.proto = GN__PROTO_ICMP6;
    assert_false(gn__icmp_parse(packet, &icmp));
    gn__packet_free(packet);
}

static void an_echo_request_becomes_its_reply(void **state)
{
    /* The same messages with source and destination exchanged. */
    static const uint8_t reply4[] = {0, 0, 0xd5, 0xc0};
    static const uint8_t reply6[] = {129, 0, 0x59, 0x84};
    struct fixture *f = *state;

    for (int family = 0; family < 2; family++) {
        const uint8_t *golden = family ? golden_echo6 : golden_echo4;
        size_t len = family ? sizeof(golden_echo6) : sizeof(golden_echo4);
        size_t l4 = family ? 40 : 20, addr = family ? 16 : 4;
        struct gn__packet *packet = packet_make(f, golden, len, l4, 3);
        uint8_t bytes[GOLDEN_MAX], expected[GOLDEN_MAX];

        memcpy(expected, golden, len);
        memcpy(expected + l4 - 2 * addr, golden + l4 - addr, addr);
        memcpy(expected + l4 - addr, golden + l4 - 2 * addr, addr);
        memcpy(expected + l4, family ? reply6 : reply4, 4);
        assert_true(gn__icmp_echo_reply(packet));
        assert_true(packet->csum_absent);
        gn__packet_fill_checksums(packet);
        assert_packet_sound(packet);
        gn__packet_copy(packet, bytes, sizeof(bytes));
        assert_memory_equal(bytes, expected, len);
        assert_false(gn__icmp_echo_reply(packet));
        gn__packet_free(packet);
    }
}

static void an_echo_to_many_is_not_turned_around(void **state)
{
    static const char *const dst[] = {"224.0.0.1", "255.255.255.255",
                                      "ff02::1"};
    struct fixture *f = *state;

    for (size_t i = 0; i < 3; i++) {
        struct gn__packet *packet = message(f, i == 2, i == 2 ? 128 : 8, 0, 8);

        packet->ip.dst = addr_of(dst[i]);
        assert_false(gn__icmp_echo_reply(packet));
        gn__packet_free(packet);
    }
}

static void other_messages_are_not_turned_around(void **state)
{
    struct fixture *f = *state;

    for (int family = 0; family < 2; family++) {
        uint8_t echo = family ? 128 : 8;

        for (unsigned type = 0; type < 256; type++) {
            struct gn__packet *packet = message(f, family, (uint8_t)type, 0, 8);

            assert_int_equal(gn__icmp_echo_reply(packet), type == echo);
            gn__packet_free(packet);
        }
    }
}

static void errnos_are_those_of_linux(void **state)
{
    static const struct {
        enum gn__icmp_kind kind;
        int error4, error6;
        bool fatal4, fatal6;
    } cases[] = {
        {GN__ICMP_NET_UNREACHABLE, -ENETUNREACH, -ENETUNREACH, 0, 0},
        {GN__ICMP_HOST_UNREACHABLE, -EHOSTUNREACH, -EHOSTUNREACH, 0, 0},
        {GN__ICMP_PROTO_UNREACHABLE, -ENOPROTOOPT, -EPROTO, 1, 1},
        {GN__ICMP_PORT_UNREACHABLE, -ECONNREFUSED, -ECONNREFUSED, 1, 1},
        {GN__ICMP_PROHIBITED, -EHOSTUNREACH, -EACCES, 1, 1},
        {GN__ICMP_TOO_BIG, -EMSGSIZE, -EMSGSIZE, 1, 1},
        {GN__ICMP_TIME_EXCEEDED, -EHOSTUNREACH, -EHOSTUNREACH, 0, 0},
        {GN__ICMP_PARAMETER, -EPROTO, -EPROTO, 1, 1},
        {GN__ICMP_ECHO_REPLY, 0, 0, 0, 0},
        {GN__ICMP_OTHER, 0, 0, 0, 0},
        {GN__ICMP_N_KINDS, 0, 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool fatal;

        assert_int_equal(gn__icmp_errno(cases[i].kind, 4, &fatal),
                         cases[i].error4);
        assert_int_equal(fatal, cases[i].fatal4);
        assert_int_equal(gn__icmp_errno(cases[i].kind, 6, &fatal),
                         cases[i].error6);
        assert_int_equal(fatal, cases[i].fatal6);
    }
}

static int make_errors(struct gn_test_heap *heap, void *arg)
{
    struct gn__packet *cause, *error = NULL;
    uint8_t bytes[1000];
    struct fixture f;
    int err = fixture_init(&f, heap);

    (void)arg;
    if (err)
        return err;
    datagram_make("fd77::2", "fd77::3", sizeof(bytes), bytes);
    cause = packet_make(&f, bytes, sizeof(bytes), GN__PACKET_HEAD, 1000);
    if (cause) {
        error = error_about(&f, cause, GN__ICMP_PORT_UNREACHABLE, 0);
        gn__packet_free(cause);
    }
    err = error ? 0 : -ENOMEM;
    if (error)
        gn__packet_free(error);
    fixture_done(&f);
    return err;
}

static void failed_allocations_leave_nothing_behind(void **state)
{
    (void)state;
    assert_true(gn_test_heap_sweep(make_errors, NULL) >= 4);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE_OF(fixture, errors_say_what_they_were_made_of),
        CASE_OF(fixture, errors_go_back_to_the_source),
        CASE_OF(fixture, errors_have_their_types_and_codes),
        CASE_OF(fixture, unknown_next_header_is_pointed_at_behind_extensions),
        CASE_OF(fixture, errors_quote_what_a_minimal_mtu_carries),
        CASE_OF(fixture, the_quoted_ipv4_header_has_a_checksum),
        CASE_OF(fixture, errors_can_be_given_checksums),
        CASE_OF(fixture, no_error_is_sent_about_an_error),
        CASE_OF(fixture, errors_are_sent_about_icmp_queries_only),
        CASE_OF(fixture, no_error_is_sent_about_a_later_fragment),
        CASE_OF(fixture, no_error_is_sent_to_or_about_many),
        CASE_OF(fixture, too_big_is_said_about_ipv6_multicast),
        CASE_OF(fixture, messages_that_are_no_errors_cannot_be_made_so),
        CASE_OF(fixture, tcp_ports_and_sequence_are_read_from_the_quote),
        CASE_OF(fixture, eight_quoted_bytes_behind_the_header_are_enough),
        CASE_OF(fixture, messages_without_a_header_are_malformed),
        CASE_OF(fixture, other_protocols_are_not_parsed),
        CASE_OF(fixture, an_echo_request_becomes_its_reply),
        CASE_OF(fixture, an_echo_to_many_is_not_turned_around),
        CASE_OF(fixture, other_messages_are_not_turned_around),
        CASE_OF(fixture, errnos_are_those_of_linux),
        cmocka_unit_test(failed_allocations_leave_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
