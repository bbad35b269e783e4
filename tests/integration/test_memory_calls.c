/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Every public call, with each of its allocations failing in turn, alone and
 * with all after it: it says so and nothing has changed, or it succeeds all the
 * same; called again it works; and closing needs no memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/guestnet.h>

#include "tests/lib/heap.h"

#define N_SOCKS 40

/* Two guests in a network, and what the calls below make. */
struct world {
    struct gn_test_heap heap;
    struct gn_clock *clock;
    struct gn_network *net;
    struct gn_namespace *a, *b;
    struct gn_clock *other_clock;
    struct gn_network *other_net;
    struct gn_namespace *other_ns;
    struct gn_pool *pool;
    struct gn_sock *sock[N_SOCKS];
    uint8_t data[40000];
};

/** A call under test. */
struct call {
    const char *name;
    /** What it needs; memory does not fail. May be NULL. */
    void (*prepare)(struct world *w);
    /** 0 or more, or an error. */
    long (*call)(struct world *w);
    /** That the call has worked. May be NULL. */
    void (*check)(struct world *w);
    /** Something is kept for the next call though this one failed: chunks, a
     *  larger table, the guest's lwIP. */
    bool keeps;
};

/* ---- worlds ---- */

static int make_network(struct world *w, struct gn_network **out)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_VIRTUAL,
                                       .clock = w->clock};

    return gn_network_create(&config, out);
}

static int make_clock(struct world *w, struct gn_clock **out)
{
    struct gn_clock_config config = {.size = sizeof(config),
                                     .alloc = &w->heap.alloc};

    return gn_clock_create(&config, out);
}

static int make_guest(struct world *w, const char *name,
                      struct gn_namespace **out)
{
    struct gn_namespace_config config = {.size = sizeof(config), .name = name};

    return gn_namespace_create(w->net, &config, out);
}

static void begin(struct world *w)
{
    memset(w, 0, sizeof(*w));
    gn_test_heap_init(&w->heap);
    assert_int_equal(make_clock(w, &w->clock), 0);
    assert_int_equal(make_network(w, &w->net), 0);
    assert_int_equal(make_guest(w, "a", &w->a), 0);
    assert_int_equal(make_guest(w, "b", &w->b), 0);
}

/* Without a single allocation. */
static void end(struct world *w)
{
    size_t i;

    gn_test_heap_fail_at(&w->heap, 0, true);
    for (i = 0; i < N_SOCKS; i++) {
        gn_sock_close(w->sock[i]);
        gn_sock_unref(w->sock[i]);
    }
    gn_pool_close(w->pool);
    gn_namespace_close(w->other_ns, 0, NULL, NULL);
    gn_network_close(w->other_net, NULL, NULL);
    gn_network_close(w->net, NULL, NULL);
    gn_clock_close(w->other_clock);
    gn_clock_close(w->clock);
    gn_test_heap_done(&w->heap);
}

static bool is_shortage(long result)
{
    return result == -ENOMEM || result == -ENOBUFS;
}

/* Fail the n-th allocation of the call. False: it makes fewer. */
static bool try_failing(const struct call *call, uint64_t n, bool all)
{
    static struct world w;
    uint64_t live;
    bool failed;
    long result;

    begin(&w);
    if (call->prepare)
        call->prepare(&w);
    live = w.heap.n_live;
    gn_test_heap_fail_at(&w.heap, n, all);
    result = call->call(&w);
    failed = w.heap.failed;
    gn_test_heap_fail_at(&w.heap, GN_TEST_HEAP_NEVER, false);
    if (result < 0 && !(failed && is_shortage(result)))
        fail_msg("%s: %ld with allocation %" PRIu64 " failing", call->name,
                 result, n);
    if (result < 0 && !call->keeps && w.heap.n_live != live)
        fail_msg("%s: %" PRIu64 " blocks, before %" PRIu64
                 ", with allocation %" PRIu64 " failing",
                 call->name, w.heap.n_live, live, n);
    if (result < 0)
        result = call->call(&w);
    if (result < 0)
        fail_msg("%s: %ld when called again", call->name, result);
    if (call->check)
        call->check(&w);
    end(&w);
    return failed;
}

