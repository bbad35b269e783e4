/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A test of two HTTP services that talk to each other, each on a host of its
 * own, with nothing but cmocka and libcurl: no container, no root, no ports of
 * the machine, and faults when the test says so.
 *
 *     shop    asks stock, by name, and answers 200, or 502 if that failed
 *     stock   answers 200
 *
 * The services here are some lines of C. Yours may be a WebAssembly module, a
 * server library that takes descriptors (see http-server-guest.c), or whatever
 * else runs on a guest's sockets.
 *
 *     cc test-http-service.c $(pkg-config --cflags --libs guestnet) \
 *         -lcmocka -lcurl -pthread
 */
#include <guestnet/guestnet.h>

#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>
#include <curl/curl.h>

#define PATIENCE_MS 500 /* of shop with stock */

/* ---- the services under test ---- */

struct service {
    struct gn_namespace *ns;
    struct gn_sock *listener;
    pthread_t thread;
    void (*answer)(struct service *service, struct gn_sock *sock);
};

static void end(struct gn_sock *sock)
{
    gn_sock_close(sock);
    gn_sock_unref(sock);
}

static void say(struct gn_sock *sock, const char *status, const char *body)
{
    char text[512];
    int len = snprintf(text, sizeof(text),
                       "HTTP/1.1 %s\r\nContent-Length: %zu\r\n"
                       "Connection: close\r\n\r\n%s",
                       status, strlen(body), body);

    (void)gn_sock_send(sock, text, (size_t)len, 0);
}

static void answer_stock(struct service *service, struct gn_sock *sock)
{
    (void)service;
    say(sock, "200 OK", "7 pieces");
}

/* What stock says, in at most PATIENCE_MS; false if it says nothing. */
static bool ask_stock(struct gn_namespace *ns, char *out, size_t cap)
{
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    struct timeval patience = {.tv_usec = PATIENCE_MS * 1000};
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    struct gn_sock *sock;
    ssize_t n;
    int err;

    if (gn_getaddrinfo(ns, "stock", "80", &hints, &found))
        return false;
    err = gn_sock_open(ns, found->ai_family, SOCK_STREAM, 0, &sock);
    if (!err) {
        (void)gn_sock_setopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience,
                             sizeof(patience));
        (void)gn_sock_setopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience,
                             sizeof(patience));
        err = gn_sock_connect(sock, found->ai_addr, found->ai_addrlen);
    }
    gn_freeaddrinfo(found);
    if (err) {
        end(sock);
        return false;
    }
    n = gn_sock_send(sock, request, sizeof(request) - 1, 0);
    if (n > 0)
        n = gn_sock_recv(sock, out, cap - 1, MSG_WAITALL);
    end(sock);
    out[n > 0 ? n : 0] = '\0';
    return n > 0 && strstr(out, "\r\n\r\n");
}

static void answer_shop(struct service *service, struct gn_sock *sock)
{
    char stock[512];

    if (ask_stock(service->ns, stock, sizeof(stock)))
        say(sock, "200 OK", strstr(stock, "\r\n\r\n") + 4);
    else
        say(sock, "502 Bad Gateway", "stock does not answer");
}

static void *run(void *arg)
{
    struct service *service = arg;
    struct gn_sock *sock;
    char request[1024];

    while (gn_sock_accept(service->listener, NULL, NULL, 0, &sock) == 0) {
        if (gn_sock_recv(sock, request, sizeof(request), 0) > 0)
            service->answer(service, sock);
        end(sock);
    }
    return NULL;
}

/* ---- the hosts they run on ---- */

struct fixture {
    struct gn_resolver *names, *faults;
    struct gn_network *net;
    struct service shop, stock;
    struct gn_publication *publication;
    char path[64]; /* where shop is published */
};

