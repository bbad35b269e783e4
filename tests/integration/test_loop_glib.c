/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * GN_DRIVE_CALLER as a source of a GLib main loop, beside one of GLib's own.
 */
#include <guestnet/guestnet.h>

#include <glib.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/heap.h"
#include "tests/lib/simnet.h"

#define N_SENT 100

static const char *const prefixes[] = {"10.77.0.0/16", NULL};

/* What docs/embedding.md shows. */
struct source {
    GSource source; /* first */
    struct gn_network *net;
};

static gboolean prepare(GSource *source, gint *timeout_ms)
{
    *timeout_ms = gn_network_timeout_ms(((struct source *)source)->net);
    return *timeout_ms == 0;
}

static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer arg)
{
    struct source *self = (struct source *)source;

    (void)callback;
    (void)arg;
    assert_true(gn_network_run(self->net, GN_RUN_NOWAIT) >= 0);
    return self->net ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void network_closed(void *source)
{
    ((struct source *)source)->net = NULL;
}

static GSourceFuncs funcs = {.prepare = prepare, .dispatch = dispatch};

static GSource *attach(struct gn_network *net, GMainContext *context)
{
    GSource *source = g_source_new(&funcs, sizeof(struct source));

    ((struct source *)source)->net = net;
    g_source_add_unix_fd(source, gn_network_fd(net), G_IO_IN);
    g_source_attach(source, context);
    return source;
}

struct fixture {
    struct gn_test_heap heap;
    struct gn_network *net;
    GMainContext *context;
    GMainLoop *loop;
    GSource *source;
    struct gn_sock *from, *to;
    int n_received;
    int n_ticks;
};

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_CALLER,
                                       .alloc = &f->heap.alloc};

    gn_test_heap_init(&f->heap);
    assert_int_equal(gn_network_create(&config, &f->net), 0);
    f->to = gn_simnet_udp(gn_simnet_guest(f->net, "a"), "10.77.0.2:1");
    f->from = gn_simnet_udp(gn_simnet_guest(f->net, "b"), "10.77.0.3:1");
    f->context = g_main_context_new();
    f->loop = g_main_loop_new(f->context, FALSE);
    f->source = attach(f->net, f->context);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_simnet_end(f->to);
    gn_simnet_end(f->from);
    g_source_destroy(f->source);
    g_source_unref(f->source);
    g_main_loop_unref(f->loop);
    g_main_context_unref(f->context);
    gn_network_close(f->net, NULL, NULL);
    gn_test_heap_done(&f->heap);
    test_free(f);
    return 0;
}

static void quit_when_done(struct fixture *f)
{
    if (f->n_received == N_SENT && f->n_ticks >= 3)
        g_main_loop_quit(f->loop);
}

static void received(struct gn_sock *sock, short revents, void *arg)
{
    struct fixture *f = arg;

    (void)revents;
    gn_simnet_expect(sock, "x");
    f->n_received++;
    quit_when_done(f);
}

static gboolean tick(gpointer arg)
{
    struct fixture *f = arg;

    f->n_ticks++;
    quit_when_done(f);
    return G_SOURCE_CONTINUE;
}

static void *send_all(void *arg)
{
    struct fixture *f = arg;
    unsigned i;

    for (i = 0; i < N_SENT; i++)
        assert_int_equal(gn_simnet_send(f->from, "10.77.0.2:1", "x", 1), 1);
    return NULL;
}

static void run(struct fixture *f)
{
    GSource *ticks = g_timeout_source_new(1);

    g_source_set_callback(ticks, tick, f, NULL);
    g_source_attach(ticks, f->context);
    g_main_loop_run(f->loop);
    g_source_destroy(ticks);
    g_source_unref(ticks);
}

static void a_guest_on_a_thread_reaches_callbacks(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;

    assert_int_equal(gn_sock_watch(f->to, POLLIN, received, f), 0);
    assert_int_equal(pthread_create(&thread, NULL, send_all, f), 0);
    run(f);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(f->n_received, N_SENT);
}

static void send_again(struct gn_sock *sock, short revents, void *arg)
{
    struct fixture *f = arg;

    received(sock, revents, arg);
    if (f->n_received < N_SENT)
        assert_int_equal(gn_simnet_send(f->from, "10.77.0.2:1", "x", 1), 1);
}

static void timers_of_the_network_run(void **state)
{
    struct fixture *f = *state;
    struct gn_link_config link = {.latency_us = 250};

    assert_int_equal(gn_link_set(gn_network_gateway(f->net), NULL, &link), 0);
    gn_simnet_end(f->from);
    f->from = gn_simnet_udp(gn_network_gateway(f->net), "10.77.0.1:1");
    assert_int_equal(gn_sock_watch(f->to, POLLIN, send_again, f), 0);
    assert_int_equal(gn_simnet_send(f->from, "10.77.0.2:1", "x", 1), 1);
    run(f);
    assert_int_equal(f->n_received, N_SENT);
}

static gboolean close_it(gpointer arg)
{
    struct fixture *f = arg;

    gn_network_close(f->net, network_closed, f->source);
    f->net = NULL;
    return G_SOURCE_REMOVE;
}

static gboolean quit(gpointer arg)
{
    g_main_loop_quit(((struct fixture *)arg)->loop);
    return G_SOURCE_REMOVE;
}

static void after_ms(struct fixture *f, guint ms, GSourceFunc call)
{
    GSource *timeout = g_timeout_source_new(ms);

    g_source_set_callback(timeout, call, f, NULL);
    g_source_attach(timeout, f->context);
    g_source_unref(timeout);
}

/* The loop goes on without it. */
static void the_network_is_closed_in_a_callback(void **state)
{
    struct fixture *f = *state;

    after_ms(f, 1, close_it);
    after_ms(f, 20, quit);
    g_main_loop_run(f->loop);
    assert_null(((struct source *)f->source)->net);
    assert_true(g_source_is_destroyed(f->source));
}

static void close_in_its_own(struct gn_sock *sock, short revents, void *arg)
{
    received(sock, revents, arg);
    assert_int_equal(gn_sock_watch(sock, 0, NULL, NULL), 0);
    (void)close_it(arg);
}

static void the_network_is_closed_in_a_callback_of_its_own(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(gn_sock_watch(f->to, POLLIN, close_in_its_own, f), 0);
    assert_int_equal(gn_simnet_send(f->from, "10.77.0.2:1", "x", 1), 1);
    after_ms(f, 20, quit);
    g_main_loop_run(f->loop);
    assert_true(g_source_is_destroyed(f->source));
    assert_int_equal(f->n_received, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_guest_on_a_thread_reaches_callbacks),
        CASE(timers_of_the_network_run),
        CASE(the_network_is_closed_in_a_callback),
        CASE(the_network_is_closed_in_a_callback_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
