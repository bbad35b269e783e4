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

static const char *const both[] = {"10.77.0.0/24", "fd77::/64", NULL};
static const char *const raw_addrs[] = {"10.77.0.200", "fd77::200", NULL};

struct fixture {
    struct gn_simnet sim;
    struct gn_namespace *a, *b; /* 10.77.0.2 and .3 */
    struct gn_rawport *raw;
    uint8_t in[65536], out[65536];
};

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    gn_simnet_setup(&f->sim, both, 1);
    f->a = gn_simnet_guest(f->sim.net, "a");
    f->b = gn_simnet_guest(f->sim.net, "b");
    f->raw = gn_rawport_open(f->sim.net, raw_addrs, 0);
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

/* What an ICMP message that came to the raw port says: type and code. */
static int icmp_received(struct fixture *f, const char *from)
{
    size_t len = gn_rawport_recv(f->raw, f->in, sizeof(f->in));
    struct gn__addr src, expected;
    bool v4;

    if (!len)
        return -1;
    v4 = f->in[0] >> 4 == 4;
    src = v4 ? gn__addr_from_v4_bytes(f->in + 12)
             : gn__addr_from_v6_bytes(f->in + 8);
    assert_int_equal(gn__addr_parse(from, &expected), 0);
    assert_true(gn__addr_equal(&src, &expected));
    assert_int_equal(f->in[v4 ? 9 : 6], v4 ? 1 : 58);
    return f->in[v4 ? 20 : 40] << 8 | f->in[v4 ? 21 : 41];
}

static void a_datagram_reaches_the_owner_of_its_address(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *a4 = gn_simnet_udp(f->a, "10.77.0.2:1000");
    struct gn_sock *b4 = gn_simnet_udp(f->b, "10.77.0.3:1000");
    struct gn_sock *a6 = gn_simnet_udp(f->a, "[fd77::2]:1000");
    struct gn_sock *b6 = gn_simnet_udp(f->b, "[fd77::3]:1000");

    assert_int_equal(gn_simnet_send(a4, "10.77.0.3:1000", "four", 4), 4);
    assert_int_equal(gn_simnet_send(a6, "[fd77::3]:1000", "six", 3), 3);
    gn_simnet_expect(b4, "four");
    gn_simnet_expect(b6, "six");
    gn_simnet_expect(a4, NULL);
    gn_simnet_end(a4);
    gn_simnet_end(b4);
    gn_simnet_end(a6);
    gn_simnet_end(b6);
}

static void an_address_of_no_guest_is_host_unreachable(void **state)
{
    struct fixture *f = *state;
    struct gn_raw_ip four = {.src = "10.77.0.200", .dst = "10.77.0.99"};
    struct gn_raw_ip six = {.src = "fd77::200", .dst = "fd77::99"};
    size_t len;

    len = gn_raw_udp(&four, 1, 2, "x", 1, f->out);
    assert_int_equal(gn_rawport_send(f->raw, f->out, len), 0);
    assert_int_equal(icmp_received(f, "10.77.0.1"), 0x0301);
    len = gn_raw_udp(&six, 1, 2, "x", 1, f->out);
    assert_int_equal(gn_rawport_send(f->raw, f->out, len), 0);
    assert_int_equal(icmp_received(f, "fd77::1"), 0x0103);
    assert_int_equal(gn_simnet_drops(f->sim.net, GN_DROP_UNREACHABLE), 2);
}

static void an_address_outside_is_net_unreachable(void **state)
{
    struct fixture *f = *state;
    struct gn_raw_ip ip = {.src = "10.77.0.200", .dst = "8.8.8.8"};
    size_t len = gn_raw_udp(&ip, 1, 2, "x", 1, f->out);

    assert_int_equal(gn_rawport_send(f->raw, f->out, len), 0);
    assert_int_equal(icmp_received(f, "10.77.0.1"), 0x0300);
    assert_int_equal(gn_simnet_drops(f->sim.net, GN_DROP_NO_ROUTE), 1);
}

