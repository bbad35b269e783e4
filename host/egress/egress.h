/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_EGRESS_EGRESS_H
#define GN_HOST_EGRESS_EGRESS_H

/*
 * What the files about egress share.
 *
 *     egress.c      an egress's life; dials
 *     listen.c      what guests listen on, and its clients
 *     port.c        what guests bind for datagrams, and what comes
 *     system.c      the ready egress: a policy and the kernel
 *     show.c        the same: guests' ports shown outside
 *     secure.c      the same: TLS handshakes
 *     pass.c        the same: what it has allowed, until that is over
 *     rules.c       rules that change, and what goes on by them
 *     policy*.c     the rules
 *     local_addr.c  which addresses are this machine's
 *
 * An egress is the struct gn__outside of the namespaces that have it. Its
 * requests live on the driving thread of the guest's network; what other
 * threads say of them is left under the engine's lock and taken up by a
 * deferred task.
 */
#include <guestnet/egress.h>

#include <stdatomic.h>

#include "base/ref.h"
#include "host/driver/drive.h"
#include "host/egress/pass.h"
#include "host/egress/policy.h"
#include "host/tls/tls.h"
#include "host/egress/rules.h"
#include "host/forward/forward.h"
#include "namespace/namespace.h"

struct gn__egress {
    struct gn_egress base; /* what namespaces see; first */
    struct gn__outside outside;
    struct gn__mem mem;
    struct gn_egress_ops ops;
    void *self;
    bool speaks_tls;     /* where a guest's socket asks for it */
    bool pings;          /* it is asked about echoes, too: SOCK_RAW */
    struct gn__ref refs; /* its owner's, and one of each that has it */
};

static inline struct gn__egress *gn__egress_of(struct gn__outside *outside)
{
    return gn__container_of(outside, struct gn__egress, outside);
}

/** gn_egress_create() with an allocator of its own. */
GN_WARN_UNUSED int gn__egress_create(const struct gn_egress_ops *ops,
                                     void *self, const struct gn__mem *mem,
                                     struct gn_egress **out);

/** The holder of a reference may take another. unref: the last one closes
 *  it. */
void gn__egress_ref(struct gn__egress *egress);
void gn__egress_unref(struct gn__egress *egress);

/** Rules have allowed the dial by @pass, which is the request's from now on. */
void gn__egress_dial_allow(struct gn_egress_dial *request,
                           struct gn__pass *pass);
/** @pass (NULL: none) is open by @relay, which is cut when rules deny it; the
 *  code that hears of its end ends the pass. */
void gn__egress_relay_open(struct gn__pass *pass, struct gn__relay *relay);
/** The guest that dials; as long as it is under way. */
struct gn__guest *gn__egress_guest(const struct gn_egress_dial *request);
/** A descriptor is about to be opened for a dial: errors are those of
 *  gn__fds_take(), and the guest gets them. For datagrams the flow that is idle
 *  longest makes room. */
GN_WARN_UNUSED int gn__egress_charge(struct gn_egress_dial *request);

/** The name that the guest's socket asks TLS with (GN_TLS_SERVER_NAME); NULL:
 *  it does not. As long as the request. */
const char *gn__egress_tls_name(const struct gn_egress_dial *request);
/** End a dial as gn_egress_dial_done() does, with a connection that is
 *  non-blocking and close-on-exec already, and goes on by TLS (consumed; NULL:
 *  plain). Driving thread. */
void gn__egress_dial_secured(struct gn_egress_dial *request, int fd,
                             struct gn__tls *tls);

/* ---- listen.c, port.c ---- */

void gn__egress_bound(struct gn__outside *outside,
                      struct gn__outside_port *port);
void gn__egress_unbound(struct gn__outside *outside,
                        struct gn__outside_port *port);

/** What all that may be cancelled begins with. */
struct gn__request {
    void *user; /* the egress's own */
};

/** What both kinds of ports that guests have bound begin with. */
struct gn__bound_port {
    struct gn__request base; /* first */
    struct gn__egress *egress;
    struct gn_namespace *ns;
    struct gn__engine *engine; /* a reference */
    struct gn__endpoint local;
    bool v6only;
    struct gn__list waiting; /* what was handed in, under the lock */
    size_t n_waiting;
    struct gn__deferred deferred; /* takes it up */
    struct gn__list visits;       /* clients that are joined (listen.c) */
    uint32_t n_visits;
    uint32_t guest_room;      /* how many the guest has sockets for */
    void (*left)(void *user); /* one has ended; NULL: need not know */
};

void gn__bound_init(struct gn__bound_port *bound, struct gn__egress *egress,
                    const struct gn__outside_port *port);
/** Let go of the deferred task; waiting is the caller's. */
void gn__bound_done(struct gn__bound_port *bound);

