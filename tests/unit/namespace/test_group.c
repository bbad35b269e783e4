/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/rawport.h"
#include "tests/lib/simnet.h"

static const char *const prefixes[] = {"10.0.0.0/8", "fd77::/64", NULL};

struct fixture {
    struct gn_simnet sim;
    struct gn_rawport *raw;
    uint8_t out[2048];
};

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    const char *const addrs[] = {"10.200.0.1", "fd77::9999", NULL};

    gn_simnet_setup(&f->sim, prefixes, 1);
    f->raw = gn_rawport_open(f->sim.net, addrs, 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_rawport_close(f->raw);
    gn_simnet_teardown(&f->sim);
    test_free(f);
    return 0;
}

static void send_to(struct fixture *f, const char *dst)
{
    bool v6 = strchr(dst, ':') != NULL;
    struct gn_raw_ip ip = {.src = v6 ? "fd77::9999" : "10.200.0.1", .dst = dst};
    size_t len = gn_raw_udp(&ip, 1, 1000, "all", 3, f->out);

    assert_int_equal(gn_rawport_send(f->raw, f->out, len), 0);
}

static void broadcasts_reach_the_listeners(void **state)
{
    static const char *const dsts[] = {"255.255.255.255", "10.255.255.255"};
    struct fixture *f = *state;
    struct gn_namespace *listens = gn_simnet_guest(f->sim.net, "listens");
    struct gn_namespace *deaf = gn_simnet_guest(f->sim.net, "deaf");
    struct gn_sock *sock = gn_simnet_udp(listens, "0.0.0.0:1000");
    struct gn_sock *other = gn_simnet_udp(listens, "0.0.0.0:1001");
    struct gn_stats stats;
    size_t i;

    for (i = 0; i < 2; i++) {
        send_to(f, dsts[i]);
        gn_simnet_expect(sock, "all");
        gn_simnet_expect(sock, NULL);
    }
    gn_simnet_expect(other, NULL);
    gn_namespace_stats(deaf, &stats);
    assert_int_equal(stats.packets_in, 0);
    gn_simnet_end(sock);
    gn_simnet_end(other);
    send_to(f, "255.255.255.255");
    gn_namespace_stats(listens, &stats);
    assert_int_equal(stats.packets_in, 2);
    assert_int_equal(gn_rawport_waiting(f->raw), 0);
}

static void groups_reach_their_members(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *in = gn_simnet_guest(f->sim.net, "in");
    struct gn_namespace *out = gn_simnet_guest(f->sim.net, "out");
    struct gn_sock *member = gn_simnet_udp(in, "0.0.0.0:1000");
    struct gn_sock *other = gn_simnet_udp(out, "0.0.0.0:1000");
    struct ip_mreqn join = {.imr_multiaddr.s_addr = htonl(0xe1020304)};
    struct gn_interface iface;

    send_to(f, "225.2.3.4");
    gn_simnet_expect(member, NULL);
    assert_int_equal(gn_sock_setopt(member, IPPROTO_IP, IP_ADD_MEMBERSHIP,
                                    &join, sizeof(join)),
                     0);
    assert_int_equal(gn_namespace_interface_by_index(in, 2, &iface), 0);
    assert_int_equal(iface.n_groups, 3);
    assert_memory_equal(iface.groups[0].bytes, "\xe0\x00\x00\x01", 4);
    assert_memory_equal(iface.groups[1].bytes, "\xff\x02", 2);
    assert_memory_equal(iface.groups[2].bytes, "\xe1\x02\x03\x04", 4);
    send_to(f, "225.2.3.4");
    gn_simnet_expect(member, "all");
    gn_simnet_expect(other, NULL);
    gn_simnet_end(member);
    assert_int_equal(gn_namespace_interface_by_index(in, 2, &iface), 0);
    assert_int_equal(iface.n_groups, 2);
    gn_simnet_end(other);
}

/* RFC 1112 section 6.1: with a TTL of 0 a datagram stays on its host. */
static void groups_with_no_ttl_stay_at_home(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *from = gn_simnet_guest(f->sim.net, "from");
    struct gn_namespace *to = gn_simnet_guest(f->sim.net, "to");
    struct gn_sock *sender = gn_simnet_udp(from, "0.0.0.0:1");
    struct gn_sock *member = gn_simnet_udp(to, "0.0.0.0:1000");
    struct ip_mreqn join = {.imr_multiaddr.s_addr = htonl(0xe1020304)};
    int ttl = 0;

    assert_int_equal(gn_sock_setopt(member, IPPROTO_IP, IP_ADD_MEMBERSHIP,
                                    &join, sizeof(join)),
                     0);
    assert_int_equal(gn_simnet_send(sender, "225.2.3.4:1000", "one", 3), 3);
    gn_simnet_expect(member, "one");
    assert_int_equal(
        gn_sock_setopt(sender, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl)),
        0);
    assert_int_equal(gn_simnet_send(sender, "225.2.3.4:1000", "none", 4), 4);
    gn_simnet_expect(member, NULL);
    assert_int_equal(gn_simnet_ns_drops(from, GN_DROP_TTL), 1);
    gn_simnet_end(sender);
    gn_simnet_end(member);
}

