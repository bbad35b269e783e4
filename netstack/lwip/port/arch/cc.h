/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_LWIP_ARCH_CC_H
#define GN_LWIP_ARCH_CC_H

/* What lwIP asks of a compiler and a C library; the defaults serve. */
#include <stdlib.h>
#include <sys/time.h>

#define LWIP_TIMEVAL_PRIVATE  0
#define LWIP_ERRNO_STDINCLUDE 1
#define SYS_ARCH_DECL_PROTECT(lev)
#define SYS_ARCH_PROTECT(lev)
#define SYS_ARCH_UNPROTECT(lev)

/* lwIP's own mistakes; no packet may reach one. Release builds check none. */
#define LWIP_PLATFORM_ASSERT(x) gn__lwip_assert_failed(x, __FILE__, __LINE__)
/* Wrong arguments are answered with an error: the caller handles it. */
#define LWIP_PLATFORM_ERROR(x)
#define LWIP_PLATFORM_DIAG(x)

_Noreturn void gn__lwip_assert_failed(const char *what, const char *file,
                                      int line);

/* Its own are functions in a file of theirs, called ten times a segment. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LWIP_DONT_PROVIDE_BYTEORDER_FUNCTIONS
#define lwip_htons(x) ((u16_t)__builtin_bswap16(x))
#define lwip_htonl(x) ((u32_t)__builtin_bswap32(x))
#endif

void *gn__lwip_malloc(size_t size);
void *gn__lwip_calloc(size_t n, size_t size);
void gn__lwip_free(void *p);

#endif /* GN_LWIP_ARCH_CC_H */
