/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NETSTACK_CONN_H
#define GN_NETSTACK_CONN_H

/*
 * Connections as both sides of the joined object see them: netstack/tcp*.c,
 * which know no lwIP, and netstack/lwip/, which know nothing else.
 *
 * A connection's life, by what keeps it:
 *
 *     pcb and owner      open: a socket uses it
 *     pcb, no owner      orphan: it finishes by itself
 *     owner, no pcb      over: what was received can still be read, and
 *                        error says why it ended
 *     neither            freed by the next gn__conn_update()
 *
 * Nothing is freed while lwIP is at work: its callbacks only write into the
 * connection, and gn__conn_update() looks at the result afterwards.
 */
#include "netstack/tcp.h"

/** An entry of gn__netstack.tuples. */
struct gn__tuple {
    struct gn__table_node node;
    struct gn__tuple_key key;
    bool is_time_wait; /* a struct gn__time_wait, else a struct gn__conn */
};

/** TIME_WAIT, RFC 9293 section 3.6.1: all that must be remembered. */
struct gn__time_wait {
    struct gn__tuple tuple; /* first */
    struct gn__list of_stack;
    struct gn__timer timer;
    struct gn__stack *stack;
    void *binding;
    uint32_t rcv_nxt;
    uint32_t snd_nxt;
    uint32_t ttl_tos; /* ttl | tos << 8 */
};

/** A ring of slices. */
struct gn__ring {
    struct gn__slice *at;
    uint32_t cap; /* a power of two */
    uint32_t head;
    uint32_t n;
    struct gn__slice first[2]; /* what it starts with */
};

struct gn__listener {
    struct gn__stack *stack;
    struct gn__tcp_params params;
    void *owner;
    uint32_t backlog;
    uint32_t n_half;      /* SYN received, not yet established */
    uint32_t n_ready;     /* established, not yet accepted */
    uint32_t n_deferred;  /* established, and to be accepted with data */
    struct gn__list half; /* struct gn__conn.queued, oldest first */
    struct gn__list ready;
    struct gn__list deferred;
};

/** Segments that are acknowledged at once, unless an answer is sent before: a
 *  sender that waits for the acknowledgement of a first small write (Nagle's
 *  algorithm) is not held up, and neither is slow start. As Linux. */
#define GN__QUICK_ACKS 16u

struct gn__conn {
    struct gn__tuple tuple;  /* first */
    struct gn__list all;     /* of the stack */
    struct gn__list queued;  /* of the listener; orphans: of the stack */
    struct gn__list opening; /* of the stack, while half open */
    struct gn__stack *stack;
    struct gn__endpoint local;
    struct gn__endpoint remote;
    void *pcb;
    void *owner;
    void *binding;
    struct gn__listener *listener; /* until it is accepted */
    struct gn__timer timer;
    uint64_t fast_tick; /* when lwIP's fast timer has something to do, mostly
                           a delayed acknowledgement; 0: it has not */
    struct gn__tcp_params params;
    int error;
    int soft_error;
    uint8_t state; /* enum gn__tcp_state, as of the last update */
    bool in_table;
    bool connected;     /* has been established */
    bool half_open;     /* in listener->half */
    bool deferred;      /* in listener->deferred */
    bool eof;           /* FIN received */
    bool fin_sent;      /* shutdown or close asked for */
    bool deaf;          /* nothing would read what comes now */
    bool time_wait;     /* ended in TIME_WAIT */
    bool woken;         /* something the owner must hear of */
    bool writable;      /* gn__tcp_writable() as of the last update */
    bool data_arrived;  /* in this entry */
    uint8_t quick_acks; /* of GN__QUICK_ACKS, that are left */

