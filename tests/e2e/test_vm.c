/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two Linux machines under QEMU, a guest of this process, and a published port:
 * leases, pings and HTTP between all of them, and with a container; a machine
 * that is killed and started again is the same guest.
 */
#include <guestnet/guestnet.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
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

#include "tests/e2e/vm.h"
#include "tests/lib/box.h"
#include "tests/lib/program.h"
#include "tests/lib/pubnet.h"
#include "tests/lib/until.h"

#define DHCP "udhcpc -i eth0 -f -q -n -s /dhcp"

struct fixture {
    struct pubnet *p;
    struct pubnet_server server; /* of the guest in this process */
    struct gn_programs programs;
    struct gn_nic *a, *b, *box;
    char path_a[96], path_b[96];
    struct vm vm_a, vm_b;
};

static struct fixture f;

static void serve_http(struct gn_sock *sock, void *arg)
{
    static const char answer[] = "HTTP/1.0 200 OK\r\n\r\nhello from web\n";
    char request[2048];

    (void)arg;
    if (gn_sock_recv(sock, request, sizeof(request), 0) > 0)
        (void)gn_sock_send(sock, answer, sizeof(answer) - 1, 0);
}

static struct gn_nic *nic_open(const char *name, char *path)
{
    struct gn_nic_config config = {.size = sizeof(config), .name = name};
    struct gn_nic *nic;

    (void)snprintf(path, 96, "%s/%s.sock", f.programs.folder, name);
    assert_int_equal(gn_nic_unix(f.p->net, &config, path, 0600, &nic), 0);
    return nic;
}

static int setup(void **state)
{
    gn_programs_init(&f.programs);
    if (!vm_prepare(f.programs.folder)) {
        gn_programs_done(&f.programs);
        exit(77);
    }
    pubnet_setup((void **)&f.p);
    pubnet_serve(&f.server, f.p->web, "[::]:80", serve_http, NULL);
    f.a = nic_open("a", f.path_a);
    f.b = nic_open("b", f.path_b);
    vm_start(&f.vm_a, "a", f.programs.folder, f.path_a, NULL);
    /* Its own card, or the two made one IPv6 address of their cards'. */
    vm_start(&f.vm_b, "b", f.programs.folder, f.path_b, "52:54:00:12:34:57");
    vm_wait_up(&f.vm_a);
    vm_wait_up(&f.vm_b);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    void *p = f.p;

    (void)state;
    vm_kill(&f.vm_a);
    vm_kill(&f.vm_b);
    if (p) {
        gn_nic_close(f.a, NULL, NULL);
        gn_nic_close(f.b, NULL, NULL);
        pubnet_serve_end(&f.server);
        pubnet_teardown(&p);
    }
    gn_programs_done(&f.programs);
    return 0;
}

/* ---- one after the other: the machines live through all of them ---- */

static void they_get_leases(void **state)
{
    (void)state;
    vm_must_say(&f.vm_a, DHCP " 2>&1", "lease of 10.77.0.3 obtained");
    vm_must_say(&f.vm_b, DHCP " 2>&1", "lease of 10.77.0.4 obtained");
    vm_must_say(&f.vm_a, "ip route", "default via 10.77.0.1");
    vm_must_say(&f.vm_a, "cat /etc/resolv.conf", "nameserver 10.77.0.1");
    vm_must_say(&f.vm_a, "hostname", "a");
}

static void they_ping_the_gateway_the_guest_and_each_other(void **state)
{
    (void)state;
    vm_must(&f.vm_a, "ping -c 2 10.77.0.1");
    vm_must(&f.vm_a, "ping -c 2 10.77.0.2");
    vm_must(&f.vm_a, "ping -c 2 10.77.0.4");
    vm_must(&f.vm_b, "ping -c 2 10.77.0.3");
    vm_must(&f.vm_b, "ping -c 2 -s 4000 10.77.0.3");
}

/* Autoconfiguration needs no command: Linux makes the address itself. */
static void they_have_addresses_of_ipv6(void **state)
{
    (void)state;
    vm_must_say(&f.vm_a,
                "for i in 1 2 3 4 5 6 7 8 9; do ip -6 addr show dev eth0 | "
                "grep 'fd77.*global' && break; sleep 1; done",
                "fd77::5054:ff:fe12:3456/64");
    vm_must(&f.vm_a, "ping -6 -c 2 fd77::1");
    vm_must(&f.vm_a, "ping -6 -c 2 fd77::2");
}

