/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A TAP device of the kernel's as the wire. Frames carry a virtio header
 * (IFF_VNET_HDR), so that checksums and TCP segments are left to the receiver
 * that needs them: a packet of 64 KiB goes from one container to another in one
 * read and one write, whatever their MTU is.
 *
 * A descriptor that is given keeps the settings that it has, except for the
 * offloads, which only this side knows: without the header none may be set, or
 * frames would come with half a checksum and no mark (the kernel allows it).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/config.h"
#include "base/fd.h"
#include "base/text.h"
#include "guests/nic/nic.h"

#define TUN_DEVICE "/dev/net/tun"
#define RX_ROOM    (1024u * 1024)
#define FRAME_ROOM (GN_FRAME_MAX + sizeof(struct virtio_net_hdr_v1))
/** Reads of one turn. */
#define RX_FRAMES 64u

struct nic_tap {
    struct gn_nic *nic;
    struct gn__io *io;
    int fd;            /* -1: the device is gone */
    size_t header_len; /* of the virtio header; 0: frames have none */
    bool paused;       /* the NIC takes no more for now */
    bool want_write;   /* the device takes no more for now */
    struct gn__io_watch watch;
};

/* ---- the header ---- */

static void offload_read(const uint8_t *data, struct gn_offload *out)
{
    struct virtio_net_hdr hdr;

    memcpy(&hdr, data, sizeof(hdr));
    memset(out, 0, sizeof(*out));
    if (hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
        out->flags |= GN_OFFLOAD_PARTIAL;
    if (hdr.flags & VIRTIO_NET_HDR_F_DATA_VALID)
        out->flags |= GN_OFFLOAD_VALID;
    switch (hdr.gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_NONE:
        out->gso = GN_GSO_NONE;
        break;
    case VIRTIO_NET_HDR_GSO_TCPV4:
        out->gso = GN_GSO_TCP4;
        break;
    case VIRTIO_NET_HDR_GSO_TCPV6:
        out->gso = GN_GSO_TCP6;
        break;
    default:
        out->gso = GN_N_GSOS; /* Refused as malformed. */
        break;
    }
    out->segment = hdr.gso_size;
    out->header = hdr.hdr_len;
    out->csum_start = hdr.csum_start;
    out->csum_offset = hdr.csum_offset;
}

static void offload_write(const struct gn_offload *offload,
                          struct virtio_net_hdr_v1 *out)
{
    memset(out, 0, sizeof(*out));
    if (offload->flags & GN_OFFLOAD_PARTIAL)
        out->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    if (offload->gso == GN_GSO_TCP4)
        out->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
    else if (offload->gso == GN_GSO_TCP6)
        out->gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
    out->gso_size = offload->segment;
    out->hdr_len = offload->header;
    out->csum_start = offload->csum_start;
    out->csum_offset = offload->csum_offset;
}

/* ---- turns ---- */

static void tap_gone(struct nic_tap *self)
{
    if (self->fd < 0)
        return;
    gn__io_unwatch(self->io, &self->watch);
    close(self->fd);
    self->fd = -1;
    gn_nic_set_carrier(self->nic, false);
}

static void tap_arm(struct nic_tap *self)
{
    short events =
        (short)((self->paused ? 0 : POLLIN) | (self->want_write ? POLLOUT : 0));

    /* The same descriptor as before: nothing that can fail. */
    if (gn__io_watch(self->io, &self->watch, self->fd, events))
        tap_gone(self);
}

/* Reads from a device that is down, or not there yet, are EAGAIN and writes
 * EIO; if it was deleted both are EBADFD. */
static bool is_gone(int error)
{
    return error != EAGAIN && error != EINTR && error != EIO &&
           error != ENOBUFS && error != EINVAL && error != ENOMEM;
}

struct tap_batch {
    struct gn_frame frames[RX_FRAMES];
    struct iovec iov[RX_FRAMES];
    size_t n;
};

/* One frame to the front of @room; its bytes with the header, or 0. */
static size_t tap_read_one(struct nic_tap *self, uint8_t *room,
                           struct tap_batch *batch)
{
    ssize_t n = read(self->fd, room, FRAME_ROOM);
    struct gn_frame *frame = &batch->frames[batch->n];
    struct iovec *iov = &batch->iov[batch->n];

    if (n < 0 && is_gone(errno))
        tap_gone(self);
    if (n < (ssize_t)self->header_len || n <= 0)
        return 0;
    *iov =
        (struct iovec){room + self->header_len, (size_t)n - self->header_len};
    *frame = (struct gn_frame){.iov = iov, .n_iov = 1};
    if (self->header_len)
        offload_read(room, &frame->offload);
    batch->n++;
    return (size_t)n;
}

static void tap_read(struct nic_tap *self)
{
    uint8_t *room = gn__alloc(self->io->mem, RX_ROOM);
    struct tap_batch batch;
    size_t at = 0, n = 1;

    if (!room)
        return; /* It is asked again: the descriptor stays ready. */
    batch.n = 0;
    while (n && batch.n < RX_FRAMES && RX_ROOM - at >= FRAME_ROOM &&
           self->fd >= 0) {
        n = tap_read_one(self, room + at, &batch);
        at += (n + 63) & ~(size_t)63;
    }
    /* A frame that it does not take is lost, as the kernel would have lost
     * it. */
    if (gn_nic_input(self->nic, batch.frames, batch.n) < batch.n &&
        self->fd >= 0) {
        self->paused = true;
        tap_arm(self);
    }
    gn__free(self->io->mem, room, RX_ROOM);
}

static void tap_ready(struct gn__io_watch *watch, short revents)
{
    struct nic_tap *self = gn__container_of(watch, struct nic_tap, watch);

    if ((revents & POLLOUT) && self->want_write) {
        self->want_write = false;
        tap_arm(self);
        gn_nic_writable(self->nic);
    }
    if (self->fd >= 0 && (revents & POLLERR))
        tap_gone(self);
    else if (self->fd >= 0 && (revents & POLLIN) && !self->paused)
        tap_read(self);
}

/* ---- operations ---- */

static bool tap_write_one(struct nic_tap *self, const struct gn_frame *frame)
{
    struct iovec iov[GN__PACKET_SLICES + 3];
    struct virtio_net_hdr_v1 hdr;
    unsigned n = 0, i;

    if (self->header_len) {
        offload_write(&frame->offload, &hdr);
        iov[n++] = (struct iovec){&hdr, self->header_len};
    }
    for (i = 0; i < frame->n_iov; i++)
        iov[n++] = frame->iov[i];
    if (writev(self->fd, iov, (int)n) >= 0)
        return true;
    if (errno == EAGAIN) {
        self->want_write = true;
        tap_arm(self);
        return false;
    }
    if (is_gone(errno))
        tap_gone(self);
    return true; /* Lost: the device is down, or the kernel has no memory. */
}

static size_t tap_output(void *arg, const struct gn_frame *frames, size_t n)
{
    struct nic_tap *self = arg;
    size_t i;

    for (i = 0; i < n && self->fd >= 0; i++) {
        if (self->want_write || !tap_write_one(self, &frames[i]))
            return i;
    }
    return n;
}

static void tap_more(void *arg)
{
    struct nic_tap *self = arg;

    if (self->fd < 0 || !self->paused)
        return;
    self->paused = false;
    tap_arm(self);
}

static void tap_close(void *arg)
{
    struct nic_tap *self = arg;

    if (self->fd >= 0) {
        gn__io_unwatch(self->io, &self->watch);
        close(self->fd);
    }
    gn__free(self->io->mem, self, sizeof(*self));
}

static const struct gn_nic_ops tap_ops = {
    .output = tap_output,
    .ready = tap_more,
    .close = tap_close,
};

/* ---- opening ---- */

/** One call of gn_nic_tap(). */
struct tap_create {
    struct gn_network *net;
    struct gn_nic_config config;
    int fd;
    size_t header_len;
    struct gn_nic *nic;
};

static int tap_say(const struct gn_nic_config *config, int err,
                   const char *what, const char *hint)
{
    (void)gn__text_refuse(config->why, config->why_len, "%s: %s%s", what,
                          strerror(-err), hint);
    return err;
}

static int tap_open(const struct gn_nic_config *config, const char *name,
                    int *out)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    int fd, err;

    if (strlen(name) >= sizeof(request.ifr_name))
        return gn__text_refuse(config->why, config->why_len,
                               "name \"%.40s\": a device has 1 to %zu bytes",
                               name, sizeof(request.ifr_name) - 1);
    memcpy(request.ifr_name, name, strlen(name) + 1);
    fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return tap_say(config, -errno, TUN_DEVICE,
                       errno == EACCES
                           ? "; its mode must allow it, or a descriptor "
                             "be given"
                           : "");
    if (ioctl(fd, TUNSETIFF, &request)) {
        err =
            tap_say(config, -errno, name,
                    errno == EPERM ? "; making one takes CAP_NET_ADMIN in the "
                                     "network namespace"
                                   : "");
        close(fd);
        return err;
    }
    *out = fd;
    return 0;
}

