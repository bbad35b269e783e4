/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * poll_oneoff of preview 1: sockets, standard streams and clocks at once.
 *
 * What is subscribed to is copied in at the first try, and only then. A
 * descriptor that is none is an event with an error, and not an error of the
 * call; several subscriptions of one descriptor are as many events. Programs
 * take a hang-up in an event's flags for the end of both directions.
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "guests/wasi/preview1.h"

#define SUBSCRIPTION_SIZE 48u
#define EVENT_SIZE        32u
#define EVENT_CLOCK       0u
#define EVENT_READ        1u
#define EVENT_WRITE       2u
#define EVENT_HANGUP      1u
#define CLOCK_REAL        0u
#define CLOCK_ABSOLUTE    1u

struct wanted {
    uint64_t userdata; /* As the guest wrote it. */
    uint64_t at;       /* of a clock: gn_now_ns() */
    uint32_t fd;       /* its number */
    uint8_t type;
    bool ready; /* without looking further */
    int err;    /* a negative errno to be said at once */
};

static uint64_t load64(const uint8_t *from)
{
    uint64_t v;

    memcpy(&v, from, sizeof(v));
    return le64toh(v);
}

static uint64_t oneoff_sum(uint64_t a, uint64_t b)
{
    return b < GN__WASI_NEVER - a ? a + b : GN__WASI_NEVER;
}

static void clock_parse(struct gn__wasi_call *call, const uint8_t *from,
                        struct wanted *out)
{
    struct gn_namespace *ns = call->guest->ns;
    uint64_t now = gn_now_ns(ns), at = load64(from + 24), wall;
    uint32_t clock = from[16];
    bool absolute = from[40] & CLOCK_ABSOLUTE;

    if (clock > 1 || from[17] || from[18] || from[19])
        out->err = -EINVAL;
    else if (!absolute)
        out->at = oneoff_sum(now, at);
    else if (clock == CLOCK_REAL) {
        wall = gn_wall_ns(ns);
        out->at = at > wall ? oneoff_sum(now, at - wall) : 0;
    } else
        out->at = at;
}

static int wanted_parse(struct gn__wasi_call *call, struct wanted *wanted,
                        uint32_t n)
{
    uint8_t from[SUBSCRIPTION_SIZE];
    uint32_t fd;

    for (uint32_t i = 0; i < n; i++) {
        struct wanted *out = &wanted[i];

        if (gn__wasi_get(call->guest, (uint64_t)ARG(0) + i * SUBSCRIPTION_SIZE,
                         from, sizeof(from)))
            return -EFAULT;
        memset(out, 0, sizeof(*out));
        memcpy(&out->userdata, from, sizeof(out->userdata));
        memcpy(&fd, from + 16, sizeof(fd));
        out->fd = le32toh(fd);
        out->type = from[8];
        if (out->type > EVENT_WRITE)
            return -EINVAL;
        if (out->type == EVENT_CLOCK)
            clock_parse(call, from, out);
    }
    return 0;
}

/* What one waits for, as a poll has it. */
static void wanted_look(struct gn__wasi_call *call, struct wanted *wanted,
                        struct gn_pollfd *fd)
{
    const struct gn__wasi_handle *handle =
        gn__wasi_handle_any(call->guest, wanted->fd);
    struct gn__wasi_waits *waits = &call->guest->waits;

    *fd = (struct gn_pollfd){NULL, -1, 0, 0};
    if (wanted->err)
        wanted->ready = true;
    else if (wanted->type == EVENT_CLOCK) {
        wanted->ready = wanted->at <= gn_now_ns(call->guest->ns);
        if (wanted->at < waits->deadline_ns)
            waits->deadline_ns = wanted->at;
    } else if (handle && handle->kind == GN__WASI_SOCKET) {
        fd->sock = handle->of.sock->sock;
        fd->events = wanted->type == EVENT_READ ? POLLIN : POLLOUT;
    } else if (handle && handle->kind == GN__WASI_STDIO) {
        if (wanted->type == EVENT_READ && handle->fd >= 0 &&
            !call->guest->watch)
            *fd = (struct gn_pollfd){NULL, handle->fd, POLLIN, 0};
        else
            wanted->ready = true;
    } else {
        wanted->err = -EBADF;
        wanted->ready = true;
    }
}

static int event_put(struct gn__wasi_call *call, uint32_t at,
                     const struct wanted *wanted, const struct gn_pollfd *fd)
{
    uint8_t event[EVENT_SIZE] = {0};
    uint16_t err =
        htole16((uint16_t)(wanted->err ? gn__wasi_errno(wanted->err) : 0));
    uint64_t n = 0;
    ssize_t there;

    memcpy(event, &wanted->userdata, sizeof(wanted->userdata));
    memcpy(event + 8, &err, sizeof(err));
    event[10] = wanted->type;
    if (fd->sock && wanted->type == EVENT_READ) {
        there = gn_sock_available(fd->sock);
        n = there > 0 ? (uint64_t)there : 0;
    } else if (wanted->type == EVENT_WRITE)
        n = GN__WASI_PIECE_MAX;
    n = htole64(n);
    memcpy(event + 16, &n, sizeof(n));
    if (fd->revents & POLLHUP)
        event[24] = EVENT_HANGUP;
    return gn__wasi_put(call->guest, at, event, sizeof(event));
}

static int events_put(struct gn__wasi_call *call, const struct wanted *wanted,
                      const struct gn_pollfd *fds, uint32_t n)
{
    uint32_t count = 0;
    int err = 0;

    for (uint32_t i = 0; !err && i < n; i++)
        if (wanted[i].ready || fds[i].revents)
            err = event_put(call, ARG(1) + EVENT_SIZE * count++, &wanted[i],
                            &fds[i]);
    return err ? err : gn__wasi_put32(call->guest, ARG(3), count);
}

int gn__wasi_poll_oneoff(struct gn__wasi_call *call)
{
    struct gn_wasi_guest *guest = call->guest;
    uint32_t n = ARG(2);
    struct gn_pollfd *fds;
    struct wanted *wanted;
    bool any = false;
    int err;

    if (n == 0 || n > GN__WASI_POLL_MAX)
        return -EINVAL;
    if (!gn__wasi_at(guest, ARG(1), (uint64_t)n * EVENT_SIZE) ||
        !gn__wasi_at(guest, ARG(3), 4))
        return -EFAULT;
    wanted = gn__wasi_scratch(guest, n * (sizeof(*wanted) + sizeof(*fds)));
    if (!wanted)
        return -ENOMEM;
    fds = (struct gn_pollfd *)(wanted + n);
    err = call->began_ns ? 0 : wanted_parse(call, wanted, n);
    if (err)
        return err;
    guest->waits.fds = fds;
    guest->waits.n = n;
    guest->waits.deadline_ns = GN__WASI_NEVER;
    for (uint32_t i = 0; i < n; i++) {
        wanted_look(call, &wanted[i], &fds[i]);
        any |= wanted[i].ready;
    }
    err = gn_sock_poll(fds, n, 0);
    if (err < 0)
        return err;
    if (err == 0 && !any)
        return gn__wasi_wait(call);
    return events_put(call, wanted, fds, n);
}
