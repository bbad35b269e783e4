/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/life.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool leads_to_it(const struct life *life, const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && st.st_dev == life->dev &&
           st.st_ino == life->ino;
}

/* ---- its name ---- */

/* A name is a file that the namespace is mounted on. Links to it are none, as
 * those of /proc are: they tell of nothing. */
static bool is_named(const struct life *life)
{
    struct stat st;

    return leads_to_it(life, life->path) && lstat(life->path, &st) == 0 &&
           !S_ISLNK(st.st_mode);
}

/* What is mounted here has changed, or changes when life->fd says so. */
static bool name_watch(struct life *life)
{
    if (!is_named(life))
        return false;
    if (life->fd < 0)
        life->fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    life->events = POLLPRI;
    /* It may have gone in between. */
    return life->fd >= 0 && is_named(life);
}

/* ---- its processes ---- */

/* A descriptor that is readable when the process ends; -1: it is in another
 * namespace, or not ours to look at, or the kernel is older than Linux 5.3. */
static int process_watch(const struct life *life, int pid)
{
    char path[64];
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
    if (!leads_to_it(life, path))
        return -1;
    fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0 || leads_to_it(life, path))
        return fd;
    close(fd); /* Another process has its number. */
    return -1;
}

static bool any_process_watch(struct life *life)
{
    DIR *dir = opendir("/proc");
    const struct dirent *entry;
    int pid;

    life->fd = -1;
    life->events = POLLIN;
    while (dir && life->fd < 0 && (entry = readdir(dir)) != NULL) {
        if (isdigit((unsigned char)entry->d_name[0]) &&
            sscanf(entry->d_name, "%d", &pid) == 1)
            life->fd = process_watch(life, pid);
    }
    if (dir)
        (void)closedir(dir);
    return life->fd >= 0;
}

/* ---- both ---- */

bool life_look(struct life *life)
{
    if (life->events == POLLPRI && name_watch(life))
        return true;
    life_end(life);
    return any_process_watch(life);
}

bool life_begin(struct life *life, int netns, const char *path)
{
    struct stat st = {0};

    (void)fstat(netns, &st);
    *life = (struct life){
        .dev = st.st_dev, .ino = st.st_ino, .fd = -1, .events = POLLPRI};
    (void)snprintf(life->path, sizeof(life->path), "%s", path);
    /* It may be there by a descriptor alone. */
    return life_look(life) || leads_to_it(life, path);
}

void life_end(struct life *life)
{
    if (life->fd >= 0)
        close(life->fd);
    life->fd = -1;
}
