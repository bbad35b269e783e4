/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * GN_DRIVE_LOOP: networks on a libuv loop of the test's, with guests on threads
 * of their own and in the loop's callbacks.
 */
#include <guestnet/guestnet.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

#include <cmocka.h>

#include "base/lock.h"
#include "host/driver/drive.h"
#include "tests/lib/case.h"
#include "tests/lib/heap.h"
#include "tests/lib/simnet.h"

static const char *const prefixes[] = {"10.77.0.0/16", "fd77::/64", NULL};

struct fixture {
    struct gn_test_heap heap;
    uv_loop_t loop;
    struct gn_network *net;
    int n_closed;
    int n_calls;
    struct gn_sock *sock;
};

static int create(struct fixture *f, struct gn_network **out)
{
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_LOOP,
                                       .loop = &f->loop,
                                       .alloc = &f->heap.alloc};

    return gn_network_create(&config, out);
}

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    gn_test_heap_init(&f->heap);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(create(f, &f->net), 0);
    *state = f;
    return 0;
}

static void not_ours(uv_handle_t *handle, void *arg)
{
    (void)handle;
    *(int *)arg += 1;
}

static int n_handles(uv_loop_t *loop)
{
    int n = 0;

    uv_walk(loop, not_ours, &n);
    return n;
}

static void closed(void *arg)
{
    struct fixture *f = arg;

    f->n_closed++;
}

/* What the header promises: behind the callback there is nothing of ours. */
static void closed_last(void *arg)
{
    struct fixture *f = arg;

    assert_int_equal(n_handles(&f->loop), 0);
    closed(f);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->net) {
        gn_network_close(f->net, closed_last, f);
        assert_int_equal(f->n_closed, 0);
        assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
        assert_int_equal(f->n_closed, 1);
    }
    assert_int_equal(n_handles(&f->loop), 0);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    gn_test_heap_done(&f->heap);
    test_free(f);
    return 0;
}

/* ---- what keeps uv_run() ---- */

static void an_idle_network_lets_uv_run_return(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *ns = gn_simnet_guest(f->net, "a");
    struct gn_sock *sock = gn_simnet_udp(ns, "10.77.0.2:1");

    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    gn_simnet_end(sock);
}

static void release(uv_timer_t *timer)
{
    struct fixture *f = timer->data;

    f->n_calls++;
    gn__io_release(gn__network_io(f->net));
    uv_close((uv_handle_t *)timer, NULL);
}

static void a_hold_keeps_it_until_it_is_released(void **state)
{
    struct fixture *f = *state;
    struct gn__io *io = gn__network_io(f->net);
    uv_timer_t timer;

    gn__io_hold(io);
    gn__io_hold(io);
    gn__io_release(io);
    assert_int_equal(uv_timer_init(&f->loop, &timer), 0);
    timer.data = f;
    assert_int_equal(uv_timer_start(&timer, release, 2, 0), 0);
    uv_unref((uv_handle_t *)&timer);
    assert_true(uv_loop_alive(&f->loop));
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(f->n_calls, 1);
}

static void ns_closed(void *arg)
{
    struct fixture *f = arg;

    f->n_calls++;
}

static void a_request_that_is_due_keeps_it(void **state)
{
    struct fixture *f = *state;

    gn_namespace_close(gn_simnet_guest(f->net, "a"), 0, ns_closed, f);
    assert_int_equal(f->n_calls, 0);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(f->n_calls, 1);
}

/* ---- guests ---- */

#define N_ECHOES 300

struct guest {
    struct gn_namespace *ns;
    const char *server;
    uv_async_t done;
    int n;
};

static void *ask(void *arg)
{
    struct guest *guest = arg;
    struct sockaddr_storage to;
    struct gn_sock *sock;
    socklen_t len;
    char buf[8];
    int i;

    assert_int_equal(gn_addr_parse(guest->server, &to, &len), 0);
    assert_int_equal(gn_sock_open(guest->ns, AF_INET, SOCK_STREAM, 0, &sock),
                     0);
    assert_int_equal(gn_sock_connect(sock, (struct sockaddr *)&to, len), 0);
    for (i = 0; i < N_ECHOES; i++) {
        assert_int_equal(gn_sock_send(sock, "ping", 4, 0), 4);
        assert_int_equal(gn_sock_recv(sock, buf, sizeof(buf), 0), 4);
        guest->n++;
    }
    gn_simnet_end(sock);
    assert_int_equal(uv_async_send(&guest->done), 0);
    return NULL;
}

