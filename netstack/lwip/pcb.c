/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections, on lwIP's raw API.
 *
 * Around every call lwIP's list heads hold exactly the connection that is
 * meant (gn__pcb_point_at()), so nothing in lwIP walks, searches or kills any
 * other. lwIP's callbacks run in the middle of its own processing: they note
 * what happened in struct gn__conn, and nothing else.
 */
#include <errno.h>
#include <string.h>

#include "base/wire.h"
#include "lwip/init.h"
#include "lwip/ip.h"
#include "netstack/lwip/hooks.h"
#include "netstack/lwip/inner.h"

/* Less than this is no honest MSS: a byte of payload would cost hundreds. Nor
 * is a smaller window a reason for segments of a few bytes: lwIP makes them no
 * longer than half the largest window it was ever offered. */
#define MSS_MIN 64
/* The first retransmission time, slow ticks: at least, and of a round trip. */
#define RTO_FIRST_MIN (200 / GN__SLOW_MS)
#define RTT_FIRST_MAX (60000 / GN__SLOW_MS)

/* The listener whose SYN is looked at, and the connection it became. */
GN__SHARED static struct gn__listener *syn_listener = (void *)1;
GN__SHARED static struct gn__conn *syn_conn = (void *)1;
/* lwIP's end of all listeners: filled in before each SYN. */
GN__SHARED static struct tcp_pcb_listen listen_pcb = {.state = LISTEN};

static void on_destroy(u8_t id, void *data)
{
    struct gn__conn *conn = data;

    (void)id;
    if (!conn)
        return;
    conn->pcb = NULL;
    conn->woken = true;
}

static err_t on_passive_open(u8_t id, struct tcp_pcb_listen *lpcb,
                             struct tcp_pcb *pcb);

static const struct tcp_ext_arg_callbacks ext_callbacks = {
    .destroy = on_destroy,
    .passive_open = on_passive_open};

/* ---- callbacks ---- */

static err_t on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    struct gn__conn *conn = arg;
    struct pbuf *q;

    (void)pcb;
    (void)err;
    if (!p) {
        conn->eof = true;
        conn->woken = true;
        return ERR_OK;
    }
    for (q = p; q; q = q->next) {
        if (q->len && !gn__conn_received(conn, gn__lwip_packet_of(q),
                                         q->payload, q->len)) {
            /* lwIP keeps what is left, and offers it again. */
            struct pbuf *before;

            for (before = p; before != q; before = before->next) {
                before->len = 0;
                before->tot_len = q->tot_len;
            }
            return ERR_MEM;
        }
    }
    pbuf_free(p);
    return ERR_OK;
}

static int error_of(const struct gn__conn *conn, err_t err)
{
    if (err == ERR_ABRT)
        return -ETIMEDOUT; /* only its timers abort unasked */
    if (err != ERR_RST)
        return 0;
    if (!conn->connected)
        return -ECONNREFUSED;
    return conn->eof && !conn->fin_sent ? -EPIPE : -ECONNRESET;
}

static void on_err(void *arg, err_t err)
{
    struct gn__conn *conn = arg;

    if (!conn->error)
        conn->error = error_of(conn, err);
    conn->woken = true;
}

/* The window begins at what this connection may have, not at lwIP's most. */
void gn__pcb_set_window(struct gn__conn *conn)
{
    struct tcp_pcb *pcb = gn__pcb(conn);

    if (pcb->flags & TF_WND_SCALE)
        pcb->rcv_wnd = pcb->rcv_ann_wnd = conn->window;
    else
        conn->window = pcb->rcv_wnd;
}

/* RFC 6298 (2.2) with the SYN's round trip, in lwIP's scaled fields, and not
 * below Linux' 200 ms. One that had to be repeated says nothing (5.7). lwIP
 * would time the SYN until the first data is acknowledged, and take a pause
 * before that for a round trip. */
