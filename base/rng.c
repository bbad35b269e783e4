/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/rng.h"

#include <assert.h>
#include <string.h>

#include "base/siphash.h"

/*
 * The stream's two key words come from the name under two keys that differ
 * from each other and from the given one, so that neither is ever an output of
 * a stream whose key that is. The constants are pi's and e's fraction.
 */
void gn__rng_init(struct gn__rng *rng, const uint64_t key[2], const void *name,
                  size_t len)
{
    const uint64_t first[2] = {key[0] ^ UINT64_C(0x243f6a8885a308d3), key[1]};
    const uint64_t second[2] = {key[0], key[1] ^ UINT64_C(0xb7e151628aed2a6a)};

    rng->key[0] = gn__siphash24(first, name, len);
    rng->key[1] = gn__siphash24(second, name, len);
    rng->counter = 0;
}

uint64_t gn__rng_u64(struct gn__rng *rng)
{
    uint64_t n = rng->counter++;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    n = __builtin_bswap64(n);
#endif
    return gn__siphash24(rng->key, &n, sizeof(n));
}

uint32_t gn__rng_u32(struct gn__rng *rng)
{
    return (uint32_t)(gn__rng_u64(rng) >> 32);
}

/*
 * The high word of n times a random word; a low word under 2^64 mod n is one
 * too many of its kind and drawn again (Lemire, "Fast random integer generation
 * in an interval", 2019). A modulo would favour small numbers.
 */
uint64_t gn__rng_below(struct gn__rng *rng, uint64_t n)
{
    uint64_t high, low;

    assert(n);
    do {
        __extension__ unsigned __int128 product = gn__rng_u64(rng);

        product *= n;
        high = (uint64_t)(product >> 64);
        low = (uint64_t)product;
    } while (low < n && low < -n % n);
    return high;
}

void gn__rng_fill(struct gn__rng *rng, void *buf, size_t len)
{
    uint8_t *p = buf;

    while (len) {
        uint64_t word = gn__rng_u64(rng);
        size_t n = len < sizeof(word) ? len : sizeof(word);

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        memcpy(p, &word, n);
        p += n;
        len -= n;
    }
}
