/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A relay works in turns, each caused by the descriptor (an edge: it became
 * readable or writable), by the socket (its hook), by a timer or by itself. A
 * turn goes round until neither end has anything to do for the other:
 *
 *     1. read from the descriptor, as much as the socket has room for;
 *     2. one round with the engine: what was read is sent, what the kernel has
 *        taken of the slices before is let go, the next slices are shown;
 *     3. write those.
 *
 * System calls run without the engine's lock, and an idle direction costs none.
 * After a few rounds the turn is given up and goes on later, so that thousands
 * of relays get their share.
 *
 * Readiness of the descriptor is remembered in two flags, that an edge sets and
 * -EAGAIN clears. A read of TCP that leaves room has read all there was, as
 * epoll(7) says, and clears it too, unless it may have stopped for another
 * reason: at urgent data, or before an end or an error, of which no other edge
 * will tell. For the socket the round itself arms the hook for what was
 * missing.
 */
#include "host/forward/relay.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "namespace/namespace.h"

/** Rounds of one turn. */
#define ROUNDS 4u
/** The first read, bytes; each one that is filled makes the next larger. */
#define READ_FIRST 2048u
/** Shown to the kernel at once, bytes. */
#define WRITE_MAX (256u * 1024)
/** Until memory is looked for again, ns. */
#define RETRY_NS 10000000u

/** What is written in front of all else. */
struct opener {
    size_t len, sent;
    char text[];
};

struct gn__relay {
    struct gn__io *io;
    struct gn_sock *sock;
    struct gn__io_watch watch;
    const struct gn__transport_ops *transport;
    void *transport_self; /* the plain one has none: its opener is here */
    struct gn__stream_hook hook;
    struct gn__deferred again;
    struct gn__io_timer retry;
    struct gn__io_end end;
    struct gn__fd_share share;
    gn__relay_cb ended;
    void *arg;
    struct gn__slice held[GN__ROUND_SEND]; /* read, and not yet taken */
    size_t room;   /* of the socket, as of the last round */
    size_t passed; /* written, and not yet let go */
    unsigned n_held;
    uint32_t read_size;
    bool ask;      /* the socket has, or may have, something to tell */
    bool readable; /* the descriptor, as far as is known */
    bool writable;
    bool tcp : 1;    /* the kernel's, not a Unix socket */
    bool drains : 1; /* a read that leaves room has read all */
    bool failed;     /* it has reported an error, which a call will say */
    bool read_end;   /* its end of file has been read */
    bool shut;       /* ... and passed on */
    bool write_end;  /* the socket's FIN has been passed on */
};

size_t gn__relay_size(void)
{
    return sizeof(struct gn__relay);
}

/* ---- ending ---- */

void gn__relay_reset(int fd)
{
    struct linger now = {.l_onoff = 1};

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}

static void close_fd(int fd, bool reset)
{
    if (reset)
        gn__relay_reset(fd);
    else
        close(fd);
}

static void drop_ends(struct gn_sock *sock, int fd, bool reset)
{
    if (reset)
        gn__stream_abort(sock);
    else
        gn_sock_close(sock);
    gn_sock_unref(sock);
    close_fd(fd, reset);
}

static void drop_chunks(const struct gn__slice *slices, unsigned n)
{
    while (n--)
        gn__chunk_unref(slices[n].chunk);
}

/* Not written yet; NULL: there is none. */
static struct opener *opener_of(const struct gn__relay *relay)
{
    return relay->transport == &gn__transport_plain ? relay->transport_self
                                                    : NULL;
}

static void opener_free(struct gn__relay *relay)
{
    struct opener *opener = opener_of(relay);

    if (!opener)
        return;
    relay->transport_self = NULL;
    gn__free(relay->io->mem, opener, sizeof(*opener) + opener->len);
}

static void let_go(struct gn__relay *relay, bool reset)
{
    struct gn__io *io = relay->io;
    int fd = relay->watch.fd;

    gn__io_unwatch(io, &relay->watch);
    gn__io_cancel(io, &relay->again);
    gn__io_stop(io, &relay->retry);
    gn__io_forget_end(&relay->end);
    gn__stream_hook_done(&relay->hook);
    opener_free(relay);
    drop_chunks(relay->held, relay->n_held);
    relay->transport->done(relay->transport_self);
    drop_ends(relay->sock, fd, reset);
    gn__fds_give(&relay->share);
    gn__free(io->mem, relay, sizeof(*relay));
    gn__io_release(io);
}

