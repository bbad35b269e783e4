/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NAMESPACE_SOCK_SOCK_H
#define GN_NAMESPACE_SOCK_SOCK_H

/*
 * What the files about sockets share: the socket, what stands behind it, and
 * what waits for it.
 *
 *     sock.c     life, entering, the calls that never block
 *     call.c     the calls that may: connect, accept, close
 *     msg.c      send and receive: checks, the blocking loops, copying
 *     poll.c     readiness: waiting, settling, polling
 *     watch.c    the subscription
 *     stream.c   streams by reference, for relays
 *     bind.c     which socket has which port;  port.c picks one
 *     opt/       options
 *     tcp.c, connect.c, listen.c    streams
 *     udp.c, udp_in.c, group.c      datagrams
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

#include "base/ref.h"
#include "engine/engine.h"

struct gn__binding;
struct gn__bound;
struct gn__iface;
struct gn__xfer;
struct gn__watch;

/** Longest backlog, net.core.somaxconn. */
#define GN__BACKLOG_MAX 4096u

/* Bits of gn_sock.shut, as Linux' RCV_SHUTDOWN and SEND_SHUTDOWN. */
#define GN__SHUT_RECV 1u
#define GN__SHUT_SEND 2u
#define GN__SHUT_BOTH 3u

/** In gn__wait.events: any change at all, not only readiness. */
#define GN__WAIT_ANY 0x4000

/**
 * Under the lock: wait as gn__engine_wait() does (the waiter may be on a list),
 * and no longer than @ns is there.
 *
 *   -ECANCELED  Killed or closing.   -ETIMEDOUT, -EDEADLK
 */
GN_WARN_UNUSED int gn__ns_wait(struct gn_namespace *ns,
                               struct gn__waiter *waiter, uint64_t deadline);

/** A waiter whose call holds a reference to @ns, and its gn__waiter.abandon. */
struct gn__ns_waiter {
    struct gn__waiter waiter;
    struct gn_namespace *ns;
};
void gn__ns_abandon(struct gn__waiter *waiter);

/** A port of a guest, as a packet of the one that waits would reach it. */
struct gn__served {
    unsigned proto;              /* GN__PROTO_TCP: listening; _UDP: bound */
    int family;                  /* AF_UNSPEC: either version */
    const struct gn__addr *addr; /* NULL: by name */
    const char *name; /* lower case; NULL with addr NULL: the own loopback */
    uint16_t port;
};

struct gn_network;

/** A port of a guest that the host program publishes. */
struct gn__published {
    struct gn__list of_net; /* gn_network.published */
    unsigned proto;
    uint16_t port;
    const struct gn__addr *addr; /* NULL: by name */
    const char *name;
};
/** Without the lock; @published is borrowed until it is deleted. */
void gn__published_add(struct gn_network *net, struct gn__published *published);
void gn__published_del(struct gn_network *net, struct gn__published *published);

/** Is it served now, or published? Of a guest behind a wire only the latter is
 *  known. Without the lock. */
bool gn__ns_is_served(struct gn_namespace *ns, const struct gn__served *what);

/**
 * Wait until it is served. @timeout_ns 0: for ever.
 *
 *   -ETIMEDOUT, -ECANCELED (killed or closing), -EDEADLK (it would have to
 *   wait on the driving thread)
 */
GN_WARN_UNUSED int gn__ns_wait_served(struct gn_namespace *ns,
                                      const struct gn__served *what,
                                      uint64_t timeout_ns);

/** A wait for a socket; on sock->waits under the engine's lock. */
struct gn__wait {
    struct gn__list link; /* empty: it has fired */
    short events;         /* POLLERR and POLLHUP are always added */
    void (*fire)(struct gn__wait *wait); /* under the lock; off the list */
    void *arg;
};

/**
 * A descriptor that shows readiness (host/kernel/sockfd.c). `level` is what it
 * ought to show, written under the engine's lock; unlock.run() brings the
 * descriptor there after unlocking. It stays open as long as the socket's
 * memory, so that its number means no other file while a thread may poll it.
 */
struct gn__sock_fd {
    struct gn__list of_sock;
    struct gn__unlock_hook unlock;
    short events;
    _Atomic bool level;
    _Atomic bool ended; /* the socket's memory goes: close it */
};

/** How a socket ends. */
enum gn__sock_end {
    GN__END_CLOSE, /* by its owner: what was sent is delivered */
    GN__END_ABORT, /* with its namespace: peers are told */
    GN__END_SILENT /* a power cut */
};

/** What stands behind a socket. All but prepare: under the engine's lock.
 *  Results are those of the public call of the same name, but nothing blocks:
 *  -EAGAIN, or for connect -EINPROGRESS. */
