/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/addr.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct gn__prefix prefix(const char *text)
{
    struct gn__prefix p;

    if (gn__prefix_parse(text, &p, NULL, 0))
        fail_msg("%s is no prefix", text);
    return p;
}

static void text_makes_the_round_trip(void **state)
{
    static const char *const good[] = {
        "10.77.0.0/24", "0.0.0.0/0",     "10.0.0.1/32", "128.0.0.0/1",
        "10.0.0.6/31",  "fd77::/64",     "::/0",        "fd77::1/128",
        "8000::/1",     "::fffe:0:0/95",
    };
    char text[GN__ADDR_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct gn__prefix p = prefix(good[i]);

        assert_string_equal(gn__prefix_format(&p, text, sizeof(text)), good[i]);
    }
}

static void expect_refused(const char *text, const char *words)
{
    struct gn__prefix p = {.len = 77};
    char why[256] = "";

    assert_int_equal(gn__prefix_parse(text, &p, why, sizeof(why)), -EINVAL);
    assert_int_equal(p.len, 77);
    if (!strstr(why, words))
        fail_msg("\"%s\" is not in: %s", words, why);
    assert_null(strchr(why, '\n'));
    assert_true(strlen(why) < sizeof(why) - 1);
    for (size_t cap = 0; cap < 40; cap++) {
        memset(why, 'x', sizeof(why));
        assert_int_equal(gn__prefix_parse(text, &p, why, cap), -EINVAL);
        assert_int_equal(why[cap], 'x');
        if (cap)
            assert_true(strlen(why) < cap);
    }
}

static void refusals_say_what_would_be_right(void **state)
{
    (void)state;
    expect_refused(NULL, "missing: expected one such as 10.77.0.0/24");
    expect_refused("", "\"\" has no \"/\"");
    expect_refused("10.0.0.0", "\"10.0.0.0\" has no \"/\" with a length");
    expect_refused("10.0.0/24", "\"10.0.0\" before the \"/\" is no IPv4");
    expect_refused("/24", "\"\" before the \"/\"");
    expect_refused("10.0.0.0/33", "\"33\" after the \"/\" is no length: "
                                  "expected a number from 0 to 32");
    expect_refused("10.0.0.0/", "\"\" after the \"/\"");
    expect_refused("10.0.0.0/-1", "\"-1\" after");
    expect_refused("10.0.0.0/024", "\"024\" after");
    expect_refused("10.0.0.0/24/1", "\"24/1\" after");
    expect_refused("10.0.0.0/255.0.0.0", "\"255.0.0.0\" after");
    expect_refused("fd77::/129", "from 0 to 128");
    expect_refused("fd77::/99999999999999999999", "from 0 to 128");
    expect_refused("10.0.0.5/24", "after the first 24: the prefix of this "
                                  "length is 10.0.0.0/24");
    expect_refused("fd77::1/64", "is fd77::/64");
    expect_refused("255.255.255.255/0", "is 0.0.0.0/0");
    expect_refused("::ffff:10.0.0.0/104", "write it as 10.0.0.0/8");
    expect_refused("::ffff:0:0/96", "write it as 0.0.0.0/0");
    expect_refused("::ffff:10.0.0.1/90", "is ::ffc0:0:0/90");
}

static void refusals_survive_any_text(void **state)
{
    char text[300];

    (void)state;
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    expect_refused(text, "aaa...\"");
    text[200] = '/';
    expect_refused(text, "aaa...\"");
    expect_refused("1.2.3.\n4\033/8%s%n", "\"1.2.3.?4?\" before");
}

static void contains_within_its_version(void **state)
{
    struct gn__prefix v4 = prefix("10.77.0.0/17"), all4 = prefix("0.0.0.0/0");
    struct gn__prefix v6 = prefix("fd77::/65"), all6 = prefix("::/0");
    static const struct {
        const char *addr;
        bool v4, all4, v6, all6;
    } rows[] = {
        {"10.77.0.0", true, true, false, false},
        {"10.77.127.255", true, true, false, false},
        {"10.77.128.0", false, true, false, false},
        {"fd77::7fff:ffff:ffff:ffff", false, false, true, true},
        {"fd77::8000:0:0:0", false, false, false, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gn__addr a;

        assert_int_equal(gn__addr_parse(rows[i].addr, &a), 0);
        assert_int_equal(gn__prefix_contains(&v4, &a), rows[i].v4);
        assert_int_equal(gn__prefix_contains(&all4, &a), rows[i].all4);
        assert_int_equal(gn__prefix_contains(&v6, &a), rows[i].v6);
        assert_int_equal(gn__prefix_contains(&all6, &a), rows[i].all6);
    }
}

static void overlap_is_symmetric(void **state)
{
    struct gn__prefix wide = prefix("10.0.0.0/8"), in = prefix("10.9.0.0/16");
    struct gn__prefix out = prefix("11.0.0.0/8"), v6 = prefix("::/0");

    (void)state;
    assert_true(gn__prefix_overlaps(&wide, &in));
    assert_true(gn__prefix_overlaps(&in, &wide));
    assert_true(gn__prefix_overlaps(&in, &in));
    assert_false(gn__prefix_overlaps(&out, &in));
    assert_false(gn__prefix_overlaps(&v6, &in));
    assert_true(gn__prefix_equal(&in, &in));
    assert_false(gn__prefix_equal(&wide, &in));
}

static void ends_are_the_first_and_last_address(void **state)
{
    struct gn__prefix v4 = prefix("10.0.0.64/26"), v6 = prefix("fd77::/64");
    struct gn__prefix one = prefix("fd77::1/128");
    char text[GN__ADDR_TEXT];
    struct gn__addr a;

    (void)state;
    a = gn__prefix_first(&v4);
    assert_string_equal(gn__addr_format(&a, text, sizeof(text)), "10.0.0.64");
    a = gn__prefix_last(&v4);
    assert_string_equal(gn__addr_format(&a, text, sizeof(text)), "10.0.0.127");
    a = gn__prefix_last(&v6);
    assert_string_equal(gn__addr_format(&a, text, sizeof(text)),
                        "fd77::ffff:ffff:ffff:ffff");
    a = gn__prefix_last(&one);
    assert_true(gn__addr_equal(&a, &one.addr));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_makes_the_round_trip),
        cmocka_unit_test(refusals_say_what_would_be_right),
        cmocka_unit_test(refusals_survive_any_text),
        cmocka_unit_test(contains_within_its_version),
        cmocka_unit_test(overlap_is_symmetric),
        cmocka_unit_test(ends_are_the_first_and_last_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
