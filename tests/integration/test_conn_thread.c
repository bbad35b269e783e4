/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Conns of a network that drives itself: calls from any thread, callbacks on
 * the driving one, and closing that waits.
 */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/talk.h"

#define BYTES     (8u * 1024 * 1024)
#define N_THREADS 4

struct ends {
    struct talk *talk;
    struct party client, server;
};

static int setup(void **state)
{
    struct ends *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    talk_threaded((void **)&f->talk);
    talk_connect(f->talk, f->talk->gateway, f->talk->a, 80, &f->client,
                 &f->server);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct ends *f = *state;

    talk_teardown((void **)&f->talk);
    party_done(&f->client);
    party_done(&f->server);
    free(f);
    return 0;
}

static bool all_read(void *arg)
{
    const struct party *party = arg;

    return party->n_read == BYTES;
}

static void bytes_pass_whole(void **state)
{
    struct ends *f = *state;
    uint8_t *data = malloc(BYTES);
    size_t i;

    assert_non_null(data);
    for (i = 0; i < BYTES; i++)
        data[i] = (uint8_t)(i * 13 + (i >> 11));
    f->server.keep = true;
    assert_int_equal(gn_conn_read_start(f->server.conn, party_read, &f->server),
                     0);
    for (i = 0; i < BYTES; i += BYTES / 16)
        assert_true(gn_conn_write(f->client.conn, data + i, BYTES / 16,
                                  party_written, &f->client) >= 0);
    assert_int_equal(gn_conn_shutdown(f->client.conn, NULL, NULL), 0);
    talk_until(f->talk, all_read, &f->server);
    talk_count(f->talk, &f->server.ended, 1);
    talk_count(f->talk, &f->client.n_written, 16);
    assert_memory_equal(f->server.data, data, BYTES);
    talk_part(f->talk, &f->client, &f->server);
    free(data);
}

/* ---- many threads ---- */

struct writer {
    pthread_t thread;
    struct party *party;
    _Atomic unsigned n_written;
};

static void written(struct gn_conn *conn, int status, void *arg)
{
    struct writer *writer = arg;

    (void)conn;
    if (!status)
        writer->n_written++;
}

static void *write_main(void *arg)
{
    static const char line[64] = "a line that nobody tears apart";
    struct writer *writer = arg;
    int i;

    for (i = 0; i < 500; i++) {
        if (gn_conn_write(writer->party->conn, line, sizeof(line), written,
                          writer) < 0)
            return arg;
        (void)gn_conn_is_writable(writer->party->conn);
        (void)gn_conn_queued(writer->party->conn);
    }
    return NULL;
}

static void threads_write_to_one_conn(void **state)
{
    struct ends *f = *state;
    struct writer writers[N_THREADS];
    size_t i;

    memset(writers, 0, sizeof(writers));
    f->server.keep = true;
    assert_int_equal(gn_conn_read_start(f->server.conn, party_read, &f->server),
                     0);
    for (i = 0; i < N_THREADS; i++) {
        writers[i].party = &f->client;
        assert_int_equal(
            pthread_create(&writers[i].thread, NULL, write_main, &writers[i]),
            0);
    }
    for (i = 0; i < N_THREADS; i++) {
        void *failed;

        pthread_join(writers[i].thread, &failed);
        assert_null(failed);
        talk_count(f->talk, &writers[i].n_written, 500);
    }
    assert_int_equal(gn_conn_shutdown(f->client.conn, NULL, NULL), 0);
    talk_count(f->talk, &f->server.ended, 1);
    assert_int_equal(f->server.n_read, N_THREADS * 500 * 64);
    for (i = 0; i < f->server.n_read; i += 64)
        assert_memory_equal(f->server.data + i, "a line that nobody", 18);
    talk_part(f->talk, &f->client, &f->server);
}

/* ---- closing ---- */

static void closing_without_callback_waits(void **state)
{
    static uint8_t data[BYTES];
    struct ends *f = *state;

    assert_int_equal(
        gn_conn_write(f->client.conn, data, BYTES, party_written, &f->client),
        1);
    assert_int_equal(gn_conn_close(f->client.conn, NULL, NULL), 0);
    assert_int_equal(f->client.n_written, 1);
    assert_int_equal(f->client.write_status, -ECANCELED);
    assert_int_equal(gn_conn_reset(f->server.conn, NULL, NULL), 0);
}

static void close_inside(struct gn_conn *conn, ssize_t nread, const void *data,
                         void *arg)
{
    party_read(conn, nread, data, arg);
    (void)gn_conn_close(conn, NULL, NULL);
}

static void on_the_driving_thread_it_does_not(void **state)
{
    struct ends *f = *state;

    assert_int_equal(
        gn_conn_read_start(f->server.conn, close_inside, &f->server), 0);
    assert_int_equal(gn_conn_read_start(f->client.conn, party_read, &f->client),
                     0);
    assert_int_equal(gn_conn_write(f->client.conn, "x", 1, NULL, NULL), 0);
    talk_count(f->talk, &f->client.ended, 1);
    assert_int_equal(f->client.end, GN_EOF);
    assert_int_equal(gn_conn_close(f->client.conn, NULL, NULL), 0);
}

