/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Datagrams are copied out to the stack: it is the one buffer that needs no
 * owner when a callback closes everything, and its pages are warm.
 */
#include "host/conn/receive.h"

#include <errno.h>
#include <stdint.h>

#include <guestnet/socket.h>

#include "base/addr.h"

/** Given out in one turn. */
#define TURN_DATAGRAMS 64u
/** Any UDP payload fits. */
#define DATAGRAM_MAX 65536u

/* One; false if none is there, or @each wants no more. */
static bool receive_one(struct gn_sock *sock, uint8_t *data,
                        bool (*each)(void *arg, ssize_t n, const void *data,
                                     const struct sockaddr *from),
                        void *arg)
{
    struct sockaddr_storage ss, from;
    socklen_t len = sizeof(ss);
    struct gn__endpoint endpoint;
    ssize_t n;

    n = gn_sock_recvfrom(sock, data, DATAGRAM_MAX, MSG_DONTWAIT,
                         (struct sockaddr *)&ss, &len);
    if (n == -EAGAIN)
        return false;
    if (n < 0 || gn__endpoint_from_sockaddr((struct sockaddr *)&ss, len,
                                            AF_UNSPEC, &endpoint))
        return each(arg, n, NULL, NULL);
    (void)gn__endpoint_to_sockaddr(&endpoint, AF_UNSPEC,
                                   (struct sockaddr *)&from, sizeof(from));
    return each(arg, n, data, (struct sockaddr *)&from);
}

void gn__dgram_receive(struct gn_sock *sock,
                       bool (*each)(void *arg, ssize_t n, const void *data,
                                    const struct sockaddr *from),
                       void *arg)
{
    uint8_t data[DATAGRAM_MAX];
    unsigned n = 0;

    while (n++ < TURN_DATAGRAMS && receive_one(sock, data, each, arg))
        continue;
}
