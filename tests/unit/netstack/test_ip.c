/* SPDX-License-Identifier: BSD-3-Clause */
#include "netstack/ip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/wire.h"

/* TCP segment 10.77.0.2:49152 -> 10.77.0.3:80 without payload. */
static const uint8_t tcp4[40] = {
    0x45, 0x02, 0,    40,               /* version, IHL; ECT(0); total length */
    0x12, 0x34, 0x40, 0,                /* identification; DF */
    64,   6,    0x13, 0xfc,             /* TTL; TCP; header checksum */
    10,   77,   0,    2,                /* source */
    10,   77,   0,    3,                /* destination */
    0xc0, 0,    0,    80,               /* ports */
    0,    0,    0,    1,    0, 0, 0, 0, /* sequence, acknowledgement */
    0x50, 2,    0xff, 0xff,             /* data offset, SYN, window */
    0,    0,    0,    0, /* checksum (not looked at here), urgent */
};

/* UDP datagram fd77::2 -> fd77::3 with 4 bytes. */
static const uint8_t udp6[52] = {
    0x6a, 0xb1, 0x23, 0x45, /* version; traffic class 0xab; flow label */
    0,    12,   17,   63,   /* payload length; UDP; hop limit */
    0xfd, 0x77, 0,    0,    0, 0,  0, 0,
    0,    0,    0,    0,    0, 0,  0, 2, /* source */
    0xfd, 0x77, 0,    0,    0, 0,  0, 0,
    0,    0,    0,    0,    0, 0,  0, 3, /* destination */
    0x30, 0x39, 0,    53,   0, 12, 0, 0, /* ports, length, checksum */
    'p',  'i',  'n',  'g',
};

/* An IPv6 packet built header by header. */
struct chain {
    uint8_t bytes[512];
    size_t len;
    size_t next_at; /* where the next header's type goes */
};

static void chain_init(struct chain *chain)
{
    memset(chain, 0, sizeof(*chain));
    memcpy(chain->bytes, udp6, GN__IP6_HDR_LEN);
    chain->len = GN__IP6_HDR_LEN;
    chain->next_at = 6;
}

static uint8_t *chain_add(struct chain *chain, uint8_t type, size_t len)
{
    uint8_t *header = chain->bytes + chain->len;

    chain->bytes[chain->next_at] = type;
    chain->next_at = chain->len;
    header[1] = (uint8_t)(len / 8 - 1);
    chain->len += len;
    return header;
}

static uint8_t *chain_add_fragment(struct chain *chain, uint16_t off_more,
                                   uint32_t id)
{
    uint8_t *header = chain_add(chain, GN__PROTO_IP6_FRAGMENT, 8);

    header[1] = 0;
    gn__put16(header + 2, off_more);
    gn__put32(header + 4, id);
    return header;
}

static enum gn__ip_flaw chain_parse(struct chain *chain, uint8_t upper,
                                    size_t upper_len, struct gn__ip *out)
{
    chain->bytes[chain->next_at] = upper;
    chain->len += upper_len;
    gn__put16(chain->bytes + 4, (uint16_t)(chain->len - GN__IP6_HDR_LEN));
    return gn__ip_parse(chain->bytes, chain->len, chain->len, true, out);
}

/* tcp4 with one byte changed, without looking at the checksum. */
static enum gn__ip_flaw parse4_with(size_t at, uint8_t value)
{
    uint8_t bytes[sizeof(tcp4)];
    struct gn__ip ip;

    memcpy(bytes, tcp4, sizeof(bytes));
    bytes[at] = value;
    return gn__ip_parse(bytes, sizeof(bytes), sizeof(bytes), false, &ip);
}

static enum gn__ip_flaw parse6_with(size_t at, uint8_t value)
{
    uint8_t bytes[sizeof(udp6)];
    struct gn__ip ip;

    memcpy(bytes, udp6, sizeof(bytes));
    bytes[at] = value;
    return gn__ip_parse(bytes, sizeof(bytes), sizeof(bytes), false, &ip);
}

/* tcp4 with @len bytes of options. */
static enum gn__ip_flaw parse4_options(const uint8_t *options, size_t len)
{
    uint8_t bytes[60];
    struct gn__ip ip;
    enum gn__ip_flaw flaw;