struct gn__sock_ops {
    const char *name;
    size_t size; /* of the backend's struct; gn_sock is its first member */
    void (*init)(struct gn_sock *sock);
    /** Let go of everything below; the socket is dead. */
    void (*end)(struct gn_sock *sock, enum gn__sock_end how);
    /** The memory goes: the last reference has been given back. Without the
     *  lock; NULL: nothing to do. */
    void (*done)(struct gn_sock *sock);
    /** Wait for a lingering close; NULL: never. */
    void (*linger)(struct gn_sock *sock);
    int (*bind)(struct gn_sock *sock, const struct sockaddr *addr,
                socklen_t len);
    int (*listen)(struct gn_sock *sock, uint32_t backlog);
    int (*connect)(struct gn_sock *sock, const struct sockaddr *addr,
                   socklen_t len);
    /** How connecting ended; -EALREADY while it has not. */
    int (*connected)(struct gn_sock *sock);
    int (*accept)(struct gn_sock *sock, struct gn_sock **out);
    /** Without the lock: copy what will be sent. */
    int (*prepare)(struct gn_sock *sock, struct gn__xfer *io);
    int (*send)(struct gn_sock *sock, struct gn__xfer *io);
    int (*recv)(struct gn_sock *sock, struct gn__xfer *io);
    int (*shutdown)(struct gn_sock *sock, unsigned shut);
    /** -ENOTCONN: there is no peer to be shown. */
    int (*peer)(struct gn_sock *sock);
    ssize_t (*available)(struct gn_sock *sock);
    ssize_t (*unsent)(struct gn_sock *sock);
    short (*ready)(struct gn_sock *sock);  /* all poll(2) bits that hold */
    void (*options)(struct gn_sock *sock); /* sock->opt has changed */
    /** The interface it is bound to or connected over is gone. */
    void (*iface_gone)(struct gn_sock *sock, struct gn__iface *iface);
};

/** Options. Any socket keeps all; some mean something to one kind only. */
struct gn__sock_opt {
    struct gn__tcp_params tcp; /* ttl and tos are for all kinds */
    bool reuse_addr;
    bool reuse_port;
    bool broadcast;
    bool v6only;
    bool linger;
    bool dont_route;
    bool oob_inline;
    bool recv_err; /* IP_RECVERR */
    bool recv_err6;
    bool pktinfo;  /* IP_PKTINFO */
    bool pktinfo6; /* IPV6_RECVPKTINFO */
    bool recv_ttl; /* IP_RECVTTL */
    bool recv_tos;
    bool recv_hops6; /* IPV6_RECVHOPLIMIT */
    bool recv_tclass6;
    bool mcast_loop;
    bool mcast_loop6;
    bool mcast_all;
    bool mcast_all6;
    bool quick_ack;
    uint8_t mcast_ttl;
    uint8_t mcast_hops6;
    uint8_t hops6; /* IPV6_UNICAST_HOPS */
    uint8_t tclass6;
    int pmtu; /* IP_MTU_DISCOVER */
    int pmtu6;
    uint32_t mtu6; /* IPV6_MTU: the longest piece of a datagram; 0: the way's */
    int priority;
    unsigned mcast_iface; /* IP_MULTICAST_IF; 0: by route */
    unsigned mcast_iface6;
    struct gn__addr mcast_source; /* IP_MULTICAST_IF's address; any: none */
    int linger_s;
    uint32_t rcvbuf; /* as getsockopt() shows it: doubled */
    uint32_t sndbuf;
    uint64_t recv_timeout_ns; /* 0: for ever */
    uint64_t send_timeout_ns;
    uint32_t rcvlowat; /* last: each receive looks at it */
};

/* The fields that a send or receive touches stand together at the end, followed
 * by those that the backend adds: with thousands of sockets that is what
 * counts. */
struct gn_sock {
    struct gn_namespace *ns;     /* a reference, also when dead */
    struct gn__account *account; /* of its callbacks; a reference */
    struct gn__list of_ns;
    struct gn__list groups; /* struct membership, group.c */
    struct gn__endpoint local;
    struct gn__endpoint remote;
    struct gn__addr many_source; /* if addr_of_many: what connect() has chosen
                                    since; any: nothing */
    struct gn__binding *binding; /* holds the port; NULL: none */
    int family;
    int protocol;
    unsigned bound_if; /* by a link-local scope; 0: none */
    uint8_t hears;     /* see gn__sock_hear() */
    bool addr_locked;  /* bind() said which address */
    bool routed;       /* it keeps a way to its peer: IP_MTU */
    bool addr_of_many; /* ... a group's or a broadcast address: no source, but
                          of an IPv6 socket, on Linux, one that is no good */
    bool port_locked;  /* bind() said which port */
    struct gn__sock_opt opt;
    const struct gn__sock_ops *ops;
    struct gn__engine *engine;
    struct gn__list changed; /* of the engine: to be told */
    struct gn__list waits;   /* struct gn__wait */
    struct gn__list fds;     /* struct gn__sock_fd */
    struct gn__watch *watch; /* NULL: never watched */
    struct gn__bound *bound; /* NULL: no hooks know its port */
    struct gn__ref refs;
    const void *holder;          /* of the first of them; gn__ns_cut() */
    _Atomic uint32_t n_by_waits; /* of them: those of struct gn_wait */
    _Atomic uint32_t room;       /* bytes send would take, a hint */
    int type;
    int dead; /* what all calls return; 0: alive */
    int err;  /* SO_ERROR, negative; said once */
    uint8_t shut;
    bool ended;  /* the backend has let go */
    bool closed; /* written by holders of a reference only */
    _Atomic bool nonblock;
};

