/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A network that closes, or a guest that is killed, with everything of the
 * host's under way at once: dials, lookups, listeners, datagrams, writes that
 * wait, closes that have not been told yet, a guest's connection outside, a
 * capture, published ports and their clients. Under each drive, each request
 * and each subscription is told once that it is over, before the network says
 * so, and nothing after it.
 */
#include <guestnet/guestnet.h>

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "tests/lib/heap.h"
#include "tests/lib/until.h"
#include "tests/lib/units.h"

/** Turns until a test gives up, ms. */
#define PATIENCE 30000u
/** More than any window takes. */
#define MUCH (16u * 1024 * 1024)
/** The address of a guest that comes after all others. */
#define NEXT "10.77.0.9"

/** One thing that has to be said once. */
struct told {
    const char *what;
    struct fixture *f;
    int wanted; /* the last status */
    _Atomic unsigned n;
    _Atomic int status;
    bool late; /* after the network's end */
};

enum {
    DIAL_SILENT,
    DIAL_NAME,
    DIAL_FRESH,
    LOOKUP_IP,
    LOOKUP_PORT,
    LOOKUP_ADDR,
    LOOKUP_QUERY,
    LISTENER,
    LISTENER_NEXT,
    DIAL_NEXT,
    PACKETS,
    READER,
    WRITE,
    SHUTDOWN,
    UDP_READER,
    CONN_CLOSED,
    CONN_CLOSED_WRITE,
    LISTENER_CLOSED,
    PACKETS_CLOSED,
    GUEST_CLOSED,
    UNPUBLISHED,
    N_TOLD
};

struct fixture {
    struct gn_test_heap heap;
    uv_loop_t loop;
    enum gn_drive drive;
    struct gn_clock *clock;
    struct gn_resolver *hang;
    struct gn_resolver *own;
    struct gn_egress *outside;
    struct gn_network *net;
    struct gn_namespace *gateway, *a, *silent, *leaving;
    bool killed;
    struct gn_conn *conns[12];
    _Atomic unsigned n_conns;
    struct told told[N_TOLD];
    _Atomic unsigned n_closed;
    struct gn_sock *socks[4];
    unsigned n_socks;
    int clients[4];
    unsigned n_clients;
    _Atomic unsigned n_shown, n_dialled, n_cancelled; /* by the hooks */
    char capture[64];
};

static uint8_t bytes[MUCH];

/* ---- the drives ---- */

/* The @n-th; false: enough of them. */
static bool turn(struct fixture *f, uint64_t since_ns, unsigned n)
{
    switch (f->drive) {
    case GN_DRIVE_VIRTUAL:
        gn_clock_advance(f->clock, GN_MS);
        return n < PATIENCE;
    case GN_DRIVE_LOOP:
        uv_run(&f->loop, UV_RUN_NOWAIT);
        break;
    case GN_DRIVE_CALLER:
        if (f->net)
            (void)gn_network_run(f->net, GN_RUN_NOWAIT);
        break;
    default:
        break;
    }
    return gn_test_patient(since_ns);
}

