/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * poll(2) where the kernel has a part in it: the thread sleeps in the kernel's
 * poll(), over the descriptors, those of system sockets too, and one eventfd;
 * a guest's socket that becomes ready fills that. Sockets of several engines
 * are waited for in the same way, each under the lock of its own.
 *
 * The eventfd is filled under the engine's lock. It is never full and does not
 * block; doing it after unlocking would need a second life time to be managed
 * for a path that pays for a system call anyway.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "host/kernel/sockfd.h"
#include "namespace/namespace.h"

struct mix {
    struct gn_pollfd *fds;
    size_t n;
    struct gn__wait *waits;
    struct gn__system_use *uses; /* of gn_namespace_system(); held NULL: not */
    struct pollfd *kernel; /* [0] is the eventfd, then one for each of fds */
    int eventfd;
    bool driving; /* of one of the engines: must not sleep */
};

static void poll_fire(struct gn__wait *wait)
{
    const struct mix *mix = wait->arg;
    uint64_t one = 1;
    ssize_t n = write(mix->eventfd, &one, sizeof(one));

    (void)n; /* When it is full, it is readable. */
}

/* The engine of fds[i] is entered, and left when the next one's differs. */
static struct gn__engine *move_to(struct gn__engine *from,
                                  struct gn__engine *to)
{
    if (from == to)
        return to;
    if (from)
        gn__engine_leave(from);
    if (to)
        gn__engine_enter(to);
    return to;
}

/* Look at all sockets; with @hook, wait for those that are not ready. */
static int poll_scan(struct mix *mix, bool hook)
{
    struct gn__engine *in = NULL;
    int count = 0;
    size_t i;

    for (i = 0; i < mix->n; i++) {
        struct gn_sock *sock = mix->fds[i].sock;
        short asked = mix->fds[i].events | POLLERR | POLLHUP | POLLNVAL;

        if (!sock || mix->uses[i].held)
            continue;
        in = move_to(in, sock->engine);
        mix->driving |= gn__engine_is_driving(sock->engine);
        mix->fds[i].revents = gn__sock_ready(sock) & asked;
        count += mix->fds[i].revents != 0;
        gn__list_del(&mix->waits[i].link);
        if (hook)
            gn__list_add_tail(&sock->waits, &mix->waits[i].link);
    }
    (void)move_to(in, NULL);
    return count;
}

static void poll_unhook(struct mix *mix)
{
    struct gn__engine *in = NULL;
    size_t i;

    for (i = 0; i < mix->n; i++) {
        if (!mix->fds[i].sock || mix->uses[i].held)
            continue;
        in = move_to(in, mix->fds[i].sock->engine);
        gn__list_del(&mix->waits[i].link);
    }
    (void)move_to(in, NULL);
}

/* Ask the kernel; how many descriptors are ready. */
static int ask_kernel(struct mix *mix, int timeout_ms)
{
    uint64_t value;
    int count = 0;
    size_t i;

    if (poll(mix->kernel, mix->n + 1, timeout_ms) < 0)
        return errno == EINTR ? 0 : -errno;
    if (mix->kernel[0].revents && read(mix->eventfd, &value, sizeof(value)) < 0)
        return -errno;
    for (i = 0; i < mix->n; i++) {
        if (mix->fds[i].sock && !mix->uses[i].held)
            continue;
        mix->fds[i].revents = mix->kernel[i + 1].revents;
        count += mix->fds[i].revents != 0;
    }
    return count;
}

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int poll_run(struct mix *mix, int timeout_ms)
{
    int64_t end = now_ms() + (timeout_ms > 0 ? timeout_ms : 0);
    int left = timeout_ms;
    int sockets, kernel;

    for (;;) {
        sockets = poll_scan(mix, timeout_ms != 0);
        if (sockets == 0 && left != 0 && mix->driving)
            return -EDEADLK;
        kernel = ask_kernel(mix, sockets > 0 ? 0 : left);
        if (kernel < 0)
            return kernel;
        if (sockets == 0)
            sockets = poll_scan(mix, timeout_ms != 0);
        if (sockets + kernel > 0 || left == 0)
            return sockets + kernel;
        if (timeout_ms > 0) {
            int64_t more = end - now_ms();

            left = more > 0 ? (int)more : 0;
        }
    }
}

/* The descriptor of fds[i], below 0 if the kernel has no part in it. One that
 * has ended is for poll_scan() to find. */
static int kernel_fd(struct mix *mix, size_t i)
{
    struct gn_sock *sock = mix->fds[i].sock;

    if (!sock)
        return mix->fds[i].fd;
    if (!gn__sock_is_system(sock) || gn__system_begin(sock, &mix->uses[i]))
        return -1;
    return mix->uses[i].fd;
}

static void poll_fill(struct mix *mix)
{
    size_t i;

    mix->kernel[0] = (struct pollfd){mix->eventfd, POLLIN, 0};
    for (i = 0; i < mix->n; i++) {
        struct gn_pollfd *fd = &mix->fds[i];

        fd->revents = 0;
        gn__list_init(&mix->waits[i].link);
        mix->waits[i].events = fd->events;
        mix->waits[i].fire = poll_fire;
        mix->waits[i].arg = mix;
        mix->kernel[i + 1] = (struct pollfd){kernel_fd(mix, i), fd->events, 0};
    }
}

/* A system socket that was closed or killed meanwhile says so. */
static void let_go(struct mix *mix)
{
    size_t i;

    for (i = 0; i < mix->n; i++) {
        if (!mix->uses[i].held)
            continue;
        switch (gn__system_finish(&mix->uses[i], 0)) {
        case 0:
            break;
        case -EBADF:
            mix->fds[i].revents = POLLNVAL;
            break;
        default:
            mix->fds[i].revents = POLLERR | POLLHUP;
            break;
        }
    }
}

int gn__poll_mixed(struct gn_pollfd *fds, size_t n, int timeout_ms)
{
    struct mix mix = {.fds = fds, .n = n};
    int result = -ENOMEM;

    mix.eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (mix.eventfd < 0)
        return -errno;
    mix.waits = calloc(n + 1, sizeof(*mix.waits));
    mix.kernel = calloc(n + 1, sizeof(*mix.kernel));
    mix.uses = calloc(n + 1, sizeof(*mix.uses));
    if (mix.waits && mix.kernel && mix.uses) {
        poll_fill(&mix);
        result = poll_run(&mix, timeout_ms);
        poll_unhook(&mix);
        let_go(&mix);
    }
    free(mix.uses);
    free(mix.kernel);
    free(mix.waits);
    close(mix.eventfd);
    return result;
}
