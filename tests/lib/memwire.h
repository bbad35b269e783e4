/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_MEMWIRE_H
#define TESTS_LIB_MEMWIRE_H

/*
 * A wire of packets in memory: a guest of a network in real time whose stack is
 * the test. It is made of what switch/port.h gives and nothing else, as every
 * wire is. Any thread; waits are bounded, and then the test fails.
 */
#include <guestnet/egress.h>
#include <guestnet/network.h>
#include <guestnet/stats.h>

#include "switch/port.h"

struct gn_memwire;

/**
 * @name       A DNS label.
 * @addresses  NULL-ended.
 * @mtu        0: the network's.
 * @egress     Its way outside; NULL: none.
 * @limits     NULL: the network's.
 */
struct gn_memwire *gn_memwire_open(struct gn_network *net, const char *name,
                                   const char *const *addresses, uint32_t mtu,
                                   struct gn_egress *egress,
                                   const struct gn_limits *limits);
/** Before its network is closed. */
void gn_memwire_close(struct gn_memwire *wire);
struct gn__guest *gn_memwire_guest(struct gn_memwire *wire);

/** Packets as one batch: one entry. They must be well-formed. */
void gn_memwire_send(struct gn_memwire *wire, const void *bytes, size_t len);
/** The oldest packet that has come, waited for; its length. */
size_t gn_memwire_recv(struct gn_memwire *wire, void *buf, size_t cap);
/** How many came, and in how many batches. */
struct gn_memwire_count {
    uint64_t packets, batches;
};
struct gn_memwire_count gn_memwire_count(struct gn_memwire *wire);
/** What was counted at the guest. */
struct gn_stats gn_memwire_stats(struct gn_memwire *wire);

#endif /* TESTS_LIB_MEMWIRE_H */
