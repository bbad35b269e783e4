/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The segment that most segments of a stream are: its next bytes, and nothing
 * that its receiver did not know (header prediction, as Van Jacobson described
 * it in 1990). What tcp_input() and tcp_receive() would do with it, after all
 * the questions whose answers are known here, is a few numbers; so it is done
 * here, and lwIP needs no view of the packet. An acknowledgement that is due is
 * sent where lwIP leaves one, in pcb_finish().
 */
#include "base/wire.h"
#include "netstack/lwip/inner.h"

/* In which lwIP has more to do with a segment than to take it. */
#define BUSY_FLAGS (TF_RXCLOSED | TF_CLOSEPEND | TF_FIN | TF_NAGLEMEMERR)

static bool is_quiet(const struct tcp_pcb *pcb)
{
    return pcb->state == ESTABLISHED && !(pcb->flags & BUSY_FLAGS) &&
           !pcb->unsent && !pcb->ooseq && !pcb->refused_data &&
           !LWIP_TCP_SACK_VALID(pcb, 0) &&
           !(pcb->rttest && TCP_SEQ_LT(pcb->rtseq, pcb->lastack));
}

/* Without options, URG, SYN, FIN or RST; it acknowledges nothing new. */
static bool is_next(const struct tcp_pcb *pcb, const uint8_t *tcp)
{
    return tcp[12] >> 4 == TCP_HLEN / 4 &&
           (tcp[13] & (TCP_FLAGS & ~TCP_PSH)) == TCP_ACK &&
           gn__get32(tcp + 4) == pcb->rcv_nxt &&
           gn__get32(tcp + 8) == pcb->lastack;
}

/* As in tcp_receive(). */
static void take_window(struct tcp_pcb *pcb, tcpwnd_size_t wnd)
{
    if (!TCP_SEQ_LT(pcb->snd_wl1, pcb->rcv_nxt) &&
        !(pcb->snd_wl1 == pcb->rcv_nxt &&
          TCP_SEQ_LT(pcb->snd_wl2, pcb->lastack)) &&
        !(pcb->snd_wl2 == pcb->lastack && wnd > pcb->snd_wnd))
        return;
    pcb->snd_wnd = wnd;
    pcb->snd_wnd_max = LWIP_MAX(pcb->snd_wnd_max, wnd);
    pcb->snd_wl1 = pcb->rcv_nxt;
    pcb->snd_wl2 = pcb->lastack;
}

bool gn__pcb_predicted(struct gn__conn *conn, const struct gn__packet *packet)
{
    const struct gn__slice *payload = &packet->slices[0];
    const uint8_t *tcp = packet->head + packet->ip.l4;
    struct tcp_pcb *pcb = gn__pcb(conn);

    if (packet->n_slices != 1 || packet->head_len != packet->ip.l4 + TCP_HLEN ||
        payload->len == 0 || payload->len > pcb->rcv_wnd || !is_quiet(pcb) ||
        !is_next(pcb, tcp) ||
        !gn__conn_received(conn, packet, payload->data, payload->len))
        return false;
    pcb->tmr = tcp_ticks;
    pcb->keep_cnt_sent = 0;
    pcb->persist_probe = 0;
    pcb->persist_backoff = 0;
    take_window(pcb, SND_WND_SCALE(pcb, gn__get16(tcp + 14)));
    pcb->rcv_nxt += payload->len;
    pcb->rcv_wnd -= payload->len;
    (void)tcp_update_rcv_ann_wnd(pcb);
    tcp_ack(pcb);
    return true;
}
