/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_EXPLORE_EXPLORE_H
#define GN_EXPLORE_EXPLORE_H

/*
 * Trying seeds; what the files of this folder share.
 *
 *     main.c     the command line
 *     seeds.c    many seeds, a process each
 *     child.c    the process: what it writes, how it ends
 *     one.c      one seed, in whatever process
 *     shrink.c   fewer faults that still fail
 *     report.c   what is printed; junit.c: for CI
 */
#include <guestnet/guestnet.h>

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/** Bytes of a plan's text that a seed hands over. */
#define GN__PLAN_ROOM (256u * 1024)
/** What is shown of the output of a process that failed. */
#define GN__OUTPUT_TAIL 4096u

/** Exit statuses. */
enum { GN__EXIT_OK = 0, GN__EXIT_FAILED, GN__EXIT_USAGE, GN__EXIT_GAVE_UP };

/** How a seed ended. */
enum gn__verdict {
    GN__PASSED = 0,
    GN__FAILED,  /* outcome->end and ->text say why */
    GN__DIED,    /* by a signal, a sanitizer or exit() */
    GN__GAVE_UP, /* its real time was over */
    GN__REFUSED, /* the plan that was given is for other machines */
};

/** What a process tells of its seed, in memory that it shares. */
struct gn__outcome {
    enum gn__verdict verdict;
    bool is_over; /* it came to its end */
    enum gn_sim_end end;
    uint64_t now_ns;
    uint8_t digest[16];
    char text[GN_SIM_TEXT_MAX];
    uint64_t marks[GN_SCENARIO_MARKS_MAX / 64]; /* of the scenario's */
    size_t plan_len;
    char plan[GN__PLAN_ROOM];
};

struct gn__options {
    const char *program;
    const char *scenario; /* NULL: all */
    uint64_t first;
    uint64_t n_seeds;
    bool one;  /* --seed: that one only */
    bool many; /* --seeds, --first */
    unsigned jobs;
    unsigned limit_s;
    bool trace;
    bool no_fork;
    bool no_shrink;
    bool digest;
    bool list;
    const char *pcap;
    const char *junit;
    const char *plan_file;
    bool faults; /* --fault */
    char *plan;  /* the text of either; NULL: drawn */
    size_t plan_len;
};

/** What came of a scenario. */
struct gn__tried {
    const struct gn_scenario *scenario;
    uint64_t n_seeds;   /* that ended well */
    uint64_t seed;      /* that did not */
    double took_s;      /* of real time */
    uint8_t digest[16]; /* of all seeds' */
    uint64_t marks[GN_SCENARIO_MARKS_MAX / 64];
    struct gn__outcome *outcome; /* of the seed that did not end well, or of the
                                    last */
    char tail[GN__OUTPUT_TAIL + 1]; /* of what it wrote */
    /* What was shrunk; n_left is n_faults if it was not. */
    size_t n_faults, n_left, n_runs;
    bool is_minimal;
    bool is_shrunk; /* the outcome's plan is not what was run at first */
    bool varies;    /* run again, it ended otherwise */
};

/* ---- one.c ---- */

/** What one seed is run with. */
struct gn__trial {
    const struct gn_scenario *scenario;
    uint64_t seed;
    const char *plan; /* NULL: drawn */
    size_t plan_len;
    bool trace;
    const char *pcap; /* NULL: none */
};

/** Run it in this process. gn_sim_fail() in the scenario's functions ends the
 *  process, behind @ends (which may be NULL). */
void gn__trial_run(const struct gn__trial *trial, struct gn__outcome *out,
                   void (*ends)(struct gn__outcome *outcome));

/* ---- child.c ---- */

/** A process with a seed, and what is kept of one; used again. */
struct gn__child {
    pid_t pid; /* 0: none */
    uint64_t seed;
    uint64_t until_ns;           /* of CLOCK_MONOTONIC, its real time */
    bool is_late;                /* that was over */
    struct gn__outcome *outcome; /* shared */
    int output;                  /* a memfd; -1: it writes where we do */
};

/** @captured: what it writes is kept. 0, or a negative errno. */
int gn__child_open(struct gn__child *child, bool captured);
void gn__child_close(struct gn__child *child);
/** Fork. 0, or a negative errno. */
int gn__child_start(struct gn__child *child, const struct gn__trial *trial,
                    unsigned limit_s);
/** End its process at once, if there is one. */
void gn__child_kill(struct gn__child *child);
/** Wait until one of @n has ended, @out, whose outcome is complete then. Those
 *  whose time is over are ended. SIGCHLD has to be blocked. 0, or a negative
 *  errno. */
int gn__child_wait(struct gn__child *children, unsigned n,
                   struct gn__child **out);
/** Fork, and wait for the end. */
int gn__child_run(struct gn__child *child, const struct gn__trial *trial,
                  unsigned limit_s);
/** The end of what it wrote. */
void gn__child_tail(const struct gn__child *child, char *out, size_t cap);

/* ---- seeds.c ---- */

/** Try seeds until one fails; fills in what it found. 0, or a negative
 *  errno. */
int gn__seeds_try(const struct gn__options *options, struct gn__tried *result);

/* ---- shrink.c ---- */

/** Take faults from the plan of the result's outcome as long as it fails in the
 *  same way. */
void gn__shrink(const struct gn__options *options, struct gn__tried *result);

/* ---- report.c, junit.c ---- */

const char *gn__end_name(const struct gn__outcome *outcome);
void gn__report_print(const struct gn__options *options,
                      const struct gn__tried *result);
/** 0, or a negative errno. */
int gn__junit_write(const char *path, const char *program,
                    const struct gn__tried *results, size_t n);

#endif /* GN_EXPLORE_EXPLORE_H */
