/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many machines at one path, played by the test: which NIC each gets, which of
 * them are turned away and why, and the end at every step.
 */
#include <guestnet/nic.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <guestnet/sim.h>
#include <guestnet/socket.h>

#include "netstack/netstack.h"
#include "tests/lib/case.h"
#include "tests/lib/loglines.h"
#include "tests/lib/machine.h"
#include "tests/lib/simnet.h"
#include "tests/lib/until.h"

enum { ARP_LEN = 46, HEAD_LEN = 16, FRAME_MAX = GN_MACHINE_FRAME_MAX };

struct fixture {
    struct gn_test_heap heap;
    struct gn_network *net;
    struct gn_namespace *web; /* 10.77.0.2; vm1 has .3, vm2 .4, ... */
    char dir[32], path[64];
    struct gn_loglines lines;
};

static int setup(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    static struct fixture f;
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .log = gn_loglines_add,
                                       .log_arg = &f.lines};

    memset(&f, 0, sizeof(f));
    gn_test_heap_init(&f.heap);
    config.alloc = &f.heap.alloc;
    gn_loglines_init(&f.lines);
    strcpy(f.dir, "/tmp/guestnet-nic-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    (void)snprintf(f.path, sizeof(f.path), "%s/vms", f.dir);
    assert_int_equal(gn_network_create(&config, &f.net), 0);
    f.web = gn_simnet_guest(f.net, "web");
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->net)
        gn_network_close(f->net, NULL, NULL);
    gn_test_heap_done(&f->heap);
    assert_int_equal(rmdir(f->dir), 0); /* Nothing is left in it. */
    gn_loglines_done(&f->lines);
    return 0;
}

/* ---- the listener ---- */

static struct gn_nic_listener *listener_of(
    struct fixture *f, const struct gn_nic_listen_options *options)
{
    struct gn_nic_listener *listener;

    assert_int_equal(gn_nic_listen(f->net, NULL, f->path, options, &listener),
                     0);
    return listener;
}

static struct gn_nic_listener *listen_for(struct fixture *f, uint32_t max_nics)
{
    const struct gn_nic_listen_options options = {.size = sizeof(options),
                                                  .max_nics = max_nics};

    return listener_of(f, &options);
}

static void listener_end(struct gn_nic_listener *listener)
{
    gn_nic_listener_close(listener, NULL, NULL);
}

static struct gn_nic_listener_stats stats_of(struct gn_nic_listener *listener)
{
    struct gn_nic_listener_stats stats;

    gn_nic_listener_stats(listener, &stats);
    return stats;
}

static struct gn_nic_stats nic_stats(struct gn_nic_listener *listener,
                                     unsigned i)
{
    struct gn_nic_stats stats;

    gn_nic_stats(gn_nic_listener_nic(listener, i), &stats);
    return stats;
}

/* ---- machines ---- */

/* "Who has 10.77.0.1?", asked by the machine 52:54:00:12:34:@mac, which takes
 * itself for 10.77.0.@ip. */
static void arp_of(uint8_t mac, uint8_t ip, uint8_t bytes[ARP_LEN])
{
    gn_machine_arp(1, bytes);
    bytes[HEAD_LEN - 1] = mac;
    bytes[18 + 13] = mac;
    bytes[18 + 17] = ip;
}

static void machine_ask(int fd, uint8_t mac, uint8_t ip)
{
    uint8_t bytes[ARP_LEN];

    arp_of(mac, ip, bytes);
    gn_machine_write(fd, bytes, sizeof(bytes));
    gn_machine_expect_arp(fd, 1);
}

static int machine_start(struct fixture *f, uint8_t mac, uint8_t ip)
{
    int fd = gn_machine_connect(f->path);

    machine_ask(fd, mac, ip);
    return fd;
}

static void expect_end(int fd)
{
    uint8_t byte;
    ssize_t n = recv(fd, &byte, 1, 0);

    assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
    close(fd);
}

