/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a network process that was broken into may still do: in a process of its
 * own, as there is no way out of the sandbox.
 */
#include "cli/net/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* It says what it could, or could not, and goes on. */
static int wrong;

static void expect(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "not true: %s\n", what);
    wrong = 1;
}
#define EXPECT(condition) expect(condition, #condition)

static int pair_of(int family, int type)
{
    int pair[2];

    return socketpair(family, type | SOCK_CLOEXEC, 0, pair) ? -errno : 0;
}

static void sockets_look(void)
{
    EXPECT(socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == ENOSYS);
    EXPECT(socket(AF_UNIX, SOCK_DGRAM, 0) < 0 && errno == ENOSYS);
    EXPECT(socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == ENOSYS);
    EXPECT(socket(AF_INET, SOCK_STREAM, 0) >= 0);
    EXPECT(pair_of(AF_UNIX, SOCK_STREAM) == 0);
    /* Either could be connected to any socket that is bound. */
    EXPECT(pair_of(AF_UNIX, SOCK_DGRAM) == -ENOSYS);
    EXPECT(pair_of(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK) == -ENOSYS);
    EXPECT(pair_of(AF_UNIX, SOCK_SEQPACKET) == -ENOSYS);
}

static void calls_look(void)
{
    char *const none[] = {NULL};

    EXPECT(execve("/bin/true", none, none) < 0 && errno == ENOSYS);
    EXPECT(syscall(SYS_ptrace, 0, 0, 0, 0) < 0 && errno == ENOSYS);
    EXPECT(syscall(SYS_unshare, 0) < 0 && errno == ENOSYS);
    EXPECT(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0) == MAP_FAILED);
}

static int look(void)
{
    char why[400] = "";

    EXPECT(sandbox_begin(why, sizeof(why)) == 0);
    EXPECT(syscall(SYS_io_uring_setup, 1, NULL) < 0 && errno == ENOSYS);
    EXPECT(sandbox_enter(NULL, why, sizeof(why)) == 0);
    if (why[0])
        fprintf(stderr, "%s\n", why);
    sockets_look();
    calls_look();
    return wrong;
}

int main(void)
{
    pid_t pid = GN_CLI_SECCOMP ? fork() : -1;
    int status;

    if (!GN_CLI_SECCOMP) {
        puts("skipped: built without libseccomp");
        return 77;
    }
    if (pid == 0)
        _exit(look());
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
