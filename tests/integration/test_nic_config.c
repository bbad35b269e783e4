/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * How a guest behind a NIC gets and keeps its addresses: the conversations of
 * DHCP that begin with an address, and what routers advertise on networks of
 * every kind. Virtual time.
 */
#include <guestnet/nic.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "guests/nic/dhcp4.h"
#include "guests/nic/nd.h"
#include "netstack/netstack.h"
#include "tests/lib/card.h"
#include "tests/lib/case.h"
#include "tests/lib/rawport.h"
#include "tests/lib/simnet.h"
#include "tests/lib/units.h"

#define OWN     "\x0a\x4d\x00\x02"
#define ANOTHER "\x0a\x4d\x00\x63"
#define SERVER  "\x0a\x4d\x00\x01"

struct fixture {
    struct gn_simnet sim;
    struct gn_card card;  /* the first address of each prefix */
    uint8_t packet[1500]; /* the last that came */
    size_t len;
};

static void begin(struct fixture *f, const char *const *prefixes)
{
    struct gn_nic_config config = {.size = sizeof(config), .name = "vm"};

    gn_simnet_setup(&f->sim, prefixes, 1);
    gn_card_open(&f->card, f->sim.net, &config);
}

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    *state = &f;
    return 0;
}

static int setup_both(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};

    (void)setup(state);
    begin(*state, prefixes);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_card_close(&f->card);
    gn_simnet_teardown(&f->sim);
    return 0;
}

static void recv_type(struct fixture *f, uint16_t type)
{
    gn_clock_advance(f->sim.clock, 0);
    f->len =
        gn_card_recv_type(&f->card, type, NULL, f->packet, sizeof(f->packet));
}

/* ---- DHCP ---- */

/** What a client says; addresses of four bytes. */
struct saying {
    uint8_t type;
    const char *own;    /* ciaddr, and where it comes from; NULL: none */
    const char *wanted; /* option 50; NULL: none */
    const char *server; /* option 54; NULL: none */
    bool unicast;       /* to the server, not to all */
};

static uint8_t *put(uint8_t *at, uint8_t code, const char *data, uint8_t len)
{
    if (!data)
        return at;
    *at++ = code;
    *at++ = len;
    memcpy(at, data, len);
    return at + len;
}

/* The type of the answer, NONE if there is none. */
static int say(struct fixture *f, const struct saying *what)
{
    struct gn_raw_ip ip = {.src = what->own ? "10.77.0.2" : "0.0.0.0",
                           .dst =
                               what->unicast ? "10.77.0.1" : "255.255.255.255"};
    static const uint8_t cookie[4] = {0x63, 0x82, 0x53, 0x63};
    uint8_t msg[300] = {1, 1, 6}, packet[1500], *at = msg + 240;

    memcpy(msg + 28, f->card.mac, 6);
    if (what->own)
        memcpy(msg + 12, what->own, 4);
    memcpy(msg + 236, cookie, sizeof(cookie));
    at = put(at, 53, (const char *)&what->type, 1);
    at = put(at, 50, what->wanted, 4);
    at = put(at, 54, what->server, 4);
    at = put(at, 55, "\x01\x03\x2a", 3); /* asks for the time's servers too */
    *at = 255;
    gn_card_forget(&f->card);
    gn_card_send_ip(&f->card, gn_card_broadcast, packet,
                    gn_raw_udp(&ip, 68, 67, msg, sizeof(msg), packet));
    recv_type(f, GN__ETHER_IP4);
    return f->len < 28 + 240 + 3 ? GN__DHCP4_NONE : f->packet[28 + 242];
}

static bool has_option(const struct fixture *f, uint8_t code, const char *data)
{
    size_t at = 28 + 240;

    while (at + 2 < f->len && f->packet[at] != 255) {
        if (f->packet[at] == code)
            return !data || !memcmp(f->packet + at + 2, data, 4);
        at += 2u + f->packet[at + 1];
    }
    return false;
}

