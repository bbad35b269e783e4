/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A plan of fewer and shorter faults that fails in the same way. The whole plan
 * is run again first: a seed that then ends otherwise is not decided by itself,
 * and no run of it would say anything about a fault. Then faults are left
 * out by ddmin (Zeller and Hildebrandt, "Simplifying and Isolating
 * Failure-Inducing Input", 2002), until it takes each that is left. Then the
 * faults that are left are halved in length, again and again, as long as the
 * run still fails: since each change moves the times of everything after it,
 * others may be left out then. This is repeated until no fault can be left out
 * or shortened, unless the time is over before.
 */
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "base/units.h"
#include "explore/explore.h"

#define TIME_MAX_S 120

struct shrinking {
    const struct gn__options *options;
    struct gn__tried *result;
    struct gn__child child;
    char **lines; /* of the plan, without their ends */
    size_t n;
    char *text; /* room for a plan */
    uint64_t until_ns;
    enum gn__verdict verdict;
    enum gn_sim_end end;
};

/* ---- a run ---- */

/* All lines but those from @from to @to. */
static size_t join_without(const struct shrinking *s, size_t from, size_t to)
{
    size_t i, len = 0;

    for (i = 0; i < s->n; i++) {
        size_t n = strlen(s->lines[i]);

        if (i >= from && i < to)
            continue;
        memcpy(s->text + len, s->lines[i], n);
        s->text[len + n] = '\n';
        len += n + 1;
    }
    return len;
}

static bool time_is_over(const struct shrinking *s)
{
    return gn__monotonic_ns() >= s->until_ns;
}

/* A run has no more time than is left for all of them. */
static unsigned limit_of_run(const struct shrinking *s)
{
    uint64_t now_ns = gn__monotonic_ns();
    uint64_t left_s =
        now_ns < s->until_ns ? (s->until_ns - now_ns) / GN__NS_PER_S : 0;

    return left_s < s->options->limit_s ? (unsigned)left_s + 1
                                        : s->options->limit_s;
}

/* What the last run that failed says is what is shown. */
static void plan_keep(struct shrinking *s)
{
    s->result->is_shrunk = s->result->n_runs > 1;
    memcpy(s->result->outcome, s->child.outcome, sizeof(*s->child.outcome));
    gn__child_tail(&s->child, s->result->tail, sizeof(s->result->tail));
}

/* Without the lines from @from to @to. */
static bool still_fails(struct shrinking *s, size_t from, size_t to)
{
    struct gn__trial trial = {.scenario = s->result->scenario,
                              .seed = s->result->seed,
                              .plan = s->text,
                              .plan_len = join_without(s, from, to)};

    s->result->n_runs++;
    if (gn__child_run(&s->child, &trial, limit_of_run(s)) ||
        s->child.outcome->verdict != s->verdict ||
        s->child.outcome->end != s->end)
        return false;
    plan_keep(s);
    return true;
}

/* ---- fewer faults ---- */

static void drop_lines(struct shrinking *s, size_t from, size_t to)
{
    size_t i;

    for (i = from; i < to; i++)
        free(s->lines[i]);
    memmove(s->lines + from, s->lines + to, (s->n - to) * sizeof(*s->lines));
    s->n -= to - from;
}

/* Leave one part in @parts out; true: the rest still fails, and is what there
 * is now. */
static bool drop_part(struct shrinking *s, size_t parts)
{
    size_t i;

    for (i = 0; i < parts && !time_is_over(s); i++) {
        size_t from = s->n * i / parts, to = s->n * (i + 1) / parts;

        if (from == to || !still_fails(s, from, to))
            continue;
        drop_lines(s, from, to);
        return true;
    }
    return false;
}

static void drop_parts(struct shrinking *s)
{
    size_t parts = s->n > 1 ? 2 : 1;

    while (s->n && !time_is_over(s)) {
        if (drop_part(s, parts))
            parts = parts > 2 ? parts - 1 : s->n > 1 ? 2 : 1;
        else if (parts < s->n)
            parts = 2 * parts < s->n ? 2 * parts : s->n;
        else
            break;
        if (parts > s->n)
            parts = s->n;
    }
}

/* ---- shorter faults ---- */

/* Write a line with half of its time behind "for" into @out, which has room for
 * it and some more. false: it has none, or it cannot be halved. */
static bool plan_halve(const char *line, char *out, size_t cap)
{
    const char *at = strstr(line, " for ");
    unsigned long long n;
    char *unit;
    int before;

    if (!at)
        return false;
    before = (int)(at - line) + 5;
    n = strtoull(line + before, &unit, 10);
    if (n > 1)
        (void)snprintf(out, cap, "%.*s%llu%s", before, line, n / 2, unit);
    else if (!strcmp(unit, "min") || !strcmp(unit, "s"))
        (void)snprintf(out, cap, "%.*s%s", before, line,
                       *unit == 'm' ? "30s" : "500ms");
    return n > 1 || !strcmp(unit, "min") || !strcmp(unit, "s");
}

/* Fault @i lasts half as long, if it still fails then. */
static bool plan_shorten(struct shrinking *s, size_t i)
{
    size_t cap = strlen(s->lines[i]) + sizeof("500ms");
    char *before = s->lines[i], *line = malloc(cap);

    if (!line || time_is_over(s) || !plan_halve(before, line, cap)) {
        free(line);
        return false;
    }
    s->lines[i] = line;
    if (still_fails(s, 0, 0)) {
        free(before);
        return true;
    }
    s->lines[i] = before;
    free(line);
    return false;
}

static bool shorten_each(struct shrinking *s)
{
    bool is_shorter = false;
    size_t i;

    for (i = 0; i < s->n; i++) {
        while (plan_shorten(s, i))
            is_shorter = true;
    }
    return is_shorter;
}

/* ---- all of it ---- */

static void shrink_plan(struct shrinking *s)
{
    do
        drop_parts(s);
    while (shorten_each(s));
    s->result->is_minimal = !time_is_over(s);
    s->result->n_left = s->n;
}

/* If it fails again at all. A run that did not come to its end says nothing. */
static void shrink_what_fails(struct shrinking *s)
{
    if (still_fails(s, 0, 0))
        shrink_plan(s);
    else
        s->result->varies =
            s->child.outcome->is_over || s->child.outcome->verdict == GN__DIED;
}

static size_t count_lines(const char *plan)
{
    size_t n = 0;

    for (; *plan; plan++)
        n += *plan == '\n';
    return n;
}

static bool plan_split(struct shrinking *s, const char *plan)
{
    for (; *plan; plan += strcspn(plan, "\n") + 1) {
        s->lines[s->n] = strndup(plan, strcspn(plan, "\n"));
        if (!s->lines[s->n])
            return false;
        s->n++;
    }
    return true;
}

static bool is_open(struct shrinking *s, const char *plan)
{
    s->lines = calloc(count_lines(plan) + 1, sizeof(*s->lines));
    s->text = malloc(2 * strlen(plan) + 1); /* "1s" is longer halved */
    return s->lines && s->text && plan_split(s, plan) &&
           !gn__child_open(&s->child, true);
}

void gn__shrink(const struct gn__options *options, struct gn__tried *result)
{
    const struct gn__outcome *outcome = result->outcome;
    struct shrinking s = {.options = options,
                          .result = result,
                          .child.output = -1,
                          .until_ns =
                              gn__monotonic_ns() + TIME_MAX_S * GN__NS_PER_S,
                          .verdict = outcome->verdict,
                          .end = outcome->end};

    if (outcome->plan_len >= sizeof(outcome->plan))
        return; /* It was cut. */
    result->n_faults = result->n_left = count_lines(outcome->plan);
    if (is_open(&s, outcome->plan)) {
        shrink_what_fails(&s);
        gn__child_close(&s.child);
    }
    drop_lines(&s, 0, s.n);
    free(s.lines);
    free(s.text);
}
