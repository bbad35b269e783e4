/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wires that are sockets, with the test at the other end: QEMU's framing and
 * messages, clients that come, wait, go, come again, and misbehave.
 */
#include <guestnet/nic.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <guestnet/socket.h>

#include "netstack/netstack.h"
#include "tests/lib/case.h"
#include "tests/lib/machine.h"
#include "tests/lib/rawport.h"
#include "tests/lib/simnet.h"

enum { BOUND_S = GN_MACHINE_BOUND_S, FRAME_MAX = GN_MACHINE_FRAME_MAX };

struct fixture {
    struct gn_test_heap heap;
    struct gn_network *net;
    struct gn_namespace *web; /* 10.77.0.2 */
    char dir[32], path[64];
};

static int setup(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    gn_test_heap_init(&f.heap);
    config.alloc = &f.heap.alloc;
    strcpy(f.dir, "/tmp/guestnet-nic-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    (void)snprintf(f.path, sizeof(f.path), "%s/vm", f.dir);
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
    return 0;
}

static struct gn_nic *nic_unix(struct fixture *f)
{
    struct gn_nic_config config = {.size = sizeof(config), .name = "vm"};
    struct gn_nic *nic;

    assert_int_equal(gn_nic_unix(f->net, &config, f->path, 0, &nic), 0);
    return nic;
}

/* ---- QEMU's framing ---- */

static void a_frame_is_answered_by_a_frame(void **state)
{
    struct fixture *f = *state;
    struct gn_nic *nic = nic_unix(f);
    int fd = gn_machine_connect(f->path);

    gn_machine_ask(fd, 1);
    gn_machine_ask(fd, 2);
    close(fd);
    gn_nic_close(nic, NULL, NULL);
}

static void frames_come_in_any_pieces(void **state)
{
    struct fixture *f = *state;
    struct gn_nic *nic = nic_unix(f);
    int fd = gn_machine_connect(f->path);
    uint8_t bytes[46 * 100];
    size_t i;

    for (i = 0; i < 100; i++)
        gn_machine_arp(1 + i % 2, bytes + 46 * i);
    gn_machine_write(fd, bytes, sizeof(bytes));
    for (i = 0; i < 100; i++)
        gn_machine_expect_arp(fd, 1 + i % 2);
    for (i = 0; i < 3 * 46; i++)
        gn_machine_write(fd, bytes + i, 1);
    for (i = 0; i < 3; i++)
        gn_machine_expect_arp(fd, 1 + i % 2);
    close(fd);
    gn_nic_close(nic, NULL, NULL);
}

static void a_length_that_no_frame_has_is_the_end(void **state)
{
    static const uint32_t lengths[] = {UINT32_MAX, 69633, 0x80000000u};
    struct fixture *f = *state;
    struct gn_nic *nic = nic_unix(f);
    uint8_t bytes[64] = {0};
    size_t i;

    for (i = 0; i < 3; i++) {
        int fd = gn_machine_connect(f->path);

        gn_machine_ask(fd, 1);
        gn__put32(bytes, lengths[i]);
        gn_machine_write(fd, bytes, sizeof(bytes));
        assert_int_equal(gn_machine_read(fd, bytes), 0);
        close(fd);
    }
    gn_nic_close(nic, NULL, NULL);
}

static void frames_too_long_for_ip_are_counted(void **state)
{
    static uint8_t bytes[4 + 69632];
    struct fixture *f = *state;
    struct gn_nic *nic = nic_unix(f);
    struct gn_nic_stats stats;
    int fd = gn_machine_connect(f->path);

    gn__put32(bytes, 69632);
    gn_machine_write(fd, bytes, sizeof(bytes));
    gn__put32(bytes, 0);
    gn_machine_write(fd, bytes, 4);
    gn_machine_ask(fd, 1);
    gn_nic_stats(nic, &stats);
    assert_int_equal(stats.malformed, 2);
    close(fd);
    gn_nic_close(nic, NULL, NULL);
}

static void half_a_frame_and_silence_delays_no_other(void **state)
{
    struct fixture *f = *state;
    struct gn_nic *nic = nic_unix(f), *other;
    char path[80];
    int fd = gn_machine_connect(f->path), silent;
    uint8_t bytes[46];

    (void)snprintf(path, sizeof(path), "%s/2", f->dir);
    assert_int_equal(gn_nic_unix(f->net, NULL, path, 0, &other), 0);
    silent = gn_machine_connect(path);
    gn_machine_arp(1, bytes);
    gn_machine_write(silent, bytes, 20);
    gn_machine_ask(fd, 1);
    gn_machine_ask(fd, 2);
    close(fd);
    close(silent);
    gn_nic_close(nic, NULL, NULL);
    gn_nic_close(other, NULL, NULL);
}

/* ---- clients ---- */

static void a_second_client_waits_for_the_first_to_go(void **state)
{
    struct fixture *f = *state;
    struct gn_nic *nic = nic_unix(f);
    int first = gn_machine_connect(f->path), second;
    uint8_t bytes[46];

    gn_machine_ask(first, 1);
    second = gn_machine_connect(f->path);
    gn_machine_arp(2, bytes);
    gn_machine_write(second, bytes, sizeof(bytes));
    gn_machine_ask(first, 1);
    assert_int_equal(recv(second, bytes, 1, MSG_DONTWAIT), -1);
    close(first);
    gn_machine_expect_arp(second, 2);
    close(second);
    gn_nic_close(nic, NULL, NULL);
}

static void one_that_comes_again_is_the_same_guest(void **state)
{
    struct fixture *f = *state;
    struct gn_nic *nic = nic_unix(f);
    struct gn_nic_stats stats;
    int i;

    for (i = 0; i < 5; i++) {
        int fd = gn_machine_connect(f->path);

        gn_machine_ask(fd, 1);
        close(fd);
    }
    gn_nic_stats(nic, &stats);
    assert_int_equal(stats.clients, 5);
    assert_ptr_equal(gn_namespace_find(f->net, "vm"), gn_nic_namespace(nic));
    gn_nic_close(nic, NULL, NULL);
}

static _Atomic unsigned n_carrier;

static void count_event(struct gn_nic *nic, enum gn_nic_event what, void *arg)
{
    (void)nic;
    (void)arg;
    if (what == GN_NIC_CARRIER)
        atomic_fetch_add(&n_carrier, 1);
}

static void its_owner_hears_of_the_carrier(void **state)
{
    struct fixture *f = *state;
    struct gn_nic_config config = {.size = sizeof(config),
                                   .event = count_event};
    struct gn_nic *nic;
    int fd, i;

    atomic_store(&n_carrier, 0);
    assert_int_equal(gn_nic_unix(f->net, &config, f->path, 0, &nic), 0);
    fd = gn_machine_connect(f->path);
    gn_machine_ask(fd, 1);
    close(fd);
    for (i = 0; i < BOUND_S * 1000 && atomic_load(&n_carrier) < 3; i++)
        assert_int_equal(gn_sleep_ns(f->web, 1000000), 0);
    assert_true(atomic_load(&n_carrier) >= 3); /* off at first, on, off */
    gn_nic_close(nic, NULL, NULL);
}

/* Within a while: a frame that is lost meanwhile never comes. */
static bool has_come(struct fixture *f, int fd)
{
    uint8_t byte;

    if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1)
        return true;
    assert_int_equal(gn_sleep_ns(f->web, 1000000), 0);
    return false;
}

