/* SPDX-License-Identifier: BSD-3-Clause */
#include <guestnet/link.h>
#include <guestnet/namespace.h>
#include <guestnet/network.h>
#include <guestnet/sim.h>
#include <guestnet/socket.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/heap.h"
#include "tests/lib/simnet.h"
#include "tests/lib/until.h"

static const char *const prefixes[] = {"10.77.0.0/16", "fd77::/64", NULL};

struct fixture {
    struct gn_test_heap heap;
    struct gn_network *net;
    pthread_mutex_t lock;
    pthread_cond_t called;
    int n_calls; /* callbacks that ran */
};

static struct gn_network *network(struct fixture *f)
{
    struct gn_network_config config = {
        .size = sizeof(config), .prefixes = prefixes, .alloc = &f->heap.alloc};
    struct gn_network *net;

    assert_int_equal(gn_network_create(&config, &net), 0);
    return net;
}

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    gn_test_heap_init(&f->heap);
    assert_int_equal(pthread_mutex_init(&f->lock, NULL), 0);
    assert_int_equal(pthread_cond_init(&f->called, NULL), 0);
    f->net = network(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_network_close(f->net, NULL, NULL);
    gn_test_heap_done(&f->heap);
    test_free(f);
    return 0;
}

static void call(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    f->n_calls++;
    pthread_cond_signal(&f->called);
    pthread_mutex_unlock(&f->lock);
}

static void closed(void *arg)
{
    call(arg);
}

static void wait_for_calls(struct fixture *f, int n)
{
    pthread_mutex_lock(&f->lock);
    while (f->n_calls < n)
        pthread_cond_wait(&f->called, &f->lock);
    assert_int_equal(f->n_calls, n);
    pthread_mutex_unlock(&f->lock);
}

static void assert_nothing_is_left(struct fixture *f)
{
    pthread_mutex_lock(&f->heap.lock);
    assert_int_equal(f->heap.n_live, 0);
    pthread_mutex_unlock(&f->heap.lock);
}

static void closing_without_a_callback_returns_when_gone(void **state)
{
    struct fixture *f = *state;

    gn_network_close(f->net, NULL, NULL);
    assert_nothing_is_left(f); /* The thread and its engine are gone too. */
    f->net = network(f);
}

static void closing_with_a_callback_frees_first(void **state)
{
    struct fixture *f = *state;

    gn_network_close(f->net, closed, f);
    wait_for_calls(f, 1);
    assert_nothing_is_left(f);
    f->net = network(f);
}

static void networks_share_a_thread(void **state)
{
    struct fixture *f = *state;
    struct gn_network *second = network(f);
    struct gn_namespace *ns = gn_simnet_guest(f->net, "router");

    assert_int_equal(gn_namespace_attach(ns, second, NULL), 0);
    gn_network_close(second, closed, f);
    wait_for_calls(f, 1);
    gn_namespace_close(ns, 0, NULL, NULL);
}

static void another_allocator_is_another_thread(void **state)
{
    struct fixture *f = *state;
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    struct gn_namespace *ns = gn_simnet_guest(f->net, "a");
    struct gn_network *other;

    assert_int_equal(gn_network_create(&config, &other), 0);
    assert_int_equal(gn_namespace_attach(ns, other, NULL), -EXDEV);
    gn_network_close(other, NULL, NULL);
}

/* ---- timers run by themselves ---- */

static void a_delayed_packet_arrives_while_all_sleep(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *a = gn_simnet_guest(f->net, "a");
    struct gn_namespace *b = gn_simnet_guest(f->net, "b");
    struct gn_link_config slow = {.latency_us = 3000};
    struct gn_sock *from = gn_simnet_udp(a, "10.77.0.2:1");
    struct gn_sock *to = gn_simnet_udp(b, "10.77.0.3:1");
    struct gn_pollfd poll = {.sock = to, .fd = -1, .events = POLLIN};
    uint64_t sent;

    assert_int_equal(gn_link_set(a, NULL, &slow), 0);
    sent = gn_test_now_ns();
    assert_int_equal(gn_simnet_send(from, "10.77.0.3:1", "late", 4), 4);
    assert_int_equal(gn_sock_poll(&poll, 1, 60000), 1);
    assert_true(gn_test_now_ns() - sent >= slow.latency_us * 1000u);
    gn_simnet_expect(to, "late");
    gn_simnet_end(from);
    gn_simnet_end(to);
}