static void sweep(const struct call *calls, size_t n_calls)
{
    uint64_t n;
    size_t i;

    for (i = 0; i < n_calls; i++) {
        for (n = 0; try_failing(&calls[i], n, false); n++)
            continue;
        for (n = 0; try_failing(&calls[i], n, true); n++)
            continue;
        print_message("%s: %" PRIu64 " allocations\n", calls[i].name, n);
    }
}

/* ---- clocks, networks, namespaces ---- */

static long clock_create(struct world *w)
{
    return make_clock(w, &w->other_clock);
}

static long network_create(struct world *w)
{
    return make_network(w, &w->other_net);
}

/* With a clock of its own. */
static long network_create_alone(struct world *w)
{
    struct gn_network_config config = {.size = sizeof(config),
                                       .drive = GN_DRIVE_VIRTUAL,
                                       .alloc = &w->heap.alloc};

    return gn_network_create(&config, &w->other_net);
}

static long network_create_threaded(struct world *w)
{
    struct gn_network_config config = {.size = sizeof(config),
                                       .alloc = &w->heap.alloc};

    return gn_network_create(&config, &w->other_net);
}

static long namespace_create(struct world *w)
{
    return make_guest(w, "c", &w->other_ns);
}

static void check_namespace(struct world *w)
{
    struct gn_interface iface;

    assert_int_equal(
        gn_namespace_interface_by_name(w->other_ns, "eth0", &iface), 0);
    /* The lowest addresses: none was lost with a failure. */
    assert_int_equal(iface.addrs[0].ip.bytes[3], 4);
    assert_int_equal(iface.addrs[1].ip.bytes[15], 4);
}

static void other_network(struct world *w)
{
    assert_int_equal(make_network(w, &w->other_net), 0);
}

static long attach(struct world *w)
{
    return gn_namespace_attach(w->a, w->other_net, NULL);
}

static void check_attach(struct world *w)
{
    struct gn_interface iface;
    size_t n;

    assert_int_equal(gn_namespace_interfaces(w->a, NULL, 0, &n), 0);
    assert_int_equal(n, 3);
    assert_int_equal(gn_namespace_interface_by_index(w->a, 3, &iface), 0);
    assert_string_equal(iface.name, "eth1");
}

static long route_add(struct world *w)
{
    return gn_route_add(w->a, "192.168.0.0/16", "10.77.0.3");
}

static long path_set(struct world *w)
{
    const struct gn_path_config config = {.latency_us = 5};

    return gn_path_set(w->net, w->a, w->b, &config);
}

static long link_set(struct world *w)
{
    const struct gn_link_config config = {.latency_us = 5};

    return gn_link_set(w->a, NULL, &config);
}

static void many_sockets(struct world *w);

static long detach(struct world *w)
{
    gn_namespace_detach(w->a);
    return 0;
}

static long kill_it(struct world *w)
{
    gn_namespace_kill(w->a);
    return 0;
}

static void calls_on_networks(void **state)
{
    static const struct call calls[] = {
        {"clock_create", NULL, clock_create, NULL, false},
        {"network_create", NULL, network_create, NULL, false},
        {"network_create, own clock", NULL, network_create_alone, NULL, false},
        {"network_create, thread", NULL, network_create_threaded, NULL, false},
        {"namespace_create", NULL, namespace_create, check_namespace, false},
        {"namespace_attach", other_network, attach, check_attach, false},
        {"route_add", NULL, route_add, NULL, false},
        {"path_set", NULL, path_set, NULL, false},
        {"link_set", NULL, link_set, NULL, false},
        {"namespace_detach", many_sockets, detach, NULL, false},
        {"namespace_kill", many_sockets, kill_it, NULL, false},
    };

    (void)state;
    sweep(calls, sizeof(calls) / sizeof(*calls));
}

