/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * GN__BUILT_WITH comes from the build, which found lwIP and c-ares: neither's
 * header may be included in this folder.
 */
#include <guestnet/version.h>

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)
#define DOTTED(x, y, z) \
    TEXT(x)             \
    "." TEXT(y) "." TEXT(z)

const char *gn_version_string(void)
{
    return "guestnet " DOTTED(GN_VERSION_MAJOR, GN_VERSION_MINOR,
                              GN_VERSION_PATCH) " (" GN__BUILT_WITH ")";
}
