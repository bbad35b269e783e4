/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/simnet.h"

static const char *const both[] = {"10.77.0.0/29", "fd77::/64", NULL};

struct fixture {
    struct gn_simnet sim;
};

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    gn_simnet_setup(&f->sim, both, 1);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_simnet_teardown(&f->sim);
    test_free(f);
    return 0;
}

static int create(struct fixture *f, const char *name,
                  const char *const *addresses, char *why, size_t why_len,
                  struct gn_namespace **out)
{
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .name = name,
                                         .addresses = addresses,
                                         .why = why,
                                         .why_len = why_len};

    return gn_namespace_create(f->sim.net, &config, out);
}

static void names_are_dns_labels(void **state)
{
    static const char *const bad[] = {
        "",
        "-a",
        "a-",
        "a.b",
        "a_b",
        "a b",
        "\xc3\xa4",
        "0123456789012345678901234567890123456789012345678901234567890123"};
    struct fixture *f = *state;
    struct gn_namespace *ns;
    char why[200];
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        why[0] = '\0';
        assert_int_equal(create(f, bad[i], NULL, why, sizeof(why), &ns),
                         -EINVAL);
        assert_non_null(strstr(why, "DNS label"));
    }
    assert_int_equal(create(f, "a", NULL, NULL, 0, &ns), 0);
    assert_int_equal(create(f, "0-9", NULL, NULL, 0, &ns), 0);
}

static void a_name_is_taken_once_in_any_case(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *ns, *second;

    assert_int_equal(create(f, "Web", NULL, NULL, 0, &ns), 0);
    assert_string_equal(gn_namespace_name(ns), "Web");
    assert_int_equal(create(f, "wEB", NULL, NULL, 0, &second), -EADDRINUSE);
    gn_namespace_close(ns, 0, NULL, NULL);
    assert_int_equal(create(f, "wEB", NULL, NULL, 0, &second), 0);
}

static void addresses_are_the_lowest_free_ones(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *ns[5], *again;
    struct gn_interface iface;
    char text[GN_ADDR_TEXT_MAX];
    int i;

    /* A /29 without network, broadcast and gateway. */
    for (i = 0; i < 5; i++)
        assert_int_equal(create(f, NULL, NULL, NULL, 0, &ns[i]), 0);
    assert_int_equal(create(f, NULL, NULL, NULL, 0, &again), -ENOSPC);
    gn_namespace_close(ns[2], 0, NULL, NULL);
    assert_int_equal(create(f, NULL, NULL, NULL, 0, &again), 0);
    assert_int_equal(gn_namespace_interface_by_name(again, "eth0", &iface), 0);
    assert_int_equal(gn_ip_format(&iface.addrs[0].ip, text, sizeof(text)), 0);
    assert_string_equal(text, "10.77.0.4");
    assert_int_equal(iface.addrs[0].prefix_len, 29);
    assert_int_equal(gn_ip_format(&iface.addrs[1].ip, text, sizeof(text)), 0);
    assert_string_equal(text, "fd77::4");
}

static void asked_addresses_are_checked(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *addresses[4];
        int err;
        const char *why;
    } cases[] = {
        {{"10.77.0.5", NULL}, 0, ""},
        {{"10.77.0.6", "fd77::abcd", NULL}, 0, ""},
        {{"10.77.0.5", NULL}, -EADDRINUSE, ""},
        {{"10.77.0.1", NULL}, -EADDRINUSE, ""}, /* the gateway's */
        {{"10.77.0.0", NULL}, -EADDRINUSE, ""},
        {{"10.77.0.7", NULL}, -EADDRINUSE, ""},
        {{"10.77.0.4", "10.77.0.4", NULL}, -EADDRINUSE, ""},
        {{"10.78.0.1", NULL}, -EINVAL, "none of the prefixes"},
        {{"10.77.0", NULL}, -EINVAL, "not an IPv4 or IPv6 address"},
        {{"10.77.0.4:80", NULL}, -EINVAL, "not an IPv4 or IPv6 address"},
    };
    struct gn_namespace *ns;
    char why[200];
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        why[0] = '\0';
        assert_int_equal(
            create(f, NULL, cases[i].addresses, why, sizeof(why), &ns),
            cases[i].err);
        assert_non_null(strstr(why, cases[i].why));
    }
    /* Nothing that failed has taken anything. */
    assert_int_equal(create(f, NULL, cases[0].addresses, NULL, 0, &ns),
                     -EADDRINUSE);
    assert_int_equal(
        create(f, "x", (const char *[]){"10.77.0.4", NULL}, NULL, 0, &ns), 0);
}

