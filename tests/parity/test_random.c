/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Random rows of steps on two to four sockets and what they accept, from a
 * seed. A row on which the two sides differ is shrunk, by leaving steps out
 * for as long as they still differ, and printed as a case that can be pasted
 * into a table, with the seed that made it.
 *
 * Sockets do not block, and rows have no steps that need a network namespace of
 * its own, so that this runs anywhere. A row counts as different only if it is
 * so again when repeated: a port that the kernel picks may still rest from an
 * earlier row (TIME_WAIT), and then cannot be bound to.
 *
 * GN_TEST_STEPS in the environment is how many steps to run.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/seed.h"
#include "tests/parity/compare.h"
#include "tests/parity/shrink.h"

#define STEPS_DEFAULT 10000
#define ROW_MIN       6
/* How long a difference in time may take: when found, when shrinking. */
#define PATIENCE_MS   2000
#define IMPATIENCE_MS 300
/* Rows after which the kernel's side is refreshed. */
#define ROWS_FRESH 50

static struct world world;

/* ---- making steps ---- */

struct maker {
    struct gn_test_seed *seed;
    enum variant variant;
    unsigned n_socks;   /* opened at the beginning */
    unsigned n_streams; /* of them; the first ones */
    unsigned dialled;   /* bits: what has been connected, or accepted */
    unsigned shut;      /* bits: what has been shut down */
    bool mixes;         /* datagrams of both versions; then no AF_UNSPEC */
};

static unsigned pick(struct maker *maker, unsigned n)
{
    return (unsigned)gn_test_random_below(maker->seed, n);
}

/* One of the sockets, also of those that are accepted. */
static uint8_t any_sock(struct maker *maker)
{
    return (uint8_t)pick(maker, maker->n_socks + 2);
}

static struct step make_open(struct maker *maker, uint8_t sock)
{
    bool stream = sock < maker->n_streams;

    return (struct step)OPEN(sock, stream ? TCP : UDP);
}

/* Of the row's version; datagrams may mix them. (Linux' streams do not get over
 * connecting to the other version, and its datagrams not over AF_UNSPEC.)
 * An enum host, as a step has it. */
static uint8_t any_host(struct maker *maker, uint8_t sock)
{
    static const uint8_t neutral[] = {LO, LO, LO, LO, LO_OTHER, SHORT4, UNSPEC};
    static const uint8_t mixed[] = {ANY, LO6, MAPPED_ANY, MAPPED_LO};
    bool stream = sock < maker->n_streams || sock >= maker->n_socks;
    bool mixes = maker->mixes && !stream;
    unsigned n = sizeof(neutral) / sizeof(neutral[0]);

    if (mixes && pick(maker, 3) == 0)
        return mixed[pick(maker, sizeof(mixed) / sizeof(mixed[0]))];
    return neutral[pick(maker, mixes ? n - 1 : n)];
}

static int any_port(struct maker *maker)
{
    if (pick(maker, 8) == 0)
        return CLOSED;
    return PORT_OF((int)pick(maker, maker->n_socks)); /* 0 if it has none. */
}

static struct step make_bind(struct maker *maker)
{
    int port = pick(maker, 3) == 0 ? any_port(maker) : NO_PORT;
    uint8_t sock = any_sock(maker);

    if (port == CLOSED)
        port = NO_PORT; /* Binding that one needs a privilege. */
    return (struct step)BIND(
        sock, (uint8_t)(pick(maker, 4) == 0 ? ANY : any_host(maker, sock)),
        port);
}

static struct step make_connect(struct maker *maker)
{
    uint8_t sock = any_sock(maker);
    int port = any_port(maker);

    if (maker->shut & 1u << sock && port == PORT_OF(sock))
        port = CLOSED; /* A wanted difference. */
    maker->dialled |= 1u << sock;
    return (struct step)CONNECT(sock, any_host(maker, sock), port);
}

static struct step make_listen(struct maker *maker)
{
    return (struct step)LISTEN(any_sock(maker), (int)pick(maker, 6));
}

static struct step make_accept(struct maker *maker)
{
    uint8_t child = (uint8_t)(maker->n_socks + pick(maker, 2));

    maker->dialled |= 1u << child;
    return (struct step)ACCEPT(any_sock(maker), child);
}

static uint8_t any_control(struct maker *maker)
{
    return (uint8_t)pick(maker, pick(maker, 2) ? N_CONTROLS : 1);
}

static int any_length(struct maker *maker)
{
    static const int lengths[] = {0, 1, 2, 5, 10, 100, 1000, 1400, 3000, 20000};

    return lengths[pick(maker, sizeof(lengths) / sizeof(lengths[0]))];
}

