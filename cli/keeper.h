/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_KEEPER_H
#define CLI_KEEPER_H

/*
 * The command's parent. It is there so that nothing is left when guestnet is
 * killed, even by SIGKILL: it hears of that, kills what the command has
 * started, and takes a name of the namespace away again. It also does so when
 * the command ends, as container engines do.
 *
 *     guestnet --- keeper --- the command
 */
#include <stdbool.h>
#include <sys/types.h>

#include "cli/box.h"

/** What they tell each other. */
struct keeper_word {
    enum { KEEPER_SIGNAL = 1, KEEPER_STOPPED, KEEPER_ENDED } what;
    int value; /* a signal's number, or what wait(2) says */
};

struct keeper {
    pid_t pid;
    int sock; /* SOCK_SEQPACKET, of words */
};

/** Start one, and the command's child with it. @box: its keeper and parent are
 *  set here. Returns 0 or a negative errno. */
int keeper_start(struct keeper *keeper, const struct box *box);
/** Pass a signal on to the command. */
void keeper_signal(const struct keeper *keeper, int sig);
/** Hear of it. Returns false when it is gone. */
bool keeper_hear(const struct keeper *keeper, struct keeper_word *word);
/** Let go of it, and wait for its end. */
void keeper_stop(struct keeper *keeper);

#endif /* CLI_KEEPER_H */
