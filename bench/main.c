/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guestnet-bench [--quick] [--ours] [--against PROGRAM] [--list]
 *                [--json FILE] [--runs N] [--time MS] [NAME...]
 *
 * With --ours no reference is measured, so that a profiler sees us only; with
 * --against every row's is the same row of PROGRAM, the guestnet-bench of
 * another build.
 * Prints a table of medians and, with --json, the same as an array. The
 * library makes nothing in this process, see bench.h. The exit status says
 * whether every row could be measured and its data was right, not whether it
 * was fast.
 */
#include "bench.h"

#include "against.h"

#include <cjson/cJSON.h>

#include <arpa/inet.h>
#include <errno.h>
#include <guestnet/error.h>
#include <guestnet/version.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RUNS          5
#define RUNS_QUICK    3
#define RUNS_MAX      99
#define TIME_MS       1000
#define TIME_QUICK_MS 250
/* After this a measurement counts as hung. */
#define LIMIT_MS 120000

struct options {
    bool quick;
    bool ours_only; /* For profiles. */
    size_t runs;
    uint64_t time_ns;
    const char *json;
    const char *against; /* NULL: every row has a reference of its own. */
    char **names;
    int n_names;
};

/** The figures of one row. */
struct figures {
    double samples[BENCH_N_SIDES][RUNS_MAX];
    size_t n;
    double median[BENCH_N_SIDES]; /* NaN: none. */
    double ratio;
    double spread;
    int err[BENCH_N_SIDES];
};

static const struct bench_row *const all_rows[] = {
    bench_machine_rows, bench_bulk_rows,     bench_round_trip_rows,
    bench_connect_rows, bench_datagram_rows, bench_guest_rows,
    bench_ipam_rows,    bench_lock_rows,     bench_publish_rows,
    bench_http_rows,    bench_dial_rows,     bench_resolve_rows,
    bench_fair_rows,    bench_wasi_rows,     bench_wasm_rows,
    bench_node_rows,    bench_nic_rows,      bench_wire_rows,
    bench_sim_rows,     bench_flock_rows,    bench_seeds_rows,
    bench_routes_rows,  bench_dumbbell_rows, bench_command_rows,
    bench_vm_rows,
};

static const char *const goal_text[] = {
    "", "ratio >= ", "ratio <= ", "ours >= ", "ours <= ", "added <= ", "1 +- ",
};
_Static_assert(sizeof(goal_text) / sizeof(goal_text[0]) == BENCH_N_GOALS,
               "a text for each goal");

uint64_t bench_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t bench_processor_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t bench_resident(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long size = 0, pages = 0;

    if (!file)
        return 0;
    if (fscanf(file, "%lu %lu", &size, &pages) != 2)
        pages = 0;
    fclose(file);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

size_t bench_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        return 0;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) ? 0 : limit.rlim_cur;
}

double bench_rate(uint64_t n, uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? (double)n * 1e9 / (double)(to_ns - from_ns) : 0;
}

static bool is_free(int type, uint16_t port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons(port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    int err = bind(fd, (struct sockaddr *)&addr, sizeof(addr));

    close(fd);
    return err == 0;
}

int bench_free_port(uint16_t *port)
{
    unsigned first = (unsigned)getpid() * 7919u, n;

    for (n = 0; n < 1000; n++) {
        *port = (uint16_t)(16384 + (first + n) % 16384);
        if (is_free(SOCK_STREAM, *port) && is_free(SOCK_DGRAM, *port))
            return 0;
    }
    return -EADDRINUSE;
}

/* ---- one measurement, in a process of its own ---- */

struct message {
    double value;
    int err;
};

static void child(const struct bench_row *row, const struct bench_run *run,
                  const char *against, int fd)
{
    struct message message = {0, 0};
    ssize_t n;

    message.err = against && run->side == BENCH_REFERENCE
                      ? against_measure(against, row, run, &message.value)
                      : row->measure(run, &message.value);
    n = write(fd, &message, sizeof(message));
    _exit(n == sizeof(message) ? 0 : 1);
}

static int receive(int fd, struct message *message)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    int n = poll(&pollfd, 1, LIMIT_MS);

    if (n <= 0)
        return n ? -errno : -ETIMEDOUT;
    if (read(fd, message, sizeof(*message)) != sizeof(*message))
        return -EPIPE; /* It crashed. */
    return message->err;
}

static int measure(const struct bench_row *row, const struct options *options,
                   enum bench_side side, size_t nth, double *out)
{
    struct bench_run run = {
        .side = side,
        .time_ns = options->time_ns,
        .quick = options->quick,
        .arg = row->args[side],
        .nth = nth,
    };
    struct message message = {0, 0};
    int fds[2], err;
    pid_t pid;

    if (pipe(fds))
        return -errno;
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        close(fds[0]);
        child(row, &run, options->against, fds[1]);
    }
    close(fds[1]);
    err = pid < 0 ? -errno : receive(fds[0], &message);
    close(fds[0]);
    if (pid > 0) {
        if (err)
            kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    *out = message.value;
    return err;
}

