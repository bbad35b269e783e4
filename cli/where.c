/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/where.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/say.h"

#define SUFFIX ".sock"

int where_folder(char *out, size_t cap, char *why, size_t why_len)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    struct stat st;

    if (!runtime || runtime[0] != '/')
        runtime = "/run";
    if (snprintf(out, cap, "%s/guestnet", runtime) >= (int)cap)
        return why_set(why, why_len, "%.40s...: the path is too long", runtime);
    if (mkdir(out, 0700) && errno != EEXIST)
        return why_set(why, why_len,
                       "%s: %s; XDG_RUNTIME_DIR must name a folder of yours",
                       out, strerror(errno));
    if (lstat(out, &st) || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
        (st.st_mode & 077))
        return why_set(why, why_len,
                       "%s: it must be a folder of yours with mode 0700; "
                       "XDG_RUNTIME_DIR must name a folder of yours",
                       out);
    return 0;
}

int where_socket(const char *folder, const char *network, char *out, size_t cap,
                 char *why, size_t why_len)
{
    size_t most = cap < WHERE_MAX ? cap : WHERE_MAX;

    if (snprintf(out, most, "%s/%s" SUFFIX, folder, network) < (int)most)
        return 0;
    return why_set(why, why_len,
                   "%s/%s" SUFFIX ": a socket's path has up to %zu bytes; "
                   "choose a shorter --network",
                   folder, network, WHERE_MAX - 1);
}

int where_lock(const char *folder, char *why, size_t why_len)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0 && flock(fd, LOCK_EX) == 0)
        return fd;
    (void)why_set(why, why_len, "%s: %s", folder, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

int where_list(const char *folder, size_t index, char *name, size_t cap)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, NULL, alphasort), found = -1;
    size_t seen = 0;

    for (int i = 0; i < n; i++) {
        size_t len = strlen(entries[i]->d_name);

        if (len > strlen(SUFFIX) && len - strlen(SUFFIX) < cap &&
            strcmp(entries[i]->d_name + len - strlen(SUFFIX), SUFFIX) == 0 &&
            seen++ == index) {
            memcpy(name, entries[i]->d_name, len - strlen(SUFFIX));
            name[len - strlen(SUFFIX)] = '\0';
            found = 0;
        }
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    return found;
}

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    return addr;
}

int where_connect(const char *path, int flags)
{
    const struct sockaddr_un addr = address_of(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), err;

    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
        return fd;
    err = -errno;
    close(fd);
    return err;
}

void where_sweep(const char *path)
{
    int fd = where_connect(path, 0);

    if (fd == -ECONNREFUSED)
        (void)unlink(path);
    else if (fd >= 0)
        close(fd);
}

int where_listen(const char *path)
{
    const struct sockaddr_un addr = address_of(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int err;

    if (fd < 0)
        return -errno;
    where_sweep(path);
    if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 &&
        chmod(path, 0600) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    err = -errno;
    close(fd);
    return err;
}
