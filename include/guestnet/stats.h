/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_STATS_H
#define GUESTNET_STATS_H

/*
 * What may be held, and what happened: limits of a namespace, and counters of
 * namespaces and networks.
 *
 * Everything a guest can make the library allocate has a limit here, and
 * every packet that is not delivered is counted under exactly one reason.
 */
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include <guestnet/export.h>

GN_BEGIN_DECLS

/** Limits of one namespace; zero selects the default given here. */
struct gn_limits {
    uint32_t max_sockets;     /* Open at once; more are -EMFILE; 1024. */
    uint32_t max_connections; /* TCP connections, also those that are opening
                                 or finishing; more are -ENOBUFS, or for a
                                 peer no answer; 16384. */
    uint32_t max_time_wait;   /* Connections in TIME_WAIT; the oldest make
                                 room for new ones; 16384. */
    uint32_t max_groups;      /* Multicast groups joined, counted for each
                                 socket; more are -ENOBUFS; 256. */
    uint64_t max_buffered;    /* Bytes of memory held in socket buffers and
                                 reassembly; more are -ENOBUFS, or the window
                                 closes. The last quarter is for what is
                                 received. As much again for connections that
                                 the host speaks TLS for (egress.h), 64 KiB
                                 each; more are -ENOBUFS. 64 MiB. */
    uint32_t icmp_per_second; /* ICMP errors sent, and as a burst a tenth of
                                 it; 1000. */
    uint32_t max_outgoing;    /* Connections, and peers of datagrams, that wait
                                 for the world outside to answer; more are
                                 tried again by TCP, and else dropped; 1024. */
    uint32_t max_flows;       /* Peers outside that datagrams are exchanged
                                 with, by each side that began; of more the
                                 one that is idle longest makes room; 1024. */
    uint32_t max_lookups;     /* Of names, under way at once; more are -EAGAIN;
                                 256. */
    uint32_t lookup_timeout_ms; /* A lookup ends with -ETIMEDOUT after it;
                                   10000. */
    uint32_t max_descriptors;   /* Of the process, open for it: connections and
                                 peers of datagrams outside, its ports shown
                                 there and their clients, and clients of its
                                 gn_listen_fd(). Of more, the peer of datagrams
                                 that is idle longest makes room, and clients
                                 of gn_listen_fd() wait; else they are
                                 -ENOBUFS, not shown, or reset.
                                 No number; but a guest never has more than are
                                 left for all. */
    uint32_t max_timers; /* gn_timer_start() and gn_wait_start(), not over
                                 yet; more are -EAGAIN; 1024. */
};

/** Why a packet was not delivered. */
enum gn_drop {
    GN_DROP_NONE = 0,      /* Never counted. */
    GN_DROP_MALFORMED,     /* A header contradicts itself or the length. */
    GN_DROP_CORRUPT,       /* A checksum is wrong: damaged on a link. */
    GN_DROP_SOURCE,        /* The source is not an address of the sender. */
    GN_DROP_DESTINATION,   /* No address a packet may be sent to here. */
    GN_DROP_NO_ROUTE,      /* No route to the destination. */
    GN_DROP_UNREACHABLE,   /* No guest has the address. */
    GN_DROP_TTL,           /* The hop limit ran out. */
    GN_DROP_TOO_BIG,       /* Larger than the MTU and not to be cut. */
    GN_DROP_NOT_FORWARDED, /* For another host, and this is no router. */
    GN_DROP_STALE,         /* Its receiver left while it was under way. */
    GN_DROP_DOWN,          /* A link or an interface is down. */
    GN_DROP_LOSS,          /* Lost on a link or path, as configured. */
    GN_DROP_QUEUE,         /* A link's queue is full, or its sender has its
                              share of the packets that are due at once. */
    GN_DROP_BLOCKED,       /* The path is blocked. */
    GN_DROP_BROADCAST,     /* Too many broadcasts wait to be spread. */
    GN_DROP_PROTOCOL,      /* No handler for the protocol. */
    GN_DROP_PORT,          /* No socket has the port. */
    GN_DROP_SOCKET_BUFFER, /* The socket's receive buffer is full. */
    GN_DROP_BACKLOG,       /* The listener's queue is full. */
    GN_DROP_HALF_OPEN,     /* A newer connection request took its place. */
    GN_DROP_CONNECTIONS,   /* The limit on connections. */
    GN_DROP_TIME_WAIT,     /* A connection in TIME_WAIT made room. */
    GN_DROP_REASSEMBLY,    /* Fragments that never became whole. */
    GN_DROP_MEMORY,        /* The limit on memory, or no memory at all. */
    GN_DROP_ICMP_RATE,     /* An ICMP error that was not sent. */
    GN_DROP_ICMP,          /* An ICMP message that concerns no socket. */
    GN_DROP_NOT_PROXIED,   /* For an address outside the network that does not
                              talk to its sender. */
    GN_DROP_OUTGOING,      /* Too much waits for the world outside to answer. */
    GN_DROP_FLOWS,         /* A datagram from outside that no flow could be
                              begun for. */
    GN_DROP_FLOW,          /* Too many datagrams wait for one peer outside. */
    GN_DROP_DENIED,        /* The guest's host refused it, or did not answer. */
    GN_DROP_KERNEL,        /* A datagram that the kernel did not take. */
    GN_DROP_UNDER_WAY,     /* Its sender has its share of what may be on links
                              at once (link.h). */
    GN_DROP_DESCRIPTORS,   /* The limit on descriptors of the process: at the
                              guest it would have been opened for. */
    GN_N_DROPS
};