/* What a descriptor is, and the offloads that fit it. */
static int tap_inspect(struct tap_create *create)
{
    const struct gn_nic_config *config = &create->config;
    unsigned offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
    struct ifreq request;
    int len = 0, err;

    memset(&request, 0, sizeof(request));
    if (ioctl(create->fd, TUNGETIFF, &request))
        return tap_say(config, errno == ENOTTY ? -EINVAL : -errno, "fd",
                       "; it is no TAP");
    if (!(request.ifr_flags & IFF_TAP) || !(request.ifr_flags & IFF_NO_PI))
        return gn__text_refuse(config->why, config->why_len,
                               "fd: a TAP with IFF_NO_PI is needed, not %s",
                               request.ifr_flags & IFF_TAP ? "one without"
                                                           : "a TUN");
    err = gn__fd_nonblock(create->fd, true);
    if (err)
        return err;
    if (!(request.ifr_flags & IFF_VNET_HDR))
        return 0;
    if (ioctl(create->fd, TUNGETVNETHDRSZ, &len) ||
        len < (int)sizeof(struct virtio_net_hdr) ||
        len > (int)sizeof(struct virtio_net_hdr_v1))
        return gn__text_refuse(
            config->why, config->why_len,
            "fd: its virtio header has %d bytes, not 10 or 12", len);
    create->header_len = (size_t)len;
    if (!ioctl(create->fd, TUNSETOFFLOAD, offloads))
        create->config.offload = GN_NIC_CSUM | GN_NIC_TSO4 | GN_NIC_TSO6;
    return 0;
}

