/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/parity/shrink.h"

#include <string.h>

static void leave_out(struct row *row, size_t at, size_t n)
{
    memmove(&row->steps[at], &row->steps[at + n],
            (row->n + 1 - at - n) * sizeof(row->steps[0]));
    row->n -= n;
}

static void cut_behind(struct row *row, size_t step)
{
    if (step + 1 < row->n)
        leave_out(row, step + 1, row->n - step - 1);
}

/* Leave out each piece of so many steps, from the end, if it still fails. */
static bool leave_out_pieces(struct row *row, size_t piece, row_fails fails,
                             void *arg)
{
    bool any = false;
    struct row smaller;
    size_t at, step;

    for (at = row->n; at-- > 0;) {
        if (at + piece > row->n)
            continue;
        smaller = *row;
        leave_out(&smaller, at, piece);
        if (!fails(&smaller, &step, arg))
            continue;
        cut_behind(&smaller, step);
        *row = smaller;
        any = true;
    }
    return any;
}

/* What is behind the failure does not matter; of the rest, leave out pieces of
 * half the row, a quarter, ..., and single steps until none can be spared. */
void row_shrink(struct row *row, size_t step, row_fails fails, void *arg)
{
    size_t piece;

    cut_behind(row, step);
    for (piece = row->n / 2; piece > 1; piece /= 2)
        (void)leave_out_pieces(row, piece, fails, arg);
    while (leave_out_pieces(row, 1, fails, arg))
        continue;
}
