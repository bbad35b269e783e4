/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NAMESPACE_SOCK_TCP_H
#define GN_NAMESPACE_SOCK_TCP_H

/*
 * A stream socket: what Linux' struct socket and struct sock remember beyond
 * the connection itself, so that each call says what it says there.
 *
 *     phase          how far connect(2) has got; it ends in CONNECTED only
 *                    when a call asks for the result
 *     over           the connection has ended (Linux: state CLOSE), by an
 *                    error, now in sock->err, or in order; what was received
 *                    can still be read from conn
 *     fin            the peer's FIN has arrived, behind what can be read
 */
#include "namespace/sock/sock.h"

enum gn__tcp_phase {
    GN__PHASE_UNCONNECTED = 0,
    GN__PHASE_CONNECTING,
    GN__PHASE_CONNECTED,
    GN__PHASE_DISCONNECTING
};

struct gn__tcp_sock {
    struct gn_sock sock; /* first */
    struct gn__conn *conn;
    struct gn__binding *held; /* by conn: its local port */
    struct gn__listener *listener;
    enum gn__tcp_phase phase;
    bool over;
    bool fin;
    uint32_t backlog;
    struct gn__addr bound; /* what bind() said, for after disconnecting */
    char *tls_name;        /* GN_TLS_SERVER_NAME; NULL: plain */
};

static inline struct gn__tcp_sock *gn__tcp_of(struct gn_sock *sock)
{
    return (struct gn__tcp_sock *)(void *)sock;
}

/* ---- tcp.c ---- */

/** Take in what has happened to the connection since the last look. */
void gn__tcp_look(struct gn__tcp_sock *tcp);
/** The state as Linux has it: CLOSE also in TIME_WAIT. */
enum gn__tcp_state gn__tcp_state_of(const struct gn__tcp_sock *tcp);

/** Hand over a slice, or as much of it as there is room for: what is left of
 *  it has a length, and its reference. Errors are those of gn__tcp_send(). */
GN_WARN_UNUSED int gn__tcp_sock_push(struct gn__tcp_sock *tcp,
                                     struct gn__slice *slice, bool more);

/** The options of a connection to (or, listening, of this family as) @remote:
 *  the hop limit and class of its version. */
struct gn__tcp_params gn__tcp_params_of(const struct gn_sock *sock,
                                        const struct gn__addr *remote);

/* ---- connect.c ---- */

int gn__tcp_sock_bind(struct gn_sock *sock, const struct sockaddr *addr,
                      socklen_t len);
int gn__tcp_sock_connect(struct gn_sock *sock, const struct sockaddr *addr,
                         socklen_t len);
int gn__tcp_sock_connected(struct gn_sock *sock);
/** Make a new socket the end of @conn, whose addresses are outside: it is
 *  connecting until the handshake is done. */
void gn__tcp_sock_proxy(struct gn_sock *sock, struct gn__conn *conn);
/** As tcp_disconnect() of Linux: back to the beginning. */
void gn__tcp_disconnect(struct gn__tcp_sock *tcp);

/* ---- listen.c ---- */

int gn__tcp_sock_listen(struct gn_sock *sock, uint32_t backlog);
int gn__tcp_sock_accept(struct gn_sock *sock, struct gn_sock **out);
/** Stop listening. @silent: without telling those that wait in the queue. */
void gn__tcp_sock_unlisten(struct gn__tcp_sock *tcp, bool silent);

#endif /* GN_NAMESPACE_SOCK_TCP_H */
