/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_TLS_TLS_H
#define GN_HOST_TLS_TLS_H

/*
 * TLS as a client over a connected socket of the kernel's, for guests that have
 * none: a handshake in steps, and then a relay's transport.
 *
 *     gn__tls_create --> gn__tls_step ... --> gn__tls_transport (a relay's)
 *
 * openssl.c is the only file that includes OpenSSL's headers; none/none.c
 * stands in where the library is built without.
 *
 * What a server can cost: its handshake is bounded in bytes by OpenSSL and in
 * time by the caller that makes the steps; a record is 16 KiB at most and is
 * read when the guest has room; renegotiation is refused; of records that carry
 * nothing (key updates, tickets) each is one step of a turn. Its memory is
 * charged to the guest, by an estimate.
 */
#include "base/mem.h"
#include "host/forward/forward.h"

struct gn__guest;
struct gn__tls;
struct gn__tls_trust;

/** What a connection is charged with, bytes: it takes some 80 KiB in its
 *  handshake, more with a long chain of certificates, and 18 to 50 KiB then. */
#define GN__TLS_COST (64u * 1024)

/**
 * The certificates to believe. Counted.
 *
 * @ca_file  Certificates in PEM form; NULL: the system's.
 * @why      On error gets one line; may be NULL.
 *
 *   -EINVAL      The file cannot be used.
 *   -ENOPROTOOPT The library was built without TLS.
 *   -ENOMEM
 */
GN_WARN_UNUSED int gn__tls_trust_create(const struct gn__mem *mem,
                                        const char *ca_file, char *why,
                                        size_t why_len,
                                        struct gn__tls_trust **out);
/** NULL: nothing happens. */
void gn__tls_trust_unref(struct gn__tls_trust *trust);

/**
 * @guest  The guest that it is for, and that is charged.
 * @fd     Connected, non-blocking. Borrowed until gn__tls_free().
 * @name   Copied: that the certificate must be for; a DNS name is also sent.
 *
 *   -EINVAL (no name), -ENOMEM, -ENOBUFS (gn__charge_take())
 */
GN_WARN_UNUSED int gn__tls_create(struct gn__tls_trust *trust,
                                  struct gn__guest *guest, int fd,
                                  const char *name, struct gn__tls **out);
/** Without the lock. NULL: nothing happens. */
void gn__tls_free(struct gn__tls *tls);

/**
 * Go on with the handshake.
 *
 * @events  On -EAGAIN gets POLLIN or POLLOUT: what it waits for.
 *
 * Returns 0: it is done; -EAGAIN; or -EPROTO: gn__tls_reason().
 */
GN_WARN_UNUSED int gn__tls_step(struct gn__tls *tls, short *events);
/** Why it failed, in words; as long as @tls. */
const char *gn__tls_reason(const struct gn__tls *tls);

/** Its transport; self is the struct gn__tls. */
extern const struct gn__transport_ops gn__tls_transport;

#endif /* GN_HOST_TLS_TLS_H */
