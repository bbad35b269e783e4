/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_WASM_H
#define TESTS_LIB_WASM_H

/*
 * A WebAssembly guest without an engine: the test calls what a module would
 * import, with an array as its memory. Two of them, on guests of one network
 * under a clock, in the pending form.
 */
#include <stdbool.h>
#include <stdint.h>

#include <guestnet/wasi.h>

#include "tests/lib/simnet.h"

#define WASM_MEMORY 65536u
#define P1          "wasi_snapshot_preview1"
#define TCP         "wasi:sockets/tcp@0.2.3"
#define STREAMS     "wasi:io/streams@0.2.0"
#define POLL        "wasi:io/poll@0.2.0"

/** errno of preview 1 */
enum { P1_AGAIN = 6, P1_BADF = 8, P1_FAULT = 21, P1_INVAL = 28 };
enum { P1_NOTSOCK = 57 };

struct wasm {
    struct gn_wasi_guest *wasi;
    uint8_t memory[WASM_MEMORY];
    uint8_t grown[WASM_MEMORY]; /* where it is behind a realloc that grows */
    bool grows;
    bool has_grown;
    bool rubbish; /* realloc gives no memory of its own */
    uint32_t brk;
    uint64_t result;
    int woken;
};

struct wasm_pair {
    struct gn_simnet sim;
    struct gn_namespace *a, *b;
    struct wasm one, two; /* on a and b */
};

/** For cmocka: *state is a struct wasm_pair. */
int wasm_pair_setup(void **state);
int wasm_pair_teardown(void **state);

void wasm_begin(struct wasm *wasm, struct gn_namespace *ns, bool pending,
                const struct gn_allocator *alloc);

/** What is called, with an argument for each letter of @signature: uint64_t for
 *  'I', unsigned for 'i'. Returns the status. */
int wasm_call(struct wasm *wasm, const char *module, const char *name,
              const char *signature, ...);
/** A call that has no need to wait; its result. */
#define DOES(wasm, ...)                                          \
    (assert_int_equal(wasm_call(wasm, __VA_ARGS__), GN_WASI_OK), \
     (uint32_t)(wasm)->result)

uint32_t wasm_word(const struct wasm *wasm, uint32_t at);
void wasm_put_word(struct wasm *wasm, uint32_t at, uint32_t v);
/** An iovec at @at. */
void wasm_put_iov(struct wasm *wasm, uint32_t at, uint32_t to, uint32_t len);

/** Callbacks of its configuration, and of gn_wasi_wait(). */
struct gn_wasi_memory wasm_memory(void *wasm);
int wasm_realloc(void *wasm, uint32_t align, uint32_t size, uint32_t *at);
void wasm_wake(struct gn_wasi_guest *wasi, void *wasm);

/** Be told when the pending call may go on, and let time pass until then. */
void wasm_await(struct wasm_pair *pair, struct wasm *wasm);
/** Let a call end that may be pending: @status is what it returned. */
void wasm_ends(struct wasm_pair *pair, struct wasm *wasm, int status);

/** A socket of WASI 0.2, one that listens, and the network. */
uint32_t wasm_tcp(struct wasm *wasm);
uint32_t wasm_listening(struct wasm *wasm, unsigned port);
uint32_t wasm_network(struct wasm *wasm);
/** start-bind or start-connect, @name, with 0.0.0.0 or 10.77.0.@d. */
void wasm_tcp_at(struct wasm *wasm, const char *name, uint32_t tcp,
                 uint32_t network, unsigned d, unsigned port);
/** A connection from @pair->two to @pair->one: socket, input and output of
 *  each. */
void wasm_connection(struct wasm_pair *pair, uint32_t server[3],
                     uint32_t client[3]);

#endif /* TESTS_LIB_WASM_H */
