/* SPDX-License-Identifier: BSD-3-Clause */
#include <guestnet/link.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/rawport.h"
#include "tests/lib/simnet.h"

static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};

struct fixture {
    struct gn_simnet sim;
    struct gn_namespace *a, *b;
    int order;                 /* counts callbacks */
    int ns_closed, net_closed; /* which one they were */
};

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    gn_simnet_setup(&f->sim, prefixes, 1);
    f->a = gn_simnet_guest(f->sim.net, "a");
    f->b = gn_simnet_guest(f->sim.net, "b");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_simnet_teardown(&f->sim);
    test_free(f);
    return 0;
}

static void ns_closed(void *arg)
{
    struct fixture *f = arg;

    assert_int_equal(f->ns_closed, 0);
    f->ns_closed = ++f->order;
}

static void net_closed(void *arg)
{
    struct fixture *f = arg;

    assert_int_equal(f->net_closed, 0);
    f->net_closed = ++f->order;
}

static struct sockaddr_in v4(uint32_t addr, uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(addr)};
}

/* A TCP connection from @from to a listener at 10.77.0.3:80. */
static void connect_pair(struct fixture *f, struct gn_namespace *from,
                         struct gn_sock **client, struct gn_sock **server)
{
    struct sockaddr_in at = v4(0x0a4d0003, 80);
    struct gn_sock *listener;

    assert_int_equal(
        gn_sock_open(f->b, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, &listener),
        0);
    assert_int_equal(gn_sock_bind(listener, (struct sockaddr *)&at, sizeof(at)),
                     0);
    assert_int_equal(gn_sock_listen(listener, 5), 0);
    assert_int_equal(
        gn_sock_open(from, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, client), 0);
    assert_int_equal(
        gn_sock_connect(*client, (struct sockaddr *)&at, sizeof(at)),
        -EINPROGRESS);
    gn_clock_advance(f->sim.clock, 100 * GN_MS);
    assert_int_equal(
        gn_sock_accept(listener, NULL, NULL, SOCK_NONBLOCK, server), 0);
    gn_simnet_end(listener);
}

static void closing_calls_back_later_and_once(void **state)
{
    struct fixture *f = *state;

    gn_namespace_close(f->a, 0, ns_closed, f);
    assert_int_equal(f->order, 0);
    gn_clock_advance(f->sim.clock, 0);
    assert_int_equal(f->ns_closed, 1);
    gn_clock_advance(f->sim.clock, 1000 * GN_MS);
    assert_int_equal(f->order, 1);
}

static void the_address_and_name_are_free_at_once(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *next;
    struct gn_interface iface;

    gn_namespace_close(f->a, 0, ns_closed, f);
    next = gn_simnet_guest(f->sim.net, "a");
    assert_int_equal(gn_namespace_interface_by_index(next, 2, &iface), 0);
    assert_memory_equal(iface.addrs[0].ip.bytes, "\x0a\x4d\x00\x02", 4);
    gn_clock_advance(f->sim.clock, 0);
}

static void a_peer_is_told_by_reset(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *client, *server;
    char buf[4];

    connect_pair(f, f->a, &client, &server);
    gn_namespace_close(f->a, 0, NULL, NULL);
    assert_int_equal(gn_sock_recv(client, buf, 4, 0), -ECANCELED);
    assert_int_equal(gn_sock_recv(server, buf, 4, 0), -ECONNRESET);
    gn_simnet_end(client);
    gn_simnet_end(server);
}

static void a_power_cut_tells_no_peer(void **state)
{
    struct fixture *f = *state;
    const char *const addrs[] = {"10.77.0.200", NULL};
    struct gn_rawport *raw = gn_rawport_open(f->sim.net, addrs, 0);
    struct gn_sock *client, *server;
    char buf[4];

    connect_pair(f, f->a, &client, &server);
    gn_namespace_close(f->a, GN_CLOSE_SILENT, NULL, NULL);
    gn_clock_advance(f->sim.clock, 1000 * GN_MS);
    assert_int_equal(gn_sock_recv(client, buf, 4, 0), -ECANCELED);
    assert_int_equal(gn_sock_recv(server, buf, 4, 0), -EAGAIN);
    gn_simnet_end(client);
    gn_simnet_end(server);
    gn_rawport_close(raw);
}