static void echo_is_readable(struct gn_sock *sock, short revents, void *arg)
{
    struct fixture *f = arg;
    char buf[8];

    (void)revents;
    if (gn_sock_recv(sock, buf, sizeof(buf), 0) > 0)
        call(f);
}

static void callbacks_come_from_the_thread(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *a = gn_simnet_guest(f->net, "a");
    struct gn_sock *from = gn_simnet_udp(a, "10.77.0.2:1");
    struct gn_sock *to = gn_simnet_udp(a, "10.77.0.2:2");

    assert_int_equal(gn_sock_watch(to, POLLIN, echo_is_readable, f), 0);
    assert_int_equal(gn_simnet_send(from, "10.77.0.2:2", "x", 1), 1);
    wait_for_calls(f, 1);
    gn_simnet_end(from);
    gn_simnet_end(to);
}

static void close_in_callback(void *arg)
{
    struct fixture *f = arg;

    gn_network_close(f->net, NULL, NULL); /* Must not wait for itself. */
    closed(f);
}

/* No callback tells when a thread that closed its own last network has
 * ended. */
static void wait_until_nothing_is_left(struct fixture *f)
{
    uint64_t n_live;

    do {
        pthread_mutex_lock(&f->heap.lock);
        n_live = f->heap.n_live;
        pthread_mutex_unlock(&f->heap.lock);
        sched_yield();
    } while (n_live);
}

static void a_callback_may_close_its_network(void **state)
{
    struct fixture *f = *state;

    gn_namespace_close(gn_simnet_guest(f->net, "a"), 0, close_in_callback, f);
    wait_for_calls(f, 1);
    wait_until_nothing_is_left(f);
    f->net = network(f);
}

struct blocked {
    struct fixture *f;
    struct gn_sock *sock;
    int result;
};

static void block_in_callback(struct gn_sock *sock, short revents, void *arg)
{
    struct blocked *blocked = arg;

    (void)sock;
    (void)revents;
    if (!blocked->result) {
        char c;

        assert_int_equal(gn_sock_recv(sock, &c, 1, 0), 1);
        assert_int_equal(gn_sock_set_nonblock(sock, false), 0);
        blocked->result = (int)gn_sock_recv(sock, &c, 1, 0);
        call(blocked->f);
    }
}

static void a_blocking_call_in_a_callback_is_a_deadlock(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *a = gn_simnet_guest(f->net, "a");
    struct blocked blocked = {.f = f, .sock = gn_simnet_udp(a, "0.0.0.0:2")};

    assert_int_equal(
        gn_sock_watch(blocked.sock, POLLIN, block_in_callback, &blocked), 0);
    assert_int_equal(gn_simnet_send(blocked.sock, "10.77.0.2:2", "x", 1), 1);
    wait_for_calls(f, 1);
    assert_int_equal(gn_sock_watch(blocked.sock, 0, NULL, NULL), 0);
    assert_int_equal(blocked.result, -EDEADLK);
    gn_simnet_end(blocked.sock);
}

/* ---- many threads ---- */

struct worker {
    struct fixture *f;
    unsigned id;
};