static struct step make_send(struct maker *maker)
{
    uint8_t sock = any_sock(maker);
    uint8_t host = any_host(maker, sock);
    int n = any_length(maker);

    if (host == UNSPEC && maker->variant == V4_IN_V6)
        host = LO; /* Linux looks for a route of IPv6, and may have one. */
    if (pick(maker, 4) == 0)
        return (struct step)SENDTO(sock, n, host, any_port(maker));
    if (pick(maker, 6) == 0)
        return (struct step)SENDMSG(sock, n, LO, any_port(maker),
                                    any_control(maker));
    return (struct step)SEND_FLAGS(sock, n, pick(maker, 8) ? 0 : MSG_MORE);
}

static struct step make_recv(struct maker *maker)
{
    static const int flags[] = {
        0, 0, 0, MSG_PEEK, MSG_TRUNC, MSG_WAITALL, MSG_PEEK | MSG_TRUNC};
    int flag = flags[pick(maker, sizeof(flags) / sizeof(flags[0]))];
    uint8_t sock = any_sock(maker);
    int n = any_length(maker);

    switch (pick(maker, 3)) {
    case 0:
        return (struct step)RECVFROM(sock, n, flag);
    case 1:
        return (struct step)RECVMSG(sock, n, flag);
    default:
        return (struct step)RECV_FLAGS(sock, n, flag);
    }
}

static struct step make_end(struct maker *maker)
{
    static struct linger reset = {1, 0};
    uint8_t sock = any_sock(maker);

    switch (pick(maker, 6)) {
    case 0:
        return (struct step)CLOSE(sock);
    case 1:
        return (struct step)SET_VALUE(sock, SOL_SOCKET, SO_LINGER, reset);
    default: /* One that is shut before it connects is no good to anybody. */
        if (!(maker->dialled & 1u << sock))
            return (struct step)GET(sock, SOL_SOCKET, SO_ERROR);
        maker->shut |= 1u << sock;
        return (struct step)SHUT(sock, (int)pick(maker, 3));
    }
}

static struct step make_option(struct maker *maker)
{
    static const struct {
        int level;
        int name;
        int most;
    } options[] = {{SOL_SOCKET, SO_REUSEADDR, 1},
                   {SOL_SOCKET, SO_REUSEPORT, 1},
                   {SOL_SOCKET, SO_RCVLOWAT, 20},
                   {SOL_SOCKET, SO_KEEPALIVE, 1},
                   {IPPROTO_TCP, TCP_NODELAY, 1},
                   {IPPROTO_TCP, TCP_CORK, 1},
                   {SOL_SOCKET, SO_BROADCAST, 1},
                   {IPPROTO_IP, IP_PKTINFO, 1},
                   {IPPROTO_IP, IP_RECVTTL, 1},
                   {IPPROTO_IP, IP_TTL, 70},
                   {IPPROTO_IP, IP_TOS, 255},
                   {IPPROTO_IPV6, IPV6_V6ONLY, 1},
                   {IPPROTO_IPV6, IPV6_RECVPKTINFO, 1},
                   {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1},
                   {IPPROTO_IPV6, IPV6_UNICAST_HOPS, 70},
                   {IPPROTO_IP, IP_RECVERR, 1}};
    unsigned i = pick(maker, sizeof(options) / sizeof(options[0]));
    uint8_t sock = any_sock(maker);
    int value = (int)pick(maker, (unsigned)options[i].most + 1);

    if (pick(maker, 3) == 0)
        return (struct step)GET(sock, options[i].level, options[i].name);
    return (struct step)SET(sock, options[i].level, options[i].name, value);
}

static struct step make_look(struct maker *maker)
{
    uint8_t sock = any_sock(maker);

    switch (pick(maker, 7)) {
    case 0:
        return (struct step)NAME(sock);
    case 1:
        return (struct step)PEER(sock);
    case 2:
        return (struct step)GET(sock, SOL_SOCKET, SO_ACCEPTCONN);
    case 3:
        return (struct step)AVAILABLE(sock);
    case 4:
        return (struct step)GET(sock, IPPROTO_TCP, TCP_INFO);
    case 5:
        return (struct step)POLL(sock, POLLIN | POLLOUT);
    default:
        return (struct step)GET(sock, SOL_SOCKET, SO_ERROR);
    }
}

static struct step make_reopen(struct maker *maker)
{
    uint8_t sock = (uint8_t)pick(maker, maker->n_socks);

    maker->dialled &= ~(1u << sock);
    maker->shut &= ~(1u << sock);
    return make_open(maker, sock);
}

