/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_TALLY_H
#define TESTS_LIB_TALLY_H

/*
 * A count of what other threads do, which a test waits for.
 */
#include <pthread.h>

struct gn_tally {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned n;
};

#define GN_TALLY_INIT                                                          \
    {                                                                          \
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER \
    }

/** One more. */
void gn_tally_add(struct gn_tally *tally);
unsigned gn_tally_count(struct gn_tally *tally);
/** From 0 again. */
void gn_tally_clear(struct gn_tally *tally);
/** Wait until it is @n at least; the test fails if that takes 20 s. */
void gn_tally_await(struct gn_tally *tally, unsigned n);

#endif /* TESTS_LIB_TALLY_H */
