/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_CONN_TARGET_H
#define GN_HOST_CONN_TARGET_H

/*
 * A network and an address, taken apart: "tcp" and "web:80". Text only; nothing
 * is looked up.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/** Longest name (RFC 1035 in text) and service (RFC 6335), with the NUL. */
#define GN__HOST_MAX    256u
#define GN__SERVICE_MAX 16u

struct gn__target {
    int type;                /* SOCK_STREAM, SOCK_DGRAM */
    int family;              /* AF_UNSPEC: either version */
    struct gn__addr addr;    /* where host is "" and has_addr */
    uint32_t scope;          /* of addr */
    bool has_addr;           /* false with host "": none was given, ":80" */
    uint16_t port;           /* where service is "" */
    char host[GN__HOST_MAX]; /* a name; "": none */
    char service[GN__SERVICE_MAX]; /* a name; "": a number was given */
};

/**
 * Read them.
 *
 * @why  On error gets one line that says what is wrong, where, and what would
 *       be right, cut at @why_len bytes. May be NULL.
 *
 * Returns 0, or -EINVAL with @out undefined.
 */
GN_WARN_UNUSED int gn__target_parse(const char *proto, const char *address,
                                    struct gn__target *out, char *why,
                                    size_t why_len);

/**
 * Read a local address for a socket like @to's: "10.0.0.2", "10.0.0.2:4000",
 * "[fd77::2]:4000", ":4000". An address of the wrong version is refused.
 *
 * @out  The address is "any" of the version where none was given, or of
 *       AF_INET6 where the version is open.
 */
GN_WARN_UNUSED int gn__target_parse_local(const char *address,
                                          const struct gn__target *to,
                                          struct gn__endpoint *out, char *why,
                                          size_t why_len);

#endif /* GN_HOST_CONN_TARGET_H */
