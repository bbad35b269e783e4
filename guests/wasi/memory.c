/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The guest's memory. Every access goes through gn__wasi_at(), which asks anew
 * where the memory is: between two accesses it may have grown and moved.
 */
#include <errno.h>
#include <string.h>

#include "guests/wasi/wasi.h"

int gn__wasi_get(const struct gn_wasi_guest *guest, uint64_t at, void *out,
                 size_t len)
{
    const void *from = gn__wasi_at(guest, at, len);

    if (!from)
        return -EFAULT;
    memcpy(out, from, len);
    return 0;
}

int gn__wasi_iov(struct gn_wasi_guest *guest, uint64_t at, uint64_t n,
                 struct iovec *one, struct iovec **out)
{
    struct iovec *iov = one;
    const uint8_t *pairs;

    if (n > GN__WASI_IOV_MAX)
        return -EINVAL;
    if (n > 1)
        iov = gn__wasi_scratch(guest, n * sizeof(*iov));
    if (!iov)
        return -ENOMEM;
    pairs = gn__wasi_at(guest, at, 8 * n);
    if (!pairs && n)
        return -EFAULT;
    for (uint64_t i = 0; i < n; i++, pairs += 8) {
        uint32_t pair[2];

        memcpy(pair, pairs, sizeof(pair)); /* Once: others may write there. */
        iov[i].iov_len = le32toh(pair[1]);
        iov[i].iov_base = gn__wasi_at(guest, le32toh(pair[0]), iov[i].iov_len);
        if (!iov[i].iov_base)
            return -EFAULT;
    }
    *out = iov;
    return (int)n;
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
    if (guest->realloc(guest->arg, align, (uint32_t)size, at))
        return gn__wasi_trap(guest, "its cabi_realloc has failed");
    if (*at % align || !gn__wasi_at(guest, *at, size))
        return gn__wasi_trap(guest,
                             "its cabi_realloc gave %u: not %llu bytes "
                             "of its memory, aligned to %u",
                             *at, (unsigned long long)size, align);
    return 0;
}
