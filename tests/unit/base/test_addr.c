/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/addr.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct gn__addr addr(const char *text)
{
    struct gn__addr a;

    if (gn__addr_parse(text, &a))
        fail_msg("%s is no address", text);
    return a;
}

static void one_type_holds_both_versions(void **state)
{
    struct gn__addr v4 = addr("10.1.2.3"), v6 = addr("fd77::1");
    struct gn__addr mapped = addr("::ffff:10.1.2.3");
    struct gn__addr made = gn__addr_from_v4(0x0a010203);
    char text[GN__ADDR_TEXT];

    (void)state;
    assert_true(gn__addr_is_v4(&v4));
    assert_false(gn__addr_is_v4(&v6));
    assert_true(gn__addr_equal(&v4, &mapped));
    assert_true(gn__addr_equal(&v4, &made));
    assert_int_equal(gn__addr_v4(&v4), 0x0a010203);
    assert_int_equal(gn__addr_family(&v4), AF_INET);
    assert_int_equal(gn__addr_family(&v6), AF_INET6);
    assert_string_equal(gn__addr_format(&v4, text, sizeof(text)), "10.1.2.3");
    assert_string_equal(gn__addr_format(&v6, text, sizeof(text)), "fd77::1");
    assert_string_equal(gn__addr_format(&v6, text, 5), "fd77");
}

static void parse_refuses_what_is_no_address(void **state)
{
    static const char *const bad[] = {"",          "10.1.2",    "10.1.2.256",
                                      "1.2.3.4 ",  "010.1.2.3", "fd77:::1",
                                      "fe80::1%2", "[::1]",     "web"};
    struct gn__addr a;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(gn__addr_parse(bad[i], &a), -EINVAL);
}

static bool is(bool (*question)(const struct gn__addr *), const char *text)
{
    struct gn__addr a = addr(text);

    return question(&a);
}

static void any_is_any_of_both_versions(void **state)
{
    struct gn__addr any4 = gn__addr_any(AF_INET);

    (void)state;
    assert_true(is(gn__addr_is_any, "0.0.0.0"));
    assert_true(is(gn__addr_is_any, "::"));
    assert_false(is(gn__addr_is_any, "0.0.0.1"));
    assert_false(is(gn__addr_is_any, "::1"));
    assert_true(gn__addr_is_v4(&any4));
}

static void kinds_are_told_apart(void **state)
{
    (void)state;
    assert_true(is(gn__addr_is_loopback, "127.0.0.1"));
    assert_true(is(gn__addr_is_loopback, "127.255.0.7"));
    assert_true(is(gn__addr_is_loopback, "::1"));
    assert_false(is(gn__addr_is_loopback, "128.0.0.1"));
    assert_false(is(gn__addr_is_loopback, "::2"));
    assert_true(is(gn__addr_is_multicast, "224.0.0.1"));
    assert_true(is(gn__addr_is_multicast, "239.255.255.255"));
    assert_true(is(gn__addr_is_multicast, "ff02::1"));
    assert_false(is(gn__addr_is_multicast, "240.0.0.1"));
    assert_false(is(gn__addr_is_multicast, "fe80::1"));
    assert_true(is(gn__addr_is_broadcast, "255.255.255.255"));
    assert_false(is(gn__addr_is_broadcast, "10.255.255.255"));
    assert_true(is(gn__addr_is_linklocal, "169.254.1.1"));
    assert_true(is(gn__addr_is_linklocal, "febf::1"));
    assert_false(is(gn__addr_is_linklocal, "169.255.1.1"));
    assert_false(is(gn__addr_is_linklocal, "fec0::1"));
    assert_true(is(gn__addr_needs_scope, "fe80::1"));
    assert_true(is(gn__addr_needs_scope, "ff02::1"));
    assert_true(is(gn__addr_needs_scope, "ff01::1"));
    assert_false(is(gn__addr_needs_scope, "ff05::1"));
    assert_false(is(gn__addr_needs_scope, "169.254.1.1"));
}

