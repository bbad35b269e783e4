/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the owner of a publication is told, and addresses as text.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/pubnet.h"

struct told {
    pthread_mutex_t lock;
    unsigned n[GN_N_PUBLICATION_EVENTS];
    int error;
    char client[GN_ADDR_TEXT_MAX];
    bool ends; /* unpublish in the callback */
};

static void on_event(struct gn_publication *pub,
                     enum gn_publication_event event, int error,
                     const struct sockaddr *client, void *arg)
{
    struct told *told = arg;

    pthread_mutex_lock(&told->lock);
    told->n[event]++;
    told->error = error;
    told->client[0] = '\0';
    if (client && gn_addr_format(client, told->client, sizeof(told->client)))
        told->client[0] = '\0';
    if (told->ends && told->n[event] == 1)
        gn_unpublish(pub, NULL, NULL);
    pthread_mutex_unlock(&told->lock);
}

static unsigned n_told(struct told *told, enum gn_publication_event event)
{
    unsigned n;

    pthread_mutex_lock(&told->lock);
    n = told->n[event];
    pthread_mutex_unlock(&told->lock);
    return n;
}

static struct gn_publication *publish(struct pubnet *p, struct told *told,
                                      const char *proto, const char *target,
                                      uint32_t max_connections)
{
    struct gn_publish_options options = {.size = sizeof(options),
                                         .max_connections = max_connections,
                                         .event = on_event,
                                         .event_arg = told};

    memset(told, 0, sizeof(*told));
    pthread_mutex_init(&told->lock, NULL);
    return pubnet_publish(p, proto, "127.0.0.1:0", target, &options);
}

static void a_refusal_is_told_with_its_client(void **state)
{
    struct pubnet *p = *state;
    struct told told;
    struct gn_publication *pub = publish(p, &told, "tcp", "web:80", 0);
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    char text[GN_ADDR_TEXT_MAX], line[GN_ADDR_TEXT_MAX + 64], byte;
    int fd = pubnet_dial(pub);

    assert_int_equal(pubnet_read(fd, &byte, 1), -ECONNRESET);
    gn_test_until(n_told(&told, GN_PUBLICATION_TURNED_AWAY) == 1);
    assert_int_equal(told.error, -ECONNREFUSED);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    assert_int_equal(
        gn_addr_format((struct sockaddr *)&addr, text, sizeof(text)), 0);
    assert_string_equal(told.client, text);
    assert_int_equal(gn_publication_addr_text(pub, text, sizeof(text)), 0);
    (void)snprintf(line, sizeof(line),
                   "publication %s -> web:80: a client was turned", text);
    gn_test_until(pubnet_said(p, line));
    close(fd);
    gn_unpublish(pub, NULL, NULL);
}

static void a_target_that_is_gone_is_told(void **state)
{
    static const char *const protos[] = {"tcp", "udp"};
    struct pubnet *p = *state;

    for (size_t i = 0; i < 2; i++) {
        struct told told;
        struct gn_publication *pub =
            publish(p, &told, protos[i], "nobody:80", 0);
        int fd = pubnet_dial_by(pub, AF_INET, i ? SOCK_DGRAM : SOCK_STREAM);

        (void)send(fd, "x", 1, MSG_NOSIGNAL);
        gn_test_until(n_told(&told, GN_PUBLICATION_TARGET_GONE) == 1);
        assert_int_equal(told.error, -EHOSTUNREACH);
        close(fd);
        gn_unpublish(pub, NULL, NULL);
    }
}

/* And it ends when those it paused for are turned away. */
static void a_pause_is_told(void **state)
{
    struct pubnet *p = *state;
    struct told told;
    struct gn_publication *pub = publish(p, &told, "tcp", "nobody:80", 1);
    int fds[20];
    char byte;

    for (size_t i = 0; i < 20; i++)
        fds[i] = pubnet_dial(pub);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(pubnet_read(fds[i], &byte, 1), -ECONNRESET);
        close(fds[i]);
    }
    gn_test_until(n_told(&told, GN_PUBLICATION_PAUSED) > 0);
    assert_true(pubnet_stats(pub).paused > 0);
    assert_int_equal(pubnet_stats(pub).unreached, 20);
    gn_unpublish(pub, NULL, NULL);
}

static void a_publication_may_end_in_its_event(void **state)
{
    struct pubnet *p = *state;
    struct told told;
    struct gn_publication *pub = publish(p, &told, "tcp", "web:80", 0);
    int fd;

    told.ends = true;
    fd = pubnet_dial(pub);
    gn_test_until(n_told(&told, GN_PUBLICATION_TURNED_AWAY) == 1);
    gn_network_close(p->net, NULL, NULL);
    p->net = NULL;
    assert_int_equal(told.n[GN_PUBLICATION_TURNED_AWAY], 1);
    close(fd);
}

static void on_accept(struct gn_listener *listener, int status,
                      struct gn_conn *conn, void *arg)
{
    (void)listener;
    (void)status;
    (void)conn;
    (void)arg;
}

static void addresses_are_there_as_text(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "web:80", NULL);
    struct gn_listener *listener;
    char text[GN_ADDR_TEXT_MAX], expected[GN_ADDR_TEXT_MAX], path[108];

    (void)snprintf(expected, sizeof(expected), "127.0.0.1:%u",
                   pubnet_port(pub));
    assert_int_equal(gn_publication_addr_text(pub, text, sizeof(text)), 0);
    assert_string_equal(text, expected);
    assert_int_equal(gn_publication_addr_text(pub, text, 5), -ENOSPC);
    gn_unpublish(pub, NULL, NULL);
    (void)snprintf(path, sizeof(path), "/tmp/guestnet-test-%d", (int)getpid());
    pub = pubnet_publish(p, "unix", path, "web:80", NULL);
    assert_int_equal(gn_publication_addr_text(pub, text, sizeof(text)), 0);
    assert_string_equal(text, path);
    assert_int_equal(gn_publication_addr_text(pub, text, strlen(path)),
                     -ENOSPC);
    gn_unpublish(pub, NULL, NULL);
    assert_int_equal(
        gn_listen(p->web, "tcp", "10.77.0.2:81", on_accept, NULL, &listener),
        0);
    assert_int_equal(gn_listener_addr_text(listener, text, sizeof(text)), 0);
    assert_string_equal(text, "10.77.0.2:81");
    assert_int_equal(gn_listener_close(listener, NULL, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_OF(pubnet, a_refusal_is_told_with_its_client),
        CASE_OF(pubnet, a_target_that_is_gone_is_told),
        CASE_OF(pubnet, a_pause_is_told),
        CASE_OF(pubnet, a_publication_may_end_in_its_event),
        CASE_OF(pubnet, addresses_are_there_as_text),
    };

    return cmocka_run_group_tests_name("publish_event", tests, NULL, NULL);
}
