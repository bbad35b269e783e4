/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_FORWARD_H
#define GUESTNET_FORWARD_H

/*
 * Services of the host's at names in the network: what a guest sends to
 * db:5432 is answered by 127.0.0.1:15432 of the machine, or by a Unix socket.
 *
 *     gn_forward --> forwarding --(gn_unforward)--> gone
 *
 *     guest --> db:5432 (10.77.0.5) ~~ relay ~~ 127.0.0.1:15432 (the kernel)
 *
 * The name gets addresses of its own, the lowest free one of each prefix, and
 * guests look it up as they look each other up. Several forwardings of one name
 * share its addresses; the name is given back with the last of them. A port of
 * the name that is not forwarded is refused, and it answers pings.
 *
 * Permission. The call is the permission: every guest of the network may
 * connect, or those that options.guests names, whatever the rules of its egress
 * say, and guests without an egress as well. Nothing else of the machine opens
 * by it. options.audit is told of each connection and each flow of datagrams,
 * allowed or not, before a descriptor is opened.
 *
 * Connections. A guest's connect() ends as that of the host's: it succeeds when
 * the service has accepted, and is -ECONNREFUSED where nothing serves. They end
 * as if there were nothing between, as those of published ports do
 * (publish.h). Datagrams between two endpoints are a flow, as those to the
 * outside are (egress.h). What it costs is the guest's: a connection and a flow
 * take a descriptor (gn_limits.max_descriptors), those under way count in
 * gn_limits.max_outgoing, flows in gn_limits.max_flows.
 *
 * The service sees a client of its own machine, unless options.proxy tells it
 * which guest connects.
 *
 * A link of the host's namespace (gn_network_gateway()) slows down what a
 * service answers, and its paths apply both ways.
 *
 * Threads: under GN_DRIVE_THREAD any, otherwise the driving thread. Callbacks
 * run on the driving thread without any lock. -ENOTSUP under GN_DRIVE_VIRTUAL:
 * it has no kernel descriptors.
 *
 * A forwarding keeps a loop running until it is gone. Closing its network ends
 * it too; nothing here may be called for it then.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <guestnet/egress.h>
#include <guestnet/export.h>
#include <guestnet/network.h>

GN_BEGIN_DECLS

struct gn_forwarding;

/** What may happen to a forwarding behind its owner's back. */
enum gn_forwarding_event {
    GN_FORWARDING_UNREACHED = 0, /* The service could not be connected to:
                                    -ECONNREFUSED, -ENOENT (no such path),
                                    -EACCES, -ETIMEDOUT, -EMFILE, ... */
    GN_FORWARDING_TURNED_AWAY,   /* A guest: -EACCES, it is not among
                                    options.guests; -EAGAIN, there are
                                    max_connections; -ENOBUFS, it has as many
                                    descriptors as it may; -ENOMEM. */
    GN_N_FORWARDING_EVENTS
};

/**
 * Told of it, on the driving thread, on a later turn. Events that come faster
 * than they are told are counted by the statistics only: 32 wait. May call
 * gn_unforward(); none is told after it.
 *
 * @error  A negative errno, as said there.
 * @guest  The guest's own end, borrowed for the call.
 */
typedef void (*gn_forwarding_cb)(struct gn_forwarding *fwd,
                                 enum gn_forwarding_event event, int error,
                                 const struct sockaddr *guest, void *arg);

