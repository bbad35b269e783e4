/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Conns on the caller's own libuv loop: what keeps uv_run() going, and what
 * does not.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "tests/lib/case.h"
#include "tests/lib/talk.h"

struct looped {
    uv_loop_t loop;
    struct gn_test_heap heap;
    struct gn_network *net;
    struct gn_namespace *guest;
    struct gn_listener *listener;
    struct party client, server;
};

static int setup(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct looped *f = calloc(1, sizeof(*f));
    struct gn_network_config config = {
        .size = sizeof(config), .prefixes = prefixes, .drive = GN_DRIVE_LOOP};

    assert_non_null(f);
    gn_test_heap_init(&f->heap);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    config.loop = &f->loop;
    config.alloc = &f->heap.alloc;
    assert_int_equal(gn_network_create(&config, &f->net), 0);
    assert_int_equal(gn_namespace_create(f->net, NULL, &f->guest), 0);
    *state = f;
    return 0;
}

static void note_gone(void *arg)
{
    *(bool *)arg = true;
}

static int teardown(void **state)
{
    struct looped *f = *state;
    bool gone = false;

    gn_network_close(f->net, note_gone, &gone);
    while (!gone)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    gn_test_heap_done(&f->heap);
    free(f);
    return 0;
}

/* uv_run() returns by itself: nothing is held. */
static void expect_idle(struct looped *f)
{
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
}

static void expect_held(struct looped *f)
{
    int i;

    for (i = 0; i < 10; i++)
        assert_true(uv_run(&f->loop, UV_RUN_NOWAIT));
}

static void listen_there(struct looped *f)
{
    assert_int_equal(gn_listen(f->guest, "tcp4", ":80", party_accepted,
                               &f->server, &f->listener),
                     0);
}

/* The only call that may come. */
static void packet_over(struct gn_packet_conn *conn, ssize_t nread,
                        const void *data, const struct sockaddr *from,
                        void *arg)
{
    (void)conn, (void)data, (void)from, (void)arg;
    assert_int_equal(nread, -ECANCELED);
}

static void an_idle_network_holds_nothing(void **state)
{
    expect_idle(*state);
}

static void a_listener_holds_until_it_is_closed(void **state)
{
    struct looped *f = *state;

    listen_there(f);
    expect_held(f);
    assert_int_equal(gn_listener_close(f->listener, party_closed, &f->server),
                     0);
    assert_int_equal(f->server.closed, 0);
    expect_idle(f);
    assert_int_equal(f->server.closed, 1);
}

static void a_packet_conn_holds_until_it_is_closed(void **state)
{
    struct looped *f = *state;
    struct gn_packet_conn *conn;

    assert_int_equal(gn_listen_packet(f->guest, "udp", ":53",
                                      (gn_packet_cb)abort, NULL, &conn),
                     0);
    expect_held(f);
    assert_int_equal(gn_packet_close(conn, party_closed, &f->server), 0);
    expect_idle(f);
    assert_int_equal(f->server.closed, 1);
}

static void a_dial_holds_until_it_is_over(void **state)
{
    struct looped *f = *state;

    assert_int_equal(gn_dial(gn_network_gateway(f->net), "tcp", "10.77.0.2:81",
                             NULL, party_dialled, &f->client, NULL),
                     0);
    expect_idle(f);
    assert_int_equal(f->client.dialled, 1);
    assert_int_equal(f->client.dial_status, -ECONNREFUSED);
}

static void a_conn_holds_until_it_is_closed(void **state)
{
    struct looped *f = *state;

    listen_there(f);
    assert_int_equal(gn_dial(gn_network_gateway(f->net), "tcp", "10.77.0.2:80",
                             NULL, party_dialled, &f->client, NULL),
                     0);
    while (!f->client.dialled || !f->server.dialled)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(gn_listener_close(f->listener, NULL, NULL), 0);
    expect_held(f);
    assert_int_equal(gn_conn_close(f->client.conn, party_closed, &f->client),
                     0);
    expect_held(f);
    assert_int_equal(gn_conn_read_start(f->server.conn, party_read, &f->server),
                     0);
    while (!f->server.ended)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(f->server.end, GN_EOF);
    expect_held(f);
    assert_int_equal(gn_conn_close(f->server.conn, party_closed, &f->server),
                     0);
    expect_idle(f);
    assert_int_equal(f->client.closed + f->server.closed, 2);
}

static void a_publication_holds_until_it_is_gone(void **state)
{
    struct looped *f = *state;
    struct gn_publication *pub;

    assert_int_equal(
        gn_publish(f->net, "tcp", "127.0.0.1:0", "10.77.0.2:80", NULL, &pub),
        0);
    expect_held(f);
    gn_unpublish(pub, party_closed, &f->server);
    assert_int_equal(f->server.closed, 0);
    expect_idle(f);
    assert_int_equal(f->server.closed, 1);
}

static void count_handle(uv_handle_t *handle, void *arg)
{
    (void)handle;
    *(int *)arg += 1;
}

struct ending {
    uv_loop_t *loop;
    bool over;
    int n_handles;
};

static void walk(void *arg)
{
    struct ending *ending = arg;

    uv_walk(ending->loop, count_handle, &ending->n_handles);
    ending->over = true;
}

/* Behind the network's callback, whatever was open: the header's first lines.
 */
static void nothing_of_ours_is_left_to_walk(void **state)
{
    struct looped *f = *state;
    struct gn_network_config config = {.size = sizeof(config),
                                       .drive = GN_DRIVE_LOOP,
                                       .loop = &f->loop,
                                       .alloc = &f->heap.alloc};
    struct ending ending = {.loop = &f->loop};
    struct gn_publication *pub;
    struct gn_packet_conn *packets;

    listen_there(f);
    assert_int_equal(
        gn_listen_packet(f->guest, "udp", ":53", packet_over, NULL, &packets),
        0);
    assert_int_equal(
        gn_publish(f->net, "tcp", "127.0.0.1:0", "10.77.0.2:80", NULL, &pub),
        0);
    assert_int_equal(gn_dial(gn_network_gateway(f->net), "tcp", "10.77.0.2:80",
                             NULL, party_dialled, &f->client, NULL),
                     0);
    while (!f->client.dialled || !f->server.dialled)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(gn_dial(gn_network_gateway(f->net), "tcp", "10.77.0.99:80",
                             NULL, party_dialled, &f->client, NULL),
                     0);
    gn_network_close(f->net, walk, &ending);
    while (!ending.over)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(ending.n_handles, 0);
    assert_int_equal(gn_network_create(&config, &f->net), 0);
}

static void a_dial_with_a_time_out_wakes_the_loop(void **state)
{
    struct gn_dial_options options = {.size = sizeof(options),
                                      .timeout_ms = 30};
    struct gn_link_config down = {.size = sizeof(down), .down = true};
    struct looped *f = *state;

    assert_int_equal(gn_link_set(f->guest, "eth0", &down), 0);
    assert_int_equal(gn_dial(gn_network_gateway(f->net), "tcp", "10.77.0.2:80",
                             &options, party_dialled, &f->client, NULL),
                     0);
    expect_idle(f);
    assert_int_equal(f->client.dial_status, -ETIMEDOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_idle_network_holds_nothing),
        CASE(a_listener_holds_until_it_is_closed),
        CASE(a_packet_conn_holds_until_it_is_closed),
        CASE(a_dial_holds_until_it_is_over),
        CASE(a_conn_holds_until_it_is_closed),
        CASE(a_publication_holds_until_it_is_gone),
        CASE(nothing_of_ours_is_left_to_walk),
        CASE(a_dial_with_a_time_out_wakes_the_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
