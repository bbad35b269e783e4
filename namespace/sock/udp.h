/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NAMESPACE_SOCK_UDP_H
#define GN_NAMESPACE_SOCK_UDP_H

/*
 * A datagram socket. Datagrams wait as the packets they came in, so that
 * payload is copied once, to the receiver's memory; packet->to_generation,
 * which has done its work by then, keeps the interface.
 */
#include "namespace/sock/sock.h"

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
    /** The same of what the outside has not taken yet. */
    size_t sending;
    /** The last send found no room, and nothing has changed since: as good as
     *  the lock for one that would not wait. */
    _Atomic bool full;
    struct gn__udp_cork *cork; /* MSG_MORE: what has been given so far */
};

static inline struct gn__udp_sock *gn__udp_of(struct gn_sock *sock)
{
    return (struct gn__udp_sock *)(void *)sock;
}

/* ---- udp.c ---- */
int gn__udp_prepare(struct gn_sock *sock, struct gn__xfer *io);
int gn__udp_send(struct gn_sock *sock, struct gn__xfer *io);
/** It has been bound, connected or dissolved: what it hears unasked. */
void gn__udp_hear(struct gn__udp_sock *udp);
/** A port of its own, if it has none: -EAGAIN, as Linux says. */
int gn__udp_autobind(struct gn__udp_sock *udp);

/** So many bytes of memory wait for the outside; or no longer. */
void gn__udp_sending(struct gn__udp_sock *udp, size_t bytes);
void gn__udp_sent(struct gn__udp_sock *udp, size_t bytes);
/** Its next send has something else to say than the last one. */
static inline void gn__udp_changed(struct gn__udp_sock *udp)
{
    atomic_store_explicit(&udp->full, false, memory_order_relaxed);
}
/** sock_writeable() of Linux: poll(2) says that there is room. */
bool gn__udp_is_writable(const struct gn__udp_sock *udp);

/** Bytes that MSG_MORE has gathered. */
size_t gn__udp_gathered(const struct gn__udp_sock *udp);
/** Forget them. */
void gn__udp_uncork(struct gn__udp_sock *udp);
/** The socket has been connected: of IPv4, what has been gathered goes there,
 *  too, since Linux keeps both in one place. */
void gn__udp_recork(struct gn__udp_sock *udp);

/** Write IP and UDP headers for @len bytes of payload, without checksums. */
struct gn__udp_plan {
    struct gn__endpoint from;
    struct gn__endpoint to;
    uint8_t ttl;
    uint8_t tos;
    bool dont_fragment;
    uint16_t id;
};
void gn__udp_write(struct gn__packet *packet, const struct gn__udp_plan *plan,
                   size_t len);

/* ---- udp_in.c ---- */
/** Check the header of a datagram, which moves to the packet's head. */
GN_WARN_UNUSED bool gn__udp_read(struct gn__packet *packet,
                                 struct gn__endpoint *local,
                                 struct gn__endpoint *remote);
/** Where its payload is, and how much. */
size_t gn__udp_payload_at(const struct gn__packet *packet);
size_t gn__udp_payload_len(const struct gn__packet *packet);
int gn__udp_recv(struct gn_sock *sock, struct gn__xfer *io);
/** Payload bytes of the first datagram; -1: there is none. */
ssize_t gn__udp_first(const struct gn__udp_sock *udp);
void gn__udp_flush(struct gn__udp_sock *udp);

#endif /* GN_NAMESPACE_SOCK_UDP_H */
