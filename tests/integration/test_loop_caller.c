/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * GN_DRIVE_CALLER: a network in a loop of epoll's, and its descriptor as such:
 * readable, or the time to wait 0, exactly as long as there is work.
 */
#include <guestnet/guestnet.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/lock.h"
#include "host/driver/drive.h"
#include "tests/lib/case.h"
#include "tests/lib/heap.h"
#include "tests/lib/simnet.h"

#define PATIENCE_MS 60000

static const char *const prefixes[] = {"10.77.0.0/16", "fd77::/64", NULL};

struct fixture {
    struct gn_test_heap heap;
    struct gn_network *net;
    struct gn_sock *to, *from;
    struct gn_egress *egress; /* NULL: none */
    int n_calls;
    _Atomic int n_seen; /* of n_calls, for another thread */
    int n_closed;
    int result;
};

static int create(struct fixture *f, struct gn_network **out)
{
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_CALLER,
                                       .alloc = &f->heap.alloc};

    return gn_network_create(&config, out);
}

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    gn_test_heap_init(&f->heap);
    assert_int_equal(create(f, &f->net), 0);
    f->to = gn_simnet_udp(gn_simnet_guest(f->net, "a"), "10.77.0.2:1");
    f->from = gn_simnet_udp(gn_simnet_guest(f->net, "b"), "10.77.0.3:1");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_simnet_end(f->to);
    gn_simnet_end(f->from);
    gn_network_close(f->net, NULL, NULL);
    if (f->egress)
        gn_egress_close(f->egress);
    gn_test_heap_done(&f->heap);
    test_free(f);
    return 0;
}

static void received(struct gn_sock *sock, short revents, void *arg)
{
    struct fixture *f = arg;

    (void)revents;
    gn_simnet_expect(sock, "x");
    f->n_calls++;
}

static void send_one(struct fixture *f)
{
    assert_int_equal(gn_simnet_send(f->from, "10.77.0.2:1", "x", 1), 1);
}

/* ---- the descriptor ---- */

/* Whether there is work, without waiting for any. */
static bool has_work(struct fixture *f)
{
    struct pollfd fd = {.fd = gn_network_fd(f->net), .events = POLLIN};

    assert_true(fd.fd >= 0);
    return gn_network_timeout_ms(f->net) == 0 || poll(&fd, 1, 0) == 1;
}

/* As every loop does it. */
static void wait_and_run(struct fixture *f)
{
    struct pollfd fd = {.fd = gn_network_fd(f->net), .events = POLLIN};
    int timeout = gn_network_timeout_ms(f->net);

    assert_true(poll(&fd, 1, timeout < 0 ? PATIENCE_MS : timeout) >= 0);
    assert_true(timeout >= 0 || fd.revents == POLLIN);
    assert_true(gn_network_run(f->net, GN_RUN_NOWAIT) >= 0);
}

static void run_until_idle(struct fixture *f)
{
    unsigned i;

    for (i = 0; has_work(f); i++) {
        assert_true(i < 1000);
        assert_true(gn_network_run(f->net, GN_RUN_NOWAIT) >= 0);
    }
}

static void an_idle_network_has_no_work(void **state)
{
    struct fixture *f = *state;

    run_until_idle(f);
    assert_int_equal(gn_network_timeout_ms(f->net), -1);
    assert_int_equal(gn_network_run(f->net, GN_RUN_NOWAIT), 0);
    assert_false(has_work(f));
    assert_int_equal(gn_network_run(f->net, GN_RUN_DEFAULT), 0);
    assert_false(has_work(f));
}

static void a_callback_that_is_due_is_work_until_it_ran(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(gn_sock_watch(f->to, POLLIN, received, f), 0);
    run_until_idle(f);
    send_one(f);
    assert_true(has_work(f));
    assert_true(has_work(f));
    assert_int_equal(f->n_calls, 0);
    run_until_idle(f);
    assert_int_equal(f->n_calls, 1);
}

static void *send_from_a_thread(void *arg)
{
    send_one(arg);
    return NULL;
}

