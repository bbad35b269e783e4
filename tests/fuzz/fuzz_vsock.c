/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The answer to CONNECT, a byte at a time, as it is read. By the last byte that
 * has room it is a whole answer or none; more bytes behind it change nothing;
 * and sscanf() takes a whole one for a whole one.
 */
#include <stdio.h>
#include <string.h>

#include "guests/nic/vsock.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_whole(const uint8_t *data, size_t len)
{
    char text[GN__VSOCK_REPLY_MAX + 1] = "", digits[16] = "";
    int end = 0;

    CHECK(len <= GN__VSOCK_REPLY_MAX);
    memcpy(text, data, len);
    CHECK(sscanf(text, "OK %10[0-9]\n%n", digits, &end) == 1);
    CHECK((size_t)end == len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ssize_t now = 0;
    size_t n;

    for (n = 0; n <= size && now == 0; n++)
        now = gn__vsock_reply(data, n);
    CHECK(n <= GN__VSOCK_REPLY_MAX + 1);
    if (now > 0) {
        CHECK((size_t)now == n - 1);
        check_whole(data, (size_t)now);
    }
    CHECK(gn__vsock_reply(data, size) == now);
    return 0;
}
