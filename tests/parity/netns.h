/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PARITY_NETNS_H
#define TESTS_PARITY_NETNS_H

/*
 * The network namespace of the calling thread, network_namespaces(7): what
 * sockets that it opens belong to. All return 0 or a negative errno.
 */
#include <guestnet/export.h>

/** Leave the process's own, in a user namespace if it takes that. Single-
 *  threaded so far. */
GN_WARN_UNUSED int netns_own(void);
/** Another one, which has nothing but lo, and that is up. */
GN_WARN_UNUSED int netns_fresh(void);
/** A descriptor for the one the thread is in; below 0: errno says why. */
GN_WARN_UNUSED int netns_open(void);
GN_WARN_UNUSED int netns_enter(int fd);
/** Write one of its settings. */
GN_WARN_UNUSED int netns_write(const char *path, const char *text);

#endif /* TESTS_PARITY_NETNS_H */
