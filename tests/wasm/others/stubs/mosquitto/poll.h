/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUBS_POLL_H
#define STUBS_POLL_H

#include_next <poll.h>

/* poll() of Debian 13's wasi-libc takes no fd of -1 among sockets: ENOTSUP. */
static inline int gn_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    struct pollfd open[1024];
    nfds_t n_open = 0;
    int ready;

    for (nfds_t i = 0; i < n && n_open < 1024; i++)
        if (fds[i].fd >= 0)
            open[n_open++] = fds[i];
    ready = poll(open, n_open, timeout_ms);
    for (nfds_t i = 0, k = 0; i < n; i++)
        fds[i].revents = fds[i].fd >= 0 && k < n_open ? open[k++].revents : 0;
    return ready;
}

#define poll gn_poll

#endif /* STUBS_POLL_H */
