/* SPDX-License-Identifier: BSD-3-Clause */
#include <guestnet/link.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/rawport.h"
#include "tests/lib/simnet.h"

/* Two networks, a router on both, a guest on each:
 *
 *     left 10.1.0.2 -- 10.1.0.3 router 10.2.0.2 -- 10.2.0.3 right
 */
static const char *const west[] = {"10.1.0.0/24", "fd01::/64", NULL};
static const char *const east[] = {"10.2.0.0/24", "fd02::/64", NULL};

struct fixture {
    struct gn_simnet sim;
    struct gn_network *east;
    struct gn_namespace *left, *right, *router;
    uint8_t in[20000], out[20000];
};

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    struct gn_namespace_config config = {
        .size = sizeof(config), .name = "router", .forwarding = true};

    gn_simnet_setup(&f->sim, west, 1);
    f->east = gn_simnet_add(&f->sim, "east", east);
    f->left = gn_simnet_guest(f->sim.net, "left");
    assert_int_equal(gn_namespace_create(f->sim.net, &config, &f->router), 0);
    assert_int_equal(gn_namespace_attach(f->router, f->east, NULL), 0);
    f->right = gn_simnet_guest(f->east, "right");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_network_close(f->east, NULL, NULL);
    gn_simnet_teardown(&f->sim);
    test_free(f);
    return 0;
}

static void add_routes(struct fixture *f)
{
    assert_int_equal(gn_route_add(f->left, "10.2.0.0/16", "10.1.0.3"), 0);
    assert_int_equal(gn_route_add(f->right, "0.0.0.0/0", "10.2.0.2"), 0);
    assert_int_equal(gn_route_add(f->left, "fd02::/64", "fd01::3"), 0);
    assert_int_equal(gn_route_add(f->right, "::/0", "fd02::2"), 0);
}

static void without_a_route_it_is_unreachable(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = gn_simnet_udp(f->left, "10.1.0.2:1");

    assert_int_equal(gn_simnet_send(sock, "10.2.0.3:1", "x", 1), -ENETUNREACH);
    gn_simnet_end(sock);
}

static void a_router_carries_both_ways(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *left4 = gn_simnet_udp(f->left, "10.1.0.2:1");
    struct gn_sock *right4 = gn_simnet_udp(f->right, "10.2.0.3:1");
    struct gn_sock *left6 = gn_simnet_udp(f->left, "[fd01::2]:1");
    struct gn_sock *right6 = gn_simnet_udp(f->right, "[fd02::3]:1");
    struct gn_stats stats;

    add_routes(f);
    assert_int_equal(gn_simnet_send(left4, "10.2.0.3:1", "to", 2), 2);
    assert_int_equal(gn_simnet_send(left6, "[fd02::3]:1", "six", 3), 3);
    gn_simnet_expect(right4, "to");
    gn_simnet_expect(right6, "six");
    assert_int_equal(gn_simnet_send(right4, "10.1.0.2:1", "fro", 3), 3);
    gn_simnet_expect(left4, "fro");
    gn_namespace_stats(f->router, &stats);
    assert_int_equal(stats.packets_forwarded, 3);
    gn_simnet_end(left4);
    gn_simnet_end(right4);
    gn_simnet_end(left6);
    gn_simnet_end(right6);
}

static void a_namespace_that_does_not_forward_drops(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *plain = gn_simnet_guest(f->sim.net, "plain");
    struct gn_sock *sock = gn_simnet_udp(f->left, "10.1.0.2:1");

    assert_int_equal(gn_route_add(f->left, "10.2.0.0/16", "10.1.0.4"), 0);
    assert_int_equal(gn_simnet_send(sock, "10.2.0.3:1", "x", 1), 1);
    assert_int_equal(gn_simnet_ns_drops(plain, GN_DROP_NOT_FORWARDED), 1);
    gn_simnet_end(sock);
}

