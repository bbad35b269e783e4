/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NAMESPACE_SOCK_SYSTEM_H
#define GN_NAMESPACE_SOCK_SYSTEM_H

/*
 * The public calls, for sockets of gn_namespace_system(): each public function
 * that has checked its pointers goes to the one of the same name here if
 * gn__sock_is_system(). Errors are the kernel's.
 */
#include <guestnet/network.h>

#include "namespace/sock/sock.h"

struct gn__system_fd;

/**
 * The kernel's sockets by their descriptors: what this folder, which does no
 * I/O, is given. Calls are those of socket.h with an int for the socket;
 * nothing returns -EINTR.
 */
struct gn__kernel {
    int (*open)(int family, int type, int protocol);
    void (*close)(int fd);
    /** Calls that block, and those that begin later, end soon. */
    void (*interrupt)(int fd);
    int (*bind)(int fd, const struct sockaddr *addr, socklen_t len);
    int (*listen)(int fd, int backlog);
    int (*connect)(int fd, const struct sockaddr *addr, socklen_t len);
    int (*accept)(int fd, struct sockaddr *addr, socklen_t *len, int flags);
    ssize_t (*sendto)(int fd, const void *data, size_t len, int flags,
                      const struct sockaddr *addr, socklen_t addr_len);
    ssize_t (*sendmsg)(int fd, const struct msghdr *msg, int flags);
    ssize_t (*recvfrom)(int fd, void *data, size_t len, int flags,
                        struct sockaddr *addr, socklen_t *addr_len);
    ssize_t (*recvmsg)(int fd, struct msghdr *msg, int flags);
    int (*shutdown)(int fd, int how);
    int (*name)(int fd, struct sockaddr *addr, socklen_t *len);
    int (*peer)(int fd, struct sockaddr *addr, socklen_t *len);
    int (*setopt)(int fd, int level, int name, const void *value,
                  socklen_t len);
    int (*getopt)(int fd, int level, int name, void *value, socklen_t *len);
    int (*nonblock)(int fd);
    int (*set_nonblock)(int fd, bool on);
    ssize_t (*available)(int fd);
    ssize_t (*unsent)(int fd);
    /** A descriptor that is readable from when it is rung. */
    int (*bell)(void);
    void (*ring)(int bell);
    /** One that is readable while @events of @fd hold, and when @bell is. */
    int (*show)(int fd, int bell, short events);
};

/** A namespace of @net whose sockets are the kernel's. @net closes with it.
 *  Errors are those of gn_namespace_create(). */
GN_WARN_UNUSED int gn__namespace_system(struct gn_network *net,
                                        const struct gn__kernel *kernel,
                                        struct gn_namespace **out);

extern const struct gn__sock_ops gn__sock_system;

static inline bool gn__sock_is_system(const struct gn_sock *sock)
{
    return sock && sock->ops == &gn__sock_system;
}

/** A descriptor that stays what it is until gn__system_finish(). */
struct gn__system_use {
    struct gn__system_fd *held;
    const struct gn__kernel *kernel;
    int fd;
};

/** Returns 0, or what the call returns: the socket has ended. */
GN_WARN_UNUSED int gn__system_begin(struct gn_sock *sock,
                                    struct gn__system_use *use);
/** Return @result, unless the socket has ended meanwhile. */
int gn__system_finish(const struct gn__system_use *use, int result);
ssize_t gn__system_finish_bytes(const struct gn__system_use *use,
                                ssize_t result);

GN_WARN_UNUSED int gn__system_open(struct gn_namespace *ns, int family,
                                   int type, int protocol,
                                   struct gn_sock **out);
int gn__system_bind(struct gn_sock *sock, const struct sockaddr *addr,
                    socklen_t len);
int gn__system_listen(struct gn_sock *sock, int backlog);
int gn__system_connect(struct gn_sock *sock, const struct sockaddr *addr,
                       socklen_t len);
int gn__system_accept(struct gn_sock *sock, struct sockaddr *addr,
                      socklen_t *len, int flags, struct gn_sock **out);
ssize_t gn__system_sendto(struct gn_sock *sock, const void *data, size_t len,
                          int flags, const struct sockaddr *addr,
                          socklen_t addr_len);
ssize_t gn__system_sendmsg(struct gn_sock *sock, const struct msghdr *msg,
                           int flags);
ssize_t gn__system_recvfrom(struct gn_sock *sock, void *data, size_t len,
                            int flags, struct sockaddr *addr,
                            socklen_t *addr_len);
ssize_t gn__system_recvmsg(struct gn_sock *sock, struct msghdr *msg, int flags);
int gn__system_shutdown(struct gn_sock *sock, int how);
int gn__system_name(struct gn_sock *sock, struct sockaddr *addr,
                    socklen_t *len);
int gn__system_peer(struct gn_sock *sock, struct sockaddr *addr,
                    socklen_t *len);
int gn__system_setopt(struct gn_sock *sock, int level, int name,
                      const void *value, socklen_t len);
int gn__system_getopt(struct gn_sock *sock, int level, int name, void *value,
                      socklen_t *len);
int gn__system_set_nonblock(struct gn_sock *sock, bool on);
int gn__system_nonblock(struct gn_sock *sock);
ssize_t gn__system_available(struct gn_sock *sock);
ssize_t gn__system_unsent(struct gn_sock *sock);
/** gn_sock_fd() */
int gn__system_fd(struct gn_sock *sock, short events, int *fd);

#endif /* GN_NAMESPACE_SOCK_SYSTEM_H */