/* ---- rows ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *samples, size_t n)
{
    if (!n)
        return NAN;
    qsort(samples, n, sizeof(*samples), by_value);
    return n % 2 ? samples[n / 2] : (samples[n / 2 - 1] + samples[n / 2]) / 2;
}

/** Of each run of ours and the one of the reference that followed. */
static double median_ratio(const struct figures *f, size_t n_sides)
{
    double ratios[RUNS_MAX];

    if (n_sides < BENCH_N_SIDES || f->err[BENCH_OURS] ||
        f->err[BENCH_REFERENCE])
        return NAN;
    for (size_t i = 0; i < f->n; i++)
        ratios[i] = f->samples[BENCH_OURS][i] / f->samples[BENCH_REFERENCE][i];
    return median(ratios, f->n);
}

static void run_row(const struct bench_row *row, const struct options *options,
                    struct figures *f)
{
    size_t n_sides =
        row->reference_name && !options->ours_only ? BENCH_N_SIDES : 1;
    const double *ours;

    memset(f, 0, sizeof(*f));
    for (f->n = 0; f->n < options->runs && !f->err[BENCH_OURS]; f->n++)
        for (size_t side = 0; side < n_sides; side++)
            if (!f->err[side])
                f->err[side] = measure(row, options, (enum bench_side)side,
                                       f->n, &f->samples[side][f->n]);
    f->ratio = median_ratio(f, n_sides);
    for (size_t side = 0; side < BENCH_N_SIDES; side++)
        f->median[side] = median(f->samples[side],
                                 side < n_sides && !f->err[side] ? f->n : 0);
    ours = f->samples[BENCH_OURS];
    f->spread = ours[f->n - 1] - ours[0];
    if (f->spread > 0)
        f->spread /= f->median[BENCH_OURS];
}

/** What the goal is about. */
static double judged(enum bench_goal goal, const struct figures *f)
{
    if (goal == BENCH_RATIO_MIN || goal == BENCH_RATIO_MAX)
        return f->ratio;
    if (goal == BENCH_NEAR)
        return fabs(f->ratio - 1);
    return f->median[BENCH_OURS] -
           (goal == BENCH_ADDED_MAX ? f->median[BENCH_REFERENCE] : 0);
}

static const char *met(const struct bench_row *row, const struct figures *f)
{
    double value = judged(row->goal, f);
    bool at_least = row->goal == BENCH_RATIO_MIN || row->goal == BENCH_OURS_MIN;

    if (row->goal == BENCH_PRINTED || isnan(value))
        return "";
    return (at_least ? value >= row->limit : value <= row->limit) ? "met"
                                                                  : "missed";
}

static void target_text(const struct bench_row *row, char *buf, size_t cap)
{
    if (row->goal == BENCH_PRINTED)
        snprintf(buf, cap, "printed");
    else
        snprintf(buf, cap, "%s%g", goal_text[row->goal], row->limit);
}

/* ---- output ---- */

static void number(char *buf, size_t cap, double value)
{
    if (isnan(value))
        snprintf(buf, cap, "-");
    else if (fabs(value) >= 10000)
        snprintf(buf, cap, "%.0f", value);
    else
        snprintf(buf, cap, "%.4g", value);
}

static void print_head(void)
{
    printf("%s\n", gn_version_string());
    printf("%-26s %-9s %10s %10s %7s %7s  %-14s %-6s  %s\n", "name", "unit",
           "ours", "reference", "ratio", "spread", "target", "",
           "reference is");
}

static void print_row(const struct bench_row *row, const struct figures *f)
{
    char ours[32], reference[32], ratio[32], target[32];

    if (f->err[BENCH_OURS]) {
        printf("%-26s %-9s %s\n", row->name, row->unit,
               gn_strerror(f->err[BENCH_OURS]));
        return;
    }
    number(ours, sizeof(ours), f->median[BENCH_OURS]);
    number(reference, sizeof(reference), f->median[BENCH_REFERENCE]);
    number(ratio, sizeof(ratio), f->ratio);
    target_text(row, target, sizeof(target));
    printf("%-26s %-9s %10s %10s %7s %6.0f%%  %-14s %-6s  %s%s%s\n", row->name,
           row->unit, ours, reference, ratio, 100 * f->spread, target,
           met(row, f), row->reference_name ? row->reference_name : "",
           f->err[BENCH_REFERENCE] ? ": " : "",
           f->err[BENCH_REFERENCE] ? gn_strerror(f->err[BENCH_REFERENCE]) : "");
}

/** NaN has no place in JSON. */
static bool add_number(cJSON *object, const char *name, double value)
{
    return isnan(value) ? cJSON_AddNullToObject(object, name) != NULL
                        : cJSON_AddNumberToObject(object, name, value) != NULL;
}

static bool add_string(cJSON *object, const char *name, const char *value)
{
    return value ? cJSON_AddStringToObject(object, name, value) != NULL
                 : cJSON_AddNullToObject(object, name) != NULL;
}

