/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_WASI_H
#define GUESTNET_WASI_H

/*
 * The system interface of WebAssembly guests: what a module imports, answered
 * on a namespace. No engine is assumed. An engine calls gn_wasi_find() once for
 * each import and gn_wasi_call() whenever the guest calls it:
 *
 *     op = gn_wasi_find("wasi_snapshot_preview1", "sock_send", "iiiii>i");
 *     switch (gn_wasi_call(guest, op, args, &result)) {
 *     case GN_WASI_OK:      return result to the guest
 *     case GN_WASI_PENDING: gn_wasi_wait(), later gn_wasi_resume()
 *     case GN_WASI_TRAP:    end the guest; gn_wasi_why() says why
 *     case GN_WASI_EXIT:    the guest is done; result is its exit status
 *     }
 *
 * The interfaces are WASI 0.2 as a core module imports it (any 0.2.N), WASI
 * preview 1, and the socket calls of WasmEdge in both forms. docs/wasi.md lists
 * what is there and what is not.
 *
 * A guest is used by one thread at a time. There are no files: a guest finds no
 * directory.
 *
 *     create --> running --(GN_WASI_EXIT, _TRAP)--> ended --(close)--> gone
 *
 * gn_namespace_kill() of its namespace ends it at its next call, and a call
 * that waits at once, with GN_WASI_TRAP. When a guest has ended its sockets are
 * closed as those of a process are: what it sent is still delivered.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <guestnet/export.h>
#include <guestnet/mem.h>

GN_BEGIN_DECLS

struct gn_namespace;
struct gn_sock;
struct gn_wasi_guest;

/** The most parameters that an import can have. */
#define GN_WASI_ARGS_MAX 16

/** What has become of a call. */
enum gn_wasi_status {
    GN_WASI_OK = 0,  /* The result is there. */
    GN_WASI_PENDING, /* It has to wait; only with config.pending. */
    GN_WASI_TRAP,    /* The guest must not go on. */
    GN_WASI_EXIT,    /* It has called exit; the result is its status. */
    GN_WASI_N_STATUSES
};

/** A guest's linear memory as it is now. */
struct gn_wasi_memory {
    uint8_t *base;
    uint64_t size; /* Bytes. */
};

/** Settings for gn_wasi_create(); zero selects the default given here. */
struct gn_wasi_config {
    size_t size; /* sizeof this struct. Required. */

    /** Where its memory is. Asked in each call that looks at it, and again when
     *  the call has waited and when realloc() was called: a memory that grows
     *  may move. Required. */
    struct gn_wasi_memory (*memory)(void *arg);
    /**
     * Room of @size bytes in its memory, aligned to @align: what the module's
     * export cabi_realloc(0, 0, align, size) returns. Needed by WASI 0.2 only.
     *
     * Returns 0 and sets *@at, or anything else: then the guest traps.
     */
    int (*realloc)(void *arg, uint32_t align, uint32_t size, uint32_t *at);
    void *arg; /* For both; borrowed as long as the guest. */

    const char *const *args; /* NULL-ended, the program's name first; copied.
                                NULL: the namespace's name alone. */
    const char *const *env;  /* NULL-ended, "NAME=value"; copied. NULL: none. */
    int stdio[3]; /* Kernel descriptors that stand for its standard input,
                       output and error; borrowed. 0: the process's own; -1:
                       input is at its end, output vanishes. */
    bool pending; /* Calls that have to wait return GN_WASI_PENDING. Else they
                       wait on the calling thread. */
    uint32_t max_handles; /* Sockets, streams, pollables and so on that it may
                               have at once, 3 to 65,536; 1024. */
    const struct gn_allocator *alloc; /* Copied; NULL: malloc(). In use until
                                         what the guest sent is delivered, or
                                         its namespace has ended. */
};

/**
 * Create a guest on a namespace. Several guests may share one; they are then
 * programs on one host.
 *
 * @ns      Borrowed as long as the guest.
 * @config  Copied.
 * @out     Set only on success. Owned by the caller: gn_wasi_close().
 *
 * Returns 0, or with nothing left behind:
 *   -EINVAL  An argument is NULL, the size is unknown, there is no memory(), or
 *            max_handles is 1, 2, or above 65,536.
 *   -ENOMEM  Out of memory.
 */
GN_API GN_WARN_UNUSED int gn_wasi_create(struct gn_namespace *ns,
                                         const struct gn_wasi_config *config,
                                         struct gn_wasi_guest **out);

/**
 * End a guest: its sockets are closed, and what it has written is still
 * delivered. A call that is pending is forgotten. It does not wait.
 *
 * @guest  Consumed. NULL is allowed.
 */
GN_API void gn_wasi_close(struct gn_wasi_guest *guest);

/**
 * Give it an open socket before it starts, as preview 1 programs expect their
 * listeners: the first is descriptor 3, the next 4.
 *
 * @sock  Consumed on success. Its blocking mode becomes the descriptor's. One
 *        that a program in Go is to accept from must be non-blocking, or it
 *        blocks all of its goroutines (gn_wasi_scan.language).
 *
 * Returns the descriptor, or:
 *   -EINVAL  An argument is NULL.
 *   -EMFILE  It has as many handles as it may.
 *   -ENOMEM  Out of memory.
 */