/* A stranger comes, and is turned away. */
static void expect_full(struct fixture *f, uint8_t mac)
{
    uint8_t bytes[ARP_LEN];
    int fd = gn_machine_connect(f->path);

    arp_of(mac, 9, bytes);
    gn_machine_write(fd, bytes, sizeof(bytes));
    expect_end(fd);
}

/* ---- which NIC ---- */

static void two_machines_with_one_mac_are_two_guests(void **state)
{
    struct fixture *f = *state;
    struct gn_nic_listener *listener = listen_for(f, 3);
    int first = machine_start(f, 0x56, 3), second = machine_start(f, 0x56, 4);

    machine_ask(first, 0x56, 3);
    machine_ask(second, 0x56, 4);
    assert_int_equal(nic_stats(listener, 0).arp, 2);
    assert_int_equal(nic_stats(listener, 1).arp, 2);
    assert_int_equal(nic_stats(listener, 0).spoofed, 0);
    assert_int_equal(nic_stats(listener, 1).spoofed, 0);
    assert_true(nic_stats(listener, 1).carrier);
    assert_false(nic_stats(listener, 2).carrier);
    assert_int_equal(stats_of(listener).clients, 2);
    close(first);
    close(second);
    listener_end(listener);
}

static void expect_datagram(struct fixture *f, int fd, const char *to)
{
    struct gn_sock *sock = gn_simnet_udp(f->web, "10.77.0.2:7");
    uint8_t frame[FRAME_MAX];

    assert_int_equal(gn_simnet_send(sock, to, "hello", 5), 5);
    assert_int_equal(gn_machine_read(fd, frame), 14 + 28 + 5);
    assert_memory_equal(frame + 14 + 28, "hello", 5);
    gn_simnet_end(sock);
}

/* At once, before its end has had a turn, and in another order than before. */
static void one_that_comes_again_is_the_same_guest(void **state)
{
    struct fixture *f = *state;
    struct gn_nic_listener *listener = listen_for(f, 3);
    int a = machine_start(f, 1, 3), b = machine_start(f, 2, 4), i;

    for (i = 0; i < 100; i++) {
        close(a);
        close(b);
        b = machine_start(f, 2, 4);
        a = machine_start(f, 1, 3);
    }
    assert_int_equal(nic_stats(listener, 0).clients, 101);
    assert_int_equal(nic_stats(listener, 1).clients, 101);
    assert_int_equal(nic_stats(listener, 2).clients, 0);
    assert_int_equal(nic_stats(listener, 0).mac[5], 1);
    assert_int_equal(nic_stats(listener, 1).mac[5], 2);
    assert_int_equal(nic_stats(listener, 1).spoofed, 0);
    assert_ptr_equal(gn_namespace_find(f->net, "vm2"),
                     gn_nic_namespace(gn_nic_listener_nic(listener, 1)));
    expect_datagram(f, a, "10.77.0.3:9");
    expect_datagram(f, b, "10.77.0.4:9");
    close(a);
    close(b);
    listener_end(listener);
}

/* It has not even been looked at before its machine comes again. */
static void one_that_goes_at_once_leaves_room(void **state)
{
    struct fixture *f = *state;
    const struct gn_nic_listen_options options = {
        .size = sizeof(options), .max_nics = 1, .max_waiting = 1};
    struct gn_nic_listener *listener = listener_of(f, &options);
    uint8_t bytes[ARP_LEN];
    int i;

    arp_of(1, 3, bytes);
    for (i = 0; i < 200; i++) {
        int fd = gn_machine_connect(f->path);

        (void)send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
        close(fd);
        close(machine_start(f, 1, 3));
    }
    listener_end(listener);
}

/* And one that is new never gets what another had. */
static void a_gone_machines_nic_is_kept_for_it(void **state)
{
    struct fixture *f = *state;
    struct gn_nic_listener *listener = listen_for(f, 2);
    int first = machine_start(f, 1, 3), second;

    close(first);
    second = machine_start(f, 2, 4);
    expect_full(f, 3);
    first = machine_start(f, 1, 3);
    assert_int_equal(nic_stats(listener, 0).clients, 2);
    assert_int_equal(nic_stats(listener, 1).clients, 1);
    close(first);
    close(second);
    listener_end(listener);
}

