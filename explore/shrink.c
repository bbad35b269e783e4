/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A plan of fewer faults that fails in the same way, by ddmin (Zeller and
 * Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002): in the
 * end each fault that is left is needed, unless the time was over before.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "explore/explore.h"

#define TIME_MAX_S 120

struct shrinking {
    const struct gn__options *options;
    struct gn__tried *result;
    struct gn__child child;
    const char **lines; /* of the plan, each up to its end of line */
    size_t n;
    char *text; /* room for a plan */
    time_t until;
    enum gn__verdict verdict;
    enum gn_sim_end end;
};

static size_t line_len(const char *line)
{
    const char *end = strchr(line, '\n');

    return end ? (size_t)(end - line) + 1 : strlen(line);
}

static size_t split(const char *plan, const char **lines)
{
    size_t n = 0;

    for (; *plan; plan += line_len(plan))
        lines[n++] = plan;
    return n;
}

/* All lines but those from @from to @to. */
static size_t join_without(const struct shrinking *s, size_t from, size_t to)
{
    size_t i, len = 0;

    for (i = 0; i < s->n; i++) {
        size_t n = line_len(s->lines[i]);

        if (i >= from && i < to)
            continue;
        memcpy(s->text + len, s->lines[i], n);
        len += n;
    }
    return len;
}

static bool time_is_over(const struct shrinking *s)
{
    return time(NULL) >= s->until;
}

static bool still_fails(struct shrinking *s, size_t from, size_t to)
{
    struct gn__trial trial = {.scenario = s->result->scenario,
                              .seed = s->result->seed,
                              .plan = s->text,
                              .plan_len = join_without(s, from, to)};

    s->result->n_runs++;
    return !gn__child_run(&s->child, &trial, s->options->limit_s) &&
           s->child.outcome->verdict == s->verdict &&
           s->child.outcome->end == s->end;
}

static void drop_lines(struct shrinking *s, size_t from, size_t to)
{
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

static void shrink_lines(struct shrinking *s)
{
    size_t parts = s->n > 1 ? 2 : 1;

    while (s->n && !time_is_over(s)) {
        if (drop_part(s, parts)) {
            parts = parts > 2 ? parts - 1 : s->n > 1 ? 2 : 1;
        } else if (parts < s->n) {
            parts = 2 * parts < s->n ? 2 * parts : s->n;
        } else {
            s->result->is_minimal = true;
            break;
        }
        if (parts > s->n)
            parts = s->n;
    }
    s->result->is_minimal = s->result->is_minimal || !s->n;
}

/* What the last run of what is left says is what is shown. */
static void show_shrunk(struct shrinking *s)
{
    struct gn__tried *result = s->result;

    if (s->n == result->n_faults || !still_fails(s, 0, 0))
        return;
    memcpy(result->outcome, s->child.outcome, sizeof(*result->outcome));
    gn__child_tail(&s->child, result->tail, sizeof(result->tail));
    result->n_left = s->n;
}

static bool is_open(struct shrinking *s, size_t room)
{
    s->lines = malloc(room * sizeof(*s->lines));
    s->text = malloc(room);
    return s->lines && s->text && !gn__child_open(&s->child, true);
}

void gn__shrink(const struct gn__options *options, struct gn__tried *result)
{
    const struct gn__outcome *outcome = result->outcome;
    struct shrinking s = {.options = options,
                          .result = result,
                          .child.output = -1,
                          .until = time(NULL) + TIME_MAX_S,
                          .verdict = outcome->verdict,
                          .end = outcome->end};
    char *plan;

    if (outcome->plan_len >= sizeof(outcome->plan))
        return; /* It was cut. */
    plan = strdup(outcome->plan);
    if (plan && is_open(&s, strlen(plan) + 1)) {
        s.n = result->n_faults = result->n_left = split(plan, s.lines);
        shrink_lines(&s);
        show_shrunk(&s);
        gn__child_close(&s.child);
    }
    free(s.lines);
    free(s.text);
    free(plan);
}
