/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/say.h"

#include <stdio.h>
#include <unistd.h>

void say(const char *format, ...)
{
    char line[1024] = "guestnet: ";
    const size_t at = sizeof("guestnet: ") - 1;
    va_list args;
    int n;

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
