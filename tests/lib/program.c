/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/program.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

extern char **environ;

#define PATIENCE_S 30

void gn_programs_init(struct gn_programs *programs)
{
    memset(programs, 0, sizeof(*programs));
    (void)snprintf(programs->folder, sizeof(programs->folder),
                   "/tmp/guestnet-test-XXXXXX");
    assert_non_null(mkdtemp(programs->folder));
}

void gn_programs_done(struct gn_programs *programs)
{
    while (programs->n_pids > 0) {
        pid_t pid = programs->pids[--programs->n_pids];

        kill(pid, SIGTERM);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
    }
    (void)gn_program_run(NULL, 0, "rm -rf %s", programs->folder);
}

bool gn_program_is_there(const char *name)
{
    char command[128];

    (void)snprintf(command, sizeof(command),
                   "PATH=$PATH:/usr/sbin command -v %s >/dev/null", name);
    if (system(command) == 0)
        return true;
    print_message("skipped: %s is not installed\n", name);
    return false;
}

void gn_program_need(const char *name)
{
    if (!gn_program_is_there(name))
        skip();
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static bool is_free(int type, uint16_t port)
{
    struct sockaddr_in addr = loopback(port);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    int err = bind(fd, (struct sockaddr *)&addr, sizeof(addr));

    close(fd);
    return err == 0;
}

/* Below those that the kernel gives out by itself, which other tests that run
 * now would be given in between. */
uint16_t gn_program_port(void)
{
    static unsigned last;
    unsigned n;

    if (!last)
        last = (unsigned)getpid() * 7919u;
    for (n = 0; n < 1000; n++) {
        uint16_t port = (uint16_t)(16384 + ++last % 16384);

        if (is_free(SOCK_STREAM, port) && is_free(SOCK_DGRAM, port))
            return port;
    }
    fail_msg("no port is free");
    return 0;
}

void gn_program_file(const struct gn_programs *programs, const char *name,
                     const void *data, size_t len, char *path)
{
    FILE *file;

    (void)snprintf(path, 128, "%s/%s", programs->folder, name);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static bool answers(uint16_t port)
{
    struct sockaddr_in addr = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int err = connect(fd, (struct sockaddr *)&addr, sizeof(addr));

    close(fd);
    return err == 0;
}

/* Nothing tells when a server listens, so it is tried again and again; that it
 * has ended is told at once. */
static void await(pid_t pid, uint16_t port, const char *log)
{
    struct pollfd end = {.fd = (int)syscall(SYS_pidfd_open, pid, 0),
                         .events = POLLIN};
    char text[2000] = "";
    int n = PATIENCE_S * 100;

    while (!answers(port)) {
        if (--n == 0 || poll(&end, 1, 10) == 1) {
            (void)gn_program_run(text, sizeof(text), "cat %s", log);
            fail_msg("a server does not answer: %s", text);
        }
    }
    if (end.fd >= 0)
        close(end.fd);
}

void gn_program_start(struct gn_programs *programs, uint16_t port,
                      const char *const *argv)
{
    posix_spawn_file_actions_t actions;
    char log[128];
    pid_t pid;

    assert_true(programs->n_pids <
                sizeof(programs->pids) / sizeof(*programs->pids));
    (void)snprintf(log, sizeof(log), "%s/log-%u", programs->folder,
                   programs->n_pids);
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(
                         &actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0600),
                     0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, 1, 2), 0);
    assert_int_equal(
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0),
        0);
    /* What it is given is not written to. */
    assert_int_equal(posix_spawnp(&pid, argv[0], &actions, NULL,
                                  (char *const *)(uintptr_t)argv, environ),
                     0);
    (void)posix_spawn_file_actions_destroy(&actions);
    programs->pids[programs->n_pids++] = pid;
    await(pid, port, log);
}

size_t gn_program_run(char *out, size_t cap, const char *format, ...)
{
    char command[1024], rest[4096];
    size_t n, len = 0;
    va_list args;
    int status;
    FILE *pipe;

    va_start(args, format);
    assert_in_range(vsnprintf(command, sizeof(command), format, args), 1,
                    sizeof(command) - 1);
    va_end(args);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    while (cap > len + 1 && (n = fread(out + len, 1, cap - 1 - len, pipe)) > 0)
        len += n;
    while (fread(rest, 1, sizeof(rest), pipe) > 0)
        continue;
    if (cap > 0)
        out[len] = '\0';
    status = pclose(pipe);
    if (status != 0)
        fail_msg("%s: status %d: %s", command, status, cap > 0 ? out : "");
    return len;
}