static void relay_finish(struct gn__relay *relay, int status)
{
    gn__relay_cb ended = relay->ended;
    void *arg = relay->arg;

    let_go(relay, status != 0);
    if (ended)
        ended(status, arg);
}

bool gn__relay_is_unreached(int status)
{
    return status == -ECONNREFUSED || status == -EHOSTUNREACH ||
           status == -ENETUNREACH || status == -ETIMEDOUT;
}

void gn__relay_abort(struct gn__relay *relay)
{
    let_go(relay, true);
}

void gn__relay_cut(struct gn__relay *relay)
{
    relay_finish(relay, -ECANCELED);
}

static void network_closes(struct gn__io_end *end)
{
    gn__relay_cut(gn__container_of(end, struct gn__relay, end));
}

/* ---- from the descriptor ---- */

static bool may_read(const struct gn__relay *relay)
{
    return relay->readable && !relay->read_end && !relay->n_held && relay->room;
}

/* A read that fills all it was given makes the next one larger, one that fills
 * little of it smaller. */
static void relay_adapt(struct gn__relay *relay, size_t n, size_t asked)
{
    if (n == asked && asked >= relay->read_size &&
        relay->read_size < GN__RELAY_READ)
        relay->read_size *= 4;
    else if (n < relay->read_size / 8 && relay->read_size > READ_FIRST)
        relay->read_size /= 4;
}

static void wait_for_memory(struct gn__relay *relay)
{
    gn__io_start(relay->io, &relay->retry, gn__io_now(relay->io) + RETRY_NS);
}

/* Chunks for the next read, in relay->held: as many bytes as it is to be, and
 * the socket has room for. Returns how many bytes that are. */
static size_t take_chunks(struct gn__relay *relay)
{
    struct gn__chunk_pool *pool = relay->sock->engine->net.chunks;
    size_t want = relay->read_size, total = 0;

    if (want > relay->room)
        want = relay->room;
    while (total < want && relay->n_held < GN__ROUND_SEND) {
        struct gn__slice *slice = &relay->held[relay->n_held];
        size_t n = want - total < GN__CHUNK_MAX ? want - total : GN__CHUNK_MAX;

        slice->chunk = gn__chunk_alloc(pool, n);
        if (!slice->chunk)
            break;
        slice->data = gn__chunk_data(slice->chunk);
        slice->len = (uint32_t)n;
        relay->n_held++;
        total += n;
    }
    return total;
}

/* Keep the first @n of the bytes that were read. */
static void keep_read(struct gn__relay *relay, size_t n)
{
    unsigned i;

    for (i = 0; i < relay->n_held && n > 0; i++) {
        if (relay->held[i].len > n)
            relay->held[i].len = (uint32_t)n;
        n -= relay->held[i].len;
    }
    drop_chunks(&relay->held[i], relay->n_held - i);
    relay->n_held = i;
}

/* Returns 0, also if there was nothing, or the error that ends it. */
static int read_some(struct gn__relay *relay)
{
    struct iovec iov[GN__ROUND_SEND];
    size_t asked = take_chunks(relay);
    ssize_t n;
    unsigned i;

    if (!asked) {
        wait_for_memory(relay);
        relay->room = 0;
        return 0;
    }
    for (i = 0; i < relay->n_held; i++) {
        iov[i].iov_base = gn__chunk_data(relay->held[i].chunk);
        iov[i].iov_len = relay->held[i].len;
    }
    n = relay->transport->read(relay->transport_self, relay->watch.fd, iov,
                               relay->n_held);
    keep_read(relay, n > 0 ? (size_t)n : 0);
    if (n > 0) {
        relay_adapt(relay, (size_t)n, asked);
        if (relay->drains && (size_t)n < asked)
            relay->readable = false;
        return 0;
    }
    if (n == 0) {
        relay->read_end = true;
        relay->ask = true;
        return 0;
    }
    if (n == -EAGAIN)
        relay->readable = false;
    return n == -EAGAIN || n == -EINTR ? 0 : (int)n;
}

/* ---- to the descriptor ---- */

