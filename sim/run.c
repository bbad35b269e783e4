/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Running a clock until its tasks have ended, and saying why it stopped when
 * they have not.
 *
 * The digest is a SipHash of 128 bits: of the time of each turn, of each packet
 * that a switch hands out (time, length and the bytes of its headers), and of
 * each line of gn_sim_log(). None of these depends on addresses in memory, on
 * the compiler or on the machine.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "base/units.h"
#include "sim/clock.h"
#include "sim/sim.h"
#include "sim/task.h"

/** Header bytes of a packet that the digest looks at. */
#define DIGEST_HEAD 60u

/* ---- the digest ---- */

static void digest_packet(struct gn__capture_hook *hook,
                          const struct gn__packet *packet)
{
    struct gn_clock *clock =
        gn__container_of(hook, struct gn__run_hook, hook)->clock;
    struct gn__sipsum *digest = &clock->run.digest;
    size_t n = packet->head_len < DIGEST_HEAD ? packet->head_len : DIGEST_HEAD;

    gn__sipsum_add(digest, clock->now);
    gn__sipsum_add(digest, packet->len | (uint64_t)packet->corrupt << 32 |
                               (uint64_t)n << 48);
    gn__sipsum_add_bytes(digest, packet->head, n);
}

static struct gn__run_hook *last_hook(struct gn_clock *clock)
{
    return gn__container_of(gn__list_last(&clock->run.hooks),
                            struct gn__run_hook, link);
}

int gn__run_hook_add(struct gn_clock *clock)
{
    struct gn__run_hook *hook = gn__zalloc(&clock->mem, sizeof(*hook));

    if (!hook)
        return -ENOMEM;
    hook->clock = clock;
    hook->hook.seen = digest_packet;
    gn__list_add_tail(&clock->run.hooks, &hook->link);
    return 0;
}

void gn__run_hook_drop(struct gn_clock *clock)
{
    struct gn__run_hook *hook = last_hook(clock);

    gn__list_del(&hook->link);
    gn__free(&clock->mem, hook, sizeof(*hook));
}

void gn__run_hook_start(struct gn_clock *clock, struct gn_network *net)
{
    gn__engine_enter(clock->engine);
    gn__capture_hook_start(net, NULL, &last_hook(clock)->hook);
    gn__engine_leave(clock->engine);
}

/* ---- life ---- */

void gn__run_init(struct gn__run *run, uint64_t still_max)
{
    const uint64_t key[2] = {0, 0};

    memset(run, 0, sizeof(*run));
    gn__sipsum_init(&run->digest, key);
    run->still_max = still_max;
    gn__list_init(&run->hooks);
}

void gn__run_done(struct gn_clock *clock)
{
    struct gn__list *it;

    while ((it = gn__list_pop(&clock->run.hooks)))
        gn__free(&clock->mem, gn__container_of(it, struct gn__run_hook, link),
                 sizeof(struct gn__run_hook));
}

/* ---- how it ends ---- */

/* The first reason counts. */
static void run_end_by(struct gn__run *run, enum gn_sim_end end,
                       const char *format, va_list args)
{
    if (run->end)
        return;
    run->end = end;
    (void)vsnprintf(run->text, sizeof(run->text), format, args);
}

static void run_end(struct gn__run *run, enum gn_sim_end end,
                    const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void run_end(struct gn__run *run, enum gn_sim_end end,
                    const char *format, ...)
{
    va_list args;

    va_start(args, format);
    run_end_by(run, end, format, args);
    va_end(args);
}

void gn__run_fail(struct gn_clock *clock, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    run_end_by(&clock->run, GN_SIM_FAILED, format, args);
    va_end(args);
}

static void task_title(const struct gn_task *task, char *out, size_t cap)
{
    const char *guest = gn_namespace_name(task->ns);

    (void)snprintf(out, cap, "%s%s%s", guest, *guest ? "/" : "", task->name);
}

static bool sock_addr(int (*get)(struct gn_sock *, struct sockaddr *,
                                 socklen_t *),
                      struct gn_sock *sock, char out[GN_ADDR_TEXT_MAX])
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);

    return !get(sock, (struct sockaddr *)&ss, &len) &&
           !gn_addr_format((struct sockaddr *)&ss, out, GN_ADDR_TEXT_MAX);
}

