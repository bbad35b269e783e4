/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NAMESPACE_SOCK_H
#define GN_NAMESPACE_SOCK_H

/*
 * What the files about sockets share: the socket, what stands behind it, and
 * an operation in progress.
 *
 *     sock.c       life, entering and waiting, the simple calls
 *     sock_msg.c   send and receive: checks, the blocking loops, copying
 *     sock_poll.c  readiness: waiting, watching, polling
 *     sock_bind.c  who has which port
 *     sock_port.c  picking a port
 *     sock_opt.c   options
 *     sock_tcp.c, sock_connect.c, sock_udp.c, ...  the two backends
 *
 * A public call checks its arguments, enters the engine, asks the backend (an
 * ops table) in a form that never blocks, and leaves. Where that said -EAGAIN
 * and the socket blocks, the call waits and asks again: waiting is written
 * once, in gn__sock_wait(). Payload is copied without the lock.
 *
 * A socket is dead when it has been closed or its namespace has ended: then
 * `dead` is what every call returns, the backend has let go of everything, and
 * only the memory waits for the last reference.
 */
#include <guestnet/socket.h>

#include "namespace/engine.h"

struct gn__binding;
struct gn__io;
struct gn__watch;

/** Slices that one round of a send or receive handles. */
#define GN__IO_SLICES 16u
/** Up to this many bytes a stream's payload is copied under the lock. */
#define GN__IO_SMALL 1024u
/** A datagram's payload up to this size travels in the packet's head. */
#define GN__IO_INLINE 128u

/** Longest backlog, net.core.somaxconn. */
#define GN__BACKLOG_MAX 4096u

/* Bits of gn_sock.shut, as Linux' RCV_SHUTDOWN and SEND_SHUTDOWN. */
#define GN__SHUT_RECV 1u
#define GN__SHUT_SEND 2u
#define GN__SHUT_BOTH 3u

/** Somebody waits for a socket; on sock->waits under the engine's lock. */
struct gn__wait {
    struct gn__list link; /* empty: it has fired */
    short events;         /* POLLERR and POLLHUP are always added */
    void (*fire)(struct gn__wait *wait); /* under the lock; off the list */
    void *arg;
};

/** How a socket ends. */
enum gn__sock_end {
    GN__END_CLOSE,  /* by its owner: what was sent is delivered */
    GN__END_ABORT,  /* with its namespace: peers are told */
    GN__END_SILENT  /* a power cut */
};

/** What stands behind a socket. All but prepare: under the engine's lock.
 *  Results are those of the public call of the same name, but nothing blocks:
 *  -EAGAIN, or for connect -EINPROGRESS. */
struct gn__sock_ops {
    const char *name;
    size_t size; /* of the backend's struct; gn_sock is its first member */
    int (*init)(struct gn_sock *sock);
    void (*end)(struct gn_sock *sock, enum gn__sock_end how);
    int (*bind)(struct gn_sock *sock, const struct sockaddr *addr,
                socklen_t len);
    int (*listen)(struct gn_sock *sock, int backlog);
    int (*connect)(struct gn_sock *sock, const struct sockaddr *addr,
                   socklen_t len);
    int (*connected)(struct gn_sock *sock); /* how connect ended; -EALREADY */
    int (*accept)(struct gn_sock *sock, int flags, struct gn_sock **out);
    int (*prepare)(struct gn_sock *sock, struct gn__io *io); /* no lock */
    int (*send)(struct gn_sock *sock, struct gn__io *io);
    int (*recv)(struct gn_sock *sock, struct gn__io *io);
    int (*shutdown)(struct gn_sock *sock, unsigned shut);
    int (*address)(struct gn_sock *sock, bool peer, struct sockaddr *addr,
                socklen_t *len);
    ssize_t (*available)(struct gn_sock *sock);
    ssize_t (*unsent)(struct gn_sock *sock);
    short (*ready)(struct gn_sock *sock); /* all poll(2) bits that hold */
    void (*options)(struct gn_sock *sock); /* sock->opt has changed */
};