    memcpy(bytes, tcp4, 20);
    memcpy(bytes + 20, options, len);
    bytes[0] = (uint8_t)(0x45 + len / 4);
    gn__put16(bytes + 2, (uint16_t)(20 + len));
    flaw = gn__ip_parse(bytes, 20 + len, 20 + len, false, &ip);
    if (!flaw) {
        assert_int_equal(ip.l4, 20 + len);
        assert_true(ip.has_options);
    }
    return flaw;
}

static enum gn__ip_flaw parse4_fragment(uint16_t flags_offset,
                                        size_t payload_len, struct gn__ip *out)
{
    uint8_t bytes[256] = {0};
    size_t len = 20 + payload_len;

    memcpy(bytes, tcp4, 20);
    gn__put16(bytes + 2, (uint16_t)len);
    gn__put16(bytes + 6, flags_offset);
    return gn__ip_parse(bytes, len, len, false, out);
}

static enum gn__ip_flaw parse4_addresses(uint32_t src, uint32_t dst)
{
    uint8_t bytes[sizeof(tcp4)];
    struct gn__ip ip;

    memcpy(bytes, tcp4, sizeof(bytes));
    gn__put32(bytes + 12, src);
    gn__put32(bytes + 16, dst);
    return gn__ip_parse(bytes, sizeof(bytes), sizeof(bytes), false, &ip);
}

static enum gn__ip_flaw parse6_addresses(const char *src, const char *dst)
{
    uint8_t bytes[sizeof(udp6)];
    struct gn__addr addr;
    struct gn__ip ip;

    memcpy(bytes, udp6, sizeof(bytes));
    assert_int_equal(gn__addr_parse(src, &addr), 0);
    memcpy(bytes + 8, addr.bytes, 16);
    assert_int_equal(gn__addr_parse(dst, &addr), 0);
    memcpy(bytes + 24, addr.bytes, 16);
    return gn__ip_parse(bytes, sizeof(bytes), sizeof(bytes), false, &ip);
}

static void ipv4_fields_are_read(void **state)
{
    struct gn__ip ip;
    struct gn__addr src = gn__addr_from_v4(0x0a4d0002);
    struct gn__addr dst = gn__addr_from_v4(0x0a4d0003);

    (void)state;
    assert_int_equal(gn__ip_parse(tcp4, 40, 40, true, &ip), GN__IP_FINE);
    assert_int_equal(ip.version, 4);
    assert_int_equal(ip.tos, 2);
    assert_int_equal(ip.ttl, 64);
    assert_int_equal(ip.proto, GN__PROTO_TCP);
    assert_int_equal(ip.l4, 20);
    assert_int_equal(ip.total_len, 40);
    assert_int_equal(ip.frag_id, 0x1234);
    assert_int_equal(ip.frag_off, 0);
    assert_int_equal(ip.frag_hdr, 0);
    assert_true(ip.dont_fragment);
    assert_false(ip.more);
    assert_false(ip.has_options);
    assert_false(gn__ip_is_fragment(&ip));
    assert_true(gn__addr_equal(&ip.src, &src));
    assert_true(gn__addr_equal(&ip.dst, &dst));
}

static void ipv6_fields_are_read(void **state)
{
    struct gn__ip ip;

    (void)state;
    assert_int_equal(gn__ip_parse(udp6, 52, 52, true, &ip), GN__IP_FINE);
    assert_int_equal(ip.version, 6);
    assert_int_equal(ip.tos, 0xab);
    assert_int_equal(ip.ttl, 63);
    assert_int_equal(ip.proto, GN__PROTO_UDP);
    assert_int_equal(ip.l4, 40);
    assert_int_equal(ip.total_len, 52);
    assert_true(ip.dont_fragment);
    assert_false(ip.has_options);
    assert_memory_equal(ip.src.bytes, udp6 + 8, 16);
    assert_memory_equal(ip.dst.bytes, udp6 + 24, 16);
}

static void every_truncation_is_refused(void **state)
{
    struct gn__ip ip;

    (void)state;
    for (size_t len = 0; len < sizeof(tcp4); len++)
        assert_int_equal(gn__ip_parse(tcp4, len, len, true, &ip), GN__IP_SHORT);
    for (size_t len = 0; len < sizeof(udp6); len++)
        assert_int_equal(gn__ip_parse(udp6, len, len, true, &ip), GN__IP_SHORT);
}

static void the_head_alone_is_enough(void **state)
{
    struct gn__ip ip;

    (void)state;
    assert_int_equal(gn__ip_parse(tcp4, 20, 40, true, &ip), GN__IP_FINE);
    assert_int_equal(gn__ip_parse(udp6, 40, 52, true, &ip), GN__IP_FINE);
}

