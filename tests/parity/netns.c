/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/parity/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int loopback_raise(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int err;

    if (fd < 0)
        return -errno;
    request.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
    err = ioctl(fd, SIOCSIFFLAGS, &request) ? -errno : 0;
    close(fd);
    return err;
}

int netns_own(void)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) && unshare(CLONE_NEWNET))
        return -errno;
    return loopback_raise();
}

int netns_fresh(void)
{
    return unshare(CLONE_NEWNET) ? -errno : loopback_raise();
}

int netns_open(void)
{
    return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

int netns_enter(int fd)
{
    return setns(fd, CLONE_NEWNET) ? -errno : 0;
}

int netns_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int err;

    if (fd < 0)
        return -errno;
    err = write(fd, text, strlen(text)) < 0 ? -errno : 0;
    close(fd);
    return err;
}