GN_API int gn_wasi_preopen(struct gn_wasi_guest *guest, struct gn_sock *sock);

/**
 * Make a connection its standard input and output, as inetd(8) does.
 *
 * @sock  Consumed on success; a stream.
 *
 * Returns 0, -EINVAL (an argument is NULL), or -ENOMEM.
 */
GN_API GN_WARN_UNUSED int gn_wasi_stdio(struct gn_wasi_guest *guest,
                                        struct gn_sock *sock);

/**
 * Which operation an import is.
 *
 * @module     "wasi:sockets/tcp@0.2.0", "wasi_snapshot_preview1".
 * @name       "[method]tcp-socket.accept", "sock_accept".
 * @signature  One letter for each parameter, '>', and one for the result if
 *             there is one: 'i' is an i32, 'I' an i64. Where interfaces share a
 *             name, it tells them apart. NULL: the first of this name.
 *
 * Returns it, 0 or more; or -ENOENT, also where the signature differs.
 */
GN_API GN_WARN_UNUSED int gn_wasi_find(const char *module, const char *name,
                                       const char *signature);

/**
 * Do what the guest has called.
 *
 * @op      From gn_wasi_find().
 * @args    As many as the import has parameters; an i32 is in the lower half,
 *          what is above it is not looked at.
 * @result  Gets the import's result where it has one, and with GN_WASI_EXIT the
 *          exit status.
 *
 * Returns one of enum gn_wasi_status; GN_WASI_TRAP also for an operation that
 * does not exist, for NULL, and while another call is pending.
 */
GN_API int gn_wasi_call(struct gn_wasi_guest *guest, int op,
                        const uint64_t *args, uint64_t *result);

/** A call that is pending may go on. */
typedef void (*gn_wasi_wait_cb)(struct gn_wasi_guest *guest, void *arg);

/**
 * Be told when a call that returned GN_WASI_PENDING may go on.
 *
 * @callback  Runs once on the driving thread, on a later turn, and may call
 *            gn_wasi_resume(). After gn_wasi_close() it does not run any more;
 *            a guest whose waits have not ended is closed on the driving
 *            thread.
 *
 * Returns 0, -EINVAL (nothing is pending, it is waited for already, or NULL),
 * -EAGAIN (gn_limits.max_timers), -ECANCELED (the namespace was killed or is
 * closing: gn_wasi_resume() traps), or -ENOMEM.
 */
GN_API GN_WARN_UNUSED int gn_wasi_wait(struct gn_wasi_guest *guest,
                                       gn_wasi_wait_cb callback, void *arg);

/** Go on with the call that is pending; results as gn_wasi_call(), also
 *  GN_WASI_PENDING again. */
GN_API int gn_wasi_resume(struct gn_wasi_guest *guest, uint64_t *result);

/** Why it has trapped, in one line; "" if it has not. Lives as long as it. */
GN_API const char *gn_wasi_why(const struct gn_wasi_guest *guest);

/* ---- what a module needs ---- */

/** Interfaces that a module uses. */
#define GN_WASI_PREVIEW1 (1u << 0) /* wasi_snapshot_preview1 */
#define GN_WASI_WASMEDGE (1u << 1) /* its sockets as WasmEdge has them */
#define GN_WASI_0_2      (1u << 2) /* wasi:*@0.2.N */

/** One import. */
struct gn_wasi_import {
    char *module;
    char *name;
    char signature[40]; /* As for gn_wasi_find(). */
    int op;             /* -ENOENT: it is not served. */
};

/** What gn_wasi_scan() finds. */
struct gn_wasi_scan {
    const uint8_t *core; /* The core module, within the bytes scanned: all of */
    size_t core_len;     /* them, or a part of a component. */
    bool component;      /* It is a component; core is its main module. */
    unsigned interfaces; /* GN_WASI_PREVIEW1, ... */
    char language[32];   /* By its producers section: "C11", "Rust", "Go"; "" if
                             it does not say. */
    bool has_realloc;    /* It exports cabi_realloc. */
    char start[64];      /* The export that runs it: "_start", or a name like
                             "wasi:cli/run@0.2.0#run"; "" if there is none. */
    size_t n_imports;
    struct gn_wasi_import *imports;
    size_t n_missing;  /* Of them not served. */
    char missing[256]; /* Them in words, cut if they are many; "" if none. */
};

/**
 * Read what a module imports: a core module, or a component whose core module
 * does the work.
 *
 * @bytes  The file. Borrowed; out->core points into it.
 * @out    Set only on success; gn_wasi_scan_done() frees it.
 * @why    On -EINVAL and -ENOTSUP gets one line that says what is wrong, cut at
 *         @why_len bytes. May be NULL.
 *
 * Returns 0, or:
 *   -EINVAL   It is no WebAssembly, is cut off or contradicts itself.
 *   -ENOTSUP  It is a component of several modules that import WASI, or a
 *             version that is not known.
 *   -ENOMEM   Out of memory.
 */
GN_API GN_WARN_UNUSED int gn_wasi_scan(const void *bytes, size_t len,
                                       struct gn_wasi_scan *out, char *why,
                                       size_t why_len);
/** Free what it holds. NULL is allowed. */
GN_API void gn_wasi_scan_done(struct gn_wasi_scan *scan);

GN_END_DECLS

#endif /* GUESTNET_WASI_H */
