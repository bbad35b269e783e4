/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_WATCHDOG_H
#define TESTS_LIB_WATCHDOG_H

/*
 * For tests whose calls have no time-outs: a thread that sees to it that the
 * others get on. If none of them has for a while, it prints what each is
 * doing, and ends the program.
 */

/** Begin to look after @n workers, numbered from 0; one at a time. */
void watchdog_begin(unsigned n);
/** Worker @i is about to do this. @what is kept. */
void watchdog_doing(unsigned i, const char *what);
void watchdog_end(void);

#endif /* TESTS_LIB_WATCHDOG_H */
