/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lwIP's timers, for one connection at a time and only when it needs them.
 *
 * lwIP counts: its slow timer is meant to be called every 50 ms (here) and
 * adds one to the counters of each connection. We sleep instead until the
 * connection's next deadline, and before lwIP looks at a counter we add what
 * it would have counted meanwhile (gn__pcb_sync()). The call that reaches the
 * deadline is left to lwIP, so that all its decisions stay its own.
 *
 * However long the sleep was (the host may have been suspended), one deadline
 * is one call: a keepalive connection is probed, and not found dead for all
 * the probes that were never sent.
 */
#include <errno.h>

#include "netstack/lwip/inner.h"

#define SLOW_NS        (GN__SLOW_MS * 1000000ull)
#define TICKS_PER_SLOW (SLOW_NS / GN__TICK_NS)
#define SLOW(ms)       ((uint32_t)((ms) / GN__SLOW_MS))
#define RTO_START      SLOW(LWIP_TCP_RTO_TIME)
#define RTO_MAX        SLOW(120000) /* Linux's, and far below lwIP's */
#define RTT_MAX        SLOW(60000)
#define NO_TICK        UINT32_MAX

/* Slow ticks between probes of a closed window: lwIP's table, which is its
 * own. Too long a sleep here delays a probe, too short a one costs a call. */
static const uint8_t persist_ticks[] = {3, 6, 12, 24, 48, 96, 120};

_Static_assert(GN__FAST_MS * 1000000ull == GN__TICK_NS,
               "the wheel's tick is lwIP's fast timer");

static bool timer_retransmits(const struct tcp_pcb *pcb)
{
    return pcb->rtime >= 0 && !pcb->persist_backoff;
}

/* A peer that takes its time over one acknowledgement would otherwise be waited
 * for for hours, because that time is doubled with each retransmission. */
static void cap_rto(struct tcp_pcb *pcb)
{
    if (pcb->rto > (s16_t)RTO_MAX)
        pcb->rto = (s16_t)RTO_MAX;
}

void gn__pcb_sync(struct gn__conn *conn)
{
    struct tcp_pcb *pcb = gn__pcb(conn);
    uint32_t delta = tcp_ticks - conn->slow_tick;
    uint32_t room;

    conn->slow_tick = tcp_ticks;
    cap_rto(pcb);
    if (!delta)
        return;
    /* A sample is 16 bits to lwIP: one that waited behind a closed window for
     * half an hour would make the estimate negative. */
    if (pcb->rttest && tcp_ticks - pcb->rttest > RTT_MAX)
        pcb->rttest = tcp_ticks - RTT_MAX;
    if (pcb->persist_backoff) {
        room = UINT8_MAX - pcb->persist_cnt;
        pcb->persist_cnt = (u8_t)(pcb->persist_cnt + LWIP_MIN(delta, room));
    } else if (pcb->rtime >= 0) {
        room = pcb->rtime < (s16_t)RTO_MAX ? RTO_MAX - (uint32_t)pcb->rtime : 0;
        pcb->rtime = (s16_t)(pcb->rtime + (s16_t)LWIP_MIN(delta, room));
    }
}

static void timer_is_sooner(uint32_t *in, uint32_t ticks)
{
    if (ticks < *in)
        *in = ticks;
}

/* Ticks left of @span that began at pcb->tmr; at least one. */
static uint32_t timer_left(const struct tcp_pcb *pcb, uint32_t span,
                           uint32_t now)
{
    uint32_t gone = now - pcb->tmr;

    return gone < span ? span - gone : 1;
}

static uint32_t keepalive_span(const struct tcp_pcb *pcb)
{
    return (pcb->keep_idle + pcb->keep_cnt_sent * pcb->keep_intvl) /
           GN__SLOW_MS;
}

/* What is under way finds out by itself whether the peer is alive. */
static bool keeps_alive(const struct tcp_pcb *pcb)
{
    return ip_get_option(pcb, SOF_KEEPALIVE) && !pcb->unacked && !pcb->unsent &&
           (pcb->state == ESTABLISHED || pcb->state == CLOSE_WAIT);
}

