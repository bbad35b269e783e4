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

/** fd_read, fd_write and sock_*: to and from @n iovecs at @iov. -EAGAIN has
 *  become a wait where the descriptor blocks. @addr: NULL, or the peer's; its
 *  length in @len. Returns the bytes. */
ssize_t gn__wasi_fd_recv(struct gn__wasi_call *call, struct gn__wasi_sock *sock,
                         uint32_t iov, uint32_t n, uint32_t riflags,
                         uint32_t *roflags, struct sockaddr_storage *addr,
                         socklen_t *len);
ssize_t gn__wasi_fd_send(struct gn__wasi_call *call, struct gn__wasi_sock *sock,
                         uint32_t iov, uint32_t n,
                         const struct sockaddr_storage *addr, socklen_t len);

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
