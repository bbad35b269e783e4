/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_LIFE_H
#define CLI_LIFE_H

/*
 * How long a network namespace of another program's lives: as long as it has a
 * name, or a process is in it. The kernel would keep it longer, for our
 * device's sake.
 */
#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct life {
    char path[PATH_MAX]; /* of the namespace's file */
    dev_t dev;
    ino_t ino;
    int fd; /* to be polled; -1: nothing tells of its end */
    short events;
};

/** Begin to watch the namespace of @netns, whose file is @path. Returns false
 *  if its life is over. */
bool life_begin(struct life *life, int netns, const char *path);
/** life->fd has life->events, and both may be others then. Returns false when
 *  its life is over. */
bool life_look(struct life *life);
/** Watch no more. */
void life_end(struct life *life);

#endif /* CLI_LIFE_H */
