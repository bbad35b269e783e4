/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NAMESPACE_SOCK_OPT_OPT_H
#define GN_NAMESPACE_SOCK_OPT_OPT_H

/*
 * Options, one table entry each. Most are an int, or an int that is a flag at
 * some offset of struct gn__sock_opt; the few that are structs have functions
 * of their own. The tables are by level: socket.c, ip.c, ip6.c, tcp.c, and
 * ours, guestnet.c.
 */
#include "namespace/sock/sock.h"

/* gn__option.on: the sockets that know it; 0: all. */
#define GN__OPT_STREAM (1u << 0)
#define GN__OPT_DGRAM  (1u << 1)
#define GN__OPT_V6     (1u << 2)
/* ... that may set it, if not all of those. */
#define GN__OPT_SET_DGRAM (1u << 5)
/* ... and how its value comes. */
#define GN__OPT_SHORT (1u << 3) /* one byte serves as well, ip(7) */
#define GN__OPT_FULL  (1u << 4) /* ... but none does not */

struct gn__option {
    int level;
    int name;
    unsigned on;
    size_t flag; /* offset of a bool, plus 1; 0: none */
    int (*set_int)(struct gn_sock *sock, int value);
    int (*get_int)(struct gn_sock *sock, int *value);
    int (*set)(struct gn_sock *sock, const void *value, socklen_t len);
    /** @len: in the room, out what was written. */
    int (*get)(struct gn_sock *sock, void *value, socklen_t *len);
};

#define GN__FLAG_AT(member) (offsetof(struct gn__sock_opt, member) + 1)

struct gn__options {
    const struct gn__option *at;
    size_t n;
};

extern const struct gn__options gn__options_socket;
extern const struct gn__options gn__options_ip;
extern const struct gn__options gn__options_ip6;
extern const struct gn__options gn__options_tcp;
extern const struct gn__options gn__options_guestnet;

/** Write at most *@len bytes of a value. */
void gn__option_put(const void *from, size_t size, void *value, socklen_t *len);
/** IP_MTU, IPV6_MTU: of the way to the peer. */
int gn__option_mtu(struct gn_sock *sock, int *value);

#endif /* GN_NAMESPACE_SOCK_OPT_OPT_H */
