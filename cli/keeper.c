/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/say.h"
#include "cli/tree.h"

static int word_send(int sock, int what, int value)
{
    struct keeper_word word;

    memset(&word, 0, sizeof(word));
    word.what = what;
    word.value = value;
    return send(sock, &word, sizeof(word), MSG_NOSIGNAL) == sizeof(word) ? 0
                                                                         : -1;
}

/* ---- the namespace's name ---- */

/* --netns: a file that the namespace is mounted on, as ip-netns(8) has them. If
 * the user may not mount, print how the namespace is joined without. */
static bool netns_name(const char *path, pid_t pid)
{
    char from[64];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);

    (void)snprintf(from, sizeof(from), "/proc/%d/ns/net", (int)pid);
    if (fd >= 0) {
        close(fd);
        if (mount(from, path, NULL, MS_BIND, NULL) == 0)
            return true;
        (void)unlink(path);
    }
    say("--netns %s: %s; to join the namespace: nsenter -t %d -U -n "
        "--preserve-credentials",
        path, strerror(errno), (int)pid);
    return false;
}

static void netns_forget(const char *path)
{
    (void)umount2(path, MNT_DETACH);
    (void)unlink(path);
}

/* ---- the keeper ---- */

/* The command's state has changed, or that of what it left. Returns true when
 * the command has ended, with *status. */
static bool children_look(int sock, pid_t command, int *status)
{
    pid_t pid;

    while ((pid = waitpid(-1, status, WNOHANG | WUNTRACED)) > 0) {
        if (pid != command)
            continue;
        if (!WIFSTOPPED(*status))
            return true;
        (void)word_send(sock, KEEPER_STOPPED, WSTOPSIG(*status));
    }
    return false;
}

/* Until the command has ended, or no process waits for it any more. */
static void keeper_keep(int sock, pid_t command)
{
    struct pollfd fds[2] = {{.fd = sock, .events = POLLIN}, {.events = POLLIN}};
    struct signalfd_siginfo info;
    struct keeper_word word;
    sigset_t chld;
    int status = 0;

    (void)sigemptyset(&chld);
    (void)sigaddset(&chld, SIGCHLD);
    fds[1].fd = signalfd(-1, &chld, SFD_CLOEXEC);
    while (poll(fds, 2, -1) >= 0 || errno == EINTR) {
        if (fds[1].revents) {
            (void)!read(fds[1].fd, &info, sizeof(info));
            if (children_look(sock, command, &status)) {
                tree_kill(0);
                (void)word_send(sock, KEEPER_ENDED, status);
                return;
            }
        }
        if (fds[0].revents) {
            if (recv(sock, &word, sizeof(word), 0) != sizeof(word))
                return;
            (void)kill(command, word.value);
        }
    }
}

static void keeper_main(int sock, const struct box *outer)
{
    const char *netns = outer->options->netns;
    struct box box = *outer;
    bool named = false;
    int pair[2];
    pid_t command;

    box.parent = getpid();
    tree_adopt();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return;
    command = fork();
    if (command == 0) {
        close(sock);
        close(pair[0]);
        box.keeper = pair[1];
        box_main(&box);
    }
    close(pair[1]);
    close(box.device);
    if (command > 0 && box_map(pair[0], command, box.options->root) == 0)
        named = netns && netns_name(netns, command);
    close(pair[0]);
    if (command > 0)
        keeper_keep(sock, command);
    tree_kill(0);
    if (named)
        netns_forget(netns);
}

int keeper_start(struct keeper *keeper, const struct box *box)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return -errno;
    keeper->pid = fork();
    if (keeper->pid == 0) {
        close(pair[0]);
        keeper_main(pair[1], box);
        _exit(0);
    }
    close(pair[1]);
    keeper->sock = pair[0];
    if (keeper->pid > 0)
        return 0;
    close(pair[0]);
    return -errno;
}

void keeper_signal(const struct keeper *keeper, int sig)
{
    (void)word_send(keeper->sock, KEEPER_SIGNAL, sig);
}

bool keeper_hear(const struct keeper *keeper, struct keeper_word *word)
{
    return recv(keeper->sock, word, sizeof(*word), 0) == sizeof(*word);
}

void keeper_stop(struct keeper *keeper)
{
    close(keeper->sock);
    while (waitpid(keeper->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    keeper->pid = 0;
}
