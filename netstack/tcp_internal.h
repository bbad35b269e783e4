/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NETSTACK_TCP_INTERNAL_H
#define GN_NETSTACK_TCP_INTERNAL_H

/* What the tcp_*.c files of this folder share. */
#include "netstack/conn.h"
#include "netstack/lwip/glue.h"

enum gn__tcp_flag {
    GN__FLAG_FIN = 0x01,
    GN__FLAG_SYN = 0x02,
    GN__FLAG_RST = 0x04,
    GN__FLAG_PSH = 0x08,
    GN__FLAG_ACK = 0x10
};

/** A segment's header, in host order. */
struct gn__segment {
    struct gn__endpoint local; /* the receiver's, that is ours */
    struct gn__endpoint remote;
    uint32_t seq;
    uint32_t ack;
    uint32_t len; /* payload bytes */
    uint8_t flags;
    int verdict; /* see struct gn__packet */
};

static inline bool gn__seq_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

/* ---- tcp.c ---- */
void gn__tuple_key(const struct gn__stack *stack,
                   const struct gn__endpoint *local,
                   const struct gn__endpoint *remote,
                   struct gn__tuple_key *out);
GN_WARN_UNUSED int gn__tuple_add(struct gn__stack *stack,
                                 struct gn__tuple *tuple);
void gn__tuple_del(struct gn__stack *stack, struct gn__tuple *tuple);
struct gn__tuple *gn__tuple_find(struct gn__stack *stack,
                                 const struct gn__endpoint *local,
                                 const struct gn__endpoint *remote);
void gn__tcp_dropped(struct gn__stack *stack, enum gn__tcp_drop why);

/* ---- tcp_conn.c ---- */
/** Look at what lwIP did: wake the owner, free what is over. */
void gn__conn_update(struct gn__conn *conn);
/** Begin an operation on a live pcb: its state is in place. */
void gn__conn_enter(struct gn__conn *conn);
/** Free a connection that has neither pcb nor owner. */
void gn__conn_free(struct gn__conn *conn);
/** Copy small payload behind the last slice of @ring if it is our own and has
 *  room, else into a new chunk. Returns false if memory is short. */
bool gn__conn_append(struct gn__conn *conn, struct gn__ring *ring,
                     uint32_t *room, const uint8_t *data, uint32_t len);

/* ---- tcp_time_wait.c ---- */
/** Put @conn's tuple into TIME_WAIT; without memory it is simply forgotten. */
void gn__time_wait_begin(struct gn__conn *conn);
void gn__time_wait_end(struct gn__time_wait *tw);
/** A segment for a tuple in TIME_WAIT. True: it is a new connection's SYN, the
 *  tuple is free now, and *@isn_floor set. */
bool gn__time_wait_input(struct gn__time_wait *tw,
                         const struct gn__segment *segment,
                         uint32_t *isn_floor);

/* ---- tcp_reply.c ---- */
/** Send a segment without payload that belongs to no pcb. */
void gn__tcp_reply(struct gn__stack *stack, const struct gn__segment *to,
                   uint32_t seq, uint32_t ack, uint8_t flags);
/** Refuse @segment: RST as RFC 9293 section 3.10.7.1 has it, and what
 *  segment->verdict says. */
void gn__tcp_refuse(struct gn__stack *stack, const struct gn__segment *segment);

/* ---- tcp_listen.c ---- */
/** Room for one more connection: the oldest handshake goes if there are as
 *  many connections as may be, or the oldest that has no owner any more. False:
 *  there is none to go. */
bool gn__stack_make_room(struct gn__stack *stack);
/** Memory is short: some of those that have no owner any more go, the oldest
 *  first, but not @spared. */
void gn__stack_evict(struct gn__stack *stack, const struct gn__conn *spared);
/** Room for one more handshake. */
bool gn__listener_make_room(struct gn__listener *listener);
/** It is no handshake any more. */
void gn__conn_leave_half(struct gn__conn *conn);
/** Its handshake is done: from the half open ones to where it waits. */
void gn__conn_queue(struct gn__conn *conn);
/** Take it off its listener's queue, whichever it is in. */
void gn__conn_unqueue(struct gn__conn *conn);
/** The wheel's tick at which it is accepted without data, too; GN__NEVER: it
 *  is not waited for. */
uint64_t gn__conn_deferred_until(const struct gn__conn *conn);
/** If it need not wait any more: to those to be accepted, and true. */
bool gn__conn_undefer(struct gn__conn *conn);

/* ---- tcp_window.c ---- */
/** The handshake is done: the window to begin with. */
void gn__window_begin(struct gn__conn *conn);
/** In-order data has arrived: widen the window if the delay needs it. */
void gn__window_arrived(struct gn__conn *conn, uint32_t rcv_nxt);
/** The peer acknowledged: widen the send buffer with what may be under way. */
void gn__window_acked(struct gn__conn *conn, uint32_t may_fly);

#endif /* GN_NETSTACK_TCP_INTERNAL_H */
