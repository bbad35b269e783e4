/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTS_WASI_WASI_H
#define GUESTS_WASI_WASI_H

/*
 * WebAssembly's system interfaces on a namespace (docs/wasi.md).
 *
 * Each import is a row of a table: its names, its type, and a function that
 * does it. An operation is tried; where it has to wait it says for what
 * (gn__wasi_wait_sock() and its like) and returns GN__WASI_WAIT, and it is
 * tried again when that has come. What must survive from one try to the next is
 * in the struct gn__wasi_call. So the blocking form and the pending one are the
 * same code, and only guest.c knows them.
 *
 *     table.c    finding rows; types and what they are in core functions
 *     guest.c    a guest; calls, waiting, its end
 *     handle.c   its handles, memory.c its memory, sock.c its sockets
 *     preview1*.c, wasmedge.c   rows with addresses of results as parameters
 *     shape.c    how results of WASI 0.2 lie in memory, lower.c storing them
 *     io.c, tcp.c, udp.c, names.c, cli.c   rows of WASI 0.2
 *     scan.c     reading modules
 *
 * It uses only the public part of the library, and base/.
 */
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <guestnet/guestnet.h>
#include <guestnet/wasi.h>

#include "base/mem.h"

/* What an operation may return beside a value or a negative errno. No errno and
 * no GN_EAI_* is so low. */
#define GN__WASI_WAIT (-100001)
#define GN__WASI_TRAP (-100002)
#define GN__WASI_EXIT (-100003)

#define GN__WASI_NEVER UINT64_MAX

/** The most buffers of one call, as everywhere (GN_IOV_MAX). */
#define GN__WASI_IOV_MAX GN_IOV_MAX
/** The most that one read, or one promise of a stream, is about: bytes. */
#define GN__WASI_PIECE_MAX 65536u
/** The most that one poll looks at. */
#define GN__WASI_POLL_MAX 4096u

/* ---- handles ---- */

enum gn__wasi_kind {
    GN__WASI_FREE = 0,
    /* preview 1 */
    GN__WASI_STDIO, /* a kernel descriptor, or -1 */
    GN__WASI_SOCKET,
    GN__WASI_BADFD, /* what adapter_open_badfd() opens */
    /* WASI 0.2 */
    GN__WASI_NETWORK,
    GN__WASI_TCP,
    GN__WASI_UDP,
    GN__WASI_INPUT,
    GN__WASI_OUTPUT,
    GN__WASI_DATAGRAMS_IN,
    GN__WASI_DATAGRAMS_OUT,
    GN__WASI_POLLABLE,
    GN__WASI_LOOKUP,
    GN__WASI_ERROR,
    GN__WASI_N_KINDS
};

/** What the handle of a pollable waits for. */
enum gn__wasi_until {
    GN__WASI_READY = 0, /* nothing: it is ready at once */
    GN__WASI_TIME,      /* at */
    GN__WASI_KERNEL,    /* a kernel descriptor can be read */
    GN__WASI_READABLE,  /* the socket */
    GN__WASI_WRITABLE,
    GN__WASI_STEP, /* the socket has done what it is at: what that is, is
                      asked whenever the pollable is looked at */
    GN__WASI_LOOKED_UP,
    GN__WASI_N_UNTIL
};

struct gn__wasi_handle {
    uint8_t kind;
    uint8_t until;  /* of a pollable */
    uint8_t permit; /* datagrams that check-send has allowed */
    bool much;      /* of an input: the last read was a large one */
    int fd;         /* of the kernel; -1: none */
    int err;        /* of an error: a negative errno */
    union {
        struct gn__wasi_sock *sock;
        struct gn__wasi_lookup *lookup;
    } of;        /* a reference, or NULL */
    uint64_t at; /* of a pollable: a time of gn_now_ns() */
};

/** A new handle, the lowest number that is free; -EMFILE, -ENOMEM. */
int gn__wasi_handle_new(struct gn_wasi_guest *guest, enum gn__wasi_kind kind);
/** Free it and give back what it holds. */
void gn__wasi_handle_drop(struct gn_wasi_guest *guest, uint32_t number);
void gn__wasi_handles_done(struct gn_wasi_guest *guest);

/* ---- sockets ---- */

/** Where a socket of WASI 0.2 is. */
enum gn__wasi_state {
    GN__WASI_UNBOUND = 0,
    GN__WASI_BINDING, /* start-bind was called, finish-bind not yet */
    GN__WASI_BOUND,
    GN__WASI_LISTEN_STARTED,
    GN__WASI_LISTENING,
    GN__WASI_CONNECTING,
    GN__WASI_CONNECTED,
    GN__WASI_CLOSED,
    GN__WASI_N_STATES
};

