/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest behind a NIC, its wire in memory and the clock virtual: what it
 * hears, what becomes of its packets, and what it may not do.
 */
#include <guestnet/nic.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/link.h>

#include "guests/nic/arp.h"
#include "guests/nic/dhcp4.h"
#include "guests/nic/nd.h"
#include "netstack/netstack.h"
#include "tests/lib/card.h"
#include "tests/lib/case.h"
#include "tests/lib/rawport.h"
#include "tests/lib/simnet.h"
#include "tests/lib/units.h"

struct fixture {
    struct gn_simnet sim;
    struct gn_namespace *web; /* 10.77.0.2, fd77::2 */
    struct gn_card card;      /* 10.77.0.3, fd77::3 */
    uint8_t gateway[6], web_mac[6];
};

static int setup(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_nic_config config = {.size = sizeof(config), .name = "vm"};
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    gn_simnet_setup(&f.sim, prefixes, 1);
    f.web = gn_simnet_guest(f.sim.net, "web");
    gn_card_open(&f.card, f.sim.net, &config);
    assert_true(gn_card_resolve(&f.card, f.sim.clock, "10.77.0.3", "10.77.0.1",
                                f.gateway));
    assert_true(gn_card_resolve(&f.card, f.sim.clock, "10.77.0.3", "10.77.0.2",
                                f.web_mac));
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_card_close(&f->card);
    gn_simnet_teardown(&f->sim);
    return 0;
}

static struct gn_nic_stats stats_of(struct fixture *f)
{
    struct gn_nic_stats stats;

    gn_nic_stats(f->card.nic, &stats);
    return stats;
}

static void send_udp(struct fixture *f, const uint8_t *mac, const char *from,
                     const char *to, uint16_t port, const char *text)
{
    struct gn_raw_ip ip = {.src = from, .dst = to};
    uint8_t packet[1500];

    gn_card_send_ip(&f->card, mac, packet,
                    gn_raw_udp(&ip, 5000, port, text, strlen(text), packet));
    gn_clock_advance(f->sim.clock, 0);
}

/* ---- packets ---- */

static void datagrams_go_both_ways(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = gn_simnet_udp(f->web, "10.77.0.2:7");
    uint8_t header[14], packet[1500];
    struct gn__ip ip;
    size_t len;

    send_udp(f, f->web_mac, "10.77.0.3", "10.77.0.2", 7, "hello");
    gn_simnet_expect(sock, "hello");
    gn_card_forget(&f->card);
    assert_int_equal(gn_simnet_send(sock, "10.77.0.3:5000", "world", 5), 5);
    gn_clock_advance(f->sim.clock, 0);
    len = gn_card_recv(&f->card, header, packet, sizeof(packet));
    assert_int_equal(len, 20 + 8 + 5);
    assert_memory_equal(header, f->card.mac, 6);
    assert_memory_equal(header + 6, f->web_mac, 6);
    assert_memory_equal(packet + 28, "world", 5);
    assert_int_equal(gn__ip_parse(packet, len, len, true, &ip), GN__IP_FINE);
    gn_simnet_end(sock);
}

static void the_gateway_answers_an_echo(void **state)
{
    struct fixture *f = *state;
    struct gn_raw_ip ip = {.src = "10.77.0.3", .dst = "10.77.0.1"};
    uint8_t packet[1500];

    gn_card_send_ip(&f->card, f->gateway, packet,
                    gn_raw_ping(&ip, 1, 1, packet));
    gn_clock_advance(f->sim.clock, 0);
    assert_true(gn_card_recv_type(&f->card, GN__ETHER_IP4, NULL, packet,
                                  sizeof(packet)) > 20);
    assert_int_equal(packet[20], 0); /* echo reply */
}

static void by_the_gateway_neighbours_are_reached_too(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = gn_simnet_udp(f->web, "10.77.0.2:7");

    send_udp(f, f->gateway, "10.77.0.3", "10.77.0.2", 7, "hello");
    gn_simnet_expect(sock, "hello");
    gn_simnet_end(sock);
}

