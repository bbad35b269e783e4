/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A guest behind a NIC that floods: whatever it sends, and as often as it
 * likes, is counted at it by a reason, costs no memory that stays, and takes
 * nothing from two others that talk meanwhile. Virtual time.
 *
 * Floods of what carries frames, framing that lies and clients that are silent:
 * test_nic_socket.c.
 */
#include <guestnet/nic.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guests/nic/arp.h"
#include "guests/nic/dhcp4.h"
#include "guests/nic/nd.h"
#include "netstack/netstack.h"
#include "tests/lib/card.h"
#include "tests/lib/case.h"
#include "tests/lib/rawport.h"
#include "tests/lib/simnet.h"
#include "tests/lib/units.h"

/** Frames of a flood, behind some that fill what is kept for the next
 *  packet. */
enum { FLOOD = 100000, WARM = 2000, AT_ONCE = 50 };

struct fixture {
    struct gn_simnet sim;
    struct gn_namespace *web, *db; /* 10.77.0.2, 10.77.0.3 */
    struct gn_sock *from, *to;     /* of these, which talk */
    struct gn_card card;           /* 10.77.0.4, fd77::4 */
    struct gn_namespace *ns;       /* the card's */
    uint8_t web_mac[6], gateway[6];
};

static void begin(struct fixture *f, const struct gn_nic_config *config)
{
    gn_card_open(&f->card, f->sim.net, config);
    f->ns = gn_nic_namespace(f->card.nic);
    assert_true(gn_card_resolve(&f->card, f->sim.clock, "10.77.0.4",
                                "10.77.0.2", f->web_mac));
    assert_true(gn_card_resolve(&f->card, f->sim.clock, "10.77.0.4",
                                "10.77.0.1", f->gateway));
}

static int setup(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    gn_simnet_setup(&f->sim, prefixes, 1);
    f->web = gn_simnet_guest(f->sim.net, "web");
    f->db = gn_simnet_guest(f->sim.net, "db");
    f->from = gn_simnet_udp(f->web, "10.77.0.2:7");
    f->to = gn_simnet_udp(f->db, "10.77.0.3:7");
    begin(f, NULL);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_card_close(&f->card);
    gn_simnet_end(f->from);
    gn_simnet_end(f->to);
    gn_simnet_teardown(&f->sim);
    free(f);
    return 0;
}

/* ---- floods ---- */

/** Send the i-th frame. */
typedef void (*flood_fn)(struct fixture *f, size_t i);

static void others_are_served(struct fixture *f)
{
    assert_int_equal(gn_simnet_send(f->from, "10.77.0.3:7", "hello", 5), 5);
    gn_clock_advance(f->sim.clock, GN_MS);
    gn_simnet_expect(f->to, "hello");
    assert_int_equal(gn_simnet_send(f->to, "10.77.0.2:7", "world", 5), 5);
    gn_clock_advance(f->sim.clock, GN_MS);
    gn_simnet_expect(f->from, "world");
}

static void send_some(struct fixture *f, flood_fn send, size_t from, size_t to)
{
    size_t i;

    for (i = from; i < to; i++) {
        send(f, i);
        if (i % AT_ONCE)
            continue;
        gn_clock_advance(f->sim.clock, GN_MS);
        gn_card_forget(&f->card);
        if (i % (20 * AT_ONCE) == 0)
            others_are_served(f);
    }
    gn_clock_advance(f->sim.clock, GN_MS);
    gn_card_forget(&f->card);
}

static void flood(struct fixture *f, flood_fn send)
{
    uint64_t n_live, live_bytes;

    send_some(f, send, 0, WARM);
    n_live = f->sim.heap.n_live;
    live_bytes = f->sim.heap.live_bytes;
    send_some(f, send, WARM, FLOOD);
    others_are_served(f);
    assert_true(f->sim.heap.n_live <= n_live);
    assert_true(f->sim.heap.live_bytes <= live_bytes);
}

static uint64_t drops(struct fixture *f, enum gn_drop why)
{
    return gn_simnet_ns_drops(f->ns, why);
}

static struct gn_nic_stats stats_of(struct fixture *f)
{
    struct gn_nic_stats stats;

    gn_nic_stats(f->card.nic, &stats);
    return stats;
}

static void set_mac(struct fixture *f, size_t i)
{
    f->card.mac[0] = 2;
    gn__put32(f->card.mac + 2, (uint32_t)i);
}

static void send_udp(struct fixture *f, const uint8_t *mac, const char *from,
                     const char *to, uint16_t from_port, uint16_t to_port)
{
    struct gn_raw_ip ip = {.src = from, .dst = to};
    uint8_t packet[200];

    gn_card_send_ip(&f->card, mac, packet,
                    gn_raw_udp(&ip, from_port, to_port, "x", 1, packet));
}

/* ---- MAC addresses ---- */

