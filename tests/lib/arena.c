/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/arena.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Entries within which bystanders must be served, whatever else goes on. */
#define STEPS_MAX 2000u

/* ---- time ---- */

uint64_t arena_pass(struct arena *arena, uint64_t ns, uint64_t max_steps)
{
    uint64_t end = gn_clock_now_ns(arena->clock) + ns;
    uint64_t n = 0;

    while (gn_clock_next_ns(arena->clock) <= end) {
        if (n++ == max_steps)
            fail_msg("more than %ju entries", (uintmax_t)max_steps);
        assert_true(gn_clock_step(arena->clock));
    }
    gn_clock_advance(arena->clock, end - gn_clock_now_ns(arena->clock));
    assert_int_equal(gn_clock_now_ns(arena->clock), end);
    return n;
}

void arena_until(struct arena *arena, bool (*done)(void *arg), void *arg,
                 uint64_t ns, uint64_t max_steps)
{
    uint64_t end = gn_clock_now_ns(arena->clock) + ns;
    uint64_t n;

    for (n = 0; !done(arg); n++) {
        if (n == max_steps)
            fail_msg("not in %ju entries", (uintmax_t)max_steps);
        if (gn_clock_next_ns(arena->clock) > end)
            fail_msg("not in %ju ms", (uintmax_t)(ns / GN_MS));
        (void)gn_clock_step(arena->clock);
    }
}

/* ---- sockets ---- */

static struct sockaddr_storage parse(const char *address, socklen_t *len)
{
    struct sockaddr_storage ss;

    if (gn_addr_parse(address, &ss, len))
        fail_msg("no address: %s", address);
    return ss;
}

struct gn_sock *arena_open(struct gn_namespace *ns, int type,
                           const char *address)
{
    socklen_t len;
    struct sockaddr_storage ss = parse(address, &len);
    struct gn_sock *sock;

    assert_int_equal(
        gn_sock_open(ns, ss.ss_family, type | SOCK_NONBLOCK, 0, &sock), 0);
    return sock;
}

struct gn_sock *arena_bound(struct gn_namespace *ns, int type,
                            const char *address)
{
    struct gn_sock *sock = arena_open(ns, type, address);
    socklen_t len;
    struct sockaddr_storage ss = parse(address, &len);

    assert_int_equal(gn_sock_bind(sock, (struct sockaddr *)&ss, len), 0);
    return sock;
}

struct gn_sock *arena_listener(struct gn_namespace *ns, const char *address,
                               int backlog)
{
    struct gn_sock *sock = arena_bound(ns, SOCK_STREAM, address);

    assert_int_equal(gn_sock_listen(sock, backlog), 0);
    return sock;
}

int arena_connect(struct gn_sock *sock, const char *address)
{
    socklen_t len;
    struct sockaddr_storage ss = parse(address, &len);

    return gn_sock_connect(sock, (struct sockaddr *)&ss, len);
}

struct gn_sock *arena_accept(struct gn_sock *listener)
{
    struct gn_sock *sock;
    int err = gn_sock_accept(listener, NULL, NULL, SOCK_NONBLOCK, &sock);

    if (err == -EAGAIN)
        return NULL;
    assert_int_equal(err, 0);
    return sock;
}

static bool can_accept(void *listener)
{
    return arena_ready(listener, POLLIN);
}

static bool can_write(void *sock)
{
    return arena_ready(sock, POLLOUT);
}

struct gn_sock *arena_join(struct arena *arena, struct gn_sock *client,
                           struct gn_sock *listener, const char *address)
{
    struct gn_sock *sock;

    assert_int_equal(arena_connect(client, address), -EINPROGRESS);
    arena_until(arena, can_write, client, GN_S, STEPS_MAX);
    assert_int_equal(arena_error(client), 0);
    arena_until(arena, can_accept, listener, GN_S, STEPS_MAX);
    sock = arena_accept(listener);
    assert_non_null(sock);
    return sock;
}

void arena_drop(struct gn_sock *sock)
{
    gn_sock_close(sock);
    gn_sock_unref(sock);
}

ssize_t arena_sendto(struct gn_sock *sock, const char *address,
                     const void *data, size_t len)
{
    socklen_t ss_len;
    struct sockaddr_storage ss = parse(address, &ss_len);

    return gn_sock_sendto(sock, data, len, 0, (struct sockaddr *)&ss, ss_len);
}

short arena_ready(struct gn_sock *sock, short events)
{
    struct gn_pollfd fd = {.sock = sock, .events = events};

    assert_true(gn_sock_poll(&fd, 1, 0) >= 0);
    return fd.revents;
}

