/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "guests/nic/nd.h"
#include "netstack/netstack.h"

static struct gn__addr addr_of(const char *text)
{
    struct gn__addr addr;

    assert_int_equal(gn__addr_parse(text, &addr), 0);
    return addr;
}

static struct gn__nd solicitation(void)
{
    struct gn__nd nd = {.type = GN__ND_NEIGHBOR_SOLICIT,
                        .target = addr_of("fd77::1"),
                        .mac = {2, 1, 2, 3, 4, 5},
                        .has_mac = true};

    return nd;
}

static void a_solicitation_is_read_as_it_was_written(void **state)
{
    struct gn__nd in = solicitation(), out;
    uint8_t bytes[GN__ND_LEN];
    size_t len = gn__nd_build(&in, bytes);

    (void)state;
    assert_int_equal(len, 32);
    assert_true(gn__nd_parse(bytes, len, &out));
    assert_memory_equal(&out.target, &in.target, sizeof(in.target));
    assert_true(out.has_mac);
    assert_memory_equal(out.mac, in.mac, 6);
}

static void an_advertisement_keeps_its_flags(void **state)
{
    struct gn__nd in = solicitation(), out;
    uint8_t bytes[GN__ND_LEN];
    unsigned flags;

    (void)state;
    in.type = GN__ND_NEIGHBOR_ADVERT;
    for (flags = 0; flags < 8; flags++) {
        in.router = flags & 1;
        in.solicited = flags & 2;
        in.override = flags & 4;
        assert_true(gn__nd_parse(bytes, gn__nd_build(&in, bytes), &out));
        assert_int_equal(out.router, in.router);
        assert_int_equal(out.solicited, in.solicited);
        assert_int_equal(out.override, in.override);
    }
}

static void a_probe_without_an_option_is_read(void **state)
{
    struct gn__nd in = solicitation(), out;
    uint8_t bytes[GN__ND_LEN];

    (void)state;
    in.has_mac = false;
    assert_int_equal(gn__nd_build(&in, bytes), 24);
    assert_true(gn__nd_parse(bytes, 24, &out));
    assert_false(out.has_mac);
}

static void options_that_lie_are_refused(void **state)
{
    struct gn__nd in = solicitation(), out;
    uint8_t bytes[GN__ND_LEN];
    size_t len;

    (void)state;
    gn__nd_build(&in, bytes);
    for (len = 0; len < 32; len++)
        assert_int_equal(gn__nd_parse(bytes, len, &out), len == 24);
    bytes[25] = 0;
    assert_false(gn__nd_parse(bytes, 32, &out));
    bytes[25] = 2;
    assert_false(gn__nd_parse(bytes, 32, &out));
}

static void what_a_guest_must_not_say_is_not_read(void **state)
{
    static const char *const targets[] = {"ff02::1", "::", "::ffff:10.0.0.1"};
    struct gn__nd in = solicitation(), out;
    uint8_t bytes[GN__ND_LEN];
    size_t i;

    (void)state;
    for (i = 0; i < 3; i++) {
        in = solicitation();
        gn__nd_build(&in, bytes);
        memcpy(bytes + 8, addr_of(targets[i]).bytes, 16);
        assert_false(gn__nd_parse(bytes, 32, &out));
    }
    in = solicitation();
    gn__nd_build(&in, bytes);
    bytes[0] = GN__ND_ROUTER_ADVERT;
    assert_false(gn__nd_parse(bytes, 32, &out));
    bytes[0] = GN__ND_REDIRECT;
    assert_false(gn__nd_parse(bytes, 32, &out));
    assert_true(gn__nd_is(GN__ND_REDIRECT) && gn__nd_is(133) &&
                !gn__nd_is(128) && !gn__nd_is(138));
}

static void the_solicited_group_has_the_last_three_bytes(void **state)
{
    struct gn__addr addr = addr_of("fd77::12:3456");
    struct gn__addr want = addr_of("ff02::1:ff12:3456");
    struct gn__addr got = gn__nd_solicited_group(&addr);

    (void)state;
    assert_memory_equal(&got, &want, sizeof(got));
}

/* ---- router advertisements ---- */

static struct gn__ra advertisement(void)
{
    struct gn__ra ra = {.mac = {2, 0, 0, 0, 0, 1},
                        .router_s = 1800,
                        .mtu = 1500,
                        .managed = true,
                        .dns = addr_of("fd77::1"),
                        .domain = "guest.internal",
                        .dns_s = 3600,
                        .n_prefixes = 1};

