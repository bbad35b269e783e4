/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The C library's getaddrinfo(3) and getnameinfo(3), for guests that were given
 * the kernel's sockets: a guest there is a program like any other on this
 * machine, and blocks in the C library as it would.
 */
#include "host/names/addrinfo.h"

#include <guestnet/resolver.h>

#include <errno.h>

static const struct {
    int theirs, ours;
} errors[] = {
    {0, 0},
    {EAI_ADDRFAMILY, GN_EAI_ADDRFAMILY},
    {EAI_AGAIN, GN_EAI_AGAIN},
    {EAI_BADFLAGS, GN_EAI_BADFLAGS},
    {EAI_FAIL, GN_EAI_FAIL},
    {EAI_FAMILY, GN_EAI_FAMILY},
    {EAI_MEMORY, GN_EAI_MEMORY},
    {EAI_NODATA, GN_EAI_NODATA},
    {EAI_NONAME, GN_EAI_NONAME},
    {EAI_OVERFLOW, GN_EAI_OVERFLOW},
    {EAI_SERVICE, GN_EAI_SERVICE},
    {EAI_SOCKTYPE, GN_EAI_SOCKTYPE},
};

/* @error: errno, where that says it. */
static int error_translate(int result, int error)
{
    size_t i;

    if (result == EAI_SYSTEM)
        return -error;
    for (i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
        if (errors[i].theirs == result)
            return errors[i].ours;
    }
    return GN_EAI_FAIL;
}

int gn__system_getaddrinfo(const struct gn__mem *mem, const char *node,
                           const char *service, const struct addrinfo *hints,
                           struct addrinfo **out)
{
    struct addrinfo *theirs, *it, *list = NULL, **tail = &list;
    int result = getaddrinfo(node, service, hints, &theirs);
    int err = 0;

    if (result)
        return error_translate(result, errno);
    for (it = theirs; it && !err; it = it->ai_next)
        err = gn__addrinfo_add(mem, &tail, it, it->ai_canonname);
    freeaddrinfo(theirs);
    if (err) {
        gn_freeaddrinfo(list);
        return GN_EAI_MEMORY;
    }
    *out = list;
    return 0;
}

int gn__system_getnameinfo(const struct sockaddr *addr, socklen_t len,
                           char *host, socklen_t host_len, char *service,
                           socklen_t service_len, int flags)
{
    return error_translate(
        getnameinfo(addr, len, host, host_len, service, service_len, flags),
        errno);
}
