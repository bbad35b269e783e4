/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PARITY_RUN_H
#define TESTS_PARITY_RUN_H

/*
 * How the programs of this folder that compare begin and end: with a world,
 * what could not be looked at in it, and what was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/parity/compare.h"

/** The world of the tests that run; open while they do. */
extern struct world world;

/**
 * Run tests in a fresh world, and sum up.
 *
 * Returns what main() does: 77 if nothing failed and something was skipped.
 */
int parity_run(const char *name, const struct CMUnitTest *tests, size_t n);

/** In each test, before it compares: a crash ends the program. cmocka would go
 *  on, with locks held. */
void parity_begin(void);
/** Something cannot be looked at here; the first is printed of each reason,
 *  which is constant text. */
void parity_skip(const char *what, const char *why);
/** End the calling test as skipped if anything was: what could not be looked at
 *  is not said to be well. */
void parity_skip_if_any_was(void);

#endif /* TESTS_PARITY_RUN_H */
