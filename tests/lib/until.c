/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/until.h"

#include <poll.h>
#include <stddef.h>

#include "base/lock.h"

uint64_t gn_test_now_ns(void)
{
    return gn__monotonic_ns();
}

bool gn_test_patient(uint64_t since_ns)
{
    (void)poll(NULL, 0, 1);
    return gn_test_now_ns() - since_ns <
           GN_TEST_PATIENCE_MS * UINT64_C(1000000);
}
