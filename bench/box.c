/* SPDX-License-Identifier: BSD-3-Clause */
#include "box.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/route.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "forward.h"

#define TUN_DEVICE "/dev/net/tun"
/* Frames of one device before the other is looked at. */
#define IN_A_TURN 64

int box_allow(void)
{
    if (access(TUN_DEVICE, R_OK | W_OK)) {
        fprintf(stderr, "%s: %s\n", TUN_DEVICE, strerror(errno));
        return -ENOTSUP;
    }
    if (geteuid() == 0)
        return 0;
    if (!forward_enter_namespace())
        return 0;
    fprintf(stderr, "no user namespace: %s\n", strerror(errno));
    return -ENOTSUP;
}

static int control(unsigned long what, void *request)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

    if (fd < 0)
        return -errno;
    err = ioctl(fd, what, request) ? -errno : 0;
    close(fd);
    return err;
}

static int bring_up(const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_UP};

    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    return control(SIOCSIFFLAGS, &request);
}

int box_enter(void)
{
    if (unshare(CLONE_NEWNET))
        return -errno;
    return bring_up("lo");
}

static struct sockaddr address_of(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr out;

    (void)inet_pton(AF_INET, text, &in.sin_addr);
    memcpy(&out, &in, sizeof(out));
    return out;
}

int box_configure(uint32_t mtu, const char *addr)
{
    struct ifreq request = {.ifr_name = "eth0"};
    struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
    int err;

    request.ifr_mtu = (int)mtu;
    err = control(SIOCSIFMTU, &request);
    request.ifr_addr = address_of(addr);
    if (!err)
        err = control(SIOCSIFADDR, &request);
    request.ifr_netmask = address_of("255.255.255.0");
    if (!err)
        err = control(SIOCSIFNETMASK, &request);
    if (!err)
        err = bring_up("eth0");
    route.rt_dst = route.rt_genmask = address_of("0.0.0.0");
    route.rt_gateway = address_of(BOX_GATEWAY);
    return err ? err : control(SIOCADDRT, &route);
}

/* ---- two devices ---- */

int box_here(void)
{
    return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

int box_veth(int other)
{
    char netns[64];
    const char *argv[] = {"ip",   "link", "add",  "eth0",  "type", "veth",
                          "peer", "name", "eth0", "netns", netns,  NULL};
    int status = 0;
    pid_t pid;

    snprintf(netns, sizeof(netns), "/proc/%d/fd/%d", getpid(), other);
    pid = forward_start(argv);
    if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0)
        return 0;
    fprintf(stderr, "ip link add type veth does not work here\n");
    return -ENOTSUP;
}

int box_tap(void)
{
    struct ifreq request = {.ifr_name = "eth0",
                            .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    unsigned offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
    int fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK), err;

    if (fd < 0)
        return -errno;
    if (!ioctl(fd, TUNSETIFF, &request) && !ioctl(fd, TUNSETOFFLOAD, offloads))
        return fd;
    err = -errno;
    close(fd);
    return err;
}

static void carry(int from, int to)
{
    static char frame[70000];
    int i;

    for (i = 0; i < IN_A_TURN; i++) {
        ssize_t n = read(from, frame, sizeof(frame));

        if (n <= 0 || write(to, frame, (size_t)n) < 0)
            return;
    }
}

static void *join_main(void *arg)
{
    const int *fds = arg;
    struct pollfd polled[2] = {{.fd = fds[0], .events = POLLIN},
                               {.fd = fds[1], .events = POLLIN}};

    while (poll(polled, 2, -1) > 0) {
        if (polled[0].revents)
            carry(fds[0], fds[1]);
        if (polled[1].revents)
            carry(fds[1], fds[0]);
    }
    return NULL;
}

int box_join(const int fds[2])
{
    static int joined[2];
    pthread_t thread;

    joined[0] = fds[0];
    joined[1] = fds[1];
    return -pthread_create(&thread, NULL, join_main, joined);
}
