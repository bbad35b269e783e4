/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/desk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "sim/sim.h"

static struct gn_test_desk *desk_of(struct gn__io *io)
{
    return gn__container_of(io, struct gn_test_desk, io);
}

static uint64_t now(struct gn__io *io)
{
    return gn_clock_now_ns(desk_of(io)->clock);
}

static void rearm(struct gn__io *io)
{
    (void)io;
}

/* As the clock's own networks do: accounts are those of its engine. */
static void queue(struct gn__io *io, struct gn__deferred *task)
{
    gn__engine_defer(gn__clock_engine(desk_of(io)->clock), task);
}

static void cancel(struct gn__io *io, struct gn__deferred *task)
{
    gn__engine_forget(gn__clock_engine(desk_of(io)->clock), task);
}

static int watch(struct gn__io *io, struct gn__io_watch *watch, int fd,
                 short events)
{
    struct epoll_event event = {.data.ptr = watch};

    if (desk_of(io)->refuse)
        return desk_of(io)->refuse;
    if (events & POLLIN)
        event.events |= EPOLLIN | EPOLLRDHUP;
    if (events & POLLPRI)
        event.events |= EPOLLPRI;
    if (events & POLLOUT)
        event.events |= EPOLLOUT;
    if (events & GN__IO_EDGE)
        event.events |= EPOLLET;
    assert_int_equal(epoll_ctl(desk_of(io)->epoll, EPOLL_CTL_ADD, fd, &event),
                     0);
    watch->fd = fd;
    watch->events = events;
    watch->slot = 1;
    return 0;
}

static void unwatch(struct gn__io *io, struct gn__io_watch *watch)
{
    (void)epoll_ctl(desk_of(io)->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->slot = 0;
}

static void hold(struct gn__io *io, int n)
{
    desk_of(io)->n_held += n;
}

static void finish(struct gn__io *io)
{
    (void)io;
}

static void stay_on_this_processor(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)sched_getcpu(), &set);
    assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

static int open_marker(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, len), 0);
    return fd;
}

void gn_test_desk_init(struct gn_test_desk *desk, struct gn_clock *clock,
                       const struct gn_allocator *alloc)
{
    static const struct gn__io_ops ops = {
        .now = now,
        .rearm = rearm,
        .queue = queue,
        .cancel = cancel,
        .watch = watch,
        .unwatch = unwatch,
        .hold = hold,
        .done = finish,
    };

    desk->clock = clock;
    desk->n_held = 0;
    desk->refuse = 0;
    desk->epoll = epoll_create1(EPOLL_CLOEXEC);
    assert_true(desk->epoll >= 0);
    stay_on_this_processor();
    desk->marker = open_marker();
    gn__mem_init(&desk->mem, alloc);
    gn__io_init(&desk->io, &ops, &desk->mem);
}

void gn_test_desk_done(struct gn_test_desk *desk)
{
    assert_int_equal(desk->n_held, 0);
    close(desk->epoll);
    close(desk->marker);
}

/* The loopback of a processor is a queue, and threads of a test that is on one
 * processor have one: what stands in it before the marker has come with it. */
void gn_test_desk_await_loopback(struct gn_test_desk *desk)
{
    char byte = 0;

    assert_int_equal(send(desk->marker, &byte, 1, 0), 1);
    assert_int_equal(recv(desk->marker, &byte, 1, 0), 1);
}

/* One event at a time: what it does may end what the next one is about. */
void gn_test_desk_turn(struct gn_test_desk *desk)
{
    struct epoll_event event;

    gn_test_desk_await_loopback(desk);
    if (epoll_wait(desk->epoll, &event, 1, 0) == 1) {
        struct gn__io_watch *watch = event.data.ptr;

        watch->ready(watch, (short)event.events);
    }
    gn__io_run(&desk->io, 16);
    gn_clock_advance(desk->clock, 10000);
}
