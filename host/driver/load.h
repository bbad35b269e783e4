/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_DRIVER_LOAD_H
#define GN_HOST_DRIVER_LOAD_H

/*
 * Whether the machine has more to run than processors to run it on. A thread
 * that stays awake to wait then takes its processor from the very thread it
 * waits for, or from a stranger.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gn__load {
    int fd; /* -1: the machine does not say */
    unsigned n_processors;
    _Atomic uint64_t next; /* when to ask again, ns */
    _Atomic uint32_t score;
};

/** Opens a descriptor, if the machine says how busy it is. */
void gn__load_init(struct gn__load *load);
void gn__load_done(struct gn__load *load);

/** Any thread; asks the kernel about once a millisecond. False where it does
 *  not say. */
bool gn__load_is_high(struct gn__load *load, uint64_t now_ns);

/** How many threads of the machine run or could, by /proc/loadavg; 0 if @text
 *  is something else. */
unsigned gn__load_running(const char *text);

#endif /* GN_HOST_DRIVER_LOAD_H */
