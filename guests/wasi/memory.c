/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The guest's memory. Every access goes through gn__wasi_at(). Where the memory
 * is, is asked once in each try of a call, and again when the guest's realloc
 * has run: it may have grown and moved.
 */
#include <errno.h>
#include <string.h>

#include "guests/wasi/wasi.h"

bool gn__wasi_memory_ask(struct gn_wasi_guest *guest)
{
    guest->now = guest->memory(guest->arg);
    return guest->now.base != NULL;
}

int gn__wasi_get(struct gn_wasi_guest *guest, uint64_t at, void *out,
                 size_t len)
{
    const void *from = gn__wasi_at(guest, at, len);

    if (!from)
        return -EFAULT;
    memcpy(out, from, len);
    return 0;
}

int gn__wasi_iovs(struct gn_wasi_guest *guest, uint64_t at, uint64_t n,
                  struct msghdr *msg)
{
    struct iovec *list;
    int err = 0;

    if (n > GN__WASI_IOV_MAX)
        return -EINVAL;
    list = gn__wasi_scratch(guest, (n ? n : 1) * sizeof(*list));
    if (!list)
        return -ENOMEM;
    for (uint64_t i = 0; !err && i < n; i++)
        err = gn__wasi_buffer(guest, at + 8 * i, &list[i]);
    msg->msg_iov = list;
    msg->msg_iovlen = n;
    return err;
}

int gn__wasi_realloc(struct gn_wasi_guest *guest, uint32_t align, uint64_t size,
                     uint32_t *at)
{
    if (size == 0) {
        *at = align;
        return 0;
    }
    if (size > UINT32_MAX)
        return gn__wasi_trap(guest, "a list of %llu bytes",
                             (unsigned long long)size);
    if (!guest->realloc)
        return gn__wasi_trap(guest, "it needs an export cabi_realloc");
    gn__wasi_memory_forget(guest);
    if (guest->realloc(guest->arg, align, (uint32_t)size, at))
        return gn__wasi_trap(guest, "its cabi_realloc has failed");
    if (*at % align || !gn__wasi_at(guest, *at, size))
        return gn__wasi_trap(guest,
                             "its cabi_realloc gave %u: not %llu bytes "
                             "of its memory, aligned to %u",
                             *at, (unsigned long long)size, align);
    return 0;
}
