/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/say.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void say(const char *format, ...)
{
    char line[1024];
    size_t at;
    va_list args;
    int n =
        snprintf(line, sizeof(line) / 2, "%s: ", program_invocation_short_name);

    at = n < 0 ? 0 : strnlen(line, sizeof(line));

    va_start(args, format);
    n = vsnprintf(line + at, sizeof(line) - at - 1, format, args);
    va_end(args);
    if (n < 0)
        return;
    if ((size_t)n > sizeof(line) - at - 2)
        n = (int)(sizeof(line) - at - 2);
    line[at + (size_t)n] = '\n';
    (void)!write(STDERR_FILENO, line, at + (size_t)n + 1);
}

int why_set(char *why, size_t cap, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why, cap, format, args);
    va_end(args);
    return -1;
}
