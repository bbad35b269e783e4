/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_EGRESS_H
#define TESTS_LIB_EGRESS_H

/*
 * A network in real time (10.77.0.0/24, fd77::/64) with a guest that has a host
 * by a policy, what the policy said, and kernel peers to talk to. Everything
 * waits with a bound.
 */
#include <pthread.h>
#include <stdbool.h>

#include <guestnet/guestnet.h>

#include "tests/lib/heap.h"

/** The machine's loopback, as guests see it. */
#define GATEWAY4 "10.77.0.1"
#define GATEWAY6 "fd77::1"

#define EG_AUDITS 64

/** A decision, copied. */
struct eg_audit {
    char guest[64];
    char address[GN_ADDR_TEXT_MAX];
    char name[256];
    char rule_text[128];
    char reason[64];
    int type;
    int rule;
    int error;
    bool inbound;
    bool allowed;
    bool ended;
};

struct eg {
    struct gn_test_heap heap;
    struct gn_network *net;
    struct gn_egress *egress;
    struct gn_resolver *resolver; /* NULL: the network's own */
    struct gn_namespace *guest;
    pthread_mutex_t lock;
    struct eg_audit audits[EG_AUDITS];
    size_t n_audits;
};

/** @rules  NULL-ended. @policy  For the rest; NULL: defaults. */
void eg_begin(struct eg *eg, const char *const *rules,
              const struct gn_policy *policy);
/** The same with a resolver that knows these names (as hosts(5)). */
void eg_begin_names(struct eg *eg, const char *const *rules, const char *hosts,
                    uint32_t ttl_s);
/** The same with a resolver that is there; closed at the end. */
void eg_begin_resolver(struct eg *eg, const char *const *rules,
                       struct gn_resolver *resolver);
/** Have the guest look a name up, blocking; 0 or a negative error. */
int eg_lookup(struct eg *eg, const char *name);
/** With a host of the test's own, after eg_clear(). */
void eg_begin_egress(struct eg *eg, struct gn_egress *egress);
void eg_clear(struct eg *eg);
/** Closes all; asserts that no memory is left. */
void eg_end(struct eg *eg);

/** A blocking socket of the guest's. */
struct gn_sock *eg_open(struct eg *eg, int family, int type);
/** connect() to "10.77.0.1" and a port; closes nothing. */
int eg_connect(struct gn_sock *sock, const char *host, unsigned short port);
/** Open and connect a blocking one: NULL and *@err. */
struct gn_sock *eg_dial(struct eg *eg, int type, const char *host,
                        unsigned short port, int *err);
/** Send a datagram there: 0 when it was allowed, or the error of the connected
 *  socket. */
int eg_ask(struct eg *eg, const char *host, unsigned short port);
/** Addresses that could be taken for ways to the machine's loopback, and the
 *  guest's own; NULL-ended. */
extern const char *const eg_astray[];
extern const char *const eg_own[];
/** Poll for 10 s at most. */
short eg_wait(struct gn_sock *sock, short events);
/** SO_ERROR, negative. */
int eg_error(struct gn_sock *sock);
/** accept() at a kernel listener, waiting 10 s at most; a blocking socket. */
int eg_accept(int listener);
/** Does a kernel descriptor become readable within this time? */
bool eg_readable(int fd, int timeout_ms);
/** The two ends talk, both ways. */
void eg_talk(struct gn_sock *sock, int fd);
/** The last decision. */
struct eg_audit eg_last(struct eg *eg);
size_t eg_audits(struct eg *eg);
/** Wait until there are so many. */
void eg_await(struct eg *eg, size_t n);
/** Other rules for its egress; @flags: GN_RULES_END. */
void eg_change(struct eg *eg, const char *const *rules, unsigned flags);

#endif /* TESTS_LIB_EGRESS_H */
