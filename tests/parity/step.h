/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PARITY_STEP_H
#define TESTS_PARITY_STEP_H

/*
 * The language parity is written in. A step is one call on a numbered socket;
 * a case is a row of steps. The same row runs against the kernel's sockets and
 * against a guest's, and each step's outcome is compared (compare.h). Cases
 * are tables, so that the generator can make them too (test_random.c), and a
 * step prints as the macro that makes it: what the generator finds can be
 * pasted into a table.
 *
 * Sockets, addresses and so on come in a neutral form (TCP, LO, ANY), which
 * stands for IPv4, IPv6, or IPv4 through an IPv6 socket, and in exact forms
 * (TCP4, LO6). A case that uses the neutral form runs once as each.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#define PARITY_SOCKETS 8
/* Hosts that a socket may be on; two are joined by a link (hosts.h). */
#define PARITY_PLACES 2

enum call {
    CALL_END = 0,
    CALL_OPEN,
    CALL_CLOSE,
    CALL_BIND,
    CALL_LISTEN,
    CALL_CONNECT,
    CALL_ACCEPT,
    CALL_SEND,
    CALL_SENDTO,
    CALL_SENDMSG,
    CALL_RECV,
    CALL_RECVFROM,
    CALL_RECVMSG,
    CALL_FILL,
    CALL_DRAIN,
    CALL_SHUTDOWN,
    CALL_NAME,
    CALL_PEER,
    CALL_SET,
    CALL_GET,
    CALL_NONBLOCK,
    CALL_AVAILABLE,
    CALL_UNSENT,
    CALL_POLL,
    CALL_ODD,
    CALL_CUT,
    CALL_DETACH,
    CALL_MEANWHILE,
    N_CALLS
};

enum kind { TCP = 0, UDP, TCP4, TCP6, UDP4, UDP6, N_KINDS };

/* Addresses; those before LO4 depend on the variant. */
enum host {
    LO = 0,   /* this host */
    LO_OTHER, /* 127.0.0.2; for IPv6 ::1 as well */
    ANY,
    FOREIGN,   /* no host's */
    GROUP,     /* multicast */
    HERE,      /* the first host's, on the link */
    THERE,     /* the second host's */
    EVERYBODY, /* the subnet's broadcast address; for IPv6 all nodes */
    LO4,
    LO4_OTHER,
    ANY4,
    FOREIGN4,
    GROUP4,
    HERE4,
    THERE4,
    BROADCAST4,
    SUBNET4,    /* the link's broadcast address */
    LO_SUBNET4, /* 127.255.255.255 */
    ALL_HOSTS4, /* 224.0.0.1 */
    LO6,
    ANY6,
    FOREIGN6,
    GROUP6,
    HERE6,
    THERE6,
    LINK6,      /* link-local without scope */
    LINK_HERE6, /* ... the hosts' own, over eth0 */
    LINK_THERE6,
    LINK_THERE6_BARE, /* ... without scope */
    LINK_THERE6_LO,   /* ... over lo */
    LINK_THERE6_BAD,  /* ... over an interface that is not there */
    LINK_GROUP6,      /* over eth0 */
    LINK_GROUP6_BARE,
    ALL_NODES6, /* over eth0 */
    ALL_NODES6_BARE,
    ALL_NODES6_LO,
    ALL_NODES6_BAD,
    MAPPED_LO,
    MAPPED_OTHER,
    MAPPED_ANY,
    MAPPED_FOREIGN,
    MAPPED_GROUP,
    MAPPED_HERE,
    MAPPED_THERE,
    MAPPED_SUBNET,
    UNSPEC,       /* AF_UNSPEC, as long as sockaddr_in */
    UNSPEC6,      /* ... as sockaddr_in6 */
    UNSPEC_SHORT, /* nothing but the family */
    UNSPEC_LO4,   /* AF_UNSPEC with an address in it */
    UNIX,         /* another family */
    SHORT4,       /* one byte short of sockaddr_in */
    SHORT6,       /* as long as sockaddr_in6 without the scope */
    SHORTER6,     /* one byte less */
    LONG4,        /* as long as sockaddr_storage */
    TOO_LONG,     /* one byte longer */
    ONE_BYTE,
    EMPTY, /* of length 0 */
    N_HOSTS
};

/* Ports below 0 are those of sockets; PORT_OF(i) is their local port. */
#define NO_PORT    0
#define CLOSED     9 /* no socket is there */
#define PRIVILEGED 81
#define PORT_OF(i) (-1 - (i))

