/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * wasi:cli, wasi:clocks, wasi:random, and wasi:filesystem, of which there is
 * nothing: a guest is given no directory, so that it can have no descriptor.
 *
 * Clocks are the network's, so that under a virtual one a guest sees no other;
 * and random bytes are the namespace's, which follow from the network's seed.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "base/units.h"
#include "guests/wasi/io.h"
#include "guests/wasi/wasi.h"

/* ---- lists of strings ---- */

static int text_lower(struct gn_wasi_guest *guest, const char *text, size_t len,
                      uint8_t out[8])
{
    uint32_t words[2], at;

    if (gn__wasi_realloc(guest, 1, len, &at))
        return GN__WASI_TRAP;
    if (gn__wasi_put(guest, at, text, len))
        return -EFAULT;
    words[0] = htole32(at);
    words[1] = htole32((uint32_t)len);
    memcpy(out, words, sizeof(words));
    return 0;
}

static size_t strings_count(char *const *list)
{
    size_t n = 0;

    while (list[n])
        n++;
    return n;
}

static int run_arguments(struct gn__wasi_call *call)
{
    struct gn_wasi_guest *guest = call->guest;
    size_t n = strings_count(guest->args);
    uint8_t entry[8];
    uint32_t at;
    int err;

    if (gn__wasi_realloc(guest, 4, n * sizeof(entry), &at))
        return GN__WASI_TRAP;
    for (size_t i = 0; i < n; i++) {
        err = text_lower(guest, guest->args[i], strlen(guest->args[i]), entry);
        if (!err)
            err = gn__wasi_put(guest, at + i * sizeof(entry), entry,
                               sizeof(entry));
        if (err)
            return err;
    }
    call->value[0] = at;
    call->value[1] = n;
    return 0;
}

/* Pairs of name and value. */
static int run_environment(struct gn__wasi_call *call)
{
    struct gn_wasi_guest *guest = call->guest;
    size_t n = strings_count(guest->env);
    uint8_t entry[16];
    uint32_t at;
    int err;

    if (gn__wasi_realloc(guest, 4, n * sizeof(entry), &at))
        return GN__WASI_TRAP;
    for (size_t i = 0; i < n; i++) {
        const char *text = guest->env[i], *value = strchr(text, '=');
        size_t len = value ? (size_t)(value - text) : strlen(text);

        value = value ? value + 1 : "";
        err = text_lower(guest, text, len, entry);
        if (!err)
            err = text_lower(guest, value, strlen(value), entry + 8);
        if (!err)
            err = gn__wasi_put(guest, at + i * sizeof(entry), entry,
                               sizeof(entry));
        if (err)
            return err;
    }
    call->value[0] = at;
    call->value[1] = n;
    return 0;
}

/* ---- cli ---- */

/* An option that is none, and lists that are empty. */
static int run_none(struct gn__wasi_call *call)
{
    call->value[0] = 0;
    call->value[1] = 0;
    return 0;
}

static int run_exit(struct gn__wasi_call *call)
{
    call->guest->status = (uint32_t)call->args[0] != 0;
    return GN__WASI_EXIT;
}

static int run_exit_with_code(struct gn__wasi_call *call)
{
    call->guest->status = (uint8_t)call->args[0];
    return GN__WASI_EXIT;
}

static int stdio_stream(struct gn__wasi_call *call, uint32_t which)
{
    struct gn_wasi_guest *guest = call->guest;
    int number = gn__wasi_handle_new(guest, which == 0 ? GN__WASI_INPUT
                                                       : GN__WASI_OUTPUT);
    const struct gn__wasi_handle *from = gn__wasi_handle_any(guest, which);

    if (number < 0)
        return number;
    if (from && from->kind == GN__WASI_STDIO)
        guest->handles[number].fd = from->fd;
    else if (from && from->kind == GN__WASI_SOCKET)
        guest->handles[number].of.sock = gn__wasi_sock_ref(from->of.sock);
    call->value[0] = (uint64_t)number;
    return 0;
}

static int run_stdin(struct gn__wasi_call *call)
{
    return stdio_stream(call, 0);
}

static int run_stdout(struct gn__wasi_call *call)
{
    return stdio_stream(call, 1);
}

static int run_stderr(struct gn__wasi_call *call)
{
    return stdio_stream(call, 2);
}

/* ---- clocks ---- */

static int run_now(struct gn__wasi_call *call)
{
    call->value[0] = gn_now_ns(call->guest->ns);
    return 0;
}

static int run_resolution(struct gn__wasi_call *call)
{
    call->value[0] = 1;
    return 0;
}

static int cli_timer(struct gn__wasi_call *call, uint64_t at)
{
    int number = gn__wasi_pollable(call, GN__WASI_TIME, NULL);

    if (number < 0)
        return number;
    call->guest->handles[number].at = at;
    return 0;
}

static int run_subscribe_instant(struct gn__wasi_call *call)
{
    return cli_timer(call, call->args[0]);
}