static void a_source_of_another_guest_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *b = gn_simnet_udp(f->b, "10.77.0.3:1000");
    static const char *const sources[] = {"10.77.0.2", "10.77.0.1", "8.8.8.8",
                                          "127.0.0.1", "0.0.0.0"};
    size_t i, len;

    for (i = 0; i < 5; i++) {
        struct gn_raw_ip ip = {.src = sources[i], .dst = "10.77.0.3"};

        len = gn_raw_udp(&ip, 1000, 1000, "x", 1, f->out);
        (void)!gn_rawport_send(f->raw, f->out, len);
    }
    gn_simnet_expect(b, NULL);
    assert_int_equal(gn_simnet_drops(f->sim.net, GN_DROP_SOURCE) +
                         gn_simnet_drops(f->sim.net, GN_DROP_MALFORMED),
                     5);
    assert_int_equal(gn_rawport_waiting(f->raw), 0);
    gn_simnet_end(b);
}

static void loopback_never_comes_from_the_wire(void **state)
{
    struct fixture *f = *state;
    struct gn_raw_ip ip = {.src = "10.77.0.200", .dst = "127.0.0.1"};
    struct gn_sock *b = gn_simnet_udp(f->b, "127.0.0.1:1000");
    size_t len = gn_raw_udp(&ip, 1000, 1000, "x", 1, f->out);

    assert_int_equal(gn_rawport_send(f->raw, f->out, len), 0);
    assert_int_equal(gn_simnet_drops(f->sim.net, GN_DROP_DESTINATION), 1);
    assert_int_equal(gn_rawport_send_via(f->raw, "10.77.0.3", f->out, len), 0);
    assert_int_equal(gn_simnet_ns_drops(f->b, GN_DROP_DESTINATION), 1);
    gn_rawport_any_source(f->raw);
    ip = (struct gn_raw_ip){.src = "127.0.0.1", .dst = "10.77.0.3"};
    len = gn_raw_udp(&ip, 1000, 1000, "x", 1, f->out);
    assert_int_equal(gn_rawport_send(f->raw, f->out, len), 0);
    assert_int_equal(gn_simnet_drops(f->sim.net, GN_DROP_SOURCE), 1);
    gn_simnet_expect(b, NULL);
    gn_simnet_end(b);
}

static void a_closed_port_is_unreachable(void **state)
{
    struct fixture *f = *state;
    struct gn_raw_ip four = {.src = "10.77.0.200", .dst = "10.77.0.3"};
    struct gn_raw_ip six = {.src = "fd77::200", .dst = "fd77::3"};
    size_t len = gn_raw_udp(&four, 1, 9, "x", 1, f->out);

    assert_int_equal(gn_rawport_send(f->raw, f->out, len), 0);
    assert_int_equal(icmp_received(f, "10.77.0.3"), 0x0303);
    len = gn_raw_udp(&six, 1, 9, "x", 1, f->out);
    assert_int_equal(gn_rawport_send(f->raw, f->out, len), 0);
    assert_int_equal(icmp_received(f, "fd77::3"), 0x0104);
    assert_int_equal(gn_simnet_ns_drops(f->b, GN_DROP_PORT), 2);
}

static void an_unknown_protocol_is_unreachable(void **state)
{
    struct fixture *f = *state;
    struct gn_raw_ip four = {.src = "10.77.0.200", .dst = "10.77.0.3"};
    size_t len = gn_raw_packet(&four, 132, "sctp....", 8, f->out);

    assert_int_equal(gn_rawport_send(f->raw, f->out, len), 0);
    assert_int_equal(icmp_received(f, "10.77.0.3"), 0x0302);
    assert_int_equal(gn_simnet_ns_drops(f->b, GN_DROP_PROTOCOL), 1);
}

