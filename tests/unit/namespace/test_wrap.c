/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers that come to their end: those that tests can set. All others start
 * next to it in builds with GUESTNET_WRAP (base/counter.h).
 */
#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/link.h>

#include "namespace/internal.h"
#include "netstack/lwip/limits.h"
#include "tests/lib/simnet.h"

static const char *const prefixes[] = {"10.77.0.0/24", NULL};

static int setup(void **state)
{
    struct gn_simnet *sim = test_calloc(1, sizeof(*sim));

    gn_simnet_setup(sim, prefixes, 1);
    *state = sim;
    return 0;
}

/* lwIP's clock is 32 bits of slow ticks: six years and ten months. */
static int setup_at_the_end_of_ticks(void **state)
{
    struct gn_simnet *sim = test_calloc(1, sizeof(*sim));

    gn_simnet_setup_at(sim, prefixes, 1,
                       (UINT32_MAX - 1ull) * GN__SLOW_MS * GN_MS);
    *state = sim;
    return 0;
}

static int teardown(void **state)
{
    struct gn_simnet *sim = *state;

    gn_simnet_teardown(sim);
    test_free(sim);
    return 0;
}

static struct gn_sock *stream(struct gn_namespace *ns, const char *at)
{
    struct sockaddr_storage ss;
    struct gn_sock *sock;
    socklen_t len;

    assert_int_equal(gn_addr_parse(at, &ss, &len), 0);
    assert_int_equal(
        gn_sock_open(ns, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, &sock), 0);
    assert_int_equal(gn_sock_bind(sock, (struct sockaddr *)&ss, len), 0);
    return sock;
}

static int connect_to(struct gn_sock *sock, const char *address)
{
    struct sockaddr_storage ss;
    socklen_t len;

    assert_int_equal(gn_addr_parse(address, &ss, &len), 0);
    return gn_sock_connect(sock, (struct sockaddr *)&ss, len);
}

static struct gn_sock *accept_from(struct gn_sock *listener)
{
    struct gn_sock *sock;

    assert_int_equal(gn_sock_accept(listener, NULL, NULL, SOCK_NONBLOCK, &sock),
                     0);
    return sock;
}

static void guests_2_to_the_32_apart_have_ports_of_their_own(void **state)
{
    struct gn_simnet *sim = *state;
    struct gn_namespace *a = gn_simnet_guest_at(sim->net, "10.77.0.2"), *b, *c;
    struct gn_sock *at_a, *at_b, *from;

    sim->net->engine->last_generation = a->guest.id + UINT32_MAX;
    b = gn_simnet_guest_at(sim->net, "10.77.0.3");
    c = gn_simnet_guest_at(sim->net, "10.77.0.4");
    assert_int_equal((uint32_t)b->guest.id, (uint32_t)a->guest.id);
    at_a = gn_simnet_udp(a, "0.0.0.0:5000");
    at_b = gn_simnet_udp(b, "0.0.0.0:5000");
    from = gn_simnet_udp(c, "0.0.0.0:0");
    assert_int_equal(gn_simnet_send(from, "10.77.0.3:5000", "for b", 5), 5);
    gn_simnet_expect(at_a, NULL);
    gn_simnet_expect(at_b, "for b");
    gn_simnet_end(at_a);
    gn_simnet_end(at_b);
    gn_simnet_end(from);
}

static void guests_2_to_the_32_apart_have_connections_of_their_own(void **state)
{
    struct gn_simnet *sim = *state;
    struct gn_namespace *a = gn_simnet_guest_at(sim->net, "10.77.0.2"), *b;
    struct gn__endpoint local = {.addr = gn__addr_from_v4(0x0a4d0002),
                                 .port = 5000};
    struct gn__endpoint remote = {.addr = gn__addr_from_v4(0x0a4d0009),
                                  .port = 80};
    struct gn_link_config down = {.size = sizeof(down), .down = true};
    struct gn_namespace *silent = gn_simnet_guest_at(sim->net, "10.77.0.9");
    struct gn_sock *sock = stream(a, "10.77.0.2:5000");

    assert_int_equal(gn_link_set(silent, "eth0", &down), 0);
    assert_int_equal(connect_to(sock, "10.77.0.9:80"), -EINPROGRESS);
    sim->net->engine->net.last_stack_id = a->stack.id + UINT32_MAX;
    b = gn_simnet_guest_at(sim->net, "10.77.0.3");
    assert_int_equal((uint32_t)b->stack.id, (uint32_t)a->stack.id);
    assert_int_equal(gn__tcp_tuple_use(&a->stack, &local, &remote),
                     GN__TUPLE_USED);
    assert_int_equal(gn__tcp_tuple_use(&b->stack, &local, &remote),
                     GN__TUPLE_FREE);
    gn_simnet_end(sock);
}

