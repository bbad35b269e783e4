/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * gn_sock_fd() while no descriptor is free: by the process's limit, and by the
 * system's, which is played: this program is linked with eventfd() and
 * epoll_create1() of its own. For a guest's sockets and for the kernel's.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/socks.h"

/* ---- the system, as it is while it lasts ---- */

static int calls_left = -1; /* that get a descriptor; below 0: any number */

static int refuse(void)
{
    if (calls_left < 0 || calls_left-- > 0)
        return 0;
    calls_left = 0;
    errno = ENFILE;
    return -1;
}

int __real_eventfd(unsigned value, int flags);
int __wrap_eventfd(unsigned value, int flags);
int __real_epoll_create1(int flags);
int __wrap_epoll_create1(int flags);

int __wrap_eventfd(unsigned value, int flags)
{
    return refuse() ? -1 : __real_eventfd(value, flags);
}

int __wrap_epoll_create1(int flags)
{
    return refuse() ? -1 : __real_epoll_create1(flags);
}

/* ---- the sockets ---- */

struct fixture {
    struct gn_network *net;
    struct gn_namespace *ns;
    struct gn_sock *sock; /* bound, of datagrams */
};

static int setup(struct fixture **out, bool system)
{
    struct gn_network_config config = {.size = sizeof(config)};
    struct fixture *f = test_calloc(1, sizeof(*f));

    calls_left = -1;
    assert_int_equal(gn_network_create(&config, &f->net), 0);
    if (system)
        assert_int_equal(gn_namespace_system(&f->ns), 0);
    else
        assert_int_equal(gn_namespace_create(f->net, NULL, &f->ns), 0);
    f->sock = open4(f->ns, SOCK_DGRAM);
    assert_int_equal(bind_to(f->sock, "127.0.0.1:0"), 0);
    *out = f;
    return 0;
}

static int setup_guest(void **state)
{
    return setup((struct fixture **)state, false);
}

static int setup_system(void **state)
{
    return setup((struct fixture **)state, true);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    calls_left = -1;
    drop(f->sock);
    gn_namespace_close(f->ns, 0, NULL, NULL);
    gn_network_close(f->net, NULL, NULL);
    test_free(f);
    return 0;
}

static struct rlimit descriptors(rlim_t most)
{
    struct rlimit before, now;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    now = before;
    now.rlim_cur = most;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    return before;
}

static bool readable(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};

    return poll(&p, 1, 0) == 1;
}

/* The lowest number that is free: what leaks moves it. */
static int lowest(void)
{
    int fd = dup(STDIN_FILENO);

    assert_true(fd >= 0);
    close(fd);
    return fd;
}

static void expect_working(struct fixture *f, int fd)
{
    char byte;

    assert_false(readable(fd));
    assert_int_equal(send_text_to(f->sock, "x", name_of(f->sock)), 1);
    assert_int_equal(poll(&(struct pollfd){fd, POLLIN, 0}, 1, 5000), 1);
    assert_int_equal(gn_sock_recv(f->sock, &byte, 1, 0), 1);
    assert_false(readable(fd));
}

/* ---- the tests ---- */

static void no_descriptor_of_the_process_is_emfile(void **state)
{
    struct fixture *f = *state;
    int fd = -1, before = lowest();
    struct rlimit limit = descriptors(0);

    assert_int_equal(gn_sock_fd(f->sock, POLLIN, &fd), -EMFILE);
    assert_int_equal(gn_sock_fd(f->sock, POLLOUT, &fd), -EMFILE);
    assert_int_equal(fd, -1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(lowest(), before);
    assert_int_equal(gn_sock_fd(f->sock, POLLIN, &fd), 0);
    expect_working(f, fd);
}

/* At whichever of the calls for one it happens. */
static void no_descriptor_of_the_system_is_enfile(void **state)
{
    struct fixture *f = *state;
    int fd = -1, before = lowest(), n, err = -ENFILE;

    for (n = 0; err; n++) {
        assert_true(n < 4);
        calls_left = n;
        err = gn_sock_fd(f->sock, POLLIN, &fd);
        calls_left = -1;
        assert_true(err == 0 || err == -ENFILE);
        assert_true(err == 0 || fd == -1);
    }
    assert_true(n >= 2);
    expect_working(f, fd);
    drop(f->sock);
    f->sock = open4(f->ns, SOCK_DGRAM);
    assert_int_equal(lowest(), before);
}

/* What is known already needs none. */
static void one_that_is_there_needs_no_other(void **state)
{
    static const short events[] = {POLLIN, POLLOUT, POLLRDHUP,
                                   POLLIN | POLLOUT};
    struct fixture *f = *state;
    struct gn_sock *closed = open4(f->ns, SOCK_DGRAM);
    int fd[4], again = -1, other = -1;
    struct rlimit limit;
    size_t i;

    gn_sock_close(closed);
    for (i = 0; i < 4; i++)
        assert_int_equal(gn_sock_fd(f->sock, events[i], &fd[i]), 0);
    limit = descriptors(0);
    for (i = 0; i < 4; i++) {
        assert_int_equal(gn_sock_fd(f->sock, events[i], &again), 0);
        assert_int_equal(again, fd[i]);
    }
    assert_int_equal(gn_sock_fd(f->sock, POLLPRI, &other), -ENOSPC);
    assert_int_equal(gn_sock_fd(closed, POLLIN, &other), -EBADF);
    gn_namespace_kill(f->ns);
    assert_int_equal(gn_sock_fd(f->sock, POLLIN, &other), -ECANCELED);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(other, -1);
    gn_sock_unref(closed);
}

int main(void)
{
#define BOTH(name)                                            \
    {#name " (guest)", name, setup_guest, teardown, NULL},    \
    {                                                         \
#name " (system)", name, setup_system, teardown, NULL \
    }
    const struct CMUnitTest tests[] = {
        BOTH(no_descriptor_of_the_process_is_emfile),
        BOTH(no_descriptor_of_the_system_is_enfile),
        BOTH(one_that_is_there_needs_no_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
