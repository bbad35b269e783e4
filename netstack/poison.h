/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NETSTACK_POISON_H
#define GN_NETSTACK_POISON_H

/*
 * Tells AddressSanitizer which memory of our own free lists must not be
 * touched; nothing in other builds. Without it, the sanitizer would see a
 * freed chunk or packet as memory in use.
 */
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define GN__HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GN__HAS_ASAN 1
#endif
#endif

#ifdef GN__HAS_ASAN
#include <sanitizer/asan_interface.h>

static inline void gn__poison(const void *from, size_t len)
{
    __asan_poison_memory_region(from, len);
}

static inline void gn__unpoison(const void *from, size_t len)
{
    __asan_unpoison_memory_region(from, len);
}
#else
static inline void gn__poison(const void *from, size_t len)
{
    (void)from;
    (void)len;
}

static inline void gn__unpoison(const void *from, size_t len)
{
    (void)from;
    (void)len;
}
#endif

#endif /* GN_NETSTACK_POISON_H */
