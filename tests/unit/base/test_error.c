/* SPDX-License-Identifier: BSD-3-Clause */
#include <guestnet/error.h>

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void names_errno(void **state)
{
    (void)state;
    assert_string_equal(gn_strerror(0), "success");
    assert_string_equal(gn_strerror(-ECONNREFUSED), "Connection refused");
    assert_string_equal(gn_strerror(-ENOMEM), "Cannot allocate memory");
}

static void names_what_libuv_adds(void **state)
{
    (void)state;
    assert_string_equal(gn_strerror(-3008), "unknown name or service");
    assert_string_equal(gn_strerror(-3014),
                        "protocol unknown to name resolution");
}

static void knows_no_other_number(void **state)
{
    static const int other[] = {1,     INT_MAX, INT_MIN, INT_MIN + 1,
                                -2999, -3012,   -3015,   -4095};

    (void)state;
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
        assert_string_equal(gn_strerror(other[i]), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_errno),
        cmocka_unit_test(names_what_libuv_adds),
        cmocka_unit_test(knows_no_other_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
