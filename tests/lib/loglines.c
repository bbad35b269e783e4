/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/loglines.h"

#include <stdio.h>
#include <string.h>

void gn_loglines_init(struct gn_loglines *lines)
{
    pthread_mutex_init(&lines->lock, NULL);
    lines->text[0] = '\0';
}

void gn_loglines_done(struct gn_loglines *lines)
{
    pthread_mutex_destroy(&lines->lock);
}

void gn_loglines_add(enum gn_log_level level, const char *line, void *arg)
{
    struct gn_loglines *lines = arg;
    size_t len;

    (void)level;
    pthread_mutex_lock(&lines->lock);
    len = strlen(lines->text);
    (void)snprintf(lines->text + len, sizeof(lines->text) - len, "%s\n", line);
    pthread_mutex_unlock(&lines->lock);
}

size_t gn_loglines_count(struct gn_loglines *lines, const char *what)
{
    size_t n = 0;

    pthread_mutex_lock(&lines->lock);
    for (const char *at = lines->text; (at = strstr(at, what)); at++)
        n++;
    pthread_mutex_unlock(&lines->lock);
    return n;
}
