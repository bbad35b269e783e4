/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A process for a seed: forked from the one that is loaded, so that it costs a
 * fraction of a millisecond, and nothing that it breaks is broken for others.
 * Its real time is measured and ended by its parent, which no alarm or signal
 * of the program's own disturbs.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/units.h"
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

/* Only the parent blocks SIGCHLD. The process ends with the parent,
 * since nothing else would end its time. */
static void prepare_signals(void)
{
    sigset_t of_parent;

    (void)sigemptyset(&of_parent);
    (void)sigaddset(&of_parent, SIGCHLD);
    (void)sigprocmask(SIG_UNBLOCK, &of_parent, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* In the new process. It leaves without what is done at exit, which is its
 * parent's. */
static _Noreturn void be_child(struct gn__child *child,
                               const struct gn__trial *trial)
{
    int err;

    if (child->output >= 0) {
        (void)dup2(child->output, STDOUT_FILENO);
        (void)dup2(child->output, STDERR_FILENO);
    }
    prepare_signals();
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
    child->is_late = false;
    child->until_ns = gn__monotonic_ns() + limit_s * GN__NS_PER_S;
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
        be_child(child, trial);
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

/* ThreadSanitizer says in the status what it has seen, when all else is
 * over. */
static void child_ended(struct gn__child *child, int status)
{
    struct gn__outcome *out = child->outcome;

    child->pid = 0;
    if (child->is_late && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
        out->verdict = GN__GAVE_UP;
        (void)snprintf(out->text, sizeof(out->text),
                       "it took more real time than it may; see --limit");
    } else if (!out->is_over || (out->verdict == GN__PASSED && status)) {
        out->verdict = GN__DIED;
        tell_death(out, status);
    }
}

/* ---- waiting ---- */

/* The first that has ended, in @out; NULL: none. */
static int find_ended(struct gn__child *children, unsigned n,
                      struct gn__child **out)
{
    unsigned i;

    *out = NULL;
    for (i = 0; i < n && !*out; i++) {
        int status;
        pid_t pid =
            children[i].pid ? waitpid(children[i].pid, &status, WNOHANG) : 0;

        if (pid < 0)
            return -errno;
        if (pid > 0) {
            child_ended(&children[i], status);
            *out = &children[i];
        }
    }
    return 0;
}

/* End those whose time is over. When is it for the next? UINT64_MAX: never. */
static uint64_t end_late(struct gn__child *children, unsigned n)
{
    uint64_t now_ns = gn__monotonic_ns(), next_ns = UINT64_MAX;
    unsigned i;

    for (i = 0; i < n; i++) {
        struct gn__child *child = &children[i];

        if (!child->pid || child->is_late)
            continue;
        child->is_late = now_ns >= child->until_ns;
        if (child->is_late)
            (void)kill(child->pid, SIGKILL);
        else if (child->until_ns < next_ns)
            next_ns = child->until_ns;
    }
    return next_ns;
}

/* Until a child has ended since the last call, or @until_ns. */
static void sleep_until(uint64_t until_ns)
{
    uint64_t now_ns = gn__monotonic_ns();
    uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    const struct timespec left = {.tv_sec = (time_t)(left_ns / GN__NS_PER_S),
                                  .tv_nsec = (long)(left_ns % GN__NS_PER_S)};
    sigset_t ends;

    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGCHLD);
    (void)sigtimedwait(&ends, NULL, until_ns < UINT64_MAX ? &left : NULL);
}

int gn__child_wait(struct gn__child *children, unsigned n,
                   struct gn__child **out)
{
    int err;

    while (!(err = find_ended(children, n, out)) && !*out)
        sleep_until(end_late(children, n));
    return err;
}

void gn__child_kill(struct gn__child *child)
{
    if (!child->pid)
        return;
    (void)kill(child->pid, SIGKILL);
    (void)gn__child_wait(child, 1, &child); /* If it cannot be, it has been. */
}

int gn__child_run(struct gn__child *child, const struct gn__trial *trial,
                  unsigned limit_s)
{
    int err = gn__child_start(child, trial, limit_s);

    return err ? err : gn__child_wait(child, 1, &child);
}

void gn__child_tail(const struct gn__child *child, char *out, size_t cap)
{
    off_t size = child->output < 0 ? 0 : lseek(child->output, 0, SEEK_END);
    off_t from = size > (off_t)cap - 1 ? size - (off_t)cap + 1 : 0;
    ssize_t n = size > 0 ? pread(child->output, out, cap - 1, from) : 0;

    out[n > 0 ? n : 0] = '\0';
}
