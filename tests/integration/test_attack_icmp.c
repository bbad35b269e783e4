/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ICMP errors by the thousand: those that we are made to send, and forged ones
 * that we are sent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/arena.h"
#include "tests/lib/foe.h"

#define SERVER4 "10.77.1.1"
#define SERVER6 "fd77::1:1"
/* Of the default limit of 1000 a second. */
#define BURST 100u

struct fixture {
    struct arena arena;
    struct gn_namespace *server;
    struct foe foe;
};

static int setup(void **state)
{
    const char *addresses[] = {SERVER4, SERVER6, NULL};
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .addresses = addresses};
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    arena_begin(&f->arena, NULL);
    assert_int_equal(gn_namespace_create(f->arena.net, &config, &f->server), 0);
    foe_open(&f->foe, f->arena.net, "10.77.6.6", "fd77::6:6");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    foe_close(&f->foe);
    arena_end(&f->arena);
    free(f);
    return 0;
}

/* ---- errors we are made to send ---- */

static void send_udp(struct fixture *f, const char *to, uint16_t port)
{
    uint8_t bytes[128];
    struct gn__endpoint dst = {.addr = foe_addr(to), .port = port};
    struct gn__endpoint src = {.addr = gn__addr_is_v4(&dst.addr) ? f->foe.v4
                                                                 : f->foe.v6,
                               .port = 4000};

    assert_true(
        foe_send(&f->foe, bytes, foe_udp(&src, &dst, "knock", 5, bytes)));
}

static void closed_ports_answer_at_a_limited_rate(void **state)
{
    struct fixture *f = *state;
    unsigned i, second;

    for (i = 0; i < 20000; i++)
        send_udp(f, i % 2 ? SERVER4 : SERVER6, (uint16_t)(1000 + i));
    assert_int_equal(f->foe.n_icmp, BURST);
    assert_int_equal(arena_stats(f->server).icmp_errors, BURST);
    assert_int_equal(arena_drops(f->server, GN_DROP_ICMP_RATE), 20000 - BURST);
    assert_int_equal(arena_drops(f->server, GN_DROP_PORT), 20000);

    for (second = 0; second < 3; second++) {
        for (i = 0; i < 10000; i++) {
            send_udp(f, SERVER4, (uint16_t)(1000 + i));
            arena_pass(&f->arena, GN_S / 10000, 100);
        }
    }
    assert_in_range(f->foe.n_icmp, 3000, 3000 + 2 * BURST);
}

static void free_addresses_are_answered_at_a_limited_rate(void **state)
{
    struct fixture *f = *state;
    struct gn_stats stats;
    struct gn_sock *sock;
    char text[64];
    unsigned i;

    for (i = 0; i < 10000; i++) {
        (void)snprintf(text, sizeof(text), "10.77.200.%u", i % 250);
        send_udp(f, text, 9);
    }
    assert_int_equal(f->foe.n_icmp, BURST);
    gn_network_stats(f->arena.net, &stats);
    assert_int_equal(stats.drops[GN_DROP_UNREACHABLE], 10000);
    assert_int_equal(stats.drops[GN_DROP_ICMP_RATE], 10000 - BURST);

    /* Another guest is still told at once. */
    sock = arena_open(f->server, SOCK_DGRAM, SERVER4);
    arena_set(sock, IPPROTO_IP, IP_RECVERR, 1);
    assert_int_equal(arena_sendto(sock, "10.77.200.1:9", "x", 1), 1);
    arena_pass(&f->arena, 0, 100);
    assert_int_equal(arena_error(sock), EHOSTUNREACH);
    arena_drop(sock);
}

/* ---- forged errors ---- */

/* A connection of the server to the foe, as it is seen by both. */
struct victim {
    struct gn_sock *sock;
    struct gn__endpoint local;
    struct gn__endpoint remote;
    uint32_t seq; /* of the byte or SYN in flight */
};