static void padding_behind_the_packet_is_no_flaw(void **state)
{
    struct gn__ip ip;

    (void)state;
    assert_int_equal(gn__ip_parse(tcp4, 40, 46, true, &ip), GN__IP_FINE);
    assert_int_equal(ip.total_len, 40);
}

static void other_versions_are_refused(void **state)
{
    (void)state;
    assert_int_equal(parse4_with(0, 0x55), GN__IP_BAD_VERSION);
    assert_int_equal(parse4_with(0, 0x05), GN__IP_BAD_VERSION);
}

static void contradicting_lengths_are_refused(void **state)
{
    (void)state;
    assert_int_equal(parse4_with(0, 0x44), GN__IP_BAD_LENGTH);
    assert_int_equal(parse4_with(3, 19), GN__IP_BAD_LENGTH);
    assert_int_equal(parse4_with(0, 0x4b), GN__IP_BAD_LENGTH);
    assert_int_equal(parse4_with(3, 41), GN__IP_SHORT);
    assert_int_equal(parse6_with(5, 13), GN__IP_SHORT);
}

static void ipv6_beyond_65535_bytes_is_refused(void **state)
{
    static uint8_t bytes[65576];
    struct gn__ip ip;

    (void)state;
    memcpy(bytes, udp6, 40);
    gn__put16(bytes + 4, 65535 - 40);
    assert_int_equal(gn__ip_parse(bytes, 65575, 65575, true, &ip), GN__IP_FINE);
    gn__put16(bytes + 4, 65535 - 39);
    assert_int_equal(gn__ip_parse(bytes, 65575, 65575, true, &ip),
                     GN__IP_BAD_LENGTH);
}

static void wrong_header_checksum_is_found_when_asked_for(void **state)
{
    uint8_t bytes[sizeof(tcp4)];
    struct gn__ip ip;

    (void)state;
    for (size_t bit = 32; bit < 160; bit++) {
        if (bit / 8 == 6 || bit / 8 == 7)
            continue; /* a fragment of 20 bytes has another flaw */
        memcpy(bytes, tcp4, sizeof(bytes));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(gn__ip_parse(bytes, 40, 40, true, &ip),
                         GN__IP_BAD_CHECKSUM);
    }
    memcpy(bytes, tcp4, sizeof(bytes));
    bytes[10] = bytes[11] = 0;
    assert_int_equal(gn__ip_parse(bytes, 40, 40, false, &ip), GN__IP_FINE);
}

static void well_formed_ipv4_options_are_skipped(void **state)
{
    static const uint8_t router_alert[] = {0x94, 4, 0, 0};
    static const uint8_t nops_then_end[] = {1, 1, 0, 0xff};
    static const uint8_t record_route[] = {7, 7, 4, 0, 0, 0, 0, 1};

    (void)state;
    assert_int_equal(parse4_options(router_alert, 4), GN__IP_FINE);
    assert_int_equal(parse4_options(nops_then_end, 4), GN__IP_FINE);
    assert_int_equal(parse4_options(record_route, 8), GN__IP_FINE);
}

static void malformed_ipv4_options_are_refused(void **state)
{
    static const uint8_t no_length[] = {1, 1, 1, 7};
    static const uint8_t length_0[] = {7, 0, 0, 0};
    static const uint8_t length_1[] = {7, 1, 0, 0};
    static const uint8_t too_long[] = {7, 5, 0, 0};

    (void)state;
    assert_int_equal(parse4_options(no_length, 4), GN__IP_BAD_OPTION);
    assert_int_equal(parse4_options(length_0, 4), GN__IP_BAD_OPTION);
    assert_int_equal(parse4_options(length_1, 4), GN__IP_BAD_OPTION);
    assert_int_equal(parse4_options(too_long, 4), GN__IP_BAD_OPTION);
}

static void source_routes_are_refused(void **state)
{
    static const uint8_t loose[] = {131, 7, 4, 10, 0, 0, 1, 0};
    static const uint8_t strict[] = {137, 7, 4, 10, 0, 0, 1, 0};
    struct chain chain;
    struct gn__ip ip;

    (void)state;
    assert_int_equal(parse4_options(loose, 8), GN__IP_BAD_OPTION);
    assert_int_equal(parse4_options(strict, 8), GN__IP_BAD_OPTION);
    for (uint8_t segments_left = 0; segments_left < 2; segments_left++) {
        chain_init(&chain);
        chain_add(&chain, GN__PROTO_IP6_ROUTING, 24)[3] = segments_left;
        assert_int_equal(chain_parse(&chain, GN__PROTO_UDP, 8, &ip),
                         GN__IP_BAD_OPTION);
    }
}

