/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The guests of main.c as tasks under a clock: coroutines of one thread, in
 * time that jumps to what is due next. Each link takes 20 ms, so that there and
 * back are 80: a client is refused over IPv4, connects over IPv6, and is
 * answered. Every run prints the same.
 */
#include <stdio.h>

#include "guests.h"

/** A program that a task runs. */
struct program {
    const char *name; /* of its namespace */
    const char *args[5];
    run_fn *run;
    int failed;
};

static int program_main(void *arg)
{
    struct program *program = arg;
    struct gn_wasi_config config = {.args = program->args};
    struct gn_namespace *ns = gn_task_namespace();
    char why[160] = "";
    uint64_t status = 0;
    int how = program->run(ns, config, NULL, NULL, &status, why);

    if (how != GN_WASI_EXIT)
        fprintf(stderr, "%s: %s\n", program->args[0], why);
    program->failed = how != GN_WASI_EXIT || status != 0;
    return program->failed;
}

/* wasm2c's code has its variables on the task's stack. */
static int program_start(struct gn_network *net, struct program *program)
{
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .name = program->name};
    struct gn_task_config task = {
        .size = sizeof(task), .name = program->name, .stack_bytes = 1 << 20};
    struct gn_link_config link = {.size = sizeof(link), .latency_us = 20000};
    struct gn_namespace *ns;
    int err = gn_namespace_create(net, &config, &ns);

    if (!err)
        err = gn_link_set(ns, "eth0", &link);
    if (!err)
        err = gn_task_start(ns, &task, program_main, program, NULL);
    return err;
}

static int run(struct gn_clock *clock, struct gn_network *net)
{
    struct program programs[] = {
        {"web", {"server", "80", "2"}, server_run, 1},
        {"a", {"client", "web", "80", "hello"}, client_run, 1},
        {"b", {"client", "web", "80", "it works"}, client_run, 1}};
    struct gn_sim_report report = {.size = sizeof(report)};
    uint64_t from_ns = gn_clock_now_ns(clock);
    int failed = 0;

    for (int i = 0; i < 3 && !failed; i++)
        failed = program_start(net, &programs[i]) != 0;
    if (failed || gn_clock_run(clock, UINT64_MAX, &report))
        return 1;
    if (report.end != GN_SIM_DONE)
        fprintf(stderr, "%s\n", report.text);
    printf("it took %.3f s\n", (double)(report.now_ns - from_ns) / 1e9);
    return programs[0].failed || programs[1].failed || programs[2].failed;
}

int main(void)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_VIRTUAL};
    struct gn_network *net;
    int failed = 1;

    setvbuf(stdout, NULL, _IOLBF, 0); /* The guests write to the same. */
    if (gn_clock_create(NULL, &config.clock) == 0) {
        if (gn_network_create(&config, &net) == 0) {
            failed = run(config.clock, net);
            gn_network_close(net, NULL, NULL);
        }
        gn_clock_close(config.clock);
    }
    return failed;
}
