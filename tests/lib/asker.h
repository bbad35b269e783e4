/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_ASKER_H
#define TESTS_LIB_ASKER_H

/*
 * A user of resolvers without a network: timers and turns on a clock of its
 * own, and a heap that counts.
 */
#include <pthread.h>

#include "resolver/resolver.h"
#include "tests/lib/heap.h"
#include "tests/lib/turns.h"

#define ASKER_MS 1000000ull

struct asker {
    struct gn_test_heap heap;
    struct gn__mem mem;
    struct gn_test_turns turns;
    struct gn__lookup_home home;
    uint64_t now;
    pthread_t thread;
    _Atomic int posts;
    struct gn_lookup lookup;
    struct gn__question question;
    struct sockaddr_storage addr;
    bool over;       /* ended() has run */
    char said[2000]; /* and what it said */
};

void asker_init(struct asker *asker);
/** Asserts that nothing is left: memory, timers, turns. */
void asker_done(struct asker *asker);

/** Begin; asker->over says whether it has ended at once. */
void asker_start(struct asker *asker, struct gn_resolver *resolver,
                 const struct gn__question *question);
/** Run what is due until it is over, or for so long. */
void asker_pass(struct asker *asker, uint64_t ns);
/** End it early. */
void asker_cancel(struct asker *asker);

/**
 * Ask, let a minute pass, and put the answer in words: "10.0.0.1/60 fd00::1/60"
 * (addresses and TTL), "5432", "db.test", or the error's number; "nothing" if
 * there was none, and it was cancelled.
 */
const char *asker_ip(struct asker *asker, struct gn_resolver *resolver,
                     const char *proto, const char *host);
const char *asker_port(struct asker *asker, struct gn_resolver *resolver,
                       const char *proto, const char *service);
const char *asker_addr(struct asker *asker, struct gn_resolver *resolver,
                       const char *address);
const char *asker_query(struct asker *asker, struct gn_resolver *resolver,
                        const char *name, uint16_t type);

#endif /* TESTS_LIB_ASKER_H */