/* The guest that had the address is gone; the other's table of neighbours is
 * not. */
static void an_address_that_has_moved_is_reached_and_told(void **state)
{
    static const uint8_t gone[6] = {2, 1, 1, 1, 1, 1};
    struct fixture *f = *state;
    struct gn_sock *sock = gn_simnet_udp(f->web, "10.77.0.2:7");
    uint8_t bytes[1500];
    struct gn__arp arp;
    size_t len;

    gn_card_forget(&f->card);
    send_udp(f, gone, "10.77.0.3", "10.77.0.2", 7, "hello");
    gn_simnet_expect(sock, "hello");
    len =
        gn_card_recv_type(&f->card, GN__ETHER_ARP, NULL, bytes, sizeof(bytes));
    assert_true(gn__arp_parse(bytes, len, &arp));
    assert_int_equal(arp.op, GN__ARP_REPLY);
    assert_memory_equal(arp.sender_mac, f->web_mac, 6);
    gn_simnet_end(sock);

    sock = gn_simnet_udp(f->web, "[fd77::2]:7");
    send_udp(f, gone, "fd77::3", "fd77::2", 7, "hello");
    gn_simnet_expect(sock, "hello");
    len =
        gn_card_recv_type(&f->card, GN__ETHER_IP6, NULL, bytes, sizeof(bytes));
    assert_int_equal(len, 40 + GN__ND_LEN);
    assert_int_equal(bytes[40], GN__ND_NEIGHBOR_ADVERT);
    assert_memory_equal(bytes + 40 + 26, f->web_mac, 6);
    gn_simnet_end(sock);
}

static void outside_is_unreachable_unless_allowed(void **state)
{
    struct fixture *f = *state;
    uint8_t packet[1500];

    gn_card_forget(&f->card);
    send_udp(f, f->gateway, "10.77.0.3", "192.0.2.1", 7, "hello");
    assert_true(gn_card_recv_type(&f->card, GN__ETHER_IP4, NULL, packet,
                                  sizeof(packet)) > 20);
    assert_int_equal(packet[20], 3); /* destination unreachable */
    assert_int_equal(packet[21], 0); /* net */
}

/* To an address outside, by a MAC address that another guest has. */
static void a_hop_is_looked_for_so_often_and_no_more(void **state)
{
    struct fixture *f = *state;
    uint8_t mac[6] = {2};
    int i;

    for (i = 1; i <= 100; i++) { /* It is remembered: all find it. */
        send_udp(f, f->web_mac, "10.77.0.3", "192.0.2.1", 7, "x");
        assert_int_equal(gn_simnet_ns_drops(f->web, GN_DROP_NOT_FORWARDED), i);
    }
    for (i = 0; i < 1000; i++) {
        gn__put16(mac + 4, (uint16_t)i);
        send_udp(f, mac, "10.77.0.3", "192.0.2.1", 7, "x");
    }
    assert_int_equal(
        gn_simnet_ns_drops(gn_nic_namespace(f->card.nic), GN_DROP_UNREACHABLE),
        1000);
    send_udp(f, f->web_mac, "10.77.0.3", "192.0.2.1", 7, "x");
    assert_int_equal(gn_simnet_ns_drops(f->web, GN_DROP_NOT_FORWARDED), 101);
}

static void a_broadcast_reaches_the_others(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = gn_simnet_udp(f->web, "0.0.0.0:7");

    send_udp(f, gn_card_broadcast, "10.77.0.3", "10.77.0.255", 7, "all");
    gn_simnet_expect(sock, "all");
    send_udp(f, gn_card_broadcast, "10.77.0.3", "255.255.255.255", 7, "one");
    gn_simnet_expect(sock, "one");
    gn_simnet_end(sock);
}