static void another_threads_call_is_work(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;

    assert_int_equal(gn_sock_watch(f->to, POLLIN, received, f), 0);
    run_until_idle(f);
    assert_int_equal(pthread_create(&thread, NULL, send_from_a_thread, f), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(has_work(f));
    run_until_idle(f);
    assert_int_equal(f->n_calls, 1);
}

static void is_writable(struct gn_sock *sock, short revents, void *arg)
{
    struct fixture *f = arg;

    (void)revents;
    f->n_calls++;
    assert_int_equal(gn_sock_watch(sock, 0, NULL, NULL), 0);
}

static void more_callbacks_than_a_turn_has_are_all_work(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *ns = gn_simnet_guest(f->net, "c");
    struct gn_sock *socks[50];
    unsigned i;

    for (i = 0; i < 50; i++) {
        socks[i] = gn_simnet_udp(ns, "10.77.0.4:0");
        assert_int_equal(gn_sock_watch(socks[i], POLLOUT, is_writable, f), 0);
    }
    for (i = 0; f->n_calls < 50; i++) {
        assert_true(has_work(f));
        assert_true(gn_network_run(f->net, GN_RUN_NOWAIT) >= 0);
    }
    assert_true(i > 1);
    run_until_idle(f);
    for (i = 0; i < 50; i++)
        gn_simnet_end(socks[i]);
}

/* ---- how long a run goes on ---- */

static void once_waits_for_work(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;

    assert_int_equal(gn_sock_watch(f->to, POLLIN, received, f), 0);
    run_until_idle(f);
    assert_int_equal(pthread_create(&thread, NULL, send_from_a_thread, f), 0);
    while (!f->n_calls)
        assert_true(gn_network_run(f->net, GN_RUN_ONCE) >= 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void fire(struct gn__io_timer *timer)
{
    (void)timer;
}

struct held {
    struct gn__io_timer timer;
    struct fixture *f;
};

static void release(struct gn__io_timer *timer)
{
    struct held *held = gn__container_of(timer, struct held, timer);

    held->f->n_calls++;
    gn__io_release(gn__network_io(held->f->net));
}

static void default_goes_on_while_something_holds_it(void **state)
{
    struct fixture *f = *state;
    struct held held = {.timer.fire = release, .f = f};
    struct gn__io_timer idle = {.fire = fire};
    struct gn__io *io = gn__network_io(f->net);

    gn__io_start(io, &idle, gn__io_now(io) + 3600 * 1000000000ull);
    gn__io_hold(io);
    gn__io_start(io, &held.timer, gn__io_now(io) + 2000000);
    assert_int_equal(gn_network_run(f->net, GN_RUN_NOWAIT), 1);
    assert_int_equal(gn_network_run(f->net, GN_RUN_DEFAULT), 0);
    assert_int_equal(f->n_calls, 1);
    gn__io_stop(io, &idle);
}

/* ---- in a loop of epoll's, with others ---- */

struct tick {
    int fd;
    int n;
};

static void tick(struct tick *t)
{
    uint64_t n;

    assert_int_equal(read(t->fd, &n, sizeof(n)), sizeof(n));
    t->n++;
}

static void add(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
}

static void epoll_once(struct fixture *f, int epoll, struct tick *t)
{
    struct epoll_event events[4];
    int timeout = gn_network_timeout_ms(f->net);
    int i, n = epoll_wait(epoll, events, 4, timeout);

    for (i = 0; i < n; i++) {
        if (events[i].data.fd == t->fd)
            tick(t);
    }
    assert_true(gn_network_run(f->net, GN_RUN_NOWAIT) >= 0);
}

static void *exchange(void *arg)
{
    struct fixture *f = arg;
    unsigned i;

    for (i = 0; i < 200; i++) {
        send_one(f);
        if (i % 16 == 0)
            sched_yield();
    }
    return NULL;
}

static void it_runs_in_a_loop_of_epolls_with_others(void **state)
{
    struct fixture *f = *state;
    struct itimerspec every = {.it_interval.tv_nsec = 1000000,
                               .it_value.tv_nsec = 1000000};
    struct tick t = {.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    pthread_t thread;

    assert_true(t.fd >= 0 && epoll >= 0);
    assert_int_equal(timerfd_settime(t.fd, 0, &every, NULL), 0);
    add(epoll, t.fd);
    add(epoll, gn_network_fd(f->net));
    assert_int_equal(gn_sock_watch(f->to, POLLIN, received, f), 0);
    assert_int_equal(pthread_create(&thread, NULL, exchange, f), 0);
    while (f->n_calls < 200 || t.n < 5)
        epoll_once(f, epoll, &t);
    assert_int_equal(pthread_join(thread, NULL), 0);
    close(epoll);
    close(t.fd);
}

#define N_ROUNDS 3000

/* One at a time, so that each finds the loop asleep or on its way there. */
static void *send_when_the_last_arrived(void *arg)
{
    struct fixture *f = arg;
    int i;

    for (i = 0; i < N_ROUNDS; i++) {
        while (atomic_load(&f->n_seen) < i)
            sched_yield();
        send_one(f);
    }
    return NULL;
}

static void no_wake_up_is_lost(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;

    assert_int_equal(gn_sock_watch(f->to, POLLIN, received, f), 0);
    run_until_idle(f);
    assert_int_equal(
        pthread_create(&thread, NULL, send_when_the_last_arrived, f), 0);
    while (f->n_calls < N_ROUNDS) {
        wait_and_run(f);
        atomic_store(&f->n_seen, f->n_calls);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* ---- time ---- */

static void a_link_of_microseconds_is_on_time(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *b = gn_simnet_guest(f->net, "far");
    struct gn_sock *sock = gn_simnet_udp(b, "10.77.0.4:1");
    struct gn_link_config link = {.latency_us = 170};
    uint64_t due, late, least = UINT64_MAX;
    int i;

    assert_int_equal(gn_link_set(b, NULL, &link), 0);
    assert_int_equal(gn_sock_watch(f->to, POLLIN, received, f), 0);
    run_until_idle(f);
    for (i = 1; i <= 100; i++) {
        due = gn__monotonic_ns() + 170000;
        assert_int_equal(gn_simnet_send(sock, "10.77.0.2:1", "x", 1), 1);
        while (f->n_calls < i)
            wait_and_run(f);
        late = gn__monotonic_ns();
        assert_true(late >= due);
        if (late - due < least)
            least = late - due;
    }
    print_message("late by %llu ns at best\n", (unsigned long long)least);
    assert_true(least < 500000);
    gn_simnet_end(sock);
}

/* ---- refusals ---- */

static void run_again(struct gn_sock *sock, short revents, void *arg)
{
    struct fixture *f = arg;

    received(sock, revents, arg);
    f->result = gn_network_run(f->net, GN_RUN_NOWAIT);
}

static void a_callback_cannot_run_it(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(gn_sock_watch(f->to, POLLIN, run_again, f), 0);
    send_one(f);
    run_until_idle(f);
    assert_int_equal(f->n_calls, 1);
    assert_int_equal(f->result, -EDEADLK);
}

static void other_drives_have_none_of_it(void **state)
{
    struct gn_network_config config = {.size = sizeof(config)};
    struct gn_network *net;
    unsigned i;

    (void)state;
    for (i = 0; i < 2; i++) {
        config.drive = i ? GN_DRIVE_VIRTUAL : GN_DRIVE_THREAD;
        assert_int_equal(gn_network_create(&config, &net), 0);
        assert_int_equal(gn_network_fd(net), -ENOTSUP);
        assert_int_equal(gn_network_timeout_ms(net), -ENOTSUP);
        assert_int_equal(gn_network_run(net, GN_RUN_ONCE), -ENOTSUP);
        gn_network_close(net, NULL, NULL);
    }
}

static void nonsense_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(gn_network_fd(NULL), -EINVAL);
    assert_int_equal(gn_network_timeout_ms(NULL), -EINVAL);
    assert_int_equal(gn_network_run(NULL, GN_RUN_ONCE), -EINVAL);
    assert_int_equal(gn_network_run(f->net, GN_N_RUN_MODES), -EINVAL);
    assert_int_equal(gn_network_run(f->net, (enum gn_run_mode) - 1), -EINVAL);
}

/* ---- closing ---- */

static void closed(void *arg)
{
    struct fixture *f = arg;

    f->n_closed++;
}

static void close_it(struct gn_sock *sock, short revents, void *arg)
{
    struct fixture *f = arg;

    received(sock, revents, arg);
    assert_int_equal(gn_sock_watch(sock, 0, NULL, NULL), 0);
    gn_network_close(f->net, f->result ? closed : NULL, f);
}

static void a_callback_may_close_it(void **state)
{
    struct fixture f = {.result = 0};
    int i;

    (void)state;
    gn_test_heap_init(&f.heap);
    for (i = 0; i < 2; i++) {
        f.result = i;
        assert_int_equal(create(&f, &f.net), 0);
        f.to = gn_simnet_udp(gn_simnet_guest(f.net, "a"), "10.77.0.2:1");
        assert_int_equal(gn_sock_watch(f.to, POLLIN, close_it, &f), 0);
        assert_int_equal(gn_simnet_send(f.to, "10.77.0.2:1", "x", 1), 1);
        assert_int_equal(gn_network_run(f.net, GN_RUN_DEFAULT), 0);
        assert_int_equal(f.n_closed, i);
        gn_simnet_end(f.to);
    }
    gn_test_heap_done(&f.heap);
}

static void closing_with_a_callback_needs_a_run(void **state)
{
    struct fixture *f = *state;

    gn_network_close(f->net, closed, f);
    assert_int_equal(f->n_closed, 0);
    assert_true(has_work(f));
    assert_int_equal(gn_network_run(f->net, GN_RUN_DEFAULT), 0);
    assert_int_equal(f->n_closed, 1);
    assert_int_equal(create(f, &f->net), 0);
}

static void *close_from_a_thread(void *arg)
{
    struct fixture *f = arg;

    gn_network_close(f->net, NULL, NULL);
    f->n_closed++;
    return NULL;
}

/* Its thread has ended, and none is inside: the one that closes it drives
 * it. */
static void another_thread_may_take_it_over(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;

    (void)gn_network_run(f->net, GN_RUN_NOWAIT);
    assert_int_equal(pthread_create(&thread, NULL, close_from_a_thread, f), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(f->n_closed, 1);
    assert_int_equal(create(f, &f->net), 0);
}

/* A dial that its hooks have not been asked for. What it holds is free behind
 * teardown's close, which is at once. */
static void what_a_close_at_once_leaves_due_is_done(void **state)
{
    struct fixture *f = *state;
    const struct gn_policy policy = {.size = sizeof(policy)};
    struct gn_namespace_config config = {.size = sizeof(config)};
    struct gn_namespace *ns;
    struct gn_sock *sock;

    assert_int_equal(gn_egress_system(&policy, &f->egress), 0);
    config.egress = f->egress;
    assert_int_equal(gn_namespace_create(f->net, &config, &ns), 0);
    sock = gn_simnet_udp(ns, "10.77.0.4:1");
    assert_int_equal(gn_simnet_send(sock, "203.0.113.5:1", "x", 1), 1);
    assert_int_equal(gn_network_timeout_ms(f->net), 0);
    gn_simnet_end(sock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_idle_network_has_no_work),
        CASE(a_callback_that_is_due_is_work_until_it_ran),
        CASE(another_threads_call_is_work),
        CASE(more_callbacks_than_a_turn_has_are_all_work),
        CASE(once_waits_for_work),
        CASE(default_goes_on_while_something_holds_it),
        CASE(it_runs_in_a_loop_of_epolls_with_others),
        CASE(no_wake_up_is_lost),
        CASE(a_link_of_microseconds_is_on_time),
        CASE(a_callback_cannot_run_it),
        cmocka_unit_test(other_drives_have_none_of_it),
        CASE(nonsense_is_refused),
        cmocka_unit_test(a_callback_may_close_it),
        CASE(closing_with_a_callback_needs_a_run),
        CASE(another_thread_may_take_it_over),
        CASE(what_a_close_at_once_leaves_due_is_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
