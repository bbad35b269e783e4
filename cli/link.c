/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * --link: a list of settings with their units, in the words of plans
 * (<guestnet/plan.h>).
 */
#include "cli/link.h"

#include <stdlib.h>
#include <string.h>

#include "cli/say.h"

struct link_unit {
    const char *name;
    double factor;
};

static const struct link_unit times[] = {{"us", 1},
                                         {"ms", 1e3},
                                         {"s", 1e6},
                                         {NULL, 0}};
static const struct link_unit rates[] = {{"kbit", 1e3},
                                         {"mbit", 1e6},
                                         {"gbit", 1e9},
                                         {"bit", 1},
                                         {NULL, 0}};
static const struct link_unit sizes[] = {{"KiB", 1024},
                                         {"MiB", 1048576},
                                         {"B", 1},
                                         {NULL, 0}};
static const struct link_unit parts[] = {{"%", 1e4}, {"ppm", 1}, {NULL, 0}};

#define SETTING(word, key, units, example, most, wide) \
    {                                                  \
        word, #key, units, example, most,              \
            offsetof(struct gn_link_config, key), wide \
    }

const struct link_setting link_settings[LINK_N_SETTINGS] = {
    SETTING("latency", latency_us, times, "20ms", 3.6e9, false),
    SETTING("jitter", jitter_us, times, "5ms", 3.6e9, false),
    SETTING("rate", rate_bps, rates, "10mbit", 1e13, true),
    SETTING("queue", queue_bytes, sizes, "256KiB", 1e12, true),
    SETTING("loss", loss_ppm, parts, "1%", 1e6, false),
    SETTING("reorder", reorder_ppm, parts, "1%", 1e6, false),
    SETTING("duplicate", duplicate_ppm, parts, "1%", 1e6, false),
    SETTING("corrupt", corrupt_ppm, parts, "1%", 1e6, false),
};

uint64_t link_get(const struct gn_link_config *link,
                  const struct link_setting *setting)
{
    uint64_t wide;
    uint32_t narrow;

    memcpy(&narrow, (const char *)link + setting->offset, sizeof(narrow));
    if (!setting->wide)
        return narrow;
    memcpy(&wide, (const char *)link + setting->offset, sizeof(wide));
    return wide;
}

void link_set(struct gn_link_config *link, const struct link_setting *setting,
              uint64_t value)
{
    uint32_t narrow = (uint32_t)value;

    if (setting->wide)
        memcpy((char *)link + setting->offset, &value, sizeof(value));
    else
        memcpy((char *)link + setting->offset, &narrow, sizeof(narrow));
}

static const struct link_setting *setting_find(const char *word, size_t len)
{
    for (size_t i = 0; i < LINK_N_SETTINGS; i++) {
        if (strlen(link_settings[i].word) == len &&
            memcmp(link_settings[i].word, word, len) == 0)
            return &link_settings[i];
    }
    return NULL;
}

/* A number with one of the units; negative: it is none. */
static double value_read(const char *text, const struct link_unit *units)
{
    char *end;
    double value;

    if (*text < '0' || *text > '9')
        return -1;
    value = strtod(text, &end);
    for (; units->name; units++) {
        if (strcmp(end, units->name) == 0)
            return value * units->factor;
    }
    return -1;
}

static int setting_read(char *word, struct gn_link_config *link, char *why,
                        size_t why_len)
{
    char *value = strchr(word, '=');
    const struct link_setting *setting =
        setting_find(word, value ? (size_t)(value - word) : strlen(word));
    double number;

    if (!setting)
        return why_set(why, why_len,
                       "--link: \"%s\" is none of latency, jitter, rate, "
                       "queue, loss, reorder, duplicate and corrupt, as in "
                       "latency=20ms,loss=1%%",
                       word);
    number = value ? value_read(value + 1, setting->units) : -1;
    if (!(number >= 0 && number <= setting->most))
        return why_set(why, why_len,
                       "--link: \"%s\": a value such as %s=%s is needed", word,
                       setting->word, setting->example);
    link_set(link, setting, (uint64_t)number);
    return 0;
}

int link_read(const char *text, struct gn_link_config *link, char *why,
              size_t why_len)
{
    char *copy = strdup(text), *rest = copy, *word;
    int err = copy ? 0 : why_set(why, why_len, "no memory");

    while (!err && (word = strsep(&rest, ",")) != NULL)
        err = setting_read(word, link, why, why_len);
    free(copy);
    return err;
}
