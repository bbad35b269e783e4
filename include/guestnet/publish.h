/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_PUBLISH_H
#define GUESTNET_PUBLISH_H

/*
 * Published ports: what connects to a port of the host's, or to a Unix socket,
 * is connected to a guest.
 *
 *     gn_publish --> publication --(gn_unpublish)--> gone
 *
 *     kernel client --> 127.0.0.1:8080 ~~ relay ~~ web:80 (a guest)
 *
 * The guest sees the client's own address and port, so its log and its rules
 * mean what they say. Some clients cannot be shown and appear as the gateway,
 * and are counted: those from loopback, link-local addresses, the network's own
 * prefixes, Unix sockets, and those whose address is of the other version than
 * the guest's. No other client does: one that comes back from the same port
 * while its last connection is still closing waits until it has closed, and one
 * that is connected to the same port of the guest by another publication is
 * turned away, since the guest could not tell the two apart.
 *
 * Connections end as if there were nothing between: each direction by itself
 * (FIN), or both by a reset. Payload waits in the buffers of the two
 * connections and nowhere else: a side that does not read holds up the other,
 * and nothing grows.
 *
 * Datagrams of one client are a flow. What the guest answers leaves from the
 * address that the client sent to. A flow ends with the guest or its socket, or
 * when it is idle, and a name is then looked up again. A client that has a flow
 * with the same port of a guest by another publication, or by another address
 * of the machine, is turned away: the guest could not tell the two apart.
 *
 * What the guest's own 127.0.0.1 alone listens on cannot be published: dial
 * from the guest's namespace (conn.h).
 *
 * Threads: under GN_DRIVE_THREAD any, otherwise the driving thread. Callbacks
 * run on the driving thread without any lock. -ENOTSUP under GN_DRIVE_VIRTUAL:
 * it has no kernel descriptors.
 *
 * A publication keeps a loop running until it is gone. Closing its network ends
 * it too; nothing here may be called for it then.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <guestnet/export.h>
#include <guestnet/network.h>

GN_BEGIN_DECLS

struct gn_publication;

/** What may happen to a publication behind its owner's back. */
enum gn_publication_event {
    GN_PUBLICATION_TURNED_AWAY = 0, /* A client. -ECONNREFUSED: the target does
                                       not listen; -ETIMEDOUT: it does not
                                       answer; -EADDRINUSE: the client is
                                       connected to it by another publication;
                                       -ENOMEM, ... */
    GN_PUBLICATION_TARGET_GONE,     /* The same, because no guest has the
                                       target's name or address: -EHOSTUNREACH,
                                       or what the lookup said. */
    GN_PUBLICATION_PAUSED,          /* Clients wait in the backlog: -EMFILE,
                                       -ENFILE, -ENOMEM; 0: for a connection to
                                       end, see gn_publication_stats.paused. */
    GN_N_PUBLICATION_EVENTS
};

/**
 * Told of it, on the driving thread, on a later turn. Events that come faster
 * than they are told are counted by the statistics only: 32 wait. May call
 * gn_unpublish(); none is told after it.
 *
 * @error   0 or a negative errno, as said there.
 * @client  Borrowed for the call; NULL: none, or it has no address.
 */
typedef void (*gn_publication_cb)(struct gn_publication *pub,
                                  enum gn_publication_event event, int error,
                                  const struct sockaddr *client, void *arg);

/** Settings for gn_publish(); zero selects the default given here. */
struct gn_publish_options {
    size_t size;              /* sizeof this struct. Required. */
    bool as_gateway;          /* Guests see the gateway, not the client. */
    bool use_fd;              /* Take `fd`; the listen argument must be NULL. */
    int fd;                   /* An open socket, bound, and of a stream type
                                 listening: as systemd hands over. Consumed on
                                 success, and then non-blocking and
                                 close-on-exec. */
    uint32_t backlog;         /* listen(2); as long as the kernel allows. */
    uint32_t max_connections; /* At once; more wait in the backlog; 16384. */
    uint32_t max_flows;       /* Clients of a UDP port; the one that was idle
                                 longest makes room; 1024. A guest has a limit
                                 of its own (gn_limits.max_flows). */
    uint32_t flow_idle_s;     /* Until a flow ends that was a single exchange;
                                 30. */
    uint32_t flow_assured_s;  /* The same of one that went both ways and on for
                                 two seconds; 180. */
    uint32_t keepalive_s;     /* A client that is silent for so long is asked
                                 whether it is there, and a quarter of that
                                 later, three times more; 60. */
    uint32_t mode;            /* Permissions of a Unix socket, as 0660; as
                                 umask(2) says. */
    gn_publication_cb event;  /* NULL: none is told. */
    void *event_arg;          /* Borrowed as long as the publication. */
    char *why;                /* Borrowed for the call: on an error that has to
                                 do with an argument gets one line that says
                                 what is wrong, where, and what would be
                                 right. */
    size_t why_len;
};

