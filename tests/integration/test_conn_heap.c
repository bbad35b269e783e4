/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Out of memory at every allocation, alone and for good: what was asked for
 * fails with -ENOMEM or is done all the same, every request that was taken
 * calls back once, and nothing is left.
 */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/talk.h"
#include "tests/lib/units.h"

#define BYTES 200000u

static bool pass(struct talk *talk, bool (*done)(void *arg), void *arg)
{
    uint64_t now = gn_clock_now_ns(talk->clock);

    return gn_clock_run_until(talk->clock, now + 60 * GN_S, done, arg);
}

/* ---- dial, accept, write, read, shut down, close ---- */

struct meeting {
    struct talk *talk;
    struct party client, server;
    unsigned asked; /* writes and shutdowns that were taken */
};

static bool both_met(void *arg)
{
    const struct meeting *m = arg;

    return m->client.dialled && (m->server.dialled || m->client.dial_status);
}

static bool both_ended(void *arg)
{
    const struct meeting *m = arg;

    return m->server.ended && m->client.ended;
}

static bool both_closed(void *arg)
{
    const struct meeting *m = arg;

    return m->client.closed == (m->client.conn != NULL) &&
           m->server.closed == (m->server.conn != NULL);
}

static int note(struct meeting *m, int result)
{
    if (result < 0)
        return result;
    m->asked++;
    return 0;
}

static int speak(struct meeting *m, const uint8_t *data)
{
    struct iovec iov[5];
    int err, i;

    for (i = 0; i < 5; i++) {
        iov[i].iov_base = (void *)(uintptr_t)(data + i * 1000);
        iov[i].iov_len = 1000;
    }
    err = gn_conn_read_start(m->client.conn, party_read, &m->client);
    if (!err)
        err = gn_conn_read_start(m->server.conn, party_read, &m->server);
    if (!err)
        err = note(m, gn_conn_writev(m->client.conn, iov, 5, party_written,
                                     &m->client));
    if (!err)
        err = note(m, gn_conn_write(m->client.conn, data + 5000, BYTES - 5000,
                                    party_written, &m->client));
    if (!err)
        err = note(m,
                   gn_conn_shutdown(m->client.conn, party_written, &m->client));
    if (!err)
        err = gn_conn_shutdown(m->server.conn, NULL, NULL);
    return err;
}

/* What is wrong with what was heard, if anything. */
static int listen_to(struct meeting *m, const uint8_t *data)
{
    if (!pass(m->talk, both_ended, m))
        return -ENOMEM;
    if (m->server.end != GN_EOF)
        return -ENOMEM;
    assert_int_equal(m->server.n_read, BYTES);
    assert_memory_equal(m->server.data, data, BYTES);
    return 0;
}

static void part(struct meeting *m)
{
    if (m->client.conn)
        assert_int_equal(
            gn_conn_close(m->client.conn, party_closed, &m->client), 0);
    if (m->server.conn)
        assert_int_equal(
            gn_conn_reset(m->server.conn, party_closed, &m->server), 0);
    assert_true(pass(m->talk, both_closed, m));
    assert_int_equal(m->client.n_written, m->asked);
}

static int meet(struct meeting *m)
{
    struct gn_dial_options options = {.size = sizeof(options),
                                      .timeout_ms = 20000};
    struct gn_listener *listener;
    int err;

    err = gn_listen(m->talk->a, "tcp", ":80", party_accepted, &m->server,
                    &listener);
    if (err)
        return err;
    err = gn_dial(m->talk->gateway, "tcp4", "a:http", &options, party_dialled,
                  &m->client, NULL);
    if (err)
        return err;
    (void)pass(m->talk, both_met, m);
    assert_int_equal(m->client.dialled, 1);
    assert_int_equal(gn_listener_close(listener, NULL, NULL), 0);
    return m->client.conn && m->server.conn ? 0 : -ENOMEM;
}

