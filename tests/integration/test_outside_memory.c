/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Memory runs out at every allocation of a conversation with the outside:
 * it fails in order, and nothing is left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "namespace/internal.h"
#include "tests/lib/beyond.h"
#include "tests/lib/heap.h"

struct world {
    struct gn_clock *clock;
    struct gn_network *net;
    struct gn_namespace *guest; /* 10.77.0.2 */
    struct beyond beyond;
};

static int build(struct world *w, struct gn_test_heap *heap)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_clock_config clock = {.size = sizeof(clock),
                                    .alloc = &heap->alloc};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_VIRTUAL};
    int err;

    memset(w, 0, sizeof(*w));
    beyond_init(&w->beyond);
    err = gn_clock_create(&clock, &w->clock);
    if (err)
        return err;
    config.clock = w->clock;
    err = gn_network_create(&config, &w->net);
    if (!err)
        err = gn_namespace_create(w->net, NULL, &w->guest);
    return err;
}

static void destroy(struct world *w)
{
    gn_network_close(w->net, NULL, NULL);
    gn_clock_close(w->clock);
}

static int give(struct world *w)
{
    int err;

    gn__engine_enter(w->net->engine);
    err = gn__ns_set_outside(w->guest, &w->beyond.outside);
    gn__engine_leave(w->net->engine);
    return err;
}

/* Without memory for packets it is still trying. */
static int any_of(int err)
{
    switch (err) {
    case -ENOBUFS:
    case -EALREADY:
    case -EAGAIN:
        return -ENOMEM;
    default:
        return err;
    }
}

static void to(const char *text, struct sockaddr_storage *addr, socklen_t *len)
{
    assert_int_equal(gn_addr_parse(text, addr, len), 0);
}

static int end(struct gn_sock *sock, int err)
{
    if (sock) {
        gn_sock_close(sock);
        gn_sock_unref(sock);
    }
    return any_of(err);
}

static int talk_tcp(struct world *w)
{
    struct sockaddr_storage addr;
    struct gn_sock *sock = NULL;
    char buf[8];
    socklen_t len;
    ssize_t n;
    int err;

    to("203.0.113.7:80", &addr, &len);
    err =
        gn_sock_open(w->guest, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, &sock);
    if (!err)
        err = gn_sock_connect(sock, (struct sockaddr *)&addr, len);
    if (err != -EINPROGRESS)
        return end(sock, err);
    gn_clock_advance(w->clock, 5000000000);
    err = gn_sock_connect(sock, (struct sockaddr *)&addr, len);
    if (w->beyond.n_unwatched)
        return end(sock, -ENOMEM);
    if (err)
        return end(sock, err);
    n = gn_sock_send(sock, "hello", 5, 0);
    if (n < 0)
        return end(sock, (int)n);
    gn_clock_advance(w->clock, 5000000000);
    n = gn_sock_recv(sock, buf, sizeof(buf), 0);
    return end(sock, n == 5 ? 0 : (int)n);
}

static int talk_udp(struct world *w)
{
    struct sockaddr_storage addr;
    struct gn_sock *sock = NULL;
    static char buf[2000];
    socklen_t len;
    ssize_t n;
    int err;

    to("203.0.113.7:80", &addr, &len);
    err = gn_sock_open(w->guest, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0, &sock);
    if (err)
        return end(sock, err);
    n = gn_sock_sendto(sock, buf, sizeof(buf), 0, (struct sockaddr *)&addr,
                       len);
    if (n < 0)
        return end(sock, (int)n);
    gn_clock_advance(w->clock, 1000000);
    n = gn_sock_recv(sock, buf, sizeof(buf), 0);
    /* A datagram may be lost where there is no memory for it. */
    return end(sock, n == -EAGAIN ? -ENOMEM : n < 0 ? (int)n : 0);
}

static int talk_bound(struct world *w)
{
    struct sockaddr_storage addr;
    struct gn_sock *sock = NULL;
    socklen_t len;
    int err;

    to("10.77.0.2:80", &addr, &len);
    err =
        gn_sock_open(w->guest, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, &sock);
    if (!err)
        err = gn_sock_bind(sock, (struct sockaddr *)&addr, len);
    if (!err)
        err = gn_sock_listen(sock, 1);
    gn_clock_advance(w->clock, 1000000);
    return end(sock, err);
}

static int talk_in(struct world *w)
{
    struct gn__endpoint outside = beyond_endpoint("198.51.100.1:9");
    struct gn__endpoint guest = beyond_endpoint("10.77.0.2:80");
    struct gn_sock *far = NULL;
    int err = gn__outside_connect(w->net, &outside, &guest, &far);

    if (err)
        return any_of(err);
    gn_clock_advance(w->clock, 1000000);
    return end(far, 0);
}

static int body(struct gn_test_heap *heap, void *arg)
{
    int (*talk)(struct world * w) = *(int (**)(struct world *))arg;
    struct world w;
    int err = build(&w, heap);

    if (!err)
        err = give(&w);
    if (!err)
        err = talk(&w);
    beyond_done(&w.beyond);
    destroy(&w);
    return err;
}

static int body_bare(struct gn_test_heap *heap, void *arg)
{
    struct world w;
    int err = build(&w, heap);

    (void)arg;
    if (!err)
        err = talk_in(&w);
    destroy(&w);
    return err;
}

static void connections(void **state)
{
    int (*talk)(struct world * w) = talk_tcp;

    (void)state;
    assert_true(gn_test_heap_sweep(body, &talk) > 0);
}

static void datagrams(void **state)
{
    int (*talk)(struct world * w) = talk_udp;

    (void)state;
    assert_true(gn_test_heap_sweep(body, &talk) > 0);
}

static void bound_ports(void **state)
{
    int (*talk)(struct world * w) = talk_bound;

    (void)state;
    assert_true(gn_test_heap_sweep(body, &talk) > 0);
}

static void clients_from_outside(void **state)
{
    (void)state;
    assert_true(gn_test_heap_sweep(body_bare, NULL) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections),
        cmocka_unit_test(datagrams),
        cmocka_unit_test(bound_ports),
        cmocka_unit_test(clients_from_outside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
