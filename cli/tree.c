/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/tree.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void tree_adopt(void)
{
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

/* Returns how many there were. */
static unsigned children_kill(pid_t spare)
{
    char path[64];
    unsigned n = 0;
    FILE *file;
    int pid;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/children",
                   (int)getpid());
    file = fopen(path, "re");
    while (file && fscanf(file, "%d", &pid) == 1) {
        if (pid == spare)
            continue;
        n++;
        (void)kill(pid, SIGKILL);
    }
    if (file)
        (void)fclose(file);
    return n;
}

void tree_kill(pid_t spare)
{
    while (children_kill(spare)) {
        pid_t pid = waitpid(-1, NULL, 0);

        if (pid < 0 && errno != EINTR)
            return;
    }
}
