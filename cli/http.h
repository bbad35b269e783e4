/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_HTTP_H
#define CLI_HTTP_H

/*
 * The client's side of the control socket: requests of one line, and what comes
 * back. The server is ours and libmicrohttpd's (net/control.h).
 */
#include <stddef.h>

#include <cjson/cJSON.h>

/**
 * Ask for @target and switch to @protocol.
 *
 * Returns 0, and the connection is the protocol's from its next byte on; or -1
 * with what the server says in @why. -2: the server has ended before it said
 * anything.
 */
int http_upgrade(int fd, const char *target, const char *protocol, char *why,
                 size_t why_len);

/** What the network with the control socket @path says of itself
 *  (net/report.h), for cJSON_Delete(). NULL: it is just gone. */
cJSON *http_network(const char *path);

/** Lines of a connection: what has come of them. */
struct lines {
    char buf[8192];
    size_t len;
};
/** Take the first whole line, without its end. Returns its length; -1: none has
 *  come yet; -2: it is longer than @cap. */
int lines_take(struct lines *lines, char *line, size_t cap);
/** Read what has come, or wait for it. Returns the bytes; 0 or less: the
 *  connection has ended, or a line is too long. */
int lines_fill(struct lines *lines, int fd);

#endif /* CLI_HTTP_H */
