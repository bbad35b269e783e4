/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_CAPTURE_H
#define GUESTNET_CAPTURE_H

/*
 * Packets into a file that Wireshark, tshark and tcpdump open: the pcap format
 * with nanoseconds, link type RAW (IP packets, no Ethernet), written through
 * libpcap.
 *
 * A capture holds what the network delivers, at the time it was sent on to its
 * receiver: whole packets with right checksums, or with a wrong one where a
 * link has damaged the packet. What links and paths lose is not in it, nor what
 * a guest sends to itself. Times are the wall clock's; under a virtual clock
 * they begin at 1970.
 *
 * The driving thread writes the file, without any lock. Where it cannot keep
 * up, packets are left out and counted, and the network goes on.
 */
#include <stdint.h>

#include <guestnet/export.h>

GN_BEGIN_DECLS

struct gn_capture;
struct gn_namespace;
struct gn_network;

/** What has become of the packets. */
struct gn_capture_stats {
    uint64_t packets; /* written */
    uint64_t bytes;   /* of them, IP headers included */
    uint64_t dropped; /* left out: too many at once, or no memory */
    int error;        /* 0, or the negative errno that ended the writing */
};

/**
 * Start writing.
 *
 * @only  NULL for all of the network, or one of its guests: what it sends and
 *        what it receives. It may be closed before the capture.
 * @path  A file, which is replaced; only its owner may read it (mode 0600).
 * @out   Set only on success. Owned by the caller: gn_capture_stop(). It also
 *        ends with its network, before whose close callback it must have been
 *        used for the last time.
 *
 *   -EINVAL, -EFAULT  An argument is NULL, or @only is of another network.
 *   -ECANCELED        The network is closing.
 *   -ENOMEM, and what open(2) says of @path: -EACCES, -ENOENT, -EISDIR, ...
 */
GN_API GN_WARN_UNUSED int gn_capture_start(struct gn_network *net,
                                           struct gn_namespace *only,
                                           const char *path,
                                           struct gn_capture **out);

/**
 * The same into a file that is open: another process's, a pipe's. What blocks
 * holds the driving thread up.
 *
 * @fd  Borrowed for the call; open for writing.
 *
 *   -EBADF            It is not.
 *   -EMFILE           No descriptor is free.
 *   and as gn_capture_start().
 */
GN_API GN_WARN_UNUSED int gn_capture_start_fd(struct gn_network *net,
                                              struct gn_namespace *only, int fd,
                                              struct gn_capture **out);

/**
 * Write what has been seen so far to the file: it can be read up to here.
 *
 * Returns 0, or what ended the writing: -ENOSPC, -EIO, ...
 */
GN_API int gn_capture_flush(struct gn_capture *capture);

/** Counters, copied to @out. */
GN_API void gn_capture_stats(struct gn_capture *capture,
                             struct gn_capture_stats *out);

/**
 * Write what has been seen, close the file, and end. NULL does nothing.
 *
 * Returns 0, or what ended the writing.
 */
GN_API int gn_capture_stop(struct gn_capture *capture);

GN_END_DECLS

#endif /* GUESTNET_CAPTURE_H */