static void arp_for(struct fixture *f, uint32_t sender, uint32_t target)
{
    struct gn__arp arp = {.op = GN__ARP_REQUEST,
                          .sender = gn__addr_from_v4(sender),
                          .target = gn__addr_from_v4(target)};
    uint8_t bytes[GN__ARP_LEN];

    memcpy(arp.sender_mac, f->card.mac, 6);
    gn__arp_build(&arp, bytes);
    gn_card_send(&f->card, gn_card_broadcast, GN__ETHER_ARP, bytes,
                 sizeof(bytes));
}

static void from_any_mac(struct fixture *f, size_t i)
{
    set_mac(f, i);
    arp_for(f, 0x0a4d0004, 0x0a4d0002);
}

static void macs_are_followed_one_at_a_time(void **state)
{
    struct fixture *f = *state;

    flood(f, from_any_mac);
    assert_memory_equal(stats_of(f).mac, f->card.mac, 6);
    assert_int_equal(stats_of(f).spoofed, 0);
}

static void a_fixed_mac_refuses_all_others(void **state)
{
    struct gn_nic_config config = {.size = sizeof(config),
                                   .mac = {0x52, 0x54, 0, 0x12, 0x34, 0x56}};
    struct fixture *f = *state;

    gn_card_close(&f->card);
    begin(f, &config);
    flood(f, from_any_mac);
    assert_int_equal(stats_of(f).spoofed, FLOOD);
    assert_int_equal(drops(f, GN_DROP_SOURCE), FLOOD);
}

/* ---- ARP and Neighbour Discovery ---- */

static void for_any_address(struct fixture *f, size_t i)
{
    arp_for(f, 0x0a4d0004, 0x0a4d0000 + (uint32_t)i);
}

static void arp_costs_nothing_that_stays(void **state)
{
    struct fixture *f = *state;
    uint64_t before = stats_of(f).arp;

    flood(f, for_any_address);
    assert_int_equal(stats_of(f).arp - before, FLOOD);
}

/* It says that it has every address: those of others are defended. */
static void as_any_address(struct fixture *f, size_t i)
{
    arp_for(f, 0x0a4d0001 + (uint32_t)(i % 3), 0x0a4d0004);
}

static void arp_for_the_addresses_of_others_is_counted(void **state)
{
    struct fixture *f = *state;

    flood(f, as_any_address);
    assert_int_equal(drops(f, GN_DROP_SOURCE), FLOOD);
}

static void solicit(struct fixture *f, const char *src,
                    const struct gn__addr *target)
{
    struct gn__nd nd = {.type = GN__ND_NEIGHBOR_SOLICIT,
                        .target = *target,
                        .has_mac = strcmp(src, "::") != 0};
    struct gn__addr group = gn__nd_solicited_group(target);
    char to[GN__ADDR_TEXT];
    struct gn_raw_ip ip = {.src = src, .ttl = 255};
    uint8_t msg[GN__ND_LEN], packet[128] = {0}, dst[6];

    memcpy(nd.mac, f->card.mac, 6);
    assert_true(gn__ether_group(&group, dst));
    ip.dst = gn__addr_format(&group, to, sizeof(to));
    gn_card_send_ip(&f->card, dst, packet,
                    gn_raw_icmp6(&ip, msg, gn__nd_build(&nd, msg), packet));
}

static void probe_any(struct fixture *f, size_t i)
{
    struct gn__addr target = {{0xfd, 0x77}};

    gn__put32(target.bytes + 12, (uint32_t)i + 0x10000);
    solicit(f, "::", &target);
}

static void it_has_no_more_addresses_than_it_may(void **state)
{
    struct fixture *f = *state;
    struct gn_interface eth0;

    flood(f, probe_any);
    assert_int_equal(gn_namespace_interface_by_name(f->ns, "eth0", &eth0), 0);
    assert_int_equal(eth0.n_addrs, 8 + 1); /* and its port's own fe80 */
}

static void ask_any(struct fixture *f, size_t i)
{
    struct gn__addr target = {{0xfd, 0x77}};

    gn__put32(target.bytes + 12, (uint32_t)i);
    solicit(f, "fd77::4", &target);
}

static void solicitations_cost_nothing_that_stays(void **state)
{
    struct fixture *f = *state;

    flood(f, ask_any);
    assert_true(stats_of(f).nd >= FLOOD);
}

/* The guest asks and does not read: what is full is its own queue. */
static void answers_that_it_does_not_read_are_bounded(void **state)
{
    struct gn_nic_config config = {.size = sizeof(config),
                                   .queue_bytes = 64 * 1024};
    struct fixture *f = *state;

    gn_card_close(&f->card);
    begin(f, &config);
    f->card.room = 0;
    flood(f, from_any_mac);
    assert_true(drops(f, GN_DROP_QUEUE) > FLOOD / 2);
    assert_int_equal(stats_of(f).full, drops(f, GN_DROP_QUEUE));
}

/* ---- what is not its own ---- */