static void interface_numbers_begin_again_where_one_is_free(void **state)
{
    struct gn_simnet *sim = *state;
    struct gn_namespace *ns = gn_simnet_guest(sim->net, NULL);
    struct gn_network *more[2] = {gn_simnet_add(sim, "x", prefixes),
                                  gn_simnet_add(sim, "y", prefixes)};
    struct gn_interface iface;

    ns->last_index = INT_MAX - 1;
    assert_int_equal(gn_namespace_attach(ns, more[0], NULL), 0);
    assert_int_equal(ns->last_index, INT_MAX);
    assert_int_equal(gn_namespace_attach(ns, more[1], NULL), 0);
    /* 1 is lo, 2 eth0. */
    assert_int_equal(gn_namespace_interface_by_index(ns, 3, &iface), 0);
    assert_int_equal(gn_namespace_interface_by_index(ns, 0, &iface), -ENODEV);
    gn_network_close(more[0], NULL, NULL);
    gn_network_close(more[1], NULL, NULL);
}

/* A connection that begins before lwIP's clock wraps loses packets, waits to
 * send them again, keeps alive, closes and rests after it. */
static void connection_lives_through_the_end_of_ticks(void **state)
{
    struct gn_simnet *sim = *state;
    struct gn_namespace *a = gn_simnet_guest_at(sim->net, "10.77.0.2");
    struct gn_namespace *b = gn_simnet_guest_at(sim->net, "10.77.0.3");
    struct gn_link_config down = {.size = sizeof(down), .down = true};
    struct gn_sock *listener = stream(b, "10.77.0.3:80");
    struct gn_sock *client = stream(a, "10.77.0.2:5000"), *server;
    int on = 1, second = 1;
    char text[8] = "";

    assert_int_equal(gn_sock_listen(listener, 4), 0);
    assert_int_equal(connect_to(client, "10.77.0.3:80"), -EINPROGRESS);
    gn_clock_advance(sim->clock, GN_MS);
    server = accept_from(listener);
    assert_int_equal(
        gn_sock_setopt(client, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)), 0);
    assert_int_equal(gn_sock_setopt(client, IPPROTO_TCP, TCP_KEEPIDLE, &second,
                                    sizeof(second)),
                     0);
    assert_int_equal(gn_link_set(a, "eth0", &down), 0);
    assert_int_equal(gn_sock_send(client, "late", 5, 0), 5);
    gn_clock_advance(sim->clock, 100 * GN_MS);
    assert_true(gn_clock_now_ns(sim->clock) >
                (UINT32_MAX + 1ull) * GN__SLOW_MS * GN_MS);
    assert_int_equal(gn_simnet_recv(server, text, sizeof(text)), -EAGAIN);
    assert_int_equal(gn_link_set(a, "eth0", NULL), 0);
    gn_clock_advance(sim->clock, 2000 * GN_MS);
    assert_int_equal(gn_simnet_recv(server, text, sizeof(text)), 5);
    assert_string_equal(text, "late");
    gn_clock_advance(sim->clock, 600000 * GN_MS);
    assert_int_equal(gn_sock_send(client, "on", 3, 0), 3);
    gn_clock_advance(sim->clock, GN_MS);
    assert_int_equal(gn_simnet_recv(server, text, sizeof(text)), 3);
    gn_simnet_end(client);
    gn_simnet_end(server);
    gn_simnet_end(listener);
    gn_clock_advance(sim->clock, 120000 * GN_MS);
    assert_int_equal(a->stack.n_conns + a->stack.n_time_wait, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            guests_2_to_the_32_apart_have_ports_of_their_own, setup, teardown),
        cmocka_unit_test_setup_teardown(
            guests_2_to_the_32_apart_have_connections_of_their_own, setup,
            teardown),
        cmocka_unit_test_setup_teardown(
            interface_numbers_begin_again_where_one_is_free, setup, teardown),
        cmocka_unit_test_setup_teardown(
            connection_lives_through_the_end_of_ticks,
            setup_at_the_end_of_ticks, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
