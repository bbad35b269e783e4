/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * wasi:io: pollables, streams, errors.
 *
 * A pollable of a socket is looked at by what the socket is now: C libraries
 * subscribe once, when they make the socket, and keep that pollable while it
 * connects or listens.
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "guests/wasi/io.h"
#include "guests/wasi/names.h"
#include "guests/wasi/wasi.h"

#define FIRST_READ 2048u

int gn__wasi_pollable(struct gn__wasi_call *call, enum gn__wasi_until until,
                      struct gn__wasi_sock *sock)
{
    int number = gn__wasi_handle_new(call->guest, GN__WASI_POLLABLE);

    if (number < 0)
        return number;
    call->guest->handles[number].until = (uint8_t)until;
    if (sock)
        call->guest->handles[number].of.sock = gn__wasi_sock_ref(sock);
    call->value[0] = (uint64_t)number;
    return number;
}

int gn__wasi_streams(struct gn_wasi_guest *guest, struct gn__wasi_sock *sock,
                     enum gn__wasi_kind in, enum gn__wasi_kind out,
                     uint64_t numbers[2])
{
    int first = gn__wasi_handle_new(guest, in), second;

    if (first < 0)
        return first;
    guest->handles[first].of.sock = gn__wasi_sock_ref(sock);
    second = gn__wasi_handle_new(guest, out);
    if (second < 0) {
        gn__wasi_handle_drop(guest, (uint32_t)first);
        return second;
    }
    guest->handles[second].of.sock = gn__wasi_sock_ref(sock);
    numbers[0] = (uint64_t)first;
    numbers[1] = (uint64_t)second;
    return 0;
}

int gn__wasi_drop(struct gn__wasi_call *call)
{
    gn__wasi_handle_drop(call->guest, (uint32_t)call->args[0]);
    return 0;
}

/* ---- pollables ---- */

/* For which events is the socket to be looked at in this step? 0: it is
 * done. */
static short step_events(const struct gn__wasi_sock *sock)
{
    switch (sock->state) {
    case GN__WASI_LISTENING:
        return POLLIN;
    case GN__WASI_CONNECTING:
    case GN__WASI_UNBOUND:
    case GN__WASI_BOUND:
        return sock->type == SOCK_STREAM ? POLLOUT : 0;
    default:
        return 0;
    }
}

/* Is it ready? Else @fd is what it waits for, if that is a socket. */
static bool pollable_look(const struct gn_wasi_guest *guest,
                          const struct gn__wasi_handle *pollable,
                          uint64_t now_ns, struct gn_pollfd *fd)
{
    int status;

    *fd = (struct gn_pollfd){NULL, -1, 0, 0};
    switch (pollable->until) {
    case GN__WASI_TIME:
        return pollable->at <= now_ns;
    case GN__WASI_KERNEL:
        *fd = (struct gn_pollfd){NULL, pollable->fd, POLLIN, 0};
        return guest->watch != NULL; /* Nothing could tell of it. */
    case GN__WASI_LOOKED_UP:
        return gn__wasi_lookup_ended(pollable->of.lookup, &status);
    case GN__WASI_READABLE:
        fd->events = POLLIN;
        break;
    case GN__WASI_WRITABLE:
        fd->events = POLLOUT;
        break;
    case GN__WASI_STEP:
        fd->events = step_events(pollable->of.sock);
        break;
    default:
        return true;
    }
    fd->sock = pollable->of.sock->sock;
    return fd->events == 0;
}

/* Which of the pollables are ready? ready[] gets 1 for each. Returns how many,
 * or an error; what they wait for is in the guest's waits. */
static int pollables_look(struct gn_wasi_guest *guest, const uint32_t *numbers,
                          uint32_t n, uint8_t *ready, struct gn_pollfd *fds)
{
    struct gn__wasi_waits *waits = &guest->waits;
    uint64_t now_ns = gn_now_ns(guest->ns);
    int count = 0, err = 0;

    waits->fds = fds;
    waits->n = n;
    waits->deadline_ns = GN__WASI_NEVER;
    for (uint32_t i = 0; i < n; i++) {
        const struct gn__wasi_handle *pollable =
            gn__wasi_handle(guest, numbers[i], GN__WASI_POLLABLE);

        if (!pollable)
            return -EBADF;
        ready[i] = pollable_look(guest, pollable, now_ns, &fds[i]);
        if (pollable->until == GN__WASI_TIME &&
            pollable->at < waits->deadline_ns)
            waits->deadline_ns = pollable->at;
    }
    if (n > 1 || fds[0].events)
        err = gn_sock_poll(fds, n, 0);
    if (err < 0)
        return err;
    for (uint32_t i = 0; i < n; i++) {
        ready[i] |= fds[i].revents != 0;
        count += ready[i];
    }
    return count;
}

