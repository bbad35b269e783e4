/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

/*
 * Configurations begin with their own size. A caller that was compiled against
 * a later version has more fields than are known here; where they are zero,
 * which selects the default, it is understood all the same.
 */
#include <stdbool.h>
#include <stddef.h>

/* More than this is no later version's: the size was never set. */
#define GN__CONFIG_MAX 4096u

/** Do @size bytes at @config say nothing beyond the first @known? */
static inline bool gn__config_is_known(const void *config, size_t size,
                                       size_t known)
{
    const unsigned char *bytes = config;
    size_t i;

    if (size < known || size > GN__CONFIG_MAX)
        return false;
    for (i = known; i < size; i++) {
        if (bytes[i])
            return false;
    }
    return true;
}

#endif /* BASE_CONFIG_H */
