/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_SEED_H
#define TESTS_LIB_SEED_H

/*
 * Where a test's random choices come from. The seed is printed, and
 * GN_TEST_SEED in the environment repeats a run.
 */
#include <stdint.h>

/* State of splitmix64: an independent generator, since ours is under test. */
struct gn_test_seed {
    uint64_t state;
};

/** Take the seed from the environment, or the clock, and print it. */
void gn_test_seed_init(struct gn_test_seed *seed);

uint64_t gn_test_random(struct gn_test_seed *seed);

/** A number from 0 to n - 1; n is small beside 2^64. */
uint64_t gn_test_random_below(struct gn_test_seed *seed, uint64_t n);

#endif /* TESTS_LIB_SEED_H */
