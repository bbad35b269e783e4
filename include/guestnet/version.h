/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_VERSION_H
#define GUESTNET_VERSION_H

/*
 * The version a program is compiled against (the macros) and the one it runs
 * with (the function). Before 1.0 the interface may change with each minor
 * version, and so does the shared library's name.
 */
#include <guestnet/export.h>

GN_BEGIN_DECLS

#define GN_VERSION_MAJOR 0
#define GN_VERSION_MINOR 2
#define GN_VERSION_PATCH 0

/** One number that grows with the version, for comparisons by #if. */
#define GN_VERSION \
    (GN_VERSION_MAJOR * 10000 + GN_VERSION_MINOR * 100 + GN_VERSION_PATCH)

/**
 * The running library's version and what it is built with, in one line:
 * "guestnet 0.2.0 (lwIP 2.2.1, c-ares 1.34.5)".
 *
 * The text is constant and never freed.
 */
GN_API const char *gn_version_string(void);

GN_END_DECLS

#endif /* GUESTNET_VERSION_H */
