/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef __CARES_BUILD_H
#define __CARES_BUILD_H

/*
 * What c-ares' public header wants to know of the system. Its releases bring
 * this file with them, its repository does not.
 */
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>

#define CARES_TYPEOF_ARES_SOCKLEN_T socklen_t
#define CARES_TYPEOF_ARES_SSIZE_T   ssize_t

#endif /* __CARES_BUILD_H */