    struct gn__ring rx;
    size_t rx_bytes;
    uint32_t rx_room;         /* free bytes behind rx's last slice, if ours */
    struct gn__ring tx;       /* what lwIP refers to, oldest first */
    uint32_t tx_room;         /* free bytes behind tx's last slice, if ours */
    uint32_t tx_first;        /* sequence number of the first byte in tx */
    uint32_t tx_una;          /* all before this is acknowledged */
    uint32_t tx_end;          /* behind the last byte given to lwIP */
    uint32_t tx_limit;        /* the send buffer now */
    const uint8_t *held_back; /* of tx's last slice: lwIP had no memory */
    uint32_t held_back_len;
    uint64_t hold_tick; /* wheel tick: what MSG_MORE or TCP_CORK holds has been
                           held for long enough; 0: nothing is */

    uint32_t window;      /* the receive window it may offer now */
    uint32_t mtu;         /* towards the peer, as lwIP was told */
    uint32_t slow_tick;   /* lwIP's counters are right up to here */
    uint32_t keep_from;   /* pcb->tmr when keepalive was last looked at, */
    int32_t keep_late;    /* ... so many slow ticks after what was received */
    uint64_t opened_at;   /* ns: SYN or SYN-ACK sent */
    uint64_t rtt_ns;      /* of the handshake, or since */
    uint64_t progress_at; /* ns: last time the peer acknowledged something */
    uint64_t window_at;   /* receive window growth, see tcp_window.c */
    uint32_t window_seq;
    uint32_t isn_floor; /* reuse of a tuple in TIME_WAIT: begin above this */
    bool isn_has_floor;
    uint8_t keep_idle_seen; /* params.keep_idle_set, as of the last look */
};

static inline struct gn__conn *gn__conn_of_tuple(struct gn__tuple *tuple)
{
    return gn__container_of(tuple, struct gn__conn, tuple);
}

/* ---- ring.c ---- */
void gn__ring_init(struct gn__ring *ring);
/** Drop all references and free it. */
void gn__ring_done(struct gn__ring *ring, const struct gn__mem *mem);
/** Make room for one more; -ENOMEM. */
GN_WARN_UNUSED int gn__ring_reserve(struct gn__ring *ring,
                                    const struct gn__mem *mem);
/** After gn__ring_reserve(): append; the reference moves in. */
void gn__ring_push(struct gn__ring *ring, const struct gn__slice *slice);
/** Remove the first; the reference moves out. */
struct gn__slice gn__ring_pop(struct gn__ring *ring);
static inline struct gn__slice *gn__ring_at(struct gn__ring *ring, uint32_t i)
{
    return &ring->at[(ring->head + i) & (ring->cap - 1)];
}

/* ---- tcp.c: for the joined object ---- */

/** A new connection in @stack, not yet in the table; NULL. */
struct gn__conn *gn__conn_alloc(struct gn__stack *stack,
                                const struct gn__endpoint *local,
                                const struct gn__endpoint *remote,
                                const struct gn__tcp_params *params);
/** A SYN was let in: the connection is half open. -ENOMEM. */
GN_WARN_UNUSED int gn__conn_half_open(struct gn__conn *conn,
                                      struct gn__listener *listener);
/** The handshake is complete. False: the listener is gone; abort. */
bool gn__conn_established(struct gn__conn *conn);
/** In-order payload at @data in @packet. False: no memory, keep it. */
bool gn__conn_received(struct gn__conn *conn, const struct gn__packet *packet,
                       const uint8_t *data, uint32_t len);

/* ---- swap.c ---- */

/** Put @stack's lwIP state in place. -ENOMEM on its first use. */
GN_WARN_UNUSED int gn__swap_enter(struct gn__stack *stack);
/** The same for a stack that has been entered before. */
void gn__swap_reenter(struct gn__stack *stack);
/** Forget and free @stack's state. */
void gn__swap_drop(struct gn__stack *stack);
/** The stack whose state is in place. */
struct gn__stack *gn__swap_current(void);
/** Bytes of lwIP state per instance. */
size_t gn__swap_size(void);

#endif /* GN_NETSTACK_CONN_H */
