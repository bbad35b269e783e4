/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * strerror() is neither thread-safe nor English in every locale, and
 * uv_strerror() would make all of the library depend on libuv.
 */
#include <guestnet/error.h>

#include <limits.h>
#include <stddef.h>
#include <string.h>

/* libuv's UV_EAI_* count down from here. */
#define EAI_FIRST (-3000)

/* By distance from EAI_FIRST. */
static const char *const eai_texts[] = {
    "address family not supported for this name", /* ADDRFAMILY */
    "temporary failure in name resolution",       /* AGAIN */
    "bad flags for name resolution",              /* BADFLAGS */
    "name resolution canceled",                   /* CANCELED */
    "permanent failure in name resolution",       /* FAIL */
    "address family not supported",               /* FAMILY */
    "out of memory in name resolution",           /* MEMORY */
    "name has no address of this kind",           /* NODATA */
    "unknown name or service",                    /* NONAME */
    "name does not fit the buffer",               /* OVERFLOW */
    "service not available for this socket type", /* SERVICE */
    "socket type not supported",                  /* SOCKTYPE */
    NULL,                                         /* Not used by libuv. */
    "bad hints for name resolution",              /* BADHINTS */
    "protocol unknown to name resolution",        /* PROTOCOL */
};

static const char *error_describe(int err)
{
    if (err == 0)
        return "success";
    if (err > 0 || err == INT_MIN)
        return NULL;
    if (err > EAI_FIRST)
        return strerrordesc_np(-err);
    if (EAI_FIRST - err < (int)(sizeof(eai_texts) / sizeof(eai_texts[0])))
        return eai_texts[EAI_FIRST - err];
    return NULL;
}

const char *gn_strerror(int err)
{
    const char *text = error_describe(err);

    return text ? text : "unknown error";
}
