/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/farside.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <guestnet/addr.h>

static int near_ns = -1, far_ns = -1;

static int open_ns(void)
{
    return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

static bool give_up(const char *what)
{
    printf("skipped: %s: %s\n", what, strerror(errno));
    return false;
}

/* As another user, or, where a process may not become one, as we are. */
static bool leave(void)
{
    char text[64];
    uid_t uid = getuid();
    gid_t gid = getgid();
    int fd;

    if (!unshare(CLONE_NEWNET))
        return true;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
        return false;
    fd = open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (write(fd, "deny", 4) != 4)
            return false;
        close(fd);
    }
    snprintf(text, sizeof(text), "0 %u 1", (unsigned)uid);
    fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        return false;
    close(fd);
    snprintf(text, sizeof(text), "0 %u 1", (unsigned)gid);
    fd = open("/proc/self/gid_map", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        return false;
    close(fd);
    return true;
}

static bool run(const char *commands)
{
    return system(commands) == 0; /* NOLINT(cert-env33-c): a test's own */
}

static bool join_sides(void)
{
    char text[512];

    if (setns(near_ns, CLONE_NEWNET))
        return false;
    snprintf(text, sizeof(text),
             "ip link set lo up && ip link add near type veth peer name far "
             "netns /proc/%d/fd/%d && ip link set near up && "
             "ip addr add " NEAR_V4 "/24 dev near && "
             "ip addr add " NEAR_V6 "/64 dev near nodad && "
             "ip route add 203.0.113.0/24 via 198.51.100.2 && "
             "ip route add 192.168.55.0/24 via 198.51.100.2 && "
             "ip route add 169.254.0.0/16 via 198.51.100.2 && "
             "ip route add 2001:db8:2::/64 via 2001:db8:1::2",
             (int)getpid(), far_ns);
    return run(text);
}

static bool dress_far_side(void)
{
    return !setns(far_ns, CLONE_NEWNET) &&
           run("ip link set lo up && ip link set far up && "
               "ip addr add 198.51.100.2/24 dev far && "
               "ip addr add 2001:db8:1::2/64 dev far nodad && "
               "ip addr add " FAR_V4 "/32 dev lo && "
               "ip addr add " FAR_V4_B "/32 dev lo && "
               "ip addr add " FAR_PRIVATE "/32 dev lo && "
               "ip addr add " FAR_META "/32 dev lo && "
               "ip addr add " FAR_LINK "/32 dev lo && "
               "ip addr add " FAR_V6 "/128 dev lo nodad && "
               "ip route add blackhole 203.0.113.99/32") &&
           !setns(near_ns, CLONE_NEWNET);
}

bool far_begin(void)
{
    if (!leave())
        return give_up("no network namespace of our own");
    far_ns = open_ns();
    if (far_ns < 0 || unshare(CLONE_NEWNET))
        return give_up("no second network namespace");
    near_ns = open_ns();
    (void)fcntl(far_ns, F_SETFD, 0); /* ip looks at it. */
    if (near_ns < 0 || !join_sides() || !dress_far_side())
        return give_up("no link between network namespaces (iproute2?)");
    return true;
}

int near_socket(int type, const char *address, bool listening)
{
    struct sockaddr_storage ss;
    socklen_t len;
    int fd, on = 1;

    assert_int_equal(gn_addr_parse(address, &ss, &len), 0);
    fd = socket(ss.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)),
                     0);
    assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
    if (listening)
        assert_int_equal(listen(fd, 64), 0);
    return fd;
}

int far_socket(int type, const char *address, bool listening)
{
    int fd;

    assert_int_equal(setns(far_ns, CLONE_NEWNET), 0);
    fd = near_socket(type, address, listening);
    assert_int_equal(setns(near_ns, CLONE_NEWNET), 0);
    return fd;
}

int far_connect(int type, const char *from, const char *to)
{
    struct sockaddr_storage ss;
    socklen_t len;
    int fd = far_socket(type, from, false);

    assert_int_equal(gn_addr_parse(to, &ss, &len), 0);
    assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
    if (connect(fd, (struct sockaddr *)&ss, len)) {
        int err = -errno;

        close(fd);
        return err;
    }
    return fd;
}

unsigned short far_port(int fd)
{
    struct sockaddr_storage ss = {0};
    struct sockaddr_in sin;
    socklen_t len = sizeof(ss);

    assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
    memcpy(&sin, &ss, sizeof(sin)); /* The port is where IPv6 has it, too. */
    return ntohs(sin.sin_port);
}
