/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Two ends of a connection that both write and never read: once both windows
 * are closed nothing is left to say but probes. Without
 * netstack/patches/0001 the two acknowledge each other for ever.
 *
 * Both ends live in one lwIP, on an interface that queues what it is given.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lwip/init.h"
#include "lwip/ip4.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"

enum { QUEUE_LEN = 256, PORT = 80 };

/* Filling both windows takes 10 segments each way; a probe takes an answer. */
enum { PACKETS_PER_TICK_MAX = 100 };

/* The persist timer starts at three slow ticks and doubles. */
enum { SLOW_TICKS = 200 };

static const char data[TCP_SND_BUF];

struct fixture {
    struct netif netif;
    struct pbuf *queue[QUEUE_LEN];
    size_t head;
    size_t n_queued;
    struct tcp_pcb *listener;
    struct tcp_pcb *client;
    struct tcp_pcb *server;
};

static err_t enqueue(struct netif *netif, struct pbuf *p,
                     const ip4_addr_t *address)
{
    struct fixture *f = netif->state;

    (void)address;
    assert_true(f->n_queued < QUEUE_LEN);
    f->queue[(f->head + f->n_queued) % QUEUE_LEN] =
        pbuf_clone(PBUF_RAW, PBUF_RAM, p);
    f->n_queued++;
    return ERR_OK;
}

static err_t init_netif(struct netif *netif)
{
    netif->output = enqueue;
    netif->mtu = TCP_MSS + 40;
    netif->flags |= NETIF_FLAG_UP | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

/* Delivers until no packet is left; says how many there were. */
static size_t deliver(struct fixture *f)
{
    size_t n = 0;

    while (f->n_queued && n <= PACKETS_PER_TICK_MAX) {
        struct pbuf *p = f->queue[f->head];
        f->head = (f->head + 1) % QUEUE_LEN;
        f->n_queued--;
        n++;
        ip4_input(p, &f->netif);
    }
    return n;
}

/* Takes the data without opening the window again. */
static err_t swallow(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    (void)arg;
    (void)pcb;
    (void)err;
    if (p)
        pbuf_free(p);
    return ERR_OK;
}

static err_t accepted(void *arg, struct tcp_pcb *pcb, err_t err)
{
    struct fixture *f = arg;

    (void)err;
    f->server = pcb;
    tcp_recv(pcb, swallow);
    return ERR_OK;
}

static void write_all(struct tcp_pcb *pcb)
{
    if (tcp_sndbuf(pcb))
        (void)tcp_write(pcb, data, tcp_sndbuf(pcb), 0); /* Full: next tick. */
    tcp_output(pcb);
}

static int setup(void **state)
{
    static struct fixture f;
    ip4_addr_t address, mask;
    ip_addr_t target;

    IP4_ADDR(&address, 10, 0, 0, 1);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    ip_addr_copy_from_ip4(target, address);
    lwip_init();
    netif_add(&f.netif, &address, &mask, NULL, &f, init_netif, ip4_input);

    f.listener = tcp_new_ip_type(IPADDR_TYPE_V4);
    assert_int_equal(tcp_bind(f.listener, &target, PORT), ERR_OK);
    f.listener = tcp_listen(f.listener);
    tcp_arg(f.listener, &f);
    tcp_accept(f.listener, accepted);

    f.client = tcp_new_ip_type(IPADDR_TYPE_V4);
    tcp_recv(f.client, swallow);
    assert_int_equal(tcp_connect(f.client, &target, PORT, NULL), ERR_OK);
    deliver(&f);
    assert_non_null(f.server);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    tcp_abort(f->client);
    deliver(f);
    tcp_close(f->listener);
    netif_remove(&f->netif);
    return 0;
}

static void two_closed_windows_fall_silent(void **state)
{
    struct fixture *f = *state;

    for (int tick = 0; tick < SLOW_TICKS; tick++) {
        write_all(f->client);
        write_all(f->server);
        assert_in_range(deliver(f), 0, PACKETS_PER_TICK_MAX);
        tcp_fasttmr();
        tcp_slowtmr();
    }
    /* It was what the claim is about. */
    assert_int_equal(f->client->rcv_wnd, 0);
    assert_int_equal(f->server->rcv_wnd, 0);
    assert_true(f->client->persist_backoff > 0);
    assert_true(f->server->persist_backoff > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_closed_windows_fall_silent),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
