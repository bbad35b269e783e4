/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "resolver/resolver.h"

static void names_are_labels_with_dots_between(void **state)
{
    static const char *const good[] = {
        "a", "a.", "a.b", "A-b_c.9", "_dns._udp.x", "xn--bcher-kva.example",
        "-"};
    static const char *const bad[] = {"",     ".",   "..", "a..", ".a",
                                      "a..b", "a b", "a*", "*",   "\x80",
                                      "a\t",  "a/b", "a@b"};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_true(gn__hostname_is_valid(good[i]));
    for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(gn__hostname_is_valid(bad[i]));
}

static void names_have_253_bytes_and_labels_63(void **state)
{
    char name[257];
    size_t i;

    (void)state;
    memset(name, 'a', sizeof(name));
    for (i = 63; i < sizeof(name); i += 64)
        name[i] = '.';
    name[253] = '\0';
    assert_true(gn__hostname_is_valid(name));
    memcpy(name + 253, ".", 2);
    assert_true(gn__hostname_is_valid(name));
    memcpy(name + 253, "a", 2);
    assert_false(gn__hostname_is_valid(name));
    name[253] = '\0';
    name[63] = 'a';
    assert_false(gn__hostname_is_valid(name));
}

static void copies_lose_the_last_dot(void **state)
{
    char out[GN__HOSTNAME_MAX + 1];

    (void)state;
    gn__hostname_copy("Web.Test.", out);
    assert_string_equal(out, "Web.Test");
    gn__hostname_lower("Web.Test.", out);
    assert_string_equal(out, "web.test");
}

static void below_means_whole_labels(void **state)
{
    (void)state;
    assert_true(gn__hostname_is_below("a.b.test", "test"));
    assert_true(gn__hostname_is_below("TEST.", "test"));
    assert_true(gn__hostname_is_below("a.test", "Test."));
    assert_false(gn__hostname_is_below("atest", "test"));
    assert_false(gn__hostname_is_below("test", "a.test"));
    assert_false(gn__hostname_is_below(".test", "test"));
}

static void patterns_match_names(void **state)
{
    (void)state;
    assert_true(gn__hostname_matches("db.test", "DB.test."));
    assert_false(gn__hostname_matches("db.test", "x.db.test"));
    assert_true(gn__hostname_matches("*.test", "a.b.test"));
    assert_false(gn__hostname_matches("*.test", "test"));
    assert_false(gn__hostname_matches("*.test", "atest"));
    assert_true(gn__hostname_matches("*", "anything.at.all"));
    assert_true(gn__pattern_is_valid("*.a.b"));
    assert_true(gn__pattern_is_valid("*"));
    assert_false(gn__pattern_is_valid("*a"));
    assert_false(gn__pattern_is_valid("a.*"));
    assert_false(gn__pattern_is_valid("*."));
    assert_false(gn__pattern_is_valid(""));
}

static void services_are_known_both_ways(void **state)
{
    (void)state;
    assert_int_equal(gn__service_port("tcp", "https"), 443);
    assert_int_equal(gn__service_port("udp", "ntp"), 123);
    assert_int_equal(gn__service_port("tcp", "ntp"), 0);
    assert_int_equal(gn__service_port("tcp", ""), 0);
    assert_string_equal(gn__service_name("tcp", 80), "http");
    assert_null(gn__service_name("udp", 22));
    assert_true(gn__service_is_valid("http-alt"));
    assert_false(gn__service_is_valid(""));
    assert_false(gn__service_is_valid("a b"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_labels_with_dots_between),
        cmocka_unit_test(names_have_253_bytes_and_labels_63),
        cmocka_unit_test(copies_lose_the_last_dot),
        cmocka_unit_test(below_means_whole_labels),
        cmocka_unit_test(patterns_match_names),
        cmocka_unit_test(services_are_known_both_ways),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
