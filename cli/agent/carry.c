/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/agent/carry.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/** Frames that wait in a device; more than its queue has. */
#define STALE_MAX 4096u

static bool is_passing(int error)
{
    return error == EAGAIN || error == EINTR;
}

/* ---- from the stream ---- */

uint32_t carry_length(const struct carry *carry)
{
    uint32_t len;

    memcpy(&len, carry->in, sizeof(len));
    return ntohl(len);
}

/* The device has been deleted; all else costs the frame. */
static bool tap_is_gone(int error)
{
    return error == EBADFD || error == ENODEV;
}

/* Write the frames that are whole; the rest moves to the front. */
static enum carry_end frames_deliver(struct carry *carry)
{
    enum carry_end end = CARRY_SIGNAL;
    size_t at = 0;
    uint32_t len;

    while (carry->in_len - at >= CARRY_PREFIX) {
        memcpy(&len, carry->in + at, sizeof(len));
        len = ntohl(len);
        if (len < CARRY_LEAST || len > CARRY_MOST) {
            end = CARRY_LENGTH;
            break;
        }
        if (carry->in_len - at - CARRY_PREFIX < len)
            break;
        if (write(carry->tap, carry->in + at + CARRY_PREFIX, len) < 0 &&
            tap_is_gone(errno))
            return CARRY_TAP;
        carry->heard = true;
        at += CARRY_PREFIX + len;
    }
    carry->in_len -= at;
    memmove(carry->in, carry->in + at, carry->in_len);
    return end;
}

/* CARRY_SIGNAL: go on. */
static enum carry_end wire_read(struct carry *carry)
{
    ssize_t n = read(carry->wire, carry->in + carry->in_len,
                     sizeof(carry->in) - carry->in_len);

    if (n < 0 && is_passing(errno))
        return CARRY_SIGNAL;
    if (n <= 0) {
        errno = n ? errno : 0;
        return CARRY_LOST;
    }
    carry->in_len += (size_t)n;
    return frames_deliver(carry);
}

/* ---- to the stream ---- */

/* Each with its length, as far as there is room for the longest. */
static enum carry_end tap_read(struct carry *carry)
{
    while (sizeof(carry->out) - carry->out_len >= CARRY_PREFIX + CARRY_MOST) {
        uint8_t *at = carry->out + carry->out_len;
        ssize_t n = read(carry->tap, at + CARRY_PREFIX, CARRY_MOST);
        uint32_t len;

        if (n < 0 && is_passing(errno))
            break;
        if (n < 0)
            return CARRY_TAP;
        len = htonl((uint32_t)n);
        memcpy(at, &len, sizeof(len));
        carry->out_len += CARRY_PREFIX + (size_t)n;
    }
    return CARRY_SIGNAL;
}

static enum carry_end wire_write(struct carry *carry)
{
    ssize_t n;

    while (carry->out_at < carry->out_len) {
        n = write(carry->wire, carry->out + carry->out_at,
                  carry->out_len - carry->out_at);
        if (n < 0 && is_passing(errno))
            return CARRY_SIGNAL;
        if (n < 0)
            return CARRY_LOST;
        carry->out_at += (size_t)n;
    }
    carry->out_at = carry->out_len = 0;
    return CARRY_SIGNAL;
}

/* ---- both ---- */

void carry_init(struct carry *carry, int tap, int wire)
{
    carry->tap = tap;
    carry->wire = wire;
    carry->heard = false;
    carry->in_len = carry->out_at = carry->out_len = 0;
    for (unsigned i = 0; i < STALE_MAX; i++)
        if (read(tap, carry->out, sizeof(carry->out)) < 0)
            break;
}

static enum carry_end carry_turn(struct carry *carry, const struct pollfd *fds)
{
    enum carry_end end = CARRY_SIGNAL;

    if (fds[1].revents & (POLLIN | POLLHUP | POLLERR))
        end = wire_read(carry);
    if (!end && fds[0].revents)
        end = tap_read(carry);
    if (!end)
        end = wire_write(carry);
    return end;
}

enum carry_end carry_run(struct carry *carry, int signals)
{
    struct pollfd fds[] = {{.fd = carry->tap},
                           {.fd = carry->wire},
                           {.fd = signals, .events = POLLIN}};
    enum carry_end end = CARRY_SIGNAL;

    while (!end) {
        bool owes = carry->out_at < carry->out_len;

        fds[0].events = (short)(owes ? 0 : POLLIN);
        fds[1].events = (short)(POLLIN | (owes ? POLLOUT : 0));
        if (poll(fds, 3, -1) < 0)
            continue; /* Stopped, and gone on. */
        if (fds[2].revents)
            return CARRY_SIGNAL;
        end = carry_turn(carry, fds);
    }
    return end;
}