static void nics_are_there_before_their_machines(void **state)
{
    struct fixture *f = *state;
    struct gn_nic_config config = {.size = sizeof(config), .name = "box"};
    struct gn_nic_listener *listener;

    assert_int_equal(gn_nic_listen(f->net, &config, f->path, NULL, &listener),
                     0);
    assert_ptr_equal(gn_namespace_find(f->net, "box8"),
                     gn_nic_namespace(gn_nic_listener_nic(listener, 7)));
    assert_non_null(gn_namespace_find(f->net, "box1"));
    assert_null(gn_namespace_find(f->net, "box9"));
    assert_null(gn_nic_listener_nic(listener, 8));
    listener_end(listener);
    assert_null(gn_namespace_find(f->net, "box1"));
}

static void frames_come_in_any_pieces(void **state)
{
    struct fixture *f = *state;
    struct gn_nic_listener *listener = listen_for(f, 1);
    int fd = gn_machine_connect(f->path), i;
    uint8_t bytes[2 * ARP_LEN];

    arp_of(1, 3, bytes);
    arp_of(1, 3, bytes + ARP_LEN);
    for (i = 0; i < ARP_LEN; i++) {
        gn_machine_write(fd, bytes + i, 1);
        if (i == HEAD_LEN - 2)
            gn_test_until(stats_of(listener).waiting == 1);
        if (i == HEAD_LEN - 1)
            gn_test_until(stats_of(listener).clients == 1);
    }
    gn_machine_expect_arp(fd, 1);
    close(fd);
    fd = gn_machine_connect(f->path);
    gn_machine_write(fd, bytes, sizeof(bytes)); /* Two at once. */
    gn_machine_expect_arp(fd, 1);
    gn_machine_expect_arp(fd, 1);
    assert_int_equal(stats_of(listener).waiting, 0);
    close(fd);
    listener_end(listener);
}

static void half_a_frame_and_silence_delays_no_other(void **state)
{
    struct fixture *f = *state;
    struct gn_nic_listener *listener = listen_for(f, 2);
    int half = gn_machine_connect(f->path), other;
    uint8_t bytes[ARP_LEN];

    arp_of(1, 3, bytes);
    gn_machine_write(half, bytes, 30);
    gn_test_until(nic_stats(listener, 0).carrier);
    other = machine_start(f, 2, 4);
    machine_ask(other, 2, 4);
    close(half); /* Its half is not the beginning of what comes next. */
    half = machine_start(f, 1, 3);
    assert_int_equal(nic_stats(listener, 0).clients, 2);
    assert_int_equal(nic_stats(listener, 0).malformed, 0);
    close(half);
    close(other);
    listener_end(listener);
}

/* ---- turned away ---- */

static void one_too_many_is_turned_away(void **state)
{
    struct fixture *f = *state;
    struct gn_nic_listener *listener = listen_for(f, 2);
    int first = machine_start(f, 1, 3), second = machine_start(f, 1, 4);

    expect_full(f, 1); /* Each of its NICs is in use. */
    expect_full(f, 2);
    assert_int_equal(stats_of(listener).full, 2);
    assert_int_equal(stats_of(listener).clients, 2);
    gn_test_until(gn_loglines_count(
        &f->lines, "full: each NIC is another machine's: max_nics"));
    machine_ask(first, 1, 3);
    machine_ask(second, 1, 4);
    close(first);
    close(second);
    listener_end(listener);
}

static void those_that_say_nothing_have_a_bound(void **state)
{
    const struct gn_nic_listen_options options = {
        .size = sizeof(options), .max_nics = 1, .max_waiting = 2};
    struct fixture *f = *state;
    struct gn_nic_listener *listener = listener_of(f, &options);
    int silent = gn_machine_connect(f->path);
    int other = gn_machine_connect(f->path);

    gn_test_until(stats_of(listener).waiting == 2);
    expect_end(gn_machine_connect(f->path));
    assert_int_equal(stats_of(listener).crowded, 1);
    gn_test_until(gn_loglines_count(
        &f->lines, "crowded: too many have sent no frame yet: max_waiting"));
    close(silent); /* Its place is free. */
    gn_test_until(stats_of(listener).waiting == 1);
    close(machine_start(f, 1, 3));
    close(other);
    gn_test_until(stats_of(listener).waiting == 0);
    assert_int_equal(stats_of(listener).crowded, 1);
    listener_end(listener);
}

