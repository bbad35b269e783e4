/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NAMESPACE_SOCK_UDP_H
#define GN_NAMESPACE_SOCK_UDP_H

/*
 * A datagram socket. Datagrams wait as the packets they came in, so that
 * payload is copied once, to the receiver's memory; packet->to_generation,
 * which has done its work by then, keeps the interface.
 */
#include "namespace/sock.h"

#define GN__UDP_HDR_LEN 8u
/** The longest payload: 65,535 less the headers. */
#define GN__UDP_MAX4 65507u
#define GN__UDP_MAX6 65487u

struct gn__udp_cork;

struct gn__udp_sock {
    struct gn_sock sock; /* first */
    bool connected;
    struct gn__packet *head;
    struct gn__packet **tail;
    size_t held; /* bytes of memory, charged to the namespace too */
    struct gn__udp_cork *cork; /* MSG_MORE: what has been given so far */
};

static inline struct gn__udp_sock *gn__udp_of(struct gn_sock *sock)
{
    return (struct gn__udp_sock *)(void *)sock;
}

/* ---- sock_udp.c ---- */
int gn__udp_prepare(struct gn_sock *sock, struct gn__xfer *io);
int gn__udp_send(struct gn_sock *sock, struct gn__xfer *io);
/** A port of its own, if it has none: -EAGAIN, as Linux says. */
int gn__udp_autobind(struct gn__udp_sock *udp);

/** Forget what MSG_MORE has gathered. */
void gn__udp_uncork(struct gn__udp_sock *udp);

/* ---- sock_udp_in.c ---- */
int gn__udp_recv(struct gn_sock *sock, struct gn__xfer *io);
/** Payload bytes of the first datagram; -1: there is none. */
ssize_t gn__udp_first(const struct gn__udp_sock *udp);
void gn__udp_flush(struct gn__udp_sock *udp);

#endif /* GN_NAMESPACE_SOCK_UDP_H */
