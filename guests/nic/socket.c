/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Reading: as many frames as one buffer holds go to the NIC at once. The
 * buffer is there only while something is read or a frame is not whole yet, so
 * a wire that is idle costs none. A NIC that takes less stops the reading, and
 * the guest's own queue fills.
 *
 * Writing: all frames in one call. A stream that takes a part of a frame is
 * owed the rest, which is copied; the frames behind it wait in the NIC.
 */
#include "guests/nic/socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guests/nic/nic.h"

#define RX_ROOM 262144u
/** Reads of one turn. */
#define RX_ROUNDS  4u
#define PREFIX_LEN 4u
#define BATCH      GN__NIC_BATCH
/** iovecs of the frames of one call, each with its prefix. */
#define IOVS_MAX (BATCH * (GN__PACKET_SLICES + 3u))

/* ---- the peer ---- */

static void tx_drop(struct gn__nic_socket *self)
{
    gn__free(self->io->mem, self->tx, self->tx_len);
    self->tx = NULL;
    self->tx_len = self->tx_at = 0;
}

static void rx_drop(struct gn__nic_socket *self)
{
    gn__free(self->io->mem, self->rx, RX_ROOM);
    self->rx = NULL;
    self->rx_len = 0;
}

void gn__nic_socket_detach(struct gn__nic_socket *self)
{
    if (self->fd < 0)
        return;
    gn__io_unwatch(self->io, &self->watch);
    close(self->fd);
    self->fd = -1;
    self->paused = self->want_write = false;
    tx_drop(self);
    rx_drop(self);
}

static void peer_lost(struct gn__nic_socket *self)
{
    gn__nic_socket_detach(self);
    gn_nic_set_carrier(self->nic, false);
    if (self->lost)
        self->lost(self);
}

static void watch_arm(struct gn__nic_socket *self)
{
    short events =
        (short)((self->paused ? 0 : POLLIN) | (self->want_write ? POLLOUT : 0));

    /* The descriptor is the same, and that is seldom refused. */
    if (gn__io_watch(self->io, &self->watch, self->fd, events))
        peer_lost(self);
}

/* ---- reading ---- */

ssize_t gn__qemu_frames(const uint8_t *data, size_t len,
                        struct gn_frame *frames, struct iovec *iov, size_t cap,
                        size_t *n)
{
    size_t at = 0;

    for (*n = 0; *n < cap && len - at >= PREFIX_LEN; (*n)++) {
        uint32_t size = gn__get32(data + at);

        if (size > GN__QEMU_FRAME_MAX)
            return -EPROTO;
        if (len - at - PREFIX_LEN < size)
            break;
        /* An iovec cannot say that its bytes are only read. */
        iov[*n].iov_base = (void *)(uintptr_t)(data + at + PREFIX_LEN);
        iov[*n].iov_len = size;
        frames[*n] = (struct gn_frame){.iov = &iov[*n], .n_iov = 1};
        at += PREFIX_LEN + size;
    }
    return (ssize_t)at;
}

/* Bytes of these frames, with their prefixes. */
static size_t frames_len(const struct iovec *iov, size_t n)
{
    size_t len = 0;

    while (n--)
        len += PREFIX_LEN + iov[n].iov_len;
    return len;
}

/* Hand over what is whole; the rest moves to the buffer's front. False: what
 * came is not QEMU's. */
static bool stream_deliver(struct gn__nic_socket *self)
{
    struct gn_frame frames[BATCH];
    struct iovec iov[BATCH];
    size_t at = 0, n = BATCH, taken = BATCH;

    while (n == BATCH && taken == n) {
        if (gn__qemu_frames(self->rx + at, self->rx_len - at, frames, iov,
                            BATCH, &n) < 0)
            return false;
        taken = gn_nic_input(self->nic, frames, n);
        at += frames_len(iov, taken);
    }
    self->paused = taken < n;
    self->rx_len -= at;
    memmove(self->rx, self->rx + at, self->rx_len);
    return true;
}

/* 0: nothing more for now. Else a negative errno, or what was read. */
static ssize_t stream_read(struct gn__nic_socket *self)
{
    ssize_t n =
        recv(self->fd, self->rx + self->rx_len, RX_ROOM - self->rx_len, 0);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    if (n == 0)
        return -EPIPE;
    self->rx_len += (size_t)n;
    return stream_deliver(self) ? n : -EPROTO;
}

/* Some messages, one behind the other. They are delivered as they are; what the
 * NIC does not take is lost, as on any wire without a memory. */