static void finished_routing_headers_are_skipped(void **state)
{
    struct chain chain;
    struct gn__ip ip;

    (void)state;
    for (uint8_t segments_left = 0; segments_left < 2; segments_left++) {
        uint8_t *header;

        chain_init(&chain);
        header = chain_add(&chain, GN__PROTO_IP6_ROUTING, 24);
        header[2] = 4;
        header[3] = segments_left;
        assert_int_equal(chain_parse(&chain, GN__PROTO_UDP, 8, &ip),
                         segments_left ? GN__IP_BAD_OPTION : GN__IP_FINE);
    }
}

static void ipv4_fragments_are_recognised(void **state)
{
    struct gn__ip ip;

    (void)state;
    assert_int_equal(parse4_fragment(0x2000, 24, &ip), GN__IP_FINE);
    assert_true(gn__ip_is_fragment(&ip));
    assert_true(ip.more);
    assert_int_equal(ip.frag_off, 0);
    assert_int_equal(parse4_fragment(3, 23, &ip), GN__IP_FINE);
    assert_true(gn__ip_is_fragment(&ip));
    assert_false(ip.more);
    assert_int_equal(ip.frag_off, 24);
}

static void impossible_ipv4_fragments_are_refused(void **state)
{
    struct gn__ip ip;

    (void)state;
    assert_int_equal(parse4_fragment(0x2000, 23, &ip), GN__IP_BAD_FRAGMENT);
    assert_int_equal(parse4_fragment(0x2000, 0, &ip), GN__IP_BAD_FRAGMENT);
    assert_int_equal(parse4_fragment(1, 0, &ip), GN__IP_BAD_FRAGMENT);
    /* 20 + 8 * 8188 + 11 is 65,535. */
    assert_int_equal(parse4_fragment(8188, 11, &ip), GN__IP_FINE);
    assert_int_equal(parse4_fragment(8188, 12, &ip), GN__IP_BAD_FRAGMENT);
}

static void ipv6_fragments_are_recognised(void **state)
{
    struct chain chain;
    struct gn__ip ip;

    (void)state;
    chain_init(&chain);
    chain_add_fragment(&chain, 1, 0xdeadbeef);
    assert_int_equal(chain_parse(&chain, GN__PROTO_UDP, 16, &ip), GN__IP_FINE);
    assert_true(gn__ip_is_fragment(&ip));
    assert_int_equal(ip.frag_id, 0xdeadbeef);
    assert_int_equal(ip.frag_hdr, 40);
    assert_int_equal(ip.l4, 48);
    assert_int_equal(ip.proto, GN__PROTO_UDP);
    assert_true(ip.has_options);

    chain_init(&chain);
    chain_add_fragment(&chain, 16, 7);
    assert_int_equal(chain_parse(&chain, GN__PROTO_UDP, 5, &ip), GN__IP_FINE);
    assert_int_equal(ip.frag_off, 16);
    assert_false(ip.more);
}

static void atomic_fragments_are_whole_packets(void **state)
{
    struct chain chain;
    struct gn__ip ip;

    (void)state;
    chain_init(&chain);
    chain_add_fragment(&chain, 0, 7);
    assert_int_equal(chain_parse(&chain, GN__PROTO_UDP, 9, &ip), GN__IP_FINE);
    assert_false(gn__ip_is_fragment(&ip));
    assert_int_equal(ip.frag_hdr, 40);
}

static void later_ipv6_fragments_end_the_chain(void **state)
{
    struct chain chain;
    struct gn__ip ip;

    (void)state;
    chain_init(&chain);
    chain_add_fragment(&chain, 8, 7);
    memset(chain.bytes + chain.len, 0xff, 8);
    assert_int_equal(chain_parse(&chain, GN__PROTO_IP6_DESTINATION, 8, &ip),
                     GN__IP_FINE);
    assert_int_equal(ip.proto, GN__PROTO_IP6_DESTINATION);
    assert_int_equal(ip.l4, 48);
}

