/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * QEMU's framing of a stream. The first byte says how many bytes come at a
 * time, the rest is the stream. Frames are within what came, each of a length
 * that a frame may have, one behind the other; and it does not matter in which
 * pieces they came, up to the length that ends the connection.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guests/nic/socket.h"
#include "tests/fuzz/check.h"

#define PREFIX 4u
#define CAP    8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One look at what is there: bytes of whole frames, or -EPROTO. */
static ssize_t look(const uint8_t *data, size_t len, size_t *n_all)
{
    struct gn_frame frames[CAP];
    struct iovec iov[CAP];
    size_t n, i, at = 0;
    ssize_t used = gn__qemu_frames(data, len, frames, iov, CAP, &n);

    CHECK(n <= CAP);
    for (i = 0; i < n; i++) {
        CHECK(frames[i].n_iov == 1 && frames[i].iov == &iov[i]);
        CHECK(iov[i].iov_base == (const void *)(data + at + PREFIX));
        CHECK(iov[i].iov_len <= GN__QEMU_FRAME_MAX);
        at += PREFIX + iov[i].iov_len;
    }
    CHECK(at <= len);
    CHECK(used < 0 || (size_t)used == at);
    *n_all += n;
    return used;
}

/* All of it, @step bytes at a time (0: at once). Frames before an end; *@ended
 * says whether there was one. */
static size_t frames_of(const uint8_t *data, size_t size, size_t step,
                        bool *ended)
{
    size_t n = 0, from = 0, there = step ? 0 : size;
    ssize_t used = 0;

    do {
        there = step && size - there > step ? there + step : size;
        do {
            used = look(data + from, there - from, &n);
            from += used > 0 ? (size_t)used : 0;
        } while (used > 0);
    } while (used == 0 && there < size);
    *ended = used < 0;
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool ended, ended_too;
    size_t n;

    if (!size)
        return 0;
    n = frames_of(data + 1, size - 1, 0, &ended);
    CHECK(frames_of(data + 1, size - 1, data[0] + 1u, &ended_too) == n ||
          ended);
    CHECK(ended == ended_too);
    return 0;
}
