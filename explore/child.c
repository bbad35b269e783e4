/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A process for a seed: forked from the one that is loaded, so that it costs a
 * fraction of a millisecond, and nothing that it breaks is broken for others.
 * Its real time is limited by alarm(2).
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "explore/explore.h"
#include "sim/sim.h"

int gn__child_open(struct gn__child *child, bool captured)
{
    void *shared = mmap(NULL, sizeof(*child->outcome), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    memset(child, 0, sizeof(*child));
    child->output = -1;
    if (shared == MAP_FAILED)
        return -ENOMEM;
    child->outcome = shared;
    if (!captured)
        return 0;
    child->output = memfd_create("output", MFD_CLOEXEC);
    if (child->output >= 0)
        return 0;
    (void)munmap(shared, sizeof(*child->outcome));
    child->outcome = NULL;
    return -EMFILE;
}

void gn__child_close(struct gn__child *child)
{
    if (child->output >= 0)
        (void)close(child->output);
    if (child->outcome)
        (void)munmap(child->outcome, sizeof(*child->outcome));
    child->outcome = NULL;
    child->output = -1;
}

/* In the new process. It leaves without what is done at exit, which is its
 * parent's. */
static _Noreturn void be_child(struct gn__child *child,
                               const struct gn__trial *trial, unsigned limit_s)
{
    int err;

    if (child->output >= 0) {
        (void)dup2(child->output, STDOUT_FILENO);
        (void)dup2(child->output, STDERR_FILENO);
    }
    (void)signal(SIGALRM, SIG_DFL);
    (void)alarm(limit_s);
    err = gn__sim_catch_overflow(child->outcome->text,
                                 sizeof(child->outcome->text));
    (void)err; /* Then an overrun has no name. */
    gn__trial_run(trial, child->outcome, NULL);
    (void)fflush(NULL);
    _exit(0);
}

/* Whole: a process that dies early leaves the plan of the seed before it. Most
 * plans are short, so only what was written is written again. */
static void outcome_clear(struct gn__outcome *outcome)
{
    memset(outcome->plan, 0, strnlen(outcome->plan, sizeof(outcome->plan)));
    memset(outcome, 0, offsetof(struct gn__outcome, plan));
}

int gn__child_start(struct gn__child *child, const struct gn__trial *trial,
                    unsigned limit_s)
{
    outcome_clear(child->outcome);
    child->seed = trial->seed;
    if (child->output >= 0 &&
        (ftruncate(child->output, 0) || lseek(child->output, 0, SEEK_SET)))
        return -errno;
    (void)fflush(NULL);
    child->pid = fork();
    if (child->pid < 0) {
        child->pid = 0;
        return -errno;
    }
    if (!child->pid)
        be_child(child, trial, limit_s);
    return 0;
}

/* What the process left in text is the name of an overrun, or nothing. */
static void tell_death(struct gn__outcome *out, int status)
{
    char overrun[256];

    (void)snprintf(overrun, sizeof(overrun), "%.250s", out->text);
    if (WIFSIGNALED(status))
        (void)snprintf(out->text, sizeof(out->text), "signal %d (%s)%s%s",
                       WTERMSIG(status), strsignal(WTERMSIG(status)),
                       *overrun ? ": " : "", overrun);
    else
        (void)snprintf(out->text, sizeof(out->text),
                       "the process ended with status %d%s%s",
                       WEXITSTATUS(status), *overrun ? ": " : "", overrun);
}

/* ThreadSanitizer says in the status what it has seen, when all else is over. */
void gn__child_ended(struct gn__child *child, int status)
{
    struct gn__outcome *out = child->outcome;

    child->pid = 0;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
        out->verdict = GN__GAVE_UP;
        (void)snprintf(out->text, sizeof(out->text),
                       "it took more real time than it may; see --limit");
    } else if (!out->is_over || (out->verdict == GN__PASSED && status)) {
        out->verdict = GN__DIED;
        tell_death(out, status);
    }
}

static int reap(const struct gn__child *child, int *status)
{
    pid_t pid;

    do
        pid = waitpid(child->pid, status, 0);
    while (pid < 0 && errno == EINTR);
    return pid < 0 ? -errno : 0;
}

void gn__child_kill(struct gn__child *child)
{
    int status;

    if (!child->pid)
        return;
    (void)kill(child->pid, SIGKILL);
    (void)reap(child, &status); /* If it cannot be, it has been. */
    child->pid = 0;
}

int gn__child_run(struct gn__child *child, const struct gn__trial *trial,
                  unsigned limit_s)
{
    int status, err = gn__child_start(child, trial, limit_s);

    if (!err)
        err = reap(child, &status);
    if (!err)
        gn__child_ended(child, status);
    return err;
}

void gn__child_tail(const struct gn__child *child, char *out, size_t cap)
{
    off_t size = child->output < 0 ? 0 : lseek(child->output, 0, SEEK_END);
    off_t from = size > (off_t)cap - 1 ? size - (off_t)cap + 1 : 0;
    ssize_t n = size > 0 ? pread(child->output, out, cap - 1, from) : 0;

    out[n > 0 ? n : 0] = '\0';
}
