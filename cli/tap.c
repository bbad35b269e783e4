/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/netlink.h"
#include "cli/say.h"

#define TUN_DEVICE "/dev/net/tun"

static const char *tun_hint(int err)
{
    switch (err) {
    case EACCES:
    case EPERM:
        return "; users must be let read and write it: chmod 0666 " TUN_DEVICE;
    case ENOENT:
    case ENODEV:
    case ENXIO:
        return "; the kernel's module tun is needed: modprobe tun";
    default:
        return "";
    }
}

static const char *tap_hint(int err)
{
    switch (err) {
    case EBUSY:
    case EINVAL:
        return "; the namespace has one already";
    case EPERM:
        return "; it takes CAP_NET_ADMIN in the network namespace: root has "
               "it, and you do in a user namespace of yours if "
               "kernel.apparmor_restrict_unprivileged_userns is 0";
    default:
        return "";
    }
}

int tap_open(const char *name, int flags, char *why, size_t why_len)
{
    struct ifreq request = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | flags)};
    int fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return why_set(why, why_len, "%s: %s%s", TUN_DEVICE, strerror(errno),
                       tun_hint(errno));
    (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    if (ioctl(fd, TUNSETIFF, &request) == 0)
        return fd;
    (void)why_set(why, why_len, "%s: %s%s", name, strerror(errno),
                  tap_hint(errno));
    close(fd);
    return -1;
}