void arena_set(struct gn_sock *sock, int level, int name, int value)
{
    assert_int_equal(gn_sock_setopt(sock, level, name, &value, sizeof(value)),
                     0);
}

int arena_error(struct gn_sock *sock)
{
    int value = -1;
    socklen_t len = sizeof(value);

    assert_int_equal(gn_sock_getopt(sock, SOL_SOCKET, SO_ERROR, &value, &len),
                     0);
    return value;
}

/* ---- guests ---- */

struct gn_namespace *arena_guest(struct arena *arena, const char *address,
                                 const struct gn_limits *limits)
{
    const char *addresses[] = {address, NULL};
    struct gn_namespace_config config = {.size = sizeof(config)};
    struct gn_namespace *ns;

    if (address)
        config.addresses = addresses;
    if (limits)
        config.limits = *limits;
    assert_int_equal(gn_namespace_create(arena->net, &config, &ns), 0);
    return ns;
}

struct gn_stats arena_stats(struct gn_namespace *ns)
{
    struct gn_stats stats;

    gn_namespace_stats(ns, &stats);
    return stats;
}

uint64_t arena_drops(struct gn_namespace *ns, enum gn_drop why)
{
    return arena_stats(ns).drops[why];
}

/* ---- bystanders ---- */

struct message {
    struct gn_sock *to;
    char text[32];
    ssize_t got;
};

static bool arrived(void *arg)
{
    struct message *message = arg;

    message->got =
        gn_sock_recv(message->to, message->text, sizeof(message->text), 0);
    return message->got != -EAGAIN;
}

static void say(struct arena *arena, struct gn_sock *from, struct gn_sock *to)
{
    static const char text[] = "are you there?";
    struct message message = {.to = to};

    assert_int_equal(gn_sock_send(from, text, sizeof(text), 0), sizeof(text));
    arena_until(arena, arrived, &message, 0, STEPS_MAX);
    assert_int_equal(message.got, sizeof(text));
    assert_memory_equal(message.text, text, sizeof(text));
}

void arena_others_work(struct arena *arena)
{
    say(arena, arena->stream[0], arena->stream[1]);
    say(arena, arena->stream[1], arena->stream[0]);
    say(arena, arena->dgram[0], arena->dgram[1]);
    say(arena, arena->dgram[1], arena->dgram[0]);
}

static void connect_bystanders(struct arena *arena)
{
    struct gn_sock *listener;

    listener = arena_listener(arena->bystander[1], "10.77.0.3:80", 1);
    arena->stream[0] =
        arena_open(arena->bystander[0], SOCK_STREAM, "10.77.0.3:80");
    arena->stream[1] =
        arena_join(arena, arena->stream[0], listener, "10.77.0.3:80");
    arena_drop(listener);
    arena->dgram[0] =
        arena_bound(arena->bystander[0], SOCK_DGRAM, "[fd77::2]:53");
    arena->dgram[1] =
        arena_bound(arena->bystander[1], SOCK_DGRAM, "[fd77::3]:53");
    assert_int_equal(arena_connect(arena->dgram[0], "[fd77::3]:53"), 0);
    assert_int_equal(arena_connect(arena->dgram[1], "[fd77::2]:53"), 0);
}

void arena_begin(struct arena *arena, const struct gn_network_config *config)
{
    static const char *const prefixes[] = {ARENA_PREFIX4, ARENA_PREFIX6, NULL};
    struct gn_clock_config clock = {.size = sizeof(clock)};
    struct gn_network_config filled = {0};

    memset(arena, 0, sizeof(*arena));
    gn_test_heap_init(&arena->heap);
    clock.alloc = &arena->heap.alloc;
    assert_int_equal(gn_clock_create(&clock, &arena->clock), 0);
    if (config)
        filled = *config;
    filled.size = sizeof(filled);
    filled.prefixes = prefixes;
    filled.drive = GN_DRIVE_VIRTUAL;
    filled.clock = arena->clock;
    assert_int_equal(gn_network_create(&filled, &arena->net), 0);
    arena->bystander[0] = arena_guest(arena, NULL, NULL);
    arena->bystander[1] = arena_guest(arena, NULL, NULL);
    connect_bystanders(arena);
    arena_others_work(arena);
}

void arena_end(struct arena *arena)
{
    size_t i;

    arena_pass(arena, GN_S, 1000000);
    arena_others_work(arena);
    for (i = 0; i < 2; i++) {
        arena_drop(arena->stream[i]);
        arena_drop(arena->dgram[i]);
    }
    gn_network_close(arena->net, NULL, NULL);
    gn_clock_close(arena->clock);
    gn_test_heap_done(&arena->heap);
}