/**
 * A socket and what handles share of it. The socket itself is always
 * non-blocking; whether the guest's descriptor blocks is a matter of its own.
 */
struct gn__wasi_sock {
    struct gn__mem mem;      /* a copy: it may outlive the guest */
    struct gn_namespace *ns; /* the guest's; behind its end only while a wait
                                has not called back */
    uint32_t refs;
    struct gn_sock *sock;
    int family;
    int type; /* SOCK_STREAM, SOCK_DGRAM */
    enum gn__wasi_state state;
    int backlog;
    bool nonblock;            /* the guest's descriptor */
    bool remote_set;          /* a datagram socket that is connected */
    uint64_t recv_timeout_ns; /* 0: none */
    uint64_t send_timeout_ns;
    uint8_t *left; /* what a stream has promised to take: a ring of */
    uint32_t left_at, left_len; /* GN__WASI_PIECE_MAX bytes, NULL if empty */
    uint64_t left_until;        /* it is sent, when no handle is left */
};

/** @sock  Consumed on success. */
struct gn__wasi_sock *gn__wasi_sock_new(struct gn_wasi_guest *guest,
                                        struct gn_sock *sock, int family,
                                        int type);
/** A new socket of the guest's with one reference. */
int gn__wasi_sock_open(struct gn_wasi_guest *guest, int family, int type,
                       struct gn__wasi_sock **out);
/** Accept from @from. */
int gn__wasi_sock_accept(struct gn_wasi_guest *guest,
                         struct gn__wasi_sock *from,
                         struct gn__wasi_sock **out);
struct gn__wasi_sock *gn__wasi_sock_ref(struct gn__wasi_sock *sock);
/** The last reference closes it, once what it promised to take is sent. */
void gn__wasi_sock_unref(struct gn__wasi_sock *sock);
/** Which of @events (POLLIN, POLLOUT) hold, and POLLERR and POLLHUP. */
short gn__wasi_sock_ready(struct gn__wasi_sock *sock, short events);
/** Send what is left; 0: all of it is gone or in the socket. -EAGAIN: some is
 *  left; other errors: it is thrown away. */
int gn__wasi_sock_drain(struct gn__wasi_sock *sock);
/** Send, and keep what does not fit: up to the promised GN__WASI_PIECE_MAX. */
int gn__wasi_sock_write(struct gn__wasi_sock *sock, const void *data,
                        uint32_t len);
/** SO_ERROR, as a negative errno. */
int gn__wasi_sock_error(struct gn__wasi_sock *sock);

/** readv(2) and writev(2) on a descriptor of the kernel's, which wait for it in
 *  either form; below 0 it is always at its end, and what is written vanishes.
 *  A negative errno. */
ssize_t gn__wasi_kernel_readv(int fd, const struct iovec *list, int n);
ssize_t gn__wasi_kernel_writev(int fd, const struct iovec *list, int n);

/* ---- a guest and its calls ---- */

struct gn__wasi_call;
struct gn__wasi_shape;

struct gn__wasi_row {
    const char *module; /* without the version */
    const char *name;
    const char *type; /* table.c */
    int (*run)(struct gn__wasi_call *call);
    enum gn__wasi_kind self; /* What the first parameter is a handle of. */
};

/** Rows of one file. */
struct gn__wasi_rows {
    const struct gn__wasi_row *row;
    unsigned n;
};

#define GN__WASI_ROWS(rows)                      \
    {                                            \
        (rows), sizeof(rows) / sizeof((rows)[0]) \
    }

extern const struct gn__wasi_rows gn__wasi_preview1_rows;
extern const struct gn__wasi_rows gn__wasi_wasmedge_rows;
extern const struct gn__wasi_rows gn__wasi_io_rows;
extern const struct gn__wasi_rows gn__wasi_tcp_rows;
extern const struct gn__wasi_rows gn__wasi_udp_rows;
extern const struct gn__wasi_rows gn__wasi_names_rows;
extern const struct gn__wasi_rows gn__wasi_cli_rows;

#define GN__WASI_N_FILES   7
#define GN__WASI_FILE_BITS 8

/** Those of each file. An operation is one's number, and above
 *  GN__WASI_FILE_BITS that of its file. */
