/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The kernel is given a slot and the number of its use, not a pointer: an event
 * that was fetched together with the one whose callback ended its watch names
 * a use that is over, and is dropped.
 *
 * epoll tells of POLLHUP and POLLERR whether asked or not, so a watch that asks
 * for nothing is not in the set, and only keeps its slot.
 */
#include "host/pollset.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/counter.h"

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

int gn__pollset_init(struct gn__pollset *set, const struct gn__mem *mem)
{
    memset(set, 0, sizeof(*set));
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

static int grow(struct gn__pollset *set)
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

    if (!set->free && grow(set))
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

static int control(struct gn__pollset *set, const struct gn__io_watch *watch,
                   int op, int fd, short events)
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
static int change(struct gn__pollset *set, const struct gn__io_watch *watch,
                  int fd, short events)
{
    bool was = watch->events & ~GN__IO_EDGE;
    bool is = events & ~GN__IO_EDGE;

    if (!is)
        return was ? control(set, watch, EPOLL_CTL_DEL, fd, 0) : 0;
    return control(set, watch, was ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, events);
}

int gn__pollset_watch(struct gn__pollset *set, struct gn__io_watch *watch,
                      int fd, short events)
{
    bool is_new = !watch->slot;
    int err;

    if (is_new) {
        err = take_slot(set, watch);
        if (err)
            return err;
        watch->events = 0;
    }
    err = change(set, watch, fd, events);
    if (err) {
        if (is_new)
            give_slot(set, watch);
        return err;
    }
    watch->fd = fd;
    watch->events = events;
    return 0;
}

void gn__pollset_unwatch(struct gn__pollset *set, struct gn__io_watch *watch)
{
    /* It fails when the descriptor has been closed, and need not do more. */
    (void)change(set, watch, watch->fd, 0);
    watch->events = 0;
    give_slot(set, watch);
}

static void tell_one(struct gn__pollset *set, const struct epoll_event *event)
{
    uint32_t index = (uint32_t)event->data.u64;
    const struct gn__pollset_slot *slot = &set->slots[index];
    struct gn__io_watch *watch = slot->watch;
    short revents;

    if (!watch || slot->use != event->data.u64 >> 32)
        return;
    /* It may have asked for less since. */
    revents =
        (short)(event->events & (uint32_t)(watch->events | POLLERR | POLLHUP));
    if (revents && watch->events & ~GN__IO_EDGE)
        watch->ready(watch, revents);
}

void gn__pollset_wait(struct gn__pollset *set, int timeout_ms,
                      struct gn__pollset_events *out)
{
    do
        out->n =
            epoll_wait(set->fd, out->event, GN__POLLSET_EVENTS, timeout_ms);
    while (out->n < 0 && errno == EINTR);
}

void gn__pollset_tell(struct gn__pollset *set,
                      const struct gn__pollset_events *events)
{
    int i;

    for (i = 0; i < events->n; i++)
        tell_one(set, &events->event[i]);
}

void gn__pollset_run(struct gn__pollset *set)
{
    struct gn__pollset_events events;

    gn__pollset_wait(set, 0, &events);
    gn__pollset_tell(set, &events);
}
