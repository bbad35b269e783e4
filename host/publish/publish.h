/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_PUBLISH_PUBLISH_H
#define GN_HOST_PUBLISH_PUBLISH_H

/*
 * What the files about published ports share.
 *
 *     publish.c  the calls, and the life of a publication
 *     event.c    what its owner is told
 *     open.c     its descriptor: address, path, or given
 *     target.c   where the guest is, and getting there
 *     tcp.c      streams; a visit is one client's connection
 *     udp.c      datagrams
 *
 * A publication is one kernel descriptor and its clients. All of it lives on
 * the driving thread.
 */
#include <guestnet/publish.h>
#include <sys/types.h>

#include "base/io.h"
#include "base/list.h"
#include "host/forward/forward.h"
#include "host/conn/target.h"
#include "host/driver/reports.h"
#include "namespace/namespace.h"

struct gn_publication;
struct gn_sock;

/** What the kind of descriptor decides. */
struct gn__publish_ops {
    const char *name;
    /** Begin to take clients. Errors are those of gn__io_watch(). */
    int (*open)(struct gn_publication *pub);
    /** What gn__publish_resolve() was called for is known: for all that
     *  wait. */
    void (*found)(struct gn_publication *pub);
    /** End all clients; the publication is going. */
    void (*end)(struct gn_publication *pub);
    /** Write what pub->stats does not have. */
    void (*stats)(const struct gn_publication *pub,
                  struct gn_publication_stats *out);
};

extern const struct gn__publish_ops gn__publish_tcp;
extern const struct gn__publish_ops gn__publish_udp;

/** A Unix socket's file, to be removed if it is still the same. */
struct gn__publish_file {
    char path[108]; /* "": none */
    dev_t dev;
    ino_t ino;
};

struct gn__publish_lookup;

struct gn_publication {
    const struct gn__publish_ops *ops;
    char label[160]; /* in lines of the log: "127.0.0.1:8080 -> web:80" */
    struct gn_network *net;
    struct gn__io *io;
    struct gn__target target;
    struct gn__published published; /* that, to those who ask for services */
    struct gn__publish_lookup *resolving; /* where that is; NULL: not now */
    struct gn__addr found[2];    /* IPv4 and IPv6, in order of preference;
                                          any: not known */
    struct gn__account *account; /* of the guest met last, a reference; NULL:
                                    not known, the host program's */
    bool answering;              /* ... is what ops->found() is called with */
    bool as_gateway;
    uint32_t max_clients;
    uint32_t guest_room; /* clients that the guest last met has sockets for */
    uint32_t keepalive_s;
    uint64_t brief_ns;   /* a flow is idle; 0: as Linux */
    uint64_t assured_ns; /* the same */
    int fd;
    int family; /* of the descriptor */
    struct gn__publish_file file;
    struct gn__io_end end;
    struct gn__deferred gone;
    bool closing;
    struct gn__acceptor acceptor; /* of a stream */
    struct gn__list visits;       /* its clients: joined, */
    struct gn__list waiting;      /* or waiting for where to go, */
    struct gn__list back;         /* or for their last connection to end */
    struct gn__io_timer back_timer;
    struct gn__inlet inlet; /* of datagrams */
    struct gn_publication_stats stats;
    struct gn__reports reports;
    gn_publication_cb event; /* NULL: its owner is not told */
    void *event_arg;
    gn_close_cb closed; /* NULL: the caller need not know */
    void *closed_arg;
};

/* ---- publish_event.c ---- */

/** Tell the log and the owner. @client NULL: none, or it has no address. */
void gn__publish_tell(struct gn_publication *pub,
                      enum gn_publication_event event, int error,
                      const struct gn__endpoint *client);
/** The same of a client that was turned away: because there is no guest? */
void gn__publish_turned_away(struct gn_publication *pub, int error,
                             const struct gn__endpoint *client);
/** gn__reports.tell of a publication. */
void gn__publish_report(struct gn__reports *reports, int kind, int error,
                        const struct sockaddr *client);

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
 *  address of its own version rather; its turns are that guest's. -EAGAIN: ask
 *  first; or what the last answer was. */
GN_WARN_UNUSED int gn__publish_pick(struct gn_publication *pub,
                                    const struct gn__endpoint *client,
                                    struct gn__endpoint *out);
/** Its turns are from here on those of the guest at @addr; the host program's,
 *  if there is none. */
void gn__publish_charge(struct gn_publication *pub,
                        const struct gn__addr *addr);
/** Look the target up; ops->found() is called later, once. */
GN_WARN_UNUSED int gn__publish_resolve(struct gn_publication *pub);
/** No callback runs any more. */
void gn__publish_forget(struct gn_publication *pub);

/** Connect to the guest's @to as @client, or, if that cannot be or is not
 *  wanted, as the gateway, which is counted. @client NULL: it has no address.
 *  @out: a connecting socket. */
/* -EBUSY: it was here a moment ago, try again. */
GN_WARN_UNUSED int gn__publish_connect(struct gn_publication *pub,
                                       const struct gn__endpoint *client,
                                       const struct gn__endpoint *to,
                                       struct gn_sock **out);
#endif /* GN_HOST_PUBLISH_PUBLISH_H */