static void masks_in_the_versions_own_bits(void **state)
{
    struct gn__addr v4 = addr("10.1.2.255"), v6 = addr("fd77:1:2:3::ff");
    char text[GN__ADDR_TEXT];
    struct gn__addr a;

    (void)state;
    a = gn__addr_mask(&v4, 25);
    assert_string_equal(gn__addr_format(&a, text, sizeof(text)), "10.1.2.128");
    a = gn__addr_mask(&v4, 0);
    assert_string_equal(gn__addr_format(&a, text, sizeof(text)), "0.0.0.0");
    a = gn__addr_mask(&v4, 32);
    assert_true(gn__addr_equal(&a, &v4));
    a = gn__addr_mask(&v6, 46);
    assert_string_equal(gn__addr_format(&a, text, sizeof(text)), "fd77:1::");
    a = gn__addr_mask(&v6, 0);
    assert_string_equal(gn__addr_format(&a, text, sizeof(text)), "::");
    a = gn__addr_mask(&v6, 128);
    assert_true(gn__addr_equal(&a, &v6));
}

static void numbers_carry_over_all_bytes(void **state)
{
    struct gn__addr a = addr("fd77::ffff:ffff:ffff:ffff");
    char text[GN__ADDR_TEXT];

    (void)state;
    a = gn__addr_from_number(gn__addr_to_number(&a) + 1);
    assert_string_equal(gn__addr_format(&a, text, sizeof(text)),
                        "fd77:0:0:1::");
    assert_true(gn__addr_low_bits(0) == 0);
    assert_true(gn__addr_low_bits(128) == ~(gn__u128)0);
}

static struct sockaddr_in6 in6(const char *text, uint16_t port, uint32_t scope)
{
    struct gn__addr a = addr(text);
    struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6,
                                .sin6_port = htons(port),
                                .sin6_scope_id = scope};

    memcpy(&sin6.sin6_addr, a.bytes, 16);
    return sin6;
}

static struct sockaddr_in in4(uint32_t v4, uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(v4)};
}

static int from(const void *sa, socklen_t len, int family,
                struct gn__endpoint *out)
{
    return gn__endpoint_from_sockaddr(sa, len, family, out);
}

static void endpoint_reads_sockaddrs(void **state)
{
    struct sockaddr_in6 v6 = in6("fe80::7", 80, 3),
                        global = in6("fd77::1", 1, 9);
    struct sockaddr_in v4 = in4(0x0a000001, 65535);
    char text[GN__ADDR_TEXT];
    struct gn__endpoint e;

    (void)state;
    assert_int_equal(from(&v4, sizeof(v4), AF_INET, &e), 0);
    assert_string_equal(gn__endpoint_format(&e, text, sizeof(text)),
                        "10.0.0.1:65535");
    assert_int_equal(from(&v6, sizeof(v6), AF_INET6, &e), 0);
    assert_string_equal(gn__endpoint_format(&e, text, sizeof(text)),
                        "[fe80::7%3]:80");
    assert_int_equal(from(&v6, 24, AF_INET6, &e), 0);
    assert_int_equal(e.scope, 0);
    assert_int_equal(from(&global, sizeof(global), AF_UNSPEC, &e), 0);
    assert_int_equal(e.scope, 0);
    assert_int_equal(from(&v4, sizeof(v4) + 100, AF_UNSPEC, &e), 0);
}

static void endpoint_refuses_short_and_foreign(void **state)
{
    struct sockaddr_in6 v6 = in6("fd77::1", 80, 0);
    struct sockaddr_in v4 = in4(1, 2);
    struct sockaddr_storage other = {.ss_family = AF_UNIX};
    struct gn__endpoint e;

    (void)state;
    assert_int_equal(from(NULL, 16, AF_INET, &e), -EINVAL);
    assert_int_equal(from(&v4, 0, AF_INET, &e), -EINVAL);
    assert_int_equal(from(&v4, 1, AF_UNSPEC, &e), -EINVAL);
    assert_int_equal(from(&v4, 15, AF_INET, &e), -EINVAL);
    assert_int_equal(from(&v4, 15, AF_UNSPEC, &e), -EINVAL);
    assert_int_equal(from(&v6, 23, AF_INET6, &e), -EINVAL);
    assert_int_equal(from(&v6, sizeof(v6), AF_INET, &e), -EAFNOSUPPORT);
    assert_int_equal(from(&v4, sizeof(v4), AF_INET6, &e), -EINVAL);
    assert_int_equal(from(&other, sizeof(other), AF_INET6, &e), -EAFNOSUPPORT);
    assert_int_equal(from(&other, sizeof(other), AF_UNSPEC, &e), -EAFNOSUPPORT);
    assert_int_equal(from(&other, 2, AF_UNSPEC, &e), -EAFNOSUPPORT);
}