static void killed_calls_are_canceled(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *client, *server, *late;
    char buf[4];

    connect_pair(f, f->a, &client, &server);
    gn_namespace_kill(f->a);
    gn_namespace_kill(f->a);
    assert_int_equal(gn_sock_recv(client, buf, 4, 0), -ECANCELED);
    assert_int_equal(gn_sock_send(client, buf, 4, 0), -ECANCELED);
    assert_int_equal(gn_sock_open(f->a, AF_INET, SOCK_STREAM, 0, &late),
                     -ECANCELED);
    assert_int_equal(gn_namespace_attach(f->a, f->sim.net, NULL), -ECANCELED);
    assert_int_equal(gn_sock_recv(server, buf, 4, 0), -ECONNRESET);
    gn_simnet_end(client);
    gn_simnet_end(server);
}

static void detached_connections_fail_and_loopback_goes_on(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *client, *server;
    struct gn_sock *here = gn_simnet_udp(f->a, "127.0.0.1:1");
    struct gn_namespace *next;
    struct gn_interface iface;
    char buf[4];

    connect_pair(f, f->a, &client, &server);
    gn_namespace_detach(f->a);
    gn_namespace_detach(f->a);
    assert_int_equal(gn_sock_recv(client, buf, 4, 0), -ENETDOWN);
    assert_int_equal(gn_simnet_send(here, "127.0.0.1:1", "home", 4), 4);
    gn_simnet_expect(here, "home");
    assert_int_equal(gn_namespace_interface_by_name(f->a, "eth0", &iface),
                     -ENODEV);
    next = gn_simnet_guest(f->sim.net, "next");
    assert_int_equal(gn_namespace_interface_by_index(next, 2, &iface), 0);
    assert_memory_equal(iface.addrs[0].ip.bytes, "\x0a\x4d\x00\x02", 4);
    gn_simnet_end(client);
    gn_simnet_end(server);
    gn_simnet_end(here);
}

static void detached_others_are_unreachable(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;

    assert_int_equal(
        gn_sock_open(f->a, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0, &sock), 0);
    gn_namespace_detach(f->a);
    assert_int_equal(gn_simnet_send(sock, "10.77.0.3:1", "x", 1), -ENETUNREACH);
    gn_simnet_end(sock);
}

static void closing_a_network_ends_its_guests(void **state)
{
    struct fixture *f = *state;
    struct gn_network *net = gn_simnet_add(&f->sim, "second", prefixes);
    struct gn_namespace *ns = gn_simnet_guest(net, "a");
    struct gn_namespace *gone = gn_simnet_guest(net, "b");
    struct gn_sock *sock = gn_simnet_udp(ns, "10.77.0.2:1");

    gn_namespace_close(gone, 0, ns_closed, f);
    gn_network_close(net, net_closed, f);
    assert_int_equal(f->order, 0);
    gn_clock_advance(f->sim.clock, 0);
    assert_int_equal(f->ns_closed, 1);
    assert_int_equal(f->net_closed, 2);
    assert_int_equal(gn_simnet_send(sock, "10.77.0.3:1", "x", 1), -ECANCELED);
    gn_simnet_end(sock);
}

