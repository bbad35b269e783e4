/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NETSTACK_TCP_H
#define GN_NETSTACK_TCP_H

/*
 * TCP connections of many guests, each guest with a lwIP of its own.
 *
 * struct gn__netstack is what all guests of one engine share: payload, the
 * table of connections, the timing wheel. struct gn__stack is one guest: its
 * lwIP state (saved while another guest's is in place), limits and secrets.
 * Everything here runs under the engine's lock, at the time gn__netstack.now,
 * and nothing here calls a user.
 *
 * A connection outlives its socket: after gn__tcp_close() it finishes on its
 * own (FIN, retransmissions, TIME_WAIT) and frees itself. What it reports to
 * its owner is one event, gn__stack_ops.changed: look again.
 *
 * lwIP never walks a list of connections here. The 4-tuple of a segment is
 * looked up in gn__netstack.tuples, and lwIP's list heads are pointed at the
 * one connection that matches before it is entered (netstack/lwip/).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/table.h"
#include "base/wheel.h"
#include "netstack/icmp.h"
#include "netstack/packet.h"
#include "netstack/slab.h"

/** The wheel's tick: lwIP's fast timer. Its slow timer is two of them. */
#define GN__TICK_NS 25000000ull
#define GN__NEVER   UINT64_MAX

/** The window every connection starts with, bytes. */
#define GN__WINDOW_START (128u * 1024)
/** As far as it may grow, bytes. */
#define GN__WINDOW_MAX (8u * 1024 * 1024)

struct gn__stack;
struct gn__tuple;
struct gn__conn;
struct gn__listener;

/** A deadline in the wheel; embedded. */
struct gn__timer {
    struct gn__wheel_node node;
    void (*fire)(struct gn__timer *timer);
};

/** Memory that may be held; charges go to every parent as well. */
struct gn__budget {
    size_t held;
    size_t limit;
    struct gn__budget *parent;
};
bool gn__budget_take(struct gn__budget *budget, size_t n);
/** Take it even beyond the limit: for what cannot be refused any more. */
void gn__budget_force(struct gn__budget *budget, size_t n);
void gn__budget_give(struct gn__budget *budget, size_t n);
/** Is nothing left of it, or of a parent's? */
bool gn__budget_full(const struct gn__budget *budget);
/** Is so little left that it is kept for what arrives? Two guests that fill
 *  all they have with what they send could never take it from each other. */
bool gn__budget_tight(const struct gn__budget *budget);

/** Why a segment was dropped here; the namespace counts them. */
enum gn__tcp_drop {
    GN__TCP_DROP_MALFORMED,   /* header shorter than it says, ... */
    GN__TCP_DROP_BACKLOG,     /* accept queue full */
    GN__TCP_DROP_HALF_OPEN,   /* oldest SYN_RECV pushed out by a newer SYN */
    GN__TCP_DROP_MEMORY,      /* a budget or the allocator said no */
    GN__TCP_DROP_CONNECTIONS, /* the limit on connections */
    GN__TCP_DROP_TIME_WAIT,   /* oldest TIME_WAIT pushed out by the cap */
    GN__TCP_DROP_REASSEMBLY   /* fragments given up: limit or time */
};

/** What a stack needs of the namespace it belongs to. */
struct gn__stack_ops {
    /** Send an IP packet (parsed, consumed). Queued, never delivered inline. */
    void (*output)(struct gn__stack *stack, struct gn__packet *packet);
    /** The MTU towards @remote, bytes. */
    uint32_t (*mtu)(struct gn__stack *stack, const struct gn__addr *remote);
    /** The listener for a SYN to @local from @remote; NULL: none. */
    struct gn__listener *(*listener)(struct gn__stack *stack,
                                     const struct gn__endpoint *local,
                                     const struct gn__endpoint *remote);
    /** How long a 4-tuple stays in TIME_WAIT, ns: twice the slowest way met. */
    uint64_t (*time_wait_ns)(struct gn__stack *stack);
    /** The delay there and back that links are known to have now, ns: for
     *  connections older than the delay. */
    uint64_t (*round_trip_ns)(struct gn__stack *stack,
                              const struct gn__addr *remote);
    /** Readiness of the connection or listener @owner belongs to changed. */
    void (*changed)(struct gn__stack *stack, void *owner);
    /** A tuple is gone for good, TIME_WAIT included: its binding (not NULL)
     *  no longer keeps the local port. */
    void (*released)(struct gn__stack *stack, void *binding);
    void (*dropped)(struct gn__stack *stack, enum gn__tcp_drop why);
    /** A connection is over before it was established. NULL: never mind. */
    void (*gave_up)(struct gn__stack *stack, const struct gn__endpoint *local,
                    const struct gn__endpoint *remote);
    /** One less is alive or in TIME_WAIT. NULL: never mind. */
    void (*freed)(struct gn__stack *stack);
};