static void silence_has_an_end(void **state)
{
    const struct gn_nic_listen_options options = {.size = sizeof(options),
                                                  .wait_ms = 200};
    struct fixture *f = *state;
    struct gn_nic_listener *listener = listener_of(f, &options);
    uint64_t began = gn_test_now_ns();
    int silent = gn_machine_connect(f->path);
    int half = gn_machine_connect(f->path), good;
    uint8_t bytes[ARP_LEN];

    arp_of(1, 3, bytes);
    gn_machine_write(half, bytes, HEAD_LEN - 1);
    good = machine_start(f, 2, 3);
    expect_end(silent);
    assert_true(gn_test_now_ns() - began >= 200 * GN_MS);
    expect_end(half);
    assert_int_equal(stats_of(listener).silent, 2);
    assert_int_equal(stats_of(listener).waiting, 0);
    gn_test_until(
        gn_loglines_count(&f->lines, "silent: no frame came: wait_ms"));
    machine_ask(good, 2, 3); /* It has no deadline any more. */
    close(good);
    listener_end(listener);
}

static void a_frame_that_is_none_is_turned_away(void **state)
{
    static const uint32_t lengths[] = {0, 13, 69633, 0x80000000u, UINT32_MAX};
    struct fixture *f = *state;
    struct gn_nic_listener *listener = listen_for(f, 1);
    uint8_t bytes[ARP_LEN];
    size_t i;

    for (i = 0; i < 7; i++) {
        int fd = gn_machine_connect(f->path);

        arp_of(1, 3, bytes);
        if (i < 5)
            gn__put32(bytes, lengths[i]);
        else
            memset(bytes + 10, i == 5 ? 0 : 0xff, 6);
        gn_machine_write(fd, bytes, sizeof(bytes));
        expect_end(fd);
    }
    assert_int_equal(stats_of(listener).malformed, 7);
    assert_int_equal(stats_of(listener).clients, 0);
    gn_test_until(gn_loglines_count(&f->lines, "malformed: "));
    close(machine_start(f, 1, 3)); /* They have taken no NIC. */
    listener_end(listener);
}

/* ---- events ---- */

static _Atomic(struct gn_nic *) last_on;

static void hear_carrier(struct gn_nic *nic, enum gn_nic_event what, void *arg)
{
    struct gn_nic_stats stats;

    (void)arg;
    gn_nic_stats(nic, &stats);
    if (what == GN_NIC_CARRIER && stats.carrier)
        atomic_store(&last_on, nic);
}

static void its_owner_hears_which_machine_came(void **state)
{
    struct fixture *f = *state;
    struct gn_nic_config config = {.size = sizeof(config),
                                   .event = hear_carrier};
    struct gn_nic_listener *listener;
    int first, second;

    assert_int_equal(gn_nic_listen(f->net, &config, f->path, NULL, &listener),
                     0);
    first = machine_start(f, 1, 3);
    gn_test_until(atomic_load(&last_on) == gn_nic_listener_nic(listener, 0));
    second = machine_start(f, 2, 4);
    gn_test_until(atomic_load(&last_on) == gn_nic_listener_nic(listener, 1));
    close(first);
    close(second);
    listener_end(listener);
}

/* ---- the end ---- */

static _Atomic unsigned n_closed;

static void count_closed(void *arg)
{
    (void)arg;
    atomic_fetch_add(&n_closed, 1);
}

/* A client that has said so many bytes of its first frame. */
static int client_at(struct fixture *f, struct gn_nic_listener *listener,
                     size_t said)
{
    int fd = gn_machine_connect(f->path);
    uint8_t bytes[ARP_LEN];

    arp_of(1, 3, bytes);
    gn_machine_write(fd, bytes, said);
    if (said < HEAD_LEN)
        gn_test_until(stats_of(listener).waiting == 1);
    else
        gn_test_until(nic_stats(listener, 0).carrier);
    return fd;
}

