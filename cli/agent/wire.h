/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_AGENT_WIRE_H
#define CLI_AGENT_WIRE_H

/*
 * Where frames go, as one word of the command line:
 *
 *     vsock:PORT      a socket of AF_VSOCK that the host connects to
 *     vsock:CID:PORT  one that connects to CID, the host's being 2
 *     serial:NAME     a virtio-serial port, by its name or its device's path
 *     unix:PATH       a Unix socket that connects
 *
 * A wire that is not there yet may come: wire_open() is meant to be called
 * again, and it says which errors no waiting mends.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_kind { WIRE_LISTEN, WIRE_CONNECT, WIRE_SERIAL, WIRE_UNIX };

struct wire {
    enum wire_kind kind;
    const char *text; /* the word */
    const char *path; /* a path, or the name of a serial port */
    uint32_t cid;     /* that it connects to, or that may connect to it */
    uint32_t port;
    int listener; /* of WIRE_LISTEN, once it is open; -1 */
};

/** Returns 0, or -1 with a line. */
int wire_read(const char *text, uint32_t peer, struct wire *wire, char *why,
              size_t why_len);

/**
 * Open it.
 *
 * @connecting  Gets whether it is to be waited for (POLLOUT, SO_ERROR).
 *
 * Returns a descriptor that does not block; a negative errno, of which -EAGAIN
 * of WIRE_LISTEN is that no host has come.
 */
int wire_open(struct wire *wire, bool *connecting);
/** Is it of no use to try again after this errno? Writes a line that says
 *  so. */
bool wire_is_hopeless(const struct wire *wire, int error, char *why,
                      size_t why_len);
/** Close it. One that lost its place is ended first in such a way that the
 *  other end begins anew. */
void wire_close(const struct wire *wire, int fd, bool lost_its_place);

#endif /* CLI_AGENT_WIRE_H */
