/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_ADDR_H
#define GUESTNET_ADDR_H

/*
 * Addresses as text. Sockets speak `struct sockaddr`, as on Linux; address
 * pools speak `struct gn_ip`, which is an address without a port.
 *
 * Only numbers are understood, never names: nothing here looks anything up.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <guestnet/export.h>

GN_BEGIN_DECLS

/* Enough for any address with scope and port, and the final NUL. */
#define GN_ADDR_TEXT_MAX 72

/** An address without a port, of either version. */
struct gn_ip {
    int family;        /* AF_INET or AF_INET6. */
    uint8_t bytes[16]; /* Network order; AF_INET uses the first four. */
};

/**
 * Read an address with or without a port.
 *
 * Forms: "10.0.0.1", "10.0.0.1:80", "fd77::1", "[fd77::1]", "[fd77::1]:80".
 * A link-local IPv6 address may carry its interface's number, "fe80::1%2".
 * Without a port the port is 0.
 *
 * @text  Borrowed for the call.
 * @out   Set only on success; AF_INET or AF_INET6.
 * @len   Set only on success: the bytes of @out in use. May be NULL.
 *
 * Returns 0, or:
 *   -EINVAL  An argument is NULL, or the text is none of these forms.
 */
GN_API GN_WARN_UNUSED int gn_addr_parse(const char *text,
                                        struct sockaddr_storage *out,
                                        socklen_t *len);

/**
 * Write an address as gn_addr_parse() reads it; port 0 is left out.
 *
 * @addr  Borrowed for the call; AF_INET or AF_INET6, of its full size.
 * @buf   Gets the text with its NUL; GN_ADDR_TEXT_MAX bytes always suffice.
 *
 * Returns 0, or with nothing written:
 *   -EINVAL        An argument is NULL.
 *   -EAFNOSUPPORT  Neither AF_INET nor AF_INET6.
 *   -ENOSPC        The text does not fit.
 */
GN_API GN_WARN_UNUSED int gn_addr_format(const struct sockaddr *addr, char *buf,
                                         size_t cap);

/**
 * Read an address without a port: "10.0.0.1" or "fd77::1".
 *
 * Returns 0, or -EINVAL as gn_addr_parse() does.
 */
GN_API GN_WARN_UNUSED int gn_ip_parse(const char *text, struct gn_ip *out);

/**
 * Write an address without a port.
 *
 * Returns 0, or -EINVAL, -EAFNOSUPPORT, -ENOSPC as gn_addr_format() does.
 */
GN_API GN_WARN_UNUSED int gn_ip_format(const struct gn_ip *ip, char *buf,
                                       size_t cap);

GN_END_DECLS

#endif /* GUESTNET_ADDR_H */
