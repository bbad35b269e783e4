/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_GUESTS_NIC_SOCKET_H
#define GN_GUESTS_NIC_SOCKET_H

/*
 * A wire that is a socket: frames in messages, or each behind its length on a
 * stream. It is a user of the public operations, on the driving thread.
 *
 *     without a peer --(attach)--> connected --(the peer goes)--> without
 */
#include <guestnet/nic.h>

#include "base/io.h"

/** The longest frame that QEMU sends; one whose length says more is the end. */
#define GN__QEMU_FRAME_MAX 69632u

struct gn__nic_socket {
    struct gn_nic *nic;
    struct gn__io *io;
    int fd;      /* -1: no peer */
    int type;    /* SOCK_STREAM: QEMU's framing; SOCK_SEQPACKET, SOCK_DGRAM */
    bool paused; /* the NIC takes no more for now */
    bool want_write; /* the socket takes no more for now */
    struct gn__io_watch watch;
    uint8_t *rx; /* a frame that is not whole yet; NULL: none */
    size_t rx_len;
    uint8_t *tx; /* the rest of a frame; NULL: none */
    size_t tx_at, tx_len;
    /** The peer is gone, and the descriptor closed. NULL: never mind. */
    void (*lost)(struct gn__nic_socket *self);
};

size_t gn__nic_socket_output(struct gn__nic_socket *self,
                             const struct gn_frame *frames, size_t n);
void gn__nic_socket_ready(struct gn__nic_socket *self);
/** Go on with a peer: a connected socket, non-blocking (consumed on success).
 *  Errors are those of gn__io_watch(). */
GN_WARN_UNUSED int gn__nic_socket_attach(struct gn__nic_socket *self, int fd);
/** The same, @len bytes of the stream having been read already: fewer than a
 *  frame. -ENOMEM too. */
GN_WARN_UNUSED int gn__nic_socket_attach_behind(struct gn__nic_socket *self,
                                                int fd, const uint8_t *data,
                                                size_t len);
/** Has its peer, of a stream, closed it, which is yet to be found? */
bool gn__nic_socket_is_over(const struct gn__nic_socket *self);
/** Close the descriptor, and forget what was under way. Calls no callback. */
void gn__nic_socket_detach(struct gn__nic_socket *self);

/**
 * Take whole frames off the front of @data, as QEMU writes them.
 *
 * @frames, @iov  @cap of each; what is found points into @data.
 * @n             Gets how many.
 *
 * Returns how many bytes they take, or -EPROTO: a length that no frame has.
 */
ssize_t gn__qemu_frames(const uint8_t *data, size_t len,
                        struct gn_frame *frames, struct iovec *iov, size_t cap,
                        size_t *n);

#endif /* GN_GUESTS_NIC_SOCKET_H */