static int run_ready(struct gn__wasi_call *call)
{
    struct gn_wasi_guest *guest = call->guest;
    uint32_t number = (uint32_t)call->args[0];
    uint8_t ready;
    int n = pollables_look(guest, &number, 1, &ready, guest->waits.one);

    call->value[0] = n > 0;
    return n < 0 ? n : 0;
}

static int run_block(struct gn__wasi_call *call)
{
    struct gn_wasi_guest *guest = call->guest;
    uint32_t number = (uint32_t)call->args[0];
    uint8_t ready;
    int n = pollables_look(guest, &number, 1, &ready, guest->waits.one);

    if (n == 0)
        return gn__wasi_wait(call);
    return n < 0 ? n : 0;
}

/* The indexes of those that are ready, as a list. */
static int indexes_lower(struct gn__wasi_call *call, const uint8_t *ready,
                         uint32_t n, int count)
{
    uint32_t at, *to;

    if (gn__wasi_realloc(call->guest, 4, (uint64_t)count * 4, &at))
        return GN__WASI_TRAP;
    to = gn__wasi_at(call->guest, at, (uint64_t)count * 4);
    if (!to)
        return -EFAULT;
    for (uint32_t i = 0; i < n; i++)
        if (ready[i]) {
            uint32_t word = htole32(i);

            memcpy(to++, &word, sizeof(word));
        }
    call->value[0] = at;
    call->value[1] = (uint64_t)count;
    return 0;
}

static int run_poll(struct gn__wasi_call *call)
{
    struct gn_wasi_guest *guest = call->guest;
    uint32_t n = (uint32_t)call->args[1];
    struct gn_pollfd *fds;
    uint32_t *numbers;
    uint8_t *ready;
    int count;

    if (n == 0 || n > GN__WASI_POLL_MAX)
        return gn__wasi_trap(guest, "poll of %u pollables: from 1 to %u can be",
                             n, GN__WASI_POLL_MAX);
    fds = gn__wasi_scratch(guest, n * (sizeof(*fds) + sizeof(*numbers) + 1));
    if (!fds)
        return -ENOMEM;
    numbers = (uint32_t *)(fds + n);
    ready = (uint8_t *)(numbers + n);
    if (gn__wasi_get(guest, (uint32_t)call->args[0], numbers,
                     n * sizeof(*numbers)))
        return -EFAULT;
    for (uint32_t i = 0; i < n; i++)
        numbers[i] = le32toh(numbers[i]);
    count = pollables_look(guest, numbers, n, ready, fds);
    if (count == 0)
        return gn__wasi_wait(call);
    return count < 0 ? count : indexes_lower(call, ready, n, count);
}

/* ---- input ---- */

static int bytes_lower(struct gn__wasi_call *call, const void *data, size_t len)
{
    uint32_t at;

    if (gn__wasi_realloc(call->guest, 1, len, &at))
        return GN__WASI_TRAP;
    if (gn__wasi_put(call->guest, at, data, len))
        return -EFAULT;
    call->value[0] = at;
    call->value[1] = len;
    return 0;
}

/* The end of a stream is "closed". */
static int recv_result(ssize_t n)
{
    return n == 0 ? -EPIPE : n == -ENOTCONN ? -EPIPE : (int)n;
}

/* How much there is has to be known before the guest can give room for it. That
 * is a question more, which only pays where much is to be expected. */
static int read_much(struct gn__wasi_call *call, struct gn__wasi_sock *sock,
                     uint32_t len)
{
    ssize_t n = gn_sock_available(sock->sock);
    uint32_t at;
    void *to;

    if (n < 0)
        return (int)n;
    if (n == 0) { /* Nothing, the end, or an error. */
        char byte;

        n = gn_sock_recv(sock->sock, &byte, 1, MSG_PEEK);
        if (n <= 0)
            return recv_result(n);
    }
    len = (size_t)n < len ? (uint32_t)n : len;
    if (gn__wasi_realloc(call->guest, 1, len, &at))
        return GN__WASI_TRAP;
    to = gn__wasi_at(call->guest, at, len);
    if (!to)
        return -EFAULT;
    n = gn_sock_recv(sock->sock, to, len, 0);
    if (n <= 0)
        return recv_result(n);
    call->value[0] = at;
    call->value[1] = (uint64_t)n;
    return 0;
}

