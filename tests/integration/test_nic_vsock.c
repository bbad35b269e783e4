/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A wire through the vsock of a VMM, whose Unix socket the test plays: the
 * handshake in pieces, refused, lied about, not answered, closed in its middle;
 * and connections that another process makes.
 */
#include <guestnet/nic.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <guestnet/sim.h>

#include "tests/lib/case.h"
#include "tests/lib/loglines.h"
#include "tests/lib/machine.h"
#include "tests/lib/simnet.h"
#include "tests/lib/until.h"

enum { PORT = 1077 };
#define CONNECT "CONNECT 1077\n"

struct fixture {
    struct gn_test_heap heap;
    struct gn_network *net;
    char dir[32], path[64];
    int listener; /* the VMM's; -1: there is none */
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
    gn_loglines_init(&f.lines);
    gn_test_heap_init(&f.heap);
    config.alloc = &f.heap.alloc;
    strcpy(f.dir, "/tmp/guestnet-vsock-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    (void)snprintf(f.path, sizeof(f.path), "%s/v", f.dir);
    f.listener = -1;
    assert_int_equal(gn_network_create(&config, &f.net), 0);
    *state = &f;
    return 0;
}

static void vmm_end(struct fixture *f)
{
    close(f->listener);
    f->listener = -1;
    assert_int_equal(unlink(f->path), 0);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_network_close(f->net, NULL, NULL);
    if (f->listener >= 0)
        vmm_end(f);
    gn_test_heap_done(&f->heap);
    assert_int_equal(rmdir(f->dir), 0);
    gn_loglines_done(&f->lines);
    return 0;
}

/* ---- the VMM ---- */

static void vmm_start(struct fixture *f)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", f->path);
    f->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(f->listener >= 0);
    gn_machine_bound(f->listener);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(f->listener, 16), 0);
}

