/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/turns.h"

static struct gn__sched *sched_of(struct gn__io *io)
{
    return &gn__container_of(io, struct gn_test_turns, io)->sched;
}

void gn_test_turns_queue(struct gn__io *io, struct gn__deferred *task)
{
    gn__sched_queue(sched_of(io), task);
}

void gn_test_turns_cancel(struct gn__io *io, struct gn__deferred *task)
{
    gn__sched_cancel(sched_of(io), task);
}

void gn_test_turns_init(struct gn_test_turns *turns,
                        const struct gn__io_ops *ops, const struct gn__mem *mem)
{
    gn__io_init(&turns->io, ops, mem);
    gn__sched_init(&turns->sched);
}

bool gn_test_turns_run(struct gn_test_turns *turns, unsigned max)
{
    struct gn__deferred *task;

    gn__io_run(&turns->io, max);
    while (max-- && (task = gn__sched_pick(&turns->sched)))
        task->run(task);
    return gn_test_turns_deadline(turns) <= gn__io_now(&turns->io);
}

uint64_t gn_test_turns_deadline(const struct gn_test_turns *turns)
{
    return turns->sched.n ? 0 : gn__io_deadline(&turns->io);
}
