/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Raw packets into a namespace with sockets of all kinds, and into one that
 * forwards. The input is packets, each behind two bytes of length: the upper
 * bits of the first say which namespace it is for, and whether time passes.
 * Nothing may reach an assertion, what is held stays bounded, and nothing is
 * left at the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/link.h>

#include "tests/lib/rawport.h"
#include "tests/lib/simnet.h"

#define HELD_MAX (8u * 1024 * 1024)
#define STEPS    200u
#define N_SOCKS  6u

enum { VIA_ROUTER = 0x80, TIME_PASSES = 0x40, LEN_MASK = 0x3f };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char *const near_prefixes[] = {"10.1.0.0/24", "fd01::/64", NULL};
static const char *const far_prefixes[] = {"10.2.0.0/24", "fd02::/64", NULL};
static const char *const raw_addrs[] = {"10.1.0.200", "fd01::200", NULL};

static struct gn_sock *stream(struct gn_namespace *ns, const char *at)
{
    struct sockaddr_storage ss;
    struct gn_sock *sock;
    socklen_t len;

    assert_int_equal(gn_addr_parse(at, &ss, &len), 0);
    assert_int_equal(
        gn_sock_open(ns, ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0, &sock),
        0);
    assert_int_equal(gn_sock_bind(sock, (struct sockaddr *)&ss, len), 0);
    assert_int_equal(gn_sock_listen(sock, 4), 0);
    return sock;
}

/* A connection that the input may answer: its peer is the raw port. */
static struct gn_sock *dial(struct gn_namespace *ns, const char *from,
                            const char *to)
{
    struct sockaddr_storage ss;
    struct gn_sock *sock;
    socklen_t len;

    assert_int_equal(gn_addr_parse(from, &ss, &len), 0);
    assert_int_equal(
        gn_sock_open(ns, ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0, &sock),
        0);
    assert_int_equal(gn_sock_bind(sock, (struct sockaddr *)&ss, len), 0);
    assert_int_equal(gn_addr_parse(to, &ss, &len), 0);
    (void)!gn_sock_connect(sock, (struct sockaddr *)&ss, len);
    return sock;
}

struct world {
    struct gn_simnet sim;
    struct gn_network *far;
    struct gn_namespace *guest, *router;
    struct gn_rawport *raw;
    struct gn_sock *socks[N_SOCKS];
};

static void build(struct world *w)
{
    struct gn_namespace_config config = {
        .size = sizeof(config), .name = "router", .forwarding = true};

    gn_simnet_setup(&w->sim, near_prefixes, 1);
    w->far = gn_simnet_add(&w->sim, "far", far_prefixes);
    w->guest = gn_simnet_guest(w->sim.net, "guest");
    assert_int_equal(gn_namespace_create(w->sim.net, &config, &w->router), 0);
    assert_int_equal(gn_namespace_attach(w->router, w->far, NULL), 0);
    w->raw = gn_rawport_open(w->sim.net, raw_addrs, 0);
    gn_rawport_any_source(w->raw);
    gn_rawport_trust(w->raw); /* Else nearly all of it ends at a checksum. */
    w->socks[0] = gn_simnet_udp(w->guest, "0.0.0.0:53");
    w->socks[1] = gn_simnet_udp(w->guest, "[::]:54");
    w->socks[2] = stream(w->guest, "0.0.0.0:80");
    w->socks[3] = stream(w->guest, "[::]:81");
    w->socks[4] = dial(w->guest, "10.1.0.2:9", "10.1.0.200:9");
    w->socks[5] = dial(w->guest, "[fd01::2]:9", "[fd01::200]:9");
}

static void destroy(struct world *w)
{
    size_t i;

    for (i = 0; i < N_SOCKS; i++)
        gn_simnet_end(w->socks[i]);
    gn_rawport_close(w->raw);
    gn_network_close(w->far, NULL, NULL);
    gn_simnet_teardown(&w->sim);
}

static void read_all(struct world *w)
{
    static uint8_t buf[65536];
    struct gn_sock *child;
    size_t i;

    for (i = 0; i < 2; i++) {
        while (gn_simnet_recv(w->socks[i], buf, sizeof(buf)) >= 0)
            continue;
    }
    for (i = 2; i < 4; i++) {
        while (
            !gn_sock_accept(w->socks[i], NULL, NULL, SOCK_NONBLOCK, &child)) {
            (void)!gn_simnet_recv(child, buf, sizeof(buf));
            gn_simnet_end(child);
        }
    }
    while (gn_rawport_recv(w->raw, buf, sizeof(buf)))
        continue;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct world world, *w = &world;
    unsigned steps;

    memset(w, 0, sizeof(*w));
    build(w);
    for (steps = 0; len > 2 && steps < STEPS; steps++) {
        uint8_t flags = data[0];
        size_t n = (size_t)(flags & LEN_MASK) << 8 | data[1];

        data += 2;
        len -= 2;
        if (n > len)
            n = len;
        (void)!gn_rawport_send_via(
            w->raw, flags & VIA_ROUTER ? "10.1.0.3" : "10.1.0.2", data, n);
        data += n;
        len -= n;
        if (flags & TIME_PASSES) {
            gn_clock_advance(w->sim.clock, 50 * GN_MS);
            read_all(w);
        }
        assert_true(w->sim.heap.live_bytes < HELD_MAX);
    }
    gn_clock_advance(w->sim.clock, 1000 * GN_MS);
    destroy(w);
    return 0;
}