static bool add_row(cJSON *array, const struct bench_row *row,
                    const struct figures *f)
{
    cJSON *object = cJSON_CreateObject();
    char target[32];

    if (!object || !cJSON_AddItemToArray(array, object))
        return false;
    target_text(row, target, sizeof(target));
    return add_string(object, "name", row->name) &&
           add_string(object, "unit", row->unit) &&
           add_number(object, "ours", f->median[BENCH_OURS]) &&
           add_number(object, "reference", f->median[BENCH_REFERENCE]) &&
           add_string(object, "reference_name", row->reference_name) &&
           add_number(object, "ratio", f->ratio) &&
           add_string(object, "target", target) &&
           add_number(object, "runs", (double)f->n) &&
           add_number(object, "spread", f->spread);
}

static bool save(const cJSON *array, const char *path)
{
    char *text = cJSON_Print(array);
    FILE *file = text ? fopen(path, "w") : NULL;
    bool ok = file && fprintf(file, "%s\n", text) > 0;

    if (file && fclose(file))
        ok = false;
    if (!ok)
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    cJSON_free(text);
    return ok;
}

/* ---- options ---- */

static bool is_wanted(const struct options *options, const char *name)
{
    for (int i = 0; i < options->n_names; i++)
        if (!strcmp(options->names[i], name))
            return true;
    return options->n_names == 0;
}

static bool is_known(const char *name)
{
    for (size_t i = 0; i < sizeof(all_rows) / sizeof(all_rows[0]); i++)
        for (const struct bench_row *row = all_rows[i]; row->name; row++)
            if (!strcmp(row->name, name))
                return true;
    return false;
}

static void list_names(void)
{
    for (size_t i = 0; i < sizeof(all_rows) / sizeof(all_rows[0]); i++)
        for (const struct bench_row *row = all_rows[i]; row->name; row++)
            printf("%s\n", row->name);
}

/** Returns how many arguments were options, or -1. */
static int read_options(int argc, char **argv, struct options *options)
{
    int i = 1;

    for (; i < argc && !strncmp(argv[i], "--", 2); i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";

        if (!strcmp(argv[i], "--quick")) {
            options->quick = true;
            continue;
        }
        if (!strcmp(argv[i], "--ours")) {
            options->ours_only = true;
            continue;
        }
        if (!strcmp(argv[i], "--json"))
            options->json = value;
        else if (!strcmp(argv[i], "--against"))
            options->against = value;
        else if (!strcmp(argv[i], "--runs"))
            options->runs = strtoul(value, NULL, 10);
        else if (!strcmp(argv[i], "--time"))
            options->time_ns = strtoull(value, NULL, 10) * 1000000u;
        else
            return -1;
        i++;
    }
    return i <= argc ? i : -1;
}

static bool parse(int argc, char **argv, struct options *options)
{
    int n = read_options(argc, argv, options);

    if (n < 0)
        return false;
    if (!options->runs)
        options->runs = options->quick ? RUNS_QUICK : RUNS;
    if (!options->time_ns)
        options->time_ns =
            (options->quick ? TIME_QUICK_MS : TIME_MS) * 1000000ull;
    options->names = argv + n;
    options->n_names = argc - n;
    for (int i = 0; i < options->n_names; i++)
        if (!is_known(options->names[i])) {
            fprintf(stderr, "no such row: %s\n", options->names[i]);
            return false;
        }
    return options->runs <= RUNS_MAX;
}

/** A row from its measurement to its line; false if it went wrong. */
static bool do_row(struct bench_row row, const struct options *options,
                   cJSON *array)
{
    struct figures figures;
    int err;

    if (options->against) { /* What is to be reached is of other references. */
        row.reference_name = options->against;
        row.goal = BENCH_PRINTED;
    }
    run_row(&row, options, &figures);
    print_row(&row, &figures);
    fflush(stdout);
    err = figures.err[BENCH_OURS];
    return add_row(array, &row, &figures) && (!err || err == -ENOTSUP);
}

static bool run_all(const struct options *options, cJSON *array)
{
    bool ok = true;

    print_head();
    for (size_t i = 0; i < sizeof(all_rows) / sizeof(all_rows[0]); i++)
        for (const struct bench_row *row = all_rows[i]; row->name; row++)
            if (is_wanted(options, row->name) && !do_row(*row, options, array))
                ok = false;
    return ok;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    cJSON *array = cJSON_CreateArray();
    bool ok;

    if (argc == 2 && !strcmp(argv[1], "--list")) {
        list_names();
        cJSON_Delete(array);
        return 0;
    }
    if (!array || !parse(argc, argv, &options)) {
        fprintf(stderr,
                "usage: %s [--quick] [--ours] [--against PROGRAM] [--list] "
                "[--json FILE] [--runs N] [--time MS] [NAME...]\n",
                argv[0]);
        cJSON_Delete(array);
        return 2;
    }
    ok = run_all(&options, array);
    if (options.json && !save(array, options.json))
        ok = false;
    cJSON_Delete(array);
    return ok ? 0 : 1;
}