static void the_namespace_has_counters_and_a_link(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *ns = gn_nic_namespace(f->card.nic);
    struct gn_link_config down = {.size = sizeof(down), .down = true};
    struct gn_sock *sock = gn_simnet_udp(f->web, "10.77.0.2:7");
    struct gn_stats stats;

    assert_ptr_equal(gn_namespace_find(f->sim.net, "vm"), ns);
    send_udp(f, f->web_mac, "10.77.0.3", "10.77.0.2", 7, "1");
    gn_simnet_expect(sock, "1");
    gn_namespace_stats(ns, &stats);
    assert_int_equal(stats.packets_out, 1);
    assert_int_equal(gn_link_set(ns, "eth0", &down), 0);
    send_udp(f, f->web_mac, "10.77.0.3", "10.77.0.2", 7, "2");
    gn_simnet_expect(sock, NULL);
    gn_simnet_end(sock);
}

static void it_has_no_sockets(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *ns = gn_nic_namespace(f->card.nic);
    struct gn_sock *sock;

    assert_int_equal(gn_sock_open(ns, AF_INET, SOCK_DGRAM, 0, &sock),
                     -EOPNOTSUPP);
    assert_int_equal(gn_namespace_attach(ns, f->sim.net, NULL), -EOPNOTSUPP);
    assert_int_equal(gn_route_add(ns, "10.0.0.0/8", "10.77.0.1"), -EOPNOTSUPP);
    gn_namespace_close(ns, 0, NULL, NULL); /* Only gn_nic_close() does. */
    assert_ptr_equal(gn_namespace_find(f->sim.net, "vm"), ns);
}

/* ---- ARP and Neighbour Discovery ---- */

static void only_what_others_have_is_answered(void **state)
{
    struct fixture *f = *state;
    uint8_t mac[6];

    assert_memory_not_equal(f->gateway, f->web_mac, 6);
    assert_int_equal(f->gateway[0] & 3, 2); /* local, of one card */
    assert_false(
        gn_card_resolve(&f->card, f->sim.clock, "0.0.0.0", "10.77.0.3", mac));
    assert_false(gn_card_resolve(&f->card, f->sim.clock, "10.77.0.3",
                                 "10.77.0.77", mac));
    assert_false(
        gn_card_resolve(&f->card, f->sim.clock, "10.77.0.3", "192.0.2.1", mac));
    assert_true(
        gn_card_resolve(&f->card, f->sim.clock, "0.0.0.0", "10.77.0.2", mac));
    assert_memory_equal(mac, f->web_mac, 6);
}

static void neighbours_are_found_by_ipv6(void **state)
{
    struct fixture *f = *state;
    uint8_t mac[6];

    assert_true(
        gn_card_resolve(&f->card, f->sim.clock, "fd77::3", "fd77::1", mac));
    assert_memory_equal(mac, f->gateway, 6);
    assert_true(
        gn_card_resolve(&f->card, f->sim.clock, "fd77::3", "fd77::2", mac));
    assert_memory_equal(mac, f->web_mac, 6);
    assert_false(
        gn_card_resolve(&f->card, f->sim.clock, "fd77::3", "fd77::77", mac));
}

static void an_address_of_its_own_making_is_its(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = gn_simnet_udp(f->web, "[fd77::2]:7");
    uint8_t mac[6];

    assert_false(gn_card_resolve(&f->card, f->sim.clock,
                                 "::", "fd77::5054:ff:fe12:3456", mac));
    send_udp(f, f->web_mac, "fd77::5054:ff:fe12:3456", "fd77::2", 7, "auto");
    gn_simnet_expect(sock, "auto");
    assert_true(f->card.events & 1u << GN_NIC_ADDRESSES);
    assert_int_equal(
        gn_simnet_send(sock, "[fd77::5054:ff:fe12:3456]:9", "x", 1), 1);
    gn_clock_advance(f->sim.clock, 0);
    assert_int_not_equal(gn_card_recv(&f->card, NULL, NULL, 0), 0);
    gn_simnet_end(sock);
}

