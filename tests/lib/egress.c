/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/egress.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/kept.h"
#include "tests/lib/socks.h"

#define BOUND_MS 10000

static void note(const struct gn_audit *audit, void *arg)
{
    struct eg *eg = arg;
    struct eg_audit *out;

    pthread_mutex_lock(&eg->lock);
    out = &eg->audits[eg->n_audits++ % EG_AUDITS];
    memset(out, 0, sizeof(*out));
    snprintf(out->guest, sizeof(out->guest), "%s", audit->guest_name);
    if (gn_addr_format(audit->address, out->address, sizeof(out->address)))
        out->address[0] = '\0';
    snprintf(out->name, sizeof(out->name), "%s",
             audit->name ? audit->name : "");
    snprintf(out->rule_text, sizeof(out->rule_text), "%s", audit->rule_text);
    snprintf(out->reason, sizeof(out->reason), "%s", audit->reason);
    out->type = audit->type;
    out->rule = audit->rule;
    out->error = audit->error;
    out->inbound = audit->inbound;
    out->allowed = audit->allowed;
    out->ended = audit->ended;
    pthread_mutex_unlock(&eg->lock);
}

struct eg_audit eg_last(struct eg *eg)
{
    struct eg_audit last = {0};

    pthread_mutex_lock(&eg->lock);
    if (eg->n_audits)
        last = eg->audits[(eg->n_audits - 1) % EG_AUDITS];
    pthread_mutex_unlock(&eg->lock);
    return last;
}

size_t eg_audits(struct eg *eg)
{
    size_t n;

    pthread_mutex_lock(&eg->lock);
    n = eg->n_audits;
    pthread_mutex_unlock(&eg->lock);
    return n;
}

void eg_await(struct eg *eg, size_t n)
{
    unsigned ms;

    for (ms = 0; eg_audits(eg) < n && ms < BOUND_MS; ms++)
        assert_int_equal(gn_sleep_ns(gn_network_gateway(eg->net), 1000000), 0);
    assert_true(eg_audits(eg) >= n);
}

void eg_change(struct eg *eg, const char *const *rules, unsigned flags)
{
    char why[256] = "";

    if (gn_egress_set_rules(eg->egress, rules, flags, why, sizeof(why)))
        fail_msg("%s", why);
}

void eg_begin_egress(struct eg *eg, struct gn_egress *egress)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_network_config config = {
        .size = sizeof(config), .prefixes = prefixes, .alloc = &eg->heap.alloc};
    struct gn_namespace_config guest = {.size = sizeof(guest),
                                        .name = "guest",
                                        .egress = egress,
                                        .resolver = eg->resolver};

    eg->egress = egress;
    assert_int_equal(gn_network_create(&config, &eg->net), 0);
    gn_test_keep(eg->net);
    assert_int_equal(gn_namespace_create(eg->net, &guest, &eg->guest), 0);
}

void eg_clear(struct eg *eg)
{
    memset(eg, 0, sizeof(*eg));
    gn_test_heap_init(&eg->heap);
    pthread_mutex_init(&eg->lock, NULL);
}

static void begin(struct eg *eg, const char *const *rules,
                  const struct gn_policy *policy)
{
    struct gn_policy own = {.size = sizeof(own)};
    struct gn_egress *egress;
    char why[256] = "";

    if (policy)
        own = *policy;
    own.rules = rules;
    own.audit = note;
    own.audit_arg = eg;
    own.alloc = &eg->heap.alloc;
    own.why = why;
    own.why_len = sizeof(why);
    if (gn_egress_system(&own, &egress))
        fail_msg("%s", why);
    eg_begin_egress(eg, egress);
}

void eg_begin(struct eg *eg, const char *const *rules,
              const struct gn_policy *policy)
{
    eg_clear(eg);
    begin(eg, rules, policy);
}

void eg_begin_names(struct eg *eg, const char *const *rules, const char *hosts,
                    uint32_t ttl_s)
{
    struct gn_resolver_static_config config = {
        .size = sizeof(config), .hosts = hosts, .ttl_s = ttl_s};

    eg_clear(eg);
    config.alloc = &eg->heap.alloc;
    assert_int_equal(gn_resolver_static(&config, &eg->resolver), 0);
    begin(eg, rules, NULL);
}

void eg_begin_resolver(struct eg *eg, const char *const *rules,
                       struct gn_resolver *resolver)
{
    eg_clear(eg);
    eg->resolver = resolver;
    begin(eg, rules, NULL);
}

/* How a lookup ends, for the thread that waits. */
struct end {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
    int status;
};

static void looked_up(struct gn_lookup *lookup, int status,
                      const struct gn_answer *answers, size_t n, void *arg)
{
    struct end *end = arg;

    (void)lookup;
    (void)answers;
    (void)n;
    pthread_mutex_lock(&end->lock);
    end->done = true;
    end->status = status;
    pthread_cond_signal(&end->cond);
    pthread_mutex_unlock(&end->lock);
}