/* Begin to connect to the foe, which keeps silent. */
static void victim_open(struct fixture *f, struct victim *victim, bool v6)
{
    const char *to = v6 ? "[fd77::6:6]:80" : "10.77.6.6:80";
    struct foe_view view;

    victim->sock = arena_open(f->server, SOCK_STREAM, to);
    assert_int_equal(arena_connect(victim->sock, to), -EINPROGRESS);
    assert_true(foe_view(f->foe.last, &view));
    assert_int_equal(view.flags, FOE_SYN);
    victim->local = (struct gn__endpoint){
        .addr = foe_addr(v6 ? SERVER6 : SERVER4), .port = view.src_port};
    victim->remote =
        (struct gn__endpoint){.addr = v6 ? f->foe.v6 : f->foe.v4, .port = 80};
    victim->seq = view.seq;
}

/* Finish the handshake, and have one byte in flight. */
static void victim_establish(struct fixture *f, struct victim *victim)
{
    struct foe_conn conn = {.foe = &f->foe,
                            .local = victim->remote,
                            .remote = victim->local,
                            .seq = 5000,
                            .ack = victim->seq + 1,
                            .window = 8192};

    foe_push(&conn, FOE_SYN | FOE_ACK, 0, NULL, 0);
    assert_int_equal(arena_ready(victim->sock, POLLOUT), POLLOUT);
    assert_int_equal(gn_sock_send(victim->sock, "x", 1, 0), 1);
    arena_pass(&f->arena, 0, 10);
    victim->seq++;
}

enum kind { PORT_UNREACHABLE, HOST_UNREACHABLE, TOO_BIG };

/* An error that quotes a segment of the victim's with this number. */
static void forge(struct fixture *f, const struct victim *victim,
                  enum kind kind, uint32_t seq)
{
    static const uint8_t types[2][3][2] = {{{3, 3}, {3, 1}, {3, 4}},
                                           {{1, 4}, {1, 3}, {2, 0}}};
    bool v6 = !gn__addr_is_v4(&victim->local.addr);
    const uint8_t *type = types[v6][kind];
    struct foe_segment quoted = {.src = victim->local.addr,
                                 .dst = victim->remote.addr,
                                 .src_port = victim->local.port,
                                 .dst_port = victim->remote.port,
                                 .seq = seq,
                                 .flags = FOE_ACK};
    uint8_t inner[128], bytes[256];
    size_t len = foe_tcp(&quoted, inner);

    assert_true(
        foe_send(&f->foe, bytes,
                 foe_icmp_error(&victim->remote.addr, &victim->local.addr,
                                type[0], type[1], kind == TOO_BIG ? 1280 : 0,
                                inner, len, bytes)));
}

static void forge_wrong(struct fixture *f, const struct victim *victim)
{
    uint32_t i;

    for (i = 1; i < 10000; i++) {
        forge(f, victim, i % 3, victim->seq + i * 400000u);
        forge(f, victim, i % 3, victim->seq - i);
    }
}

static int mtu_of(struct gn_sock *sock, bool v6)
{
    socklen_t len = sizeof(int);
    int value = 0;

    assert_int_equal(gn_sock_getopt(sock, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
                                    v6 ? IPV6_MTU : IP_MTU, &value, &len),
                     0);
    return value;
}

static void connecting(struct fixture *f, bool v6)
{
    struct victim victim;

    victim_open(f, &victim, v6);
    forge_wrong(f, &victim);
    assert_int_equal(arena_ready(victim.sock, POLLOUT), 0);
    forge(f, &victim, HOST_UNREACHABLE, victim.seq);
    assert_true(arena_ready(victim.sock, POLLOUT) & POLLOUT);
    assert_int_equal(arena_error(victim.sock), EHOSTUNREACH);
    arena_drop(victim.sock);
}

