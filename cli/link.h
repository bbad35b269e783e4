/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_LINK_H
#define CLI_LINK_H

/*
 * The settings of a link: by their words in --link, by their keys in the JSON
 * of a join.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <guestnet/link.h>

struct link_unit;

struct link_setting {
    const char *word; /* "latency" */
    const char *key;  /* "latency_us": the field's name */
    const struct link_unit *units;
    const char *example; /* "20ms" */
    double most;
    size_t offset;
    bool wide; /* 64 bits; else 32 */
};

#define LINK_N_SETTINGS 8
extern const struct link_setting link_settings[LINK_N_SETTINGS];

uint64_t link_get(const struct gn_link_config *link,
                  const struct link_setting *setting);
void link_set(struct gn_link_config *link, const struct link_setting *setting,
              uint64_t value);
/** "latency=20ms,loss=1%". Returns 0, or -1 with a line in @why. */
int link_read(const char *text, struct gn_link_config *link, char *why,
              size_t why_len);

#endif /* CLI_LINK_H */
