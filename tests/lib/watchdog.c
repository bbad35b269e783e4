/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/watchdog.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WORKERS_MAX 256
/* Without a step of any worker: more than any machine needs, sanitizers too. */
#define PATIENCE_S 60

static struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t end;
    bool ended;
    unsigned n;
    _Atomic unsigned long steps;
    _Atomic(const char *) doing[WORKERS_MAX];
} dog = {.lock = PTHREAD_MUTEX_INITIALIZER, .end = PTHREAD_COND_INITIALIZER};

static void bark(void)
{
    unsigned i;

    (void)fprintf(stderr, "nobody has got on for %d s:\n", PATIENCE_S);
    for (i = 0; i < dog.n; i++) {
        const char *what = atomic_load(&dog.doing[i]);

        (void)fprintf(stderr, "  worker %u: %s\n", i, what ? what : "-");
    }
    abort();
}

static void *watch(void *arg)
{
    unsigned long seen = 0, now;
    unsigned quiet = 0;
    struct timespec until;

    (void)arg;
    pthread_mutex_lock(&dog.lock);
    while (!dog.ended) {
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        (void)pthread_cond_timedwait(&dog.end, &dog.lock, &until);
        now = atomic_load(&dog.steps);
        quiet = now == seen ? quiet + 1 : 0;
        seen = now;
        if (quiet >= PATIENCE_S)
            bark();
    }
    pthread_mutex_unlock(&dog.lock);
    return NULL;
}

void watchdog_begin(unsigned n)
{
    unsigned i;

    assert(n <= WORKERS_MAX);
    dog.n = n;
    dog.ended = false;
    for (i = 0; i < n; i++)
        atomic_store(&dog.doing[i], NULL);
    if (pthread_create(&dog.thread, NULL, watch, NULL))
        abort();
}

void watchdog_doing(unsigned i, const char *what)
{
    atomic_store(&dog.doing[i], what);
    atomic_fetch_add(&dog.steps, 1);
}

void watchdog_end(void)
{
    pthread_mutex_lock(&dog.lock);
    dog.ended = true;
    pthread_cond_signal(&dog.end);
    pthread_mutex_unlock(&dog.lock);
    (void)pthread_join(dog.thread, NULL);
}
