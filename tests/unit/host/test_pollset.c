/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/driver/pollset.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/heap.h"

#define N 200

struct fixture {
    struct gn_test_heap heap;
    struct gn__mem mem;
    struct gn__pollset set;
    struct gn__sched sched;
    struct one {
        struct gn__io_watch watch; /* first */
        struct fixture *f;
        int n;
        short revents;
        void (*also)(struct one *one);
    } ones[N];
};

static void ready(struct gn__io_watch *watch, short revents)
{
    struct one *one = gn__container_of(watch, struct one, watch);

    one->n++;
    one->revents = revents;
    if (one->also)
        one->also(one);
}

static struct fixture *of_set(struct gn__pollset *set)
{
    return gn__container_of(set, struct fixture, set);
}

static void queue(struct gn__pollset *set, struct gn__deferred *task)
{
    gn__sched_queue(&of_set(set)->sched, task);
}

static void cancel(struct gn__pollset *set, struct gn__deferred *task)
{
    gn__sched_cancel(&of_set(set)->sched, task);
}

static const struct gn__pollset_ops ops = {.queue = queue, .cancel = cancel};

/* Find what is ready, and tell @max of it. */
static void turn(struct fixture *f, unsigned max)
{
    struct gn__deferred *task;

    gn__pollset_run(&f->set);
    while (max-- && (task = gn__sched_pick(&f->sched)))
        task->run(task);
}

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    unsigned i;

    gn_test_heap_init(&f->heap);
    gn__mem_init(&f->mem, &f->heap.alloc);
    gn__sched_init(&f->sched);
    assert_int_equal(gn__pollset_init(&f->set, &ops, &f->mem), 0);
    for (i = 0; i < N; i++) {
        f->ones[i].f = f;
        f->ones[i].watch.ready = ready;
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn__pollset_done(&f->set);
    gn__sched_done(&f->sched);
    gn_test_heap_done(&f->heap);
    test_free(f);
    return 0;
}

static int watch(struct one *one, int fd, short events)
{
    return gn__pollset_watch(&one->f->set, &one->watch, fd, events);
}

static void unwatch(struct one *one)
{
    gn__pollset_unwatch(&one->f->set, &one->watch);
}

