/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/kept.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/** ctest's for a test that was skipped. */
#define SKIPPED 77

static unsigned n_kept;
static pid_t owner;

static void path_of(unsigned i, char *path, size_t cap)
{
    const char *folder = getenv("TMPDIR");

    (void)snprintf(path, cap, "%s/%s.%d.%u.pcap", folder ? folder : "/tmp",
                   program_invocation_short_name, (int)owner, i);
}

/* Children that a test has forked end too, and own nothing. */
static void at_exit(int status, void *arg)
{
    bool well = status == 0 || status == SKIPPED;
    char path[512];

    (void)arg;
    for (unsigned i = 0; i < n_kept && owner == getpid(); i++) {
        path_of(i, path, sizeof(path));
        if (well)
            (void)unlink(path);
        else if (!access(path, F_OK))
            (void)fprintf(stderr, "kept: %s\n", path);
    }
}

void gn_test_keep(struct gn_network *net)
{
    struct gn_capture *capture;
    char path[512];
    int err;

    if (!owner) {
        owner = getpid();
        (void)on_exit(at_exit, NULL);
    }
    path_of(n_kept, path, sizeof(path));
    err = gn_capture_start(net, NULL, path, &capture);
    if (err)
        (void)fprintf(stderr, "%s: %s\n", path, gn_strerror(err));
    else
        n_kept++;
}