static void begin_rto(struct gn__conn *conn)
{
    struct tcp_pcb *pcb = gn__pcb(conn);
    uint64_t ms = (conn->stack->net->now - conn->opened_at) / 1000000;
    uint32_t ticks = (uint32_t)LWIP_MIN(ms / GN__SLOW_MS, RTT_FIRST_MAX);

    pcb->rttest = 0;
    pcb->rto = LWIP_TCP_RTO_TIME / TCP_SLOW_INTERVAL;
    if (pcb->nrtx)
        return;
    pcb->sa = (s16_t)(ticks << 3);
    pcb->sv = (s16_t)LWIP_MAX(ticks << 1, RTO_FIRST_MIN);
    pcb->rto = (s16_t)((pcb->sa >> 3) + pcb->sv);
}

static void pcb_established(struct gn__conn *conn)
{
    struct tcp_pcb *pcb = gn__pcb(conn);

    begin_rto(conn);
    conn->window_seq = pcb->rcv_nxt + conn->window / 2;
    conn->tx_first = conn->tx_una = conn->tx_end = pcb->snd_lbb;
    pcb->mss = LWIP_MAX(pcb->mss, MSS_MIN);
    pcb->snd_wnd_max = LWIP_MAX(pcb->snd_wnd_max, 2 * MSS_MIN);
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
    struct gn__conn *conn = arg;

    (void)pcb;
    (void)err;
    gn__pcb_set_window(conn);
    pcb_established(conn);
    (void)gn__conn_established(conn);
    return ERR_OK;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
    struct gn__conn *conn = arg;

    (void)err;
    if (!conn || !pcb || (!conn->listener && !conn->owner))
        return ERR_VAL;
    pcb_established(conn);
    return gn__conn_established(conn) ? ERR_OK : ERR_VAL;
}

/* ---- options ---- */

static void set_hold(struct tcp_pcb *pcb, bool hold)
{
    if (hold)
        tcp_set_flags(pcb, GN__TF_HOLD);
    else
        tcp_clear_flags(pcb, GN__TF_HOLD);
}

static void pcb_apply(struct gn__conn *conn)
{
    struct tcp_pcb *pcb = gn__pcb(conn);
    const struct gn__tcp_params *params = &conn->params;
    uint32_t headers =
        IP_IS_V6(&pcb->remote_ip) ? IP6_HLEN + TCP_HLEN : IP_HLEN + TCP_HLEN;
    uint32_t mss = conn->mtu - headers;

    pcb->ttl = params->ttl;
    pcb->tos = params->tos;
    if (params->nodelay && !params->cork)
        tcp_nagle_disable(pcb);
    else
        tcp_nagle_enable(pcb);
    set_hold(pcb, params->cork);
    gn__pcb_keep_alive(conn);
    if (params->max_segment && params->max_segment < mss)
        mss = params->max_segment;
    /* lwIP cuts segments when they are queued, and cannot do it again: those
     * that are waiting stay as they are and become fragments. */
    if (conn->connected && mss < pcb->mss)
        pcb->mss = (u16_t)LWIP_MAX(mss, MSS_MIN);
}

static void pcb_adopt(struct gn__conn *conn, struct tcp_pcb *pcb)
{
    conn->pcb = pcb;
    conn->slow_tick = tcp_ticks;
    tcp_ext_arg_set(pcb, 0, conn);
    tcp_ext_arg_set_callbacks(pcb, 0, &ext_callbacks);
    tcp_arg(pcb, conn);
    tcp_recv(pcb, on_recv);
    tcp_err(pcb, on_err);
    pcb->netif_idx = netif_get_index(&gn__lwip_netif);
    pcb_apply(conn);
}

/* ---- entering lwIP ---- */

static void clear_lists(void)
{
    tcp_active_pcbs = NULL;
    tcp_tw_pcbs = NULL;
    tcp_bound_pcbs = NULL;
    tcp_listen_pcbs.pcbs = NULL;
}

void gn__pcb_point_at(struct gn__conn *conn)
{
    clear_lists();
    tcp_active_pcbs = conn->pcb;
}

