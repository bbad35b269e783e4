/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Services of the host's that guests reach by a name, over kernel sockets: TCP,
 * UDP, a Unix socket; what they cost, which guests may, and how they end.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/egress.h"
#include "tests/lib/farside.h"
#include "tests/lib/pubnet.h"
#include "tests/lib/socks.h"

/** What happened last, as callbacks told it. */
struct told {
    _Atomic unsigned n_events;
    _Atomic int event, error;
    _Atomic unsigned n_audits;
    _Atomic bool allowed;
    char guest[64], name[64], reason[64], rule_text[128];
};

struct fixture {
    struct pubnet *p;
    struct told told;
    int server; /* a TCP listener of the kernel's */
    char target[32];
    char dir[32];
    char path[64]; /* in it, not there yet */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    void *p;

    assert_non_null(f);
    assert_int_equal(pubnet_setup(&p), 0);
    f->p = p;
    f->server = near_socket(SOCK_STREAM, "127.0.0.1:0", true);
    (void)snprintf(f->target, sizeof(f->target), "127.0.0.1:%u",
                   far_port(f->server));
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/guestnet-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->path, sizeof(f->path), "%s/db.sock", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    void *p = f->p;
    int err;

    close(f->server);
    err = pubnet_teardown(&p);
    (void)unlink(f->path);
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return err;
}

/* ---- helpers ---- */

static void event_told(struct gn_forwarding *fwd,
                       enum gn_forwarding_event event, int error,
                       const struct sockaddr *guest, void *arg)
{
    struct told *told = arg;

    (void)fwd;
    assert_non_null(guest);
    told->event = (int)event;
    told->error = error;
    told->n_events++;
}

static void audit_told(const struct gn_audit *audit, void *arg)
{
    struct told *told = arg;

    told->allowed = audit->allowed;
    assert_int_equal(audit->rule, -1);
    (void)snprintf(told->guest, sizeof(told->guest), "%s", audit->guest_name);
    (void)snprintf(told->name, sizeof(told->name), "%s", audit->name);
    (void)snprintf(told->reason, sizeof(told->reason), "%s", audit->reason);
    (void)snprintf(told->rule_text, sizeof(told->rule_text), "%s",
                   audit->rule_text);
    told->n_audits++;
}

static struct gn_forwarding *forward_by(
    struct fixture *f, const char *proto, const char *name, const char *target,
    const struct gn_forward_options *options)
{
    struct gn_forward_options own = {.size = sizeof(own)};
    struct gn_forwarding *fwd;
    char why[256] = "";
    int err;

    if (options)
        own = *options;
    own.audit = audit_told;
    own.audit_arg = &f->told;
    own.event = event_told;
    own.event_arg = &f->told;
    own.why = why;
    own.why_len = sizeof(why);
    err = gn_forward(f->p->net, proto, name, target, &own, &fwd);
    if (err)
        fail_msg("%s: %d: %s", name, err, why);
    return fwd;
}

static struct gn_forwarding *forward(struct fixture *f, const char *name)
{
    return forward_by(f, "tcp", name, f->target, NULL);
}

static struct gn_forwarding_stats stats_of(struct gn_forwarding *fwd)
{
    struct gn_forwarding_stats stats;

    gn_forwarding_stats(fwd, &stats);
    return stats;
}

/* By IPv4, so that one that fails is one attempt. */
static struct gn_sock *dial(struct gn_namespace *ns, const char *proto,
                            const char *address, int *err)
{
    struct gn_sock *sock = NULL;

    *err = gn_sock_dial(ns, proto, address, 10000, NULL, 0, &sock);
    return sock;
}

/* A connection, and the service's end of it. */
static struct gn_sock *connected(struct fixture *f, const char *address,
                                 int *fd)
{
    int err;
    struct gn_sock *sock = dial(f->p->web, "tcp", address, &err);

    assert_int_equal(err, 0);
    *fd = eg_accept(f->server);
    return sock;
}

static void refuse(struct fixture *f, int err, const char *proto,
                   const char *name, const char *target, const char *said)
{
    struct gn_forwarding *fwd;
    char why[256] = "";
    struct gn_forward_options options = {
        .size = sizeof(options), .why = why, .why_len = sizeof(why)};

    assert_int_equal(gn_forward(f->p->net, proto, name, target, &options, &fwd),
                     err);
    if (!strstr(why, said))
        fail_msg("\"%s\" does not say \"%s\"", why, said);
    assert_null(strchr(why, '\n'));
}

