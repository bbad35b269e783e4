/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * No wake-up is lost: 64 threads on 32 namespaces whose calls have no
 * time-outs, so that a thread that sleeps where it should have been woken
 * sleeps for ever, and the watchdog ends the test. What ends a call is always
 * another thread: bytes, connections, a shutdown, a close, a kill, a reset.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/seed.h"
#include "tests/lib/socks.h"
#include "tests/lib/watchdog.h"

#define N_NAMESPACES 32u
#define N_WORKERS    64u
#define N_ROUNDS     200u
#define N_DIALS      60u
#define N_ENDS       60u

struct arena {
    struct gn_network *net[2];
    struct gn_namespace *ns[N_NAMESPACES];
    struct gn_test_seed seed;
};

struct worker {
    struct arena *arena;
    unsigned number;
    struct gn_test_seed random;
    struct gn_sock *sock; /* what it works with */
    struct gn_sock *more[3];
    pthread_t thread;
    _Atomic unsigned begun; /* rounds */
};

static struct arena arena;
static struct worker workers[N_WORKERS];

/* ---- the arena ---- */

static int setup(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    unsigned i;

    (void)state;
    memset(&arena, 0, sizeof(arena));
    memset(workers, 0, sizeof(workers));
    gn_test_seed_init(&arena.seed);
    for (i = 0; i < 2; i++)
        assert_int_equal(gn_network_create(&config, &arena.net[i]), 0);
    for (i = 0; i < N_NAMESPACES; i++)
        assert_int_equal(
            gn_namespace_create(arena.net[i % 2], NULL, &arena.ns[i]), 0);
    for (i = 0; i < N_WORKERS; i++) {
        workers[i].arena = &arena;
        workers[i].number = i;
        workers[i].random.state = gn_test_random(&arena.seed);
    }
    watchdog_begin(N_WORKERS);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    watchdog_end();
    gn_network_close(arena.net[0], NULL, NULL);
    gn_network_close(arena.net[1], NULL, NULL);
    return 0;
}

static void doing(const struct worker *w, const char *what)
{
    watchdog_doing(w->number, what);
}

static void start(struct worker *w, void *(*main)(void *arg))
{
    assert_int_equal(pthread_create(&w->thread, NULL, main, w), 0);
}