void gn__pcb_unpoint(struct gn__conn *conn)
{
    clear_lists();
    if (conn->pcb)
        gn__pcb(conn)->next = NULL;
}

static void pcb_begin(struct gn__conn *conn)
{
    gn__lwip_begin(conn->stack, conn->mtu, conn->params.max_segment,
                   &conn->remote.addr);
    gn__pcb_sync(conn);
    gn__pcb_point_at(conn);
}

static void quick_ack(struct gn__conn *conn, struct tcp_pcb *pcb)
{
    if (!conn->data_arrived || !conn->quick_acks)
        return;
    conn->quick_acks--;
    if (pcb && pcb->flags & TF_ACK_DELAY)
        tcp_ack_now(pcb);
}

/* lwIP may leave an acknowledgement for later where it cannot know that
 * nothing else will be sent. */
static void pcb_finish(struct gn__conn *conn)
{
    struct tcp_pcb *pcb = gn__pcb(conn);

    quick_ack(conn, pcb);
    if (pcb && pcb->flags & TF_ACK_NOW && pcb->state != TIME_WAIT &&
        pcb->state > SYN_RCVD)
        tcp_send_empty_ack(pcb);
    gn__pcb_unpoint(conn);
}

/* ---- the operations ---- */

static int op_connect(struct gn__conn *conn)
{
    struct tcp_pcb *pcb;
    ip_addr_t remote;
    err_t err;

    gn__lwip_begin(conn->stack, conn->mtu, conn->params.max_segment,
                   &conn->remote.addr);
    clear_lists();
    pcb = tcp_new();
    if (!pcb)
        return -ENOMEM;
    gn__lwip_addr(&conn->local.addr, &pcb->local_ip);
    gn__lwip_addr(&conn->remote.addr, &remote);
    pcb->local_port = conn->local.port;
    pcb_adopt(conn, pcb);
    gn__lwip_isn_floor(conn->isn_has_floor ? &conn->isn_floor : NULL);
    err = tcp_connect(pcb, &remote, conn->remote.port, on_connected);
    gn__lwip_isn_floor(NULL);
    if (err != ERR_OK) {
        tcp_err(pcb, NULL);
        tcp_abandon(pcb, 0);
        return -ENOMEM;
    }
    conn->tx_first = conn->tx_una = conn->tx_end = pcb->snd_lbb;
    gn__pcb_unpoint(conn);
    return 0;
}

/* What of the window is hidden from a segment: all of it, if the peer was told
 * that there is none. There may be some: less than its unit, or less than is
 * worth a segment to say so. What a peer sends all the same is a probe, and is
 * not taken (RFC 9293, 3.10.7.4), or it would be acknowledged beyond what the
 * peer believes to have sent. */
static tcpwnd_size_t hidden_window(const struct gn__conn *conn)
{
    const struct tcp_pcb *pcb = gn__pcb(conn);
    uint32_t told = pcb->rcv_ann_right_edge - pcb->rcv_nxt;

    if (!conn->connected || (told <= INT32_MAX && RCV_WND_SCALE(pcb, told)))
        return 0;
    return pcb->rcv_wnd;
}

/* lwIP cuts what is in order to the window, but keeps the first segment behind
 * a gap whole: once the gap is filled, more has come than it may take. */
static void cut_to_window(const struct gn__conn *conn,
                          struct gn__packet *packet)
{
    const struct tcp_pcb *pcb = gn__pcb(conn);
    uint8_t *tcp = packet->head + packet->ip.l4;
    uint32_t fin = tcp[13] & TCP_FIN;
    uint32_t len = packet->len - packet->ip.l4 - (tcp[12] >> 4) * 4u + fin;
    uint32_t over = gn__get32(tcp + 4) + len - (pcb->rcv_nxt + pcb->rcv_wnd);

    if (over == 0 || over >= len)
        return; /* Nothing is beyond it, or everything. */
    tcp[13] = (uint8_t)(tcp[13] - fin);
    gn__packet_cut(packet, packet->len - (over - fin));
}

