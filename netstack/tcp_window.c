/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How much a connection may have under way.
 *
 * Windows start at 128 KiB, or four segments: between two guests without delay
 * that is faster than more, for it stays in the processor's cache. A window
 * grows only when it is what limits the connection: half a window arrived
 * within little more than half a round trip, the reader keeps up, and the round
 * trip is a link's delay and not our own scheduling. Then it doubles, as slow
 * start does, up to about twice what the path holds, while the guest's budget
 * is not half used.
 *
 * A window set by SO_RCVBUF or SO_SNDBUF stays as it is.
 */
#include "netstack/tcp_internal.h"

/* A round trip below this is no link's delay, ns. */
#define DELAY_MIN_NS 1000000ull
/* A window must hold two segments or it never opens again once closed. */
#define SEGMENTS_MIN 2u
/* With as few there is often no room for one: then the sender waits for a
 * timer, its own or that of an acknowledgement. */
#define SEGMENTS_START 4u

void gn__window_begin(struct gn__conn *conn)
{
    struct gn__budget *budget = &conn->stack->budget;
    uint32_t least = SEGMENTS_MIN * conn->mtu;
    uint32_t window = GN__WINDOW_START;

    if (conn->params.recv_buffer)
        window = conn->params.recv_buffer;
    else if (budget->held > budget->limit / 2)
        window = least;
    else if (window < SEGMENTS_START * conn->mtu)
        window = SEGMENTS_START * conn->mtu;
    if (window < least)
        window = least;
    conn->window = window < GN__WINDOW_MAX ? window : GN__WINDOW_MAX;
}

/* The handshake's round trip; more if links have been slowed since. */
static uint64_t round_trip(struct gn__conn *conn)
{
    struct gn__stack *stack = conn->stack;
    uint64_t known = stack->ops->round_trip_ns(stack, &conn->remote.addr);

    return known > conn->rtt_ns ? known : conn->rtt_ns;
}

static bool may_grow(const struct gn__conn *conn)
{
    const struct gn__budget *budget = &conn->stack->budget;

    return !conn->params.recv_buffer && conn->window < GN__WINDOW_MAX &&
           conn->rx_bytes < conn->window / 2 &&
           budget->held < budget->limit / 2;
}

void gn__window_arrived(struct gn__conn *conn, uint32_t rcv_nxt)
{
    uint64_t now = conn->stack->net->now;
    uint64_t took = now - conn->window_at;
    uint32_t more = conn->window;
    uint64_t rtt;

    if (gn__seq_before(rcv_nxt, conn->window_seq))
        return;
    rtt = round_trip(conn);
    if (rtt >= DELAY_MIN_NS && took < rtt * 5 / 8 && may_grow(conn)) {
        if (more > GN__WINDOW_MAX - conn->window)
            more = GN__WINDOW_MAX - conn->window;
        conn->window += more;
        gn__netstack_ops.widen(conn, more);
    }
    conn->window_at = now;
    conn->window_seq = rcv_nxt + conn->window / 2;
}

void gn__window_acked(struct gn__conn *conn, uint32_t may_fly)
{
    uint32_t limit = 2 * may_fly;

    if (conn->params.send_buffer || limit <= conn->tx_limit)
        return;
    conn->tx_limit = limit < GN__WINDOW_MAX ? limit : GN__WINDOW_MAX;
}
