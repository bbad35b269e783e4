/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_NET_SANDBOX_H
#define CLI_NET_SANDBOX_H

#include <stddef.h>

/**
 * Give up what a network process does not need, for good: all capabilities,
 * gaining any by exec(), all files but /etc and those that TLS reads there
 * (Landlock, where the kernel has it), and all system calls but those that are
 * listed (seccomp, where it was built in).
 *
 * @folder  Where its control socket may be removed; NULL: nowhere.
 *
 * Returns 0, or -1 with a line.
 */
int sandbox_enter(const char *folder, char *why, size_t why_len);

#endif /* CLI_NET_SANDBOX_H */