static int write_opener(struct gn__relay *relay)
{
    struct opener *opener = opener_of(relay);
    ssize_t n = send(relay->watch.fd, opener->text + opener->sent,
                     opener->len - opener->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return -errno;
    if (n < 0 && errno == EAGAIN)
        relay->writable = false;
    opener->sent += n > 0 ? (size_t)n : 0;
    if (opener->sent < opener->len)
        return 0;
    opener_free(relay);
    relay->ask = true; /* For what waits behind it. */
    return 0;
}

/* Write what was shown; what is not taken stays where it is. */
static int write_slices(struct gn__relay *relay,
                        const struct gn__stream_round *round)
{
    struct iovec iov[GN__ROUND_RECV];
    size_t total = 0;
    ssize_t n;
    unsigned i;

    for (i = 0; i < round->n_recv; i++) {
        iov[i].iov_base = (void *)(uintptr_t)round->recv[i].data;
        iov[i].iov_len = round->recv[i].len;
        total += round->recv[i].len;
    }
    n = relay->transport->write(relay->transport_self, relay->watch.fd, iov,
                                round->n_recv);
    if (n < 0 && n != -EAGAIN && n != -EINTR)
        return (int)n;
    if (n < 0 ? n == -EAGAIN : (size_t)n < total)
        relay->writable = false;
    relay->passed = n > 0 ? (size_t)n : 0;
    return 0;
}

static int write_some(struct gn__relay *relay,
                      const struct gn__stream_round *round)
{
    int err = write_slices(relay, round);
    unsigned i;

    for (i = 0; i < round->n_recv; i++)
        gn__chunk_unref(round->recv[i].chunk);
    return err;
}

static int pass_fin(struct gn__relay *relay)
{
    int err =
        relay->transport->shutdown(relay->transport_self, relay->watch.fd);

    if (err == -EAGAIN) {
        relay->writable = false;
        return 0;
    }
    relay->write_end = true;
    return err;
}

/* ---- turns ---- */

static bool has_news(const struct gn__relay *relay)
{
    return relay->ask || relay->passed || (relay->n_held && relay->room);
}

static int ask_engine(struct gn__relay *relay, struct gn__stream_round *round)
{
    int err;

    round->n_send = relay->n_held;
    memcpy(round->send, relay->held, sizeof(relay->held));
    round->fin = relay->read_end;
    round->passed = relay->passed;
    round->max = relay->writable && !relay->write_end && !opener_of(relay)
                     ? WRITE_MAX
                     : 0;
    round->wants_room = relay->n_held || (relay->readable && !relay->shut);
    relay->passed = 0;
    relay->ask = false;
    err = gn__stream_round(&relay->hook, round);
    relay->n_held = round->n_send;
    memcpy(relay->held, round->send, sizeof(relay->held));
    if (err)
        return err;
    relay->room = round->room;
    relay->shut = round->shut;
    if (round->stalled)
        wait_for_memory(relay);
    if (round->n_recv)
        return write_some(relay, round);
    /* Before it can be written to it may not be connected, and a shutdown then
     * would be lost. */
    return round->eof && relay->writable && !relay->write_end &&
                   !opener_of(relay)
               ? pass_fin(relay)
               : 0;
}

/* One round; false: there was nothing to do. */
static bool go_round(struct gn__relay *relay, int *err)
{
    struct gn__stream_round round;
    bool reads = may_read(relay);

    *err = relay->writable && opener_of(relay) ? write_opener(relay) : 0;
    if (!*err && reads)
        *err = read_some(relay);
    if (*err || !has_news(relay))
        return reads;
    *err = ask_engine(relay, &round);
    return true;
}

static bool is_over(const struct gn__relay *relay)
{
    return relay->shut && relay->write_end && !relay->passed;
}

static void take_turn(struct gn__relay *relay)
{
    unsigned rounds = ROUNDS;
    bool more;
    int err;

    do {
        more = go_round(relay, &err);
        if (!err && is_over(relay)) {
            relay_finish(relay, 0);
            return;
        }
    } while (!err && more && --rounds);
    /* An error that no call has said: the socket takes no more, so none was
     * made; it will be lost whenever that changes. */
    if (!err && !more && relay->failed)
        err = -ECONNRESET;
    if (err)
        relay_finish(relay, err);
    else if (more)
        gn__io_defer(relay->io, &relay->again);
}

static void fd_ready(struct gn__io_watch *watch, short revents)
{
    struct gn__relay *relay = gn__container_of(watch, struct gn__relay, watch);

    bool both = relay->transport->mixes;

    if (both || revents & (POLLIN | POLLRDHUP | POLLHUP | POLLERR))
        relay->readable = true;
    if ((both || revents & (POLLOUT | POLLHUP | POLLERR)) && !relay->writable) {
        relay->writable = true;
        relay->ask = true;
    }
    if (revents & POLLERR)
        relay->failed = true;
    relay->drains = relay->tcp && relay->transport == &gn__transport_plain &&
                    !(revents & (POLLPRI | POLLRDHUP | POLLHUP | POLLERR));
    take_turn(relay);
}

static void sock_ready(struct gn__deferred *deferred)
{
    struct gn__stream_hook *hook =
        gn__container_of(deferred, struct gn__stream_hook, deferred);

    struct gn__relay *relay = gn__container_of(hook, struct gn__relay, hook);

    relay->ask = true;
    take_turn(relay);
}

static void go_on(struct gn__deferred *task)
{
    take_turn(gn__container_of(task, struct gn__relay, again));
}

static void try_again(struct gn__io_timer *timer)
{
    struct gn__relay *relay = gn__container_of(timer, struct gn__relay, retry);

    relay->ask = true;
    take_turn(relay);
}

/* ---- starting ---- */

/* A relay passes on what there is, so neither end shall wait for more. */
static void set_options(struct gn__relay *relay,
                        const struct gn__relay_config *config)
{
    int on = 1;

    (void)gn_sock_setopt(config->sock, IPPROTO_TCP, TCP_NODELAY, &on,
                         sizeof(on));
    relay->tcp =
        setsockopt(config->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0;
}

static int opener_copy(struct gn__relay *relay, const char *text)
{
    size_t len = text ? strlen(text) : 0;
    struct opener *opener;

    if (!len)
        return 0;
    assert(relay->transport == &gn__transport_plain);
    opener = gn__zalloc(relay->io->mem, sizeof(*opener) + len);
    if (!opener)
        return -ENOMEM;
    opener->len = len;
    memcpy(opener->text, text, len);
    relay->transport_self = opener;
    return 0;
}

static struct gn__relay *relay_create(const struct gn__relay_config *config)
{
    struct gn__relay *relay = gn__zalloc(config->io->mem, sizeof(*relay));

    if (!relay)
        return NULL;
    relay->io = config->io;
    relay->sock = config->sock;
    relay->transport =
        config->transport ? config->transport : &gn__transport_plain;
    relay->transport_self = config->transport_self;
    relay->share = config->share;
    relay->ended = config->ended;
    relay->arg = config->arg;
    relay->read_size = READ_FIRST;
    relay->ask = true;
    if (opener_copy(relay, config->opener)) {
        gn__free(config->io->mem, relay, sizeof(*relay));
        return NULL;
    }
    set_options(relay, config);
    relay->watch.ready = fd_ready;
    relay->watch.account = relay->sock->account;
    relay->again.run = go_on;
    relay->again.account = relay->sock->account;
    relay->retry.fire = try_again;
    relay->retry.account = relay->sock->account;
    relay->end.run = network_closes;
    gn__stream_hook_init(&relay->hook, relay->sock, sock_ready);
    return relay;
}

int gn__relay_start(const struct gn__relay_config *config,
                    struct gn__relay **out)
{
    struct gn__fd_share share = config->share;
    struct gn__relay *relay = relay_create(config);
    int err = -ENOMEM;

    if (!relay)
        goto undo_ends;
    err = gn__io_watch(config->io, &relay->watch, config->fd,
                       POLLIN | POLLPRI | POLLOUT | POLLRDHUP | GN__IO_EDGE);
    if (err)
        goto undo_relay;
    gn__io_hold(config->io);
    gn__io_at_end(config->io, &relay->end);
    gn__io_defer(config->io, &relay->again);
    *out = relay;
    return 0;

undo_relay:
    opener_free(relay);
    gn__free(config->io->mem, relay, sizeof(*relay));
undo_ends:
    if (config->transport)
        config->transport->done(config->transport_self);
    drop_ends(config->sock, config->fd, true);
    gn__fds_give(&share);
    return err;
}
