/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A guest behind a NIC is a guest as any other: walls part it, links damage
 * what it gets, hosts that the gateway plays answer it, and an address that it
 * gives back is the next owner's.
 */
#include <guestnet/nic.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/link.h>

#include "guests/nic/ether.h"
#include "namespace/gateway/gateway.h"
#include "namespace/namespace.h"
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
    struct gn_namespace *ns;  /* the card's */
    struct gn_sock *sock;     /* 10.77.0.2:7 */
    uint8_t gateway[6], web_mac[6];
    struct gn__walls walls;
};

static int setup(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_nic_config config = {.size = sizeof(config), .name = "vm"};
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    gn_simnet_setup(&f.sim, prefixes, 1);
    f.web = gn_simnet_guest(f.sim.net, "web");
    f.sock = gn_simnet_udp(f.web, "10.77.0.2:7");
    gn_card_open(&f.card, f.sim.net, &config);
    f.ns = gn_nic_namespace(f.card.nic);
    assert_true(gn_card_resolve(&f.card, f.sim.clock, "10.77.0.3", "10.77.0.1",
                                f.gateway));
    assert_true(gn_card_resolve(&f.card, f.sim.clock, "10.77.0.3", "10.77.0.2",
                                f.web_mac));
    gn__ns_engine(f.web)->walls = &f.walls;
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn__ns_engine(f->web)->walls = NULL;
    gn_simnet_end(f->sock);
    if (f->card.nic)
        gn_card_close(&f->card);
    gn_simnet_teardown(&f->sim);
    return 0;
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

/* What the guest's port 9 gets of this; its length. */
static size_t sent_to(struct fixture *f, const char *text)
{
    gn_card_forget(&f->card);
    assert_int_equal(gn_simnet_send(f->sock, "10.77.0.3:9", text, strlen(text)),
                     (ssize_t)strlen(text));
    gn_clock_advance(f->sim.clock, 0);
    return gn_card_recv(&f->card, NULL, NULL, 0);
}

/* ---- walls ---- */

static void a_wall_parts_it_from_others(void **state)
{
    struct fixture *f = *state;

    gn__ns_set_group(f->ns, 3);
    gn__walls_set(&f->walls, 0, 3, true);
    assert_int_equal(sent_to(f, "lost"), 0);
    assert_int_equal(gn_simnet_ns_drops(f->ns, GN_DROP_BLOCKED), 1);
    gn__walls_set(&f->walls, 0, 3, false);
    assert_int_equal(sent_to(f, "healed"), 20 + 8 + 6);
}

static void a_wall_parts_others_from_it(void **state)
{
    struct fixture *f = *state;

    gn__ns_set_group(f->ns, 3);
    gn__walls_set(&f->walls, 3, 0, true);
    send_udp(f, f->web_mac, "10.77.0.3", "10.77.0.2", 7, "lost");
    gn_simnet_expect(f->sock, NULL);
    assert_int_equal(gn_simnet_ns_drops(f->web, GN_DROP_BLOCKED), 1);
    assert_int_equal(sent_to(f, "one way"), 20 + 8 + 7);
}

static void a_broadcast_meets_the_wall_too(void **state)
{
    struct fixture *f = *state;
    int on = 1;

    gn__ns_set_group(f->ns, 3);
    gn__walls_set(&f->walls, 0, 3, true);
    assert_int_equal(
        gn_sock_setopt(f->sock, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)), 0);
    gn_card_forget(&f->card);
    assert_int_equal(gn_simnet_send(f->sock, "10.77.0.255:9", "all", 3), 3);
    gn_clock_advance(f->sim.clock, 0);
    assert_int_equal(gn_card_recv(&f->card, NULL, NULL, 0), 0);
}

/* ---- damage ---- */

