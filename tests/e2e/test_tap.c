/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TAP devices in network namespaces of the kernel's, as containers have them:
 * the test's own thread is the container, the network's thread stays outside.
 */
#include <guestnet/guestnet.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/program.h"
#include "tests/lib/pubnet.h"

enum { PATIENCE_S = 60, BULK = 10 * 1024 * 1024 };

struct fixture {
    struct pubnet *p;
    struct pubnet_server echo;
    struct gn_nic *nic;
};

static struct fixture f;

/* A card in this thread's namespace, "eth0", with its address by hand. */
static struct gn_nic *card_open(const char *name, uint32_t mtu,
                                const char *addr)
{
    char why[200] = "";
    struct gn_nic_config config = {.size = sizeof(config),
                                   .name = name,
                                   .mtu = mtu,
                                   .why = why,
                                   .why_len = sizeof(why)};
    struct gn_nic *nic;
    int err = gn_nic_tap(f.p->net, &config, "eth0", -1, &nic);

    if (err)
        fail_msg("%s: %s", gn_strerror(err), why);
    (void)gn_program_run(NULL, 0,
                         "ip link set lo up && ip link set eth0 up mtu %u && "
                         "ip addr add %s/24 dev eth0 && "
                         "ip route add default via 10.77.0.1",
                         mtu, addr);
    return nic;
}

static int setup(void **state)
{
    if (unshare(CLONE_NEWNET)) {
        printf("skipped: no network namespace: %s\n", strerror(errno));
        exit(77);
    }
    if (access("/dev/net/tun", R_OK | W_OK)) {
        printf("skipped: /dev/net/tun: %s\n", strerror(errno));
        exit(77);
    }
    if (!gn_program_is_there("ip") || !gn_program_is_there("ping"))
        exit(77);
    pubnet_setup_for_load((void **)&f.p);
    pubnet_serve(&f.echo, f.p->web, "10.77.0.2:7", pubnet_echo, NULL);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    void *p = f.p;

    (void)state;
    pubnet_serve_end(&f.echo);
    pubnet_teardown(&p);
    return 0;
}

/* Each case in a namespace of its own: devices go with it. */
static int fresh(void **state)
{
    (void)state;
    return unshare(CLONE_NEWNET);
}

/* ---- the kernel's sockets, in this thread's namespace ---- */

static int dial(const char *addr, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval bound = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(inet_pton(AF_INET, addr, &to.sin_addr), 1);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof(bound));
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
        fail_msg("connect to %s: %s", addr, strerror(errno));
    return fd;
}

static uint8_t byte_at(size_t i)
{
    return (uint8_t)((i * 2654435761u) >> 21);
}

static void *send_main(void *arg)
{
    int fd = *(int *)arg;
    uint8_t buf[100000];
    size_t at = 0, i;

    while (at < BULK) {
        size_t n = BULK - at < sizeof(buf) ? BULK - at : sizeof(buf);

        for (i = 0; i < n; i++)
            buf[i] = byte_at(at + i);
        if (send(fd, buf, n, MSG_NOSIGNAL) != (ssize_t)n)
            return arg;
        at += n;
    }
    shutdown(fd, SHUT_WR);
    return NULL;
}

/* Sent there, and the same comes back. */
static void bulk_echo(const char *addr)
{
    static uint8_t buf[100000];
    int fd = dial(addr, 7);
    pthread_t thread;
    size_t at = 0;
    ssize_t n;
    void *failed;

    assert_int_equal(pthread_create(&thread, NULL, send_main, &fd), 0);
    while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
        for (ssize_t i = 0; i < n; i++, at++) {
            if (buf[i] != byte_at(at))
                fail_msg("byte %zu is wrong", at);
        }
    }
    assert_int_equal(n, 0);
    assert_int_equal(at, BULK);
    pthread_join(thread, &failed);
    assert_null(failed);
    close(fd);
}

/* ---- cases ---- */

static void a_container_pings_and_is_pinged(void **state)
{
    struct gn_nic *nic = card_open("box", 1500, "10.77.0.3");

    (void)state;
    (void)gn_program_run(NULL, 0, "ping -c 2 -W 20 10.77.0.1");
    (void)gn_program_run(NULL, 0, "ping -c 2 -W 20 -s 5000 10.77.0.2");
    gn_nic_close(nic, NULL, NULL);
}

static void a_lease_configures_it(void **state)
{
    struct gn_nic_config config = {.size = sizeof(config), .name = "box"};
    char out[2000];
    struct gn_nic *nic;

    (void)state;
    gn_program_need("busybox");
    assert_int_equal(gn_nic_tap(f.p->net, &config, "eth0", -1, &nic), 0);
    (void)gn_program_run(out, sizeof(out),
                         "ip link set eth0 up && "
                         "busybox udhcpc -i eth0 -f -q -n -s /bin/true 2>&1");
    assert_non_null(strstr(out, "lease of 10.77.0.3 obtained"));
    gn_nic_close(nic, NULL, NULL);
}