/* Whatever is wrong with a descriptor of the host's is no mistake of the
 * guest's, which would trap. */
static ssize_t kernel_read(int fd, void *data, size_t len)
{
    const struct iovec all = {.iov_base = data, .iov_len = len};
    ssize_t n = gn__wasi_kernel_readv(fd, &all, 1);

    return n < 0 ? -EIO : n;
}

static ssize_t input_take(const struct gn__wasi_handle *in, void *data,
                          size_t len)
{
    return in->of.sock ? gn_sock_recv(in->of.sock->sock, data, len, 0)
                       : kernel_read(in->fd, data, len);
}

static int read_little(struct gn__wasi_call *call, uint32_t len)
{
    uint8_t data[FIRST_READ];
    ssize_t n =
        input_take(call->self, data, len < sizeof(data) ? len : sizeof(data));

    if (n <= 0)
        return recv_result(n);
    return bytes_lower(call, data, (size_t)n);
}

/* -EAGAIN: nothing is there yet. */
static int stream_read(struct gn__wasi_call *call)
{
    uint64_t wanted = call->args[1];
    uint32_t len =
        wanted < GN__WASI_PIECE_MAX ? (uint32_t)wanted : GN__WASI_PIECE_MAX;
    struct gn__wasi_handle *in = call->self;
    int err;

    if (len == 0)
        return bytes_lower(call, "", 0);
    err = in->much && len > FIRST_READ ? read_much(call, in->of.sock, len)
                                       : read_little(call, len);
    if (!err)
        in->much = in->of.sock && call->value[1] >= FIRST_READ;
    return err;
}

static int run_read(struct gn__wasi_call *call)
{
    int err = stream_read(call);

    return err == -EAGAIN ? bytes_lower(call, "", 0) : err;
}

static int run_blocking_read(struct gn__wasi_call *call)
{
    int err = stream_read(call);

    if (err == -EAGAIN)
        return gn__wasi_wait_sock(call, call->self->of.sock, POLLIN, 0);
    return err;
}

/* Bytes of a stream that are not wanted. */
static int stream_skip(struct gn__wasi_call *call)
{
    uint64_t wanted = call->args[1];
    size_t len =
        wanted < GN__WASI_PIECE_MAX ? (size_t)wanted : GN__WASI_PIECE_MAX;
    struct gn__wasi_handle *in = call->self;
    char data[FIRST_READ];
    ssize_t n;

    call->value[0] = 0;
    if (len == 0)
        return 0;
    if (in->of.sock)
        n = gn_sock_recv(in->of.sock->sock, NULL, len, MSG_TRUNC);
    else
        n = kernel_read(in->fd, data, len < sizeof(data) ? len : sizeof(data));
    if (n <= 0)
        return recv_result(n);
    call->value[0] = (uint64_t)n;
    return 0;
}

static int run_skip(struct gn__wasi_call *call)
{
    int err = stream_skip(call);

    return err == -EAGAIN ? 0 : err;
}

static int run_blocking_skip(struct gn__wasi_call *call)
{
    int err = stream_skip(call);

    if (err == -EAGAIN)
        return gn__wasi_wait_sock(call, call->self->of.sock, POLLIN, 0);
    return err;
}

static int run_input_subscribe(struct gn__wasi_call *call)
{
    struct gn__wasi_sock *sock = call->self->of.sock;
    int fd = call->self->fd;
    int number = gn__wasi_pollable(call,
                                   sock      ? GN__WASI_READABLE
                                   : fd >= 0 ? GN__WASI_KERNEL
                                             : GN__WASI_READY,
                                   sock);

    if (number < 0)
        return number;
    call->guest->handles[number].fd = fd;
    return 0;
}

/* ---- output ---- */

/* All of it. */
static int kernel_write(int fd, const void *data, size_t len)
{
    struct iovec left = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    ssize_t n = 0;

    while (n >= 0 && left.iov_len) {
        n = gn__wasi_kernel_writev(fd, &left, 1);
        if (n > 0) {
            left.iov_base = (char *)left.iov_base + n;
            left.iov_len -= (size_t)n;
        }
    }
    return n >= 0 ? 0 : n == -EPIPE ? -EPIPE : -EIO;
}

/* How much a write may bring: 0 while something is left or there is no room. */
static int run_check_write(struct gn__wasi_call *call)
{
    struct gn__wasi_sock *sock = call->self->of.sock;
    int err = sock ? gn__wasi_sock_drain(sock) : 0;

    call->value[0] = GN__WASI_PIECE_MAX;
    if (err == -EAGAIN || (sock && !gn__wasi_sock_ready(sock, POLLOUT)))
        call->value[0] = 0;
    return err == -EAGAIN ? 0 : err;
}