/** What a 4-tuple is looked up by. No padding: hashed as bytes. */
struct gn__tuple_key {
    struct gn__addr local;
    struct gn__addr remote;
    uint64_t stack;
    uint32_t local_port;
    uint32_t remote_port;
};

struct gn__netstack {
    struct gn__mem mem;
    struct gn__chunk_pool *chunks;
    struct gn__packet_pool packets;
    struct gn__slab slab; /* lwIP's blocks */
    uint64_t now;         /* ns; set by the engine before each entry */
    struct gn__wheel wheel;
    struct gn__table tuples;     /* struct gn__tuple: connections, TIME_WAIT */
    struct gn__tuple_key hashed; /* the last key that was, and to what */
    unsigned hash;
    uint64_t secret[2];
    uint64_t last_stack_id;
};

GN_WARN_UNUSED int gn__netstack_init(struct gn__netstack *net,
                                     const struct gn_allocator *alloc,
                                     const uint64_t secret[2], uint64_t now);
/** All stacks must be done. */
void gn__netstack_done(struct gn__netstack *net);
/** Run at most @budget expired timers; true if more are due. */
bool gn__netstack_timers(struct gn__netstack *net, unsigned budget);
/** When the next timer is due, ns; GN__NEVER. */
uint64_t gn__netstack_deadline(struct gn__netstack *net);

/** One guest's TCP. Embedded; zeroed memory before init. */
struct gn__stack {
    struct gn__netstack *net;
    const struct gn__stack_ops *ops;
    void *owner;
    void *state; /* saved lwIP state; NULL until first needed */
    uint64_t id;
    uint32_t timer_count;    /* lwIP's tcp_timer_ctr, see lwip/timer.c */
    struct gn__tuple *hot;   /* looked up last; NULL */
    struct gn__list conns;   /* struct gn__conn.all */
    struct gn__list half;    /* struct gn__conn.opening, oldest first */
    struct gn__list orphans; /* struct gn__conn.queued: closed, oldest first */
    struct gn__list time_wait; /* oldest first */
    uint64_t isn_key[2];
    struct gn__budget budget; /* bytes buffered */
    uint32_t n_conns;         /* connections alive, without TIME_WAIT */
    uint32_t max_conns;
    uint32_t n_time_wait;
    uint32_t max_time_wait;
    struct gn__timer reassembly; /* armed while fragments wait */
    size_t reassembling;         /* bytes of the budget they hold */
};

GN_WARN_UNUSED int gn__stack_init(struct gn__stack *stack,
                                  struct gn__netstack *net,
                                  const struct gn__stack_ops *ops, void *owner,
                                  const uint64_t isn_key[2]);
/** Connections end without a packet; owners are not told. */
void gn__stack_done(struct gn__stack *stack);

/** A TCP segment for one of this stack's addresses (whole; consumed). */
void gn__tcp_input(struct gn__stack *stack, struct gn__packet *packet);

/** Refuse a segment (whole; consumed) with RST. @verdict: the errno that a
 *  connect() gets which it refuses; 0: -ECONNREFUSED. */
void gn__tcp_reject(struct gn__stack *stack, struct gn__packet *packet,
                    int verdict);

/**
 * A fragment for one of this stack's addresses (consumed). Returns the whole
 * packet, parsed, when this was the last missing piece; else NULL. Bounded:
 * lwIP's reassembly with a limit on pieces and a time-out.
 */
struct gn__packet *gn__stack_reassemble(struct gn__stack *stack,
                                        struct gn__packet *fragment);

