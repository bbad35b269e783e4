/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_FORWARD_ATTEMPT_H
#define GN_FORWARD_ATTEMPT_H

/*
 * A socket of the kernel's that is being connected: until it is, or a time has
 * come, or the network closes. For the driving thread.
 */
#include <sys/socket.h>

#include "base/io.h"
#include "namespace/namespace.h"

struct gn__attempt;

/** 0, or how connecting failed: -ECONNREFUSED, -ETIMEDOUT, ..., -ECANCELED (the
 *  network closes). It has stopped, and the descriptor is its owner's. */
typedef void (*gn__attempt_cb)(struct gn__attempt *attempt, int status);

/** Embedded. Zero: nothing is under way. */
struct gn__attempt {
    struct gn__io *io;
    int fd;
    gn__attempt_cb done;
    struct gn__io_watch watch;
    struct gn__io_timer timer;
    struct gn__io_end end;
};

/**
 * A descriptor is about to be opened for what a guest dials: take its share. Of
 * datagrams the flow of the guest's that is idle longest makes room. Errors are
 * those of gn__fds_take(), and the guest gets them.
 */
GN_WARN_UNUSED int gn__attempt_charge(struct gn__outside_dial *dial,
                                      struct gn__fd_share *share);

/**
 * Open a non-blocking socket of the address' family that connects to it; a
 * stream of AF_UNIX, too.
 *
 * @type  SOCK_STREAM, SOCK_DGRAM, SOCK_RAW: one of the kernel's ping sockets.
 * @out   Set with 0 and -EINPROGRESS. Owned by the caller.
 *
 * Returns 0: it is connected; -EINPROGRESS; or what socket(2) or connect(2)
 * said: -EAGAIN of AF_UNIX where the backlog is full; -ECONNREFUSED also where
 * it met itself.
 */
GN_WARN_UNUSED int gn__attempt_open(int type, const struct sockaddr *addr,
                                    int *out);

/**
 * Wait until @fd is connected.
 *
 * @fd          Borrowed until it has stopped.
 * @timeout_ns  Until it is -ETIMEDOUT; 0: when the kernel says so.
 * @account     Whose work it is.
 *
 * Errors are those of gn__io_watch().
 */
GN_WARN_UNUSED int gn__attempt_start(struct gn__attempt *attempt,
                                     struct gn__io *io, int fd,
                                     uint64_t timeout_ns,
                                     struct gn__account *account,
                                     gn__attempt_cb done);
/** Stop; nothing is told. Does nothing where nothing is under way. */
void gn__attempt_stop(struct gn__attempt *attempt);

#endif /* GN_FORWARD_ATTEMPT_H */
