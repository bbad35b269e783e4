/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What is left of wrong calls: NULLs and nonsense for all that is asked and
 * read, text of addresses, unknown numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/guestnet.h>

#include "tests/lib/arena.h"
#include "tests/lib/case.h"

static int setup(void **state)
{
    struct arena *arena = calloc(1, sizeof(*arena));

    assert_non_null(arena);
    arena_begin(arena, NULL);
    *state = arena;
    return 0;
}

static int teardown(void **state)
{
    arena_end(*state);
    free(*state);
    return 0;
}

/* ---- text ---- */

static void no_addresses_are_refused(void **state)
{
    static const char *const bad[] = {NULL,
                                      "",
                                      " ",
                                      "10",
                                      "10.0.0",
                                      "10.0.0.0.1",
                                      "10.0.0.256",
                                      "010.0.0.1",
                                      " 10.0.0.1",
                                      "10.0.0.1 ",
                                      "10.0.0.1:",
                                      "10.0.0.1:65536",
                                      "10.0.0.1:-1",
                                      "10.0.0.1:80x",
                                      "10.0.0.1:080",
                                      "10.0.0.1%1",
                                      "10.0.0.1/24",
                                      "[10.0.0.1]",
                                      "[10.0.0.1]:80",
                                      ":80",
                                      "localhost",
                                      "fd77",
                                      "fd77:::1",
                                      "fd77::1::2",
                                      "fd77::12345",
                                      "[fd77::1",
                                      "fd77::1]",
                                      "[fd77::1]80",
                                      "[fd77::1]:",
                                      "[fd77::1]:65536",
                                      "[]:80",
                                      "[]",
                                      "fd77::1%2",
                                      "fe80::1%",
                                      "fe80::1%eth0",
                                      "fe80::1%4294967296",
                                      "fe80::1%-1",
                                      "1:2:3:4:5:6:7:8:9",
                                      "\n",
                                      "10.0.0.1\n"};
    struct sockaddr_storage ss, untouched;
    struct gn_ip ip = {.family = 77};
    socklen_t len = 99;
    size_t i;

    (void)state;
    memset(&ss, 0xee, sizeof(ss));
    untouched = ss;
    for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        if (gn_addr_parse(bad[i], &ss, &len) != -EINVAL)
            fail_msg("taken for an address: %s", bad[i]);
        if (gn_ip_parse(bad[i], &ip) != -EINVAL)
            fail_msg("taken for an address: %s", bad[i]);
    }
    assert_int_equal(gn_addr_parse("10.0.0.1", NULL, &len), -EINVAL);
    assert_int_equal(gn_ip_parse("10.0.0.1", NULL), -EINVAL);
    assert_int_equal(gn_ip_parse("10.0.0.1:80", &ip), -EINVAL);
    assert_int_equal(gn_ip_parse("[fd77::1]", &ip), -EINVAL);
    assert_memory_equal(&ss, &untouched, sizeof(ss));
    assert_int_equal(len, 99);
    assert_int_equal(ip.family, 77);
    assert_int_equal(gn_addr_parse("10.0.0.1", &ss, NULL), 0);
}

static void no_room_for_text_is_said(void **state)
{
    struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6,
                                .sin6_port = htons(80)};
    struct sockaddr *addr = (struct sockaddr *)&sin6;
    struct gn_ip ip = {.family = AF_INET6};
    char buf[GN_ADDR_TEXT_MAX] = "as it was";
    size_t cap;

    (void)state;
    assert_int_equal(gn_addr_format(NULL, buf, sizeof(buf)), -EINVAL);
    assert_int_equal(gn_addr_format(addr, NULL, sizeof(buf)), -EINVAL);
    assert_int_equal(gn_ip_format(NULL, buf, sizeof(buf)), -EINVAL);
    assert_int_equal(gn_ip_format(&ip, NULL, sizeof(buf)), -EINVAL);
    for (cap = 0; cap <= strlen("[::]:80"); cap++)
        assert_int_equal(gn_addr_format(addr, buf, cap), -ENOSPC);
    for (cap = 0; cap <= strlen("::"); cap++)
        assert_int_equal(gn_ip_format(&ip, buf, cap), -ENOSPC);
    sin6.sin6_family = AF_UNIX;
    ip.family = AF_UNSPEC;
    assert_int_equal(gn_addr_format(addr, buf, sizeof(buf)), -EAFNOSUPPORT);
    assert_int_equal(gn_ip_format(&ip, buf, sizeof(buf)), -EAFNOSUPPORT);
    assert_string_equal(buf, "as it was");
}

