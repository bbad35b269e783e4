/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * guestnet dial: standard input and output are a connection to a guest's port.
 * The network makes it and passes it on, so bytes go through no third process.
 */
#include "cli/verbs.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include <guestnet/conn.h>

#include "cli/http.h"
#include "cli/net/descriptors.h"
#include "cli/say.h"
#include "cli/where.h"

/* ---- which network ---- */

static bool has_guest(const char *path, const char *target)
{
    cJSON *json = http_network(path);
    size_t len = strcspn(target, ":.");
    const cJSON *guest;
    bool found = false;

    cJSON_ArrayForEach (guest, cJSON_GetObjectItem(json, "guests")) {
        const char *name =
            cJSON_GetStringValue(cJSON_GetObjectItem(guest, "name"));

        found = found || (name && strlen(name) == len &&
                          strncasecmp(name, target, len) == 0);
    }
    cJSON_Delete(json);
    return found;
}

/* The network that has the guest, or the only one there is. */
static int path_find(const struct options *options, const char *folder,
                     char *path, char *why, size_t why_len)
{
    char name[64], found[64] = "";
    size_t n = 0, hits = 0;

    if (options->network)
        return where_socket(folder, options->network, path, WHERE_MAX, why,
                            why_len);
    for (; where_list(folder, n, name, sizeof(name)) == 0; n++) {
        if (where_socket(folder, name, path, WHERE_MAX, why, why_len))
            return -1;
        if (!has_guest(path, options->target))
            continue;
        hits++;
        memcpy(found, name, sizeof(found));
    }
    if (hits == 0 && n == 1)
        memcpy(found, name, sizeof(found));
    else if (hits != 1)
        return why_set(why, why_len,
                       hits ? "%s: networks have guests of this name; choose "
                              "one with --network"
                            : "%s: no network here has such a guest; guestnet "
                              "ps lists them",
                       options->target);
    return where_socket(folder, found, path, WHERE_MAX, why, why_len);
}

/* ---- the connection ---- */

/* What a query may hold stays; the rest is in hexadecimal. */
static void target_escape(const char *target, char *out, size_t cap)
{
    size_t len = (size_t)snprintf(out, cap, "/v1/dial?to=");

    for (; *target && len + 4 < cap; target++) {
        if (isalnum((unsigned char)*target) || strchr("-.:_[]", *target))
            out[len++] = *target;
        else
            len += (size_t)snprintf(out + len, cap - len, "%%%02X",
                                    (unsigned char)*target);
    }
    out[len] = '\0';
}

static int conn_open(const struct options *options, char *why, size_t why_len)
{
    char folder[WHERE_MAX], path[WHERE_MAX], target[900], byte;
    int fd, conn = -1;
    size_t n = 1;

    if (gn_address_check("tcp", options->target, why, why_len) ||
        where_folder(folder, sizeof(folder), why, why_len) ||
        path_find(options, folder, path, why, why_len))
        return -1;
    fd = where_connect(path, 0);
    if (fd < 0)
        return why_set(why, why_len, "%s: %s; guestnet ps lists the networks",
                       path, strerror(-fd));
    target_escape(options->target, target, sizeof(target));
    if (http_upgrade(fd, target, "guestnet-dial", why, why_len) == 0 &&
        (descriptors_receive(fd, &byte, 1, &conn, &n, 0) != 1 || n != 1))
        (void)why_set(why, why_len, "the network process has ended");
    if (conn < 0)
        close(fd); /* Else it lives as long as that. */
    return conn;
}

/* ---- its bytes ---- */

static int bytes_write(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Until the end of @from. Returns 0, or -1: it broke. */
static int bytes_copy(int from, int to)
{
    char buf[65536];
    ssize_t n;

    while ((n = read(from, buf, sizeof(buf))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || bytes_write(to, buf, (size_t)n))
            return -1;
    }
    return 0;
}

static void *input_main(void *arg)
{
    int conn = *(int *)arg;

    (void)bytes_copy(STDIN_FILENO, conn);
    (void)shutdown(conn, SHUT_WR);
    return NULL;
}

int verb_dial(const struct options *options)
{
    char why[400] = "";
    int conn = conn_open(options, why, sizeof(why)), err;
    pthread_t input;

    if (conn < 0) {
        say("%s: %s", options->target, why);
        return 1;
    }
    err = pthread_create(&input, NULL, input_main, &conn);
    if (err) {
        say("a thread: %s", strerror(err));
        return STATUS_OURS;
    }
    /* The other side's end is the end, as of nc(1). */
    _exit(bytes_copy(conn, STDOUT_FILENO) ? 1 : 0);
}
