/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_RNG_H
#define BASE_RNG_H

/*
 * Streams of random numbers that depend on a key and a name only.
 *
 * The engine has one secret key, from its driver; each namespace, link, ...
 * derives a stream of its own from that key and its own name. So one of them
 * draws without changing what the others draw, and the order in which they were
 * created does not matter either. A stream's key can in turn be the key that
 * more streams are derived from.
 *
 * The n-th output is SipHash-2-4 of n under the stream's key: an observer of
 * some outputs learns nothing about the others.
 */
#include <stddef.h>
#include <stdint.h>

struct gn__rng {
    uint64_t key[2];
    uint64_t counter;
};

/** Start the stream of this name (any bytes) under key. */
void gn__rng_init(struct gn__rng *rng, const uint64_t key[2], const void *name,
                  size_t len);

uint64_t gn__rng_u64(struct gn__rng *rng);
uint32_t gn__rng_u32(struct gn__rng *rng);

/** A number from 0 to n - 1, each equally likely. n is not 0. */
uint64_t gn__rng_below(struct gn__rng *rng, uint64_t n);

void gn__rng_fill(struct gn__rng *rng, void *buf, size_t len);

#endif /* BASE_RNG_H */
