/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a guest behind a NIC learns about its way outside: who is on it
 * (traceroute), and how large packets may be. Virtual time.
 */
#include <guestnet/nic.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "guests/nic/ether.h"
#include "netstack/netstack.h"
#include "tests/lib/card.h"
#include "tests/lib/case.h"
#include "tests/lib/rawport.h"
#include "tests/lib/simnet.h"

#define OWN4     "10.77.0.3"
#define OWN6     "fd77::3"
#define GATEWAY4 "10.77.0.1"
#define GATEWAY6 "fd77::1"
#define OUT4     "192.0.2.1"
#define OUT6     "2001:db8::1"

enum { PORT = 33434, NARROW = 1500, WIDE = 9000, BIG = 4000 };

struct fixture {
    struct gn_simnet sim;
    struct gn_card other; /* 10.77.0.2, fd77::2; narrow */
    struct gn_card card;  /* wide */
    uint8_t gateway[6], other_mac[6];
    uint8_t packet[WIDE], answer[WIDE];
    size_t len;
};

static int setup(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_nic_config narrow = {.size = sizeof(narrow), .mtu = NARROW};
    struct gn_nic_config nic = {.size = sizeof(nic), .mtu = WIDE};
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    gn_simnet_setup(&f.sim, prefixes, 1);
    gn_card_open(&f.other, f.sim.net, &narrow);
    gn_card_open(&f.card, f.sim.net, &nic);
    assert_true(
        gn_card_resolve(&f.card, f.sim.clock, OWN4, GATEWAY4, f.gateway));
    assert_true(
        gn_card_resolve(&f.card, f.sim.clock, OWN4, "10.77.0.2", f.other_mac));
    gn_card_forget(&f.card);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_card_close(&f->card);
    gn_card_close(&f->other);
    gn_simnet_teardown(&f->sim);
    return 0;
}

static struct gn__addr addr_of(const char *text)
{
    struct gn__addr addr;

    assert_int_equal(gn__addr_parse(text, &addr), 0);
    return addr;
}

/* Send f->packet and have the answer, of its version. */
static void transmit(struct fixture *f, const uint8_t *mac, size_t len)
{
    bool v4 = f->packet[0] >> 4 == 4;

    gn_card_forget(&f->card);
    gn_card_send_ip(&f->card, mac, f->packet, len);
    gn_clock_advance(f->sim.clock, 0);
    f->len = gn_card_recv_type(&f->card, v4 ? GN__ETHER_IP4 : GN__ETHER_IP6,
                               NULL, f->answer, sizeof(f->answer));
}

static void send_udp(struct fixture *f, const struct gn_raw_ip *ip, size_t len)
{
    static const uint8_t data[WIDE];

    transmit(f, f->gateway, gn_raw_udp(ip, 5000, PORT, data, len, f->packet));
}

static void send_ping(struct fixture *f, const struct gn_raw_ip *ip)
{
    transmit(f, f->gateway, gn_raw_ping(ip, 7, 1, f->packet));
}

/* An ICMP error, and what was sent is in it. */
static void expect_error(struct fixture *f, const char *from, uint8_t type,
                         uint8_t code)
{
    bool v4 = !strchr(from, ':');
    size_t head = v4 ? 20 : 40;
    struct gn__addr want = addr_of(from);
    struct gn__ip ip;

    assert_true(f->len >= head + 8 + head + 8);
    assert_int_equal(gn__ip_parse(f->answer, f->len, f->len, true, &ip),
                     GN__IP_FINE);
    assert_true(gn__addr_equal(&ip.src, &want));
    assert_int_equal(ip.proto, v4 ? GN__PROTO_ICMP : GN__PROTO_ICMP6);
    assert_int_equal(f->answer[head], type);
    assert_int_equal(f->answer[head + 1], code);
    assert_memory_equal(f->answer + head + 8 + head, f->packet + head, 8);
}

static uint64_t drops(struct fixture *f, enum gn_drop why)
{
    return gn_simnet_ns_drops(gn_nic_namespace(f->card.nic), why);
}

/* ---- hops ---- */

static const struct gn_raw_ip first4 = {.src = OWN4, .dst = OUT4, .ttl = 1};
static const struct gn_raw_ip first6 = {.src = OWN6, .dst = OUT6, .ttl = 1};

