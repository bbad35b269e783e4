/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Echo, as libuv's tests have it for uv_stream_t: a server that writes back
 * what it reads, clients that send PING in pieces and count what comes back
 * byte by byte, half-closed ends, and everything closed from callbacks.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/talk.h"

#define PING      "PING\n"
#define PING_LEN  5u
#define N_PINGS   1000u
#define N_CLIENTS 20u

/* ---- the server ---- */

struct echo {
    struct talk *talk;
    struct gn_listener *listener;
    unsigned n_open;
    unsigned n_accepted;
    unsigned n_bytes;
    _Atomic unsigned listener_closed;
};

struct echo_write {
    struct echo *echo;
    void *bytes;
};

static void server_closed(void *arg)
{
    struct echo *echo = arg;

    echo->n_open--;
}

static void server_written(struct gn_conn *conn, int status, void *arg)
{
    struct echo_write *write = arg;

    (void)conn;
    assert_true(status == 0 || status == -ECANCELED);
    free(write->bytes);
    free(write);
}

static void server_shut(struct gn_conn *conn, int status, void *arg)
{
    assert_int_equal(status, 0);
    assert_int_equal(gn_conn_close(conn, server_closed, arg), 0);
}

static void server_read(struct gn_conn *conn, ssize_t nread, const void *data,
                        void *arg)
{
    struct echo *echo = arg;
    struct echo_write *write;

    if (nread < 0) {
        assert_int_equal(nread, GN_EOF);
        assert_int_equal(gn_conn_shutdown(conn, server_shut, echo), 0);
        return;
    }
    assert_true(nread > 0);
    write = malloc(sizeof(*write));
    assert_non_null(write);
    write->echo = echo;
    write->bytes = malloc((size_t)nread + 1);
    assert_non_null(write->bytes);
    memcpy(write->bytes, data, (size_t)nread);
    echo->n_bytes += (unsigned)nread;
    assert_true(gn_conn_write(conn, write->bytes, (size_t)nread, server_written,
                              write) >= 0);
}

static void server_accepted(struct gn_listener *listener, int status,
                            struct gn_conn *conn, void *arg)
{
    struct echo *echo = arg;

    assert_ptr_equal(listener, echo->listener);
    if (status)
        return;
    echo->n_accepted++;
    echo->n_open++;
    assert_int_equal(gn_conn_read_start(conn, server_read, echo), 0);
}

/* ---- a client ---- */

struct pinger {
    struct gn_conn *conn;
    unsigned n_pongs;
    unsigned state; /* within PING */
    unsigned n_written;
    unsigned n_sent;
    _Atomic unsigned closed;
    bool bytewise;
};

static void pinger_written(struct gn_conn *conn, int status, void *arg)
{
    struct pinger *pinger = arg;

    (void)conn;
    assert_int_equal(status, 0);
    pinger->n_written++;
}

static void ping(struct pinger *pinger)
{
    unsigned i;

    for (i = 0; pinger->bytewise && i < PING_LEN; i++) {
        assert_int_equal(
            gn_conn_write(pinger->conn, &PING[i], 1, pinger_written, pinger),
            0);
        pinger->n_sent++;
    }
    if (pinger->bytewise)
        return;
    assert_int_equal(
        gn_conn_write(pinger->conn, PING, PING_LEN, pinger_written, pinger), 0);
    pinger->n_sent++;
}

static void pinger_closed(void *arg)
{
    struct pinger *pinger = arg;

    assert_int_equal(pinger->n_pongs, N_PINGS);
    assert_int_equal(pinger->n_written, pinger->n_sent);
    pinger->closed = 1;
}

static void pinger_read(struct gn_conn *conn, ssize_t nread, const void *data,
                        void *arg)
{
    struct pinger *pinger = arg;
    const char *bytes = data;
    ssize_t i;

    if (nread < 0) {
        assert_int_equal(nread, GN_EOF);
        assert_int_equal(pinger->n_pongs, N_PINGS);
        assert_int_equal(gn_conn_close(conn, pinger_closed, pinger), 0);
        return;
    }
    for (i = 0; i < nread; i++) {
        assert_int_equal(bytes[i], PING[pinger->state]);
        pinger->state = (pinger->state + 1) % PING_LEN;
        if (pinger->state)
            continue;
        if (++pinger->n_pongs < N_PINGS)
            ping(pinger);
        else
            assert_int_equal(gn_conn_shutdown(conn, NULL, NULL), 0);
    }
}

static void pinger_dialled(struct gn_dial *dial, int status,
                           struct gn_conn *conn, void *arg)
{
    struct pinger *pinger = arg;

    (void)dial;
    assert_int_equal(status, 0);
    pinger->conn = conn;
    ping(pinger);
    assert_int_equal(gn_conn_read_start(conn, pinger_read, pinger), 0);
}

/* ---- cases ---- */

static void listener_closed(void *arg)
{
    struct echo *echo = arg;

    echo->listener_closed = 1;
}

static void ping_pong(struct talk *talk, bool bytewise, const char *proto,
                      const char *address)
{
    struct pinger pingers[N_CLIENTS];
    struct echo echo = {.talk = talk};
    unsigned i;

    memset(pingers, 0, sizeof(pingers));
    assert_int_equal(gn_listen(talk->a, proto, ":9123", server_accepted, &echo,
                               &echo.listener),
                     0);
    for (i = 0; i < N_CLIENTS; i++) {
        pingers[i].bytewise = bytewise;
        assert_int_equal(gn_dial(i % 2 ? talk->gateway : talk->b, proto,
                                 address, NULL, pinger_dialled, &pingers[i],
                                 NULL),
                         0);
    }
    for (i = 0; i < N_CLIENTS; i++)
        talk_count(talk, &pingers[i].closed, 1);
    assert_int_equal(gn_listener_close(echo.listener, listener_closed, &echo),
                     0);
    talk_count(talk, &echo.listener_closed, 1);
    assert_int_equal(echo.n_accepted, N_CLIENTS);
    assert_int_equal(echo.n_open, 0);
    assert_int_equal(echo.n_bytes, N_CLIENTS * N_PINGS * PING_LEN);
}

static void clients_ping_and_the_server_echoes(void **state)
{
    ping_pong(*state, false, "tcp4", "10.77.0.2:9123");
}

static void the_same_over_ipv6(void **state)
{
    ping_pong(*state, false, "tcp6", "[fd77::2]:9123");
}

static void partial_pings_are_put_together(void **state)
{
    ping_pong(*state, true, "tcp", "10.77.0.2:9123");
}

static void with_delay_and_loss(void **state)
{
    struct gn_link_config link = {.size = sizeof(link),
                                  .latency_us = 300,
                                  .jitter_us = 100,
                                  .loss_ppm = 5000};
    struct talk *talk = *state;

    assert_int_equal(gn_link_set(talk->a, "eth0", &link), 0);
    ping_pong(talk, false, "tcp", "10.77.0.2:9123");
}

#define TCASE(f) \
    cmocka_unit_test_setup_teardown(f, talk_threaded, talk_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_OF(talk, clients_ping_and_the_server_echoes),
        CASE_OF(talk, the_same_over_ipv6),
        CASE_OF(talk, partial_pings_are_put_together),
        CASE_OF(talk, with_delay_and_loss),
        TCASE(clients_ping_and_the_server_echoes),
        TCASE(partial_pings_are_put_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