/* ---- pools ---- */

static long pool_create(struct world *w)
{
    struct gn_pool_config config = {.size = sizeof(config),
                                    .alloc = &w->heap.alloc};

    return gn_pool_create("fd00::/16", &config, NULL, 0, &w->pool);
}

static void some_pool(struct world *w)
{
    assert_int_equal(pool_create(w), 0);
}

static struct gn_ip ip(const char *text)
{
    struct gn_ip out;

    assert_int_equal(gn_ip_parse(text, &out), 0);
    return out;
}

static long pool_take(struct world *w)
{
    struct gn_ip out;

    return gn_pool_take(w->pool, &out);
}

static long pool_take_exact(struct world *w)
{
    const struct gn_ip wanted = ip("fd00:1234::7");

    return gn_pool_take_exact(w->pool, &wanted);
}

static long pool_reserve(struct world *w)
{
    const struct gn_ip first = ip("fd00:1::5"), last = ip("fd00:9::ffff");

    return gn_pool_reserve(w->pool, &first, &last);
}

static void reserved_pool(struct world *w)
{
    some_pool(w);
    assert_int_equal(pool_reserve(w), 0);
}

static long pool_release(struct world *w)
{
    const struct gn_ip first = ip("fd00:2::9"), last = ip("fd00:3::1");

    return gn_pool_release(w->pool, &first, &last);
}

static void check_one_taken(struct world *w)
{
    assert_int_equal(gn_pool_taken(w->pool), 1);
}

static void calls_on_pools(void **state)
{
    static const struct call calls[] = {
        {"pool_create", NULL, pool_create, NULL, false},
        {"pool_take", some_pool, pool_take, check_one_taken, false},
        {"pool_take_exact", some_pool, pool_take_exact, check_one_taken, false},
        {"pool_reserve", some_pool, pool_reserve, NULL, false},
        {"pool_release", reserved_pool, pool_release, NULL, false},
    };

    (void)state;
    sweep(calls, sizeof(calls) / sizeof(*calls));
}

/* ---- sockets ---- */

static long open_at(struct world *w, size_t i, struct gn_namespace *ns,
                    int type)
{
    return gn_sock_open(ns, AF_INET, type | SOCK_NONBLOCK, 0, &w->sock[i]);
}

static long bind_at(struct world *w, size_t i, const char *text)
{
    struct sockaddr_storage ss;
    socklen_t len;

    assert_int_equal(gn_addr_parse(text, &ss, &len), 0);
    return gn_sock_bind(w->sock[i], (struct sockaddr *)&ss, len);
}

static long connect_to(struct world *w, size_t i, const char *text)
{
    struct sockaddr_storage ss;
    socklen_t len;
    long err;

    assert_int_equal(gn_addr_parse(text, &ss, &len), 0);
    err = gn_sock_connect(w->sock[i], (struct sockaddr *)&ss, len);
    return err == -EINPROGRESS ? 0 : err;
}

static bool has(struct world *w, size_t i, short events)
{
    struct gn_pollfd fd = {.sock = w->sock[i], .events = events};

    return gn_sock_poll(&fd, 1, 0) > 0;
}

/* Packets that were not made are lost, and sent again. */
static void wait_for(struct world *w, size_t i, short events)
{
    uint64_t until = gn_clock_now_ns(w->clock) + 60000000000ull;

    while (!has(w, i, events)) {
        assert_true(gn_clock_now_ns(w->clock) < until);
        gn_clock_advance(w->clock, 10000000);
    }
}

static long open_stream(struct world *w)
{
    return open_at(w, 0, w->a, SOCK_STREAM);
}

static void have_stream(struct world *w)
{
    assert_int_equal(open_stream(w), 0);
}

static void have_dgram(struct world *w)
{
    assert_int_equal(open_at(w, 0, w->a, SOCK_DGRAM), 0);
}

