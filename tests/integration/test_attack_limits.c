/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A guest that takes all it can get: sockets, connections, memory, ports. It
 * gets what its limits say, is told so, and gets more when it gives back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/arena.h"

#define SERVER "10.77.1.1:80"
#define KIB    1024u
#define MIB    (1024u * KIB)

static int setup(void **state)
{
    struct arena *arena = calloc(1, sizeof(*arena));

    assert_non_null(arena);
    arena_begin(arena, NULL);
    *state = arena;
    return 0;
}

static int teardown(void **state)
{
    arena_end(*state);
    free(*state);
    return 0;
}

/* ---- many connections ---- */

/* Connections between two guests, the i-th from out[i] to in[i]. */
struct crowd {
    struct arena *arena;
    struct gn_namespace *client;
    struct gn_namespace *server;
    struct gn_sock *listener;
    struct gn_sock **out, **in;
    uint64_t *sent, *got;
    unsigned n;
};

static void crowd_begin(struct crowd *crowd, struct arena *arena,
                        const struct gn_limits *client,
                        const struct gn_limits *server)
{
    memset(crowd, 0, sizeof(*crowd));
    crowd->arena = arena;
    crowd->server = arena_guest(arena, "10.77.1.1", server);
    crowd->client = arena_guest(arena, "10.77.1.2", client);
    crowd->listener = arena_listener(crowd->server, SERVER, 4096);
}

static void crowd_connect(struct crowd *crowd, unsigned n)
{
    unsigned i;

    crowd->n = n;
    crowd->out = calloc(n, sizeof(struct gn_sock *));
    crowd->in = calloc(n, sizeof(struct gn_sock *));
    crowd->sent = calloc(n, sizeof(uint64_t));
    crowd->got = calloc(n, sizeof(uint64_t));
    assert_true(crowd->out && crowd->in && crowd->sent && crowd->got);
    for (i = 0; i < n; i++) {
        crowd->out[i] = arena_open(crowd->client, SOCK_STREAM, SERVER);
        crowd->in[i] =
            arena_join(crowd->arena, crowd->out[i], crowd->listener, SERVER);
    }
}

static void crowd_end(struct crowd *crowd)
{
    unsigned i;

    for (i = 0; i < crowd->n; i++) {
        arena_drop(crowd->out[i]);
        arena_drop(crowd->in[i]);
    }
    arena_drop(crowd->listener);
    free(crowd->out);
    free(crowd->in);
    free(crowd->sent);
    free(crowd->got);
}

/* Send on @sock until it takes no more, or @max; the last error. */
static ssize_t stuff(struct gn_sock *sock, uint64_t *sent, size_t max)
{
    static const char data[8 * KIB];
    ssize_t n;

    while (max > 0) {
        size_t len = max < sizeof(data) ? max : sizeof(data);

        n = gn_sock_send(sock, data, len, 0);
        if (n < 0)
            return n;
        *sent += (uint64_t)n;
        max -= (size_t)n;
    }
    return -EAGAIN;
}

/* All of them send; true if -ENOBUFS was among the answers. */
static bool crowd_stuff(struct crowd *crowd, size_t max)
{
    bool refused = false;
    unsigned i;

    for (i = 0; i < crowd->n; i++) {
        ssize_t err = stuff(crowd->out[i], &crowd->sent[i], max);

        assert_true(err == -EAGAIN || err == -ENOBUFS);
        refused |= err == -ENOBUFS;
    }
    return refused;
}

static uint64_t empty(struct gn_sock *sock)
{
    static char data[64 * KIB];
    uint64_t got = 0;
    ssize_t n;

    while ((n = gn_sock_recv(sock, data, sizeof(data), 0)) > 0)
        got += (uint64_t)n;
    assert_int_equal(n, -EAGAIN);
    return got;
}

static void crowd_read(struct crowd *crowd)
{
    unsigned i;

    for (i = 0; i < crowd->n; i++)
        crowd->got[i] += empty(crowd->in[i]);
}

static bool crowd_is_done(const struct crowd *crowd)
{
    unsigned i;

    for (i = 0; i < crowd->n; i++) {
        if (crowd->got[i] != crowd->sent[i])
            return false;
    }
    return true;
}

/* Everything that was taken arrives, within this time. */
static void crowd_finish(struct crowd *crowd, uint64_t ns)
{
    uint64_t end = gn_clock_now_ns(crowd->arena->clock) + ns;

    while (!crowd_is_done(crowd)) {
        assert_true(gn_clock_now_ns(crowd->arena->clock) < end);
        crowd_read(crowd);
        arena_pass(crowd->arena, 100 * GN_MS, 1000000);
    }
}

