/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A network in an epoll loop of the program's own, beside its other descriptors
 * and without any thread.
 *
 * A guest serves pages; with each tick of a timerfd another guest fetches one,
 * over a link that takes 5 ms each way. A line on standard input, when there is
 * one, fetches the page of that name. All of it, guests included, happens in
 * the callbacks of one loop, so nothing needs a lock.
 *
 * The program ends after five pages, with 0 if all of them were right.
 *
 *     cc epoll-loop.c $(pkg-config --cflags --libs guestnet)
 */
#include <guestnet/guestnet.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define PAGES   5
#define TICK_MS 50
#define LINK_US 5000

struct program {
    int epoll;
    int ticks; /* a timerfd */
    struct gn_network *net;
    struct gn_namespace *client;
    struct sockaddr_storage server;
    socklen_t server_len;
    unsigned n_asked, n_fetched, n_wrong;
    bool network_is_open;
};

static void must(int err, const char *what)
{
    if (err >= 0)
        return;
    fprintf(stderr, "%s: %s\n", what, gn_strerror(err));
    exit(1);
}

static void end_sock(struct gn_sock *sock)
{
    gn_sock_close(sock);
    gn_sock_unref(sock);
}

/* ---- the server ---- */

/* One read is all of a request as short as these. */
static void on_request(struct gn_sock *conn, short revents, void *arg)
{
    char request[256], page[64], answer[256];
    ssize_t n = gn_sock_recv(conn, request, sizeof(request) - 1, 0);
    int len;

    (void)revents;
    (void)arg;
    if (n == -EAGAIN)
        return;
    request[n > 0 ? n : 0] = '\0';
    if (sscanf(request, "GET /%63s", page) == 1) {
        len = snprintf(answer, sizeof(answer),
                       "HTTP/1.0 200 OK\r\n\r\nThis is %s.", page);
        (void)gn_sock_send(conn, answer, (size_t)len, 0);
    }
    end_sock(conn); /* What has been sent is still delivered. */
}

static void on_connection(struct gn_sock *listener, short revents, void *arg)
{
    struct gn_sock *conn;

    (void)revents;
    while (!gn_sock_accept(listener, NULL, NULL, SOCK_NONBLOCK, &conn)) {
        if (gn_sock_watch(conn, POLLIN, on_request, arg))
            end_sock(conn);
    }
}

static struct gn_sock *serve(struct program *p, struct gn_namespace *ns)
{
    struct gn_sock *listener;

    must(gn_sock_open(ns, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, &listener),
         "socket");
    must(gn_sock_bind(listener, (struct sockaddr *)&p->server, p->server_len),
         "bind");
    must(gn_sock_listen(listener, 16), "listen");
    must(gn_sock_watch(listener, POLLIN, on_connection, p), "watch");
    return listener;
}

/* ---- the client ---- */

struct fetch {
    struct program *program;
    uint64_t began_ns;
    char page[64];
    char answer[256];
    size_t len;
};

static void fetched(struct gn_sock *sock, struct fetch *fetch)
{
    struct program *p = fetch->program;
    char expected[128];
    const char *body = strstr(fetch->answer, "\r\n\r\n");
    uint64_t us = (gn_now_ns(p->client) - fetch->began_ns) / 1000;

    (void)snprintf(expected, sizeof(expected), "This is %s.", fetch->page);
    if (!body || strcmp(body + 4, expected) != 0)
        p->n_wrong++;
    printf("GET /%-8s %5.1f ms  %s\n", fetch->page, (double)us / 1000,
           body ? body + 4 : "nothing");
    p->n_fetched++;
    end_sock(sock);
    free(fetch);
}

static void on_answer(struct gn_sock *sock, short revents, void *arg)
{
    struct fetch *fetch = arg;
    size_t room = sizeof(fetch->answer) - 1 - fetch->len;
    ssize_t n = gn_sock_recv(sock, fetch->answer + fetch->len, room, 0);

    (void)revents;
    if (n > 0)
        fetch->len += (size_t)n;
    else if (n != -EAGAIN)
        fetched(sock, fetch);
}

static void on_connected(struct gn_sock *sock, short revents, void *arg)
{
    struct fetch *fetch = arg;
    char request[128];
    int len = snprintf(request, sizeof(request), "GET /%s HTTP/1.0\r\n\r\n",
                       fetch->page);

    (void)revents; /* If it failed, so does this. */
    if (gn_sock_send(sock, request, (size_t)len, 0) != len ||
        gn_sock_watch(sock, POLLIN, on_answer, fetch))
        fetched(sock, fetch);
}

