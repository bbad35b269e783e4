/* SPDX-License-Identifier: BSD-3-Clause */

/* The command line of a program that tries seeds. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "base/lock.h"
#include "explore/explore.h"

#define SEEDS_DEFAULT 1000u
#define SEEDS_MAX     UINT64_C(1000000000)
#define JOBS_MAX      4096u
#define LIMIT_DEFAULT 60u
#define LIMIT_MAX     86400u

static const char usage[] =
    "usage: %s [OPTION...]\n"
    "  --seeds N        try so many seeds of each scenario; 1000\n"
    "  --first N        from this one on; 1\n"
    "  --jobs N         so many at a time; as there are processors\n"
    "  --limit SECONDS  of real time that a seed may take; 60\n"
    "  --scenario NAME  only this one\n"
    "  --seed N         one seed\n"
    "  --trace          print what its tasks log\n"
    "  --pcap FILE      write its packets; of further networks to FILE.NAME\n"
    "  --no-fork        in this process, for a debugger\n"
    "  --plan FILE      these faults, instead of those that the seed draws\n"
    "  --fault LINE     this one, as a line of a plan; again for each further\n"
    "  --no-shrink      leave the plan of a seed that fails as it is\n"
    "  --digest         print a digest of all seeds\n"
    "  --junit FILE     write the results as JUnit's XML\n"
    "  --list           print the scenarios\n";

enum {
    OPT_SEEDS = 256,
    OPT_FIRST,
    OPT_JOBS,
    OPT_LIMIT,
    OPT_SCENARIO,
    OPT_SEED,
    OPT_TRACE,
    OPT_PCAP,
    OPT_NO_FORK,
    OPT_PLAN,
    OPT_FAULT,
    OPT_NO_SHRINK,
    OPT_DIGEST,
    OPT_JUNIT,
    OPT_LIST,
    OPT_HELP
};

static const struct option long_options[] = {
    {"seeds", required_argument, NULL, OPT_SEEDS},
    {"first", required_argument, NULL, OPT_FIRST},
    {"jobs", required_argument, NULL, OPT_JOBS},
    {"limit", required_argument, NULL, OPT_LIMIT},
    {"scenario", required_argument, NULL, OPT_SCENARIO},
    {"seed", required_argument, NULL, OPT_SEED},
    {"trace", no_argument, NULL, OPT_TRACE},
    {"pcap", required_argument, NULL, OPT_PCAP},
    {"no-fork", no_argument, NULL, OPT_NO_FORK},
    {"plan", required_argument, NULL, OPT_PLAN},
    {"fault", required_argument, NULL, OPT_FAULT},
    {"no-shrink", no_argument, NULL, OPT_NO_SHRINK},
    {"digest", no_argument, NULL, OPT_DIGEST},
    {"junit", required_argument, NULL, OPT_JUNIT},
    {"list", no_argument, NULL, OPT_LIST},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0}};

/* ---- reading ---- */

