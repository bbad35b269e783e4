/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/nameserver.h"

#include "tests/lib/program.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define START_MS 10000

static void write_config(const struct gn_test_nameserver *server,
                         const char *path, const char *config, unsigned port)
{
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    for (; *config; config++) {
        if (strncmp(config, "%u", 2) == 0)
            fprintf(out, "%u", port), config++;
        else if (strncmp(config, "%s", 2) == 0)
            fputs(server->log, out), config++;
        else
            fputc(*config, out);
    }
    fclose(out);
}

/* The child. What it says to its terminal is not read. */
static void become(const char *program, const char *path, const char *log)
{
    char conf[80], searched[512];
    int null = open("/dev/null", O_RDWR);
    int errors = open(log, O_WRONLY | O_CREAT | O_APPEND, 0666);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(null, 0);
    dup2(errors, 1);
    dup2(errors, 2);
    snprintf(searched, sizeof(searched), "%s:/usr/sbin:/sbin",
             getenv("PATH") ? getenv("PATH") : "/usr/bin");
    setenv("PATH", searched, 1);
    if (strcmp(program, "dnsmasq") == 0) {
        snprintf(conf, sizeof(conf), "--conf-file=%s", path);
        execlp(program, program, "--keep-in-foreground", "--pid-file", conf,
               (char *)NULL);
    } else {
        execlp(program, program, "-d", "-c", path, (char *)NULL);
    }
    _exit(127);
}

/* Does it answer? Any question will do. */
static bool answers(unsigned port)
{
    static const char question[] = "\0\1\1\0\0\1\0\0\0\0\0\0\0\0\1\0\1";
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    char buf[512];
    bool is = false;

    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
        send(fd, question, sizeof(question) - 1, 0) > 0 &&
        poll(&ready, 1, 100) > 0)
        is = recv(fd, buf, sizeof(buf), 0) > 0;
    close(fd);
    return is;
}

static bool wait_for(struct gn_test_nameserver *server, unsigned port)
{
    int waited;

    for (waited = 0; waited < START_MS; waited += 50) {
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
            server->pid = 0;
            return false;
        }
        if (answers(port))
            return true;
        poll(NULL, 0, 50);
    }
    return false;
}

bool gn_test_nameserver_start(struct gn_test_nameserver *server,
                              const char *program, const char *config)
{
    unsigned port = gn_program_port();
    char path[64];

    snprintf(server->folder, sizeof(server->folder), "/tmp/guestnet-XXXXXX");
    assert_non_null(mkdtemp(server->folder));
    snprintf(path, sizeof(path), "%s/conf", server->folder);
    snprintf(server->log, sizeof(server->log), "%s/log", server->folder);
    snprintf(server->address, sizeof(server->address), "127.0.0.1:%u", port);
    write_config(server, path, config, port);
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0)
        become(program, path, server->log);
    if (wait_for(server, port))
        return true;
    printf("skipped: %s does not start here\n", program);
    gn_test_nameserver_stop(server);
    return false;
}

void gn_test_nameserver_stop(struct gn_test_nameserver *server)
{
    char path[64];

    if (server->pid > 0) {
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
        server->pid = 0;
    }
    snprintf(path, sizeof(path), "%s/conf", server->folder);
    unlink(path);
    unlink(server->log);
    rmdir(server->folder);
}

unsigned gn_test_nameserver_logged(const struct gn_test_nameserver *server,
                                   const char *text)
{
    FILE *in = fopen(server->log, "r");
    char line[1024];
    unsigned n = 0;

    while (in && fgets(line, sizeof(line), in))
        n += strstr(line, text) != NULL;
    if (in)
        fclose(in);
    return n;
}
