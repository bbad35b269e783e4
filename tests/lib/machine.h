/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_MACHINE_H
#define TESTS_LIB_MACHINE_H

/*
 * A machine on a network 10.77.0.0/24 whose frames go over a stream by QEMU's
 * framing, played by the test. All that waits has a bound.
 */
#include <stddef.h>
#include <stdint.h>

enum { GN_MACHINE_FRAME_MAX = 65600, GN_MACHINE_BOUND_S = 20 };

/** 52:54:00:12:34:56 */
extern const uint8_t gn_machine_mac[6];

/** Give a socket's reads, and its accept(), their bound. */
void gn_machine_bound(int fd);
/** Connect to a Unix socket. */
int gn_machine_connect(const char *path);
/** Write all of it. */
void gn_machine_write(int fd, const void *data, size_t len);
/** "Who has 10.77.0.N?", as a frame behind its length; @out of 46 bytes. */
void gn_machine_arp(uint8_t last, uint8_t *out);
/** Read a frame; 0: the end. */
size_t gn_machine_read(int fd, uint8_t *out);
/** The next frame is the answer to gn_machine_arp(@last). */
void gn_machine_expect_arp(int fd, uint8_t last);
/** Ask, and be answered. */
void gn_machine_ask(int fd, uint8_t last);

#endif /* TESTS_LIB_MACHINE_H */
