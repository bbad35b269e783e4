/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_FORWARD_TRANSPORT_H
#define GN_FORWARD_TRANSPORT_H

/*
 * How a relay's bytes get to and from the kernel's end: as they are, or by a
 * protocol of the host's, such as TLS. Nothing here blocks.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

/** @self is the transport's own. */
struct gn__transport_ops {
    const char *name;
    /** Reading may have to write, and the other way round: whatever the
     *  descriptor tells, both are tried. */
    bool mixes;
    /** Returns bytes; 0: the peer's end; -EAGAIN: the descriptor tells when
     *  there is more; -EINTR: go on, others may have their turn before; or what
     *  ended it: -ECONNRESET, ... */
    ssize_t (*read)(void *self, int fd, const struct iovec *iov, unsigned n);
    /** Returns bytes, -EAGAIN, -EINTR or what ended it. After -EAGAIN the same
     *  bytes come first. */
    ssize_t (*write)(void *self, int fd, const struct iovec *iov, unsigned n);
    /** Nothing is written any more. 0, -EAGAIN or what ended it. */
    int (*shutdown)(void *self, int fd);
    /** Free it; the descriptor is closed then. */
    void (*done)(void *self);
};

/** Bytes as they are; @self is NULL. */
extern const struct gn__transport_ops gn__transport_plain;

#endif /* GN_FORWARD_TRANSPORT_H */