static uint64_t descriptors_of(struct gn_namespace *ns)
{
    struct gn_stats stats;

    gn_namespace_stats(ns, &stats);
    return stats.descriptors;
}

static struct gn_namespace *guest(struct fixture *f,
                                  struct gn_namespace_config *config)
{
    struct gn_namespace *ns;

    config->size = sizeof(*config);
    assert_int_equal(gn_namespace_create(f->p->net, config, &ns), 0);
    return ns;
}

static int unix_server(struct fixture *f, int backlog)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

/* ---- streams ---- */

static void a_guest_reaches_a_service_by_its_name(void **state)
{
    struct fixture *f = *state;
    struct gn_forwarding *fwd = forward(f, "db:5432");
    int fd;
    struct gn_sock *sock = connected(f, "db:5432", &fd);

    eg_talk(sock, fd);
    assert_int_equal(stats_of(fwd).accepted, 1);
    assert_int_equal(stats_of(fwd).active, 1);
    assert_int_equal(descriptors_of(f->p->web), 1);
    drop(sock);
    close(fd);
    gn_test_until(stats_of(fwd).active == 0);
    gn_test_until(descriptors_of(f->p->web) == 0);
    gn_unforward(fwd, NULL, NULL);
}

static void each_direction_ends_by_itself(void **state)
{
    struct fixture *f = *state;
    struct gn_forwarding *fwd = forward(f, "db:5432");
    char byte;
    int fd;
    struct gn_sock *sock = connected(f, "db:5432", &fd);

    assert_int_equal(gn_sock_shutdown(sock, SHUT_WR), 0);
    assert_int_equal(pubnet_read(fd, &byte, 1), 0);
    assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
    assert_int_equal(gn_sock_recv(sock, &byte, 1, 0), 1);
    close(fd);
    assert_int_equal(gn_sock_recv(sock, &byte, 1, 0), 0);
    drop(sock);
    gn_unforward(fwd, NULL, NULL);
}

static void the_name_has_addresses_of_its_own(void **state)
{
    struct fixture *f = *state;
    struct gn_forwarding *fwd = forward(f, "db:5432");
    char text[GN_ADDR_TEXT_MAX];
    int fd;
    struct gn_sock *sock;

    assert_int_equal(
        gn_forwarding_addr_text(fwd, AF_UNSPEC, text, sizeof(text)), 0);
    assert_string_equal(text, "10.77.0.3:5432");
    sock = connected(f, text, &fd);
    eg_talk(sock, fd);
    drop(sock);
    close(fd);
    assert_int_equal(gn_forwarding_addr_text(fwd, AF_INET6, text, sizeof(text)),
                     0);
    assert_string_equal(text, "[fd77::3]:5432");
    sock = connected(f, text, &fd);
    eg_talk(sock, fd);
    drop(sock);
    close(fd);
    assert_int_equal(gn_forwarding_addr_text(fwd, AF_INET, text, 4), -ENOSPC);
    gn_unforward(fwd, NULL, NULL);
}

static void an_address_has_the_name(void **state)
{
    struct fixture *f = *state;
    struct gn_forwarding *fwd = forward(f, "DB:5432");
    struct sockaddr_in at = {.sin_family = AF_INET};
    char host[128];

    at.sin_addr.s_addr = htonl(0x0a4d0003);
    assert_int_equal(gn_getnameinfo(f->p->web, (struct sockaddr *)&at,
                                    sizeof(at), host, sizeof(host), NULL, 0, 0),
                     0);
    assert_string_equal(host, "DB.guest.internal");
    assert_null(gn_namespace_find(f->p->net, "db"));
    gn_unforward(fwd, NULL, NULL);
}

static void the_host_program_reaches_it_too(void **state)
{
    struct fixture *f = *state;
    struct gn_forwarding *fwd = forward(f, "db:5432");
    int err, fd;
    struct gn_sock *sock =
        dial(gn_network_gateway(f->p->net), "tcp4", "db:5432", &err);

    assert_int_equal(err, 0);
    fd = eg_accept(f->server);
    eg_talk(sock, fd);
    drop(sock);
    close(fd);
    gn_unforward(fwd, NULL, NULL);
}

