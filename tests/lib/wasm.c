/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/wasm.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};

struct gn_wasi_memory wasm_memory(void *arg)
{
    struct wasm *wasm = arg;

    return (struct gn_wasi_memory){wasm->has_grown ? wasm->grown : wasm->memory,
                                   WASM_MEMORY};
}

int wasm_realloc(void *arg, uint32_t align, uint32_t size, uint32_t *at)
{
    struct wasm *wasm = arg;

    if (wasm->grows && !wasm->has_grown) {
        memcpy(wasm->grown, wasm->memory, WASM_MEMORY);
        memset(wasm->memory, 0xee, WASM_MEMORY); /* Nothing is there now. */
        wasm->has_grown = true;
    }
    wasm->brk = (wasm->brk + align - 1) & ~(align - 1);
    *at = wasm->rubbish ? WASM_MEMORY - 1 : wasm->brk;
    wasm->brk += size;
    return 0;
}

void wasm_begin(struct wasm *wasm, struct gn_namespace *ns, bool pending,
                const struct gn_allocator *alloc)
{
    static const char *const args[] = {"guest", "-v", NULL};
    static const char *const env[] = {"HOME=/", NULL};
    const struct gn_wasi_config config = {.size = sizeof(config),
                                          .memory = wasm_memory,
                                          .realloc = wasm_realloc,
                                          .arg = wasm,
                                          .args = args,
                                          .env = env,
                                          .pending = pending,
                                          .stdio = {-1, -1, -1},
                                          .max_handles = 64,
                                          .alloc = alloc};

    memset(wasm, 0, sizeof(*wasm));
    wasm->brk = 32768;
    assert_int_equal(gn_wasi_create(ns, &config, &wasm->wasi), 0);
}

int wasm_pair_setup(void **state)
{
    static struct wasm_pair f;

    gn_simnet_setup(&f.sim, prefixes, 1);
    f.a = gn_simnet_guest(f.sim.net, "a");
    f.b = gn_simnet_guest(f.sim.net, "b");
    wasm_begin(&f.one, f.a, true, &f.sim.heap.alloc);
    wasm_begin(&f.two, f.b, true, &f.sim.heap.alloc);
    *state = &f;
    return 0;
}

int wasm_pair_teardown(void **state)
{
    struct wasm_pair *f = *state;

    gn_wasi_close(f->one.wasi);
    gn_wasi_close(f->two.wasi);
    if (f->sim.net)
        gn_clock_advance(f->sim.clock, GN_MS);
    gn_simnet_teardown(&f->sim);
    return 0;
}

/* ---- calling ---- */

int wasm_call(struct wasm *wasm, const char *module, const char *name,
              const char *signature, ...)
{
    uint64_t args[GN_WASI_ARGS_MAX] = {0};
    int op = gn_wasi_find(module, name, signature), n = 0;
    va_list list;

    if (op < 0)
        fail_msg("%s %s %s is not served", module, name, signature);
    va_start(list, signature);
    for (const char *p = signature; *p != '>'; p++)
        args[n++] = *p == 'I' ? va_arg(list, uint64_t)
                              : (uint32_t)va_arg(list, unsigned);
    va_end(list);
    return gn_wasi_call(wasm->wasi, op, args, &wasm->result);
}

uint32_t wasm_word(const struct wasm *wasm, uint32_t at)
{
    uint32_t v;

    memcpy(&v, wasm->memory + at, sizeof(v));
    return v;
}

void wasm_put_word(struct wasm *wasm, uint32_t at, uint32_t v)
{
    memcpy(wasm->memory + at, &v, sizeof(v));
}

void wasm_put_iov(struct wasm *wasm, uint32_t at, uint32_t to, uint32_t len)
{
    wasm_put_word(wasm, at, to);
    wasm_put_word(wasm, at + 4, len);
}

