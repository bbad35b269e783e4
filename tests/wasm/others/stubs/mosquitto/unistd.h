/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUBS_UNISTD_H
#define STUBS_UNISTD_H

#include_next <unistd.h>

#include <errno.h>

/* A guest is one process of one user other than root. */
static inline int gn_no_process(void)
{
    errno = ENOSYS;
    return -1;
}

#define getuid()                1000u
#define geteuid()               1000u
#define getgid()                1000u
#define getegid()               1000u
#define setuid(user)            ((void)(user), gn_no_process())
#define setgid(group)           ((void)(group), gn_no_process())
#define initgroups(name, group) ((void)(name), (void)(group), gn_no_process())
#define fork()                  gn_no_process()
#define setsid()                gn_no_process()
#define alarm(seconds)          ((void)(seconds), 0u)

#endif /* STUBS_UNISTD_H */