static void one_that_does_not_read_loses_its_own(void **state)
{
    struct fixture *f = *state;
    struct gn_nic *nic = nic_unix(f);
    struct gn_sock *sock = gn_simnet_udp(f->web, "10.77.0.2:7");
    int fd = gn_machine_connect(f->path), i;
    static char payload[1400];
    uint8_t frame[FRAME_MAX];
    struct gn_nic_stats stats;
    uint32_t last = 0;
    size_t n = 0;

    gn_machine_ask(fd, 2);
    for (i = 1; i <= 20000; i++) {
        gn__put32((uint8_t *)payload, (uint32_t)i);
        assert_true(
            gn_simnet_send(sock, "10.77.0.3:9", payload, sizeof(payload)) > 0);
    }
    gn_nic_stats(nic, &stats);
    assert_true(stats.full > 0);
    while (n + stats.full < 20000) { /* Whole frames, in order. */
        gn_nic_stats(nic, &stats);
        if (!has_come(f, fd))
            continue;
        assert_int_equal(gn_machine_read(fd, frame), 14 + 28 + sizeof(payload));
        assert_true(gn__get32(frame + 42) > last);
        last = gn__get32(frame + 42);
        n++;
    }
    gn_machine_ask(fd, 2);
    gn_simnet_end(sock);
    close(fd);
    gn_nic_close(nic, NULL, NULL);
}