static void impossible_ipv6_fragments_are_refused(void **state)
{
    struct chain chain;
    struct gn__ip ip;

    (void)state;
    chain_init(&chain);
    chain_add_fragment(&chain, 1, 7);
    assert_int_equal(chain_parse(&chain, GN__PROTO_UDP, 12, &ip),
                     GN__IP_BAD_FRAGMENT);
    chain_init(&chain);
    chain_add_fragment(&chain, 8, 7);
    assert_int_equal(chain_parse(&chain, GN__PROTO_UDP, 0, &ip),
                     GN__IP_BAD_FRAGMENT);
    chain_init(&chain);
    chain_add_fragment(&chain, 0xfff8, 7);
    assert_int_equal(chain_parse(&chain, GN__PROTO_UDP, 8, &ip),
                     GN__IP_BAD_FRAGMENT);
    chain_init(&chain);
    chain_add_fragment(&chain, 1, 7);
    chain_add_fragment(&chain, 1, 8);
    assert_int_equal(chain_parse(&chain, GN__PROTO_UDP, 8, &ip),
                     GN__IP_BAD_OPTION);
}

static void ipv6_extension_headers_are_walked(void **state)
{
    struct chain chain;
    struct gn__ip ip;

    (void)state;
    chain_init(&chain);
    memcpy(chain_add(&chain, GN__PROTO_IP6_HOP_BY_HOP, 8) + 2,
           (const uint8_t[]){5, 2, 0, 0, 1, 0}, 6); /* router alert, PadN */
    memcpy(chain_add(&chain, GN__PROTO_IP6_DESTINATION, 16) + 2,
           (const uint8_t[]){1, 12}, 2);
    assert_int_equal(chain_parse(&chain, GN__PROTO_TCP, 20, &ip), GN__IP_FINE);
    assert_int_equal(ip.proto, GN__PROTO_TCP);
    assert_int_equal(ip.l4, 64);
    assert_true(ip.has_options);
}

static void hop_by_hop_is_refused_unless_first(void **state)
{
    struct chain chain;
    struct gn__ip ip;

    (void)state;
    chain_init(&chain);
    chain_add(&chain, GN__PROTO_IP6_DESTINATION, 8);
    chain_add(&chain, GN__PROTO_IP6_HOP_BY_HOP, 8);
    assert_int_equal(chain_parse(&chain, GN__PROTO_UDP, 8, &ip),
                     GN__IP_BAD_OPTION);
}

static void jumbograms_are_refused(void **state)
{
    struct chain chain;
    struct gn__ip ip;

    (void)state;
    chain_init(&chain);
    memcpy(chain_add(&chain, GN__PROTO_IP6_HOP_BY_HOP, 8) + 2,
           (const uint8_t[]){0xc2, 4, 0, 1, 0, 0}, 6);
    assert_int_equal(chain_parse(&chain, GN__PROTO_UDP, 8, &ip),
                     GN__IP_BAD_OPTION);
}

static void unknown_ipv6_options_are_skipped_if_they_allow(void **state)
{
    struct chain chain;
    struct gn__ip ip;

    (void)state;
    for (unsigned action = 0; action < 4; action++) {
        chain_init(&chain);
        memcpy(chain_add(&chain, GN__PROTO_IP6_DESTINATION, 8) + 2,
               (const uint8_t[]){(uint8_t)(action << 6 | 0x3e), 4}, 2);
        assert_int_equal(chain_parse(&chain, GN__PROTO_UDP, 8, &ip),
                         action ? GN__IP_BAD_OPTION : GN__IP_FINE);
    }
}

static void malformed_ipv6_options_are_refused(void **state)
{
    struct chain chain;
    struct gn__ip ip;

    (void)state;
    chain_init(&chain);
    memcpy(chain_add(&chain, GN__PROTO_IP6_DESTINATION, 8) + 2,
           (const uint8_t[]){1, 5}, 2);
    assert_int_equal(chain_parse(&chain, GN__PROTO_UDP, 8, &ip),
                     GN__IP_BAD_OPTION);
    chain_init(&chain);
    chain_add(&chain, GN__PROTO_IP6_DESTINATION, 8)[7] = 1;
    assert_int_equal(chain_parse(&chain, GN__PROTO_UDP, 8, &ip),
                     GN__IP_BAD_OPTION);
}