static void op_input(struct gn__conn *conn, struct gn__packet *packet,
                     bool hold)
{
    tcpwnd_size_t hidden = hidden_window(conn);

    pcb_begin(conn);
    if (!hidden && gn__pcb_predicted(conn, packet)) {
        gn__packet_free(packet);
        pcb_finish(conn);
        return;
    }
    if (conn->connected && !hidden)
        cut_to_window(conn, packet);
    if (hold)
        set_hold(gn__pcb(conn), true);
    if (!conn->connected && gn__pcb_simultaneous(conn, packet)) {
        gn__packet_free(packet);
        pcb_finish(conn);
        return;
    }
    gn__lwip_current(packet);
    gn__pcb(conn)->rcv_wnd -= hidden;
    tcp_input(gn__lwip_view(packet, packet->ip.l4), &gn__lwip_netif);
    if (conn->pcb)
        gn__pcb(conn)->rcv_wnd += hidden;
    if (hold && conn->pcb)
        set_hold(gn__pcb(conn), conn->params.cork);
    pcb_finish(conn);
}

static err_t on_passive_open(u8_t id, struct tcp_pcb_listen *lpcb,
                             struct tcp_pcb *pcb)
{
    struct gn__listener *listener = syn_listener;
    struct gn__endpoint local = {.addr = gn__lwip_addr_back(&pcb->local_ip),
                                 .port = pcb->local_port};
    struct gn__endpoint remote = {.addr = gn__lwip_addr_back(&pcb->remote_ip),
                                  .port = pcb->remote_port};
    struct gn__conn *conn =
        gn__conn_alloc(listener->stack, &local, &remote, &listener->params);

    (void)id;
    (void)lpcb;
    if (!conn)
        return ERR_MEM;
    syn_conn = conn;
    pcb_adopt(conn, pcb);
    if (gn__conn_half_open(conn, listener))
        return ERR_MEM;
    gn__pcb_set_window(conn);
    if (pcb->mss < MSS_MIN)
        pcb->mss = MSS_MIN;
    return ERR_OK;
}

struct tcp_pcb_listen *gn__pcb_listener(void)
{
    listen_pcb.state = LISTEN;
    listen_pcb.prio = TCP_PRIO_NORMAL;
    listen_pcb.next = NULL;
    listen_pcb.netif_idx = netif_get_index(&gn__lwip_netif);
    listen_pcb.accept = on_accept;
    listen_pcb.ext_args[0].callbacks = &ext_callbacks;
    IP_SET_TYPE_VAL(listen_pcb.local_ip, IPADDR_TYPE_ANY);
    return &listen_pcb;
}

static struct gn__conn *op_syn(struct gn__listener *listener,
                               struct gn__packet *packet,
                               const uint32_t *isn_floor)
{
    struct gn__stack *stack = listener->stack;

    gn__lwip_begin(stack, stack->ops->mtu(stack, &packet->ip.src),
                   listener->params.max_segment, &packet->ip.src);
    clear_lists();
    listen_pcb.local_port = gn__get16(packet->head + packet->ip.l4 + 2);
    tcp_listen_pcbs.listen_pcbs = gn__pcb_listener();

    syn_listener = listener;
    syn_conn = NULL;
    gn__lwip_current(packet);
    gn__lwip_isn_floor(isn_floor);
    tcp_input(gn__lwip_view(packet, packet->ip.l4), &gn__lwip_netif);
    gn__lwip_isn_floor(NULL);
    clear_lists();
    if (!syn_conn)
        return NULL;
    gn__pcb_unpoint(syn_conn);
    if (syn_conn->pcb) {
        uint32_t first = gn__pcb(syn_conn)->snd_lbb;

        syn_conn->tx_first = syn_conn->tx_una = syn_conn->tx_end = first;
    }
    return syn_conn;
}

