/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NETSTACK_LWIP_INNER_H
#define GN_NETSTACK_LWIP_INNER_H

/*
 * What the files of the joined object share.
 *
 * A plain variable here would be swapped with lwIP's. Those that belong to
 * the process and not to an instance say GN__SHARED.
 */
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"
#include "netstack/lwip/glue.h"

#define GN__SHARED __attribute__((section("gn_engine_state")))

/** In pcb->flags, above lwIP's own: segments that are not full wait for more,
 *  by TCP_CORK, or by MSG_MORE for the time of one call. */
#define GN__TF_HOLD 0x4000U

/** The one interface of all instances. */
extern struct netif gn__lwip_netif;

void gn__lwip_init(void);
/** Set the clock, and the MTU that MSS is computed from: towards @remote, and
 *  no more than fits @max_segment, if that is not 0. */
void gn__lwip_begin(const struct gn__stack *stack, uint32_t mtu,
                    uint16_t max_segment, const struct gn__addr *remote);
/** Sequence numbers of the next connection begin above @floor; NULL. */
void gn__lwip_isn_floor(const uint32_t *floor);

void gn__lwip_addr(const struct gn__addr *from, ip_addr_t *to);
struct gn__addr gn__lwip_addr_back(const ip_addr_t *from);

/* ---- input.c ---- */
/** lwIP's view of a packet, beginning @skip bytes into it (in head). Owns the
 *  packet; charged to @stack until lwIP has freed all of it. */
struct pbuf *gn__lwip_view(struct gn__packet *packet, uint16_t skip);
/** What it is charged with, bytes. */
size_t gn__lwip_cost(const struct gn__packet *packet);
/** Tell lwIP's IP layer whose packet it is looking at. */
void gn__lwip_current(const struct gn__packet *packet);
struct gn__packet *gn__lwip_packet_of(const struct pbuf *p);

/* ---- pcb.c ---- */
static inline struct tcp_pcb *gn__pcb(const struct gn__conn *conn)
{
    return conn->pcb;
}
/** lwIP's lists hold this connection and nothing else. */
void gn__pcb_point_at(struct gn__conn *conn);
/** They hold nothing. */
void gn__pcb_unpoint(struct gn__conn *conn);

/** lwIP's end of all listeners. */
struct tcp_pcb_listen *gn__pcb_listener(void);
/** The receive window begins at what this connection may have. */
void gn__pcb_set_window(struct gn__conn *conn);

/* ---- predict.c ---- */
/** True: the segment was the next payload of its connection and nothing else,
 *  and has been taken; else lwIP is to see it. */
bool gn__pcb_predicted(struct gn__conn *conn, const struct gn__packet *packet);

/* ---- simultaneous.c ---- */
/** A segment before the connection is established. True: it was a SYN that
 *  crossed ours and has been dealt with; else lwIP is to see it. */
bool gn__pcb_simultaneous(struct gn__conn *conn, struct gn__packet *packet);

/* ---- timer.c ---- */
/** Bring a connection's counters up to now. */
void gn__pcb_sync(struct gn__conn *conn);
uint64_t gn__pcb_deadline(struct gn__conn *conn);
/** Its options for keepalive have changed. */
void gn__pcb_keep_alive(struct gn__conn *conn);
/** Has lwIP anything to do at this time? */
bool gn__pcb_due(const struct gn__conn *conn);
void gn__pcb_tick(struct gn__conn *conn);

/* ---- reass.c ---- */
struct gn__packet *gn__lwip_reassemble(struct gn__stack *stack,
                                       struct gn__packet *fragment);
bool gn__lwip_reassembly_second(struct gn__stack *stack);
void gn__lwip_reassembly_drop(void);

#endif /* GN_NETSTACK_LWIP_INNER_H */