/* Is it there still? The task that had a mutex may have ended. */
static bool is_task_of(const struct gn_clock *clock, const struct gn_task *task)
{
    struct gn__list *it;

    gn__list_foreach (it, &clock->sched.all) {
        if (it == &task->as.coroutine.of_sched)
            return true;
    }
    return false;
}

/* " at 10.77.0.2:80", ", 10.77.0.2:80 to 10.77.0.3:40000" */
static void describe_sock(struct gn_sock *sock, char *out, size_t cap)
{
    char local[GN_ADDR_TEXT_MAX], peer[GN_ADDR_TEXT_MAX];

    out[0] = '\0';
    if (!sock_addr(gn_sock_name, sock, local))
        return;
    if (sock_addr(gn_sock_peer, sock, peer))
        (void)snprintf(out, cap, ", %s to %s", local, peer);
    else
        (void)snprintf(out, cap, " at %s", local);
}

/* " for n1/task2", ", which n1/task2 has" */
static void describe_what(const struct gn_clock *clock,
                          struct gn__waiter *waiter, char *out, size_t cap)
{
    const struct gn_task *other = gn__task_joined(waiter);
    char title[128] = "a task that has ended";

    out[0] = '\0';
    if (waiter->sock) {
        describe_sock(waiter->sock, out, cap);
    } else if (other) {
        task_title(other, title, sizeof(title));
        (void)snprintf(out, cap, " for %s", title);
    } else if (gn__mutex_is_awaited(waiter, &other) && other) {
        if (is_task_of(clock, other))
            task_title(other, title, sizeof(title));
        (void)snprintf(out, cap, ", which %s has", title);
    }
}

/* "n1/task1 waits in accept at 10.77.0.2:80" */
static size_t describe_wait(const struct gn_clock *clock,
                            const struct gn_task *task, char *out, size_t cap)
{
    struct gn__parker *parker = task->as.coroutine.parker;
    struct gn__waiter *waiter;
    char title[128], what[192];
    int n;

    if (!parker)
        return 0;
    waiter = gn__container_of(parker, struct gn__waiter, parker);
    task_title(task, title, sizeof(title));
    describe_what(clock, waiter, what, sizeof(what));
    n = snprintf(out, cap, "%s waits in %s%s", title, waiter->call, what);
    return n < 0 ? 0 : (size_t)n < cap ? (size_t)n : cap - 1;
}

static void end_deadlocked(struct gn_clock *clock)
{
    struct gn__run *run = &clock->run;
    struct gn__list *it;
    size_t at = 0;

    run->end = GN_SIM_DEADLOCK;
    run->text[0] = '\0';
    gn__list_foreach (it, &clock->sched.all) {
        const struct gn_task *task =
            gn__task_of(gn__container_of(it, struct gn__coroutine, of_sched));

        if (at && at + 2 < sizeof(run->text))
            run->text[at++] = '\n';
        run->text[at] = '\0';
        at +=
            describe_wait(clock, task, run->text + at, sizeof(run->text) - at);
    }
}

static void end_overrun(struct gn_clock *clock)
{
    const struct gn_task *task = gn__task_of(clock->sched.overrun);
    char title[128];

    task_title(task, title, sizeof(title));
    run_end(&clock->run, GN_SIM_FAILED,
            "%s has used more than the %zu bytes of its stack; see stack_bytes",
            title, clock->sched.overrun->fiber.stack.size);
}

/* ---- time that stands still ---- */

/* Apart, so that what is usual needs no stack. */
__attribute__((noinline)) static void end_still(struct gn_clock *clock)
{
    struct gn__run *run = &clock->run;
    char title[128] = "no task";

    if (clock->sched.running)
        task_title(gn__task_of(clock->sched.running), title, sizeof(title));
    run_end(run, GN_SIM_LIVELOCK, "%s: time stands still after %llu calls",
            title, (unsigned long long)run->still_max);
    if (clock->sched.running)
        gn__cosched_give_up(&clock->sched);
}

void gn__run_entered(struct gn_clock *clock)
{
    struct gn__run *run = &clock->run;

    if (run->active && ++run->still > run->still_max)
        end_still(clock);
}

void gn__run_turn(struct gn_clock *clock, uint64_t now)
{
    struct gn__run *run = &clock->run;

    if (now > clock->now)
        run->still = 0;
    run->events++;
    gn__sipsum_add(&run->digest, now);
}

/* ---- a stack that was left ---- */