static void an_attached_guest_survives_the_other_network(void **state)
{
    struct fixture *f = *state;
    const char *const other[] = {"10.88.0.0/24", NULL};
    struct gn_network *net = gn_simnet_add(&f->sim, "second", other);
    struct gn_sock *bound, *sock = gn_simnet_udp(f->a, "10.77.0.2:1");
    struct gn_sock *at_b = gn_simnet_udp(f->b, "10.77.0.3:1");
    size_t n;

    assert_int_equal(gn_namespace_attach(f->a, net, NULL), 0);
    bound = gn_simnet_udp(f->a, "10.88.0.2:1");
    gn_network_close(net, NULL, NULL);
    assert_int_equal(gn_namespace_interfaces(f->a, NULL, 0, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(gn_simnet_send(sock, "10.77.0.3:1", "on", 2), 2);
    gn_simnet_expect(at_b, "on");
    gn_simnet_end(bound);
    gn_simnet_end(sock);
    gn_simnet_end(at_b);
}

static void close_again(void *arg)
{
    struct fixture *f = arg;

    ns_closed(f);
    gn_namespace_close(f->b, 0, NULL, NULL);
}

static void a_callback_may_close(void **state)
{
    struct fixture *f = *state;

    gn_namespace_close(f->a, 0, close_again, f);
    gn_clock_advance(f->sim.clock, 0);
    assert_int_equal(f->order, 1);
}

static void close_network(void *arg)
{
    struct fixture *f = arg;

    ns_closed(f);
    gn_network_close(f->sim.net, net_closed, f);
    f->sim.net = NULL;
}

static void a_callback_may_close_the_network_and_the_clock(void **state)
{
    struct fixture *f = *state;

    gn_namespace_close(f->a, 0, close_network, f);
    gn_clock_advance(f->sim.clock, 0);
    assert_int_equal(f->ns_closed, 1);
    assert_int_equal(f->net_closed, 2);
}

static void closing_the_clock_runs_what_is_due(void **state)
{
    struct fixture *f = *state;

    gn_namespace_close(f->a, 0, ns_closed, f);
    gn_network_close(f->sim.net, net_closed, f);
    f->sim.net = NULL;
    assert_int_equal(f->order, 0);
    gn_clock_advance(f->sim.clock, 0);
    assert_int_equal(f->order, 2);
}

static void a_socket_outlives_everything(void **state)
{
    struct fixture *f = *state;
    struct gn_clock_config config = {.size = sizeof(config),
                                     .alloc = &f->sim.heap.alloc};
    struct gn_simnet other = {0};
    struct gn_sock *sock;
    char buf[4];

    assert_int_equal(gn_clock_create(&config, &other.clock), 0);
    other.net = gn_simnet_add(&other, "other", prefixes);
    sock = gn_simnet_udp(gn_simnet_guest(other.net, "x"), "10.77.0.2:1");
    gn_network_close(other.net, NULL, NULL);
    gn_clock_close(other.clock);
    assert_int_equal(gn_sock_recv(sock, buf, 4, 0), -ECANCELED);
    gn_simnet_end(sock);
}

static void guests_come_and_go_with_packets_under_way(void **state)
{
    struct fixture *f = *state;
    struct gn_link_config slow = {.latency_us = 1000, .jitter_us = 900};
    struct gn_namespace *ns;
    struct gn_sock *sock;
    int i;

    for (i = 0; i < 200; i++) {
        ns = gn_simnet_guest_at(f->sim.net, "10.77.0.50");
        sock = gn_simnet_udp(ns, "10.77.0.50:1");
        assert_int_equal(gn_link_set(ns, NULL, &slow), 0);
        (void)!gn_simnet_send(sock, "10.77.0.3:1", "x", 1);
        (void)!gn_simnet_send(sock, "10.77.0.99:1", "x", 1);
        gn_clock_advance(f->sim.clock, GN_MS / 3);
        gn_namespace_close(ns, i & 1 ? GN_CLOSE_SILENT : 0, NULL, NULL);
        gn_simnet_end(sock);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(closing_calls_back_later_and_once),
        CASE(the_address_and_name_are_free_at_once),
        CASE(a_peer_is_told_by_reset),
        CASE(a_power_cut_tells_no_peer),
        CASE(killed_calls_are_canceled),
        CASE(detached_connections_fail_and_loopback_goes_on),
        CASE(detached_others_are_unreachable),
        CASE(closing_a_network_ends_its_guests),
        CASE(an_attached_guest_survives_the_other_network),
        CASE(a_callback_may_close),
        CASE(a_callback_may_close_the_network_and_the_clock),
        CASE(closing_the_clock_runs_what_is_due),
        CASE(a_socket_outlives_everything),
        CASE(guests_come_and_go_with_packets_under_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
