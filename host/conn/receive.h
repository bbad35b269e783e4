/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_CONN_RECEIVE_H
#define GN_HOST_CONN_RECEIVE_H

/* Receiving datagrams in turns, for conns and packet conns. */
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

struct gn_sock;

/**
 * Give out datagrams that wait, a bounded number of them.
 *
 * @each  Gets a datagram, or an error and no data; @from is AF_INET or
 *        AF_INET6. False: no more.
 */
void gn__dgram_receive(struct gn_sock *sock,
                       bool (*each)(void *arg, ssize_t n, const void *data,
                                    const struct sockaddr *from),
                       void *arg);

#endif /* GN_HOST_CONN_RECEIVE_H */
