/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Every call in every state: each way to bring a socket into a state, then each
 * call, then a look at what has become of it. The cases are made from three
 * tables, since some 2,000 of them are too many to write by hand.
 *
 * GN_TEST_DEPTH=2 in the environment makes two calls in each state, in any
 * order: some 100,000 cases, which take minutes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/parity/run.h"

#define PATIENCE_MS 2000
#define STEPS_MAX   48
/* Cases after which the kernel's side is refreshed: see world_refresh(). */
#define CASES_FRESH 50
/* More differences than that are not printed. */
#define SHOWN_MAX 20

/* Socket 1 is the one that is looked at. 0 listens, and is connected to. */
#define LISTENER OPEN(0, TCP), BIND(0, LO, NO_PORT), LISTEN(0, 5)
#define CONNECTED \
    LISTENER, OPEN(1, TCP), CONNECT(1, LO, PORT_OF(0)), ACCEPT(0, 2)
#define RESET(s) \
    SET_VALUE(s, SOL_SOCKET, SO_LINGER, (struct linger){1, 0}), CLOSE(s)

static const struct parity_case streams[] = {
    CASE("new", LISTENER, OPEN(1, TCP)),
    CASE("bound", LISTENER, OPEN(1, TCP), BIND(1, LO, NO_PORT)),
    CASE("bound to any", LISTENER, OPEN(1, TCP), BIND(1, ANY, NO_PORT)),
    CASE("listening", LISTENER, OPEN(1, TCP), BIND(1, LO, NO_PORT),
         LISTEN(1, 3)),
    CASE("listening, with one waiting", LISTENER, OPEN(1, TCP),
         BIND(1, LO, NO_PORT), LISTEN(1, 3), OPEN(2, TCP),
         CONNECT(2, LO, PORT_OF(1))),
    CASE("listening no more", LISTENER, OPEN(1, TCP), BIND(1, LO, NO_PORT),
         LISTEN(1, 3), SHUT(1, SHUT_RD)),
    CASE("connecting", OPEN(0, TCP), BIND(0, LO, NO_PORT), LISTEN(0, 0),
         OPEN(3, TCP), CONNECT(3, LO, PORT_OF(0)), OPEN(1, TCP),
         CONNECT(1, LO, PORT_OF(0))),
    CASE("refused", LISTENER, OPEN(1, TCP), CONNECT(1, LO, CLOSED)),
    CASE("refused, as it was told", LISTENER, OPEN(1, TCP),
         CONNECT(1, LO, CLOSED), GET(1, SOL_SOCKET, SO_ERROR)),
    CASE("connected, and nobody has asked", LISTENER, OPEN(1, TCP),
         CONNECT(1, LO, PORT_OF(0))),
    CASE("connected", CONNECTED),
    CASE("accepted", LISTENER, OPEN(2, TCP), CONNECT(2, LO, PORT_OF(0)),
         ACCEPT(0, 1)),
    CASE("connected to itself", LISTENER, OPEN(1, TCP), BIND(1, LO, NO_PORT),
         CONNECT(1, LO, PORT_OF(1))),
    CASE("with something to read", CONNECTED, SEND(2, 10)),
    CASE("with something unread by the other", CONNECTED, SEND(1, 10)),
    CASE("with something held back", CONNECTED, SEND_FLAGS(1, 10, MSG_MORE)),
    CASE("full", CONNECTED, FILL(1)),
    CASE("shut for reading", CONNECTED, SHUT(1, SHUT_RD)),
    CASE("shut for reading, with something there", CONNECTED, SEND(2, 10),
         SHUT(1, SHUT_RD)),
    CASE("shut for writing", CONNECTED, SHUT(1, SHUT_WR)),
    CASE("shut both ways", CONNECTED, SHUT(1, SHUT_RDWR)),
    CASE("shut both ways, with something there", CONNECTED, SEND(2, 10),
         SHUT(1, SHUT_RDWR)),
    CASE("the other has shut for reading", CONNECTED, SHUT(2, SHUT_RD)),
    CASE("the other has shut for writing", CONNECTED, SHUT(2, SHUT_WR)),
    CASE("the other has sent and shut", CONNECTED, SEND(2, 10),
         SHUT(2, SHUT_WR)),
    CASE("the other has shut both ways", CONNECTED, SHUT(2, SHUT_RDWR)),
    CASE("shut by the other, then by us", CONNECTED, SHUT(2, SHUT_WR),
         SHUT(1, SHUT_WR)),
    CASE("shut by us, then by the other", CONNECTED, SHUT(1, SHUT_WR),
         SHUT(2, SHUT_WR)),
    CASE("the other has closed", CONNECTED, CLOSE(2)),
    CASE("the other has sent and closed", CONNECTED, SEND(2, 10), CLOSE(2)),
    CASE("the other has closed with data unread", CONNECTED, SEND(1, 10),
         CLOSE(2)),
    CASE("the other has closed, and we have sent", CONNECTED, CLOSE(2),
         SEND(1, 5)),
    CASE("reset", CONNECTED, RESET(2)),
    CASE("reset, with something to read", CONNECTED, SEND(2, 10), RESET(2)),
    CASE("reset, as it was told", CONNECTED, RESET(2),
         GET(1, SOL_SOCKET, SO_ERROR)),
    CASE("reset, after the end", CONNECTED, SHUT(2, SHUT_WR), RECV(1, 5),
         RESET(2)),
    CASE("dissolved", CONNECTED, CONNECT(1, UNSPEC, NO_PORT)),
    CASE("a mapped address", OPEN(0, TCP6), BIND(0, ANY6, NO_PORT),
         LISTEN(0, 5), OPEN(1, TCP6), CONNECT(1, MAPPED_LO, PORT_OF(0)),
         ACCEPT(0, 2)),
};