/** Hand something in; any thread. -ENOBUFS: there are @max already. */
GN_WARN_UNUSED int gn__bound_put(struct gn__bound_port *bound,
                                 struct gn__list *link, size_t max);
/** Take one; NULL: there is none. */
struct gn__list *gn__bound_take(struct gn__bound_port *bound);

/** The guest's endpoint that a client (NULL: none) is for.
 *  -EADDRNOTAVAIL: the guest has none. */
GN_WARN_UNUSED int gn__bound_target(const struct gn__bound_port *bound,
                                    const struct gn__endpoint *client,
                                    struct gn__endpoint *out);

/** How a bound TCP or UDP port begins and ends. */
void gn__egress_listen_begin(struct gn__egress *egress,
                             struct gn__outside_port *port);
void gn__egress_listen_end(struct gn_egress_listener *listener);
void gn__egress_port_begin(struct gn__egress *egress,
                           struct gn__outside_port *port);
void gn__egress_port_end(struct gn_egress_port *port);

/** A client for what a guest listens on: it is joined with a connection to the
 *  guest. @peer NULL: it has no address. @pass NULL: no rules have a say.
 *  Consumes the descriptor and the pass. */
void gn__bound_join(struct gn__bound_port *bound,
                    const struct gn__endpoint *peer, int fd,
                    struct gn__pass *pass);
/** Has the guest a socket left for one more client? */
bool gn__bound_has_room(const struct gn__bound_port *bound);
/** Log and count that a client was. */
void gn__bound_turned_away(const struct gn__bound_port *bound, int why);

/* ---- system.c, show.c ---- */

/** The ready egress. */
struct gn__system {
    struct gn__mem mem;
    struct gn__egress *egress; /* that it is behind */
    struct gn__rulebook book;
    enum gn_denial denial;
    uint64_t timeout_ns;                   /* 0: none */
    _Atomic(struct gn__tls_trust *) trust; /* NULL: the system's, not loaded
                                              yet */
    gn_audit_cb audit;
    void *audit_arg;
};

/** Tell the audit hook, if there is one. @rule, of @rules, may be
 *  GN__NO_RULE. */
void gn__system_audit(const struct gn__system *system, struct gn__guest *guest,
                      const struct gn__rules *rules, size_t rule,
                      struct gn_audit *audit);

/** Its listen and listen_packet operations. */
int gn__show_listen(void *self, struct gn_egress_listener *listener,
                    const struct sockaddr *local);
int gn__show_listen_packet(void *self, struct gn_egress_port *port,
                           const struct sockaddr *local);
/** What a cancelled request's user points to. */
struct gn__system_request {
    void (*cancel)(struct gn__system_request *request);
};

/* ---- secure.c ---- */

/**
 * The server's name, where a connection is to go by TLS because its rule or its
 * socket says so.
 *
 * Returns 0; -ENOENT: it goes plain; -EACCES: the rule does not cover the name
 * that the socket asks for.
 */
GN_WARN_UNUSED int gn__secure_name(const struct gn__rule *rule,
                                   const struct gn_egress_dial *request,
                                   const struct sockaddr *address,
                                   struct gn__name *out);

/** A TLS handshake; embedded. Zero: none is under way. */
struct gn__secure {
    struct gn__io *io;
    struct gn__tls *tls;
    int fd;
    struct gn__io_watch watch;
    struct gn__io_timer timer;
    struct gn__io_end end;
    /** 0, and tls is the callee's; or -EPROTO (gn__tls_reason() of tls, until
     *  it returns), -ETIMEDOUT, -ECANCELED (the network closes). */
    void (*done)(struct gn__secure *secure, int status);
};

/** Begin, over a connected descriptor, which is borrowed until it has stopped.
 *  @tls is consumed, also when it fails: errors are those of gn__io_watch(). */
GN_WARN_UNUSED int gn__secure_start(struct gn__secure *secure,
                                    struct gn__io *io, struct gn__tls *tls,
                                    int fd, uint64_t timeout_ns,
                                    struct gn__account *account);
/** Stop; nothing is told. Does nothing where none is under way. */
void gn__secure_stop(struct gn__secure *secure);

/* ---- local_addr.c ---- */

/** A connection: where to, with its port; and where from, zero where that is
 *  not known. */
struct gn__route_ask {
    struct gn__endpoint to;
    struct gn__endpoint from;
    int protocol; /* IPPROTO_TCP, IPPROTO_UDP */
};

/** Does it lead to this machine, or does the machine hear it (broadcast,
 *  multicast)? 1 or 0; or a negative errno: that cannot be found out now. */
int gn__machine_has(const struct gn__route_ask *ask);

/** Did this connected socket come to the machine itself? As above, but not 0 if
 *  that cannot be found out. */
int gn__machine_reached(int fd, int protocol);

#endif /* GN_HOST_EGRESS_EGRESS_H */