static int read_number(const char *option, const char *text, uint64_t max,
                       uint64_t *out)
{
    uint64_t value = 0;
    const char *at = text;

    for (; *at >= '0' && *at <= '9' && value <= max; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    if (*at || at == text || !value || value > max) {
        (void)fprintf(stderr, "--%s \"%s\": not a number from 1 to %llu\n",
                      option, text, (unsigned long long)max);
        return -EINVAL;
    }
    *out = value;
    return 0;
}

/* A byte more than there may be shows that there are too many. */
static int read_text(struct gn__options *options, const char *path)
{
    FILE *file = fopen(path, "re");
    int err;

    if (!file)
        return -errno;
    errno = 0;
    options->plan_len = fread(options->plan, 1, GN_PLAN_TEXT_MAX + 1, file);
    err = ferror(file) ? -errno : 0;
    (void)fclose(file);
    return err;
}

static int refuse_plan(const struct gn__options *options, const char *why)
{
    if (options->plan_file)
        (void)fprintf(stderr, "--plan %s: %s\n", options->plan_file, why);
    else
        (void)fprintf(stderr, "--fault: %s\n", why);
    return -EINVAL;
}

static int read_file(struct gn__options *options, const char *path)
{
    char *plan = realloc(options->plan, GN_PLAN_TEXT_MAX + 1);
    int err = -ENOMEM;

    options->plan_file = path;
    if (plan) {
        options->plan = plan; /* Of two the last counts. */
        err = read_text(options, path);
    }
    return err ? refuse_plan(options, gn_strerror(err)) : 0;
}

static int read_fault(struct gn__options *options, const char *line)
{
    size_t len = strlen(line);
    char *plan = realloc(options->plan, options->plan_len + len + 2);

    options->faults = true;
    if (!plan)
        return refuse_plan(options, gn_strerror(-ENOMEM));
    (void)snprintf(plan + options->plan_len, len + 2, "%s\n", line);
    options->plan = plan;
    options->plan_len += len + 1;
    return 0;
}

static int check_plan(const struct gn__options *options)
{
    struct gn_plan *plan;
    char why[512] = "out of memory";

    if (options->plan_file && options->faults)
        return refuse_plan(options, "a plan has all of its faults: write what "
                                    "--fault says into it");
    if (!options->plan)
        return 0;
    if (gn_plan_parse(options->plan, options->plan_len, why, sizeof(why),
                      &plan))
        return refuse_plan(options, why);
    gn_plan_close(plan);
    return 0;
}

static int read_flag(int option, const char *value, struct gn__options *options)
{
    switch (option) {
    case OPT_SCENARIO:
        options->scenario = value;
        return 0;
    case OPT_TRACE:
        options->trace = true;
        return 0;
    case OPT_PCAP:
        options->pcap = value;
        return 0;
    case OPT_NO_FORK:
        options->no_fork = true;
        return 0;
    case OPT_PLAN:
        return read_file(options, value);
    case OPT_FAULT:
        return read_fault(options, value);
    case OPT_NO_SHRINK:
        options->no_shrink = true;
        return 0;
    case OPT_DIGEST:
        options->digest = true;
        return 0;
    case OPT_JUNIT:
        options->junit = value;
        return 0;
    case OPT_LIST:
        options->list = true;
        return 0;
    default:
        return -EINVAL;
    }
}

static int read_option(int option, const char *value,
                       struct gn__options *options)
{
    uint64_t number = 0;
    int err;

    switch (option) {
    case OPT_SEEDS:
        options->many = true;
        return read_number("seeds", value, SEEDS_MAX, &options->n_seeds);
    case OPT_FIRST:
        options->many = true;
        return read_number("first", value, UINT64_MAX / 100, &options->first);
    case OPT_SEED:
        options->one = true;
        options->n_seeds = 1;
        return read_number("seed", value, UINT64_MAX / 100, &options->first);
    case OPT_JOBS:
        err = read_number("jobs", value, JOBS_MAX, &number);
        options->jobs = (unsigned)number;
        return err;
    case OPT_LIMIT:
        err = read_number("limit", value, LIMIT_MAX, &number);
        options->limit_s = (unsigned)number;
        return err;
    default:
        return read_flag(option, value, options);
    }
}

/* Before it is written, which may be hours later. */
static int check_output(const char *option, const char *path)
{
    FILE *file;

    if (!path)
        return 0;
    file = fopen(path, "ae");
    if (!file) {
        (void)fprintf(stderr, "--%s %s: %s\n", option, path,
                      gn_strerror(-errno));
        return -EINVAL;
    }
    (void)fclose(file);
    return 0;
}

static int check_options(const struct gn__options *options)
{
    if (options->one && options->many) {
        (void)fprintf(stderr,
                      "--seed N is one seed, and --seeds and --first are "
                      "of many: leave out one or the other\n");
        return -EINVAL;
    }
    if (!options->one &&
        (options->trace || options->pcap || options->no_fork)) {
        (void)fprintf(stderr,
                      "--trace, --pcap and --no-fork are of one seed: add "
                      "--seed N\n");
        return -EINVAL;
    }
    if (check_output("pcap", options->pcap) ||
        check_output("junit", options->junit))
        return -EINVAL;
    return check_plan(options);
}

static int read_options(int argc, char **argv, struct gn__options *options)
{
    int option, err = 0;

    *options = (struct gn__options){.program = argv[0],
                                    .first = 1,
                                    .n_seeds = SEEDS_DEFAULT,
                                    .jobs = gn__processors(),
                                    .limit_s = LIMIT_DEFAULT};
    optind = 0; /* It may have been used before. */
    while (!err &&
           (option = getopt_long(argc, argv, "", long_options, NULL)) >= 0) {
        if (option == OPT_HELP) {
            (void)printf(usage, argv[0]);
            return 1;
        }
        err = option == '?' ? -EINVAL : read_option(option, optarg, options);
    }
    if (!err && optind < argc) {
        (void)fprintf(stderr, "\"%s\": what is this for? See --help\n",
                      argv[optind]);
        err = -EINVAL;
    }
    return err ? err : check_options(options);
}

/* ---- scenarios ---- */

static int check_scenario(const struct gn_scenario *scenario)
{
    const char *name = scenario->name ? scenario->name : "?";
    size_t n = 0;

    if (!gn__config_is_known(scenario, scenario->size, sizeof(*scenario)) ||
        !scenario->name || !scenario->setup) {
        (void)fprintf(stderr,
                      "scenario \"%s\": it needs a size, a name and a "
                      "setup function\n",
                      name);
        return -EINVAL;
    }
    if (!scenario->duration_ns) {
        (void)fprintf(stderr,
                      "scenario \"%s\": it has no duration_ns, so that a run "
                      "might never end\n",
                      name);
        return -EINVAL;
    }
    while (scenario->marks && n <= GN_SCENARIO_MARKS_MAX && scenario->marks[n])
        n++;
    if (n <= GN_SCENARIO_MARKS_MAX)
        return 0;
    (void)fprintf(stderr, "scenario \"%s\": more than %u marks\n", name,
                  GN_SCENARIO_MARKS_MAX);
    return -EINVAL;
}

static bool is_asked_for(const struct gn__options *options,
                         const struct gn_scenario *scenario)
{
    return !options->scenario || !strcmp(options->scenario, scenario->name);
}

static int check_scenarios(const struct gn__options *options,
                           const struct gn_scenario *scenarios, size_t n)
{
    size_t i, n_asked = 0;
    int err = 0;

    for (i = 0; i < n && !err; i++) {
        err = check_scenario(&scenarios[i]);
        n_asked += !err && is_asked_for(options, &scenarios[i]);
    }
    if (err || n_asked)
        return err;
    (void)fprintf(stderr,
                  "--scenario \"%s\": there is none of that name; see "
                  "--list\n",
                  options->scenario ? options->scenario : "");
    return -EINVAL;
}

static void print_seed(struct gn__outcome *outcome)
{
    (void)printf("failed: %s\n", outcome->text);
}

/* --seed: in a process of its own, or not. */
static int try_one(const struct gn__options *options, struct gn__tried *result)
{
    struct gn__trial trial = {.scenario = result->scenario,
                              .seed = options->first,
                              .plan = options->plan,
                              .plan_len = options->plan_len,
                              .trace = options->trace,
                              .pcap = options->pcap};
    struct gn__child child;
    int err = 0;

    result->seed = options->first;
    if (options->no_fork) {
        gn__trial_run(&trial, result->outcome, print_seed);
    } else {
        err = gn__child_open(&child, false);
        if (!err)
            err = gn__child_run(&child, &trial, options->limit_s);
        if (!err)
            memcpy(result->outcome, child.outcome, sizeof(*child.outcome));
        gn__child_close(&child);
    }
    memcpy(result->digest, result->outcome->digest, sizeof(result->digest));
    return err;
}

static bool has_failed(const struct gn__tried *result)
{
    return result->outcome->verdict == GN__FAILED ||
           result->outcome->verdict == GN__DIED;
}

static int try_seeds(const struct gn__options *options,
                     struct gn__tried *result)
{
    int err = options->one ? try_one(options, result)
                           : gn__seeds_try(options, result);

    if (err) {
        (void)fprintf(stderr, "%s: %s\n", result->scenario->name,
                      gn_strerror(err));
    } else if (result->outcome->verdict == GN__REFUSED) {
        err = refuse_plan(options, result->outcome->text);
    }
    return err;
}

static int try_scenario(const struct gn__options *options,
                        struct gn__tried *result)
{
    int err;

    result->outcome = calloc(1, sizeof(*result->outcome));
    if (!result->outcome)
        return -ENOMEM;
    err = try_seeds(options, result);
    if (err)
        return err;
    if (has_failed(result) && !options->no_fork && !options->no_shrink)
        gn__shrink(options, result);
    gn__report_print(options, result);
    (void)fflush(stdout);
    return 0;
}

static int status_of(const struct gn__tried *results, size_t n)
{
    int status = GN__EXIT_OK;
    size_t i;

    for (i = 0; i < n; i++) {
        if (has_failed(&results[i]))
            return GN__EXIT_FAILED;
        if (results[i].outcome->verdict == GN__GAVE_UP)
            status = GN__EXIT_GAVE_UP;
    }
    return status;
}

static int try_scenarios(const struct gn__options *options,
                         const struct gn_scenario *scenarios, size_t n,
                         struct gn__tried *results)
{
    size_t i, n_results = 0;
    int err;

    for (i = 0; i < n; i++) {
        if (!is_asked_for(options, &scenarios[i]))
            continue;
        results[n_results].scenario = &scenarios[i];
        if (try_scenario(options, &results[n_results++]))
            return GN__EXIT_USAGE;
    }
    if (options->junit) {
        err = gn__junit_write(options->junit, options->program, results,
                              n_results);
        if (err) {
            (void)fprintf(stderr, "--junit %s: %s\n", options->junit,
                          gn_strerror(err));
            return GN__EXIT_USAGE;
        }
    }
    return status_of(results, n_results);
}

/* A process that was made to ignore its children would not be told how they
 * end; and their signal is waited for. */
static int try_as_parent(const struct gn__options *options,
                         const struct gn_scenario *scenarios, size_t n,
                         struct gn__tried *results)
{
    struct sigaction as_usual = {.sa_handler = SIG_DFL}, before;
    sigset_t ends, blocked;
    int status;

    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &ends, &blocked);
    (void)sigaction(SIGCHLD, &as_usual, &before);
    status = try_scenarios(options, scenarios, n, results);
    (void)sigprocmask(SIG_SETMASK, &blocked, NULL);
    (void)sigaction(SIGCHLD, &before, NULL);
    return status;
}

static int scenario_list(const struct gn_scenario *scenarios, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        (void)printf("%s\n", scenarios[i].name);
    return GN__EXIT_OK;
}

int gn_sim_main(int argc, char **argv, const struct gn_scenario *scenarios,
                size_t n)
{
    struct gn__options options = {.plan = NULL};
    struct gn__tried *results;
    int status = GN__EXIT_USAGE;
    size_t i;
    int err;

    if (argc < 1 || !argv || !scenarios || !n)
        return GN__EXIT_USAGE;
    err = read_options(argc, argv, &options);
    results = calloc(n, sizeof(*results));
    if (err > 0)
        status = GN__EXIT_OK;
    else if (!err && results && !check_scenarios(&options, scenarios, n))
        status = options.list ? scenario_list(scenarios, n)
                 : options.no_fork
                     ? try_scenarios(&options, scenarios, n, results)
                     : try_as_parent(&options, scenarios, n, results);
    for (i = 0; results && i < n; i++)
        free(results[i].outcome);
    free(results);
    free(options.plan);
    return status;
}
