/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Three guests as tasks under a clock. Each sleeps while the others begin; the
 * one that traps ends itself and no other.
 */
#include <stdio.h>
#include <stdlib.h>

#include <guestnet/guestnet.h>

int sleeper_run(struct gn_namespace *ns, struct gn_wasi_config config,
                int (*prepare)(struct gn_wasi_guest *, void *), void *arg,
                uint64_t *status, char why[160]);

static void check(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "tasks: %s\n", what);
    exit(1);
}

static int guest_main(void *arg)
{
    struct gn_wasi_config config = {.args = arg};
    uint64_t status = 0;
    char why[160] = "";

    return sleeper_run(gn_task_namespace(), config, NULL, NULL, &status, why);
}

static struct gn_task *guest_start(struct gn_network *net, const char **args)
{
    struct gn_task_config config = {.size = sizeof(config),
                                    .stack_bytes = 1 << 20};
    struct gn_namespace *ns;
    struct gn_task *task;

    check(!gn_namespace_create(net, NULL, &ns), "no namespace");
    check(!gn_task_start(ns, &config, guest_main, (void *)args, &task),
          "no task");
    return task;
}

int main(void)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    static const char *args[3][4] = {
        {"sleeper", "60000"}, {"sleeper", "1000", "trap"}, {"sleeper", "2000"}};
    static const int wanted[3] = {GN_WASI_EXIT, GN_WASI_TRAP, GN_WASI_EXIT};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_VIRTUAL};
    struct gn_sim_report report = {.size = sizeof(report)};
    struct gn_task *tasks[3];
    struct gn_network *net;
    uint64_t from_ns;
    int how;

    check(!gn_clock_create(NULL, &config.clock), "no clock");
    check(!gn_network_create(&config, &net), "no network");
    for (int i = 0; i < 3; i++)
        tasks[i] = guest_start(net, args[i]);
    from_ns = gn_clock_now_ns(config.clock);
    check(!gn_clock_run(config.clock, UINT64_MAX, &report), "no run");
    check(report.end == GN_SIM_DONE, report.text);
    check(report.now_ns - from_ns == UINT64_C(60000000000),
          "it was not a minute");
    for (int i = 0; i < 3; i++) {
        check(!gn_task_join(tasks[i], &how), "a task did not end");
        check(how == wanted[i], args[i][1]);
    }
    gn_network_close(net, NULL, NULL);
    gn_clock_close(config.clock);
    return 0;
}