static void the_hop_limit_runs_out_at_the_router(void **state)
{
    struct fixture *f = *state;
    const char *const addrs[] = {"10.1.0.200", "fd01::200", NULL};
    struct gn_rawport *raw = gn_rawport_open(f->sim.net, addrs, 0);
    struct gn_raw_ip four = {.src = "10.1.0.200", .dst = "10.2.0.3", .ttl = 1};
    struct gn_raw_ip six = {.src = "fd01::200", .dst = "fd02::3", .ttl = 1};
    size_t len = gn_raw_udp(&four, 1, 2, "x", 1, f->out);

    assert_int_equal(gn_rawport_send_via(raw, "10.1.0.3", f->out, len), 0);
    assert_true(gn_rawport_recv(raw, f->in, sizeof(f->in)) > 0);
    assert_memory_equal(f->in + 12, "\x0a\x01\x00\x03", 4);
    assert_int_equal(f->in[20], 11);
    len = gn_raw_udp(&six, 1, 2, "x", 1, f->out);
    assert_int_equal(gn_rawport_send_via(raw, "fd01::3", f->out, len), 0);
    assert_true(gn_rawport_recv(raw, f->in, sizeof(f->in)) > 0);
    assert_int_equal(f->in[40], 3);
    assert_int_equal(gn_simnet_ns_drops(f->router, GN_DROP_TTL), 2);
    gn_rawport_close(raw);
}

static void the_router_counts_hops(void **state)
{
    struct fixture *f = *state;
    const char *const here[] = {"10.1.0.200", NULL};
    const char *const there[] = {"10.2.0.200", NULL};
    struct gn_rawport *from = gn_rawport_open(f->sim.net, here, 0);
    struct gn_rawport *to = gn_rawport_open(f->east, there, 0);
    struct gn_raw_ip ip = {.src = "10.1.0.200", .dst = "10.2.0.200", .ttl = 9};
    size_t len = gn_raw_udp(&ip, 1, 2, "x", 1, f->out);

    assert_int_equal(gn_rawport_send_via(from, "10.1.0.3", f->out, len), 0);
    assert_int_equal(gn_rawport_recv(to, f->in, sizeof(f->in)), len);
    assert_int_equal(f->in[8], 8);
    gn_rawport_close(from);
    gn_rawport_close(to);
}

static void a_narrow_second_hop_is_learned(void **state)
{
    struct fixture *f = *state;
    struct gn_attach_config narrow = {.size = sizeof(narrow), .mtu = 1300};
    const char *const third[] = {"10.3.0.0/24", "fd03::/64", NULL};
    struct gn_network *net = gn_simnet_add(&f->sim, "third", third);
    struct gn_namespace *far = gn_simnet_guest(net, "far");
    struct gn_sock *from = gn_simnet_udp(f->left, "[fd01::2]:1");
    struct gn_sock *to = gn_simnet_udp(far, "[fd03::2]:1");
    static uint8_t data[4000];
    int i, n = 0;

    assert_int_equal(gn_namespace_attach(f->router, net, &narrow), 0);
    assert_int_equal(gn_route_add(f->left, "fd03::/64", "fd01::3"), 0);
    for (i = 0; i < 2; i++) {
        (void)!gn_simnet_send(from, "[fd03::2]:1", data, sizeof(data));
        n += gn_simnet_recv(to, data, sizeof(data)) == sizeof(data);
    }
    assert_int_equal(n, 1); /* The first one told the source. */
    gn_simnet_end(from);
    gn_simnet_end(to);
    gn_network_close(net, NULL, NULL);
}

static void damage_is_found_at_the_end_of_the_way(void **state)
{
    struct fixture *f = *state;
    struct gn_link_config bad = {.corrupt_ppm = 1000000};
    struct gn_sock *from = gn_simnet_udp(f->left, "10.1.0.2:1");

    add_routes(f);
    assert_int_equal(gn_link_set(f->left, NULL, &bad), 0);
    assert_int_equal(gn_simnet_send(from, "10.2.0.3:1", "x", 1), 1);
    assert_int_equal(gn_simnet_ns_drops(f->router, GN_DROP_CORRUPT), 0);
    assert_int_equal(gn_simnet_ns_drops(f->right, GN_DROP_CORRUPT), 1);
    gn_simnet_end(from);
}

