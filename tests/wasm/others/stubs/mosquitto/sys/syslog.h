/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUBS_SYS_SYSLOG_H
#define STUBS_SYS_SYSLOG_H

#include <syslog.h>

#endif /* STUBS_SYS_SYSLOG_H */
