/* SPDX-License-Identifier: BSD-3-Clause */

/* Scattered memory of the user, in order. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "namespace/sock/msg.h"

int gn__iov_check(const struct iovec *iov, size_t n, size_t *total)
{
    size_t sum = 0, i;

    if (n > GN_IOV_MAX)
        return -EMSGSIZE;
    if (n > 0 && !iov)
        return -EFAULT;
    for (i = 0; i < n; i++) {
        if (iov[i].iov_len > SSIZE_MAX)
            return -EINVAL;
        if (iov[i].iov_len > GN__XFER_MAX - sum)
            sum = GN__XFER_MAX;
        else
            sum += iov[i].iov_len;
    }
    *total = sum;
    return 0;
}

bool gn__iov_is_there(const struct iovec *iov, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        if (iov[i].iov_len > 0 && !iov[i].iov_base)
            return false;
    }
    return true;
}

/* How much of the next @n bytes is in one piece, and where. */
static uint8_t *iov_piece(struct gn__iov *iov, size_t *n)
{
    while (iov->off == iov->at->iov_len) {
        iov->at++;
        iov->off = 0;
    }
    if (*n > iov->at->iov_len - iov->off)
        *n = iov->at->iov_len - iov->off;
    return (uint8_t *)iov->at->iov_base + iov->off;
}

void gn__iov_read(struct gn__iov *iov, void *out, size_t n)
{
    uint8_t *to = out;

    while (n > 0) {
        size_t part = n;
        const uint8_t *from = iov_piece(iov, &part);

        memcpy(to, from, part);
        to += part;
        iov->off += part;
        n -= part;
    }
}

void gn__iov_write(struct gn__iov *iov, const void *data, size_t n)
{
    const uint8_t *from = data;

    while (n > 0) {
        size_t part = n;
        uint8_t *to = iov_piece(iov, &part);

        memcpy(to, from, part);
        from += part;
        iov->off += part;
        n -= part;
    }
}

void gn__iov_skip(struct gn__iov *iov, size_t n)
{
    while (n > 0) {
        size_t part = n;

        (void)iov_piece(iov, &part);
        iov->off += part;
        n -= part;
    }
}

const void *gn__iov_peek(const struct gn__iov *iov, void *room, size_t n)
{
    struct gn__iov at = *iov;
    size_t part = n;
    const void *where;

    if (n == 0)
        return room;
    where = iov_piece(&at, &part);
    if (part == n)
        return where;
    gn__iov_read(&at, room, n);
    return room;
}