static void a_service_that_refuses_is_refused(void **state)
{
    struct fixture *f = *state;
    struct gn_forwarding *fwd = forward(f, "db:5432");
    int err;

    close(f->server);
    assert_null(dial(f->p->web, "tcp4", "db:5432", &err));
    assert_int_equal(err, -ECONNREFUSED);
    f->server = near_socket(SOCK_STREAM, "127.0.0.1:0", true);
    gn_test_until(f->told.n_events == 1);
    assert_int_equal(f->told.event, GN_FORWARDING_UNREACHED);
    assert_int_equal(f->told.error, -ECONNREFUSED);
    assert_int_equal(stats_of(fwd).unreached, 1);
    assert_int_equal(stats_of(fwd).active, 0);
    assert_int_equal(descriptors_of(f->p->web), 0);
    assert_true(pubnet_said(f->p, "forwarding db:5432 -> 127.0.0.1:"));
    gn_unforward(fwd, NULL, NULL);
}

static void a_port_that_is_not_forwarded_is_refused(void **state)
{
    struct fixture *f = *state;
    struct gn_forwarding *fwd = forward(f, "db:5432");
    int err;

    assert_null(dial(f->p->web, "tcp", "db:5433", &err));
    assert_int_equal(err, -ECONNREFUSED);
    gn_unforward(fwd, NULL, NULL);
}

static void a_guest_killed_in_the_middle_ends_its_own(void **state)
{
    struct fixture *f = *state;
    struct gn_forwarding *fwd = forward(f, "db:5432");
    struct gn_namespace_config config = {.name = "other"};
    struct gn_namespace *other = guest(f, &config);
    int err, fd, kept;
    struct gn_sock *stays = connected(f, "db:5432", &kept);
    struct gn_sock *sock = dial(other, "tcp4", "db:5432", &err);
    char byte;

    assert_int_equal(err, 0);
    fd = eg_accept(f->server);
    eg_talk(sock, fd);
    gn_namespace_kill(other);
    assert_int_equal(pubnet_read(fd, &byte, 1), -ECONNRESET);
    gn_test_until(stats_of(fwd).active == 1);
    gn_test_until(descriptors_of(other) == 0);
    eg_talk(stays, kept);
    drop(sock);
    drop(stays);
    close(fd);
    close(kept);
    gn_unforward(fwd, NULL, NULL);
}

static void the_proxy_line_says_who_connects(void **state)
{
    struct fixture *f = *state;
    struct gn_forward_options options = {.size = sizeof(options),
                                         .proxy = true};
    struct gn_forwarding *fwd =
        forward_by(f, "tcp", "db:5432", f->target, &options);
    char line[108] = "";
    int fd;
    struct gn_sock *sock = connected(f, "db:5432", &fd);

    assert_true(pubnet_read(fd, line, sizeof(line) - 1) > 0);
    assert_memory_equal(line, "PROXY TCP", 9);
    assert_non_null(strstr(line, " 5432\r\n"));
    eg_talk(sock, fd);
    drop(sock);
    close(fd);
    gn_unforward(fwd, NULL, NULL);
}

/* ---- Unix sockets ---- */

static void a_unix_socket_serves(void **state)
{
    struct fixture *f = *state;
    int server = unix_server(f, 4), err, fd;
    struct gn_forwarding *fwd = forward_by(f, "unix", "db:1", f->path, NULL);
    struct gn_sock *sock = dial(f->p->web, "tcp4", "db:1", &err);

    assert_int_equal(err, 0);
    fd = eg_accept(server);
    eg_talk(sock, fd);
    drop(sock);
    close(fd);
    close(server);
    gn_unforward(fwd, NULL, NULL);
}

static void a_path_that_is_not_there_is_refused(void **state)
{
    struct fixture *f = *state;
    struct gn_forwarding *fwd = forward_by(f, "unix", "db:1", f->path, NULL);
    int err;

    assert_null(dial(f->p->web, "tcp4", "db:1", &err));
    assert_int_equal(err, -ECONNREFUSED);
    gn_test_until(f->told.n_events == 1);
    assert_int_equal(f->told.error, -ENOENT);
    gn_unforward(fwd, NULL, NULL);
}

/* Connections that fill a Unix socket's backlog. */
static unsigned fill_backlog(struct fixture *f, int *fds, unsigned cap)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    unsigned n;

    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
    for (n = 0; n < cap; n++) {
        fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (connect(fds[n], (struct sockaddr *)&addr, sizeof(addr))) {
            close(fds[n]);
            return n;
        }
    }
    fail_msg("a backlog without an end");
    return n;
}

static void close_all(const int *fds, unsigned n)
{
    while (n--)
        close(fds[n]);
}

