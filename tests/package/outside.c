/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A stranger's program: it uses what is installed, and TCP from the host to a
 * guest works, whatever the program was linked with and how.
 */
#include <guestnet/guestnet.h>

#include <stdio.h>
#include <string.h>

#ifdef WITH_OWN
void *tcp_new(void);
void tcp_input(void);
void *mem_malloc(unsigned long size);
extern int own_calls;
#endif

#ifdef WITH_OWN_CARES
void ares_destroy(void *channel);
extern int own_cares_calls;
#endif

static const char text[] = "hello";

static int greet(struct gn_namespace *from, struct gn_namespace *to)
{
    struct sockaddr_storage addr;
    struct gn_sock *listener, *client, *server;
    char buf[sizeof(text)] = "";
    socklen_t len;

    if (gn_addr_parse("10.77.0.2:80", &addr, &len))
        return 1;
    if (gn_sock_open(to, AF_INET, SOCK_STREAM, 0, &listener) ||
        gn_sock_bind(listener, (struct sockaddr *)&addr, len) ||
        gn_sock_listen(listener, 1))
        return 2;
    if (gn_sock_open(from, AF_INET, SOCK_STREAM, 0, &client) ||
        gn_sock_connect(client, (struct sockaddr *)&addr, len) ||
        gn_sock_accept(listener, NULL, NULL, 0, &server))
        return 3;
    if (gn_sock_send(client, text, sizeof(text), 0) != sizeof(text) ||
        gn_sock_recv(server, buf, sizeof(buf), MSG_WAITALL) != sizeof(text) ||
        strcmp(buf, text) != 0)
        return 4;
    gn_sock_close(client);
    gn_sock_close(server);
    gn_sock_close(listener);
    return 0;
}

/* c-ares is there, and reads what it is given. */
static int resolve(void)
{
    static const char *const servers[] = {"192.0.2.1", "[2001:db8::1]:53",
                                          NULL};
    struct gn_ares_config config = {.size = sizeof(config), .servers = servers};
    struct gn_resolver *resolver;

    if (gn_resolver_ares(&config, &resolver))
        return 5;
    gn_resolver_close(resolver);
    return 0;
}

int main(void)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {
        .size = sizeof(config),
        .prefixes = prefixes,
    };
    static const char *const addresses[] = {"10.77.0.2", NULL};
    struct gn_namespace_config guest_config = {
        .size = sizeof(guest_config),
        .addresses = addresses,
    };
    const char *version = gn_version_string();
    struct gn_network *net;
    struct gn_namespace *guest;

    printf("%s\n", version);
    if (!strstr(version, "lwIP 2.") || !strstr(version, "c-ares 1."))
        return 10;
    if (gn_network_create(&config, &net) ||
        gn_namespace_create(net, &guest_config, &guest))
        return 11;
    int failed = greet(gn_network_gateway(net), guest);
    gn_network_close(net, NULL, NULL);
    failed = failed ? failed : resolve();
#ifdef WITH_OWN
    tcp_new();
    tcp_input();
    mem_malloc(1);
    if (own_calls != 3)
        return 12;
#endif
#ifdef WITH_OWN_CARES
    ares_destroy(NULL);
    if (own_cares_calls != 1)
        return 13;
#endif
    return failed;
}