static void extension_headers_are_bounded(void **state)
{
    struct chain chain;
    struct gn__ip ip;

    (void)state;
    for (unsigned n = 8; n < 10; n++) {
        chain_init(&chain);
        for (unsigned i = 0; i < n; i++)
            chain_add(&chain, GN__PROTO_IP6_DESTINATION, 8);
        assert_int_equal(chain_parse(&chain, GN__PROTO_UDP, 8, &ip),
                         n == 8 ? GN__IP_FINE : GN__IP_BAD_OPTION);
    }
    chain_init(&chain);
    chain_add(&chain, GN__PROTO_IP6_DESTINATION, 80);
    assert_int_equal(chain_parse(&chain, GN__PROTO_UDP, 8, &ip), GN__IP_FINE);
    chain_init(&chain);
    chain_add(&chain, GN__PROTO_IP6_DESTINATION, 88);
    assert_int_equal(chain_parse(&chain, GN__PROTO_UDP, 8, &ip),
                     GN__IP_BAD_OPTION);
}

static void a_fragment_header_comes_on_top_of_the_bounds(void **state)
{
    struct chain chain;
    struct gn__ip ip;

    (void)state;
    chain_init(&chain);
    for (unsigned i = 0; i < GN__IP_EXTENSIONS_MAX; i++)
        chain_add(&chain, GN__PROTO_IP6_DESTINATION, 8);
    chain_add_fragment(&chain, 1, 7);
    assert_int_equal(chain_parse(&chain, GN__PROTO_UDP, 8, &ip), GN__IP_FINE);
    for (unsigned before = 0; before < 2; before++) {
        chain_init(&chain);
        if (before)
            chain_add_fragment(&chain, 1, 7);
        chain_add(&chain, GN__PROTO_IP6_DESTINATION, 80);
        if (!before)
            chain_add_fragment(&chain, 1, 7);
        assert_int_equal(chain_parse(&chain, GN__PROTO_UDP, 8, &ip),
                         GN__IP_FINE);
        assert_int_equal(ip.l4, 128);
    }
}

static void extension_headers_end_within_the_packet(void **state)
{
    struct chain chain;
    struct gn__ip ip;

    (void)state;
    chain_init(&chain);
    chain_add(&chain, GN__PROTO_IP6_DESTINATION, 8)[1] = 1;
    assert_int_equal(chain_parse(&chain, GN__PROTO_UDP, 0, &ip),
                     GN__IP_BAD_OPTION);
    chain_init(&chain);
    assert_int_equal(chain_parse(&chain, GN__PROTO_IP6_DESTINATION, 7, &ip),
                     GN__IP_BAD_OPTION);
}

static void unknown_protocols_are_upper_protocols(void **state)
{
    static const uint8_t protos[] = {50, 51, 59, 135, 253};
    struct chain chain;
    struct gn__ip ip;

    (void)state;
    for (size_t i = 0; i < sizeof(protos); i++) {
        chain_init(&chain);
        assert_int_equal(chain_parse(&chain, protos[i], 0, &ip), GN__IP_FINE);
        assert_int_equal(ip.proto, protos[i]);
        assert_int_equal(ip.l4, 40);
    }
}

static void impossible_ipv4_addresses_are_refused(void **state)
{
    uint32_t good = 0x0a4d0002;

    (void)state;
    assert_int_equal(parse4_addresses(0xe0000001, good), GN__IP_BAD_ADDRESS);
    assert_int_equal(parse4_addresses(0xffffffff, good), GN__IP_BAD_ADDRESS);
    assert_int_equal(parse4_addresses(0x00000001, good), GN__IP_BAD_ADDRESS);
    assert_int_equal(parse4_addresses(good, 0), GN__IP_BAD_ADDRESS);
    assert_int_equal(parse4_addresses(good, 0x00000001), GN__IP_BAD_ADDRESS);
    assert_int_equal(parse4_addresses(0, 0xffffffff), GN__IP_FINE);
    assert_int_equal(parse4_addresses(good, 0xe00000fb), GN__IP_FINE);
    assert_int_equal(parse4_addresses(0x7f000001, 0x7f000002), GN__IP_FINE);
}

static void impossible_ipv6_addresses_are_refused(void **state)
{
    (void)state;
    assert_int_equal(parse6_addresses("ff02::1", "fd77::3"),
                     GN__IP_BAD_ADDRESS);
    assert_int_equal(parse6_addresses("fd77::2", "::"), GN__IP_BAD_ADDRESS);
    assert_int_equal(parse6_addresses("fd77::2", "ff00::1"),
                     GN__IP_BAD_ADDRESS);
    assert_int_equal(parse6_addresses("::", "ff02::1:ff00:3"), GN__IP_FINE);
    assert_int_equal(parse6_addresses("::1", "::1"), GN__IP_FINE);
}

