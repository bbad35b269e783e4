/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Others beside a NIC that floods: a guest of this process and a guest behind
 * another NIC ask each other and a third, and what they achieve is compared
 * with what they achieve alone. It is counted in steps of the clock, each an
 * entry of the engine, and not in time, of which the machine has a say.
 *
 * That floods are counted and cost no memory: test_nic_flood.c.
 */
#include <guestnet/nic.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
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

/** Exchanges of each; frames of the flood before each step. */
enum { ROUNDS = 300, AT_ONCE = 100, STEPS_MAX = 100 };
struct fixture {
    struct gn_simnet sim;
    struct gn_sock *web, *db; /* 10.77.0.2:7, 10.77.0.3:7, of this process */
    struct gn_card peer;      /* 10.77.0.4 */
    struct gn_card foe;       /* 10.77.0.5, which floods */
    uint8_t web_mac[6], db_mac[6];
    unsigned peer_answers, db_answers;
    size_t n_flood;
};

static int setup(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    gn_simnet_setup(&f->sim, prefixes, 1);
    f->web = gn_simnet_udp(gn_simnet_guest(f->sim.net, "web"), "10.77.0.2:7");
    f->db = gn_simnet_udp(gn_simnet_guest(f->sim.net, "db"), "10.77.0.3:7");
    gn_card_open(&f->peer, f->sim.net, NULL);
    gn_card_open(&f->foe, f->sim.net, NULL);
    assert_true(gn_card_resolve(&f->peer, f->sim.clock, "10.77.0.4",
                                "10.77.0.2", f->web_mac));
    assert_true(gn_card_resolve(&f->peer, f->sim.clock, "10.77.0.4",
                                "10.77.0.3", f->db_mac));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_clock_advance(f->sim.clock, GN_MS);
    gn_card_forget(&f->foe);
    gn_card_close(&f->peer);
    gn_card_close(&f->foe);
    gn_simnet_end(f->web);
    gn_simnet_end(f->db);
    gn_simnet_teardown(&f->sim);
    free(f);
    return 0;
}

/* ---- the others ---- */

static void send_udp(struct gn_card *card, const uint8_t *mac,
                     const struct gn_raw_ip *ip, uint16_t from, uint16_t to)
{
    uint8_t packet[128];

    gn_card_send_ip(card, mac, packet,
                    gn_raw_udp(ip, from, to, "x", 1, packet));
}

static void peer_send(struct fixture *f, const uint8_t *mac, const char *dst,
                      uint16_t from)
{
    struct gn_raw_ip ip = {.src = "10.77.0.4", .dst = dst};

    send_udp(&f->peer, mac, &ip, from, 7);
}

/* The peer asks web, and db asks the peer. */
static void both_ask(struct fixture *f)
{
    peer_send(f, f->web_mac, "10.77.0.2", 5000);
    assert_int_equal(gn_simnet_send(f->db, "10.77.0.4:7", "x", 1), 1);
}

/* What came to the peer's ports: an answer, or a question of db's. */
static void peer_looks(struct fixture *f)
{
    uint8_t packet[1500];

    while (gn_card_recv_type(&f->peer, GN__ETHER_IP4, NULL, packet,
                             sizeof(packet)) >= 28) {
        if (packet[9] != GN__PROTO_UDP)
            continue;
        if (gn__get16(packet + 22) == 7)
            peer_send(f, f->db_mac, "10.77.0.3", 7);
        else if (gn__get16(packet + 22) == 5000)
            f->peer_answers++;
    }
}

static void all_look(struct fixture *f)
{
    uint8_t byte;

    while (gn_simnet_recv(f->web, &byte, 1) > 0)
        (void)gn_simnet_send(f->web, "10.77.0.4:5000", "x", 1);
    peer_looks(f);
    while (gn_simnet_recv(f->db, &byte, 1) > 0)
        f->db_answers++;
}

/* ---- floods ---- */

/** Send the i-th frame. */
typedef void (*flood_fn)(struct fixture *f, size_t i);

static void arp(struct fixture *f, uint32_t sender, uint32_t target)
{
    struct gn__arp arp = {.op = GN__ARP_REQUEST,
                          .sender = gn__addr_from_v4(sender),
                          .target = gn__addr_from_v4(target)};
    uint8_t bytes[GN__ARP_LEN];

    memcpy(arp.sender_mac, f->foe.mac, 6);
    gn__arp_build(&arp, bytes);
    gn_card_send(&f->foe, gn_card_broadcast, GN__ETHER_ARP, bytes,
                 sizeof(bytes));
}

static void of_macs(struct fixture *f, size_t i)
{
    f->foe.mac[0] = 2;
    gn__put32(f->foe.mac + 2, (uint32_t)i);
    arp(f, 0x0a4d0005, 0x0a4d0002);
}

static void of_arp(struct fixture *f, size_t i)
{
    arp(f, i % 2 ? 0x0a4d0005 : 0x0a4d0004, 0x0a4d0000 + (uint32_t)i % 8);
}

