/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Simultaneous open (RFC 9293 section 3.5, figure 7), which lwIP leaves out:
 * two ends that connect to each other, or one that connects to itself. A SYN
 * that arrives in SYN_SENT is taken up here as lwIP would take it up from a
 * listener, and the SYN-ACK that answers ours is shown to lwIP as the plain
 * ACK that it waits for in SYN_RCVD.
 */
#include "base/wire.h"
#include "netstack/lwip/inner.h"

#define TCP_HDR_MIN 20u
#define MSS_DEFAULT 536
#define SCALE_MAX   14

static void take_option(struct tcp_pcb *pcb, const uint8_t *option)
{
    switch (option[0]) {
    case LWIP_TCP_OPT_MSS:
        if (option[1] == LWIP_TCP_OPT_LEN_MSS)
            pcb->mss = gn__get16(option + 2);
        break;
    case LWIP_TCP_OPT_WS:
        if (option[1] != LWIP_TCP_OPT_LEN_WS)
            break;
        pcb->snd_scale = LWIP_MIN(option[2], SCALE_MAX);
        pcb->rcv_scale = TCP_RCV_SCALE;
        tcp_set_flags(pcb, TF_WND_SCALE);
        break;
    case LWIP_TCP_OPT_SACK_PERM:
        tcp_set_flags(pcb, TF_SACK);
        break;
    default:
        break;
    }
}

static void take_options(struct tcp_pcb *pcb, const uint8_t *at, size_t len)
{
    pcb->mss = MSS_DEFAULT;
    while (len && at[0] != LWIP_TCP_OPT_EOL) {
        size_t n = 1;

        if (at[0] != LWIP_TCP_OPT_NOP) {
            if (len < 2 || at[1] < 2 || at[1] > len)
                return;
            n = at[1];
            take_option(pcb, at);
        }
        at += n;
        len -= n;
    }
}

/* The peer's SYN crossed ours: answer it with our SYN again, and ACK. */
static void syn_cross(struct gn__conn *conn, const uint8_t *hdr)
{
    struct tcp_pcb *pcb = gn__pcb(conn);

    take_options(pcb, hdr + TCP_HDR_MIN,
                 (size_t)(hdr[12] >> 4) * 4 - TCP_HDR_MIN);
    pcb->mss =
        tcp_eff_send_mss_netif(pcb->mss, &gn__lwip_netif, &pcb->remote_ip);
    pcb->rcv_nxt = gn__get32(hdr + 4) + 1;
    pcb->rcv_ann_right_edge = pcb->rcv_nxt;
    pcb->snd_wnd = pcb->snd_wnd_max = gn__get16(hdr + 14);
    pcb->snd_wl1 = pcb->rcv_nxt - 2;
    pcb->state = SYN_RCVD;
    pcb->tmr = tcp_ticks;
    pcb->listener = gn__pcb_listener();
    gn__pcb_set_window(conn);
    (void)tcp_rexmit(pcb); /* without memory the timer does it */
    tcp_output(pcb);
}

bool gn__pcb_simultaneous(struct gn__conn *conn, struct gn__packet *packet)
{
    struct tcp_pcb *pcb = gn__pcb(conn);
    uint8_t *hdr = packet->head + packet->ip.l4;
    uint8_t kind = hdr[13] & (TCP_SYN | TCP_ACK | TCP_RST);

    if (pcb->state == SYN_SENT && kind == TCP_SYN) {
        syn_cross(conn, hdr);
        return true;
    }
    if (pcb->state == SYN_RCVD && !conn->half_open &&
        kind == (TCP_SYN | TCP_ACK) && gn__get32(hdr + 4) + 1 == pcb->rcv_nxt) {
        u32_t seq = lwip_htonl(pcb->rcv_nxt);

        SMEMCPY(hdr + 4, &seq, sizeof(seq));
        hdr[13] &= (uint8_t)~TCP_SYN;
    }
    return false;
}
