/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_COUNTER_H
#define BASE_COUNTER_H

/*
 * Where counters start.
 *
 * A counter that wraps does so after weeks, where no test ever gets. Builds
 * with GUESTNET_WRAP (the presets of sanitizers are) start each two below its
 * wrap, so that every test runs across it. A counter of 64 bits never gets
 * there: it starts two below 2^32, so that code that keeps it in fewer bits is
 * found.
 *
 * Time is no counter: tests start the clock where they like.
 */
#include <stdint.h>

#ifdef GN__WRAP
#define GN__COUNT_FROM(type) \
    ((type)(sizeof(type) < 8 ? UINT64_MAX - 1 : UINT32_MAX - 1))
/** Bits that what is drawn at random in 32 bits has set: it is within a few
 *  segments of the wrap. */
#define GN__DRAWN_BITS (~UINT32_C(0x3fff))
#else
#define GN__COUNT_FROM(type) ((type)0)
#define GN__DRAWN_BITS       UINT32_C(0)
#endif

#endif /* BASE_COUNTER_H */
