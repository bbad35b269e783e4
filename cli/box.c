/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/box.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/device.h"
#include "cli/say.h"

#define RESOLV_CONF "/etc/resolv.conf"

/* ---- what the machine forbids ---- */

static long box_setting(const char *path, long otherwise)
{
    FILE *file = fopen(path, "re");
    long value;

    if (!file)
        return otherwise;
    if (fscanf(file, "%ld", &value) != 1)
        value = otherwise;
    (void)fclose(file);
    return value;
}

const char *box_forbidden(int error)
{
    if (box_setting("/proc/sys/kernel/unprivileged_userns_clone", 1) == 0)
        return "; sysctl kernel.unprivileged_userns_clone must be 1";
    if (box_setting("/proc/sys/user/max_user_namespaces", 1) == 0)
        return "; sysctl user.max_user_namespaces must be above 0";
    if (box_setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
                    0))
        return "; sysctl kernel.apparmor_restrict_unprivileged_userns must "
               "be 0";
    if (error == ENOSPC || error == EUSERS)
        return "; sysctl user.max_user_namespaces, or how deep they are, is "
               "exceeded";
    return "; what guestnet runs in (a container's seccomp filter?) must let "
           "it make user namespaces";
}

/* ---- users ---- */

static int map_write(pid_t pid, const char *name, const char *text)
{
    char path[64];
    int fd, err = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (write(fd, text, strlen(text)) < 0)
        err = -errno;
    close(fd);
    return err;
}

/* All that there are here, each as itself. */
static int map_all(pid_t pid, const char *name)
{
    char path[64], text[4096];
    unsigned long inside, outside, count;
    size_t len = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/self/%s", name);
    file = fopen(path, "re");
    if (!file)
        return -errno;
    while (len < sizeof(text) - 64 &&
           fscanf(file, "%lu %lu %lu", &inside, &outside, &count) == 3)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%lu %lu %lu\n",
                                inside, inside, count);
    (void)fclose(file);
    return map_write(pid, name, text);
}

static int map_one(pid_t pid, const char *name, bool root, unsigned id)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "%u %u 1\n", root ? 0 : id, id);
    return map_write(pid, name, text);
}

/* All is for a root that has not lost its capabilities. */
static int map_users(pid_t pid, bool root)
{
    int err = geteuid() == 0 ? map_all(pid, "uid_map") : -EPERM;

    if (err != -EPERM)
        return err ? err : map_all(pid, "gid_map");
    err = map_one(pid, "uid_map", root, geteuid());
    if (!err)
        err = map_write(pid, "setgroups", "deny");
    return err ? err : map_one(pid, "gid_map", root, getegid());
}

int box_map(int child, pid_t pid, bool root)
{
    int err;
    char byte;

    if (recv(child, &byte, 1, 0) != 1)
        return -1;
    err = map_users(pid, root);
    (void)send(child, &err, sizeof(err), MSG_NOSIGNAL);
    return err ? -1 : 0;
}

/* ---- inside ---- */

static int namespaces_enter(const struct box *box)
{
    int err = 0;

    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET)) {
        err = errno; /* Before it is asked why. */
        return device_fail(box->device, STATUS_OURS,
                           "namespaces for the container: %s%s", strerror(err),
                           box_forbidden(err));
    }
    if (send(box->keeper, "U", 1, MSG_NOSIGNAL) != 1 ||
        recv(box->keeper, &err, sizeof(err), 0) != sizeof(err))
        return -1; /* The parent is gone. */
    if (err)
        return device_fail(box->device, STATUS_OURS,
                           "the container's users: %s%s", strerror(-err),
                           box_forbidden(-err));
    /* Behind the change of users, which would have undone it. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != box->parent)
        return -1;
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
        return device_fail(box->device, STATUS_OURS, "mounts: %s",
                           strerror(errno));
    return 0;
}

/* Ports below 1024 and ping are for every process in there. */
static void settings_free(void)
{
    char range[32];
    long from = box_setting("/proc/sys/net/ipv4/ping_group_range", 0);

    device_sysctl("net/ipv4/ip_unprivileged_port_start", "0");
    (void)snprintf(range, sizeof(range), "%u %u", getegid(), getegid());
    if (from > (long)getegid())
        device_sysctl("net/ipv4/ping_group_range", range);
}

/* A file of ours, in a file system of its own that no other process sees. */
static int file_mount(const char *folder, const char *text)
{
    char path[64];
    int fd, err;

    if (mount("guestnet", folder, "tmpfs", 0, "size=64k,mode=0755"))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/resolv.conf", folder);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    err = fd < 0 || write(fd, text, strlen(text)) < 0 || fchmod(fd, 0644) ||
          mount(path, RESOLV_CONF, NULL, MS_BIND, NULL);
    if (fd >= 0)
        close(fd);
    (void)umount2(folder, MNT_DETACH);
    return err ? -1 : 0;
}

static void names_mount(const char *domain, char gateways[2][64])
{
    static const char *const folders[] = {"/tmp", "/var", "/mnt"};
    char text[512];
    size_t len = 0;

    for (int i = 0; i < 2; i++)
        if (gateways[i][0])
            len += (size_t)snprintf(text + len, sizeof(text) - len,
                                    "nameserver %s\n", gateways[i]);
    (void)snprintf(text + len, sizeof(text) - len, "search %s\n", domain);
    for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
        if (file_mount(folders[i], text) == 0)
            return;
    say(RESOLV_CONF ": %s; names are not served to the command",
        strerror(errno));
}

static _Noreturn void box_become(const struct box *box)
{
    char **command = box->options->command;
    int err;

    front_restore(&box->signals);
    (void)execvp(command[0], command);
    err = errno;
    (void)device_fail(box->device,
                      err == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_RUN,
                      "%.200s: %s", command[0], strerror(err));
    _exit(STATUS_OURS);
}

_Noreturn void box_main(const struct box *box)
{
    char domain[256], gateways[2][64];

    if (namespaces_enter(box))
        _exit(STATUS_OURS);
    settings_free();
    if (device_offer(box->device, box->mtu, domain, sizeof(domain), gateways))
        _exit(STATUS_OURS);
    names_mount(domain, gateways);
    box_become(box);
}
