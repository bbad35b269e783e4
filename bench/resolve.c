/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lookups of a name by a guest, several under way at any time: of another
 * guest's, which the network knows itself, and of the same name in a dnsmasq on
 * loopback, by c-ares without its cache. All in one process and on one thread,
 * dnsmasq aside.
 */
#include "bench.h"

#include <guestnet/guestnet.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNDER_WAY 16u
#define NAME      "web.guest.internal"
#define START_MS  5000

struct course {
    struct gn_network *net;
    struct gn_namespace *client;
    struct gn_resolver *resolver;
    uint64_t until_ns;
    size_t n_under_way;
    size_t n;
    int err;
};

/* ---- dnsmasq ---- */

/* The child: it ends with this process. */
static void become_dnsmasq(uint16_t port)
{
    char option[32], path[512];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(option, sizeof(option), "--port=%u", port);
    snprintf(path, sizeof(path), "%s:/usr/sbin:/sbin",
             getenv("PATH") ? getenv("PATH") : "/usr/bin");
    setenv("PATH", path, 1);
    execlp("dnsmasq", "dnsmasq", "--keep-in-foreground", "--conf-file",
           "--pid-file", "--user=", "--no-resolv", "--no-hosts", option,
           "--listen-address=127.0.0.1", "--bind-interfaces", "--local-ttl=60",
           "--host-record=" NAME ",10.77.0.2", (char *)NULL);
    _exit(127);
}

static void stop_dnsmasq(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* ---- lookups ---- */

static void next(struct course *course);

static void ended(struct gn_lookup *lookup, int status,
                  const struct gn_answer *answers, size_t n, void *arg)
{
    struct course *course = arg;

    (void)lookup, (void)answers;
    course->n_under_way--;
    if (status || n != 1)
        course->err = status ? -EHOSTUNREACH : -EBADMSG;
    else
        course->n++;
    next(course);
}

static void next(struct course *course)
{
    int err;

    if (course->err || bench_now_ns() >= course->until_ns)
        return;
    err = gn_lookup(course->client, "ip4", NAME, ended, course, NULL);
    if (err)
        course->err = err;
    else
        course->n_under_way++;
}

static void look_up_for(struct course *course, uint64_t time_ns)
{
    size_t i;

    course->until_ns = bench_now_ns() + time_ns;
    for (i = 0; i < UNDER_WAY; i++)
        next(course);
    while (course->n_under_way)
        gn_network_run(course->net, GN_RUN_ONCE);
}

static int open_course(struct course *course)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {
        .size = sizeof(config),
        .prefixes = prefixes,
        .drive = GN_DRIVE_CALLER,
        .resolver = course->resolver,
    };
    struct gn_namespace_config web = {.size = sizeof(web), .name = "web"};
    struct gn_namespace_config client = {.size = sizeof(client)};
    struct gn_namespace *ns;
    int err = gn_network_create(&config, &course->net);

    if (!err)
        err = gn_namespace_create(course->net, &web, &ns);
    if (!err)
        err = gn_namespace_create(course->net, &client, &course->client);
    return err;
}

static int measure_names(const struct bench_run *run, struct course *course,
                         double *out)
{
    uint64_t start_ns;
    int err = open_course(course);

    if (err)
        return err;
    start_ns = bench_now_ns();
    look_up_for(course, run->time_ns);
    *out = bench_rate(course->n, start_ns, bench_now_ns());
    return course->err;
}

/* The first lookup waits until dnsmasq is there. */
static int await_dnsmasq(struct course *course)
{
    uint64_t until_ns = bench_now_ns() + START_MS * 1000000ull;

    do {
        course->err = 0;
        course->n = 0;
        look_up_for(course, 1000000);
    } while (course->err && bench_now_ns() < until_ns);
    return course->err ? -ENOTSUP : 0;
}

static int measure_dnsmasq(const struct bench_run *run, struct course *course,
                           uint16_t port, double *out)
{
    char server[32];
    const char *const servers[] = {server, NULL};
    struct gn_ares_config config = {
        .size = sizeof(config),
        .servers = servers,
        .flags = GN_ARES_NO_CACHE,
    };
    uint64_t start_ns;
    int err;

    snprintf(server, sizeof(server), "127.0.0.1:%u", port);
    err = gn_resolver_ares(&config, &course->resolver);
    if (!err)
        err = open_course(course);
    if (!err)
        err = await_dnsmasq(course);
    if (err)
        return err;
    course->n = 0;
    start_ns = bench_now_ns();
    look_up_for(course, run->time_ns);
    *out = bench_rate(course->n, start_ns, bench_now_ns());
    return course->err;
}

static int measure_reference(const struct bench_run *run, struct course *course,
                             double *out)
{
    uint16_t port = 0;
    pid_t pid;
    int err = bench_free_port(&port);

    if (err)
        return err;
    pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0)
        become_dnsmasq(port);
    err = measure_dnsmasq(run, course, port, out);
    stop_dnsmasq(pid);
    return err;
}

static int measure(const struct bench_run *run, double *out)
{
    struct course course = {0};
    int err = run->side == BENCH_OURS ? measure_names(run, &course, out)
                                      : measure_reference(run, &course, out);

    gn_network_close(course.net, NULL, NULL);
    gn_resolver_close(course.resolver);
    return err;
}

const struct bench_row bench_resolve_rows[] = {
    {"resolve_guest_name",
     "1/s",
     "dnsmasq by c-ares",
     measure,
     {0, 0},
     BENCH_RATIO_MIN,
     20.0},
    {NULL, NULL, NULL, NULL, {0, 0}, BENCH_PRINTED, 0},
};
