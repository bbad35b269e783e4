/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_FARSIDE_H
#define TESTS_LIB_FARSIDE_H

/*
 * Kernel networks of the test's own: the process moves to one where it is
 * 198.51.100.1 and 2001:db8:1::1, and behind a link is another that is every
 * other host. Sockets of the far one are made by far_socket(). Nothing of it is
 * seen outside, and it goes with the process.
 */
#include <stdbool.h>

/** Addresses of the far side. */
#define FAR_V4      "203.0.113.1"
#define FAR_V4_B    "203.0.113.2"
#define FAR_PRIVATE "192.168.55.1"
#define FAR_V6      "2001:db8:2::1"
#define FAR_META    "169.254.169.254" /* as in a cloud */
#define FAR_LINK    "169.254.7.7"
/** Routed there, but no host has it: no answer ever comes. */
#define FAR_SILENT "203.0.113.99"
/** No route leads there. */
#define FAR_NOWHERE "192.0.2.99"
/** The near side: the machine's own. */
#define NEAR_V4 "198.51.100.1"
#define NEAR_V6 "2001:db8:1::1"

/** Before any thread is made. False, with the reason printed: it cannot be had
 *  here. */
bool far_begin(void);

/** A non-blocking socket of the far side, bound ("203.0.113.1:80"; port 0 takes
 *  a free one) and, SOCK_STREAM with @listening, listening. */
int far_socket(int type, const char *address, bool listening);
/** The same of the near side, or wherever the process is. */
int near_socket(int type, const char *address, bool listening);
/** A blocking connection from the far side to an address. -errno. */
int far_connect(int type, const char *from, const char *to);
/** The port a socket is bound to. */
unsigned short far_port(int fd);

#endif /* TESTS_LIB_FARSIDE_H */