static void connecting_ends_by_errors_about_its_syn_only(void **state)
{
    connecting(*state, false);
    connecting(*state, true);
}

static void established(struct fixture *f, bool v6)
{
    struct victim victim;

    victim_open(f, &victim, v6);
    victim_establish(f, &victim);
    forge_wrong(f, &victim);
    forge(f, &victim, PORT_UNREACHABLE, victim.seq);
    forge(f, &victim, HOST_UNREACHABLE, victim.seq);
    arena_pass(&f->arena, GN_S, 100);
    assert_int_equal(arena_ready(victim.sock, POLLIN | POLLOUT), POLLOUT);
    assert_int_equal(gn_sock_send(victim.sock, "y", 1, 0), 1);

    /* And its segments do not get small. */
    assert_int_equal(mtu_of(victim.sock, v6), GN_MTU_DEFAULT);
    forge(f, &victim, TOO_BIG, victim.seq);
    assert_int_equal(mtu_of(victim.sock, v6), 1280);
    arena_drop(victim.sock);
}

static void established_connections_survive_forged_errors(void **state)
{
    established(*state, false);
    established(*state, true);
}

/* Errors about packets that no guest has sent. */
static void errors_about_nothing_leave_nothing(void **state)
{
    struct fixture *f = *state;
    struct victim nobody = {.local = {.addr = foe_addr(SERVER4), .port = 1},
                            .remote = {.addr = f->foe.v4, .port = 1}};
    uint64_t heap, live, i;

    forge(f, &nobody, TOO_BIG, 0);
    heap = f->arena.heap.live_bytes;
    live = f->arena.heap.n_live;
    for (i = 0; i < 20000; i++) {
        nobody.local.port = (uint16_t)i;
        nobody.remote.addr = gn__addr_from_v4(0x0a4d0000u + (uint32_t)i);
        nobody.remote.port = (uint16_t)(i * 7);
        foe_spoof(&f->foe);
        forge(f, &nobody, i % 3, (uint32_t)i);
    }
    assert_int_equal(f->arena.heap.live_bytes, heap);
    assert_int_equal(f->arena.heap.n_live, live);
    assert_int_equal(arena_stats(f->server).icmp_errors, 0);
    assert_int_equal(arena_drops(f->server, GN_DROP_ICMP), 20001);
}

/* ---- what concerns no socket ---- */

/* It is counted once, as that, and nothing is sent because of it. */
static void expect_no_concern(struct fixture *f, const uint8_t *bytes,
                              size_t len)
{
    struct gn_stats before = arena_stats(f->server), after;
    uint64_t received = f->foe.n_received;

    before.drops[GN_DROP_ICMP]++;
    assert_true(foe_send(&f->foe, bytes, len));
    arena_pass(&f->arena, 0, 10);
    after = arena_stats(f->server);
    assert_memory_equal(before.drops, after.drops, sizeof(after.drops));
    assert_int_equal(after.icmp_errors, before.icmp_errors);
    assert_int_equal(f->foe.n_received, received);
}

static void expect_no_concern_of(struct fixture *f, const char *to,
                                 unsigned type, unsigned code)
{
    struct gn__addr dst = foe_addr(to);
    bool v4 = gn__addr_is_v4(&dst);
    uint8_t body[8] = {(uint8_t)type, (uint8_t)code}, bytes[64];

    expect_no_concern(f, bytes,
                      foe_ip(v4 ? &f->foe.v4 : &f->foe.v6, &dst,
                             v4 ? GN__PROTO_ICMP : GN__PROTO_ICMP6, body,
                             sizeof(body), bytes));
}