static void endpoint_writes_what_the_socket_shows(void **state)
{
    struct gn__endpoint v4 = {.addr = addr("10.0.0.1"), .port = 80};
    struct gn__endpoint any6 = {.addr = addr("::"), .port = 7};
    struct sockaddr_in6 mapped = in6("10.0.0.1", 80, 0), sin6;
    struct sockaddr_in expected = in4(0x0a000001, 80), sin;
    struct gn__endpoint back;

    (void)state;
    assert_int_equal(gn__endpoint_to_sockaddr(
                         &v4, AF_INET, (struct sockaddr *)&sin, sizeof(sin)),
                     sizeof(sin));
    assert_memory_equal(&sin, &expected, sizeof(sin));
    assert_int_equal(gn__endpoint_to_sockaddr(
                         &v4, AF_INET6, (struct sockaddr *)&sin6, sizeof(sin6)),
                     sizeof(sin6));
    assert_memory_equal(&sin6, &mapped, sizeof(sin6));
    assert_int_equal(from(&sin6, sizeof(sin6), AF_INET6, &back), 0);
    assert_true(gn__endpoint_equal(&back, &v4));
    assert_int_equal(gn__endpoint_to_sockaddr(
                         &any6, AF_INET, (struct sockaddr *)&sin, sizeof(sin)),
                     sizeof(sin));
    assert_int_equal(sin.sin_addr.s_addr, 0);
    assert_int_equal(gn__endpoint_to_sockaddr(&any6, AF_UNSPEC, NULL, 0),
                     sizeof(sin6));
}

static void endpoint_is_cut_where_the_buffer_ends(void **state)
{
    struct gn__endpoint v4 = {.addr = addr("10.0.0.1"), .port = 80};
    unsigned char buf[8];

    (void)state;
    memset(buf, 0xee, sizeof(buf));
    assert_int_equal(gn__endpoint_to_sockaddr(
                         &v4, AF_INET, (struct sockaddr *)(void *)buf, 5),
                     sizeof(struct sockaddr_in));
    assert_int_equal(buf[4], 10);
    assert_int_equal(buf[5], 0xee);
}

static void public_values_convert(void **state)
{
    struct gn__addr v4 = addr("10.0.0.1"), v6 = addr("fd77::1"), back;
    struct gn_ip ip = gn__addr_to_ip(&v4);

    (void)state;
    assert_int_equal(ip.family, AF_INET);
    assert_int_equal(ip.bytes[0], 10);
    assert_int_equal(gn__addr_from_ip(&ip, &back), 0);
    assert_true(gn__addr_equal(&back, &v4));
    ip = gn__addr_to_ip(&v6);
    assert_int_equal(gn__addr_from_ip(&ip, &back), 0);
    assert_true(gn__addr_equal(&back, &v6));
    ip.family = 0;
    assert_int_equal(gn__addr_from_ip(&ip, &back), -EINVAL);
}

/* What is read is written again as expected; NULL: as it was. */
static void round_trip(const char *text, const char *expected)
{
    struct sockaddr_storage ss;
    char buf[GN_ADDR_TEXT_MAX];
    socklen_t len;

    if (gn_addr_parse(text, &ss, &len))
        fail_msg("%s was refused", text);
    assert_int_equal(len, ss.ss_family == AF_INET
                              ? sizeof(struct sockaddr_in)
                              : sizeof(struct sockaddr_in6));
    assert_int_equal(gn_addr_format((struct sockaddr *)&ss, buf, sizeof(buf)),
                     0);
    assert_string_equal(buf, expected ? expected : text);
}

static void public_text_makes_the_round_trip(void **state)
{
    (void)state;
    round_trip("1.2.3.4", NULL);
    round_trip("1.2.3.4:80", NULL);
    round_trip("1.2.3.4:0", "1.2.3.4");
    round_trip("::", NULL);
    round_trip("fd77::1", NULL);
    round_trip("[fd77::1]", "fd77::1");
    round_trip("[fd77::1]:65535", NULL);
    round_trip("[fd77:0:0::1]:80", "[fd77::1]:80");
    round_trip("::ffff:1.2.3.4", NULL);
    round_trip("fe80::1%4294967295", NULL);
    round_trip("[fe80::1%2]:80", NULL);
    round_trip("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:1",
               "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:1");
}