static void *come_and_go(void *arg)
{
    struct worker *w = arg;
    char name[16];
    unsigned i;

    for (i = 0; i < 150; i++) {
        struct gn_namespace *ns;
        struct gn_sock *a, *b;
        char buf[4];

        snprintf(name, sizeof(name), "w%u-%u", w->id, i % 3);
        ns = gn_simnet_guest(w->f->net, name);
        a = gn_simnet_udp(ns, "127.0.0.1:1");
        b = gn_simnet_udp(ns, "127.0.0.1:2");
        assert_int_equal(gn_simnet_send(a, "127.0.0.1:2", "x", 1), 1);
        assert_int_equal(gn_sock_recv(b, buf, 4, 0), 1);
        if (i % 3 == 1)
            gn_namespace_kill(ns);
        gn_simnet_end(a);
        gn_namespace_close(ns, i & 1, i % 5 ? NULL : closed, w->f);
        gn_simnet_end(b);
    }
    return NULL;
}

static void guests_come_and_go_from_many_threads(void **state)
{
    struct fixture *f = *state;
    struct worker workers[8];
    pthread_t threads[8];
    unsigned i;

    for (i = 0; i < 8; i++) {
        workers[i] = (struct worker){.f = f, .id = i};
        assert_int_equal(
            pthread_create(&threads[i], NULL, come_and_go, &workers[i]), 0);
    }
    for (i = 0; i < 8; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    wait_for_calls(f, 8 * 30);
}

static void *open_and_close(void *arg)
{
    struct worker *w = arg;
    unsigned i;

    for (i = 0; i < 50; i++) {
        struct gn_network *net = network(w->f);

        (void)gn_simnet_guest(net, "a");
        gn_network_close(net, i & 1 ? closed : NULL, w->f);
    }
    return NULL;
}

static void networks_come_and_go_from_many_threads(void **state)
{
    struct fixture *f = *state;
    struct worker workers[4];
    pthread_t threads[4];
    unsigned i;

    gn_network_close(f->net, NULL, NULL);
    for (i = 0; i < 4; i++) {
        workers[i] = (struct worker){.f = f, .id = i};
        assert_int_equal(
            pthread_create(&threads[i], NULL, open_and_close, &workers[i]), 0);
    }
    for (i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    wait_for_calls(f, 4 * 25);
    f->net = network(f);
}

/* ---- two clocks in two threads ---- */

static void *run_a_world(void *arg)
{
    struct gn_simnet sim;
    struct gn_link_config lossy = {
        .latency_us = 500, .jitter_us = 400, .loss_ppm = 50000};
    struct gn_sock *a, *b;
    unsigned *received = arg, i;
    char buf[4];

    gn_simnet_setup(&sim, prefixes, 5);
    a = gn_simnet_udp(gn_simnet_guest(sim.net, "a"), "10.77.0.2:1");
    b = gn_simnet_udp(gn_simnet_guest(sim.net, "b"), "10.77.0.3:1");
    assert_int_equal(gn_link_set(gn_network_gateway(sim.net), NULL, &lossy), 0);
    for (i = 0; i < 2000; i++) {
        (void)!gn_simnet_send(a, "10.77.0.3:1", "x", 1);
        gn_clock_advance(sim.clock, GN_MS);
        *received += gn_simnet_recv(b, buf, 4) == 1;
    }
    gn_simnet_end(a);
    gn_simnet_end(b);
    gn_simnet_teardown(&sim);
    return NULL;
}

static void two_clocks_run_in_two_threads(void **state)
{
    unsigned received[2] = {0, 0};
    pthread_t threads[2];
    unsigned i;

    (void)state;
    for (i = 0; i < 2; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, run_a_world, &received[i]), 0);
    for (i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(received[0], received[1]);
}

/* ---- no memory ---- */

static int live(struct gn_test_heap *heap, void *arg)
{
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = *(enum gn_drive *)arg,
                                       .alloc = &heap->alloc};
    struct gn_namespace_config named = {.size = sizeof(named), .name = "a"};
    struct gn_path_config path = {.latency_us = 5};
    struct gn_namespace *a, *b;
    struct gn_network *net;
    int err;

    err = gn_network_create(&config, &net);
    if (err)
        return err;
    err = gn_namespace_create(net, &named, &a);
    if (!err)
        err = gn_namespace_create(net, NULL, &b);
    if (!err)
        err = gn_namespace_attach(a, net, NULL);
    if (!err)
        err = gn_route_add(a, "10.99.0.0/16", "10.77.0.3");
    if (!err)
        err = gn_path_set(net, a, b, &path);
    gn_network_close(net, NULL, NULL);
    return err;
}

static void every_failed_allocation_is_survived(void **state)
{
    enum gn_drive thread = GN_DRIVE_THREAD, clock = GN_DRIVE_VIRTUAL,
                  caller = GN_DRIVE_CALLER;

    (void)state;
    assert_true(gn_test_heap_sweep(live, &clock) > 20);
    assert_true(gn_test_heap_sweep(live, &thread) > 20);
    assert_true(gn_test_heap_sweep(live, &caller) > 20);
}

static void the_drive_is_checked(void **state)
{
    struct gn_network_config config = {.size = sizeof(config)};
    struct gn_network *net;
    struct gn_clock *clock;
    char why[100];

    (void)state;
    config.why = why;
    config.why_len = sizeof(why);
    assert_int_equal(gn_network_create(&config, NULL), -EINVAL);
    config.drive = GN_DRIVE_LOOP;
    assert_int_equal(gn_network_create(&config, &net), -EINVAL);
    assert_string_equal(why, "loop: GN_DRIVE_LOOP needs a libuv loop");
    config.drive = GN_DRIVE_CALLER;
    config.loop = (struct uv_loop_s *)why;
    assert_int_equal(gn_network_create(&config, &net), -EINVAL);
    assert_string_equal(why, "loop: only with GN_DRIVE_LOOP");
    config.loop = NULL;
    config.drive = (enum gn_drive)9;
    assert_int_equal(gn_network_create(&config, &net), -EINVAL);
    assert_string_equal(why, "drive: no such one");
    assert_int_equal(gn_clock_create(NULL, &clock), 0);
    config.drive = GN_DRIVE_THREAD;
    config.clock = clock;
    assert_int_equal(gn_network_create(&config, &net), -EINVAL);
    config.drive = GN_DRIVE_VIRTUAL;
    assert_int_equal(gn_network_create(&config, &net), 0);
    assert_ptr_equal(gn_network_clock(net), clock);
    gn_network_close(net, NULL, NULL);
    gn_clock_close(clock);
    config.size = 4;
    assert_int_equal(gn_network_create(&config, &net), -EINVAL);
}

static void a_network_may_bring_its_own_clock(void **state)
{
    struct gn_network_config config = {.size = sizeof(config),
                                       .drive = GN_DRIVE_VIRTUAL};
    struct gn_network *net;
    struct gn_clock *clock;

    (void)state;
    assert_int_equal(gn_network_create(&config, &net), 0);
    clock = gn_network_clock(net);
    assert_non_null(clock);
    gn_clock_advance(clock, 1000);
    assert_int_equal(gn_clock_now_ns(clock), 1000001000);
    assert_false(gn_clock_step(clock));
    gn_network_close(net, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(closing_without_a_callback_returns_when_gone),
        CASE(closing_with_a_callback_frees_first),
        CASE(networks_share_a_thread),
        CASE(another_allocator_is_another_thread),
        CASE(a_delayed_packet_arrives_while_all_sleep),
        CASE(callbacks_come_from_the_thread),
        CASE(a_callback_may_close_its_network),
        CASE(a_blocking_call_in_a_callback_is_a_deadlock),
        CASE(guests_come_and_go_from_many_threads),
        CASE(networks_come_and_go_from_many_threads),
        cmocka_unit_test(two_clocks_run_in_two_threads),
        cmocka_unit_test(every_failed_allocation_is_survived),
        cmocka_unit_test(the_drive_is_checked),
        cmocka_unit_test(a_network_may_bring_its_own_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
