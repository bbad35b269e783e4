/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Ports published at a path, or at a descriptor that the test has opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/pubnet.h"

struct fixture {
    struct pubnet *p;
    struct pubnet_server server;
    char dir[32];
    char path[64];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    void *p;

    assert_non_null(f);
    assert_int_equal(pubnet_setup(&p), 0);
    f->p = p;
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/guestnet-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->path, sizeof(f->path), "%s/web.sock", f->dir);
    pubnet_serve(&f->server, f->p->web, "10.77.0.2:80", pubnet_echo, NULL);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    void *p = f->p;
    int err;

    pubnet_serve_end(&f->server);
    err = pubnet_teardown(&p);
    (void)unlink(f->path);
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return err;
}

static struct gn_publication *publish_path(struct fixture *f, uint32_t mode)
{
    struct gn_publish_options options = {.size = sizeof(options), .mode = mode};

    return pubnet_publish(f->p, "unix", f->path, "10.77.0.2:80", &options);
}

static int dial_path(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

/* A listener at the path, as of another process. */
static int occupy(struct fixture *f)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static void refuse(struct fixture *f, const char *proto, const char *listen,
                   int fd, int err, const char *said)
{
    struct gn_publication *pub;
    char why[200] = "";
    struct gn_publish_options options = {.size = sizeof(options),
                                         .use_fd = fd != 0,
                                         .fd = fd,
                                         .why = why,
                                         .why_len = sizeof(why)};

    assert_int_equal(
        gn_publish(f->p->net, proto, listen, "10.77.0.2:80", &options, &pub),
        err);
    if (!strstr(why, said))
        fail_msg("\"%s\" does not say \"%s\"", why, said);
}

/* ---- paths ---- */

static void a_client_comes_by_a_path(void **state)
{
    struct fixture *f = *state;
    struct gn_publication *pub = publish_path(f, 0);
    int fd = dial_path(f->path);
    char byte;

    pubnet_expect_echo(fd, "by path");
    assert_int_equal(pubnet_stats(pub).as_gateway, 1);
    shutdown(fd, SHUT_WR);
    assert_int_equal(pubnet_read(fd, &byte, 1), 0);
    close(fd);
    gn_unpublish(pub, NULL, NULL);
    assert_int_equal(access(f->path, F_OK), -1);
}

static void the_address_is_the_path(void **state)
{
    struct fixture *f = *state;
    struct gn_publication *pub = publish_path(f, 0);
    struct sockaddr_un addr;
    socklen_t len = sizeof(addr);

    gn_publication_addr(pub, (struct sockaddr *)&addr, &len);
    assert_int_equal(addr.sun_family, AF_UNIX);
    assert_string_equal(addr.sun_path, f->path);
    gn_unpublish(pub, NULL, NULL);
}

static void the_mode_is_as_asked(void **state)
{
    struct fixture *f = *state;
    mode_t before = umask(077);
    struct gn_publication *pub = publish_path(f, 0666);
    struct stat st;

    umask(before);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0666);
    gn_unpublish(pub, NULL, NULL);
}

static void a_dead_socket_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct gn_publication *pub;
    int fd;

    close(occupy(f));
    pub = publish_path(f, 0);
    fd = dial_path(f->path);
    pubnet_expect_echo(fd, "alive");
    close(fd);
    gn_unpublish(pub, NULL, NULL);
}

static void one_that_listens_is_left_alone(void **state)
{
    struct fixture *f = *state;
    int fd = occupy(f);

    refuse(f, "unix", f->path, 0, -EADDRINUSE, "somebody listens");
    close(dial_path(f->path));
    close(fd);
}

static void a_file_is_left_alone(void **state)
{
    struct fixture *f = *state;

    close(open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    refuse(f, "unix", f->path, 0, -EADDRINUSE, "no socket");
    assert_int_equal(access(f->path, F_OK), 0);
}

static void what_took_its_place_is_not_removed(void **state)
{
    struct fixture *f = *state;
    struct gn_publication *pub = publish_path(f, 0);
    int fd;

    assert_int_equal(unlink(f->path), 0);
    fd = occupy(f);
    gn_unpublish(pub, NULL, NULL);
    assert_int_equal(access(f->path, F_OK), 0);
    close(fd);
}

static void bad_paths_say_why(void **state)
{
    struct fixture *f = *state;
    char longest[200];

    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    refuse(f, "unix", "", 0, -EINVAL, "1 to 107");
    refuse(f, "unix", longest, 0, -EINVAL, "199");
    refuse(f, "unix", "/nowhere/at/all", 0, -ENOENT, "No such file");
}

/* ---- given descriptors ---- */

static int listening_fd(int type)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, type, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 16), 0);
    return fd;
}

static void a_given_descriptor_is_served(void **state)
{
    struct fixture *f = *state;
    struct gn_publish_options options = {.size = sizeof(options),
                                         .use_fd = true,
                                         .fd = listening_fd(SOCK_STREAM)};
    struct gn_publication *pub =
        pubnet_publish(f->p, "tcp", NULL, "10.77.0.2:80", &options);
    int fd = pubnet_dial(pub);

    pubnet_expect_echo(fd, "given");
    close(fd);
    gn_unpublish(pub, NULL, NULL);
    assert_int_equal(fcntl(options.fd, F_GETFD), -1);
}

static void a_given_path_is_not_removed(void **state)
{
    struct fixture *f = *state;
    struct gn_publish_options options = {
        .size = sizeof(options), .use_fd = true, .fd = occupy(f)};
    struct gn_publication *pub =
        pubnet_publish(f->p, "unix", NULL, "10.77.0.2:80", &options);
    int fd = dial_path(f->path);

    pubnet_expect_echo(fd, "given");
    close(fd);
    gn_unpublish(pub, NULL, NULL);
    assert_int_equal(access(f->path, F_OK), 0);
}

static void a_given_descriptor_that_will_not_do_stays_open(void **state)
{
    struct fixture *f = *state;
    int stream = listening_fd(SOCK_STREAM);
    int datagram = listening_fd(SOCK_DGRAM);
    int deaf = socket(AF_INET, SOCK_STREAM, 0);
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);

    refuse(f, "tcp", NULL, datagram, -EINVAL, "not a socket for");
    refuse(f, "tcp6", NULL, stream, -EINVAL, "not a socket for");
    refuse(f, "unix", NULL, stream, -EINVAL, "not a socket for");
    refuse(f, "udp", NULL, stream, -EINVAL, "not a socket for");
    refuse(f, "tcp", NULL, deaf, -EINVAL, "does not listen");
    refuse(f, "tcp", NULL, file, -ENOTSOCK, "fd");
    refuse(f, "tcp", NULL, -1, -EBADF, "fd");
    assert_int_equal(close(stream), 0);
    assert_int_equal(close(datagram), 0);
    assert_int_equal(close(deaf), 0);
    assert_int_equal(close(file), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_client_comes_by_a_path),
        CASE(the_address_is_the_path),
        CASE(the_mode_is_as_asked),
        CASE(a_dead_socket_is_replaced),
        CASE(one_that_listens_is_left_alone),
        CASE(a_file_is_left_alone),
        CASE(what_took_its_place_is_not_removed),
        CASE(bad_paths_say_why),
        CASE(a_given_descriptor_is_served),
        CASE(a_given_path_is_not_removed),
        CASE(a_given_descriptor_that_will_not_do_stays_open),
    };

    return cmocka_run_group_tests_name("publish_unix", tests, NULL, NULL);
}
