/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NETSTACK_LWIP_GLUE_H
#define GN_NETSTACK_LWIP_GLUE_H

/*
 * The door of the joined object: gn__netstack_ops is the one symbol of it
 * that the rest of the library can see. No type of lwIP passes through.
 *
 * Except for init, each function runs with the right stack's state in place
 * (gn__swap_enter()). What happens meanwhile is written into the connection;
 * the caller updates it afterwards.
 */
#include "netstack/conn.h"

/** What gn__conn_update() looks at, after each entry. */
struct gn__pcb_look {
    enum gn__tcp_state state;
    uint32_t rcv_nxt;
    uint32_t first_kept; /* oldest sequence number lwIP still refers to */
    uint32_t may_fly;    /* bytes that both windows allow */
    bool held; /* what waits to be sent waits for nothing but more of it */
    uint64_t deadline; /* gn__netstack_ops.deadline() */
};

/** What a look at a connection's innards gives. */
struct gn__pcb_view {
    uint32_t rcv_nxt;
    uint32_t snd_nxt;
    uint32_t in_flight; /* snd_nxt - lastack */
    uint32_t cwnd;
    uint32_t ssthresh;
    uint32_t rcv_wnd;
    uint32_t mss;
    uint32_t rto_ms;
    uint32_t rtt_ms;
    uint32_t retransmits;
    bool window_scaling;
};

struct gn__netstack_ops {
    const char *version;
    /* The section that is swapped, see swap.c. */
    unsigned char *state_start;
    unsigned char *state_end;
    /** Once per process, before any instance exists. */
    void (*init)(void);

    /** Allocate the pcb and send the SYN. -ENOMEM. */
    int (*connect)(struct gn__conn *conn);
    /** A segment for a connection (consumed). @hold: it is no reason to send
     *  what waits for more. */
    void (*input)(struct gn__conn *conn, struct gn__packet *packet, bool hold);
    /** A SYN for a listener (consumed). Returns the new connection, half
     *  open, or NULL. @isn_floor as in struct gn__conn; NULL: none. */
    struct gn__conn *(*syn)(struct gn__listener *listener,
                            struct gn__packet *packet,
                            const uint32_t *isn_floor);
    /** Queue payload that stays where it is until acknowledged. -ENOMEM. */
    int (*write)(struct gn__conn *conn, const void *data, uint16_t len,
                 bool more);
    /** Send what may be sent; @hold: but full segments only. */
    void (*output)(struct gn__conn *conn, bool hold);
    /** @n bytes were read; @edge: the least advance worth a segment. */
    bool (*opened)(struct gn__conn *conn, uint32_t n, uint32_t edge);
    /** Widen the receive window by @n bytes. */
    void (*widen)(struct gn__conn *conn, uint32_t n);
    void (*ack_now)(struct gn__conn *conn);
    /** Send FIN behind what is queued. */
    void (*shutdown)(struct gn__conn *conn);
    /** The owner is gone: FIN, and let nothing more in. */
    void (*close)(struct gn__conn *conn);
    /** End it, with or without RST. */
    void (*abandon)(struct gn__conn *conn, bool reset);
    /** When lwIP needs time next, wheel ticks; GN__NEVER. */
    uint64_t (*deadline)(struct gn__conn *conn);
    /** Whether it is now; the state need not be in place. */
    bool (*due)(const struct gn__conn *conn);
    /** That time has come. */
    void (*tick)(struct gn__conn *conn);
    /** Take over conn->params and conn->mtu. */
    void (*apply)(struct gn__conn *conn);
    void (*look)(struct gn__conn *conn, struct gn__pcb_look *out);
    void (*view)(const struct gn__conn *conn, struct gn__pcb_view *out);

    /** gn__stack_reassemble(). */
    struct gn__packet *(*reassemble)(struct gn__stack *stack,
                                     struct gn__packet *fragment);
    /** A second has passed; true while it must be called again. */
    bool (*reassembly_second)(struct gn__stack *stack);
    /** Give up all incomplete packets. */
    void (*reassembly_drop)(void);
};

extern const struct gn__netstack_ops gn__netstack_ops;

#endif /* GN_NETSTACK_LWIP_GLUE_H */
