/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_DEVICE_H
#define CLI_DEVICE_H

/*
 * eth0 of a network namespace: a process inside makes it, hands it to the one
 * outside that joins a network with it, and configures it with what that says.
 *
 *     inside                          outside
 *     device_offer()   word, TAP -->  device_take()
 *                      <-- answer     device_answer()
 *                      word or end -->  device_done()
 *
 * They speak over a socket pair of SOCK_SEQPACKET, which is close-on-exec:
 * exec() of a command is the end that means success.
 */
#include <stdint.h>
#include <stddef.h>

/** What the inside says: 0 and the TAP comes with it; else how it failed. */
struct device_word {
    int status; /* what guestnet exits with */
    char text[400];
};

/** Inside: make eth0 and offer it, or say why it cannot be. Wait for the answer
 *  and configure it. Returns 0, or -1 and it has been said. */
int device_offer(int sock, uint32_t mtu, char *domain, size_t domain_len,
                 char gateways[2][64]);
/** Inside: say what went wrong. Returns -1. */
int device_fail(int sock, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Outside: returns the TAP, or -1 with *word. */
int device_take(int sock, struct device_word *word);
/** Outside: what the network has said, a line of JSON. Returns 0, or -1 with
 *  *word. */
int device_answer(int sock, const char *line, struct device_word *word);
/** Outside: wait for the end. Returns 0, or -1 with *word. */
int device_done(int sock, struct device_word *word);

/** Write a setting of this network namespace, where that may be done. */
void device_sysctl(const char *name, const char *value);

#endif /* CLI_DEVICE_H */
