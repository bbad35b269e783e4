/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_TESTS_LWIP_LWIPOPTS_H
#define GN_TESTS_LWIP_LWIPOPTS_H

/*
 * Our TCP options, for upstream's TCP suites and the tests of our patches.
 * What differs from netstack/lwip/port/lwipopts.h is what those suites count
 * with (pools, statistics), what they cannot express (they put the window into
 * 16 bits, and write a whole one segment by segment), and what needs the glue.
 */
#include "netstack/lwip/port/lwipopts.h"

/* The glue's. */
#undef LWIP_HOOK_FILENAME
#undef LWIP_HOOK_IP4_ROUTE_SRC
#undef LWIP_HOOK_IP6_ROUTE

/* The suites take from pools and look into them. */
#undef MEM_CUSTOM_ALLOCATOR
#undef MEM_CUSTOM_MALLOC
#undef MEM_CUSTOM_CALLOC
#undef MEM_CUSTOM_FREE
#undef MEMP_MEM_MALLOC
#define MEM_SIZE         (1024 * 1024)
#define MEMP_NUM_TCP_SEG 1024
#define MEMP_NUM_PBUF    256
#define PBUF_POOL_SIZE   400
#undef LWIP_STATS
#define LWIP_STATS       1
#define MIB2_STATS       1
#define LWIP_STATS_LARGE 1
#define LWIP_MEM_ILLEGAL_FREE(msg)

/* They make interfaces by hand, and name the pool of timers.c. */
#undef LWIP_TIMERS
#undef LWIP_SINGLE_NETIF
#undef LWIP_UDP
#undef LWIP_ICMP6 /* ip6.c calls it; the glue stands in for it */

/* They count six slow ticks to the first retransmission. */
#undef LWIP_TCP_RTO_TIME
#define LWIP_TCP_RTO_TIME (6 * GN__SLOW_MS)

#undef TCP_MSS
#define TCP_MSS 512 /* so that the window is a multiple of its scale */
#undef TCP_WND
#define TCP_WND (10 * TCP_MSS)
#undef TCP_SND_BUF
#define TCP_SND_BUF (12 * TCP_MSS)
#undef TCP_SND_QUEUELEN
#define TCP_SND_QUEUELEN 40

#endif /* GN_TESTS_LWIP_LWIPOPTS_H */