/** An ICMP error about one of our segments (parsed, inner.proto TCP). */
void gn__tcp_icmp_error(struct gn__stack *stack, const struct gn__icmp *icmp);
/** Is what it quotes under way? Else it is forged, or too late to matter. */
GN_WARN_UNUSED bool gn__tcp_has_sent(struct gn__stack *stack,
                                     const struct gn__icmp *icmp);

/** Is there a connection with this 4-tuple that its socket has left, and that
 *  only waits for its last segments to be acknowledged? */
GN_WARN_UNUSED bool gn__tcp_is_orphan(struct gn__stack *stack,
                                      const struct gn__endpoint *local,
                                      const struct gn__endpoint *remote);

/** Whose connection has this 4-tuple; NULL: there is none, or it has no
 *  owner. */
void *gn__tcp_owner_at(struct gn__stack *stack,
                       const struct gn__endpoint *local,
                       const struct gn__endpoint *remote);

/** Is there a connection or TIME_WAIT with this 4-tuple? */
enum gn__tuple_use { GN__TUPLE_FREE, GN__TUPLE_TIME_WAIT, GN__TUPLE_USED };
enum gn__tuple_use gn__tcp_tuple_use(struct gn__stack *stack,
                                     const struct gn__endpoint *local,
                                     const struct gn__endpoint *remote);

/** Options of a connection; a listener's are inherited by its children. */
struct gn__tcp_params {
    uint8_t ttl;
    uint8_t tos;
    bool nodelay;
    bool cork;
    bool keepalive;
    uint8_t keep_idle_set; /* counts TCP_KEEPIDLE: each sets the timer anew */
    uint16_t max_segment;  /* TCP_MAXSEG; 0: by MTU */
    uint32_t defer_s;      /* TCP_DEFER_ACCEPT (listener); 0: not at all */
    uint32_t keep_idle_s, keep_interval_s, keep_count;
    uint32_t user_timeout_ms; /* 0: none */
    uint32_t syn_count;       /* TCP_SYNCNT: retries before ETIMEDOUT */
    uint32_t send_buffer;     /* bytes; 0: grows by itself */
    uint32_t recv_buffer;     /* bytes; 0: grows by itself */
};
void gn__tcp_params_default(struct gn__tcp_params *params);

/**
 * Open a connection. Both endpoints complete; the tuple must not be in use (a
 * one in TIME_WAIT is reused, with a higher initial sequence number).
 *
 *   -ENOMEM, -ENOBUFS (connection limit or budget), -EADDRNOTAVAIL (in use)
 */
GN_WARN_UNUSED int gn__tcp_connect(struct gn__stack *stack,
                                   const struct gn__endpoint *local,
                                   const struct gn__endpoint *remote,
                                   const struct gn__tcp_params *params,
                                   void *owner, struct gn__conn **out);

/** Listen. Which SYNs reach it is decided by gn__stack_ops.listener. */
GN_WARN_UNUSED int gn__tcp_listen(struct gn__stack *stack,
                                  const struct gn__tcp_params *params,
                                  uint32_t backlog, void *owner,
                                  struct gn__listener **out);
void gn__tcp_listener_set(struct gn__listener *listener, uint32_t backlog,
                          const struct gn__tcp_params *params);
/** Reset what has not been accepted, and free it. */
void gn__tcp_unlisten(struct gn__listener *listener);
bool gn__tcp_acceptable(const struct gn__listener *listener);
/** The oldest established connection, now @owner's; NULL: none. */
struct gn__conn *gn__tcp_accept(struct gn__listener *listener, void *owner);

/** The handshake that began last, now @owner's before it is done; NULL: there
 *  is none. */
struct gn__conn *gn__tcp_adopt(struct gn__listener *listener, void *owner);

/** What can be seen of a connection from outside. */
enum gn__tcp_state { /* Linux's values, as TCP_INFO shows them */
                     GN__TCP_ESTABLISHED = 1,
                     GN__TCP_SYN_SENT,
                     GN__TCP_SYN_RECV,
                     GN__TCP_FIN_WAIT1,
                     GN__TCP_FIN_WAIT2,
                     GN__TCP_TIME_WAIT,
                     GN__TCP_CLOSE,
                     GN__TCP_CLOSE_WAIT,
                     GN__TCP_LAST_ACK,
                     GN__TCP_LISTEN,
                     GN__TCP_CLOSING
};
enum gn__tcp_state gn__tcp_state(const struct gn__conn *conn);
bool gn__tcp_connected(const struct gn__conn *conn);  /* ever established */
size_t gn__tcp_readable(const struct gn__conn *conn); /* bytes waiting */
bool gn__tcp_eof(const struct gn__conn *conn);      /* FIN behind those bytes */
size_t gn__tcp_space(const struct gn__conn *conn);  /* bytes send would take */
bool gn__tcp_writable(const struct gn__conn *conn); /* POLLOUT: a third free */
size_t gn__tcp_unsent(
    const struct gn__conn *conn); /* SIOCOUTQ: unacknowledged */