static void an_address_of_another_is_defended(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = gn_simnet_udp(f->web, "[fd77::2]:7");
    uint8_t mac[6];

    assert_true(gn_card_resolve(&f->card, f->sim.clock, "::", "fd77::2", mac));
    assert_memory_equal(mac, f->web_mac, 6);
    send_udp(f, f->web_mac, "fd77::1", "fd77::2", 7, "forged");
    gn_simnet_expect(sock, NULL);
    gn_simnet_end(sock);
}

static void it_may_take_so_many_and_no_more(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = gn_simnet_udp(f->web, "[fd77::2]:7");
    char addr[32];
    uint8_t mac[6];
    int i, n = 0;

    for (i = 0; i < 40; i++) {
        snprintf(addr, sizeof(addr), "fd77::5:%x", i);
        gn_card_resolve(&f->card, f->sim.clock, "::", addr, mac);
        send_udp(f, f->web_mac, addr, "fd77::2", 7, addr);
        n += gn_simnet_recv(sock, addr, sizeof(addr)) > 0;
    }
    assert_int_equal(n, 6); /* of 8, two of which it had */
    gn_simnet_end(sock);
}

static void an_idle_address_is_given_back(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *other;
    uint8_t mac[6];

    gn_card_resolve(&f->card, f->sim.clock, "::", "fd77::99", mac);
    gn_clock_advance(f->sim.clock, 7199 * GN_S);
    gn_card_forget(&f->card);
    assert_null(gn_namespace_find(f->sim.net, "x"));
    send_udp(f, f->web_mac, "fd77::99", "fd77::2", 7, "still here");
    gn_clock_advance(f->sim.clock, 7199 * GN_S);
    gn_card_forget(&f->card);
    send_udp(f, f->web_mac, "fd77::99", "fd77::2", 7, "still here");
    gn_clock_advance(f->sim.clock, 2 * 7201 * GN_S);
    gn_card_forget(&f->card);
    other = gn_simnet_guest_at(f->sim.net, "fd77::99");
    gn_namespace_close(other, 0, NULL, NULL);
}

/* ---- DHCP and router advertisements ---- */

static size_t dhcp(struct fixture *f, uint8_t type, uint8_t *answer)
{
    struct gn_raw_ip ip = {.src = "0.0.0.0", .dst = "255.255.255.255"};
    static const uint8_t options[] = {0x63, 0x82, 0x53, 0x63, 53, 1};
    uint8_t msg[300] = {1, 1, 6}, packet[1500];
    size_t len;

    memcpy(msg + 28, f->card.mac, 6);
    memcpy(msg + 236, options, sizeof(options));
    msg[242] = type;
    msg[243] = 255;
    gn_card_forget(&f->card);
    gn_card_send_ip(&f->card, gn_card_broadcast, packet,
                    gn_raw_udp(&ip, 68, 67, msg, sizeof(msg), packet));
    gn_clock_advance(f->sim.clock, 0);
    len = gn_card_recv_type(&f->card, GN__ETHER_IP4, NULL, packet,
                            sizeof(packet));
    if (len < 28 + 240)
        return 0;
    memcpy(answer, packet + 28, len - 28);
    return len - 28;
}

static void dhcp_offers_the_address_of_the_port(void **state)
{
    struct fixture *f = *state;
    uint8_t answer[1500];
    size_t len = dhcp(f, GN__DHCP4_DISCOVER, answer);

    assert_true(len >= 300);
    assert_memory_equal(answer + 16, "\x0a\x4d\x00\x03", 4);
    assert_non_null(memmem(answer, len, "\x0c\x02vm", 4));
    assert_non_null(memmem(answer, len, "\x36\x04\x0a\x4d\x00\x01", 6));
}

