/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Random rows of steps (maker.h), from a seed. A row on which the two sides
 * differ is shrunk, by leaving steps out for as long as they still differ, and
 * printed as a case that can be pasted into a table, with the seed that made
 * it.
 *
 * Half of them are on one host, the others on two that are joined by a link,
 * where the kernel gives that. A row counts as different only if it is so again
 * when repeated: a port that the kernel picks may still rest from an earlier
 * row (TIME_WAIT), and then cannot be bound to.
 *
 * GN_TEST_STEPS in the environment is how many steps to run; with GN_TEST_LINK
 * the first rows are on a link: that, too, is printed with a seed.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/seed.h"
#include "tests/parity/maker.h"
#include "tests/parity/run.h"

#define STEPS_DEFAULT 10000
/* How long a difference in time may take: when found, when shrinking. */
#define PATIENCE_MS   2000
#define IMPATIENCE_MS 300
/* Rows after which the kernel's side is refreshed. */
#define ROWS_FRESH 50

/* ---- looking ---- */

static bool differs(const struct row *row, int patience_ms,
                    struct difference *out)
{
    return !world_compare(&world, row->steps, row->variant, patience_ms, out);
}

/* The same call, with the same outcomes. */
static bool is_same(const struct difference *a, const struct difference *b)
{
    size_t len = strcspn(a->what, "(");

    return strncmp(a->what, b->what, len) == 0 &&
           b->what[len] == a->what[len] && strcmp(a->kernel, b->kernel) == 0 &&
           strcmp(a->guest, b->guest) == 0;
}

static bool still_differs(const struct row *row, size_t *step, void *arg)
{
    struct difference *difference = arg, other;

    if (!differs(row, IMPATIENCE_MS, &other) || !is_same(difference, &other))
        return false;
    *difference = other;
    *step = other.step;
    return true;
}

static void print_row(const struct row *row, uint64_t seed,
                      const struct difference *difference)
{
    char text[160];
    size_t i;

    print_error("GN_TEST_SEED=%llu%s, %s:\n", (unsigned long long)seed,
                world.joined ? " GN_TEST_LINK=1" : "",
                variant_names[row->variant]);
    print_error("    CASE(\"...\"");
    for (i = 0; i < row->n; i++) {
        step_format(&row->steps[i], text, sizeof(text));
        print_error(",\n         %s", text);
    }
    print_error("),\n    differ in %s\n    kernel: %s\n    guest:  %s\n",
                difference->what, difference->kernel, difference->guest);
}

/* ---- the test ---- */

static size_t steps_wanted(void)
{
    const char *text = getenv("GN_TEST_STEPS");

    return text ? strtoul(text, NULL, 10) : STEPS_DEFAULT;
}

static bool try_row(struct row *row, uint64_t seed, unsigned *chance)
{
    struct difference difference, again;

    if (!differs(row, PATIENCE_MS, &difference))
        return true;
    if (!differs(row, PATIENCE_MS, &again)) {
        print_message("once: %s\n    kernel: %s\n    guest:  %s\n",
                      difference.what, difference.kernel, difference.guest);
        (*chance)++;
        return true;
    }
    row_shrink(row, again.step, still_differs, &again);
    print_row(row, seed, &again);
    return false;
}

static void guests_do_as_the_kernel_does(void **state)
{
    size_t wanted = steps_wanted(), done = 0;
    unsigned rows = 0, chance = 0, different = 0;
    bool joined = !getenv("GN_TEST_LINK");
    struct gn_test_seed seed;
    struct row row;

    (void)state;
    parity_begin();
    gn_test_seed_init(&seed);
    while (done < wanted && different < 3) {
        uint64_t before = seed.state;

        if (rows % ROWS_FRESH == 0) {
            joined = !joined;
            world_refresh(&world, joined);
        }
        row_make(&seed, &world, &row);
        done += row.n;
        rows++;
        different += !try_row(&row, before, &chance);
    }
    print_message("%zu steps in %u rows, %lu compared; %u differed once and "
                  "not again\n",
                  done, rows, world.compared, chance);
    assert_int_equal(different, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(guests_do_as_the_kernel_does),
    };

    return parity_run("random", tests, sizeof(tests) / sizeof(*tests));
}