static void they_fetch_from_the_guest_and_each_other(void **state)
{
    (void)state;
    vm_must(&f.vm_a, "head -c 67108864 /dev/urandom >/www/file; "
                     "echo hello from a >/www/index.html; "
                     "httpd -p 80 -h /www");
    vm_must_say(&f.vm_b, "wget -q -O - http://10.77.0.2/", "hello from web");
    vm_must_say(&f.vm_b, "wget -q -O - http://10.77.0.3/", "hello from a");
}

static void a_large_file_arrives_whole(void **state)
{
    char want[128], got[128];

    (void)state;
    assert_int_equal(
        vm_run(&f.vm_a, want, sizeof(want), "sha256sum </www/file"), 0);
    assert_int_equal(vm_run(&f.vm_b, got, sizeof(got),
                            "wget -q -O - http://10.77.0.3/file | sha256sum"),
                     0);
    assert_string_equal(got, want);
}

static void they_find_each_other_by_name(void **state)
{
    (void)state;
    vm_must_say(&f.vm_b, "nslookup -type=a a.guest.internal 2>&1", "10.77.0.3");
    vm_must_say(&f.vm_b, "nslookup -type=ptr 2.0.77.10.in-addr.arpa 2>&1",
                "web.guest.internal");
    vm_must_say(&f.vm_b, "wget -q -O - http://a/", "hello from a");
    vm_must_say(&f.vm_b, "wget -q -O - http://web.guest.internal/",
                "hello from web");
    vm_must(&f.vm_b, "ping -c 1 host.guest.internal");
}

static size_t fetch(int fd, char *out, size_t cap)
{
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    struct timeval bound = {.tv_sec = VM_PATIENCE_S};
    size_t len = 0;
    ssize_t n;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
    assert_int_equal(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL),
                     sizeof(request) - 1);
    while ((n = recv(fd, out + len, cap - 1 - len, 0)) > 0)
        len += (size_t)n;
    out[len] = 0;
    close(fd);
    return len;
}

static void guest_fetches(const char *from, const char *what)
{
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    struct gn_sock *sock;
    char out[2048] = "", why[200];
    size_t len = 0;
    ssize_t n;

    assert_int_equal(gn_sock_dial(f.p->web, "tcp", from, VM_PATIENCE_S * 1000,
                                  why, sizeof(why), &sock),
                     0);
    assert_int_equal(gn_sock_send(sock, request, sizeof(request) - 1, 0),
                     sizeof(request) - 1);
    while ((n = gn_sock_recv(sock, out + len, sizeof(out) - 1 - len, 0)) > 0)
        len += (size_t)n;
    assert_non_null(strstr(out, what));
    gn_sock_close(sock);
    gn_sock_unref(sock);
}

static void the_guest_fetches_from_a_machine(void **state)
{
    (void)state;
    guest_fetches("a:80", "hello from a");
}

static void a_published_port_leads_to_a_machine(void **state)
{
    struct gn_publication *pub =
        pubnet_publish(f.p, "tcp", "127.0.0.1:0", "a:80", NULL);
    char out[2048];

    (void)state;
    fetch(pubnet_dial(pub), out, sizeof(out));
    assert_non_null(strstr(out, "hello from a"));
    gn_unpublish(pub, NULL, NULL);
}

/* A connection of the guest's and one of the other machine's, which say
 * something when there is a file "go". */
static struct gn_sock *connections_begin(void)
{
    struct gn_sock *sock;
    char why[200];

    assert_int_equal(gn_sock_dial(f.p->web, "tcp", "a:80", VM_PATIENCE_S * 1000,
                                  why, sizeof(why), &sock),
                     0);
    vm_must(&f.vm_b, "(until [ -e /tmp/go ]; do sleep 1; done; "
                     "while echo x; do sleep 1; done) | "
                     "(nc 10.77.0.3 80; echo it has ended >/tmp/ended) & true");
    return sock;
}

static void connections_end(struct gn_sock *sock)
{
    char byte;

    assert_int_equal(gn_sock_send(sock, "x", 1, 0), 1);
    assert_int_equal(gn_sock_recv(sock, &byte, 1, 0), -ECONNRESET);
    gn_sock_close(sock);
    gn_sock_unref(sock);
    vm_must_say(&f.vm_b,
                "touch /tmp/go; until [ -e /tmp/ended ]; do sleep 1; done; "
                "cat /tmp/ended",
                "it has ended");
}

