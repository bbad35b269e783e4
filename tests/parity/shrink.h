/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PARITY_SHRINK_H
#define TESTS_PARITY_SHRINK_H

/*
 * A row of steps on which something fails, made as short as leaving steps out
 * can make it.
 */
#include "tests/parity/step.h"

#define ROW_MAX 40

struct row {
    struct step steps[ROW_MAX + 1]; /* ends with CALL_END */
    size_t n;
    enum variant variant;
};

/** Does the row (still) fail? Then writes the number of the step. */
typedef bool (*row_fails)(const struct row *row, size_t *step, void *arg);

/** @step  Where the row is known to fail. */
void row_shrink(struct row *row, size_t step, row_fails fails, void *arg);

#endif /* TESTS_PARITY_SHRINK_H */
