/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_AGENT_CARRY_H
#define CLI_AGENT_CARRY_H

/*
 * Frames between a TAP device and a stream, where each has its length before
 * it, 4 bytes big-endian, as in QEMU's -netdev stream.
 *
 * Frames from the stream are written to the device one by one; one that it does
 * not take is lost. While the stream takes nothing, nothing is read from the
 * device, whose queue fills and loses the newest frames. Both buffers have a
 * fixed size, so the other end cannot make the agent allocate anything.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Lengths that a frame may have: an Ethernet header's, and QEMU's longest. */
#define CARRY_LEAST  14u
#define CARRY_MOST   69632u
#define CARRY_PREFIX 4u
#define CARRY_ROOM   131072u

struct carry {
    int tap; /* both non-blocking */
    int wire;
    bool heard;     /* a frame has come of the stream */
    size_t in_len;  /* of `in`, which begins with a length */
    size_t out_at;  /* of `out`, as far as it has been written */
    size_t out_len; /* of `out`: whole frames, each behind its length */
    uint8_t in[CARRY_ROOM];
    uint8_t out[CARRY_ROOM];
};

enum carry_end {
    CARRY_SIGNAL = 0, /* one was sent to this process */
    CARRY_LOST,       /* the stream has ended, or an error: errno or 0 */
    CARRY_LENGTH,     /* a length came that no frame has: carry_length() */
    CARRY_TAP         /* the device is gone: errno */
};

/** Begin on a new stream: frames that were under way are forgotten, and so are
 *  those that wait in the device. */
void carry_init(struct carry *carry, int tap, int wire);
/** Carry frames until something ends it. @signals: a signalfd. */
enum carry_end carry_run(struct carry *carry, int signals);
/** The length that ended it. */
uint32_t carry_length(const struct carry *carry);

#endif /* CLI_AGENT_CARRY_H */