/*
 * lwIP counts from what was received last, pcb->tmr: the n-th probe is due when
 * the idle time and n intervals are over. Linux has a timer: switched on, it
 * takes an idle time; TCP_KEEPIDLE, also of the value it has, sets it to one
 * after what was received; and a new TCP_KEEPINTVL waits for the next probe. So
 * tmr is put to where lwIP finds the probe that is next due at Linux' time,
 * keep_late ticks behind what was received.
 */
static void keepalive_set(struct gn__conn *conn)
{
    const struct gn__tcp_params *params = &conn->params;
    struct tcp_pcb *pcb = gn__pcb(conn);
    bool was = ip_get_option(pcb, SOF_KEEPALIVE);
    bool open = pcb->state == ESTABLISHED || pcb->state == CLOSE_WAIT;
    uint32_t sent = pcb->keep_cnt_sent * pcb->keep_intvl / GN__SLOW_MS;
    uint32_t span = params->keep_idle_s * 1000 / GN__SLOW_MS + sent;
    uint32_t heard;

    if (pcb->tmr != conn->keep_from)
        conn->keep_late = 0; /* Something has been received since. */
    heard = pcb->tmr - (uint32_t)conn->keep_late;
    if (params->keepalive && !was && open)
        pcb->tmr = tcp_ticks - sent;
    else if (was && open && conn->keep_idle_seen != params->keep_idle_set)
        /* What is over is so at the next tick, and not before the options
         * that are set next. */
        pcb->tmr = tcp_ticks - LWIP_MIN(tcp_ticks - (heard - sent), span);
    conn->keep_late = (int32_t)(pcb->tmr - heard);
    conn->keep_from = pcb->tmr;
    if (params->keepalive)
        ip_set_option(pcb, SOF_KEEPALIVE);
    else
        ip_reset_option(pcb, SOF_KEEPALIVE);
    pcb->keep_idle = params->keep_idle_s * 1000;
    conn->keep_idle_seen = params->keep_idle_set;
}

/* Probes before the connection is given up: TCP_KEEPCNT, or with
 * TCP_USER_TIMEOUT as many as fit into that; then the next one finds it dead,
 * tcp_keepalive_timer() of Linux. */
static uint32_t keepalive_count(const struct gn__conn *conn)
{
    const struct gn__tcp_params *params = &conn->params;
    const struct tcp_pcb *pcb = gn__pcb(conn);
    int64_t left = params->user_timeout_ms;
    uint32_t count = 1;

    left -= pcb->keep_idle + (int64_t)conn->keep_late * GN__SLOW_MS;
    if (!params->user_timeout_ms)
        count = params->keep_count;
    else if (left > pcb->keep_intvl)
        count = (uint32_t)((left + pcb->keep_intvl - 1) / pcb->keep_intvl);
    return LWIP_MAX(count, pcb->keep_cnt_sent);
}

void gn__pcb_keep_alive(struct gn__conn *conn)
{
    struct tcp_pcb *pcb = gn__pcb(conn);

    keepalive_set(conn);
    if (!pcb->keep_cnt_sent)
        pcb->keep_intvl = conn->params.keep_interval_s * 1000;
    pcb->keep_cnt = keepalive_count(conn);
}

/* Probes that lwIP may count, in 8 bits: more than TCP_KEEPCNT can be. */
#define PROBES_MAX 128u

/* A probe has been sent: from now on by the interval that has been set, and
 * counted anew before lwIP's counter is full. */
static void keepalive_probed(struct gn__conn *conn)
{
    struct tcp_pcb *pcb = gn__pcb(conn);
    uint32_t interval = conn->params.keep_interval_s * 1000;
    uint32_t heard = pcb->tmr - (uint32_t)conn->keep_late;

    if (pcb->keep_intvl == interval && pcb->keep_cnt_sent < PROBES_MAX)
        return;
    if (pcb->keep_cnt_sent >= PROBES_MAX)
        pcb->keep_cnt_sent = 1;
    pcb->keep_intvl = interval;
    pcb->tmr =
        tcp_ticks -
        (pcb->keep_idle + (pcb->keep_cnt_sent - 1u) * interval) / GN__SLOW_MS;
    conn->keep_late = (int32_t)(pcb->tmr - heard);
    conn->keep_from = pcb->tmr;
    pcb->keep_cnt = keepalive_count(conn);
}