static void a_full_backlog_is_waited_for(void **state)
{
    struct fixture *f = *state;
    int server = unix_server(f, 1), fds[16], fd;
    struct gn_forwarding *fwd = forward_by(f, "unix", "db:1", f->path, NULL);
    unsigned i, n = fill_backlog(f, fds, 16);
    struct gn_sock *sock;

    assert_int_equal(
        gn_sock_open(f->p->web, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, &sock),
        0);
    assert_int_equal(connect_to(sock, "10.77.0.3:1"), -EINPROGRESS);
    gn_test_until(stats_of(fwd).active == 1);
    for (i = 0; i < n; i++)
        close(eg_accept(server));
    fd = eg_accept(server);
    assert_true(eg_wait(sock, POLLOUT) & POLLOUT);
    eg_talk(sock, fd);
    drop(sock);
    close(fd);
    close_all(fds, n);
    close(server);
    gn_unforward(fwd, NULL, NULL);
}

static void one_that_stays_full_times_out(void **state)
{
    struct fixture *f = *state;
    int server = unix_server(f, 1), fds[16], err;
    struct gn_forward_options options = {.size = sizeof(options),
                                         .connect_timeout_ms = 50};
    struct gn_forwarding *fwd =
        forward_by(f, "unix", "db:1", f->path, &options);
    unsigned n = fill_backlog(f, fds, 16);

    assert_null(dial(f->p->web, "tcp4", "db:1", &err));
    assert_int_equal(err, -ETIMEDOUT);
    close_all(fds, n);
    close(server);
    gn_unforward(fwd, NULL, NULL);
}

/* ---- datagrams ---- */

static void expect_dgram(int fd, const char *text, struct sockaddr_in *from)
{
    socklen_t len = sizeof(*from);
    char buf[64];

    assert_true(eg_readable(fd, 10000));
    assert_int_equal(
        recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)from, &len),
        strlen(text));
    assert_memory_equal(buf, text, strlen(text));
}

static void datagrams_go_both_ways(void **state)
{
    struct fixture *f = *state;
    int server = near_socket(SOCK_DGRAM, "127.0.0.1:0", false), err;
    struct sockaddr_in from;
    struct gn_forwarding *fwd;
    struct gn_sock *sock;
    char target[32], buf[8];

    (void)snprintf(target, sizeof(target), "127.0.0.1:%u", far_port(server));
    fwd = forward_by(f, "udp", "dns:53", target, NULL);
    sock = dial(f->p->web, "udp4", "dns:53", &err);
    assert_int_equal(err, 0);
    assert_int_equal(gn_sock_send(sock, "query", 5, 0), 5);
    expect_dgram(server, "query", &from);
    assert_int_equal(
        sendto(server, "answer", 6, 0, (struct sockaddr *)&from, sizeof(from)),
        6);
    assert_int_equal(gn_sock_recv(sock, buf, sizeof(buf), 0), 6);
    assert_int_equal(stats_of(fwd).accepted, 1);
    assert_int_equal(stats_of(fwd).active, 1);
    assert_int_equal(descriptors_of(f->p->web), 1);
    drop(sock);
    gn_test_until(stats_of(fwd).active == 0);
    close(server);
    gn_unforward(fwd, NULL, NULL);
}

static void a_datagram_that_is_not_taken_is_refused(void **state)
{
    struct fixture *f = *state;
    int server = near_socket(SOCK_DGRAM, "127.0.0.1:0", false), err;
    struct gn_forwarding *fwd;
    struct gn_sock *sock;
    char target[32], buf[8];

    (void)snprintf(target, sizeof(target), "127.0.0.1:%u", far_port(server));
    close(server);
    fwd = forward_by(f, "udp", "dns:53", target, NULL);
    sock = dial(f->p->web, "udp4", "dns:53", &err);
    assert_int_equal(gn_sock_send(sock, "query", 5, 0), 5);
    assert_int_equal(gn_sock_recv(sock, buf, sizeof(buf), 0), -ECONNREFUSED);
    drop(sock);
    sock = dial(f->p->web, "udp4", "dns:54", &err); /* Not forwarded. */
    assert_int_equal(gn_sock_send(sock, "query", 5, 0), 5);
    assert_int_equal(gn_sock_recv(sock, buf, sizeof(buf), 0), -ECONNREFUSED);
    drop(sock);
    gn_unforward(fwd, NULL, NULL);
}

