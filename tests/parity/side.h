/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PARITY_SIDE_H
#define TESTS_PARITY_SIDE_H

/*
 * One of the two sides a case runs against: sockets of gn_namespace_system(),
 * or of a guest. A step is done on it and gives an outcome, which is text: two
 * outcomes are equal when their texts are. What must not count as a difference
 * is left out of the text, or replaced, and this is all of it:
 *
 *   port numbers        Those the side picks itself are named in the order in
 *                       which they are first seen, TCP and UDP apart: p0, p1.
 *   bytes of FILL       How much a full stream takes, then and by later sends;
 *                       only how it ended counts, and that DRAIN gets all of
 *                       it, in order.
 *   read boundaries     After a FILL a receive of a stream says only whether it
 *                       got anything. Before, both sides are waited for until
 *                       the same number of bytes can be read (compare.h).
 *   SIOCOUTQ            Of datagrams, where it is memory: whether there are
 *                       any.
 *   IP_MTU, IPV6_MTU    Of lo: that it is lo's.
 *   SO_LINGER           Less than nothing is for ever: the number depends on
 *                       the kernel.
 *   SO_RCVBUF, _SNDBUF  Of a connected stream, which the kernel changes as it
 *                       likes. Both sides double what is set.
 *   times               What the sides do later than the call that caused it
 *                       is waited for, see compare.h. How long a call took does
 *                       not count, but for a close with SO_LINGER: whether it
 *                       used up its time.
 */
#include <guestnet/guestnet.h>

#include "tests/parity/hosts.h"
#include "tests/parity/step.h"

#define PORTS_MAX 64

struct outcome {
    long result;
    char text[1024];
};

struct ports {
    uint16_t seen[PORTS_MAX];
    unsigned n;
};

/* What a side knows of one of its sockets. */
struct slot {
    struct gn_sock *sock; /* NULL: not open */
    bool stream;
    bool full;        /* a FILL has been done */
    bool recv_err;    /* IP_RECVERR or IPV6_RECVERR has been set */
    bool late_option; /* set while a connection waited to be accepted: of the
                         listener, and of what it accepts */
    bool mapped;      /* an IPv6 stream that has connected to IPv4 */
    bool connected;   /* a stream that has called connect(), or was accepted */
    bool listened;    /* it has called listen() */
    bool free_again;  /* and it is neither connected nor listening any more */
    uint16_t port;    /* local; also when it is closed */
    size_t sent;      /* by a stream */
    size_t received;
};

/* Where a side is: one host, or two on a link. */
struct place {
    struct gn_namespace *ns[PARITY_PLACES];
    /* The kernel's side on a link: the network namespaces; else NULL. */
    const int *net_fds;
    const struct hosts *hosts; /* NULL: it is alone */
};

struct side {
    const char *name;
    struct place place;
    enum variant variant;
    bool filled;     /* a FILL has been done */
    bool shut_early; /* a stream was shut down that had no connection */
    bool crossed;    /* such a stream has connected to IPv6 after that */
    /* One with a late option was closed: its peer hears it. */
    _Atomic bool late_ended;
    struct slot slots[PARITY_SOCKETS];
    struct ports ports[2]; /* of UDP, of TCP */
};

/** A side with nothing open; what @place refers to is borrowed. */
void side_init(struct side *side, const char *name, const struct place *place,
               enum variant variant);
/** Close all sockets. */
void side_done(struct side *side);

void side_do(struct side *side, const struct step *step, struct outcome *out);
/** Take down what the step has changed; after it, by one thread. */
void side_note(struct side *side, const struct step *step);

/** All poll(2) bits that hold of a socket; 0 if it is not open. */
short side_ready(const struct side *side, unsigned sock);

/** FIONREAD of a socket; below 0 if it has none to compare. */
ssize_t side_readable(const struct side *side, unsigned sock);

/* ---- for the files that make up a side ---- */

/** Append to the outcome's text. */
void outcome_add(struct outcome *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** Set the result and its text: a number, or the name of the errno. */
void outcome_set(struct outcome *out, long result);

/** The address of a step; returns its length. */
socklen_t side_addr(const struct side *side, const struct step *step,
                    struct sockaddr_storage *out);
/** Append an address that a call returned in @room bytes. */
void side_add_addr(struct side *side, struct outcome *out, bool stream,
                   const struct sockaddr_storage *addr, socklen_t len,
                   socklen_t room);
void side_add_events(struct outcome *out, short events);

/* The payload: the byte at an offset of what a socket has ever sent. */
void side_pattern(unsigned sock, size_t offset, uint8_t *out, size_t n);

int64_t side_now_ms(void);

void side_send(struct side *side, const struct step *step, struct outcome *out);
void side_recv(struct side *side, const struct step *step, struct outcome *out);
void side_fill(struct side *side, const struct step *step, struct outcome *out);
void side_drain(struct side *side, const struct step *step,
                struct outcome *out);
void side_odd(struct side *side, const struct step *step, struct outcome *out);
void side_option(struct side *side, const struct step *step,
                 struct outcome *out);

#endif /* TESTS_PARITY_SIDE_H */
