/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct gn__quoted gn__text_quote(const char *text, size_t len)
{
    struct gn__quoted q;
    size_t n = 0;

    for (; n < len && n < 60; n++)
        q.text[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
    snprintf(q.text + n, sizeof(q.text) - n, "%s", n < len ? "..." : "");
    return q;
}

int gn__text_refuse(char *why, size_t why_len, const char *format, ...)
{
    va_list args;

    if (!why || !why_len)
        return -EINVAL;
    va_start(args, format);
    (void)vsnprintf(why, why_len, format, args);
    va_end(args);
    /* It quotes the caller's text, and is one line whatever that is. */
    for (; *why; why++) {
        if (*why < ' ' || *why > '~')
            *why = '?';
    }
    return -EINVAL;
}

bool gn__text_number(const char *text, uint32_t max, uint32_t *out)
{
    uint64_t n = 0;

    if (!*text || (text[0] == '0' && text[1]))
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        n = 10 * n + (uint64_t)(*text - '0');
        if (n > max)
            return false;
    }
    *out = (uint32_t)n;
    return true;
}

bool gn__text_cut(const char *text, size_t len, char *buf, size_t cap)
{
    if (len >= cap)
        return false;
    memcpy(buf, text, len);
    buf[len] = '\0';
    return true;
}