static void broadcasts_are_not_forwarded(void **state)
{
    struct fixture *f = *state;
    const char *const addrs[] = {"10.1.0.200", NULL};
    struct gn_rawport *raw = gn_rawport_open(f->sim.net, addrs, 0);
    struct gn_sock *sock = gn_simnet_udp(f->right, "0.0.0.0:1");
    struct gn_raw_ip ip = {.src = "10.1.0.200", .dst = "10.2.0.255"};
    size_t len = gn_raw_udp(&ip, 1, 1, "all", 3, f->out);

    assert_int_equal(gn_rawport_send_via(raw, "10.1.0.3", f->out, len), 0);
    gn_simnet_expect(sock, NULL);
    assert_int_equal(gn_simnet_ns_drops(f->router, GN_DROP_DESTINATION), 1);
    gn_simnet_end(sock);
    gn_rawport_close(raw);
}

static void routes_are_checked(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *ns = f->left;

    assert_int_equal(gn_route_add(NULL, "10.2.0.0/16", "10.1.0.3"), -EINVAL);
    assert_int_equal(gn_route_add(ns, NULL, "10.1.0.3"), -EINVAL);
    assert_int_equal(gn_route_add(ns, "10.2.0.1/16", "10.1.0.3"), -EINVAL);
    assert_int_equal(gn_route_add(ns, "10.2.0.0", "10.1.0.3"), -EINVAL);
    assert_int_equal(gn_route_add(ns, "10.2.0.0/16", "nonsense"), -EINVAL);
    assert_int_equal(gn_route_add(ns, "10.2.0.0/16", "10.1.0.3:5"), -EINVAL);
    assert_int_equal(gn_route_add(ns, "10.2.0.0/16", "fd01::3"), -EINVAL);
    assert_int_equal(gn_route_add(ns, "10.2.0.0/16", "10.1.0.2"), -EINVAL);
    assert_int_equal(gn_route_add(ns, "10.2.0.0/16", "10.9.0.1"), -ENETUNREACH);
    assert_int_equal(gn_route_add(ns, "10.2.0.0/16", NULL), -ESRCH);
}

static void the_longest_prefix_wins_and_goes(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *from = gn_simnet_udp(f->left, "10.1.0.2:1");
    struct gn_sock *to = gn_simnet_udp(f->right, "10.2.0.3:1");

    assert_int_equal(gn_route_add(f->left, "0.0.0.0/0", "10.1.0.3"), 0);
    assert_int_equal(gn_route_add(f->left, "10.2.0.3/32", "10.1.0.99"), 0);
    assert_int_equal(gn_simnet_send(from, "10.2.0.3:1", "lost", 4), 4);
    gn_simnet_expect(to, NULL);
    (void)!gn_simnet_recv(from, f->in, 1); /* The error that came back. */
    assert_int_equal(gn_route_add(f->left, "10.2.0.3/32", NULL), 0);
    assert_int_equal(gn_simnet_send(from, "10.2.0.3:1", "found", 5), 5);
    gn_simnet_expect(to, "found");
    gn_simnet_end(from);
    gn_simnet_end(to);
}

static void routes_go_with_their_interface(void **state)
{
    struct fixture *f = *state;
    struct gn_interface iface;
    struct gn_sock *sock = gn_simnet_udp(f->router, "10.1.0.3:9");

    assert_int_equal(gn_route_add(f->router, "10.9.0.0/16", "10.2.0.3"), 0);
    assert_int_equal(gn_namespace_interface_by_name(f->router, "eth1", &iface),
                     0);
    gn_network_close(f->east, NULL, NULL);
    assert_int_equal(gn_namespace_interface_by_name(f->router, "eth1", &iface),
                     -ENODEV);
    assert_int_equal(gn_simnet_send(sock, "10.9.0.1:1", "x", 1), -ENETUNREACH);
    f->east = gn_simnet_add(&f->sim, "east", east);
    gn_simnet_end(sock);
}

static void another_clock_is_another_engine(void **state)
{
    struct fixture *f = *state;
    struct gn_simnet other;

    gn_simnet_setup(&other, west, 1);
    assert_int_equal(gn_namespace_attach(f->router, other.net, NULL), -EXDEV);
    gn_simnet_teardown(&other);
}

