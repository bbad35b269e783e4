/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Names under a thread of the library's: calls from any thread, threads that
 * wait, resolvers that answer from threads of their own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <guestnet/guestnet.h>

#include "tests/lib/heap.h"
#include "tests/lib/tally.h"
#include "tests/lib/until.h"

static struct gn_test_heap heap;
static struct gn_network *net;
static struct gn_namespace *guest;

static void open_network(struct gn_resolver *resolver)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .alloc = &heap.alloc,
                                       .resolver = resolver};
    struct gn_namespace_config named = {.size = sizeof(named), .name = "web"};

    gn_test_heap_init(&heap);
    assert_int_equal(gn_network_create(&config, &net), 0);
    assert_int_equal(gn_namespace_create(net, &named, &guest), 0);
}

static void close_network(void)
{
    gn_network_close(net, NULL, NULL);
    gn_test_heap_done(&heap);
}

/* ---- getaddrinfo ---- */

/* "10.77.0.2:80 [fd77::2]:80 canonical" */
static const char *resolve(const char *node, const char *service, int family,
                           int flags)
{
    struct addrinfo hints = {
        .ai_family = family, .ai_flags = flags, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL, *it;
    static char text[400];
    char one[GN_ADDR_TEXT_MAX];
    int err = gn_getaddrinfo(guest, node, service, &hints, &list);

    text[0] = '\0';
    if (err)
        (void)snprintf(text, sizeof(text), "%d", err);
    for (it = list; it; it = it->ai_next) {
        size_t len = strlen(text);

        assert_int_equal(gn_addr_format(it->ai_addr, one, sizeof(one)), 0);
        (void)snprintf(text + len, sizeof(text) - len, "%s%s%s%s",
                       len ? " " : "", one, it->ai_canonname ? " " : "",
                       it->ai_canonname ? it->ai_canonname : "");
    }
    gn_freeaddrinfo(list);
    return text;
}

static void guests_resolve_each_other(void **state)
{
    (void)state;
    open_network(NULL);
    assert_string_equal(resolve("web", "http", AF_UNSPEC, 0),
                        "10.77.0.2:80 [fd77::2]:80");
    assert_string_equal(resolve("WEB.guest.internal", "80", AF_INET6, 0),
                        "[fd77::2]:80");
    assert_string_equal(resolve("web", NULL, AF_INET, AI_CANONNAME),
                        "10.77.0.2 web");
    assert_string_equal(resolve("gateway", "53", AF_INET, 0), "10.77.0.1:53");
    assert_string_equal(resolve("nobody", "80", AF_UNSPEC, 0), "-3008");
    assert_string_equal(resolve("no name", "80", AF_UNSPEC, 0), "-3008");
    assert_string_equal(resolve("web", "nosuch", AF_UNSPEC, 0), "-3010");
    assert_string_equal(resolve("web", "http", AF_UNSPEC, AI_NUMERICSERV),
                        "-3008");
    assert_string_equal(resolve("web", "80", AF_UNSPEC, AI_NUMERICHOST),
                        "-3008");
    close_network();
}

/* What the host is called its own files say, which no guest is shown. */
static void the_hosts_own_names_are_unknown(void **state)
{
    static const char *const names[] = {"ip6-localnet", "ip6-allnodes"};
    char name[HOST_NAME_MAX + 1] = "";
    size_t i;

    (void)state;
    open_network(NULL);
    assert_int_equal(gethostname(name, sizeof(name) - 1), 0);
    if (strncmp(name, "localhost", 9) != 0)
        assert_string_equal(resolve(name, "80", AF_UNSPEC, 0), "-3008");
    for (i = 0; i < sizeof(names) / sizeof(*names); i++)
        assert_string_equal(resolve(names[i], "80", AF_UNSPEC, 0), "-3008");
    close_network();
}

static void mapped_addresses_come_when_asked_for(void **state)
{
    static const char *const v4[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {.size = sizeof(config), .prefixes = v4};
    struct gn_namespace_config named = {.size = sizeof(named), .name = "web"};

    (void)state;
    open_network(NULL);
    assert_string_equal(resolve("web", "80", AF_INET6, AI_V4MAPPED),
                        "[fd77::2]:80");
    assert_string_equal(resolve("web", "80", AF_INET6, AI_V4MAPPED | AI_ALL),
                        "[::ffff:10.77.0.2]:80 [fd77::2]:80");
    close_network();
    assert_int_equal(gn_network_create(&config, &net), 0);
    assert_int_equal(gn_namespace_create(net, &named, &guest), 0);
    assert_string_equal(resolve("web", "80", AF_INET6, 0), "-3007");
    assert_string_equal(resolve("web", "80", AF_INET6, AI_ADDRCONFIG), "-3008");
    assert_string_equal(resolve("localhost", "80", AF_UNSPEC, AI_ADDRCONFIG),
                        "127.0.0.1:80");
    assert_string_equal(resolve("localhost", "80", AF_UNSPEC, 0),
                        "[::1]:80 127.0.0.1:80");
    gn_network_close(net, NULL, NULL);
}

static void addresses_have_names(void **state)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(80)};
    struct sockaddr *addr = (struct sockaddr *)&sin;
    char host[64], service[16];

    (void)state;
    open_network(NULL);
    sin.sin_addr.s_addr = htonl(0x0a4d0002);
    assert_int_equal(gn_getnameinfo(guest, addr, sizeof(sin), host,
                                    sizeof(host), service, sizeof(service), 0),
                     0);
    assert_string_equal(host, "web.guest.internal");
    assert_string_equal(service, "http");
    assert_int_equal(gn_getnameinfo(guest, addr, sizeof(sin), host,
                                    sizeof(host), NULL, 0, NI_NOFQDN),
                     0);
    assert_string_equal(host, "web");
    assert_int_equal(
        gn_getnameinfo(guest, addr, sizeof(sin), host, 4, NULL, 0, 0),
        GN_EAI_OVERFLOW);
    sin.sin_addr.s_addr = htonl(0x0a4d0063);
    assert_int_equal(gn_getnameinfo(guest, addr, sizeof(sin), host,
                                    sizeof(host), NULL, 0, 0),
                     0);
    assert_string_equal(host, "10.77.0.99");
    assert_int_equal(gn_getnameinfo(guest, addr, sizeof(sin), host,
                                    sizeof(host), NULL, 0, NI_NAMEREQD),
                     GN_EAI_NONAME);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(gn_getnameinfo(guest, addr, sizeof(sin), host,
                                    sizeof(host), NULL, 0, NI_NAMEREQD),
                     0);
    assert_string_equal(host, "localhost");
    close_network();
}