static void mapped_addresses_do_not_pass_for_ipv4(void **state)
{
    (void)state;
    assert_int_equal(parse6_addresses("::ffff:10.77.0.1", "fd77::3"),
                     GN__IP_BAD_ADDRESS);
    assert_int_equal(parse6_addresses("fd77::2", "::ffff:10.77.0.1"),
                     GN__IP_BAD_ADDRESS);
}

static void flaws_leave_the_output_alone(void **state)
{
    struct gn__ip ip, before;

    (void)state;
    memset(&ip, 0xa5, sizeof(ip));
    memcpy(&before, &ip, sizeof(ip));
    assert_int_equal(gn__ip_parse(tcp4, 39, 39, true, &ip), GN__IP_SHORT);
    assert_memory_equal(&ip, &before, sizeof(ip));
}

static void build_writes_what_parse_reads(void **state)
{
    static const char *const addrs[][2] = {{"10.77.0.2", "10.77.0.3"},
                                           {"fd77::2", "fd77::3"}};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct gn__ip_build what = {.proto = GN__PROTO_UDP,
                                    .ttl = 63,
                                    .tos = 0xb8,
                                    .dont_fragment = true,
                                    .id = 0x4321,
                                    .payload_len = 1000};
        uint8_t head[40];
        struct gn__ip ip;
        size_t len;

        assert_int_equal(gn__addr_parse(addrs[i][0], &what.src), 0);
        assert_int_equal(gn__addr_parse(addrs[i][1], &what.dst), 0);
        len = gn__ip_build(&what, head);
        assert_int_equal(len, i == 0 ? 20 : 40);
        assert_int_equal(gn__ip_parse(head, len, len + 1000, false, &ip),
                         GN__IP_FINE);
        assert_int_equal(ip.total_len, len + 1000);
        assert_int_equal(ip.l4, len);
        assert_int_equal(ip.proto, GN__PROTO_UDP);
        assert_int_equal(ip.ttl, 63);
        assert_int_equal(ip.tos, 0xb8);
        assert_int_equal(ip.frag_id, i == 0 ? 0x4321 : 0);
        assert_true(ip.dont_fragment);
        assert_true(gn__addr_equal(&ip.src, &what.src));
        assert_true(gn__addr_equal(&ip.dst, &what.dst));
    }
}

static void set_ttl_keeps_the_checksum_right(void **state)
{
    uint8_t head[20];
    struct gn__ip ip;

    (void)state;
    for (unsigned id = 0; id < 65536; id += 13) {
        memcpy(head, tcp4, sizeof(head));
        gn__put16(head + 4, (uint16_t)id);
        gn__put16(head + 10, 0);
        gn__put16(head + 10, gn__ip4_checksum(head, 20));
        gn__ip_set_ttl(head, (uint8_t)(id >> 8));
        assert_int_equal(gn__ip_parse(head, 20, 40, true, &ip), GN__IP_FINE);
        assert_int_equal(ip.ttl, id >> 8);
    }
}

static void set_ttl_writes_the_hop_limit(void **state)
{
    uint8_t head[40];

    (void)state;
    memcpy(head, udp6, sizeof(head));
    gn__ip_set_ttl(head, 5);
    assert_int_equal(head[7], 5);
    head[7] = 63;
    assert_memory_equal(head, udp6, sizeof(head));
}

/* RFC 1071 as it is written: 16-bit words, end-around carry. */
static uint16_t naive_sum(const uint8_t *p, size_t len)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i++)
        sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void checksum_equals_the_naive_one(void **state)
{
    uint8_t bytes[300];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 167 + 255);
    for (size_t len = 0; len < 256; len++) {
        for (size_t from = 0; from < 9; from++) {
            bool odd = false;
            uint32_t sum = gn__csum_add(0, bytes + from, len, &odd);

            assert_int_equal(odd, len % 2);
            assert_int_equal(gn__csum_fold(sum), naive_sum(bytes + from, len));
        }
    }
}

