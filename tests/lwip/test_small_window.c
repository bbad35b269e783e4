/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What waits for the window of a peer that is played here, by a function that
 * makes segments without payload.
 *
 * netstack/patches/0003: segments that are longer than what would be cut now,
 * by the largest window that the peer has offered, or by an MSS that has
 * become less. Without it each of those cases ends in an assertion, or the
 * segment is never sent.
 *
 * netstack/patches/0005: a probe is refused. Without it later acknowledgements
 * have a number that the peer refuses as well.
 *
 * netstack/patches/0004: the last byte is taken as a probe. Without it the
 * persist timer goes on, and asserts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lwip/init.h"
#include "lwip/ip4.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"

enum { PORT = 80, IP_HEADER = 20, LEN = 40, DATA_LEN = 1000, MSS_LESS = 100 };

/* The persist timer starts at three slow ticks, retransmission at four. */
enum { SLOW_TICKS = 20 };

static const char data[DATA_LEN];

struct fixture {
    struct netif netif;
    struct tcp_pcb *pcb;
    u32_t seq;          /* the peer's */
    unsigned n_packets; /* with payload, sent to the peer */
    unsigned last_len;
    u32_t last_seq; /* of any packet */
};

static err_t note_packet(struct netif *netif, struct pbuf *p,
                         const ip4_addr_t *address)
{
    struct fixture *f = netif->state;

    const u8_t *seq = (const u8_t *)p->payload + IP_HEADER + 4;

    (void)address;
    f->last_seq =
        (u32_t)seq[0] << 24 | (u32_t)seq[1] << 16 | (u32_t)seq[2] << 8 | seq[3];
    if (p->tot_len >= LEN + MSS_LESS) { /* more than a SYN's options */
        f->n_packets++;
        f->last_len = p->tot_len - LEN;
    }
    return ERR_OK;
}

static err_t init_netif(struct netif *netif)
{
    netif->output = note_packet;
    netif->mtu = 1500;
    netif->flags |= NETIF_FLAG_UP | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

/* The peer acknowledges all that was sent so far. */
static void hear(struct fixture *f, u8_t flags, u16_t window)
{
    static u8_t packet[LEN];
    u32_t ack = f->pcb->snd_nxt;
    /* clang-format off */
    const u8_t bytes[LEN] = {
        0x45, 0, 0, LEN,        /* version, header length; total length */
        0, 1, 0, 0,             /* identification; no fragment */
        64, 6, 0, 0,            /* TTL, TCP, checksum: not verified */
        10, 0, 0, 2,            /* source */
        10, 0, 0, 1,            /* destination */
        0, PORT, (u8_t)(f->pcb->local_port >> 8), (u8_t)f->pcb->local_port,
        (u8_t)(f->seq >> 24), (u8_t)(f->seq >> 16),
        (u8_t)(f->seq >> 8), (u8_t)f->seq,
        (u8_t)(ack >> 24), (u8_t)(ack >> 16), (u8_t)(ack >> 8), (u8_t)ack,
        0x50, flags, (u8_t)(window >> 8), (u8_t)window,
    };
    /* clang-format on */

    memcpy(packet, bytes, LEN);
    f->seq += flags & TCP_SYN ? 1 : 0;
    ip4_input(pbuf_alloc_reference(packet, LEN, PBUF_REF), &f->netif);
}

static int setup(void **state)
{
    static struct fixture f;
    ip4_addr_t address, mask;
    ip_addr_t peer;

    memset(&f, 0, sizeof(f));
    IP4_ADDR(&address, 10, 0, 0, 1);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP_ADDR4(&peer, 10, 0, 0, 2);
    lwip_init();
    netif_add(&f.netif, &address, &mask, NULL, &f, init_netif, ip4_input);
    netif_set_default(&f.netif);
    f.seq = 7000;
    f.pcb = tcp_new_ip_type(IPADDR_TYPE_V4);
    assert_int_equal(tcp_connect(f.pcb, &peer, PORT, NULL), ERR_OK);
    tcp_nagle_disable(f.pcb);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    tcp_abort(f->pcb);
    netif_remove(&f->netif);
    return 0;
}

static void send_data(struct fixture *f)
{
    assert_int_equal(tcp_write(f->pcb, data, DATA_LEN, 0), ERR_OK);
    assert_int_equal(tcp_output(f->pcb), ERR_OK);
}

static void pass(unsigned ticks)
{
    while (ticks--)
        tcp_slowtmr();
}

static void window_that_opens_a_little_is_written_to(void **state)
{
    struct fixture *f = *state;

    hear(f, TCP_SYN | TCP_ACK, 1);
    f->pcb->mss = DATA_LEN + 1;
    send_data(f);
    hear(f, TCP_ACK, 3);
    assert_int_equal(tcp_write(f->pcb, data, 3, 0), ERR_OK);
    assert_int_equal(f->n_packets, 0);
}

static void long_segment_is_sent_again(void **state)
{
    struct fixture *f = *state;

    hear(f, TCP_SYN | TCP_ACK, 60000);
    f->pcb->mss = DATA_LEN;
    send_data(f);
    assert_int_equal(f->n_packets, 1);
    f->pcb->mss = MSS_LESS;
    pass(SLOW_TICKS);
    assert_in_range(f->n_packets, 2, SLOW_TICKS);
    assert_int_equal(f->last_len, DATA_LEN);
    send_data(f);
}

static void long_segment_is_split_for_a_small_window(void **state)
{
    struct fixture *f = *state;

    hear(f, TCP_SYN | TCP_ACK, 0);
    f->pcb->mss = DATA_LEN;
    send_data(f);
    f->pcb->mss = MSS_LESS;
    hear(f, TCP_ACK, DATA_LEN / 2);
    pass(SLOW_TICKS);
    assert_in_range(f->n_packets, 1, SLOW_TICKS);
    assert_int_equal(f->last_len, MSS_LESS);
}

static void last_byte_taken_as_a_probe_ends_the_probes(void **state)
{
    struct fixture *f = *state;

    hear(f, TCP_SYN | TCP_ACK, 0);
    assert_int_equal(tcp_write(f->pcb, data, 1, 0), ERR_OK);
    assert_int_equal(tcp_output(f->pcb), ERR_OK);
    pass(SLOW_TICKS);
    assert_true(f->pcb->persist_backoff > 0);
    hear(f, TCP_ACK, 0);
    assert_null(f->pcb->unsent);
    pass(SLOW_TICKS);
    assert_int_equal(f->pcb->persist_backoff, 0);
}

static void refused_probe_does_not_count(void **state)
{
    struct fixture *f = *state;

    hear(f, TCP_SYN | TCP_ACK, 0);
    f->pcb->mss = DATA_LEN;
    assert_int_equal(tcp_write(f->pcb, data, DATA_LEN, 0), ERR_OK);
    assert_int_equal(tcp_output(f->pcb), ERR_OK);
    pass(SLOW_TICKS);
    assert_int_equal(f->pcb->snd_nxt, f->pcb->lastack + 1);
    assert_int_equal(tcp_send_empty_ack(f->pcb), ERR_OK);
    assert_int_equal(f->last_seq, f->pcb->lastack);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            window_that_opens_a_little_is_written_to, setup, teardown),
        cmocka_unit_test_setup_teardown(long_segment_is_sent_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            long_segment_is_split_for_a_small_window, setup, teardown),
        cmocka_unit_test_setup_teardown(
            last_byte_taken_as_a_probe_ends_the_probes, setup, teardown),
        cmocka_unit_test_setup_teardown(refused_probe_does_not_count, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
