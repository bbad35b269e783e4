/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/pollio.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

static uint64_t now(struct gn__io *io)
{
    struct timespec ts;

    (void)io;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void rearm(struct gn__io *io)
{
    (void)io;
}

static int watch(struct gn__io *io, struct gn__io_watch *watch, int fd,
                 short events)
{
    struct gn_test_pollio *pollio =
        gn__container_of(io, struct gn_test_pollio, turns.io);

    if (pollio->refuse)
        return pollio->refuse;
    watch->fd = fd;
    watch->events = events;
    if (watch->slot)
        return 0;
    if (pollio->n_watches == GN_TEST_POLLIO_WATCHES)
        return -ENOSPC;
    pollio->watches[pollio->n_watches++] = watch;
    watch->slot = pollio->n_watches;
    return 0;
}

static void unwatch(struct gn__io *io, struct gn__io_watch *watch)
{
    struct gn_test_pollio *pollio =
        gn__container_of(io, struct gn_test_pollio, turns.io);
    struct gn__io_watch *last = pollio->watches[--pollio->n_watches];

    pollio->watches[watch->slot - 1] = last;
    last->slot = watch->slot;
    watch->slot = 0;
}

static void hold(struct gn__io *io, int n)
{
    (void)io, (void)n;
}

static void finish(struct gn__io *io)
{
    (void)io;
}

void gn_test_pollio_init(struct gn_test_pollio *pollio)
{
    static const struct gn__io_ops ops = {
        .now = now,
        .rearm = rearm,
        .queue = gn_test_turns_queue,
        .cancel = gn_test_turns_cancel,
        .watch = watch,
        .unwatch = unwatch,
        .hold = hold,
        .done = finish,
    };

    pollio->n_watches = 0;
    pollio->refuse = 0;
    gn__mem_init(&pollio->mem, NULL);
    gn_test_turns_init(&pollio->turns, &ops, &pollio->mem);
}

void gn_test_pollio_done(struct gn_test_pollio *pollio)
{
    gn__io_done(&pollio->turns.io);
    assert_int_equal(pollio->n_watches, 0);
    assert_int_equal(gn_test_turns_deadline(&pollio->turns), UINT64_MAX);
}

static bool is_watched(const struct gn_test_pollio *pollio,
                       const struct gn__io_watch *watch, int fd)
{
    unsigned i;

    for (i = 0; i < pollio->n_watches; i++) {
        if (pollio->watches[i] == watch)
            return watch->fd == fd;
    }
    return false;
}

static int until_deadline(struct gn_test_pollio *pollio, int ms)
{
    uint64_t deadline = gn_test_turns_deadline(&pollio->turns);
    uint64_t time = now(&pollio->turns.io);

    if (deadline <= time)
        return 0;
    if ((deadline - time) / 1000000 < (uint64_t)ms)
        return (int)((deadline - time) / 1000000) + 1;
    return ms;
}

void gn_test_pollio_turn(struct gn_test_pollio *pollio, int ms)
{
    struct pollfd fds[GN_TEST_POLLIO_WATCHES];
    struct gn__io_watch *watches[GN_TEST_POLLIO_WATCHES];
    unsigned i, n = pollio->n_watches;

    for (i = 0; i < n; i++) {
        watches[i] = pollio->watches[i];
        fds[i] = (struct pollfd){watches[i]->fd, watches[i]->events, 0};
    }
    if (poll(fds, n, until_deadline(pollio, ms)) > 0) {
        for (i = 0; i < n; i++) {
            if (fds[i].revents && is_watched(pollio, watches[i], fds[i].fd))
                watches[i]->ready(watches[i], fds[i].revents);
        }
    }
    (void)gn_test_turns_run(&pollio->turns, 64);
}

bool gn_test_pollio_until(struct gn_test_pollio *pollio, const bool *done,
                          int ms)
{
    uint64_t end = now(&pollio->turns.io) + (uint64_t)ms * 1000000;

    while (!*done && now(&pollio->turns.io) < end)
        gn_test_pollio_turn(pollio, 10);
    return *done;
}
