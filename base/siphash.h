/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

/*
 * SipHash (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012):
 * a keyed function whose output cannot be predicted or steered without the key.
 * 2-4 where the output leaves the process or guests could learn from it
 * (sequence numbers, ports, random streams); 1-3 for hash tables.
 *
 * Sums are of words that come one after the other: a digest of all that
 * happens, each part of which costs one round a word.
 *
 * The key is two words, the first of which holds the first eight bytes of the
 * paper's key in little-endian order. Output is the same on every machine.
 */
#include <stddef.h>
#include <stdint.h>

uint64_t gn__siphash24(const uint64_t key[2], const void *data, size_t len);
uint64_t gn__siphash13(const uint64_t key[2], const void *data, size_t len);

struct gn__sipsum {
    uint64_t v0, v1, v2, v3;
    uint64_t n_words;
};

void gn__sipsum_init(struct gn__sipsum *sum, const uint64_t key[2]);
void gn__sipsum_add(struct gn__sipsum *sum, uint64_t word);
/** Bytes as words whose first byte is the lowest, and zeros behind the last. */
void gn__sipsum_add_bytes(struct gn__sipsum *sum, const void *data, size_t len);
/** SipHash-1-3 with 128 bits, as its authors' program has it, of the words
 *  until now; more may follow. */
void gn__sipsum_get(const struct gn__sipsum *sum, uint64_t out[2]);

#endif /* BASE_SIPHASH_H */
