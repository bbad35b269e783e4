/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Runs upstream's TCP suites. Upstream's own main also wants all the suites of
 * what we leave out of lwIP, so what it gives to the suites is given here.
 */
#include "lwip_check.h"
#include "tcp/test_tcp.h"
#include "tcp/test_tcp_oos.h"
#include "tcp/test_tcp_state.h"
#include "lwip/init.h"
#include "lwip/memp.h"
#include "lwip/stats.h"

Suite *create_suite(const char *name, testfunc *tests, size_t n, SFun setup,
                    SFun teardown)
{
    Suite *suite = suite_create(name);

    for (size_t i = 0; i < n; i++) {
        TCase *tcase = tcase_create(name);
        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_named_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);
    }
    return suite;
}

void lwip_check_ensure_no_alloc(unsigned int skip)
{
    if (!(skip & SKIP_HEAP))
        ck_assert_uint_eq(lwip_stats.mem.used, 0);
    for (int i = 0; i < MEMP_MAX; i++)
        if (!(skip & (1u << i)))
            ck_assert_uint_eq(lwip_stats.memp[i]->used, 0);
}

int main(void)
{
    lwip_init();
    SRunner *runner = srunner_create(tcp_suite());
    srunner_add_suite(runner, tcp_oos_suite());
    srunner_add_suite(runner, tcp_state_suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
