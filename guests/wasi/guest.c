/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A guest, its calls, and the two ways in which a call waits.
 *
 *     idle --call--> trying --> done
 *                     |    ^
 *         GN__WASI_WAIT    |  blocking: the thread sleeps
 *                     v    |  pending: held, until gn_wasi_resume()
 *                    waiting
 *
 * A guest whose namespace was killed traps: were it given errors, it could go
 * on asking for ever.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "guests/wasi/names.h"
#include "guests/wasi/shape.h"
#include "guests/wasi/wait.h"
#include "guests/wasi/wasi.h"

#define HANDLES_DEFAULT 1024u
#define HANDLES_LEAST   3u /* the standard streams */
#define HANDLES_MOST    65536u

/* ---- making and ending one ---- */

static void strings_free(const struct gn__mem *mem, char **list)
{
    size_t n = 0;

    if (!list)
        return;
    for (; list[n]; n++)
        gn__strfree(mem, list[n]);
    gn__free(mem, list, (n + 1) * sizeof(*list));
}

static char **strings_copy(const struct gn__mem *mem, const char *const *from)
{
    size_t n = 0;
    char **list;

    while (from && from[n])
        n++;
    list = gn__zalloc_array(mem, n + 1, sizeof(*list));
    for (size_t i = 0; list && i < n; i++) {
        list[i] = gn__strdup(mem, from[i]);
        if (!list[i]) {
            /* The list ends here, but has the size of all. */
            for (size_t k = 0; k < i; k++)
                gn__strfree(mem, list[k]);
            gn__free(mem, list, (n + 1) * sizeof(*list));
            return NULL;
        }
    }
    return list;
}

static int stdio_open(struct gn_wasi_guest *guest, const int fds[3])
{
    for (int i = 0; i < 3; i++) {
        int number = gn__wasi_handle_new(guest, GN__WASI_STDIO);

        if (number < 0)
            return number;
        guest->handles[number].fd = fds[i] ? fds[i] : i;
    }
    return 0;
}

static int guest_fill(struct gn_wasi_guest *guest,
                      const struct gn_wasi_config *config)
{
    const char *const only_name[] = {gn_namespace_name(guest->ns), NULL};

    guest->memory = config->memory;
    guest->realloc = config->realloc;
    guest->arg = config->arg;
    guest->max_handles =
        config->max_handles ? config->max_handles : HANDLES_DEFAULT;
    guest->args =
        strings_copy(&guest->mem, config->args ? config->args : only_name);
    guest->env = strings_copy(&guest->mem, config->env);
    if (config->pending)
        guest->watch = gn__wasi_watch_new(guest);
    if (!guest->args || !guest->env || (config->pending && !guest->watch))
        return -ENOMEM;
    return stdio_open(guest, config->stdio);
}

static bool handles_are_valid(uint32_t max)
{
    return !max || (max >= HANDLES_LEAST && max <= HANDLES_MOST);
}

int gn_wasi_create(struct gn_namespace *ns, const struct gn_wasi_config *config,
                   struct gn_wasi_guest **out)
{
    struct gn_wasi_guest *guest;
    struct gn__mem mem;
    int err;

    if (!ns || !config || !out || config->size != sizeof(*config) ||
        !config->memory || !handles_are_valid(config->max_handles))
        return -EINVAL;
    gn__mem_init(&mem, config->alloc);
    guest = gn__zalloc(&mem, sizeof(*guest));
    if (!guest)
        return -ENOMEM;
    gn__wasi_shapes_prepare();
    guest->mem = mem;
    guest->ns = ns;
    guest->call.guest = guest;
    err = guest_fill(guest, config);
    if (err) {
        gn_wasi_close(guest);
        return err;
    }
    *out = guest;
    return 0;
}

void gn_wasi_close(struct gn_wasi_guest *guest)
{
    struct gn__mem mem;

    if (!guest)
        return;
    gn__wasi_watch_end(guest->watch);
    gn__wasi_handles_done(guest);
    mem = guest->mem;
    strings_free(&mem, guest->args);
    strings_free(&mem, guest->env);
    gn__free(&mem, guest->scratch, guest->scratch_size);
    gn__free(&mem, guest, sizeof(*guest));
}

static int socket_take(struct gn_wasi_guest *guest, struct gn_sock *sock,
                       struct gn__wasi_sock **out)
{
    int family = AF_INET, type = SOCK_STREAM, nonblock;
    socklen_t len = sizeof(type);
    struct sockaddr_storage addr;
    struct gn__wasi_sock *taken;

    if (gn_sock_getopt(sock, SOL_SOCKET, SO_TYPE, &type, &len))
        type = SOCK_STREAM;
    len = sizeof(addr);
    if (!gn_sock_name(sock, (struct sockaddr *)&addr, &len))
        family = addr.ss_family;
    nonblock = gn_sock_nonblock(sock);
    taken = gn__wasi_sock_new(guest, sock, family, type);
    if (!taken)
        return -ENOMEM;
    taken->nonblock = nonblock == 1;
    gn_sock_set_nonblock(sock, true);
    *out = taken;
    return 0;
}