static int streams(struct gn_test_heap *heap, void *arg)
{
    const uint8_t *data = arg;
    struct talk talk;
    struct meeting m = {.talk = &talk, .server.keep = true};
    int err = talk_open(&talk, false, NULL, &heap->alloc);

    if (!err)
        err = meet(&m);
    if (!err)
        err = speak(&m, data);
    if (!err)
        err = listen_to(&m, data);
    if (talk.net)
        part(&m);
    talk_close(&talk);
    party_done(&m.server);
    return err == -ENOBUFS ? -ENOMEM : err;
}

static void streams_survive_it(void **state)
{
    uint8_t *data = malloc(BYTES);
    unsigned i;

    (void)state;
    assert_non_null(data);
    for (i = 0; i < BYTES; i++)
        data[i] = (uint8_t)(i * 7 + (i >> 9));
    assert_true(gn_test_heap_sweep(streams, data) > 20);
    free(data);
}

/* ---- datagrams ---- */

struct mail {
    _Atomic unsigned n;
    _Atomic unsigned n_last;
};

static void receive(struct gn_packet_conn *conn, ssize_t nread,
                    const void *data, const struct sockaddr *from, void *arg)
{
    struct mail *mail = arg;

    (void)conn;
    (void)data;
    (void)from;
    if (nread < 0)
        mail->n_last++;
    else
        mail->n++;
}

static bool has_mail(void *arg)
{
    const struct mail *mail = arg;

    return mail->n > 0;
}

static bool is_dialled(void *arg)
{
    const struct party *party = arg;

    return party->dialled;
}

static int post(struct talk *talk, struct mail *mail, struct party *party)
{
    struct gn_packet_conn *conn;
    int err, n;

    err = gn_listen_packet(talk->a, "udp", ":53", receive, mail, &conn);
    if (!err)
        err = gn_dial(talk->gateway, "udp", "10.77.0.2:53", NULL, party_dialled,
                      party, NULL);
    if (err)
        return err;
    assert_true(pass(talk, is_dialled, party));
    if (!party->conn)
        return party->dial_status;
    for (n = 0; n < 5 && !mail->n && !err; n++) {
        err = gn_conn_write(party->conn, "hello", 5, NULL, NULL);
        (void)pass(talk, has_mail, mail);
    }
    return err ? err : mail->n ? 0 : -ENOMEM;
}

static int datagrams(struct gn_test_heap *heap, void *arg)
{
    struct party party = {.n_read = 0};
    struct mail mail = {0};
    struct talk talk;
    int err = talk_open(&talk, false, NULL, &heap->alloc);

    (void)arg;
    if (!err)
        err = post(&talk, &mail, &party);
    talk_close(&talk);
    assert_true(err || mail.n_last == 1);
    return err == -ENOBUFS ? -ENOMEM : err;
}

static void datagrams_survive_it(void **state)
{
    (void)state;
    assert_true(gn_test_heap_sweep(datagrams, NULL) > 10);
}

/* ---- accepting ---- */

static void accepting_waits_for_memory(void **state)
{
    static struct talk talk;
    struct party client = {.n_read = 0}, server = {.n_read = 0};
    struct gn_listener *listener;

    (void)state;
    gn_test_heap_init(&talk.heap);
    assert_int_equal(talk_open(&talk, false, NULL, &talk.heap.alloc), 0);
    assert_int_equal(
        gn_listen(talk.a, "tcp", ":80", party_accepted, &server, &listener), 0);
    assert_int_equal(gn_dial(talk.gateway, "tcp", "10.77.0.2:80", NULL,
                             party_dialled, &client, NULL),
                     0);
    while (!client.dialled)
        (void)gn_clock_step(talk.clock);
    if (!server.dialled) {
        gn_test_heap_fail_at(&talk.heap, 0, true);
        talk_pass_ms(&talk, 5000);
        assert_int_equal(server.dialled, 0);
        gn_test_heap_fail_at(&talk.heap, GN_TEST_HEAP_NEVER, false);
    }
    talk_count(&talk, &server.dialled, 1);
    assert_int_equal(server.dial_status, 0);
    talk_close(&talk);
    gn_test_heap_done(&talk.heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_survive_it),
        cmocka_unit_test(datagrams_survive_it),
        cmocka_unit_test(accepting_waits_for_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