static long bind_any(struct world *w)
{
    return bind_at(w, 0, "0.0.0.0:80");
}

static long bind_free(struct world *w)
{
    return bind_at(w, 0, "10.77.0.2");
}

static void have_bound(struct world *w)
{
    have_stream(w);
    assert_int_equal(bind_any(w), 0);
}

static long listen_it(struct world *w)
{
    return gn_sock_listen(w->sock[0], 4);
}

static void have_listener(struct world *w)
{
    have_bound(w);
    assert_int_equal(listen_it(w), 0);
    assert_int_equal(open_at(w, 1, w->b, SOCK_STREAM), 0);
}

static long connect_stream(struct world *w)
{
    return connect_to(w, 1, "10.77.0.2:80");
}

static void check_connected(struct world *w)
{
    wait_for(w, 1, POLLOUT);
    wait_for(w, 0, POLLIN);
}

static void have_waiting(struct world *w)
{
    have_listener(w);
    assert_int_equal(connect_stream(w), 0);
    check_connected(w);
}

static long accept_it(struct world *w)
{
    return gn_sock_accept(w->sock[0], NULL, NULL, SOCK_NONBLOCK, &w->sock[2]);
}

static void have_pair(struct world *w)
{
    have_waiting(w);
    assert_int_equal(accept_it(w), 0);
    gn_clock_advance(w->clock, 1000000000);
}

static long send_small(struct world *w)
{
    return gn_sock_send(w->sock[1], w->data, 10, 0);
}

static long send_large(struct world *w)
{
    return gn_sock_send(w->sock[1], w->data, sizeof(w->data), 0);
}

static long send_scattered(struct world *w)
{
    struct iovec iov[3] = {{w->data, 3000}, {w->data, 1}, {w->data, 9000}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 3};

    return gn_sock_sendmsg(w->sock[1], &msg, 0);
}

static void check_received(struct world *w)
{
    wait_for(w, 2, POLLIN);
    assert_true(gn_sock_recv(w->sock[2], w->data, sizeof(w->data), 0) > 0);
}

static void have_sent(struct world *w)
{
    have_pair(w);
    assert_true(send_large(w) > 0);
    gn_clock_advance(w->clock, 1000000);
}

static long receive(struct world *w)
{
    return gn_sock_recv(w->sock[2], w->data, sizeof(w->data), 0);
}

static long receive_scattered(struct world *w)
{
    struct iovec iov[2] = {{w->data, 5}, {w->data, sizeof(w->data)}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

    return gn_sock_recvmsg(w->sock[2], &msg, 0);
}

static long shut(struct world *w)
{
    return gn_sock_shutdown(w->sock[1], SHUT_WR);
}

static void check_eof(struct world *w)
{
    wait_for(w, 2, POLLIN);
    assert_int_equal(gn_sock_recv(w->sock[2], w->data, 1, 0), 0);
}

static long close_it(struct world *w)
{
    gn_sock_close(w->sock[1]);
    return 0;
}

static void have_two_dgrams(struct world *w)
{
    have_dgram(w);
    assert_int_equal(bind_at(w, 0, "10.77.0.2:53"), 0);
    assert_int_equal(open_at(w, 1, w->b, SOCK_DGRAM), 0);
}

static long connect_dgram(struct world *w)
{
    return connect_to(w, 1, "10.77.0.2:53");
}

static void have_dgram_pair(struct world *w)
{
    have_two_dgrams(w);
    assert_int_equal(connect_dgram(w), 0);
}

static void have_datagram(struct world *w)
{
    have_dgram_pair(w);
    assert_true(send_large(w) > 0);
    gn_clock_advance(w->clock, 0);
}

static long receive_datagram(struct world *w)
{
    return gn_sock_recv(w->sock[0], w->data, sizeof(w->data), 0);
}

static long send_unbound(struct world *w)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(53),
                             .sin_addr = {htonl(0x0a4d0002u)}};

    return gn_sock_sendto(w->sock[1], w->data, 600, 0, (struct sockaddr *)&to,
                          sizeof(to));
}

