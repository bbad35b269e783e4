/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a namespace gives to its TCP: timers that options ask for, how long a
 * connection rests, ports and initial sequence numbers of its own.
 */
#include <guestnet/link.h>

#include <errno.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "namespace/internal.h"
#include "switch/capture_hook.h"
#include "tests/lib/case.h"
#include "tests/lib/simnet.h"
#include "tests/lib/units.h"

struct fixture {
    struct gn_simnet sim;
    struct gn__capture_hook hook;
    struct gn_namespace *a, *b;
    struct gn_sock *client, *listener, *server;
    uint32_t isn; /* of the last SYN */
};

static const char *const prefixes[] = {"10.0.0.0/24", NULL};

static void to_sockaddr(const char *text, struct sockaddr_storage *ss,
                        socklen_t *len)
{
    assert_int_equal(gn_addr_parse(text, ss, len), 0);
}

static struct gn_sock *open_tcp(struct gn_namespace *ns)
{
    struct gn_sock *sock;

    assert_int_equal(
        gn_sock_open(ns, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, &sock), 0);
    return sock;
}

static int bind_to(struct gn_sock *sock, const char *at)
{
    struct sockaddr_storage ss;
    socklen_t len;

    to_sockaddr(at, &ss, &len);
    return gn_sock_bind(sock, (struct sockaddr *)&ss, len);
}

static int connect_to(struct gn_sock *sock, const char *to)
{
    struct sockaddr_storage ss;
    socklen_t len;

    to_sockaddr(to, &ss, &len);
    return gn_sock_connect(sock, (struct sockaddr *)&ss, len);
}

static void setup_seeded(struct fixture *f, uint64_t seed)
{
    gn_simnet_setup(&f->sim, prefixes, seed);
    f->a = gn_simnet_guest(f->sim.net, "a");
    f->b = gn_simnet_guest(f->sim.net, "b");
    f->listener = open_tcp(f->b);
    assert_int_equal(bind_to(f->listener, "10.0.0.3:80"), 0);
    assert_int_equal(gn_sock_listen(f->listener, 16), 0);
}

static int setup(void **state)
{
    static struct fixture f;

    f = (struct fixture){0};
    setup_seeded(&f, 1);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_simnet_end(f->client);
    gn_simnet_end(f->server);
    gn_simnet_end(f->listener);
    gn_simnet_teardown(&f->sim);
    return 0;
}

static void establish(struct fixture *f, uint64_t within)
{
    f->client = open_tcp(f->a);
    assert_int_equal(bind_to(f->client, "10.0.0.2:5000"), 0);
    assert_int_equal(connect_to(f->client, "10.0.0.3:80"), -EINPROGRESS);
    gn_clock_advance(f->sim.clock, within);
    assert_int_equal(
        gn_sock_accept(f->listener, NULL, NULL, SOCK_NONBLOCK, &f->server), 0);
}

static void set(struct gn_sock *sock, int level, int name, int value)
{
    assert_int_equal(gn_sock_setopt(sock, level, name, &value, sizeof(value)),
                     0);
}

static void cut_off(struct gn_namespace *ns)
{
    struct gn_link_config down = {.down = true};

    assert_int_equal(gn_link_set(ns, NULL, &down), 0);
}

static bool has_ended(void *arg)
{
    struct gn_pollfd fd = {.sock = arg};

    return gn_sock_poll(&fd, 1, 0) == 1;
}

/* Seconds until the client times out. */
static double times_out_after(struct fixture *f)
{
    uint64_t began = gn_clock_now_ns(f->sim.clock);
    char byte;

    assert_true(gn_clock_run_until(f->sim.clock, began + 3600 * GN_S, has_ended,
                                   f->client));
    assert_int_equal(gn_sock_recv(f->client, &byte, 1, 0), -ETIMEDOUT);
    return (double)(gn_clock_now_ns(f->sim.clock) - began) / GN_S;
}