    assert_int_equal(
        gn__prefix_parse("fd77::/64", &ra.prefixes[0].prefix, NULL, 0), 0);
    ra.prefixes[0].autonomous = true;
    ra.prefixes[0].valid_s = 86400;
    ra.prefixes[0].preferred_s = 14400;
    return ra;
}

/* The first option of this type, or NULL. */
static const uint8_t *find_option(const uint8_t *msg, size_t len, uint8_t type)
{
    size_t at;

    for (at = 16; at + 8 <= len; at += msg[at + 1] * 8u) {
        assert_int_not_equal(msg[at + 1], 0);
        assert_true(at + msg[at + 1] * 8u <= len);
        if (msg[at] == type)
            return msg + at;
    }
    assert_int_equal(at, len);
    return NULL;
}

static void an_advertisement_says_all_that_was_asked_for(void **state)
{
    struct gn__ra ra = advertisement();
    uint8_t msg[GN__RA_MAX];
    size_t len = gn__ra_build(&ra, msg);
    const uint8_t *option;

    (void)state;
    assert_int_equal(msg[0], 134);
    assert_int_equal(msg[5], 0x80);
    assert_int_equal(gn__get16(msg + 6), 1800);
    assert_memory_equal(find_option(msg, len, 1) + 2, ra.mac, 6);
    assert_int_equal(gn__get32(find_option(msg, len, 5) + 4), 1500);
    option = find_option(msg, len, 3);
    assert_int_equal(option[2], 64);
    assert_int_equal(option[3], 0xc0);
    assert_int_equal(gn__get32(option + 4), 86400);
    assert_memory_equal(option + 16, addr_of("fd77::").bytes, 16);
    assert_memory_equal(find_option(msg, len, 25) + 8, ra.dns.bytes, 16);
    option = find_option(msg, len, 31);
    assert_memory_equal(option + 8, "\5guest\10internal", 16);
}

static void what_is_not_known_is_not_said(void **state)
{
    struct gn__ra ra = advertisement();
    uint8_t msg[GN__RA_MAX];
    size_t len;

    (void)state;
    ra.mtu = 0;
    ra.n_prefixes = 0;
    ra.domain = "";
    ra.dns = gn__addr_any(AF_INET6);
    len = gn__ra_build(&ra, msg);
    assert_int_equal(len, 24);
    assert_null(find_option(msg, len, 5));
}

static void the_longest_advertisement_fits(void **state)
{
    char domain[255];
    struct gn__ra ra = advertisement();
    uint8_t msg[GN__RA_MAX];
    size_t i, len;

    (void)state;
    for (i = 0; i < sizeof(domain) - 1; i++)
        domain[i] = i % 64 == 63 ? '.' : 'a';
    domain[253] = 0;
    ra.domain = domain;
    for (i = 1; i < GN__RA_PREFIXES; i++)
        ra.prefixes[i] = ra.prefixes[0];
    ra.n_prefixes = GN__RA_PREFIXES;
    len = gn__ra_build(&ra, msg);
    assert_true(len <= GN__RA_MAX);
    assert_non_null(find_option(msg, len, 31));
}

static void names_that_are_none_are_not_written(void **state)
{
    static const char *const bad[] = {"", ".", "a..b", ".a"};
    char label[70];
    uint8_t out[255];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(gn__domain_write(bad[i], out, sizeof(out)), 0);
    memset(label, 'a', 64);
    label[64] = 0;
    assert_int_equal(gn__domain_write(label, out, sizeof(out)), 0);
    assert_int_equal(gn__domain_write(label + 1, out, sizeof(out)), 65);
    assert_int_equal(gn__domain_write("ab.c", out, 6), 6);
    assert_int_equal(gn__domain_write("ab.c", out, 5), 0);
    assert_int_equal(gn__domain_write("ab.c.", out, 6), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_solicitation_is_read_as_it_was_written),
        cmocka_unit_test(an_advertisement_keeps_its_flags),
        cmocka_unit_test(a_probe_without_an_option_is_read),
        cmocka_unit_test(options_that_lie_are_refused),
        cmocka_unit_test(what_a_guest_must_not_say_is_not_read),
        cmocka_unit_test(the_solicited_group_has_the_last_three_bytes),
        cmocka_unit_test(an_advertisement_says_all_that_was_asked_for),
        cmocka_unit_test(what_is_not_known_is_not_said),
        cmocka_unit_test(the_longest_advertisement_fits),
        cmocka_unit_test(names_that_are_none_are_not_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
