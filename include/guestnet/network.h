/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_NETWORK_H
#define GUESTNET_NETWORK_H

/*
 * A network joins guests: prefixes to number them from, a switch that carries
 * IP packets between them, limits, and a driver.
 *
 * Under GN_DRIVE_LOOP close networks first, and only behind their close
 * callbacks walk the loop to close what is left (uv_walk, uv_close): handles of
 * ours that others close are undefined behaviour. Behind the callback
 * uv_walk() meets nothing of ours, and uv_loop_close() succeeds.
 *
 *     create --> open --(close)--> closing --(closed callback)--> gone
 *
 * Two networks share nothing, also when they have the same prefixes. The host
 * program is in each network by a namespace of its own at the gateway's
 * address, gn_network_gateway().
 *
 * The drive says which thread moves packets and runs timers:
 *
 *   GN_DRIVE_THREAD   a thread of the library. All such networks with the same
 *                     allocator share one; it starts with the first and ends
 *                     with the last. Every call is for any thread.
 *   GN_DRIVE_VIRTUAL  a clock that only moves when told to, sim.h. The same
 *                     calls in the same order give the same packets. One
 *                     thread at a time may use the clock and its networks; it
 *                     is the driving thread, and calls that block are -EDEADLK
 *                     on it.
 *   GN_DRIVE_LOOP     a libuv loop of the caller's. Networks of one loop and
 *                     allocator share a driver. The driving thread is the one
 *                     that made the first of them, and then the one that runs
 *                     the loop. Listeners, connections and requests of the
 *                     host's keep uv_run() going, an idle network does not.
 *   GN_DRIVE_CALLER   a loop of any other kind: gn_network_fd(),
 *                     gn_network_timeout_ms() and gn_network_run(). The driving
 *                     thread is the one that made the network, and then the one
 *                     that runs it.
 *
 * Under all of them but GN_DRIVE_VIRTUAL guests' threads call gn_sock_*() and
 * block in it as they like, except on the driving thread, whether or not the
 * loop is running; what else a network is asked for is asked from the driving
 * thread, unless it is GN_DRIVE_THREAD.
 *
 * Callbacks run on the driving thread, with no lock held, and may call
 * anything that does not block.
 */
#include <stddef.h>
#include <stdint.h>

#include <guestnet/export.h>
#include <guestnet/mem.h>
#include <guestnet/stats.h>

GN_BEGIN_DECLS

struct gn_clock;
struct gn_namespace;
struct gn_network;
struct gn_query;
struct gn_resolver;
struct uv_loop_s;

/** Which thread moves packets and runs timers. */
enum gn_drive {
    GN_DRIVE_THREAD = 0, /* A thread of the library. */
    GN_DRIVE_LOOP,       /* A libuv loop of the caller's. */
    GN_DRIVE_CALLER,     /* A loop of another kind. */
    GN_DRIVE_VIRTUAL,    /* A clock that moves when told to. */
    GN_N_DRIVES
};

/** Something has been closed and is gone. */
typedef void (*gn_close_cb)(void *arg);

enum gn_log_level { GN_LOG_ERROR = 0, GN_LOG_WARN, GN_LOG_INFO, GN_LOG_DEBUG };

/**
 * One line without its newline: that the network is there or gone, and whenever
 * something is turned away, paused, limited or evicted, or fails without a call
 * that could report it: what it is about (a guest, a publication), what
 * happened, and why. There are at most ten lines of a kind in a second; the
 * next one says how many were left out. Any thread; must not call back in.
 */
typedef void (*gn_log_cb)(enum gn_log_level level, const char *line, void *arg);

/**
 * Told of each lookup of a name (resolver.h) that a guest or the host made and
 * a resolver was asked for: in the order they end, and before the one that made
 * it. On the driving thread; may call what callbacks may.
 */
typedef void (*gn_query_log_cb)(const struct gn_query *query, void *arg);

/** The default MTU: bytes of an IP packet between guests. */
#define GN_MTU_DEFAULT 16384u
/** IPv6's least, RFC 8200 section 5; what a network without IPv6 needs. */
#define GN_MTU_MIN6 1280u
#define GN_MTU_MIN4 576u
#define GN_MTU_MAX  65535u

/** Settings for gn_network_create(); zero selects the default given here. */
struct gn_network_config {
    size_t size;                  /* sizeof this struct. Required. */
    const char *name;             /* For logs and captures, and the name its
                                    random numbers follow from under a seed;
                                    up to 63 bytes; "net0", "net1", ... */
    const char *const *prefixes;  /* NULL-ended: "10.77.0.0/24", "fd77::/64";
                                    none: guests have their loopback only. */
    enum gn_drive drive;          /* GN_DRIVE_THREAD. */
    struct uv_loop_s *loop;       /* GN_DRIVE_LOOP, and only then: required;
                                    borrowed until the close callback. */
    const char *domain;           /* "guest.internal". */
    uint32_t mtu;                 /* GN_MTU_MIN4 (with IPv6 GN_MTU_MIN6) to
                                    GN_MTU_MAX; GN_MTU_DEFAULT. */
    uint64_t seed;                /* Not 0: all random numbers of the network
                                    follow from it. 0: from the clock under
                                    GN_DRIVE_VIRTUAL, else from the system. */
    struct gn_resolver *resolver; /* Borrowed as long as the network; NULL:
                                     the network's own names only. */
    struct gn_limits limits;      /* Defaults for its namespaces. The host's own
                                     has at least 65,536 sockets and
                                     connections, and half of max_buffered. */
    gn_log_cb log;                /* NULL: nothing is logged. */
    void *log_arg;                /* Borrowed as long as the network. */
    const struct gn_allocator *alloc; /* Copied; NULL: malloc(). With a clock
                                         given, the clock's is used. */
    struct gn_clock *clock;           /* GN_DRIVE_VIRTUAL: whose time it has;
                                         borrowed. NULL: one of its own, which
                                         is closed with it. */
    uint64_t max_buffered;            /* Bytes that all namespaces together may
                                         hold; 1 GiB. */
    char *why;                        /* Borrowed for the call: on -EINVAL gets
                                         one line that says what is wrong,
                                         where, and what would be right. */
    size_t why_len;
    gn_query_log_cb query_log; /* NULL: lookups are not logged. */
    void *query_log_arg;       /* Borrowed as long as the network. */
    uint32_t max_descriptors;  /* Of the process, that all its guests together
                                  may cost (limits.max_descriptors). 0: it
                                  shares with the other networks without a
                                  number half of RLIMIT_NOFILE, as that is when
                                  the last of them is made. The other half is
                                  for the host: its listeners, publications,
                                  dials and files. */
};

