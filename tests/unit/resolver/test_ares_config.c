/* SPDX-License-Identifier: BSD-3-Clause */

/* What gn_resolver_ares() refuses, and what it says then. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/resolver.h>

static const char *refusal(struct gn_ares_config config)
{
    static char why[160];
    struct gn_resolver *resolver = NULL;

    why[0] = '\0';
    config.size = sizeof(config);
    config.why = why;
    config.why_len = sizeof(why);
    if (gn_resolver_ares(&config, &resolver) != -EINVAL)
        fail_msg("accepted");
    assert_null(resolver);
    return why;
}

static const char *refusal_of_server(const char *server)
{
    const char *const servers[] = {server, NULL};

    return refusal((struct gn_ares_config){.servers = servers});
}

#define assert_says(text, part) assert_non_null(strstr((text), (part)))

static void servers(void **state)
{
    const char *many[GN_ARES_SERVERS_MAX + 2] = {NULL};
    const char *const none[] = {NULL};
    size_t i;

    (void)state;
    assert_says(refusal_of_server("dns.example.org"),
                "server \"dns.example.org\" is no address");
    assert_says(refusal_of_server(""), "is no address");
    assert_says(refusal_of_server("192.0.2.1:99999"), "is no address");
    assert_says(refusal_of_server("192.0.2.1,192.0.2.2"), "is no address");
    assert_says(refusal_of_server("0.0.0.0"), "nobody can have");
    assert_says(refusal_of_server("[ff02::1]:53"), "nobody can have");
    assert_says(refusal((struct gn_ares_config){.servers = none}), "empty");
    for (i = 0; i <= GN_ARES_SERVERS_MAX; i++)
        many[i] = "192.0.2.1";
    assert_says(refusal((struct gn_ares_config){.servers = many}),
                "more than 16");
}

static void sources(void **state)
{
    (void)state;
    assert_says(refusal((struct gn_ares_config){.source4 = "::1"}),
                "source4 \"::1\" is no IPv4");
    assert_says(refusal((struct gn_ares_config){.source6 = "10.0.0.1"}),
                "source6 \"10.0.0.1\" is no IPv6");
    assert_says(refusal((struct gn_ares_config){.source6 = "eth0"}),
                "is no IPv6");
}

static void search(void **state)
{
    static const char *const bad[] = {"fine.test", "not fine", NULL};
    const char *many[GN_ARES_SEARCH_MAX + 2] = {NULL};
    size_t i;

    (void)state;
    assert_says(refusal((struct gn_ares_config){.search = bad}),
                "\"not fine\" is no domain");
    for (i = 0; i <= GN_ARES_SEARCH_MAX; i++)
        many[i] = "a.test";
    assert_says(refusal((struct gn_ares_config){.search = many}),
                "more than 16");
}

static void numbers(void **state)
{
    (void)state;
    assert_says(refusal((struct gn_ares_config){.ndots = 16}),
                "ndots: 16 is not from 1 to 15");
    assert_says(refusal((struct gn_ares_config){.timeout_ms = 249}),
                "timeout_ms: 249 is not from 250");
    assert_says(refusal((struct gn_ares_config){.tries = 11}), "tries");
    assert_says(refusal((struct gn_ares_config){.edns_bytes = 511}),
                "edns_bytes");
    assert_says(refusal((struct gn_ares_config){.max_pending = UINT32_MAX}),
                "max_pending");
}

static void flags(void **state)
{
    static const char *const one[] = {"192.0.2.1", NULL};

    (void)state;
    assert_says(refusal((struct gn_ares_config){.flags = 1u << 20}),
                "0x100000 is unknown");
    assert_says(refusal((struct gn_ares_config){
                    .servers = one, .flags = GN_ARES_SYSTEM_SEARCH}),
                "no meaning");
}

static void arguments(void **state)
{
    struct gn_ares_config config = {.size = 1};
    struct gn_resolver_static_config names = {.size = sizeof(names)};
    struct gn_resolver *resolver = NULL;
    struct gn_ares_stats stats;

    (void)state;
    assert_int_equal(gn_resolver_ares(&config, &resolver), -EINVAL);
    assert_null(resolver);
    assert_int_equal(gn_resolver_ares(NULL, NULL), -EINVAL);
    assert_int_equal(gn_resolver_ares_stats(NULL, &stats), -EINVAL);
    assert_int_equal(gn_resolver_static(&names, &resolver), 0);
    assert_int_equal(gn_resolver_ares_stats(resolver, &stats), -EINVAL);
    gn_resolver_close(resolver);
}

static void what_is_allowed(void **state)
{
    static const char *const servers[] = {
        "192.0.2.1",   "192.0.2.2:5353", "[2001:db8::1]:53",
        "2001:db8::2", "fe80::1%1",      "192.0.2.1",
        NULL};
    static const char *const search[] = {"a.test", "b.test", NULL};
    struct gn_ares_config config = {
        .size = sizeof(config),
        .servers = servers,
        .hosts_file = "/nowhere/hosts",
        .search = search,
        .ndots = 15,
        .timeout_ms = 60000,
        .tries = 10,
        .edns_bytes = 4096,
        .cache_ttl_s = 1,
        .max_pending = 1,
        .source4 = "127.0.0.1",
        .source6 = "::1",
        .flags = GN_ARES_ROTATE | GN_ARES_TCP | GN_ARES_NO_EDNS |
                 GN_ARES_MIX_CASE | GN_ARES_NO_CACHE,
    };
    struct gn_resolver *resolver;

    (void)state;
    assert_int_equal(gn_resolver_ares(&config, &resolver), 0);
    gn_resolver_close(resolver);
    assert_int_equal(gn_resolver_ares(NULL, &resolver), 0);
    gn_resolver_close(resolver);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(servers),         cmocka_unit_test(sources),
        cmocka_unit_test(search),          cmocka_unit_test(numbers),
        cmocka_unit_test(flags),           cmocka_unit_test(arguments),
        cmocka_unit_test(what_is_allowed),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
