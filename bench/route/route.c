/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guestnet-route send|datagram|connection: what script/route counts the
 * instructions of. Two guests of a network that this thread drives; one kind of
 * call, COUNTED times, each of them from route_*(), whose calls of gn_*() are
 * counted, after WARM that are not.
 *
 * Prints how often the counted calls were made.
 */
#include <guestnet/guestnet.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WARM    200
#define COUNTED 64
#define SIZE    2048
#define SMALL   64

struct guest {
    struct gn_namespace *ns;
    struct sockaddr_in addr;
};

static struct guest guests[2];
static struct gn_sock *ends[2], *listener;
static char data[SIZE];

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "route: %s failed\n", what);
    exit(1);
}

/* ---- what is counted; script/route knows the names ---- */

__attribute__((noinline)) void route_counted(int (*call)(void));

void route_counted(int (*call)(void))
{
    must(call() == 0, "a counted call");
}

static int send_2k(void)
{
    return gn_sock_send(ends[0], data, SIZE, 0) == SIZE ? 0 : -1;
}

static int send_64(void)
{
    return gn_sock_send(ends[0], data, SMALL, 0) == SMALL ? 0 : -1;
}

static int connect_accept_close(void)
{
    const struct sockaddr *to = (const struct sockaddr *)&guests[1].addr;
    struct gn_sock *accepted;
    int err = gn_sock_connect(ends[0], to, sizeof(guests[1].addr));

    if (err != -EINPROGRESS)
        return -1;
    err = gn_sock_accept(listener, NULL, NULL, 0, &accepted);
    if (err)
        return err;
    gn_sock_close(ends[0]);
    gn_sock_close(accepted);
    gn_sock_unref(accepted);
    return 0;
}

/* ---- before and after, not counted ---- */

static void guest_init(struct guest *guest, struct gn_network *net)
{
    struct gn_interface eth0;
    struct sockaddr_storage addr;
    char text[GN_ADDR_TEXT_MAX];
    socklen_t len;

    must(!gn_namespace_create(net, NULL, &guest->ns), "a guest");
    must(!gn_namespace_interface_by_name(guest->ns, "eth0", &eth0), "eth0");
    must(!gn_ip_format(&eth0.addrs[0].ip, text, sizeof(text)), "an address");
    must(!gn_addr_parse(text, &addr, &len), "an address");
    memcpy(&guest->addr, &addr, sizeof(guest->addr));
    guest->addr.sin_port = htons(7);
}

static struct gn_sock *open_at(const struct guest *guest, int type, bool bound)
{
    struct gn_sock *sock;

    must(!gn_sock_open(guest->ns, AF_INET, type | SOCK_NONBLOCK, 0, &sock),
         "a socket");
    if (bound)
        must(!gn_sock_bind(sock, (const struct sockaddr *)&guest->addr,
                           sizeof(guest->addr)),
             "bind");
    return sock;
}

static void listen_at(const struct guest *guest)
{
    listener = open_at(guest, SOCK_STREAM, true);
    must(!gn_sock_listen(listener, 8), "listen");
}

static void connect_to(const struct guest *guest)
{
    int err = gn_sock_connect(ends[0], (const struct sockaddr *)&guest->addr,
                              sizeof(guest->addr));

    must(!err || err == -EINPROGRESS, "connect");
}

static void prepare_stream(void)
{
    int on = 1;

    listen_at(&guests[1]);
    ends[0] = open_at(&guests[0], SOCK_STREAM, false);
    connect_to(&guests[1]);
    must(!gn_sock_accept(listener, NULL, NULL, 0, &ends[1]), "accept");
    must(!gn_sock_setopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)),
         "TCP_NODELAY");
}

static void prepare_datagrams(void)
{
    ends[0] = open_at(&guests[0], SOCK_DGRAM, true);
    ends[1] = open_at(&guests[1], SOCK_DGRAM, true);
    connect_to(&guests[1]);
}

static void prepare_connections(void)
{
    listen_at(&guests[1]);
}

static void nothing(void)
{
}

static void open_client(void)
{
    ends[0] = open_at(&guests[0], SOCK_STREAM, false);
}

static void forget_client(void)
{
    gn_sock_unref(ends[0]);
}

static void take_2k(void)
{
    must(gn_sock_recv(ends[1], data, SIZE, 0) == SIZE, "recv");
}

static void take_64(void)
{
    must(gn_sock_recv(ends[1], data, SIZE, 0) == SMALL, "recv");
}

static const struct course {
    const char *name;
    void (*prepare)(void);
    void (*before)(void);
    int (*call)(void);
    void (*after)(void);
} courses[] = {
    {"send", prepare_stream, nothing, send_2k, take_2k},
    {"datagram", prepare_datagrams, nothing, send_64, take_64},
    {"connection", prepare_connections, open_client, connect_accept_close,
     forget_client},
};

static void run(const struct course *course)
{
    for (int i = 0; i < WARM + COUNTED; i++) {
        course->before();
        if (i < WARM)
            must(course->call() == 0, "a call");
        else
            route_counted(course->call);
        course->after();
    }
}

int main(int argc, char **argv)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {
        .size = sizeof(config), .prefixes = prefixes, .drive = GN_DRIVE_CALLER};
    struct gn_network *net;

    for (size_t i = 0; i < sizeof(courses) / sizeof(courses[0]); i++) {
        if (argc != 2 || strcmp(argv[1], courses[i].name) != 0)
            continue;
        must(!gn_network_create(&config, &net), "a network");
        guest_init(&guests[0], net);
        guest_init(&guests[1], net);
        courses[i].prepare();
        run(&courses[i]);
        printf("%d\n", COUNTED);
        return 0; /* What is left ends with the process. */
    }
    fprintf(stderr, "usage: guestnet-route send|datagram|connection\n");
    return 2;
}