static void link_local_addresses_reach_the_link(void **state)
{
    struct fixture *f = *state;
    struct gn_interface left, router;
    char to[GN_ADDR_TEXT_MAX + 16], text[GN_ADDR_TEXT_MAX];
    struct gn_sock *from, *sock;

    assert_int_equal(gn_namespace_interface_by_name(f->left, "eth0", &left), 0);
    assert_int_equal(gn_namespace_interface_by_name(f->router, "eth0", &router),
                     0);
    assert_int_equal(left.n_addrs, 3);
    assert_int_equal(router.addrs[2].ip.bytes[0], 0xfe);
    assert_int_equal(gn_ip_format(&router.addrs[2].ip, text, sizeof(text)), 0);
    sock = gn_simnet_udp(f->router, "[::]:7");
    from = gn_simnet_udp(f->left, "[::]:7");
    snprintf(to, sizeof(to), "[%s%%2]:7", text);
    assert_int_equal(gn_simnet_send(from, to, "near", 4), 4);
    gn_simnet_expect(sock, "near");
    gn_simnet_end(from);
    gn_simnet_end(sock);
}

/* It has been asked for the way to the host before. */
static void a_router_forgets_a_way_with_its_route(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *from = gn_simnet_udp(f->left, "10.1.0.2:1");
    struct gn_stats stats;

    assert_int_equal(gn_route_add(f->left, "10.9.0.0/16", "10.1.0.3"), 0);
    assert_int_equal(gn_route_add(f->router, "10.9.0.0/16", "10.2.0.3"), 0);
    assert_int_equal(gn_simnet_send(from, "10.9.0.1:1", "x", 1), 1);
    assert_int_equal(gn_simnet_send(from, "10.9.0.1:1", "x", 1), 1);
    gn_clock_advance(f->sim.clock, GN_MS);
    gn_namespace_stats(f->router, &stats);
    assert_int_equal(stats.packets_forwarded, 2);
    assert_int_equal(gn_route_add(f->router, "10.9.0.0/16", NULL), 0);
    assert_int_equal(gn_simnet_send(from, "10.9.0.1:1", "x", 1), 1);
    gn_clock_advance(f->sim.clock, GN_MS);
    gn_namespace_stats(f->router, &stats);
    assert_int_equal(stats.packets_forwarded, 2);
    assert_int_equal(stats.drops[GN_DROP_NO_ROUTE], 1);
    gn_simnet_end(from);
}

/* Of 65,536 routes by no router, the one by the router is found among them. */
static void the_longest_prefix_is_found_among_many(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *from = gn_simnet_udp(f->left, "10.1.0.2:1");
    struct gn_sock *to = gn_simnet_udp(f->right, "10.2.0.3:1");
    char prefix[32];
    unsigned i;

    for (i = 0; i < 65535; i++) {
        (void)snprintf(prefix, sizeof(prefix), "11.%u.%u.0/%u", i >> 8, i & 255,
                       24 + i % 9);
        assert_int_equal(gn_route_add(f->left, prefix, "10.1.0.99"), 0);
    }
    assert_int_equal(gn_route_add(f->left, "10.2.0.0/16", "10.1.0.3"), 0);
    assert_int_equal(gn_route_add(f->left, "12.0.0.0/8", "10.1.0.3"), -ENOSPC);
    assert_int_equal(gn_simnet_send(from, "10.2.0.3:1", "x", 1), 1);
    gn_clock_advance(f->sim.clock, GN_MS);
    gn_simnet_expect(to, "x");
    for (i = 0; i < 65535; i++) {
        (void)snprintf(prefix, sizeof(prefix), "11.%u.%u.0/%u", i >> 8, i & 255,
                       24 + i % 9);
        assert_int_equal(gn_route_add(f->left, prefix, NULL), 0);
    }
    assert_int_equal(gn_route_add(f->left, "12.0.0.0/8", "10.1.0.3"), 0);
    gn_simnet_end(from);
    gn_simnet_end(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(without_a_route_it_is_unreachable),
        CASE(a_router_carries_both_ways),
        CASE(a_namespace_that_does_not_forward_drops),
        CASE(the_hop_limit_runs_out_at_the_router),
        CASE(the_router_counts_hops),
        CASE(a_narrow_second_hop_is_learned),
        CASE(damage_is_found_at_the_end_of_the_way),
        CASE(broadcasts_are_not_forwarded),
        CASE(routes_are_checked),
        CASE(the_longest_prefix_wins_and_goes),
        CASE(the_longest_prefix_is_found_among_many),
        CASE(a_router_forgets_a_way_with_its_route),
        CASE(routes_go_with_their_interface),
        CASE(another_clock_is_another_engine),
        CASE(link_local_addresses_reach_the_link),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
