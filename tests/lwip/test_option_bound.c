/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A segment whose last option byte is a kind without its length. The segment
 * ends where readable memory ends, so that reading on is a fault in every
 * build; without netstack/patches/0002 it is one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "lwip/init.h"
#include "lwip/ip4.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"

enum { PORT = 80, IP_HEADER = 20, OPTIONS = IP_HEADER + 20, LEN = 44 };

/* clang-format off */
static const uint8_t syn[LEN] = {
    0x45, 0, 0, LEN,        /* version, header length; total length */
    0, 1, 0, 0,             /* identification; no fragment */
    64, 6, 0, 0,            /* TTL, TCP, checksum: not verified */
    10, 0, 0, 2,            /* source */
    10, 0, 0, 1,            /* destination */
    0x10, 0, 0, PORT,       /* ports */
    0, 0, 0, 1,             /* sequence number */
    0, 0, 0, 0,             /* acknowledgement */
    0x60, 2, 0x40, 0,       /* six words of header, SYN; window */
    0, 0, 0, 0,             /* checksum, urgent pointer */
    1, 1, 1, 0,             /* NOP, NOP, NOP, the kind in question */
};
/* clang-format on */

static struct netif netif;
static struct tcp_pcb *listener;
static unsigned answers;

static err_t count_answer(struct netif *self, struct pbuf *p,
                          const ip4_addr_t *address)
{
    (void)self;
    (void)p;
    (void)address;
    answers++;
    return ERR_OK;
}

static err_t init_netif(struct netif *self)
{
    self->output = count_answer;
    self->mtu = 1500;
    self->flags |= NETIF_FLAG_UP | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

static err_t accepted(void *arg, struct tcp_pcb *pcb, err_t err)
{
    (void)arg;
    (void)pcb;
    (void)err;
    return ERR_OK;
}

static int setup(void **state)
{
    ip4_addr_t address, mask;

    (void)state;
    IP4_ADDR(&address, 10, 0, 0, 1);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    lwip_init();
    netif_add(&netif, &address, &mask, NULL, NULL, init_netif, ip4_input);
    netif_set_default(&netif);
    listener = tcp_new_ip_type(IPADDR_TYPE_V4);
    assert_int_equal(tcp_bind(listener, IP4_ADDR_ANY, PORT), ERR_OK);
    listener = tcp_listen(listener);
    tcp_accept(listener, accepted);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    while (tcp_active_pcbs)
        tcp_abort(tcp_active_pcbs);
    tcp_close(listener);
    netif_remove(&netif);
    return 0;
}

static void cut_off_option_is_not_read_past(void **state)
{
    /* Maximum segment size, window scale, SACK permitted, timestamps, other. */
    static const uint8_t kinds[] = {2, 3, 4, 8, 253};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_ptr_not_equal(memory, MAP_FAILED);
    assert_int_equal(mprotect(memory + page, page, PROT_NONE), 0);
    for (size_t i = 0; i < sizeof(kinds); i++) {
        uint8_t *packet = memory + page - LEN;
        memcpy(packet, syn, LEN);
        packet[IP_HEADER + 1] = (uint8_t)i; /* Another connection each. */
        packet[OPTIONS + 3] = kinds[i];
        ip4_input(pbuf_alloc_reference(packet, LEN, PBUF_REF), &netif);
        assert_int_equal(answers, i + 1);
    }
    munmap(memory, 2 * page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_off_option_is_not_read_past),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