static void checksum_of_parts_equals_that_of_the_whole(void **state)
{
    uint8_t bytes[64];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(255 - i * 3);
    for (size_t a = 0; a <= sizeof(bytes); a++) {
        for (size_t b = a; b <= sizeof(bytes); b++) {
            bool odd = false;
            uint32_t sum = gn__csum_add(0, bytes, a, &odd);

            sum = gn__csum_add(sum, bytes + a, b - a, &odd);
            sum = gn__csum_add(sum, bytes + b, sizeof(bytes) - b, &odd);
            assert_int_equal(gn__csum_fold(sum),
                             naive_sum(bytes, sizeof(bytes)));
        }
    }
}

static void checksum_carries_are_not_lost(void **state)
{
    static uint8_t bytes[65536];
    bool odd = false;

    (void)state;
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(
        gn__csum_fold(gn__csum_add(0xffffffff, bytes, sizeof(bytes), &odd)), 0);
}

static void pseudo_header_sums_addresses_proto_and_length(void **state)
{
    /* RFC 793: 10.77.0.2, 10.77.0.3, 0, 6, 20. */
    static const uint8_t pseudo4[] = {10, 77, 0, 2, 10, 77, 0, 3, 0, 6, 0, 20};
    uint8_t pseudo6[40] = {[34] = 0, [35] = 12, [39] = 17};
    struct gn__ip ip;

    (void)state;
    assert_int_equal(gn__ip_parse(tcp4, 40, 40, true, &ip), GN__IP_FINE);
    assert_int_equal(gn__csum_fold(gn__csum_pseudo(&ip, 20)),
                     naive_sum(pseudo4, sizeof(pseudo4)));
    memcpy(pseudo6, udp6 + 8, 32);
    assert_int_equal(gn__ip_parse(udp6, 52, 52, true, &ip), GN__IP_FINE);
    assert_int_equal(gn__csum_fold(gn__csum_pseudo(&ip, 12)),
                     naive_sum(pseudo6, sizeof(pseudo6)));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_fields_are_read),
        cmocka_unit_test(ipv6_fields_are_read),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(the_head_alone_is_enough),
        cmocka_unit_test(padding_behind_the_packet_is_no_flaw),
        cmocka_unit_test(other_versions_are_refused),
        cmocka_unit_test(contradicting_lengths_are_refused),
        cmocka_unit_test(ipv6_beyond_65535_bytes_is_refused),
        cmocka_unit_test(wrong_header_checksum_is_found_when_asked_for),
        cmocka_unit_test(well_formed_ipv4_options_are_skipped),
        cmocka_unit_test(malformed_ipv4_options_are_refused),
        cmocka_unit_test(source_routes_are_refused),
        cmocka_unit_test(finished_routing_headers_are_skipped),
        cmocka_unit_test(ipv4_fragments_are_recognised),
        cmocka_unit_test(impossible_ipv4_fragments_are_refused),
        cmocka_unit_test(ipv6_fragments_are_recognised),
        cmocka_unit_test(atomic_fragments_are_whole_packets),
        cmocka_unit_test(later_ipv6_fragments_end_the_chain),
        cmocka_unit_test(impossible_ipv6_fragments_are_refused),
        cmocka_unit_test(ipv6_extension_headers_are_walked),
        cmocka_unit_test(hop_by_hop_is_refused_unless_first),
        cmocka_unit_test(jumbograms_are_refused),
        cmocka_unit_test(unknown_ipv6_options_are_skipped_if_they_allow),
        cmocka_unit_test(malformed_ipv6_options_are_refused),
        cmocka_unit_test(extension_headers_are_bounded),
        cmocka_unit_test(a_fragment_header_comes_on_top_of_the_bounds),
        cmocka_unit_test(extension_headers_end_within_the_packet),
        cmocka_unit_test(unknown_protocols_are_upper_protocols),
        cmocka_unit_test(impossible_ipv4_addresses_are_refused),
        cmocka_unit_test(impossible_ipv6_addresses_are_refused),
        cmocka_unit_test(mapped_addresses_do_not_pass_for_ipv4),
        cmocka_unit_test(flaws_leave_the_output_alone),
        cmocka_unit_test(build_writes_what_parse_reads),
        cmocka_unit_test(set_ttl_keeps_the_checksum_right),
        cmocka_unit_test(set_ttl_writes_the_hop_limit),
        cmocka_unit_test(checksum_equals_the_naive_one),
        cmocka_unit_test(checksum_of_parts_equals_that_of_the_whole),
        cmocka_unit_test(checksum_carries_are_not_lost),
        cmocka_unit_test(pseudo_header_sums_addresses_proto_and_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