static void a_list_is_freed_in_parts_after_its_network(void **state)
{
    struct addrinfo *list, *rest;

    (void)state;
    open_network(NULL);
    assert_int_equal(gn_getaddrinfo(guest, "web", "80", NULL, &list), 0);
    gn_network_close(net, NULL, NULL);
    rest = list->ai_next;
    list->ai_next = NULL;
    gn_freeaddrinfo(list);
    gn_freeaddrinfo(rest);
    gn_freeaddrinfo(NULL);
    gn_test_heap_done(&heap);
}

static void the_kernels_namespace_asks_the_c_library(void **state)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST};
    struct sockaddr_in sin = {.sin_family = AF_INET};
    struct gn_namespace *ns;
    struct addrinfo *list;
    char host[64];

    (void)state;
    assert_int_equal(gn_namespace_system(&ns), 0);
    assert_int_equal(gn_getaddrinfo(ns, "127.0.0.1", "80", &hints, &list), 0);
    assert_int_equal(list->ai_family, AF_INET);
    gn_freeaddrinfo(list);
    assert_int_equal(gn_getaddrinfo(ns, "x", "80", &hints, &list),
                     GN_EAI_NONAME);
    assert_int_equal(gn_getnameinfo(ns, (struct sockaddr *)&sin, sizeof(sin),
                                    host, sizeof(host), NULL, 0,
                                    NI_NUMERICHOST),
                     0);
    assert_string_equal(host, "0.0.0.0");
    assert_int_equal(gn_lookup(ns, "ip", "x", (gn_lookup_cb)0, NULL, NULL),
                     -EINVAL);
    gn_namespace_close(ns, 0, NULL, NULL);
}

