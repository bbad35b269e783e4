/* SPDX-License-Identifier: BSD-3-Clause */

/* Guests look names up in the real DNS, which is an unbound: what has to come
 * by TCP, and what its own servers do not answer. */
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

#define N_BIG 300u

static const char head[] = "server:\n"
                           "  port: %u\n"
                           "  interface: 127.0.0.1\n"
                           "  access-control: 127.0.0.0/8 allow\n"
                           "  do-ip6: no\n"
                           "  username: \"\"\n"
                           "  chroot: \"\"\n"
                           "  pidfile: \"\"\n"
                           "  use-syslog: no\n"
                           "  logfile: \"%s\"\n"
                           "  log-queries: yes\n"
                           "  module-config: \"iterator\"\n"
                           "  do-not-query-localhost: no\n"
                           "  local-zone: \"test.\" static\n"
                           "  local-data: \"web.test. 60 IN A 192.0.2.1\"\n";

static const char tail[] = "remote-control:\n"
                           "  control-enable: no\n"
                           "forward-zone:\n"
                           "  name: \"dead.\"\n"
                           "  forward-addr: 127.0.0.1@1\n"
                           "  forward-tcp-upstream: yes\n";

static struct gn_test_nameserver server;

/* With a name of more addresses than one datagram holds. */
static const char *config(void)
{
    static char text[65536];
    size_t at;
    unsigned i;

    at = (size_t)snprintf(text, sizeof(text), "%s", head);
    for (i = 0; i < N_BIG; i++)
        at += (size_t)snprintf(
            text + at, sizeof(text) - at,
            "  local-data: \"big.test. 60 IN A 198.51.%u.%u\"\n", i / 256,
            i % 256);
    snprintf(text + at, sizeof(text) - at, "%s", tail);
    return text;
}

static int setup(void **state)
{
    static struct gn_test_lookups f;
    const char *const servers[] = {server.address, NULL};
    struct gn_ares_config ares = {
        .size = sizeof(ares),
        .servers = servers,
        .timeout_ms = 20000,
    };

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
    assert_string_equal(gn_test_look(*state, "ip4", "web.test"),
                        "192.0.2.1/60");
    assert_string_equal(gn_test_look(*state, "ip6", "web.test"), "no data");
    assert_string_equal(gn_test_look(*state, "ip", "nobody.test"), "no name");
}

static void a_big_answer_comes_by_tcp(void **state)
{
    struct gn_test_lookups *f = *state;
    struct gn_ares_stats stats;

    assert_int_equal(strncmp(gn_test_look(f, "ip4", "big.test"), "198.51.", 7),
                     0);
    assert_int_equal(gn_resolver_ares_stats(f->resolver, &stats), 0);
    assert_int_equal(stats.asked, 2);   /* by UDP, and by TCP */
    assert_int_equal(stats.answers, 1); /* by UDP: truncated */
    assert_int_equal(stats.dropped, 0);
}

static void a_server_whose_own_servers_are_dead(void **state)
{
    assert_string_equal(gn_test_look(*state, "ip4", "web.dead"), "again");
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(addresses),
        CASE(a_big_answer_comes_by_tcp),
        CASE(a_server_whose_own_servers_are_dead),
    };
    int failed;

    if (!gn_test_nameserver_start(&server, "unbound", config()))
        return 77;
    failed = cmocka_run_group_tests(cases, NULL, NULL);
    gn_test_nameserver_stop(&server);
    return failed;
}