/** What ended it: 0 or -ECONNRESET, -ECONNREFUSED, -ETIMEDOUT, ... */
int gn__tcp_error(const struct gn__conn *conn);
/** A passing ICMP error (SO_ERROR after an unreachable); read and cleared. */
int gn__tcp_soft_error(struct gn__conn *conn);
const struct gn__endpoint *gn__tcp_local(const struct gn__conn *conn);
const struct gn__endpoint *gn__tcp_remote(const struct gn__conn *conn);

/**
 * Queue payload. On success the slice's reference moves to the connection;
 * at most gn__tcp_space() bytes. @more: as MSG_MORE.
 *
 *   -EAGAIN  No room now.   -EPIPE  After shutdown.   -ENOMEM
 *   or gn__tcp_error().
 */
GN_WARN_UNUSED int gn__tcp_send(struct gn__conn *conn,
                                const struct gn__slice *slice, bool more);
/** The same for a few bytes, copied behind what was sent last. Returns how
 *  many were taken (may be fewer), or the errors above. */
ssize_t gn__tcp_send_copy(struct gn__conn *conn, const void *data, size_t len,
                          bool more);
/** Send what was held back by @more. */
void gn__tcp_push(struct gn__conn *conn);

/**
 * Take waiting payload: up to @cap slices and @max bytes; slices are written
 * with a reference each. With @peek they stay. Returns the number of slices.
 * Opens the window by what was taken.
 */
size_t gn__tcp_take(struct gn__conn *conn, size_t max, bool peek, size_t skip,
                    struct gn__slice *out, size_t cap);

/** Throw away the first @n of the bytes that wait: after a peek. */
void gn__tcp_skip(struct gn__conn *conn, size_t n);

/** Send FIN behind what is queued. -ENOTCONN if not yet connected; -ENOMEM if
 *  some of that is held back until there is memory, and nothing is done. */
GN_WARN_UNUSED int gn__tcp_shutdown(struct gn__conn *conn);

/**
 * The owner lets go. Unread bytes: RST, as Linux. Otherwise FIN, and the
 * connection finishes by itself.
 */
void gn__tcp_close(struct gn__conn *conn);
/** The owner lets go: RST if connected (SO_LINGER with 0, kill). */
void gn__tcp_abort(struct gn__conn *conn);
/** The owner lets go and nothing is sent: a power cut. */
void gn__tcp_vanish(struct gn__conn *conn);
/** End it with @error as seen by the owner, e.g. -ENETDOWN; no packet. */
void gn__tcp_fail(struct gn__conn *conn, int error);
/** The owner will read nothing more: once FIN has been sent, payload is
 *  answered by RST, and the owner sees -ECONNRESET (RFC 1122, 4.2.2.13).
 *  Payload that has arrived can still be taken. */
void gn__tcp_deafen(struct gn__conn *conn);

/** Change options of a live connection; nothing is sent. */
void gn__tcp_set(struct gn__conn *conn, const struct gn__tcp_params *params);

struct tcp_info;
/** Fill the fields of TCP_INFO that lwIP knows; the rest is zero. */
void gn__tcp_info(const struct gn__conn *conn, struct tcp_info *out);

/**
 * What keeps the local port busy while this tuple exists, also after its
 * owner has let go: gn__stack_ops.released gets it back, exactly once.
 */
void gn__tcp_bind(struct gn__conn *conn, void *binding);

/** Walk a stack's connections: for detach and statistics. */
void gn__stack_each(struct gn__stack *stack,
                    void (*fn)(struct gn__conn *conn, void *arg), void *arg);
void *gn__tcp_owner(const struct gn__conn *conn);

#endif /* GN_NETSTACK_TCP_H */
