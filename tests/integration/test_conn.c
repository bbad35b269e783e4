/* SPDX-License-Identifier: BSD-3-Clause */

/* gn_conn: reading, writing, backpressure, ends; under a clock. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/talk.h"

#define BIG (4u * 1024 * 1024)

struct pair {
    struct talk *talk;
    struct party client, server;
};

static int setup(void **state)
{
    struct pair *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    talk_setup((void **)&f->talk);
    talk_connect(f->talk, f->talk->gateway, f->talk->a, 80, &f->client,
                 &f->server);
    f->server.keep = true;
    *state = f;
    return 0;
}

/* Each case closes its own conns, or leaves that to the network. */
static int teardown(void **state)
{
    struct pair *f = *state;

    talk_teardown((void **)&f->talk);
    party_done(&f->client);
    party_done(&f->server);
    free(f);
    return 0;
}

static void fill(uint8_t *data, size_t len, unsigned seed)
{
    size_t i;

    for (i = 0; i < len; i++)
        data[i] = (uint8_t)(i * 31 + (i >> 8) + seed);
}

static void read_all(struct party *party)
{
    assert_int_equal(gn_conn_read_start(party->conn, party_read, party), 0);
}

static void write_text(struct party *party, const char *text)
{
    assert_true(gn_conn_write(party->conn, text, strlen(text), party_written,
                              party) >= 0);
}

static bool has_read(void *arg)
{
    const struct party *party = arg;

    return party->n_read >= BIG;
}

/* ---- moving bytes ---- */

static void bytes_arrive_as_they_were_written(void **state)
{
    struct pair *f = *state;
    uint8_t *data = malloc(BIG);

    assert_non_null(data);
    fill(data, BIG, 1);
    read_all(&f->server);
    assert_int_equal(
        gn_conn_write(f->client.conn, data, BIG, party_written, &f->client), 1);
    talk_until(f->talk, has_read, &f->server);
    assert_int_equal(f->server.n_read, BIG);
    assert_memory_equal(f->server.data, data, BIG);
    assert_int_equal(f->client.n_written, 1);
    assert_int_equal(f->client.write_status, 0);
    talk_part(f->talk, &f->client, &f->server);
    free(data);
}

static void no_callback_runs_inside_a_call(void **state)
{
    struct pair *f = *state;

    read_all(&f->server);
    write_text(&f->client, "x");
    assert_int_equal(f->client.n_written, 0);
    assert_int_equal(f->server.n_reads, 0);
    talk_count(f->talk, &f->client.n_written, 1);
    talk_count(f->talk, &f->server.n_reads, 1);
    write_text(&f->server, "y");
    assert_int_equal(gn_conn_read_start(f->client.conn, party_read, &f->client),
                     0);
    assert_int_equal(f->client.n_reads, 0);
    assert_int_equal(gn_conn_close(f->client.conn, party_closed, &f->client),
                     0);
    assert_int_equal(f->client.closed, 0);
    talk_count(f->talk, &f->client.closed, 1);
    talk_drop(f->talk, &f->server);
}

struct order {
    struct party *party;
    unsigned next;
    unsigned n;
    struct one {
        struct order *order;
        unsigned i;
    } writes[64];
};

static void check_order(struct gn_conn *conn, int status, void *arg)
{
    struct one *one = arg;

    (void)conn;
    assert_int_equal(status, 0);
    assert_int_equal(one->i, one->order->next);
    one->order->next++;
}

static bool all_in_order(void *arg)
{
    const struct order *order = arg;

    return order->next == order->n;
}

static void writes_of_all_sizes_are_done_in_order(void **state)
{
    struct pair *f = *state;
    struct order order = {.n = 64};
    uint8_t *data = malloc(BIG);
    size_t total = 0, i;

    assert_non_null(data);
    fill(data, BIG, 2);
    read_all(&f->server);
    for (i = 0; i < 64; i++) {
        size_t len = i % 5 == 0 ? 0 : i % 3 ? i * 997 : i;

        order.writes[i] = (struct one){&order, (unsigned)i};
        assert_true(gn_conn_write(f->client.conn, data + total, len,
                                  check_order, &order.writes[i]) >= 0);
        total += len;
    }
    assert_int_equal(order.next, 0);
    talk_until(f->talk, all_in_order, &order);
    talk_pass_ms(f->talk, 1000);
    assert_int_equal(f->server.n_read, total);
    assert_memory_equal(f->server.data, data, total);
    talk_part(f->talk, &f->client, &f->server);
    free(data);
}