static void a_declined_address_is_not_offered_again(void **state)
{
    struct fixture *f = *state;
    struct gn_raw_ip ip = {.src = "0.0.0.0", .dst = "255.255.255.255"};
    static const uint8_t options[] = {0x63, 0x82, 0x53, 0x63, 53, 1, 4,
                                      50,   4,    10,   77,   0,  3, 255};
    uint8_t msg[300] = {1, 1, 6}, packet[1500], answer[1500];

    memcpy(msg + 28, f->card.mac, 6);
    memcpy(msg + 236, options, sizeof(options));
    gn_card_send_ip(&f->card, gn_card_broadcast, packet,
                    gn_raw_udp(&ip, 68, 67, msg, sizeof(msg), packet));
    assert_true(dhcp(f, GN__DHCP4_DISCOVER, answer) > 0);
    assert_memory_equal(answer + 16, "\x0a\x4d\x00\x04", 4);
}

static void a_solicitation_is_answered_by_an_advertisement(void **state)
{
    struct fixture *f = *state;
    struct gn_raw_ip ip = {
        .src = "fe80::5054:ff:fe12:3456", .dst = "ff02::2", .ttl = 255};
    static const uint8_t all_routers[6] = {0x33, 0x33, [5] = 2};
    uint8_t msg[8] = {133}, packet[1500];
    size_t len;

    gn_card_forget(&f->card);
    gn_card_send_ip(&f->card, all_routers, packet,
                    gn_raw_icmp6(&ip, msg, sizeof(msg), packet));
    gn_clock_advance(f->sim.clock, 0);
    len = gn_card_recv_type(&f->card, GN__ETHER_IP6, NULL, packet,
                            sizeof(packet));
    assert_true(len > 56);
    assert_int_equal(packet[40], 134);
    assert_int_equal(packet[7], 255);
    assert_non_null(memmem(packet, len, "\x03\x04\x40\xc0", 4));
}

static void advertisements_come_unasked_for_too(void **state)
{
    struct fixture *f = *state;
    uint8_t packet[1500];

    gn_card_forget(&f->card);
    gn_clock_advance(f->sim.clock, 3 * GN_S);
    assert_true(gn_card_recv_type(&f->card, GN__ETHER_IP6, NULL, packet,
                                  sizeof(packet)) > 56);
    assert_int_equal(packet[40], 134);
    assert_memory_equal(packet + 24, "\xff\x02", 2);
}

/* ---- what it may not do ---- */

static void forged_sources_are_dropped_and_counted(void **state)
{
    static const char *const from[] = {"10.77.0.2", "10.77.0.1", "10.77.0.99",
                                       "192.0.2.1", "127.0.0.1"};
    struct fixture *f = *state;
    struct gn_sock *sock = gn_simnet_udp(f->web, "10.77.0.2:7");
    size_t i;

    for (i = 0; i < 5; i++)
        send_udp(f, f->web_mac, from[i], "10.77.0.2", 7, "forged");
    gn_simnet_expect(sock, NULL);
    assert_int_equal(stats_of(f).spoofed, 5);
    gn_simnet_end(sock);
}

static void it_is_no_server_and_no_router(void **state)
{
    struct fixture *f = *state;
    struct gn_raw_ip ip = {.src = "10.77.0.3", .dst = "10.77.0.2"};
    struct gn_raw_ip ra = {.src = "fe80::1", .dst = "ff02::1", .ttl = 255};
    uint8_t packet[1500], msg[16] = {134};

    gn_card_send_ip(&f->card, f->web_mac, packet,
                    gn_raw_udp(&ip, 67, 68, "x", 1, packet));
    gn_card_send_ip(&f->card, gn_card_broadcast, packet,
                    gn_raw_icmp6(&ra, msg, sizeof(msg), packet));
    assert_int_equal(stats_of(f).spoofed, 2);
}

/* The first fragment of @packet, of IPv4: all of it, and more to come. */
static void send_piece4(struct fixture *f, uint8_t *packet, size_t len)
{
    packet[6] |= 0x20;
    gn__put16(packet + 10, 0);
    gn__put16(packet + 10, gn__ip4_checksum(packet, 20));
    gn_card_send_ip(&f->card, f->web_mac, packet, len);
    gn_clock_advance(f->sim.clock, 0);
}

