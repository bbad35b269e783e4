/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The law of requests: a handle is good until it is given back, and starting
 * and cancelling wait for nothing. Requests of threads that are not the driving
 * one, under a mutex that the callbacks take, at every moment of their life and
 * after it.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/guestnet.h>

#include "tests/lib/case.h"
#include "tests/lib/heap.h"
#include "tests/lib/seed.h"
#include "tests/lib/watchdog.h"

#define N_THREADS 3u
#ifdef __SANITIZE_THREAD__
#define ROUNDS 300u
#else
#define ROUNDS 2000u
#endif

struct world {
    struct gn_test_heap heap;
    struct gn_network *net;
    struct gn_namespace *guest; /* "a" */
    pthread_mutex_t lock;       /* what every callback takes */
    unsigned n_called, n_cancelled, n_connected;
};

/* One request of a thread. */
struct ask {
    struct world *w;
    struct gn_lookup *lookup;
    struct gn_dial *dial;
    struct gn_timer *timer;
    bool over; /* it has called back; under the lock */
};

static int setup(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    static struct world w;
    struct gn_network_config config = {
        .size = sizeof(config), .prefixes = prefixes, .alloc = &w.heap.alloc};
    struct gn_namespace_config guest = {.size = sizeof(guest), .name = "a"};

    memset(&w, 0, sizeof(w));
    gn_test_heap_init(&w.heap);
    pthread_mutex_init(&w.lock, NULL);
    assert_int_equal(gn_network_create(&config, &w.net), 0);
    assert_int_equal(gn_namespace_create(w.net, &guest, &w.guest), 0);
    watchdog_begin(N_THREADS);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    watchdog_end();
    gn_network_close(w->net, NULL, NULL);
    gn_test_heap_done(&w->heap);
    pthread_mutex_destroy(&w->lock);
    return 0;
}

/* ---- callbacks ---- */

static void ended(struct ask *ask, int status)
{
    struct world *w = ask->w;

    pthread_mutex_lock(&w->lock);
    assert_false(ask->over);
    ask->over = true;
    w->n_called++;
    w->n_cancelled += status == -ECANCELED;
    pthread_mutex_unlock(&w->lock);
}

static void found(struct gn_lookup *lookup, int status,
                  const struct gn_answer *answers, size_t n, void *arg)
{
    struct ask *ask = arg;

    (void)answers, (void)n;
    assert_ptr_equal(lookup, ask->lookup); /* It was written before. */
    ended(ask, status);
}

static void dialled(struct gn_dial *dial, int status, struct gn_conn *conn,
                    void *arg)
{
    struct ask *ask = arg;

    assert_ptr_equal(dial, ask->dial);
    assert_int_equal(conn != NULL, status == 0);
    if (conn) {
        assert_int_equal(gn_conn_close(conn, NULL, NULL), 0);
        ask->w->n_connected++;
    }
    ended(ask, status);
}

static void fired(struct gn_timer *timer, int status, void *arg)
{
    struct ask *ask = arg;

    assert_ptr_equal(timer, ask->timer);
    ended(ask, status);
}

static bool is_over(struct ask *ask)
{
    bool over;

    pthread_mutex_lock(&ask->w->lock);
    over = ask->over;
    pthread_mutex_unlock(&ask->w->lock);
    return over;
}

static void until_over(struct ask *ask)
{
    while (!is_over(ask))
        (void)sched_yield();
}

/* ---- one of a kind ---- */

struct kind {
    int (*start)(struct ask *ask);
    void (*cancel)(struct ask *ask);
    void (*let_go)(struct ask *ask);
};

static int lookup_start(struct ask *ask)
{
    return gn_lookup(ask->w->guest, "ip", "a", found, ask, &ask->lookup);
}

static void lookup_cancel(struct ask *ask)
{
    gn_lookup_cancel(ask->lookup);
}

static void lookup_let_go(struct ask *ask)
{
    gn_lookup_unref(ask->lookup);
}

static const struct kind lookup_kind = {lookup_start, lookup_cancel,
                                        lookup_let_go};

static int dial_start(struct ask *ask)
{
    return gn_dial(gn_network_gateway(ask->w->net), "tcp", "a:80", NULL,
                   dialled, ask, &ask->dial);
}

static void dial_cancel(struct ask *ask)
{
    gn_dial_cancel(ask->dial);
}

static void dial_let_go(struct ask *ask)
{
    gn_dial_unref(ask->dial);
}

static const struct kind dial_kind = {dial_start, dial_cancel, dial_let_go};