extern const struct gn__sock_ops gn__sock_tcp;
extern const struct gn__sock_ops gn__sock_udp;

/* ---- sock.c ---- */

/** Enter the engine for a call on @sock: 0, or what the call returns (the
 *  socket is dead) and not entered. */
GN_WARN_UNUSED int gn__sock_enter(struct gn_sock *sock);
void gn__sock_leave(struct gn_sock *sock);

/** A socket of @ns with one reference; inside the engine. */
GN_WARN_UNUSED int gn__sock_create(struct gn_namespace *ns,
                                   const struct gn__sock_ops *ops, int family,
                                   struct gn_sock **out);
/** Undo it: no other code has seen the socket yet. Inside the engine. */
void gn__sock_discard(struct gn_sock *sock);

/** End it: the backend lets go, and calls return @error from now on (-EBADF if
 *  it is being closed already). */
void gn__sock_end(struct gn_sock *sock, int error, enum gn__sock_end how);

/** End it as its owner does. */
void gn__sock_close(struct gn_sock *sock);

/** Take sock->err, which is said once; 0: none. */
int gn__sock_take_error(struct gn_sock *sock);

/** Write an address as the socket's family shows it. */
void gn__sock_put_addr(const struct gn_sock *sock,
                       const struct gn__endpoint *from, struct sockaddr *addr,
                       socklen_t *len);

/* ---- poll.c ---- */

/**
 * Sleep until one of @events holds (or the socket dies) or @deadline; leaves
 * and enters the engine. Returns 0, -EAGAIN (the deadline), -EDEADLK, or
 * sock->dead.
 *
 * @call  What the caller is in, for reports: "accept".
 */
GN_WARN_UNUSED int gn__sock_wait(struct gn_sock *sock, const char *call,
                                 short events, uint64_t deadline);
/** When a wait of @timeout_ns (0: for ever) that begins now ends. */
uint64_t gn__sock_deadline(const struct gn_sock *sock, uint64_t timeout_ns);
/** All poll(2) bits that hold; of a dead socket too. */
short gn__sock_ready(struct gn_sock *sock);
/** Own calls changed its readiness: tell it on leaving, if anything waits. */
void gn__sock_touch(struct gn_sock *sock);
/** Wake all that wait, and let descriptors show it: it is dead. */
void gn__sock_poll_end(struct gn_sock *sock);
/** Close the descriptors: no reference to the socket is left. */
void gn__sock_fds_end(struct gn_sock *sock);
/** gn_sock_poll() for sockets of one engine (none is a kernel descriptor). */
GN_WARN_UNUSED int gn__sock_poll(struct gn__engine *engine,
                                 struct gn_pollfd *fds, size_t n,
                                 int timeout_ms);

/* ---- watch.c ---- */

/** Readiness of a watched socket: queue the callback if it is due. */
void gn__watch_notify(struct gn_sock *sock, short ready);
/** Stop, and off the driving thread wait for a callback that is running.
 *  Leaves and enters the engine. */
void gn__watch_stop(struct gn_sock *sock);
/** The socket goes: its last reference has been given back. */
void gn__watch_end(struct gn_sock *sock);

/* ---- group.c ---- */

/** IP_ADD_MEMBERSHIP and its like. @iface 0: by route.
 *
 *   -EINVAL (no group), -ENODEV, -EADDRINUSE (is in it), -ENOBUFS (limit),
 *   -ENOMEM
 */
GN_WARN_UNUSED int gn__sock_join(struct gn_sock *sock,
                                 const struct gn__addr *group, unsigned iface);
/** Where a group is by route; 0: nowhere. */
unsigned gn__sock_group_iface(struct gn_sock *sock,
                              const struct gn__addr *group);
/** IP_DROP_MEMBERSHIP and its like: of what it has joined there, or, with
 *  @iface 0, the first anywhere. -EADDRNOTAVAIL: it has not. */
GN_WARN_UNUSED int gn__sock_leave_group(struct gn_sock *sock,
                                        const struct gn__addr *group,
                                        unsigned iface);
/** Is the socket in @group, as heard on this interface? */
bool gn__sock_in_group(const struct gn_sock *sock, const struct gn__addr *group,
                       unsigned iface);
/** Leave the groups joined on @iface; NULL: all. */
void gn__sock_groups_end(struct gn_sock *sock, const struct gn__iface *iface);
/** What it is to be told of on every interface: bits 1u << enum gn__hears. */
void gn__sock_hear(struct gn_sock *sock, unsigned hears);

#endif /* GN_NAMESPACE_SOCK_SOCK_H */
