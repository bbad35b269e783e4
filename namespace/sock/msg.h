/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NAMESPACE_SOCK_MSG_H
#define GN_NAMESPACE_SOCK_MSG_H

/*
 * One send or receive in progress; lives on the caller's stack.
 *
 * The user's memory is read and written by the caller's thread, for large
 * payload without the lock: a send copies into chunks first (ops->prepare) and
 * then hands those over, a receive takes slices and copies out of them after
 * leaving. What was prepared and not taken stays for the next round.
 */
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>

#include "base/addr.h"
#include "namespace/sock/sock.h"

/** Slices that one round handles. */
#define GN__XFER_SLICES 16u
/** Up to so many bytes a stream copies under the lock: cheaper than a chunk. */
#define GN__XFER_SMALL 1024u
/** A datagram's payload up to this size travels in the packet's head. */
#define GN__XFER_INLINE 128u
/** The most that one call moves, MAX_RW_COUNT of Linux. */
#define GN__XFER_MAX 0x7ffff000u

/** Where one stands in an iovec. */
struct gn__iov {
    const struct iovec *at;
    size_t off; /* in the element */
};

/* Bits of gn__ancillary.wants: which control messages a receiver gets. */
#define GN__WANT_PKTINFO  (1u << 0)
#define GN__WANT_TTL      (1u << 1)
#define GN__WANT_TOS      (1u << 2)
#define GN__WANT_PKTINFO6 (1u << 3)
#define GN__WANT_HOPS6    (1u << 4)
#define GN__WANT_TCLASS6  (1u << 5)

/** What control messages say, of a datagram sent or received. */
struct gn__ancillary {
    unsigned wants;
    struct gn__addr local;  /* source to send from, or destination received */
    struct gn__addr answer; /* of IPv4: the address to answer from */
    unsigned iface;
    bool has_local;
    bool has_ttl;
    bool has_tos;
    uint8_t ttl;
    uint8_t tos;
};

struct gn__xfer {
    struct gn__iov iov;
    size_t total; /* bytes in the iovec */
    size_t done;  /* bytes taken, or delivered */
    int flags;    /* MSG_* */
    bool stop;    /* received all there will be */
    bool capped;  /* more was there than slices to take it */
    unsigned n_slices;
    unsigned n_small;
    const struct sockaddr *to; /* NULL: none was given */
    socklen_t to_len;
    const struct msghdr
        *control; /* what sendmsg() says beside; NULL: nothing */
    struct gn__ancillary ancillary;
    size_t length; /* of the datagram received */
    struct gn__endpoint from;
    struct gn__slice slices[GN__XFER_SLICES]; /* Not cleared, from here on. */
    uint8_t small[GN__XFER_SMALL];
};

/** Everything but the memory that is written before it is read. */
static inline void gn__xfer_clear(struct gn__xfer *io)
{
    memset(io, 0, offsetof(struct gn__xfer, slices));
}

/* ---- iov.c ---- */

/** Check an iovec, and add up what it holds: -EMSGSIZE, -EFAULT, -EINVAL. */
GN_WARN_UNUSED int gn__iov_check(const struct iovec *iov, size_t n,
                                 size_t *total);
/** Has every element that has bytes an address? */
bool gn__iov_is_there(const struct iovec *iov, size_t n);
/** Copy the next @n bytes and move on. The iovec has them. */
void gn__iov_read(struct gn__iov *iov, void *out, size_t n);
void gn__iov_write(struct gn__iov *iov, const void *data, size_t n);
void gn__iov_skip(struct gn__iov *iov, size_t n);
/** The next @n bytes: where they are if they are in one piece, else copied
 *  to @room. Does not move on. */
const void *gn__iov_peek(const struct gn__iov *iov, void *room, size_t n);

/* ---- cmsg.c ---- */

/** Are control messages well-formed, and none of SOL_SOCKET? 0 or -EINVAL. */
GN_WARN_UNUSED int gn__cmsg_check(const struct msghdr *msg);
/** Read checked ones of a datagram to a destination of this version. @v6: on an
 *  IPv6 socket. Those of other levels mean nothing; 0 or -EINVAL. */
GN_WARN_UNUSED int gn__cmsg_read(const struct msghdr *msg, bool to_v4, bool v6,
                                 struct gn__ancillary *out);
/** Write what the receiver wants; sets msg_controllen, and MSG_CTRUNC in
 *  msg_flags where there was no room. */
void gn__cmsg_write(struct msghdr *msg, const struct gn__ancillary *what);

/** A longer address, or a negative length, is -EINVAL in every call. */
static inline bool gn__addr_len_ok(socklen_t len)
{
    return len <= sizeof(struct sockaddr_storage);
}

/** Is a call with these flags on this socket to wait? */
static inline bool gn__sock_blocks(const struct gn_sock *sock, int flags)
{
    return !(flags & MSG_DONTWAIT) &&
           !atomic_load_explicit(&sock->nonblock, memory_order_relaxed);
}

#endif /* GN_NAMESPACE_SOCK_MSG_H */