static void echo(struct gn_sock *sock, short revents, void *arg)
{
    char buf[64];
    ssize_t n;

    (void)revents;
    (void)arg;
    while ((n = gn_sock_recv(sock, buf, sizeof(buf), 0)) > 0)
        assert_int_equal(gn_sock_send(sock, buf, (size_t)n, 0), n);
    if (n != -EAGAIN)
        gn_simnet_end(sock);
}

static void accept_echo(struct gn_sock *sock, short revents, void *arg)
{
    struct gn_sock *conn;

    (void)revents;
    while (!gn_sock_accept(sock, NULL, NULL, SOCK_NONBLOCK, &conn))
        assert_int_equal(gn_sock_watch(conn, POLLIN, echo, arg), 0);
}

static struct gn_sock *serve(struct fixture *f, struct gn_namespace *ns,
                             const char *address)
{
    struct sockaddr_storage at;
    struct gn_sock *sock;
    socklen_t len;

    assert_int_equal(gn_addr_parse(address, &at, &len), 0);
    assert_int_equal(
        gn_sock_open(ns, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, &sock), 0);
    assert_int_equal(gn_sock_bind(sock, (struct sockaddr *)&at, len), 0);
    assert_int_equal(gn_sock_listen(sock, 8), 0);
    assert_int_equal(gn_sock_watch(sock, POLLIN, accept_echo, f), 0);
    return sock;
}

static void guest_is_done(uv_async_t *done)
{
    uv_close((uv_handle_t *)done, NULL);
}

static void threads_talk_to_callbacks_of_the_loop(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *server = gn_simnet_guest(f->net, "server");
    struct gn_sock *listener = serve(f, server, "10.77.0.2:7");
    struct guest guests[3];
    pthread_t threads[3];
    unsigned i;

    for (i = 0; i < 3; i++) {
        guests[i] = (struct guest){.ns = gn_simnet_guest(f->net, NULL),
                                   .server = "10.77.0.2:7"};
        assert_int_equal(
            uv_async_init(&f->loop, &guests[i].done, guest_is_done), 0);
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &guests[i]), 0);
    }
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    for (i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(guests[i].n, N_ECHOES);
    }
    gn_simnet_end(listener);
}

static void count_and_stop(struct gn_sock *sock, short revents, void *arg)
{
    struct fixture *f = arg;

    (void)revents;
    gn_simnet_expect(sock, "x");
    if (++f->n_calls == 3)
        uv_stop(&f->loop);
}

/* Another's prepare callback runs behind ours, right before the loop sleeps. */
static void send_late(uv_prepare_t *prepare)
{
    struct fixture *f = prepare->data;

    assert_int_equal(gn_simnet_send(f->sock, "10.77.0.2:1", "x", 1), 1);
}

static void what_is_sent_right_before_the_loop_sleeps_wakes_it(void **state)
{
    struct fixture *f = *state;
    uv_prepare_t prepare;

    f->sock = gn_simnet_udp(gn_simnet_guest(f->net, "a"), "10.77.0.2:1");
    assert_int_equal(gn_sock_watch(f->sock, POLLIN, count_and_stop, f), 0);
    assert_int_equal(uv_prepare_init(&f->loop, &prepare), 0);
    prepare.data = f;
    assert_int_equal(uv_prepare_start(&prepare, send_late), 0);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_true(f->n_calls >= 3);
    uv_close((uv_handle_t *)&prepare, NULL);
    gn_simnet_end(f->sock);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
}

static void networks_of_a_loop_share_an_engine(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *router = gn_simnet_guest(f->net, "router");
    struct gn_network *second;

    assert_int_equal(create(f, &second), 0);
    assert_int_equal(gn_namespace_attach(router, second, NULL), 0);
    gn_network_close(second, closed, f);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(f->n_closed, 1);
    f->n_closed = 0;
    gn_namespace_close(router, 0, NULL, NULL);
}

/* ---- time ---- */

struct late {
    struct fixture *f;
    uint64_t due, least;
    int n;
};