/* Socket 0 is bound; 1 is the one that is looked at; 2 is its peer. */
#define TWO OPEN(0, UDP), BIND(0, LO, NO_PORT), OPEN(1, UDP), OPEN(2, UDP)
#define PAIR                                         \
    TWO, BIND(1, LO, NO_PORT), BIND(2, LO, NO_PORT), \
        CONNECT(1, LO, PORT_OF(2)), CONNECT(2, LO, PORT_OF(1))

static const struct parity_case datagrams[] = {
    CASE("new datagrams", TWO),
    CASE("bound datagrams", TWO, BIND(1, LO, NO_PORT)),
    CASE("bound to any, datagrams", TWO, BIND(1, ANY, NO_PORT)),
    CASE("sent from", TWO, SENDTO(1, 5, LO, PORT_OF(0))),
    CASE("connected datagrams", PAIR),
    CASE("connected datagrams, not bound", TWO, CONNECT(1, LO, PORT_OF(0))),
    CASE("connected to port 0", TWO, CONNECT(1, LO, NO_PORT)),
    CASE("connected to itself, datagrams", TWO, BIND(1, LO, NO_PORT),
         CONNECT(1, LO, PORT_OF(1))),
    CASE("datagrams to read", PAIR, SEND(2, 10), SEND(2, 0), SEND(2, 20)),
    CASE("an empty one to read", PAIR, SEND(2, 0)),
    CASE("an error of datagrams", PAIR, CLOSE(2), SEND(1, 5)),
    CASE("an error of datagrams and something to read", PAIR, SEND(2, 10),
         CLOSE(2), SEND(1, 5)),
    CASE("nobody there, not connected", TWO, SENDTO(1, 5, LO, CLOSED)),
    CASE("datagrams shut for reading", PAIR, SHUT(1, SHUT_RD)),
    CASE("datagrams shut for reading, with one there", PAIR, SEND(2, 10),
         SHUT(1, SHUT_RD)),
    CASE("datagrams shut for writing", PAIR, SHUT(1, SHUT_WR)),
    CASE("datagrams shut both ways", PAIR, SHUT(1, SHUT_RDWR)),
    CASE("datagrams dissolved", PAIR, CONNECT(1, UNSPEC, NO_PORT)),
    CASE("datagrams dissolved, not bound", TWO, CONNECT(1, LO, PORT_OF(0)),
         CONNECT(1, UNSPEC, NO_PORT)),
    CASE("datagrams gathered", PAIR, SEND_FLAGS(1, 10, MSG_MORE)),
};

