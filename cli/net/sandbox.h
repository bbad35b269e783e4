/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_NET_SANDBOX_H
#define CLI_NET_SANDBOX_H

#include <stddef.h>

/**
 * Before anything is opened: nothing is gained by exec(), and there is no
 * io_uring, here or later. A ring carries out what it is asked past a filter of
 * system calls, and libuv from 1.45 on has one in each loop where it can.
 *
 * Returns 0, or -1 with a line.
 */
int sandbox_begin(char *why, size_t why_len);

/**
 * Then give up what a network process does not need, for good: all
 * capabilities, all files but /etc and those that TLS reads there (Landlock,
 * where the kernel has it), and all system calls but those that are listed
 * (seccomp, where it was built in).
 *
 * @folder  Where its control socket may be removed; NULL: nowhere.
 *
 * Returns 0, or -1 with a line.
 */
int sandbox_enter(const char *folder, char *why, size_t why_len);

#endif /* CLI_NET_SANDBOX_H */