static void start(struct gn_network *net, const char *name,
                  void (*answer)(struct service *, struct gn_sock *),
                  struct service *out)
{
    struct gn_namespace_config config = {.size = sizeof(config), .name = name};
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(80)};

    out->answer = answer;
    assert_int_equal(gn_namespace_create(net, &config, &out->ns), 0);
    assert_int_equal(
        gn_sock_open(out->ns, AF_INET, SOCK_STREAM, 0, &out->listener), 0);
    assert_int_equal(
        gn_sock_bind(out->listener, (struct sockaddr *)&any, sizeof(any)), 0);
    assert_int_equal(gn_sock_listen(out->listener, 16), 0);
    assert_int_equal(pthread_create(&out->thread, NULL, run, out), 0);
}

static void stop(struct service *service)
{
    gn_sock_close(service->listener);
    pthread_join(service->thread, NULL);
    gn_sock_unref(service->listener);
}

static int setup(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct fixture *f = calloc(1, sizeof(*f));
    struct gn_resolver_fault_config faults = {.size = sizeof(faults)};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};

    assert_non_null(f);
    assert_int_equal(gn_resolver_network(&f->names), 0);
    faults.inner = f->names;
    assert_int_equal(gn_resolver_fault(&faults, &f->faults), 0);
    config.resolver = f->faults;
    assert_int_equal(gn_network_create(&config, &f->net), 0);
    start(f->net, "stock", answer_stock, &f->stock);
    start(f->net, "shop", answer_shop, &f->shop);
    (void)snprintf(f->path, sizeof(f->path), "shop-%d.sock", (int)getpid());
    assert_int_equal(
        gn_publish(f->net, "unix", f->path, "shop:80", NULL, &f->publication),
        0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    stop(&f->shop);
    stop(&f->stock);
    gn_network_close(f->net, NULL, NULL);
    gn_resolver_close(f->faults);
    gn_resolver_close(f->names);
    free(f);
    return 0;
}

/* ---- the client ---- */

static size_t keep(char *data, size_t size, size_t n, void *arg)
{
    strncat(arg, data, size * n < 100 ? size * n : 100);
    return size * n;
}

/* GET http://shop/, over the socket that it is published by. */
static long get(struct fixture *f, char body[256])
{
    CURL *curl = curl_easy_init();
    long status = 0;

    body[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_URL, "http://shop/");
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, f->path);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 30L);
    assert_int_equal(curl_easy_perform(curl), CURLE_OK);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    return status;
}

/* ---- the tests ---- */

static void shop_tells_what_is_in_stock(void **state)
{
    char body[256];

    assert_int_equal(get(*state, body), 200);
    assert_string_equal(body, "7 pieces");
}

static void shop_does_not_wait_for_ever_on_a_slow_line(void **state)
{
    /* There and back it is longer than shop waits. Not by much: what is under
     * way when the line gets better is not overtaken. */
    struct gn_link_config slow = {.size = sizeof(slow),
                                  .latency_us = PATIENCE_MS * 1000 * 3 / 4};
    struct gn_link_config perfect = {.size = sizeof(perfect)};
    struct fixture *f = *state;
    char body[256];

    assert_int_equal(gn_link_set(f->stock.ns, "eth0", &slow), 0);
    assert_int_equal(get(f, body), 502);
    assert_int_equal(gn_link_set(f->stock.ns, "eth0", &perfect), 0);
    assert_int_equal(get(f, body), 200);
}

static void shop_outlives_a_name_server_that_fails(void **state)
{
    struct gn_fault_rule once = {
        .pattern = "stock", .fault = GN_FAULT_SERVFAIL, .count = 1};
    struct fixture *f = *state;
    char body[256];

    assert_int_equal(gn_resolver_fault_set(f->faults, &once, 1), 0);
    assert_int_equal(get(f, body), 502);
    assert_int_equal(get(f, body), 200);
}

static void shop_outlives_the_end_of_stock(void **state)
{
    struct fixture *f = *state;
    char body[256];

    gn_namespace_kill(f->stock.ns); /* A crash: its peers get a reset. */
    assert_int_equal(get(f, body), 502);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(shop_tells_what_is_in_stock),
        TEST(shop_does_not_wait_for_ever_on_a_slow_line),
        TEST(shop_outlives_a_name_server_that_fails),
        TEST(shop_outlives_the_end_of_stock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