#define until(f, condition)                              \
    do {                                                 \
        uint64_t since_ns_ = gn_test_now_ns();           \
        unsigned n_ = 0;                                 \
        while (!(condition) && turn(f, since_ns_, n_++)) \
            continue;                                    \
        if (!(condition))                                \
            fail_msg("never: %s", #condition);           \
    } while (0)

/* ---- what is told ---- */

static struct told *expect(struct fixture *f, unsigned i, const char *what,
                           int wanted)
{
    f->told[i].what = what;
    f->told[i].f = f;
    f->told[i].wanted = wanted;
    return &f->told[i];
}

static void tell(void *arg, int status)
{
    struct told *told = arg;

    told->status = status;
    told->late |= told->f->n_closed != 0;
    told->n++;
}

static void tell_closed(void *arg)
{
    tell(arg, 0);
}

static void tell_dialled(struct gn_dial *dial, int status, struct gn_conn *conn,
                         void *arg)
{
    (void)dial;
    (void)conn;
    tell(arg, status);
}

static void tell_ip(struct gn_lookup *lookup, int status,
                    const struct gn_answer *answers, size_t n, void *arg)
{
    (void)lookup;
    (void)answers;
    (void)n;
    tell(arg, status);
}

static void tell_port(struct gn_lookup *lookup, int status, uint16_t port,
                      void *arg)
{
    (void)lookup;
    (void)port;
    tell(arg, status);
}

static void tell_addr(struct gn_lookup *lookup, int status, const char *name,
                      void *arg)
{
    (void)lookup;
    (void)name;
    tell(arg, status);
}

static void tell_query(struct gn_lookup *lookup, int status,
                       const void *message, size_t len, void *arg)
{
    (void)lookup;
    (void)message;
    (void)len;
    tell(arg, status);
}

static void tell_accepted(struct gn_listener *listener, int status,
                          struct gn_conn *conn, void *arg)
{
    struct told *told = arg;
    struct fixture *f = told->f;

    (void)listener;
    if (conn)
        f->conns[f->n_conns++] = conn;
    else
        tell(arg, status);
}

static void keep_dialled(struct gn_dial *dial, int status, struct gn_conn *conn,
                         void *arg)
{
    struct fixture *f = arg;

    (void)dial;
    assert_int_equal(status, 0);
    f->conns[f->n_conns++] = conn;
}

static void tell_packet(struct gn_packet_conn *conn, ssize_t nread,
                        const void *data, const struct sockaddr *from,
                        void *arg)
{
    (void)conn;
    (void)data;
    (void)from;
    if (nread < 0)
        tell(arg, (int)nread);
}

static void tell_read(struct gn_conn *conn, ssize_t nread, const void *data,
                      void *arg)
{
    (void)conn;
    (void)data;
    if (nread < 0)
        tell(arg, (int)nread);
}

static void tell_written(struct gn_conn *conn, int status, void *arg)
{
    (void)conn;
    tell(arg, status);
}

/* ---- the world outside ---- */

static int never_dial(void *self, struct gn_egress_dial *request, int family,
                      int type, const struct sockaddr *address,
                      const char *looked_up_name)
{
    (void)family;
    (void)type;
    (void)address;
    (void)looked_up_name;
    (void)request;
    ((struct fixture *)self)->n_dialled++;
    return 0;
}

static int show_listener(void *self, struct gn_egress_listener *listener,
                         const struct sockaddr *local)
{
    (void)listener;
    (void)local;
    ((struct fixture *)self)->n_shown++;
    return 0;
}

static void cancel_outside(void *self, void *request)
{
    struct fixture *f = self;

    (void)request;
    assert_int_equal(f->n_closed, 0);
    f->n_cancelled++;
}

static const struct gn_egress_ops outside_ops = {
    .name = "never",
    .dial = never_dial,
    .listen = show_listener,
    .cancel = cancel_outside,
};

/* ---- the network ---- */

static struct gn_namespace *guest(struct fixture *f, const char *name,
                                  const char *const *addresses)
{
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .name = name,
                                         .addresses = addresses,
                                         .egress = f->outside};
    struct gn_namespace *ns;

    assert_int_equal(gn_namespace_create(f->net, &config, &ns), 0);
    return ns;
}

static void make_resolvers(struct fixture *f)
{
    static const struct gn_fault_rule hang[] = {
        {.pattern = "*", .fault = GN_FAULT_HANG}};
    struct gn_resolver_fault_config config = {.size = sizeof(config),
                                              .rules = hang,
                                              .n_rules = 1,
                                              .alloc = &f->heap.alloc};

    assert_int_equal(gn_resolver_network(&f->own), 0);
    config.inner = f->own;
    assert_int_equal(gn_resolver_fault(&config, &f->hang), 0);
}

static void open_all(struct fixture *f, enum gn_drive drive)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_clock_config clock = {.size = sizeof(clock),
                                    .alloc = &f->heap.alloc};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = drive,
                                       .alloc = &f->heap.alloc};
    const struct gn_path_config block = {.size = sizeof(block), .block = true};

    memset(f, 0, sizeof(*f));
    gn_test_heap_init(&f->heap);
    f->drive = drive;
    if (drive == GN_DRIVE_VIRTUAL)
        assert_int_equal(gn_clock_create(&clock, &f->clock), 0);
    if (drive == GN_DRIVE_LOOP)
        assert_int_equal(uv_loop_init(&f->loop), 0);
    make_resolvers(f);
    assert_int_equal(gn_egress_create(&outside_ops, f, &f->outside), 0);
    config.clock = f->clock;
    config.loop = drive == GN_DRIVE_LOOP ? &f->loop : NULL;
    config.resolver = f->hang;
    assert_int_equal(gn_network_create(&config, &f->net), 0);
    f->gateway = gn_network_gateway(f->net);
    f->a = guest(f, "a", NULL);             /* 10.77.0.2 */
    f->silent = guest(f, "silent", NULL);   /* .3 */
    f->leaving = guest(f, "leaving", NULL); /* .4 */
    assert_int_equal(gn_path_set(f->net, f->gateway, f->silent, &block), 0);
}

