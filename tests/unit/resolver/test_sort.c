/* SPDX-License-Identifier: BSD-3-Clause */

/* The order of answers: the examples of RFC 6724 section 10.2 that guests can
 * meet, and what else the rules say. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "resolver/resolver.h"

/** A destination, and where it would be reached from; NULL: it is not. */
struct pair {
    const char *dst;
    const char *src;
    uint8_t prefix_len; /* 0: 64, or 24 for IPv4 */
};

static struct gn__addr parse(const char *text)
{
    struct gn__addr addr;

    assert_int_equal(gn__addr_parse(text, &addr), 0);
    return addr;
}

static void sorts_to(const struct pair *pairs, size_t n, const char *expected)
{
    struct gn_answer answers[8];
    struct gn__source sources[8];
    char got[400] = "";
    size_t i;

    memset(answers, 0, sizeof(answers));
    memset(sources, 0, sizeof(sources));
    for (i = 0; i < n; i++) {
        struct gn__endpoint dst = {.addr = parse(pairs[i].dst)};

        (void)gn__endpoint_to_sockaddr(&dst, AF_UNSPEC,
                                       (struct sockaddr *)&answers[i].addr,
                                       sizeof(answers[i].addr));
        if (!pairs[i].src)
            continue;
        sources[i].usable = true;
        sources[i].addr = parse(pairs[i].src);
        sources[i].prefix_len = pairs[i].prefix_len ? pairs[i].prefix_len
                                : gn__addr_is_v4(&sources[i].addr) ? 24
                                                                   : 64;
    }
    gn__answers_sort(answers, sources, n);
    for (i = 0; i < n; i++) {
        struct gn__endpoint dst;
        char text[GN__ADDR_TEXT];

        assert_int_equal(gn__endpoint_from_sockaddr(
                             (struct sockaddr *)&answers[i].addr,
                             sizeof(answers[i].addr), AF_UNSPEC, &dst),
                         0);
        (void)snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s",
                       i ? " " : "",
                       gn__addr_format(&dst.addr, text, sizeof(text)));
    }
    assert_string_equal(got, expected);
}

/* Whichever way round they come. */
static void first_of_two(const char *dst, const char *src,
                         const char *second_dst, const char *second_src)
{
    const struct pair first = {.dst = dst, .src = src};
    const struct pair second = {.dst = second_dst, .src = second_src};
    const struct pair ways[2][2] = {{first, second}, {second, first}};
    char expected[200];

    (void)snprintf(expected, sizeof(expected), "%s %s", dst, second_dst);
    sorts_to(ways[0], 2, expected);
    sorts_to(ways[1], 2, expected);
}

static void what_cannot_be_reached_comes_last(void **state)
{
    (void)state;
    first_of_two("198.51.100.121", "10.1.2.4", "2001:db8:1::1", NULL);
}

static void the_source_of_the_same_scope_goes_first(void **state)
{
    (void)state;
    first_of_two("2001:db8:1::1", "2001:db8:1::2", "198.51.100.121",
                 "169.254.13.78");
    first_of_two("198.51.100.121", "198.51.100.117", "2001:db8:1::1",
                 "fe80::1");
}

static void the_source_of_the_same_label_goes_first(void **state)
{
    (void)state;
    first_of_two("2002:c633:6401::1", "2002:c633:6401::2", "2001:db8:1::1",
                 "2002:c633:6401::2");
}

static void the_higher_precedence_goes_first(void **state)
{
    (void)state;
    first_of_two("2001:db8:1::1", "2001:db8:1::2", "10.1.2.3", "10.1.2.4");
    first_of_two("2001:db8:1::1", "2001:db8:1::2", "2002:c633:6401::1",
                 "2002:c633:6401::2");
    first_of_two("10.77.0.2", "10.77.0.3", "fd77::2", "fd77::3");
    first_of_two("::1", "::1", "127.0.0.1", "127.0.0.1");
}

static void the_smaller_scope_goes_first(void **state)
{
    (void)state;
    first_of_two("fe80::1", "fe80::2", "2001:db8:1::1", "2001:db8:1::2");
}

static void the_longer_common_prefix_goes_first(void **state)
{
    (void)state;
    first_of_two("2001:db8:1::1", "2001:db8:1::2", "2001:db8:3ffe::1",
                 "2001:db8:3f44::2");
}

static void only_an_ipv4_neighbour_has_a_prefix_in_common(void **state)
{
    static const struct pair pairs[] = {
        {.dst = "192.0.2.9", .src = "10.77.0.3"},
        {.dst = "11.0.0.1", .src = "10.77.0.3"},
        {.dst = "10.77.0.9", .src = "10.77.0.3"},
        {.dst = "198.51.100.1", .src = "10.77.0.3"},
    };

    (void)state;
    sorts_to(pairs, 4, "10.77.0.9 192.0.2.9 11.0.0.1 198.51.100.1");
}

static void what_is_equal_stays_in_its_order(void **state)
{
    static const struct pair pairs[] = {
        {.dst = "fd77::9", .src = "fd77::3"},
        {.dst = "fd77::5", .src = "fd77::3"},
        {.dst = "fd77::7", .src = "fd77::3"},
    };

    (void)state;
    sorts_to(pairs, 3, "fd77::9 fd77::5 fd77::7");
}

static void as_many_as_an_answer_may_have_are_sorted(void **state)
{
    struct gn_answer answers[GN_LOOKUP_ANSWERS_MAX];
    struct gn__source sources[GN_LOOKUP_ANSWERS_MAX];
    size_t i;

    (void)state;
    memset(answers, 0, sizeof(answers));
    memset(sources, 0, sizeof(sources));
    for (i = 0; i < GN__ANSWERS_MAX; i++) {
        answers[i].addr.ss_family = i % 2 ? AF_INET : AF_INET6;
        answers[i].ttl_s = (uint32_t)i;
    }
    gn__answers_sort(answers, sources, GN__ANSWERS_MAX);
    for (i = 1; i < GN__ANSWERS_MAX; i++)
        assert_true(answers[i].addr.ss_family >= answers[i - 1].addr.ss_family);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_reached_comes_last),
        cmocka_unit_test(the_source_of_the_same_scope_goes_first),
        cmocka_unit_test(the_source_of_the_same_label_goes_first),
        cmocka_unit_test(the_higher_precedence_goes_first),
        cmocka_unit_test(the_smaller_scope_goes_first),
        cmocka_unit_test(the_longer_common_prefix_goes_first),
        cmocka_unit_test(only_an_ipv4_neighbour_has_a_prefix_in_common),
        cmocka_unit_test(what_is_equal_stays_in_its_order),
        cmocka_unit_test(as_many_as_an_answer_may_have_are_sorted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