static void flows_make_room_for_each_other(void **state)
{
    struct fixture *f = *state;
    int server = near_socket(SOCK_DGRAM, "127.0.0.1:0", false), err, i;
    struct gn_forward_options options = {.size = sizeof(options),
                                         .max_flows = 2};
    struct gn_sock *socks[3];
    struct sockaddr_in from;
    struct gn_forwarding *fwd;
    char target[32];

    (void)snprintf(target, sizeof(target), "127.0.0.1:%u", far_port(server));
    fwd = forward_by(f, "udp", "dns:53", target, &options);
    for (i = 0; i < 3; i++) {
        socks[i] = dial(f->p->web, "udp4", "dns:53", &err);
        assert_int_equal(gn_sock_send(socks[i], "query", 5, 0), 5);
        expect_dgram(server, "query", &from);
    }
    assert_int_equal(stats_of(fwd).active, 2);
    assert_int_equal(stats_of(fwd).evicted, 1);
    for (i = 0; i < 3; i++)
        drop(socks[i]);
    close(server);
    gn_unforward(fwd, NULL, NULL);
}

/* ---- names ---- */

static void a_guests_name_is_taken(void **state)
{
    struct fixture *f = *state;

    refuse(f, -EADDRINUSE, "tcp", "WEB:80", f->target,
           "name \"WEB\": another guest of network");
}

static void a_services_name_is_no_guests(void **state)
{
    struct fixture *f = *state;
    struct gn_forwarding *fwd = forward(f, "db:5432");
    char why[128] = "";
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .name = "db",
                                         .why = why,
                                         .why_len = sizeof(why)};
    struct gn_namespace *ns;

    assert_int_equal(gn_namespace_create(f->p->net, &config, &ns), -EADDRINUSE);
    assert_non_null(strstr(why, "another guest of network"));
    gn_unforward(fwd, NULL, NULL);
    assert_int_equal(gn_namespace_create(f->p->net, &config, &ns), 0);
}

static void several_share_the_addresses_of_a_name(void **state)
{
    struct fixture *f = *state;
    struct gn_forwarding *one = forward(f, "db:5432");
    struct gn_forwarding *two = forward(f, "db:80");
    struct gn_namespace_config config = {.name = "next"};
    char text[GN_ADDR_TEXT_MAX];
    int err, fd;
    struct gn_sock *sock;

    refuse(f, -EADDRINUSE, "tcp", "db:80", f->target, "forwarded already");
    gn_unforward(one, NULL, NULL);
    assert_int_equal(gn_forwarding_addr_text(two, AF_INET, text, sizeof(text)),
                     0);
    assert_string_equal(text, "10.77.0.3:80");
    assert_null(dial(f->p->web, "tcp4", "db:5432", &err));
    assert_int_equal(err, -ECONNREFUSED);
    sock = connected(f, "db:80", &fd);
    drop(sock);
    close(fd);
    gn_unforward(two, NULL, NULL);
    assert_null(dial(f->p->web, "tcp4", "db:80", &err));
    assert_int_equal(err, GN_EAI_NONAME);
    (void)guest(f, &config); /* It has the address now. */
    assert_null(dial(f->p->web, "tcp", "10.77.0.3:80", &err));
    assert_int_equal(err, -ECONNREFUSED);
}

static void it_is_served_as_soon_as_it_is_forwarded(void **state)
{
    struct fixture *f = *state;
    struct gn_forwarding *fwd;

    assert_int_equal(gn_wait_listening(f->p->web, "tcp", "db:5432", 1, NULL, 0),
                     -ETIMEDOUT);
    fwd = forward(f, "db:5432");
    assert_int_equal(
        gn_wait_listening(f->p->web, "tcp", "db:5432", 10000, NULL, 0), 0);
    assert_int_equal(gn_wait_listening(f->p->web, "udp", "db:5432", 1, NULL, 0),
                     -ETIMEDOUT);
    gn_unforward(fwd, NULL, NULL);
}

static void addresses_may_be_all_taken(void **state)
{
    static const char *const prefixes[] = {"10.78.0.0/30", NULL};
    struct fixture *f = *state;
    struct gn_network *before = f->p->net;
    struct gn_network_config config = {.size = sizeof(config)};
    struct gn_namespace_config last = {.size = sizeof(last)};
    struct gn_namespace *ns;

    assert_int_equal(gn_network_create(&config, &f->p->net), 0);
    refuse(f, -EADDRNOTAVAIL, "tcp", "db:1", f->target, "has no prefixes");
    gn_network_close(f->p->net, NULL, NULL);
    config.prefixes = prefixes;
    assert_int_equal(gn_network_create(&config, &f->p->net), 0);
    assert_int_equal(gn_namespace_create(f->p->net, &last, &ns), 0);
    refuse(f, -ENOSPC, "tcp", "db:1", f->target, "has no free address");
    gn_network_close(f->p->net, NULL, NULL);
    f->p->net = before;
}