static int timer_start(struct ask *ask)
{
    return gn_timer_start(ask->w->guest, 10000, 0, fired, ask, &ask->timer);
}

static void timer_cancel(struct ask *ask)
{
    gn_timer_cancel(ask->timer);
}

static void timer_let_go(struct ask *ask)
{
    gn_timer_unref(ask->timer);
}

static const struct kind timer_kind = {timer_start, timer_cancel, timer_let_go};

/* ---- threads ---- */

struct worker {
    struct world *w;
    const struct kind *kind;
    struct gn_test_seed seed;
    unsigned number;
    pthread_t thread;
};

static void wait_some(struct worker *worker)
{
    uint64_t n = gn_test_random_below(&worker->seed, 20000);
    volatile uint64_t at = 0;

    while (at < n)
        at++;
}

/* Started, and in half of the rounds cancelled, with the callbacks' lock. */
static void start_and_cancel(struct worker *worker, struct ask *ask)
{
    struct world *w = worker->w;
    bool under_lock = gn_test_random(&worker->seed) % 2;

    if (under_lock)
        pthread_mutex_lock(&w->lock);
    watchdog_doing(worker->number, "starting");
    assert_int_equal(worker->kind->start(ask), 0);
    if (gn_test_random(&worker->seed) % 2)
        wait_some(worker);
    watchdog_doing(worker->number, "cancelling");
    if (gn_test_random(&worker->seed) % 4)
        worker->kind->cancel(ask);
    if (under_lock)
        pthread_mutex_unlock(&w->lock);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    unsigned i;

    for (i = 0; i < ROUNDS; i++) {
        struct ask ask = {.w = worker->w};
        bool early = gn_test_random(&worker->seed) % 2;

        start_and_cancel(worker, &ask);
        watchdog_doing(worker->number, "waiting");
        if (early)
            worker->kind->let_go(&ask);
        until_over(&ask);
        if (!early) {
            worker->kind->cancel(&ask); /* It is over. */
            worker->kind->let_go(&ask);
        }
    }
    return NULL;
}

static void run(struct world *w, const struct kind *kind)
{
    struct worker workers[N_THREADS];
    struct gn_test_seed seed;
    unsigned i;

    gn_test_seed_init(&seed);
    for (i = 0; i < N_THREADS; i++) {
        workers[i] = (struct worker){.w = w, .kind = kind, .number = i};
        workers[i].seed.state = gn_test_random(&seed);
        assert_int_equal(
            pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    assert_int_equal(w->n_called, N_THREADS * ROUNDS);
    assert_true(w->n_cancelled > 0);
    print_message("%u of %u cancelled\n", w->n_cancelled, w->n_called);
}

static void lookups_are_cancelled_under_the_callbacks_lock(void **state)
{
    run(*state, &lookup_kind);
}

static void take_all(struct gn_listener *listener, int status,
                     struct gn_conn *conn, void *arg)
{
    (void)listener, (void)status, (void)arg;
    if (conn)
        assert_int_equal(gn_conn_close(conn, NULL, NULL), 0);
}

static void dials_are_cancelled_under_the_callbacks_lock(void **state)
{
    struct world *w = *state;
    struct gn_listener *listener;

    assert_int_equal(
        gn_listen(w->guest, "tcp", ":80", take_all, NULL, &listener), 0);
    run(w, &dial_kind);
    assert_int_equal(gn_listener_close(listener, NULL, NULL), 0);
}

static void timers_are_cancelled_under_the_callbacks_lock(void **state)
{
    run(*state, &timer_kind);
}

/* ---- a handle that outlives its network ---- */

static void outlives(struct world *w, const struct kind *kind)
{
    struct ask ask = {.w = w};

    assert_int_equal(kind->start(&ask), 0);
    gn_network_close(w->net, NULL, NULL);
    w->net = NULL;
    assert_true(is_over(&ask));
    kind->cancel(&ask);
    kind->let_go(&ask);
}

static void a_lookups_handle_outlives_its_network(void **state)
{
    outlives(*state, &lookup_kind);
}

static void a_dials_handle_outlives_its_network(void **state)
{
    outlives(*state, &dial_kind);
}

static void a_timers_handle_outlives_its_network(void **state)
{
    outlives(*state, &timer_kind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(lookups_are_cancelled_under_the_callbacks_lock),
        CASE(dials_are_cancelled_under_the_callbacks_lock),
        CASE(timers_are_cancelled_under_the_callbacks_lock),
        CASE(a_lookups_handle_outlives_its_network),
        CASE(a_dials_handle_outlives_its_network),
        CASE(a_timers_handle_outlives_its_network),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