static int stream_write(struct gn__wasi_call *call, uint32_t at, uint32_t len)
{
    const struct gn__wasi_handle *out = call->self;
    const void *data = gn__wasi_at(call->guest, at, len);

    if (!data)
        return -EFAULT;
    if (!out->of.sock)
        return kernel_write(out->fd, data, len);
    if (len > GN__WASI_PIECE_MAX)
        return gn__wasi_trap(call->guest,
                             "write of %u bytes, more than "
                             "check-write has said",
                             len);
    return gn__wasi_sock_write(out->of.sock, data, len);
}

static int run_write(struct gn__wasi_call *call)
{
    return stream_write(call, (uint32_t)call->args[1], (uint32_t)call->args[2]);
}

static int stream_flushed(struct gn__wasi_call *call)
{
    struct gn__wasi_sock *sock = call->self->of.sock;
    int err = sock ? gn__wasi_sock_drain(sock) : 0;

    return err == -EAGAIN ? gn__wasi_wait_sock(call, sock, POLLOUT, 0) : err;
}

/* Written at the first try, and then flushed. */
static int run_write_and_flush(struct gn__wasi_call *call)
{
    struct gn__wasi_sock *sock = call->self->of.sock;
    int err;

    if (!call->done) {
        err = sock ? gn__wasi_sock_drain(sock) : 0;
        if (err == -EAGAIN)
            return gn__wasi_wait_sock(call, sock, POLLOUT, 0);
        err = err ? err : run_write(call);
        if (err)
            return err;
        call->done = 1;
    }
    return stream_flushed(call);
}

static int run_flush(struct gn__wasi_call *call)
{
    struct gn__wasi_sock *sock = call->self->of.sock;
    int err = sock ? gn__wasi_sock_drain(sock) : 0;

    return err == -EAGAIN ? 0 : err;
}

static int run_blocking_flush(struct gn__wasi_call *call)
{
    return stream_flushed(call);
}

static int zeroes_write(struct gn__wasi_call *call)
{
    static const uint8_t zeroes[4096];
    const struct gn__wasi_handle *out = call->self;
    uint64_t len = call->args[1];
    int err = 0;

    if (len > GN__WASI_PIECE_MAX)
        return gn__wasi_trap(call->guest,
                             "write of %llu zeroes, more than "
                             "check-write has said",
                             (unsigned long long)len);
    while (!err && len) {
        uint32_t n = len < sizeof(zeroes) ? (uint32_t)len : sizeof(zeroes);

        err = out->of.sock ? gn__wasi_sock_write(out->of.sock, zeroes, n)
                           : kernel_write(out->fd, zeroes, n);
        len -= n;
    }
    return err;
}

static int run_zeroes_and_flush(struct gn__wasi_call *call)
{
    int err = call->done ? 0 : zeroes_write(call);

    call->done = 1;
    return err ? err : stream_flushed(call);
}

static int run_output_subscribe(struct gn__wasi_call *call)
{
    struct gn__wasi_sock *sock = call->self->of.sock;
    int number = gn__wasi_pollable(
        call, sock ? GN__WASI_WRITABLE : GN__WASI_READY, sock);

    return number < 0 ? number : 0;
}

/* From an input stream into this one. */
static int stream_splice(struct gn__wasi_call *call)
{
    struct gn_wasi_guest *guest = call->guest;
    struct gn__wasi_sock *out = call->self->of.sock;
    const struct gn__wasi_handle *in =
        gn__wasi_handle(guest, call->args[1], GN__WASI_INPUT);
    uint64_t len = call->args[2];
    uint8_t data[FIRST_READ];
    ssize_t n;

    call->value[0] = 0;
    if (!in)
        return -EBADF;
    if (out && (gn__wasi_sock_drain(out) == -EAGAIN ||
                !gn__wasi_sock_ready(out, POLLOUT)))
        return 0;
    len = len < sizeof(data) ? len : sizeof(data);
    if (len == 0)
        return 0;
    n = input_take(in, data, len);
    if (n <= 0)
        return n == -EAGAIN ? 0 : recv_result(n);
    call->value[0] = (uint64_t)n;
    return out ? gn__wasi_sock_write(out, data, (uint32_t)n)
               : kernel_write(call->self->fd, data, (size_t)n);
}

static int run_splice(struct gn__wasi_call *call)
{
    return stream_splice(call);
}

