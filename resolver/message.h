/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_RESOLVER_MESSAGE_H
#define GN_RESOLVER_MESSAGE_H

/*
 * DNS messages as a server reads and writes them (RFC 1035, RFC 6891), by
 * c-ares's record functions. No sockets and no clock.
 */
#include <guestnet/resolver.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GN__DNS_PORT 53u
/** What every resolver takes over UDP. */
#define GN__DNS_UDP_LEAST 512u
/** What we let an EDNS client have over UDP: no fragments at any MTU. */
#define GN__DNS_UDP_MOST 1232u
/** A name in text with all its bytes escaped, and the NUL. */
#define GN__DNS_NAME_ROOM 1025u

enum gn__dns_type {
    GN__DNS_A = 1,
    GN__DNS_PTR = 12,
    GN__DNS_AAAA = 28,
    GN__DNS_SRV = 33,
    GN__DNS_HTTPS = 65,
    GN__DNS_ANY = 255
};

enum gn__dns_rcode {
    GN__RCODE_OK = 0,
    GN__RCODE_FORMERR = 1,
    GN__RCODE_SERVFAIL = 2,
    GN__RCODE_NXDOMAIN = 3,
    GN__RCODE_NOTIMP = 4,
    GN__RCODE_REFUSED = 5
};

struct gn__dns_question {
    uint16_t id;
    uint16_t type;
    uint16_t class_;
    bool recursive; /* RD */
    bool edns;
    uint16_t udp_size; /* of EDNS; else GN__DNS_UDP_LEAST */
    char name
        [GN__DNS_NAME_ROOM]; /* as it was asked for: letters keep their case */
};

/**
 * Read a query. @out gets at least its id, where there is one.
 *
 * Returns GN__RCODE_OK; GN__RCODE_FORMERR or _NOTIMP, which is the answer; or
 * -1: it is a response, or has no header, and gets none.
 */
int gn__dns_parse(const void *msg, size_t len, struct gn__dns_question *out);

struct gn__dns_answer {
    enum gn__dns_rcode rcode;
    bool authoritative;
    bool cut;                      /* there is more than is given here */
    const struct gn_answer *addrs; /* of the question's type; of SRV those of
                                      host, as many as there is room for */
    size_t n;
    const char *canonical; /* NULL, or what the name is an alias of */
    const char *host;      /* of PTR and SRV; NULL */
    uint16_t port;         /* of SRV; 0: it is no SRV */
    uint32_t ttl_s;        /* of host and canonical */
    const char *zone;      /* of SOA where there is no record */
};

/**
 * Write an answer of at most @cap bytes; what does not fit is left out, and the
 * message marked as cut (TC). Returns its length, or 0: no memory.
 */
size_t gn__dns_write(const struct gn__dns_question *question,
                     const struct gn__dns_answer *answer, uint8_t *out,
                     size_t cap);

/** The address that a name of in-addr.arpa or ip6.arpa stands for. */
bool gn__dns_reverse(const char *name, struct sockaddr_storage *out);

#endif /* GN_RESOLVER_MESSAGE_H */
