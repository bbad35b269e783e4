/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The kernel is given a slot and the number of its use, not a pointer. An event
 * of a descriptor that was closed before its watch ended, which comes if
 * another one still stands for the same file, then names a use that is over.
 *
 * A watch that is ready waits for the turn of its account, and epoll would tell
 * of it again and again meanwhile. When it does so for the first time the watch
 * is muted: it asks for nothing, by edges, so that not even a hang-up is
 * repeated, and asks anew when it is told. Where the thread keeps up that never
 * happens.
 *
 * epoll tells of POLLHUP and POLLERR whether asked or not, so a watch that asks
 * for nothing is not in the set, and only keeps its slot.
 */
#include "host/driver/pollset.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/counter.h"

/** Fetches of one run; the rest comes with the loop's next turn. */
#define N_FETCHES   16u
#define SLOTS_FIRST 16u

static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLERR == EPOLLERR &&
                  POLLHUP == EPOLLHUP && POLLRDHUP == EPOLLRDHUP &&
                  POLLPRI == EPOLLPRI,
              "what poll(2) and epoll call events are the same bits");

struct gn__pollset_slot {
    struct gn__io_watch *watch; /* NULL: free */
    uint32_t use;
    uint32_t next_free;
};

int gn__pollset_init(struct gn__pollset *set, const struct gn__pollset_ops *ops,
                     const struct gn__mem *mem)
{
    memset(set, 0, sizeof(*set));
    set->ops = ops;
    set->n_runs = GN__COUNT_FROM(uint32_t);
    set->mem = *mem;
    set->fd = epoll_create1(EPOLL_CLOEXEC);
    return set->fd < 0 ? -errno : 0;
}

void gn__pollset_done(struct gn__pollset *set)
{
    gn__free(&set->mem, set->slots, set->n_slots * sizeof(*set->slots));
    close(set->fd);
}

/* ---- slots ---- */

static int pollset_grow(struct gn__pollset *set)
{
    uint32_t i, n = set->n_slots ? set->n_slots * 2 : SLOTS_FIRST;
    struct gn__pollset_slot *slots =
        gn__zalloc_array(&set->mem, n, sizeof(*slots));

    if (!slots)
        return -ENOMEM;
    if (set->slots)
        memcpy(slots, set->slots, set->n_slots * sizeof(*slots));
    gn__free(&set->mem, set->slots, set->n_slots * sizeof(*slots));
    for (i = n; i > set->n_slots; i--) {
        slots[i - 1].use = GN__COUNT_FROM(uint32_t);
        slots[i - 1].next_free = set->free;
        set->free = i;
    }
    set->slots = slots;
    set->n_slots = n;
    return 0;
}

static int take_slot(struct gn__pollset *set, struct gn__io_watch *watch)
{
    struct gn__pollset_slot *slot;

    if (!set->free && pollset_grow(set))
        return -ENOMEM;
    watch->slot = set->free;
    slot = &set->slots[watch->slot - 1];
    set->free = slot->next_free;
    slot->watch = watch;
    return 0;
}

static void give_slot(struct gn__pollset *set, struct gn__io_watch *watch)
{
    struct gn__pollset_slot *slot = &set->slots[watch->slot - 1];

    slot->watch = NULL;
    slot->use++;
    slot->next_free = set->free;
    set->free = watch->slot;
    watch->slot = 0;
}

/* ---- watches ---- */

static int pollset_control(struct gn__pollset *set,
                           const struct gn__io_watch *watch, int op, int fd,
                           short events)
{
    uint32_t use = set->slots[watch->slot - 1].use;
    struct epoll_event event = {
        .events = (uint32_t)(events & ~GN__IO_EDGE),
        .data.u64 = (uint64_t)use << 32 | (watch->slot - 1),
    };

    if (events & GN__IO_EDGE)
        event.events |= EPOLLET;
    return epoll_ctl(set->fd, op, fd, &event) ? -errno : 0;
}

/* Bring the kernel's set from what is asked for now to @events. */
static int pollset_change(struct gn__pollset *set,
                          const struct gn__io_watch *watch, int fd,
                          short events)
{
    bool was = watch->events & ~GN__IO_EDGE;
    bool is = events & ~GN__IO_EDGE;

    if (!is)
        return was ? pollset_control(set, watch, EPOLL_CTL_DEL, fd, 0) : 0;
    return pollset_control(set, watch, was ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd,
                           events);
}

