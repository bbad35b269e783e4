/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_FORWARD_RELAY_H
#define GN_FORWARD_RELAY_H

/*
 * A relay joins a stream socket of the engine and a kernel socket, until both
 * directions have ended or one end is reset.
 *
 *     read(2) --> chunk --> by reference into the socket
 *     slices waiting in the socket --> sendmsg(2) --> only then let go
 *
 * Payload is copied by the kernel's calls and by nothing else. What one end
 * does not take stays at the other: in the kernel's buffer, or in the socket,
 * whose window closes; the relay itself holds at most GN__RELAY_READ bytes, and
 * nothing while it is idle.
 *
 *     the kernel's end               the engine's end
 *     end of file, shutdown(WR)      FIN, both ways, behind all payload
 *     ECONNRESET, any other error    RST, and the other way round (a Unix
 *                                    socket is just closed)
 *
 * The code between the descriptor and its bytes is the transport's
 * (transport.h); the table above is that of the plain one.
 *
 * Everything here is for the driving thread.
 */
#include "base/io.h"
#include "host/forward/transport.h"
#include "namespace/namespace.h"

struct gn__relay;
struct gn_sock;

/** Read from the kernel at once, bytes, of a connection that is busy. */
#define GN__RELAY_READ (256u * 1024)

/**
 * It is over, and both ends are closed: 0, or why: -ECONNRESET,
 * -ECONNREFUSED (the engine's end was still connecting), -ETIMEDOUT, ...,
 * -ECANCELED (the network closes). The relay is gone when it returns. Runs on
 * a later turn.
 */
typedef void (*gn__relay_cb)(int status, void *arg);

/** How it is started. */
struct gn__relay_config {
    struct gn__io *io;
    struct gn_sock *sock; /* a stream, connected or connecting; consumed with
                             the reference */
    int fd;               /* a connected stream socket; consumed */
    const struct gn__transport_ops *transport; /* over it; NULL: plain */
    void *transport_self;                      /* consumed */
    struct gn__fd_share share; /* what it is held for; consumed */
    const char *opener; /* text that is sent to fd in front of all else, even if
                           fd is still connecting; copied. NULL: none. Not with
                           a transport */
    gn__relay_cb ended; /* NULL: the owner need not know */
    void *arg;
};

/**
 * Start. Both ends are consumed also when it fails, and are then reset.
 *
 *   -ENOMEM, -ENOSPC, -ENOTSUP (no descriptors under this driver), -EPERM
 */
GN_WARN_UNUSED int gn__relay_start(const struct gn__relay_config *config,
                                   struct gn__relay **out);

/** Was the engine's end never connected, by how a relay ended? */
bool gn__relay_is_unreached(int status);

/** Close a socket of the kernel's so that its peer sees a reset. */
void gn__relay_reset(int fd);

/** End it: both ends are reset, and no callback runs. */
void gn__relay_abort(struct gn__relay *relay);
/** The same, and its owner is told -ECANCELED, before this returns. */
void gn__relay_cut(struct gn__relay *relay);

/** Bytes of memory that each takes by itself; for measurements. */
size_t gn__relay_size(void);

#endif /* GN_FORWARD_RELAY_H */