static void wait_for_carrier(struct fixture *f, struct gn_nic *nic, bool on)
{
    struct gn_nic_stats stats = {.carrier = !on};
    int i;

    for (i = 0; i < BOUND_S * 1000 && stats.carrier != on; i++) {
        gn_nic_stats(nic, &stats);
        assert_int_equal(gn_sleep_ns(f->web, 1000000), 0);
    }
    assert_int_equal(stats.carrier, on);
}

/* Its socket fills in the middle of a frame, and then it wants no more. */
static void one_that_shuts_its_reading_is_gone(void **state)
{
    struct fixture *f = *state;
    struct gn_nic *nic = nic_unix(f);
    struct gn_sock *sock = gn_simnet_udp(f->web, "10.77.0.2:7");
    struct gn_nic_stats stats = {.full = 0};
    int fd = gn_machine_connect(f->path);
    static char payload[1400], some[65536];

    gn_machine_ask(fd, 2);
    while (!stats.full) {
        assert_true(
            gn_simnet_send(sock, "10.77.0.3:9", payload, sizeof(payload)) > 0);
        gn_nic_stats(nic, &stats);
    }
    assert_int_equal(shutdown(fd, SHUT_RD), 0);
    while (recv(fd, some, sizeof(some), 0) > 0)
        continue; /* What it has makes room for the rest of the frame. */
    wait_for_carrier(f, nic, false);
    gn_simnet_end(sock);
    close(fd);
    gn_nic_close(nic, NULL, NULL);
}

/* One promises 4 GiB, the next sends half a frame, and both go. */
static void lie_and_go(struct fixture *f, unsigned i)
{
    int fd = gn_machine_connect(f->path);
    uint8_t bytes[64] = {0};

    if (i % 2) {
        gn__put32(bytes, UINT32_MAX);
        gn_machine_write(fd, bytes, sizeof(bytes));
        assert_int_equal(recv(fd, bytes, 1, 0), 0);
    } else {
        gn_machine_arp(1, bytes);
        gn_machine_write(fd, bytes, 20);
    }
    close(fd);
}

static uint64_t blocks(struct fixture *f)
{
    uint64_t n;

    pthread_mutex_lock(&f->heap.lock);
    n = f->heap.n_live;
    pthread_mutex_unlock(&f->heap.lock);
    return n;
}

static void clients_that_lie_leave_nothing(void **state)
{
    struct fixture *f = *state;
    struct gn_nic *nic = nic_unix(f);
    struct gn_nic_stats stats = {.clients = 0};
    unsigned i, ms = 0;
    uint64_t before = 0;

    for (i = 0; i < 500; i++) {
        lie_and_go(f, i);
        while (stats.clients < i + 1 || stats.carrier) {
            assert_true(ms++ < BOUND_S * 1000);
            assert_int_equal(gn_sleep_ns(f->web, 1000000), 0);
            gn_nic_stats(nic, &stats);
        }
        if (i == 20)
            before = blocks(f);
    }
    while (blocks(f) > before) {
        assert_true(ms++ < BOUND_S * 1000);
        assert_int_equal(gn_sleep_ns(f->web, 1000000), 0);
    }
    gn_nic_close(nic, NULL, NULL);
}

static _Atomic bool no_descriptors;
static _Atomic unsigned n_refused;

int __real_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    if (!atomic_load(&no_descriptors))
        return __real_accept4(fd, addr, len, flags);
    atomic_fetch_add(&n_refused, 1);
    errno = EMFILE;
    return -1;
}

