/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_BASE_WIRE_H
#define GN_BASE_WIRE_H

/*
 * Numbers as they stand in packets: big-endian, at any address.
 */
#include <stdint.h>

static inline uint16_t gn__get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t gn__get32(const uint8_t *p)
{
    return (uint32_t)gn__get16(p) << 16 | gn__get16(p + 2);
}

/** The low 16 bits of @value. */
static inline void gn__put16(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static inline void gn__put32(uint8_t *p, uint32_t value)
{
    gn__put16(p, value >> 16);
    gn__put16(p + 2, value);
}

#endif /* GN_BASE_WIRE_H */
