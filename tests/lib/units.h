/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_UNITS_H
#define TESTS_LIB_UNITS_H

#include <stdint.h>

/** Nanoseconds. */
#define GN_MS UINT64_C(1000000)
#define GN_S  UINT64_C(1000000000)

#endif /* TESTS_LIB_UNITS_H */
