/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/box.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include <guestnet/error.h>

#include "tests/lib/program.h"
#include "tests/lib/pubnet.h"

#define TUN_DEVICE "/dev/net/tun"

enum { PATIENCE_S = 60, BULK = 10 * 1024 * 1024, PORT = 7 };

/* ---- namespaces and cards ---- */

void gn_box_need(void)
{
    if (unshare(CLONE_NEWNET)) {
        printf("skipped: no network namespace: %s\n", strerror(errno));
        exit(77);
    }
    if (access(TUN_DEVICE, R_OK | W_OK)) {
        printf("skipped: %s: %s\n", TUN_DEVICE, strerror(errno));
        exit(77);
    }
    if (!gn_program_is_there("ip"))
        exit(77);
}

void gn_box_enter(void)
{
    assert_int_equal(unshare(CLONE_NEWNET), 0);
}

static int plain_device(void)
{
    struct ifreq request = {.ifr_name = "eth0",
                            .ifr_flags = IFF_TAP | IFF_NO_PI};
    int fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(ioctl(fd, TUNSETIFF, &request), 0);
    return fd;
}

struct gn_nic *gn_box_card(struct gn_network *net, const struct gn_box *box)
{
    char why[200] = "";
    struct gn_nic_config config = {.size = sizeof(config),
                                   .name = box->name,
                                   .mtu = box->mtu,
                                   .why = why,
                                   .why_len = sizeof(why)};
    int fd = box->plain ? plain_device() : -1;
    struct gn_nic *nic;
    int err = gn_nic_tap(net, &config, box->plain ? NULL : "eth0", fd, &nic);

    if (err)
        fail_msg("%s: %s", gn_strerror(err), why);
    (void)gn_program_run(NULL, 0,
                         "ip link set lo up && ip link set eth0 up mtu %u && "
                         "ip addr add %s/16 dev eth0 && "
                         "ip route add default via 10.77.0.1",
                         box->mtu, box->addr);
    return nic;
}

/* ---- bulk ---- */

static int dial(const char *addr)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    struct timeval bound = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(inet_pton(AF_INET, addr, &to.sin_addr), 1);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof(bound));
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
        fail_msg("connect to %s: %s", addr, strerror(errno));
    return fd;
}

/* No two blocks of it are the same, so that none can stand for another. */
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

void gn_box_bulk(const char *addr)
{
    static uint8_t buf[100000];
    int fd = dial(addr);
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

/* ---- the other one ---- */

struct gn_box_other {
    struct gn_network *net;
    struct gn_box box;
    struct gn_nic *nic;
    pthread_t thread;
    _Atomic int ready;
};

static void other_echo(int listener)
{
    static uint8_t buf[65536];
    int fd = accept(listener, NULL, NULL);
    ssize_t n;

    while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
        if (send(fd, buf, (size_t)n, MSG_NOSIGNAL) != n)
            break;
    close(fd);
    close(listener);
}

static void *other_main(void *arg)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    struct gn_box_other *other = arg;
    int fd;

    gn_box_enter();
    other->nic = gn_box_card(other->net, &other->box);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 1), 0);
    other->ready = 1;
    other_echo(fd);
    return NULL;
}

struct gn_box_other *gn_box_other_start(struct gn_network *net,
                                        const struct gn_box *box)
{
    struct gn_box_other *other = calloc(1, sizeof(*other));

    assert_non_null(other);
    other->net = net;
    other->box = *box;
    assert_int_equal(pthread_create(&other->thread, NULL, other_main, other),
                     0);
    gn_test_until(other->ready);
    return other;
}

void gn_box_other_end(struct gn_box_other *other)
{
    pthread_join(other->thread, NULL);
    gn_nic_close(other->nic, NULL, NULL);
    free(other);
}
