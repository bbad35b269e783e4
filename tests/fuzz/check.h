/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_FUZZ_CHECK_H
#define TESTS_FUZZ_CHECK_H

/*
 * What must hold of every input. A target is no cmocka test, outside of which
 * cmocka's assertions print nothing.
 */
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                 \
    do {                                                                 \
        if (!(condition)) {                                              \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, \
                    #condition);                                         \
            abort();                                                     \
        }                                                                \
    } while (0)

#endif /* TESTS_FUZZ_CHECK_H */