static void dial(struct fixture *f, const char *proto, const char *address,
                 gn_dial_cb callback, void *arg)
{
    assert_int_equal(
        gn_dial(f->gateway, proto, address, NULL, callback, arg, NULL), 0);
}

/* ---- all of it ---- */

static void begin_requests(struct fixture *f)
{
    const struct sockaddr_in addr = {.sin_family = AF_INET,
                                     .sin_addr.s_addr = htonl(0x0a4d0002)};

    dial(f, "tcp", "10.77.0.3:80", tell_dialled,
         expect(f, DIAL_SILENT, "a dial nobody answers", -ECANCELED));
    dial(f, "tcp", "name:80", tell_dialled,
         expect(f, DIAL_NAME, "a dial to a name", -ECANCELED));
    assert_int_equal(gn_lookup(f->a, "ip", "name", tell_ip,
                               expect(f, LOOKUP_IP, "a lookup", -ECANCELED),
                               NULL),
                     0);
    assert_int_equal(
        gn_lookup_port(f->a, "tcp", "service", tell_port,
                       expect(f, LOOKUP_PORT, "of a service", -ECANCELED),
                       NULL),
        0);
    assert_int_equal(
        gn_lookup_addr(f->a, (const struct sockaddr *)&addr, tell_addr,
                       expect(f, LOOKUP_ADDR, "of an address", -ECANCELED),
                       NULL),
        0);
    assert_int_equal(
        gn_lookup_query(f->a, "name", 16, tell_query,
                        expect(f, LOOKUP_QUERY, "of a record", -ECANCELED),
                        NULL),
        0);
}

/* Conns: 0 and 1 are the ends of one, 2 and 3 of another, 4 is "udp". */
static void begin_conns(struct fixture *f)
{
    struct gn_listener *listener;
    struct gn_packet_conn *packets;

    assert_int_equal(gn_listen(f->a, "tcp", ":80", tell_accepted,
                               expect(f, LISTENER, "a listener", -ECANCELED),
                               &listener),
                     0);
    assert_int_equal(
        gn_listen_packet(f->a, "udp", ":80", tell_packet,
                         expect(f, PACKETS, "a packet conn", -ECANCELED),
                         &packets),
        0);
    dial(f, "tcp", "10.77.0.2:80", keep_dialled, f);
    until(f, f->n_conns == 2);
    dial(f, "tcp", "[fd77::2]:80", keep_dialled, f);
    until(f, f->n_conns == 4);
    dial(f, "udp", "10.77.0.2:80", keep_dialled, f);
    until(f, f->n_conns == 5);
}

static void begin_subscriptions(struct fixture *f)
{
    assert_int_equal(
        gn_conn_read_start(f->conns[0], tell_read,
                           expect(f, READER, "a reader", -ECANCELED)),
        0);
    assert_int_equal(
        gn_conn_read_start(f->conns[4], tell_read,
                           expect(f, UDP_READER, "a udp reader", -ECANCELED)),
        0);
    assert_int_equal(gn_conn_write(f->conns[0], bytes, MUCH, tell_written,
                                   expect(f, WRITE, "a write", -ECANCELED)),
                     1);
    assert_int_equal(
        gn_conn_shutdown(f->conns[0], tell_written,
                         expect(f, SHUTDOWN, "a shutdown", -ECANCELED)),
        0);
}

static struct gn_sock *outside_sock(struct fixture *f, const char *address)
{
    struct sockaddr_storage addr;
    struct gn_sock *sock;
    socklen_t len;

    assert_int_equal(
        gn_sock_open(f->a, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, &sock), 0);
    assert_int_equal(gn_addr_parse(address, &addr, &len), 0);
    f->socks[f->n_socks++] = sock;
    if (strstr(address, "0.0.0.0")) {
        assert_int_equal(gn_sock_bind(sock, (struct sockaddr *)&addr, len), 0);
        assert_int_equal(gn_sock_listen(sock, 1), 0);
    } else {
        assert_int_equal(gn_sock_connect(sock, (struct sockaddr *)&addr, len),
                         -EINPROGRESS);
    }
    return sock;
}

static void begin_outside(struct fixture *f)
{
    (void)outside_sock(f, "203.0.113.7:80");
    (void)outside_sock(f, "0.0.0.0:81");
    until(f,
          f->n_dialled == 1 && f->n_shown == 2); /* The listener of a, too. */
}

