/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_NETSTACK_GOLDEN_H
#define TESTS_UNIT_NETSTACK_GOLDEN_H

/*
 * Packets between 10.77.0.2 and .3, fd77::2 and ::3, with right checksums that
 * were computed elsewhere. All have an odd length, except udp4_zero.
 */
#include <stdint.h>

#define GOLDEN_IP4(total, df, proto, sum)                                \
    0x45, 0, 0, (total),                     /* IHL, TOS, length */      \
        0x12, 0x34, (df), 0,                 /* identification, flags */ \
        64, (proto), (sum) >> 8, (sum)&0xff, /* TTL, checksum */         \
        10, 77, 0, 2, 10, 77, 0, 3           /* source, destination */

#define GOLDEN_IP6(payload, proto)                                         \
    0x60, 0, 0, 0,                 /* class, flow label */                 \
        0, (payload), (proto), 64, /* length, hop limit */                 \
        0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, /* source */ \
        0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3

static const uint8_t golden_tcp4[] = {
    GOLDEN_IP4(57, 0x40, 6, 0x13ed),
    0xc0,
    0x00,
    0x00,
    0x50, /* ports 49152, 80 */
    0x01,
    0x02,
    0x03,
    0x04, /* sequence */
    0x0a,
    0x0b,
    0x0c,
    0x0d, /* acknowledgement */
    0x80,
    0x18,
    0x02,
    0x00, /* 32 bytes, PSH ACK; window */
    0x41,
    0xce,
    0x00,
    0x00, /* checksum; urgent */
    0x01,
    0x01,
    0x08,
    0x0a, /* NOP, NOP, timestamps */
    0x00,
    0x00,
    0x00,
    0x01, /* value */
    0x00,
    0x00,
    0x00,
    0x02, /* echo reply */
    'h',
    'e',
    'l',
    'l',
    'o',
};

static const uint8_t golden_udp6[] = {
    GOLDEN_IP6(15, 17),
    0x30,
    0x39,
    0x00,
    0x35, /* ports 12345, 53 */
    0x00,
    0x0f,
    0x25,
    0x73, /* length; checksum */
    'o',
    'd',
    'd',
    ' ',
    'n',
    'u',
    'm',
};

/* The payload is such that the sum comes out as 0, sent as 0xffff. */
static const uint8_t golden_udp4_zero[] = {
    GOLDEN_IP4(30, 0x40, 17, 0x13fd),
    0x30,
    0x39,
    0x00,
    0x35, /* ports 12345, 53 */
    0x00,
    0x0a,
    0xff,
    0xff, /* length; checksum */
    0xba,
    0xcd,
};

static const uint8_t golden_echo4[] = {
    GOLDEN_IP4(33, 0, 1, 0x540a),
    0x08,
    0x00,
    0xcd,
    0xc0, /* echo request; checksum */
    0x00,
    0x77,
    0x00,
    0x01, /* identifier, sequence */
    'a',
    'b',
    'c',
    'd',
    'e',
};

static const uint8_t golden_echo6[] = {
    GOLDEN_IP6(13, 58),
    0x80,
    0x00,
    0x5a,
    0x84, /* echo request; checksum */
    0x00,
    0x77,
    0x00,
    0x01, /* identifier, sequence */
    'a',
    'b',
    'c',
    'd',
    'e',
};

/* Where the transport header and its checksum stand. */
static const struct golden {
    const char *name;
    const uint8_t *bytes;
    uint16_t len;
    uint8_t l4;
    uint8_t sum_at;
    uint8_t headers; /* bytes of all headers */
} goldens[] = {
    {"tcp4", golden_tcp4, sizeof(golden_tcp4), 20, 36, 52},
    {"udp6", golden_udp6, sizeof(golden_udp6), 40, 46, 48},
    {"udp4_zero", golden_udp4_zero, sizeof(golden_udp4_zero), 20, 26, 28},
    {"echo4", golden_echo4, sizeof(golden_echo4), 20, 22, 28},
    {"echo6", golden_echo6, sizeof(golden_echo6), 40, 42, 48},
};

enum { N_GOLDENS = sizeof(goldens) / sizeof(goldens[0]), GOLDEN_MAX = 64 };

#endif /* TESTS_UNIT_NETSTACK_GOLDEN_H */