static void a_ping_is_answered(void **state)
{
    struct fixture *f = *state;
    struct gn_raw_ip four = {.src = "10.77.0.200", .dst = "10.77.0.3"};
    struct gn_raw_ip six = {.src = "fd77::200", .dst = "fd77::3"};
    struct gn_raw_ip gateway = {.src = "10.77.0.200", .dst = "10.77.0.1"};
    size_t len = gn_raw_ping(&four, 7, 1, f->out);

    assert_int_equal(gn_rawport_send(f->raw, f->out, len), 0);
    assert_int_equal(icmp_received(f, "10.77.0.3"), 0x0000);
    len = gn_raw_ping(&six, 7, 1, f->out);
    assert_int_equal(gn_rawport_send(f->raw, f->out, len), 0);
    assert_int_equal(icmp_received(f, "fd77::3"), 129 << 8);
    len = gn_raw_ping(&gateway, 7, 1, f->out);
    assert_int_equal(gn_rawport_send(f->raw, f->out, len), 0);
    assert_int_equal(icmp_received(f, "10.77.0.1"), 0x0000);
}

static void the_hop_limit_stays_inside_a_prefix(void **state)
{
    struct fixture *f = *state;
    const char *const addrs[] = {"10.77.0.201", NULL};
    struct gn_rawport *other = gn_rawport_open(f->sim.net, addrs, 0);
    struct gn_raw_ip ip = {
        .src = "10.77.0.200", .dst = "10.77.0.201", .ttl = 1};
    size_t len = gn_raw_udp(&ip, 1, 2, "x", 1, f->out);

    assert_int_equal(gn_rawport_send(f->raw, f->out, len), 0);
    assert_int_equal(gn_rawport_recv(other, f->in, sizeof(f->in)), len);
    assert_memory_equal(f->in, f->out, len);
    gn_rawport_close(other);
}

static void icmp_errors_are_limited_in_rate(void **state)
{
    struct fixture *f = *state;
    struct gn_raw_ip nobody = {.src = "10.77.0.200", .dst = "10.77.0.99"};
    struct gn_raw_ip closed = {.src = "10.77.0.200", .dst = "10.77.0.3"};
    size_t i, len = gn_raw_udp(&nobody, 1, 2, "x", 1, f->out);

    for (i = 0; i < 5000; i++)
        assert_int_equal(gn_rawport_send(f->raw, f->out, len), 0);
    assert_int_equal(gn_rawport_received(f->raw), 100);
    assert_int_equal(gn_simnet_drops(f->sim.net, GN_DROP_ICMP_RATE), 4900);
    len = gn_raw_udp(&closed, 1, 2, "x", 1, f->out);
    for (i = 0; i < 5000; i++)
        assert_int_equal(gn_rawport_send(f->raw, f->out, len), 0);
    assert_int_equal(gn_rawport_received(f->raw), 200);
    assert_int_equal(gn_simnet_ns_drops(f->b, GN_DROP_ICMP_RATE), 4900);
    gn_clock_advance(f->sim.clock, 10 * GN_MS);
    for (i = 0; i < 5000; i++)
        assert_int_equal(gn_rawport_send(f->raw, f->out, len), 0);
    assert_int_equal(gn_rawport_received(f->raw), 210);
}

static void a_small_mtu_gets_pieces_or_a_refusal(void **state)
{
    struct fixture *f = *state;
    const char *const addrs[] = {"10.77.0.201", "fd77::201", NULL};
    struct gn_rawport *small = gn_rawport_open(f->sim.net, addrs, 1280);
    struct gn_raw_ip cut = {.src = "10.77.0.200", .dst = "10.77.0.201"};
    struct gn_raw_ip whole = {
        .src = "10.77.0.200", .dst = "10.77.0.201", .dont_fragment = true};
    struct gn_raw_ip six = {.src = "fd77::200", .dst = "fd77::201"};
    static const uint8_t payload[4000];
    size_t len = gn_raw_udp(&cut, 1, 2, payload, sizeof(payload), f->out);

    assert_int_equal(gn_rawport_send(f->raw, f->out, len), 0);
    assert_int_equal(gn_rawport_waiting(small), 4);
    while (gn_rawport_waiting(small))
        assert_true(gn_rawport_recv(small, f->in, sizeof(f->in)) <= 1280);
    len = gn_raw_udp(&whole, 1, 2, payload, sizeof(payload), f->out);
    assert_int_equal(gn_rawport_send(f->raw, f->out, len), 0);
    assert_int_equal(icmp_received(f, "10.77.0.1"), 0x0304);
    assert_int_equal(f->in[26] << 8 | f->in[27], 1280);
    len = gn_raw_udp(&six, 1, 2, payload, sizeof(payload), f->out);
    assert_int_equal(gn_rawport_send(f->raw, f->out, len), 0);
    assert_int_equal(icmp_received(f, "fd77::1"), 0x0200);
    assert_int_equal(f->in[46] << 8 | f->in[47], 1280);
    assert_int_equal(gn_rawport_waiting(small), 0);
    assert_int_equal(gn_simnet_drops(f->sim.net, GN_DROP_TOO_BIG), 2);
    gn_rawport_close(small);
}

