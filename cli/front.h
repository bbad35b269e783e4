/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_FRONT_H
#define CLI_FRONT_H

/*
 * Signals of the process that was called by name. They are blocked and read
 * from a descriptor, so that they wait while something is being set up.
 */
#include <signal.h>
#include <stdbool.h>

/** Block them. Returns the descriptor, with the mask as it was; -1. */
int front_signals(sigset_t *before);

/** The next one; and was it the terminal that sent it, to all of its foreground
 *  processes, and so to the command too? */
int front_signal(int fd, bool *by_terminal);

/** End as a command did that wait(2) said @status of. */
_Noreturn void front_end(int status);

#endif /* CLI_FRONT_H */
