/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Values of plans: a number and its unit, "2.5s". All of it is integers: a
 * fraction has no more digits than its unit resolves.
 */
#include <stdio.h>
#include <string.h>

#include "sim/plan.h"

struct suffix {
    const char *word;
    int64_t worth;
};

/* Largest first: values are written in the first that goes into them. */
static const struct suffix times[] = {
    {"min", 60000000000}, {"s", 1000000000}, {"ms", 1000000},
    {"us", 1000},         {"ns", 1},         {NULL, 0}};
static const struct suffix drifts[] = {{"%", 10000000},
                                       {"ppm", 1000},
                                       {"ppb", 1},
                                       {NULL, 0}};
static const struct suffix portions[] = {{"%", 10000}, {"ppm", 1}, {NULL, 0}};
static const struct suffix rates[] = {{"gbit", 1000000000},
                                      {"mbit", 1000000},
                                      {"kbit", 1000},
                                      {"bit", 1},
                                      {NULL, 0}};
static const struct suffix sizes[] = {{"MiB", 1024 * 1024},
                                      {"KiB", 1024},
                                      {"B", 1},
                                      {NULL, 0}};
static const struct suffix numbers[] = {{"", 1}, {NULL, 0}};

static const struct {
    const struct suffix *suffixes;
    bool has_sign;
    const char *hint;
} units[GN__N_UNITS] = {
    [GN__UNIT_TIME] = {times, false, "a time as 10ms or 2.5s"},
    [GN__UNIT_SHIFT] = {times, true, "a time with its sign, as +250ms or -3s"},
    [GN__UNIT_DRIFT] = {drifts, true, "a portion as 200ppm, -0.5% or 50ppb"},
    [GN__UNIT_PORTION] = {portions, false, "a portion as 5%, 0.1% or 200ppm"},
    [GN__UNIT_RATE] = {rates, false, "a rate as 64kbit, 10mbit or 1gbit"},
    [GN__UNIT_BYTES] = {sizes, false, "a size as 1500B, 64KiB or 1MiB"},
    [GN__UNIT_NUMBER] = {numbers, false, "a number without a unit"},
};

static const struct suffix *suffix_find(const struct suffix *suffixes,
                                        const char *text, size_t len)
{
    for (; suffixes->word; suffixes++) {
        if (strlen(suffixes->word) == len && !memcmp(suffixes->word, text, len))
            return suffixes;
    }
    return NULL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits up to where the unit begins; false: too many. */
static bool read_digits(const char **at, const char *end, int64_t *out)
{
    const char *begin = *at;

    for (; *at < end && is_digit(**at); (*at)++) {
        if (*out > (INT64_MAX - 9) / 10)
            return false;
        *out = *out * 10 + (**at - '0');
    }
    return *at > begin;
}

/* The part behind the point: of a unit's worth, exactly. */
static bool read_fraction(const char *at, const char *end, int64_t worth,
                          int64_t *out)
{
    for (; at < end; at++) {
        if (worth % 10)
            return *at == '0' && at + 1 == end;
        worth /= 10;
        *out += (*at - '0') * worth;
    }
    return true;
}

bool gn__value_parse(enum gn__unit unit, const char *text, size_t len,
                     int64_t *out, const char **hint)
{
    const char *at = text, *end = text + len, *fraction = NULL, *point = NULL;
    const struct suffix *suffix;
    int64_t whole = 0, part = 0;
    bool negative = false;

    *hint = units[unit].hint;
    if (units[unit].has_sign && at < end && (*at == '+' || *at == '-'))
        negative = *at++ == '-';
    if (!read_digits(&at, end, &whole))
        return false;
    if (at < end && *at == '.') {
        fraction = ++at;
        while (at < end && is_digit(*at))
            at++;
        point = at;
        if (fraction == point)
            return false;
    }
    suffix = suffix_find(units[unit].suffixes, at, (size_t)(end - at));
    if (!suffix || whole > INT64_MAX / suffix->worth - 1 ||
        (fraction && !read_fraction(fraction, point, suffix->worth, &part)))
        return false;
    *out = whole * suffix->worth + part;
    if (negative)
        *out = -*out;
    return true;
}

void gn__value_format(enum gn__unit unit, int64_t value, char *buf, size_t cap)
{
    const struct suffix *suffix = units[unit].suffixes;

    while (value % suffix->worth || (!value && suffix[1].word))
        suffix++;
    (void)snprintf(buf, cap, "%s%lld%s",
                   units[unit].has_sign && value >= 0 ? "+" : "",
                   (long long)(value / suffix->worth), suffix->word);
}
