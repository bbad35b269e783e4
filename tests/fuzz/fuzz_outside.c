/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gateway between a hostile port, a guest and a made-up world outside. The
 * input is steps, each behind two bytes: the upper three bits of the first say
 * what is done, the rest how many bytes follow for it. Nothing may reach an
 * assertion, what is held stays bounded, and nothing is left at the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/wire.h"
#include "tests/lib/beyond.h"
#include "tests/lib/foe.h"
#include "tests/lib/simnet.h"

#define HELD_MAX (16u * 1024 * 1024)
#define STEPS    300u
#define N_SOCKS  8u

enum step {
    SEND,         /* bytes from the foe, to where they say */
    ANSWER,       /* the same, acknowledging what it got last */
    SEND_BARE,    /* from the one without hooks, to the gateway */
    DECIDE,       /* accept or refuse what waits longest */
    PASS,         /* time */
    GUEST,        /* a socket of the guest connects, sends, closes */
    FROM_OUTSIDE, /* a client connects or sends to the foe */
    TALK          /* one that has done so sends to the foe */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char *const prefixes[] = {"10.1.0.0/24", "fd01::/64", NULL};
static const char *const outs[] = {"203.0.113.1:80", "203.0.113.2:53",
                                   "[2001:db8::1]:80", "10.1.0.1:9"};
static const char *const foes[] = {"10.1.0.200:80", "10.1.0.200:53",
                                   "[fd01::200]:80", "10.1.0.200:9"};

struct world {
    struct gn_simnet sim;
    struct beyond beyond;
    struct foe foe, bare;
    struct gn_namespace *guest;
    struct gn_sock *socks[N_SOCKS];
    struct gn_sock *fars[N_SOCKS];
    struct gn__outside_flow *flows[N_SOCKS];
};

static void received(struct gn__outside_flow *flow, const void *data,
                     size_t len, void *user)
{
    (void)user;
    if (len < 100)
        (void)gn__outside_flow_send(flow, data, len);
    else if (len < 1000)
        gn__outside_flow_unreach(flow, -ECONNREFUSED, 0);
    else
        gn__outside_flow_unreach(flow, -EMSGSIZE, (uint32_t)len % 2048);
}

static void failed(struct gn__outside_flow *flow, int error, void *user)
{
    (void)flow;
    (void)error;
    (void)user;
}

static void ended(struct gn__outside_flow *flow, int why, void *user)
{
    (void)flow;
    (void)why;
    (void)user;
}

static const struct gn__outside_flow_ops flow_ops = {.received = received,
                                                     .failed = failed,
                                                     .ended = ended};

static void build(struct world *w)
{
    const struct gn_limits limits = {.max_outgoing = 16, .max_flows = 8};

    gn_simnet_setup(&w->sim, prefixes, 1);
    beyond_init(&w->beyond);
    w->beyond.mode = BEYOND_WAIT;
    w->sim.net->limits.max_outgoing = 16;
    w->sim.net->limits.max_flows = 8;
    w->guest = beyond_guest(&w->beyond, w->sim.net, NULL, &limits);
    foe_open(&w->foe, w->sim.net, "10.1.0.200", "fd01::200");
    foe_open(&w->bare, w->sim.net, "10.1.0.201", "fd01::201");
    foe_spoof(&w->foe);
    gn__engine_enter(w->sim.net->engine);
    assert_int_equal(gn__port_set_outside(&w->foe.port, &w->beyond.outside), 0);
    gn__engine_leave(w->sim.net->engine);
}

static void close_sock(struct gn_sock **sock)
{
    if (*sock)
        gn_simnet_end(*sock);
    *sock = NULL;
}

static void close_flow(struct gn__outside_flow **flow)
{
    if (*flow)
        gn__outside_flow_close(*flow);
    *flow = NULL;
}

static void destroy(struct world *w)
{
    size_t i;

    foe_close(&w->foe);
    foe_close(&w->bare);
    for (i = 0; i < N_SOCKS; i++) {
        close_sock(&w->socks[i]);
        close_sock(&w->fars[i]);
        close_flow(&w->flows[i]);
    }
    gn_clock_advance(w->sim.clock, GN_MS);
    beyond_done(&w->beyond);
    gn_simnet_teardown(&w->sim);
}

/* ---- steps ---- */

/* An initial sequence number cannot be guessed. */
static void answer(struct world *w, const uint8_t *data, size_t len)
{
    static uint8_t bytes[8192];
    size_t l4 = len && data[0] >> 4 == 6 ? 40 : 20;
    struct foe_view view;

    if (len < l4 + 20 || len > sizeof(bytes) || !w->foe.last ||
        !foe_view(w->foe.last, &view))
        return;
    memcpy(bytes, data, len);
    gn__put32(bytes + l4 + 8, view.seq + view.len + !!(view.flags & FOE_SYN));
    (void)foe_send(&w->foe, bytes, len);
}

static void decide(struct world *w, uint8_t how)
{
    static const int errors[] = {-ECONNREFUSED, -ETIMEDOUT, -EHOSTUNREACH,
                                 -EACCES};

    if (!w->beyond.n_pending)
        return;
    if (how & 4)
        beyond_refuse(&w->beyond, errors[how & 3]);
    else
        (void)beyond_accept(&w->beyond);
}

static void use_guest(struct world *w, uint8_t how)
{
    struct gn_sock **sock = &w->socks[how % N_SOCKS];
    struct sockaddr_storage addr;
    socklen_t len;
    char buf[256];

    assert_int_equal(gn_addr_parse(outs[how >> 3 & 3], &addr, &len), 0);
    if (!*sock) {
        assert_int_equal(gn_sock_open(w->guest, addr.ss_family,
                                      (how & 0x20 ? SOCK_STREAM : SOCK_DGRAM) |
                                          SOCK_NONBLOCK,
                                      0, sock),
                         0);
        (void)!gn_sock_connect(*sock, (struct sockaddr *)&addr, len);
    } else if (how & 0x40) {
        close_sock(sock);
    } else {
        (void)!gn_sock_send(*sock, "from the guest", 14, 0);
        (void)!gn_sock_recv(*sock, buf, sizeof(buf), 0);
    }
}

static void use_outside(struct world *w, uint8_t how)
{
    struct gn__endpoint from = beyond_endpoint(outs[how >> 3 & 3]);
    struct gn__endpoint to = beyond_endpoint(foes[how >> 3 & 3]);
    struct gn__outside_flow_config config = {.ops = &flow_ops};
    size_t i = how % N_SOCKS;

    if (how & 0x20) {
        close_sock(&w->fars[i]);
        (void)!gn__outside_connect(w->sim.net, &from, &to, &w->fars[i]);
    } else {
        close_flow(&w->flows[i]);
        (void)!gn__outside_flow_open(w->sim.net, how & 0x40 ? NULL : &from, &to,
                                     &config, &w->flows[i]);
    }
}

static void talk(struct world *w, uint8_t how)
{
    static char data[3000];
    size_t i = how % N_SOCKS;

    if (w->fars[i]) {
        (void)!gn_sock_send(w->fars[i], data, sizeof(data), 0);
        (void)!gn_sock_recv(w->fars[i], data, sizeof(data), 0);
    }
    if (w->flows[i])
        (void)gn__outside_flow_send(w->flows[i], data, how * 11);
}

static void take(struct world *w, enum step step, const uint8_t *data,
                 size_t len)
{
    uint8_t how = len ? data[0] : 0;
    struct gn__addr gateway = foe_addr("10.1.0.1");

    switch (step) {
    case SEND:
        (void)foe_send(&w->foe, data, len);
        break;
    case ANSWER:
        answer(w, data, len);
        break;
    case SEND_BARE:
        (void)foe_send_via(&w->bare, &gateway, data, len);
        break;
    case DECIDE:
        decide(w, how);
        break;
    case PASS:
        gn_clock_advance(w->sim.clock, how * 10 * GN_MS);
        break;
    case GUEST:
        use_guest(w, how);
        break;
    case FROM_OUTSIDE:
        use_outside(w, how);
        break;
    case TALK:
        talk(w, how);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct world *w = calloc(1, sizeof(*w));
    unsigned steps;

    assert_non_null(w);
    build(w);
    for (steps = 0; len > 2 && steps < STEPS; steps++) {
        enum step step = data[0] >> 5;
        size_t n = (size_t)(data[0] & 0x1f) << 8 | data[1];

        data += 2;
        len -= 2;
        if (n > len)
            n = len;
        take(w, step, data, n);
        data += n;
        len -= n;
        assert_true(w->sim.heap.live_bytes < HELD_MAX);
    }
    gn_clock_advance(w->sim.clock, 1000 * GN_MS);
    destroy(w);
    free(w);
    return 0;
}