extern const struct gn__wasi_rows *const gn__wasi_files[GN__WASI_N_FILES];

/** The row of an operation, or NULL. */
static inline const struct gn__wasi_row *gn__wasi_row(int op)
{
    unsigned file = (unsigned)op >> GN__WASI_FILE_BITS;
    unsigned i = (unsigned)op & ((1u << GN__WASI_FILE_BITS) - 1);

    return file < GN__WASI_N_FILES && i < gn__wasi_files[file]->n
               ? &gn__wasi_files[file]->row[i]
               : NULL;
}
/** Is it one of WASI 0.2, whose results are lowered and whose mistakes trap? */
static inline bool gn__wasi_row_is_0_2(const struct gn__wasi_row *row)
{
    return row->module[4] == ':';
}
bool gn__wasi_row_is_wasmedge(int op);
/** How many parameters its core function has. */
unsigned gn__wasi_row_n_params(const struct gn__wasi_row *row);
/** Is a result of this type returned, and not stored? */
bool gn__wasi_is_scalar(const char *result);
/** Its core signature. */
void gn__wasi_row_signature(const struct gn__wasi_row *row, char out[40]);

struct gn__wasi_call {
    struct gn_wasi_guest *guest;
    const struct gn__wasi_row *row;
    const struct gn__wasi_shape *shape; /* NULL: no row of WASI 0.2 */
    const uint64_t *args;
    struct gn__wasi_handle *self; /* with row->self */
    uint64_t began_ns; /* of the first try, once it has waited; else 0 */
    uint64_t done;     /* progress of what goes on over several tries */
    /* The result, of WASI 0.2: its parts in the order of its type. */
    uint64_t value[3];
    struct sockaddr_storage addr;
    struct iovec one; /* preview1: the only buffer that was given */
};

struct gn__wasi_waits {
    struct gn_pollfd *fds; /* in one[], or in the guest's scratch */
    size_t n;
    uint64_t deadline_ns; /* of gn_now_ns(), or GN__WASI_NEVER */
    struct gn_pollfd one[1];
};

struct gn_wasi_guest {
    struct gn__mem mem;
    struct gn_namespace *ns;
    struct gn_wasi_memory (*memory)(void *arg);
    int (*realloc)(void *arg, uint32_t align, uint32_t size, uint32_t *at);
    void *arg;
    struct gn_wasi_memory now; /* as it said; base NULL: it is to be asked */
    char **args;
    char **env;

    struct gn__wasi_handle *handles;
    uint32_t n_handles; /* in handles */
    uint32_t max_handles;
    uint32_t free_from; /* none below is free */

    void *scratch; /* of the call that is under way */
    size_t scratch_size;
    struct gn__wasi_waits waits;

    bool busy; /* a call is under way or pending: no other may begin */
    bool held; /* it is pending */
    struct gn__wasi_call call;
    uint64_t call_args[GN_WASI_ARGS_MAX];
    struct gn__wasi_watch *watch; /* NULL: the blocking form */

    bool ended;
    uint32_t status; /* of exit */
    char why[160];
};

/** Any open handle, or NULL. */
static inline struct gn__wasi_handle *gn__wasi_handle_any(
    struct gn_wasi_guest *guest, uint64_t number)
{
    uint32_t i = (uint32_t)number;

    if (i >= guest->n_handles || !guest->handles[i].kind)
        return NULL;
    return &guest->handles[i];
}

/** The one of this number, if it is of this kind; else NULL. */
static inline struct gn__wasi_handle *gn__wasi_handle(
    struct gn_wasi_guest *guest, uint64_t number, enum gn__wasi_kind kind)
{
    struct gn__wasi_handle *handle = gn__wasi_handle_any(guest, number);

    return handle && handle->kind == kind ? handle : NULL;
}

