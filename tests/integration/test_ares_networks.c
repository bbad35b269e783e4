/* SPDX-License-Identifier: BSD-3-Clause */

/* One resolver of many networks, each on a thread of its own; and networks and
 * namespaces that end while lookups are under way. */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <guestnet/guestnet.h>

#include "tests/lib/lookups.h"
#include "tests/lib/tally.h"

#define N_NETWORKS 8u
#define N_LOOKUPS  50u

/* A server on a thread of its own: every name has the address 192.0.2.1, but
 * for those that begin with 'q' (quiet), which have no answer. */
struct server {
    pthread_t thread;
    int fd;
    char address[32];
    struct gn_tally asked;
};

static void *serve(void *arg)
{
    static const char record[] = "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1";
    struct server *server = arg;
    unsigned char buf[1024];

    for (;;) {
        struct sockaddr_in from;
        socklen_t len = sizeof(from);
        ssize_t n =
            recvfrom(server->fd, buf, 512, 0, (struct sockaddr *)&from, &len);
        size_t end = 12;

        if (n < 13)
            return NULL; /* The test is over. */
        gn_tally_add(&server->asked);
        if (buf[13] == 'q')
            continue;
        while (buf[end])
            end += buf[end] + 1u;
        end += 5;
        memcpy(buf + end, record, sizeof(record) - 1);
        buf[2] |= 0x80;
        buf[7] = 1;
        buf[11] = 0;
        (void)sendto(server->fd, buf, end + sizeof(record) - 1, 0,
                     (struct sockaddr *)&from, len);
    }
}

static int start_server(void **state)
{
    static struct server server = {.asked = GN_TALLY_INIT};
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof(addr);

    gn_tally_clear(&server.asked);
    server.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server.fd, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(getsockname(server.fd, (struct sockaddr *)&addr, &len), 0);
    snprintf(server.address, sizeof(server.address), "127.0.0.1:%u",
             ntohs(addr.sin_port));
    assert_int_equal(pthread_create(&server.thread, NULL, serve, &server), 0);
    *state = &server;
    return 0;
}

static int stop_server(void **state)
{
    struct server *server = *state;
    struct sockaddr_in addr;
    socklen_t len = sizeof(addr);

    assert_int_equal(getsockname(server->fd, (struct sockaddr *)&addr, &len),
                     0);
    assert_int_equal(
        sendto(server->fd, "", 1, 0, (struct sockaddr *)&addr, len), 1);
    pthread_join(server->thread, NULL);
    close(server->fd);
    return 0;
}

static struct gn_resolver *resolver_of(const struct server *server)
{
    const char *const servers[] = {server->address, NULL};
    struct gn_ares_config config = {
        .size = sizeof(config),
        .servers = servers,
        .flags = GN_ARES_NO_CACHE,
    };
    struct gn_resolver *resolver;

    assert_int_equal(gn_resolver_ares(&config, &resolver), 0);
    return resolver;
}

/* ---- sharing ---- */

static void *look_up_many(void *arg)
{
    struct gn_test_lookups f;
    char name[32];
    unsigned i;

    gn_test_lookups_open_with(&f, arg);
    f.resolver = NULL; /* It belongs to all of them. */
    for (i = 0; i < N_LOOKUPS; i++) {
        snprintf(name, sizeof(name), "n%u.test", i);
        assert_string_equal(gn_test_look(&f, "ip4", name), "192.0.2.1/60");
    }
    gn_test_lookups_close(&f);
    return NULL;
}

static void networks_share_a_resolver(void **state)
{
    struct gn_resolver *resolver = resolver_of(*state);
    pthread_t threads[N_NETWORKS];
    struct gn_ares_stats stats;
    unsigned i;

    for (i = 0; i < N_NETWORKS; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, look_up_many, resolver), 0);
    for (i = 0; i < N_NETWORKS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(gn_resolver_ares_stats(resolver, &stats), 0);
    assert_int_equal(stats.lookups, N_NETWORKS * N_LOOKUPS);
    assert_int_equal(stats.answers, N_NETWORKS * N_LOOKUPS);
    assert_int_equal(stats.dropped, 0);
    gn_resolver_close(resolver);
}

