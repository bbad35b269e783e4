/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * guestnet attach: an existing namespace gets eth0 on a network. A short-lived
 * child goes into it and makes the device.
 */
#include "cli/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/device.h"
#include "cli/front.h"
#include "cli/join.h"
#include "cli/life.h"
#include "cli/say.h"

#define MTU 65520u

/* ---- inside ---- */

/* The user namespace that owns it first: in there is the capability to enter
 * the other one. It may be ours already. */
static int namespace_enter(int netns)
{
    int users = ioctl(netns, NS_GET_USERNS);

    if (users >= 0) {
        (void)setns(users, CLONE_NEWUSER);
        close(users);
    }
    return setns(netns, CLONE_NEWNET) ? -errno : 0;
}

static _Noreturn void inside_main(int sock, int netns, uint32_t mtu,
                                  const char *where)
{
    char domain[256], gateways[2][64];
    int err = namespace_enter(netns);

    if (err)
        (void)device_fail(sock, STATUS_OURS, "%s: %s%s", where, strerror(-err),
                          err == -EPERM ? "; it must be a namespace of yours, "
                                          "or guestnet be run by root"
                                        : "");
    else
        err = device_offer(sock, mtu, domain, sizeof(domain), gateways);
    _exit(err ? STATUS_OURS : 0);
}

/* ---- outside ---- */

static bool is_our_own(int netns)
{
    struct stat it, ours;

    return fstat(netns, &it) == 0 && stat("/proc/self/ns/net", &ours) == 0 &&
           it.st_dev == ours.st_dev && it.st_ino == ours.st_ino;
}

/* What the network sends outside would come back to it by eth0. */
static int namespace_check(int netns, const char *where)
{
    if (ioctl(netns, NS_GET_NSTYPE) != CLONE_NEWNET)
        say("%s: it is no network namespace", where);
    else if (is_our_own(netns))
        say("%s: it is the namespace that guestnet itself is in, by which the "
            "network reaches the outside",
            where);
    else
        return 0;
    return -1;
}

static int namespace_open(const struct options *options, char *where,
                          size_t cap)
{
    int fd;

    if (options->netns)
        (void)snprintf(where, cap, "%s", options->netns);
    else
        (void)snprintf(where, cap, "/proc/%d/ns/net", (int)options->pid);
    fd = open(where, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        say("%s: %s; %s", where, strerror(errno),
            options->netns ? "--netns takes a network namespace's file"
                           : "--pid takes a process that runs");
    } else if (namespace_check(fd, where)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Until a signal ends it, the device is gone, or the namespace is. */
static void attach_wait(struct guest *guest, struct life *life, int signals)
{
    struct pollfd fds[3] = {{.fd = signals, .events = POLLIN},
                            {.fd = guest->place.fd, .events = POLLIN},
                            {.fd = -1}};

    for (;;) {
        fds[2].fd = life->fd;
        fds[2].events = life->events;
        if (poll(fds, 3, -1) < 0)
            continue;
        if (fds[1].revents && !guest_hear(guest))
            return;
        if (fds[2].revents && !life_look(life))
            return;
        if (fds[0].revents && front_ends(signals))
            return;
    }
}

/* The child: returns its socket, or -1. */
static int inside_start(int netns, uint32_t mtu, const char *where, pid_t *out)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        say("a socket pair: %s", strerror(errno));
        return -1;
    }
    *out = fork();
    if (*out == 0) {
        close(pair[0]);
        inside_main(pair[1], netns, mtu, where);
    }
    close(pair[1]);
    if (*out > 0)
        return pair[0];
    say("fork: %s", strerror(errno));
    close(pair[0]);
    return -1;
}

static int guest_attach(const struct options *options, int netns,
                        const char *where)
{
    char why[500] = "";
    struct guest guest;
    struct front_before before;
    struct life life;
    int signals = front_signals(&before), device, err;
    pid_t pid;

    guest_init(&guest, options, "attach", MTU);
    device = inside_start(netns, guest.mtu, where, &pid);
    if (device < 0)
        return STATUS_OURS;
    err = guest_join_device(&guest, device, why, sizeof(why));
    close(device);
    (void)waitpid(pid, NULL, 0);
    if (err) {
        say("%s", why);
    } else if (life_begin(&life, netns, where)) {
        close(netns); /* It would keep it. */
        attach_wait(&guest, &life, signals);
        life_end(&life);
    }
    guest_leave(&guest);
    return err;
}

int verb_attach(const struct options *options)
{
    char where[512];
    int netns;

    if (!options->netns == !options->pid) {
        say("attach: one of --netns PATH and --pid PID is needed");
        return STATUS_OURS;
    }
    netns = namespace_open(options, where, sizeof(where));
    return netns < 0 ? STATUS_OURS : guest_attach(options, netns, where);
}