/** Trap; @why is kept. Returns GN__WASI_TRAP. */
int gn__wasi_trap(struct gn_wasi_guest *guest, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** At least @size bytes that last as long as the call, or NULL. */
void *gn__wasi_scratch(struct gn_wasi_guest *guest, size_t size);

/** Wait for a socket, no longer than @timeout_ns from the first try (0: for
 *  ever). Returns GN__WASI_WAIT, or -EAGAIN when that is over. */
int gn__wasi_wait_sock(struct gn__wasi_call *call, struct gn__wasi_sock *sock,
                       short events, uint64_t timeout_ns);
/** Wait for what the caller has put into guest->waits. */
int gn__wasi_wait(struct gn__wasi_call *call);

/* ---- its memory ---- */

/** Ask where it is; false: nowhere. */
bool gn__wasi_memory_ask(struct gn_wasi_guest *guest);

/** Anything of the guest's may have run: it is to be asked again. */
static inline void gn__wasi_memory_forget(struct gn_wasi_guest *guest)
{
    guest->now.base = NULL;
}

/** Where @len bytes are, or NULL if they are not all in its memory. Good until
 *  anything of the guest's runs. */
static inline void *gn__wasi_at(struct gn_wasi_guest *guest, uint64_t at,
                                uint64_t len)
{
    if (!guest->now.base && !gn__wasi_memory_ask(guest))
        return NULL;
    if (at > guest->now.size || len > guest->now.size - at)
        return NULL;
    return guest->now.base + at;
}
/** 0 or -EFAULT. */
int gn__wasi_get(struct gn_wasi_guest *guest, uint64_t at, void *out,
                 size_t len);
static inline int gn__wasi_put(struct gn_wasi_guest *guest, uint64_t at,
                               const void *data, size_t len)
{
    void *to = gn__wasi_at(guest, at, len);

    if (!to)
        return -EFAULT;
    if (len)
        memcpy(to, data, len);
    return 0;
}

/** A number, where gn__wasi_at() has found room for it. */
static inline void gn__wasi_store16(uint8_t *to, uint32_t v)
{
    uint16_t word = htole16((uint16_t)v);

    memcpy(to, &word, sizeof(word));
}

static inline void gn__wasi_store32(uint8_t *to, uint32_t v)
{
    v = htole32(v);
    memcpy(to, &v, sizeof(v));
}

static inline int gn__wasi_put16(struct gn_wasi_guest *guest, uint64_t at,
                                 uint64_t v)
{
    uint8_t *to = gn__wasi_at(guest, at, 2);

    if (to)
        gn__wasi_store16(to, (uint32_t)v);
    return to ? 0 : -EFAULT;
}

static inline int gn__wasi_put32(struct gn_wasi_guest *guest, uint64_t at,
                                 uint64_t v)
{
    uint8_t *to = gn__wasi_at(guest, at, 4);

    if (to)
        gn__wasi_store32(to, (uint32_t)v);
    return to ? 0 : -EFAULT;
}

static inline int gn__wasi_put64(struct gn_wasi_guest *guest, uint64_t at,
                                 uint64_t v)
{
    uint64_t word = htole64(v);

    return gn__wasi_put(guest, at, &word, sizeof(word));
}

/** The buffer that the iovec at @at is: 0 or -EFAULT. */
static inline int gn__wasi_buffer(struct gn_wasi_guest *guest, uint64_t at,
                                  struct iovec *out)
{
    const void *from = gn__wasi_at(guest, at, 8);
    uint32_t pair[2];

    if (!from)
        return -EFAULT;
    memcpy(pair, from, sizeof(pair)); /* Once: others may write there. */
    out->iov_len = le32toh(pair[1]);
    out->iov_base = gn__wasi_at(guest, le32toh(pair[0]), out->iov_len);
    return out->iov_base ? 0 : -EFAULT;
}

/** Those of @n iovecs at @at, in the guest's scratch, as the buffers of @msg.
 *  0, -EINVAL (too many), -EFAULT or -ENOMEM. */
int gn__wasi_iovs(struct gn_wasi_guest *guest, uint64_t at, uint64_t n,
                  struct msghdr *msg);
/** Room that the guest's cabi_realloc() gives: 0, or GN__WASI_TRAP. */
int gn__wasi_realloc(struct gn_wasi_guest *guest, uint32_t align, uint64_t size,
                     uint32_t *at);

/* ---- errors ---- */

/** The errno of preview 1 for a negative errno. */
uint32_t gn__wasi_errno(int err);
/** The error-code of wasi:sockets/network for one. */
uint8_t gn__wasi_code(int err);

/** Put the result of a call of WASI 0.2 where the guest wants it. */
int gn__wasi_lower(struct gn__wasi_call *call, int err, uint64_t *result);
/** An ip-socket-address from its twelve parameters. Returns its length. */
socklen_t gn__wasi_lift_addr(const uint64_t *args,
                             struct sockaddr_storage *out);
/** The same from memory, 32 bytes. */
socklen_t gn__wasi_load_addr(const uint8_t *from, struct sockaddr_storage *out);
void gn__wasi_store_addr(uint8_t *to, const struct sockaddr_storage *addr);

#endif /* GUESTS_WASI_WASI_H */
