/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_START_H
#define CLI_START_H

/*
 * A network to join: one that runs, or a new process (net/net.h) that ends with
 * its last guest.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "cli/where.h"

struct place {
    char folder[WHERE_MAX];
    char path[WHERE_MAX]; /* "": it has no control socket */
    pid_t pid;            /* of the process, if it is a child; 0 */
    int fd;               /* joining: what net/member.h says; -1 */
};

/**
 * Be let into a network.
 *
 * @network  Its name; of one that runs, or else of the one that is started.
 * @alone    Start one, whether or not there is a folder for its socket.
 *
 * Returns 0, and place->fd speaks of members; or -1 with a line, and nothing is
 * left.
 */
int place_enter(struct place *place, const char *network, bool alone, char *why,
                size_t why_len);

/** Leave, and wait until the network has taken note; and until it has ended, if
 *  that was its last guest and it is a child. */
void place_leave(struct place *place);

#endif /* CLI_START_H */
