/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUBS_SIGNAL_H
#define STUBS_SIGNAL_H

#include_next <signal.h>

#include <__typedef_sigset_t.h> /* wasi-libc's */

/* There are no signals that could be blocked. */
#define SIG_SETMASK                2
#define sigemptyset(set)           (*(set) = 0)
#define sigaddset(set, number)     ((void)(set), (void)(number), 0)
#define sigprocmask(how, set, old) ((void)(set), (void)(old), 0)

struct sigaction {
    void (*sa_handler)(int);
    sigset_t sa_mask;
    int sa_flags;
};

#define sigaction(number, action, old) ((void)(action), 0)

#endif /* STUBS_SIGNAL_H */