static void expect_dst(const struct fixture *f, const char *dst)
{
    assert_memory_equal(f->packet + 16, dst, 4);
}

static void a_client_that_starts_again_keeps_its_address(void **state)
{
    const struct saying reboot = {.type = GN__DHCP4_REQUEST, .wanted = OWN};
    struct fixture *f = *state;

    assert_int_equal(say(f, &reboot), GN__DHCP4_ACK);
    assert_memory_equal(f->packet + 28 + 16, OWN, 4);
    assert_true(has_option(f, 54, SERVER));
    expect_dst(f, OWN);
}

static void one_that_comes_from_elsewhere_is_told_to_begin_anew(void **state)
{
    const struct saying reboot = {.type = GN__DHCP4_REQUEST, .wanted = ANOTHER};
    const struct saying moved = {.type = GN__DHCP4_REQUEST,
                                 .wanted = "\xc0\xa8\x01\x07"};
    struct fixture *f = *state;

    assert_int_equal(say(f, &reboot), GN__DHCP4_NAK);
    assert_true(has_option(f, 54, SERVER));
    expect_dst(f, "\xff\xff\xff\xff");
    assert_int_equal(say(f, &moved), GN__DHCP4_NAK);
}

static void renewing_and_rebinding_are_answered_to_the_address(void **state)
{
    const struct saying renew = {
        .type = GN__DHCP4_REQUEST, .own = OWN, .unicast = true};
    const struct saying rebind = {.type = GN__DHCP4_REQUEST, .own = OWN};
    struct fixture *f = *state;

    assert_int_equal(say(f, &renew), GN__DHCP4_ACK);
    expect_dst(f, OWN);
    assert_true(has_option(f, 51, "\x00\x00\x0e\x10"));
    assert_int_equal(say(f, &rebind), GN__DHCP4_ACK);
    expect_dst(f, OWN);
    assert_true(has_option(f, 51, "\x00\x00\x0e\x10"));
}

/* The address is the port's, so it stays and is offered again. */
static void what_is_released_is_offered_again(void **state)
{
    const struct saying release = {.type = GN__DHCP4_RELEASE,
                                   .own = OWN,
                                   .server = SERVER,
                                   .unicast = true};
    const struct saying discover = {.type = GN__DHCP4_DISCOVER};
    struct fixture *f = *state;

    assert_int_equal(say(f, &release), GN__DHCP4_NONE);
    assert_int_equal(say(f, &discover), GN__DHCP4_OFFER);
    assert_memory_equal(f->packet + 28 + 16, OWN, 4);
}

static void no_server_of_the_time_is_named(void **state)
{
    const struct saying discover = {.type = GN__DHCP4_DISCOVER};
    struct fixture *f = *state;

    assert_int_equal(say(f, &discover), GN__DHCP4_OFFER);
    assert_true(has_option(f, 3, SERVER));
    assert_false(has_option(f, 42, NULL));
}

static void without_an_ipv4_prefix_there_is_no_dhcp(void **state)
{
    static const char *const prefixes[] = {"fd77::/64", NULL};
    const struct saying discover = {.type = GN__DHCP4_DISCOVER};
    const struct saying reboot = {.type = GN__DHCP4_REQUEST, .wanted = OWN};
    struct fixture *f = *state;

    begin(f, prefixes);
    assert_int_equal(say(f, &discover), GN__DHCP4_NONE);
    assert_int_equal(say(f, &reboot), GN__DHCP4_NONE);
}

/* ---- router advertisements ---- */

static void solicit(struct fixture *f)
{
    struct gn_raw_ip ip = {
        .src = "fe80::5054:ff:fe12:3456", .dst = "ff02::2", .ttl = 255};
    static const uint8_t all_routers[6] = {0x33, 0x33, [5] = 2};
    uint8_t msg[8] = {GN__ND_ROUTER_SOLICIT}, packet[1500];

    gn_card_forget(&f->card);
    gn_card_send_ip(&f->card, all_routers, packet,
                    gn_raw_icmp6(&ip, msg, sizeof(msg), packet));
    recv_type(f, GN__ETHER_IP6);
}

