/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_PLAN_H
#define GUESTNET_PLAN_H

/*
 * Faults with their times, as text: a line each, and comments from # on.
 *
 *     at 2.5s crash n1 for 4s
 *     at 3s partition n0 n1 | n2 n3 n4 for 10s
 *     at 3s partition n0 > * for 500ms        # one way: none hears n0
 *     at 5s pause n2 for 1s                   # its tasks; the stack answers
 *     at 5s stop n2 for 1s                    # all of it, as a stopped VM
 *     at 6s clock n3 offset +2s drift 200ppm
 *     at 7s link n1 latency 80ms jitter 20ms loss 5% rate 1mbit for 3s
 *     at 7s path n1 n2 loss 30% for 3s        # one way, over their network
 *     at 8s dns n1 servfail name *.test for 2s
 *     at 9s limit n1 sockets 8 for 2s
 *     at 9s start n9
 *
 * Times are counted from gn_plan_apply(). What has a "for" is over then, as if
 * it never was; a crash without one is for good. Where faults of a kind
 * overlap, each adds to those that began before it: of an option that both
 * have, the later one counts. A run does not end before machines that are off
 * start again, or start at all, as the plan says.
 *
 *   crash M...         start M...        pause M...        stop M...
 *   partition M... | M... [| M...]       partition M... > M...
 *   clock M            offset (+ or - time), drift (+ or - ppm, ppb or %)
 *   link M             latency, jitter (time), rate (bit, kbit, mbit, gbit),
 *                      queue (B, KiB, MiB), loss, reorder, duplicate, corrupt
 *                      (ppm, %), down
 *   path M M           latency, loss, block, hold
 *   dns M              servfail, nxdomain, empty or hang, delay (time), chance
 *                      (ppm, %), name (a pattern of gn_resolver_fault()): of
 *                      what its resolver is asked, which the names of its own
 *                      network are not
 *   limit M            sockets, connections, lookups (a number), buffered, disk
 *                      (B, KiB, MiB)
 *
 * M is the name of a machine; * is all of them, and in a partition all that it
 * does not name. Times have a unit: ns, us, ms, s, min.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <guestnet/export.h>

GN_BEGIN_DECLS

struct gn_clock;
struct gn_plan;

/** Bytes of a plan's text, and the lines of it that are faults. */
#define GN_PLAN_TEXT_MAX   (1024u * 1024)
#define GN_PLAN_FAULTS_MAX 16384u

/**
 * Read a plan.
 *
 * @text  Borrowed for the call; @len bytes, which need no NUL.
 * @why   Gets one line on -EINVAL: "line 2, column 9: ..."; may be NULL.
 * @out   Set only on success. Owned by the caller: gn_plan_close().
 *
 * Returns 0, -EINVAL or -ENOMEM.
 */
GN_API GN_WARN_UNUSED int gn_plan_parse(const char *text, size_t len, char *why,
                                        size_t why_len, struct gn_plan **out);

/** Kinds of faults that gn_plan_random() draws. */
enum {
    GN_PLAN_CRASH = 1u << 0,
    GN_PLAN_PAUSE = 1u << 1,
    GN_PLAN_STOP = 1u << 2,
    GN_PLAN_PARTITION = 1u << 3,
    GN_PLAN_LINK = 1u << 4,
    GN_PLAN_CLOCK = 1u << 5,
    GN_PLAN_DNS = 1u << 6,
    GN_PLAN_POWER = 1u << 7, /* All of the machines crash together. */
    GN_PLAN_PATH = 1u << 8,  /* Of two machines of one network, one way. */
    GN_PLAN_LIMIT = 1u << 9, /* Calls fail that seldom do: -EMFILE, -ENOSPC. */
    GN_PLAN_ALL = (1u << 10) - 1,
    GN_PLAN_USUAL = GN_PLAN_ALL & ~GN_PLAN_LIMIT
};

/** Settings for gn_plan_random(); zero selects the default given here. */
struct gn_plan_config {
    size_t size;          /* sizeof this struct. Required. */
    unsigned kinds;       /* GN_PLAN_*; GN_PLAN_USUAL. */
    uint64_t duration_ns; /* All of them begin and end within it; 60 s. */
    uint64_t calm_ns;     /* The end of it, in which nothing is wrong; a quarter
                             of it. */
    uint64_t max_for_ns;  /* The longest that a fault lasts; half of what is
                             not calm. */
    uint32_t max_faults;  /* Of each kind; 4. */
    uint32_t max_down;    /* Machines off, paused or stopped at once; fewer than
                             half of them. */
    const char *const *machines; /* NULL-ended: those that faults are for;
                                    NULL: all of the clock. */
};

/**
 * Draw a plan from the clock's seed. Each kind of fault is drawn from a stream
 * of its own, and each seed has a subset of the kinds only: what many faults
 * together would hide, few of them find.
 *
 * @config  Copied. NULL for the defaults.
 *
 * Returns 0, -EINVAL (also for a machine that is not there) or -ENOMEM.
 */
GN_API GN_WARN_UNUSED int gn_plan_random(struct gn_clock *clock,
                                         const struct gn_plan_config *config,
                                         struct gn_plan **out);

/**
 * Have its faults come, from the clock's time now on. Plans add up.
 *
 * @plan  Copied.
 * @why   As for gn_plan_parse(): on -EINVAL names a machine that is not there,
 *        or says what cannot happen to it.
 *
 * Returns 0, or with nothing planned -EINVAL or -ENOMEM.
 */
GN_API GN_WARN_UNUSED int gn_plan_apply(struct gn_clock *clock,
                                        const struct gn_plan *plan, char *why,
                                        size_t why_len);

/**
 * Write it as text that gn_plan_parse() reads as the same plan, a line for each
 * fault.
 *
 * @buf  Gets the text with its NUL. May be NULL if @cap is 0.
 *
 * Returns the bytes that the text has, without the NUL: what does not fit into
 * @cap is left out, as snprintf(3) does. -EINVAL for NULL.
 */
GN_API ssize_t gn_plan_format(const struct gn_plan *plan, char *buf,
                              size_t cap);

/** NULL is allowed. */
GN_API void gn_plan_close(struct gn_plan *plan);

GN_END_DECLS

#endif /* GUESTNET_PLAN_H */