/* An error about a packet of this protocol from @src. */
static void expect_no_concern_about(struct fixture *f, const char *src,
                                    uint8_t proto)
{
    struct gn__addr from = foe_addr(src);
    bool v4 = gn__addr_is_v4(&from);
    struct gn__addr server = foe_addr(v4 ? SERVER4 : SERVER6);
    const struct gn__addr *foe = v4 ? &f->foe.v4 : &f->foe.v6;
    static const uint8_t ports[20] = {0, 77, 0, 77};
    uint8_t inner[64], bytes[128];
    size_t len = foe_ip(&from, foe, proto, ports, sizeof(ports), inner);

    expect_no_concern(f, bytes,
                      foe_icmp_error(foe, &server, v4 ? 3 : 1, v4 ? 3 : 4, 0,
                                     inner, len, bytes));
    expect_no_concern(f, bytes,
                      foe_icmp_error(foe, &server, v4 ? 3 : 1, v4 ? 3 : 4, 0,
                                     inner, 9, bytes));
}

static void messages_that_concern_no_socket_are_counted(void **state)
{
    struct fixture *f = *state;

    expect_no_concern_of(f, SERVER4, 0, 0); /* An answer without a question. */
    expect_no_concern_of(f, SERVER6, 129, 0);
    expect_no_concern_of(f, SERVER4, 5, 1); /* A redirect. */
    expect_no_concern_of(f, SERVER6, 137, 0);
    expect_no_concern_of(f, SERVER4, 13, 0); /* The time? */
    expect_no_concern_of(f, SERVER4, 3, 3);  /* About nothing at all. */
    expect_no_concern_of(f, SERVER6, 1, 4);
    expect_no_concern_of(f, SERVER4, 99, 99);
    expect_no_concern_of(f, SERVER6, 99, 99);
    expect_no_concern_of(f, SERVER4, 8, 1); /* No echo with that code. */
    expect_no_concern_about(f, "10.77.9.9", GN__PROTO_UDP);
    expect_no_concern_about(f, "fd77::9:9", GN__PROTO_UDP);
    expect_no_concern_about(f, SERVER4, 132);
    expect_no_concern_about(f, SERVER6, 132);
    expect_no_concern_about(f, SERVER4, GN__PROTO_UDP);
    expect_no_concern_about(f, SERVER6, GN__PROTO_UDP);
    expect_no_concern_about(f, SERVER4, GN__PROTO_TCP);
    expect_no_concern_about(f, SERVER6, GN__PROTO_TCP);
}

/* One that a guest has asked for by sending is not. */
static void errors_that_concern_a_socket_are_not_counted(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = arena_bound(f->server, SOCK_DGRAM, SERVER4 ":77");
    struct victim udp = {.local = {.addr = foe_addr(SERVER4), .port = 77},
                         .remote = {.addr = f->foe.v4, .port = 9}};
    struct gn__endpoint *from = &udp.local, *to = &udp.remote;
    uint8_t inner[64], bytes[128];
    size_t len = foe_udp(from, to, "x", 1, inner);
    struct victim tcp;

    assert_int_equal(arena_connect(sock, "10.77.6.6:9"), 0);
    assert_true(foe_send(
        &f->foe, bytes,
        foe_icmp_error(&to->addr, &from->addr, 3, 3, 0, inner, len, bytes)));
    assert_int_equal(arena_error(sock), ECONNREFUSED);
    victim_open(f, &tcp, false);
    forge(f, &tcp, HOST_UNREACHABLE, tcp.seq);
    assert_int_equal(arena_error(tcp.sock), EHOSTUNREACH);
    assert_int_equal(arena_drops(f->server, GN_DROP_ICMP), 0);
    arena_drop(tcp.sock);
    arena_drop(sock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(closed_ports_answer_at_a_limited_rate,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            free_addresses_are_answered_at_a_limited_rate, setup, teardown),
        cmocka_unit_test_setup_teardown(
            connecting_ends_by_errors_about_its_syn_only, setup, teardown),
        cmocka_unit_test_setup_teardown(
            established_connections_survive_forged_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_about_nothing_leave_nothing,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            messages_that_concern_no_socket_are_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(
            errors_that_concern_a_socket_are_not_counted, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
