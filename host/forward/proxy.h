/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_FORWARD_PROXY_H
#define GN_FORWARD_PROXY_H

/*
 * The PROXY protocol, version 1 (HAProxy's proxy-protocol.txt): a line in front
 * of all else that tells a server which client connects to it.
 */
#include "base/addr.h"
#include "base/mem.h"

/** The longest line, with its NUL. */
#define GN__PROXY_MAX 108

/** Write the line; its length. */
int gn__proxy_format(const struct gn__endpoint *from,
                     const struct gn__endpoint *to, char line[GN__PROXY_MAX]);
/** Send the line by a connected stream that nothing was sent by yet: its buffer
 *  takes it whole. -EPIPE: it did not. */
GN_WARN_UNUSED int gn__proxy_announce(int fd, const struct gn__endpoint *from,
                                      const struct gn__endpoint *to);

#endif /* GN_FORWARD_PROXY_H */
