/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_LOGLINES_H
#define TESTS_LIB_LOGLINES_H

/*
 * The lines that a network logs, to be asked for by any thread. What is full
 * takes no more.
 */
#include <guestnet/guestnet.h>

#include <pthread.h>
#include <stddef.h>

struct gn_loglines {
    pthread_mutex_t lock;
    char text[16384];
};

void gn_loglines_init(struct gn_loglines *lines);
void gn_loglines_done(struct gn_loglines *lines);
/** gn_network_config.log, with the lines as its argument. */
void gn_loglines_add(enum gn_log_level level, const char *line, void *lines);
/** How often this stands in them. */
size_t gn_loglines_count(struct gn_loglines *lines, const char *what);

#endif /* TESTS_LIB_LOGLINES_H */
