/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The hand-written cases, each as a test of its own, over IPv4, IPv6 and IPv4
 * through IPv6 where it is written in the neutral form.
 *
 * With arguments, only the cases whose names match one of them (fnmatch(3)).
 */
#include <errno.h>
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/parity/cases.h"
#include "tests/parity/differences.h"
#include "tests/parity/run.h"

/* Longer than any hiccup of a loaded machine; only differences take it. */
#define PATIENCE_MS 2000
/* What the project promises of this body of cases. */
#define CALLS_LEAST 300

static const struct case_table *const tables[] = {
    &cases_bind,     &cases_connect,  &cases_listen,  &cases_stream,
    &cases_close,    &cases_datagram, &cases_control, &cases_options,
    &cases_blocking, &cases_link};
enum { N_TABLES = sizeof(tables) / sizeof(tables[0]) };

static bool is_neutral(const struct step *steps)
{
    for (; steps->call != CALL_END; steps++) {
        if (step_is_neutral(steps))
            return true;
    }
    return false;
}

static bool needs_link(const struct step *steps)
{
    for (; steps->call != CALL_END; steps++) {
        if (step_needs_link(steps))
            return true;
    }
    return false;
}

static bool run_variant(const struct parity_case *one, enum variant variant)
{
    const char *lack = world_lacks(&world, one->steps, variant);
    struct difference difference;

    if (lack) {
        parity_skip(one->name, lack);
        return true;
    }
    if (world_compare(&world, one->steps, variant, PATIENCE_MS, &difference))
        return true;
    print_error("%s (%s), step %zu: %s\n    kernel: %s\n    guest:  %s\n",
                one->name, variant_names[variant], difference.step,
                difference.what, difference.kernel, difference.guest);
    return false;
}

static void run_case(void **state)
{
    const struct parity_case *one = *state;
    bool neutral = is_neutral(one->steps), same = true;
    int variant;

    parity_begin();
    world_refresh(&world, needs_link(one->steps));
    for (variant = V4; variant < (neutral ? N_VARIANTS : V4 + 1); variant++)
        same &= run_variant(one, (enum variant)variant);
    assert_true(same);
}

static void enough_calls_were_compared(void **state)
{
    (void)state;
    assert_true(world.calls >= CALLS_LEAST);
    parity_skip_if_any_was();
}

static void every_wanted_difference_was_met(void **state)
{
    bool all = true;
    size_t i;

    (void)state;
    parity_skip_if_any_was();
    for (i = 0; i < n_wanted_differences; i++) {
        if (difference_met(i) > 0 || wanted_differences[i].then == WANTED_NEWER)
            continue;
        print_error("not met: %s\n", wanted_differences[i].row);
        all = false;
    }
    assert_true(all);
}

/* Has the first cell of the line @text in it? It is "| a | b | c |". */
static bool is_row_of(const char *line, const char *text)
{
    const char *cell_end = line[0] == '|' ? strchr(line + 1, '|') : NULL;
    const char *found = cell_end ? strstr(line, text) : NULL;

    return found && found < cell_end;
}

/* A row of a table below "## heading" has it. */
static bool is_documented(FILE *file, const struct wanted_difference *wanted)
{
    bool below = false, found = false;
    char line[2048];

    rewind(file);
    while (!found && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "## ", 3) == 0)
            below = strcmp(line + 3, wanted->heading) == 0;
        found = below && is_row_of(line, wanted->row);
    }
    return found;
}

static void every_wanted_difference_is_documented(void **state)
{
    FILE *file = fopen(GN_SOURCE_DIR "/docs/differences.md", "r");
    bool all = true;
    size_t i;

    (void)state;
    assert_non_null(file);
    for (i = 0; i < n_wanted_differences; i++) {
        const struct wanted_difference *wanted = &wanted_differences[i];

        assert_true(strlen(wanted->row) > 0 && strlen(wanted->reason) > 0);
        if (is_documented(file, wanted))
            continue;
        print_error("not documented below \"%s\": %s\n", wanted->heading,
                    wanted->row);
        all = false;
    }
    (void)fclose(file);
    assert_true(all);
}

static bool is_wanted(const char *name, int argc, char **argv)
{
    int i;

    for (i = 1; i < argc; i++) {
        if (fnmatch(argv[i], name, 0) == 0)
            return true;
    }
    return argc < 2;
}

static size_t collect(struct CMUnitTest *tests, int argc, char **argv)
{
    size_t table, i, n = 0;

    for (table = 0; table < N_TABLES; table++) {
        for (i = 0; i < tables[table]->n; i++) {
            const struct parity_case *one = &tables[table]->at[i];

            if (is_wanted(one->name, argc, argv))
                tests[n++] = (struct CMUnitTest){.name = one->name,
                                                 .test_func = run_case,
                                                 .initial_state =
                                                     (void *)(uintptr_t)one};
        }
    }
    if (argc < 2) {
        tests[n++] =
            (struct CMUnitTest)cmocka_unit_test(enough_calls_were_compared);
        tests[n++] = (struct CMUnitTest)cmocka_unit_test(
            every_wanted_difference_was_met);
        tests[n++] = (struct CMUnitTest)cmocka_unit_test(
            every_wanted_difference_is_documented);
    }
    return n;
}

int main(int argc, char **argv)
{
    struct CMUnitTest *tests;
    size_t table, n = 3;
    int failed;

    for (table = 0; table < N_TABLES; table++)
        n += tables[table]->n;
    tests = calloc(n, sizeof(*tests));
    if (!tests)
        return 1;
    n = collect(tests, argc, argv);
    failed = parity_run("parity", tests, n);
    free(tests);
    return failed;
}