/* The same of IPv6, by a fragment header. */
static void send_piece6(struct fixture *f, const uint8_t *packet, size_t len)
{
    uint8_t piece[1500];

    memcpy(piece, packet, 40);
    gn__put16(piece + 4, (uint16_t)(len - 40 + 8));
    memset(piece + 40, 0, 8);
    piece[40] = packet[6];
    piece[6] = 44;
    piece[43] = 1;
    memcpy(piece + 48, packet + 40, len - 40);
    gn_card_send_ip(&f->card, f->web_mac, piece, len + 8);
    gn_clock_advance(f->sim.clock, 0);
}

static void in_pieces_it_is_none_either(void **state)
{
    struct fixture *f = *state;
    struct gn_raw_ip ip4 = {.src = "10.77.0.3", .dst = "10.77.0.2"};
    struct gn_raw_ip ip6 = {.src = "fd77::3", .dst = "fd77::2", .ttl = 255};
    uint8_t packet[1500], msg[16] = {134};
    struct gn_stats before, after;

    gn_namespace_stats(f->web, &before);
    send_piece4(f, packet, gn_raw_udp(&ip4, 67, 68, "12345678", 8, packet));
    assert_int_equal(stats_of(f).spoofed, 1);
    send_piece6(f, packet, gn_raw_icmp6(&ip6, msg, sizeof(msg), packet));
    assert_int_equal(stats_of(f).malformed, 1);
    gn_namespace_stats(f->web, &after);
    assert_int_equal(after.packets_in, before.packets_in);
    assert_int_equal(stats_of(f).dhcp, 0);
    send_piece4(f, packet, gn_raw_udp(&ip4, 68, 67, "12345678", 8, packet));
    assert_int_equal(stats_of(f).dhcp, 0);
}

static void another_card_is_followed_or_refused(void **state)
{
    struct fixture *f = *state;
    struct gn_nic_config config = {.size = sizeof(config),
                                   .mac = {2, 0, 0, 0, 0, 7}};
    struct gn_card fixed;
    uint8_t mac[6];

    f->card.mac[5]++;
    assert_true(
        gn_card_resolve(&f->card, f->sim.clock, "10.77.0.3", "10.77.0.1", mac));
    assert_memory_equal(stats_of(f).mac, f->card.mac, 6);
    gn_card_open(&fixed, f->sim.net, &config);
    assert_false(
        gn_card_resolve(&fixed, f->sim.clock, "10.77.0.4", "10.77.0.1", mac));
    memcpy(fixed.mac, config.mac, 6);
    assert_true(
        gn_card_resolve(&fixed, f->sim.clock, "10.77.0.4", "10.77.0.1", mac));
    gn_card_close(&fixed);
}

static void what_is_not_ip_is_counted(void **state)
{
    struct fixture *f = *state;
    uint8_t data[64] = {0};

    gn_card_send(&f->card, gn_card_broadcast, 0x88cc, data, sizeof(data));
    gn_card_send(&f->card, gn_card_broadcast, 0x8100, data, sizeof(data));
    assert_int_equal(stats_of(f).not_ip, 2);
}

static void frames_of_every_length_are_survived(void **state)
{
    static uint8_t bytes[GN_CARD_FRAME_MAX];
    struct fixture *f = *state;
    size_t len;

    memcpy(bytes + 6, f->card.mac, 6);
    bytes[12] = 8;
    bytes[14] = 0x45;
    for (len = 0; len < 200; len++)
        assert_int_equal(gn_card_send_raw(&f->card, bytes, len), 1);
    for (len = 65500; len < GN_CARD_FRAME_MAX; len++)
        assert_int_equal(gn_card_send_raw(&f->card, bytes, len), 1);
    gn_clock_advance(f->sim.clock, 0);
    assert_true(stats_of(f).malformed >= 290);
}

