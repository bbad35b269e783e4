/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PARITY_CASES_H
#define TESTS_PARITY_CASES_H

#include "tests/parity/step.h"

struct case_table {
    const struct parity_case *at;
    size_t n;
};

extern const struct case_table cases_bind;
extern const struct case_table cases_connect;
extern const struct case_table cases_listen;
extern const struct case_table cases_stream;
extern const struct case_table cases_close;
extern const struct case_table cases_datagram;
extern const struct case_table cases_control;
extern const struct case_table cases_options;
extern const struct case_table cases_blocking;
extern const struct case_table cases_link;

#endif /* TESTS_PARITY_CASES_H */
