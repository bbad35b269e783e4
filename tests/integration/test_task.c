/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * One program in three worlds: threads over the kernel, threads on a network in
 * real time, coroutines under a clock. Each case is a function that is given a
 * server's and a client's namespace, and is run in all three.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/socks.h"
#include "tests/lib/units.h"

#define FOR_EVER (UINT64_MAX - 1)

/* Tasks at once: more than there are guard pages. */
#define MANY 17000u

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WITH_TSAN
#endif
#endif
#if defined(__SANITIZE_THREAD__) && !defined(WITH_TSAN)
#define WITH_TSAN
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(WITH_ASAN)
#define WITH_ASAN
#endif

enum kind { KERNEL, REAL, VIRTUAL, N_KINDS };

struct world {
    enum kind kind;
    struct gn_clock *clock;
    struct gn_network *net;
    struct gn_namespace *server, *client;
    struct gn_test_heap heap;
};

static void world_open_network(struct world *w)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {
        .size = sizeof(config),
        .prefixes = prefixes,
        .drive = w->clock ? GN_DRIVE_VIRTUAL : GN_DRIVE_THREAD,
        .clock = w->clock,
        .alloc = w->clock ? NULL : &w->heap.alloc};
    struct gn_namespace_config server = {.size = sizeof(server),
                                         .name = "server"};
    struct gn_namespace_config client = {.size = sizeof(client),
                                         .name = "client"};

    assert_int_equal(gn_network_create(&config, &w->net), 0);
    assert_int_equal(gn_namespace_create(w->net, &server, &w->server), 0);
    assert_int_equal(gn_namespace_create(w->net, &client, &w->client), 0);
}

static void world_open(struct world *w, enum kind kind)
{
    struct gn_clock_config config = {.size = sizeof(config),
                                     .alloc = &w->heap.alloc};

    memset(w, 0, sizeof(*w));
    w->kind = kind;
    gn_test_heap_init(&w->heap);
    if (kind == KERNEL) {
        assert_int_equal(gn_namespace_system(&w->server), 0);
        assert_int_equal(gn_namespace_system(&w->client), 0);
        return;
    }
    if (kind == VIRTUAL)
        assert_int_equal(gn_clock_create(&config, &w->clock), 0);
    world_open_network(w);
}

static void world_close(struct world *w)
{
    if (w->kind == KERNEL) {
        gn_namespace_close(w->server, 0, NULL, NULL);
        gn_namespace_close(w->client, 0, NULL, NULL);
    }
    gn_network_close(w->net, NULL, NULL);
    gn_clock_close(w->clock);
    gn_test_heap_done(&w->heap);
}

static struct gn_task *task(struct gn_namespace *ns, gn_task_fn fn, void *arg)
{
    struct gn_task *started;

    assert_int_equal(gn_task_start(ns, NULL, fn, arg, &started), 0);
    return started;
}

/* The main task; under a clock it is what the clock runs. */
static void world_run(struct world *w, gn_task_fn fn, void *arg)
{
    struct gn_sim_report report = {.size = sizeof(report)};
    struct gn_task *main_task = task(w->client, fn, arg);
    int result;

    if (w->clock) {
        assert_int_equal(gn_clock_run(w->clock, FOR_EVER, &report), 0);
        if (report.end != GN_SIM_DONE)
            fail_msg("%d: %s", report.end, report.text);
    }
    assert_int_equal(gn_task_join(main_task, &result), 0);
    assert_int_equal(result, 0);
}

static struct gn_sim_report run_for(struct world *w, uint64_t ns)
{
    struct gn_sim_report report = {.size = sizeof(report)};

    assert_int_equal(
        gn_clock_run(w->clock, gn_clock_now_ns(w->clock) + ns, &report), 0);
    return report;
}