static void one_that_is_started_again_is_the_same_guest(void **state)
{
    struct gn_sock *sock = connections_begin();
    struct gn_nic_stats stats;

    (void)state;
    vm_kill(&f.vm_a);
    vm_start(&f.vm_a, "a", f.programs.folder, f.path_a, NULL);
    vm_wait_up(&f.vm_a);
    vm_must_say(&f.vm_a, DHCP " 2>&1", "lease of 10.77.0.3 obtained");
    vm_must(&f.vm_b, "ping -c 2 10.77.0.3");
    gn_nic_stats(f.a, &stats);
    assert_int_equal(stats.clients, 2);
    connections_end(sock);
}

static void closed(void *arg)
{
    *(_Atomic bool *)arg = true;
}

static void a_network_that_comes_back_is_found_again(void **state)
{
    static _Atomic bool gone;

    (void)state;
    if (!vm_reconnects())
        skip();
    gn_nic_close(f.b, closed, &gone);
    gn_test_until(gone);
    f.b = nic_open("b", f.path_b);
    vm_must(&f.vm_b, "until ping -c 1 -W 1 10.77.0.1; do :; done");
    vm_must(&f.vm_a, "ping -c 2 10.77.0.4");
}

/* ---- a container beside them ---- */

static void box_may_be_made(void)
{
    const char *why = geteuid() ? "it takes root to enter a network namespace"
                      : access("/dev/net/tun", R_OK | W_OK)
                          ? "/dev/net/tun may not be opened"
                          : NULL;

    if (why) {
        printf("skipped: %s\n", why);
        skip();
    }
    gn_program_need("ip");
    gn_program_need("curl");
}

static void box_serves(const struct gn_box *box)
{
    static const char page[] = "hello from the container\n";
    static const char names[] = "nameserver 10.77.0.1\nsearch guest.internal\n";
    const char *server[] = {"busybox", "httpd",           "-f", "-p", "80",
                            "-h",      f.programs.folder, NULL};
    char path[128];

    f.box = gn_box_card(f.p->net, box);
    gn_program_file(&f.programs, "index.html", page, sizeof(page) - 1, path);
    gn_program_file(&f.programs, "resolv.conf", names, sizeof(names) - 1, path);
    gn_program_start(&f.programs, 80, server);
}

static void box_fetches(const char *url, const char *what)
{
    char out[2000];

    (void)gn_program_run(out, sizeof(out),
                         "unshare -m sh -c 'mount --bind %s/resolv.conf "
                         "/etc/resolv.conf && curl -sf -m %d %s'",
                         f.programs.folder, VM_PATIENCE_S, url);
    assert_non_null(strstr(out, what));
}

static void a_container_a_machine_and_a_guest_meet_by_name(void **state)
{
    const struct gn_box box = {"box", "10.77.0.5", 9000, false};
    int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

    (void)state;
    box_may_be_made();
    gn_box_enter();
    box_serves(&box);
    vm_must(&f.vm_b, "echo hello from b >/www/index.html; httpd -p 80 -h /www");
    box_fetches("http://web/", "hello from web");
    box_fetches("http://b.guest.internal/", "hello from b");
    vm_must_say(&f.vm_b, "wget -q -O - http://box/",
                "hello from the container");
    guest_fetches("box:80", "hello from the container");
    guest_fetches("b:80", "hello from b");
    assert_int_equal(setns(here, CLONE_NEWNET), 0);
    close(here);
    gn_nic_close(f.box, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_get_leases),
        cmocka_unit_test(they_ping_the_gateway_the_guest_and_each_other),
        cmocka_unit_test(they_have_addresses_of_ipv6),
        cmocka_unit_test(they_fetch_from_the_guest_and_each_other),
        cmocka_unit_test(they_find_each_other_by_name),
        cmocka_unit_test(a_large_file_arrives_whole),
        cmocka_unit_test(the_guest_fetches_from_a_machine),
        cmocka_unit_test(a_published_port_leads_to_a_machine),
        cmocka_unit_test(one_that_is_started_again_is_the_same_guest),
        cmocka_unit_test(a_network_that_comes_back_is_found_again),
        cmocka_unit_test(a_container_a_machine_and_a_guest_meet_by_name),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