static void the_network_closes_over_all_of_it(void **state)
{
    static uint8_t data[BYTES];
    struct ends *f = *state;
    struct gn_listener *listener;
    struct party party = {.n_read = 0};

    assert_int_equal(gn_conn_read_start(f->client.conn, party_read, &f->client),
                     0);
    assert_int_equal(
        gn_conn_write(f->client.conn, data, BYTES, party_written, &f->client),
        1);
    assert_int_equal(gn_listen(f->talk->gateway, "tcp", ":81", party_accepted,
                               &party, &listener),
                     0);
    gn_network_close(f->talk->net, NULL, NULL);
    f->talk->net = NULL;
    assert_int_equal(f->client.ended, 1);
    assert_int_equal(f->client.n_written, 1);
    assert_int_equal(party.dialled, 1);
    assert_int_equal(party.dial_status, -ECANCELED);
}

/* ---- dialling from many threads ---- */

struct dialler {
    pthread_t thread;
    struct talk *talk;
    _Atomic int result; /* 1: dialled */
    unsigned n;
};

static void close_dialled(struct gn_dial *dial, int status,
                          struct gn_conn *conn, void *arg)
{
    struct dialler *dialler = arg;

    (void)dial;
    if (conn)
        (void)gn_conn_close(conn, NULL, NULL);
    dialler->result = status ? status : 1;
}

static void *dial_main(void *arg)
{
    struct dialler *dialler = arg;
    int i;

    for (i = 0; i < 200; i++) {
        dialler->result = 0;
        if (gn_dial(dialler->talk->gateway, "tcp", "10.77.0.2:81", NULL,
                    close_dialled, dialler, NULL))
            return arg;
        while (!dialler->result)
            sched_yield();
        if (dialler->result != 1 && dialler->result != -ECONNRESET)
            return arg; /* Its server resets at once. */
        dialler->n++;
    }
    return NULL;
}

static void reset_accepted(struct gn_listener *listener, int status,
                           struct gn_conn *conn, void *arg)
{
    (void)listener;
    (void)status;
    (void)arg;
    if (conn)
        (void)gn_conn_reset(conn, NULL, NULL);
}

static void threads_dial_at_once(void **state)
{
    struct ends *f = *state;
    struct dialler diallers[N_THREADS];
    struct gn_listener *listener;
    size_t i;

    memset(diallers, 0, sizeof(diallers));
    assert_int_equal(
        gn_listen(f->talk->a, "tcp", ":81", reset_accepted, NULL, &listener),
        0);
    for (i = 0; i < N_THREADS; i++) {
        diallers[i].talk = f->talk;
        assert_int_equal(
            pthread_create(&diallers[i].thread, NULL, dial_main, &diallers[i]),
            0);
    }
    for (i = 0; i < N_THREADS; i++) {
        void *failed;

        pthread_join(diallers[i].thread, &failed);
        assert_null(failed);
        assert_int_equal(diallers[i].n, 200);
    }
    assert_int_equal(gn_listener_close(listener, NULL, NULL), 0);
    talk_part(f->talk, &f->client, &f->server);
}

/* ---- what only asks ---- */

struct held {
    _Atomic unsigned begun; /* the driving thread is in the callback */
    _Atomic bool over;      /* and may go on */
};

/* Keeps the driving thread until what is asked meanwhile was answered. */
static void hold_driver(struct gn_conn *conn, int status, void *arg)
{
    struct held *held = arg;

    (void)conn, (void)status;
    held->begun++;
    while (!held->over)
        (void)sched_yield();
}

static void what_only_asks_is_answered_while_the_driver_is_busy(void **state)
{
    struct ends *f = *state;
    struct gn_conn *conn = f->client.conn;
    struct held held = {0};
    struct sockaddr_in at;
    socklen_t len = sizeof(at);

    assert_int_equal(gn_conn_write(conn, "x", 1, hold_driver, &held), 0);
    talk_count(f->talk, &held.begun, 1);
    assert_int_equal(gn_conn_queued(conn), 0);
    assert_true(gn_conn_is_readable(conn));
    assert_true(gn_conn_is_writable(conn));
    assert_int_equal(gn_conn_peer(conn, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(ntohs(at.sin_port), 80);
    held.over = true;
    assert_int_equal(gn_conn_shutdown(conn, NULL, NULL), 0);
    assert_false(gn_conn_is_writable(conn));
    talk_part(f->talk, &f->client, &f->server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(bytes_pass_whole),
        CASE(threads_write_to_one_conn),
        CASE(closing_without_callback_waits),
        CASE(on_the_driving_thread_it_does_not),
        CASE(the_network_closes_over_all_of_it),
        CASE(threads_dial_at_once),
        CASE(what_only_asks_is_answered_while_the_driver_is_busy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
