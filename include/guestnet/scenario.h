/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_SCENARIO_H
#define GUESTNET_SCENARIO_H

/*
 * Programs that try seeds. A program has scenarios, and hands its command line
 * on; this is all of its main():
 *
 *     return gn_sim_main(argc, argv, scenarios, 2);
 *
 *     ./raft                           1,000 seeds of each scenario
 *     ./raft --seeds 100000 --jobs 8   more of them, eight at a time
 *     ./raft --seed 17 --trace         one of them, with what its tasks log
 *     ./raft --help
 *
 * Each seed is a process, forked from the one that is loaded: it makes a clock
 * with the seed, sets the scenario up, draws a plan of faults, runs the clock,
 * and asks whether all is well. Seeds stop at the first that fails. It is
 * printed with its reason, the command that replays it, and a plan of as few
 * faults as suffice.
 */
#include <stddef.h>
#include <stdint.h>

#include <guestnet/export.h>

GN_BEGIN_DECLS

struct gn_clock;
struct gn_plan_config;

/** Marks of a scenario. */
#define GN_SCENARIO_MARKS_MAX 1024u

/** What is tried; zero selects the default given here. */
struct gn_scenario {
    size_t size;      /* sizeof this struct. Required. */
    const char *name; /* A word, for the command line. Required. */
    /** Make networks, machines and tasks. 0, or a negative errno: the seed
     *  fails. Required. */
    int (*setup)(struct gn_clock *clock, void *arg);
    /** When the run has ended without a fault of its own: is all well? 0: yes.
     *  gn_sim_fail() says in words why not. NULL: always. */
    int (*check)(struct gn_clock *clock, void *arg);
    void *arg;            /* For both. */
    uint64_t duration_ns; /* Of the network's time, until which a run goes on
                             unless its tasks end earlier. Required. */
    uint64_t max_still; /* Calls and turns at one time until that is a livelock,
                             as of struct gn_clock_config; 100,000. */
    const struct gn_plan_config *faults; /* That each seed draws; duration_ns is
                                            the scenario's where it is 0. NULL:
                                            none. */
    const char *const *marks; /* NULL-ended: names of gn_sim_reached() and of
                                 gn_sim_chance(). Those that no seed reached are
                                 printed. NULL: none. */
};

/**
 * Try the seeds of scenarios, as the command line says.
 *
 * It forks, and so has to be called before the program has threads. Its
 * processes name a task that overruns its stack (gn_sim_catch_overflow()).
 *
 * @scenarios  Borrowed for the call; @n of them, as an array.
 *
 * Returns what main() returns: 0; 1: a seed failed; 2: the command line or a
 * scenario is wrong; 3: a seed took more real time than it may (--limit).
 */
GN_API int gn_sim_main(int argc, char **argv,
                       const struct gn_scenario *scenarios, size_t n);

GN_END_DECLS

#endif /* GUESTNET_SCENARIO_H */