static void a_vector_is_copied_and_its_bytes_are_borrowed(void **state)
{
    struct pair *f = *state;
    char one[] = "one ", two[] = "two ", three[] = "three";
    struct iovec iov[] = {{one, 4}, {NULL, 0}, {two, 4}, {three, 5}};

    read_all(&f->server);
    assert_int_equal(
        gn_conn_writev(f->client.conn, iov, 4, party_written, &f->client), 0);
    memset(iov, 0, sizeof(iov));
    talk_count(f->talk, &f->client.n_written, 1);
    talk_pass_ms(f->talk, 10);
    assert_int_equal(f->server.n_read, 13);
    assert_memory_equal(f->server.data, "one two three", 13);
    talk_part(f->talk, &f->client, &f->server);
}

static void bad_vectors_are_refused(void **state)
{
    struct pair *f = *state;
    struct iovec iov[1] = {{NULL, 1}};

    assert_int_equal(gn_conn_writev(f->client.conn, iov, 1, NULL, NULL),
                     -EINVAL);
    assert_int_equal(gn_conn_writev(f->client.conn, NULL, 0, NULL, NULL),
                     -EINVAL);
    assert_int_equal(
        gn_conn_writev(f->client.conn, iov, GN_IOV_MAX + 1, NULL, NULL),
        -EMSGSIZE);
    assert_int_equal(gn_conn_write(NULL, "x", 1, NULL, NULL), -EINVAL);
    assert_int_equal(gn_conn_read_start(f->client.conn, NULL, NULL), -EINVAL);
    talk_part(f->talk, &f->client, &f->server);
}

static void a_write_without_callback_is_written(void **state)
{
    struct pair *f = *state;

    read_all(&f->server);
    assert_int_equal(gn_conn_write(f->client.conn, "quiet", 5, NULL, NULL), 0);
    talk_count(f->talk, &f->server.n_reads, 1);
    assert_memory_equal(f->server.data, "quiet", 5);
    talk_part(f->talk, &f->client, &f->server);
}

static void try_write_takes_what_there_is_room_for(void **state)
{
    struct pair *f = *state;
    uint8_t *data = calloc(1, BIG);
    ssize_t n;

    assert_int_equal(gn_conn_try_write(f->client.conn, "x", 1), 1);
    n = gn_conn_try_write(f->client.conn, data, BIG);
    assert_true(n > 0 && n < (ssize_t)BIG);
    while (gn_conn_try_write(f->client.conn, data, BIG) > 0)
        talk_pass_ms(f->talk, 100);
    assert_int_equal(gn_conn_try_write(f->client.conn, data, 1), -EAGAIN);
    read_all(&f->server);
    talk_pass_ms(f->talk, 1000);
    assert_true(gn_conn_try_write(f->client.conn, data, 1) == 1);
    talk_part(f->talk, &f->client, &f->server);
    free(data);
}

/* ---- backpressure ---- */

static void a_conn_that_does_not_read_stops_the_writer(void **state)
{
    struct pair *f = *state;
    uint8_t *data = calloc(1, BIG);
    size_t queued;

    assert_int_equal(
        gn_conn_write(f->client.conn, data, BIG, party_written, &f->client), 1);
    talk_pass_ms(f->talk, 5000);
    queued = gn_conn_queued(f->client.conn);
    assert_true(queued > BIG / 2);
    talk_pass_ms(f->talk, 5000);
    assert_int_equal(gn_conn_queued(f->client.conn), queued);
    assert_int_equal(f->client.n_written, 0);
    read_all(&f->server);
    talk_until(f->talk, has_read, &f->server);
    talk_count(f->talk, &f->client.n_written, 1);
    assert_int_equal(gn_conn_queued(f->client.conn), 0);
    talk_part(f->talk, &f->client, &f->server);
    free(data);
}

