/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_PUBNET_H
#define TESTS_LIB_PUBNET_H

/*
 * A network in real time with a guest "web" (10.77.0.2, fd77::2) that serves,
 * ports of the kernel published to it, and clients in the kernel. Whatever
 * waits here has a bound, and then the test fails.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <guestnet/guestnet.h>

#include "tests/lib/heap.h"
#include "tests/lib/loglines.h"
#include "tests/lib/until.h"

/** Serves one connection in a thread of its own; the socket is closed and given
 *  back after it. */
typedef void (*pubnet_serve_fn)(struct gn_sock *sock, void *arg);

struct pubnet_server {
    struct gn_sock *listener;
    pubnet_serve_fn serve;
    void *arg;
    pthread_t thread;
    _Atomic uint32_t n_accepted;
    _Atomic uint32_t n_busy; /* connections being served */
};

struct pubnet {
    struct gn_test_heap heap;
    struct gn_loglines lines;
    struct gn_network *net; /* NULL once closed by the test */
    struct gn_namespace *web;
};

/* cmocka's. Teardown closes what is left, and asserts that no memory is. What
 * the network carries is captured (tests/lib/kept.h); not so for load. */
int pubnet_setup(void **state);
int pubnet_setup_for_load(void **state);
int pubnet_teardown(void **state);

/** Accept at @address of @ns, and serve each connection. */
void pubnet_serve(struct pubnet_server *server, struct gn_namespace *ns,
                  const char *address, pubnet_serve_fn serve, void *arg);
/** End it, after its connections. */
void pubnet_serve_end(struct pubnet_server *server);
/** Sends back what it gets until the end. */
void pubnet_echo(struct gn_sock *sock, void *arg);
/** Writes the peer's address, "10.77.0.1:1234", and ends. */
void pubnet_name_peer(struct gn_sock *sock, void *arg);

/** Has the log said this? */
bool pubnet_said(struct pubnet *p, const char *what);

/** gn_publish(), which must succeed. */
struct gn_publication *pubnet_publish(struct pubnet *p, const char *proto,
                                      const char *listen, const char *target,
                                      const struct gn_publish_options *options);
uint16_t pubnet_port(struct gn_publication *pub);
struct gn_publication_stats pubnet_stats(struct gn_publication *pub);

/** A kernel socket that is connected to the publication, by its version's
 *  loopback; waits in reads and writes are bounded. */
int pubnet_dial(struct gn_publication *pub);
/** The same over this version, to a publication of both. */
int pubnet_dial_by(struct gn_publication *pub, int family, int type);
/** What read(2) says, as a negative errno. */
ssize_t pubnet_read(int fd, void *buf, size_t len);
/** Read to the end; the text is in a buffer until the next call. */
const char *pubnet_read_all(int fd);
/** Write, and read the same back. */
void pubnet_expect_echo(int fd, const char *text);
/** Close with RST. */
void pubnet_reset(int fd);

#endif /* TESTS_LIB_PUBNET_H */