static const struct parity_case calls[] = {
    CASE("bind", BIND(1, LO, NO_PORT)),
    CASE("bind to any", BIND(1, ANY, NO_PORT)),
    CASE("bind to a taken port", BIND(1, LO, PORT_OF(0))),
    CASE("listen", LISTEN(1, 5)),
    CASE("connect", CONNECT(1, LO, PORT_OF(0))),
    CASE("connect to nobody", CONNECT(1, LO, CLOSED)),
    CASE("connect to itself", CONNECT(1, LO, PORT_OF(1))),
    CASE("dissolve", CONNECT(1, UNSPEC, NO_PORT)),
    CASE("accept", ACCEPT(1, 4)),
    CASE("accept of 0", ACCEPT(0, 4)),
    CASE("send", SEND(1, 5)),
    CASE("send nothing", SEND(1, 0)),
    CASE("send and hold back", SEND_FLAGS(1, 5, MSG_MORE)),
    CASE("sendto", SENDTO(1, 5, LO, PORT_OF(0))),
    CASE("sendto nobody", SENDTO(1, 5, LO, CLOSED)),
    CASE("sendmsg", SENDMSG(1, 7, LO, PORT_OF(0), PLAIN)),
    CASE("sendmsg without address", SENDMSG(1, 7, EMPTY, NO_PORT, PLAIN)),
    CASE("sendmsg with a hop limit", SENDMSG(1, 7, LO, PORT_OF(0), WITH_TTL)),
    CASE("sendmsg with a class", SENDMSG(1, 7, LO, PORT_OF(0), WITH_TCLASS6)),
    CASE("the other sends", SEND(2, 5)),
    CASE("the other sends and shuts", SEND(2, 5), SHUT(2, SHUT_WR)),
    CASE("the other reads", RECV(2, 99)),
    CASE("the other shuts", SHUT(2, SHUT_RDWR)),
    CASE("the other closes", CLOSE(2)),
    CASE("the other resets", RESET(2)),
    CASE("receive", RECV(1, 5)),
    CASE("receive nothing", RECV(1, 0)),
    CASE("peek", RECV_FLAGS(1, 5, MSG_PEEK)),
    CASE("truncate", RECV_FLAGS(1, 5, MSG_TRUNC)),
    CASE("peek and truncate", RECV_FLAGS(1, 5, MSG_PEEK | MSG_TRUNC)),
    CASE("wait for all", RECV_FLAGS(1, 15, MSG_WAITALL)),
    CASE("wait for all, peek", RECV_FLAGS(1, 15, MSG_WAITALL | MSG_PEEK)),
    CASE("do not wait", RECV_FLAGS(1, 5, MSG_DONTWAIT | MSG_WAITALL)),
    CASE("truncate, wait for all", RECV_FLAGS(1, 15, MSG_WAITALL | MSG_TRUNC)),
    CASE("the error queue", RECV_FLAGS(1, 5, MSG_ERRQUEUE)),
    CASE("recvfrom", RECVFROM(1, 5, 0)),
    CASE("recvmsg", RECVMSG(1, 5, 0)),
    CASE("recvmsg, truncate", RECVMSG(1, 5, MSG_TRUNC)),
    CASE("recvmsg with control messages", SET(1, IPPROTO_IP, IP_RECVTTL, 1),
         SET(1, IPPROTO_IP, IP_RECVTOS, 1), SENDTO(0, 5, LO, PORT_OF(1)),
         RECVMSG(1, 99, 0)),
    CASE("shut for reading", SHUT(1, SHUT_RD)),
    CASE("shut for writing", SHUT(1, SHUT_WR)),
    CASE("shut", SHUT(1, SHUT_RDWR)),
    CASE("error", GET(1, SOL_SOCKET, SO_ERROR)),
    CASE("accepting", GET(1, SOL_SOCKET, SO_ACCEPTCONN)),
    CASE("state", GET(1, IPPROTO_TCP, TCP_INFO)),
    CASE("segment", SET(1, IPPROTO_TCP, TCP_MAXSEG, 1000)),
    CASE("low water", SET(1, SOL_SOCKET, SO_RCVLOWAT, 8)),
    CASE("reuse", SET(1, SOL_SOCKET, SO_REUSEADDR, 1)),
    CASE("reuse of the port", SET(1, SOL_SOCKET, SO_REUSEPORT, 1)),
    CASE("keepalive", SET(1, SOL_SOCKET, SO_KEEPALIVE, 1)),
    CASE("no delay", SET(1, IPPROTO_TCP, TCP_NODELAY, 1)),
    CASE("cork", SET(1, IPPROTO_TCP, TCP_CORK, 1)),
    CASE("uncork", SET(1, IPPROTO_TCP, TCP_CORK, 0)),
    CASE("defer", SET(1, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1)),
    CASE("version 6 only", SET(1, IPPROTO_IPV6, IPV6_V6ONLY, 1)),
    CASE("hop limit", SET(1, IPPROTO_IP, IP_TTL, 7)),
    CASE("linger", SET_VALUE(1, SOL_SOCKET, SO_LINGER, (struct linger){1, 1})),
    CASE("available", AVAILABLE(1)),
    CASE("unsent", UNSENT(1)),
    CASE("name and peer", NAME(1), PEER(1)),
    CASE("poll", POLL(1, POLLIN | POLLOUT | POLLPRI | POLLRDHUP)),
    CASE("close", CLOSE(1)),
    CASE("reset", RESET(1)),
    CASE("close and open", CLOSE(1), OPEN(1, TCP), CONNECT(1, LO, PORT_OF(0))),
};

