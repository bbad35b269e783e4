/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "guests/nic/arp.h"
#include "netstack/netstack.h"

const uint8_t gn_machine_mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

void gn_machine_bound(int fd)
{
    struct timeval bound = {.tv_sec = GN_MACHINE_BOUND_S};

    assert_int_equal(
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound)), 0);
}

int gn_machine_connect(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    gn_machine_bound(fd);
    return fd;
}

void gn_machine_write(int fd, const void *data, size_t len)
{
    assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

void gn_machine_arp(uint8_t last, uint8_t *out)
{
    struct gn__ether ether = {.type = GN__ETHER_ARP};
    struct gn__arp arp = {.op = GN__ARP_REQUEST,
                          .sender = gn__addr_from_v4(0x0a4d0003),
                          .target = gn__addr_from_v4(0x0a4d0000 + last)};

    memcpy(ether.dst, gn__mac_broadcast, 6);
    memcpy(ether.src, gn_machine_mac, 6);
    memcpy(arp.sender_mac, gn_machine_mac, 6);
    gn__put32(out, 42);
    gn__ether_build(&ether, out + 4);
    gn__arp_build(&arp, out + 18);
}

static bool read_all(int fd, void *out, size_t len)
{
    size_t at = 0;

    while (at < len) {
        ssize_t n = recv(fd, (uint8_t *)out + at, len - at, 0);

        assert_true(n >= 0); /* Not within GN_MACHINE_BOUND_S. */
        if (n == 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

size_t gn_machine_read(int fd, uint8_t *out)
{
    uint8_t prefix[4];
    size_t len;

    if (!read_all(fd, prefix, 4))
        return 0;
    len = gn__get32(prefix);
    assert_true(len <= GN_MACHINE_FRAME_MAX);
    assert_true(read_all(fd, out, len));
    return len;
}

void gn_machine_expect_arp(int fd, uint8_t last)
{
    uint8_t frame[GN_MACHINE_FRAME_MAX];
    struct gn__arp arp;

    assert_int_equal(gn_machine_read(fd, frame), 42);
    assert_true(gn__arp_parse(frame + 14, 28, &arp));
    assert_int_equal(arp.op, GN__ARP_REPLY);
    assert_int_equal(gn__addr_v4(&arp.sender), 0x0a4d0000 + last);
}

void gn_machine_ask(int fd, uint8_t last)
{
    uint8_t bytes[46];

    gn_machine_arp(last, bytes);
    gn_machine_write(fd, bytes, sizeof(bytes));
    gn_machine_expect_arp(fd, last);
}
