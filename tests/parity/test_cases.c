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
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/parity/cases.h"
#include "tests/parity/compare.h"
#include "tests/parity/differences.h"

/* Longer than any hiccup of a loaded machine; only differences take it. */
#define PATIENCE_MS 2000
/* What the project promises of this body of cases. */
#define CALLS_LEAST 300

static const struct case_table *const tables[] = {
    &cases_bind,    &cases_connect, &cases_listen,
    &cases_stream,  &cases_close,   &cases_datagram,
    &cases_control, &cases_options, &cases_blocking};
enum { N_TABLES = sizeof(tables) / sizeof(tables[0]) };

static struct world world;
static unsigned skipped;

static bool is_neutral(const struct step *steps)
{
    for (; steps->call != CALL_END; steps++) {
        if (step_is_neutral(steps))
            return true;
    }
    return false;
}

static bool run_variant(const struct parity_case *one, enum variant variant)
{
    const char *lack = world_lacks(&world, one->steps, variant);
    struct difference difference;

    if (lack) {
        print_message("skipped: %s (%s): %s\n", one->name,
                      variant_names[variant], lack);
        skipped++;
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

    (void)signal(SIGSEGV, SIG_DFL); /* cmocka would go on, with locks held. */
    (void)signal(SIGABRT, SIG_DFL);
    for (variant = V4; variant < (neutral ? N_VARIANTS : V4 + 1); variant++)
        same &= run_variant(one, (enum variant)variant);
    assert_true(same);
}

static void enough_calls_were_compared(void **state)
{
    (void)state;
    print_message("%lu calls compared, %lu with readiness; %u cases skipped\n",
                  world.calls, world.compared, skipped);
    assert_true(world.calls >= CALLS_LEAST || skipped > 0);
}

static void every_wanted_difference_was_met(void **state)
{
    bool all = true;
    size_t i;

    (void)state;
    for (i = 0; i < n_wanted_differences; i++) {
        if (difference_met(i) > 0)
            continue;
        print_error("not met: %s\n", wanted_differences[i].title);
        all = false;
    }
    assert_true(all || skipped > 0);
}

/* The documents name each of them by its title. */
static void every_wanted_difference_is_documented(void **state)
{
    FILE *file = fopen(GN_SOURCE_DIR "/docs/differences.md", "r");
    static char text[65536];
    bool all = true;
    size_t i;

    (void)state;
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    (void)fclose(file);
    for (i = 0; i < n_wanted_differences; i++) {
        if (strstr(text, wanted_differences[i].title))
            continue;
        print_error("not documented: %s\n", wanted_differences[i].title);
        all = false;
    }
    assert_true(all);
}

static int setup(void **state)
{
    (void)state;
    print_message("%s\n", gn_version_string());
    return world_open(&world);
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
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
    failed = _cmocka_run_group_tests("parity", tests, n, setup, teardown);
    free(tests);
    return failed;
}
