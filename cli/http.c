/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/say.h"
#include "cli/where.h"

#define HEAD_MAX 8192u
#define BODY_MAX (16u * 1024 * 1024)

static int request_send(int fd, const char *target, const char *protocol)
{
    char text[1024];
    int n = protocol ? snprintf(text, sizeof(text),
                                "GET %s HTTP/1.1\r\nHost: guestnet\r\n"
                                "Connection: Upgrade\r\nUpgrade: %s\r\n\r\n",
                                target, protocol)
                     : snprintf(text, sizeof(text),
                                "GET %s HTTP/1.1\r\nHost: guestnet\r\n"
                                "Connection: close\r\n\r\n",
                                target);

    if (n < 0 || (size_t)n >= sizeof(text))
        return -1;
    return send(fd, text, (size_t)n, MSG_NOSIGNAL) == n ? 0 : -1;
}

/* Everything up to the empty line, byte by byte: what is behind it is the
 * protocol's, and may have descriptors with it. */
static int head_read(int fd, char *head)
{
    size_t len = 0;

    while (len < HEAD_MAX - 1) {
        ssize_t n = recv(fd, head + len, 1, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return len ? -1 : -2;
        head[++len] = '\0';
        if (len >= 4 && memcmp(head + len - 4, "\r\n\r\n", 4) == 0)
            return 0;
    }
    return -1;
}

static int status_of(const char *head)
{
    return strncmp(head, "HTTP/1.1 ", 9) == 0 ? atoi(head + 9) : -1;
}

static char *body_read(int fd, const char *head)
{
    const char *field = strcasestr(head, "\r\ncontent-length:");
    unsigned long len = field ? strtoul(field + 17, NULL, 10) : 0;
    char *body = len <= BODY_MAX ? malloc(len + 1) : NULL;
    size_t at = 0;

    while (body && at < len) {
        ssize_t n = recv(fd, body + at, len - at, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            free(body);
            return NULL;
        }
        at += (size_t)n;
    }
    if (body)
        body[len] = '\0';
    return body;
}

/* What the server says is wrong. */
static int refusal_read(int fd, const char *head, char *why, size_t why_len)
{
    char *body = body_read(fd, head);
    cJSON *json = body ? cJSON_Parse(body) : NULL;
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(json, "error"));

    (void)why_set(why, why_len, "%s", text ? text : "the network has ended");
    cJSON_Delete(json);
    free(body);
    return -1;
}

int http_upgrade(int fd, const char *target, const char *protocol, char *why,
                 size_t why_len)
{
    char head[HEAD_MAX] = "";
    int err;

    (void)why_set(why, why_len, "the network has ended");
    if (request_send(fd, target, protocol))
        return -2;
    err = head_read(fd, head);
    if (err)
        return err;
    return status_of(head) == 101 ? 0 : refusal_read(fd, head, why, why_len);
}

cJSON *http_network(const char *path)
{
    char head[HEAD_MAX] = "", *body = NULL;
    int fd = where_connect(path, 0);
    cJSON *json;

    if (fd < 0)
        return NULL;
    if (!request_send(fd, "/v1/network", NULL) && !head_read(fd, head) &&
        status_of(head) == 200)
        body = body_read(fd, head);
    json = body ? cJSON_Parse(body) : NULL;
    free(body);
    close(fd);
    return json;
}

int lines_take(struct lines *lines, char *line, size_t cap)
{
    char *end = memchr(lines->buf, '\n', lines->len);
    size_t len;

    if (!end)
        return -1;
    len = (size_t)(end - lines->buf);
    if (len >= cap)
        return -2;
    memcpy(line, lines->buf, len);
    line[len] = '\0';
    lines->len -= len + 1;
    memmove(lines->buf, end + 1, lines->len);
    return (int)len;
}

int lines_fill(struct lines *lines, int fd)
{
    ssize_t n;

    if (lines->len == sizeof(lines->buf))
        return -1;
    do
        n = recv(fd, lines->buf + lines->len, sizeof(lines->buf) - lines->len,
                 0);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        lines->len += (size_t)n;
    return (int)n;
}