static long join(struct world *w)
{
    struct ip_mreqn group = {.imr_multiaddr.s_addr = htonl(0xe8000001u)};

    return gn_sock_setopt(w->sock[0], IPPROTO_IP, IP_ADD_MEMBERSHIP, &group,
                          sizeof(group));
}

static void ignore(struct gn_sock *sock, short revents, void *arg)
{
    (void)sock;
    (void)revents;
    (void)arg;
}

static long watch(struct world *w)
{
    return gn_sock_watch(w->sock[0], POLLIN, ignore, NULL);
}

static long descriptor(struct world *w)
{
    int fd;

    return gn_sock_fd(w->sock[0], POLLIN, &fd);
}

static void many_sockets(struct world *w)
{
    size_t i;

    have_datagram(w);
    for (i = 2; i < N_SOCKS; i++)
        assert_int_equal(open_at(w, i, w->a, i % 2 ? SOCK_DGRAM : SOCK_STREAM),
                         0);
    assert_int_equal(join(w), 0);
    assert_int_equal(watch(w), 0);
}

static long poll_many(struct world *w)
{
    struct gn_pollfd fds[N_SOCKS];
    size_t i;

    for (i = 0; i < N_SOCKS; i++)
        fds[i] = (struct gn_pollfd){.sock = w->sock[i], .events = POLLIN};
    return gn_sock_poll(fds, N_SOCKS, 0);
}

static void calls_on_streams(void **state)
{
    static const struct call calls[] = {
        {"sock_open", NULL, open_stream, NULL, false},
        {"sock_bind", have_stream, bind_any, NULL, true},
        {"sock_bind, any port", have_stream, bind_free, NULL, true},
        {"sock_listen", have_bound, listen_it, NULL, true},
        {"sock_listen, unbound", have_stream, listen_it, NULL, true},
        {"sock_connect", have_listener, connect_stream, check_connected, true},
        {"sock_accept", have_waiting, accept_it, NULL, false},
        {"sock_send, small", have_pair, send_small, check_received, true},
        {"sock_send, large", have_pair, send_large, check_received, true},
        {"sock_sendmsg", have_pair, send_scattered, check_received, true},
        {"sock_recv", have_sent, receive, NULL, false},
        {"sock_recvmsg", have_sent, receive_scattered, NULL, false},
        {"sock_shutdown", have_pair, shut, check_eof, true},
        {"sock_close", have_pair, close_it, check_eof, true},
        {"sock_close, unread", have_sent, close_it, NULL, true},
    };

    (void)state;
    sweep(calls, sizeof(calls) / sizeof(*calls));
}

static void calls_on_datagrams(void **state)
{
    static const struct call calls[] = {
        {"sock_bind", have_dgram, bind_any, NULL, true},
        {"sock_connect", have_two_dgrams, connect_dgram, NULL, true},
        {"sock_send, small", have_dgram_pair, send_small, NULL, true},
        {"sock_send, large", have_dgram_pair, send_large, NULL, true},
        {"sock_sendmsg", have_dgram_pair, send_scattered, NULL, true},
        {"sock_sendto, unbound", have_two_dgrams, send_unbound, NULL, true},
        {"sock_recv", have_datagram, receive_datagram, NULL, false},
        {"sock_setopt, group", have_dgram, join, NULL, true},
        {"sock_watch", have_dgram, watch, NULL, false},
        {"sock_fd", have_dgram, descriptor, NULL, false},
        {"sock_poll", many_sockets, poll_many, NULL, false},
    };

    (void)state;
    sweep(calls, sizeof(calls) / sizeof(*calls));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_on_networks),
        cmocka_unit_test(calls_on_pools),
        cmocka_unit_test(calls_on_streams),
        cmocka_unit_test(calls_on_datagrams),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