static struct gn_publication *publish(struct fixture *f, const char *proto,
                                      const char *target, int type)
{
    struct gn_publication *pub;
    struct sockaddr_in addr;
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    assert_int_equal(
        gn_publish(f->net, proto, "127.0.0.1:0", target, NULL, &pub), 0);
    gn_publication_addr(pub, (struct sockaddr *)&addr, &len);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
    f->clients[f->n_clients++] = fd;
    return pub;
}

static uint64_t n_accepted(struct gn_publication *pub)
{
    struct gn_publication_stats stats;

    gn_publication_stats(pub, &stats);
    return stats.accepted;
}

/* Clients that are served, that wait for a name, and that get no answer. */
static struct gn_publication *begin_published(struct fixture *f)
{
    struct gn_publication *served =
        publish(f, "tcp", "10.77.0.2:80", SOCK_STREAM);
    struct gn_publication *named = publish(f, "tcp", "name:80", SOCK_STREAM);
    struct gn_publication *flow = publish(f, "udp", "10.77.0.2:80", SOCK_DGRAM);
    struct gn_publication *silent =
        publish(f, "tcp", "10.77.0.3:80", SOCK_STREAM);

    until(f, n_accepted(named) && n_accepted(flow) && n_accepted(silent));
    until(f, n_accepted(served) && f->n_conns == 6);
    return silent;
}

/* What is asked for on the last turn, and has not been told when it closes. */
static void begin_ends(struct fixture *f, struct gn_publication *pub)
{
    struct gn_listener *listener;
    struct gn_packet_conn *packets;

    assert_int_equal(
        gn_listen(f->gateway, "tcp", ":90", tell_accepted,
                  expect(f, LISTENER_CLOSED, "a listener's end", 0), &listener),
        0);
    assert_int_equal(
        gn_listen_packet(f->gateway, "udp", ":90", tell_packet,
                         expect(f, PACKETS_CLOSED, "a packet conn's end", 0),
                         &packets),
        0);
    assert_int_equal(
        gn_conn_write(f->conns[2], bytes, MUCH, tell_written,
                      expect(f, CONN_CLOSED_WRITE, "its write", -ECANCELED)),
        1);
    dial(f, "tcp", "10.77.0.2:80", tell_dialled,
         expect(f, DIAL_FRESH, "a fresh dial", -ECANCELED));
    assert_int_equal(gn_conn_close(f->conns[2], tell_closed,
                                   expect(f, CONN_CLOSED, "a conn's end", 0)),
                     0);
    assert_int_equal(
        gn_listener_close(listener, tell_closed, &f->told[LISTENER_CLOSED]), 0);
    assert_int_equal(
        gn_packet_close(packets, tell_closed, &f->told[PACKETS_CLOSED]), 0);
    gn_namespace_close(f->leaving, 0, tell_closed,
                       expect(f, GUEST_CLOSED, "a guest's end", 0));
    if (pub)
        gn_unpublish(pub, tell_closed,
                     expect(f, UNPUBLISHED, "a publication's end", 0));
}

static void closed(void *arg)
{
    struct fixture *f = arg;

    f->n_closed++;
}

/* A dial on its last turn may have arrived just before, and a peer of a killed
 * guest is told of a reset. */
static bool is_right(const struct told *told)
{
    struct fixture *f = told->f;

    return told->status == told->wanted ||
           (told == &f->told[DIAL_FRESH] && !told->status) ||
           (f->killed && told->wanted &&
            (told->status == -ECONNRESET || told->status == -ECONNREFUSED));
}

static void check_told(struct fixture *f)
{
    unsigned i;

    assert_int_equal(f->n_cancelled, f->n_dialled + f->n_shown);
    for (i = 0; i < N_TOLD; i++) {
        struct told *told = &f->told[i];

        if (told->what && told->n != 1)
            fail_msg("%s was told %u times", told->what, told->n);
        if (told->what && told->late)
            fail_msg("%s was told after the network's end", told->what);
        if (told->what && !is_right(told))
            fail_msg("%s: %d", told->what, told->status);
    }
}

