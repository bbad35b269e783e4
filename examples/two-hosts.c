/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two hosts on one network, in one process: a server answers in a thread of its
 * own, a client asks it, over IPv4 and over IPv6, on a line that is 10 ms long.
 * Nothing here needs root, and nothing of it is visible outside the process.
 *
 *     cc two-hosts.c $(pkg-config --cflags --libs guestnet) -pthread
 */
#include <guestnet/guestnet.h>

#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every call says what went wrong as a negative errno. */
static ssize_t check(const char *what, ssize_t result)
{
    if (result >= 0)
        return result;
    fprintf(stderr, "%s: %s\n", what, gn_strerror((int)result));
    exit(1);
}

static socklen_t parse(const char *text, struct sockaddr_storage *out)
{
    socklen_t len;

    check(text, gn_addr_parse(text, out, &len));
    return len;
}

/* What the server's thread does: as on Linux, with gn_sock_ for the calls. */
static void *serve(void *arg)
{
    struct gn_sock *listener = arg, *sock;
    char text[256], peer[GN_ADDR_TEXT_MAX];
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    ssize_t n;

    while (gn_sock_accept(listener, (struct sockaddr *)&from, &len, 0, &sock) ==
           0) {
        n = gn_sock_recv(sock, text, sizeof(text), 0);
        if (n > 0 &&
            gn_addr_format((struct sockaddr *)&from, peer, sizeof(peer)) == 0) {
            printf("server: %s says \"%.*s\"\n", peer, (int)n, text);
            (void)gn_sock_send(sock, text, (size_t)n, 0);
        }
        gn_sock_close(sock);
        gn_sock_unref(sock);
        len = sizeof(from);
    }
    return NULL; /* The socket has been closed: -EBADF. */
}

static struct gn_sock *listen_on(struct gn_namespace *ns, const char *text)
{
    struct sockaddr_storage addr;
    socklen_t len = parse(text, &addr);
    struct gn_sock *sock;

    check("socket", gn_sock_open(ns, addr.ss_family, SOCK_STREAM, 0, &sock));
    check("bind", gn_sock_bind(sock, (struct sockaddr *)&addr, len));
    check("listen", gn_sock_listen(sock, 16));
    return sock;
}

static void ask(struct gn_namespace *ns, const char *text)
{
    struct sockaddr_storage addr;
    socklen_t len = parse(text, &addr);
    struct gn_sock *sock;
    uint64_t begin = gn_now_ns(ns);
    char answer[256];
    ssize_t n;

    check("socket", gn_sock_open(ns, addr.ss_family, SOCK_STREAM, 0, &sock));
    check("connect", gn_sock_connect(sock, (struct sockaddr *)&addr, len));
    check("send", gn_sock_send(sock, "hello", 5, 0));
    n = check("recv", gn_sock_recv(sock, answer, sizeof(answer), 0));
    printf("client: %s answers \"%.*s\" after %" PRIu64 " ms\n", text, (int)n,
           answer, (gn_now_ns(ns) - begin) / 1000000);
    gn_sock_close(sock);
    gn_sock_unref(sock);
}

int main(void)
{
    const char *prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    struct gn_namespace_config server_config = {.size = sizeof(server_config),
                                                .name = "server"};
    struct gn_namespace_config client_config = {.size = sizeof(client_config),
                                                .name = "client"};
    struct gn_link_config line = {.size = sizeof(line), .latency_us = 10000};
    struct gn_namespace *server, *client;
    struct gn_network *net;
    struct gn_sock *listener;
    pthread_t thread;

    check("network", gn_network_create(&config, &net));
    check("server", gn_namespace_create(net, &server_config, &server));
    check("client", gn_namespace_create(net, &client_config, &client));
    check("link", gn_link_set(client, "eth0", &line));

    listener = listen_on(server, "[::]:7"); /* IPv4 too, as on Linux. */
    check("thread", -pthread_create(&thread, NULL, serve, listener));
    ask(client, "10.77.0.2:7");
    ask(client, "[fd77::2]:7");

    gn_sock_close(listener); /* Ends the accept(). */
    pthread_join(thread, NULL);
    gn_sock_unref(listener);
    gn_network_close(net, NULL, NULL);
    return 0;
}
