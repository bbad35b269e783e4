/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_NET_DESCRIPTORS_H
#define CLI_NET_DESCRIPTORS_H

/*
 * Descriptors over a Unix socket (SCM_RIGHTS, unix(7)), as children between
 * fork() and exec() may use it too: no memory is allocated.
 */
#include <stddef.h>
#include <sys/types.h>

#define DESCRIPTORS_MAX 64u

/** Send bytes and @n descriptors with the first of them. Returns 0 or a
 *  negative errno. */
int descriptors_send(int sock, const void *data, size_t len, const int *fds,
                     size_t n);
/**
 * Receive bytes, and the descriptors that came with them, close-on-exec.
 *
 * @n  In: room in @fds; out: how many came. Those that do not fit are closed.
 *
 * Returns the bytes; 0: the end; a negative errno.
 */
ssize_t descriptors_receive(int sock, void *data, size_t cap, int *fds,
                            size_t *n, int flags);

#endif /* CLI_NET_DESCRIPTORS_H */
