/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUBS_SYS_SOCKET_H
#define STUBS_SYS_SOCKET_H

#include_next <sys/socket.h>

#include <errno.h>

/* Sockets of one program are not joined but by addresses. */
static inline int gn_no_pair(void)
{
    errno = EAFNOSUPPORT;
    return -1;
}

#define socketpair(family, type, protocol, pair) ((void)(pair), gn_no_pair())

#endif /* STUBS_SYS_SOCKET_H */