static void close_all(struct fixture *f)
{
    unsigned i;

    gn_egress_close(f->outside);
    gn_clock_close(f->clock);
    gn_resolver_close(f->hang);
    gn_resolver_close(f->own);
    if (f->drive == GN_DRIVE_LOOP) {
        assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
        assert_int_equal(uv_loop_close(&f->loop), 0);
    }
    for (i = 0; i < f->n_socks; i++) {
        gn_sock_close(f->socks[i]);
        gn_sock_unref(f->socks[i]);
    }
    for (i = 0; i < f->n_clients; i++)
        close(f->clients[i]);
    unlink(f->capture);
    gn_test_heap_done(&f->heap);
}

static void start_capture(struct fixture *f)
{
    struct gn_capture *capture;
    int fd;

    (void)snprintf(f->capture, sizeof(f->capture), "/tmp/guestnet-end-XXXXXX");
    fd = mkstemp(f->capture);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(gn_capture_start(f->net, NULL, f->capture, &capture), 0);
}

/* Others go on, and new ones come. */
static void kill_the_guest(struct fixture *f)
{
    static const unsigned ends[] = {LISTENER,    PACKETS,      READER,
                                    WRITE,       SHUTDOWN,     LOOKUP_IP,
                                    LOOKUP_ADDR, LOOKUP_QUERY, LOOKUP_PORT};
    static const char *const address[] = {NEXT, NULL};
    struct gn_listener *listener;
    unsigned i;

    f->killed = true;
    gn_namespace_kill(f->a);
    for (i = 0; i < sizeof(ends) / sizeof(*ends); i++)
        until(f, f->told[ends[i]].n);
    until(f, f->n_cancelled == f->n_dialled + f->n_shown);
    assert_int_equal(f->told[DIAL_SILENT].n + f->told[DIAL_NAME].n, 0);
    assert_int_equal(
        gn_listen(guest(f, "next", address), "tcp4", ":99", tell_accepted,
                  expect(f, LISTENER_NEXT, "the next one's", -ECANCELED),
                  &listener),
        0);
    until(f, f->n_shown == 3);
    dial(f, "tcp", NEXT ":99", tell_dialled,
         expect(f, DIAL_NEXT, "a dial to the next one", 0));
    until(f, f->told[DIAL_NEXT].n);
}

static void run(enum gn_drive drive, bool kill)
{
    struct gn_publication *pub = NULL;
    struct fixture *f = malloc(sizeof(*f));
    struct gn_network *net;

    assert_non_null(f);
    open_all(f, drive);
    start_capture(f);
    begin_conns(f);
    begin_outside(f);
    if (drive != GN_DRIVE_VIRTUAL)
        pub = begin_published(f);
    begin_requests(f);
    begin_subscriptions(f);
    begin_ends(f, pub);
    if (kill)
        kill_the_guest(f);
    net = f->net;
    gn_network_close(net, closed, f);
    if (drive != GN_DRIVE_THREAD)
        assert_int_equal(f->n_closed, 0);
    until(f, f->n_closed);
    f->net = NULL;
    check_told(f);
    close_all(f);
    assert_int_equal(f->n_closed, 1);
    check_told(f);
    free(f);
}

static void the_network_closes_by_a_thread(void **state)
{
    (void)state;
    run(GN_DRIVE_THREAD, false);
}

static void the_network_closes_by_a_loop(void **state)
{
    (void)state;
    run(GN_DRIVE_LOOP, false);
}

static void the_network_closes_by_its_caller(void **state)
{
    (void)state;
    run(GN_DRIVE_CALLER, false);
}

static void the_network_closes_by_a_clock(void **state)
{
    (void)state;
    run(GN_DRIVE_VIRTUAL, false);
}

static void a_guest_is_killed_by_a_thread(void **state)
{
    (void)state;
    run(GN_DRIVE_THREAD, true);
}

static void a_guest_is_killed_by_a_loop(void **state)
{
    (void)state;
    run(GN_DRIVE_LOOP, true);
}

static void a_guest_is_killed_by_its_caller(void **state)
{
    (void)state;
    run(GN_DRIVE_CALLER, true);
}

static void a_guest_is_killed_by_a_clock(void **state)
{
    (void)state;
    run(GN_DRIVE_VIRTUAL, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_network_closes_by_a_thread),
        cmocka_unit_test(the_network_closes_by_a_loop),
        cmocka_unit_test(the_network_closes_by_its_caller),
        cmocka_unit_test(the_network_closes_by_a_clock),
        cmocka_unit_test(a_guest_is_killed_by_a_thread),
        cmocka_unit_test(a_guest_is_killed_by_a_loop),
        cmocka_unit_test(a_guest_is_killed_by_its_caller),
        cmocka_unit_test(a_guest_is_killed_by_a_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
