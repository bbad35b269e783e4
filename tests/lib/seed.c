/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/seed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void gn_test_seed_init(struct gn_test_seed *seed)
{
    const char *text = getenv("GN_TEST_SEED");
    struct timespec now;

    if (text) {
        seed->state = strtoull(text, NULL, 0);
    } else {
        clock_gettime(CLOCK_REALTIME, &now);
        seed->state =
            (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
    }
    printf("GN_TEST_SEED=%" PRIu64 "\n", seed->state);
    fflush(stdout);
}

uint64_t gn_test_random(struct gn_test_seed *seed)
{
    uint64_t z = seed->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t gn_test_random_below(struct gn_test_seed *seed, uint64_t n)
{
    return gn_test_random(seed) % n;
}
