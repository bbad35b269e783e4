/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_TURNS_H
#define TESTS_LIB_TURNS_H

/*
 * A struct gn__io whose tasks the test runs itself: it is the driving thread.
 */
#include "base/io.h"

struct gn_test_turns {
    struct gn__io io;
    struct gn__sched sched;
};

/** Of struct gn__io_ops, for an io in a struct gn_test_turns. */
void gn_test_turns_queue(struct gn__io *io, struct gn__deferred *task);
void gn_test_turns_cancel(struct gn__io *io, struct gn__deferred *task);

void gn_test_turns_init(struct gn_test_turns *turns,
                        const struct gn__io_ops *ops,
                        const struct gn__mem *mem);
/** Run timers that are due and tasks, at most @max of each; true if more are.
 */
bool gn_test_turns_run(struct gn_test_turns *turns, unsigned max);
/** When the next is due, ns; UINT64_MAX. 0: now. */
uint64_t gn_test_turns_deadline(const struct gn_test_turns *turns);

#endif /* TESTS_LIB_TURNS_H */