static void ten_mebibytes_arrive_whole_at_any_mtu(void **state)
{
    static const uint32_t mtus[] = {1280, 1500, 9000, 16384};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(mtus) / sizeof(*mtus); i++) {
        struct gn_nic *nic;

        assert_int_equal(unshare(CLONE_NEWNET), 0);
        nic = card_open("box", mtus[i], "10.77.0.3");
        bulk_echo("10.77.0.2");
        gn_nic_close(nic, NULL, NULL);
    }
}

static void segments_enter_and_leave_whole(void **state)
{
    struct gn_nic *nic = card_open("box", 1500, "10.77.0.3");
    struct gn_nic_stats stats;

    (void)state;
    bulk_echo("10.77.0.2");
    gn_nic_stats(nic, &stats);
    /* A frame for each segment would be 7,000. */
    assert_true(stats.frames_in < 5000);
    assert_true(stats.frames_out < 5000);
    gn_nic_close(nic, NULL, NULL);
}

/* ---- two of them ---- */

struct other {
    pthread_t thread;
    uint32_t mtu;
    struct gn_nic *nic;
    int listener;
    _Atomic int ready;
};

static void *other_main(void *arg)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(7)};
    struct other *other = arg;
    static uint8_t buf[65536];
    ssize_t n;
    int fd;

    assert_int_equal(unshare(CLONE_NEWNET), 0);
    other->nic = card_open("other", other->mtu, "10.77.0.4");
    other->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(other->listener, (struct sockaddr *)&at, sizeof(at)),
                     0);
    assert_int_equal(listen(other->listener, 1), 0);
    other->ready = 1;
    fd = accept(other->listener, NULL, NULL);
    while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
        if (send(fd, buf, (size_t)n, MSG_NOSIGNAL) != n)
            break;
    }
    close(fd);
    close(other->listener);
    return NULL;
}

static void check_pair(uint32_t mtu, uint32_t other_mtu)
{
    struct gn_nic *nic = card_open("box", mtu, "10.77.0.3");
    struct other other = {.mtu = other_mtu};

    assert_int_equal(pthread_create(&other.thread, NULL, other_main, &other),
                     0);
    pubnet_until(other.ready);
    bulk_echo("10.77.0.4");
    pthread_join(other.thread, NULL);
    gn_nic_close(nic, NULL, NULL);
    gn_nic_close(other.nic, NULL, NULL);
}

static void two_containers_talk_whatever_their_mtu(void **state)
{
    (void)state;
    check_pair(1500, 1500);
    assert_int_equal(unshare(CLONE_NEWNET), 0);
    check_pair(16384, 1500);
    assert_int_equal(unshare(CLONE_NEWNET), 0);
    check_pair(1280, 9000);
}

static void a_device_that_is_deleted_is_noticed(void **state)
{
    struct gn_nic *nic = card_open("box", 1500, "10.77.0.3");
    struct gn_nic_stats stats;

    (void)state;
    (void)gn_program_run(NULL, 0, "ip link del eth0");
    gn_nic_stats(nic, &stats);
    pubnet_until((gn_nic_stats(nic, &stats), !stats.carrier));
    gn_nic_close(nic, NULL, NULL);
}

static void what_is_no_tap_is_refused_in_one_line(void **state)
{
    char why[200] = "";
    struct gn_nic_config config = {
        .size = sizeof(config), .why = why, .why_len = sizeof(why)};
    struct gn_nic *nic;
    int fd = open("/dev/null", O_RDWR);

    (void)state;
    assert_int_equal(gn_nic_tap(f.p->net, &config, NULL, fd, &nic), -EINVAL);
    assert_non_null(strstr(why, "it is no TAP"));
    assert_int_equal(gn_nic_tap(f.p->net, &config, "eth0", fd, &nic), -EINVAL);
    assert_int_equal(close(fd), 0);
    assert_int_equal(
        gn_nic_tap(f.p->net, &config, "a-name-that-is-too-long", -1, &nic),
        -EINVAL);
    assert_non_null(strstr(why, "a device has 1 to 15 bytes"));
}

#define CASE(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_container_pings_and_is_pinged),
        CASE(a_lease_configures_it),
        CASE(ten_mebibytes_arrive_whole_at_any_mtu),
        CASE(segments_enter_and_leave_whole),
        CASE(two_containers_talk_whatever_their_mtu),
        CASE(a_device_that_is_deleted_is_noticed),
        CASE(what_is_no_tap_is_refused_in_one_line),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
