/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rules that change, with a machine that is not this one: connections by names,
 * and dials that are not answered.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/egress.h"
#include "tests/lib/farside.h"
#include "tests/lib/socks.h"

#define RULES(...) ((const char *const[]){__VA_ARGS__, NULL})

struct fixture {
    struct eg eg;
    int far4;
};

static int setup(void **state)
{
    static struct fixture f;

    f.far4 = far_socket(SOCK_STREAM, FAR_V4 ":8080", true);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    eg_end(&f->eg);
    close(f->far4);
    return 0;
}

static void open_ones_are_judged_by_the_names_of_their_dial(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    char byte;
    int err, fd;

    eg_begin_names(&f->eg, RULES("allow name *.example.org port 8080"),
                   FAR_V4 " www.example.org", 60);
    assert_int_equal(eg_lookup(&f->eg, "www.example.org"), 0);
    sock = eg_dial(&f->eg, SOCK_STREAM, FAR_V4, 8080, &err);
    assert_int_equal(err, 0);
    fd = eg_accept(f->far4);
    eg_change(&f->eg, RULES("deny udp any", "allow name www.example.org"),
              GN_RULES_END);
    assert_null(eg_dial(&f->eg, SOCK_STREAM, FAR_SILENT, 1, &err));
    assert_int_equal(err, -EACCES);
    eg_talk(sock, fd);
    eg_change(&f->eg, RULES("allow name example.org"), GN_RULES_END);
    assert_int_equal(gn_sock_recv(sock, &byte, 1, 0), -ECONNRESET);
    eg_await(&f->eg, 3);
    assert_string_equal(eg_last(&f->eg).name, "www.example.org");
    drop(sock);
    close(fd);
}

/* Without the flag: nothing is open yet. */
static void a_dial_on_its_way_ends(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;

    eg_begin(&f->eg, RULES("allow " FAR_SILENT), NULL);
    sock = eg_open(&f->eg, AF_INET, SOCK_STREAM);
    assert_int_equal(gn_sock_set_nonblock(sock, true), 0);
    assert_int_equal(eg_connect(sock, FAR_SILENT, 80), -EINPROGRESS);
    eg_await(&f->eg, 1);
    eg_change(&f->eg, RULES("deny udp any", "allow " FAR_SILENT " port 80"), 0);
    eg_change(&f->eg, NULL, 0);
    (void)eg_wait(sock, POLLOUT);
    assert_int_equal(eg_error(sock), -EACCES);
    eg_await(&f->eg, 2);
    assert_true(eg_last(&f->eg).ended);
    drop(sock);
}

/* One that is to hear nothing hears nothing of this, either. */
static void a_silent_one_waits_for_its_own_time(void **state)
{
    struct gn_policy policy = {.size = sizeof(policy),
                               .denial = GN_DENIAL_SILENT};
    struct fixture *f = *state;
    struct gn_sock *sock;

    eg_begin(&f->eg, RULES("allow " FAR_SILENT), &policy);
    sock = eg_open(&f->eg, AF_INET, SOCK_STREAM);
    assert_int_equal(gn_sock_set_nonblock(sock, true), 0);
    assert_int_equal(eg_connect(sock, FAR_SILENT, 80), -EINPROGRESS);
    eg_await(&f->eg, 1);
    eg_change(&f->eg, NULL, 0);
    eg_await(&f->eg, 2);
    assert_int_equal(ready(sock), 0);
    drop(sock);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(open_ones_are_judged_by_the_names_of_their_dial),
        CASE(a_dial_on_its_way_ends),
        CASE(a_silent_one_waits_for_its_own_time),
    };

    if (!far_begin())
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