static void unknown_numbers_have_names_too(void **state)
{
    static const int numbers[] = {0,      -1, -EINVAL, -3000,     -3014,
                                  -99999, 1,  EINVAL,  INT32_MAX, INT32_MIN};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        assert_true(strlen(gn_strerror(numbers[i])) > 0);
    assert_string_equal(gn_strerror(INT32_MIN), "unknown error");
    assert_string_equal(gn_strerror(-99999), "unknown error");
    assert_string_equal(gn_drop_name(GN_N_DROPS), "unknown");
    assert_string_equal(gn_drop_name((enum gn_drop) - 1), "unknown");
    assert_string_equal(gn_drop_name((enum gn_drop)1000000), "unknown");
}

/* ---- pools ---- */

static void pools_refuse_what_is_wrong(void **state)
{
    const struct gn_ip foreign = {.family = AF_INET, .bytes = {10, 1, 0, 1}};
    const struct gn_ip other = {.family = AF_INET6, .bytes = {0xfd}};
    const struct gn_ip nonsense = {.family = 99};
    const struct gn_ip *bad[] = {&foreign, &other, &nonsense, NULL};
    struct gn_ip free_one = {.family = AF_INET, .bytes = {10, 0, 0, 7}};
    struct gn_ip out = {.family = 77};
    struct gn_pool *pool = NULL;
    unsigned i;

    (void)state;
    assert_int_equal(gn_pool_create("10.0.0.0/24", NULL, NULL, 0, NULL),
                     -EINVAL);
    assert_int_equal(gn_pool_create("10.0.0.0/24", NULL, NULL, 0, &pool), 0);
    for (i = 0; i < 4; i++) {
        assert_int_equal(gn_pool_take_exact(pool, bad[i]), -EINVAL);
        assert_int_equal(gn_pool_give(pool, bad[i]), -EINVAL);
        assert_int_equal(gn_pool_reserve(pool, bad[i], &free_one), -EINVAL);
        assert_int_equal(gn_pool_reserve(pool, &free_one, bad[i]), -EINVAL);
        assert_int_equal(gn_pool_release(pool, bad[i], &free_one), -EINVAL);
        assert_int_equal(gn_pool_release(pool, &free_one, bad[i]), -EINVAL);
    }
    assert_int_equal(gn_pool_give(pool, &free_one), -EINVAL);
    assert_int_equal(gn_pool_take(pool, NULL), -EINVAL);
    assert_int_equal(gn_pool_take(NULL, &out), -EINVAL);
    assert_int_equal(gn_pool_take_exact(NULL, &free_one), -EINVAL);
    assert_int_equal(gn_pool_give(NULL, &free_one), -EINVAL);
    assert_int_equal(gn_pool_reserve(NULL, &free_one, &free_one), -EINVAL);
    assert_int_equal(gn_pool_release(NULL, &free_one, &free_one), -EINVAL);
    assert_int_equal(gn_pool_gateway(pool, NULL), -EINVAL);
    assert_int_equal(gn_pool_gateway(NULL, &out), -EINVAL);
    assert_int_equal(gn_pool_prefix(pool, NULL, NULL), -EINVAL);
    assert_int_equal(gn_pool_prefix(NULL, &out, NULL), -EINVAL);
    assert_int_equal(gn_pool_taken(NULL), 0);
    assert_int_equal(gn_pool_taken(pool), 0);
    assert_int_equal(out.family, 77);
    gn_pool_close(NULL);
    gn_pool_close(pool);
}

/* ---- all that is asked ---- */

static bool never(void *arg)
{
    (void)arg;
    return false;
}

static void no_clock_is_no_crash(void **state)
{
    (void)state;
    gn_clock_close(NULL);
    assert_int_equal(gn_clock_create(NULL, NULL), -EINVAL);
    (void)gn_clock_now_ns(NULL);
    assert_int_equal(gn_clock_next_ns(NULL), UINT64_MAX);
    gn_clock_advance(NULL, 5);
    assert_false(gn_clock_step(NULL));
    assert_false(gn_clock_run_until(NULL, 5, never, NULL));
}

static void clocks_take_any_time(void **state)
{
    struct arena *arena = *state;
    uint64_t now = gn_clock_now_ns(arena->clock);

    assert_false(gn_clock_run_until(arena->clock, UINT64_MAX, NULL, NULL));
    assert_false(gn_clock_run_until(arena->clock, 0, never, NULL));
    assert_int_equal(gn_clock_now_ns(arena->clock), now);
    gn_clock_advance(arena->clock, 0);
    assert_int_equal(gn_clock_now_ns(arena->clock), now);
}