/* ---- memory ---- */

#define CROWD 10000u

static void ten_thousand_that_never_read_stay_within_limits(void **state)
{
    struct gn_limits limits[2] = {{.max_sockets = CROWD + 10,
                                   .max_connections = 2 * CROWD,
                                   .max_buffered = 32 * MIB}};
    struct arena *arena = *state;
    struct gn_stats client, server;
    bool refused = false;
    struct crowd crowd;
    unsigned round;

    limits[1] = limits[0];
    limits[1].max_buffered /= 2;
    crowd_begin(&crowd, arena, &limits[0], &limits[1]);
    crowd_connect(&crowd, CROWD);
    for (round = 0; round < 5; round++) {
        refused |= crowd_stuff(&crowd, 3 * KIB);
        arena_pass(arena, GN_S, 1000000);
        client = arena_stats(crowd.client);
        server = arena_stats(crowd.server);
        assert_true(client.buffered < limits[0].max_buffered);
        assert_true(server.buffered < limits[1].max_buffered + MIB);
        arena_others_work(arena);
    }
    assert_true(refused);
    assert_true(client.buffers_refused > 0);
    assert_true(server.drops[GN_DROP_MEMORY] > 0);
    /* Sockets and what is not payload: 3 KiB an end. */
    assert_true(arena->heap.peak_bytes < limits[0].max_buffered +
                                             limits[1].max_buffered +
                                             CROWD * 6 * KIB);
    crowd_finish(&crowd, 1000 * GN_S);
    crowd_end(&crowd);
}

static void network_has_a_limit_of_its_own(void **state)
{
    struct gn_network_config config = {.max_buffered = 8 * MIB};
    struct arena *arena = calloc(1, sizeof(*arena));
    struct gn_stats stats;
    struct crowd crowd;
    unsigned round;

    (void)state;
    assert_non_null(arena);
    arena_begin(arena, &config);
    crowd_begin(&crowd, arena, NULL, NULL);
    crowd_connect(&crowd, 200);
    for (round = 0; round < 5; round++) {
        bool refused = crowd_stuff(&crowd, MIB);

        assert_true(refused || round > 0);
        arena_pass(arena, GN_S, 100000);
        gn_network_stats(arena->net, &stats);
        assert_true(stats.buffered < 9 * MIB);
    }
    assert_true(stats.buffers_refused > 0);
    crowd_finish(&crowd, 100 * GN_S);
    crowd_end(&crowd);
    arena_end(arena);
    free(arena);
}

/* Both ends are full of what they have sent: the acknowledgements that would
 * free it come with data that there is no room for. */
static void two_that_are_full_do_not_starve_each_other(void **state)
{
    const struct gn_limits limits = {.max_buffered = 512 * KIB};
    struct arena *arena = *state;
    uint64_t sent[16] = {0}, got[16] = {0};
    struct crowd crowd;
    unsigned i, round;

    crowd_begin(&crowd, arena, &limits, &limits);
    crowd_connect(&crowd, 16);
    for (round = 0; round < 5; round++) {
        for (i = 0; i < 16; i++) {
            (void)stuff(crowd.in[i], &sent[i], MIB);
            (void)stuff(crowd.out[i], &crowd.sent[i], MIB);
        }
        arena_pass(arena, GN_S, 10000);
        assert_true(arena_stats(crowd.client).buffered < 640 * KIB);
        assert_true(arena_stats(crowd.server).buffered < 640 * KIB);
    }
    for (round = 0; round < 100; round++) {
        for (i = 0; i < 16; i++)
            got[i] += empty(crowd.out[i]);
        crowd_read(&crowd);
        arena_pass(arena, GN_S, 10000);
    }
    assert_true(crowd_is_done(&crowd));
    assert_memory_equal(got, sent, sizeof(sent));
    crowd_end(&crowd);
}

/* ---- connections and sockets ---- */

