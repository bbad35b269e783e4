/* SPDX-License-Identifier: BSD-3-Clause */

/* What is printed of a scenario. */
#include <string.h>

#include "base/units.h"
#include "explore/explore.h"

const char *gn__end_name(const struct gn__outcome *outcome)
{
    static const char *const ends[GN_SIM_N_ENDS] = {
        [GN_SIM_RUNNING] = "did not run", [GN_SIM_DONE] = "is done",
        [GN_SIM_DEADLINE] = "is done",    [GN_SIM_DEADLOCK] = "deadlock",
        [GN_SIM_LIVELOCK] = "livelock",   [GN_SIM_FAILED] = "failed"};

    if (outcome->verdict == GN__GAVE_UP)
        return "gave up";
    return outcome->verdict == GN__DIED ? "died" : ends[outcome->end];
}

/* Each line of a text, set in. */
static void print_lines(const char *text)
{
    size_t len;

    for (; *text; text += len + (text[len] == '\n')) {
        len = strcspn(text, "\n");
        (void)printf("    %.*s\n", (int)len, text);
    }
}

static void print_digest(const uint8_t digest[16])
{
    int i;

    for (i = 0; i < 16; i++)
        (void)printf("%02x", digest[i]);
    (void)printf("\n");
}

static void print_plan(const struct gn__tried *result)
{
    if (!*result->outcome->plan) {
        (void)printf("  without any fault\n");
        return;
    }
    if (result->n_left < result->n_faults || result->is_minimal)
        (void)printf("  with %zu of its %zu faults, %s (%zu runs):\n",
                     result->n_left, result->n_faults,
                     result->is_minimal ? "each of which it takes"
                                        : "when the time was over",
                     result->n_runs);
    else
        (void)printf("  with these faults:\n");
    print_lines(result->outcome->plan);
}

/* As a shell reads it as one word. */
static void print_word(const char *word, size_t len)
{
    size_t i;

    (void)putchar('\'');
    for (i = 0; i < len; i++) {
        if (word[i] == '\'')
            (void)fputs("'\\'", stdout);
        (void)putchar(word[i]);
    }
    (void)putchar('\'');
}

/* What the seed does not draw by itself. No fault at all is one line, too. */
static void print_faults(const char *plan)
{
    size_t len;

    do {
        len = strcspn(plan, "\n");
        (void)printf(" --fault ");
        print_word(plan, len);
        plan += len + (plan[len] == '\n');
    } while (*plan);
}

static void print_replay(const struct gn__options *options,
                         const struct gn__tried *result)
{
    (void)printf("  replay: %s --scenario %s --seed %llu", options->program,
                 result->scenario->name, (unsigned long long)result->seed);
    if (result->is_shrunk)
        print_faults(result->outcome->plan);
    else if (options->faults)
        print_faults(options->plan);
    else if (options->plan)
        (void)printf(" --plan %s", options->plan_file);
    (void)printf(" --trace\n");
}

static void print_failure(const struct gn__options *options,
                          const struct gn__tried *result)
{
    const struct gn__outcome *out = result->outcome;

    (void)printf("%s: seed %llu %s", result->scenario->name,
                 (unsigned long long)result->seed, gn__end_name(out));
    if (out->verdict == GN__FAILED)
        (void)printf(" at %llu.%09llu",
                     (unsigned long long)(out->now_ns / GN__NS_PER_S),
                     (unsigned long long)(out->now_ns % GN__NS_PER_S));
    (void)printf(":\n");
    print_lines(out->text);
    if (*result->tail) {
        (void)printf("  it wrote:\n");
        print_lines(result->tail);
    }
    if (out->verdict != GN__GAVE_UP)
        print_plan(result);
    if (result->varies)
        (void)printf("  run again it ended otherwise: not all of it is decided "
                     "by the seed\n");
    print_replay(options, result);
}

static void print_unreached(const struct gn__tried *result)
{
    const char *const *marks = result->scenario->marks;
    size_t i;

    for (i = 0; marks && marks[i]; i++) {
        if (!(result->marks[i / 64] >> i % 64 & 1))
            (void)printf("  no seed reached \"%s\"\n", marks[i]);
    }
}

static void print_one(const struct gn__tried *result)
{
    const struct gn__outcome *out = result->outcome;

    (void)printf("%s: seed %llu %s at %llu.%09llu\n", result->scenario->name,
                 (unsigned long long)result->seed, gn__end_name(out),
                 (unsigned long long)(out->now_ns / GN__NS_PER_S),
                 (unsigned long long)(out->now_ns % GN__NS_PER_S));
}

void gn__report_print(const struct gn__options *options,
                      const struct gn__tried *result)
{
    if (result->outcome->verdict != GN__PASSED)
        print_failure(options, result);
    else if (options->one)
        print_one(result);
    else
        (void)printf("%s: %llu seeds in %.1f s\n", result->scenario->name,
                     (unsigned long long)result->n_seeds, result->took_s);
    if (options->digest && result->outcome->verdict == GN__PASSED) {
        (void)printf(
            "%s: digest of %llu seeds from %llu: ", result->scenario->name,
            (unsigned long long)options->n_seeds,
            (unsigned long long)options->first);
        print_digest(result->digest);
    }
    if (!options->one && result->outcome->verdict == GN__PASSED)
        print_unreached(result);
}
