/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_BASE_FD_H
#define GN_BASE_FD_H

/*
 * Descriptors of the kernel's, as the driving thread needs them.
 */
#include <stdbool.h>

#include <guestnet/export.h>

/** A call that would block fails with -EAGAIN instead; if @on is false, it
 *  waits. Returns 0, or a negative errno. */
GN_WARN_UNUSED int gn__fd_nonblock(int fd, bool on);
/** One that another program or library has opened: it does not block, and no
 *  program that is executed inherits it. Returns 0, or a negative errno. */
GN_WARN_UNUSED int gn__fd_prepare(int fd);

#endif /* GN_BASE_FD_H */