static void in_all_worlds(gn_task_fn fn)
{
    struct world w;
    enum kind kind;

    for (kind = KERNEL; kind < N_KINDS; kind++) {
        world_open(&w, kind);
        world_run(&w, fn, &w);
        world_close(&w);
    }
}

/* Assertions of cmocka's jump; in tasks a wrong result is the task's. */
#define WANT(condition)                                                 \
    do {                                                                \
        if (!(condition)) {                                             \
            print_error("%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            return 1;                                                   \
        }                                                               \
    } while (0)

/* ---- sockets ---- */

static int echo_one(void *arg)
{
    struct gn_sock *listener = arg, *sock;
    char buf[64];
    ssize_t n;

    WANT(gn_sock_accept(listener, NULL, NULL, 0, &sock) == 0);
    while ((n = gn_sock_recv(sock, buf, sizeof(buf), 0)) > 0)
        WANT(gn_sock_send(sock, buf, (size_t)n, 0) == n);
    WANT(n == 0);
    drop(sock);
    return 7;
}

static int talk_to_echo(void *arg)
{
    struct world *w = arg;
    const char *at = w->kind == KERNEL ? "127.0.0.1:0" : "10.77.0.2:0";
    struct gn_sock *listener, *sock;
    struct gn_task *server;
    char buf[8];
    int i, result;

    WANT(gn_sock_listen_at(w->server, "tcp4", at, 1, NULL, 0, &listener) == 0);
    WANT(gn_task_start(w->server, NULL, echo_one, listener, &server) == 0);
    WANT(gn_sock_dial(w->client, "tcp", name_of(listener), 0, NULL, 0, &sock) ==
         0);
    for (i = 0; i < 100; i++) {
        WANT(gn_sock_send(sock, "question", 8, 0) == 8);
        WANT(gn_sock_recv(sock, buf, 8, MSG_WAITALL) == 8);
        WANT(!memcmp(buf, "question", 8));
    }
    WANT(gn_sock_shutdown(sock, SHUT_WR) == 0);
    WANT(gn_sock_recv(sock, buf, 8, 0) == 0);
    WANT(gn_task_join(server, &result) == 0 && result == 7);
    drop(sock);
    drop(listener);
    return 0;
}

static void sockets_block_in_tasks(void **state)
{
    (void)state;
    in_all_worlds(talk_to_echo);
}

static int poll_and_time_out(void *arg)
{
    struct world *w = arg;
    struct timeval wait = {.tv_usec = 1000};
    struct gn_pollfd pfd = {.events = POLLIN};
    struct gn_sock *sock;
    char byte;

    WANT(gn_sock_open(w->client, AF_INET, SOCK_DGRAM, 0, &sock) == 0);
    pfd.sock = sock;
    WANT(gn_sock_poll(&pfd, 1, 2) == 0);
    WANT(gn_sock_setopt(sock, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) ==
         0);
    WANT(gn_sock_recv(sock, &byte, 1, 0) == -EAGAIN);
    drop(sock);
    return 0;
}

static void time_outs_end_waits(void **state)
{
    (void)state;
    in_all_worlds(poll_and_time_out);
}

static int look_up(void *arg)
{
    struct world *w = arg;
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;

    WANT(gn_getaddrinfo(w->client, w->kind == KERNEL ? "localhost" : "server",
                        "80", &hints, &found) == 0);
    gn_freeaddrinfo(found);
    return 0;
}

static void names_are_looked_up_in_tasks(void **state)
{
    (void)state;
    in_all_worlds(look_up);
}

/* ---- mutexes and conditions ---- */

struct counter {
    struct gn_mutex mutex;
    struct gn_cond changed;
    unsigned n, wanted;
    struct gn_namespace *ns;
};

static int count_up(void *arg)
{
    struct counter *counter = arg;
    unsigned i, before;

    for (i = 0; i < 50; i++) {
        WANT(gn_mutex_lock(&counter->mutex) == 0);
        WANT(gn_mutex_lock(&counter->mutex) == -EDEADLK);
        before = counter->n;
        WANT(gn_sleep_ns(counter->ns, 1000) == 0); /* Others try. */
        counter->n = before + 1;
        gn_cond_signal(&counter->changed);
        gn_mutex_unlock(&counter->mutex);
    }
    return 0;
}

static int count_by_four(void *arg)
{
    struct world *w = arg;
    struct counter counter = {.ns = w->client};
    struct gn_task *tasks[4];
    int i, result;

    for (i = 0; i < 4; i++)
        WANT(gn_task_start(w->client, NULL, count_up, &counter, &tasks[i]) ==
             0);
    WANT(gn_mutex_lock(&counter.mutex) == 0);
    while (counter.n < 200)
        WANT(gn_cond_wait(&counter.changed, &counter.mutex, 0) == 0);
    gn_mutex_unlock(&counter.mutex);
    for (i = 0; i < 4; i++)
        WANT(gn_task_join(tasks[i], &result) == 0 && result == 0);
    return 0;
}

static void a_mutex_is_for_one(void **state)
{
    (void)state;
    in_all_worlds(count_by_four);
}

static int wait_in_vain(void *arg)
{
    struct gn_cond cond = {{NULL}};
    struct gn_mutex mutex = {{NULL}};

    (void)arg;
    WANT(gn_cond_wait(&cond, &mutex, 1) == -EPERM);
    WANT(gn_mutex_lock(&mutex) == 0);
    WANT(gn_cond_wait(&cond, &mutex, 1000000) == -ETIMEDOUT);
    gn_mutex_unlock(&mutex);
    gn_mutex_unlock(&mutex); /* Nothing. */
    gn_cond_broadcast(&cond);
    WANT(gn_mutex_lock(NULL) == -EINVAL);
    return 0;
}

static void conditions_time_out(void **state)
{
    (void)state;
    in_all_worlds(wait_in_vain);
}

/* ---- ends ---- */

static int wait_for_ever(void *arg)
{
    struct world *w = arg;

    return gn_sleep_ns(w->server, UINT64_MAX);
}

static int kill_server(void *arg)
{
    struct world *w = arg;
    struct gn_task *waiting;
    int result;

    WANT(gn_task_start(w->server, NULL, wait_for_ever, w, &waiting) == 0);
    gn_namespace_kill(w->server);
    WANT(gn_task_join(waiting, &result) == 0);
    WANT(result == -ECANCELED);
    WANT(gn_task_start(w->server, NULL, wait_for_ever, w, NULL) == -ECANCELED);
    return 0;
}

static void a_killed_guest_s_tasks_are_told(void **state)
{
    (void)state;
    in_all_worlds(kill_server);
}

static int say_who(void *arg)
{
    struct world *w = arg;

    WANT(gn_task_namespace() == w->client);
    WANT(gn_task_name()[0]);
    WANT(gn_task_join(NULL, NULL) == -EINVAL);
    return 0;
}

static void a_task_knows_itself(void **state)
{
    (void)state;
    assert_null(gn_task_namespace());
    assert_string_equal(gn_task_name(), "");
    in_all_worlds(say_who);
}

static int count_later(void *arg)
{
    uint32_t *n = arg;

    WANT(gn_sleep_ns(gn_task_namespace(), GN_S) == 0);
    ++*n;
    return 0;
}

static void many_tasks_wait_at_once(void **state)
{
    uint32_t n_tasks = MANY, n_woken = 0, i;
    struct gn_sim_report report;
    struct world w;

    (void)state;
#ifdef WITH_TSAN
    n_tasks = 1000;
    print_message("skipped: %u of %u tasks; ThreadSanitizer takes 860 KiB for "
                  "each\n",
                  MANY - n_tasks, MANY);
#endif
    world_open(&w, VIRTUAL);
    for (i = 0; i < n_tasks; i++)
        assert_int_equal(
            gn_task_start(w.client, NULL, count_later, &n_woken, NULL), 0);
    report = run_for(&w, GN_S);
    assert_int_equal(report.end, GN_SIM_DONE);
    assert_int_equal(n_woken, n_tasks);
    world_close(&w);
}

static int keep_errno(void *arg)
{
    struct world *w = arg;
    int i;

    for (i = 0; i < 3; i++) {
        errno = 1000 + w->kind;
        WANT(gn_sleep_ns(w->client, 1000) == 0);
        WANT(errno == 1000 + (int)w->kind);
    }
    return 0;
}

static void errno_is_a_task_s_own(void **state)
{
    (void)state;
    in_all_worlds(keep_errno);
}

static void bad_arguments_are_refused(void **state)
{
    char why[128];
    struct gn_task_config small = {.size = sizeof(small),
                                   .stack_bytes = 100,
                                   .why = why,
                                   .why_len = sizeof(why)};
    struct gn_task_config named = {
        .size = sizeof(named),
        .name = "a name that is longer than thirty-one bytes",
        .why = why,
        .why_len = sizeof(why)};
    struct world w;
    struct gn_mutex mutex = {{NULL}};

    (void)state;
    world_open(&w, VIRTUAL);
    assert_int_equal(gn_task_start(NULL, NULL, say_who, &w, NULL), -EINVAL);
    assert_int_equal(gn_task_start(w.client, NULL, NULL, &w, NULL), -EINVAL);
    assert_int_equal(gn_task_start(w.client, &small, say_who, &w, NULL),
                     -EINVAL);
    assert_string_equal(
        why, "stack_bytes 100: at least 16384, or 0 for the default");
    assert_int_equal(gn_task_start(w.client, &named, say_who, &w, NULL),
                     -EINVAL);
    assert_string_equal(why, "name \"a name that is longer than thirty-one "
                             "bytes\": at most 31 bytes");
    assert_int_equal(gn_task_start(w.client, &small, NULL, &w, NULL), -EINVAL);
    assert_string_equal(why, "fn is NULL");
    assert_int_equal(gn_mutex_lock(&mutex), -EPERM);
    assert_int_equal(gn_clock_run(NULL, 0, NULL), -EINVAL);
    world_close(&w);
}

/* ---- the clock's reports ---- */

static int accept_in_vain(void *arg)
{
    struct gn_sock *sock;

    return gn_sock_accept(arg, NULL, NULL, 0, &sock);
}

static void a_deadlock_says_who_waits_for_what(void **state)
{
    struct gn_task_config named = {.size = sizeof(named), .name = "server"};
    struct gn_sim_report report;
    struct gn_sock *listener;
    struct world w;

    (void)state;
    world_open(&w, VIRTUAL);
    assert_int_equal(gn_sock_listen_at(w.server, "tcp4", "10.77.0.2:80", 1,
                                       NULL, 0, &listener),
                     0);
    assert_int_equal(
        gn_task_start(w.server, &named, accept_in_vain, listener, NULL), 0);
    report = run_for(&w, GN_S);
    assert_int_equal(report.end, GN_SIM_DEADLOCK);
    assert_string_equal(report.text,
                        "server/server waits in accept at 10.77.0.2:80");
    drop(listener);
    world_close(&w);
}

static struct {
    struct gn_mutex one, other, left;
    struct gn_task *first;
} held;

static int lock_both(struct gn_mutex *one, struct gn_mutex *other)
{
    WANT(!gn_mutex_lock(one));
    WANT(!gn_sleep_ns(gn_task_namespace(), 1000));
    return gn_mutex_lock(other);
}

static int lock_forwards(void *arg)
{
    (void)arg;
    return lock_both(&held.one, &held.other);
}

static int lock_backwards(void *arg)
{
    (void)arg;
    return lock_both(&held.other, &held.one);
}

static int join_first(void *arg)
{
    (void)arg;
    return gn_task_join(held.first, NULL);
}

static int lock_left(void *arg)
{
    (void)arg;
    return gn_mutex_lock(&held.left);
}

static void a_deadlock_names_the_tasks_that_are_waited_for(void **state)
{
    struct gn_sim_report report;
    struct world w;

    (void)state;
    memset(&held, 0, sizeof(held));
    world_open(&w, VIRTUAL);
    held.first = task(w.client, lock_forwards, NULL);
    assert_int_equal(gn_task_start(w.server, NULL, lock_backwards, NULL, NULL),
                     0);
    assert_int_equal(gn_task_start(w.client, NULL, join_first, NULL, NULL), 0);
    assert_int_equal(gn_task_start(w.client, NULL, lock_left, NULL, NULL), 0);
    assert_int_equal(gn_task_start(w.client, NULL, lock_left, NULL, NULL), 0);
    report = run_for(&w, GN_S);
    assert_int_equal(report.end, GN_SIM_DEADLOCK);
    assert_string_equal(
        report.text,
        "client/task1 waits in lock a mutex, which server/task2 has\n"
        "server/task2 waits in lock a mutex, which client/task1 has\n"
        "client/task3 waits in join for client/task1\n"
        "client/task5 waits in lock a mutex, which a task that has ended has");
    world_close(&w);
}

static int sleep_an_hour(void *arg)
{
    struct world *w = arg;

    return gn_sleep_ns(w->client, 3600 * GN_S);
}

static void a_run_ends_at_its_deadline(void **state)
{
    struct gn_sim_report report;
    struct gn_task *sleeping;
    struct world w;
    uint64_t begin;

    (void)state;
    world_open(&w, VIRTUAL);
    begin = gn_clock_now_ns(w.clock);
    sleeping = task(w.client, sleep_an_hour, &w);
    report = run_for(&w, 60 * GN_S);
    assert_int_equal(report.end, GN_SIM_DEADLINE);
    assert_int_equal(gn_clock_now_ns(w.clock), begin + 60 * GN_S);
    assert_int_equal(gn_task_join(sleeping, NULL), -EDEADLK);
    report = run_for(&w, 3600 * GN_S);
    assert_int_equal(report.end, GN_SIM_DONE);
    assert_int_equal(gn_clock_now_ns(w.clock), begin + 3600 * GN_S);
    assert_int_equal(gn_task_join(sleeping, NULL), 0);
    world_close(&w);
}

static int spin(void *arg)
{
    struct gn_sock *sock = arg;
    char byte;

    while (gn_sock_recv(sock, &byte, 1, MSG_DONTWAIT) == -EAGAIN)
        continue;
    return 0;
}

/* Waits for a time that only a sleep would bring. */
static int watch_time(void *arg)
{
    struct world *w = arg;
    uint64_t until = gn_now_ns(w->client) + 1;

    while (gn_now_ns(w->client) < until)
        continue;
    return 0;
}

static int watch_wall(void *arg)
{
    struct world *w = arg;
    uint64_t until = gn_wall_ns(w->client) + 1;

    while (gn_wall_ns(w->client) < until)
        continue;
    return 0;
}

static int log_on(void *arg)
{
    (void)arg;
    while (gn_task_namespace())
        gn_sim_log("still here");
    return 0;
}

static int hope(void *arg)
{
    (void)arg;
    while (!gn_sim_chance("never", 0))
        continue;
    return 0;
}

static void every_call_counts_for_a_livelock(void **state)
{
    static const gn_task_fn loops[] = {watch_time, watch_wall, log_on, hope};
    struct gn_sim_report report;
    struct world w;
    size_t i;

    (void)state;
    for (i = 0; i < 4; i++) {
        world_open(&w, VIRTUAL);
        assert_int_equal(gn_task_start(w.client, NULL, loops[i], &w, NULL), 0);
        report = run_for(&w, GN_S);
        assert_int_equal(report.end, GN_SIM_LIVELOCK);
        assert_string_equal(
            report.text, "client/task1: time stands still after 100000 calls");
        world_close(&w);
    }
}

static void a_livelock_names_the_task(void **state)
{
    struct gn_sim_report report;
    struct gn_sock *sock;
    struct world w;

    (void)state;
    world_open(&w, VIRTUAL);
    assert_int_equal(gn_sock_open(w.client, AF_INET, SOCK_DGRAM, 0, &sock), 0);
    assert_int_equal(gn_task_start(w.client, NULL, spin, sock, NULL), 0);
    report = run_for(&w, GN_S);
    assert_int_equal(report.end, GN_SIM_LIVELOCK);
    assert_string_equal(report.text,
                        "client/task1: time stands still after 100000 calls");
    drop(sock);
    world_close(&w);
}

static int fail_at_once(void *arg)
{
    struct world *w = arg;

    gn_sim_fail("%s is wrong", w->kind == VIRTUAL ? "everything" : "nothing");
}

static void a_failed_task_does_not_go_on(void **state)
{
    struct gn_sim_report report;
    struct gn_task *failing;
    struct world w;

    (void)state;
    world_open(&w, VIRTUAL);
    failing = task(w.client, fail_at_once, &w);
    report = run_for(&w, GN_S);
    assert_int_equal(report.end, GN_SIM_FAILED);
    assert_string_equal(report.text, "client/task1: everything is wrong");
    assert_int_equal(gn_task_join(failing, NULL), -EDEADLK);
    gn_network_close(w.net, NULL, NULL);
    gn_clock_close(w.clock);
    assert_int_equal(gn_task_join(failing, NULL), -ECANCELED);
    gn_test_heap_done(&w.heap);
}

static int run_inside(void *arg)
{
    struct world *w = arg;

    WANT(gn_clock_run(w->clock, 0, NULL) == -EDEADLK);
    return 0;
}

static void a_task_does_not_run_the_clock(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, VIRTUAL);
    world_run(&w, run_inside, &w);
    world_close(&w);
}

static int daemon_main(void *arg)
{
    struct world *w = arg;

    while (!gn_sleep_ns(w->client, GN_S))
        continue;
    return 0;
}

static void daemons_are_not_waited_for(void **state)
{
    struct gn_task_config config = {.size = sizeof(config), .daemon = true};
    struct gn_sim_report report;
    struct world w;

    (void)state;
    world_open(&w, VIRTUAL);
    assert_int_equal(gn_task_start(w.client, &config, daemon_main, &w, NULL),
                     0);
    assert_int_equal(gn_task_start(w.client, NULL, say_who, &w, NULL), 0);
    report = run_for(&w, 10 * GN_S);
    assert_int_equal(report.end, GN_SIM_DONE);
    world_close(&w);
}

/* ---- a longjmp() ---- */

static jmp_buf outside;

static int jump_out(void *arg)
{
    struct world *w = arg;

    WANT(gn_sleep_ns(w->client, GN_S) == 0);
    longjmp(outside, 1);
}

static void run_again(struct world *w)
{
    (void)gn_clock_run(w->clock, FOR_EVER, NULL);
}

static void wait_outside(struct world *w)
{
    (void)gn_sleep_ns(w->client, GN_S);
}

static void close_all(struct world *w)
{
    gn_network_close(w->net, NULL, NULL);
    gn_clock_close(w->clock);
}

/* In a process of its own, which ends by that. */
static void leave_a_task(void (*then)(struct world *w), int fd)
{
    struct world w;

    (void)dup2(fd, STDERR_FILENO);
    world_open(&w, VIRTUAL);
    assert_int_equal(gn_task_start(w.client, NULL, jump_out, &w, NULL), 0);
    assert_int_equal(gn_task_start(w.server, NULL, sleep_an_hour, &w, NULL), 0);
    if (!setjmp(outside))
        (void)gn_clock_run(w.clock, FOR_EVER, NULL);
    (void)signal(SIGABRT, SIG_DFL); /* cmocka has handlers. */
    then(&w);
    _exit(0);
}

static void a_task_that_was_left_is_named(void **state)
{
    static void (*const thens[])(struct world * w) = {run_again, wait_outside,
                                                      close_all};
    char said[256];
    int fd, status;
    ssize_t len;
    size_t i;
    pid_t pid;

    (void)state;
#if defined(WITH_TSAN) || defined(WITH_ASAN)
    print_message("skipped: sanitizers die of such a longjmp() themselves\n");
    skip();
#endif
    for (i = 0; i < 3; i++) {
        fd = memfd_create("said", 0);
        assert_true(fd >= 0);
        pid = fork();
        assert_true(pid >= 0);
        if (!pid)
            leave_a_task(thens[i], fd);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        len = pread(fd, said, sizeof(said) - 1, 0);
        said[len > 0 ? len : 0] = '\0';
        assert_string_equal(said,
                            "guestnet: client/task1 has left its function "
                            "by longjmp(); say gn_sim_fail() there, or "
                            "return\n");
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        (void)close(fd);
    }
}

/* ---- the same run ---- */

static int chat(void *arg)
{
    gn_sim_log("begins");
    return talk_to_echo(arg);
}

static struct gn_sim_report run_seed(uint64_t seed)
{
    struct gn_clock_config config = {.size = sizeof(config), .seed = seed};
    struct gn_link_config line = {.size = sizeof(line),
                                  .latency_us = 5000,
                                  .jitter_us = 1000,
                                  .loss_ppm = 50000};
    struct gn_sim_report report = {.size = sizeof(report)};
    struct world w = {.kind = VIRTUAL};

    gn_test_heap_init(&w.heap);
    assert_int_equal(gn_clock_create(&config, &w.clock), 0);
    world_open_network(&w);
    assert_int_equal(gn_link_set(w.client, NULL, &line), 0);
    assert_int_equal(gn_task_start(w.client, NULL, chat, &w, NULL), 0);
    assert_int_equal(gn_clock_run(w.clock, FOR_EVER, &report), 0);
    assert_int_equal(report.end, GN_SIM_DONE);
    world_close(&w);
    return report;
}

static void a_seed_is_one_run(void **state)
{
    struct gn_sim_report first = run_seed(1), again = run_seed(1);
    struct gn_sim_report other = run_seed(2);

    (void)state;
    assert_memory_equal(first.digest, again.digest, sizeof(first.digest));
    assert_memory_not_equal(first.digest, other.digest, sizeof(first.digest));
    assert_int_equal(first.now_ns, again.now_ns);
    assert_int_equal(first.switches, again.switches);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_block_in_tasks),
        cmocka_unit_test(time_outs_end_waits),
        cmocka_unit_test(names_are_looked_up_in_tasks),
        cmocka_unit_test(a_mutex_is_for_one),
        cmocka_unit_test(conditions_time_out),
        cmocka_unit_test(a_killed_guest_s_tasks_are_told),
        cmocka_unit_test(a_task_knows_itself),
        cmocka_unit_test(many_tasks_wait_at_once),
        cmocka_unit_test(errno_is_a_task_s_own),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(a_deadlock_says_who_waits_for_what),
        cmocka_unit_test(a_deadlock_names_the_tasks_that_are_waited_for),
        cmocka_unit_test(a_run_ends_at_its_deadline),
        cmocka_unit_test(a_livelock_names_the_task),
        cmocka_unit_test(every_call_counts_for_a_livelock),
        cmocka_unit_test(a_failed_task_does_not_go_on),
        cmocka_unit_test(a_task_does_not_run_the_clock),
        cmocka_unit_test(daemons_are_not_waited_for),
        cmocka_unit_test(a_task_that_was_left_is_named),
        cmocka_unit_test(a_seed_is_one_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