/* A reader that wants no more than it has got. */
static void read_and_stop(struct gn_conn *conn, ssize_t nread, const void *data,
                          void *arg)
{
    struct party *party = arg;

    party_read(conn, nread, data, arg);
    gn_conn_read_stop(conn);
    (void)party;
}

static void what_a_stopped_reader_did_not_get_is_kept(void **state)
{
    struct pair *f = *state;
    uint8_t *data = malloc(BIG);
    unsigned n = 0;

    assert_non_null(data);
    fill(data, BIG, 3);
    assert_true(gn_conn_write(f->client.conn, data, BIG, NULL, NULL) >= 0);
    while (f->server.n_read < BIG) {
        assert_int_equal(
            gn_conn_read_start(f->server.conn, read_and_stop, &f->server), 0);
        talk_count(f->talk, &f->server.n_reads, ++n);
        talk_pass_ms(f->talk, 20);
        assert_int_equal(f->server.n_reads, n);
    }
    assert_memory_equal(f->server.data, data, BIG);
    talk_part(f->talk, &f->client, &f->server);
    free(data);
}

static void the_mark_is_told_and_its_end_too(void **state)
{
    struct pair *f = *state;
    uint8_t *data = calloc(1, BIG);
    int full = 0;
    size_t at;

    gn_conn_set_high_water(f->client.conn, 100000, party_drained, &f->client);
    for (at = 0; !full && at < BIG; at += 50000) {
        full = gn_conn_write(f->client.conn, data, 50000, party_written,
                             &f->client);
        assert_true(full == 1 || gn_conn_queued(f->client.conn) <= 100000);
    }
    assert_int_equal(full, 1);
    assert_true(gn_conn_queued(f->client.conn) > 100000);
    talk_pass_ms(f->talk, 1000);
    assert_int_equal(f->client.n_drained, 0);
    read_all(&f->server);
    talk_count(f->talk, &f->client.n_drained, 1);
    talk_pass_ms(f->talk, 1000);
    assert_int_equal(f->client.n_drained, 1);
    assert_int_equal(gn_conn_write(f->client.conn, data, 1, NULL, NULL), 0);
    talk_part(f->talk, &f->client, &f->server);
    free(data);
}

/* ---- ends ---- */

static void shutdown_follows_the_writes_and_reading_goes_on(void **state)
{
    struct pair *f = *state;
    uint8_t *data = malloc(BIG);

    assert_non_null(data);
    fill(data, BIG, 4);
    assert_true(gn_conn_write(f->client.conn, data, BIG, party_written,
                              &f->client) >= 0);
    assert_int_equal(
        gn_conn_shutdown(f->client.conn, party_written, &f->client), 0);
    assert_int_equal(gn_conn_shutdown(f->client.conn, NULL, NULL), -EALREADY);
    assert_int_equal(gn_conn_write(f->client.conn, "x", 1, NULL, NULL), -EPIPE);
    assert_int_equal(gn_conn_try_write(f->client.conn, "x", 1), -EPIPE);
    assert_false(gn_conn_is_writable(f->client.conn));
    read_all(&f->client);
    read_all(&f->server);
    talk_count(f->talk, &f->server.ended, 1);
    assert_int_equal(f->server.end, GN_EOF);
    assert_false(gn_conn_is_readable(f->server.conn));
    assert_true(gn_conn_is_writable(f->server.conn));
    assert_int_equal(f->server.n_read, BIG);
    assert_memory_equal(f->server.data, data, BIG);
    assert_int_equal(f->client.n_written, 2);
    assert_int_equal(f->client.write_status, 0);
    write_text(&f->server, "late");
    talk_count(f->talk, &f->client.n_reads, 1);
    assert_int_equal(f->client.n_read, 4);
    assert_true(gn_conn_is_readable(f->client.conn));
    talk_drop(f->talk, &f->server);
    talk_count(f->talk, &f->client.ended, 1);
    assert_int_equal(f->client.end, GN_EOF);
    talk_drop(f->talk, &f->client);
    free(data);
}

static void the_end_is_told_again_to_a_later_reader(void **state)
{
    struct pair *f = *state;

    assert_int_equal(gn_conn_shutdown(f->client.conn, NULL, NULL), 0);
    read_all(&f->server);
    talk_count(f->talk, &f->server.ended, 1);
    talk_pass_ms(f->talk, 1000);
    assert_int_equal(f->server.ended, 1);
    read_all(&f->server);
    talk_count(f->talk, &f->server.ended, 2);
    assert_int_equal(f->server.end, GN_EOF);
    talk_part(f->talk, &f->client, &f->server);
}