void wasm_wake(struct gn_wasi_guest *wasi, void *arg)
{
    struct wasm *wasm = arg;

    assert_ptr_equal(wasi, wasm->wasi);
    wasm->woken++;
}

void wasm_await(struct wasm_pair *f, struct wasm *wasm)
{
    int before = wasm->woken;

    assert_int_equal(gn_wasi_wait(wasm->wasi, wasm_wake, wasm), 0);
    for (int i = 0; i < 1000 && wasm->woken == before; i++)
        gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(wasm->woken, before + 1);
}

/* Let a pending call end. */
static void wasm_finish(struct wasm_pair *f, struct wasm *wasm)
{
    int status;

    do {
        wasm_await(f, wasm);
        status = gn_wasi_resume(wasm->wasi, &wasm->result);
    } while (status == GN_WASI_PENDING);
    assert_int_equal(status, GN_WASI_OK);
}

/* The same of one that may have ended at once. */
void wasm_ends(struct wasm_pair *f, struct wasm *wasm, int status)
{
    if (status == GN_WASI_PENDING)
        wasm_finish(f, wasm);
    else
        assert_int_equal(status, GN_WASI_OK);
}

/* ---- sockets of WASI 0.2 ---- */

#define T "[method]tcp-socket."

uint32_t wasm_tcp(struct wasm *w)
{
    DOES(w, "wasi:sockets/tcp-create-socket@0.2.0", "create-tcp-socket", "ii>",
         0, 0);
    assert_int_equal(w->memory[0], 0);
    return wasm_word(w, 4);
}

void wasm_tcp_at(struct wasm *w, const char *name, uint32_t tcp,
                 uint32_t network, unsigned d, unsigned port)
{
    DOES(w, TCP, name, "iiiiiiiiiiiiiii>", tcp, network, 0, port, d ? 10 : 0,
         d ? 77 : 0, 0, d, 0, 0, 0, 0, 0, 0, 0);
    assert_int_equal(w->memory[0], 0);
}

uint32_t wasm_network(struct wasm *w)
{
    return DOES(w, "wasi:sockets/instance-network@0.2.0", "instance-network",
                ">i");
}

uint32_t wasm_listening(struct wasm *w, unsigned port)
{
    uint32_t tcp = wasm_tcp(w);

    wasm_tcp_at(w, T "start-bind", tcp, wasm_network(w), 0, port);
    DOES(w, TCP, T "finish-bind", "ii>", tcp, 0);
    DOES(w, TCP, T "start-listen", "ii>", tcp, 0);
    DOES(w, TCP, T "finish-listen", "ii>", tcp, 0);
    assert_int_equal(w->memory[0], 0);
    return tcp;
}

/* The handles of both ends; [1] input, [2] output. */
void wasm_connection(struct wasm_pair *f, uint32_t server[3],
                     uint32_t client[3])
{
    uint32_t listening = wasm_listening(&f->one, 80), pollable;

    client[0] = wasm_tcp(&f->two);
    pollable = DOES(&f->two, TCP, T "subscribe", "i>i", client[0]);
    wasm_tcp_at(&f->two, T "start-connect", client[0], wasm_network(&f->two), 2,
                80);
    wasm_ends(
        f, &f->two,
        wasm_call(&f->two, POLL, "[method]pollable.block", "i>", pollable));
    DOES(&f->two, TCP, T "finish-connect", "ii>", client[0], 0);
    assert_int_equal(f->two.memory[0], 0);
    client[1] = wasm_word(&f->two, 4);
    client[2] = wasm_word(&f->two, 8);
    gn_clock_advance(f->sim.clock, GN_MS); /* The last ACK gets there. */
    DOES(&f->one, TCP, T "accept", "ii>", listening, 0);
    assert_int_equal(f->one.memory[0], 0);
    for (int i = 0; i < 3; i++)
        server[i] = wasm_word(&f->one, 4 + 4 * (uint32_t)i);
}
