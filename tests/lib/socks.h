/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_SOCKS_H
#define TESTS_LIB_SOCKS_H

/*
 * Two guests under a clock, a (10.77.0.2, fd77::2) and b (.3, ::3), and short
 * forms of the socket calls: addresses as text, results as they are. All
 * sockets are non-blocking; pass() lets time go by so that packets arrive.
 */
#include <stdint.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/types.h>

#include <guestnet/guestnet.h>

#include "tests/lib/heap.h"

struct socks {
    struct gn_test_heap heap;
    struct gn_clock *clock;
    struct gn_network *net;
    struct gn_namespace *a, *b;
};

/* cmocka's setup and teardown; teardown asserts that no memory is left. */
int socks_setup(void **state);
int socks_teardown(void **state);

void pass_ms(struct socks *f, uint64_t ms);

/** @type  SOCK_STREAM or SOCK_DGRAM, over IPv4; open6: IPv6. */
struct gn_sock *open4(struct gn_namespace *ns, int type);
struct gn_sock *open6(struct gn_namespace *ns, int type);
/** Close and give back. */
void drop(struct gn_sock *sock);

int bind_to(struct gn_sock *sock, const char *address);
int connect_to(struct gn_sock *sock, const char *address);
ssize_t send_text(struct gn_sock *sock, const char *text);
ssize_t send_text_to(struct gn_sock *sock, const char *text,
                     const char *address);
/** accept() or NULL. */
struct gn_sock *accept_one(struct gn_sock *listener);
/** A listener at this address, backlog 16. */
struct gn_sock *listen_at(struct gn_namespace *ns, const char *address);
/** A connection from a to b, by a listener at b's port @port. */
void connect_pair(struct socks *f, uint16_t port, struct gn_sock **client,
                  struct gn_sock **server);

/** All bits that poll(2) would show. */
short ready(struct gn_sock *sock);
/** SO_ERROR, negative. */
int take_error(struct gn_sock *sock);
int set_int(struct gn_sock *sock, int level, int name, int value);
/** The value; asserts success. */
int get_int(struct gn_sock *sock, int level, int name);
/** "10.77.0.2:80", in a buffer of its own until the next call. */
const char *name_of(struct gn_sock *sock);
const char *peer_of(struct gn_sock *sock);
uint16_t port_of(struct gn_sock *sock);
/** Assert that this text is what comes next, with nothing behind it. */
void expect_text(struct gn_sock *sock, const char *text);

#endif /* TESTS_LIB_SOCKS_H */
