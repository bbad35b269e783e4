/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PARITY_DIFFERENCES_H
#define TESTS_PARITY_DIFFERENCES_H

/*
 * The wanted differences between a guest's sockets and Linux', with the reason
 * of each: one table. docs/differences.md tells users the same; test_cases.c
 * looks there for each one's row, below its heading. What is normalised before
 * anything is compared stands at the head of side.h.
 */
#include <stddef.h>

enum wanted {
    NOT_WANTED = 0,
    WANTED_GO_ON, /* both sides are in the same state afterwards */
    WANTED_STOP,  /* they are not: the rest of the case is not compared */
    WANTED_NEWER, /* as that, and only newer kernels do so: may be not met */
};

/* Patterns are those of fnmatch(3). */
struct wanted_difference {
    const char *heading; /* of docs/differences.md, the row stands below */
    const char *row;     /* in the first cell of the table's row */
    const char *what;    /* the step as it prints */
    const char *kernel;
    const char *guest;
    enum wanted then;
    const char *reason;
};

extern const struct wanted_difference wanted_differences[];
extern const size_t n_wanted_differences;

enum wanted difference_wanted(const char *what, const char *kernel,
                              const char *guest);

/** How often the i-th has been met. */
unsigned difference_met(size_t i);

#endif /* TESTS_PARITY_DIFFERENCES_H */