static void interfaces_are_listed(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *ns = gn_simnet_guest(f->sim.net, "web");
    struct gn_interface list[3], one;
    size_t n;

    assert_int_equal(gn_namespace_interfaces(ns, list, 3, &n), 0);
    assert_int_equal(n, 2);
    assert_string_equal(list[0].name, "lo");
    assert_int_equal(list[0].index, 1);
    assert_int_equal(list[0].mtu, 65535);
    assert_true(list[0].flags & IFF_LOOPBACK);
    assert_int_equal(list[0].n_addrs, 2);
    assert_string_equal(list[1].name, "eth0");
    assert_int_equal(list[1].index, 2);
    assert_int_equal(list[1].mtu, GN_MTU_DEFAULT);
    assert_int_equal(list[1].flags,
                     IFF_UP | IFF_RUNNING | IFF_BROADCAST | IFF_MULTICAST);
    assert_int_equal(list[1].n_addrs, 3);
    assert_int_equal(list[1].mac[0] & 3, 2);
    assert_int_equal(gn_namespace_interfaces(ns, list, 1, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(gn_namespace_interfaces(ns, NULL, 0, &n), 0);
    assert_int_equal(gn_namespace_interfaces(ns, NULL, 1, &n), -EINVAL);
    assert_int_equal(gn_namespace_interface_by_index(ns, 2, &one), 0);
    assert_memory_equal(one.mac, list[1].mac, 6);
    assert_int_equal(gn_namespace_interface_by_index(ns, 3, &one), -ENODEV);
    assert_int_equal(gn_namespace_interface_by_name(ns, "eth1", &one), -ENODEV);
    assert_int_equal(gn_namespace_interface_by_name(ns, NULL, &one), -EINVAL);
}

static void a_mac_follows_from_names(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *ns = gn_simnet_guest(f->sim.net, "web");
    struct gn_interface first, second;

    assert_int_equal(gn_namespace_interface_by_index(ns, 2, &first), 0);
    gn_namespace_close(ns, 0, NULL, NULL);
    (void)gn_simnet_guest(f->sim.net, "other");
    ns = gn_simnet_guest(f->sim.net, "web");
    assert_int_equal(gn_namespace_interface_by_index(ns, 2, &second), 0);
    assert_memory_equal(first.mac, second.mac, 6);
}

static void a_hostname_is_the_name_or_the_address(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *named = gn_simnet_guest(f->sim.net, "Web");
    struct gn_namespace *plain = gn_simnet_guest(f->sim.net, NULL);
    struct gn_network *bare = gn_simnet_add(&f->sim, "bare", NULL);
    struct gn_namespace *alone = gn_simnet_guest(bare, NULL);
    char name[64];

    assert_int_equal(gn_namespace_hostname(named, name, sizeof(name)), 0);
    assert_string_equal(name, "Web");
    assert_int_equal(gn_namespace_hostname(plain, name, sizeof(name)), 0);
    assert_string_equal(name, "ip-10-77-0-3");
    assert_int_equal(gn_namespace_hostname(alone, name, sizeof(name)), 0);
    assert_string_equal(name, "localhost");
    assert_int_equal(gn_namespace_hostname(named, name, 3), -ENAMETOOLONG);
    gn_network_close(bare, NULL, NULL);
}

static void a_network_without_prefixes_has_loopback_only(void **state)
{
    struct fixture *f = *state;
    struct gn_network *bare = gn_simnet_add(&f->sim, "bare", NULL);
    struct gn_namespace *ns = gn_simnet_guest(bare, "a");
    struct gn_sock *from = gn_simnet_udp(ns, "127.0.0.1:1");
    struct gn_sock *to = gn_simnet_udp(ns, "127.5.6.7:2");
    size_t n;

    assert_int_equal(gn_namespace_interfaces(ns, NULL, 0, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(gn_simnet_send(from, "127.5.6.7:2", "hi", 2), 2);
    gn_simnet_expect(to, "hi");
    assert_true(gn_simnet_send(to, "10.77.0.2:2", "hi", 2) < 0);
    assert_int_equal(gn_namespace_attach(ns, bare, NULL), -EINVAL);
    gn_simnet_end(from);
    gn_simnet_end(to);
    gn_network_close(bare, NULL, NULL);
}

static void the_host_is_at_the_gateway(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *gateway = gn_network_gateway(f->sim.net);
    struct gn_namespace *guest = gn_simnet_guest(f->sim.net, "a");
    struct gn_sock *at_host = gn_simnet_udp(gateway, "10.77.0.1:1");
    struct gn_sock *at_guest = gn_simnet_udp(guest, "10.77.0.2:1");

    assert_int_equal(gn_simnet_send(at_guest, "10.77.0.1:1", "up", 2), 2);
    gn_simnet_expect(at_host, "up");
    assert_int_equal(gn_simnet_send(at_host, "10.77.0.2:1", "down", 4), 4);
    gn_simnet_expect(at_guest, "down");
    gn_namespace_close(gateway, 0, NULL, NULL);
    gn_namespace_kill(gateway);
    gn_namespace_detach(gateway);
    assert_int_equal(gn_simnet_send(at_host, "10.77.0.2:1", "still", 5), 5);
    gn_simnet_expect(at_guest, "still");
    gn_simnet_end(at_host);
    gn_simnet_end(at_guest);
}

static void sockets_are_limited(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .limits = {.max_sockets = 3}};
    struct gn_namespace *ns;
    struct gn_sock *sock[4];
    struct gn_stats stats;
    int i;

    assert_int_equal(gn_namespace_create(f->sim.net, &config, &ns), 0);
    for (i = 0; i < 3; i++)
        assert_int_equal(gn_sock_open(ns, AF_INET, SOCK_DGRAM, 0, &sock[i]), 0);
    assert_int_equal(gn_sock_open(ns, AF_INET, SOCK_DGRAM, 0, &sock[3]),
                     -EMFILE);
    gn_namespace_stats(ns, &stats);
    assert_int_equal(stats.sockets, 3);
    assert_int_equal(stats.sockets_refused, 1);
    gn_simnet_end(sock[1]);
    assert_int_equal(gn_sock_open(ns, AF_INET, SOCK_DGRAM, 0, &sock[1]), 0);
    for (i = 0; i < 3; i++)
        gn_simnet_end(sock[i]);
}

static void attached_interfaces_are_numbered(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *ns = gn_simnet_guest(f->sim.net, "a");
    struct gn_attach_config wide = {.size = sizeof(wide), .mtu = 20000};
    struct gn_attach_config narrow = {.size = sizeof(narrow), .mtu = 1280};
    struct gn_interface iface;

    assert_int_equal(gn_namespace_attach(ns, f->sim.net, &wide), -EINVAL);
    assert_int_equal(gn_namespace_attach(ns, f->sim.net, &narrow), 0);
    assert_int_equal(gn_namespace_interface_by_index(ns, 3, &iface), 0);
    assert_string_equal(iface.name, "eth1");
    assert_int_equal(iface.mtu, 1280);
    assert_int_equal(gn_namespace_attach(NULL, f->sim.net, NULL), -EINVAL);
    assert_int_equal(gn_namespace_attach(ns, NULL, NULL), -EINVAL);
}

static struct gn_network *open_unnamed(struct fixture *f, const char *prefix)
{
    const char *const prefixes[] = {prefix, NULL};

    return gn_simnet_add(&f->sim, NULL, prefixes);
}

/* The lowest number that is free, also when a lower one has become so. */
static void networks_without_a_name_are_numbered(void **state)
{
    struct fixture *f = *state;
    struct gn_network *nets[3];
    char name[16];
    int i;

    for (i = 0; i < 3; i++) {
        nets[i] = open_unnamed(f, "10.78.0.0/24");
        (void)snprintf(name, sizeof(name), "net%d", i + 1);
        assert_string_equal(gn_network_name(nets[i]), name);
    }
    gn_network_close(nets[1], NULL, NULL);
    gn_clock_advance(f->sim.clock, 0);
    nets[1] = open_unnamed(f, "10.78.0.0/24");
    assert_string_equal(gn_network_name(nets[1]), "net2");
    for (i = 0; i < 3; i++)
        gn_network_close(nets[i], NULL, NULL);
}

/* lo, eth0 of the fixture's network, and these. */
#define N_ATTACHED (1024 - 2)

static void a_namespace_has_a_thousand_interfaces(void **state)
{
    static struct gn_network *nets[N_ATTACHED + 1];
    struct fixture *f = *state;
    struct gn_namespace *ns;
    char prefix[32];
    int i;

    assert_int_equal(create(f, NULL, NULL, NULL, 0, &ns), 0);
    for (i = 0; i <= N_ATTACHED; i++) {
        (void)snprintf(prefix, sizeof(prefix), "10.%d.%d.0/30", 100 + i / 256,
                       i % 256);
        nets[i] = open_unnamed(f, prefix);
        assert_int_equal(gn_namespace_attach(ns, nets[i], NULL),
                         i < N_ATTACHED ? 0 : -ENOSPC);
    }
    for (i = 0; i <= N_ATTACHED; i++)
        gn_network_close(nets[i], NULL, NULL);
}

static void bad_arguments_are_refused(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace_config size = {.size = 8};
    struct gn_namespace *ns;
    char name[8];

    assert_int_equal(gn_namespace_create(NULL, NULL, &ns), -EINVAL);
    assert_int_equal(gn_namespace_create(f->sim.net, NULL, NULL), -EINVAL);
    assert_int_equal(gn_namespace_create(f->sim.net, &size, &ns), -EINVAL);
    assert_int_equal(gn_namespace_hostname(NULL, name, 8), -EINVAL);
    assert_string_equal(gn_namespace_name(NULL), "");
    gn_namespace_close(NULL, 0, NULL, NULL);
    gn_namespace_kill(NULL);
    gn_namespace_detach(NULL);
    gn_network_close(NULL, NULL, NULL);
    gn_namespace_stats(NULL, NULL);
    gn_network_stats(NULL, NULL);
}

static int network(struct fixture *f, struct gn_network_config config,
                   const char *expected_why)
{
    struct gn_network *net;
    char why[200] = "";
    int err;

    config.size = sizeof(config);
    config.why = why;
    config.why_len = sizeof(why);
    err = gn_simnet_create(&f->sim, &config, &net);
    if (!err)
        gn_network_close(net, NULL, NULL);
    assert_non_null(strstr(why, expected_why));
    return err;
}

static void network_settings_are_checked(void **state)
{
    struct fixture *f = *state;
#define PREFIXES(...)                       \
    ((struct gn_network_config){.prefixes = \
                                    (const char *const[]){__VA_ARGS__, NULL}})
#define WITH(...) ((struct gn_network_config){__VA_ARGS__})
    assert_int_equal(network(f, PREFIXES("10.0.0.0/24", "10.1.0.0/24"), ""), 0);
    assert_int_equal(network(f, PREFIXES("10.0.0.0/32"), ""), 0);
    assert_int_equal(network(f, PREFIXES("10.0.0.1/24"), "10.0.0.1/24"),
                     -EINVAL);
    assert_int_equal(network(f, PREFIXES("10.0.0.0/33"), "33"), -EINVAL);
    assert_int_equal(network(f, PREFIXES("net"), "net"), -EINVAL);
    assert_int_equal(
        network(f, PREFIXES("10.0.0.0/8", "10.7.0.0/16"), "overlaps"), -EINVAL);
    assert_int_equal(network(f, PREFIXES("127.0.0.0/24"), "127.0.0.0/8"),
                     -EINVAL);
    assert_int_equal(network(f, PREFIXES("ff02::/64"), "ff00::/8"), -EINVAL);
    assert_int_equal(network(f, WITH(.mtu = 100), "mtu 100"), -EINVAL);
    assert_int_equal(network(f, WITH(.mtu = 70000), "mtu 70000"), -EINVAL);
    assert_int_equal(network(f, WITH(.mtu = 576), ""), 0);
    assert_int_equal(network(f, WITH(.name = ""), "name"), -EINVAL);
    assert_int_equal(network(f, WITH(.name = "a b"), "name"), -EINVAL);
    assert_int_equal(network(f, WITH(.domain = "a..b"), "domain"), -EINVAL);
    assert_int_equal(network(f, WITH(.domain = ""), "domain"), -EINVAL);
    assert_int_equal(network(f, WITH(.domain = "a.b"), ""), 0);
    assert_int_equal(
        network(f,
                WITH(.mtu = 1000,
                     .prefixes = (const char *const[]){"fd00::/64", NULL}),
                "1280"),
        -EINVAL);
}

static void drops_have_names(void **state)
{
    int i;

    (void)state;
    for (i = 0; i < GN_N_DROPS; i++)
        assert_string_not_equal(gn_drop_name((enum gn_drop)i), "unknown");
    assert_string_equal(gn_drop_name(GN_DROP_NO_ROUTE), "no-route");
    assert_string_equal(gn_drop_name((enum gn_drop)99), "unknown");
}

/* A guest of this name, its first random number and its MAC; then it ends. */
static uint64_t live_once(struct fixture *f, uint32_t life, uint8_t mac[6])
{
    struct gn_namespace_config config = {
        .size = sizeof(config), .name = "db", .life = life};
    struct gn_interface eth0;
    struct gn_namespace *ns;
    uint64_t drawn;

    assert_int_equal(gn_namespace_create(f->sim.net, &config, &ns), 0);
    gn_random(ns, &drawn, sizeof(drawn));
    assert_int_equal(gn_namespace_interface_by_name(ns, "eth0", &eth0), 0);
    memcpy(mac, eth0.mac, 6);
    gn_namespace_close(ns, 0, NULL, NULL);
    return drawn;
}

static void another_life_draws_other_numbers(void **state)
{
    struct fixture *f = *state;
    uint8_t mac[3][6];
    uint64_t first = live_once(f, 0, mac[0]);

    assert_true(live_once(f, 0, mac[1]) == first);
    assert_false(live_once(f, 1, mac[2]) == first);
    assert_memory_equal(mac[0], mac[2], 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(names_are_dns_labels),
        CASE(a_name_is_taken_once_in_any_case),
        CASE(addresses_are_the_lowest_free_ones),
        CASE(asked_addresses_are_checked),
        CASE(interfaces_are_listed),
        CASE(a_mac_follows_from_names),
        CASE(a_hostname_is_the_name_or_the_address),
        CASE(a_network_without_prefixes_has_loopback_only),
        CASE(the_host_is_at_the_gateway),
        CASE(sockets_are_limited),
        CASE(attached_interfaces_are_numbered),
        CASE(networks_without_a_name_are_numbered),
        CASE(a_namespace_has_a_thousand_interfaces),
        CASE(bad_arguments_are_refused),
        CASE(network_settings_are_checked),
        CASE(drops_have_names),
        CASE(another_life_draws_other_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
