/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_ARENA_H
#define TESTS_LIB_ARENA_H

/*
 * Where attacks are tried: a network under a clock, a heap that counts, and two
 * bystanders with a connection and datagram sockets between them, which must
 * not notice anything. Waiting is bounded in time and in entries of the engine.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <guestnet/namespace.h>
#include <guestnet/network.h>
#include <guestnet/sim.h>
#include <guestnet/socket.h>

#include "tests/lib/heap.h"
#include "tests/lib/units.h"

/* Prefixes of the network; .0.1 and ::1 are the host's, and the bystanders
 * have .0.2, ::2 and .0.3, ::3. */
#define ARENA_PREFIX4 "10.77.0.0/16"
#define ARENA_PREFIX6 "fd77::/64"

struct arena {
    struct gn_test_heap heap;
    struct gn_clock *clock;
    struct gn_network *net;
    struct gn_namespace *bystander[2];
    struct gn_sock *stream[2];
    struct gn_sock *dgram[2];
};

/** @config  What the network is made with; size, prefixes, drive and clock are
 *           filled in. NULL: defaults. */
void arena_begin(struct arena *arena, const struct gn_network_config *config);
/** The bystanders still talk, the clock still moves, everything closes, and
 *  no memory is left. */
void arena_end(struct arena *arena);
/** The bystanders exchange bytes and datagrams both ways, in a few entries and
 *  no time. */
void arena_others_work(struct arena *arena);

/** Let time pass; the test fails if that takes more entries. Returns how many
 *  it took. */
uint64_t arena_pass(struct arena *arena, uint64_t ns, uint64_t max_steps);
/** Let time pass until @done says so; the test fails if it does not within
 *  this time and so many entries. */
void arena_until(struct arena *arena, bool (*done)(void *arg), void *arg,
                 uint64_t ns, uint64_t max_steps);

/** A namespace; NULL for the lowest addresses or the network's limits. */
struct gn_namespace *arena_guest(struct arena *arena, const char *address,
                                 const struct gn_limits *limits);
/** Its counters now. */
struct gn_stats arena_stats(struct gn_namespace *ns);
uint64_t arena_drops(struct gn_namespace *ns, enum gn_drop why);

/** Non-blocking sockets; @address is "10.77.0.5:80". */
struct gn_sock *arena_open(struct gn_namespace *ns, int type,
                           const char *address);
struct gn_sock *arena_bound(struct gn_namespace *ns, int type,
                            const char *address);
struct gn_sock *arena_listener(struct gn_namespace *ns, const char *address,
                               int backlog);
/** What gn_sock_connect() returns. */
int arena_connect(struct gn_sock *sock, const char *address);
/** Connect, accept from @listener, both within a second. */
struct gn_sock *arena_join(struct arena *arena, struct gn_sock *client,
                           struct gn_sock *listener, const char *address);
/** Accept one, or NULL. */
struct gn_sock *arena_accept(struct gn_sock *listener);
/** Close and give back. */
void arena_drop(struct gn_sock *sock);
/** What gn_sock_sendto() returns. */
ssize_t arena_sendto(struct gn_sock *sock, const char *address,
                     const void *data, size_t len);
short arena_ready(struct gn_sock *sock, short events);
void arena_set(struct gn_sock *sock, int level, int name, int value);
/** SO_ERROR. */
int arena_error(struct gn_sock *sock);

#endif /* TESTS_LIB_ARENA_H */