static void of_nd(struct fixture *f, size_t i)
{
    struct gn__addr target = {
        {0xfd, 0x77, [12] = (uint8_t)(i % 3), [15] = (uint8_t)(i % 6)}};
    struct gn__nd nd = {
        .type = GN__ND_NEIGHBOR_SOLICIT, .target = target, .has_mac = true};
    struct gn__addr group = gn__nd_solicited_group(&target);
    struct gn_raw_ip ip = {.src = "fd77::5", .ttl = 255};
    uint8_t msg[GN__ND_LEN], packet[128], dst[6];
    char to[GN__ADDR_TEXT];

    memcpy(nd.mac, f->foe.mac, 6);
    assert_true(gn__ether_group(&group, dst));
    ip.dst = gn__addr_format(&group, to, sizeof(to));
    gn_card_send_ip(&f->foe, dst, packet,
                    gn_raw_icmp6(&ip, msg, gn__nd_build(&nd, msg), packet));
}

static void of_lies(struct fixture *f, size_t i)
{
    static uint8_t bytes[69632] = {[12] = 8, [14] = 0x45};

    memcpy(bytes + 6, f->foe.mac, 6);
    gn_card_send_raw(&f->foe, bytes, i * 7919 % sizeof(bytes));
}

static void of_discovers(struct fixture *f, size_t i)
{
    static const uint8_t options[] = {0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255};
    struct gn_raw_ip ip = {.src = "0.0.0.0", .dst = "255.255.255.255"};
    uint8_t msg[300] = {1, 1, 6}, packet[400];

    f->foe.mac[0] = 2;
    gn__put32(f->foe.mac + 2, (uint32_t)i);
    gn__put32(msg + 4, (uint32_t)i);
    memcpy(msg + 28, f->foe.mac, 6);
    memcpy(msg + 236, options, sizeof(options));
    gn_card_send_ip(&f->foe, gn_card_broadcast, packet,
                    gn_raw_udp(&ip, 68, 67, msg, sizeof(msg), packet));
}

static void of_forged_sources(struct fixture *f, size_t i)
{
    struct gn_raw_ip ip = {.src = i % 2 ? "10.77.0.4" : "192.0.2.1",
                           .dst = "10.77.0.2"};

    send_udp(&f->foe, f->web_mac, &ip, 9, 7);
}

/* To the guest that the others ask, and of its own address: all is passed on,
 * and refused by the receiver. */
static void of_datagrams(struct fixture *f, size_t i)
{
    struct gn_raw_ip ip = {.src = "10.77.0.5", .dst = "10.77.0.2"};

    send_udp(&f->foe, f->web_mac, &ip, (uint16_t)(1 + i % 60000), 9);
}

static void of_broadcasts(struct fixture *f, size_t i)
{
    struct gn_raw_ip ip = {.src = "10.77.0.5", .dst = "10.77.0.255"};

    send_udp(&f->foe, gn_card_broadcast, &ip, (uint16_t)(1 + i % 60000), 9);
}

/* ---- what is achieved ---- */

static void flood_more(struct fixture *f, flood_fn send)
{
    size_t i;

    for (i = 0; send && i < AT_ONCE; i++)
        send(f, f->n_flood++);
}

/* Steps until both have their answers. */
static unsigned round_steps(struct fixture *f, flood_fn send)
{
    unsigned n = 0, peer = f->peer_answers, db = f->db_answers;

    both_ask(f);
    while (f->peer_answers == peer || f->db_answers == db) {
        assert_true(n < STEPS_MAX);
        flood_more(f, send);
        (void)gn_clock_step(f->sim.clock);
        gn_card_forget(&f->foe);
        all_look(f);
        n++;
    }
    return n;
}

static unsigned rounds(struct fixture *f, flood_fn send)
{
    unsigned n = 0;
    int i;

    for (i = 0; i < ROUNDS; i++)
        n += round_steps(f, send);
    assert_int_equal(f->peer_answers, f->db_answers);
    f->peer_answers = f->db_answers = 0;
    return n;
}

/* Half the rate or better. */
static void others_are_served(struct fixture *f, flood_fn send)
{
    unsigned alone = rounds(f, NULL), beside = rounds(f, send);

    print_message("%u exchanges: %u steps alone, %u beside the flood\n",
                  2 * ROUNDS, alone, beside);
    assert_true(f->n_flood >= (size_t)ROUNDS * AT_ONCE);
    assert_true(beside <= 2 * alone);
}

#define BESIDE(flood)                                                    \
    static void beside_a_flood_##flood##_others_are_served(void **state) \
    {                                                                    \
        others_are_served(*state, flood);                                \
    }

BESIDE(of_macs)
BESIDE(of_arp)
BESIDE(of_nd)
BESIDE(of_lies)
BESIDE(of_discovers)
BESIDE(of_forged_sources)
BESIDE(of_datagrams)
BESIDE(of_broadcasts)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(beside_a_flood_of_macs_others_are_served),
        CASE(beside_a_flood_of_arp_others_are_served),
        CASE(beside_a_flood_of_nd_others_are_served),
        CASE(beside_a_flood_of_lies_others_are_served),
        CASE(beside_a_flood_of_discovers_others_are_served),
        CASE(beside_a_flood_of_forged_sources_others_are_served),
        CASE(beside_a_flood_of_datagrams_others_are_served),
        CASE(beside_a_flood_of_broadcasts_others_are_served),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