/** Settings for gn_forward(); zero selects the default given here. */
struct gn_forward_options {
    size_t size;               /* sizeof this struct. Required. */
    const char *const *guests; /* NULL-ended, copied: names of the guests that
                                  may connect; the others are -EACCES. NULL: all
                                  may. */
    uint32_t max_connections;  /* At once; more are refused; 16384. */
    uint32_t max_flows;        /* Of "udp": the one that is idle longest makes
                                  room; 1024. */
    uint32_t flow_idle_s;      /* Until a flow ends that was a single exchange;
                                  30. */
    uint32_t flow_assured_s;   /* The same of one that went both ways and on for
                                  two seconds; 180. */
    uint32_t connect_timeout_ms; /* Until a service that does not answer is
                                    -ETIMEDOUT; 10000. */
    bool proxy;                  /* Of streams: a line of the PROXY protocol,
                                  version 1, in front of all else tells the
                                  service which guest connects, to what. */
    gn_audit_cb audit;           /* Told of each connection and flow: `name` and
                                  `address` are those the guest asked for,
                                  `rule` is -1, `rule_text` says what is
                                  forwarded where, `reason` is "forwarded" or
                                  "not among the guests". NULL: no guest is. */
    void *audit_arg;             /* Borrowed as long as the forwarding. */
    gn_forwarding_cb event;      /* NULL: none is told. */
    void *event_arg;             /* The same. */
    char *why; /* Borrowed for the call: on an error that has to
                                  do with an argument gets one line that says
                                  what is wrong, where, and what would be
                                  right. */
    size_t why_len;
};

/** What a forwarding has done. */
struct gn_forwarding_stats {
    uint64_t accepted;    /* Connections and flows that were allowed. */
    uint64_t active;      /* Now, with those still connecting. */
    uint64_t unreached;   /* The service could not be connected to. */
    uint64_t turned_away; /* Guests that were not allowed, or met a limit. */
    uint64_t evicted;     /* Flows that made room for others. */
};

/**
 * Let guests reach a service of the machine's.
 *
 * @proto    "tcp", "udp"; or "unix": TCP in the network, a stream socket in the
 *           file system of the host.
 * @name     Copied. "db:5432", "db:postgresql": one DNS label, which no guest
 *           has, and a port.
 * @target   Copied. "127.0.0.1:15432", "[::1]:53", "localhost:15432" (that is
 *           127.0.0.1); any address the machine can connect to. With "unix" a
 *           path, shorter than 108 bytes. It need not be served yet.
 * @options  Copied. NULL for the defaults.
 * @out      Set only on success. Owned by the caller: gn_unforward().
 *
 * Returns 0 and is open when it returns, or a negative errno with nothing left
 * behind, and for most of them a line in options->why:
 *   -EINVAL         The network, a name, an address or an option is malformed.
 *   -EADDRINUSE     A guest has the name, or the port of the name is forwarded
 *                   already.
 *   -EADDRNOTAVAIL  The network has no prefixes.
 *   -ENOSPC         A prefix has no free address.
 *   -ENOTSUP        The network has no descriptors (GN_DRIVE_VIRTUAL).
 *   -ECANCELED      The network is closing.
 *   -ENOMEM         Out of memory.
 */
GN_API GN_WARN_UNUSED int gn_forward(struct gn_network *net, const char *proto,
                                     const char *name, const char *target,
                                     const struct gn_forward_options *options,
                                     struct gn_forwarding **out);

/**
 * Where guests reach it, as text: "10.77.0.5:5432", "[fd77::5]:5432".
 *
 * @family  AF_INET, AF_INET6; AF_UNSPEC: the first there is.
 * @out     Gets the text with its NUL; GN_ADDR_TEXT_MAX bytes suffice.
 *
 * Returns 0, -EINVAL (an argument is NULL), -ENOSPC (it does not fit),
 * -EAFNOSUPPORT (the network has no prefix of the family) or -ECANCELED (its
 * network has ended).
 */
GN_API GN_WARN_UNUSED int gn_forwarding_addr_text(struct gn_forwarding *fwd,
                                                  int family, char *out,
                                                  size_t cap);

/** Its counters now, copied to @out; all 0 when its network has ended. */
GN_API void gn_forwarding_stats(struct gn_forwarding *fwd,
                                struct gn_forwarding_stats *out);

/**
 * End it: connections are reset, flows forgotten, and the port is refused; with
 * the last one of a name its addresses are free.
 *
 * @fwd       Consumed. NULL: nothing happens, and @callback never runs.
 * @callback  Runs once, on a later turn, when it is gone. NULL: off the driving
 *            thread the call returns when it is gone; on it no call is made.
 */
GN_API void gn_unforward(struct gn_forwarding *fwd, gn_close_cb callback,
                         void *arg);

GN_END_DECLS

#endif /* GUESTNET_FORWARD_H */
