/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_BOX_H
#define CLI_BOX_H

/*
 * The container: a child that goes into namespaces of its own and becomes the
 * command.
 */
#include <sys/types.h>

#include "cli/front.h"
#include "cli/options.h"

struct box {
    const struct options *options;
    uint32_t mtu;
    int device; /* to the process that joins the network: device.h */
    int keeper; /* to the parent, which maps its users: box_map() */
    pid_t parent;
    struct front_before signals;
};

/** The child's part: becomes the command, or says on box->device why not. */
_Noreturn void box_main(const struct box *box);

/**
 * The parent's part: wait for the child's namespaces and map its users: the
 * caller's own, as itself or with --root as 0; all, if the caller is root.
 *
 * Returns 0, or -1: the child says why.
 */
int box_map(int child, pid_t pid, bool root);

/** Which setting forbids user namespaces, as far as can be seen. */
const char *box_forbidden(int error);

#endif /* CLI_BOX_H */
