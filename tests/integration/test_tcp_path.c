/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP across a router into a network of smaller packets: the first segments
 * are too big for it, and the path MTU is learned (RFC 1191, RFC 8201).
 *
 *     left 10.1.0.2 -- 9000 -- router -- 1400 -- 10.2.0.3 right
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/addr.h>
#include <guestnet/link.h>
#include <guestnet/stats.h>

#include "tests/lib/simnet.h"

#define PERIOD 65521u
#define PIECE  65536u
#define SOME   (2u << 20)
#define MANY   (64u << 20)

static const char *const west[] = {"10.1.0.0/24", "fd01::/64", NULL};
static const char *const east[] = {"10.2.0.0/24", "fd02::/64", NULL};

struct fixture {
    struct gn_simnet sim;
    struct gn_network *west, *east;
    struct gn_namespace *left, *right, *router;
};

static struct gn_network *network(struct fixture *f, const char *name,
                                  const char *const *prefixes, uint32_t mtu)
{
    struct gn_network_config config = {.size = sizeof(config),
                                       .name = name,
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_VIRTUAL,
                                       .clock = f->sim.clock,
                                       .mtu = mtu};
    struct gn_network *net;

    assert_int_equal(gn_network_create(&config, &net), 0);
    return net;
}

static int setup(void **state)
{
    static const char *const none[] = {NULL};
    struct fixture *f = test_calloc(1, sizeof(*f));
    struct gn_namespace_config config = {
        .size = sizeof(config), .name = "router", .forwarding = true};

    gn_simnet_setup(&f->sim, none, 1);
    f->west = network(f, "west", west, 9000);
    f->east = network(f, "east", east, 1400);
    f->left = gn_simnet_guest(f->west, "left");
    assert_int_equal(gn_namespace_create(f->west, &config, &f->router), 0);
    assert_int_equal(gn_namespace_attach(f->router, f->east, NULL), 0);
    f->right = gn_simnet_guest(f->east, "right");
    assert_int_equal(gn_route_add(f->left, "10.2.0.0/16", "10.1.0.3"), 0);
    assert_int_equal(gn_route_add(f->right, "0.0.0.0/0", "10.2.0.2"), 0);
    assert_int_equal(gn_route_add(f->left, "fd02::/64", "fd01::3"), 0);
    assert_int_equal(gn_route_add(f->right, "::/0", "fd02::2"), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_network_close(f->east, NULL, NULL);
    gn_network_close(f->west, NULL, NULL);
    gn_simnet_teardown(&f->sim);
    test_free(f);
    return 0;
}

static struct gn_sock *open_at(struct gn_namespace *ns, const char *text,
                               bool listening)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    struct gn_sock *sock;
    int err;

    assert_int_equal(gn_addr_parse(text, &addr, &len), 0);
    assert_int_equal(
        gn_sock_open(ns, addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0, &sock),
        0);
    if (listening) {
        assert_int_equal(gn_sock_bind(sock, (struct sockaddr *)&addr, len), 0);
        assert_int_equal(gn_sock_listen(sock, 5), 0);
        return sock;
    }
    err = gn_sock_connect(sock, (struct sockaddr *)&addr, len);
    assert_true(err == 0 || err == -EINPROGRESS);
    return sock;
}

/* What is sent repeats after PERIOD bytes, which no chunk or segment has. */
static const uint8_t *stream_at(size_t pos)
{
    static uint8_t stream[PERIOD + PIECE];
    static bool filled;
    size_t i;

    for (i = 0; !filled && i < sizeof(stream); i++)
        stream[i] = (uint8_t)(i % PERIOD * 31 + i % PERIOD / 251);
    filled = true;
    return stream + pos % PERIOD;
}

static size_t push(struct gn_sock *sock, size_t sent, size_t bytes)
{
    size_t n = bytes - sent < PIECE ? bytes - sent : PIECE;
    ssize_t res = gn_sock_send(sock, stream_at(sent), n, 0);

    assert_true(res >= 0 || res == -EAGAIN);
    return res < 0 ? 0 : (size_t)res;
}

static size_t pull(struct gn_sock *sock, size_t got)
{
    static uint8_t buf[PIECE];
    ssize_t res = gn_sock_recv(sock, buf, sizeof(buf), 0);

    assert_true(res > 0 || res == -EAGAIN);
    if (res < 0)
        return 0;
    assert_memory_equal(buf, stream_at(got), (size_t)res);
    return (size_t)res;
}

/* Returns how long it took, ns. */
static uint64_t transfer(struct fixture *f, struct gn_sock *from,
                         struct gn_sock *to, size_t bytes)
{
    uint64_t began = gn_clock_now_ns(f->sim.clock);
    size_t sent = 0, got = 0;

