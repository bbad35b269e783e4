/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Attacks on a network with a thread of its own: while a peer answers every
 * packet in the very entry that brings it, threads of others block, are woken
 * and are served, timers fire, and close returns.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/guestnet.h>

#include "tests/lib/foe.h"
#include "tests/lib/heap.h"

#define ROUNDS 200u

struct fixture {
    struct gn_test_heap heap;
    struct gn_network *net;
    struct gn_namespace *victim;
    struct gn_namespace *guest[2];
    struct foe foe;
};

static int setup(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct fixture *f = calloc(1, sizeof(*f));
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};

    assert_non_null(f);
    gn_test_heap_init(&f->heap);
    config.alloc = &f->heap.alloc;
    assert_int_equal(gn_network_create(&config, &f->net), 0);
    assert_int_equal(gn_namespace_create(f->net, NULL, &f->victim), 0);
    assert_int_equal(gn_namespace_create(f->net, NULL, &f->guest[0]), 0);
    assert_int_equal(gn_namespace_create(f->net, NULL, &f->guest[1]), 0);
    foe_open(&f->foe, f->net, "10.77.0.99", NULL);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_test_heap_done(&f->heap);
    free(f);
    return 0;
}

/* ---- the attack ---- */

static size_t ping(const struct foe *foe, const struct gn__addr *to,
                   uint8_t *out)
{
    const uint8_t echo[8] = {8};

    return foe_ip(&foe->v4, to, GN__PROTO_ICMP, echo, sizeof(echo), out);
}

static void answer(struct foe *foe, const struct gn__packet *packet)
{
    uint8_t bytes[64];

    if (packet->ip.proto == GN__PROTO_ICMP)
        foe_reply(foe, bytes, ping(foe, &packet->ip.src, bytes));
}

static void attack(struct fixture *f)
{
    struct gn__addr to = foe_addr("10.77.0.2");
    uint8_t bytes[64];
    unsigned i;

    f->foe.receive = answer;
    for (i = 0; i < 4; i++)
        assert_true(foe_send(&f->foe, bytes, ping(&f->foe, &to, bytes)));
}

/* ---- the others ---- */

static struct gn_sock *open_at(struct gn_namespace *ns, const char *text)
{
    struct sockaddr_storage ss;
    struct gn_sock *sock;
    socklen_t len;

    assert_int_equal(gn_addr_parse(text, &ss, &len), 0);
    assert_int_equal(gn_sock_open(ns, AF_INET, SOCK_STREAM, 0, &sock), 0);
    assert_int_equal(gn_sock_bind(sock, (struct sockaddr *)&ss, len), 0);
    return sock;
}

/* Say back what is heard until there is no more. */
static void *echo(void *listener)
{
    struct gn_sock *sock;
    char byte;

    if (gn_sock_accept(listener, NULL, NULL, 0, &sock))
        return NULL;
    while (gn_sock_recv(sock, &byte, 1, 0) == 1) {
        if (gn_sock_send(sock, &byte, 1, 0) != 1)
            break;
    }
    gn_sock_close(sock);
    gn_sock_unref(sock);
    return NULL;
}

static void exchange(struct gn_sock *sock)
{
    unsigned i;

    for (i = 0; i < ROUNDS; i++) {
        char byte = (char)i;

        assert_int_equal(gn_sock_send(sock, &byte, 1, 0), 1);
        byte++;
        assert_int_equal(gn_sock_recv(sock, &byte, 1, 0), 1);
        assert_int_equal(byte, (char)i);
    }
}

static void others_block_and_are_served(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *listener = open_at(f->guest[1], "10.77.0.4:80");
    struct gn_sock *sock = open_at(f->guest[0], "10.77.0.3");
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(80),
                             .sin_addr = {htonl(0x0a4d0004)}};
    uint64_t before, during;
    pthread_t thread;

    assert_int_equal(gn_sock_listen(listener, 1), 0);
    attack(f);
    assert_int_equal(pthread_create(&thread, NULL, echo, listener), 0);
    assert_int_equal(gn_sock_connect(sock, (struct sockaddr *)&to, sizeof(to)),
                     0);
    gn__engine_enter(f->net->engine);
    before = f->foe.n_received;
    gn__engine_leave(f->net->engine);
    exchange(sock);
    assert_int_equal(gn_sleep_ns(f->guest[0], 20000000), 0);
    gn__engine_enter(f->net->engine);
    during = f->foe.n_received - before;
    gn__engine_leave(f->net->engine);
    assert_true(during > 0); /* It never stopped. */

    gn_sock_close(sock);
    assert_int_equal(pthread_join(thread, NULL), 0);
    gn_sock_unref(sock);
    gn_sock_close(listener);
    gn_sock_unref(listener);
    foe_close(&f->foe);
    gn_network_close(f->net, NULL, NULL);
}

static void close_returns_in_the_middle_of_it(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *listener = open_at(f->guest[1], "10.77.0.4:80");
    pthread_t thread;

    assert_int_equal(gn_sock_listen(listener, 1), 0);
    assert_int_equal(pthread_create(&thread, NULL, echo, listener), 0);
    attack(f);
    gn_namespace_close(f->guest[0], 0, NULL, NULL);
    foe_close(&f->foe);
    gn_network_close(f->net, NULL, NULL);
    assert_int_equal(pthread_join(thread, NULL), 0);
    gn_sock_unref(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(others_block_and_are_served, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(close_returns_in_the_middle_of_it,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