static void public_parse_refuses_the_rest(void **state)
{
    static const char *const bad[] = {
        "",
        ":",
        ":80",
        "1.2.3.4:",
        "1.2.3.4:65536",
        "1.2.3.4:+1",
        "1.2.3.4: 1",
        "1.2.3.4:01",
        "1.2.3",
        "[1.2.3.4]:80",
        "[fd77::1",
        "[fd77::1]80",
        "[fd77::1]:",
        "fd77::1]",
        "[]",
        "[]:80",
        "fd77::1%2",
        "fe80::1%",
        "fe80::1%eth0",
        "fe80::1%4294967296",
        "localhost",
        "localhost:80",
        "1.2.3.4:80x",
        "[fe80::1]%2:80",
        "[[::1]]",
        "1.2.3.4:99999999999999999999",
    };
    struct sockaddr_storage ss;
    char longer[500];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (gn_addr_parse(bad[i], &ss, NULL) != -EINVAL)
            fail_msg("%s was not refused", bad[i]);
    }
    memset(longer, '1', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(gn_addr_parse(longer, &ss, NULL), -EINVAL);
    longer[0] = '[';
    assert_int_equal(gn_addr_parse(longer, &ss, NULL), -EINVAL);
    assert_int_equal(gn_addr_parse(NULL, &ss, NULL), -EINVAL);
    assert_int_equal(gn_addr_parse("1.2.3.4", NULL, NULL), -EINVAL);
}

static void public_format_says_when_it_does_not_fit(void **state)
{
    struct sockaddr_in v4 = in4(0x01020304, 80);
    struct sockaddr other = {.sa_family = AF_UNIX};
    struct sockaddr *sa = (struct sockaddr *)&v4;
    char buf[16] = "unchanged";

    (void)state;
    assert_int_equal(gn_addr_format(sa, buf, 10), -ENOSPC);
    assert_string_equal(buf, "unchanged");
    assert_int_equal(gn_addr_format(sa, buf, 11), 0);
    assert_string_equal(buf, "1.2.3.4:80");
    assert_int_equal(gn_addr_format(&other, buf, sizeof(buf)), -EAFNOSUPPORT);
    assert_int_equal(gn_addr_format(NULL, buf, sizeof(buf)), -EINVAL);
    assert_int_equal(gn_addr_format(sa, NULL, 0), -EINVAL);
}

static void public_ip_text_makes_the_round_trip(void **state)
{
    struct gn_ip ip;
    char buf[GN_ADDR_TEXT_MAX];

    (void)state;
    assert_int_equal(gn_ip_parse("10.0.0.1", &ip), 0);
    assert_int_equal(gn_ip_format(&ip, buf, sizeof(buf)), 0);
    assert_string_equal(buf, "10.0.0.1");
    assert_int_equal(gn_ip_parse("fd77::1", &ip), 0);
    assert_int_equal(gn_ip_format(&ip, buf, sizeof(buf)), 0);
    assert_string_equal(buf, "fd77::1");
    assert_int_equal(gn_ip_format(&ip, buf, 7), -ENOSPC);
    assert_int_equal(gn_ip_parse("10.0.0.1:80", &ip), -EINVAL);
    assert_int_equal(gn_ip_parse(NULL, &ip), -EINVAL);
    assert_int_equal(gn_ip_format(NULL, buf, 7), -EINVAL);
    ip.family = 99;
    assert_int_equal(gn_ip_format(&ip, buf, sizeof(buf)), -EAFNOSUPPORT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_type_holds_both_versions),
        cmocka_unit_test(parse_refuses_what_is_no_address),
        cmocka_unit_test(any_is_any_of_both_versions),
        cmocka_unit_test(kinds_are_told_apart),
        cmocka_unit_test(masks_in_the_versions_own_bits),
        cmocka_unit_test(numbers_carry_over_all_bytes),
        cmocka_unit_test(endpoint_reads_sockaddrs),
        cmocka_unit_test(endpoint_refuses_short_and_foreign),
        cmocka_unit_test(endpoint_writes_what_the_socket_shows),
        cmocka_unit_test(endpoint_is_cut_where_the_buffer_ends),
        cmocka_unit_test(public_values_convert),
        cmocka_unit_test(public_text_makes_the_round_trip),
        cmocka_unit_test(public_parse_refuses_the_rest),
        cmocka_unit_test(public_format_says_when_it_does_not_fit),
        cmocka_unit_test(public_ip_text_makes_the_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