/**
 * Create a network.
 *
 * Each prefix gives its first usable address to the gateway, where the host's
 * namespace is (a prefix of one address has none).
 *
 * @config  Copied; may be freed on return. NULL for the defaults.
 * @out     Set only on success. Owned by the caller: gn_network_close().
 *
 * Returns 0, or a negative errno with nothing left behind:
 *   -EINVAL    A prefix is malformed or overlaps another, the name or domain
 *              is malformed or too long, the MTU is out of range, the drive is
 *              unknown or lacks its loop, the size is unknown, or @out is NULL.
 *   -ENOMEM    Out of memory.
 *   -EMFILE, -ENFILE, -ENOSPC
 *              No descriptors left, of the process or the machine; no watches.
 *   -EAGAIN    The driving thread could not be started.
 */
GN_API GN_WARN_UNUSED int gn_network_create(
    const struct gn_network_config *config, struct gn_network **out);

/**
 * Close a network and all its namespaces: on the driving thread first what the
 * host has in it (requests get -ECANCELED), then the guests, whose sockets end
 * with -ECANCELED. A namespace that was created in another network keeps its
 * other interfaces.
 *
 * Its namespaces are closed by this call, and gn_namespace_close() is not for
 * them any more. They are gone with the network: when @callback runs, or when
 * the call without one returns. On the driving thread the latter is at once,
 * also in a callback of the network's, which then may use neither it nor its
 * namespaces any more. Until they are gone their calls return -ECANCELED.
 * Sockets stay until their last reference is given back.
 *
 * @net       Consumed. NULL: nothing happens, and @callback never runs.
 * @callback  Runs once on the driving thread when it is gone, its descriptors
 *            and libuv handles too. NULL: off the driving thread the call
 *            returns when it is gone; on it no call is made, and a loop of
 *            GN_DRIVE_LOOP has to run once more before uv_loop_close().
 */
GN_API void gn_network_close(struct gn_network *net, gn_close_cb callback,
                             void *arg);

/** How long gn_network_run() goes on. */
enum gn_run_mode {
    GN_RUN_DEFAULT = 0, /* As long as the network has listeners, connections or
                          requests of the host's, or work that is due. */
    GN_RUN_ONCE,        /* Wait until there is work, and do it. */
    GN_RUN_NOWAIT,      /* Do what is due now. */
    GN_N_RUN_MODES
};

/**
 * GN_DRIVE_CALLER: a descriptor for epoll, poll or a GLib source. While the
 * network has work to do it is readable or gn_network_timeout_ms() is 0, until
 * gn_network_run() has done it. Never read it.
 *
 * Returns the descriptor, which belongs to the network, or:
 *   -ENOTSUP  Another drive.
 *   -EINVAL   @net is NULL.
 */
GN_API int gn_network_fd(struct gn_network *net);

/**
 * GN_DRIVE_CALLER: how long to wait for gn_network_fd() at most, in ms; -1: for
 * ever. To be asked each time before waiting.
 *
 * Returns -ENOTSUP or -EINVAL as gn_network_fd().
 */
GN_API int gn_network_timeout_ms(struct gn_network *net);

/**
 * GN_DRIVE_CALLER: move packets, run timers and callbacks. The calling thread
 * is the driving thread from now on. A callback may close the network; it is
 * gone then when this returns.
 *
 * Returns 1 while there are listeners, connections or requests of the host's or
 * work is left over, 0 when not or when the network is gone, or:
 *   -EDEADLK  From a callback of the network, or while another thread runs it.
 *   -ENOTSUP  Another drive.
 *   -EINVAL   No such mode, or @net is NULL.
 */
GN_API int gn_network_run(struct gn_network *net, enum gn_run_mode mode);

/**
 * The host's own namespace, at the gateway's address of each prefix. It lives
 * as long as the network; closing, killing or detaching it does nothing.
 */
GN_API struct gn_namespace *gn_network_gateway(struct gn_network *net);

/** Its clock under GN_DRIVE_VIRTUAL, borrowed; else NULL. */
GN_API struct gn_clock *gn_network_clock(struct gn_network *net);

/** Its name; lives as long as the network. */
GN_API const char *gn_network_name(const struct gn_network *net);

/** Its domain; lives as long as the network. */
GN_API const char *gn_network_domain(const struct gn_network *net);

/** Its counters, copied to @out. */
GN_API void gn_network_stats(struct gn_network *net, struct gn_stats *out);

GN_END_DECLS

#endif /* GUESTNET_NETWORK_H */