/* ---- back-pressure and the carrier ---- */

static void what_is_not_taken_waits_in_order(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = gn_simnet_udp(f->web, "10.77.0.2:7");
    uint8_t packet[1500];
    char text[2] = "a";
    int i;

    gn_card_forget(&f->card);
    f->card.room = 2;
    for (i = 0; i < 10; i++, text[0]++)
        assert_int_equal(gn_simnet_send(sock, "10.77.0.3:9", text, 1), 1);
    gn_clock_advance(f->sim.clock, 0);
    assert_int_equal(f->card.n, 2);
    f->card.room = SIZE_MAX;
    gn_clock_advance(f->sim.clock, 0);
    assert_int_equal(f->card.n, 2);
    gn_nic_writable(f->card.nic);
    gn_clock_advance(f->sim.clock, 0);
    for (i = 0; i < 10; i++) {
        assert_int_equal(gn_card_recv(&f->card, NULL, packet, sizeof(packet)),
                         29);
        assert_int_equal(packet[28], 'a' + i);
    }
    gn_simnet_end(sock);
}

static void a_full_queue_loses_the_newest(void **state)
{
    struct fixture *f = *state;
    struct gn_nic_config config = {.size = sizeof(config),
                                   .queue_bytes = 20000};
    struct gn_sock *sock = gn_simnet_udp(f->web, "10.77.0.2:7");
    struct gn_nic_stats stats;
    struct gn_card card;
    int i;

    gn_card_open(&card, f->sim.net, &config);
    card.room = 0;
    for (i = 0; i < 100; i++)
        assert_int_equal(gn_simnet_send(sock, "10.77.0.4:9", "x", 1), 1);
    gn_clock_advance(f->sim.clock, 0);
    gn_nic_stats(card.nic, &stats);
    assert_true(stats.full > 50 && stats.full < 100);
    gn_card_close(&card);
    gn_simnet_end(sock);
}

static void without_a_carrier_nothing_passes(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = gn_simnet_udp(f->web, "10.77.0.2:7");

    gn_nic_set_carrier(f->card.nic, false);
    send_udp(f, f->web_mac, "10.77.0.3", "10.77.0.2", 7, "hello");
    gn_simnet_expect(sock, NULL);
    gn_nic_set_carrier(f->card.nic, true);
    send_udp(f, f->web_mac, "10.77.0.3", "10.77.0.2", 7, "again");
    gn_simnet_expect(sock, "again");
    assert_int_equal(stats_of(f).clients, 1);
    assert_true(f->card.events & 1u << GN_NIC_CARRIER);
    gn_simnet_end(sock);
}

/* output() pulls the cable, and takes nothing. */
static size_t pull_cable(void *self, const struct gn_frame *frames, size_t n)
{
    struct gn_nic **nic = self;

    (void)frames;
    (void)n;
    gn_nic_set_carrier(*nic, false);
    return 0;
}

static void what_comes_back_without_a_carrier_is_dropped(void **state)
{
    static const struct gn_nic_ops ops = {.output = pull_cable};
    struct fixture *f = *state;
    struct gn_sock *sock = gn_simnet_udp(f->web, "10.77.0.2:7");
    struct gn_nic *nic;

    assert_int_equal(gn_nic_create(f->sim.net, NULL, &ops, &nic, &nic), 0);
    assert_int_equal(gn_simnet_send(sock, "10.77.0.4:9", "x", 1), 1);
    gn_clock_advance(f->sim.clock, 0);
    assert_true(gn_simnet_ns_drops(gn_nic_namespace(nic), GN_DROP_DOWN) >= 1);
    gn_nic_close(nic, NULL, NULL);
    gn_clock_advance(f->sim.clock, 0);
    gn_simnet_end(sock);
}

/* ---- life ---- */