/* ---- threads ---- */

static struct gn_tally called = GN_TALLY_INIT;

static void count(struct gn_lookup *lookup, int status,
                  const struct gn_answer *answers, size_t n, void *arg)
{
    (void)lookup;
    (void)status;
    (void)answers;
    (void)n;
    (void)arg;
    gn_tally_add(&called);
}

static void until_called(unsigned n)
{
    gn_tally_await(&called, n);
    assert_int_equal(gn_tally_count(&called), n);
}

static void try_to_block(struct gn_lookup *lookup, int status,
                         const struct gn_answer *answers, size_t n, void *arg)
{
    struct addrinfo *list = NULL;
    int *said = arg;

    (void)lookup;
    (void)status;
    (void)answers;
    (void)n;
    said[0] = gn_getaddrinfo(guest, "web", "80", NULL, &list);
    said[1] = gn_getaddrinfo(guest, "127.0.0.1", "80", NULL, &list);
    gn_freeaddrinfo(list);
    gn_tally_add(&called);
}

static void the_driving_thread_cannot_wait(void **state)
{
    int said[2];

    (void)state;
    open_network(NULL);
    gn_tally_clear(&called);
    assert_int_equal(gn_lookup(guest, "ip", "web", try_to_block, said, NULL),
                     0);
    until_called(1);
    assert_int_equal(said[0], -EDEADLK);
    assert_int_equal(said[1], 0);
    close_network();
}

struct waits {
    pthread_t thread;
    int result;
};

static void *wait_for_ever(void *arg)
{
    struct waits *waits = arg;
    struct addrinfo *list;

    waits->result = gn_getaddrinfo(guest, "hang.test", "80", NULL, &list);
    return NULL;
}

static struct gn_resolver *hanging(struct gn_resolver **inner)
{
    static const struct gn_fault_rule rule = {.pattern = "*",
                                              .fault = GN_FAULT_HANG};
    struct gn_resolver_fault_config config = {
        .size = sizeof(config), .rules = &rule, .n_rules = 1};
    struct gn_resolver *resolver;

    assert_int_equal(gn_resolver_static(NULL, inner), 0);
    config.inner = *inner;
    assert_int_equal(gn_resolver_fault(&config, &resolver), 0);
    return resolver;
}

static uint64_t n_asked(void)
{
    struct gn_stats stats;

    gn_namespace_stats(guest, &stats);
    return stats.lookups;
}

static void killing_the_guest_wakes_threads_that_wait(void **state)
{
    struct gn_resolver *inner, *resolver = hanging(&inner);
    struct waits waits[4];
    size_t i;

    (void)state;
    open_network(resolver);
    for (i = 0; i < 4; i++)
        assert_int_equal(
            pthread_create(&waits[i].thread, NULL, wait_for_ever, &waits[i]),
            0);
    gn_test_until(n_asked() >= 4);
    gn_namespace_kill(guest);
    for (i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(waits[i].thread, NULL), 0);
        assert_int_equal(waits[i].result, -ECANCELED);
    }
    close_network();
    gn_resolver_close(resolver);
    gn_resolver_close(inner);
}