static int tap_create(void *arg)
{
    struct tap_create *create = arg;
    struct gn__io *io = gn__network_io(create->net);
    struct nic_tap *self = io ? gn__zalloc(io->mem, sizeof(*self)) : NULL;
    int err;

    if (!self)
        return gn__network_is_closing(create->net) ? -ECANCELED : -ENOMEM;
    self->io = io;
    self->fd = -1;
    self->header_len = create->header_len;
    err =
        gn_nic_create(create->net, &create->config, &tap_ops, self, &self->nic);
    if (err) {
        gn__free(io->mem, self, sizeof(*self));
        return err;
    }
    create->nic = self->nic;
    self->watch.ready = tap_ready;
    self->watch.account = gn__wire_account(&self->nic->wire);
    err = gn__io_watch(io, &self->watch, create->fd, POLLIN);
    if (err)
        gn_nic_close(create->nic, NULL, NULL); /* It frees self. */
    else
        self->fd = create->fd;
    return err;
}

static int tap_start(struct tap_create *create, struct gn_nic **out)
{
    int err = tap_inspect(create);

    if (!err)
        err = gn__drive_call(create->net, tap_create, create);
    if (!err)
        *out = create->nic;
    return err;
}

int gn_nic_tap(struct gn_network *net, const struct gn_nic_config *config,
               const char *name, int fd, struct gn_nic **out)
{
    struct tap_create create = {.net = net, .fd = fd};
    int err;

    if (!net || !out || (name && fd >= 0))
        return -EINVAL;
    err = gn__nic_wire_config(config, &create.config);
    if (err)
        return err;
    if (gn_network_clock(net))
        return -ENOTSUP;
    if (fd >= 0)
        return tap_start(&create, out);
    err = tap_open(&create.config, name ? name : "", &create.fd);
    if (err)
        return err;
    err = tap_start(&create, out);
    if (err)
        close(create.fd);
    return err;
}
