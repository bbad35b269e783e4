/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_DNSD_H
#define TESTS_LIB_DNSD_H

/*
 * A DNS server on a loopback port, UDP and TCP, that answers what the test
 * makes up. It runs on the test's own turns (pollio), so there are no threads
 * and nothing to wait for.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/lib/pollio.h"

#define GN_TEST_DNSD_CONNS 16u

/* RFC 1035 section 3.2.2 and later. */
enum {
    GN_TEST_DNS_A = 1,
    GN_TEST_DNS_CNAME = 5,
    GN_TEST_DNS_SOA = 6,
    GN_TEST_DNS_PTR = 12,
    GN_TEST_DNS_TXT = 16,
    GN_TEST_DNS_AAAA = 28
};

/** A message that is being written. */
struct gn_test_dns {
    uint8_t bytes[65536];
    size_t len;
};

struct gn_test_dnsd;

/** What the server knows of a question. */
struct gn_test_ask {
    struct gn_test_dnsd *dnsd;
    const uint8_t *message;
    size_t len;
    char name[256]; /* "a.b", in lower case */
    unsigned type;
    int conn; /* TCP: which; else -1 */
    struct sockaddr_storage from;
    socklen_t from_len;
};

struct gn_test_dnsd_conn {
    struct gn__io_watch watch;
    struct gn_test_dnsd *dnsd;
    int fd; /* -1: none */
    uint8_t in[4096];
    size_t n_in;
};

struct gn_test_dnsd {
    struct gn_test_pollio *pollio;
    struct gn__io_watch udp, tcp;
    struct gn_test_dnsd_conn conns[GN_TEST_DNSD_CONNS];
    char address[64]; /* "127.0.0.1:5353" */
    unsigned n_asked; /* questions */
    unsigned n_tcp;   /* of these, by TCP */
    unsigned n_conns; /* connections accepted */
    void (*answer)(const struct gn_test_ask *ask, void *arg);
    void *arg;
};

void gn_test_dnsd_init(struct gn_test_dnsd *dnsd, struct gn_test_pollio *pollio,
                       void (*answer)(const struct gn_test_ask *ask, void *arg),
                       void *arg);
/** At this port. */
void gn_test_dnsd_init_at(
    struct gn_test_dnsd *dnsd, struct gn_test_pollio *pollio, uint16_t port,
    void (*answer)(const struct gn_test_ask *ask, void *arg), void *arg);
void gn_test_dnsd_done(struct gn_test_dnsd *dnsd);

/** The beginning of an answer: the question's id, name and type. */
void gn_test_dns_begin(struct gn_test_dns *dns, const struct gn_test_ask *ask,
                       unsigned rcode);
/** One record. @name: NULL for that of the question. @data: as it is sent. */
void gn_test_dns_add(struct gn_test_dns *dns, const char *name, unsigned type,
                     uint32_t ttl, const void *data, size_t len);
void gn_test_dns_add_a(struct gn_test_dns *dns, const char *name, uint32_t ttl,
                       const char *address);
void gn_test_dns_add_aaaa(struct gn_test_dns *dns, const char *name,
                          uint32_t ttl, const char *address);
/** CNAME, PTR: a record that is a name. */
void gn_test_dns_add_name(struct gn_test_dns *dns, const char *name,
                          unsigned type, uint32_t ttl, const char *value);
/** Set TC: cut here. */
void gn_test_dns_truncate(struct gn_test_dns *dns);

/** Send it to the client that asked. */
void gn_test_dnsd_send(const struct gn_test_ask *ask,
                       const struct gn_test_dns *dns);
/** Raw bytes, by UDP or TCP (without the length in front). */
void gn_test_dnsd_send_raw(const struct gn_test_ask *ask, const void *bytes,
                           size_t len);
/** TCP: end the connection by a RST. */
void gn_test_dnsd_reset(const struct gn_test_ask *ask);

#endif /* TESTS_LIB_DNSD_H */