/* So that what its resolver needs may be freed then. */
static void lookups_have_ended_when_the_guest_is_closed(void **state)
{
    struct gn_resolver *inner, *resolver = hanging(&inner);
    int round, i;

    (void)state;
    open_network(resolver);
    for (round = 0; round < 50; round++) {
        struct gn_namespace_config config = {.size = sizeof(config)};
        struct gn_namespace *ns;

        assert_int_equal(gn_namespace_create(net, &config, &ns), 0);
        gn_tally_clear(&called);
        for (i = 0; i < 5; i++)
            assert_int_equal(
                gn_lookup(ns, "ip", "hang.test", count, NULL, NULL), 0);
        gn_namespace_close(ns, 0, NULL, NULL);
        assert_int_equal(gn_tally_count(&called), 5);
    }
    close_network();
    gn_resolver_close(resolver);
    gn_resolver_close(inner);
}

static void closing_the_network_wakes_threads_that_wait(void **state)
{
    struct gn_resolver *inner, *resolver = hanging(&inner);
    struct waits waits;

    (void)state;
    open_network(resolver);
    assert_int_equal(pthread_create(&waits.thread, NULL, wait_for_ever, &waits),
                     0);
    gn_test_until(n_asked() >= 1);
    gn_network_close(net, NULL, NULL);
    assert_int_equal(pthread_join(waits.thread, NULL), 0);
    assert_int_equal(waits.result, -ECANCELED);
    gn_test_heap_done(&heap);
    gn_resolver_close(resolver);
    gn_resolver_close(inner);
}

static void other_threads_cancel(void **state)
{
    struct gn_resolver *inner, *resolver = hanging(&inner);
    struct gn_lookup *lookup[8];
    size_t i;

    (void)state;
    open_network(resolver);
    gn_tally_clear(&called);
    for (i = 0; i < 8; i++)
        assert_int_equal(
            gn_lookup(guest, "ip", "hang.test", count, NULL, &lookup[i]), 0);
    for (i = 0; i < 8; i++)
        gn_lookup_cancel(lookup[i]);
    until_called(8);
    gn_network_close(net, NULL, NULL);
    for (i = 0; i < 8; i++) {
        gn_lookup_cancel(lookup[i]); /* Over, and its network, too. */
        gn_lookup_unref(lookup[i]);
    }
    gn_test_heap_done(&heap);
    gn_resolver_close(resolver);
    gn_resolver_close(inner);
}

/* ---- a resolver with a thread of its own ---- */

/** What waits for the thread; cancelled ones are taken out. */
#define QUEUE 64
struct worker {
    pthread_mutex_t lock;
    pthread_t thread;
    struct gn_lookup *queue[QUEUE];
    size_t n;
    bool stop;
    unsigned answered;
};

static int worker_ip(void *self, struct gn_lookup *lookup, const char *proto,
                     const char *host)
{
    struct worker *worker = self;
    int err = 0;

    (void)proto;
    (void)host;
    pthread_mutex_lock(&worker->lock);
    if (worker->n < QUEUE)
        worker->queue[worker->n++] = lookup;
    else
        err = GN_EAI_AGAIN;
    pthread_mutex_unlock(&worker->lock);
    return err;
}

static void worker_cancel(void *self, struct gn_lookup *lookup)
{
    struct worker *worker = self;
    size_t i;

    pthread_mutex_lock(&worker->lock);
    for (i = 0; i < worker->n; i++) {
        if (worker->queue[i] == lookup)
            worker->queue[i] = worker->queue[--worker->n];
    }
    pthread_mutex_unlock(&worker->lock);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct gn_answer one = {.ttl_s = 1};
    bool stop = false;

    assert_int_equal(gn_addr_parse("192.0.2.1", &one.addr, NULL), 0);
    while (!stop) {
        pthread_mutex_lock(&worker->lock);
        if (worker->n) {
            gn_lookup_done_ip(worker->queue[--worker->n], 0, &one, 1, NULL);
            worker->answered++;
        }
        stop = worker->stop;
        pthread_mutex_unlock(&worker->lock);
    }
    return NULL;
}

static const struct gn_resolver_ops worker_ops = {.size = sizeof(worker_ops),
                                                  .name = "worker",
                                                  .lookup_ip = worker_ip,
                                                  .cancel = worker_cancel};

