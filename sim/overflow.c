/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A task that uses more than its stack meets the page behind it, and dies of a
 * signal that says nothing. Handled on a stack of its own, the signal has the
 * address of the page, and so the task. What is done then has to be
 * async-signal-safe; the signal goes on to the handler that was there before.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <guestnet/namespace.h>

#include "sim/cosched.h"
#include "sim/sim.h"
#include "sim/task.h"

/** Below a stack, what an overrun of it may touch first. */
#define BEYOND 65536u

#define STACK_BYTES 65536u

static struct {
    struct sigaction segv, bus;
    bool caught;
    char *note;
    size_t note_cap;
    char stack[STACK_BYTES];
} before;

static size_t overflow_put(char *out, size_t at, size_t cap, const char *text)
{
    for (; *text && at + 1 < cap; text++)
        out[at++] = *text;
    out[at] = '\0';
    return at;
}

static size_t put_number(char *out, size_t at, size_t cap, size_t number)
{
    char digits[24];
    size_t i = sizeof(digits) - 1;

    digits[i] = '\0';
    do
        digits[--i] = (char)('0' + number % 10);
    while (number /= 10);
    return overflow_put(out, at, cap, digits + i);
}

static size_t overflow_describe(const struct gn_task *task, char *out,
                                size_t cap)
{
    const char *guest = gn_namespace_name(task->ns);
    size_t at = overflow_put(out, 0, cap, guest);

    at = overflow_put(out, at, cap, *guest ? "/" : "");
    at = overflow_put(out, at, cap, task->name);
    at = overflow_put(out, at, cap, " has used more than the ");
    at = put_number(out, at, cap, task->as.coroutine.fiber.stack.size);
    return overflow_put(out, at, cap, " bytes of its stack; see stack_bytes");
}

static bool is_overrun(const struct gn__coroutine *coroutine, const void *addr)
{
    uintptr_t low, at = (uintptr_t)addr;

    if (!coroutine)
        return false;
    low = (uintptr_t)coroutine->fiber.stack.low;
    return at < low && at >= low - BEYOND;
}

static void overflow_handle(int sig, siginfo_t *info, void *context)
{
    struct gn__coroutine *coroutine = gn__cosched_current();
    char text[256];
    ssize_t written;
    size_t len;

    (void)context;
    if (is_overrun(coroutine, info->si_addr)) {
        len = overflow_describe(gn__task_of(coroutine), text, sizeof(text) - 1);
        if (before.note)
            (void)overflow_put(before.note, 0, before.note_cap, text);
        text[len++] = '\n';
        written = write(STDERR_FILENO, text, len);
        (void)written;
    }
    /* The instruction is tried again, and meets the handler that was before. */
    (void)sigaction(sig, sig == SIGBUS ? &before.bus : &before.segv, NULL);
}

int gn__sim_catch_overflow(char *note, size_t cap)
{
    stack_t stack = {.ss_sp = before.stack, .ss_size = sizeof(before.stack)};
    struct sigaction action = {.sa_sigaction = overflow_handle,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t old;

    before.note = note;
    before.note_cap = cap;
    if (before.caught)
        return 0;
    (void)sigemptyset(&action.sa_mask);
    if (sigaltstack(NULL, &old))
        return -errno;
    if ((old.ss_flags & SS_DISABLE) && sigaltstack(&stack, NULL))
        return -errno;
    if (sigaction(SIGSEGV, &action, &before.segv) ||
        sigaction(SIGBUS, &action, &before.bus))
        return -errno;
    before.caught = true;
    return 0;
}

int gn_sim_catch_overflow(void)
{
    return gn__sim_catch_overflow(NULL, 0);
}
