/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Lookups on a loop of libuv's and on one of the caller's: of guests, and by
 * c-ares of a server that this thread plays between two turns.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include <guestnet/guestnet.h>

#include "tests/lib/farside.h"
#include "tests/lib/heap.h"

/** A lookup's time, where its end is what is looked at, and else. */
#define TIMEOUT_MS  200u
#define PATIENCE_MS 30000u

struct fixture {
    enum gn_drive drive;
    struct gn_test_heap heap;
    uv_loop_t loop;
    struct gn_resolver *names, *ares, *resolver;
    struct gn_network *net;
    struct gn_namespace *guest;
    int server;
    unsigned n_asked;
    int calls;
    int status;
    char text[GN_ADDR_TEXT_MAX];
    int n_closed;
};

static struct gn_resolver *chain(struct fixture *f)
{
    struct gn_resolver *const both[] = {f->names, f->ares, NULL};
    struct gn_resolver_chain_config config = {
        .size = sizeof(config), .resolvers = both, .alloc = &f->heap.alloc};
    struct gn_resolver *resolver;

    assert_int_equal(gn_resolver_chain(&config, &resolver), 0);
    return resolver;
}

static int setup(struct fixture *f, enum gn_drive drive, uint32_t timeout_ms)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    char address[32];
    const char *const servers[] = {address, NULL};
    struct gn_ares_config ares = {
        .size = sizeof(ares), .servers = servers, .timeout_ms = 60000};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = drive,
                                       .alloc = &f->heap.alloc};
    struct gn_namespace_config guest = {.size = sizeof(guest), .name = "web"};

    memset(f, 0, sizeof(*f));
    gn_test_heap_init(&f->heap);
    f->drive = drive;
    if (drive == GN_DRIVE_LOOP) {
        assert_int_equal(uv_loop_init(&f->loop), 0);
        config.loop = &f->loop;
    }
    f->server = near_socket(SOCK_DGRAM, "127.0.0.1:0", false);
    snprintf(address, sizeof(address), "127.0.0.1:%u", far_port(f->server));
    assert_int_equal(gn_resolver_network(&f->names), 0);
    assert_int_equal(gn_resolver_ares(&ares, &f->ares), 0);
    f->resolver = chain(f);
    config.resolver = f->resolver;
    config.limits.lookup_timeout_ms = timeout_ms;
    assert_int_equal(gn_network_create(&config, &f->net), 0);
    assert_int_equal(gn_namespace_create(f->net, &guest, &f->guest), 0);
    return 0;
}

static int setup_loop(void **state)
{
    static struct fixture f;

    *state = &f;
    return setup(&f, GN_DRIVE_LOOP, PATIENCE_MS);
}

static int setup_brief_loop(void **state)
{
    static struct fixture f;

    *state = &f;
    return setup(&f, GN_DRIVE_LOOP, TIMEOUT_MS);
}

static int setup_caller(void **state)
{
    static struct fixture f;

    *state = &f;
    return setup(&f, GN_DRIVE_CALLER, PATIENCE_MS);
}

static int setup_brief_caller(void **state)
{
    static struct fixture f;

    *state = &f;
    return setup(&f, GN_DRIVE_CALLER, TIMEOUT_MS);
}

static int run(struct fixture *f, bool whole)
{
    if (f->drive == GN_DRIVE_LOOP)
        return uv_run(&f->loop, whole ? UV_RUN_DEFAULT : UV_RUN_NOWAIT);
    return gn_network_run(f->net, whole ? GN_RUN_DEFAULT : GN_RUN_NOWAIT);
}

static void closed(void *arg)
{
    struct fixture *f = arg;

    f->n_closed++;
}

static void close_network(struct fixture *f)
{
    gn_network_close(f->net, closed, f);
    for (int i = 0; !f->n_closed; i++) {
        assert_true(i < 10000);
        (void)run(f, false);
        (void)poll(NULL, 0, 1);
    }
    f->net = NULL;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->net)
        close_network(f);
    gn_resolver_close(f->resolver);
    gn_resolver_close(f->ares);
    gn_resolver_close(f->names);
    if (f->drive == GN_DRIVE_LOOP) {
        (void)uv_run(&f->loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&f->loop), 0);
    }
    close(f->server);
    gn_test_heap_done(&f->heap);
    return 0;
}

/* Every name has the address 192.0.2.1, but for those that begin with 'q',
 * which have no answer. */
static void serve(struct fixture *f)
{
    static const char record[] = "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1";
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    unsigned char buf[1024];
    size_t end = 12;
    ssize_t n = recvfrom(f->server, buf, 512, MSG_DONTWAIT,
                         (struct sockaddr *)&from, &len);

    if (n < 13)
        return;
    f->n_asked++;
    if (buf[13] == 'q')
        return;
    while (buf[end])
        end += buf[end] + 1u;
    end += 5;
    memcpy(buf + end, record, sizeof(record) - 1);
    buf[2] |= 0x80;
    buf[7] = 1;
    buf[11] = 0;
    (void)sendto(f->server, buf, end + sizeof(record) - 1, 0,
                 (struct sockaddr *)&from, len);
}

/* Both play their parts until it is so, 10 s at most. */
#define until(f, condition)                    \
    do {                                       \
        for (int i_ = 0; !(condition); i_++) { \
            assert_true(i_ < 10000);           \
            serve(f);                          \
            (void)run(f, false);               \
            (void)poll(NULL, 0, 1);            \
        }                                      \
    } while (0)

