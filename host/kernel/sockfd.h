/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_KERNEL_SOCKFD_H
#define GN_HOST_KERNEL_SOCKFD_H

#include <guestnet/socket.h>

/** gn_sock_poll() where there are kernel descriptors or several engines. */
int gn__poll_mixed(struct gn_pollfd *fds, size_t n, int timeout_ms);

#endif /* GN_HOST_KERNEL_SOCKFD_H */