static void it_is_closed_at_every_step(void **state)
{
    static const size_t steps[] = {0, 1, HEAD_LEN - 1, HEAD_LEN, 30, ARP_LEN};
    struct fixture *f = *state;
    size_t i;

    listener_end(listen_for(f, 2));
    for (i = 0; i < 2 * sizeof(steps) / sizeof(*steps); i++) {
        struct gn_nic_listener *listener = listen_for(f, 2);
        int fd = client_at(f, listener, steps[i / 2]);
        struct stat st;

        if (i % 2) {
            atomic_store(&n_closed, 0);
            gn_nic_listener_close(listener, count_closed, NULL);
            gn_test_until(atomic_load(&n_closed) == 1);
        } else {
            listener_end(listener);
        }
        assert_int_equal(stat(f->path, &st), -1);
        while (recv(fd, &st, sizeof(st), 0) > 0)
            continue; /* The answer. */
        close(fd);
    }
}

static void the_network_ends_with_clients(void **state)
{
    struct fixture *f = *state;
    struct gn_nic_listener *listener = listen_for(f, 2);
    int waiting = client_at(f, listener, 5), fd = machine_start(f, 1, 3);

    gn_network_close(f->net, NULL, NULL);
    f->net = NULL;
    expect_end(waiting);
    expect_end(fd);
}

static void a_listener_that_is_closed_and_its_network_end_at_once(void **state)
{
    struct fixture *f = *state;
    struct gn_nic_listener *listener = listen_for(f, 2);
    int waiting = client_at(f, listener, 5), fd = machine_start(f, 1, 3);

    atomic_store(&n_closed, 0);
    gn_nic_listener_close(listener, count_closed, NULL);
    gn_network_close(f->net, NULL, NULL);
    f->net = NULL;
    assert_int_equal(atomic_load(&n_closed), 1);
    expect_end(waiting);
    expect_end(fd);
}

/* ---- memory ---- */

static void without_memory_it_is_enomem(void **state)
{
    struct fixture *f = *state;
    struct gn_nic_listener *listener = NULL;
    uint64_t n = 0;
    int err;

    do {
        gn_test_heap_fail_at(&f->heap, n++, false);
        err = gn_nic_listen(f->net, NULL, f->path, NULL, &listener);
        assert_true(err == 0 || err == -ENOMEM);
        assert_int_equal(access(f->path, F_OK), err ? -1 : 0);
    } while (err);
    gn_test_heap_fail_at(&f->heap, GN_TEST_HEAP_NEVER, false);
    assert_true(n > 8);
    close(machine_start(f, 1, 3));
    listener_end(listener);
}

static uint64_t n_treated(struct gn_nic_listener *listener)
{
    struct gn_nic_listener_stats stats = stats_of(listener);

    return stats.failed + stats.clients;
}

/* Or it is served, and the next one is. */
static void a_client_without_memory_is_turned_away(void **state)
{
    struct fixture *f = *state;
    struct gn_nic_listener *listener = listen_for(f, 1);
    uint8_t bytes[ARP_LEN];
    uint64_t n, before;

    arp_of(1, 3, bytes);
    for (n = 0; n < 8; n++) {
        int fd;

        before = n_treated(listener);
        gn_test_heap_fail_at(&f->heap, n, true);
        fd = gn_machine_connect(f->path);
        (void)send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
        gn_test_until(n_treated(listener) > before);
        gn_test_heap_fail_at(&f->heap, GN_TEST_HEAP_NEVER, false);
        close(fd);
        close(machine_start(f, 1, 3));
    }
    assert_true(stats_of(listener).failed >= 2);
    gn_test_until(
        gn_loglines_count(&f->lines, "failed: Cannot allocate memory"));
    listener_end(listener);
}

/* ---- what it is given ---- */

