/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STUBS_SYSLOG_H
#define STUBS_SYSLOG_H

/* There is no log of a system: what is written there is gone. */
#define LOG_PID     1
#define LOG_DAEMON  (3 << 3)
#define LOG_LOCAL0  (16 << 3)
#define LOG_LOCAL1  (17 << 3)
#define LOG_LOCAL2  (18 << 3)
#define LOG_LOCAL3  (19 << 3)
#define LOG_LOCAL4  (20 << 3)
#define LOG_LOCAL5  (21 << 3)
#define LOG_LOCAL6  (22 << 3)
#define LOG_LOCAL7  (23 << 3)
#define LOG_ERR     3
#define LOG_WARNING 4
#define LOG_NOTICE  5
#define LOG_INFO    6
#define LOG_DEBUG   7

#define openlog(name, option, facility) ((void)0)
#define syslog(priority, ...)           ((void)0)
#define closelog()                      ((void)0)

#endif /* STUBS_SYSLOG_H */