/* It says where it wants to go, and no more before it is answered. */
static void vmm_hear(int fd)
{
    char text[64] = "";

    gn_machine_bound(fd);
    assert_int_equal(recv(fd, text, strlen(CONNECT), MSG_WAITALL),
                     strlen(CONNECT));
    assert_string_equal(text, CONNECT);
    assert_int_equal(recv(fd, text, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

static int vmm_accept(struct fixture *f)
{
    int fd = accept(f->listener, NULL, NULL);

    assert_true(fd >= 0);
    vmm_hear(fd);
    return fd;
}

static void vmm_say(int fd, const char *text)
{
    gn_machine_write(fd, text, strlen(text));
}

static struct gn_nic *nic_open(struct fixture *f)
{
    struct gn_nic *nic;

    assert_int_equal(gn_nic_vsock(f->net, NULL, f->path, PORT, -1, &nic), 0);
    return nic;
}

static void expect_end(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, 0);

    assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
    close(fd);
}

/* It comes again by itself, and then all is well. */
static void expect_well(struct fixture *f, struct gn_nic *nic)
{
    struct gn_nic_stats stats;
    int fd = vmm_accept(f);

    vmm_say(fd, "OK 1073741824\n");
    gn_machine_ask(fd, 1);
    gn_nic_stats(nic, &stats);
    assert_true(stats.carrier);
    close(fd);
    gn_nic_close(nic, NULL, NULL);
}

/* ---- the handshake ---- */

static void frames_follow_the_handshake(void **state)
{
    struct fixture *f = *state;

    vmm_start(f);
    expect_well(f, nic_open(f));
    assert_int_equal(gn_loglines_count(&f->lines, "no vsock yet: "), 0);
}

static void the_answer_comes_in_any_pieces(void **state)
{
    struct fixture *f = *state;
    static const uint8_t answer[] = {'O', 'K', ' ', '7', '\n'};
    struct gn_nic *nic;
    uint8_t bytes[64];
    int fd;

    vmm_start(f);
    nic = nic_open(f);
    fd = vmm_accept(f);
    for (size_t i = 0; i < sizeof(answer); i++)
        gn_machine_write(fd, answer + i, 1);
    gn_machine_ask(fd, 1);
    close(fd);
    /* And with the first frame behind it. */
    fd = vmm_accept(f);
    memcpy(bytes, answer, sizeof(answer));
    gn_machine_arp(1, bytes + sizeof(answer));
    gn_machine_write(fd, bytes, sizeof(answer) + 46);
    gn_machine_expect_arp(fd, 1);
    close(fd);
    gn_nic_close(nic, NULL, NULL);
}

static void a_machine_that_is_not_there_is_waited_for(void **state)
{
    struct fixture *f = *state;
    struct gn_nic *nic = nic_open(f);
    struct gn_nic_stats stats;

    gn_test_until(gn_loglines_count(&f->lines, "No such file or directory"));
    gn_nic_stats(nic, &stats);
    assert_false(stats.carrier);
    vmm_start(f);
    expect_well(f, nic);
}

static void a_port_at_which_nothing_listens_is_tried_again(void **state)
{
    struct fixture *f = *state;
    struct gn_nic *nic;
    int i;

    vmm_start(f);
    nic = nic_open(f);
    for (i = 0; i < 4; i++)
        close(vmm_accept(f)); /* As Firecracker does. */
    expect_well(f, nic);
    assert_int_equal(gn_loglines_count(
                         &f->lines, "the machine does not listen at port 1077"),
                     1);
}

static void a_bad_answer_is_one_line(void **state)
{
    static const char *const answers[] = {
        "NO\n",    "OK\n",
        "OK \n",   "OK 12x\n",
        "ok 1\n",  "OK 12345678901",
        "\n",      "OK  7\n",
        "OK -1\n", "HTTP/1.1 400 Bad Request\r\n",
        "OK 7\r\n"};
    struct fixture *f = *state;
    struct gn_nic *nic;
    size_t i;

    vmm_start(f);
    nic = nic_open(f);
    for (i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
        int fd = vmm_accept(f);

        vmm_say(fd, answers[i]);
        expect_end(fd);
    }
    expect_well(f, nic);
    assert_int_equal(
        gn_loglines_count(&f->lines, "is no answer to CONNECT 1077"), i);
    assert_int_equal(
        gn_loglines_count(&f->lines,
                          "\"OK 12x\" is no answer to CONNECT 1077, which "
                          "is OK and a number"),
        1);
}

static void an_endless_answer_ends(void **state)
{
    struct fixture *f = *state;
    struct gn_nic *nic;
    char flood[4096];
    int fd;

    memset(flood, '1', sizeof(flood));
    vmm_start(f);
    nic = nic_open(f);
    fd = vmm_accept(f);
    vmm_say(fd, "OK ");
    while (send(fd, flood, sizeof(flood), MSG_NOSIGNAL) > 0)
        continue;
    assert_true(errno == EPIPE || errno == ECONNRESET);
    close(fd);
    expect_well(f, nic);
}

static void an_answer_that_ends_in_its_middle_is_none(void **state)
{
    struct fixture *f = *state;
    struct gn_nic *nic;
    int fd;

    vmm_start(f);
    nic = nic_open(f);
    fd = vmm_accept(f);
    vmm_say(fd, "OK 1");
    close(fd);
    expect_well(f, nic);
    assert_int_equal(gn_loglines_count(&f->lines, "ended in its middle"), 1);
}

static void silence_has_a_bound(void **state)
{
    struct fixture *f = *state;
    uint64_t began;
    struct gn_nic *nic;
    int fd;

    vmm_start(f);
    nic = nic_open(f);
    fd = vmm_accept(f);
    began = gn_test_now_ns();
    vmm_say(fd, "OK");
    expect_end(fd);
    assert_true(gn_test_now_ns() - began >= 4000 * GN_MS);
    expect_well(f, nic);
    assert_int_equal(
        gn_loglines_count(&f->lines,
                          "no answer to CONNECT 1077 came within 5 s"),
        1);
}

static void a_machine_that_has_gone_is_the_same_guest(void **state)
{
    struct fixture *f = *state;
    struct gn_nic_stats stats;
    struct gn_nic *nic;
    int fd;

    vmm_start(f);
    nic = nic_open(f);
    fd = vmm_accept(f);
    vmm_say(fd, "OK 1\n");
    gn_machine_ask(fd, 1);
    vmm_end(f);
    close(fd);
    gn_test_until(gn_loglines_count(&f->lines, "No such file or directory"));
    vmm_start(f);
    fd = vmm_accept(f);
    vmm_say(fd, "OK 2\n");
    gn_machine_ask(fd, 1);
    gn_nic_stats(nic, &stats);
    assert_int_equal(stats.clients, 2);
    /* A length that no frame has ends it, and it is connected anew. */
    gn_machine_write(fd, "\xff\xff\xff\xff", 4);
    expect_end(fd);
    expect_well(f, nic);
}

/* ---- the end ---- */

static void it_is_closed_at_every_step(void **state)
{
    static const char *const said[] = {"", "OK", "OK 1\n"};
    struct fixture *f = *state;
    size_t i;

    gn_nic_close(nic_open(f), NULL, NULL);
    vmm_start(f);
    for (i = 0; i < sizeof(said) / sizeof(*said); i++) {
        struct gn_nic *nic = nic_open(f);
        int fd = vmm_accept(f);

        vmm_say(fd, said[i]);
        gn_nic_close(nic, NULL, NULL);
        expect_end(fd);
    }
    (void)nic_open(f); /* The network's end is its, too. */
    close(vmm_accept(f));
}

static void without_memory_it_is_enomem(void **state)
{
    struct fixture *f = *state;
    struct gn_nic *nic = NULL;
    uint64_t n = 0;
    int err;

    do {
        gn_test_heap_fail_at(&f->heap, n++, false);
        err = gn_nic_vsock(f->net, NULL, f->path, PORT, -1, &nic);
        assert_true(err == 0 || err == -ENOMEM);
    } while (err);
    gn_test_heap_fail_at(&f->heap, GN_TEST_HEAP_NEVER, false);
    gn_nic_close(nic, NULL, NULL);
}

/* ---- another connects ---- */

/* The next request, which says why. */
static void connector_hear(int fd, const char *why)
{
    char text[256] = "";

    assert_true(recv(fd, text, sizeof(text) - 1, 0) > 0);
    assert_string_equal(text, why);
}

static void connector_give(int connector, uint8_t error, int fd)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {&error, 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (fd >= 0) {
        memset(&control, 0, sizeof(control));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
        msg.msg_control = &control;
        msg.msg_controllen = sizeof(control);
    }
    assert_int_equal(sendmsg(connector, &msg, MSG_NOSIGNAL), 1);
    if (fd >= 0)
        close(fd);
}

/* Give it one end of a stream; the other. */
static int connector_give_stream(int connector)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    connector_give(connector, 0, ends[0]);
    return ends[1];
}

static void another_process_may_connect(void **state)
{
    struct fixture *f = *state;
    int connector[2], pipe_ends[2], fd;
    struct gn_nic *nic;

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, connector), 0);
    gn_machine_bound(connector[1]);
    assert_int_equal(gn_nic_vsock(f->net, NULL, NULL, PORT, connector[0], &nic),
                     0);
    connector_hear(connector[1], "");
    connector_give(connector[1], ECONNREFUSED, -1);
    connector_hear(connector[1], "Connection refused");
    assert_int_equal(pipe(pipe_ends), 0);
    connector_give(connector[1], 0, pipe_ends[0]); /* It is no socket. */
    close(pipe_ends[1]);
    connector_hear(connector[1], "Protocol wrong type for socket");
    fd = connector_give_stream(connector[1]);
    vmm_hear(fd);
    close(fd);
    connector_hear(connector[1], "the machine does not listen at port 1077");
    fd = connector_give_stream(connector[1]);
    vmm_hear(fd);
    vmm_say(fd, "OK 1\n");
    gn_machine_ask(fd, 1);
    /* A descriptor that it did not ask for is closed. */
    expect_end(connector_give_stream(connector[1]));
    gn_machine_ask(fd, 1);
    /* Without it, the machine goes on as long as it is there. */
    close(connector[1]);
    gn_machine_ask(fd, 1);
    close(fd);
    gn_nic_close(nic, NULL, NULL);
}