/** Options that any socket keeps; some mean something to one backend only. */
struct gn__sock_opt {
    struct gn__tcp_params tcp;  /* ttl and tos are everybody's */
    bool reuse_addr;
    bool reuse_port;
    bool broadcast;
    bool v6only;
    bool linger;
    bool dont_route;
    bool oob_inline;
    bool timestamp;
    bool recv_err;              /* IP_RECVERR, IPV6_RECVERR */
    bool pktinfo;               /* IP_PKTINFO */
    bool pktinfo6;              /* IPV6_RECVPKTINFO */
    bool recv_ttl;              /* IP_RECVTTL */
    bool recv_tos;
    bool recv_hops6;            /* IPV6_RECVHOPLIMIT */
    bool recv_tclass6;
    bool mcast_loop;
    bool mcast_loop6;
    bool mcast_all;
    uint8_t mcast_ttl;
    uint8_t mcast_hops6;
    uint8_t ttl6_set;           /* IPV6_UNICAST_HOPS was set */
    uint8_t ttl6;
    uint8_t tclass6;
    int pmtu;                   /* IP_MTU_DISCOVER */
    int pmtu6;
    int priority;
    int mark;
    unsigned mcast_iface;       /* IP_MULTICAST_IF; 0: by route */
    unsigned mcast_iface6;
    uint32_t linger_s;
    uint32_t rcvbuf;            /* as getsockopt() shows it: doubled */
    uint32_t sndbuf;
    uint32_t rcvlowat;
    uint64_t recv_timeout_ns;   /* 0: for ever */
    uint64_t send_timeout_ns;
};

struct gn_sock {
    const struct gn__sock_ops *ops;
    struct gn__engine *engine;
    struct gn_namespace *ns;     /* NULL when dead */
    struct gn__list of_ns;
    struct gn__list changed;     /* of the engine: to be settled */
    struct gn__list waits;       /* struct gn__wait */
    struct gn__list fds;         /* struct gn__sock_fd */
    struct gn__watch *watch;     /* NULL: nobody watches */
    _Atomic uint32_t refs;
    _Atomic uint32_t room;       /* bytes send would take, a hint */
    int dead;                    /* what all calls return; 0: alive */
    int family;
    int type;
    int protocol;
    int err;                     /* SO_ERROR; said once */
    unsigned bound_if;           /* SO_BINDTODEVICE or scope; 0: none */
    uint8_t shut;
    bool nonblock;
    struct gn__endpoint local;
    struct gn__endpoint remote;  /* port 0: none */
    struct gn__binding *binding; /* holds the port; NULL: not bound */
    struct gn__sock_opt opt;
};

/* ---- sock.c ---- */

/** Enter the engine for a call on @sock: 0, or sock->dead and not entered. */
GN_WARN_UNUSED int gn__sock_enter(struct gn_sock *sock);
void gn__sock_leave(struct gn_sock *sock);

/** A socket of @ns's engine with a reference, counted and linked. */
GN_WARN_UNUSED int gn__sock_create(struct gn_namespace *ns,
                                   const struct gn__sock_ops *ops, int family,
                                   int type, struct gn_sock **out);
/** Undo it: nobody has seen the socket yet. */
void gn__sock_discard(struct gn_sock *sock);

/** Take sock->err, which is said once; 0: none. */
int gn__sock_take_error(struct gn_sock *sock);

/** Write an address as the socket's family shows it. */
int gn__sock_put_addr(const struct gn_sock *sock,
                      const struct gn__endpoint *from, struct sockaddr *addr,
                      socklen_t *len);

extern const struct gn__sock_ops gn__sock_tcp;
extern const struct gn__sock_ops gn__sock_udp;

/* ---- sock_poll.c ---- */

/**
 * Sleep until one of @events holds (or the socket dies) or @deadline; leaves
 * and enters the engine. -EAGAIN: the deadline; else sock->dead, -EDEADLK, 0.
 */
GN_WARN_UNUSED int gn__sock_wait(struct gn_sock *sock, short events,
                                 uint64_t deadline);
/** When a wait of @timeout_ns (0: for ever) that begins now ends. */
uint64_t gn__sock_deadline(const struct gn_sock *sock, uint64_t timeout_ns);
/** All poll(2) bits that hold; of a dead socket too. */
short gn__sock_ready(struct gn_sock *sock);
/** Its readiness may have changed by our own call: settle it on leaving. */
void gn__sock_touch(struct gn_sock *sock);
/** Wake everybody and end the subscription; the socket is dead. */
void gn__sock_poll_end(struct gn_sock *sock);

#endif /* GN_NAMESPACE_SOCK_H */
