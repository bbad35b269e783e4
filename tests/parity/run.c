/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/parity/run.h"

#include <signal.h>
#include <string.h>

struct world world;

/* Reasons that are printed, each with the first that it was of. */
#define REASONS_MAX 8u

static unsigned n_skipped;
static const char *reasons[REASONS_MAX];

void parity_begin(void)
{
    (void)signal(SIGSEGV, SIG_DFL);
    (void)signal(SIGABRT, SIG_DFL);
}

void parity_skip(const char *what, const char *why)
{
    unsigned i;

    n_skipped++;
    for (i = 0; i < REASONS_MAX && reasons[i]; i++) {
        if (strcmp(reasons[i], why) == 0)
            return;
    }
    if (i < REASONS_MAX)
        reasons[i] = why;
    print_message("skipped: %s: %s\n", what, why);
}

void parity_skip_if_any_was(void)
{
    if (n_skipped)
        skip();
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
    print_message("%lu calls compared, %lu with readiness\n", world.calls,
                  world.compared);
    if (n_skipped)
        print_message("%u were skipped\n", n_skipped);
    world_close(&world);
    return 0;
}

int parity_run(const char *name, const struct CMUnitTest *tests, size_t n)
{
    int failed = _cmocka_run_group_tests(name, tests, n, setup, teardown);

    return failed ? failed : n_skipped ? 77 : 0;
}
