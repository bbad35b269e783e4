/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/e2e/vm.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define COMMAND_MAX 1024

bool vm_prepare(const char *folder)
{
    char command[COMMAND_MAX];
    int status;

    (void)snprintf(command, sizeof(command), "%s/tests/e2e/vm.sh %s",
                   GN_SOURCE_DIR, folder);
    status = system(command);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        return false;
    assert_int_equal(status, 0);
    return true;
}

/* ---- life ---- */

static const char *qemu(void)
{
    const char *given = getenv("GN_QEMU");

    return given ? given : "qemu-system-x86_64";
}

static bool knows_reconnect_ms(char *version, size_t cap)
{
    unsigned major = 0, minor = 0;
    char command[COMMAND_MAX];
    FILE *pipe;

    (void)snprintf(command, sizeof(command), "'%s' --version", qemu());
    pipe = popen(command, "r");
    assert_non_null(pipe);
    version[0] = 0;
    if (fgets(version, (int)cap, pipe))
        version[strcspn(version, "\n")] = 0;
    (void)pclose(pipe);
    (void)sscanf(version, "QEMU emulator version %u.%u", &major, &minor);
    return major > 9 || (major == 9 && minor >= 2);
}

bool vm_reconnects(void)
{
    char version[128];
    bool knows = knows_reconnect_ms(version, sizeof(version));

    if (!knows)
        printf("skipped: %s does not know reconnect-ms\n", version);
    return knows;
}

static void vm_exec(const char *folder, const char *path, const char *mac)
{
    char kernel[256], initrd[256], netdev[256], device[256], version[128];
    bool reconnects = knows_reconnect_ms(version, sizeof(version));

    (void)snprintf(kernel, sizeof(kernel), "%s/vmlinuz", folder);
    (void)snprintf(initrd, sizeof(initrd), "%s/initrd", folder);
    (void)snprintf(netdev, sizeof(netdev),
                   "stream,id=n0,server=off,addr.type=unix,addr.path=%s%s",
                   path, reconnects ? ",reconnect-ms=500" : "");
    (void)snprintf(device, sizeof(device),
                   "virtio-net-pci,netdev=n0,romfile=%s%s", mac ? ",mac=" : "",
                   mac ? mac : "");
    execlp(qemu(), qemu(), "-accel", "tcg", "-m", "320", "-display", "none",
           "-serial", "stdio", "-monitor", "none", "-no-reboot", "-nodefaults",
           "-kernel", kernel, "-initrd", initrd, "-append",
           "console=ttyS0 quiet panic=-1 no_timer_check", "-netdev", netdev,
           "-device", device, (char *)NULL);
    _exit(127);
}

void vm_start(struct vm *vm, const char *name, const char *folder,
              const char *path, const char *mac)
{
    int in[2], out[2];

    (void)signal(SIGPIPE, SIG_IGN); /* Its console says why. */
    memset(vm, 0, sizeof(*vm));
    vm->name = name;
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    vm->pid = fork();
    assert_true(vm->pid >= 0);
    if (vm->pid == 0) {
        (void)signal(SIGPIPE, SIG_DFL);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* Also of a test that fails. */
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        vm_exec(folder, path, mac);
    }
    close(in[0]);
    close(out[1]);
    vm->in = in[1];
    vm->out = out[0];
}

void vm_kill(struct vm *vm)
{
    if (vm->pid <= 0)
        return;
    kill(vm->pid, SIGKILL);
    waitpid(vm->pid, NULL, 0);
    close(vm->in);
    close(vm->out);
    vm->pid = 0;
}

/* ---- the console ---- */

static time_t now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* Some more of the console; the test fails after @until. */
static void console_read(struct vm *vm, time_t until)
{
    struct pollfd fd = {.fd = vm->out, .events = POLLIN};
    time_t left = until - now_s();
    ssize_t n = 0;

    if (left > 0 && poll(&fd, 1, (int)left * 1000) == 1)
        n = read(vm->out, vm->text + vm->len, sizeof(vm->text) - 1 - vm->len);
    if (n <= 0)
        fail_msg("machine %s: %s; its console: %s", vm->name,
                 left > 0 ? "gone" : "silent for too long", vm->text);
    vm->len += (size_t)n;
    vm->text[vm->len] = 0;
    if (vm->len > sizeof(vm->text) / 2 && !strchr(vm->text, '#')) {
        vm->len = 0; /* Nothing anyone waits for. */
        vm->text[0] = 0;
    }
}

/* Wait for @mark; what stood before it is in @out. */
static void console_until(struct vm *vm, const char *mark, char *out,
                          size_t cap)
{
    time_t until = now_s() + VM_PATIENCE_S;
    const char *found;
    size_t len;

    while (!(found = strstr(vm->text, mark)))
        console_read(vm, until);
    len = (size_t)(found - vm->text);
    if (out)
        (void)snprintf(out, cap, "%.*s", (int)len, vm->text);
    len += strlen(mark);
    memmove(vm->text, vm->text + len, vm->len - len + 1);
    vm->len -= len;
}

void vm_wait_up(struct vm *vm)
{
    console_until(vm, "#up#", NULL, 0);
}

/* The machine, whose console is read no more, said why it went. */
static void console_write(struct vm *vm, const char *line, size_t len)
{
    time_t until = now_s() + VM_PATIENCE_S;

    if (write(vm->in, line, len) == (ssize_t)len)
        return;
    for (;;)
        console_read(vm, until); /* It fails. */
}

int vm_run(struct vm *vm, char *out, size_t cap, const char *command)
{
    char line[COMMAND_MAX], status[16];
    int len = snprintf(line, sizeof(line), "%s; echo \"#$?#end#\"\n", command);

    assert_true(len < (int)sizeof(line));
    console_until(vm, "", NULL, 0);
    console_write(vm, line, (size_t)len);
    console_until(vm, "#", out, cap);
    console_until(vm, "#end#", status, sizeof(status));
    return atoi(status);
}

void vm_must(struct vm *vm, const char *command)
{
    char out[4096];
    int status = vm_run(vm, out, sizeof(out), command);

    if (status)
        fail_msg("machine %s: %s: exit status %d: %s", vm->name, command,
                 status, out);
}

void vm_must_say(struct vm *vm, const char *command, const char *what)
{
    char out[4096];
    int status = vm_run(vm, out, sizeof(out), command);

    if (status || !strstr(out, what))
        fail_msg("machine %s: %s: exit status %d and not \"%s\": %s", vm->name,
                 command, status, what, out);
}
