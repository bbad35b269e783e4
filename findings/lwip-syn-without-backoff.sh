#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# lwIP 2.2.1 repeats a SYN without an answer every three seconds. RFC 6298
# (5.5) doubles the time-out each time, also that of a SYN: after 3, 9, 21 s.
# shellcheck source=findings/lib/common.bash
source "$(dirname "$0")/lib/common.bash"

cat >"$tmp/syn.c" <<'END'
#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/sys.h>
#include <lwip/tcp.h>
#include <lwip/tcpip.h>
#include <stdio.h>
#include <unistd.h>

static struct netif wire;
static u32_t first_ms;

/* All that is sent is a SYN: no host is there. */
static err_t send_packet(struct netif *netif, struct pbuf *packet,
                         const ip4_addr_t *to)
{
    u32_t now_ms = sys_now();

    (void)netif, (void)packet, (void)to;
    if (!first_ms)
        first_ms = now_ms;
    printf(" %u", (unsigned)((now_ms - first_ms + 500) / 1000));
    return ERR_OK;
}

static err_t set_up(struct netif *netif)
{
    netif->mtu = 1500;
    netif->output = send_packet;
    return ERR_OK;
}

static void begin(void *arg)
{
    ip4_addr_t own, mask, router;
    ip_addr_t peer;

    (void)arg;
    IP4_ADDR(&own, 192, 0, 2, 1);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&router, 0, 0, 0, 0);
    IP_ADDR4(&peer, 192, 0, 2, 2);
    netif_add(&wire, &own, &mask, &router, NULL, set_up, tcpip_input);
    netif_set_up(&wire);
    netif_set_link_up(&wire);
    tcp_connect(tcp_new(), &peer, 80, NULL);
}

int main(void)
{
    printf("lwIP %s, SYN after s:", LWIP_VERSION_STRING);
    tcpip_init(begin, NULL);
    sleep(14);
    puts("");
    return 0;
}
END

debian trixie liblwip-dev=2.2.1+dfsg1-1+deb13u1 \
    liblwip0t64=2.2.1+dfsg1-1+deb13u1 libc6=2.41-12+deb13u5
CPATH=$root/usr/include/lwip build "$tmp/syn.c" liblwip.so.2
run "$tmp/program" | expect "there is no backoff" \
    'lwIP 2\.2\.1d?, SYN after s: 0 3 6 9 12$'
