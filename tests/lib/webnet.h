/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_WEBNET_H
#define TESTS_LIB_WEBNET_H

/*
 * A network in real time for guests that block: "web" (10.77.0.2, fd77::2), and
 * a client without a name (.3, ::3).
 */
#include <guestnet/guestnet.h>

/** Longer than anything takes that such tests wait for. */
#define WEBNET_PLENTY_MS 30000

struct webnet {
    struct gn_network *net;
    struct gn_namespace *web, *client;
    char why[160]; /* of the last call that has one */
};

/* cmocka's setup and teardown. */
int webnet_setup(void **state);
int webnet_teardown(void **state);

/** gn_sock_listen_at() of web; it does not fail. */
struct gn_sock *webnet_listen(struct webnet *w, const char *proto,
                              const char *address);

#endif /* TESTS_LIB_WEBNET_H */