static void connections_beyond_the_limit_are_refused(void **state)
{
    const struct gn_limits limits = {.max_connections = 20};
    struct arena *arena = *state;
    struct gn_namespace *free_client = arena_guest(arena, NULL, NULL);
    struct gn_sock *one_more, *other;
    struct crowd crowd;

    crowd_begin(&crowd, arena, &limits, &limits);
    crowd_connect(&crowd, 20);
    one_more = arena_open(crowd.client, SOCK_STREAM, SERVER);
    assert_int_equal(arena_connect(one_more, SERVER), -ENOBUFS);
    assert_int_equal(arena_stats(crowd.client).connections_refused, 1);
    assert_int_equal(arena_stats(crowd.client).connections, 20);

    /* The server has as many as it may: it does not answer. */
    other = arena_open(free_client, SOCK_STREAM, SERVER);
    assert_int_equal(arena_connect(other, SERVER), -EINPROGRESS);
    arena_pass(arena, GN_S / 2, 100);
    assert_int_equal(arena_ready(other, POLLOUT), 0);
    assert_true(arena_drops(crowd.server, GN_DROP_CONNECTIONS) > 0);

    /* Until one of them ends. */
    arena_drop(crowd.out[0]);
    arena_drop(crowd.in[0]);
    arena_pass(arena, 10 * GN_S, 100);
    assert_int_equal(arena_ready(other, POLLOUT), POLLOUT);
    crowd.out[0] = other;
    crowd.in[0] = arena_accept(crowd.listener);
    assert_non_null(crowd.in[0]);
    arena_drop(one_more);
    crowd_end(&crowd);
}

static void sockets_beyond_the_limit_are_refused(void **state)
{
    const struct gn_limits limits = {.max_sockets = 5};
    struct arena *arena = *state;
    struct gn_namespace *ns = arena_guest(arena, "10.77.1.1", &limits);
    struct gn_namespace *client = arena_guest(arena, NULL, NULL);
    struct gn_sock *listener = arena_listener(ns, SERVER, 8);
    struct gn_sock *sock[5] = {listener}, *out, *in = NULL;
    unsigned i;

    for (i = 1; i < 5; i++)
        sock[i] = arena_open(ns, SOCK_DGRAM, SERVER);
    assert_int_equal(gn_sock_open(ns, AF_INET, SOCK_DGRAM, 0, &in), -EMFILE);
    assert_null(in);
    assert_int_equal(arena_stats(ns).sockets_refused, 1);
    assert_int_equal(arena_stats(ns).sockets, 5);

    /* What cannot be accepted waits. */
    out = arena_open(client, SOCK_STREAM, SERVER);
    assert_int_equal(arena_connect(out, SERVER), -EINPROGRESS);
    arena_pass(arena, 0, 100);
    assert_int_equal(gn_sock_accept(listener, NULL, NULL, 0, &in), -EMFILE);
    assert_int_equal(arena_ready(listener, POLLIN), POLLIN);
    arena_drop(sock[4]);
    sock[4] = arena_accept(listener);
    assert_non_null(sock[4]);
    for (i = 0; i < 5; i++)
        arena_drop(sock[i]);
    arena_drop(out);
}

static void connections_at_rest_make_room(void **state)
{
    const struct gn_limits limits = {.max_time_wait = 100};
    struct arena *arena = *state;
    struct gn_namespace *server = arena_guest(arena, "10.77.1.1", NULL);
    struct gn_namespace *client = arena_guest(arena, NULL, &limits);
    struct gn_sock *listener = arena_listener(server, SERVER, 8);
    uint64_t heap = 0;
    unsigned i;

    for (i = 0; i < 2000; i++) {
        struct gn_sock *out = arena_open(client, SOCK_STREAM, SERVER);
        struct gn_sock *in = arena_join(arena, out, listener, SERVER);

        arena_drop(out);
        arena_pass(arena, 0, 100);
        arena_drop(in);
        arena_pass(arena, 0, 100);
        if (i == 200)
            heap = arena->heap.live_bytes;
    }
    assert_int_equal(arena_drops(client, GN_DROP_TIME_WAIT), 2000 - 100);
    assert_true(arena->heap.live_bytes < heap + 64 * KIB);
    assert_int_equal(arena_stats(client).connections, 0);
    arena_pass(arena, 2 * GN_S, 1000);
    assert_int_equal(arena_stats(client).buffered, 0);
    arena_drop(listener);
}

/* ---- ports ---- */

#define PORTS (60999u - 32768u + 1u)

