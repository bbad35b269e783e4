/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The outside under a network that drives itself: guests' threads block, give
 * up, and are killed, while the driving thread answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/guestnet.h>

#include "tests/lib/beyond.h"
#include "tests/lib/case.h"
#include "tests/lib/heap.h"

#define N_THREADS 4u
#define ROUNDS    200u

struct fixture {
    struct gn_test_heap heap;
    struct gn_network *net;
    struct beyond beyond; /* the driving thread's while the network is open */
    struct gn_namespace *guest[N_THREADS];
};

struct worker {
    struct gn_namespace *ns;
    unsigned index;
    unsigned done;
};

static int setup(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct fixture *f = calloc(1, sizeof(*f));
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    unsigned i;

    assert_non_null(f);
    gn_test_heap_init(&f->heap);
    config.alloc = &f->heap.alloc;
    assert_int_equal(gn_network_create(&config, &f->net), 0);
    beyond_init(&f->beyond);
    for (i = 0; i < N_THREADS; i++)
        f->guest[i] = beyond_guest(&f->beyond, f->net, NULL, NULL);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_network_close(f->net, NULL, NULL);
    beyond_done(&f->beyond);
    assert_int_equal(f->beyond.n_released, N_THREADS);
    assert_int_equal(f->beyond.n_pending, 0);
    assert_int_equal(f->beyond.n_flows, 0);
    gn_test_heap_done(&f->heap);
    free(f);
    return 0;
}

static void run(struct fixture *f, void *(*body)(void *arg),
                struct worker *workers)
{
    pthread_t threads[N_THREADS];
    unsigned i;

    for (i = 0; i < N_THREADS; i++) {
        workers[i] = (struct worker){.ns = f->guest[i], .index = i};
        assert_int_equal(pthread_create(&threads[i], NULL, body, &workers[i]),
                         0);
    }
    for (i = 0; i < N_THREADS; i++)
        (void)pthread_join(threads[i], NULL);
}

static socklen_t address(const struct worker *w, unsigned i,
                         struct sockaddr_storage *addr)
{
    char text[GN_ADDR_TEXT_MAX];
    socklen_t len;

    (void)snprintf(text, sizeof(text), "203.0.%u.%u:%u", w->index, 1 + i % 250,
                   1000 + i);
    return gn_addr_parse(text, addr, &len) ? 0 : len;
}

static struct gn_sock *dial(struct worker *w, int type, unsigned i, int *err)
{
    struct sockaddr_storage addr;
    socklen_t len = address(w, i, &addr);
    struct gn_sock *sock;

    *err = gn_sock_open(w->ns, AF_INET, type, 0, &sock);
    if (*err)
        return NULL;
    *err = gn_sock_connect(sock, (struct sockaddr *)&addr, len);
    return sock;
}

static void end(struct gn_sock *sock)
{
    gn_sock_close(sock);
    gn_sock_unref(sock);
}

/* ---- blocking calls ---- */

static bool echoes(struct gn_sock *sock)
{
    char buf[16];

    return gn_sock_send(sock, "hello", 5, 0) == 5 &&
           gn_sock_recv(sock, buf, sizeof(buf), 0) == 5 &&
           !memcmp(buf, "hello", 5);
}

static void *talk(void *arg)
{
    struct worker *w = arg;
    unsigned i;

    for (i = 0; i < ROUNDS; i++) {
        int err;
        struct gn_sock *sock =
            dial(w, i % 2 ? SOCK_DGRAM : SOCK_STREAM, i, &err);

        if (!sock)
            continue;
        w->done += !err && echoes(sock);
        end(sock);
    }
    return NULL;
}

static void blocking_calls_are_answered(void **state)
{
    struct fixture *f = *state;
    struct worker workers[N_THREADS];
    unsigned i;

    run(f, talk, workers);
    for (i = 0; i < N_THREADS; i++)
        assert_int_equal(workers[i].done, ROUNDS);
}