static ssize_t messages_read(struct gn__nic_socket *self)
{
    struct gn_frame frames[BATCH];
    struct iovec iov[BATCH];
    size_t n = 0, at = 0;
    ssize_t len = 0;

    while (n < BATCH && RX_ROOM - at >= GN__QEMU_FRAME_MAX) {
        len = recv(self->fd, self->rx + at, GN__QEMU_FRAME_MAX, 0);
        if (len <= 0)
            break;
        iov[n] = (struct iovec){self->rx + at, (size_t)len};
        frames[n] = (struct gn_frame){.iov = &iov[n], .n_iov = 1};
        at += (size_t)len;
        n++;
    }
    self->paused = gn_nic_input(self->nic, frames, n) < n;
    if (n)
        return (ssize_t)at;
    if (len == 0) /* An empty datagram is no end. */
        return self->type == SOCK_DGRAM ? 0 : -EPIPE;
    return errno == EAGAIN || errno == EINTR || errno == ECONNREFUSED ? 0
                                                                      : -errno;
}

static void socket_read(struct gn__nic_socket *self)
{
    unsigned rounds = RX_ROUNDS;
    ssize_t n;

    if (!self->rx)
        self->rx = gn__alloc(self->io->mem, RX_ROOM);
    if (!self->rx)
        return; /* It is asked again: the descriptor stays ready. */
    do {
        n = self->type == SOCK_STREAM ? stream_read(self) : messages_read(self);
    } while (n > 0 && !self->paused && --rounds && self->fd >= 0);
    if (self->fd < 0)
        return; /* Closed by what was told of the frames. */
    if (n < 0) {
        peer_lost(self);
        return;
    }
    if (!self->rx_len)
        rx_drop(self);
    if (self->paused)
        watch_arm(self);
}

/* ---- writing ---- */

static void write_wait(struct gn__nic_socket *self)
{
    self->want_write = true;
    watch_arm(self);
}

/* What is left of a frame that begins in iov[first] behind @sent bytes. */
static bool tx_keep(struct gn__nic_socket *self, const struct iovec *iov,
                    size_t n, size_t sent)
{
    size_t len = 0, i, at = 0;

    for (i = 0; i < n; i++)
        len += iov[i].iov_len;
    self->tx = gn__alloc(self->io->mem, len - sent);
    if (!self->tx)
        return false;
    self->tx_len = len - sent;
    for (i = 0; i < n; i++) {
        size_t skip = sent < iov[i].iov_len ? sent : iov[i].iov_len;

        memcpy(self->tx + at, (const uint8_t *)iov[i].iov_base + skip,
               iov[i].iov_len - skip);
        at += iov[i].iov_len - skip;
        sent -= skip;
    }
    return true;
}

static bool is_passing(int error)
{
    return error == EAGAIN || error == EINTR || error == ENOBUFS;
}

/* True: nothing is owed any more. */
static bool tx_flush(struct gn__nic_socket *self)
{
    ssize_t n;

    if (!self->tx)
        return true;
    n = send(self->fd, self->tx + self->tx_at, self->tx_len - self->tx_at,
             MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && !is_passing(errno))
        peer_lost(self);
    if (n < 0)
        return false;
    self->tx_at += (size_t)n;
    if (self->tx_at < self->tx_len)
        return false;
    tx_drop(self);
    return true;
}

/* Frames as one list of parts. */
struct stream_parts {
    uint8_t prefixes[BATCH][PREFIX_LEN];
    struct iovec iov[IOVS_MAX];
    size_t first[BATCH + 1]; /* part of each frame */
    size_t n;                /* frames */
};

static void parts_add(struct stream_parts *parts, const struct gn_frame *frame)
{
    size_t at = parts->first[parts->n], len = 0;
    unsigned i;

    for (i = 0; i < frame->n_iov; i++) {
        parts->iov[at + 1 + i] = frame->iov[i];
        len += frame->iov[i].iov_len;
    }
    gn__put32(parts->prefixes[parts->n], (uint32_t)len);
    parts->iov[at] = (struct iovec){parts->prefixes[parts->n], PREFIX_LEN};
    parts->first[++parts->n] = at + 1 + frame->n_iov;
}

static size_t part_len(const struct stream_parts *parts, size_t frame)
{
    size_t len = 0, i;

    for (i = parts->first[frame]; i < parts->first[frame + 1]; i++)
        len += parts->iov[i].iov_len;
    return len;
}

/* How many frames @sent bytes are; of one that was begun the rest is kept. */
static size_t parts_sent(struct gn__nic_socket *self,
                         const struct stream_parts *parts, size_t sent)
{
    size_t i;

    for (i = 0; i < parts->n; i++) {
        size_t len = part_len(parts, i);

        if (sent < len)
            break;
        sent -= len;
    }
    if (i == parts->n || !sent)
        return i;
    if (!tx_keep(self, &parts->iov[parts->first[i]],
                 parts->first[i + 1] - parts->first[i], sent)) {
        peer_lost(self); /* Half a frame is the end of a stream. */
        return parts->n;
    }
    return i + 1;
}

