/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Many seeds, some at a time. They begin in order, so when one fails all lower
 * ones have begun: these are waited for, and the lowest that fails is the
 * result, however fast each of them was.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/siphash.h"
#include "explore/explore.h"

#define PROGRESS_EVERY 64u

struct trying {
    const struct gn__options *options;
    struct gn__tried *result;
    struct gn__child *children;
    unsigned n_live;
    uint64_t next;    /* seed to begin */
    uint64_t failed;  /* the lowest so far; UINT64_MAX: none */
    uint8_t *digests; /* 16 bytes of each seed; NULL: not asked for */
    uint64_t n_done;
    bool show;
};

static uint64_t end_seed(const struct gn__options *options)
{
    return options->first + options->n_seeds;
}

/* ---- one that has ended ---- */

static void seeds_progress(struct trying *t, bool over)
{
    if (!t->show || (!over && t->n_done % PROGRESS_EVERY))
        return;
    (void)fprintf(stderr, over ? "\r\033[K" : "\r%s: %llu of %llu seeds",
                  t->result->scenario->name, (unsigned long long)t->n_done,
                  (unsigned long long)t->options->n_seeds);
}

static void seeds_keep(struct trying *t, struct gn__child *child)
{
    t->failed = child->seed;
    t->result->seed = child->seed;
    memcpy(t->result->outcome, child->outcome, sizeof(*child->outcome));
    gn__child_tail(child, t->result->tail, sizeof(t->result->tail));
}

static void seeds_count(struct trying *t, struct gn__child *child)
{
    size_t i;

    t->n_done++;
    t->result->n_seeds += child->outcome->verdict == GN__PASSED;
    for (i = 0; i < GN_SCENARIO_MARKS_MAX / 64; i++)
        t->result->marks[i] |= child->outcome->marks[i];
    if (t->digests)
        memcpy(t->digests + 16 * (child->seed - t->options->first),
               child->outcome->digest, 16);
    if (child->outcome->verdict != GN__PASSED && child->seed < t->failed)
        seeds_keep(t, child);
    seeds_progress(t, false);
}

static void stop_higher(struct trying *t)
{
    unsigned i;

    for (i = 0; i < t->options->jobs; i++) {
        if (t->children[i].pid && t->children[i].seed > t->failed)
            (void)kill(t->children[i].pid, SIGKILL);
    }
}

/* ---- the loop ---- */

static int begin_one(struct trying *t)
{
    struct gn__trial trial = {.scenario = t->result->scenario,
                              .seed = t->next,
                              .plan = t->options->plan,
                              .plan_len = t->options->plan_len};
    unsigned i;
    int err;

    for (i = 0; t->children[i].pid; i++)
        continue;
    err = gn__child_start(&t->children[i], &trial, t->options->limit_s);
    if (err)
        return err;
    t->next++;
    t->n_live++;
    return 0;
}

static int wait_one(struct trying *t)
{
    struct gn__child *child;
    int err = gn__child_wait(t->children, t->options->jobs, &child);

    if (err)
        return err;
    t->n_live--;
    if (child->seed <= t->failed)
        seeds_count(t, child);
    stop_higher(t);
    return 0;
}

static int try_all(struct trying *t)
{
    int err = 0;

    while (!err) {
        if (t->failed == UINT64_MAX && t->next < end_seed(t->options) &&
            t->n_live < t->options->jobs)
            err = begin_one(t);
        else if (t->n_live)
            err = wait_one(t);
        else
            break;
    }
    seeds_progress(t, true);
    return err;
}

static void digest_all(struct trying *t)
{
    size_t len = 16 * (size_t)t->options->n_seeds;
    unsigned i, j;

    for (i = 0; i < 2; i++) {
        const uint64_t key[2] = {i, 0};
        uint64_t sum = gn__siphash13(key, t->digests, len);

        for (j = 0; j < 8; j++)
            t->result->digest[8 * i + j] = (uint8_t)(sum >> (56 - 8 * j));
    }
}

static int open_children(struct trying *t)
{
    unsigned i;
    int err = 0;

    t->children = calloc(t->options->jobs, sizeof(*t->children));
    if (!t->children)
        return -ENOMEM;
    for (i = 0; i < t->options->jobs && !err; i++)
        err = gn__child_open(&t->children[i], true);
    return err;
}

/* After an error some of them may live. */
static void close_children(struct trying *t)
{
    unsigned i;

    for (i = 0; t->children && i < t->options->jobs; i++) {
        gn__child_kill(&t->children[i]);
        gn__child_close(&t->children[i]);
    }
    free(t->children);
}

int gn__seeds_try(const struct gn__options *options, struct gn__tried *result)
{
    struct trying t = {.options = options,
                       .result = result,
                       .next = options->first,
                       .failed = UINT64_MAX,
                       .show = isatty(STDERR_FILENO)};
    uint64_t begin_ns = gn__monotonic_ns();
    int err = open_children(&t);

    if (!err && options->digest) {
        t.digests = calloc((size_t)options->n_seeds, 16);
        err = t.digests ? 0 : -ENOMEM;
    }
    if (!err)
        err = try_all(&t);
    if (!err && t.digests)
        digest_all(&t);
    result->took_s = (double)(gn__monotonic_ns() - begin_ns) * 1e-9;
    free(t.digests);
    close_children(&t);
    return err;
}
