/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NETSTACK_H
#define GN_NETSTACK_H

/*
 * The network stacks of the guests: payload, packets, IP, ICMP and TCP. That
 * TCP is lwIP, and that lwIP exists once in a process, is known only here.
 */
#include "base/wire.h"
#include "netstack/chunk.h"
#include "netstack/icmp.h"
#include "netstack/ip.h"
#include "netstack/packet.h"
#include "netstack/tcp.h"

/** The version of lwIP built in, such as "2.2.1". */
const char *gn__netstack_version(void);

#endif /* GN_NETSTACK_H */
