/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * sleeper MS [trap]: sleeps, and says so or traps. That nanosleep() is under
 * test: in tasks.c it is a wait of virtual time, which takes none of the
 * test's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv)
{
    long ms = argc > 1 ? atol(argv[1]) : 0;
    struct timespec pause = {.tv_sec = ms / 1000,
                             .tv_nsec = ms % 1000 * 1000000};

    if (nanosleep(&pause, NULL))
        return 1;
    if (argc > 2)
        __builtin_trap();
    printf("slept %ld ms\n", ms);
    return 0;
}
