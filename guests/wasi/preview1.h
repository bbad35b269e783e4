/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTS_WASI_PREVIEW1_H
#define GUESTS_WASI_PREVIEW1_H

/*
 * What the files of preview 1 and of WasmEdge's calls share.
 */
#include "guests/wasi/wasi.h"

/* fdflags, filetypes, riflags, roflags, sdflags, rights */
#define P1_NONBLOCK     4u
#define P1_CHARACTER    2u
#define P1_DGRAM        5u
#define P1_STREAM       6u
#define P1_RECV_PEEK    1u
#define P1_RECV_WAITALL 2u
#define P1_RECV_CUT     1u
#define P1_SHUT_RD      1u
#define P1_SHUT_WR      2u
#define P1_RIGHT_READ   (1u << 1)
#define P1_RIGHT_FLAGS  (1u << 3)
#define P1_RIGHT_WRITE  (1u << 6)
#define P1_RIGHT_STAT   (1u << 21)
#define P1_RIGHT_POLL   (1u << 27)
#define P1_RIGHT_SHUT   (1u << 28)
#define P1_RIGHT_ACCEPT (1u << 29)

/** An argument that is an i32. */
#define ARG(i) ((uint32_t)call->args[i])

/** The socket of a descriptor; NULL and -EBADF or -ENOTSOCK. */
struct gn__wasi_sock *gn__wasi_fd_sock(struct gn__wasi_call *call,
                                       uint32_t number, int *err);
/** A new descriptor for @sock, which is consumed also on an error, its number
 *  stored at @at. */
int gn__wasi_fd_install(struct gn__wasi_call *call, struct gn__wasi_sock *sock,
                        uint64_t at);

/** fd_read, fd_write and sock_*: to and from the ARG(2) buffers at ARG(1),
 *  which become those of @msg; a name in it is the peer's. -EAGAIN has become a
 *  wait where the descriptor blocks. Returns the bytes. */
ssize_t gn__wasi_fd_recv(struct gn__wasi_call *call, struct gn__wasi_sock *sock,
                         uint32_t riflags, struct msghdr *msg);
ssize_t gn__wasi_fd_send(struct gn__wasi_call *call, struct gn__wasi_sock *sock,
                         struct msghdr *msg);
/** What is to be said of what was received. */
static inline uint32_t gn__wasi_roflags(const struct msghdr *msg)
{
    return msg->msg_flags & MSG_TRUNC ? P1_RECV_CUT : 0;
}

/** The ARG(2) buffers at ARG(1) as those of @msg, in call->one if that is
 *  enough and else in the guest's scratch. 0, -EINVAL (too many), -EFAULT or
 *  -ENOMEM. */
static inline int gn__wasi_iov(struct gn__wasi_call *call, struct msghdr *msg)
{
    if (ARG(2) != 1)
        return gn__wasi_iovs(call->guest, ARG(1), ARG(2), msg);
    msg->msg_iov = &call->one;
    msg->msg_iovlen = 1;
    return gn__wasi_buffer(call->guest, ARG(1), &call->one);
}

int gn__wasi_fd_accept(struct gn__wasi_call *call, uint32_t fdflags,
                       uint32_t at);

/* fd.c */
int gn__wasi_fd_close(struct gn__wasi_call *call);
int gn__wasi_fd_read(struct gn__wasi_call *call);
int gn__wasi_fd_write(struct gn__wasi_call *call);
int gn__wasi_fd_fdstat_get(struct gn__wasi_call *call);
int gn__wasi_fd_fdstat_set_flags(struct gn__wasi_call *call);
int gn__wasi_fd_filestat_get(struct gn__wasi_call *call);
int gn__wasi_fd_renumber(struct gn__wasi_call *call);
int gn__wasi_fd_known(struct gn__wasi_call *call);
int gn__wasi_fd_seek(struct gn__wasi_call *call);
int gn__wasi_sock_accept_fd(struct gn__wasi_call *call);
int gn__wasi_sock_recv_fd(struct gn__wasi_call *call);
int gn__wasi_sock_send_fd(struct gn__wasi_call *call);
int gn__wasi_sock_shutdown_fd(struct gn__wasi_call *call);
/* oneoff.c */
int gn__wasi_poll_oneoff(struct gn__wasi_call *call);

#endif /* GUESTS_WASI_PREVIEW1_H */
