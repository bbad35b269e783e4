/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_LWIPOPTS_H
#define GN_LWIPOPTS_H

/*
 * lwIP as guestnet uses it: TCP, the sending half of IP, and reassembly. The
 * rest (UDP, ICMP, addresses, routes, ports, the backlog, timers) is ours.
 * Each value that is not lwIP's default has its reason here.
 */
#include "netstack/lwip/limits.h"

/* No threads, no locks, no timers of its own: the engine has all three. */
#define NO_SYS                  1
#define SYS_LIGHTWEIGHT_PROT    0
#define LWIP_TIMERS             0
#define LWIP_SOCKET             0
#define LWIP_NETCONN            0
#define LWIP_TCPIP_CORE_LOCKING 0

/* Pools would be swapped with the state; everything is allocated. This also
 * switches off every MEMP_NUM_ limit: the budget in mem.c is the limit. */
#define MEM_LIBC_MALLOC      0
#define MEM_CUSTOM_ALLOCATOR 1
#define MEM_CUSTOM_MALLOC    gn__lwip_malloc
#define MEM_CUSTOM_CALLOC    gn__lwip_calloc
#define MEM_CUSTOM_FREE      gn__lwip_free
#define MEMP_MEM_MALLOC      1
#define MEM_ALIGNMENT        8
#define LWIP_PBUF_REF_T      u32_t /* u8_t wraps at the 256th reference */
#define PBUF_LINK_HLEN       0

#define LWIP_IPV4     1
#define LWIP_IPV6     1
#define LWIP_TCP      1
#define LWIP_UDP      0
#define LWIP_RAW      0
#define LWIP_ICMP     0
#define LWIP_ICMP6    0
#define LWIP_IGMP     0
#define LWIP_IPV6_MLD 0
#define LWIP_DNS      0
#define LWIP_DHCP     0
#define LWIP_AUTOIP   0
#define LWIP_ACD      0
#define LWIP_ARP      0
#define LWIP_ETHERNET 0
#define LWIP_STATS    0

/* One interface, shared by all instances: routing is the namespace's. */
#define LWIP_SINGLE_NETIF               1
#define LWIP_NETIF_LOOPBACK             0
#define LWIP_HAVE_LOOPIF                0
#define LWIP_NETIF_HOSTNAME             0
#define LWIP_IPV6_NUM_ADDRESSES         1
#define LWIP_IPV6_AUTOCONFIG            0
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS   0
#define LWIP_IPV6_SEND_ROUTER_SOLICIT   0
#define LWIP_IPV6_SCOPES                0
#define LWIP_ND6_QUEUEING               0
#define LWIP_ND6_ALLOW_RA_UPDATES       0
#define LWIP_ND6_TCP_REACHABILITY_HINTS 0
#define LWIP_ND6_NUM_NEIGHBORS          1
#define LWIP_ND6_NUM_DESTINATIONS       1
#define LWIP_ND6_NUM_PREFIXES           1
#define LWIP_ND6_NUM_ROUTERS            1
#define IP_FORWARD                      0
#define LWIP_IPV6_FORWARD               0

/* Fragments: taken in here, made by netstack/packet.c. */
#define IP_FRAG              0
#define LWIP_IPV6_FRAG       0
#define IP_REASSEMBLY        1
#define LWIP_IPV6_REASS      1
#define IPV6_FRAG_COPYHEADER 1 /* a pointer does not fit the fragment header */
#define IP_REASS_MAX_PBUFS   GN__REASSEMBLY_PIECES
#define MEMP_NUM_REASSDATA   16
#define IP_REASS_MAXAGE      30 /* RFC 1122: 60 to 120 s; Linux: 30 */
#define IPV6_REASS_MAXAGE    60 /* RFC 8200 section 4.5 */

/* Nothing between two guests can damage a packet; what comes from outside
 * was verified where it entered. */
#define LWIP_CHECKSUM_CTRL_PER_NETIF 0
#define CHECKSUM_GEN_IP              0
#define CHECKSUM_GEN_TCP             0
#define CHECKSUM_CHECK_IP            0
#define CHECKSUM_CHECK_TCP           0

#define LWIP_CALLBACK_API              1
#define LWIP_TCP_PCB_NUM_EXT_ARGS      1
#define TCP_LISTEN_BACKLOG             0 /* u8_t; the backlog is in tcp.c */
#define SO_REUSE                       0 /* ports are the namespace's */
#define LWIP_TCP_KEEPALIVE             1
#define LWIP_TCP_TIMESTAMPS            0
#define LWIP_TCP_SACK_OUT              1
#define LWIP_TCP_MAX_SACK_NUM          4
#define LWIP_WND_SCALE                 1
#define TCP_RCV_SCALE                  8
#define TCP_MSS                        65495 /* the interface's MTU decides */
#define TCP_CALCULATE_EFF_SEND_MSS     1
#define TCP_WND                        GN__LWIP_WINDOW
#define TCP_SND_BUF                    GN__LWIP_WINDOW /* tcp.c limits it */
#define TCP_SND_QUEUELEN               32768
#define TCP_SNDLOWAT                   1
#define TCP_SNDQUEUELOWAT              1
#define TCP_OVERSIZE                   0 /* we never write with COPY */
#define TCP_QUEUE_OOSEQ                1
#define TCP_OOSEQ_MAX_BYTES            GN__LWIP_WINDOW
#define TCP_OOSEQ_MAX_PBUFS            GN__OOSEQ_PIECES
#define TCP_TMR_INTERVAL               GN__FAST_MS
#define LWIP_TCP_RTO_TIME              1000 /* RFC 6298 */
#define TCP_MAXRTX                     12
#define TCP_SYNMAXRTX                  12
#define TCP_MSL                        60000UL
#define LWIP_DISABLE_TCP_SANITY_CHECKS 1 /* they assume fixed small buffers */

#define LWIP_SUPPORT_CUSTOM_PBUF           1
#define LWIP_HOOK_IP4_ROUTE_SRC(src, dest) gn__lwip_route()
#define LWIP_HOOK_IP6_ROUTE(src, dest)     gn__lwip_route()
#define LWIP_HOOK_FILENAME                 "netstack/lwip/hooks.h"

#ifdef NDEBUG
#define LWIP_NOASSERT
#endif

#endif /* GN_LWIPOPTS_H */
