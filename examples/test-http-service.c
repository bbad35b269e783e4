/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A test of two HTTP services that talk to each other, each on a host of its
 * own, with nothing but cmocka: no container, no root, no ports of the machine,
 * and faults when the test says so. Yours may be WebAssembly modules, server
 * libraries (http-server-guest.c), or whatever else runs on a guest's sockets;
 * gn_publish() shows them to curl or a browser.
 *
 *     cc test-http-service.c $(pkg-config --cflags --libs guestnet) -lcmocka
 */
#include <guestnet/guestnet.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define PATIENCE_MS 500 /* of shop with stock, until it is connected */
#define TEST(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)
#define OK(call)    assert_int_equal(call, 0)
#define EXPECT(status) \
    assert_int_equal(get(gn_network_gateway(net), "shop:80", 30000), status)

static struct gn_resolver *names, *faults;
static struct gn_network *net;
static struct gn_namespace *stock, *shop;

/* ---- the services under test: shop asks stock, and answers 200 or 502 ---- */

/* GET http://address/ on the host @from: the status, or a negative error. */
static int get(struct gn_namespace *from, const char *address, uint64_t ms)
{
    struct gn_sock *sock;
    char text[512] = "";
    int status = gn_sock_dial(from, "tcp", address, ms, NULL, 0, &sock);

    if (status)
        return status;
    (void)gn_sock_send(sock, "GET / HTTP/1.0\r\n\r\n", 18, 0);
    (void)gn_sock_recv(sock, text, sizeof(text) - 1, MSG_WAITALL);
    (void)sscanf(text, "HTTP/1.0 %d", &status);
    gn_sock_unref(sock); /* The last reference closes it. */
    return status;
}

static int serve(void *listener)
{
    struct gn_sock *sock;
    char text[512];

    while (gn_sock_accept(listener, NULL, NULL, 0, &sock) == 0) {
        (void)gn_sock_recv(sock, text, sizeof(text), 0);
        if (gn_task_namespace() == stock ||
            get(shop, "stock:80", PATIENCE_MS) == 200)
            (void)gn_sock_send(sock, "HTTP/1.0 200 OK\r\n\r\n", 19, 0);
        else
            (void)gn_sock_send(sock, "HTTP/1.0 502 Bad Gateway\r\n\r\n", 28, 0);
        gn_sock_unref(sock);
    }
    gn_sock_unref(listener); /* The network was closed, or the guest killed. */
    return 0;
}

static void start(const char *name, struct gn_namespace **ns)
{
    struct gn_namespace_config config = {.size = sizeof(config), .name = name};
    struct gn_sock *listener;

    OK(gn_namespace_create(net, &config, ns));
    OK(gn_sock_listen_at(*ns, "tcp", ":80", 0, NULL, 0, &listener));
    OK(gn_task_start(*ns, NULL, serve, listener, NULL));
}

static int setup(void **state)
{
    struct gn_resolver_fault_config fault = {.size = sizeof(fault)};
    struct gn_network_config config = {
        .size = sizeof(config),
        .prefixes = (const char *const[]){"10.77.0.0/24", NULL}};

    (void)state;
    OK(gn_resolver_network(&names));
    fault.inner = names;
    OK(gn_resolver_fault(&fault, &faults));
    config.resolver = faults;
    OK(gn_network_create(&config, &net));
    start("stock", &stock);
    start("shop", &shop);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gn_network_close(net, NULL, NULL);
    gn_resolver_close(faults);
    gn_resolver_close(names);
    return 0;
}

static void shop_does_not_wait_for_ever_on_a_slow_line(void **state)
{
    struct gn_link_config slow = {.latency_us = PATIENCE_MS * 1000 * 3 / 4};

    (void)state;
    OK(gn_link_set(stock, "eth0", &slow)); /* The round trip is too long. */
    EXPECT(502);
    OK(gn_link_set(stock, "eth0", NULL));
    EXPECT(200);
}

static void shop_outlives_a_name_server_that_fails(void **state)
{
    struct gn_fault_rule once = {
        .pattern = "stock", .fault = GN_FAULT_SERVFAIL, .count = 1};

    (void)state;
    OK(gn_resolver_fault_set(faults, &once, 1));
    EXPECT(502);
    EXPECT(200);
}

static void shop_outlives_the_end_of_stock(void **state)
{
    (void)state;
    gn_namespace_kill(stock); /* A crash: its peers get a reset. */
    EXPECT(502);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(shop_does_not_wait_for_ever_on_a_slow_line),
        TEST(shop_outlives_a_name_server_that_fails),
        TEST(shop_outlives_the_end_of_stock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
