/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

/*
 * SipHash (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012):
 * a keyed function whose output cannot be predicted or steered without the key.
 * 2-4 where the output leaves the process or guests could learn from it
 * (sequence numbers, ports, random streams); 1-3 for hash tables.
 *
 * The key is two words, the first of which holds the first eight bytes of the
 * paper's key in little-endian order. Output is the same on every machine.
 */
#include <stddef.h>
#include <stdint.h>

uint64_t gn__siphash24(const uint64_t key[2], const void *data, size_t len);
uint64_t gn__siphash13(const uint64_t key[2], const void *data, size_t len);

#endif /* BASE_SIPHASH_H */