/* As a card with TSO sends: one frame that stands for three segments. */
static void send_segments(struct fixture *f, const char *to,
                          const uint8_t mac[6])
{
    struct gn_raw_ip ip = {.src = "10.77.0.3", .dst = to};
    static uint8_t frame[14 + 40 + 3000], payload[3000];
    struct gn__ether ether = {.type = GN__ETHER_IP4};
    struct iovec iov = {frame, sizeof(frame)};
    struct gn_frame one = {.iov = &iov,
                           .n_iov = 1,
                           .offload = {.flags = GN_OFFLOAD_PARTIAL,
                                       .gso = GN_GSO_TCP4,
                                       .segment = 1000,
                                       .header = 54,
                                       .csum_start = 34,
                                       .csum_offset = 16}};

    memcpy(ether.dst, mac, 6);
    memcpy(ether.src, f->card.mac, 6);
    gn__ether_build(&ether, frame);
    assert_int_equal(gn_raw_tcp(&ip, 1, 2, 1, 1, 0x10, 1000, payload,
                                sizeof(payload), frame + 14),
                     sizeof(frame) - 14);
    assert_int_equal(gn_nic_input(f->card.nic, &one, 1), 1);
    gn_clock_advance(f->sim.clock, 0);
}

static size_t segments_come(struct gn_card *card)
{
    size_t n = 0;

    while (gn_card_recv_type(card, GN__ETHER_IP4, NULL, NULL, 0))
        n++;
    return n;
}

/* Two segments, one behind the other, as a card without TSO sends. */
static void send_two(struct fixture *f, const char *to, const uint8_t mac[6])
{
    struct gn_raw_ip ip = {.src = "10.77.0.3", .dst = to};
    static uint8_t frames[2][14 + 40 + 1000], payload[1000];
    struct gn__ether ether = {.type = GN__ETHER_IP4};
    struct gn_frame two[2] = {{.n_iov = 1}, {.n_iov = 1}};
    struct iovec iov[2];
    uint32_t i;

    memcpy(ether.dst, mac, 6);
    memcpy(ether.src, f->card.mac, 6);
    for (i = 0; i < 2; i++) {
        gn__ether_build(&ether, frames[i]);
        (void)gn_raw_tcp(&ip, 1, 2, 1 + 1000 * i, 1, 0x10, 1000, payload,
                         sizeof(payload), frames[i] + 14);
        iov[i] = (struct iovec){frames[i], sizeof(frames[i])};
        two[i].iov = &iov[i];
    }
    assert_int_equal(gn_nic_input(f->card.nic, two, 2), 2);
    gn_clock_advance(f->sim.clock, 0);
}

static void segments_are_one_frame_where_the_wire_takes_them(void **state)
{
    struct gn_nic_config config = {.size = sizeof(config)};
    struct fixture *f = *state;
    struct gn_card other; /* 10.77.0.4 */
    uint8_t mac[6];
    int i;

    for (i = 0; i < 2; i++) {
        config.offload = i ? GN_NIC_CSUM | GN_NIC_TSO4 : 0;
        gn_card_open(&other, f->sim.net, &config);
        assert_true(gn_card_resolve(&f->card, f->sim.clock, "10.77.0.3",
                                    "10.77.0.4", mac));
        gn_card_forget(&other);
        send_two(f, "10.77.0.4", mac);
        assert_int_equal(segments_come(&other), i ? 1 : 2);
        gn_card_close(&other);
        gn_clock_advance(f->sim.clock, GN_S);
    }
}