void gn__run_check_left(void)
{
    struct gn__coroutine *left = gn__cosched_left();
    char title[128];

    if (!left)
        return;
    task_title(gn__task_of(left), title, sizeof(title));
    (void)fprintf(stderr,
                  "guestnet: %s has left its function by longjmp(); say "
                  "gn_sim_fail() there, or return\n",
                  title);
    abort();
}

/* ---- the run ---- */

static enum gn_sim_end run_look(struct gn_clock *clock, uint64_t next,
                                uint64_t until_ns)
{
    struct gn__run *run = &clock->run;

    if (clock->sched.overrun)
        end_overrun(clock);
    if (run->end)
        return run->end;
    if (!clock->n_tasks && !clock->n_awaited)
        return run->end = GN_SIM_DONE;
    if (next == UINT64_MAX)
        end_deadlocked(clock);
    else if (next > until_ns) {
        run->end = GN_SIM_DEADLINE;
        if (clock->now < until_ns)
            clock->now = until_ns;
    }
    return run->end;
}

static void run_report(const struct gn_clock *clock,
                       struct gn_sim_report *report)
{
    const struct gn__run *run = &clock->run;
    uint64_t sum[2];
    size_t i;

    gn__sipsum_get(&run->digest, sum);
    report->end = run->end;
    report->now_ns = clock->now;
    report->events = run->events;
    report->switches = clock->sched.n_switches;
    for (i = 0; i < sizeof(report->digest); i++)
        report->digest[i] = (uint8_t)(sum[i / 8] >> (i % 8 * 8));
    memcpy(report->text, run->text, sizeof(report->text));
}

int gn_clock_run(struct gn_clock *clock, uint64_t until_ns,
                 struct gn_sim_report *report)
{
    struct gn__engine *engine;
    uint64_t next;

    if (!clock || (report && report->size != sizeof(*report)))
        return -EINVAL;
    gn__run_check_left();
    if (gn__cosched_current() || clock->run.active)
        return -EDEADLK;
    engine = clock->engine;
    gn__engine_ref(engine);
    clock->run.active = true;
    clock->run.end = GN_SIM_RUNNING;
    clock->run.text[0] = '\0';
    clock->run.still = 0;
    for (;;) {
        next = gn_clock_next_ns(clock);
        if (run_look(clock, next, until_ns) != GN_SIM_RUNNING)
            break;
        gn__clock_run_next(clock, next);
    }
    clock->run.active = false;
    if (report)
        run_report(clock, report);
    gn__engine_unref(engine);
    return 0;
}

/* ---- what tasks say ---- */

static _Thread_local void (*on_fail)(const char *text);

void gn__sim_on_fail(void (*fail)(const char *text))
{
    on_fail = fail;
}

static struct gn_clock *clock_of_caller(void)
{
    const struct gn_task *task = gn__task_current();

    return task ? task->clock : NULL;
}

/* "12.003400000 n1/task1 ..." into the digest and to the log. */
static void run_say(struct gn_clock *clock, const char *who, const char *format,
                    va_list args)
{
    char line[512];
    int n = snprintf(line, sizeof(line), "%llu.%09llu %s ",
                     (unsigned long long)(clock->now / GN__NS_PER_S),
                     (unsigned long long)(clock->now % GN__NS_PER_S), who);

    (void)vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
    gn__sipsum_add(&clock->run.digest, strlen(line));
    gn__sipsum_add_bytes(&clock->run.digest, line, strlen(line));
    if (clock->log)
        clock->log(line, clock->log_arg);
}

void gn__run_note(struct gn_clock *clock, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    run_say(clock, "plan", format, args);
    va_end(args);
}

void gn_sim_log(const char *format, ...)
{
    struct gn_clock *clock = clock_of_caller();
    char title[128];
    va_list args;

    if (!clock || !format)
        return;
    gn__run_entered(clock);
    task_title(gn__task_current(), title, sizeof(title));
    va_start(args, format);
    run_say(clock, title, format, args);
    va_end(args);
}

void gn_sim_fail(const char *format, ...)
{
    struct gn_clock *clock = clock_of_caller();
    char text[512], title[128];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (!clock && on_fail)
        on_fail(text);
    if (!clock) {
        (void)fprintf(stderr, "gn_sim_fail: %s\n", text);
        abort();
    }
    task_title(gn__task_current(), title, sizeof(title));
    run_end(&clock->run, GN_SIM_FAILED, "%s: %s", title, text);
    gn__cosched_give_up(&clock->sched);
}