static void measure(struct gn_sock *sock, short revents, void *arg)
{
    struct late *late = arg;
    uint64_t now = gn__monotonic_ns();
    char c;

    (void)revents;
    assert_int_equal(gn_sock_recv(sock, &c, 1, 0), 1);
    assert_true(now >= late->due);
    if (now - late->due < late->least)
        late->least = now - late->due;
    if (++late->n == 100) {
        uv_stop(&late->f->loop);
        return;
    }
    late->due = gn__monotonic_ns() + 130000;
    assert_int_equal(gn_simnet_send(late->f->sock, "10.77.0.2:1", "x", 1), 1);
}

/* The machine may be busy; timers of whole milliseconds would be late by more
 * each time. */
static void a_link_of_microseconds_is_on_time(void **state)
{
    struct fixture *f = *state;
    struct late late = {.f = f, .least = UINT64_MAX};
    struct gn_namespace *a = gn_simnet_guest(f->net, "a");
    struct gn_namespace *b = gn_simnet_guest(f->net, "b");
    struct gn_sock *to = gn_simnet_udp(a, "10.77.0.2:1");
    struct gn_link_config link = {.latency_us = 130};

    f->sock = gn_simnet_udp(b, "10.77.0.3:1");
    assert_int_equal(gn_link_set(b, NULL, &link), 0);
    assert_int_equal(gn_sock_watch(to, POLLIN, measure, &late), 0);
    gn__io_hold(gn__network_io(f->net));
    late.due = gn__monotonic_ns() + 130000;
    assert_int_equal(gn_simnet_send(f->sock, "10.77.0.2:1", "x", 1), 1);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    gn__io_release(gn__network_io(f->net));
    assert_int_equal(late.n, 100);
    print_message("late by %llu ns at best\n", (unsigned long long)late.least);
    assert_true(late.least < 500000);
    gn_simnet_end(to);
    gn_simnet_end(f->sock);
}

/* ---- the thread that drives ---- */

static void block(uv_timer_t *timer)
{
    struct fixture *f = timer->data;
    char c;

    f->n_calls = (int)gn_sock_recv(f->sock, &c, 1, 0);
    uv_close((uv_handle_t *)timer, NULL);
}

static void *run_loop(void *arg)
{
    struct fixture *f = arg;

    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    return NULL;
}

static void the_thread_of_the_loop_cannot_block(void **state)
{
    struct fixture *f = *state;
    uv_timer_t timer;
    char c;

    f->sock = gn_simnet_udp(gn_simnet_guest(f->net, "a"), "10.77.0.2:1");
    assert_int_equal(gn_sock_set_nonblock(f->sock, false), 0);
    assert_int_equal(gn_sock_recv(f->sock, &c, 1, 0), -EDEADLK);
    assert_int_equal(uv_timer_init(&f->loop, &timer), 0);
    timer.data = f;
    assert_int_equal(uv_timer_start(&timer, block, 0, 0), 0);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(f->n_calls, -EDEADLK);
    gn_simnet_end(f->sock);
}

static void send_later(uv_timer_t *timer)
{
    struct fixture *f = timer->data;

    if (!f->n_calls++) /* The first time this thread drives already. */
        return;
    assert_int_equal(gn_simnet_send(f->sock, "10.77.0.2:1", "x", 1), 1);
    uv_close((uv_handle_t *)timer, NULL);
}

