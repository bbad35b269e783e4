/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_POLLIO_H
#define TESTS_LIB_POLLIO_H

/*
 * A struct gn__io on poll(2), for tests of what is written against it: the test
 * itself is the driving thread. Real time.
 */
#include "tests/lib/turns.h"

#define GN_TEST_POLLIO_WATCHES 64u

struct gn_test_pollio {
    struct gn_test_turns turns;
    struct gn__mem mem;
    struct gn__io_watch *watches[GN_TEST_POLLIO_WATCHES];
    unsigned n_watches;
    int refuse; /* an error for gn__io_watch(), while not 0 */
};

void gn_test_pollio_init(struct gn_test_pollio *pollio);
/** The network closes: runs the ends. Asserts that nothing is left. */
void gn_test_pollio_done(struct gn_test_pollio *pollio);

/** One turn: waits for what is next, up to @ms, and runs what is due. */
void gn_test_pollio_turn(struct gn_test_pollio *pollio, int ms);

/** Turns until @done, or for @ms; what @done is at the end. */
bool gn_test_pollio_until(struct gn_test_pollio *pollio, const bool *done,
                          int ms);

#endif /* TESTS_LIB_POLLIO_H */
