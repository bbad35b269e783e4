/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/tally.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#define PATIENCE_S 20

void gn_tally_add(struct gn_tally *tally)
{
    (void)pthread_mutex_lock(&tally->lock);
    tally->n++;
    (void)pthread_cond_broadcast(&tally->changed);
    (void)pthread_mutex_unlock(&tally->lock);
}

unsigned gn_tally_count(struct gn_tally *tally)
{
    unsigned n;

    (void)pthread_mutex_lock(&tally->lock);
    n = tally->n;
    (void)pthread_mutex_unlock(&tally->lock);
    return n;
}

void gn_tally_clear(struct gn_tally *tally)
{
    (void)pthread_mutex_lock(&tally->lock);
    tally->n = 0;
    (void)pthread_mutex_unlock(&tally->lock);
}

void gn_tally_await(struct gn_tally *tally, unsigned n)
{
    struct timespec until;
    unsigned have;
    int err = 0;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    (void)pthread_mutex_lock(&tally->lock);
    while (tally->n < n && err != ETIMEDOUT)
        err = pthread_cond_timedwait(&tally->changed, &tally->lock, &until);
    have = tally->n;
    (void)pthread_mutex_unlock(&tally->lock);
    if (have < n)
        fail_msg("%u of %u", have, n);
}
