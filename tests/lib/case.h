/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_CASE_H
#define TESTS_LIB_CASE_H

/*
 * A row of a table of cmocka's tests. To be included after <cmocka.h>.
 */

/** With this file's own setup() and teardown(). */
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/** With a fixture of tests/lib: CASE_OF(pubnet, test). */
#define CASE_OF(fixture, test) \
    cmocka_unit_test_setup_teardown(test, fixture##_setup, fixture##_teardown)

#endif /* TESTS_LIB_CASE_H */