static void *be_refused(void *arg)
{
    struct worker *w = arg;
    unsigned i;

    for (i = 0; i < ROUNDS; i++) {
        int err;
        struct gn_sock *sock = dial(w, SOCK_STREAM, i, &err);

        if (!sock)
            continue;
        w->done += err == -EACCES;
        end(sock);
    }
    return NULL;
}

static void blocking_connects_are_refused(void **state)
{
    struct fixture *f = *state;
    struct worker workers[N_THREADS];
    unsigned i;

    f->beyond.mode = BEYOND_REFUSE;
    f->beyond.error = -EACCES;
    run(f, be_refused, workers);
    for (i = 0; i < N_THREADS; i++)
        assert_int_equal(workers[i].done, ROUNDS);
}

/* ---- giving up ---- */

static void *give_up(void *arg)
{
    struct worker *w = arg;
    unsigned i;

    for (i = 0; i < 10 * ROUNDS; i++) {
        int err;
        struct gn_sock *sock = dial(w, SOCK_STREAM | SOCK_NONBLOCK, i, &err);

        if (!sock)
            continue;
        w->done += err == -EINPROGRESS;
        end(sock);
    }
    return NULL;
}

static void connects_are_given_up_at_any_moment(void **state)
{
    struct fixture *f = *state;
    struct worker workers[N_THREADS];
    unsigned i;

    run(f, give_up, workers);
    for (i = 0; i < N_THREADS; i++)
        assert_int_equal(workers[i].done, 10 * ROUNDS);
}

static void dials_are_cancelled_at_any_moment(void **state)
{
    struct fixture *f = *state;
    struct worker workers[N_THREADS];

    f->beyond.mode = BEYOND_WAIT;
    run(f, give_up, workers);
}

/* ---- ends ---- */

static void *listen_and_close(void *arg)
{
    struct worker *w = arg;
    unsigned i;

    for (i = 0; i < ROUNDS; i++) {
        struct sockaddr_in addr = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)(80 + i))};
        struct gn_sock *sock;

        if (gn_sock_open(w->ns, AF_INET, SOCK_STREAM, 0, &sock))
            continue;
        w->done +=
            !gn_sock_bind(sock, (struct sockaddr *)&addr, sizeof(addr)) &&
            !gn_sock_listen(sock, 1);
        end(sock);
    }
    return NULL;
}

static void ports_come_and_go(void **state)
{
    struct fixture *f = *state;
    struct worker workers[N_THREADS];

    run(f, listen_and_close, workers);
}

static void *talk_until_killed(void *arg)
{
    struct worker *w = arg;
    unsigned i;
    int err = 0;

    for (i = 0; err != -ECANCELED; i++) {
        struct gn_sock *sock =
            dial(w, i % 3 ? SOCK_DGRAM : SOCK_STREAM, i % 500, &err);

        if (!sock)
            continue;
        if (!err && !echoes(sock)) {
            char c;

            err = (int)gn_sock_recv(sock, &c, 1, 0);
        }
        end(sock);
        w->done++;
    }
    return NULL;
}

/* One after the other is killed in the middle of it, then closed. */
static void guests_are_killed_in_the_middle(void **state)
{
    struct fixture *f = *state;
    struct worker workers[N_THREADS];
    pthread_t threads[N_THREADS];
    unsigned i;

    for (i = 0; i < N_THREADS; i++) {
        workers[i] = (struct worker){.ns = f->guest[i], .index = i};
        assert_int_equal(
            pthread_create(&threads[i], NULL, talk_until_killed, &workers[i]),
            0);
    }
    for (i = 0; i < N_THREADS; i++) {
        assert_int_equal(
            gn_sleep_ns(gn_network_gateway(f->net), 20u * 1000 * 1000), 0);
        gn_namespace_kill(f->guest[i]);
        (void)pthread_join(threads[i], NULL);
        gn_namespace_close(f->guest[i], 0, NULL, NULL);
        /* All it did is over: the driving thread counts no more. */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(blocking_calls_are_answered),
        CASE(blocking_connects_are_refused),
        CASE(connects_are_given_up_at_any_moment),
        CASE(dials_are_cancelled_at_any_moment),
        CASE(ports_come_and_go),
        CASE(guests_are_killed_in_the_middle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