int eg_lookup(struct eg *eg, const char *name)
{
    struct end end = {.lock = PTHREAD_MUTEX_INITIALIZER,
                      .cond = PTHREAD_COND_INITIALIZER};
    int err = gn_lookup(eg->guest, "ip", name, looked_up, &end, NULL);

    if (err)
        return err;
    pthread_mutex_lock(&end.lock);
    while (!end.done)
        pthread_cond_wait(&end.cond, &end.lock);
    pthread_mutex_unlock(&end.lock);
    return end.status;
}

void eg_end(struct eg *eg)
{
    gn_network_close(eg->net, NULL, NULL);
    gn_egress_close(eg->egress);
    gn_resolver_close(eg->resolver);
    gn_test_heap_done(&eg->heap);
    pthread_mutex_destroy(&eg->lock);
}

struct gn_sock *eg_open(struct eg *eg, int family, int type)
{
    struct gn_sock *sock;

    assert_int_equal(gn_sock_open(eg->guest, family, type, 0, &sock), 0);
    return sock;
}

int eg_connect(struct gn_sock *sock, const char *host, unsigned short port)
{
    char text[GN_ADDR_TEXT_MAX];

    snprintf(text, sizeof(text), strchr(host, ':') ? "[%s]:%u" : "%s:%u", host,
             port);
    return connect_to(sock, text);
}

struct gn_sock *eg_dial(struct eg *eg, int type, const char *host,
                        unsigned short port, int *err)
{
    struct gn_sock *sock =
        eg_open(eg, strchr(host, ':') ? AF_INET6 : AF_INET, type);

    *err = eg_connect(sock, host, port);
    if (!*err)
        return sock;
    drop(sock);
    return NULL;
}

const char *const eg_astray[] = {
    "::ffff:10.77.0.1",
    "64:ff9b::127.0.0.1",
    "::127.0.0.1",
    "2002:7f00:1::1",
    "::ffff:0:127.0.0.1",
    "64:ff9b:1::127.0.0.1",
    "64:ff9b:1:7f00:0:100::",
    "64:ff9b:1:7f:0:1::",
    "64:ff9b:1:0:7f:0:100:0",
    "169.254.169.254",
    "169.254.1.1",
    "::ffff:169.254.169.254",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::169.254.169.254",
    "2002:a9fe:a9fe::1",
    "fd00:ec2::254",
    "fe80::1",
    "ff02::1",
    "255.255.255.255",
    "224.0.0.1",
    "240.0.0.1",
    "64:ff9b::0.0.0.0",
    "2001:0:7f00:1::",
    "0.0.0.1",
    "::ffff:0.0.0.1",
    "2001:db8::5efe:127.0.0.1",
    NULL,
};

const char *const eg_own[] = {
    "127.0.0.1", "127.0.0.2",        "0.0.0.0",        "::1", "::", "10.77.0.2",
    "fd77::2",   "::ffff:127.0.0.1", "::ffff:0.0.0.0", NULL,
};

/* Has a decision been told since there were so many, and let it go? */
static bool was_allowed(struct eg *eg, size_t before)
{
    return eg_audits(eg) > before && eg_last(eg).allowed;
}

int eg_ask(struct eg *eg, const char *host, unsigned short port)
{
    struct gn_pollfd pfd = {.events = POLLIN};
    size_t before = eg_audits(eg);
    int err, waited;

    pfd.sock = eg_dial(eg, SOCK_DGRAM, host, port, &err);
    if (!pfd.sock)
        return err;
    err = (int)gn_sock_send(pfd.sock, "x", 1, 0);
    err = err < 0 ? err : 0;
    for (waited = 0; !err && !was_allowed(eg, before); waited++) {
        assert_true(waited < BOUND_MS / 10);
        if (gn_sock_poll(&pfd, 1, 10))
            err = take_error(pfd.sock);
    }
    drop(pfd.sock);
    return err;
}

short eg_wait(struct gn_sock *sock, short events)
{
    struct gn_pollfd pfd = {.sock = sock, .events = events};

    assert_int_equal(gn_sock_poll(&pfd, 1, BOUND_MS), 1);
    return pfd.revents;
}

int eg_error(struct gn_sock *sock)
{
    return take_error(sock);
}

bool eg_readable(int fd, int timeout_ms)
{
    struct pollfd pfd = {.fd = fd, .events = POLLIN};

    return poll(&pfd, 1, timeout_ms) == 1;
}

int eg_accept(int listener)
{
    int fd;

    assert_true(eg_readable(listener, BOUND_MS));
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

void eg_talk(struct gn_sock *sock, int fd)
{
    char buf[16];

    assert_int_equal(gn_sock_send(sock, "ping", 4, 0), 4);
    assert_true(eg_readable(fd, BOUND_MS));
    assert_int_equal(recv(fd, buf, sizeof(buf), 0), 4);
    assert_memory_equal(buf, "ping", 4);
    assert_int_equal(send(fd, "pong", 4, MSG_NOSIGNAL), 4);
    assert_true(eg_wait(sock, POLLIN) & POLLIN);
    assert_int_equal(gn_sock_recv(sock, buf, sizeof(buf), 0), 4);
    assert_memory_equal(buf, "pong", 4);
}
