/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>

int gn__fd_nonblock(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return -errno;
    flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    return fcntl(fd, F_SETFL, flags) ? -errno : 0;
}

int gn__fd_prepare(int fd)
{
    int err = gn__fd_nonblock(fd, true);

    if (err)
        return err;
    return fcntl(fd, F_SETFD, FD_CLOEXEC) ? -errno : 0;
}
