/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Two WebAssembly programs on one private network: a server, and clients that
 * find it by its name. wasm2c has made C of them, and guestnet-wasm the rest
 * (see build).
 */
#include <pthread.h>
#include <stdio.h>

#include "guests.h"

/** A program on a thread of its own. */
struct program {
    const char *args[5];
    run_fn *run;
    struct gn_namespace *ns;
    pthread_t thread;
    int failed;
};

static void *program_main(void *arg)
{
    struct program *program = arg;
    struct gn_wasi_config config = {.args = program->args};
    char why[160] = "";
    uint64_t status = 0;
    int how = program->run(program->ns, config, NULL, NULL, &status, why);

    if (how != GN_WASI_EXIT)
        fprintf(stderr, "%s: %s\n", program->args[0], why);
    program->failed = how != GN_WASI_EXIT || status != 0;
    return NULL;
}

static int program_start(struct gn_network *net, const char *name,
                         struct program *program)
{
    struct gn_namespace_config config = {.size = sizeof(config), .name = name};
    int err = gn_namespace_create(net, &config, &program->ns);

    return err ? err
               : -pthread_create(&program->thread, NULL, program_main, program);
}

int main(void)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    struct program server = {{"server", "80", "2"}, server_run};
    struct program clients[2] = {
        {{"client", "web", "80", "hello"}, client_run},
        {{"client", "web", "80", "it works"}, client_run}};
    struct gn_network *net;
    int failed = 0;

    if (gn_network_create(&config, &net) ||
        program_start(net, "web", &server) ||
        gn_wait_listening(server.ns, "tcp6", ":80", 10000, NULL, 0))
        return 1;
    for (int i = 0; i < 2; i++)
        failed |= program_start(net, i ? "b" : "a", &clients[i]) != 0;
    for (int i = 0; i < 2 && !failed; i++) {
        pthread_join(clients[i].thread, NULL);
        failed |= clients[i].failed;
    }
    gn_namespace_kill(server.ns); /* It has ended, if nothing failed. */
    pthread_join(server.thread, NULL);
    gn_network_close(net, NULL, NULL);
    return failed || server.failed;
}