static void its_address_is_free_when_it_is_closed(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *next;
    struct gn_card card;

    gn_card_open(&card, f->sim.net, NULL);
    gn_card_close(&card);
    gn_clock_advance(f->sim.clock, 0);
    next = gn_simnet_guest_at(f->sim.net, "10.77.0.4");
    gn_namespace_close(next, 0, NULL, NULL);
}

static void it_ends_with_its_network(void **state)
{
    static const char *const prefixes[] = {"10.1.0.0/24", NULL};
    struct fixture *f = *state;
    struct gn_network *net = gn_simnet_add(&f->sim, "short", prefixes);
    struct gn_card card;

    gn_card_open(&card, net, NULL);
    card.room = 0;
    gn_network_close(net, NULL, NULL);
    assert_true(card.events & 1u << GN_NIC_GONE);
    assert_true(card.closed);
}

static void it_can_be_detached(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = gn_simnet_udp(f->web, "10.77.0.2:7");

    gn_namespace_detach(gn_nic_namespace(f->card.nic));
    send_udp(f, f->web_mac, "10.77.0.3", "10.77.0.2", 7, "gone");
    gn_simnet_expect(sock, NULL);
    gn_simnet_end(sock);
}

static void bad_settings_are_refused_in_one_line(void **state)
{
    static const struct {
        struct gn_nic_config config;
        const char *why;
    } bad[] = {
        {{.mtu = 500}, "mtu 500: not between 1280 and"},
        {{.mac = {1}}, "mac 01:"},
        {{.offload = GN_NIC_TSO4}, "offload: TSO needs"},
        {{.offload = 1u << 20}, "offload 0x100000: only"},
        {{.flags = 1u << 20}, "flags 0x100000: only"},
        {{.max_addresses = 65}, "max_addresses 65: 64 at most"},
        {{.name = "a b"}, "name \"a b\": not a DNS label"},
    };
    struct fixture *f = *state;
    char why[200];
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct gn_nic_config config = bad[i].config;
        struct gn_card card;

        config.size = sizeof(config);
        config.why = why;
        config.why_len = sizeof(why);
        assert_int_equal(gn_card_try(&card, f->sim.net, &config), -EINVAL);
        assert_memory_equal(why, bad[i].why, strlen(bad[i].why));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(datagrams_go_both_ways),
        CASE(the_gateway_answers_an_echo),
        CASE(by_the_gateway_neighbours_are_reached_too),
        CASE(an_address_that_has_moved_is_reached_and_told),
        CASE(outside_is_unreachable_unless_allowed),
        CASE(a_hop_is_looked_for_so_often_and_no_more),
        CASE(a_broadcast_reaches_the_others),
        CASE(the_namespace_has_counters_and_a_link),
        CASE(it_has_no_sockets),
        CASE(only_what_others_have_is_answered),
        CASE(neighbours_are_found_by_ipv6),
        CASE(an_address_of_its_own_making_is_its),
        CASE(an_address_of_another_is_defended),
        CASE(it_may_take_so_many_and_no_more),
        CASE(an_idle_address_is_given_back),
        CASE(dhcp_offers_the_address_of_the_port),
        CASE(a_declined_address_is_not_offered_again),
        CASE(a_solicitation_is_answered_by_an_advertisement),
        CASE(advertisements_come_unasked_for_too),
        CASE(forged_sources_are_dropped_and_counted),
        CASE(it_is_no_server_and_no_router),
        CASE(in_pieces_it_is_none_either),
        CASE(another_card_is_followed_or_refused),
        CASE(what_is_not_ip_is_counted),
        CASE(frames_of_every_length_are_survived),
        CASE(what_is_not_taken_waits_in_order),
        CASE(a_full_queue_loses_the_newest),
        CASE(without_a_carrier_nothing_passes),
        CASE(what_comes_back_without_a_carrier_is_dropped),
        CASE(its_address_is_free_when_it_is_closed),
        CASE(it_ends_with_its_network),
        CASE(it_can_be_detached),
        CASE(bad_settings_are_refused_in_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