static void what_was_damaged_is_not_cut_into_good_segments(void **state)
{
    struct fixture *f = *state;
    struct gn_link_config damage = {.size = sizeof(damage),
                                    .corrupt_ppm = 1000000};
    struct gn_card other; /* 10.77.0.4, which takes no segments */
    struct gn_namespace *ns;
    uint8_t mac[6];

    gn_card_open(&other, f->sim.net, NULL);
    ns = gn_nic_namespace(other.nic);
    assert_true(
        gn_card_resolve(&f->card, f->sim.clock, "10.77.0.3", "10.77.0.4", mac));
    gn_card_forget(&other);
    send_segments(f, "10.77.0.4", mac);
    assert_int_equal(segments_come(&other), 3);
    assert_int_equal(gn_link_set(ns, "eth0", &damage), 0);
    send_segments(f, "10.77.0.4", mac);
    assert_int_equal(segments_come(&other), 0);
    assert_int_equal(gn_simnet_ns_drops(ns, GN_DROP_CORRUPT), 1);
    gn_card_close(&other);
}

/* ---- hosts that are played ---- */

static void dial_never(struct gn__outside *outside,
                       struct gn__outside_dial *dial)
{
    (void)outside;
    gn__outside_refuse(dial, -ECONNREFUSED);
}

static void cancel_never(struct gn__outside *outside,
                         struct gn__outside_dial *dial)
{
    (void)outside;
    (void)dial;
}

static const struct gn__outside_ops refusing = {.name = "refusing",
                                                .dial = dial_never,
                                                .cancel = cancel_never};

/* ICMP errors of the host's that came. */
static size_t errors_come(struct fixture *f)
{
    uint8_t packet[1500];
    size_t n = 0;

    while (gn_card_recv_type(&f->card, GN__ETHER_IP4, NULL, packet,
                             sizeof(packet)))
        n += packet[9] == 1 && packet[20] == 3;
    return n;
}

static void a_host_that_is_played_is_found_and_limited(void **state)
{
    struct gn__service service = {
        .outside = {&refusing}, .type = SOCK_STREAM, .port = 80};
    struct fixture *f = *state;
    uint8_t mac[6];
    size_t n = 0;
    int i;

    assert_int_equal(gn__service_open(f->sim.net, "files", &service, NULL, 0),
                     0);
    assert_true(
        gn_card_resolve(&f->card, f->sim.clock, "10.77.0.3", "10.77.0.4", mac));
    assert_memory_equal(mac, f->gateway, 6);
    assert_true(
        gn_card_resolve(&f->card, f->sim.clock, "fd77::3", "fd77::4", mac));
    gn_card_forget(&f->card);
    for (i = 0; i < 500; i++) {
        send_udp(f, f->gateway, "10.77.0.3", "10.77.0.4", 9, "x");
        n += errors_come(f);
    }
    assert_in_range(n, 1, 200);
    assert_int_equal(gn_simnet_ns_drops(f->ns, GN_DROP_ICMP_RATE), 500 - n);
    gn__service_close(&service);
}

/* ---- addresses that are given back ---- */

static void an_old_way_does_not_lead_to_it(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *from = gn_simnet_udp(f->web, "[fd77::2]:7"), *to;
    struct gn_namespace *next;
    uint8_t mac[6];

    gn_card_resolve(&f->card, f->sim.clock, "::", "fd77::99", mac);
    assert_int_equal(gn_simnet_send(from, "[fd77::99]:9", "old", 3), 3);
    gn_clock_advance(f->sim.clock, 7201 * GN_S);
    gn_card_forget(&f->card);
    next = gn_simnet_guest_at(f->sim.net, "fd77::99");
    to = gn_simnet_udp(next, "[fd77::99]:9");
    assert_int_equal(gn_simnet_send(from, "[fd77::99]:9", "new", 3), 3);
    gn_clock_advance(f->sim.clock, 0);
    gn_simnet_expect(to, "new");
    gn_simnet_end(to);
    gn_simnet_end(from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_wall_parts_it_from_others),
        CASE(a_wall_parts_others_from_it),
        CASE(a_broadcast_meets_the_wall_too),
        CASE(what_was_damaged_is_not_cut_into_good_segments),
        CASE(segments_are_one_frame_where_the_wire_takes_them),
        CASE(a_host_that_is_played_is_found_and_limited),
        CASE(an_old_way_does_not_lead_to_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
