/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * /proc/loadavg has, fourth, the number of threads that are running or could be
 * at this very moment. The averages before it are of minutes and say nothing
 * about now.
 *
 * One look is chance: threads come and go in microseconds. A look that finds
 * too many counts for several that do not, because to stay awake in vain costs
 * more than to sleep in vain.
 */
#include "host/driver/load.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define ASK_EVERY_NS 1000000u
/** What a look that finds too many adds; one that does not takes 1 away. */
#define SCORE_ADD 4u
#define SCORE_MAX 32u
/** From here on the load is high. */
#define SCORE_HIGH 12u

void gn__load_init(struct gn__load *load)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    load->fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
    load->n_processors = n > 0 ? (unsigned)n : 1;
    atomic_init(&load->next, 0);
    atomic_init(&load->score, 0);
}

void gn__load_done(struct gn__load *load)
{
    if (load->fd >= 0)
        close(load->fd);
    load->fd = -1;
}

unsigned gn__load_running(const char *text)
{
    unsigned running;

    return sscanf(text, "%*f %*f %*f %u/", &running) == 1 ? running : 0;
}

static void load_ask(struct gn__load *load)
{
    uint32_t score = atomic_load_explicit(&load->score, memory_order_relaxed);
    char text[64];
    ssize_t n = pread(load->fd, text, sizeof(text) - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    if (gn__load_running(text) > load->n_processors)
        score = score + SCORE_ADD < SCORE_MAX ? score + SCORE_ADD : SCORE_MAX;
    else if (score)
        score--;
    atomic_store_explicit(&load->score, score, memory_order_relaxed);
}

bool gn__load_is_high(struct gn__load *load, uint64_t now_ns)
{
    uint64_t next = atomic_load_explicit(&load->next, memory_order_relaxed);

    if (load->fd < 0)
        return false;
    if (now_ns >= next && atomic_compare_exchange_strong(&load->next, &next,
                                                         now_ns + ASK_EVERY_NS))
        load_ask(load);
    return atomic_load_explicit(&load->score, memory_order_relaxed) >=
           SCORE_HIGH;
}