static void join_all(void)
{
    unsigned i;

    for (i = 0; i < N_WORKERS; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
}

/* 16 guests a network, from .2 on. */
static void address_of(unsigned ns, unsigned port, char *text, size_t cap)
{
    (void)snprintf(text, cap, "10.77.0.%u:%u", 2 + ns / 2, port);
}

static struct gn_sock *open_in(struct gn_namespace *ns, int type)
{
    struct gn_sock *sock;

    assert_int_equal(gn_sock_open(ns, AF_INET, type, 0, &sock), 0);
    return sock;
}

static struct gn_sock *listen_in(unsigned ns, unsigned port)
{
    struct gn_sock *sock = open_in(arena.ns[ns], SOCK_STREAM);
    char address[32];

    address_of(ns, port, address, sizeof(address));
    assert_int_equal(bind_to(sock, address), 0);
    assert_int_equal(gn_sock_listen(sock, 64), 0);
    return sock;
}

/* A stream from @from to @to, which listens at @listener. */
static void connect_two(struct gn_sock *listener, unsigned from, unsigned to,
                        unsigned port, struct gn_sock **client,
                        struct gn_sock **server)
{
    char address[32];

    *client = open_in(arena.ns[from], SOCK_STREAM);
    address_of(to, port, address, sizeof(address));
    assert_int_equal(connect_to(*client, address), 0);
    assert_int_equal(gn_sock_accept(listener, NULL, NULL, 0, server), 0);
}

/* Workers 2i and 2i + 1 get the ends of a stream between two namespaces. */
static void give_pairs(void)
{
    struct gn_sock *listener;
    unsigned i;

    for (i = 0; i < N_WORKERS; i += 2) {
        unsigned from = i / 2, to = (i / 2 + 2) % N_NAMESPACES;

        listener = listen_in(to, 7000);
        connect_two(listener, from, to, 7000, &workers[i].sock,
                    &workers[i + 1].sock);
        drop(listener);
    }
}

/* ---- ping-pong ---- */

static void *ping_main(void *arg)
{
    struct worker *w = arg;
    bool serves = w->number % 2;
    unsigned round, value;

    for (round = 0; round < N_ROUNDS; round++) {
        if (!serves) {
            doing(w, "ping: send");
            assert_int_equal(gn_sock_send(w->sock, &round, sizeof(round), 0),
                             sizeof(round));
        }
        doing(w, "ping: receive");
        assert_int_equal(
            gn_sock_recv(w->sock, &value, sizeof(value), MSG_WAITALL),
            sizeof(value));
        assert_int_equal(value, round);
        if (serves) {
            doing(w, "ping: answer");
            assert_int_equal(gn_sock_send(w->sock, &round, sizeof(round), 0),
                             sizeof(round));
        }
    }
    doing(w, "ping: done");
    drop(w->sock);
    return NULL;
}

static void streams_play_ping_pong(void **state)
{
    unsigned i;

    (void)state;
    give_pairs();
    for (i = 0; i < N_WORKERS; i++)
        start(&workers[i], ping_main);
    join_all();
}

static void datagrams_play_ping_pong(void **state)
{
    char address[32];
    unsigned i, pass;

    (void)state;
    for (pass = 0; pass < 2; pass++) {
        for (i = 0; i < N_WORKERS; i++) {
            unsigned ns = i / 2 + (i % 2) * 2;

            if (pass == 0) {
                workers[i].sock =
                    open_in(arena.ns[ns % N_NAMESPACES], SOCK_DGRAM);
                address_of(ns % N_NAMESPACES, 6000 + i, address,
                           sizeof(address));
                assert_int_equal(bind_to(workers[i].sock, address), 0);
            } else {
                ns = i / 2 + (1 - i % 2) * 2;
                address_of(ns % N_NAMESPACES, 6000 + (i ^ 1), address,
                           sizeof(address));
                assert_int_equal(connect_to(workers[i].sock, address), 0);
            }
        }
    }
    for (i = 0; i < N_WORKERS; i++)
        start(&workers[i], ping_main);
    join_all();
}

/* The same, but a thread learns by gn_sock_poll() that it has been answered,
 * among sockets on which nothing ever happens. */
static void *poll_main(void *arg)
{
    struct worker *w = arg;
    bool serves = w->number % 2;
    unsigned round, value, i;
    struct gn_pollfd fds[4];

    for (round = 0; round < N_ROUNDS; round++) {
        if (!serves)
            assert_int_equal(gn_sock_send(w->sock, &round, sizeof(round), 0),
                             sizeof(round));
        for (i = 0; i < 3; i++)
            fds[i] = (struct gn_pollfd){.sock = w->more[i], .events = POLLIN};
        fds[3] = (struct gn_pollfd){.sock = w->sock, .events = POLLIN};
        doing(w, "poll");
        assert_int_equal(gn_sock_poll(fds, 4, -1), 1);
        assert_int_equal(fds[3].revents, POLLIN);
        doing(w, "poll: receive");
        assert_int_equal(
            gn_sock_recv(w->sock, &value, sizeof(value), MSG_DONTWAIT),
            sizeof(value));
        assert_int_equal(value, round);
        if (serves)
            assert_int_equal(gn_sock_send(w->sock, &round, sizeof(round), 0),
                             sizeof(round));
    }
    doing(w, "poll: done");
    return NULL;
}

static void polls_play_ping_pong(void **state)
{
    unsigned i, k;

    (void)state;
    give_pairs();
    for (i = 0; i < N_WORKERS; i++) {
        for (k = 0; k < 3; k++) /* One in three of another network. */
            workers[i].more[k] = open_in(
                arena.ns[(i / 2 + (i % 4 == 0 && k == 1)) % N_NAMESPACES],
                SOCK_DGRAM);
        start(&workers[i], poll_main);
    }
    join_all();
    for (i = 0; i < N_WORKERS; i++) {
        drop(workers[i].sock);
        for (k = 0; k < 3; k++)
            drop(workers[i].more[k]);
    }
}

/* ---- accepting: odd workers accept for their namespace, even ones dial --- */

static void *accept_main(void *arg)
{
    struct worker *w = arg;
    struct gn_sock *child;
    char byte;
    int err;

    for (;;) {
        doing(w, "accept");
        err = gn_sock_accept(w->sock, NULL, NULL, 0, &child);
        if (err)
            break;
        doing(w, "accepted: receive");
        while (gn_sock_recv(child, &byte, 1, 0) == 1) {
            doing(w, "accepted: answer");
            (void)!gn_sock_send(child, &byte, 1, 0);
        }
        drop(child);
    }
    assert_int_equal(err, -EBADF);
    return NULL;
}

static void *dial_main(void *arg)
{
    struct worker *w = arg;
    unsigned i, ns = w->number / 2;
    struct gn_sock *sock;
    char address[32], byte;

    for (i = 0; i < N_DIALS; i++) {
        unsigned target =
            (ns + 2 * (unsigned)gn_test_random_below(&w->random, 16)) %
            N_NAMESPACES;

        sock = open_in(w->arena->ns[ns], SOCK_STREAM);
        address_of(target, 7001, address, sizeof(address));
        doing(w, "dial");
        assert_int_equal(connect_to(sock, address), 0);
        doing(w, "dialled: receive");
        assert_int_equal(send_text(sock, "x"), 1);
        assert_int_equal(gn_sock_recv(sock, &byte, 1, 0), 1);
        drop(sock);
    }
    doing(w, "dial: done");
    return NULL;
}

static void accepts_are_woken(void **state)
{
    unsigned i;

    (void)state;
    for (i = 1; i < N_WORKERS; i += 2)
        workers[i].sock = listen_in(i / 2, 7001);
    for (i = 0; i < N_WORKERS; i++)
        start(&workers[i], i % 2 ? accept_main : dial_main);
    for (i = 0; i < N_WORKERS; i += 2)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    for (i = 1; i < N_WORKERS; i += 2) {
        gn_sock_close(workers[i].sock);
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        gn_sock_unref(workers[i].sock);
    }
}

/* Several in one accept: none of them may sleep beside a connection. */
static void many_accept_from_one_listener(void **state)
{
    struct gn_sock *listeners[2];
    unsigned i;

    (void)state;
    for (i = 0; i < 2; i++)
        listeners[i] = listen_in(i, 7001);
    for (i = 1; i < N_WORKERS; i += 2)
        workers[i].sock = listeners[i / 2 % 2];
    for (i = 2; i < N_NAMESPACES; i++)
        workers[2 * i].more[0] = listen_in(i, 7001);
    for (i = 0; i < N_WORKERS; i++) {
        if (i % 2 && i / 2 >= 2) /* The others' have one of their own. */
            workers[i].sock = workers[i - 1].more[0];
    }
    for (i = 0; i < N_WORKERS; i++)
        start(&workers[i], i % 2 ? accept_main : dial_main);
    for (i = 0; i < N_WORKERS; i += 2)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    for (i = 1; i < N_WORKERS; i += 2)
        gn_sock_close(workers[i].sock);
    for (i = 1; i < N_WORKERS; i += 2)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    for (i = 0; i < 2; i++)
        gn_sock_unref(listeners[i]);
    for (i = 2; i < N_NAMESPACES; i++)
        gn_sock_unref(workers[2 * i].more[0]);
}

/* ---- ends: odd workers block, even ones end what they block in ---- */

enum blocked { RECEIVING, SENDING, ACCEPTING, POLLING, LINGERING, N_BLOCKED };

struct victim {
    struct gn_namespace *ns; /* of its own, that can be killed */
    struct gn_sock *listener, *client, *server;
    enum blocked how;
};

static struct victim victims[N_WORKERS / 2];

static struct victim *victim_of(const struct worker *w)
{
    return &victims[w->number / 2];
}

static void make_victim(struct worker *w, struct victim *v)
{
    unsigned ns = w->number / 2;
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof(addr);

    v->how = (enum blocked)gn_test_random_below(&w->random, N_BLOCKED);
    assert_int_equal(gn_namespace_create(arena.net[ns % 2], NULL, &v->ns), 0);
    v->listener = open_in(v->ns, SOCK_STREAM);
    assert_int_equal(gn_sock_listen(v->listener, 4), 0);
    assert_int_equal(
        gn_sock_name(v->listener, (struct sockaddr *)(void *)&addr, &len), 0);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v->client = open_in(v->ns, SOCK_STREAM);
    assert_int_equal(gn_sock_connect(v->client,
                                     (struct sockaddr *)(void *)&addr,
                                     sizeof(addr)),
                     0);
    assert_int_equal(gn_sock_accept(v->listener, NULL, NULL, 0, &v->server), 0);
}

static void free_victim(struct victim *v)
{
    drop(v->server);
    drop(v->client);
    drop(v->listener);
    gn_namespace_close(v->ns, 0, NULL, NULL);
}

/* Returns when the test has ended it. */
static void block(const struct worker *w, struct victim *v)
{
    static const char data[65536];
    struct gn_pollfd fds[2] = {{.sock = v->client, .events = POLLIN},
                               {.sock = v->listener, .events = POLLIN}};
    struct linger linger = {1, 10000};
    struct gn_sock *child;
    char byte;

    switch (v->how) {
    case RECEIVING:
        doing(w, "blocked: receive");
        while (gn_sock_recv(v->client, &byte, 1, 0) > 0)
            continue;
        break;
    case SENDING:
        doing(w, "blocked: send");
        while (gn_sock_send(v->client, data, sizeof(data), 0) > 0)
            continue;
        break;
    case ACCEPTING:
        doing(w, "blocked: accept");
        while (gn_sock_accept(v->listener, NULL, NULL, 0, &child) == 0)
            drop(child);
        break;
    case POLLING:
        doing(w, "blocked: poll");
        assert_true(gn_sock_poll(fds, 2, -1) > 0);
        break;
    case LINGERING:
    default:
        doing(w, "blocked: close");
        while (gn_sock_send(v->client, data, sizeof(data), MSG_DONTWAIT) > 0)
            continue;
        (void)!gn_sock_setopt(v->client, SOL_SOCKET, SO_LINGER, &linger,
                              sizeof(linger));
        gn_sock_close(v->client);
        break;
    }
}

static void *victim_main(void *arg)
{
    struct worker *w = arg;
    unsigned round;

    for (round = 0; round < N_ENDS; round++) {
        make_victim(w, victim_of(w));
        atomic_store(&w->begun, round + 1);
        block(w, victim_of(w));
        doing(w, "blocked no more");
        while (atomic_load(&workers[w->number - 1].begun) != round + 1)
            (void)poll(NULL, 0, 0);
        free_victim(victim_of(w));
    }
    return NULL;
}

static void reset_server(struct victim *v)
{
    struct linger linger = {1, 0};

    (void)!gn_sock_setopt(v->server, SOL_SOCKET, SO_LINGER, &linger,
                          sizeof(linger));
    gn_sock_close(v->server);
}

/* One that ends a receive, a send, a poll or a close; ACCEPTING ends by what
 * is done to the listener. */
static void end_blocked(struct worker *w, struct victim *v)
{
    switch (gn_test_random_below(&w->random, 4)) {
    case 0:
        doing(w, "end: kill");
        gn_namespace_kill(v->ns);
        break;
    case 1:
        doing(w, "end: reset");
        reset_server(v);
        gn_sock_close(v->listener);
        break;
    case 2:
        doing(w, "end: shut down");
        if (v->how == LINGERING || v->how == SENDING)
            reset_server(v);
        else
            (void)!gn_sock_shutdown(v->client, SHUT_RDWR);
        (void)!gn_sock_shutdown(v->listener, SHUT_RD);
        break;
    default:
        doing(w, "end: close");
        if (v->how == LINGERING) /* It is closed already. */
            reset_server(v);
        gn_sock_close(v->client);
        gn_sock_close(v->listener);
        break;
    }
}

static void *ender_main(void *arg)
{
    struct worker *w = arg;
    unsigned round;

    for (round = 0; round < N_ENDS; round++) {
        while (atomic_load(&workers[w->number + 1].begun) != round + 1)
            (void)poll(NULL, 0, 0);
        if (gn_test_random_below(&w->random, 2))
            (void)poll(NULL, 0, 1);
        end_blocked(w, &victims[w->number / 2]);
        atomic_store(&w->begun, round + 1);
    }
    doing(w, "end: done");
    return NULL;
}

static void ends_wake_whatever_is_blocked(void **state)
{
    unsigned i;

    (void)state;
    for (i = 0; i < N_WORKERS; i++)
        start(&workers[i], i % 2 ? victim_main : ender_main);
    join_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(streams_play_ping_pong),
        CASE(datagrams_play_ping_pong),
        CASE(polls_play_ping_pong),
        CASE(accepts_are_woken),
        CASE(many_accept_from_one_listener),
        CASE(ends_wake_whatever_is_blocked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
