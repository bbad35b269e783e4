/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_SAY_H
#define CLI_SAY_H

/*
 * What the command says to a person: one line each, to standard error.
 */
#include <stdarg.h>
#include <stddef.h>

/* Exit statuses, those of env(1) and the container engines. */
enum { STATUS_OURS = 125, STATUS_CANNOT_RUN = 126, STATUS_NOT_FOUND = 127 };

/** The program's name and the text as one line, in one write. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Write a line for a person to @why, cut at @cap. Returns -1. */
int why_set(char *why, size_t cap, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif /* CLI_SAY_H */