static void ports_towards_one_server_run_out_and_come_back(void **state)
{
    const struct gn_limits limits = {.max_sockets = PORTS + 10,
                                     .max_connections = PORTS + 10};
    struct arena *arena = *state;
    struct gn_sock *sock, *in;
    struct crowd crowd;

    crowd_begin(&crowd, arena, &limits, &limits);
    crowd_connect(&crowd, PORTS);
    sock = arena_open(crowd.client, SOCK_STREAM, SERVER);
    assert_int_equal(arena_connect(sock, SERVER), -EADDRNOTAVAIL);
    /* Another destination has all of them. */
    assert_int_equal(arena_connect(sock, "10.77.0.1:80"), -EINPROGRESS);
    arena_pass(arena, 0, 100);
    assert_int_equal(arena_error(sock), ECONNREFUSED);
    arena_drop(sock);
    arena_others_work(arena);

    /* One that rests is good enough. */
    arena_drop(crowd.out[7]);
    arena_pass(arena, 0, 100);
    arena_drop(crowd.in[7]);
    arena_pass(arena, 0, 100);
    sock = arena_open(crowd.client, SOCK_STREAM, SERVER);
    in = arena_join(arena, sock, crowd.listener, SERVER);
    crowd.out[7] = sock;
    crowd.in[7] = in;
    sock = arena_open(crowd.client, SOCK_STREAM, SERVER);
    assert_int_equal(arena_connect(sock, SERVER), -EADDRNOTAVAIL);
    arena_drop(sock);
    crowd_end(&crowd);
}

static void ports_to_bind_run_out_and_come_back(void **state)
{
    const struct gn_limits limits = {.max_sockets = PORTS + 10};
    struct arena *arena = *state;
    struct gn_namespace *ns = arena_guest(arena, NULL, &limits);
    struct gn_sock **sock = calloc(PORTS, sizeof(struct gn_sock *));
    const struct sockaddr_in any = {.sin_family = AF_INET};
    struct gn_sock *late;
    unsigned i;

    assert_non_null(sock);
    for (i = 0; i < PORTS; i++)
        sock[i] = arena_bound(ns, SOCK_DGRAM, "0.0.0.0");
    late = arena_open(ns, SOCK_DGRAM, "0.0.0.0");
    assert_int_equal(
        gn_sock_bind(late, (const struct sockaddr *)&any, sizeof(any)),
        -EADDRINUSE);
    assert_int_equal(arena_sendto(late, "10.77.0.3:9", "x", 1), -EAGAIN);
    arena_drop(sock[5]);
    assert_int_equal(
        gn_sock_bind(late, (const struct sockaddr *)&any, sizeof(any)), 0);
    sock[5] = late;
    for (i = 0; i < PORTS; i++)
        arena_drop(sock[i]);
    free(sock);
}

/* ---- groups ---- */

static int join(struct gn_sock *sock, uint32_t group, int iface)
{
    struct ip_mreqn request = {.imr_multiaddr.s_addr = htonl(group),
                               .imr_ifindex = iface};

    return gn_sock_setopt(sock, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request,
                          sizeof(request));
}

static void groups_beyond_the_limit_are_refused(struct arena *arena, int iface)
{
    const struct gn_limits limits = {.max_groups = 10};
    struct gn_namespace *ns = arena_guest(arena, NULL, &limits);
    struct gn_sock *sock[3];
    unsigned i, j, n = 0;

    for (i = 0; i < 3; i++)
        sock[i] = arena_bound(ns, SOCK_DGRAM, "0.0.0.0");
    for (i = 0; i < 3; i++) {
        for (j = 0; j < 100; j++) {
            int err = join(sock[i], 0xe8000000u + 100 * i + j, iface);

            assert_true(err == 0 || err == -ENOBUFS);
            n += err == 0;
        }
    }
    assert_int_equal(n, 10);
    arena_drop(sock[0]);
    assert_int_equal(join(sock[1], 0xe8000001u, iface), 0);
    arena_drop(sock[1]);
    arena_drop(sock[2]);
}

static void groups_on_eth0_are_limited(void **state)
{
    groups_beyond_the_limit_are_refused(*state, 2);
}

static void groups_on_lo_are_limited(void **state)
{
    groups_beyond_the_limit_are_refused(*state, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            ten_thousand_that_never_read_stay_within_limits, setup, teardown),
        cmocka_unit_test(network_has_a_limit_of_its_own),
        cmocka_unit_test_setup_teardown(
            two_that_are_full_do_not_starve_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(
            connections_beyond_the_limit_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(sockets_beyond_the_limit_are_refused,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(connections_at_rest_make_room, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            ports_towards_one_server_run_out_and_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(ports_to_bind_run_out_and_come_back,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(groups_on_eth0_are_limited, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(groups_on_lo_are_limited, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
