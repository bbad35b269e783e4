/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The function of the paper's section 2: state v0..v3 from the key and four
 * constants ("somepseudorandomlygeneratedbytes"), c rounds for each word of
 * input, the last of which ends in the input's length, and d rounds at the end.
 * The number of rounds is a constant at each call of sip_hash(), so that both
 * variants are compiled without loops over rounds.
 */
#include "base/siphash.h"

#include <string.h>

static inline uint64_t word_rotl(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static inline uint64_t load_le64(const uint8_t *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline void round_of(struct gn__sipsum *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = word_rotl(s->v1, 13) ^ s->v0;
    s->v3 = word_rotl(s->v3, 16) ^ s->v2;
    s->v0 = word_rotl(s->v0, 32) + s->v3;
    s->v2 += s->v1;
    s->v1 = word_rotl(s->v1, 17) ^ s->v2;
    s->v3 = word_rotl(s->v3, 21) ^ s->v0;
    s->v2 = word_rotl(s->v2, 32);
}

static inline void state_absorb(struct gn__sipsum *s, uint64_t word,
                                unsigned rounds)
{
    s->v3 ^= word;
    for (unsigned i = 0; i < rounds; i++)
        round_of(s);
    s->v0 ^= word;
}

/*
 * The 0 to 7 bytes after the last whole word, and the length on top. With a
 * whole word before them they are the top of the input's last eight bytes.
 */
static inline uint64_t last_word(const uint8_t *p, size_t len)
{
    uint64_t word = (uint64_t)(len & 0xff) << 56;
    unsigned n = len & 7;

    if (n && len > 8)
        return word | load_le64(p + n - 8) >> (64 - 8 * n);
    for (unsigned i = 0; i < n; i++)
        word |= (uint64_t)p[i] << (8 * i);
    return word;
}

static inline struct gn__sipsum state_of(const uint64_t key[2])
{
    return (struct gn__sipsum){
        .v0 = key[0] ^ UINT64_C(0x736f6d6570736575),
        .v1 = key[1] ^ UINT64_C(0x646f72616e646f6d),
        .v2 = key[0] ^ UINT64_C(0x6c7967656e657261),
        .v3 = key[1] ^ UINT64_C(0x7465646279746573),
    };
}

static inline uint64_t state_end(struct gn__sipsum *s, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++)
        round_of(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

static inline uint64_t sip_hash(const uint64_t key[2], const void *data,
                                size_t len, unsigned c, unsigned d)
{
    struct gn__sipsum s = state_of(key);
    const uint8_t *p = data;

    for (size_t n = len / 8; n; n--, p += 8)
        state_absorb(&s, load_le64(p), c);
    state_absorb(&s, last_word(p, len), c);
    s.v2 ^= 0xff;
    return state_end(&s, d);
}

uint64_t gn__siphash24(const uint64_t key[2], const void *data, size_t len)
{
    return sip_hash(key, data, len, 2, 4);
}

uint64_t gn__siphash13(const uint64_t key[2], const void *data, size_t len)
{
    return sip_hash(key, data, len, 1, 3);
}

/* ---- sums ---- */

void gn__sipsum_init(struct gn__sipsum *sum, const uint64_t key[2])
{
    *sum = state_of(key);
    sum->v1 ^= 0xee;
}

void gn__sipsum_add(struct gn__sipsum *sum, uint64_t word)
{
    state_absorb(sum, word, 1);
    sum->n_words++;
}

void gn__sipsum_add_bytes(struct gn__sipsum *sum, const void *data, size_t len)
{
    struct gn__sipsum s = *sum; /* In registers: @data may be anywhere. */
    const uint8_t *p = data;

    s.n_words += (len + 7) / 8;
    for (; len >= 8; p += 8, len -= 8)
        state_absorb(&s, load_le64(p), 1);
    if (len) /* Without the length on top. */
        state_absorb(&s, last_word(p, len) << 8 >> 8, 1);
    *sum = s;
}

void gn__sipsum_get(const struct gn__sipsum *sum, uint64_t out[2])
{
    struct gn__sipsum s = *sum;

    state_absorb(&s, (s.n_words & 0x1f) << 59, 1);
    s.v2 ^= 0xee;
    out[0] = state_end(&s, 3);
    s.v1 ^= 0xdd;
    out[1] = state_end(&s, 3);
}
