/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ares PORT HOSTS NAME...: looks each NAME up by ares_getaddrinfo(), one after
 * the other, at 127.0.0.1:PORT and in the file HOSTS, with one try of five
 * seconds; prints the addresses or why there are none, and the time.
 */
#include <ares.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <time.h>

static long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void print(void *arg, int status, int timeouts,
                  struct ares_addrinfo *result)
{
    struct ares_addrinfo_node *node;
    char text[INET6_ADDRSTRLEN];

    (void)timeouts;
    printf("%s:", (const char *)arg);
    if (status)
        printf(" %s", ares_strerror(status));
    for (node = result ? result->nodes : NULL; node; node = node->ai_next) {
        const void *address =
            node->ai_family == AF_INET
                ? (void *)&((struct sockaddr_in *)node->ai_addr)->sin_addr
                : (void *)&((struct sockaddr_in6 *)node->ai_addr)->sin6_addr;

        printf(" %s", inet_ntop(node->ai_family, address, text, sizeof(text)));
    }
    ares_freeaddrinfo(result);
}

int main(int argc, char **argv)
{
    struct ares_options options = {.timeout = 5000,
                                   .tries = 1,
                                   .evsys = ARES_EVSYS_DEFAULT,
                                   .hosts_path = argv[2]};
    struct ares_addrinfo_hints hints = {.ai_socktype = SOCK_STREAM};
    ares_channel_t *channel;
    char server[32];

    ares_library_init(ARES_LIB_INIT_ALL);
    if (argc < 3 ||
        ares_init_options(&channel, &options,
                          ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                              ARES_OPT_EVENT_THREAD | ARES_OPT_HOSTS_FILE))
        return 2;
    snprintf(server, sizeof(server), "127.0.0.1:%s", argv[1]);
    ares_set_servers_ports_csv(channel, server);
    printf("c-ares %s\n", ares_version(NULL));
    for (int i = 3; i < argc; i++) {
        long start = now_ms();

        ares_getaddrinfo(channel, argv[i], NULL, &hints, print, argv[i]);
        ares_queue_wait_empty(channel, -1);
        printf(" after %ld ms\n", now_ms() - start);
    }
    ares_destroy(channel);
    return 0;
}