int gn_wasi_preopen(struct gn_wasi_guest *guest, struct gn_sock *sock)
{
    struct gn__wasi_sock *taken;
    int number, err;

    if (!guest || !sock)
        return -EINVAL;
    number = gn__wasi_handle_new(guest, GN__WASI_SOCKET);
    if (number < 0)
        return number;
    err = socket_take(guest, sock, &taken);
    if (err) {
        gn__wasi_handle_drop(guest, (uint32_t)number);
        return err;
    }
    guest->handles[number].of.sock = taken;
    return number;
}

int gn_wasi_stdio(struct gn_wasi_guest *guest, struct gn_sock *sock)
{
    struct gn__wasi_sock *taken;
    int err;

    if (!guest || !sock)
        return -EINVAL;
    err = socket_take(guest, sock, &taken);
    if (err)
        return err;
    for (uint32_t i = 0; i < 2; i++) {
        gn__wasi_handle_drop(guest, i);
        (void)gn__wasi_handle_new(guest, GN__WASI_SOCKET); /* i is free. */
        guest->handles[i].of.sock = gn__wasi_sock_ref(taken);
    }
    gn__wasi_sock_unref(taken);
    return 0;
}

int gn__wasi_trap(struct gn_wasi_guest *guest, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(guest->why, sizeof(guest->why), format, args);
    va_end(args);
    guest->ended = true;
    return GN__WASI_TRAP;
}

const char *gn_wasi_why(const struct gn_wasi_guest *guest)
{
    return guest ? guest->why : "";
}

void *gn__wasi_scratch(struct gn_wasi_guest *guest, size_t size)
{
    if (size > guest->scratch_size) {
        gn__free(&guest->mem, guest->scratch, guest->scratch_size);
        guest->scratch_size = 0;
        guest->scratch = gn__alloc(&guest->mem, size);
        if (!guest->scratch)
            return NULL;
        guest->scratch_size = size;
    }
    return guest->scratch;
}

/* ---- waiting ---- */

int gn__wasi_wait(struct gn__wasi_call *call)
{
    struct gn__wasi_waits *waits = &call->guest->waits;
    size_t i = 0;

    while (i < waits->n && !waits->fds[i].sock && waits->fds[i].fd < 0)
        i++;
    if (i == waits->n)
        waits->n = 0; /* A time only, or a lookup. */
    if (!call->began_ns)
        call->began_ns = gn_now_ns(call->guest->ns);
    return GN__WASI_WAIT;
}

int gn__wasi_wait_sock(struct gn__wasi_call *call, struct gn__wasi_sock *sock,
                       short events, uint64_t timeout_ns)
{
    struct gn__wasi_waits *waits = &call->guest->waits;

    waits->fds = waits->one;
    waits->n = 1;
    waits->one[0] = (struct gn_pollfd){sock->sock, -1, events, 0};
    waits->deadline_ns = GN__WASI_NEVER;
    (void)gn__wasi_wait(call);
    if (timeout_ns && timeout_ns < GN__WASI_NEVER - call->began_ns) {
        waits->deadline_ns = call->began_ns + timeout_ns;
        if (gn_now_ns(call->guest->ns) >= waits->deadline_ns)
            return -EAGAIN;
    }
    return GN__WASI_WAIT;
}