static void what_is_wrong_is_said(void **state)
{
    struct fixture *f = *state;
    char why[200] = "", path[200];
    struct gn_nic_config config = {
        .size = sizeof(config), .why = why, .why_len = sizeof(why)};
    struct gn_nic *nic;
    int ends[2];

    memset(path, 'a', sizeof(path));
    path[sizeof(path) - 1] = 0;
    assert_int_equal(gn_nic_vsock(f->net, &config, path, PORT, -1, &nic),
                     -EINVAL);
    assert_string_equal(why,
                        "a path of 199 bytes: a Unix socket's has 1 to 107");
    assert_int_equal(gn_nic_vsock(f->net, &config, "", PORT, -1, &nic),
                     -EINVAL);
    assert_int_equal(gn_nic_vsock(f->net, NULL, NULL, PORT, -1, &nic), -EINVAL);
    assert_int_equal(gn_nic_vsock(f->net, NULL, "/x", PORT, 0, &nic), -EINVAL);
    assert_int_equal(gn_nic_vsock(f->net, NULL, "/x", UINT32_MAX, -1, &nic),
                     -EINVAL);
    assert_int_equal(gn_nic_vsock(f->net, NULL, NULL, PORT, 999999, &nic),
                     -EBADF);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(gn_nic_vsock(f->net, NULL, NULL, PORT, ends[0], &nic),
                     -ENOTSOCK);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(gn_nic_vsock(f->net, NULL, NULL, PORT, ends[0], &nic),
                     -EINVAL);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
}

static void a_virtual_clock_has_no_descriptors(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_simnet sim;
    struct gn_nic *nic;

    (void)state;
    gn_simnet_setup(&sim, prefixes, 1);
    assert_int_equal(gn_nic_vsock(sim.net, NULL, "/x", PORT, -1, &nic),
                     -ENOTSUP);
    gn_simnet_teardown(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(frames_follow_the_handshake),
        CASE(the_answer_comes_in_any_pieces),
        CASE(a_machine_that_is_not_there_is_waited_for),
        CASE(a_port_at_which_nothing_listens_is_tried_again),
        CASE(a_bad_answer_is_one_line),
        CASE(an_endless_answer_ends),
        CASE(an_answer_that_ends_in_its_middle_is_none),
        CASE(silence_has_a_bound),
        CASE(a_machine_that_has_gone_is_the_same_guest),
        CASE(it_is_closed_at_every_step),
        CASE(without_memory_it_is_enomem),
        CASE(another_process_may_connect),
        CASE(what_is_wrong_is_said),
        CASE(a_virtual_clock_has_no_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