/* Control messages of CALL_SENDMSG. */
enum control {
    PLAIN = 0,
    WITH_PKTINFO,      /* from LO4_OTHER */
    WITH_PKTINFO_BAD,  /* from FOREIGN4 */
    WITH_PKTINFO_HERE, /* from HERE4 */
    WITH_PKTINFO_ETH0, /* by an interface */
    WITH_PKTINFO_LO,
    WITH_PKTINFO_NONE, /* by one that is not there */
    WITH_TTL,
    WITH_TTL_BAD,
    WITH_TTL_ZERO,
    WITH_TTL_DEFAULT, /* -1 */
    WITH_TOS,
    WITH_TOS_BYTE,
    WITH_TOS_DEFAULT,
    WITH_PKTINFO6, /* from LO6 */
    WITH_PKTINFO6_BAD,
    WITH_PKTINFO6_HERE,
    WITH_PKTINFO6_ETH0,
    WITH_PKTINFO6_LO,
    WITH_PKTINFO6_NONE,
    WITH_HOPS6,
    WITH_HOPS6_BAD,
    WITH_HOPS6_DEFAULT,
    WITH_HOPS6_NEGATIVE, /* -2 */
    WITH_TCLASS6,
    WITH_TCLASS6_DEFAULT,
    WITH_TCLASS6_NEGATIVE,
    WITH_UNKNOWN,
    WITH_SHORT,
    WITH_TRUNCATED, /* cmsg_len reaches beyond msg_controllen */
    N_CONTROLS
};

struct step {
    uint8_t call;
    uint8_t sock;
    uint8_t child; /* CALL_ACCEPT: the socket it becomes */
    uint8_t kind;
    uint8_t host;
    uint8_t place; /* CALL_OPEN: the host it is on */
    uint8_t control;
    bool blocking;
    int port;
    int n; /* bytes, backlog, how, value, events, which odd call */
    int flags;
    int level;
    int name;
    const void *value;
    int len;
};

/* What the macros below are made of. */
#define STEP(...)   \
    {               \
        __VA_ARGS__ \
    }

#define OPEN(s, k) STEP(.call = CALL_OPEN, .sock = s, .kind = k)
#define OPEN_BLOCKING(s, k) \
    STEP(.call = CALL_OPEN, .sock = s, .kind = k, .blocking = true)
/* ... on the second host */
#define OPEN_THERE(s, k) \
    STEP(.call = CALL_OPEN, .sock = s, .kind = k, .place = 1)
#define CLOSE(s)      STEP(.call = CALL_CLOSE, .sock = s)
#define BIND(s, h, p) STEP(.call = CALL_BIND, .sock = s, .host = h, .port = p)
#define LISTEN(s, b)  STEP(.call = CALL_LISTEN, .sock = s, .n = b)
#define CONNECT(s, h, p) \
    STEP(.call = CALL_CONNECT, .sock = s, .host = h, .port = p)
#define ACCEPT(s, c) STEP(.call = CALL_ACCEPT, .sock = s, .child = c)
#define ACCEPT_FLAGS(s, c, f) \
    STEP(.call = CALL_ACCEPT, .sock = s, .child = c, .flags = f)
#define SEND(s, bytes) STEP(.call = CALL_SEND, .sock = s, .n = bytes)
#define SEND_FLAGS(s, bytes, f) \
    STEP(.call = CALL_SEND, .sock = s, .n = bytes, .flags = f)
#define SENDTO(s, bytes, h, p) \
    STEP(.call = CALL_SENDTO, .sock = s, .n = bytes, .host = h, .port = p)
#define SENDMSG(s, bytes, h, p, c)                                          \
    STEP(.call = CALL_SENDMSG, .sock = s, .n = bytes, .host = h, .port = p, \
         .control = c)
#define RECV(s, bytes) STEP(.call = CALL_RECV, .sock = s, .n = bytes)
#define RECV_FLAGS(s, bytes, f) \
    STEP(.call = CALL_RECV, .sock = s, .n = bytes, .flags = f)
#define RECVFROM(s, bytes, f) \
    STEP(.call = CALL_RECVFROM, .sock = s, .n = bytes, .flags = f)
#define RECVMSG(s, bytes, f) \
    STEP(.call = CALL_RECVMSG, .sock = s, .n = bytes, .flags = f, .len = 256)
/* ... with that much room for control messages */
#define RECVMSG_ROOM(s, bytes, f, room) \
    STEP(.call = CALL_RECVMSG, .sock = s, .n = bytes, .flags = f, .len = room)