static void a_given_socket_is_listened_at(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct gn_nic_listen_options options = {
        .size = sizeof(options), .max_nics = 2, .use_fd = true, .fd = -1};
    struct gn_nic_listener *listener;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_int_equal(gn_nic_listen(f->net, NULL, NULL, &options, &listener),
                     -EBADF);
    options.fd = fd;
    assert_int_equal(gn_nic_listen(f->net, NULL, NULL, &options, &listener),
                     -EINVAL); /* It does not listen. */
    assert_int_equal(gn_nic_listen(f->net, NULL, f->path, &options, &listener),
                     -EINVAL);
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", f->path);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(gn_nic_listen(f->net, NULL, NULL, &options, &listener), 0);
    close(machine_start(f, 1, 3));
    listener_end(listener);
    assert_int_equal(unlink(f->path), 0); /* It is the caller's. */
}

static void expect_refused(struct fixture *f, struct gn_nic_config *config,
                           const struct gn_nic_listen_options *options, int err,
                           const char *line)
{
    struct gn_nic_listener *listener = NULL;
    char why[200] = "";

    config->size = sizeof(*config);
    config->why = why;
    config->why_len = sizeof(why);
    assert_int_equal(gn_nic_listen(f->net, config, f->path, options, &listener),
                     err);
    if (!strstr(why, line))
        fail_msg("\"%s\" is not in \"%s\"", line, why);
    assert_null(listener);
}

static void what_is_wrong_is_said_in_one_line(void **state)
{
    struct fixture *f = *state;
    struct gn_nic_config plain = {.mtu = 0}, mac = {.mac = {2, 0, 0, 0, 0, 1}};
    struct gn_nic_config mtu = {.mtu = 100}, web = {.name = "other"};
    struct gn_nic_listen_options many = {.size = sizeof(many), .max_nics = 65};
    struct gn_nic_listen_options crowd = {.size = sizeof(crowd),
                                          .max_waiting = 1025};
    struct gn_nic_listener *first;
    struct gn_namespace *other;

    expect_refused(f, &plain, &many, -EINVAL, "max_nics 65: 64 at most");
    expect_refused(f, &plain, &crowd, -EINVAL,
                   "max_waiting 1025: 1024 at most");
    expect_refused(f, &mac, NULL, -EINVAL, "mac: ");
    expect_refused(f, &mtu, NULL, -EINVAL, "");
    assert_int_equal(access(f->path, F_OK), -1); /* Nothing is left behind. */
    other = gn_simnet_guest(f->net, "other3");
    assert_non_null(other);
    expect_refused(f, &web, NULL, -EADDRINUSE, "");
    assert_null(gn_namespace_find(f->net, "other2"));
    first = listen_for(f, 1);
    expect_refused(f, &web, NULL, -EADDRINUSE, "somebody listens there");
    listener_end(first);
}

static void a_virtual_clock_has_no_descriptors(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_nic_listener *listener;
    struct gn_simnet sim;

    (void)state;
    gn_simnet_setup(&sim, prefixes, 1);
    assert_int_equal(gn_nic_listen(sim.net, NULL, "/x", NULL, &listener),
                     -ENOTSUP);
    gn_simnet_teardown(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(two_machines_with_one_mac_are_two_guests),
        CASE(one_that_comes_again_is_the_same_guest),
        CASE(one_that_goes_at_once_leaves_room),
        CASE(a_gone_machines_nic_is_kept_for_it),
        CASE(nics_are_there_before_their_machines),
        CASE(frames_come_in_any_pieces),
        CASE(half_a_frame_and_silence_delays_no_other),
        CASE(one_too_many_is_turned_away),
        CASE(those_that_say_nothing_have_a_bound),
        CASE(silence_has_an_end),
        CASE(a_frame_that_is_none_is_turned_away),
        CASE(its_owner_hears_which_machine_came),
        CASE(it_is_closed_at_every_step),
        CASE(the_network_ends_with_clients),
        CASE(a_listener_that_is_closed_and_its_network_end_at_once),
        CASE(without_memory_it_is_enomem),
        CASE(a_client_without_memory_is_turned_away),
        CASE(a_given_socket_is_listened_at),
        CASE(what_is_wrong_is_said_in_one_line),
        CASE(a_virtual_clock_has_no_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