/* Slow ticks from conn->slow_tick until lwIP's slow timer has work. */
static uint32_t slow_ticks_left(const struct gn__conn *conn)
{
    const struct tcp_pcb *pcb = gn__pcb(conn);
    uint32_t now = conn->slow_tick;
    uint32_t in = NO_TICK;

    if (timer_retransmits(pcb))
        timer_is_sooner(
            &in, pcb->rtime < pcb->rto ? (uint32_t)(pcb->rto - pcb->rtime) : 1);
    if (pcb->persist_backoff) {
        size_t i = LWIP_MIN(pcb->persist_backoff, sizeof(persist_ticks)) - 1;

        timer_is_sooner(&in,
                        pcb->persist_cnt < persist_ticks[i]
                            ? (uint32_t)(persist_ticks[i] - pcb->persist_cnt)
                            : 1);
    }
    if (pcb->flags & TF_NAGLEMEMERR)
        timer_is_sooner(&in,
                        1); /* something could not be sent for want of memory */
    if (pcb->state == FIN_WAIT_2 && pcb->flags & TF_RXCLOSED)
        timer_is_sooner(&in,
                        timer_left(pcb, SLOW(TCP_FIN_WAIT_TIMEOUT) + 1, now));
    if (pcb->state == SYN_RCVD)
        timer_is_sooner(&in,
                        timer_left(pcb, SLOW(TCP_SYN_RCVD_TIMEOUT) + 1, now));
    if (pcb->state == LAST_ACK)
        timer_is_sooner(&in, timer_left(pcb, SLOW(2 * TCP_MSL) + 1, now));
    if (pcb->ooseq)
        timer_is_sooner(
            &in, timer_left(pcb, (uint32_t)pcb->rto * TCP_OOSEQ_TIMEOUT, now));
    if (keeps_alive(pcb))
        timer_is_sooner(&in, timer_left(pcb, keepalive_span(pcb) + 1, now));
    return in;
}

static bool fast_waits(const struct tcp_pcb *pcb)
{
    return pcb->flags & (TF_ACK_DELAY | TF_CLOSEPEND) || pcb->refused_data;
}

/* An acknowledgement waits for data that it can go with: 40 ms or a tick more,
 * as on Linux. */
#define ACK_DELAY_NS 40000000ull

static uint64_t fast_tick(const struct gn__conn *conn)
{
    const struct tcp_pcb *pcb = gn__pcb(conn);
    uint64_t now = conn->stack->net->now;

    if (pcb->flags & TF_CLOSEPEND || pcb->refused_data)
        return now / GN__TICK_NS + 1;
    return (now + ACK_DELAY_NS + GN__TICK_NS - 1) / GN__TICK_NS;
}

/* Slow ticks that have passed since the counters were right. */
static uint32_t slow_ticks_gone(const struct gn__conn *conn)
{
    return (uint32_t)(conn->stack->net->now / SLOW_NS) - conn->slow_tick;
}

/* An acknowledgement that is delayed already is not delayed further. */
static uint64_t fast_deadline(struct gn__conn *conn)
{
    uint64_t tick;

    if (!fast_waits(gn__pcb(conn))) {
        conn->fast_tick = 0;
        return GN__NEVER;
    }
    tick = fast_tick(conn);
    if (!conn->fast_tick || tick < conn->fast_tick)
        conn->fast_tick = tick;
    return conn->fast_tick;
}

uint64_t gn__pcb_deadline(struct gn__conn *conn)
{
    uint64_t fast = fast_deadline(conn), slow;
    uint32_t in = slow_ticks_left(conn);
    uint32_t gone;

    if (in == NO_TICK)
        return fast;
    gone = slow_ticks_gone(conn);
    slow = conn->stack->net->now / SLOW_NS + (in > gone ? in - gone : 0);
    slow *= TICKS_PER_SLOW;
    return slow < fast ? slow : fast;
}

static bool fast_due(const struct gn__conn *conn)
{
    return conn->fast_tick && fast_waits(gn__pcb(conn)) &&
           conn->fast_tick <= conn->stack->net->now / GN__TICK_NS;
}

bool gn__pcb_due(const struct gn__conn *conn)
{
    uint32_t in = slow_ticks_left(conn);

    return fast_due(conn) || (in != NO_TICK && slow_ticks_gone(conn) >= in);
}

