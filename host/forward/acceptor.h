/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_FORWARD_ACCEPTOR_H
#define GN_FORWARD_ACCEPTOR_H

/*
 * A listening stream socket of the kernel's.
 *
 * When there is no descriptor or no memory for one more client, or the front
 * end has no place for it, accepting pauses: nothing is accepted to be dropped,
 * clients wait in the backlog, and the descriptor is not watched, so that
 * nothing spins. It goes on when the front end says that a place is free, and
 * after a while where descriptors were missing, because they are the whole
 * process'.
 */
#include "base/addr.h"
#include "base/io.h"

struct gn__acceptor;

struct gn__acceptor_config {
    struct gn__io *io;
    struct gn__account *account; /* whose work it is; NULL: the host's */
    int fd; /* listening, non-blocking; borrowed until gn__acceptor_close() */
    uint32_t keepalive_s; /* of TCP clients: silent for so long, they are asked
                             whether they are there; 0: never */
    /** Is there a place for one more? NULL: always. */
    bool (*has_room)(void *user);
    /** A client. @peer NULL: it has no address. Consumes the descriptor. */
    void (*accepted)(void *user, const struct gn__endpoint *peer, int fd);
    /** Accepting pauses: a negative errno, or 0 for lack of room. NULL: the
     *  owner need not know. */
    void (*paused)(void *user, int why);
    void *user;
};

struct gn__acceptor {
    struct gn__acceptor_config config;
    struct gn__io_watch watch;
    struct gn__io_timer again;
    bool paused;
    bool open;
};

/** Errors are those of gn__io_watch(). */
GN_WARN_UNUSED int gn__acceptor_open(struct gn__acceptor *acceptor,
                                     const struct gn__acceptor_config *config);
/** A place may be free: go on if it has paused. */
void gn__acceptor_resume(struct gn__acceptor *acceptor);
/** Stop; the descriptor stays open. */
void gn__acceptor_close(struct gn__acceptor *acceptor);

#endif /* GN_FORWARD_ACCEPTOR_H */