static void networks_with_equal_prefixes_do_not_meet(void **state)
{
    struct fixture *f = *state;
    struct gn_network *other = gn_simnet_add(&f->sim, "other", both);
    struct gn_namespace *twin = gn_simnet_guest(other, "b");
    struct gn_namespace *third = gn_simnet_guest(other, "third");
    struct gn_sock *a = gn_simnet_udp(f->a, "10.77.0.2:1");
    struct gn_sock *b = gn_simnet_udp(f->b, "10.77.0.3:1");
    struct gn_sock *t = gn_simnet_udp(twin, "10.77.0.2:1");
    struct gn_sock *u = gn_simnet_udp(third, "10.77.0.3:1");

    assert_int_equal(gn_simnet_send(a, "10.77.0.3:1", "here", 4), 4);
    assert_int_equal(gn_simnet_send(t, "10.77.0.3:1", "there", 5), 5);
    gn_simnet_expect(b, "here");
    gn_simnet_expect(b, NULL);
    gn_simnet_expect(u, "there");
    gn_simnet_expect(u, NULL);
    gn_simnet_end(a);
    gn_simnet_end(b);
    gn_simnet_end(t);
    gn_simnet_end(u);
    gn_network_close(other, NULL, NULL);
}

static void a_packet_under_way_misses_the_next_owner(void **state)
{
    struct fixture *f = *state;
    struct gn_link_config slow = {.latency_us = 10000};
    struct gn_raw_ip ip = {.src = "10.77.0.200", .dst = "10.77.0.3"};
    size_t len = gn_raw_udp(&ip, 1, 1000, "late", 4, f->out);
    struct gn_namespace *next;
    struct gn_sock *sock;

    assert_int_equal(gn_link_set(f->b, NULL, &slow), 0);
    assert_int_equal(gn_rawport_send(f->raw, f->out, len), 0);
    gn_namespace_close(f->b, 0, NULL, NULL);
    next = gn_simnet_guest_at(f->sim.net, "10.77.0.3");
    sock = gn_simnet_udp(next, "10.77.0.3:1000");
    gn_clock_advance(f->sim.clock, 20 * GN_MS);
    gn_simnet_expect(sock, NULL);
    assert_int_equal(gn_simnet_drops(f->sim.net, GN_DROP_STALE), 1);
    assert_int_equal(gn_rawport_send(f->raw, f->out, len), 0);
    gn_simnet_expect(sock, "late");
    gn_simnet_end(sock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_datagram_reaches_the_owner_of_its_address),
        CASE(an_address_of_no_guest_is_host_unreachable),
        CASE(an_address_outside_is_net_unreachable),
        CASE(a_source_of_another_guest_is_dropped),
        CASE(loopback_never_comes_from_the_wire),
        CASE(a_closed_port_is_unreachable),
        CASE(an_unknown_protocol_is_unreachable),
        CASE(a_ping_is_answered),
        CASE(the_hop_limit_stays_inside_a_prefix),
        CASE(icmp_errors_are_limited_in_rate),
        CASE(a_small_mtu_gets_pieces_or_a_refusal),
        CASE(networks_with_equal_prefixes_do_not_meet),
        CASE(a_packet_under_way_misses_the_next_owner),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