/* An eventfd that is readable, or not yet. */
static int event(bool filled)
{
    int fd = eventfd(filled, EFD_NONBLOCK | EFD_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static void fill(int fd)
{
    uint64_t one = 1;

    assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

static void a_watch_is_told_of_what_it_asks_for(void **state)
{
    struct fixture *f = *state;
    int fd = event(true);

    assert_int_equal(watch(&f->ones[0], fd, POLLIN), 0);
    turn(f, UINT_MAX);
    assert_int_equal(f->ones[0].revents, POLLIN);
    assert_int_equal(watch(&f->ones[0], fd, POLLOUT), 0);
    turn(f, UINT_MAX);
    assert_int_equal(f->ones[0].revents, POLLOUT);
    assert_int_equal(watch(&f->ones[0], fd, POLLIN | POLLOUT), 0);
    turn(f, UINT_MAX);
    assert_int_equal(f->ones[0].revents, POLLIN | POLLOUT);
    unwatch(&f->ones[0]);
    turn(f, UINT_MAX);
    assert_int_equal(f->ones[0].n, 3);
    close(fd);
}

static void a_level_is_told_again_and_an_edge_is_not(void **state)
{
    struct fixture *f = *state;
    int level = event(true), edge = event(true);
    unsigned i;

    assert_int_equal(watch(&f->ones[0], level, POLLIN), 0);
    assert_int_equal(watch(&f->ones[1], edge, POLLIN | GN__IO_EDGE), 0);
    for (i = 0; i < 3; i++)
        turn(f, UINT_MAX);
    assert_int_equal(f->ones[0].n, 3);
    assert_int_equal(f->ones[1].n, 1);
    fill(edge); /* Without its having been emptied. */
    turn(f, UINT_MAX);
    assert_int_equal(f->ones[1].n, 2);
    assert_int_equal(watch(&f->ones[1], edge, POLLIN | GN__IO_EDGE), 0);
    turn(f, UINT_MAX);
    assert_int_equal(f->ones[1].n, 3); /* Asking again shows what is there. */
    unwatch(&f->ones[0]);
    unwatch(&f->ones[1]);
    close(level);
    close(edge);
}

static void a_watch_for_nothing_is_not_told_of_a_hang_up(void **state)
{
    struct fixture *f = *state;
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(watch(&f->ones[0], fds[0], 0), 0);
    close(fds[1]);
    turn(f, UINT_MAX);
    assert_int_equal(f->ones[0].n, 0);
    assert_int_equal(watch(&f->ones[0], fds[0], POLLIN), 0);
    turn(f, UINT_MAX);
    assert_int_equal(f->ones[0].revents, POLLHUP);
    assert_int_equal(watch(&f->ones[0], fds[0], 0), 0);
    turn(f, UINT_MAX);
    assert_int_equal(f->ones[0].n, 1);
    unwatch(&f->ones[0]);
    close(fds[0]);
}

/* ---- in one batch ---- */

static void unwatch_all(struct one *one)
{
    struct fixture *f = one->f;
    unsigned i;

    for (i = 0; i < 3; i++)
        unwatch(&f->ones[i]);
}

static void what_is_unwatched_in_a_callback_is_not_called(void **state)
{
    struct fixture *f = *state;
    int i, fds[3];

    for (i = 0; i < 3; i++) {
        fds[i] = event(true);
        f->ones[i].also = unwatch_all;
        assert_int_equal(watch(&f->ones[i], fds[i], POLLIN), 0);
    }
    turn(f, UINT_MAX);
    assert_int_equal(f->ones[0].n + f->ones[1].n + f->ones[2].n, 1);
    for (i = 0; i < 3; i++)
        close(fds[i]);
}

/* The slot of the one that ends is taken by another in the same callback. */
static void replace(struct one *one)
{
    struct fixture *f = one->f;
    struct one *other = one == &f->ones[0] ? &f->ones[1] : &f->ones[0];
    int fd = other->watch.fd;
    uint32_t slot = other->watch.slot;

    unwatch(other);
    assert_int_equal(watch(&f->ones[2], fd, POLLOUT), 0);
    assert_int_equal(f->ones[2].watch.slot, slot);
}

static void a_reused_slot_hears_nothing_of_its_predecessor(void **state)
{
    struct fixture *f = *state;
    int i, fds[2];

    for (i = 0; i < 2; i++) {
        fds[i] = event(true);
        f->ones[i].also = replace;
        assert_int_equal(watch(&f->ones[i], fds[i], POLLIN), 0);
    }
    turn(f, UINT_MAX);
    assert_int_equal(f->ones[0].n + f->ones[1].n, 1);
    assert_int_equal(f->ones[2].n, 0);
    f->ones[0].also = f->ones[1].also = NULL;
    turn(f, UINT_MAX);
    assert_int_equal(f->ones[2].revents, POLLOUT);
    for (i = 0; i < 3; i++) {
        if (f->ones[i].watch.slot)
            unwatch(&f->ones[i]);
    }
    close(fds[0]);
    close(fds[1]);
}

static void quiet_the_other(struct one *one)
{
    struct fixture *f = one->f;
    struct one *other = one == &f->ones[0] ? &f->ones[1] : &f->ones[0];

    assert_int_equal(watch(other, other->watch.fd, 0), 0);
    one->also = NULL;
}

static void what_is_no_longer_asked_for_is_not_told(void **state)
{
    struct fixture *f = *state;
    int i, fds[2];

    for (i = 0; i < 2; i++) {
        fds[i] = event(true);
        f->ones[i].also = quiet_the_other;
        assert_int_equal(watch(&f->ones[i], fds[i], POLLIN), 0);
    }
    turn(f, UINT_MAX);
    assert_int_equal(f->ones[0].n + f->ones[1].n, 1);
    for (i = 0; i < 2; i++) {
        unwatch(&f->ones[i]);
        close(fds[i]);
    }
}

static void more_than_are_fetched_at_once_all_come(void **state)
{
    struct fixture *f = *state;
    unsigned i;
    int n;

    for (i = 0; i < N; i++)
        assert_int_equal(watch(&f->ones[i], event(true), POLLIN), 0);
    for (i = 0; i < 4; i++)
        turn(f, UINT_MAX);
    for (n = 0, i = 0; i < N; i++) {
        n += f->ones[i].n > 0;
        close(f->ones[i].watch.fd);
        unwatch(&f->ones[i]); /* The wrong order is survived. */
    }
    assert_int_equal(n, N);
}

/* ---- those that wait for their turn ---- */

static void a_watch_that_waits_for_its_turn_is_told_once(void **state)
{
    struct fixture *f = *state;
    int fd = event(true);
    unsigned i;

    assert_int_equal(watch(&f->ones[0], fd, POLLIN), 0);
    for (i = 0; i < 4; i++)
        turn(f, 0);
    assert_true(f->ones[0].watch.muted);
    turn(f, UINT_MAX);
    assert_int_equal(f->ones[0].n, 1);
    turn(f, UINT_MAX); /* It is still ready, and asks again. */
    assert_int_equal(f->ones[0].n, 2);
    assert_false(f->ones[0].watch.muted);
    unwatch(&f->ones[0]);
    close(fd);
}

static void a_watch_that_waits_may_ask_for_something_else(void **state)
{
    struct fixture *f = *state;
    int fd = event(true);

    assert_int_equal(watch(&f->ones[0], fd, POLLIN), 0);
    turn(f, 0);
    turn(f, 0);
    assert_int_equal(watch(&f->ones[0], fd, POLLOUT), 0);
    turn(f, UINT_MAX);
    assert_int_equal(f->ones[0].n, 1);
    assert_int_equal(f->ones[0].revents, POLLOUT);
    unwatch(&f->ones[0]);
    close(fd);
}

static void a_muted_watch_can_be_unwatched(void **state)
{
    struct fixture *f = *state;
    int fd = event(true);

    assert_int_equal(watch(&f->ones[0], fd, POLLIN), 0);
    turn(f, 0);
    turn(f, 0);
    unwatch(&f->ones[0]);
    turn(f, UINT_MAX);
    assert_int_equal(f->ones[0].n, 0);
    assert_int_equal(watch(&f->ones[0], fd, POLLIN), 0);
    turn(f, UINT_MAX);
    assert_int_equal(f->ones[0].n, 1);
    unwatch(&f->ones[0]);
    close(fd);
}

/* ---- refusals ---- */

static void what_cannot_be_watched_is_refused(void **state)
{
    struct fixture *f = *state;
    FILE *file = tmpfile();
    int fd = event(true);

    assert_non_null(file);
    assert_int_equal(watch(&f->ones[0], fileno(file), POLLIN), -EPERM);
    assert_int_equal(f->ones[0].watch.slot, 0);
    assert_int_equal(watch(&f->ones[0], -1, POLLIN), -EBADF);
    assert_int_equal(watch(&f->ones[0], fd, POLLIN), 0);
    assert_int_equal(watch(&f->ones[1], fd, POLLOUT), -EEXIST);
    assert_int_equal(f->ones[1].watch.slot, 0);
    unwatch(&f->ones[0]);
    close(fd);
    fclose(file);
}

static int many(struct gn_test_heap *heap, void *arg)
{
    struct fixture *f = arg;
    struct gn__mem mem;
    int err = 0;
    unsigned i;

    gn__mem_init(&mem, &heap->alloc);
    gn__pollset_done(&f->set);
    assert_int_equal(gn__pollset_init(&f->set, &ops, &mem), 0);
    for (i = 0; i < 40 && !err; i++)
        err = watch(&f->ones[i], STDERR_FILENO, 0);
    for (i = 0; i < 40; i++) {
        if (f->ones[i].watch.slot)
            unwatch(&f->ones[i]);
    }
    gn__pollset_done(&f->set);
    assert_int_equal(gn__pollset_init(&f->set, &ops, &f->mem), 0);
    return err;
}

static void no_memory_for_a_watch_is_said(void **state)
{
    assert_int_equal(gn_test_heap_sweep(many, *state), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_watch_is_told_of_what_it_asks_for),
        CASE(a_level_is_told_again_and_an_edge_is_not),
        CASE(a_watch_for_nothing_is_not_told_of_a_hang_up),
        CASE(what_is_unwatched_in_a_callback_is_not_called),
        CASE(a_reused_slot_hears_nothing_of_its_predecessor),
        CASE(what_is_no_longer_asked_for_is_not_told),
        CASE(more_than_are_fetched_at_once_all_come),
        CASE(a_watch_that_waits_for_its_turn_is_told_once),
        CASE(a_watch_that_waits_may_ask_for_something_else),
        CASE(a_muted_watch_can_be_unwatched),
        CASE(what_cannot_be_watched_is_refused),
        CASE(no_memory_for_a_watch_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
