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

#include "tests/lib/case.h"
#include "tests/lib/socks.h"
#include "tests/lib/webnet.h"

static int wait_for(struct webnet *w, const char *proto, const char *address,
                    uint64_t timeout_ms)
{
    w->why[0] = '\0';
    return gn_wait_listening(gn_network_gateway(w->net), proto, address,
                             timeout_ms, w->why, sizeof(w->why));
}

static void what_listens_is_not_waited_for(void **state)
{
    struct webnet *w = *state;
    struct gn_sock *tcp = webnet_listen(w, "tcp6", ":80");
    struct gn_sock *udp = webnet_listen(w, "udp4", "10.77.0.2:53");

    assert_int_equal(wait_for(w, "tcp", "web:80", WEBNET_PLENTY_MS), 0);
    assert_int_equal(
        wait_for(w, "tcp", "WEB.guest.internal:http", WEBNET_PLENTY_MS), 0);
    assert_int_equal(wait_for(w, "tcp4", "web:80", 1), -ETIMEDOUT);
    assert_int_equal(wait_for(w, "udp", "web:53", WEBNET_PLENTY_MS), 0);
    assert_int_equal(wait_for(w, "tcp", "web:53", 1), -ETIMEDOUT);
    assert_string_equal(w->why,
                        "web:53: nothing listens there: Connection timed out");
    drop(tcp);
    drop(udp);
}

struct waiting {
    struct gn_namespace *client;
    const char *address;
    pthread_t thread;
    int result;
};

static void *waiting_main(void *arg)
{
    struct waiting *waiting = arg;

    waiting->result = gn_wait_listening(
        waiting->client, "tcp", waiting->address, WEBNET_PLENTY_MS, NULL, 0);
    return NULL;
}

static void waiting_start(struct waiting *waiting)
{
    assert_int_equal(
        pthread_create(&waiting->thread, NULL, waiting_main, waiting), 0);
}

static int waiting_end(struct waiting *waiting)
{
    assert_int_equal(pthread_join(waiting->thread, NULL), 0);
    return waiting->result;
}

static void a_guest_that_comes_later_is_waited_for(void **state)
{
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .name = "later"};
    struct webnet *w = *state;
    struct waiting waiting = {.client = w->client, .address = "later:8080"};
    struct gn_namespace *later;
    struct gn_sock *listener;

    waiting_start(&waiting);
    assert_int_equal(gn_namespace_create(w->net, &config, &later), 0);
    assert_int_equal(
        gn_sock_listen_at(later, "tcp", ":8080", 0, NULL, 0, &listener), 0);
    assert_int_equal(waiting_end(&waiting), 0);
    drop(listener);
}

static void a_wait_ends_with_its_guest(void **state)
{
    struct webnet *w = *state;
    struct waiting waiting = {.client = w->client, .address = "web:80"};

    waiting_start(&waiting);
    gn_namespace_kill(w->client);
    assert_int_equal(waiting_end(&waiting), -ECANCELED);
}

static void waits_are_refused_in_words(void **state)
{
    struct webnet *w = *state;
    struct gn_namespace *kernel;

    assert_int_equal(wait_for(w, "tcp", "web", 1), -EINVAL);
    assert_int_equal(wait_for(w, "tcp", "web:nosuch", 1), -EINVAL);
    assert_string_equal(w->why, "port \"nosuch\": no usual service of tcp; a "
                                "number would do");
    assert_int_equal(gn_wait_listening(NULL, "tcp", "web:80", 1, NULL, 0),
                     -EINVAL);
    assert_int_equal(gn_namespace_system(&kernel), 0);
    assert_int_equal(gn_wait_listening(kernel, "tcp", ":80", 1, NULL, 0),
                     -ENOTSUP);
    gn_namespace_close(kernel, 0, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_OF(webnet, what_listens_is_not_waited_for),
        CASE_OF(webnet, a_guest_that_comes_later_is_waited_for),
        CASE_OF(webnet, a_wait_ends_with_its_guest),
        CASE_OF(webnet, waits_are_refused_in_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
