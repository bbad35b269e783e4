/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_UNTIL_H
#define TESTS_LIB_UNTIL_H

/*
 * Waiting, with a bound, for what nothing tells of: a counter that another
 * thread moves, a socket of the kernel's that is closed. What can be told has a
 * tally (tests/lib/tally.h), a callback or a descriptor. To be included after
 * <cmocka.h>.
 */
#include <stdbool.h>
#include <stdint.h>

/** Until a test gives up, ms. */
#define GN_TEST_PATIENCE_MS 60000

uint64_t gn_test_now_ns(void);
/** Leave the processor to others for a moment; false when @since_ns is too long
 *  ago. */
bool gn_test_patient(uint64_t since_ns);

/** Wait until it is so. */
#define gn_test_until(condition)                                      \
    do {                                                              \
        uint64_t since_ns_ = gn_test_now_ns();                        \
        bool is_so_;                                                  \
        while (!(is_so_ = (condition)) && gn_test_patient(since_ns_)) \
            continue;                                                 \
        if (!is_so_)                                                  \
            fail_msg("line %d: never: %s", __LINE__, #condition);     \
    } while (0)

#endif /* TESTS_LIB_UNTIL_H */
