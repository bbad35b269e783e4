/* SPDX-License-Identifier: BSD-3-Clause */

/* Guests look names up in the real DNS, which is a dnsmasq. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/guestnet.h>

#include "tests/lib/case.h"
#include "tests/lib/lookups.h"
#include "tests/lib/nameserver.h"

static const char config[] = "port=%u\n"
                             "listen-address=127.0.0.1\n"
                             "bind-interfaces\n"
                             "user=\n"
                             "no-resolv\n"
                             "no-hosts\n"
                             "log-queries\n"
                             "log-facility=%s\n"
                             "local-ttl=60\n"
                             "local=/test/\n"
                             "local=/192.in-addr.arpa/\n"
                             "host-record=web.test,192.0.2.1,2001:db8::1\n"
                             "host-record=four.test,192.0.2.4\n"
                             "cname=alias.test,step.test\n"
                             "cname=step.test,web.test\n"
                             "txt-record=text.test,hello\n"
                             "srv-host=_http._tcp.web.test,web.test,8080\n"
                             "mx-host=web.test,mail.test,10\n";

static struct gn_test_nameserver server;

static int setup(void **state)
{
    static struct gn_test_lookups f;
    const char *const servers[] = {server.address, NULL};
    struct gn_ares_config ares = {.size = sizeof(ares), .servers = servers};

    gn_test_lookups_open(&f, &ares);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    gn_test_lookups_close(*state);
    return 0;
}

static void addresses(void **state)
{
    struct gn_test_lookups *f = *state;

    assert_string_equal(gn_test_look(f, "ip4", "web.test"), "192.0.2.1/60");
    assert_string_equal(gn_test_look(f, "ip6", "web.test"), "2001:db8::1/60");
    assert_string_equal(gn_test_look(f, "ip4", "alias.test"), "192.0.2.1/60");
}

static void names_that_are_not_there(void **state)
{
    struct gn_test_lookups *f = *state;

    assert_string_equal(gn_test_look(f, "ip", "nobody.test"), "no name");
    assert_string_equal(gn_test_look(f, "ip6", "four.test"), "no data");
    assert_string_equal(gn_test_look_back(f, "192.0.2.200"), "no name");
}

static void names_of_addresses(void **state)
{
    struct gn_test_lookups *f = *state;

    assert_string_equal(gn_test_look_back(f, "192.0.2.1"), "web.test");
    assert_string_equal(gn_test_look_back(f, "2001:db8::1"), "web.test");
}

static void other_records(void **state)
{
    struct gn_test_lookups *f = *state;

    assert_true(gn_test_query_finds(f, "text.test", 16, "\5hello", 6));
    assert_true(gn_test_query_finds(f, "_http._tcp.web.test", 33,
                                    "\0\0\0\0\x1f\x90\3web\4test", 15));
    assert_true(gn_test_query_finds(f, "web.test", 15, "\0\12\4mail", 7));
}

/* Everything above, and no more, was asked; and what was, once. */
static void what_is_known_is_asked_once(void **state)
{
    struct gn_test_lookups *f = *state;
    unsigned i, before = gn_test_nameserver_logged(&server, "query[A] four");

    for (i = 0; i < 10; i++)
        assert_string_equal(gn_test_look(f, "ip4", "four.test"),
                            "192.0.2.4/60");
    assert_int_equal(gn_test_nameserver_logged(&server, "query[A] four"),
                     before + 1);
}

static void the_blocking_form(void **state)
{
    struct gn_test_lookups *f = *state;
    struct addrinfo hints = {
        .ai_family = AF_INET,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_CANONNAME,
    };
    struct addrinfo *list;
    char text[GN_ADDR_TEXT_MAX];

    assert_int_equal(
        gn_getaddrinfo(f->guest, "alias.test", "http", &hints, &list), 0);
    assert_int_equal(gn_addr_format(list->ai_addr, text, sizeof(text)), 0);
    assert_string_equal(text, "192.0.2.1:80");
    assert_string_equal(list->ai_canonname, "web.test");
    assert_null(list->ai_next);
    gn_freeaddrinfo(list);
}

/* Its own names first, then the world's. */
static void a_network_may_have_both(void **state)
{
    struct gn_test_lookups *f = *state;
    struct gn_resolver *own, *chain;
    struct gn_test_lookups both;

    assert_int_equal(gn_resolver_network(&own), 0);
    struct gn_resolver *const parts[] = {own, f->resolver, NULL};
    struct gn_resolver_chain_config chain_config = {
        .size = sizeof(chain_config), .resolvers = parts};
    assert_int_equal(gn_resolver_chain(&chain_config, &chain), 0);
    gn_test_lookups_open_with(&both, chain);
    assert_string_equal(gn_test_look(&both, "ip4", "guest"), "10.77.0.2/0");
    assert_string_equal(gn_test_look(&both, "ip4", "four.test"),
                        "192.0.2.4/60");
    assert_string_equal(gn_test_look(&both, "ip4", "nobody.test"), "no name");
    gn_test_lookups_close(&both);
    gn_resolver_close(own);
}

/* The last test. What is known stays known. */
static void a_server_that_dies(void **state)
{
    struct gn_test_lookups *f = *state;

    assert_string_equal(gn_test_look(f, "ip4", "web.test"), "192.0.2.1/60");
    gn_test_nameserver_stop(&server);
    assert_int_equal(
        strncmp(gn_test_look(f, "ip4", "web.test"), "192.0.2.1/", 10), 0);
    assert_string_equal(gn_test_look(f, "ip4", "four.test"), "again");
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(addresses),
        CASE(names_that_are_not_there),
        CASE(names_of_addresses),
        CASE(other_records),
        CASE(what_is_known_is_asked_once),
        CASE(the_blocking_form),
        CASE(a_network_may_have_both),
        CASE(a_server_that_dies),
    };
    int failed;

    if (!gn_test_nameserver_start(&server, "dnsmasq", config))
        return 77;
    failed = cmocka_run_group_tests(cases, NULL, NULL);
    gn_test_nameserver_stop(&server);
    return failed;
}