static int run_subscribe_duration(struct gn__wasi_call *call)
{
    uint64_t now = gn_now_ns(call->guest->ns), wait = call->args[0];

    return cli_timer(call,
                     wait < GN__WASI_NEVER - now ? now + wait : GN__WASI_NEVER);
}

static int run_wall_now(struct gn__wasi_call *call)
{
    uint64_t ns = gn_wall_ns(call->guest->ns);

    call->value[0] = ns / GN__NS_PER_S;
    call->value[1] = ns % GN__NS_PER_S;
    return 0;
}

static int run_wall_resolution(struct gn__wasi_call *call)
{
    call->value[0] = 0;
    call->value[1] = 1;
    return 0;
}

/* ---- random ---- */

static int run_random_bytes(struct gn__wasi_call *call)
{
    uint64_t len = call->args[0];
    uint32_t at;
    void *to;

    if (gn__wasi_realloc(call->guest, 1, len, &at))
        return GN__WASI_TRAP;
    to = gn__wasi_at(call->guest, at, len);
    if (!to)
        return -EFAULT;
    gn_random(call->guest->ns, to, len);
    call->value[0] = at;
    call->value[1] = len;
    return 0;
}

static int run_random_words(struct gn__wasi_call *call)
{
    gn_random(call->guest->ns, call->value, 2 * sizeof(call->value[0]));
    return 0;
}

/* ---- filesystem ---- */

static int run_no_descriptor(struct gn__wasi_call *call)
{
    (void)call;
    return -EBADF;
}

#define ENVIRONMENT "wasi:cli/environment"
#define MONOTONIC   "wasi:clocks/monotonic-clock"
#define WALL        "wasi:clocks/wall-clock"

static const struct gn__wasi_row rows[] = {
    {ENVIRONMENT, "get-arguments", ">P", run_arguments, GN__WASI_FREE},
    {ENVIRONMENT, "get-environment", ">P", run_environment, GN__WASI_FREE},
    {ENVIRONMENT, "initial-cwd", ">Os", run_none, GN__WASI_FREE},
    {"wasi:cli/exit", "exit", "b>", run_exit, GN__WASI_FREE},
    {"wasi:cli/exit", "exit-with-code", "y>", run_exit_with_code,
     GN__WASI_FREE},
    {"wasi:cli/stdin", "get-stdin", ">o", run_stdin, GN__WASI_FREE},
    {"wasi:cli/stdout", "get-stdout", ">o", run_stdout, GN__WASI_FREE},
    {"wasi:cli/stderr", "get-stderr", ">o", run_stderr, GN__WASI_FREE},
    {"wasi:cli/terminal-stdin", "get-terminal-stdin", ">Oo", run_none,
     GN__WASI_FREE},
    {"wasi:cli/terminal-stdout", "get-terminal-stdout", ">Oo", run_none,
     GN__WASI_FREE},
    {"wasi:cli/terminal-stderr", "get-terminal-stderr", ">Oo", run_none,
     GN__WASI_FREE},
    {"wasi:cli/terminal-input", "[resource-drop]terminal-input", "k>",
     run_no_descriptor, GN__WASI_FREE},
    {"wasi:cli/terminal-output", "[resource-drop]terminal-output", "k>",
     run_no_descriptor, GN__WASI_FREE},
    {MONOTONIC, "now", ">q", run_now, GN__WASI_FREE},
    {MONOTONIC, "resolution", ">q", run_resolution, GN__WASI_FREE},
    {MONOTONIC, "subscribe-instant", "q>o", run_subscribe_instant,
     GN__WASI_FREE},
    {MONOTONIC, "subscribe-duration", "q>o", run_subscribe_duration,
     GN__WASI_FREE},
    {WALL, "now", ">T", run_wall_now, GN__WASI_FREE},
    {WALL, "resolution", ">T", run_wall_resolution, GN__WASI_FREE},
    {"wasi:random/random", "get-random-bytes", "q>L", run_random_bytes,
     GN__WASI_FREE},
    {"wasi:random/random", "get-random-u64", ">q", run_random_words,
     GN__WASI_FREE},
    {"wasi:random/insecure", "get-insecure-random-bytes", "q>L",
     run_random_bytes, GN__WASI_FREE},
    {"wasi:random/insecure", "get-insecure-random-u64", ">q", run_random_words,
     GN__WASI_FREE},
    {"wasi:random/insecure-seed", "insecure-seed", ">qq", run_random_words,
     GN__WASI_FREE},
    {"wasi:filesystem/preopens", "get-directories", ">P", run_none,
     GN__WASI_FREE},
    {"wasi:filesystem/types", "filesystem-error-code", "k>Oe", run_none,
     GN__WASI_FREE},
    {"wasi:filesystem/types", "[method]*", "*>", run_no_descriptor,
     GN__WASI_FREE},
    {"wasi:filesystem/types", "[resource-drop]*", "k>", run_no_descriptor,
     GN__WASI_FREE},
};

const struct gn__wasi_rows gn__wasi_cli_rows = GN__WASI_ROWS(rows);
