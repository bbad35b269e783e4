/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_DESK_H
#define TESTS_LIB_DESK_H

/*
 * A driver's part played by a desk: timers of a clock, and an epoll descriptor
 * that is looked at between two steps of it, so that networks under a clock
 * meet kernel descriptors, and everything happens in one thread.
 *
 * What one kernel socket sends, another has a moment later: where the machine
 * is busy, the kernel leaves its loopback to a thread of its own. A clock that
 * goes on meanwhile gives up on what is under way, so each turn waits until
 * what was sent before it has come.
 */
#include <stdbool.h>

#include <guestnet/guestnet.h>

#include "base/io.h"

struct gn_test_desk {
    struct gn__io io;
    struct gn__mem mem;
    struct gn_clock *clock;
    int epoll;
    int marker; /* a datagram socket that is connected to itself */
    int n_held;
    int refuse; /* an error for gn__io_watch(), while not 0 */
};

void gn_test_desk_init(struct gn_test_desk *desk, struct gn_clock *clock,
                       const struct gn_allocator *alloc);
/** Asserts that nothing is held. */
void gn_test_desk_done(struct gn_test_desk *desk);

/** What kernel sockets of this process have sent has come where it goes. */
void gn_test_desk_await_loopback(struct gn_test_desk *desk);

/** The same, one event, what is due, and 10 us more. */
void gn_test_desk_turn(struct gn_test_desk *desk);

/** Turns until it is so; a bound on turns is one on time, too. */
#define gn_test_desk_until(desk, condition)                       \
    do {                                                          \
        unsigned turns_left_ = 200000;                            \
        bool is_so_;                                              \
        while (!(is_so_ = (condition)) && turns_left_--)          \
            gn_test_desk_turn(desk);                              \
        if (!is_so_)                                              \
            fail_msg("line %d: never: %s", __LINE__, #condition); \
    } while (0)

#endif /* TESTS_LIB_DESK_H */
