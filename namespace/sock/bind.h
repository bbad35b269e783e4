/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NAMESPACE_SOCK_BIND_H
#define GN_NAMESPACE_SOCK_BIND_H

/*
 * Which socket has which local port.
 *
 * The engine's table holds one gn__port_use for each (namespace, protocol,
 * port) in use, and that a list of bindings. A binding is either a socket's
 * own (bind(2), also the implied one of listen and of datagrams), or shared
 * by the connections that came from the same address with the same options:
 * those keep the port after their socket is gone, through TIME_WAIT, as on
 * Linux. Everything here is inside the engine.
 */
#include "base/addr.h"
#include "namespace/sock/sock.h"

struct gn__way;

/** No padding: hashed as bytes. */
struct gn__port_key {
    uint64_t ns;
    uint16_t port;
    uint16_t proto;
    uint32_t zero;
};

struct gn__port_use {
    struct gn__table_node node; /* in gn__shared.ports */
    struct gn__port_key key;
    struct gn__engine *engine;
    struct gn__list bindings;
};

struct gn__binding {
    struct gn__list of_use;
    struct gn__port_use *use;
    struct gn_sock *sock; /* NULL: connections only */
    struct gn__addr addr;
    unsigned iface;      /* of a link-local address; 0: any */
    struct gn__ref refs; /* the socket, each connection */
    bool v6only;
    bool reuse_addr; /* of a socket: read there */
    bool reuse_port;
    bool listening;
    bool dialled;          /* only by connect(): others may dial from it too */
    struct gn__list flows; /* struct gn__outside_flow, of a datagram socket */
    struct gn__list dials; /* struct gn__dial, the same */
};

/** First and last port chosen by the system, as on Linux. */
#define GN__PORT_FIRST 32768u
#define GN__PORT_LAST  60999u

/** The use of a port; NULL: it is free. */
struct gn__port_use *gn__port_find(const struct gn_namespace *ns,
                                   unsigned proto, uint16_t port);

/**
 * Give @sock a binding of its own at @addr; @port 0: a free one is chosen.
 * Sets sock->binding and sock->local. Nothing is changed on error.
 *
 *   -EADDRINUSE, -ENOMEM
 */
GN_WARN_UNUSED int gn__bind_sock(struct gn_sock *sock,
                                 const struct gn__addr *addr, uint16_t port);
/**
 * bind(2) as both kinds of socket have it: inet_bind() and inet6_bind().
 * @busy: it is connected, or has a port from connecting.
 */
GN_WARN_UNUSED int gn__bind_call(struct gn_sock *sock,
                                 const struct sockaddr *addr, socklen_t len,
                                 bool busy);
/**
 * Read the address of a destination, for sendto(2): "any" is the own loopback,
 * a link-local one is of @sock's own interface if it has one.
 *
 *   -EINVAL, -EAFNOSUPPORT, -ENETUNREACH (IPv4 for a V6ONLY socket)
 */
GN_WARN_UNUSED int gn__dest_parse(const struct gn_sock *sock,
                                  const struct sockaddr *addr, socklen_t len,
                                  struct gn__endpoint *out);
/** The same for connect(2): a link-local one needs an interface, which is the
 *  socket's from now on; a group's may be IPV6_MULTICAST_IF's. */
GN_WARN_UNUSED int gn__dest_connect(struct gn_sock *sock,
                                    const struct sockaddr *addr, socklen_t len,
                                    struct gn__endpoint *out);
/** The scope that one of the own addresses is shown with. */
uint32_t gn__sock_scope_of(const struct gn_sock *sock,
                           const struct gn__addr *own);
/** The address to send from as far as bind(2) has said; any: not at all. */
struct gn__addr gn__source_of(const struct gn_sock *sock);
/** The same of datagrams to @dst: an IPv6 address that connect(2) has chosen
 *  is none for IPv4, and to a group IP_MULTICAST_IF has its say. */
struct gn__addr gn__source_to(const struct gn_sock *sock,
                              const struct gn__addr *dst);
/** The interface to send to @to by as far as scopes and options say; 0: not at
 *  all. */
unsigned gn__iface_to(const struct gn_sock *sock,
                      const struct gn__endpoint *to);
/** The interface that a scope says, 0 for none; also of the port it holds. */
void gn__bind_iface(struct gn_sock *sock, unsigned iface);
/** It has its port only: its address is any. */
void gn__sock_forget_addr(struct gn_sock *sock);
/** The way to @remote of a socket that connects there, or has. -ENETUNREACH,
 *  -EADDRNOTAVAIL, -EAFNOSUPPORT, -EINVAL. */
int gn__sock_route(const struct gn_sock *sock,
                   const struct gn__endpoint *remote, struct gn__way *out);
/** Begin to listen: does another socket listen there? -EADDRINUSE. */
GN_WARN_UNUSED int gn__bind_listen(struct gn_sock *sock);
void gn__bind_unlisten(struct gn_sock *sock);
/** The socket lets go of its binding; connections may still hold it. */
void gn__bind_release(struct gn_sock *sock);
/** connect() has narrowed the address, or disconnecting widened it again. */
void gn__bind_narrow(struct gn_sock *sock, const struct gn__addr *addr);

/**
 * A reference on the binding that connections of @sock's kind from @local
 * share. NULL: out of memory.
 */
struct gn__binding *gn__bind_share(struct gn_sock *sock,
                                   const struct gn__endpoint *local,
                                   bool dialled);
/** The options of a connection's socket have changed: the binding to hold
 *  instead of @held, a shared one; @held itself without memory. */
struct gn__binding *gn__bind_reshare(struct gn_sock *sock,
                                     struct gn__binding *held);
struct gn__binding *gn__binding_ref(struct gn__binding *binding);
void gn__binding_unref(struct gn__binding *binding);

/** May packets to @addr reach a socket that is bound so? */
bool gn__binding_covers(const struct gn__binding *binding,
                        const struct gn__addr *addr);

/** How well a binding fits a packet; 0: not at all. */
typedef unsigned (*gn__score)(const struct gn__binding *binding,
                              const struct gn__endpoint *local,
                              const struct gn__endpoint *remote,
                              unsigned iface);
/** What any binding scores by its address and interface; 0: not at all. */
unsigned gn__binding_score(const struct gn__binding *binding,
                           const struct gn__addr *local, unsigned iface);
/**
 * The binding that fits best; NULL: none does. Equals that share by
 * SO_REUSEPORT take turns, by a hash of the endpoints which the peer cannot
 * steer; of others the newest is meant.
 */
struct gn__binding *gn__binding_pick(const struct gn_namespace *ns,
                                     const struct gn__port_use *use,
                                     gn__score score,
                                     const struct gn__endpoint *local,
                                     const struct gn__endpoint *remote,
                                     unsigned iface);

/**
 * A port for a connection from @local->addr to @remote (RFC 6056, algorithm
 * 3): one whose 4-tuple is free, else one in TIME_WAIT. Sets local->port.
 *
 *   -EADDRNOTAVAIL  All are in use.
 */
GN_WARN_UNUSED int gn__port_dial(struct gn_sock *sock,
                                 struct gn__endpoint *local,
                                 const struct gn__endpoint *remote);
/** A port that no socket uses for bind(2); 0: none. */
uint16_t gn__port_pick(struct gn_sock *sock, const struct gn__addr *addr);
/** Would @sock, bound to @addr, be in the way of another? @strict: also of
 *  those that would share. */
bool gn__port_conflicts(const struct gn_sock *sock, const struct gn__addr *addr,
                        uint16_t port, bool strict);

#endif /* GN_NAMESPACE_SOCK_BIND_H */