static size_t stream_output(struct gn__nic_socket *self,
                            const struct gn_frame *frames, size_t n)
{
    struct stream_parts parts;
    struct msghdr msg = {.msg_iov = parts.iov};
    ssize_t sent;
    size_t taken;

    parts.n = parts.first[0] = 0;
    while (parts.n < n && parts.n < BATCH)
        parts_add(&parts, &frames[parts.n]);
    msg.msg_iovlen = parts.first[parts.n];
    sent = sendmsg(self->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && !is_passing(errno)) {
        peer_lost(self);
        return n;
    }
    taken = sent < 0 ? 0 : parts_sent(self, &parts, (size_t)sent);
    if (self->fd >= 0 && (taken < parts.n || self->tx))
        write_wait(self);
    return taken;
}

/* One that is too long for the socket is lost, as all are on a datagram socket
 * whose other end is not there. */
static bool message_is_lost(int error)
{
    return error == EMSGSIZE || error == ECONNREFUSED;
}

static size_t messages_output(struct gn__nic_socket *self,
                              const struct gn_frame *frames, size_t n)
{
    struct mmsghdr msgs[BATCH];
    int sent;
    size_t i;

    if (n > BATCH)
        n = BATCH;
    memset(msgs, 0, n * sizeof(*msgs));
    for (i = 0; i < n; i++) {
        msgs[i].msg_hdr.msg_iov = (struct iovec *)(uintptr_t)frames[i].iov;
        msgs[i].msg_hdr.msg_iovlen = frames[i].n_iov;
    }
    sent = sendmmsg(self->fd, msgs, (unsigned)n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
        return (size_t)sent; /* What stopped it says so the next time. */
    if (message_is_lost(errno))
        return 1;
    if (is_passing(errno)) {
        write_wait(self);
        return 0;
    }
    peer_lost(self);
    return n;
}

size_t gn__nic_socket_output(struct gn__nic_socket *self,
                             const struct gn_frame *frames, size_t n)
{
    size_t taken = 0, now;

    if (self->fd < 0)
        return n; /* Lost, as on a cable that was pulled. */
    if (self->want_write)
        return 0;
    do {
        now = self->type == SOCK_STREAM
                  ? stream_output(self, frames + taken, n - taken)
                  : messages_output(self, frames + taken, n - taken);
        taken += now;
    } while (now && taken < n && self->fd >= 0 && !self->want_write);
    return self->fd < 0 ? n : taken;
}

/* ---- turns ---- */

static void socket_ready(struct gn__io_watch *watch, short revents)
{
    struct gn__nic_socket *self =
        gn__container_of(watch, struct gn__nic_socket, watch);

    if ((revents & POLLOUT) && self->want_write && tx_flush(self)) {
        self->want_write = false;
        watch_arm(self);
        gn_nic_writable(self->nic);
    }
    if (self->fd >= 0 && !self->paused &&
        (revents & (POLLIN | POLLHUP | POLLERR)))
        socket_read(self);
    else if (self->fd >= 0 && (revents & (POLLHUP | POLLERR)))
        peer_lost(self);
}

void gn__nic_socket_ready(struct gn__nic_socket *self)
{
    if (self->fd < 0 || !self->paused)
        return;
    self->paused = false;
    if (self->rx_len && !stream_deliver(self)) {
        peer_lost(self);
        return;
    }
    watch_arm(self);
}

int gn__nic_socket_attach(struct gn__nic_socket *self, int fd)
{
    int err;

    self->watch.ready = socket_ready;
    err = gn__io_watch(self->io, &self->watch, fd, POLLIN);
    if (err)
        return err;
    self->fd = fd;
    gn_nic_set_carrier(self->nic, true);
    gn_nic_writable(self->nic);
    return 0;
}

int gn__nic_socket_attach_behind(struct gn__nic_socket *self, int fd,
                                 const uint8_t *data, size_t len)
{
    int err;

    self->rx = gn__alloc(self->io->mem, RX_ROOM);
    if (!self->rx)
        return -ENOMEM;
    memcpy(self->rx, data, len);
    self->rx_len = len;
    err = gn__nic_socket_attach(self, fd);
    if (err)
        rx_drop(self);
    return err;
}

bool gn__nic_socket_is_over(const struct gn__nic_socket *self)
{
    struct pollfd poll_of = {.fd = self->fd};

    return poll(&poll_of, 1, 0) == 1 &&
           (poll_of.revents & (POLLHUP | POLLERR)) != 0;
}
