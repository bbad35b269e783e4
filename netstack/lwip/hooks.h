/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NETSTACK_LWIP_HOOKS_H
#define GN_NETSTACK_LWIP_HOOKS_H

/* Where lwIP asks us: included by lwIP itself (LWIP_HOOK_FILENAME). */
#include "lwip/arch.h"
#include "lwip/ip_addr.h"
#include "lwip/prot/icmp6.h"

/** RFC 6528: a keyed hash of the 4-tuple plus a 4 us clock. */
u32_t gn__lwip_isn(const ip_addr_t *local, u16_t local_port,
                   const ip_addr_t *remote, u16_t remote_port);
#define LWIP_HOOK_TCP_ISN gn__lwip_isn

/** Whether the first segment that waits may go: Nagle's algorithm, and what
 *  MSG_MORE and TCP_CORK hold back. Asked in tcp_output(). */
struct tcp_pcb;
int gn__lwip_may_output(const struct tcp_pcb *pcb);
#undef tcp_do_output_nagle
#define tcp_do_output_nagle gn__lwip_may_output

/** What ip6_input() would answer a bad extension header with: it refers to it
 *  without LWIP_ICMP6 as well, where lwip/icmp6.h does not declare it. It is
 *  never called, and netstack/ip.c has looked at the headers. */
struct pbuf;
void icmp6_param_problem(struct pbuf *p, enum icmp6_pp_code code,
                         const void *pointer);

/** All ways lead to the one interface; the namespace routes behind it. */
struct netif *gn__lwip_route(void);

#endif /* GN_NETSTACK_LWIP_HOOKS_H */
