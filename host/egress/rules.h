/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_EGRESS_RULES_H
#define GN_HOST_EGRESS_RULES_H

/*
 * Rules that change while guests use them, and what goes on by them.
 *
 *     gn__rules     rules as they were at some time: never changed, counted
 *     gn__rulebook  which of them hold now; any thread
 *     gn__tie       a dial, a connection, a flow, a port that is shown: is
 *                   judged again when the rules have changed
 *
 * A tie belongs to a driving thread. The ties of one engine are on a desk of
 * the book's, whose deferred task goes through them, a few in each turn. The
 * desk is there as long as it has ties.
 */
#include <pthread.h>

#include "base/list.h"
#include "base/ref.h"
#include "host/egress/policy.h"

struct gn__desk;
struct gn__engine;

struct gn__rules {
    struct gn__ref refs;
    struct gn__mem mem;
    uint64_t edition; /* larger than that of those before */
    struct gn__policy policy;
};

/** Errors are those of gn__policy_init(). @out: one reference. */
GN_WARN_UNUSED int gn__rules_create(const struct gn__mem *mem,
                                    const char *const *rules, char *why,
                                    size_t why_len, struct gn__rules **out);
struct gn__rules *gn__rules_ref(struct gn__rules *rules);
/** NULL: nothing happens. */
void gn__rules_unref(struct gn__rules *rules);

struct gn__rulebook {
    pthread_mutex_t lock;
    struct gn__rules *rules; /* a reference */
    struct gn__list desks;   /* struct gn__desk */
};

/** @rules  Consumed. */
void gn__rulebook_init(struct gn__rulebook *book, struct gn__rules *rules);
/** No tie is left. */
void gn__rulebook_done(struct gn__rulebook *book);
/** Those that hold now; a reference for the caller. */
struct gn__rules *gn__rulebook_rules(struct gn__rulebook *book);
/** Others hold from now on; ties are judged on later turns. @rules: consumed.
 *  @end_open: what is open is judged too. */
void gn__rulebook_change(struct gn__rulebook *book, struct gn__rules *rules,
                         bool end_open);

/** Embedded. Zero but for judge: not begun. */
struct gn__tie {
    struct gn__list of_desk;
    struct gn__desk *desk; /* NULL: not begun */
    uint64_t edition;      /* of the rules it was judged by */
    /** The rules have changed. @end_open: also what is open is to end if they
     *  do not allow it any more. May end the tie. */
    void (*judge)(struct gn__tie *tie, bool end_open);
};

/** Driving thread of @engine. @edition: of the rules it was judged by; if they
 *  have changed since, it is judged soon. Returns 0 or -ENOMEM. */
GN_WARN_UNUSED int gn__tie_begin(struct gn__tie *tie, struct gn__rulebook *book,
                                 struct gn__engine *engine, uint64_t edition);
/** Driving thread. Not begun: nothing happens. */
void gn__tie_end(struct gn__tie *tie);

#endif /* GN_HOST_EGRESS_RULES_H */