/* ---- ends ---- */

struct ends {
    struct gn_tally cancelled, other;
};

#define ENDS_INIT                                          \
    {                                                      \
        .cancelled = GN_TALLY_INIT, .other = GN_TALLY_INIT \
    }

static void count(struct gn_lookup *lookup, int status,
                  const struct gn_answer *answers, size_t n, void *arg)
{
    struct ends *ends = arg;

    (void)lookup, (void)answers, (void)n;
    gn_tally_add(status == -ECANCELED ? &ends->cancelled : &ends->other);
}

static void begin_quiet(struct gn_namespace *ns, unsigned n, struct ends *ends)
{
    char name[32];
    unsigned i;

    for (i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "q%u.test", i);
        assert_int_equal(gn_lookup(ns, "ip4", name, count, ends, NULL), 0);
    }
}

static void a_network_ends_with_lookups_under_way(void **state)
{
    struct server *server = *state;
    struct ends ends = ENDS_INIT;
    struct gn_test_lookups f;

    gn_test_lookups_open_with(&f, resolver_of(server));
    begin_quiet(f.guest, 20, &ends);
    gn_tally_await(&server->asked, 20);
    gn_test_lookups_close(&f);
    assert_int_equal(gn_tally_count(&ends.cancelled), 20);
    assert_int_equal(gn_tally_count(&ends.other), 0);
}

static void lookups_are_cancelled_one_by_one(void **state)
{
    struct server *server = *state;
    struct gn_lookup *lookups[10];
    struct ends ends = ENDS_INIT;
    struct gn_test_lookups f;
    unsigned i;

    gn_test_lookups_open_with(&f, resolver_of(server));
    for (i = 0; i < 10; i++)
        assert_int_equal(
            gn_lookup(f.guest, "ip4", "quiet.test", count, &ends, &lookups[i]),
            0);
    gn_tally_await(&server->asked, 1);
    for (i = 0; i < 10; i++) {
        if (i % 2 == 0)
            gn_lookup_cancel(lookups[i]);
        gn_lookup_unref(lookups[i]);
    }
    assert_string_equal(gn_test_look(&f, "ip4", "web.test"), "192.0.2.1/60");
    assert_int_equal(gn_tally_count(&ends.cancelled), 5);
    gn_test_lookups_close(&f);
    assert_int_equal(gn_tally_count(&ends.cancelled), 10);
    assert_int_equal(gn_tally_count(&ends.other), 0);
}

/* A resolver that only a namespace has may be closed with it, while the
 * network goes on. */
static void a_resolver_of_a_namespace_ends_with_it(void **state)
{
    struct server *server = *state;
    struct gn_namespace_config config = {
        .size = sizeof(config),
        .name = "other",
        .resolver = resolver_of(server),
    };
    struct ends ends = ENDS_INIT;
    struct gn_namespace *other;
    struct gn_test_lookups f;

    gn_test_lookups_open_with(&f, resolver_of(server));
    assert_int_equal(gn_namespace_create(f.net, &config, &other), 0);
    begin_quiet(other, 5, &ends);
    gn_tally_await(&server->asked, 5);
    gn_namespace_close(other, 0, NULL, NULL);
    gn_tally_await(&ends.cancelled, 5);
    gn_resolver_close(config.resolver);
    assert_string_equal(gn_test_look(&f, "ip4", "web.test"), "192.0.2.1/60");
    gn_test_lookups_close(&f);
}

int main(void)
{
#define CASE(name) \
    cmocka_unit_test_setup_teardown(name, start_server, stop_server)
    const struct CMUnitTest cases[] = {
        CASE(networks_share_a_resolver),
        CASE(a_network_ends_with_lookups_under_way),
        CASE(lookups_are_cancelled_one_by_one),
        CASE(a_resolver_of_a_namespace_ends_with_it),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