static void a_reset_is_seen_by_reader_and_writes(void **state)
{
    struct pair *f = *state;
    uint8_t *data = calloc(1, BIG);

    read_all(&f->client);
    assert_true(gn_conn_write(f->client.conn, data, BIG, party_written,
                              &f->client) >= 0);
    assert_true(gn_conn_write(f->client.conn, data, BIG, party_written,
                              &f->client) >= 0);
    talk_pass_ms(f->talk, 10);
    assert_int_equal(gn_conn_reset(f->server.conn, party_closed, &f->server),
                     0);
    talk_count(f->talk, &f->server.closed, 1);
    talk_count(f->talk, &f->client.ended, 1);
    assert_int_equal(f->client.end, -ECONNRESET);
    assert_int_equal(f->client.n_written, 2);
    assert_int_equal(f->client.write_status, -ECONNRESET);
    assert_false(gn_conn_is_readable(f->client.conn));
    assert_false(gn_conn_is_writable(f->client.conn));
    assert_int_equal(gn_conn_write(f->client.conn, data, 1, NULL, NULL),
                     -ECONNRESET);
    talk_drop(f->talk, &f->client);
    free(data);
}

static void a_reset_is_kept_for_a_later_reader(void **state)
{
    struct pair *f = *state;

    assert_int_equal(gn_conn_reset(f->client.conn, NULL, NULL), 0);
    talk_pass_ms(f->talk, 1000);
    assert_false(gn_conn_is_writable(f->server.conn));
    read_all(&f->server);
    talk_count(f->talk, &f->server.ended, 1);
    assert_int_equal(f->server.end, -ECONNRESET);
    talk_drop(f->talk, &f->server);
}

static void closing_with_unread_bytes_resets(void **state)
{
    struct pair *f = *state;

    read_all(&f->client);
    write_text(&f->client, "nobody reads this");
    talk_pass_ms(f->talk, 10);
    talk_drop(f->talk, &f->server);
    talk_count(f->talk, &f->client.ended, 1);
    assert_int_equal(f->client.end, -ECONNRESET);
    talk_drop(f->talk, &f->client);
}

static void close_in_read(struct gn_conn *conn, ssize_t nread, const void *data,
                          void *arg)
{
    party_read(conn, nread, data, arg);
    assert_int_equal(gn_conn_close(conn, party_closed, arg), 0);
    assert_int_equal(gn_conn_close(conn, party_closed, arg), -EALREADY);
}

static void closing_in_the_read_callback_is_no_reset(void **state)
{
    struct pair *f = *state;

    read_all(&f->client);
    assert_int_equal(
        gn_conn_read_start(f->server.conn, close_in_read, &f->server), 0);
    write_text(&f->client, "all of it is read");
    talk_count(f->talk, &f->server.closed, 1);
    assert_int_equal(f->server.n_reads, 1);
    talk_count(f->talk, &f->client.ended, 1);
    assert_int_equal(f->client.end, GN_EOF);
    talk_drop(f->talk, &f->client);
}

static void close_in_write(struct gn_conn *conn, int status, void *arg)
{
    party_written(conn, status, arg);
    (void)gn_conn_close(conn, party_closed, arg);
}

static void closing_in_a_write_callback_ends_the_others(void **state)
{
    struct pair *f = *state;
    uint8_t *data = calloc(1, BIG);

    assert_int_equal(
        gn_conn_write(f->client.conn, "a", 1, close_in_write, &f->client), 0);
    assert_int_equal(
        gn_conn_write(f->client.conn, "b", 1, party_written, &f->client), 0);
    assert_int_equal(
        gn_conn_write(f->client.conn, data, BIG, party_written, &f->client), 1);
    talk_count(f->talk, &f->client.closed, 1);
    assert_int_equal(f->client.n_written, 3);
    assert_int_equal(f->client.write_status, -ECANCELED);
    talk_drop(f->talk, &f->server);
    free(data);
}

