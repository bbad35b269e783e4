/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_KEPT_H
#define TESTS_LIB_KEPT_H

/*
 * Captures of what a test's networks carried, to find out why it failed. They
 * are files in $TMPDIR (else /tmp) that are removed when the test program ends
 * well (or skips); else they stay, also after a crash, and a failure prints
 * where they are, in the order of the tests.
 */
#include <guestnet/guestnet.h>

/** Capture all of @net until it closes. Never fails a test: where it cannot
 *  write, it says so. */
void gn_test_keep(struct gn_network *net);

#endif /* TESTS_LIB_KEPT_H */
