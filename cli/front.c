/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/front.h"

#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/say.h"

/* Those that mean something to a command; and SIGTTOU, so that a line of ours
 * does not stop this process in the background. */
static const int forwarded[] = {SIGHUP,  SIGINT,  SIGQUIT,  SIGTERM, SIGUSR1,
                                SIGUSR2, SIGALRM, SIGWINCH, SIGTSTP, SIGCONT};

int front_signals(struct front_before *before)
{
    sigset_t set;
    int fd;

    (void)sigemptyset(&set);
    for (size_t i = 0; i < sizeof(forwarded) / sizeof(*forwarded); i++)
        (void)sigaddset(&set, forwarded[i]);
    fd = signalfd(-1, &set, SFD_CLOEXEC);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, SIGTTOU);
    (void)sigprocmask(SIG_BLOCK, &set, &before->mask);
    before->chld_ignored = signal(SIGCHLD, SIG_DFL) == SIG_IGN;
    return fd;
}

void front_restore(const struct front_before *before)
{
    if (before->chld_ignored)
        (void)signal(SIGCHLD, SIG_IGN);
    (void)sigprocmask(SIG_SETMASK, &before->mask, NULL);
}

int front_signal(int fd, bool *by_terminal)
{
    struct signalfd_siginfo info;

    if (read(fd, &info, sizeof(info)) != sizeof(info))
        return 0;
    *by_terminal = info.ssi_code == SI_KERNEL;
    return (int)info.ssi_signo;
}

bool front_ends(int fd)
{
    bool by_terminal;
    int sig = front_signal(fd, &by_terminal);

    if (sig == SIGTSTP)
        (void)kill(getpid(), SIGSTOP);
    return sig == SIGINT || sig == SIGTERM || sig == SIGHUP || sig == SIGQUIT;
}

_Noreturn void front_end(int status)
{
    sigset_t set;

    if (WIFEXITED(status))
        _exit(WEXITSTATUS(status));
    /* As the command did, so that a shell sees what it would have seen; its
     * core file is the command's. */
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)signal(WTERMSIG(status), SIG_DFL);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, WTERMSIG(status));
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
    (void)raise(WTERMSIG(status));
    _exit(128 + WTERMSIG(status));
}
