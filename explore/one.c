/* SPDX-License-Identifier: BSD-3-Clause */

/* One seed, from the clock to the check. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "explore/explore.h"
#include "namespace/namespace.h"
#include "sim/sim.h"

#define CAPTURES_MAX 64u

/** The trial that runs: what gn_sim_fail() outside tasks is about. */
static struct {
    struct gn__outcome *outcome;
    struct gn_clock *clock;
    void (*ends)(struct gn__outcome *outcome);
} running;

static void seed_fail(struct gn__outcome *out, const char *text)
{
    out->verdict = GN__FAILED;
    out->end = GN_SIM_FAILED;
    (void)snprintf(out->text, sizeof(out->text), "%s", text);
}

static void fail_and_end(const char *text)
{
    struct gn__outcome *out = running.outcome;

    seed_fail(out, text);
    out->now_ns = gn_clock_now_ns(running.clock);
    out->is_over = true;
    if (running.ends)
        running.ends(out);
    (void)fflush(NULL);
    _exit(GN__EXIT_FAILED);
}

static void print_line(const char *line, void *arg)
{
    (void)arg;
    (void)puts(line);
}

/* ---- the plan ---- */

static void tell_why(const struct gn_plan_config *config,
                     struct gn_clock *clock, int err, char *why, size_t why_len)
{
    const char *const *name = config->machines;

    while (name && *name && gn_machine_find(clock, *name))
        name++;
    if (name && *name)
        (void)snprintf(why, why_len,
                       "its faults are for \"%s\", and there is no machine of "
                       "that name",
                       *name);
    else
        (void)snprintf(why, why_len, "its faults cannot be drawn: %s",
                       gn_strerror(err));
}

static int draw_plan(const struct gn__trial *trial, struct gn_clock *clock,
                     char *why, size_t why_len, struct gn_plan **out)
{
    struct gn_plan_config config;
    int err;

    if (!trial->scenario->faults)
        return gn_plan_parse("", 0, why, why_len, out);
    config = *trial->scenario->faults;
    if (!config.duration_ns)
        config.duration_ns = trial->scenario->duration_ns;
    err = gn_plan_random(clock, &config, out);
    if (err)
        tell_why(&config, clock, err, why, why_len);
    return err;
}

/* Have the faults come, and hand their text over. */
static bool plan_faults(const struct gn__trial *trial, struct gn_clock *clock,
                        struct gn__outcome *out)
{
    char why[512] = "out of memory";
    struct gn_plan *plan;
    int err;

    err = trial->plan ? gn_plan_parse(trial->plan, trial->plan_len, why,
                                      sizeof(why), &plan)
                      : draw_plan(trial, clock, why, sizeof(why), &plan);
    if (!err) {
        out->plan_len =
            (size_t)gn_plan_format(plan, out->plan, sizeof(out->plan));
        err = gn_plan_apply(clock, plan, why, sizeof(why));
        gn_plan_close(plan);
    }
    if (err)
        seed_fail(out, why);
    if (err && trial->plan)
        out->verdict = GN__REFUSED;
    return !err;
}

/* ---- captures ---- */

struct captures {
    struct gn_capture *of[CAPTURES_MAX];
    size_t n;
};

/* A file for each network; of those behind the first, with its name. */
static void captures_start(const char *path, struct gn_clock *clock,
                           struct captures *captures)
{
    struct gn_network *net;
    char name[512];
    int err = 0;

    captures->n = 0;
    while (path && !err && captures->n < CAPTURES_MAX &&
           (net = gn__engine_network(gn__clock_engine(clock), captures->n))) {
        (void)snprintf(name, sizeof(name), captures->n ? "%s.%s" : "%s", path,
                       gn_network_name(net));
        err = gn_capture_start(net, NULL, name, &captures->of[captures->n]);
        if (err)
            (void)fprintf(stderr, "--pcap %s: %s\n", name, gn_strerror(err));
        else
            captures->n++;
    }
}

static void captures_stop(struct captures *captures)
{
    size_t i;

    for (i = 0; i < captures->n; i++)
        gn_capture_stop(captures->of[i]);
}

/* ---- the run ---- */

static bool is_good(enum gn_sim_end end)
{
    return end == GN_SIM_DONE || end == GN_SIM_DEADLINE;
}

static void seed_run(const struct gn__trial *trial, struct gn_clock *clock,
                     struct gn__outcome *out)
{
    struct gn_sim_report report = {.size = sizeof(report)};
    uint64_t until = gn_clock_now_ns(clock) + trial->scenario->duration_ns;
    int err = gn_clock_run(clock, until, &report);

    out->end = err ? GN_SIM_FAILED : report.end;
    memcpy(out->digest, report.digest, sizeof(out->digest));
    memcpy(out->text, report.text, sizeof(out->text));
    if (!is_good(out->end)) {
        out->verdict = GN__FAILED;
        return;
    }
    err = trial->scenario->check
              ? trial->scenario->check(clock, trial->scenario->arg)
              : 0;
    if (err) {
        char text[64];

        (void)snprintf(text, sizeof(text), "its check returned %d", err);
        seed_fail(out, text);
    }
}

static void note_marks(const struct gn__trial *trial, struct gn_clock *clock,
                       struct gn__outcome *out)
{
    const char *const *marks = trial->scenario->marks;
    size_t i;

    for (i = 0; marks && marks[i]; i++) {
        if (gn__mark_is_reached(clock, marks[i]))
            out->marks[i / 64] |= UINT64_C(1) << i % 64;
    }
}

static bool set_up(const struct gn__trial *trial, struct gn_clock *clock,
                   struct gn__outcome *out)
{
    int err = trial->scenario->setup(clock, trial->scenario->arg);
    char text[128];

    if (!err)
        return true;
    (void)snprintf(text, sizeof(text), "its setup returned %d (%s)", err,
                   gn_strerror(err));
    seed_fail(out, text);
    return false;
}

void gn__trial_run(const struct gn__trial *trial, struct gn__outcome *out,
                   void (*ends)(struct gn__outcome *outcome))
{
    struct gn_clock_config config = {.size = sizeof(config),
                                     .seed = trial->seed,
                                     .max_still = trial->scenario->max_still,
                                     .log = trial->trace ? print_line : NULL};
    struct captures captures;
    struct gn_clock *clock;

    if (gn_clock_create(&config, &clock)) {
        seed_fail(out, "there is no memory for a clock");
        out->is_over = true;
        return;
    }
    running.outcome = out;
    running.clock = clock;
    running.ends = ends;
    gn__sim_on_fail(fail_and_end);
    if (set_up(trial, clock, out) && plan_faults(trial, clock, out)) {
        captures_start(trial->pcap, clock, &captures);
        seed_run(trial, clock, out);
        captures_stop(&captures);
    }
    out->now_ns = gn_clock_now_ns(clock);
    note_marks(trial, clock, out);
    gn__sim_on_fail(NULL);
    out->is_over = true;
}
