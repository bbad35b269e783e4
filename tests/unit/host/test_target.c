/* SPDX-License-Identifier: BSD-3-Clause */

/* Networks and addresses as text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/conn.h>

#include "host/conn/target.h"

static void networks_say_type_and_version(void **state)
{
    static const struct {
        const char *name;
        int type, family;
    } rows[] = {
        {"tcp", SOCK_STREAM, AF_UNSPEC}, {"tcp4", SOCK_STREAM, AF_INET},
        {"tcp6", SOCK_STREAM, AF_INET6}, {"udp", SOCK_DGRAM, AF_UNSPEC},
        {"udp4", SOCK_DGRAM, AF_INET},   {"udp6", SOCK_DGRAM, AF_INET6},
    };
    struct gn__target target;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_int_equal(
            gn__target_parse(rows[i].name, ":80", &target, NULL, 0), 0);
        assert_int_equal(target.type, rows[i].type);
        assert_int_equal(target.family, rows[i].family);
    }
}

/* What a text is read as: "name x port 80", "addr x", "none". */
static void describe(const char *proto, const char *address, char *out,
                     size_t cap)
{
    struct gn__target target;
    char addr[GN__ADDR_TEXT], scope[16] = "";

    if (gn__target_parse(proto, address, &target, NULL, 0)) {
        (void)snprintf(out, cap, "refused");
        return;
    }
    if (target.scope)
        (void)snprintf(scope, sizeof(scope), "%%%u", target.scope);
    (void)snprintf(addr, sizeof(addr), "%s",
                   target.has_addr  ? ""
                   : target.host[0] ? ""
                                    : "none");
    if (target.has_addr)
        (void)gn__addr_format(&target.addr, addr, sizeof(addr));
    if (target.service[0])
        (void)snprintf(out, cap, "%s%s%s %s", target.host, addr, scope,
                       target.service);
    else
        (void)snprintf(out, cap, "%s%s%s %u", target.host, addr, scope,
                       target.port);
}

static void addresses_are_read(void **state)
{
    static const char *const rows[][3] = {
        {"tcp", "10.77.0.2:80", "10.77.0.2 80"},
        {"tcp4", "10.77.0.2:80", "10.77.0.2 80"},
        {"tcp", "[fd77::2]:80", "fd77::2 80"},
        {"tcp6", "[::]:0", ":: 0"},
        {"tcp", "[fe80::1%2]:80", "fe80::1%2 80"},
        {"tcp", "[::ffff:10.0.0.1]:80", "10.0.0.1 80"},
        {"tcp", ":80", "none 80"},
        {"tcp", ":http", "none http"},
        {"tcp", "web:80", "web 80"},
        {"tcp", "web.guest.internal:http-alt", "web.guest.internal http-alt"},
        {"tcp", "web.:80", "web 80"},
        {"tcp", "a_b.x-y:1", "a_b.x-y 1"},
        {"tcp", "3com.example:1", "3com.example 1"},
        {"udp", "x:65535", "x 65535"},
    };
    char text[400];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        describe(rows[i][0], rows[i][1], text, sizeof(text));
        assert_string_equal(text, rows[i][2]);
    }
}

static void refusals_say_why(void **state)
{
    static const char *const rows[][3] = {
        {"ip", ":80",
         "proto \"ip\": not one of \"tcp\", \"tcp4\", \"tcp6\", \"udp\", "
         "\"udp4\", \"udp6\""},
        {"", ":80",
         "proto \"\": not one of \"tcp\", \"tcp4\", \"tcp6\", \"udp\", "
         "\"udp4\", \"udp6\""},
        {"tcp", "", "address \"\": no port; \":80\" would have one"},
        {"tcp", "web", "address \"web\": no port; \"web:80\" would have one"},
        {"tcp", "fd77::2",
         "address \"fd77::2\": no port; \"[fd77::2]:80\" would have one"},
        {"tcp", "[fd77::2]",
         "address \"[fd77::2]\": no port; \"[fd77::2]:80\" would have one"},
        {"tcp", "10.0.0.1",
         "address \"10.0.0.1\": no port; \"10.0.0.1:80\" would have one"},
        {"tcp", "fd77::2::80",
         "address \"fd77::2::80\": more than one colon; an IPv6 address "
         "stands in brackets, \"[fd77::2]:80\""},
        {"tcp", "[fd77::2:80",
         "address \"[fd77::2:80\": no \"]\" behind the \"[\""},
        {"tcp", "[10.0.0.1]:80",
         "address \"[10.0.0.1]:80\": \"10.0.0.1\" in brackets is not an IPv6 "
         "address"},
        {"tcp", "[web]:80",
         "address \"[web]:80\": \"web\" in brackets is not an IPv6 address"},
        {"tcp", "[fd77::2%2]:80",
         "address \"[fd77::2%2]:80\": \"%2\": only a link-local address has "
         "one, and it is an interface's number"},
        {"tcp", "[fe80::1%eth0]:80",
         "address \"[fe80::1%eth0]:80\": \"%eth0\": only a link-local address "
         "has one, and it is an interface's number"},
        {"tcp4", "[fd77::2]:80",
         "address \"[fd77::2]:80\": not an IPv4 address, as the proto asks "
         "for"},
        {"udp6", "10.0.0.1:80",
         "address \"10.0.0.1:80\": not an IPv6 address, as the proto asks "
         "for"},
        {"tcp", "web:", "address \"web:\": no port after the colon"},
        {"tcp", "web:65536",
         "address \"web:65536\": port \"65536\" is not a number from 0 to "
         "65535"},
        {"tcp", "web:-1",
         "address \"web:-1\": port \"-1\" is neither a number nor a service's "
         "name"},
        {"tcp", "web:8 0",
         "address \"web:8 0\": port \"8 0\" is neither a number nor a "
         "service's name"},
        {"tcp", "web:averylongservicename",
         "address \"web:averylongservicename\": port \"averylongservicename\" "
         "is neither a number nor a service's name"},
        {"tcp", "10.0.0.256:80",
         "address \"10.0.0.256:80\": \"10.0.0.256\" is neither an address nor "
         "a host's name"},
        {"tcp", "10.1:80",
         "address \"10.1:80\": \"10.1\" is neither an address nor a host's "
         "name"},
        {"tcp", "a..b:80",
         "address \"a..b:80\": \"a..b\" is neither an address nor a host's "
         "name"},
        {"tcp", "a b:80",
         "address \"a b:80\": \"a b\" is neither an address nor a host's "
         "name"},
        {"tcp", ".:80",
         "address \".:80\": \".\" is neither an address nor a host's name"},
        {"tcp", "\n:80",
         "address \"?:80\": \"?\" is neither an address nor a host's name"},
        {NULL, ":80", "proto is NULL"},
        {"tcp", NULL, "address is NULL"},
    };
    char why[300];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        why[0] = '\0';
        assert_int_equal(
            gn_address_check(rows[i][0], rows[i][1], why, sizeof(why)),
            -EINVAL);
        assert_string_equal(why, rows[i][2]);
        assert_int_equal(gn_address_check(rows[i][0], rows[i][1], NULL, 0),
                         -EINVAL);
    }
}

