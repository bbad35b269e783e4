/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_GUESTS_NIC_VSOCK_H
#define GN_GUESTS_NIC_VSOCK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <guestnet/export.h>

/** "OK 4294967295\n" */
#define GN__VSOCK_REPLY_MAX 14u

/**
 * Read the answer to "CONNECT PORT\n": "OK PORT\n", of a decimal number.
 *
 * Returns its length; 0: more bytes may make it one; -EPROTO: it is none.
 */
GN_WARN_UNUSED ssize_t gn__vsock_reply(const uint8_t *data, size_t len);

#endif /* GN_GUESTS_NIC_VSOCK_H */
