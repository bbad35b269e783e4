/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Watched sockets and the ends of what they belong to: the last reference, the
 * namespace, the network, in any order and from any thread. Every case ends
 * with no memory left.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/lib/seed.h"
#include "tests/lib/simnet.h"
#include "tests/lib/socks.h"

static const char *const prefixes[] = {"10.77.0.0/24", NULL};

struct count {
    int n;
    short last; /* revents */
};

static void count_call(struct gn_sock *sock, short revents, void *arg)
{
    struct count *count = arg;

    (void)sock;
    count->n++;
    count->last = revents;
}

/* ---- under a clock ---- */

static void the_last_reference_frees_the_port_at_once(void **state)
{
    struct gn_simnet sim;
    struct gn_namespace *ns;
    struct gn_sock *sock, *sender;
    struct count count = {0};

    (void)state;
    gn_simnet_setup(&sim, prefixes, 1);
    ns = gn_simnet_guest(sim.net, NULL);
    sock = gn_simnet_udp(ns, "10.77.0.2:9");
    sender = gn_simnet_udp(ns, "10.77.0.2:10");
    assert_int_equal(gn_sock_watch(sock, POLLIN, count_call, &count), 0);
    assert_int_equal(gn_simnet_send(sender, "10.77.0.2:9", "x", 1), 1);
    gn_sock_unref(sock); /* Its callback is due, and has not run. */
    sock = gn_simnet_udp(ns, "10.77.0.2:9");
    gn_clock_advance(sim.clock, GN_MS);
    assert_int_equal(count.n, 0);
    gn_simnet_end(sock);
    gn_simnet_end(sender);
    gn_simnet_teardown(&sim);
}

static void end_and_drop(struct gn_sock *sock, short revents, void *arg)
{
    count_call(sock, revents, arg);
    gn_sock_unref(sock); /* The test's. */
}

static void a_callback_may_give_the_last_reference_back(void **state)
{
    struct gn_simnet sim;
    struct gn_namespace *ns;
    struct gn_sock *sock, *sender;
    struct count count = {0};

    (void)state;
    gn_simnet_setup(&sim, prefixes, 1);
    ns = gn_simnet_guest(sim.net, NULL);
    sock = gn_simnet_udp(ns, "10.77.0.2:9");
    sender = gn_simnet_udp(ns, "10.77.0.2:10");
    assert_int_equal(gn_sock_watch(sock, POLLIN, end_and_drop, &count), 0);
    assert_int_equal(gn_simnet_send(sender, "10.77.0.2:9", "x", 1), 1);
    gn_clock_advance(sim.clock, GN_MS);
    assert_int_equal(count.n, 1);
    sock = gn_simnet_udp(ns, "10.77.0.2:9");
    gn_simnet_end(sock);
    gn_simnet_end(sender);
    gn_simnet_teardown(&sim);
}

static struct gn_sock *listen_watched(struct gn_namespace *ns,
                                      struct count *count)
{
    struct gn_sock *sock;

    assert_int_equal(gn_sock_open(ns, AF_INET, SOCK_STREAM, 0, &sock), 0);
    assert_int_equal(gn_sock_listen(sock, 1), 0);
    assert_int_equal(gn_sock_watch(sock, POLLIN, count_call, count), 0);
    return sock;
}

static void a_network_on_a_clock_closes_under_a_watch(void **state)
{
    struct gn_simnet sim;
    struct gn_namespace *ns;
    struct gn_sock *sock;
    struct count count = {0};

    (void)state;
    gn_simnet_setup(&sim, prefixes, 1);
    ns = gn_simnet_guest(sim.net, NULL);
    sock = listen_watched(ns, &count);
    gn_network_close(sim.net, NULL, NULL);
    sim.net = NULL;
    gn_clock_advance(sim.clock, GN_MS);
    assert_int_equal(count.n, 1);
    assert_true(count.last & POLLHUP);
    gn_sock_unref(sock);
    gn_simnet_teardown(&sim);
}

static void nothing(void *arg)
{
    (void)arg;
}

static void a_network_says_closed_behind_its_watches(void **state)
{
    struct gn_simnet sim;
    struct gn_namespace *ns;
    struct gn_sock *sock;
    struct count count = {0};

    (void)state;
    gn_simnet_setup(&sim, prefixes, 1);
    ns = gn_simnet_guest(sim.net, NULL);
    sock = listen_watched(ns, &count);
    gn_network_close(sim.net, nothing, NULL);
    sim.net = NULL;
    gn_clock_advance(sim.clock, GN_MS);
    assert_int_equal(count.n, 1);
    gn_sock_unref(sock);
    gn_simnet_teardown(&sim);
}