static void bad_words_say_why(void **state)
{
    struct fixture *f = *state;
    char longest[200];

    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    refuse(f, -EINVAL, "sctp", "db:1", f->target, "\"sctp\"");
    refuse(f, -EINVAL, "tcp", "db", f->target, "db");
    refuse(f, -EINVAL, "tcp", "db:0", f->target, "a port");
    refuse(f, -EINVAL, "tcp", ":80", f->target, "one DNS label");
    refuse(f, -EINVAL, "tcp", "a.b:80", f->target, "DNS label");
    refuse(f, -EINVAL, "tcp", "localhost:80", f->target, "loopback");
    refuse(f, -EINVAL, "tcp", "10.77.0.9:80", f->target, "one DNS label");
    refuse(f, -EINVAL, "tcp", "db:1", "example.org:80", "by number");
    refuse(f, -EINVAL, "tcp", "db:1", "127.0.0.1", "127.0.0.1");
    refuse(f, -EINVAL, "tcp", "db:1", "0.0.0.0:80", "by number");
    refuse(f, -EINVAL, "unix", "db:1", "", "1 to 107");
    refuse(f, -EINVAL, "unix", "db:1", longest, "199");
    refuse(f, -EINVAL, "tcp", NULL, f->target, "name is NULL");
}

/* ---- which guests may, and how much ---- */

static void each_connection_is_audited(void **state)
{
    struct fixture *f = *state;
    struct gn_forwarding *fwd = forward(f, "db:5432");
    int fd;
    struct gn_sock *sock = connected(f, "db:5432", &fd);

    assert_int_equal(f->told.n_audits, 1);
    assert_true(f->told.allowed);
    assert_string_equal(f->told.guest, "web");
    assert_string_equal(f->told.name, "db");
    assert_string_equal(f->told.reason, "forwarded");
    assert_non_null(strstr(f->told.rule_text, "db:5432 -> 127.0.0.1:"));
    drop(sock);
    close(fd);
    gn_unforward(fwd, NULL, NULL);
}

static void only_guests_that_are_named_may(void **state)
{
    struct fixture *f = *state;
    static const char *const guests[] = {"Other", NULL};
    struct gn_forward_options options = {.size = sizeof(options),
                                         .guests = guests};
    struct gn_namespace_config config = {.name = "other"};
    struct gn_namespace *other = guest(f, &config);
    struct gn_forwarding *fwd =
        forward_by(f, "tcp", "db:5432", f->target, &options);
    int err, fd;
    struct gn_sock *sock;

    assert_null(dial(f->p->web, "tcp4", "db:5432", &err));
    assert_int_equal(err, -EACCES);
    assert_false(f->told.allowed);
    assert_string_equal(f->told.reason, "not among the guests");
    gn_test_until(f->told.n_events == 1);
    assert_int_equal(f->told.event, GN_FORWARDING_TURNED_AWAY);
    assert_int_equal(stats_of(fwd).turned_away, 1);
    sock = dial(other, "tcp4", "db:5432", &err);
    assert_int_equal(err, 0);
    fd = eg_accept(f->server);
    eg_talk(sock, fd);
    drop(sock);
    close(fd);
    gn_unforward(fwd, NULL, NULL);
}

static void more_connections_than_allowed_are_refused(void **state)
{
    struct fixture *f = *state;
    struct gn_forward_options options = {.size = sizeof(options),
                                         .max_connections = 1};
    struct gn_forwarding *fwd =
        forward_by(f, "tcp", "db:5432", f->target, &options);
    int err, fd;
    struct gn_sock *sock = connected(f, "db:5432", &fd);

    assert_null(dial(f->p->web, "tcp4", "db:5432", &err));
    assert_int_equal(err, -ECONNREFUSED);
    gn_test_until(f->told.n_events == 1);
    assert_int_equal(f->told.error, -EAGAIN);
    drop(sock);
    close(fd);
    gn_test_until(stats_of(fwd).active == 0);
    sock = connected(f, "db:5432", &fd);
    drop(sock);
    close(fd);
    gn_unforward(fwd, NULL, NULL);
}