static void close_ends_writes_before_it_calls_back(void **state)
{
    struct pair *f = *state;
    uint8_t *data = calloc(1, BIG);

    assert_int_equal(
        gn_conn_write(f->client.conn, data, BIG, party_written, &f->client), 1);
    assert_int_equal(
        gn_conn_shutdown(f->client.conn, party_written, &f->client), 0);
    assert_int_equal(gn_conn_close(f->client.conn, party_closed, &f->client),
                     0);
    assert_int_equal(f->client.n_written, 0);
    talk_count(f->talk, &f->client.n_written, 2);
    assert_int_equal(f->client.write_status, -ECANCELED);
    talk_count(f->talk, &f->client.closed, 1);
    talk_drop(f->talk, &f->server);
    free(data);
}

static void what_was_written_arrives_after_close(void **state)
{
    struct pair *f = *state;

    read_all(&f->server);
    write_text(&f->client, "last words");
    talk_drop(f->talk, &f->client);
    talk_count(f->talk, &f->server.ended, 1);
    assert_int_equal(f->server.end, GN_EOF);
    assert_int_equal(f->server.n_read, 10);
    talk_drop(f->talk, &f->server);
}

static void killing_the_namespace_cancels(void **state)
{
    struct pair *f = *state;
    uint8_t *data = calloc(1, BIG);

    read_all(&f->server);
    read_all(&f->client);
    talk_pass_ms(f->talk, 10);
    gn_conn_read_stop(f->client.conn);
    assert_true(gn_conn_write(f->server.conn, data, BIG, party_written,
                              &f->server) >= 0);
    gn_namespace_kill(f->talk->a);
    talk_count(f->talk, &f->server.ended, 1);
    assert_int_equal(f->server.end, -ECANCELED);
    talk_count(f->talk, &f->server.n_written, 1);
    assert_int_equal(f->server.write_status, -ECANCELED);
    read_all(&f->client);
    talk_count(f->talk, &f->client.ended, 1);
    assert_int_equal(f->client.end, -ECONNRESET);
    talk_part(f->talk, &f->client, &f->server);
    free(data);
}

/* ---- the network's end ---- */

static void the_network_s_end_ends_conns(void **state)
{
    struct pair *f = *state;
    uint8_t *data = calloc(1, BIG);

    read_all(&f->client);
    assert_int_equal(
        gn_conn_write(f->client.conn, data, BIG, party_written, &f->client), 1);
    talk_pass_ms(f->talk, 10);
    gn_network_close(f->talk->net, NULL, NULL);
    f->talk->net = NULL;
    assert_int_equal(f->client.ended, 1);
    assert_int_equal(f->client.end, -ECANCELED);
    assert_int_equal(f->client.n_written, 1);
    assert_int_equal(f->client.write_status, -ECANCELED);
    free(data);
}

static void close_at_end(struct gn_conn *conn, ssize_t nread, const void *data,
                         void *arg)
{
    party_read(conn, nread, data, arg);
    assert_int_equal(gn_conn_write(conn, "x", 1, NULL, NULL), -ECANCELED);
    assert_int_equal(gn_conn_read_start(conn, party_read, arg), -ECANCELED);
    assert_int_equal(gn_conn_close(conn, party_closed, arg), 0);
}

static void a_conn_may_be_closed_in_its_last_call(void **state)
{
    struct pair *f = *state;

    assert_int_equal(
        gn_conn_read_start(f->client.conn, close_at_end, &f->client), 0);
    talk_pass_ms(f->talk, 10);
    gn_network_close(f->talk->net, NULL, NULL);
    f->talk->net = NULL;
    assert_int_equal(f->client.end, -ECANCELED);
    assert_int_equal(f->client.closed, 1);
}

static void close_both_networks(struct gn_conn *conn, ssize_t nread,
                                const void *data, void *arg)
{
    struct pair *f = arg;

    (void)conn;
    (void)data;
    if (nread < 0)
        return;
    gn_network_close(f->talk->net, NULL, NULL);
    f->talk->net = NULL;
}

static void the_network_may_be_closed_in_a_read_callback(void **state)
{
    struct pair *f = *state;

    assert_int_equal(gn_conn_read_start(f->server.conn, close_both_networks, f),
                     0);
    write_text(&f->client, "the end");
    talk_pass_ms(f->talk, 10);
    assert_null(f->talk->net);
    assert_int_equal(f->client.n_written, 1);
}