/* Until then, for gn_sock_poll(): rounded up, so that it is over after it. */
static int poll_timeout_ms(uint64_t deadline_ns, uint64_t now_ns)
{
    uint64_t ms;

    if (deadline_ns == GN__WASI_NEVER)
        return -1;
    if (deadline_ns <= now_ns)
        return 0;
    ms = (deadline_ns - now_ns) / 1000000 + 1;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

/* The blocking form: 0, or why it could not wait. */
static int thread_waits(struct gn_wasi_guest *guest)
{
    const struct gn__wasi_waits *waits = &guest->waits;
    uint64_t now = gn_now_ns(guest->ns);
    int n;

    if (waits->n == 0)
        return gn_sleep_ns(
            guest->ns, waits->deadline_ns > now ? waits->deadline_ns - now : 0);
    n = gn_sock_poll(waits->fds, waits->n,
                     poll_timeout_ms(waits->deadline_ns, now));
    return n < 0 ? n : 0;
}

/* ---- calls ---- */

static int trap_of(struct gn__wasi_call *call, int err)
{
    struct gn_wasi_guest *guest = call->guest;
    const char *name = call->row->name;

    switch (err) {
    case GN__WASI_TRAP:
        break;
    case -ECANCELED:
        gn__wasi_trap(guest, "%s: its namespace was killed", name);
        break;
    case -EDEADLK:
        gn__wasi_trap(guest, "%s would have to wait on the driving thread",
                      name);
        break;
    case -EFAULT:
        gn__wasi_trap(guest, "%s: an address outside of its memory", name);
        break;
    case -EBADF:
        gn__wasi_trap(guest, "%s: a handle that it does not have", name);
        break;
    default:
        gn__wasi_trap(guest, "%s: %s", name, gn_strerror(err));
    }
    return GN_WASI_TRAP;
}

static int call_end(struct gn__wasi_call *call, int err, uint64_t *result)
{
    struct gn_wasi_guest *guest = call->guest;

    if (err != GN__WASI_EXIT)
        return trap_of(call, err);
    guest->ended = true;
    *result = guest->status;
    return GN_WASI_EXIT;
}

/* One try: a result, or GN__WASI_WAIT and its like. */
static inline int call_try(struct gn__wasi_call *call)
{
    if (call->row->self) {
        call->self =
            gn__wasi_handle(call->guest, call->args[0], call->row->self);
        if (!call->self)
            return -EBADF;
    }
    return call->row->run(call);
}

static int call_misplaced(struct gn__wasi_call *call)
{
    return gn__wasi_trap(call->guest, "%s: its result does not go to %u",
                         call->row->name,
                         (uint32_t)call->args[call->shape->place]);
}

/* It has to wait: 0 when it may be tried again, GN__WASI_WAIT, or why it will
 * never be. */
static int call_wait(struct gn_wasi_guest *guest)
{
    if (!guest->watch)
        return thread_waits(guest);
    return gn__wasi_watch_is_over(guest->watch) ? -ECANCELED : GN__WASI_WAIT;
}

static int call_fail(struct gn__wasi_call *call, int err, uint64_t *result)
{
    if (err == GN__WASI_EXIT || err == GN__WASI_TRAP || err == -ECANCELED ||
        err == -EDEADLK)
        return call_end(call, err, result);
    if (!call->shape) {
        *result = gn__wasi_errno(err);
        return GN_WASI_OK;
    }
    err = gn__wasi_lower(call, err, result);
    return err ? trap_of(call, err) : GN_WASI_OK;
}

static inline int call_result(struct gn__wasi_call *call, int err,
                              uint64_t *result)
{
    if (err >= 0 && call->shape)
        err = gn__wasi_lower(call, err, result);
    else if (err >= 0)
        *result = 0;
    return err < 0 ? call_fail(call, err, result) : GN_WASI_OK;
}

/* It is tried again until it is done, or has to wait and may not. */
static int call_repeat(struct gn__wasi_call *call, uint64_t *result)
{
    int err;

    do {
        err = call_wait(call->guest);
        if (err == GN__WASI_WAIT)
            return GN_WASI_PENDING;
        if (err)
            return trap_of(call, err);
        gn__wasi_memory_forget(call->guest);
        err = call_try(call);
    } while (err == GN__WASI_WAIT);
    return call_result(call, err, result);
}

/* What the first try has given. */
static inline int call_finish(struct gn__wasi_call *call, int err,
                              uint64_t *result)
{
    return err == GN__WASI_WAIT ? call_repeat(call, result)
                                : call_result(call, err, result);
}

/* What it waits for is kept until gn_wasi_resume(). */
static void call_hold(struct gn_wasi_guest *guest)
{
    struct gn__wasi_call *call = &guest->call;

    memcpy(guest->call_args, call->args,
           gn__wasi_row_n_params(call->row) * sizeof(*call->args));
    call->args = guest->call_args;
    guest->held = true;
}

int gn_wasi_call(struct gn_wasi_guest *guest, int op, const uint64_t *args,
                 uint64_t *result)
{
    const struct gn__wasi_row *row = gn__wasi_row(op);
    struct gn__wasi_call *call;
    int err, status;

    if (!guest || !args || !result || !row || guest->ended)
        return GN_WASI_TRAP;
    if (guest->busy) {
        (void)gn__wasi_trap(guest, "%s within another call", row->name);
        return GN_WASI_TRAP;
    }
    guest->busy = true;
    gn__wasi_memory_forget(guest);
    call = &guest->call;
    call->row = row;
    call->shape = gn__wasi_row_is_0_2(row) ? gn__wasi_shape(op) : NULL;
    call->args = args;
    call->began_ns = 0;
    call->done = 0;
    err = call->shape && !gn__wasi_result_fits(call) ? call_misplaced(call)
                                                     : call_try(call);
    status = call_finish(call, err, result);
    if (status == GN_WASI_PENDING)
        call_hold(guest);
    else
        guest->busy = false;
    return status;
}

int gn_wasi_resume(struct gn_wasi_guest *guest, uint64_t *result)
{
    int status;

    if (!guest || !result || !guest->held)
        return GN_WASI_TRAP;
    guest->held = false;
    gn__wasi_memory_forget(guest);
    status = call_finish(&guest->call, call_try(&guest->call), result);
    guest->held = status == GN_WASI_PENDING;
    guest->busy = guest->held;
    return status;
}
