/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_DNS_DNS_H
#define GN_HOST_DNS_DNS_H

/*
 * The DNS server at the gateway's addresses, for guests that have no other way
 * to ask (nic.h) and for all others. A question is a lookup of the guest that
 * asked it: its resolver, its limits, its query log, and the rules about names
 * apply as if it had called gn_lookup().
 *
 *     server.c    sockets, UDP, life
 *     stream.c    TCP
 *     question.c  one question: what is looked up, and what is answered
 */
#include <guestnet/network.h>
#include <guestnet/stats.h>

#include "host/driver/drive.h"
#include "resolver/resolver.h"

/** Questions of a network under way; more are not answered. */
#define GN__DNS_PENDING_MAX 4096u
/** Connections of a network, and of each guest; more are closed at once. */
#define GN__DNS_CONNS_MAX  256u
#define GN__DNS_CONNS_EACH 16u
/** The longest message that a client sends. */
#define GN__DNS_QUERY_MAX  4096u
#define GN__DNS_ANSWER_MAX 65535u

struct gn__dns_conn;

struct gn__dns_server {
    struct gn_network *net;
    struct gn__io *io;
    const struct gn__mem *mem;
    struct gn__engine *engine; /* a reference */
    struct gn__io_end end;
    struct gn__list sockets;  /* struct dns_socket */
    struct gn__list conns;    /* struct gn__dns_conn */
    struct gn__list requests; /* struct gn__dns_request */
    uint32_t n_conns, n_requests;
    bool closing;
};

/** The client that asked; where the answer goes. */
struct gn__dns_from {
    struct gn_sock *sock; /* of UDP; a reference */
    struct sockaddr_storage addr;
    socklen_t addr_len;
    struct gn__dns_conn *conn; /* of TCP; NULL also when it is gone */
};

struct gn__dns_request {
    struct gn__list of_server;
    struct gn__list of_conn;
    struct gn__dns_server *server;
    struct gn__dns_from from;
    struct gn__dns_question question;
    struct gn_namespace *ns; /* a reference */
    struct gn_lookup *lookup;
    bool tcp;
};

/** Serve a network, if its host program does not itself; once is enough, and
 *  more does nothing. On the driving thread. -ENOMEM. */
GN_WARN_UNUSED int gn__dns_start(struct gn_network *net);

/* ---- server.c ---- */

/** The guest that asked: a reference; NULL: none has the address any more. */
struct gn_namespace *gn__dns_asker(const struct gn__dns_server *server,
                                   const struct gn__dns_from *from);
/** Count at a guest (NULL: none) that it was refused something. */
void gn__dns_count(struct gn_namespace *ns, enum gn_drop why);

/** A request is over, and freed. */
void gn__dns_release(struct gn__dns_server *server);

/* ---- question.c ---- */

/** A message from a guest. NULL: it was answered, or gets no answer. */
struct gn__dns_request *gn__dns_ask(struct gn__dns_server *server,
                                    const struct gn__dns_from *from,
                                    const void *msg, size_t len);
/** Have its lookup end soon. */
void gn__dns_request_cancel(struct gn__dns_request *request);

/* ---- stream.c ---- */

/** Accept a client, if there is one. False: there was none. */
bool gn__dns_accept(struct gn__dns_server *server, struct gn_sock *listener);
/** Answer; the connection may be closed by it. */
void gn__dns_conn_send(struct gn__dns_conn *conn, const uint8_t *msg,
                       size_t len);
void gn__dns_conn_add(struct gn__dns_conn *conn,
                      struct gn__dns_request *request);
void gn__dns_conns_end(struct gn__dns_server *server);

#endif /* GN_HOST_DNS_DNS_H */