static int op_write(struct gn__conn *conn, const void *data, uint16_t len,
                    bool more)
{
    struct tcp_pcb *pcb = gn__pcb(conn);
    err_t err;

    gn__lwip_begin(conn->stack, conn->mtu, conn->params.max_segment,
                   &conn->remote.addr);
    gn__pcb_sync(conn);
    if (!conn->connected)
        return -ENOTCONN;
    err = tcp_write(pcb, data, len, more ? TCP_WRITE_FLAG_MORE : 0);
    conn->tx_end = pcb->flags & TF_FIN ? pcb->snd_lbb - 1 : pcb->snd_lbb;
    return err == ERR_OK ? 0 : -ENOMEM;
}

/* What is sent again is never held. A SYN has no payload. */
static bool is_held(const struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    return pcb->flags & GN__TF_HOLD && seg->len > 0 &&
           !TCP_SEQ_LT(lwip_ntohl(seg->tcphdr->seqno), pcb->snd_nxt);
}

int gn__lwip_may_output(const struct tcp_pcb *pcb)
{
    const struct tcp_seg *seg = pcb->unsent;

    if (seg->next || seg->len >= pcb->mss || tcp_sndbuf(pcb) == 0 ||
        tcp_sndqueuelen(pcb) >= TCP_SND_QUEUELEN)
        return true;
    if (is_held(pcb, seg))
        return false;
    return !pcb->unacked || pcb->flags & (TF_NODELAY | TF_INFR);
}

static void op_output(struct gn__conn *conn, bool hold)
{
    pcb_begin(conn);
    set_hold(gn__pcb(conn), hold);
    tcp_output(gn__pcb(conn));
    pcb_finish(conn);
    if (conn->pcb)
        set_hold(gn__pcb(conn), conn->params.cork);
}

static bool op_opened(struct gn__conn *conn, uint32_t n, uint32_t edge)
{
    struct tcp_pcb *pcb = gn__pcb(conn);
    uint32_t wnd = pcb->rcv_wnd + n;
    int32_t advance;

    pcb->rcv_wnd = wnd < conn->window ? wnd : conn->window;
    if (pcb->state != ESTABLISHED && pcb->state != FIN_WAIT_1 &&
        pcb->state != FIN_WAIT_2)
        return false;
    advance = (int32_t)(pcb->rcv_nxt + pcb->rcv_wnd - pcb->rcv_ann_right_edge);
    if (advance < (int32_t)edge)
        return false;
    pcb->rcv_ann_wnd = pcb->rcv_wnd;
    return true;
}

static void op_widen(struct gn__conn *conn, uint32_t n)
{
    gn__pcb(conn)->rcv_wnd += n;
}

static void op_ack_now(struct gn__conn *conn)
{
    tcp_ack_now(gn__pcb(conn));
    op_output(conn, conn->params.cork);
}

static void op_shutdown(struct gn__conn *conn)
{
    pcb_begin(conn);
    (void)tcp_shutdown(gn__pcb(conn), 0, 1); /* out of memory: TF_CLOSEPEND */
    pcb_finish(conn);
}

static void op_close(struct gn__conn *conn)
{
    struct tcp_pcb *pcb = gn__pcb(conn);
    tcpwnd_size_t wnd = pcb->rcv_wnd;

    pcb_begin(conn);
    /* Less than the whole window means unread bytes to lwIP, and RST. */
    pcb->rcv_wnd = TCP_WND_MAX(pcb);
    (void)tcp_close(pcb); /* out of memory: TF_CLOSEPEND */
    if (conn->pcb) {
        pcb->rcv_wnd = wnd;
        pcb->tmr = tcp_ticks; /* FIN_WAIT_2 is timed from here */
    }
    pcb_finish(conn);
}

static void op_abandon(struct gn__conn *conn, bool reset)
{
    pcb_begin(conn);
    tcp_err(gn__pcb(conn), NULL);
    tcp_abandon(gn__pcb(conn), reset);
    gn__pcb_unpoint(conn);
}

static void op_apply(struct gn__conn *conn)
{
    gn__lwip_begin(conn->stack, conn->mtu, conn->params.max_segment,
                   &conn->remote.addr);
    pcb_apply(conn);
}

/* ---- looking in ---- */

