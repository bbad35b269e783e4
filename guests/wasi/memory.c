/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The guest's memory. Every access goes through gn__wasi_at(), which asks anew
 * where the memory is: between two accesses it may have grown and moved.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "guests/wasi/wasi.h"

void *gn__wasi_at(const struct gn_wasi_guest *guest, uint64_t at, uint64_t len)
{
    struct gn_wasi_memory memory = guest->memory(guest->arg);

    if (!memory.base || at > memory.size || len > memory.size - at)
        return NULL;
    return memory.base + at;
}

int gn__wasi_get(const struct gn_wasi_guest *guest, uint64_t at, void *out,
                 size_t len)
{
    const void *from = gn__wasi_at(guest, at, len);

    if (!from)
        return -EFAULT;
    memcpy(out, from, len);
    return 0;
}

int gn__wasi_put(const struct gn_wasi_guest *guest, uint64_t at,
                 const void *data, size_t len)
{
    void *to = gn__wasi_at(guest, at, len);

    if (!to)
        return -EFAULT;
    if (len)
        memcpy(to, data, len);
    return 0;
}

int gn__wasi_put16(const struct gn_wasi_guest *guest, uint64_t at, uint64_t v)
{
    uint16_t word = htole16((uint16_t)v);

    return gn__wasi_put(guest, at, &word, sizeof(word));
}

int gn__wasi_put32(const struct gn_wasi_guest *guest, uint64_t at, uint64_t v)
{
    uint32_t word = htole32((uint32_t)v);

    return gn__wasi_put(guest, at, &word, sizeof(word));
}

int gn__wasi_put64(const struct gn_wasi_guest *guest, uint64_t at, uint64_t v)
{
    uint64_t word = htole64(v);

    return gn__wasi_put(guest, at, &word, sizeof(word));
}

int gn__wasi_iov(struct gn_wasi_guest *guest, uint64_t at, uint64_t n,
                 struct iovec *one, struct iovec **out)
{
    uint32_t pair[2];
    struct iovec *iov = one;

    if (n > GN__WASI_IOV_MAX)
        return -EINVAL;
    if (n > 1)
        iov = gn__wasi_scratch(guest, n * sizeof(*iov));
    if (!iov)
        return -ENOMEM;
    for (uint64_t i = 0; i < n; i++) {
        if (gn__wasi_get(guest, at + 8 * i, pair, sizeof(pair)))
            return -EFAULT;
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
