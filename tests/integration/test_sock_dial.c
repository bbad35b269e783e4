/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * gn_sock_dial() and gn_sock_listen_at(): sockets in one call for threads that
 * block, over a network in real time. Time-outs are met at
 * addresses that answer nothing, and only by their results.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/socks.h"
#include "tests/lib/webnet.h"

static int dial(struct webnet *w, const char *proto, const char *address,
                uint64_t timeout_ms, struct gn_sock **out)
{
    w->why[0] = '\0';
    return gn_sock_dial(w->client, proto, address, timeout_ms, w->why,
                        sizeof(w->why), out);
}

static void expect_dial(struct webnet *w, const char *proto,
                        const char *address, const char *peer)
{
    struct gn_sock *sock;

    if (dial(w, proto, address, WEBNET_PLENTY_MS, &sock))
        fail_msg("%s", w->why);
    assert_string_equal(peer_of(sock), peer);
    assert_int_equal(gn_sock_nonblock(sock), 0);
    drop(sock);
}

static void a_listener_serves_both_versions(void **state)
{
    struct webnet *w = *state;
    struct gn_sock *listener = webnet_listen(w, "tcp", ":80");

    assert_int_equal(gn_sock_nonblock(listener), 0);
    expect_dial(w, "tcp4", "web:80", "10.77.0.2:80");
    expect_dial(w, "tcp6", "web:http", "[fd77::2]:80");
    expect_dial(w, "tcp", "[fd77::2]:80", "[fd77::2]:80");
    drop(listener);
}

static void a_name_s_addresses_are_tried_in_turn(void **state)
{
    struct webnet *w = *state;
    struct gn_sock *listener = webnet_listen(w, "tcp4", ":80");

    expect_dial(w, "tcp", "web:80", "10.77.0.2:80"); /* fd77::2 refuses. */
    drop(listener);
}

static void datagram_sockets_are_connected(void **state)
{
    struct webnet *w = *state;
    struct gn_sock *server = webnet_listen(w, "udp", ":53"), *sock;
    char buf[8];

    assert_int_equal(dial(w, "udp", "web:domain", WEBNET_PLENTY_MS, &sock), 0);
    assert_int_equal(send_text(sock, "hello"), 5);
    assert_int_equal(gn_sock_recv(server, buf, sizeof(buf), 0), 5);
    drop(sock);
    drop(server);
}

static void a_dial_without_a_host_is_to_the_own_loopback(void **state)
{
    struct webnet *w = *state;
    struct gn_sock *listener, *sock;

    assert_int_equal(gn_sock_listen_at(w->client, "tcp", "localhost:81", 1,
                                       NULL, 0, &listener),
                     0);
    assert_int_equal(dial(w, "tcp", ":81", WEBNET_PLENTY_MS, &sock), 0);
    assert_string_equal(peer_of(sock), "127.0.0.1:81");
    drop(sock);
    drop(listener);
}

static void errors_are_explained(void **state)
{
    struct webnet *w = *state;
    struct gn_sock *sock = NULL;

    assert_int_equal(dial(w, "tcp", "10.77.0.2:80", WEBNET_PLENTY_MS, &sock),
                     -ECONNREFUSED);
    assert_string_equal(w->why, "10.77.0.2:80: Connection refused");
    assert_int_equal(dial(w, "tcp", "nowhere:80", WEBNET_PLENTY_MS, &sock),
                     GN_EAI_NONAME);
    assert_non_null(strstr(w->why, "nowhere: "));
    assert_int_equal(dial(w, "tcp", "web", WEBNET_PLENTY_MS, &sock), -EINVAL);
    assert_string_equal(w->why,
                        "address \"web\": no port; \"web:80\" would have one");
    assert_int_equal(dial(w, "tcp", "web:0", WEBNET_PLENTY_MS, &sock), -EINVAL);
    assert_int_equal(dial(w, "sctp", "web:80", WEBNET_PLENTY_MS, &sock),
                     -EINVAL);
    assert_null(sock);
}

static void a_dial_ends_in_its_time(void **state)
{
    struct gn_path_config block = {.size = sizeof(block), .block = true};
    struct webnet *w = *state;
    struct gn_sock *sock;

    assert_int_equal(gn_path_set(w->net, w->client, w->web, &block), 0);
    assert_int_equal(dial(w, "tcp4", "web:80", 20, &sock), -ETIMEDOUT);
    assert_string_equal(w->why, "10.77.0.2:80: Connection timed out");
}