static void what_is_killed_is_told_once(void **state)
{
    struct gn_simnet sim;
    struct gn_namespace *ns;
    struct gn_sock *sock;
    struct count count = {0};
    uint64_t before;

    (void)state;
    gn_simnet_setup(&sim, prefixes, 1);
    ns = gn_simnet_guest(sim.net, NULL);
    sock = listen_watched(ns, &count);
    gn_namespace_kill(ns);
    before = gn_clock_now_ns(sim.clock);
    gn_clock_advance(sim.clock, 5 * GN_MS);
    assert_int_equal(gn_clock_now_ns(sim.clock) - before, 5 * GN_MS);
    assert_int_equal(count.n, 1);
    assert_true(count.last & POLLHUP);
    assert_int_equal(gn_sock_watch(sock, POLLIN, count_call, &count),
                     -ECANCELED);
    gn_sock_unref(sock);
    gn_simnet_teardown(&sim);
}

/* ---- with threads ---- */

struct world {
    struct gn_test_heap heap;
    struct gn_network *net;
    struct gn_namespace *ns[2];
    _Atomic bool stop;
};

static void world_begin(struct world *w)
{
    struct gn_network_config config = {
        .size = sizeof(config), .prefixes = prefixes, .alloc = &w->heap.alloc};
    unsigned i;

    gn_test_heap_init(&w->heap);
    w->stop = false;
    assert_int_equal(gn_network_create(&config, &w->net), 0);
    for (i = 0; i < 2; i++)
        assert_int_equal(gn_namespace_create(w->net, NULL, &w->ns[i]), 0);
}

static void a_watched_socket_outlives_its_network(void **state)
{
    struct gn_sock *sock;
    struct world w;
    int i;

    (void)state;
    for (i = 0; i < 50; i++) {
        struct count count = {0};

        world_begin(&w);
        sock = listen_watched(w.ns[0], &count);
        gn_network_close(w.net, NULL, NULL);
        assert_true(count.n <= 1); /* Between its end and the driver's. */
        gn_sock_unref(sock);
        gn_test_heap_done(&w.heap);
    }
}

/* A guest that sends to 10.77.0.2:9 as fast as it can. */
static void *send_on(void *arg)
{
    struct world *w = arg;
    struct gn_sock *sock = gn_simnet_udp(w->ns[1], "0.0.0.0:0");

    while (!w->stop)
        (void)gn_simnet_send(sock, "10.77.0.2:9", "x", 1);
    gn_simnet_end(sock);
    return NULL;
}

static void read_one(struct gn_sock *sock, short revents, void *arg)
{
    char buf[8];

    (void)revents;
    (void)arg;
    (void)gn_sock_recv(sock, buf, sizeof(buf), MSG_DONTWAIT);
}

static void bind_again(struct gn_sock *sock)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(9)};
    int err;

    /* A callback that runs holds the one before. */
    while ((err = gn_sock_bind(sock, (struct sockaddr *)&at, sizeof(at))))
        (void)(assert_int_equal(err, -EADDRINUSE), sched_yield());
}

static void the_last_reference_goes_while_traffic_arrives(void **state)
{
    const unsigned n = 5000;
    struct gn_test_seed seed;
    pthread_t senders[2];
    struct gn_sock *sock;
    struct world w;
    unsigned i, spin;

    (void)state;
    gn_test_seed_init(&seed);
    world_begin(&w);
    for (i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&senders[i], NULL, send_on, &w), 0);
    for (i = 0; i < n; i++) {
        volatile unsigned at = 0;

        assert_int_equal(gn_sock_open(w.ns[0], AF_INET, SOCK_DGRAM, 0, &sock),
                         0);
        bind_again(sock);
        assert_int_equal(gn_sock_watch(sock, POLLIN, read_one, NULL), 0);
        spin = (unsigned)(gn_test_random(&seed) % 2000);
        while (at < spin)
            at++;
        gn_sock_unref(sock);
    }
    w.stop = true;
    for (i = 0; i < 2; i++)
        assert_int_equal(pthread_join(senders[i], NULL), 0);
    gn_network_close(w.net, NULL, NULL);
    gn_test_heap_done(&w.heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_reference_frees_the_port_at_once),
        cmocka_unit_test(a_callback_may_give_the_last_reference_back),
        cmocka_unit_test(a_network_on_a_clock_closes_under_a_watch),
        cmocka_unit_test(a_network_says_closed_behind_its_watches),
        cmocka_unit_test(what_is_killed_is_told_once),
        cmocka_unit_test(a_watched_socket_outlives_its_network),
        cmocka_unit_test(the_last_reference_goes_while_traffic_arrives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