static bool network_gone;

static void note_gone(void *arg)
{
    struct pair *f = arg;

    assert_int_equal(f->client.closed, 1);
    network_gone = true;
}

static bool is_gone(void *arg)
{
    (void)arg;
    return network_gone;
}

static void a_close_that_is_under_way_is_finished_first(void **state)
{
    struct pair *f = *state;

    network_gone = false;
    assert_int_equal(gn_conn_close(f->client.conn, party_closed, &f->client),
                     0);
    gn_network_close(f->talk->net, note_gone, f);
    talk_until(f->talk, is_gone, NULL);
    f->talk->net = NULL;
}

/* ---- the rest ---- */

static void names_options_and_user_words(void **state)
{
    struct pair *f = *state;
    char text[GN_ADDR_TEXT_MAX];
    struct sockaddr_in in;
    socklen_t len = sizeof(in);
    int value = 0;

    assert_string_equal(talk_peer(f->client.conn, text, sizeof(text)),
                        "10.77.0.2:80");
    assert_int_equal(gn_conn_name(f->server.conn, (struct sockaddr *)&in, &len),
                     0);
    assert_int_equal(len, sizeof(in));
    assert_int_equal(in.sin_family, AF_INET);
    assert_int_equal(ntohs(in.sin_port), 80);
    assert_int_equal(gn_conn_nodelay(f->client.conn, true), 0);
    assert_int_equal(gn_conn_keepalive(f->client.conn, true, 60), 0);
    len = sizeof(value);
    assert_int_equal(gn_sock_getopt(gn_conn_sock(f->client.conn), SOL_SOCKET,
                                    SO_KEEPALIVE, &value, &len),
                     0);
    assert_int_equal(value, 1);
    assert_int_equal(gn_conn_keepalive(f->client.conn, true, 40000), -EINVAL);
    gn_conn_set_user(f->client.conn, f);
    assert_ptr_equal(gn_conn_user(f->client.conn), f);
    assert_int_equal(gn_conn_read_start(f->client.conn, party_read, f), 0);
    assert_int_equal(gn_conn_read_start(f->client.conn, party_read, f),
                     -EALREADY);
    talk_part(f->talk, &f->client, &f->server);
}

static void an_idle_conn_costs_no_turn(void **state)
{
    struct pair *f = *state;

    read_all(&f->client);
    read_all(&f->server);
    talk_pass_ms(f->talk, 1000);
    assert_true(gn_clock_next_ns(f->talk->clock) >
                gn_clock_now_ns(f->talk->clock) + 1000000000ull);
    talk_part(f->talk, &f->client, &f->server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(bytes_arrive_as_they_were_written),
        CASE(no_callback_runs_inside_a_call),
        CASE(writes_of_all_sizes_are_done_in_order),
        CASE(a_vector_is_copied_and_its_bytes_are_borrowed),
        CASE(bad_vectors_are_refused),
        CASE(a_write_without_callback_is_written),
        CASE(try_write_takes_what_there_is_room_for),
        CASE(a_conn_that_does_not_read_stops_the_writer),
        CASE(what_a_stopped_reader_did_not_get_is_kept),
        CASE(the_mark_is_told_and_its_end_too),
        CASE(shutdown_follows_the_writes_and_reading_goes_on),
        CASE(the_end_is_told_again_to_a_later_reader),
        CASE(a_reset_is_seen_by_reader_and_writes),
        CASE(a_reset_is_kept_for_a_later_reader),
        CASE(closing_with_unread_bytes_resets),
        CASE(closing_in_the_read_callback_is_no_reset),
        CASE(closing_in_a_write_callback_ends_the_others),
        CASE(close_ends_writes_before_it_calls_back),
        CASE(what_was_written_arrives_after_close),
        CASE(killing_the_namespace_cancels),
        CASE(the_network_s_end_ends_conns),
        CASE(a_conn_may_be_closed_in_its_last_call),
        CASE(the_network_may_be_closed_in_a_read_callback),
        CASE(a_close_that_is_under_way_is_finished_first),
        CASE(names_options_and_user_words),
        CASE(an_idle_conn_costs_no_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
