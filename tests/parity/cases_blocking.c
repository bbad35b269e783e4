/* SPDX-License-Identifier: BSD-3-Clause */

/* Calls that block, alone and beside another thread. */
#include "tests/parity/cases.h"

/* Socket 0 listens, 1 is connected to it, 2 was accepted; all of them block. */
#define CONNECTED                                              \
    OPEN_BLOCKING(0, TCP), BIND(0, LO, NO_PORT), LISTEN(0, 5), \
        OPEN_BLOCKING(1, TCP), CONNECT(1, LO, PORT_OF(0)),     \
        ACCEPT_FLAGS(0, 2, SOCK_NONBLOCK)
#define SOON(s, name) SET_VALUE(s, SOL_SOCKET, name, (struct timeval){0, 20000})

static const struct parity_case cases[] = {
    CASE("a connect that blocks", CONNECTED, PEER(1), PEER(2), NONBLOCK(2, 0)),
    CASE("a connect that is refused", OPEN_BLOCKING(0, TCP),
         CONNECT(0, LO, CLOSED), NAME(0), GET(0, SOL_SOCKET, SO_ERROR),
         CONNECT(0, LO, CLOSED), SEND(0, 5), RECV(0, 5)),
    CASE("a connect that has no route", OPEN_BLOCKING(0, TCP),
         CONNECT(0, FOREIGN, CLOSED)),
    CASE("a connect that is given up", OPEN(0, TCP), BIND(0, LO, NO_PORT),
         LISTEN(0, 0), OPEN(1, TCP), CONNECT(1, LO, PORT_OF(0)),
         OPEN_BLOCKING(2, TCP), SOON(2, SO_SNDTIMEO),
         CONNECT(2, LO, PORT_OF(0)), CONNECT(2, LO, PORT_OF(0)), PEER(2)),
    CASE("a receive that is given up", CONNECTED, SOON(1, SO_RCVTIMEO),
         RECV(1, 5), RECV_FLAGS(1, 5, MSG_WAITALL), RECV_FLAGS(1, 5, MSG_PEEK)),
    CASE("MSG_DONTWAIT on one that blocks", CONNECTED,
         RECV_FLAGS(1, 5, MSG_DONTWAIT)),
    CASE("part of it before it is given up", CONNECTED, SOON(1, SO_RCVTIMEO),
         SEND(2, 3), RECV_FLAGS(1, 5, MSG_WAITALL), RECV(1, 5)),
    CASE("SO_RCVLOWAT makes a receive wait", CONNECTED, SOON(1, SO_RCVTIMEO),
         SET(1, SOL_SOCKET, SO_RCVLOWAT, 5), SEND(2, 3), RECV(1, 9), SEND(2, 9),
         RECV(1, 9)),
    CASE("an accept that is given up", OPEN_BLOCKING(0, TCP),
         BIND(0, LO, NO_PORT), LISTEN(0, 5), SOON(0, SO_RCVTIMEO),
         ACCEPT(0, 1)),
    CASE("a datagram that does not come", OPEN_BLOCKING(0, UDP),
         BIND(0, LO, NO_PORT), SOON(0, SO_RCVTIMEO), RECV(0, 5),
         RECVFROM(0, 5, 0)),
    CASE("a send that is given up", CONNECTED, SOON(1, SO_SNDTIMEO), FILL(1),
         SEND(1, 1), DRAIN(2, 1)),
    CASE("the end while receiving", CONNECTED, SHUT(2, SHUT_WR), RECV(1, 5),
         RECV_FLAGS(1, 5, MSG_WAITALL)),
    CASE("part of it and the end", CONNECTED, SEND(2, 3), SHUT(2, SHUT_WR),
         RECV_FLAGS(1, 5, MSG_WAITALL), RECV_FLAGS(1, 5, MSG_WAITALL)),
    CASE("part of it and a reset", CONNECTED, SEND(2, 3),
         SET_VALUE(2, SOL_SOCKET, SO_LINGER, (struct linger){1, 0}), CLOSE(2),
         RECV_FLAGS(1, 5, MSG_WAITALL), RECV(1, 5)),
    CASE("zero bytes are waited for", CONNECTED, SOON(1, SO_RCVTIMEO),
         RECV(1, 0), RECV_FLAGS(1, 0, MSG_WAITALL), SEND(1, 0), SEND(2, 3),
         RECV(1, 0)),
    CASE("a lingering close", CONNECTED, SEND(1, 5),
         SET_VALUE(1, SOL_SOCKET, SO_LINGER, (struct linger){1, 5}), CLOSE(1),
         RECV(2, 9), RECV(2, 9)),
    CASE("a lingering close that is given up", CONNECTED, FILL(1),
         SET_VALUE(1, SOL_SOCKET, SO_LINGER, (struct linger){1, 1}), CLOSE(1),
         DRAIN(2, 1), RECV(2, 1)),

    CASE("receive while the peer sends", CONNECTED, MEANWHILE, RECV(1, 5),
         SEND(2, 5), RECV_FLAGS(1, 5, MSG_DONTWAIT)),
    CASE("receive all while the peer sends the rest", CONNECTED, SEND(2, 3),
         MEANWHILE, RECV_FLAGS(1, 10, MSG_WAITALL), SEND(2, 7)),
    CASE("receive while the peer closes", CONNECTED, MEANWHILE, RECV(1, 5),
         CLOSE(2)),
    CASE("receive while the other end is shut", CONNECTED, MEANWHILE,
         RECV(1, 5), SHUT(2, SHUT_WR)),
    CASE("receive while it is shut", CONNECTED, MEANWHILE, RECV(1, 5),
         SHUT(1, SHUT_RD)),
    CASE("receive while the peer resets", CONNECTED,
         SET_VALUE(2, SOL_SOCKET, SO_LINGER, (struct linger){1, 0}), MEANWHILE,
         RECV(1, 5), CLOSE(2)),
    CASE("accept while one connects", OPEN_BLOCKING(0, TCP),
         BIND(0, LO, NO_PORT), LISTEN(0, 5), OPEN(1, TCP), MEANWHILE,
         ACCEPT(0, 2), CONNECT(1, LO, PORT_OF(0)), PEER(1)),
    CASE("accept while it is shut", OPEN_BLOCKING(0, TCP), BIND(0, LO, NO_PORT),
         LISTEN(0, 5), MEANWHILE, ACCEPT(0, 2), SHUT(0, SHUT_RD)),
    CASE("send while the peer resets", CONNECTED, FILL(1),
         SET_VALUE(2, SOL_SOCKET, SO_LINGER, (struct linger){1, 0}), MEANWHILE,
         SEND(1, 10), CLOSE(2)),
    CASE("a datagram while waiting for it", OPEN_BLOCKING(0, UDP),
         BIND(0, LO, NO_PORT), OPEN(1, UDP), MEANWHILE, RECVFROM(0, 9, 0),
         SENDTO(1, 5, LO, PORT_OF(0))),
    CASE("datagrams while it is shut", OPEN_BLOCKING(0, UDP),
         BIND(0, LO, NO_PORT), MEANWHILE, RECV(0, 9), SHUT(0, SHUT_RD)),
};

const struct case_table cases_blocking = {cases,
                                          sizeof(cases) / sizeof(cases[0])};
