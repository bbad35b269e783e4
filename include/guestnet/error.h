/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_ERROR_H
#define GUESTNET_ERROR_H

/*
 * Results are 0 or a negative errno, as libuv has them on Unix. Name
 * resolution adds libuv's UV_EAI_* numbers (-3000 and below), because glibc's
 * own EAI_* collide with errno.
 */
#include <guestnet/export.h>

GN_BEGIN_DECLS

/**
 * Describe a result in English, in a few words.
 *
 * @err  0, a negative errno, or a negative UV_EAI_* number.
 *
 * Returns a string that lives as long as the program and is never NULL; a
 * unknown number gives "unknown error". Safe from any thread.
 */
GN_API const char *gn_strerror(int err);

GN_END_DECLS

#endif /* GUESTNET_ERROR_H */
