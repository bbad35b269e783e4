/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A guest is made, waits in accept, and is killed, a thousand times:
 * what is allocated in the end is what was allocated early on.
 */
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include <guestnet/guestnet.h>

#define WARM   100
#define CYCLES 1000

int talk_run(struct gn_namespace *ns, struct gn_wasi_config config,
             int (*prepare)(struct gn_wasi_guest *, void *), void *arg,
             uint64_t *status, char why[160]);

static void check(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "cycles: %s\n", what);
    exit(1);
}

static void *guest_main(void *ns)
{
    static const char *const args[] = {"talk", "sink", "80", NULL};
    struct gn_wasi_config config = {.args = args};
    char why[160] = "";
    uint64_t status;

    check(talk_run(ns, config, NULL, NULL, &status, why) == GN_WASI_TRAP,
          "it was not killed");
    return NULL;
}

static void closed(void *arg)
{
    sem_post(arg);
}

static sem_t gone;

static void cycle(struct gn_network *net)
{
    struct gn_namespace *ns;
    pthread_t thread;

    check(!gn_namespace_create(net, NULL, &ns), "no namespace");
    check(!pthread_create(&thread, NULL, guest_main, ns), "no thread");
    check(!gn_wait_listening(ns, "tcp", ":80", 10000, NULL, 0),
          "it does not listen");
    gn_namespace_kill(ns);
    pthread_join(thread, NULL);
    gn_namespace_close(ns, 0, closed, &gone);
    sem_wait(&gone);
}

static size_t allocated(void)
{
    struct mallinfo2 all = mallinfo2();

    return all.uordblks + all.hblkhd;
}

int main(void)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    struct gn_network *net;
    size_t before = 0;

    sem_init(&gone, 0, 0);
    mallopt(M_ARENA_MAX, 1); /* mallinfo2() is about the main one. */
    check(!gn_network_create(&config, &net), "no network");
    for (int i = 0; i < WARM + CYCLES; i++) {
        if (i == WARM)
            before = allocated();
        cycle(net);
    }
    check(allocated() <= before + 16384, "what is allocated grows");
    printf("%zu bytes, and then %zu\n", before, allocated());
    gn_network_close(net, NULL, NULL);
    return 0;
}
