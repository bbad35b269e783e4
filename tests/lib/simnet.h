/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_SIMNET_H
#define TESTS_LIB_SIMNET_H

/*
 * A clock, a network on it, and a heap that counts: what most tests of
 * networks begin with. And the sockets they talk by.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <guestnet/namespace.h>
#include <guestnet/network.h>
#include <guestnet/sim.h>
#include <guestnet/socket.h>

#include "tests/lib/heap.h"
#include "tests/lib/units.h"

struct gn_simnet {
    struct gn_test_heap heap;
    struct gn_clock *clock;
    struct gn_network *net;
};

/** With these prefixes (NULL-ended; NULL: none). */
void gn_simnet_setup(struct gn_simnet *sim, const char *const *prefixes,
                     uint64_t seed);
/** The same at another time than a second. */
void gn_simnet_setup_at(struct gn_simnet *sim, const char *const *prefixes,
                        uint64_t seed, uint64_t start_ns);
/** Closes what is open, and asserts that no memory is left. */
void gn_simnet_teardown(struct gn_simnet *sim);

/** One more network on the same clock. */
struct gn_network *gn_simnet_add(struct gn_simnet *sim, const char *name,
                                 const char *const *prefixes);
int gn_simnet_create(struct gn_simnet *sim,
                     const struct gn_network_config *config,
                     struct gn_network **out);

/** A namespace with this name (NULL: none) and the lowest addresses. */
struct gn_namespace *gn_simnet_guest(struct gn_network *net, const char *name);
/** One at this address. */
struct gn_namespace *gn_simnet_guest_at(struct gn_network *net,
                                        const char *address);

/** A UDP socket bound to "10.0.0.2:53". */
struct gn_sock *gn_simnet_udp(struct gn_namespace *ns, const char *address);
/** Close it and give the reference back. */
void gn_simnet_end(struct gn_sock *sock);
/** Send to "10.0.0.3:53"; what gn_sock_sendto() returns. */
ssize_t gn_simnet_send(struct gn_sock *sock, const char *to, const void *data,
                       size_t len);
/** What gn_sock_recv() returns. */
ssize_t gn_simnet_recv(struct gn_sock *sock, void *buf, size_t cap);
/** Assert that the next datagram is this text, or that there is none (NULL). */
void gn_simnet_expect(struct gn_sock *sock, const char *text);

/** One counter of a network's or namespace's drops. */
uint64_t gn_simnet_drops(struct gn_network *net, enum gn_drop why);
uint64_t gn_simnet_ns_drops(struct gn_namespace *ns, enum gn_drop why);

#endif /* TESTS_LIB_SIMNET_H */
