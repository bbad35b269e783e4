/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_CONNECTOR_H
#define CLI_CONNECTOR_H

/*
 * The network process may open no Unix sockets (net/sandbox.h), so for a
 * machine that is reached by connecting to its VMM it asks this one to connect,
 * as gn_nic_vsock() has it.
 */
#include <stdbool.h>

#include "cli/where.h"

struct connector {
    int sock; /* where it asks; -1: there is none */
    char path[WHERE_MAX];
    char said[200]; /* the last reason that was said */
};

/** Returns the other end, which is the network's; or a negative errno. */
int connector_open(struct connector *connector);
/** It has asked: connect, and say its reason for asking if that is a new
 *  one. */
void connector_serve(struct connector *connector);
void connector_close(struct connector *connector);

#endif /* CLI_CONNECTOR_H */