/* An option of the advertisement; NULL: none. */
static const uint8_t *ra_option(const struct fixture *f, uint8_t code)
{
    size_t at = 40 + 16;

    while (at + 2 <= f->len && f->packet[at] != code)
        at += f->packet[at + 1] * 8u;
    return at + 2 <= f->len ? f->packet + at : NULL;
}

static void expect_ra(const struct fixture *f)
{
    assert_true(f->len > 40 + 16);
    assert_int_equal(f->packet[40], GN__ND_ROUTER_ADVERT);
}

static void on_a_64_addresses_are_made_or_leased(void **state)
{
    struct fixture *f = *state;

    solicit(f);
    expect_ra(f);
    assert_int_equal(f->packet[45] & 0x80, 0x80); /* M */
    assert_non_null(ra_option(f, 3));
    assert_int_equal(ra_option(f, 3)[3], 0xc0); /* L, A */
}

static void on_others_they_are_leased_only(void **state)
{
    static const char *const prefixes[] = {"fd77::/80", NULL};
    struct fixture *f = *state;

    begin(f, prefixes);
    solicit(f);
    expect_ra(f);
    assert_int_equal(f->packet[45] & 0x80, 0x80);
    assert_non_null(ra_option(f, 3));
    assert_int_equal(ra_option(f, 3)[2], 80);
    assert_int_equal(ra_option(f, 3)[3], 0x80); /* L */
}

/* A valid lifetime that a guest holds cannot be shortened below two hours
 * (RFC 4862 section 5.5.3), so a longer one would outlive its prefix. */
static void no_prefix_outlives_its_network_by_two_hours(void **state)
{
    struct fixture *f = *state;
    uint32_t valid_s, preferred_s, router_s;

    solicit(f);
    expect_ra(f);
    valid_s = gn__get32(ra_option(f, 3) + 4);
    preferred_s = gn__get32(ra_option(f, 3) + 8);
    router_s = gn__get16(f->packet + 46);
    assert_true(valid_s < 7200);
    assert_true(preferred_s < valid_s);
    assert_true(router_s <= preferred_s);
    gn_card_forget(&f->card);
    gn_clock_advance(f->sim.clock, 20 * GN_S); /* the three of a new guest */
    gn_card_forget(&f->card);
    gn_clock_advance(f->sim.clock, router_s / 3 * GN_S);
    recv_type(f, GN__ETHER_IP6); /* It is said again, twice at least. */
    expect_ra(f);
    assert_int_equal(gn__get32(ra_option(f, 3) + 4), valid_s);
}

static void without_an_ipv6_prefix_there_is_no_router(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    const struct saying discover = {.type = GN__DHCP4_DISCOVER};
    struct fixture *f = *state;

    begin(f, prefixes);
    solicit(f);
    assert_int_equal(f->len, 0);
    assert_int_equal(say(f, &discover), GN__DHCP4_OFFER);
    gn_card_forget(&f->card);
    gn_clock_advance(f->sim.clock, 2000 * GN_S);
    recv_type(f, GN__ETHER_IP6);
    assert_int_equal(f->len, 0);
}

#define BOTH(claim) cmocka_unit_test_setup_teardown(claim, setup_both, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_client_that_starts_again_keeps_its_address),
        BOTH(one_that_comes_from_elsewhere_is_told_to_begin_anew),
        BOTH(renewing_and_rebinding_are_answered_to_the_address),
        BOTH(what_is_released_is_offered_again),
        BOTH(no_server_of_the_time_is_named),
        CASE(without_an_ipv4_prefix_there_is_no_dhcp),
        BOTH(on_a_64_addresses_are_made_or_leased),
        CASE(on_others_they_are_leased_only),
        BOTH(no_prefix_outlives_its_network_by_two_hours),
        CASE(without_an_ipv6_prefix_there_is_no_router),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