/* What has become of it, and of the other. */
static const struct parity_case look =
    CASE("look", AVAILABLE(1), AVAILABLE(2), NAME(1), PEER(1), SEND(1, 3),
         RECV(1, 99), GET(1, SOL_SOCKET, SO_ERROR), SEND(2, 3), RECV(2, 99),
         RECV(1, 99), GET(2, SOL_SOCKET, SO_ERROR));

struct made {
    struct step steps[STEPS_MAX + 1];
    size_t n;
};

static void append(struct made *made, const struct parity_case *part)
{
    const struct step *step;

    for (step = part->steps; step->call != CALL_END; step++) {
        assert_true(made->n < STEPS_MAX);
        made->steps[made->n++] = *step;
    }
    made->steps[made->n] = (struct step){.call = CALL_END};
}

struct tally {
    unsigned cases;
    unsigned different;
};

static void compare(struct tally *tally, const struct made *made,
                    enum variant variant, const char *text)
{
    const char *lack = world_lacks(&world, made->steps, variant);
    struct difference first, again;

    if (lack) {
        parity_skip(text, lack);
        return;
    }
    if (tally->cases++ % CASES_FRESH == 0)
        world_refresh(&world, false);
    if (world_compare(&world, made->steps, variant, PATIENCE_MS, &first) ||
        world_compare(&world, made->steps, variant, PATIENCE_MS, &again))
        return; /* Once is chance: a port that rests, see test_random.c. */
    if (tally->different++ < SHOWN_MAX)
        print_error("%s (%s), step %zu: %s\n    kernel: %s\n    guest:  %s\n",
                    text, variant_names[variant], again.step, again.what,
                    again.kernel, again.guest);
}

static void run_calls(struct tally *tally, const struct parity_case *state,
                      const struct parity_case *one,
                      const struct parity_case *two)
{
    struct made made = {.n = 0};
    char text[160];
    int variant;

    (void)snprintf(text, sizeof(text), "%s: %s%s%s", state->name, one->name,
                   two ? ", " : "", two ? two->name : "");
    append(&made, state);
    append(&made, one);
    if (two)
        append(&made, two);
    append(&made, &look);
    for (variant = V4; variant < N_VARIANTS; variant++)
        compare(tally, &made, (enum variant)variant, text);
}

static void run_state(void **state)
{
    static const size_t n = sizeof(calls) / sizeof(*calls);
    const char *depth = getenv("GN_TEST_DEPTH");
    struct tally tally = {0};
    size_t i, k;

    parity_begin();
    for (i = 0; i < n; i++) {
        if (!depth || atoi(depth) < 2)
            run_calls(&tally, *state, &calls[i], NULL);
        else
            for (k = 0; k < n; k++)
                run_calls(&tally, *state, &calls[i], &calls[k]);
    }
    assert_int_equal(tally.different, 0);
    if (!tally.cases)
        skip();
}

#define N_STREAMS   (sizeof(streams) / sizeof(*streams))
#define N_DATAGRAMS (sizeof(datagrams) / sizeof(*datagrams))

int main(void)
{
    struct CMUnitTest tests[N_STREAMS + N_DATAGRAMS];
    size_t i;

    for (i = 0; i < N_STREAMS + N_DATAGRAMS; i++) {
        const struct parity_case *one =
            i < N_STREAMS ? &streams[i] : &datagrams[i - N_STREAMS];

        tests[i] = (struct CMUnitTest){.name = one->name,
                                       .test_func = run_state,
                                       .initial_state = (void *)(uintptr_t)one};
    }
    return parity_run("states", tests, N_STREAMS + N_DATAGRAMS);
}