static enum gn__tcp_state state_of(const struct tcp_pcb *pcb)
{
    static const uint8_t linux_state[] = {[CLOSED] = GN__TCP_CLOSE,
                                          [LISTEN] = GN__TCP_LISTEN,
                                          [SYN_SENT] = GN__TCP_SYN_SENT,
                                          [SYN_RCVD] = GN__TCP_SYN_RECV,
                                          [ESTABLISHED] = GN__TCP_ESTABLISHED,
                                          [FIN_WAIT_1] = GN__TCP_FIN_WAIT1,
                                          [FIN_WAIT_2] = GN__TCP_FIN_WAIT2,
                                          [CLOSE_WAIT] = GN__TCP_CLOSE_WAIT,
                                          [CLOSING] = GN__TCP_CLOSING,
                                          [LAST_ACK] = GN__TCP_LAST_ACK,
                                          [TIME_WAIT] = GN__TCP_TIME_WAIT};

    return (enum gn__tcp_state)linux_state[pcb->state];
}

/* The queues are in order; after a time-out all of it is in unsent. */
static uint32_t first_kept(const struct tcp_pcb *pcb)
{
    const struct tcp_seg *seg = pcb->unacked ? pcb->unacked : pcb->unsent;

    if (pcb->unacked && pcb->unsent &&
        TCP_SEQ_LT(lwip_ntohl(pcb->unsent->tcphdr->seqno),
                   lwip_ntohl(pcb->unacked->tcphdr->seqno)))
        seg = pcb->unsent;
    return seg ? lwip_ntohl(seg->tcphdr->seqno) : pcb->snd_lbb;
}

static void op_look(struct gn__conn *conn, struct gn__pcb_look *out)
{
    const struct tcp_pcb *pcb = gn__pcb(conn);

    out->state = state_of(pcb);
    out->rcv_nxt = pcb->rcv_nxt;
    out->first_kept = first_kept(pcb);
    out->may_fly = LWIP_MIN(pcb->cwnd, pcb->snd_wnd);
    out->held = pcb->unsent && !pcb->unacked && !pcb->persist_backoff;
    out->deadline = gn__pcb_deadline(conn);
}

static void op_view(const struct gn__conn *conn, struct gn__pcb_view *out)
{
    const struct tcp_pcb *pcb = gn__pcb(conn);

    out->rcv_nxt = pcb->rcv_nxt;
    out->snd_nxt = pcb->snd_nxt;
    out->in_flight = pcb->snd_nxt - pcb->lastack;
    out->cwnd = pcb->cwnd;
    out->ssthresh = pcb->ssthresh;
    out->rcv_wnd = pcb->rcv_wnd;
    out->mss = pcb->mss;
    out->rto_ms = (uint32_t)pcb->rto * GN__SLOW_MS;
    out->rtt_ms = (uint32_t)(pcb->sa >> 3) * GN__SLOW_MS;
    out->retransmits = pcb->nrtx;
    out->window_scaling = pcb->flags & TF_WND_SCALE;
}

/* Set by state.ld. */
extern unsigned char gn__lwip_state_start[];
extern unsigned char gn__lwip_state_end[];

const struct gn__netstack_ops gn__netstack_ops = {
    .state_start = gn__lwip_state_start,
    .state_end = gn__lwip_state_end,
    .version = LWIP_VERSION_STRING,
    .init = gn__lwip_init,
    .connect = op_connect,
    .input = op_input,
    .syn = op_syn,
    .write = op_write,
    .output = op_output,
    .opened = op_opened,
    .widen = op_widen,
    .ack_now = op_ack_now,
    .shutdown = op_shutdown,
    .close = op_close,
    .abandon = op_abandon,
    .deadline = gn__pcb_deadline,
    .due = gn__pcb_due,
    .tick = gn__pcb_tick,
    .apply = op_apply,
    .look = op_look,
    .view = op_view,
    .reassemble = gn__lwip_reassemble,
    .reassembly_second = gn__lwip_reassembly_second,
    .reassembly_drop = gn__lwip_reassembly_drop,
};
