/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Names of hosts as text: labels with dots between them (RFC 1035 section
 * 2.3.1), of the characters that RFC 1123 allows and '_', which services put
 * there. Names in other scripts come as "xn--...". Compared by ASCII's case
 * alone, whatever the locale.
 */
#include "resolver/resolver.h"

#include <string.h>

static char name_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_host_char(char c)
{
    return (name_lower(c) >= 'a' && name_lower(c) <= 'z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Without a dot at the end. */
static size_t name_length(const char *name)
{
    size_t len = strnlen(name, GN__HOSTNAME_MAX + 2);

    return len && name[len - 1] == '.' ? len - 1 : len;
}

bool gn__hostname_is_valid(const char *name)
{
    size_t i, label = 0, len = name_length(name);

    if (!len || len > GN__HOSTNAME_MAX)
        return false;
    for (i = 0; i < len; i++) {
        if (name[i] == '.') {
            if (!label)
                return false;
            label = 0;
        } else if (!is_host_char(name[i]) || ++label > GN__LABEL_MAX) {
            return false;
        }
    }
    return label > 0;
}

bool gn__hostname_is_absolute(const char *name)
{
    size_t len = strnlen(name, GN__HOSTNAME_MAX + 2);

    return len && name[len - 1] == '.';
}

void gn__hostname_copy(const char *name, char *out)
{
    size_t len = name_length(name);

    memcpy(out, name, len);
    out[len] = '\0';
}

void gn__hostname_lower(const char *name, char *out)
{
    gn__hostname_copy(name, out);
    for (; *out; out++)
        *out = name_lower(*out);
}

static bool is_equal(const char *a, const char *b, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if (name_lower(a[i]) != name_lower(b[i]))
            return false;
    }
    return true;
}

bool gn__hostname_is_below(const char *name, const char *suffix)
{
    size_t len = name_length(name), tail = name_length(suffix);

    if (len < tail || !is_equal(name + len - tail, suffix, tail))
        return false;
    return len == tail || (len > tail + 1 && name[len - tail - 1] == '.');
}

bool gn__hostname_matches(const char *pattern, const char *name)
{
    if (pattern[0] != '*')
        return name_length(name) == name_length(pattern) &&
               gn__hostname_is_below(name, pattern);
    return !pattern[1] || (name_length(name) > name_length(pattern + 2) &&
                           gn__hostname_is_below(name, pattern + 2));
}

bool gn__pattern_is_valid(const char *pattern)
{
    if (pattern[0] != '*')
        return gn__hostname_is_valid(pattern);
    return !pattern[1] ||
           (pattern[1] == '.' && gn__hostname_is_valid(pattern + 2));
}

int gn__ip_family(const char *proto)
{
    if (!strcmp(proto, "ip"))
        return AF_UNSPEC;
    if (!strcmp(proto, "ip4"))
        return AF_INET;
    return strcmp(proto, "ip6") ? -1 : AF_INET6;
}
