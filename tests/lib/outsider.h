/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_OUTSIDER_H
#define TESTS_LIB_OUTSIDER_H

/*
 * A guest behind a wire, for tests that play one: it belongs to a port of
 * theirs and is freed with its last reference. Inside the engine.
 */
#include "switch/port.h"

/** @limits NULL: the network's. Fails the test without memory. */
struct gn__guest *gn_outsider_create(struct gn_network *net,
                                     const struct gn_limits *limits);
/** When its ports have been detached. */
void gn_outsider_end(struct gn__guest *guest);
/** Give a port the addresses in @texts, NULL-ended; or fail the test. */
void gn_outsider_own(struct gn__port *port, const char *const *texts);

#endif /* TESTS_LIB_OUTSIDER_H */
