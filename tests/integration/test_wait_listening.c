/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * gn_wait_listening(), over a network in real time: each case is right whether
 * the waiting thread is inside already or comes later.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/socks.h"

#define PLENTY_MS 30000 /* longer than anything here takes */

struct fixture {
    struct gn_network *net;
    struct gn_namespace *web, *client;
    char why[160];
};

static int setup(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    struct gn_namespace_config web = {.size = sizeof(web), .name = "web"};
    struct fixture *f = test_calloc(1, sizeof(*f));

    assert_int_equal(gn_network_create(&config, &f->net), 0);
    assert_int_equal(gn_namespace_create(f->net, &web, &f->web), 0);
    assert_int_equal(gn_namespace_create(f->net, NULL, &f->client), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_network_close(f->net, NULL, NULL);
    test_free(f);
    return 0;
}

static struct gn_sock *listen_web(struct fixture *f, const char *proto,
                                  const char *address)
{
    struct gn_sock *sock;

    if (gn_sock_listen_at(f->web, proto, address, 0, f->why, sizeof(f->why),
                          &sock))
        fail_msg("%s", f->why);
    return sock;
}

static int wait_for(struct fixture *f, const char *proto, const char *address,
                    uint64_t timeout_ms)
{
    f->why[0] = '\0';
    return gn_wait_listening(gn_network_gateway(f->net), proto, address,
                             timeout_ms, f->why, sizeof(f->why));
}

static void what_listens_is_not_waited_for(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *tcp = listen_web(f, "tcp6", ":80");
    struct gn_sock *udp = listen_web(f, "udp4", "10.77.0.2:53");

    assert_int_equal(wait_for(f, "tcp", "web:80", PLENTY_MS), 0);
    assert_int_equal(wait_for(f, "tcp", "WEB.guest.internal:http", PLENTY_MS),
                     0);
    assert_int_equal(wait_for(f, "tcp4", "web:80", 1), -ETIMEDOUT);
    assert_int_equal(wait_for(f, "udp", "web:53", PLENTY_MS), 0);
    assert_int_equal(wait_for(f, "tcp", "web:53", 1), -ETIMEDOUT);
    assert_string_equal(f->why,
                        "web:53: nothing listens there: Connection timed out");
    drop(tcp);
    drop(udp);
}

struct waiting {
    struct fixture *f;
    const char *address;
    pthread_t thread;
    int result;
};

static void *waiting_main(void *arg)
{
    struct waiting *w = arg;

    w->result =
        gn_wait_listening(w->f->client, "tcp", w->address, PLENTY_MS, NULL, 0);
    return NULL;
}

static void waiting_start(struct waiting *w)
{
    assert_int_equal(pthread_create(&w->thread, NULL, waiting_main, w), 0);
}

static int waiting_end(struct waiting *w)
{
    assert_int_equal(pthread_join(w->thread, NULL), 0);
    return w->result;
}

static void a_guest_that_comes_later_is_waited_for(void **state)
{
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .name = "later"};
    struct fixture *f = *state;
    struct waiting w = {.f = f, .address = "later:8080"};
    struct gn_namespace *later;
    struct gn_sock *listener;

    waiting_start(&w);
    assert_int_equal(gn_namespace_create(f->net, &config, &later), 0);
    assert_int_equal(
        gn_sock_listen_at(later, "tcp", ":8080", 0, NULL, 0, &listener), 0);
    assert_int_equal(waiting_end(&w), 0);
    drop(listener);
}

static void a_wait_ends_with_its_guest(void **state)
{
    struct fixture *f = *state;
    struct waiting w = {.f = f, .address = "web:80"};

    waiting_start(&w);
    gn_namespace_kill(f->client);
    assert_int_equal(waiting_end(&w), -ECANCELED);
}

static void waits_are_refused_in_words(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *kernel;

    assert_int_equal(wait_for(f, "tcp", "web", 1), -EINVAL);
    assert_int_equal(wait_for(f, "tcp", "web:nosuch", 1), -EINVAL);
    assert_string_equal(f->why, "port \"nosuch\": no usual service of tcp; a "
                                "number would do");
    assert_int_equal(gn_wait_listening(NULL, "tcp", "web:80", 1, NULL, 0),
                     -EINVAL);
    assert_int_equal(gn_namespace_system(&kernel), 0);
    assert_int_equal(gn_wait_listening(kernel, "tcp", ":80", 1, NULL, 0),
                     -ENOTSUP);
    gn_namespace_close(kernel, 0, NULL, NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_listens_is_not_waited_for),
        CASE(a_guest_that_comes_later_is_waited_for),
        CASE(a_wait_ends_with_its_guest),
        CASE(waits_are_refused_in_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
