/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "cli/http.h"
#include "cli/net/net.h"
#include "cli/say.h"

/** A network may end just when it is found: then another one is started. */
#define TRIES 8

/* ---- a new one ---- */

/* Waits until it is open. Its words, if it is not, are the line. */
static int ready_wait(int ready, char *why, size_t why_len)
{
    char text[400];
    size_t len = 0;
    ssize_t n;

    while ((n = read(ready, text + len, sizeof(text) - 1 - len)) != 0) {
        if (n < 0 && errno != EINTR)
            break;
        if (n > 0)
            len += (size_t)n;
    }
    text[len] = '\0';
    return len ? why_set(why, why_len, "%s", text) : 0;
}

static int network_fork(struct place *place, struct net_setup *setup,
                        const int pair[2], const int ready[2], char *why,
                        size_t why_len)
{
    place->pid = fork();
    if (place->pid < 0)
        return why_set(why, why_len, "fork: %s", strerror(errno));
    if (place->pid == 0) {
        close(pair[0]);
        close(ready[0]);
        setup->client = pair[1];
        setup->ready = ready[1];
        _exit(net_main(setup));
    }
    return 0;
}

static int network_start(struct place *place, const char *network, char *why,
                         size_t why_len)
{
    struct net_setup setup = {.name = network,
                              .folder = place->path[0] ? place->folder : NULL,
                              .path = place->path};
    int pair[2], ready[2], err;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return why_set(why, why_len, "a socket pair: %s", strerror(errno));
    if (pipe2(ready, O_CLOEXEC)) {
        close(pair[0]);
        close(pair[1]);
        return why_set(why, why_len, "a pipe: %s", strerror(errno));
    }
    err = network_fork(place, &setup, pair, ready, why, why_len);
    close(pair[1]);
    close(ready[1]);
    if (!err)
        err = ready_wait(ready[0], why, why_len);
    close(ready[0]);
    place->fd = pair[0];
    return err;
}

/* ---- leaving ---- */

static void network_wait(struct place *place)
{
    while (place->pid > 0 && waitpid(place->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    place->pid = 0;
}

/* Reads to the end; was that the last guest? One that says nothing has died. */
static bool left_read(int fd)
{
    struct lines lines = {.len = 0};
    char line[sizeof(lines.buf)];
    bool last = true;

    while (lines_fill(&lines, fd) > 0) {
        while (lines_take(&lines, line, sizeof(line)) >= 0) {
            cJSON *json = cJSON_Parse(line);

            if (cJSON_GetObjectItem(json, "left"))
                last = cJSON_IsTrue(cJSON_GetObjectItem(json, "last"));
            cJSON_Delete(json);
        }
    }
    return last;
}

/* Remove what a network that was killed has left. Under the lock: a process
 * that starts another one has bound its socket a moment before it listens. */
static void network_sweep(const struct place *place)
{
    char why[300];
    int lock;

    if (!place->path[0] || access(place->path, F_OK))
        return;
    lock = where_lock(place->folder, why, sizeof(why));
    if (lock < 0)
        return;
    where_sweep(place->path);
    close(lock);
}

void place_leave(struct place *place)
{
    if (place->fd < 0)
        return;
    (void)shutdown(place->fd, SHUT_WR);
    if (left_read(place->fd)) {
        network_wait(place);
        network_sweep(place);
    }
    close(place->fd);
    place->fd = -1;
}

/* ---- entering ---- */

static int network_find(struct place *place, const char *network, char *why,
                        size_t why_len)
{
    int fd = where_connect(place->path, 0);

    if (fd >= 0) {
        place->fd = fd;
        return 0;
    }
    if (fd != -ENOENT && fd != -ECONNREFUSED)
        return why_set(why, why_len, "%s: %s", place->path, strerror(-fd));
    return network_start(place, network, why, why_len);
}

static void network_drop(struct place *place)
{
    if (place->fd >= 0)
        close(place->fd);
    place->fd = -1;
    network_wait(place);
}

/* One try; -2: it has just ended. */
static int child_enter(struct place *place, const char *network, char *why,
                       size_t why_len)
{
    int err = place->path[0] ? network_find(place, network, why, why_len)
                             : network_start(place, network, why, why_len);

    if (!err)
        err =
            http_upgrade(place->fd, "/v1/join", "guestnet-join", why, why_len);
    if (err)
        network_drop(place);
    return err;
}

int place_enter(struct place *place, const char *network, bool alone, char *why,
                size_t why_len)
{
    int lock = -1, err = -2;

    *place = (struct place){.fd = -1};
    if (where_folder(place->folder, sizeof(place->folder), why, why_len) ||
        where_socket(place->folder, network, place->path, sizeof(place->path),
                     why, why_len)) {
        place->path[0] = '\0';
        if (!alone)
            return -1;
    }
    if (place->path[0]) {
        lock = where_lock(place->folder, why, why_len);
        if (lock < 0)
            return -1;
    }
    for (int i = 0; i < TRIES && err == -2; i++)
        err = child_enter(place, network, why, why_len);
    if (lock >= 0)
        close(lock);
    return err ? -1 : 0;
}