/** Counters in struct gn_stats; more than there are reasons today. */
#define GN_DROP_ROOM 40

/**
 * A namespace's counters, or a network's: there packets and bytes are those
 * that went through the switch. Drops are counted where they happen, at the
 * namespace that dropped the packet, or at the network if it was the switch,
 * a link or a path; what its sender has too much of (GN_DROP_UNDER_WAY, and
 * GN_DROP_QUEUE but for links) at the sender as well. What the gateway
 * drops of a guest's traffic with the world outside is counted at the gateway
 * and at that guest.
 */
struct gn_stats {
    uint64_t packets_in; /* Received, loopback included. */
    uint64_t packets_out;
    uint64_t bytes_in; /* Of whole IP packets. */
    uint64_t bytes_out;
    uint64_t packets_forwarded;
    uint64_t icmp_errors;         /* Sent. */
    uint64_t sockets_refused;     /* -EMFILE by the limit. */
    uint64_t connections_refused; /* -ENOBUFS by the limit. */
    uint64_t buffers_refused;     /* -ENOBUFS by the limit on memory. */
    uint64_t lookups_refused;     /* -EAGAIN by the limit. */
    uint64_t timers_refused;      /* -EAGAIN by the limit. */
    uint64_t flows_evicted;       /* Ended to make room for another. */
    uint64_t clients_lost;        /* From outside, of its ports that listen
                                     rules show: turned away, or not answered
                                     by it. */
    uint64_t lookups;             /* Begun. */
    uint64_t sockets;             /* Open now. */
    uint64_t connections;         /* Alive now, without TIME_WAIT. */
    uint64_t descriptors;         /* Of the process, held for it now. */
    uint64_t timers;              /* Not over yet. */
    uint64_t buffered;            /* Bytes of memory charged now. */
    uint64_t drops[GN_DROP_ROOM]; /* By enum gn_drop. */
};

/**
 * The name of a reason, such as "no-route": the lower-case rest of its
 * constant. Unknown ones are "unknown". Constant text, any thread.
 */
GN_API const char *gn_drop_name(enum gn_drop why);

/**
 * How the one lock that all networks of a process share was used while it was
 * watched. Percentiles are exact to an eighth.
 */
struct gn_lock_stats {
    uint64_t waits; /* Of driving threads. */
    uint64_t wait_p50_ns;
    uint64_t wait_p99_ns;
    uint64_t wait_max_ns;
    uint64_t holds; /* In all. */
    uint64_t hold_p99_ns;
    uint64_t hold_max_ns;
};

/** Begin to count anew, or stop. It costs some 50 ns a call. Any thread. */
GN_API void gn_lock_watch(bool on);

/** What has been counted. @out is written whole. Any thread. */
GN_API void gn_lock_stats(struct gn_lock_stats *out);

GN_END_DECLS

#endif /* GUESTNET_STATS_H */