/* The thread that made it is like any other once another runs the loop. */
static void the_loop_may_run_on_another_thread(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    pthread_t thread;
    uv_timer_t timer;
    ssize_t n;
    char c;

    sock = gn_simnet_udp(gn_simnet_guest(f->net, "a"), "10.77.0.2:1");
    f->sock = gn_simnet_udp(gn_simnet_guest(f->net, "b"), "10.77.0.3:1");
    assert_int_equal(gn_sock_set_nonblock(sock, false), 0);
    assert_int_equal(uv_timer_init(&f->loop, &timer), 0);
    timer.data = f;
    assert_int_equal(uv_timer_start(&timer, send_later, 1, 1), 0);
    assert_int_equal(pthread_create(&thread, NULL, run_loop, f), 0);
    while ((n = gn_sock_recv(sock, &c, 1, 0)) == -EDEADLK)
        continue;
    assert_int_equal(n, 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    gn_simnet_end(sock);
    gn_simnet_end(f->sock);
}

/* ---- closing ---- */

static void closing_before_the_loop_ever_ran(void **state)
{
    struct fixture *f = *state;

    gn_network_close(f->net, closed_last, f);
    f->net = NULL;
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(f->n_closed, 1);
}

static void closing_without_a_callback_ends_with_the_next_run(void **state)
{
    struct fixture *f = *state;

    gn_network_close(f->net, NULL, NULL);
    f->net = NULL;
    assert_int_equal(uv_loop_close(&f->loop), UV_EBUSY);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
}

static void close_it(struct gn_sock *sock, short revents, void *arg)
{
    struct fixture *f = arg;

    (void)revents;
    gn_simnet_end(sock);
    gn_network_close(f->net, f->n_calls ? closed_last : NULL, f);
    f->net = NULL;
}

static void close_in_callback(struct fixture *f)
{
    f->sock = gn_simnet_udp(gn_simnet_guest(f->net, "a"), "10.77.0.2:1");
    assert_int_equal(gn_sock_watch(f->sock, POLLIN, close_it, f), 0);
    assert_int_equal(gn_simnet_send(f->sock, "10.77.0.2:1", "x", 1), 1);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_null(f->net);
}

static void closing_from_a_callback(void **state)
{
    struct fixture *f = *state;

    close_in_callback(f);
    assert_int_equal(create(f, &f->net), 0);
    f->n_calls = 1;
    close_in_callback(f);
    assert_int_equal(f->n_closed, 1);
}

struct blocked {
    struct gn_sock *sock;
    ssize_t result;
    _Atomic bool begun;
};

static void *block_until_the_end(void *arg)
{
    struct blocked *blocked = arg;
    char c;

    atomic_store(&blocked->begun, true);
    blocked->result = gn_sock_recv(blocked->sock, &c, 1, 0);
    return NULL;
}

static void closing_ends_what_threads_wait_for(void **state)
{
    struct fixture *f = *state;
    struct blocked blocked = {
        .sock = gn_simnet_udp(gn_simnet_guest(f->net, "a"), "10.77.0.2:1")};
    pthread_t thread;

    assert_int_equal(gn_sock_set_nonblock(blocked.sock, false), 0);
    assert_int_equal(
        pthread_create(&thread, NULL, block_until_the_end, &blocked), 0);
    while (!atomic_load(&blocked.begun))
        continue;
    gn_network_close(f->net, closed_last, f);
    f->net = NULL;
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(blocked.result, -ECANCELED);
    gn_simnet_end(blocked.sock);
}

static void closing_with_packets_on_their_way(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *a = gn_simnet_guest(f->net, "a");
    struct gn_link_config slow = {.latency_us = 500000};
    struct gn_sock *sock = gn_simnet_udp(a, "10.77.0.2:1");

    assert_int_equal(gn_link_set(a, NULL, &slow), 0);
    assert_int_equal(gn_simnet_send(sock, "10.77.0.1:9", "x", 1), 1);
    gn_network_close(f->net, closed_last, f);
    f->net = NULL;
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(f->n_closed, 1);
    assert_int_equal(gn_simnet_send(sock, "10.77.0.1:9", "x", 1), -ECANCELED);
    gn_simnet_end(sock); /* It outlived its loop's handles. */
}

static void create_again(void *arg)
{
    struct fixture *f = arg;

    closed_last(f);
    f->n_closed = 0;
    assert_int_equal(create(f, &f->net), 0);
}

static void the_callback_may_make_the_next(void **state)
{
    struct fixture *f = *state;

    gn_network_close(f->net, create_again, f);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
}

static void a_refused_network_leaves_the_loop_alone(void **state)
{
    struct fixture *f = *state;
    struct gn_network_config config = {.size = sizeof(config),
                                       .drive = GN_DRIVE_LOOP,
                                       .loop = &f->loop,
                                       .mtu = 1};
    struct gn_network *net;
    int n = n_handles(&f->loop);

    assert_int_equal(gn_network_create(&config, &net), -EINVAL);
    assert_int_equal(n_handles(&f->loop), n);
}

/* ---- what it needs ---- */

static int live(struct gn_test_heap *heap, void *arg)
{
    struct fixture *f = arg;
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_LOOP,
                                       .loop = &f->loop,
                                       .alloc = &heap->alloc};
    struct gn_network *net;
    int err = gn_network_create(&config, &net);

    if (err)
        return err;
    if (!gn__network_io(net))
        err = -ENOMEM;
    gn_network_close(net, NULL, NULL);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    return err;
}

