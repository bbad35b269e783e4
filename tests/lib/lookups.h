/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_LOOKUPS_H
#define TESTS_LIB_LOOKUPS_H

/*
 * A network in real time with a resolver and one guest, and lookups that are
 * waited for and come back as text.
 */
#include <guestnet/guestnet.h>

#include <pthread.h>
#include <stdbool.h>

struct gn_test_lookups {
    struct gn_resolver *resolver;
    struct gn_network *net;
    struct gn_namespace *guest;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool has_ended;
    int status;
    char text[512];
    const void *wanted; /* in a message */
    size_t wanted_len;
    bool found;
};

void gn_test_lookups_open(struct gn_test_lookups *f,
                          const struct gn_ares_config *config);
/** @resolver  Closed with the rest. */
void gn_test_lookups_open_with(struct gn_test_lookups *f,
                               struct gn_resolver *resolver);
void gn_test_lookups_close(struct gn_test_lookups *f);

/** "192.0.2.1/60 192.0.2.2/60": addresses and TTLs; "no name", "no data",
 *  "again", "failed", "timed out"; else a number. Good until the next. */
const char *gn_test_look(struct gn_test_lookups *f, const char *proto,
                         const char *host);
/** The name of an address, or one of the errors. */
const char *gn_test_look_back(struct gn_test_lookups *f, const char *address);
/** Are these bytes in the answer? */
bool gn_test_query_finds(struct gn_test_lookups *f, const char *name,
                         uint16_t type, const void *bytes, size_t len);

#endif /* TESTS_LIB_LOOKUPS_H */