static void ipv6_groups_reach_their_members(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *in = gn_simnet_guest(f->sim.net, "in");
    struct gn_sock *member = gn_simnet_udp(in, "[::]:1000");
    struct ipv6_mreq join = {.ipv6mr_interface = 2};

    join.ipv6mr_multiaddr.s6_addr[0] = 0xff;
    join.ipv6mr_multiaddr.s6_addr[1] = 0x05;
    join.ipv6mr_multiaddr.s6_addr[15] = 0x99;
    assert_int_equal(gn_sock_setopt(member, IPPROTO_IPV6, IPV6_JOIN_GROUP,
                                    &join, sizeof(join)),
                     0);
    send_to(f, "ff05::99");
    gn_simnet_expect(member, "all");
    send_to(f, "ff05::98");
    gn_simnet_expect(member, NULL);
    gn_simnet_end(member);
}

static void a_storm_is_bounded_and_others_go_on(void **state)
{
    enum { GUESTS = 10000 };
    struct fixture *f = *state;
    struct gn_sock **socks = test_malloc(GUESTS * sizeof(struct gn_sock *));
    struct gn_namespace *ns = NULL;
    struct gn_sock *ping, *pong;
    uint64_t peak, before;
    int i, rounds = 0, little = 1; /* Linux' least: two or three of them. */

    for (i = 0; i < GUESTS; i++) {
        ns = gn_simnet_guest(f->sim.net, NULL);
        socks[i] = gn_simnet_udp(ns, "0.0.0.0:1000");
        assert_int_equal(gn_sock_setopt(socks[i], SOL_SOCKET, SO_RCVBUF,
                                        &little, sizeof(little)),
                         0);
    }
    ping = gn_simnet_udp(gn_simnet_guest(f->sim.net, "x"), "0.0.0.0:7");
    pong = gn_simnet_udp(gn_simnet_guest(f->sim.net, "y"), "10.0.39.19:7");
    before = f->sim.heap.live_bytes;
    peak = before;
    for (i = 0; i < 5000; i++) {
        send_to(f, "255.255.255.255");
        if (f->sim.heap.live_bytes > peak)
            peak = f->sim.heap.live_bytes;
    }
    assert_true(peak - before < 32u * 1024 * 1024);
    assert_true(gn_simnet_drops(f->sim.net, GN_DROP_BROADCAST) > 4000);

    /* Another guest's datagram passes in a bounded number of entries. */
    assert_int_equal(gn_simnet_send(ping, "10.0.39.19:7", "me", 2), 2);
    while (gn_simnet_recv(pong, f->out, sizeof(f->out)) < 0) {
        assert_true(rounds++ < 100);
        assert_true(gn_clock_step(f->sim.clock));
    }
    gn_clock_advance(f->sim.clock, 0); /* And it ends. */
    for (i = 0; i < GUESTS; i++) {
        gn_simnet_expect(socks[i], "all");
        gn_simnet_end(socks[i]);
    }
    gn_simnet_end(ping);
    gn_simnet_end(pong);
    test_free(socks);
}

static void members_may_leave_while_a_packet_is_spread(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *ns[300];
    struct gn_sock *sock[300];
    int i;

    for (i = 0; i < 300; i++) {
        ns[i] = gn_simnet_guest(f->sim.net, NULL);
        sock[i] = gn_simnet_udp(ns[i], "0.0.0.0:1000");
    }
    for (i = 0; i < 20; i++)
        send_to(f, "255.255.255.255");
    for (i = 0; i < 300; i += 2)
        gn_namespace_close(ns[i], 0, NULL, NULL);
    gn_clock_advance(f->sim.clock, 0);
    for (i = 1; i < 300; i += 2)
        gn_simnet_expect(sock[i], "all");
    for (i = 0; i < 20; i++)
        send_to(f, "255.255.255.255");
    for (i = 1; i < 300; i += 2)
        gn_namespace_close(ns[i], 0, NULL, NULL);
    gn_clock_advance(f->sim.clock, 0);
    for (i = 0; i < 300; i++)
        gn_simnet_end(sock[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(broadcasts_reach_the_listeners),
        CASE(groups_reach_their_members),
        CASE(groups_with_no_ttl_stay_at_home),
        CASE(ipv6_groups_reach_their_members),
        CASE(a_storm_is_bounded_and_others_go_on),
        CASE(members_may_leave_while_a_packet_is_spread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