static void without_descriptors_accepting_pauses(void **state)
{
    struct fixture *f = *state;
    struct gn_nic *nic = nic_unix(f);
    uint64_t begin = gn_now_ns(f->web);
    unsigned n = 0;
    int fd;

    atomic_store(&no_descriptors, true);
    fd = gn_machine_connect(f->path);
    while (n < 3 && gn_now_ns(f->web) - begin < BOUND_S * 1000000000ull) {
        assert_int_equal(gn_sleep_ns(f->web, 1000000), 0);
        n = atomic_load(&n_refused);
    }
    assert_true(n >= 3);
    assert_true(gn_now_ns(f->web) - begin >= (n - 1) * 50000000ull);
    atomic_store(&no_descriptors, false);
    gn_machine_ask(fd, 2);
    close(fd);
    gn_nic_close(nic, NULL, NULL);
}

/* ---- descriptors ---- */

/* What a socket cannot say is not asked of it. */
static void its_frames_are_whole(void **state)
{
    struct fixture *f = *state;
    struct gn_nic_config config = {.size = sizeof(config),
                                   .offload = GN_NIC_CSUM | GN_NIC_TSO4,
                                   .flags = GN_NIC_ANY_THREAD};
    struct gn_sock *sock = gn_simnet_udp(f->web, "10.77.0.2:7");
    uint8_t bytes[46], frame[2000];
    struct gn_raw_ip ip = {.src = "10.77.0.2", .dst = "10.77.0.3"};
    struct gn_nic *nic;
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    gn_machine_bound(ends[1]);
    assert_int_equal(
        gn_nic_fd(f->net, &config, ends[0], GN_FRAMING_MESSAGE, &nic), 0);
    gn_machine_arp(2, bytes);
    gn_machine_write(ends[1], bytes + 4, 42);
    assert_int_equal(recv(ends[1], frame, sizeof(frame), 0), 42);
    assert_int_equal(gn_simnet_send(sock, "10.77.0.3:9", "hello", 5), 5);
    assert_int_equal(recv(ends[1], frame, sizeof(frame), 0), 14 + 28 + 5);
    assert_int_equal(gn_raw_udp(&ip, 7, 9, "hello", 5, frame + 1000), 28 + 5);
    assert_memory_equal(frame + 14 + 20, frame + 1000 + 20, 8 + 5);
    gn_nic_close(nic, NULL, NULL);
    gn_simnet_end(sock);
    close(ends[1]);
}

static void check_messages(struct fixture *f, int type)
{
    struct gn_nic *nic;
    uint8_t bytes[46], frame[2000];
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, type, 0, ends), 0);
    gn_machine_bound(ends[1]);
    assert_int_equal(gn_nic_fd(f->net, NULL, ends[0], GN_FRAMING_MESSAGE, &nic),
                     0);
    gn_machine_arp(2, bytes);
    gn_machine_write(ends[1], bytes + 4, 42);
    assert_int_equal(recv(ends[1], frame, sizeof(frame), 0), 42);
    assert_memory_equal(frame, gn_machine_mac, 6);
    gn_nic_close(nic, NULL, NULL);
    close(ends[1]);
}

static void messages_are_frames(void **state)
{
    check_messages(*state, SOCK_SEQPACKET);
    check_messages(*state, SOCK_DGRAM);
}

static void a_given_stream_is_qemus(void **state)
{
    struct fixture *f = *state;
    struct gn_nic *nic;
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    gn_machine_bound(ends[1]);
    assert_int_equal(gn_nic_fd(f->net, NULL, ends[0], GN_FRAMING_QEMU, &nic),
                     0);
    gn_machine_ask(ends[1], 2);
    gn_nic_close(nic, NULL, NULL);
    close(ends[1]);
}

/* The path is the caller's: it stays when the NIC is closed. */
static void at_a_given_listener_machines_come_and_go(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd, i;
    struct gn_nic_stats stats;
    struct gn_nic *nic;

    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", f->path);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(listener, 4), 0);
    assert_int_equal(gn_nic_fd(f->net, NULL, listener, GN_FRAMING_QEMU, &nic),
                     0);
    for (i = 0; i < 2; i++) {
        fd = gn_machine_connect(f->path);
        gn_machine_ask(fd, 2);
        close(fd);
    }
    gn_nic_stats(nic, &stats);
    assert_int_equal(stats.clients, 2);
    gn_nic_close(nic, NULL, NULL);
    assert_int_equal(unlink(f->path), 0);
}

