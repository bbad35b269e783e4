/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NETSTACK_LWIP_LIMITS_H
#define GN_NETSTACK_LWIP_LIMITS_H

/* The numbers that lwIP is compiled with and our own code rests on. */

/** The fast timer, ms: delayed acknowledgements. The engine's tick. */
#define GN__FAST_MS 25
/** The slow timer, ms: retransmission counts in it. */
#define GN__SLOW_MS (2 * GN__FAST_MS)
/** lwIP's window and send buffer: as far as ours may grow. */
#define GN__LWIP_WINDOW (8 * 1024 * 1024)
/** Pieces of out-of-order data of one connection: insertion is linear. */
#define GN__OOSEQ_PIECES 1024
/** Pieces of incomplete packets of one guest and family. */
#define GN__REASSEMBLY_PIECES 256

#endif /* GN_NETSTACK_LWIP_LIMITS_H */
