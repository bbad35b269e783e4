/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUBS_FCNTL_H
#define STUBS_FCNTL_H

#include_next <fcntl.h>

#include <sys/ioctl.h>

/* fcntl() of Debian 13's wasi-libc is of files alone: EBADF for a socket. Here
 * it is of nothing but O_NONBLOCK. */
static inline int gn_fcntl(int fd, int what, int flags)
{
    int on = (flags & O_NONBLOCK) != 0;

    return what == F_SETFL ? ioctl(fd, FIONBIO, &on) : 0;
}

#define GN_FCNTL(fd, what, flags, ...) gn_fcntl(fd, what, flags)
#define fcntl(...)                     GN_FCNTL(__VA_ARGS__, 0, 0)

#endif /* STUBS_FCNTL_H */
