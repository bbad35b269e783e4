/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_FRONT_H
#define CLI_FRONT_H

/*
 * Signals of the process that was called by name. They are blocked and read
 * from a descriptor, so that they wait while something is being set up.
 */
#include <signal.h>
#include <stdbool.h>

/** What they were like before: the command's. */
struct front_before {
    sigset_t mask;
    bool chld_ignored; /* then wait(2) would never say how a child ended */
};

/** Block them. Returns the descriptor; -1. */
int front_signals(struct front_before *before);
/** As they were, for what is run. */
void front_restore(const struct front_before *before);

/** The next one; and was it the terminal that sent it, to all of its foreground
 *  processes, and so to the command too? */
int front_signal(int fd, bool *by_terminal);

/** The next one of a verb that runs no command: SIGTSTP stops it. Returns true
 *  if it is to end. */
bool front_ends(int fd);

/** End as a command did that wait(2) said @status of. */
_Noreturn void front_end(int status);

#endif /* CLI_FRONT_H */