static void descriptors_are_the_guests(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace_config config = {.name = "small",
                                         .limits.max_descriptors = 1};
    struct gn_namespace *small = guest(f, &config);
    struct gn_forwarding *fwd = forward(f, "db:5432");
    struct gn_stats stats;
    struct gn_sock *sock;
    int err, fd;

    sock = dial(small, "tcp4", "db:5432", &err);
    assert_int_equal(err, 0);
    fd = eg_accept(f->server);
    assert_null(dial(small, "tcp4", "db:5432", &err));
    assert_int_equal(err, -ENOBUFS);
    gn_namespace_stats(small, &stats);
    assert_true(stats.drops[GN_DROP_DESCRIPTORS] > 0);
    assert_int_equal(descriptors_of(f->p->web), 0);
    drop(sock);
    close(fd);
    gn_unforward(fwd, NULL, NULL);
}

/* ---- the end ---- */

static void its_end_resets_what_it_has(void **state)
{
    struct fixture *f = *state;
    struct gn_forwarding *fwd = forward(f, "db:5432");
    char byte;
    int fd;
    struct gn_sock *sock = connected(f, "db:5432", &fd);

    eg_talk(sock, fd);
    gn_unforward(fwd, NULL, NULL);
    assert_int_equal(gn_sock_recv(sock, &byte, 1, 0), -ECONNRESET);
    assert_int_equal(pubnet_read(fd, &byte, 1), -ECONNRESET);
    assert_int_equal(descriptors_of(f->p->web), 0);
    drop(sock);
    close(fd);
}

/** How often a callback has run. */
struct counter {
    _Atomic unsigned n;
};

static void count(void *arg)
{
    struct counter *counter = arg;

    counter->n++;
}

static void its_end_is_told(void **state)
{
    struct fixture *f = *state;
    struct gn_forwarding *fwd = forward(f, "db:5432");
    struct counter gone = {.n = 0};

    gn_unforward(fwd, count, &gone);
    gn_test_until(gone.n == 1);
}

static void end_by_event(struct gn_forwarding *fwd,
                         enum gn_forwarding_event event, int error,
                         const struct sockaddr *guest, void *arg)
{
    (void)event;
    (void)error;
    (void)guest;
    gn_unforward(fwd, count, arg);
}

static void an_event_may_end_it(void **state)
{
    struct fixture *f = *state;
    struct counter gone = {.n = 0};
    struct gn_forward_options options = {
        .size = sizeof(options), .event = end_by_event, .event_arg = &gone};
    struct gn_forwarding *fwd;
    int err;

    assert_int_equal(
        gn_forward(f->p->net, "unix", "db:1", f->path, &options, &fwd), 0);
    assert_null(dial(f->p->web, "tcp4", "db:1", &err));
    assert_int_equal(err, -ECONNREFUSED);
    gn_test_until(gone.n == 1);
}

struct ender {
    struct gn_forwarding *fwd;
    struct counter gone;
};

static void end_by_audit(const struct gn_audit *audit, void *arg)
{
    struct ender *ender = arg;

    (void)audit;
    gn_unforward(ender->fwd, count, &ender->gone);
}

static void an_audit_may_end_it(void **state)
{
    struct fixture *f = *state;
    struct ender ender = {.fwd = NULL};
    struct gn_forward_options options = {
        .size = sizeof(options), .audit = end_by_audit, .audit_arg = &ender};
    int err;

    assert_int_equal(
        gn_forward(f->p->net, "tcp", "db:1", f->target, &options, &ender.fwd),
        0);
    assert_null(dial(f->p->web, "tcp4", "db:1", &err));
    assert_int_equal(err, -EHOSTUNREACH);
    gn_test_until(ender.gone.n == 1);
}

/* Connected, connecting, and a flow: teardown asserts that nothing is left. */
static void the_network_closes_at_every_step(void **state)
{
    struct fixture *f = *state;
    int server = unix_server(f, 1), fds[16], fd, err;
    struct gn_forwarding *fwd = forward(f, "db:5432");
    struct gn_forwarding *full = forward_by(f, "unix", "db:1", f->path, NULL);
    struct gn_forwarding *udp = forward_by(f, "udp", "db:53", f->target, NULL);
    unsigned n = fill_backlog(f, fds, 16);
    struct gn_sock *sock = connected(f, "db:5432", &fd), *waiting, *flow;

    flow = dial(f->p->web, "udp4", "db:53", &err);
    assert_int_equal(gn_sock_send(flow, "x", 1, 0), 1);
    gn_test_until(stats_of(udp).accepted == 1);
    assert_int_equal(gn_sock_open(f->p->web, AF_INET,
                                  SOCK_STREAM | SOCK_NONBLOCK, 0, &waiting),
                     0);
    assert_int_equal(connect_to(waiting, "10.77.0.3:1"), -EINPROGRESS);
    gn_test_until(stats_of(full).active == 1);
    assert_int_equal(stats_of(fwd).active, 1);
    gn_network_close(f->p->net, NULL, NULL);
    f->p->net = NULL;
    gn_sock_unref(sock);
    gn_sock_unref(waiting);
    gn_sock_unref(flow);
    close(fd);
    close_all(fds, n);
    close(server);
}

