/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_WORLD_H
#define BENCH_WORLD_H

/*
 * The same program over guests' sockets and over the kernel's: a site is where
 * sockets are opened, an end is a socket. Results are those of gn_sock_*(), for
 * the kernel's sockets too.
 */
#include <guestnet/guestnet.h>

#include <stdbool.h>
#include <stddef.h>

/** A guest, or (ns NULL) the machine's loopback. */
struct site {
    struct gn_namespace *ns;
    struct sockaddr_storage addr; /* Of the site, with port 0. */
    socklen_t len;
};

/** Sites that reach each other; of the kernel all are the same. */
struct world {
    struct gn_network *net; /* NULL: the kernel. */
    struct gn_clock *clock; /* NULL: it is in real time. */
    struct site *sites;
    size_t n;
};

struct end {
    struct gn_sock *sock; /* NULL: fd. */
    int fd;
};

#define END_NONE ((struct end){NULL, -1})

/** A network with room for many guests. @limits  NULL for the defaults; @clock
 *  NULL: it has a thread. */
int world_network(const struct gn_limits *limits, struct gn_clock *clock,
                  struct gn_network **out);
/** @limits  NULL for the defaults. */
int world_open(struct world *world, bool kernel, size_t n,
               const struct gn_limits *limits);
/** Guests under a clock of the world's own, which never takes time for standing
 *  still: only tasks wait there. */
int world_open_virtual(struct world *world, size_t n,
                       const struct gn_limits *limits);
void world_close(struct world *world);

int end_open(const struct site *site, int type, struct end *out);
/** Bound to a free port of @site; a stream listens. @addr gets the address. */
int end_serve(const struct site *site, int type, int backlog, struct end *out,
              struct sockaddr_storage *addr);
int end_connect(struct end end, const struct sockaddr_storage *addr,
                socklen_t len);
int end_accept(struct end end, struct end *out);
ssize_t end_send(struct end end, const void *data, size_t len, int flags);
ssize_t end_recv(struct end end, void *data, size_t len, int flags);
int end_shutdown(struct end end);
int end_nodelay(struct end end);
void end_close(struct end end);

/** Two connected ends, ends[0] at @a and ends[1] at @b, without Nagle. */
int end_pair(const struct site *a, const struct site *b, int type,
             struct end ends[2]);

#endif /* BENCH_WORLD_H */