static void no_network_is_no_crash(void **state)
{
    struct gn_stats stats = {.packets_in = 77};

    (void)state;
    gn_network_close(NULL, NULL, NULL);
    assert_null(gn_network_gateway(NULL));
    assert_null(gn_network_clock(NULL));
    assert_string_equal(gn_network_name(NULL), "");
    assert_string_equal(gn_network_domain(NULL), "");
    gn_network_stats(NULL, &stats);
    gn_namespace_stats(NULL, &stats);
    assert_int_equal(stats.packets_in, 77);
    gn_namespace_close(NULL, 0, NULL, NULL);
    gn_namespace_kill(NULL);
    gn_namespace_detach(NULL);
    assert_string_equal(gn_namespace_name(NULL), "");
    assert_int_equal(gn_now_ns(NULL), 0);
    gn_random(NULL, &stats, sizeof(stats));
    assert_int_equal(stats.packets_in, 77);
}

static void questions_are_checked(void **state)
{
    struct arena *arena = *state;
    struct gn_namespace *ns = arena->bystander[0];
    struct gn_interface iface = {.index = 77};
    char name[8] = "as is";
    size_t n = 77;

    gn_network_stats(arena->net, NULL);
    gn_namespace_stats(ns, NULL);
    gn_random(ns, NULL, 5);
    gn_random(ns, name, 0);
    assert_int_equal(gn_namespace_hostname(NULL, name, sizeof(name)), -EINVAL);
    assert_int_equal(gn_namespace_hostname(ns, NULL, 9), -EINVAL);
    assert_int_equal(gn_namespace_hostname(ns, name, 0), -ENAMETOOLONG);
    assert_int_equal(gn_namespace_hostname(ns, name, sizeof(name)),
                     -ENAMETOOLONG);
    assert_string_equal(name, "as is");
    assert_int_equal(gn_namespace_interfaces(NULL, &iface, 1, &n), -EINVAL);
    assert_int_equal(gn_namespace_interfaces(ns, NULL, 1, &n), -EINVAL);
    assert_int_equal(gn_namespace_interfaces(ns, &iface, 1, NULL), -EINVAL);
    assert_int_equal(gn_namespace_interface_by_name(NULL, "lo", &iface),
                     -EINVAL);
    assert_int_equal(gn_namespace_interface_by_name(ns, NULL, &iface), -EINVAL);
    assert_int_equal(gn_namespace_interface_by_name(ns, "lo", NULL), -EINVAL);
    assert_int_equal(gn_namespace_interface_by_name(ns, "", &iface), -ENODEV);
    assert_int_equal(gn_namespace_interface_by_name(ns, "eth9", &iface),
                     -ENODEV);
    assert_int_equal(gn_namespace_interface_by_index(NULL, 1, &iface), -EINVAL);
    assert_int_equal(gn_namespace_interface_by_index(ns, 1, NULL), -EINVAL);
    assert_int_equal(gn_namespace_interface_by_index(ns, 0, &iface), -ENODEV);
    assert_int_equal(gn_namespace_interface_by_index(ns, UINT32_MAX, &iface),
                     -ENODEV);
    assert_int_equal(iface.index, 77);
    assert_int_equal(n, 77);
}

/* The host's own cannot be ended except by its network. */
static void hosts_do_not_go(void **state)
{
    struct arena *arena = *state;
    struct gn_namespace *gateway = gn_network_gateway(arena->net);
    struct gn_sock *sock = arena_bound(gateway, SOCK_DGRAM, "10.77.0.1:9");
    char byte;

    gn_namespace_kill(gateway);
    gn_namespace_detach(gateway);
    gn_namespace_close(gateway, 0, NULL, NULL);
    assert_int_equal(arena_sendto(sock, "10.77.0.1:9", "x", 1), 1);
    arena_pass(arena, 0, 10);
    assert_int_equal(gn_sock_recv(sock, &byte, 1, 0), 1);
    arena_drop(sock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_addresses_are_refused),
        cmocka_unit_test(no_room_for_text_is_said),
        cmocka_unit_test(unknown_numbers_have_names_too),
        cmocka_unit_test(pools_refuse_what_is_wrong),
        cmocka_unit_test(no_clock_is_no_crash),
        CASE(clocks_take_any_time),
        cmocka_unit_test(no_network_is_no_crash),
        CASE(questions_are_checked),
        CASE(hosts_do_not_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
