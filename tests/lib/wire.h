/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_WIRE_H
#define TESTS_LIB_WIRE_H

/*
 * Stacks on a wire, without a namespace around them: what one sends arrives
 * at the stack that has its destination address, after a delay, at a rate,
 * unless it is lost. Time stands still until wire_run() moves it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "netstack/conn.h"
#include "netstack/netstack.h"

#define WIRE_STACKS 4

struct wire;

struct wire_end {
    struct gn__stack stack;
    struct wire *wire;
    struct gn__addr addr;
    struct gn__addr addr6;
    struct gn__listener *listener; /* all connections reach it */
    uint64_t changes;
    uint64_t drops[8];
    uint64_t busy_until; /* the rate limiter's */
};

struct wire {
    struct gn__netstack net;
    struct wire_end end[WIRE_STACKS];
    struct gn__heap flying;
    struct gn__rng rng;
    uint64_t delay_ns;
    uint64_t jitter_ns;
    uint64_t rate_bps; /* 0: no limit */
    uint64_t queue_ns; /* the longest a packet waits for the rate */
    uint32_t loss_ppm;
    uint32_t mtu;
    uint64_t n_packets;
    uint64_t n_lost;
    uint64_t n_bytes;
    uint64_t released; /* bindings given back */
    /** Sees each packet that is sent; true: it is lost. */
    bool (*filter)(struct wire *wire, const struct gn__packet *packet);
    void *filter_arg;
};

/** Time begins at @start_ns. The seed is printed. */
void wire_init(struct wire *wire, const struct gn_allocator *alloc,
               uint64_t start_ns);
/** The same where memory may run out: false with nothing left behind. */
bool wire_try_init(struct wire *wire, const struct gn_allocator *alloc,
                   uint64_t start_ns);
/** The same with a seed of the caller's, which is not printed. */
bool wire_init_seeded(struct wire *wire, const struct gn_allocator *alloc,
                      uint64_t start_ns, uint64_t seed_number);
void wire_done(struct wire *wire);

/** Deliver what is due and run timers until nothing happens before @until. */
void wire_run(struct wire *wire, uint64_t until_ns);
/** The same, for so long. */
void wire_pass(struct wire *wire, uint64_t ns);
/** Run until done(arg) or @limit_ns have passed; true if done. */
bool wire_until(struct wire *wire, bool (*done)(void *arg), void *arg,
                uint64_t limit_ns);
/** When something happens next, ns; GN__NEVER. */
uint64_t wire_next(struct wire *wire);
/** Give a stack a packet as if it had arrived; consumed. */
void wire_inject(struct wire_end *end, struct gn__packet *packet);

/** A connection from @from's port to @to's port 80, both ends of it. Asserts
 *  that it is established within a minute. */
struct wire_pair {
    struct gn__conn *client;
    struct gn__conn *server;
};
struct wire_pair wire_connect(struct wire *wire, unsigned from, unsigned to,
                              uint16_t from_port, bool v6);

/** Send bytes of a pattern that begins at *@pos; how many were taken. */
size_t wire_send(struct gn__conn *conn, uint64_t *pos, size_t len);
/** Read at most @max bytes and check them against the pattern. */
size_t wire_recv(struct gn__conn *conn, uint64_t *pos, size_t max);

#endif /* TESTS_LIB_WIRE_H */