static void a_long_name_is_refused_and_the_longest_is_not(void **state)
{
    char address[400], label[65];
    struct gn__target target;
    char why[300];

    (void)state;
    memset(label, 'a', sizeof(label));
    (void)snprintf(address, sizeof(address), "%.63s.%.63s.%.63s.%.61s:80",
                   label, label, label, label);
    assert_int_equal(gn__target_parse("tcp", address, &target, NULL, 0), 0);
    assert_int_equal(strlen(target.host), 253);
    (void)snprintf(address, sizeof(address), "%.63s.%.63s.%.63s.%.62s:80",
                   label, label, label, label);
    assert_int_equal(
        gn__target_parse("tcp", address, &target, why, sizeof(why)), -EINVAL);
    assert_non_null(strstr(why, "the host's name has more than 253 bytes"));
    (void)snprintf(address, sizeof(address), "%.64s:80", label);
    assert_int_equal(gn__target_parse("tcp", address, &target, NULL, 0),
                     -EINVAL);
}

static void the_line_is_cut(void **state)
{
    char why[8] = "1234567";

    (void)state;
    assert_int_equal(gn_address_check("tcp", "web", why, 6), -EINVAL);
    assert_string_equal(why, "addre");
    assert_int_equal(why[7], '\0');
}

#define LOCAL(text, to, out) gn__target_parse_local(text, to, out, NULL, 0)

static void a_local_address_follows_the_target(void **state)
{
    struct gn__target to4, to6, open;
    struct gn__endpoint local;
    char text[GN__ADDR_TEXT];

    (void)state;
    assert_int_equal(gn__target_parse("tcp", "10.0.0.1:1", &to4, NULL, 0), 0);
    assert_int_equal(gn__target_parse("tcp", "[fd77::1]:1", &to6, NULL, 0), 0);
    assert_int_equal(gn__target_parse("tcp", "web:1", &open, NULL, 0), 0);
    assert_int_equal(LOCAL("10.0.0.2", &to4, &local), 0);
    assert_string_equal(gn__endpoint_format(&local, text, sizeof(text)),
                        "10.0.0.2:0");
    assert_int_equal(LOCAL("10.0.0.2:7", &to4, &local), 0);
    assert_string_equal(gn__endpoint_format(&local, text, sizeof(text)),
                        "10.0.0.2:7");
    assert_int_equal(LOCAL("fd77::2", &to6, &local), 0);
    assert_int_equal(LOCAL("[fd77::2]:9", &to6, &local), 0);
    assert_string_equal(gn__endpoint_format(&local, text, sizeof(text)),
                        "[fd77::2]:9");
    assert_int_equal(LOCAL("fd77::2", &to4, &local), -EINVAL);
    assert_int_equal(LOCAL("10.0.0.2", &to6, &local), -EINVAL);
    assert_int_equal(LOCAL("[fd77::2]:9", &open, &local), 0);
    assert_int_equal(LOCAL("10.0.0.2:9", &open, &local), 0);
    assert_int_equal(LOCAL(":9", &open, &local), 0);
    assert_true(gn__addr_is_any(&local.addr));
    assert_int_equal(local.port, 9);
    assert_int_equal(LOCAL("web:9", &open, &local), -EINVAL);
    assert_int_equal(LOCAL(":http", &open, &local), -EINVAL);
    assert_int_equal(LOCAL("", &open, &local), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_say_type_and_version),
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(refusals_say_why),
        cmocka_unit_test(a_long_name_is_refused_and_the_longest_is_not),
        cmocka_unit_test(the_line_is_cut),
        cmocka_unit_test(a_local_address_follows_the_target),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
