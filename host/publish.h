/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_PUBLISH_H
#define GN_HOST_PUBLISH_H

/*
 * What the files about published ports share.
 *
 *     publish.c         the calls, and the life of a publication
 *     publish_open.c    its descriptor: address, path, or given
 *     publish_target.c  where the guest is, and getting there
 *     publish_tcp.c     accepting; a visit is one client's connection
 *     publish_udp.c     flows
 *
 * A publication is one kernel descriptor and its clients. All of it lives on
 * the driving thread.
 */
#include <guestnet/publish.h>
#include <sys/types.h>

#include "base/io.h"
#include "base/list.h"
#include "base/table.h"
#include "host/target.h"

struct gn_publication;
struct gn_sock;

/** What the kind of descriptor decides. */
struct gn__publish_ops {
    const char *name;
    /** The descriptor may be read. */
    void (*ready)(struct gn__io_watch *watch, short revents);
    /** pub->timer. */
    void (*timer)(struct gn__io_timer *timer);
    /** What gn__publish_ask() was called for is known: for all in
     *  pub->waiting. */
    void (*found)(struct gn_publication *pub);
    /** End all clients; the publication is going. */
    void (*end)(struct gn_publication *pub);
};

extern const struct gn__publish_ops gn__publish_tcp;
extern const struct gn__publish_ops gn__publish_udp;

/** Room for the longest datagram. */
#define GN__PUBLISH_DATAGRAM 65536u

/** A Unix socket's file, to be removed if it is still the same. */
struct gn__publish_file {
    char path[108]; /* "": none */
    dev_t dev;
    ino_t ino;
};

struct gn__publish_asking;

struct gn_publication {
    const struct gn__publish_ops *ops;
    struct gn_network *net;
    struct gn__io *io;
    struct gn__target target;
    struct gn__publish_asking *asking; /* where that is; NULL: nobody does */
    struct gn__addr found[2];          /* IPv4 and IPv6, in order of preference;
                                          any: not known */
    struct gn__list waiting;           /* clients of ops, for the answer */
    bool as_gateway;
    uint32_t max_clients;
    uint32_t keepalive_s;
    uint64_t idle_ns; /* of a flow without an answer */
    int fd;
    int family; /* of the descriptor */
    struct gn__publish_file file;
    struct gn__io_watch watch;
    struct gn__io_timer timer; /* streams: accept again; else flows are idle */
    struct gn__io_end end;
    struct gn__notice gone;
    bool paused;
    bool closing;
    struct gn__list clients;  /* visits; flows without an answer, those that
                                 were idle longest first */
    struct gn__list answered; /* flows with one */
    struct gn__table flows;
    uint8_t *datagram; /* GN__PUBLISH_DATAGRAM bytes; NULL: a stream */
    struct gn_publication_stats stats;
    gn_close_cb closed; /* NULL: nobody wants to know */
    void *closed_arg;
};

/* ---- publish_open.c ---- */

/** What gn_publish() was asked for. */
struct gn__publish_request {
    const char *proto;
    const char *listen;
    const struct gn_publish_options *options;
    int type; /* SOCK_STREAM, SOCK_DGRAM */
};

/** Open, or take, the descriptor: non-blocking, bound, listening. Any thread.
 *  Errors are those of gn_publish(), with their line. */
GN_WARN_UNUSED int gn__publish_open(const struct gn__publish_request *request,
                                    int *fd, struct gn__publish_file *file);
/** Remove the file if it is still this one. */
void gn__publish_unlink(const struct gn__publish_file *file);

/* ---- publish_target.c ---- */

/** Where @client (NULL: it has no address) is to go, of what is known: an
 *  address of its own version rather. -EAGAIN: ask first; or what the last
 *  answer was. */
GN_WARN_UNUSED int gn__publish_pick(const struct gn_publication *pub,
                                    const struct gn__endpoint *client,
                                    struct gn__endpoint *out);
/** Look the target up; ops->found() is called later, once. */
GN_WARN_UNUSED int gn__publish_ask(struct gn_publication *pub);
/** Nobody is called any more. */
void gn__publish_forget(struct gn_publication *pub);

/** Connect to the guest's @to as @client, or, if that cannot be or is not
 *  wanted, as the gateway, which is counted. @client NULL: it has no address.
 *  @out: a connecting socket. */
GN_WARN_UNUSED int gn__publish_connect(struct gn_publication *pub,
                                       const struct gn__endpoint *client,
                                       const struct gn__endpoint *to,
                                       struct gn_sock **out);
/** Can @client be shown to a guest at @to as it is? */
bool gn__publish_shows(const struct gn_publication *pub,
                       const struct gn__endpoint *client,
                       const struct gn__endpoint *to);

#endif /* GN_HOST_PUBLISH_H */
