/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUBS_TERMIOS_H
#define STUBS_TERMIOS_H

/* There are no terminals. */
#include <errno.h>

#define ECHO    8
#define TCSANOW 0

struct termios {
    unsigned c_lflag;
};

static inline int tcgetattr(int fd, struct termios *out)
{
    (void)fd, (void)out;
    errno = ENOTTY;
    return -1;
}

static inline int tcsetattr(int fd, int when, const struct termios *in)
{
    (void)fd, (void)when, (void)in;
    errno = ENOTTY;
    return -1;
}

#endif /* STUBS_TERMIOS_H */