static void as_any_source(struct fixture *f, size_t i)
{
    char from[16];

    (void)snprintf(from, sizeof(from), "%u.%u.%u.%u", 11 + (unsigned)i % 100,
                   (unsigned)(i >> 16) & 255, (unsigned)(i >> 8) & 255,
                   (unsigned)i & 255);
    send_udp(f, f->web_mac, from, "10.77.0.2", 9, 7);
}

static void forged_sources_are_counted(void **state)
{
    struct fixture *f = *state;

    flood(f, as_any_source);
    assert_int_equal(drops(f, GN_DROP_SOURCE), FLOOD);
    assert_int_equal(stats_of(f).spoofed, FLOOD);
}

/* By turns: a DHCP and a DHCPv6 server, a router, and one that redirects. */
static void as_a_server(struct fixture *f, size_t i)
{
    struct gn_raw_ip ip = {.src = "fe80::1", .dst = "ff02::1", .ttl = 255};
    uint8_t msg[64] = {i % 4 == 2 ? 134 : 137}, packet[200];

    if (i % 4 == 0)
        send_udp(f, gn_card_broadcast, "10.77.0.4", "255.255.255.255", 67, 68);
    else if (i % 4 == 1)
        send_udp(f, f->web_mac, "fd77::4", "fd77::2", 547, 546);
    else
        gn_card_send_ip(&f->card, gn_card_broadcast, packet,
                        gn_raw_icmp6(&ip, msg, sizeof(msg), packet));
}

static void forged_configuration_is_counted(void **state)
{
    struct fixture *f = *state;
    struct gn_stats before, after;

    gn_namespace_stats(f->web, &before);
    flood(f, as_a_server);
    gn_namespace_stats(f->web, &after);
    assert_int_equal(drops(f, GN_DROP_SOURCE), FLOOD);
    assert_int_equal(after.packets_in - before.packets_in,
                     after.packets_out - before.packets_out);
}

/* ---- fragments ---- */

/* Of 16 packets at a time, each piece over the half of the one before. */
static void overlap(struct fixture *f, size_t i)
{
    struct gn_raw_ip ip = {.src = "10.77.0.4",
                           .dst = i % 2 ? "10.77.0.1" : "10.77.0.2",
                           .id = (uint16_t)(i / 64 * 16 + i % 16)};
    uint8_t packet[200], payload[64] = {0};
    size_t len = gn_raw_packet(&ip, GN__PROTO_UDP, payload, 64, packet);

    gn__put16(packet + 6, (uint16_t)(0x2000 | (i / 16 % 4 * 4)));
    gn__put16(packet + 10, 0);
    gn__put16(packet + 10, gn__ip4_checksum(packet, 20));
    gn_card_send_ip(&f->card, i % 2 ? f->gateway : f->web_mac, packet, len);
}

static void overlapping_fragments_are_given_up(void **state)
{
    struct fixture *f = *state;
    struct gn_stats stats;
    uint64_t n_live, live_bytes;

    send_some(f, overlap, 0, WARM);
    gn_clock_advance(f->sim.clock, 120 * GN_S);
    n_live = f->sim.heap.n_live;
    live_bytes = f->sim.heap.live_bytes;
    send_some(f, overlap, WARM, FLOOD);
    others_are_served(f);
    gn_clock_advance(f->sim.clock, 120 * GN_S);
    gn_card_forget(&f->card);
    assert_true(f->sim.heap.n_live <= n_live);
    assert_true(f->sim.heap.live_bytes <= live_bytes);
    gn_namespace_stats(f->web, &stats);
    assert_true(stats.drops[GN_DROP_REASSEMBLY] > 0);
}

/* ---- frames ---- */

/* 7919 has no divisor in common with how many there are. */
static void of_every_length(struct fixture *f, size_t i)
{
    static uint8_t bytes[69632] = {[12] = 8, [14] = 0x45};

    memcpy(bytes + 6, f->card.mac, 6);
    assert_int_equal(gn_card_send_raw(&f->card, bytes, i * 7919 % 69633), 1);
}

static void frames_of_every_length_are_counted(void **state)
{
    struct fixture *f = *state;

    flood(f, of_every_length);
    assert_int_equal(stats_of(f).malformed, drops(f, GN_DROP_MALFORMED));
    assert_int_equal(drops(f, GN_DROP_MALFORMED), FLOOD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(macs_are_followed_one_at_a_time),
        CASE(a_fixed_mac_refuses_all_others),
        CASE(arp_costs_nothing_that_stays),
        CASE(arp_for_the_addresses_of_others_is_counted),
        CASE(it_has_no_more_addresses_than_it_may),
        CASE(solicitations_cost_nothing_that_stays),
        CASE(answers_that_it_does_not_read_are_bounded),
        CASE(forged_sources_are_counted),
        CASE(forged_configuration_is_counted),
        CASE(overlapping_fragments_are_given_up),
        CASE(frames_of_every_length_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