static void fetch_page(struct program *p, const char *page)
{
    struct fetch *fetch = calloc(1, sizeof(*fetch));
    struct gn_sock *sock;
    int err;

    must(fetch ? 0 : -ENOMEM, "fetch");
    p->n_asked++;
    fetch->program = p;
    fetch->began_ns = gn_now_ns(p->client);
    (void)snprintf(fetch->page, sizeof(fetch->page), "%s", page);
    must(
        gn_sock_open(p->client, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, &sock),
        "socket");
    err = gn_sock_connect(sock, (struct sockaddr *)&p->server, p->server_len);
    must(err == -EINPROGRESS ? 0 : err, "connect");
    must(gn_sock_watch(sock, POLLOUT, on_connected, fetch), "watch");
}

/* ---- the loop ---- */

static void add(struct program *p, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    /* A file as standard input cannot be polled, and is left alone. */
    if (epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &event) && errno != EPERM)
        must(-errno, "epoll_ctl");
}

static void on_tick(struct program *p)
{
    uint64_t n;
    char page[16];

    if (read(p->ticks, &n, sizeof(n)) != sizeof(n) || p->n_asked >= PAGES)
        return;
    (void)snprintf(page, sizeof(page), "page%u", p->n_asked + 1);
    fetch_page(p, page);
}

static void on_input(struct program *p)
{
    char line[64];
    ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);

    if (n <= 0) {
        (void)epoll_ctl(p->epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
        return;
    }
    line[n] = '\0';
    line[strcspn(line, " \r\n")] = '\0';
    if (line[0])
        fetch_page(p, line);
}

/* This is all that the network needs of a loop. */
static void run_once(struct program *p)
{
    struct epoll_event events[8];
    int timeout_ms = gn_network_timeout_ms(p->net);
    int i, n = epoll_wait(p->epoll, events, 8, timeout_ms);

    for (i = 0; i < n; i++) {
        if (events[i].data.fd == p->ticks)
            on_tick(p);
        else if (events[i].data.fd == STDIN_FILENO)
            on_input(p);
    }
    must(gn_network_run(p->net, GN_RUN_NOWAIT), "run");
}

static void on_network_closed(void *arg)
{
    struct program *p = arg;

    p->network_is_open = false;
}

static void create(struct program *p)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {
        .size = sizeof(config), .prefixes = prefixes, .drive = GN_DRIVE_CALLER};
    struct gn_namespace_config guest = {.size = sizeof(guest),
                                        .name = "client"};
    struct gn_link_config link = {.latency_us = LINK_US};

    must(gn_network_create(&config, &p->net), "network");
    p->network_is_open = true;
    must(gn_namespace_create(p->net, &guest, &p->client), "client");
    must(gn_link_set(p->client, NULL, &link), "link");
    must(gn_addr_parse("10.77.0.3:80", &p->server, &p->server_len), "address");
}

int main(void)
{
    struct itimerspec every = {.it_value.tv_nsec = 1,
                               .it_interval.tv_nsec = TICK_MS * 1000000L};
    struct program p = {
        .epoll = epoll_create1(EPOLL_CLOEXEC),
        .ticks = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)};
    struct gn_namespace_config web = {.size = sizeof(web), .name = "web"};
    struct gn_namespace *server;
    struct gn_sock *listener;

    must(p.epoll >= 0 && p.ticks >= 0 ? 0 : -errno, "descriptors");
    create(&p);
    must(gn_namespace_create(p.net, &web, &server), "web");
    listener = serve(&p, server);
    must(timerfd_settime(p.ticks, 0, &every, NULL) ? -errno : 0, "timer");
    add(&p, gn_network_fd(p.net));
    add(&p, p.ticks);
    add(&p, STDIN_FILENO);

    while (p.n_asked < PAGES || p.n_fetched < p.n_asked)
        run_once(&p);

    end_sock(listener);
    gn_network_close(p.net, on_network_closed, &p);
    while (p.network_is_open)
        (void)gn_network_run(p.net, GN_RUN_ONCE);
    close(p.ticks);
    close(p.epoll);
    return p.n_wrong ? 1 : 0;
}