/* TCP_KEEPIDLE and so on count on one probe at a time, see above. */
static void forgive_long_sleep(struct tcp_pcb *pcb)
{
    uint32_t due = keepalive_span(pcb) + 1;

    if (keeps_alive(pcb) && tcp_ticks - pcb->tmr > due &&
        pcb->keep_cnt_sent < pcb->keep_cnt)
        pcb->tmr = tcp_ticks - due;
}

/* lwIP resends a SYN at a constant interval; RFC 6298 says to back off. */
static void syn_back_off(struct gn__conn *conn, uint8_t nrtx_before)
{
    struct tcp_pcb *pcb = gn__pcb(conn);
    uint32_t rto;

    if (!pcb || pcb->state != SYN_SENT || pcb->nrtx == nrtx_before)
        return;
    rto = RTO_START << LWIP_MIN(pcb->nrtx, 10);
    pcb->rto = (s16_t)LWIP_MIN(rto, RTO_MAX);
}

static bool syn_given_up(const struct gn__conn *conn)
{
    const struct tcp_pcb *pcb = gn__pcb(conn);

    return pcb->state == SYN_SENT && pcb->rtime >= pcb->rto - 1 &&
           pcb->nrtx >= conn->params.syn_count;
}

static void slow_timer(struct gn__conn *conn)
{
    struct gn__stack *stack = conn->stack;
    struct tcp_pcb *pcb = gn__pcb(conn);
    uint8_t nrtx = pcb->nrtx;
    uint8_t probes = pcb->keep_cnt_sent;

    /* The last tick is lwIP's to count. */
    if (timer_retransmits(pcb) && pcb->rtime > 0)
        pcb->rtime--;
    else if (pcb->persist_backoff && pcb->persist_cnt > 0)
        pcb->persist_cnt--;
    if (syn_given_up(conn)) {
        tcp_err(pcb, NULL);
        conn->error = -ETIMEDOUT;
        conn->woken = true;
        tcp_abandon(pcb, 0);
        return;
    }
    forgive_long_sleep(pcb);
    if (!keeps_alive(pcb))
        ip_reset_option(pcb, SOF_KEEPALIVE);
    pcb->last_timer = (u8_t)stack->timer_count++;
    tcp_ticks--;
    tcp_slowtmr();
    if (conn->pcb && conn->params.keepalive)
        ip_set_option(gn__pcb(conn), SOF_KEEPALIVE);
    if (conn->pcb && gn__pcb(conn)->keep_cnt_sent > probes)
        keepalive_probed(conn);
    if (conn->pcb && !conn->connected && gn__pcb(conn)->nrtx != nrtx)
        conn->opened_at = stack->net->now; /* the handshake's round trip */
    syn_back_off(conn, nrtx);
    if (conn->pcb)
        cap_rto(gn__pcb(conn));
}

/* lwIP's fast timer takes an acknowledgement for sent when Nagle's algorithm
 * has held back the segment that was to carry it: send it alone. */
static void delayed_ack(const struct gn__conn *conn, struct tcp_pcb *pcb)
{
    if (!(pcb->flags & TF_ACK_DELAY))
        return;
    tcp_ack_now(pcb);
    if (!conn->hold_tick)
        tcp_output(pcb);
    if (pcb->flags & TF_ACK_NOW)
        tcp_send_empty_ack(pcb);
}

void gn__pcb_tick(struct gn__conn *conn)
{
    struct gn__stack *stack = conn->stack;
    struct tcp_pcb *pcb;
    uint32_t before = conn->slow_tick;
    uint32_t in = slow_ticks_left(conn);

    gn__lwip_begin(stack, conn->mtu, conn->params.max_segment,
                   &conn->remote.addr);
    gn__pcb_sync(conn);
    gn__pcb_point_at(conn);
    if (in != NO_TICK && tcp_ticks - before >= in)
        slow_timer(conn);
    pcb = gn__pcb(conn);
    if (pcb && fast_due(conn)) {
        conn->fast_tick = 0;
        delayed_ack(conn, pcb);
        pcb->last_timer = (u8_t)stack->timer_count++;
        tcp_fasttmr();
    }
    gn__pcb_unpoint(conn);
}
