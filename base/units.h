/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_BASE_UNITS_H
#define GN_BASE_UNITS_H

#include <stdint.h>

/** Nanoseconds in a second; all times inside are nanoseconds. */
#define GN__NS_PER_S UINT64_C(1000000000)

#endif /* GN_BASE_UNITS_H */