static struct step make_step(struct maker *maker)
{
    static struct step (*const makers[])(struct maker * maker) = {
        make_bind,   make_bind,   make_connect, make_connect, make_connect,
        make_listen, make_listen, make_accept,  make_accept,  make_send,
        make_send,   make_send,   make_recv,    make_recv,    make_recv,
        make_end,    make_end,    make_option,  make_look,    make_look,
        make_reopen};

    return makers[pick(maker, sizeof(makers) / sizeof(makers[0]))](maker);
}

/* Half of the rows begin with a connection, which chance seldom makes. */
static void make_connection(struct maker *maker, struct row *row)
{
    static const struct step steps[] = {BIND(0, LO, NO_PORT), LISTEN(0, 3),
                                        CONNECT(1, LO, PORT_OF(0)),
                                        ACCEPT(0, 2)};
    size_t i;

    for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        row->steps[row->n++] = steps[i];
    maker->dialled |= 1u << 1 | 1u << 2;
}

static void make_row(struct gn_test_seed *seed, struct row *row)
{
    struct maker maker = {.seed = seed};
    size_t length = ROW_MIN + pick(&maker, ROW_MAX - ROW_MIN + 1);
    unsigned i;

    row->n = 0;
    row->variant = (enum variant)pick(&maker, world.has_ipv6 ? N_VARIANTS : 1);
    maker.variant = row->variant;
    maker.n_socks = 2 + pick(&maker, 3);
    maker.n_streams = pick(&maker, maker.n_socks + 1);
    maker.mixes = pick(&maker, 3) == 0;
    for (i = 0; i < maker.n_socks; i++)
        row->steps[row->n++] = make_open(&maker, (uint8_t)i);
    if (maker.n_streams >= 2 && maker.n_socks == 2 && pick(&maker, 4) > 0)
        make_connection(&maker, row);
    while (row->n < length)
        row->steps[row->n++] = make_step(&maker);
    row->steps[row->n] = (struct step){.call = CALL_END};
}

/* ---- looking ---- */

static bool differs(const struct row *row, int patience_ms,
                    struct difference *out)
{
    return !world_compare(&world, row->steps, row->variant, patience_ms, out);
}

static bool still_differs(const struct row *row, size_t *step, void *arg)
{
    struct difference *difference = arg, other;

    if (!differs(row, IMPATIENCE_MS, &other))
        return false;
    *difference = other;
    *step = other.step;
    return true;
}

static void print_row(const struct row *row, uint64_t seed,
                      const struct difference *difference)
{
    char text[160];
    size_t i;

    print_error("GN_TEST_SEED=%llu, %s:\n", (unsigned long long)seed,
                variant_names[row->variant]);
    print_error("    CASE(\"...\"");
    for (i = 0; i < row->n; i++) {
        step_format(&row->steps[i], text, sizeof(text));
        print_error(",\n         %s", text);
    }
    print_error("),\n    differ in %s\n    kernel: %s\n    guest:  %s\n",
                difference->what, difference->kernel, difference->guest);
}

/* ---- the test ---- */

static size_t steps_wanted(void)
{
    const char *text = getenv("GN_TEST_STEPS");

    return text ? strtoul(text, NULL, 10) : STEPS_DEFAULT;
}

static bool try_row(struct row *row, uint64_t seed, unsigned *chance)
{
    struct difference difference, again;

    if (!differs(row, PATIENCE_MS, &difference))
        return true;
    if (!differs(row, PATIENCE_MS, &again)) {
        print_message("once: %s\n    kernel: %s\n    guest:  %s\n",
                      difference.what, difference.kernel, difference.guest);
        (*chance)++;
        return true;
    }
    row_shrink(row, again.step, still_differs, &again);
    print_row(row, seed, &again);
    return false;
}

static void guests_do_as_the_kernel_does(void **state)
{
    size_t wanted = steps_wanted(), done = 0;
    unsigned rows = 0, chance = 0, different = 0;
    struct gn_test_seed seed;
    struct row row;

    (void)state;
    (void)signal(SIGSEGV, SIG_DFL); /* cmocka would go on, with locks held. */
    (void)signal(SIGABRT, SIG_DFL);
    gn_test_seed_init(&seed);
    while (done < wanted && different < 3) {
        uint64_t before = seed.state;

        if (rows % ROWS_FRESH == 0)
            world_refresh(&world, false);
        make_row(&seed, &row);
        done += row.n;
        rows++;
        different += !try_row(&row, before, &chance);
    }
    print_message("%zu steps in %u rows, %lu compared; %u differed once and "
                  "not again\n",
                  done, rows, world.compared, chance);
    assert_int_equal(different, 0);
}

static int setup(void **state)
{
    (void)state;
    print_message("%s\n", gn_version_string());
    return world_open(&world);
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(guests_do_as_the_kernel_does),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
