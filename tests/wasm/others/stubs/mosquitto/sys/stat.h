/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUBS_SYS_STAT_H
#define STUBS_SYS_STAT_H

#include_next <sys/stat.h>

#define umask(mask) ((void)(mask), (mode_t)0)

#endif /* STUBS_SYS_STAT_H */
