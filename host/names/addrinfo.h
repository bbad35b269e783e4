/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_NAMES_ADDRINFO_H
#define GN_HOST_NAMES_ADDRINFO_H

/*
 * What the blocking forms share: lists that gn_freeaddrinfo() takes, errors,
 * and the C library's answers in both.
 */
#include <netdb.h>

#include "base/mem.h"
#include "namespace/namespace.h"

/** One entry of a list that is being made; the list ends at *@tail, which is
 *  moved on. @canonical: NULL, or copied. -ENOMEM. */
GN_WARN_UNUSED int gn__addrinfo_add(const struct gn__mem *mem,
                                    struct addrinfo ***tail,
                                    const struct addrinfo *entry,
                                    const char *canonical);

/** gn_getaddrinfo() in at most @timeout_ns (of each lookup; 0: the namespace's
 *  own limit), but for the C library's. */
GN_WARN_UNUSED int gn__getaddrinfo(struct gn_namespace *ns, const char *node,
                                   const char *service,
                                   const struct addrinfo *hints,
                                   uint64_t timeout_ns, struct addrinfo **out);

/** What a lookup ended with, as the blocking forms say it. */
int gn__gai_error(int status);

/** The C library's own, for gn_namespace_system(). */
GN_WARN_UNUSED int gn__system_getaddrinfo(const struct gn__mem *mem,
                                          const char *node, const char *service,
                                          const struct addrinfo *hints,
                                          struct addrinfo **out);
GN_WARN_UNUSED int gn__system_getnameinfo(const struct sockaddr *addr,
                                          socklen_t len, char *host,
                                          socklen_t host_len, char *service,
                                          socklen_t service_len, int flags);

#endif /* GN_HOST_NAMES_ADDRINFO_H */