static void a_guest_that_gives_up_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    int server = unix_server(f, 1), fds[16];
    struct gn_forwarding *fwd = forward_by(f, "unix", "db:1", f->path, NULL);
    unsigned n = fill_backlog(f, fds, 16);
    struct gn_sock *sock;

    assert_int_equal(
        gn_sock_open(f->p->web, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, &sock),
        0);
    assert_int_equal(connect_to(sock, "10.77.0.3:1"), -EINPROGRESS);
    gn_test_until(stats_of(fwd).active == 1);
    drop(sock);
    gn_test_until(stats_of(fwd).active == 0);
    assert_int_equal(descriptors_of(f->p->web), 0);
    close_all(fds, n);
    close(server);
    gn_unforward(fwd, NULL, NULL);
}

static void a_clock_has_no_descriptors(void **state)
{
    struct fixture *f = *state;
    struct gn_network_config config = {.size = sizeof(config),
                                       .drive = GN_DRIVE_VIRTUAL};
    struct gn_forwarding *fwd;
    struct gn_network *net;

    assert_int_equal(gn_clock_create(NULL, &config.clock), 0);
    assert_int_equal(gn_network_create(&config, &net), 0);
    assert_int_equal(gn_forward(net, "tcp", "db:1", f->target, NULL, &fwd),
                     -ENOTSUP);
    gn_network_close(net, NULL, NULL);
    gn_clock_close(config.clock);
}

static int forward_once(struct gn_test_heap *heap, void *arg)
{
    static const char *const guests[] = {"web", "other", NULL};
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_forward_options options = {.size = sizeof(options),
                                         .guests = guests};
    struct gn_network_config config = {
        .size = sizeof(config), .prefixes = prefixes, .alloc = &heap->alloc};
    struct gn_forwarding *fwd;
    struct gn_network *net;
    int err = gn_network_create(&config, &net);

    (void)arg;
    if (err)
        return err;
    err = gn_forward(net, "tcp", "db:1", "127.0.0.1:9", &options, &fwd);
    if (!err)
        gn_unforward(fwd, NULL, NULL);
    gn_network_close(net, NULL, NULL);
    return err;
}

static void memory_may_end_at_every_step(void **state)
{
    (void)state;
    gn_test_heap_sweep(forward_once, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_guest_reaches_a_service_by_its_name),
        CASE(each_direction_ends_by_itself),
        CASE(the_name_has_addresses_of_its_own),
        CASE(an_address_has_the_name),
        CASE(the_host_program_reaches_it_too),
        CASE(a_service_that_refuses_is_refused),
        CASE(a_port_that_is_not_forwarded_is_refused),
        CASE(a_guest_killed_in_the_middle_ends_its_own),
        CASE(the_proxy_line_says_who_connects),
        CASE(a_unix_socket_serves),
        CASE(a_path_that_is_not_there_is_refused),
        CASE(a_full_backlog_is_waited_for),
        CASE(one_that_stays_full_times_out),
        CASE(datagrams_go_both_ways),
        CASE(a_datagram_that_is_not_taken_is_refused),
        CASE(flows_make_room_for_each_other),
        CASE(a_guests_name_is_taken),
        CASE(a_services_name_is_no_guests),
        CASE(several_share_the_addresses_of_a_name),
        CASE(it_is_served_as_soon_as_it_is_forwarded),
        CASE(addresses_may_be_all_taken),
        CASE(bad_words_say_why),
        CASE(each_connection_is_audited),
        CASE(only_guests_that_are_named_may),
        CASE(more_connections_than_allowed_are_refused),
        CASE(descriptors_are_the_guests),
        CASE(its_end_resets_what_it_has),
        CASE(its_end_is_told),
        CASE(an_event_may_end_it),
        CASE(an_audit_may_end_it),
        CASE(the_network_closes_at_every_step),
        CASE(a_guest_that_gives_up_leaves_nothing),
        CASE(a_clock_has_no_descriptors),
        CASE(memory_may_end_at_every_step),
    };

    return cmocka_run_group_tests_name("forward", tests, NULL, NULL);
}