static void the_gateway_is_the_first_hop(void **state)
{
    struct fixture *f = *state;

    send_udp(f, &first4, 32);
    expect_error(f, GATEWAY4, 11, 0);
    send_ping(f, &first4);
    expect_error(f, GATEWAY4, 11, 0);
    assert_int_equal(drops(f, GN_DROP_TTL), 2);
}

static void it_is_so_of_ipv6_too(void **state)
{
    struct fixture *f = *state;

    send_udp(f, &first6, 32);
    expect_error(f, GATEWAY6, 3, 0);
    send_ping(f, &first6);
    expect_error(f, GATEWAY6, 3, 0);
    assert_int_equal(drops(f, GN_DROP_TTL), 2);
}

/* So traceroute ends: the second answer is the last word. */
static void behind_it_there_is_an_answer_or_none(void **state)
{
    struct fixture *f = *state;
    struct gn_raw_ip second4 = first4, second6 = first6;

    second4.ttl = second6.ttl = 2;
    send_udp(f, &second4, 32);
    expect_error(f, GATEWAY4, 3, 0);
    send_udp(f, &second6, 32);
    expect_error(f, GATEWAY6, 1, 0);
    assert_int_equal(drops(f, GN_DROP_TTL), 0);
}

static void between_neighbours_and_to_the_gateway_there_is_none(void **state)
{
    struct fixture *f = *state;
    struct gn_raw_ip near = {.src = OWN4, .dst = "10.77.0.2", .ttl = 1};

    transmit(f, f->other_mac,
             gn_raw_udp(&near, 5000, 7, "hello", 5, f->packet));
    assert_int_equal(f->len, 0);
    assert_int_equal(gn_card_recv_type(&f->other, GN__ETHER_IP4, NULL,
                                       f->answer, sizeof(f->answer)),
                     20 + 8 + 5);
    near.dst = GATEWAY4;
    send_ping(f, &near);
    assert_true(f->len > 20);
    assert_int_equal(f->answer[20], 0); /* echo reply */
}

/* ---- sizes ---- */

static void to_other(struct fixture *f, const char *src, const char *dst,
                     bool dont_fragment)
{
    struct gn_raw_ip ip = {
        .src = src, .dst = dst, .dont_fragment = dont_fragment};
    static const uint8_t data[BIG];

    transmit(f, f->other_mac,
             gn_raw_udp(&ip, 5000, 7, data, sizeof(data), f->packet));
}

static void what_a_neighbour_does_not_take_is_told(void **state)
{
    struct fixture *f = *state;

    to_other(f, OWN4, "10.77.0.2", true);
    expect_error(f, GATEWAY4, 3, 4);
    assert_int_equal(gn__get16(f->answer + 26), NARROW);
    to_other(f, OWN6, "fd77::2", false);
    expect_error(f, GATEWAY6, 2, 0);
    assert_int_equal(gn__get32(f->answer + 44), NARROW);
}

static void what_may_be_cut_comes_in_pieces(void **state)
{
    struct fixture *f = *state;
    size_t len, n = 0;

    to_other(f, OWN4, "10.77.0.2", false);
    assert_int_equal(f->len, 0);
    while ((len = gn_card_recv_type(&f->other, GN__ETHER_IP4, NULL, f->answer,
                                    sizeof(f->answer)))) {
        assert_true(len <= NARROW);
        n += len - 20;
    }
    assert_int_equal(n, 8 + BIG);
}

static void the_gateway_takes_what_the_guest_can_send(void **state)
{
    struct fixture *f = *state;
    struct gn_raw_ip ip = {.src = OWN4, .dst = OUT4, .dont_fragment = true};

    send_udp(f, &ip, BIG);
    expect_error(f, GATEWAY4, 3, 0); /* There is no way, however wide. */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_gateway_is_the_first_hop),
        CASE(it_is_so_of_ipv6_too),
        CASE(behind_it_there_is_an_answer_or_none),
        CASE(between_neighbours_and_to_the_gateway_there_is_none),
        CASE(what_a_neighbour_does_not_take_is_told),
        CASE(what_may_be_cut_comes_in_pieces),
        CASE(the_gateway_takes_what_the_guest_can_send),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