static int run_blocking_splice(struct gn__wasi_call *call)
{
    const struct gn__wasi_handle *in =
        gn__wasi_handle(call->guest, call->args[1], GN__WASI_INPUT);
    struct gn__wasi_sock *out = call->self->of.sock;
    int err = stream_splice(call);

    if (err || call->value[0] || call->args[2] == 0)
        return err;
    /* What comes from no socket is there at once: there was no room, even if
     * there is some now. */
    if (out && (!in->of.sock || !gn__wasi_sock_ready(out, POLLOUT)))
        return gn__wasi_wait_sock(call, out, POLLOUT, 0);
    return gn__wasi_wait_sock(call, in->of.sock, POLLIN, 0);
}

/* ---- errors ---- */

static int run_debug_string(struct gn__wasi_call *call)
{
    const char *text = gn_strerror(call->self->err);

    return bytes_lower(call, text, strlen(text));
}

static int run_network_error(struct gn__wasi_call *call)
{
    const struct gn__wasi_handle *error =
        gn__wasi_handle(call->guest, call->args[0], GN__WASI_ERROR);

    if (!error)
        return -EBADF;
    call->value[0] = 1;
    call->value[1] = gn__wasi_code(error->err);
    return 0;
}

#define POLL    "wasi:io/poll"
#define STREAMS "wasi:io/streams"
#define IN(m)   "[method]input-stream." m
#define OUT(m)  "[method]output-stream." m

static const struct gn__wasi_row rows[] = {
    {POLL, "[method]pollable.ready", "k>b", run_ready, GN__WASI_POLLABLE},
    {POLL, "[method]pollable.block", "k>", run_block, GN__WASI_POLLABLE},
    {POLL, "poll", "P>P", run_poll, GN__WASI_FREE},
    {POLL, "[resource-drop]pollable", "k>", gn__wasi_drop, GN__WASI_POLLABLE},
    {STREAMS, IN("read"), "kq>RL,E", run_read, GN__WASI_INPUT},
    {STREAMS, IN("blocking-read"), "kq>RL,E", run_blocking_read,
     GN__WASI_INPUT},
    {STREAMS, IN("skip"), "kq>Rq,E", run_skip, GN__WASI_INPUT},
    {STREAMS, IN("blocking-skip"), "kq>Rq,E", run_blocking_skip,
     GN__WASI_INPUT},
    {STREAMS, IN("subscribe"), "k>o", run_input_subscribe, GN__WASI_INPUT},
    {STREAMS, "[resource-drop]input-stream", "k>", gn__wasi_drop,
     GN__WASI_INPUT},
    {STREAMS, OUT("check-write"), "k>Rq,E", run_check_write, GN__WASI_OUTPUT},
    {STREAMS, OUT("write"), "kL>R_,E", run_write, GN__WASI_OUTPUT},
    {STREAMS, OUT("blocking-write-and-flush"), "kL>R_,E", run_write_and_flush,
     GN__WASI_OUTPUT},
    {STREAMS, OUT("flush"), "k>R_,E", run_flush, GN__WASI_OUTPUT},
    {STREAMS, OUT("blocking-flush"), "k>R_,E", run_blocking_flush,
     GN__WASI_OUTPUT},
    {STREAMS, OUT("write-zeroes"), "kq>R_,E", zeroes_write, GN__WASI_OUTPUT},
    {STREAMS, OUT("blocking-write-zeroes-and-flush"), "kq>R_,E",
     run_zeroes_and_flush, GN__WASI_OUTPUT},
    {STREAMS, OUT("splice"), "kkq>Rq,E", run_splice, GN__WASI_OUTPUT},
    {STREAMS, OUT("blocking-splice"), "kkq>Rq,E", run_blocking_splice,
     GN__WASI_OUTPUT},
    {STREAMS, OUT("subscribe"), "k>o", run_output_subscribe, GN__WASI_OUTPUT},
    {STREAMS, "[resource-drop]output-stream", "k>", gn__wasi_drop,
     GN__WASI_OUTPUT},
    {"wasi:io/error", "[method]error.to-debug-string", "k>s", run_debug_string,
     GN__WASI_ERROR},
    {"wasi:io/error", "[resource-drop]error", "k>", gn__wasi_drop,
     GN__WASI_ERROR},
    {"wasi:sockets/network", "network-error-code", "k>Oe", run_network_error,
     GN__WASI_FREE},
};

const struct gn__wasi_rows gn__wasi_io_rows = GN__WASI_ROWS(rows);