/** What a publication has done. */
struct gn_publication_stats {
    uint64_t accepted;   /* Clients: connections, or flows. */
    uint64_t active;     /* Now. */
    uint64_t unreached;  /* Clients that were turned away, because the target
                            has no address, refused, or did not answer, or
                            because they are connected to it already. */
    uint64_t as_gateway; /* Clients that could not be shown as themselves. */
    uint64_t paused;     /* Times that accepting had to wait for a descriptor,
                            memory, or a connection to end: there are
                            max_connections, or as many as the guest may have
                            sockets (gn_limits.max_sockets). */
    uint64_t dropped;    /* Datagrams that found no way. */
    uint64_t evicted;    /* Flows that made room for others. */
};

/**
 * Publish a guest's port.
 *
 * @proto  "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6": of the host's port;
 *           or "unix", a stream socket in the file system.
 * @listen   Copied. "127.0.0.1:8080", "[::1]:8080"; ":8080" is all addresses,
 *           of both versions with "tcp" and "udp". Port 0 takes a free one.
 *           "unix": a path, shorter than 108 bytes. One without a listener
 *           any more is replaced, and it is removed at the end if it is still
 *           this one. NULL with use_fd.
 * @target   Copied. "10.77.0.2:80", "[fd77::2]:80", "web:80", "web:http". A
 *           host's name is looked up for each client, as the host's namespace
 *           sees it, and need not be there yet.
 * @options  Copied. NULL for the defaults.
 * @out      Set only on success. Owned by the caller: gn_unpublish().
 *
 * Returns 0 and is open when it returns, or a negative errno with nothing left
 * behind, and for most of them a line in options->why:
 *   -EINVAL         The network, an address or an option is malformed; or no
 *                   guest can have the target's address, it is link-local and
 *                   lacks its interface, or a loopback one for datagrams, by
 *                   number or by a name below localhost; no guest can have
 *                   the name, which ends in the network's domain; or
 *                   the given descriptor is of another type, or does not
 *                   listen.
 *   -EADDRINUSE     The port is in use; or there is a listener at the path, or
 *                   it is no socket.
 *   -EADDRNOTAVAIL  The machine has no such address.
 *   -EACCES         No permission: a port below 1024, or a directory.
 *   -ENOENT, -ENOTDIR, -EROFS, ...  The path cannot be made.
 *   -EMFILE, -ENFILE  No descriptor is free.
 *   -ENOTSUP        The network has no descriptors (GN_DRIVE_VIRTUAL).
 *   -ECANCELED      The network is closing.
 *   -ENOMEM         Out of memory.
 */
GN_API GN_WARN_UNUSED int gn_publish(struct gn_network *net, const char *proto,
                                     const char *listen, const char *target,
                                     const struct gn_publish_options *options,
                                     struct gn_publication **out);

/**
 * Where it listens: with the port that was taken, getsockname(2). With a NULL
 * nothing is written, here and below.
 *
 * @len  In: room in @addr. Out: what the whole address takes.
 */
GN_API void gn_publication_addr(struct gn_publication *pub,
                                struct sockaddr *addr, socklen_t *len);

/**
 * The same as text: "127.0.0.1:8080", "[::1]:8080", or a Unix socket's path.
 *
 * @out  Gets the text with its NUL; GN_ADDR_TEXT_MAX bytes suffice, and 109 for
 *       a path.
 *
 * Returns 0, -EINVAL (an argument is NULL) or -ENOSPC (it does not fit).
 */
GN_API GN_WARN_UNUSED int gn_publication_addr_text(struct gn_publication *pub,
                                                   char *out, size_t cap);

/** Its counters now, copied to @out. */
GN_API void gn_publication_stats(struct gn_publication *pub,
                                 struct gn_publication_stats *out);

/**
 * End it: the port is free at once, and connections that came by it are reset,
 * flows forgotten.
 *
 * @pub       Consumed. NULL: nothing happens, and @callback never runs.
 * @callback  Runs once, on a later turn, when it is gone. NULL: off the driving
 *            thread the call returns when it is gone; on it no call is made.
 */
GN_API void gn_unpublish(struct gn_publication *pub, gn_close_cb callback,
                         void *arg);

GN_END_DECLS

#endif /* GUESTNET_PUBLISH_H */