/* Its account has its turn. It may be gone when it has been told. */
static void watch_run(struct gn__deferred *task)
{
    struct gn__io_watch *watch =
        gn__container_of(task, struct gn__io_watch, task);
    struct gn__pollset *set = watch->set;
    /* It may have asked for less since. */
    short revents = watch->revents & (watch->events | POLLERR | POLLHUP);

    watch->revents = 0;
    if (watch->muted)
        (void)pollset_control(set, watch, EPOLL_CTL_MOD, watch->fd,
                              watch->events);
    watch->muted = false;
    if (revents && watch->events & ~GN__IO_EDGE)
        watch->ready(watch, revents);
}

static void forget_found(struct gn__pollset *set, struct gn__io_watch *watch)
{
    if (watch->revents)
        set->ops->cancel(set, &watch->task);
    watch->revents = 0;
    watch->muted = false;
}

static int watch_new(struct gn__pollset *set, struct gn__io_watch *watch)
{
    int err = take_slot(set, watch);

    if (err)
        return err;
    watch->set = set;
    watch->events = 0;
    watch->revents = 0;
    watch->muted = false;
    watch->task.run = watch_run;
    return 0;
}

int gn__pollset_watch(struct gn__pollset *set, struct gn__io_watch *watch,
                      int fd, short events)
{
    bool is_new = !watch->slot;
    int err = is_new ? watch_new(set, watch) : 0;

    if (err)
        return err;
    err = pollset_change(set, watch, fd, events);
    if (err) {
        if (is_new)
            give_slot(set, watch);
        return err;
    }
    watch->fd = fd;
    watch->events = events;
    watch->muted = false; /* The kernel has been asked anew. */
    return 0;
}

void gn__pollset_unwatch(struct gn__pollset *set, struct gn__io_watch *watch)
{
    /* It fails when the descriptor has been closed, and need not do more. */
    (void)pollset_change(set, watch, watch->fd, 0);
    watch->events = 0;
    forget_found(set, watch);
    give_slot(set, watch);
}

static void pollset_mute(struct gn__pollset *set, struct gn__io_watch *watch)
{
    if (watch->muted || watch->events & GN__IO_EDGE)
        return;
    watch->muted =
        !pollset_control(set, watch, EPOLL_CTL_MOD, watch->fd, GN__IO_EDGE);
}

/* False: it was found by this run already, and so has been everything. */
static bool pollset_found(struct gn__pollset *set,
                          const struct epoll_event *event)
{
    uint32_t index = (uint32_t)event->data.u64;
    const struct gn__pollset_slot *slot = &set->slots[index];
    struct gn__io_watch *watch = slot->watch;
    bool queued;

    if (!watch || slot->use != event->data.u64 >> 32)
        return true;
    queued = watch->revents;
    watch->revents |= (short)event->events;
    if (!queued) {
        watch->found_in = set->n_runs;
        watch->task.account = watch->account; /* As it is now. */
        set->ops->queue(set, &watch->task);
    } else if (watch->found_in == set->n_runs) {
        return false;
    } else {
        pollset_mute(set, watch);
    }
    return true;
}

void gn__pollset_wait(struct gn__pollset *set, int timeout_ms,
                      struct gn__pollset_events *out)
{
    do
        out->n =
            epoll_wait(set->fd, out->event, GN__POLLSET_EVENTS, timeout_ms);
    while (out->n < 0 && errno == EINTR);
}

static bool found_all(struct gn__pollset *set,
                      const struct gn__pollset_events *events)
{
    bool more = true;
    int i;

    for (i = 0; i < events->n; i++)
        more = pollset_found(set, &events->event[i]) && more;
    return more;
}

void gn__pollset_tell(struct gn__pollset *set,
                      struct gn__pollset_events *events)
{
    unsigned fetches = N_FETCHES;

    set->n_runs++;
    while (found_all(set, events) && events->n == GN__POLLSET_EVENTS &&
           --fetches)
        gn__pollset_wait(set, 0, events);
}

void gn__pollset_run(struct gn__pollset *set)
{
    struct gn__pollset_events events;

    gn__pollset_wait(set, 0, &events);
    gn__pollset_tell(set, &events);
}