static void a_descriptor_that_is_none_stays_the_callers(void **state)
{
    struct fixture *f = *state;
    struct gn_nic *nic;
    int ends[2];

    assert_int_equal(gn_nic_fd(f->net, NULL, -1, GN_FRAMING_QEMU, &nic),
                     -EBADF);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(gn_nic_fd(f->net, NULL, ends[0], GN_FRAMING_QEMU, &nic),
                     -ENOTSOCK);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(gn_nic_fd(f->net, NULL, ends[0], GN_FRAMING_MESSAGE, &nic),
                     -EINVAL);
    assert_int_equal(gn_nic_fd(f->net, NULL, ends[0], GN_N_FRAMINGS, &nic),
                     -EINVAL);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
}

/* ---- paths ---- */

static void a_path_is_checked_in_one_line(void **state)
{
    struct fixture *f = *state;
    struct gn_nic *first = nic_unix(f), *nic;
    char why[200] = "", path[200];
    struct gn_nic_config config = {
        .size = sizeof(config), .why = why, .why_len = sizeof(why)};

    assert_int_equal(gn_nic_unix(f->net, &config, f->path, 0, &nic),
                     -EADDRINUSE);
    assert_non_null(strstr(why, "somebody listens there"));
    memset(path, 'a', sizeof(path));
    path[sizeof(path) - 1] = 0;
    assert_int_equal(gn_nic_unix(f->net, &config, path, 0, &nic), -EINVAL);
    assert_non_null(strstr(why, "a path has 1 to 107 bytes"));
    (void)snprintf(path, sizeof(path), "%s/2", f->dir);
    config.mtu = 100;
    assert_int_equal(gn_nic_unix(f->net, &config, path, 0, &nic), -EINVAL);
    assert_int_equal(access(path, F_OK), -1); /* Nothing is left behind. */
    gn_nic_close(first, NULL, NULL);
}

static void a_file_has_the_mode_that_was_asked_for(void **state)
{
    struct fixture *f = *state;
    struct gn_nic *nic;
    struct stat st;

    assert_int_equal(gn_nic_unix(f->net, NULL, f->path, 0600, &nic), 0);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    gn_nic_close(nic, NULL, NULL);
}

static void the_network_ends_with_clients(void **state)
{
    struct fixture *f = *state;
    int fd, waiting;
    uint8_t byte;

    (void)nic_unix(f);
    fd = gn_machine_connect(f->path);
    gn_machine_ask(fd, 1);
    waiting = gn_machine_connect(f->path);
    gn_network_close(f->net, NULL, NULL);
    f->net = NULL;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
    close(waiting);
}

static void a_virtual_clock_has_no_descriptors(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_simnet sim;
    struct gn_nic *nic;

    (void)state;
    gn_simnet_setup(&sim, prefixes, 1);
    assert_int_equal(gn_nic_fd(sim.net, NULL, 0, GN_FRAMING_QEMU, &nic),
                     -ENOTSUP);
    assert_int_equal(gn_nic_unix(sim.net, NULL, "/x", 0, &nic), -ENOTSUP);
    gn_simnet_teardown(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_frame_is_answered_by_a_frame),
        CASE(frames_come_in_any_pieces),
        CASE(a_length_that_no_frame_has_is_the_end),
        CASE(frames_too_long_for_ip_are_counted),
        CASE(half_a_frame_and_silence_delays_no_other),
        CASE(a_second_client_waits_for_the_first_to_go),
        CASE(one_that_comes_again_is_the_same_guest),
        CASE(its_owner_hears_of_the_carrier),
        CASE(one_that_does_not_read_loses_its_own),
        CASE(one_that_shuts_its_reading_is_gone),
        CASE(clients_that_lie_leave_nothing),
        CASE(without_descriptors_accepting_pauses),
        CASE(its_frames_are_whole),
        CASE(messages_are_frames),
        CASE(a_given_stream_is_qemus),
        CASE(at_a_given_listener_machines_come_and_go),
        CASE(a_descriptor_that_is_none_stays_the_callers),
        CASE(a_path_is_checked_in_one_line),
        CASE(a_file_has_the_mode_that_was_asked_for),
        CASE(the_network_ends_with_clients),
        CASE(a_virtual_clock_has_no_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
