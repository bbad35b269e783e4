/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/parity/differences.h"

#include <fnmatch.h>
#include <stdatomic.h>

const struct wanted_difference wanted_differences[] = {
    {"none yet", "-", "-", "-", WANTED_STOP, "-"},
};

const size_t n_wanted_differences =
    sizeof(wanted_differences) / sizeof(wanted_differences[0]);

static unsigned met[sizeof(wanted_differences) / sizeof(wanted_differences[0])];

enum wanted difference_wanted(const char *what, const char *kernel,
                              const char *guest)
{
    size_t i;

    for (i = 0; i < n_wanted_differences; i++) {
        const struct wanted_difference *wanted = &wanted_differences[i];

        if (fnmatch(wanted->what, what, 0) == 0 &&
            fnmatch(wanted->kernel, kernel, 0) == 0 &&
            fnmatch(wanted->guest, guest, 0) == 0) {
            met[i]++;
            return wanted->then;
        }
    }
    return NOT_WANTED;
}

unsigned difference_met(size_t i)
{
    return met[i];
}