/* Send until there is no room; receive all that socket f has ever sent. */
#define FILL(s) STEP(.call = CALL_FILL, .sock = s)
/* ... and until the peer has acknowledged what it got: no room comes later */
#define FILL_WHOLLY(s) STEP(.call = CALL_FILL, .sock = s, .blocking = true)
#define DRAIN(s, f)    STEP(.call = CALL_DRAIN, .sock = s, .child = f)
#define SHUT(s, how)   STEP(.call = CALL_SHUTDOWN, .sock = s, .n = how)
#define NAME(s)        STEP(.call = CALL_NAME, .sock = s, .len = 128)
#define NAME_LEN(s, l) STEP(.call = CALL_NAME, .sock = s, .len = l)
#define PEER(s)        STEP(.call = CALL_PEER, .sock = s, .len = 128)
#define PEER_LEN(s, l) STEP(.call = CALL_PEER, .sock = s, .len = l)
#define SET(s, l, o, v) \
    STEP(.call = CALL_SET, .sock = s, .level = l, .name = o, .n = v)
/* An int of another length. */
#define SET_LEN(s, l, o, v, length)                                  \
    STEP(.call = CALL_SET, .sock = s, .level = l, .name = o, .n = v, \
         .len = length)
/* Any value. */
#define SET_VALUE(s, l, o, ...)                              \
    STEP(.call = CALL_SET, .sock = s, .level = l, .name = o, \
         .value = &__VA_ARGS__, .len = sizeof(__VA_ARGS__))
#define GET(s, l, o) STEP(.call = CALL_GET, .sock = s, .level = l, .name = o)
#define GET_LEN(s, l, o, length) \
    STEP(.call = CALL_GET, .sock = s, .level = l, .name = o, .len = length)
#define NONBLOCK(s, on) STEP(.call = CALL_NONBLOCK, .sock = s, .n = on)
#define AVAILABLE(s)    STEP(.call = CALL_AVAILABLE, .sock = s)
#define UNSENT(s)       STEP(.call = CALL_UNSENT, .sock = s)
#define POLL(s, events) STEP(.call = CALL_POLL, .sock = s, .n = events)
#define ODD(s, which)   STEP(.call = CALL_ODD, .sock = s, .n = which)
/* Nothing passes over the link any more, unheard; or it does again. */
#define CUT  STEP(.call = CALL_CUT, .n = 1)
#define MEND STEP(.call = CALL_CUT, .n = 0)
/* The first host loses eth0. */
#define DETACH STEP(.call = CALL_DETACH)
/* The next step runs in a thread while the one after it runs here. */
#define MEANWHILE STEP(.call = CALL_MEANWHILE)

/* CALL_ODD: calls whose arguments make no sense. */
enum odd {
    ODD_BIND_NULL = 0,
    ODD_CONNECT_NULL,
    ODD_SEND_NULL,
    ODD_SEND_NULL_NOTHING,
    ODD_RECV_NULL,
    ODD_RECV_NULL_NOTHING,
    ODD_RECV_NULL_TRUNC,
    ODD_RECV_NULL_PEEK_TRUNC,
    ODD_SENDMSG_IOV_TOO_MANY,
    ODD_RECVMSG_IOV_TOO_MANY,
    ODD_SENDMSG_IOV_TOO_LONG,
    ODD_SENDMSG_NO_IOV,
    ODD_RECVMSG_NO_IOV,
    ODD_SENDMSG_NAME_WITHOUT_LENGTH,
    ODD_SHUTDOWN_HOW,
    ODD_SHUTDOWN_NEGATIVE,
    ODD_ACCEPT_FLAGS,
    ODD_ACCEPT_LEN,
    ODD_NAME_LEN,
    ODD_PEER_LEN,
    ODD_SETOPT_NULL,
    ODD_GETOPT_LEN,
    ODD_BIND_NEGATIVE,
    ODD_CONNECT_NEGATIVE,
    ODD_SENDTO_NEGATIVE,
    ODD_RECVFROM_LEN,
    N_ODDS
};

/* What the neutral forms stand for. */
enum variant { V4 = 0, V6, V4_IN_V6, N_VARIANTS };

struct parity_case {
    const char *name;
    const struct step *steps; /* the last is CALL_END */
};

#define CASE(text, ...)             \
    {                               \
        text, (const struct step[]) \
        {                           \
            __VA_ARGS__,            \
            {                       \
                .call = CALL_END    \
            }                       \
        }                           \
    }

extern const char *const variant_names[N_VARIANTS];

/** Does it use a neutral form? Else the variant means nothing. */
bool step_is_neutral(const struct step *step);

/** Does it take two hosts on a link? */
bool step_needs_link(const struct step *step);

/** The i-th of the options that have a name; false: there are no more. */
bool step_option(size_t i, int *level, int *name);

/** As the macro that makes it. */
void step_format(const struct step *step, char *out, size_t cap);

/** What the neutral forms stand for. */
enum kind kind_resolve(enum kind kind, enum variant variant);
enum host host_resolve(enum host host, enum variant variant);

#endif /* TESTS_PARITY_STEP_H */