static void *ask_and_cancel(void *arg)
{
    unsigned *n = arg;
    unsigned i;

    for (i = 0; i < 500; i++) {
        struct gn_lookup *lookup;
        struct addrinfo *list;

        if (i % 3) {
            if (gn_lookup(guest, "ip4", "a.test", count, NULL, &lookup))
                continue;
            *n += 1;
            if (i % 2)
                gn_lookup_cancel(lookup);
            gn_lookup_unref(lookup);
        } else if (!gn_getaddrinfo(guest, "b.test", "80", NULL, &list)) {
            gn_freeaddrinfo(list);
        }
    }
    return NULL;
}

static void resolvers_answer_from_their_threads(void **state)
{
    struct worker worker = {.n = 0};
    struct gn_resolver *resolver;
    pthread_t askers[3];
    unsigned begun[3] = {0};
    size_t i;

    (void)state;
    pthread_mutex_init(&worker.lock, NULL);
    assert_int_equal(gn_resolver_create(&worker_ops, &worker, &resolver), 0);
    assert_int_equal(pthread_create(&worker.thread, NULL, work, &worker), 0);
    open_network(resolver);
    gn_tally_clear(&called);
    for (i = 0; i < 3; i++)
        assert_int_equal(
            pthread_create(&askers[i], NULL, ask_and_cancel, &begun[i]), 0);
    for (i = 0; i < 3; i++)
        assert_int_equal(pthread_join(askers[i], NULL), 0);
    close_network(); /* in the middle of what is left */
    assert_int_equal(gn_tally_count(&called), begun[0] + begun[1] + begun[2]);
    pthread_mutex_lock(&worker.lock);
    worker.stop = true;
    pthread_mutex_unlock(&worker.lock);
    assert_int_equal(pthread_join(worker.thread, NULL), 0);
    assert_true(worker.answered > 0);
    gn_resolver_close(resolver);
    pthread_mutex_destroy(&worker.lock);
}

static void *come_and_go(void *arg)
{
    struct gn_namespace_config config = {.size = sizeof(config)};
    struct gn_namespace *ns;
    char name[16];
    int i;

    for (i = 0; i < 300; i++) {
        (void)snprintf(name, sizeof(name), "g%d-%d", *(int *)arg, i % 7);
        config.name = name;
        assert_int_equal(gn_namespace_create(net, &config, &ns), 0);
        gn_namespace_close(ns, 0, NULL, NULL);
    }
    return NULL;
}

static void names_are_looked_up_while_guests_come_and_go(void **state)
{
    pthread_t threads[2];
    int ids[2] = {0, 1};
    struct addrinfo *list;
    int i, err;

    (void)state;
    open_network(NULL);
    for (i = 0; i < 2; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, come_and_go, &ids[i]), 0);
    for (i = 0; i < 600; i++) {
        err = gn_getaddrinfo(guest, i % 2 ? "g0-3" : "g1-5", "80", NULL, &list);
        if (!err)
            gn_freeaddrinfo(list);
        else
            assert_int_equal(err, GN_EAI_NONAME);
        assert_string_equal(resolve("web", "80", AF_INET, 0), "10.77.0.2:80");
    }
    for (i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    close_network();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(guests_resolve_each_other),
        cmocka_unit_test(the_hosts_own_names_are_unknown),
        cmocka_unit_test(mapped_addresses_come_when_asked_for),
        cmocka_unit_test(addresses_have_names),
        cmocka_unit_test(a_list_is_freed_in_parts_after_its_network),
        cmocka_unit_test(the_kernels_namespace_asks_the_c_library),
        cmocka_unit_test(the_driving_thread_cannot_wait),
        cmocka_unit_test(killing_the_guest_wakes_threads_that_wait),
        cmocka_unit_test(lookups_have_ended_when_the_guest_is_closed),
        cmocka_unit_test(closing_the_network_wakes_threads_that_wait),
        cmocka_unit_test(other_threads_cancel),
        cmocka_unit_test(resolvers_answer_from_their_threads),
        cmocka_unit_test(names_are_looked_up_while_guests_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