static void every_failed_allocation_is_survived(void **state)
{
    assert_true(gn_test_heap_sweep(live, *state) > 10);
}

static int n_descriptors(bool cloexec)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    int n = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        int flags = fcntl(atoi(entry->d_name), F_GETFD);

        if (entry->d_name[0] != '.' && flags >= 0)
            n += !cloexec || (flags & FD_CLOEXEC);
    }
    closedir(dir);
    return n;
}

static void its_descriptors_are_closed_on_exec_and_in_the_end(void **state)
{
    struct fixture *f = *state;
    int all, cloexec;

    gn_network_close(f->net, NULL, NULL);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    all = n_descriptors(false);
    cloexec = n_descriptors(true);
    assert_int_equal(create(f, &f->net), 0);
    assert_true(n_descriptors(false) > all);
    assert_int_equal(n_descriptors(false) - all, n_descriptors(true) - cloexec);
    gn_network_close(f->net, NULL, NULL);
    f->net = NULL;
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(n_descriptors(false), all);
}

static void descriptors_that_run_out_are_said(void **state)
{
    struct fixture *f = *state;
    struct gn_network_config config = {.size = sizeof(config)};
    enum gn_drive drives[] = {GN_DRIVE_LOOP, GN_DRIVE_CALLER, GN_DRIVE_THREAD};
    struct gn_network *net = NULL;
    struct rlimit before, limit;
    unsigned i, more;
    int err, all = n_descriptors(false);

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (i = 0; i < 3; i++) {
        config.drive = drives[i];
        config.loop = drives[i] == GN_DRIVE_LOOP ? &f->loop : NULL;
        more = 0;
        do {
            limit = before;
            limit.rlim_cur = (rlim_t)all + more;
            assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
            err = gn_network_create(&config, &net);
            assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
            assert_true(!err || (err == -EMFILE && more < 100));
            more++;
        } while (err);
        assert_true(more > 1);
        gn_network_close(net, NULL, NULL);
        (void)uv_run(&f->loop, UV_RUN_DEFAULT);
        assert_int_equal(n_descriptors(false), all);
    }
}

static void no_signal_handler_is_installed(void **state)
{
    struct sigaction action;
    int i;

    (void)state;
    for (i = 1; i < SIGRTMIN; i++) {
        if (i == SIGKILL || i == SIGSTOP || sigaction(i, NULL, &action))
            continue;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        /* cmocka has some of its own while a case runs. */
        if (i != SIGFPE && i != SIGILL && i != SIGSEGV && i != SIGBUS &&
            i != SIGSYS)
            assert_true(action.sa_handler == SIG_DFL ||
                        action.sa_handler == SIG_IGN);
#endif
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_idle_network_lets_uv_run_return),
        CASE(a_hold_keeps_it_until_it_is_released),
        CASE(a_request_that_is_due_keeps_it),
        CASE(threads_talk_to_callbacks_of_the_loop),
        CASE(what_is_sent_right_before_the_loop_sleeps_wakes_it),
        CASE(networks_of_a_loop_share_an_engine),
        CASE(a_link_of_microseconds_is_on_time),
        CASE(the_thread_of_the_loop_cannot_block),
        CASE(the_loop_may_run_on_another_thread),
        CASE(closing_before_the_loop_ever_ran),
        CASE(closing_without_a_callback_ends_with_the_next_run),
        CASE(closing_from_a_callback),
        CASE(closing_ends_what_threads_wait_for),
        CASE(closing_with_packets_on_their_way),
        CASE(the_callback_may_make_the_next),
        CASE(a_refused_network_leaves_the_loop_alone),
        CASE(every_failed_allocation_is_survived),
        CASE(its_descriptors_are_closed_on_exec_and_in_the_end),
        CASE(descriptors_that_run_out_are_said),
        CASE(no_signal_handler_is_installed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