static void keepalive_finds_the_dead(void **state)
{
    struct fixture *f = *state;
    double took;

    establish(f, GN_S / 10);
    set(f->client, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(f->client, IPPROTO_TCP, TCP_KEEPIDLE, 20);
    set(f->client, IPPROTO_TCP, TCP_KEEPINTVL, 2);
    set(f->client, IPPROTO_TCP, TCP_KEEPCNT, 3);
    gn_clock_advance(f->sim.clock, 600 * GN_S);
    assert_false(has_ended(f->client));
    cut_off(f->b);
    took = times_out_after(f);
    assert_true(took > 5 && took < 27);
}

static void user_timeout_ends_the_unacknowledged(void **state)
{
    struct fixture *f = *state;
    double took;

    establish(f, GN_S / 10);
    set(f->client, IPPROTO_TCP, TCP_USER_TIMEOUT, 3000);
    gn_clock_advance(f->sim.clock, 600 * GN_S);
    assert_false(has_ended(f->client));
    cut_off(f->b);
    assert_int_equal(gn_sock_send(f->client, "x", 1, 0), 1);
    took = times_out_after(f);
    assert_true(took > 2.9 && took < 3.2);
}

static bool port_is_free(void *arg)
{
    struct fixture *f = arg;
    struct gn_sock *sock = open_tcp(f->a);
    int err = bind_to(sock, "10.0.0.2:5000");

    gn_simnet_end(sock);
    return err == 0;
}

/* Until nothing of the connection can be under way any more. */
static void rests_twice_the_slowest_way(void **state)
{
    struct gn_link_config slow = {.latency_us = 1500000};
    struct fixture *f = *state;

    assert_int_equal(gn_link_set(f->b, NULL, &slow), 0);
    establish(f, 10 * GN_S);
    gn_sock_close(f->client);
    gn_clock_advance(f->sim.clock, 2 * GN_S);
    gn_sock_close(f->server);
    gn_clock_advance(f->sim.clock, 2 * GN_S);
    assert_false(port_is_free(f));
    gn_clock_advance(f->sim.clock, 2 * GN_S);
    assert_false(port_is_free(f));
    gn_clock_advance(f->sim.clock, 10 * GN_S);
    assert_true(port_is_free(f));
}

static int port_towards(struct gn_namespace *ns, const char *to)
{
    struct gn_sock *sock = open_tcp(ns);
    struct sockaddr_in name;
    socklen_t len = sizeof(name);

    assert_int_equal(connect_to(sock, to), -EINPROGRESS);
    assert_int_equal(gn_sock_name(sock, (struct sockaddr *)&name, &len), 0);
    gn_simnet_end(sock);
    return ntohs(name.sin_port);
}

/* RFC 6056: what is used towards one says nothing about another. */
static void ports_begin_elsewhere_for_each_destination(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *c = gn_simnet_guest(f->sim.net, "c");
    int to_80 = port_towards(f->a, "10.0.0.3:80");
    int to_81 = port_towards(f->a, "10.0.0.3:81");
    int from_c = port_towards(c, "10.0.0.3:80");

    assert_true(abs(to_80 - to_81) > 8);
    assert_true(abs(to_80 - from_c) > 8);
}

static void note_isn(struct gn__capture_hook *hook,
                     const struct gn__packet *packet)
{
    struct fixture *f = gn__container_of(hook, struct fixture, hook);
    const uint8_t *hdr = packet->head + packet->ip.l4;

    if (packet->ip.proto == IPPROTO_TCP && hdr[13] == 2)
        f->isn = (uint32_t)hdr[4] << 24 | (uint32_t)hdr[5] << 16 |
                 (uint32_t)hdr[6] << 8 | hdr[7];
}

/* The same endpoints at the same time, under a seed. */
static uint32_t isn_under(uint64_t seed)
{
    struct fixture f = {0};

    setup_seeded(&f, seed);
    f.hook.seen = note_isn;
    gn__capture_hook_start(f.sim.net, NULL, &f.hook);
    establish(&f, GN_S / 10);
    gn_simnet_end(f.client);
    gn_simnet_end(f.server);
    gn_simnet_end(f.listener);
    gn_simnet_teardown(&f.sim);
    return f.isn;
}

static void sequence_numbers_follow_from_the_seed(void **state)
{
    (void)state;
    assert_int_equal(isn_under(5), isn_under(5));
    assert_int_not_equal(isn_under(5), isn_under(6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(keepalive_finds_the_dead),
        CASE(user_timeout_ends_the_unacknowledged),
        CASE(rests_twice_the_slowest_way),
        CASE(ports_begin_elsewhere_for_each_destination),
        cmocka_unit_test(sequence_numbers_follow_from_the_seed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
