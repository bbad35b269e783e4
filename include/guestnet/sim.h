/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_SIM_H
#define GUESTNET_SIM_H

/*
 * A clock that moves when it is told to, and the networks that live by it.
 *
 * Time jumps from deadline to deadline: an hour of idle guests takes no time,
 * and the same calls with the same seed give the same packets in the same
 * order, on every machine and with every compiler.
 *
 *     struct gn_clock *clock;
 *     gn_clock_create(&(struct gn_clock_config){sizeof(struct gn_clock_config),
 *                                               .seed = 1}, &clock);
 *     gn_network_create(&(struct gn_network_config){
 *         sizeof(struct gn_network_config), .drive = GN_DRIVE_VIRTUAL,
 *         .clock = clock}, &net);
 *     ... non-blocking sockets ...
 *     gn_clock_advance(clock, 5000000);
 *
 * All networks of a clock share its time, and namespaces can be attached to
 * several of them. A clock and its networks are for one thread at a time;
 * different clocks may be used by different threads at once. Callbacks run
 * inside the calls below, and may call anything but these. Only tasks (task.h)
 * can block under a clock: elsewhere a call that would is -EDEADLK.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <guestnet/export.h>
#include <guestnet/machine.h>
#include <guestnet/mem.h>
#include <guestnet/plan.h>
#include <guestnet/scenario.h>

GN_BEGIN_DECLS

struct gn_clock;

/** A line of gn_sim_log(), with its time and task. */
typedef void (*gn_sim_log_cb)(const char *line, void *arg);

/** Settings for gn_clock_create(); zero selects the default given here. */
struct gn_clock_config {
    size_t size;       /* sizeof this struct. Required. */
    uint64_t seed;     /* All random numbers follow from it; 1. */
    uint64_t start_ns; /* The time it starts at; one second. */
    const struct gn_allocator *alloc; /* Copied; NULL: malloc(). */
    uint64_t max_still; /* gn_clock_run(): calls and turns at one time until
                           that is a livelock; 100,000. */
    gn_sim_log_cb log;  /* NULL: lines go into the digest only. */
    void *log_arg;      /* Borrowed as long as the clock. */
};

/**
 * Create a clock.
 *
 * @config  Copied. NULL for the defaults.
 * @out     Set only on success. Owned by the caller: gn_clock_close().
 *
 * Returns 0, -EINVAL (the size is unknown, or @out is NULL) or -ENOMEM.
 */
GN_API GN_WARN_UNUSED int gn_clock_create(const struct gn_clock_config *config,
                                          struct gn_clock **out);

/** Close it; it goes with the last network that uses it. NULL is allowed. */
GN_API void gn_clock_close(struct gn_clock *clock);

GN_API uint64_t gn_clock_now_ns(const struct gn_clock *clock);

/** The time of what is due next (now, if something is); UINT64_MAX: never. */
GN_API uint64_t gn_clock_next_ns(struct gn_clock *clock);

/**
 * Let @ns nanoseconds pass: runs everything that becomes due on the way, at
 * its time, callbacks included. With 0 it runs what is due now.
 *
 * A network in which something is always due now makes time stand still; the
 * call then never ends. gn_clock_step() is for those that do not trust it.
 */
GN_API void gn_clock_advance(struct gn_clock *clock, uint64_t ns);

/**
 * Jump to the next deadline and run what is due then, as far as the engine
 * goes in one entry.
 *
 * Returns true if anything was due, false if nothing ever will be.
 */
GN_API bool gn_clock_step(struct gn_clock *clock);

/**
 * Let time pass until @done says so, at most until @deadline_ns. It is asked
 * first, and after each step.
 *
 * Returns what @done said last: false means that the deadline came first (the
 * clock stands there), or that nothing is left to happen (it stands still).
 */
GN_API bool gn_clock_run_until(struct gn_clock *clock, uint64_t deadline_ns,
                               bool (*done)(void *arg), void *arg);

/** How a run ended. */
enum gn_sim_end {
    GN_SIM_RUNNING = 0, /* Never reported. */
    GN_SIM_DONE,        /* All tasks but daemons have ended. */
    GN_SIM_DEADLINE,    /* The time came first. */
    GN_SIM_DEADLOCK,    /* Tasks wait, and nothing will ever happen. */
    GN_SIM_LIVELOCK,    /* Time stands still: too many calls at one time. */
    GN_SIM_FAILED,      /* gn_sim_fail(), or a task's stack was too small. */
    GN_SIM_N_ENDS
};

/** Bytes of a report's text, with the NUL. */
#define GN_SIM_TEXT_MAX 1024

/** What gn_clock_run() says. */
struct gn_sim_report {
    size_t size; /* sizeof this struct. Required, set by the caller. */
    enum gn_sim_end end;
    uint64_t now_ns;
    uint64_t events;    /* Turns of the clock, since it was made. */
    uint64_t switches;  /* Tasks that went on, since then. */
    uint8_t digest[16]; /* Of the times, packets and log lines since then: the
                           same on every machine and by every compiler. */
    char text[GN_SIM_TEXT_MAX]; /* GN_SIM_DEADLOCK: a line for each task: in
                                   which call it waits for what. LIVELOCK,
                                   FAILED: the task and why. Else "". */
};

/**
 * Run the clock until no task but daemons is left.
 *
 * @until_ns  The time at which it ends otherwise.
 * @report    Gets how it ended. NULL: that is not wanted.
 *
 * After GN_SIM_LIVELOCK and GN_SIM_FAILED the task that is named does not go
 * on; the others would, in another run.
 *
 * Returns 0, -EINVAL (@clock is NULL or the size unknown), or -EDEADLK inside a
 * task or callback.
 */
GN_API int gn_clock_run(struct gn_clock *clock, uint64_t until_ns,
                        struct gn_sim_report *report);

/**
 * Say something, in a task under a clock: "12.003400000 n3/task1 ..." goes to
 * the clock's log, and into the digest. Elsewhere it does nothing. At most 511
 * bytes.
 */
GN_API void gn_sim_log(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/**
 * The run is wrong: it ends with GN_SIM_FAILED and this text. The task that
 * calls does not go on, and nothing on its stack is undone. In the functions of
 * a scenario (scenario.h) it fails the seed. Elsewhere it writes the text to
 * standard error and aborts. @format is not NULL.
 */
GN_API void gn_sim_fail(const char *format, ...)
    __attribute__((noreturn, format(printf, 1, 2)));

/**
 * Have a task under a clock that uses more than its stack named on standard
 * error before the signal (SIGSEGV, SIGBUS) takes its way. It is handled on an
 * alternate stack of the calling thread, unless that has one. Those are the
 * only handlers that this library ever installs, and only here.
 *
 * Returns 0, or a negative errno of sigaltstack(2) or sigaction(2).
 */
GN_API GN_WARN_UNUSED int gn_sim_catch_overflow(void);

/**
 * Should it happen here, under this seed? For what the code of a task cannot
 * make happen by itself: a time-out that is too short, a buffer that is full.
 *
 * @name  The place, up to 63 bytes. Each draws from a stream of its own, and in
 *        half of the seeds it never happens there.
 * @ppm   Else so often, of a million times.
 *
 * Outside tasks and in real time it is false.
 */
GN_API bool gn_sim_chance(const char *name, uint32_t ppm);

/** The task has come to a place of this name: what no seed reaches is not
 *  tested (gn_scenario.marks). */
GN_API void gn_sim_reached(const char *name);

GN_END_DECLS

#endif /* GUESTNET_SIM_H */