static void say(struct gn_lookup *lookup, int status,
                const struct gn_answer *answers, size_t n, void *arg)
{
    struct fixture *f = arg;

    (void)lookup;
    assert_int_equal(f->n_closed, 0);
    f->calls++;
    f->status = status;
    if (n)
        assert_int_equal(
            gn_addr_format((const struct sockaddr *)&answers[0].addr, f->text,
                           sizeof(f->text)),
            0);
}

static void expect(struct fixture *f, struct gn_namespace *ns, const char *name,
                   const char *address)
{
    f->calls = 0;
    assert_int_equal(gn_lookup(ns, "ip4", name, say, f, NULL), 0);
    assert_int_equal(f->calls, 0);
    until(f, f->calls);
    assert_int_equal(f->status, 0);
    assert_string_equal(f->text, address);
}

static void guests_and_the_servers_names_are_found(void **state)
{
    struct fixture *f = *state;

    expect(f, f->guest, "web", "10.77.0.2");
    expect(f, gn_network_gateway(f->net), "web.guest.internal", "10.77.0.2");
    assert_int_equal(f->n_asked, 0);
    expect(f, f->guest, "www.test", "192.0.2.1");
    expect(f, gn_network_gateway(f->net), "mail.test", "192.0.2.1");
    assert_true(f->n_asked >= 2);
    assert_int_equal(f->calls, 1);
}

/* No server answers: the loop goes on until the time is over, and no longer. */
static void a_lookup_keeps_the_loop_until_it_is_over(void **state)
{
    struct fixture *f = *state;
    uint64_t begin = gn_now_ns(f->guest);

    assert_int_equal(gn_lookup(f->guest, "ip4", "quiet.test", say, f, NULL), 0);
    assert_int_equal(run(f, true), 0);
    assert_int_equal(f->calls, 1);
    assert_int_equal(f->status, -ETIMEDOUT);
    assert_true(gn_now_ns(f->guest) - begin >= TIMEOUT_MS * 1000000ull);
}

static void a_lookup_is_cancelled(void **state)
{
    struct fixture *f = *state;
    struct gn_lookup *lookup;

    assert_int_equal(gn_lookup(f->guest, "ip4", "quiet.test", say, f, &lookup),
                     0);
    until(f, f->n_asked);
    gn_lookup_cancel(lookup);
    gn_lookup_unref(lookup);
    assert_int_equal(f->calls, 0);
    until(f, f->calls);
    assert_int_equal(f->status, -ECANCELED);
}

static void the_networks_end_ends_it_first(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(gn_lookup(f->guest, "ip4", "quiet.test", say, f, NULL), 0);
    until(f, f->n_asked);
    close_network(f);
    assert_int_equal(f->calls, 1);
    assert_int_equal(f->status, -ECANCELED);
}

struct waits {
    struct fixture *f;
    _Atomic int done;
    int result;
    char text[GN_ADDR_TEXT_MAX];
};

static void *get(void *arg)
{
    struct waits *waits = arg;
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list;

    waits->result =
        gn_getaddrinfo(waits->f->guest, "www.test", "80", &hints, &list);
    if (!waits->result) {
        if (gn_addr_format(list->ai_addr, waits->text, sizeof(waits->text)))
            waits->text[0] = '\0';
        gn_freeaddrinfo(list);
    }
    waits->done = 1;
    return NULL;
}

static void go_on(uv_idle_t *idle)
{
    (void)idle;
}

static void a_guests_thread_waits_while_the_loop_runs(void **state)
{
    struct fixture *f = *state;
    struct waits waits = {.f = f};
    pthread_t thread;
    uv_idle_t busy;

    /* A loop without anything of its own to do would not look. */
    if (f->drive == GN_DRIVE_LOOP) {
        assert_int_equal(uv_idle_init(&f->loop, &busy), 0);
        assert_int_equal(uv_idle_start(&busy, go_on), 0);
    }
    assert_int_equal(pthread_create(&thread, NULL, get, &waits), 0);
    until(f, waits.done);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(waits.result, 0);
    assert_string_equal(waits.text, "192.0.2.1:80");
    if (f->drive == GN_DRIVE_LOOP) {
        uv_close((uv_handle_t *)&busy, NULL);
        assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    }
}

static void the_thread_of_the_loop_cannot_wait(void **state)
{
    struct fixture *f = *state;
    struct addrinfo *list;

    assert_int_equal(gn_getaddrinfo(f->guest, "www.test", "80", NULL, &list),
                     -EDEADLK);
}

#define BOTH_BY(name, by)                                    \
    {#name " (loop)", name, by##_loop, teardown, NULL},      \
    {                                                        \
#name " (caller)", name, by##_caller, teardown, NULL \
    }
#define BOTH(name) BOTH_BY(name, setup)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        BOTH(guests_and_the_servers_names_are_found),
        BOTH_BY(a_lookup_keeps_the_loop_until_it_is_over, setup_brief),
        BOTH(a_lookup_is_cancelled),
        BOTH(the_networks_end_ends_it_first),
        BOTH(a_guests_thread_waits_while_the_loop_runs),
        BOTH(the_thread_of_the_loop_cannot_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
