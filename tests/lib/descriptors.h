/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_DESCRIPTORS_H
#define TESTS_LIB_DESCRIPTORS_H

/** How many descriptors the process has; to be compared with itself. */
unsigned gn_test_descriptors(void);

#endif /* TESTS_LIB_DESCRIPTORS_H */