    while (got < bytes) {
        size_t n = sent < bytes ? push(from, sent, bytes) : 0;
        size_t m = pull(to, got);

        sent += n;
        got += m;
        if (!n && !m)
            assert_true(gn_clock_step(f->sim.clock));
    }
    return gn_clock_now_ns(f->sim.clock) - began;
}

static void transfers_both_ways(struct fixture *f, const char *address)
{
    struct gn_sock *listener = open_at(f->right, address, true);
    struct gn_sock *client = open_at(f->left, address, false);
    struct gn_sock *server = NULL;
    uint64_t took;

    while (gn_sock_accept(listener, NULL, NULL, SOCK_NONBLOCK, &server))
        assert_true(gn_clock_step(f->sim.clock));
    took = transfer(f, client, server, SOME);
    took += transfer(f, server, client, SOME);
    /* Learned, not waited for: no time-out after time-out. */
    assert_true(took < 3000 * GN_MS);
    gn_simnet_end(client);
    gn_simnet_end(server);
    gn_simnet_end(listener);
}

static void segments_fit_the_narrowest_network_ip4(void **state)
{
    transfers_both_ways(*state, "10.2.0.3:80");
}

static void segments_fit_the_narrowest_network_ip6(void **state)
{
    transfers_both_ways(*state, "[fd02::3]:80");
}

/* 20 ms and 100 Mbit/s with the queue that a link has by itself: at least 90 %
 * of it is payload. */
static void a_long_link_is_filled(struct fixture *f, uint32_t mtu)
{
    static const char *const prefixes[] = {"10.3.0.0/24", NULL};
    struct gn_link_config slow = {.latency_us = 20000, .rate_bps = 100000000};
    struct gn_network *net = network(f, "line", prefixes, mtu);
    struct gn_namespace *near = gn_simnet_guest(net, "near");
    struct gn_namespace *far = gn_simnet_guest(net, "far");
    struct gn_sock *listener = open_at(far, "10.3.0.3:80", true);
    struct gn_sock *client = open_at(near, "10.3.0.3:80", false);
    struct gn_sock *server;
    double rate;

    assert_int_equal(gn_link_set(near, "eth0", &slow), 0);
    while (gn_sock_accept(listener, NULL, NULL, SOCK_NONBLOCK, &server))
        assert_true(gn_clock_step(f->sim.clock));
    rate = MANY * 8.0 * 1000 / (double)transfer(f, client, server, MANY);
    printf("20 ms, 100 Mbit/s, MTU %u: %.1f Mbit/s\n", mtu, rate);
    assert_true(rate >= 90);
    gn_simnet_end(client);
    gn_simnet_end(server);
    gn_simnet_end(listener);
    gn_network_close(net, NULL, NULL);
}

static void a_long_link_is_filled_by_large_packets(void **state)
{
    a_long_link_is_filled(*state, 0);
}

static void a_long_link_is_filled_by_small_packets(void **state)
{
    a_long_link_is_filled(*state, 1500);
}

/* A namespace may have several addresses, and a listener hears on all. */
static void several_addresses_are_one_guest(void **state)
{
    static const char *const own[] = {"10.1.0.10", "10.1.0.11", "fd01::10",
                                      NULL};
    struct fixture *f = *state;
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .addresses = own};
    struct gn_namespace *many;
    struct gn_sock *listener;
    size_t i;

    assert_int_equal(gn_namespace_create(f->west, &config, &many), 0);
    listener = open_at(many, "[::]:80", true);
    for (i = 0; own[i]; i++) {
        struct sockaddr_storage peer;
        socklen_t len = sizeof(peer);
        struct gn_sock *client, *server;
        char text[64];

        snprintf(text, sizeof(text), i < 2 ? "%s:80" : "[%s]:80", own[i]);
        client = open_at(f->left, text, false);
        gn_clock_advance(f->sim.clock, GN_MS);
        assert_int_equal(gn_sock_accept(listener, NULL, NULL, 0, &server), 0);
        assert_int_equal(gn_sock_name(server, (struct sockaddr *)&peer, &len),
                         0);
        assert_int_equal(peer.ss_family, AF_INET6);
        gn_simnet_end(client);
        gn_simnet_end(server);
    }
    gn_simnet_end(listener);
    gn_namespace_close(many, 0, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(segments_fit_the_narrowest_network_ip4,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(segments_fit_the_narrowest_network_ip6,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_link_is_filled_by_large_packets,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_link_is_filled_by_small_packets,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(several_addresses_are_one_guest, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
