/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * 64 threads on 32 namespaces: connect, accept, echo, shut down, close and
 * kill at random for a bounded number of steps. What is claimed: every call
 * returns, echoes are what was sent, and everything can be closed afterwards.
 *
 * Each namespace has a listener that two of the threads serve; each thread
 * also is a client of others, and now and then closes a socket that another
 * thread may be blocked in. Calls have time-outs, so that a peer that went
 * away silently ends a step, not the test.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <cmocka.h>

#include "tests/lib/seed.h"
#include "tests/lib/socks.h"

#define N_THREADS    64u
#define N_NAMESPACES 32u
#define N_STEPS      40u

struct arena {
    struct gn_network *net[2];
    struct gn_namespace *ns[N_NAMESPACES];
    struct gn_sock *listeners[N_NAMESPACES];
    pthread_mutex_t lock;              /* of shared */
    struct gn_sock *shared[N_THREADS]; /* what others may close */
    _Atomic unsigned echoes;
    _Atomic unsigned kills;
    struct gn_test_seed seed;
};

struct worker {
    struct arena *arena;
    unsigned number;
    struct gn_test_seed random;
};

static uint64_t draw(struct worker *w, uint64_t n)
{
    return gn_test_random_below(&w->random, n);
}

static void set_timeouts(struct gn_sock *sock, int ms)
{
    struct timeval tv = {0, ms * 1000};

    (void)!gn_sock_setopt(sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    (void)!gn_sock_setopt(sock, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

/* Let others close it; returns whether there was room. */
static void share(struct worker *w, struct gn_sock *sock)
{
    struct gn_sock *old;

    pthread_mutex_lock(&w->arena->lock);
    old = w->arena->shared[w->number];
    w->arena->shared[w->number] = gn_sock_ref(sock);
    pthread_mutex_unlock(&w->arena->lock);
    gn_sock_unref(old);
}

static void close_somebodys(struct worker *w)
{
    unsigned victim = (unsigned)draw(w, N_THREADS);
    struct gn_sock *sock;

    pthread_mutex_lock(&w->arena->lock);
    sock = w->arena->shared[victim];
    w->arena->shared[victim] = NULL;
    pthread_mutex_unlock(&w->arena->lock);
    gn_sock_close(sock);
    gn_sock_unref(sock);
}

static void serve(struct worker *w)
{
    struct gn_sock *sock;
    char buf[4096];
    ssize_t n;

    if (gn_sock_accept(w->arena->listeners[w->number % N_NAMESPACES], NULL,
                       NULL, 0, &sock))
        return;
    set_timeouts(sock, 20);
    share(w, sock);
    while ((n = gn_sock_recv(sock, buf, sizeof(buf), 0)) > 0) {
        if (gn_sock_send(sock, buf, (size_t)n, 0) < 0)
            break;
    }
    if (draw(w, 2))
        (void)!gn_sock_shutdown(sock, SHUT_RDWR);
    drop(sock);
}

static void address_of(unsigned number, char *text, size_t cap)
{
    /* 16 guests a network, from .2 on. */
    (void)snprintf(text, cap, "10.77.0.%u:%u", 2 + number / 2, 7000 + number);
}

static void exchange(struct worker *w, struct gn_sock *sock)
{
    char out[3000], in[3000];
    size_t len = 1 + (size_t)draw(w, sizeof(out));
    ssize_t n;

    memset(out, (int)draw(w, 256), len);
    if (gn_sock_send(sock, out, len, 0) != (ssize_t)len)
        return;
    n = gn_sock_recv(sock, in, len, MSG_WAITALL);
    if (n != (ssize_t)len)
        return;
    assert_memory_equal(in, out, len);
    atomic_fetch_add(&w->arena->echoes, 1);
}

static void call(struct worker *w)
{
    unsigned own = w->number % N_NAMESPACES;
    unsigned target = (unsigned)draw(w, N_NAMESPACES / 2) * 2 + own % 2;
    struct gn_sock *sock;
    char address[32];

    if (gn_sock_open(w->arena->ns[own], AF_INET, SOCK_STREAM, 0, &sock))
        return;
    set_timeouts(sock, 20);
    share(w, sock);
    address_of(target, address, sizeof(address));
    if (connect_to(sock, address) == 0) {
        exchange(w, sock);
        if (draw(w, 3) == 0)
            (void)!gn_sock_shutdown(sock, SHUT_WR);
    }
    drop(sock);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    unsigned step;

    for (step = 0; step < N_STEPS; step++) {
        switch (draw(w, 8)) {
        case 0:
            close_somebodys(w);
            break;
        case 1:
        case 2:
        case 3:
            call(w);
            break;
        default:
            serve(w);
            break;
        }
    }
    if (w->number % 16 == 5) {
        gn_namespace_kill(w->arena->ns[w->number % N_NAMESPACES]);
        atomic_fetch_add(&w->arena->kills, 1);
    }
    return NULL;
}

static void build(struct arena *arena)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    char address[32];
    unsigned i;

    for (i = 0; i < 2; i++)
        assert_int_equal(gn_network_create(&config, &arena->net[i]), 0);
    for (i = 0; i < N_NAMESPACES; i++) {
        struct gn_sock *sock;

        assert_int_equal(
            gn_namespace_create(arena->net[i % 2], NULL, &arena->ns[i]), 0);
        assert_int_equal(
            gn_sock_open(arena->ns[i], AF_INET, SOCK_STREAM, 0, &sock), 0);
        set_timeouts(sock, 5);
        address_of(i, address, sizeof(address));
        assert_int_equal(bind_to(sock, address), 0);
        assert_int_equal(gn_sock_listen(sock, 64), 0);
        arena->listeners[i] = sock;
    }
}

static void many_threads_on_many_namespaces(void **state)
{
    static struct arena arena;
    static struct worker workers[N_THREADS];
    pthread_t threads[N_THREADS];
    unsigned i;

    (void)state;
    gn_test_seed_init(&arena.seed);
    pthread_mutex_init(&arena.lock, NULL);
    build(&arena);
    for (i = 0; i < N_THREADS; i++) {
        workers[i].arena = &arena;
        workers[i].number = i;
        workers[i].random.state = gn_test_random(&arena.seed);
        assert_int_equal(
            pthread_create(&threads[i], NULL, worker_main, &workers[i]), 0);
    }
    for (i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    print_message("%u echoes, %u kills\n", arena.echoes, arena.kills);
    assert_true(arena.echoes > N_THREADS);
    for (i = 0; i < N_THREADS; i++)
        gn_sock_unref(arena.shared[i]);
    for (i = 0; i < N_NAMESPACES; i++)
        drop(arena.listeners[i]);
    gn_network_close(arena.net[0], NULL, NULL);
    gn_network_close(arena.net[1], NULL, NULL);
}

/* Datagrams and descriptors from many threads on one pair of sockets. */
#define N_DATAGRAMS 2000u

static void *flood_main(void *arg)
{
    struct gn_sock *sock = arg;
    unsigned i;

    for (i = 0; i < N_DATAGRAMS; i++)
        (void)!gn_sock_send(sock, &i, sizeof(i), 0);
    return NULL;
}

static void *drain_main(void *arg)
{
    struct gn_sock *sock = arg;
    unsigned value;

    while (gn_sock_recv(sock, &value, sizeof(value), 0) > 0)
        continue;
    return NULL;
}

static void many_threads_on_one_socket(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    struct gn_namespace *a, *b;
    struct gn_sock *from, *to;
    struct gn_network *net;
    pthread_t threads[8];
    unsigned i;
    int fd;

    (void)state;
    assert_int_equal(gn_network_create(&config, &net), 0);
    assert_int_equal(gn_namespace_create(net, NULL, &a), 0);
    assert_int_equal(gn_namespace_create(net, NULL, &b), 0);
    assert_int_equal(gn_sock_open(a, AF_INET, SOCK_DGRAM, 0, &from), 0);
    assert_int_equal(gn_sock_open(b, AF_INET, SOCK_DGRAM, 0, &to), 0);
    assert_int_equal(bind_to(to, "10.77.0.3:53"), 0);
    assert_int_equal(connect_to(from, "10.77.0.3:53"), 0);
    assert_int_equal(gn_sock_fd(to, POLLIN, &fd), 0);
    for (i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, drain_main, to), 0);
    for (; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, flood_main, from),
                         0);
    for (i = 4; i < 8; i++)
        pthread_join(threads[i], NULL);
    gn_sock_close(to);
    for (i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    gn_sock_unref(to);
    drop(from);
    gn_network_close(net, NULL, NULL);
}

/* ---- watches, descriptors and polls beside sends, closes and kills ---- */

#define N_WATCHED 8u
#define N_LOOKS   300u

struct zoo {
    struct gn_network *net;
    struct gn_namespace *ns[2];
    pthread_mutex_t lock; /* of socks */
    struct gn_sock *socks[N_WATCHED];
    struct gn_test_seed seed;
    _Atomic unsigned calls;
    _Atomic unsigned replaced;
};

struct keeper {
    struct zoo *zoo;
    struct gn_test_seed random;
};

static void on_ready(struct gn_sock *sock, short revents, void *arg)
{
    struct zoo *zoo = arg;
    char byte;

    atomic_fetch_add(&zoo->calls, 1);
    if (revents & POLLIN)
        (void)!gn_sock_recv(sock, &byte, 1, MSG_DONTWAIT);
    if (revents & (POLLERR | POLLHUP))
        (void)gn_sock_watch(sock, 0, NULL, NULL);
}

static struct gn_sock *zoo_open(struct zoo *zoo, unsigned i)
{
    struct gn_sock *sock;
    char address[32];

    if (gn_sock_open(zoo->ns[i % 2], AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0,
                     &sock))
        return NULL;
    (void)snprintf(address, sizeof(address), "10.77.0.%u:%u", 2 + i % 2,
                   7000 + i);
    (void)!bind_to(sock, address);
    return sock;
}

/* A reference to one of them, which others may be closing. */
static struct gn_sock *zoo_pick(struct keeper *k, unsigned *at)
{
    struct gn_sock *sock;

    *at = (unsigned)gn_test_random_below(&k->random, N_WATCHED);
    pthread_mutex_lock(&k->zoo->lock);
    sock = gn_sock_ref(k->zoo->socks[*at]);
    pthread_mutex_unlock(&k->zoo->lock);
    return sock;
}

static void zoo_replace(struct zoo *zoo, unsigned at, struct gn_sock *old)
{
    struct gn_sock *fresh;

    gn_sock_close(old);
    fresh = zoo_open(zoo, at);
    pthread_mutex_lock(&zoo->lock);
    if (zoo->socks[at] == old) {
        zoo->socks[at] = fresh;
        fresh = old;
        atomic_fetch_add(&zoo->replaced, 1);
    }
    pthread_mutex_unlock(&zoo->lock);
    gn_sock_unref(fresh);
}

static void look(struct keeper *k, struct gn_sock *sock, unsigned at)
{
    struct gn_pollfd fds[2] = {{.sock = sock, .events = POLLIN},
                               {.fd = -1, .events = POLLIN}};
    char address[32];
    int fd;

    switch (gn_test_random_below(&k->random, 8)) {
    case 0:
        zoo_replace(k->zoo, at, sock);
        break;
    case 1:
        (void)gn_sock_watch(sock, POLLIN, on_ready, k->zoo);
        break;
    case 2:
        (void)gn_sock_watch(sock, 0, NULL, NULL);
        break;
    case 3:
        if (gn_sock_fd(sock, POLLIN, &fd) == 0)
            fds[1].fd = fd; /* It may be closed at any moment. */
        (void)!gn_sock_poll(fds, 2, 0);
        break;
    case 4:
        (void)!gn_sock_poll(fds, 1, 1);
        break;
    default:
        (void)snprintf(address, sizeof(address), "10.77.0.%u:%u", 2 + at % 2,
                       7000 + at);
        (void)!send_text_to(sock, "x", address);
        break;
    }
}

static void *keeper_main(void *arg)
{
    struct keeper *k = arg;
    struct gn_sock *sock;
    unsigned i, at;

    for (i = 0; i < N_LOOKS; i++) {
        sock = zoo_pick(k, &at);
        if (sock)
            look(k, sock, at);
        gn_sock_unref(sock);
    }
    return NULL;
}

static void watches_and_descriptors_beside_closes(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    static struct zoo zoo;
    static struct keeper keepers[8];
    pthread_t threads[8];
    unsigned i;

    (void)state;
    gn_test_seed_init(&zoo.seed);
    pthread_mutex_init(&zoo.lock, NULL);
    assert_int_equal(gn_network_create(&config, &zoo.net), 0);
    for (i = 0; i < 2; i++)
        assert_int_equal(gn_namespace_create(zoo.net, NULL, &zoo.ns[i]), 0);
    for (i = 0; i < N_WATCHED; i++)
        zoo.socks[i] = zoo_open(&zoo, i);
    for (i = 0; i < 8; i++) {
        keepers[i].zoo = &zoo;
        keepers[i].random.state = gn_test_random(&zoo.seed);
        assert_int_equal(
            pthread_create(&threads[i], NULL, keeper_main, &keepers[i]), 0);
    }
    for (i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    gn_namespace_kill(zoo.ns[0]);
    for (; i < 8; i++)
        pthread_join(threads[i], NULL);
    print_message("%u callbacks, %u sockets replaced\n", zoo.calls,
                  zoo.replaced);
    for (i = 0; i < N_WATCHED; i++)
        gn_sock_unref(zoo.socks[i]);
    gn_network_close(zoo.net, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_threads_on_many_namespaces),
        cmocka_unit_test(many_threads_on_one_socket),
        cmocka_unit_test(watches_and_descriptors_beside_closes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