/* The guest's own limit of a lookup is 10 s, more than the test has. */
static void a_lookup_ends_in_the_dial_s_time(void **state)
{
    struct gn_fault_rule hang = {.pattern = "*", .fault = GN_FAULT_HANG};
    struct gn_resolver_fault_config config = {
        .size = sizeof(config), .rules = &hang, .n_rules = 1};
    struct gn_namespace_config guest = {.size = sizeof(guest)};
    struct webnet *w = *state;
    struct gn_sock *sock;

    assert_int_equal(gn_resolver_network(&config.inner), 0);
    assert_int_equal(gn_resolver_fault(&config, &guest.resolver), 0);
    assert_int_equal(gn_namespace_create(w->net, &guest, &w->client), 0);
    assert_int_equal(dial(w, "tcp", "web:80", 20, &sock), -ETIMEDOUT);
    gn_namespace_close(w->client, 0, NULL, NULL);
    gn_resolver_close(guest.resolver);
    gn_resolver_close(config.inner);
}

static void a_listener_has_its_own_addresses(void **state)
{
    struct webnet *w = *state;
    struct gn_sock *sock = NULL, *first = webnet_listen(w, "tcp", ":80");

    assert_int_equal(gn_sock_listen_at(w->web, "tcp", "client:80", 0, w->why,
                                       sizeof(w->why), &sock),
                     -EINVAL);
    assert_string_equal(w->why,
                        "host \"client\": a listener has its own addresses, "
                        "by number, or \"localhost\"");
    assert_int_equal(gn_sock_listen_at(w->web, "tcp", "10.77.0.9:80", 0, w->why,
                                       sizeof(w->why), &sock),
                     -EADDRNOTAVAIL);
    assert_int_equal(gn_sock_listen_at(w->web, "tcp", ":80", 0, w->why,
                                       sizeof(w->why), &sock),
                     -EADDRINUSE);
    assert_string_equal(w->why, ":80: Address already in use");
    assert_null(sock);
    drop(first);
}

/* The server closes first, so its end rests in TIME_WAIT. */
static void a_server_may_start_again(void **state)
{
    struct webnet *w = *state;
    struct gn_sock *listener = webnet_listen(w, "tcp", ":80"), *sock, *server;
    char byte;

    assert_int_equal(dial(w, "tcp", "web:80", WEBNET_PLENTY_MS, &sock), 0);
    assert_int_equal(gn_sock_accept(listener, NULL, NULL, 0, &server), 0);
    drop(server);
    drop(listener);
    assert_int_equal(gn_sock_recv(sock, &byte, 1, 0), 0);
    drop(sock);
    drop(webnet_listen(w, "tcp", ":80"));
}

static void the_kernel_s_sockets_are_dialled_too(void **state)
{
    struct gn_namespace *kernel;
    struct gn_sock *listener, *sock;

    (void)state;
    assert_int_equal(gn_namespace_system(&kernel), 0);
    assert_int_equal(
        gn_sock_listen_at(kernel, "tcp4", "127.0.0.1:0", 0, NULL, 0, &listener),
        0);
    assert_int_equal(gn_sock_dial(kernel, "tcp", name_of(listener),
                                  WEBNET_PLENTY_MS, NULL, 0, &sock),
                     0);
    drop(sock);
    drop(listener);
    gn_namespace_close(kernel, 0, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_OF(webnet, a_listener_serves_both_versions),
        CASE_OF(webnet, a_name_s_addresses_are_tried_in_turn),
        CASE_OF(webnet, datagram_sockets_are_connected),
        CASE_OF(webnet, a_dial_without_a_host_is_to_the_own_loopback),
        CASE_OF(webnet, errors_are_explained),
        CASE_OF(webnet, a_dial_ends_in_its_time),
        CASE_OF(webnet, a_lookup_ends_in_the_dial_s_time),
        CASE_OF(webnet, a_listener_has_its_own_addresses),
        CASE_OF(webnet, a_server_may_start_again),
        CASE_OF(webnet, the_kernel_s_sockets_are_dialled_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
