/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * TLS that the host speaks for a guest, with openssl's own server: names that
 * are right and wrong, certificates that are old or of no authority, servers
 * that cut, that never answer and that speak something else.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "namespace/machine.h"
#include "tests/lib/case.h"
#include "tests/lib/egress.h"
#include "tests/lib/farside.h"
#include "tests/lib/program.h"
#include "tests/lib/socks.h"

#define NAME "example.test"
/** A line that goes out, and comes back the other way round. */
#define LINE  8191u
#define LINES 12802u /* 100 MiB of them */

static struct gn_programs files; /* what openssl made */

struct fixture {
    struct eg eg;
    struct gn_programs servers;
    uint16_t port;
    char ca[128];
    char rule[128];
    const char *rules[2];
};

/* ---- certificates ---- */

static void make_certificates(void)
{
    char out[256];

    (void)gn_program_run(
        out, sizeof(out),
        "cd %s && exec 2>&1 && key='-newkey ec -pkeyopt "
        "ec_paramgen_curve:P-256 -nodes' && "
        "openssl req -x509 $key -keyout ca.key -out ca.pem -subj /CN=ca -days 2"
        " && openssl req $key -keyout key.pem -out csr -subj /CN=" NAME
        " && echo subjectAltName=DNS:" NAME ",IP:127.0.0.1 >ext"
        " && sign='openssl x509 -req -in csr -CA ca.pem -CAkey ca.key "
        "-CAcreateserial -extfile ext'"
        " && $sign -days 2 -out good.pem && : >db && echo 01 >serial"
        " && printf '[ca]\\ndefault_ca=old\\n[old]\\ndatabase=db\\n"
        "serial=serial\\nnew_certs_dir=.\\ndefault_md=sha256\\npolicy=p\\n"
        "[p]\\ncommonName=supplied\\n' >ca.cnf"
        " && openssl ca -batch -config ca.cnf -in csr -cert ca.pem "
        "-keyfile ca.key -extfile ext -startdate 20200101000000Z "
        "-enddate 20200102000000Z -notext -out old.pem",
        files.folder);
}

static int setup_group(void **state)
{
    (void)state;
    gn_programs_init(&files);
    if (gn_program_is_there("openssl"))
        make_certificates();
    return 0;
}

static int teardown_group(void **state)
{
    (void)state;
    gn_programs_done(&files);
    return 0;
}

/* ---- the fixture ---- */

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    gn_programs_init(&f->servers);
    f->port = gn_program_port();
    (void)snprintf(f->ca, sizeof(f->ca), "%s/ca.pem", files.folder);
    (void)snprintf(f->rule, sizeof(f->rule), "allow tcp 127.0.0.1 port %u",
                   f->port);
    f->rules[0] = f->rule;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->eg.net)
        eg_end(&f->eg);
    gn_programs_done(&f->servers);
    free(f);
    return 0;
}

/* A server that sends lines back, each the other way round. */
static void serve(struct fixture *f, const char *certificate)
{
    char port[16], cert[160], key[160];
    const char *const argv[] = {"openssl", "s_server", "-accept", port,
                                "-cert",   cert,       "-key",    key,
                                "-rev",    NULL};

    gn_program_need("openssl");
    (void)snprintf(port, sizeof(port), "127.0.0.1:%u", f->port);
    (void)snprintf(cert, sizeof(cert), "%s/%s", files.folder, certificate);
    (void)snprintf(key, sizeof(key), "%s/key.pem", files.folder);
    gn_program_start(&f->servers, f->port, argv);
}

static void begin(struct fixture *f, const char *ca, uint32_t timeout_ms)
{
    struct gn_policy policy = {.size = sizeof(policy),
                               .tls_ca_file = ca,
                               .connect_timeout_ms = timeout_ms};

    eg_begin(&f->eg, f->rules, &policy);
}

static void ask_tls(struct gn_sock *sock, const char *name)
{
    assert_int_equal(gn_sock_setopt(sock, GN_SOL_GUESTNET, GN_TLS_SERVER_NAME,
                                    name, (socklen_t)strlen(name)),
                     0);
}

/* NULL and *@err. */
static struct gn_sock *dial(struct fixture *f, const char *name, int *err)
{
    struct gn_sock *sock = eg_open(&f->eg, AF_INET, SOCK_STREAM);

    if (name)
        ask_tls(sock, name);
    *err = eg_connect(sock, GATEWAY4, f->port);
    if (!*err)
        return sock;
    drop(sock);
    return NULL;
}

static void talk(struct gn_sock *sock)
{
    char back[8];

    assert_int_equal(gn_sock_send(sock, "hello\n", 6, 0), 6);
    assert_int_equal(gn_sock_recv(sock, back, 6, MSG_WAITALL), 6);
    assert_memory_equal(back, "olleh\n", 6);
}

static void refused(struct fixture *f, const char *name, int error,
                    const char *reason)
{
    struct eg_audit last;
    int err;

    assert_null(dial(f, name, &err));
    assert_int_equal(err, error);
    last = eg_last(&f->eg);
    assert_false(last.allowed);
    assert_int_equal(last.rule, 0);
    if (!strstr(last.reason, reason))
        fail_msg("\"%s\" does not say \"%s\"", last.reason, reason);
}

/* ---- memory ---- */

/* Two of them are as much as it may have; a listener that never answers takes
 * any number. */
static void a_guest_is_charged_for_each(void **state)
{
    struct fixture *f = *state;
    struct gn_limits limits = {.max_buffered = 2 * 64 * 1024};
    int server = near_socket(SOCK_STREAM, "127.0.0.1:0", true), fds[3], i;
    struct gn_sock *socks[3];
    struct gn_stats stats;

    f->port = far_port(server);
    (void)snprintf(f->rule, sizeof(f->rule), "allow tcp 127.0.0.1 port %u",
                   f->port);
    begin(f, f->ca, 0);
    gn__ns_set_limits(f->eg.guest, &limits);
    for (i = 0; i < 3; i++) {
        socks[i] = eg_open(&f->eg, AF_INET, SOCK_STREAM);
        ask_tls(socks[i], NAME);
        gn_sock_set_nonblock(socks[i], true);
        assert_int_equal(eg_connect(socks[i], GATEWAY4, f->port), -EINPROGRESS);
        fds[i] = eg_accept(server);
        if (i < 2)
            assert_true(eg_readable(fds[i], 10000)); /* The client's hello. */
    }
    assert_true(eg_wait(socks[2], POLLOUT) & POLLERR);
    assert_int_equal(eg_error(socks[2]), -ENOBUFS);
    gn_namespace_stats(f->eg.guest, &stats);
    assert_int_equal(stats.drops[GN_DROP_MEMORY], 1);
    close(fds[0]); /* It fails, and gives back what it had. */
    assert_true(eg_wait(socks[0], POLLOUT) & POLLERR);
    drop(socks[2]);
    close(fds[2]);
    socks[2] = eg_open(&f->eg, AF_INET, SOCK_STREAM);
    ask_tls(socks[2], NAME);
    gn_sock_set_nonblock(socks[2], true);
    assert_int_equal(eg_connect(socks[2], GATEWAY4, f->port), -EINPROGRESS);
    fds[2] = eg_accept(server);
    assert_true(eg_readable(fds[2], 10000));
    for (i = 0; i < 3; i++)
        drop(socks[i]);
    close(fds[1]);
    close(fds[2]);
    close(server);
}

/* ---- handshakes ---- */

static void the_right_name_is_served(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    int err;

    serve(f, "good.pem");
    begin(f, f->ca, 0);
    sock = dial(f, "Example.Test.", &err);
    assert_int_equal(err, 0);
    talk(sock);
    drop(sock);
    sock = dial(f, "127.0.0.1", &err); /* The certificate names it, too. */
    assert_int_equal(err, 0);
    talk(sock);
    drop(sock);
}

static void a_wrong_name_is_not(void **state)
{
    struct fixture *f = *state;

    serve(f, "good.pem");
    begin(f, f->ca, 0);
    refused(f, "example.org", -EPROTO, "ostname mismatch");
    refused(f, "127.0.0.2", -EPROTO, "IP address mismatch");
}

static void an_old_certificate_is_not(void **state)
{
    struct fixture *f = *state;

    serve(f, "old.pem");
    begin(f, f->ca, 0);
    refused(f, NAME, -EPROTO, "expired");
}

static void an_unknown_authority_is_not(void **state)
{
    struct fixture *f = *state;

    serve(f, "good.pem");
    begin(f, NULL, 0);
    refused(f, NAME, -EPROTO, "certificate");
}

/* A server that answers the first flight so. */
static void answer_says(struct fixture *f, const void *answer, size_t len,
                        const char *reason)
{
    int server = near_socket(SOCK_STREAM, "127.0.0.1:0", true), fd, err;
    struct gn_sock *sock;

    f->port = far_port(server);
    (void)snprintf(f->rule, sizeof(f->rule), "allow tcp 127.0.0.1 port %u",
                   f->port);
    begin(f, f->ca, 0);
    sock = eg_open(&f->eg, AF_INET, SOCK_STREAM);
    ask_tls(sock, NAME);
    gn_sock_set_nonblock(sock, true);
    assert_int_equal(eg_connect(sock, GATEWAY4, f->port), -EINPROGRESS);
    fd = eg_accept(server);
    assert_int_equal(send(fd, answer, len, MSG_NOSIGNAL), (ssize_t)len);
    assert_true(eg_wait(sock, POLLOUT) & POLLERR);
    err = eg_error(sock);
    assert_int_equal(err, -EPROTO);
    assert_non_null(strstr(eg_last(&f->eg).reason, reason));
    drop(sock);
    close(fd);
    close(server);
}

static void one_that_speaks_something_else_is_not(void **state)
{
    answer_says(*state, "220 hello\r\n", 11, "wrong version");
}

static void one_that_ends_tls_at_once_says_so(void **state)
{
    /* RFC 8446, 6.1: alert, warning, close_notify */
    static const uint8_t close_notify[] = {21, 3, 3, 0, 2, 1, 0};

    answer_says(*state, close_notify, sizeof(close_notify),
                "ended TLS in the handshake");
}

/* It accepts, and never says a word. */
static void a_handshake_that_never_ends_times_out(void **state)
{
    struct fixture *f = *state;
    int server = near_socket(SOCK_STREAM, "127.0.0.1:0", true);

    f->port = far_port(server);
    (void)snprintf(f->rule, sizeof(f->rule), "allow tcp 127.0.0.1 port %u",
                   f->port);
    begin(f, f->ca, 100);
    refused(f, NAME, -ETIMEDOUT, "never ended");
    close(server);
}

/* Guests that give up, are killed, or whose network closes meanwhile: teardown
 * asserts that nothing is left. */
static void a_handshake_may_end_early(void **state)
{
    struct fixture *f = *state;
    int server = near_socket(SOCK_STREAM, "127.0.0.1:0", true), fd, i;

    f->port = far_port(server);
    (void)snprintf(f->rule, sizeof(f->rule), "allow tcp 127.0.0.1 port %u",
                   f->port);
    begin(f, f->ca, 0);
    for (i = 0; i < 3; i++) {
        struct gn_sock *sock = eg_open(&f->eg, AF_INET, SOCK_STREAM);

        ask_tls(sock, NAME);
        gn_sock_set_nonblock(sock, true);
        assert_int_equal(eg_connect(sock, GATEWAY4, f->port), -EINPROGRESS);
        fd = eg_accept(server);
        assert_true(eg_readable(fd, 10000)); /* The client's hello. */
        if (i == 1)
            gn_namespace_kill(f->eg.guest);
        if (i != 2)
            gn_sock_close(sock);
        gn_sock_unref(sock);
        close(fd);
        if (i == 1)
            break;
    }
    close(server);
}

/* ---- bytes ---- */

static void the_guest_ends_by_close_notify(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    char byte;
    int err;

    serve(f, "good.pem");
    begin(f, f->ca, 0);
    sock = dial(f, NAME, &err);
    assert_int_equal(err, 0);
    talk(sock);
    assert_int_equal(gn_sock_shutdown(sock, SHUT_WR), 0);
    assert_int_equal(gn_sock_recv(sock, &byte, 1, 0), 0); /* And so does it. */
    drop(sock);
}

static void a_server_that_cuts_is_a_reset(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    char byte;
    int err;

    serve(f, "good.pem");
    begin(f, f->ca, 0);
    sock = dial(f, NAME, &err);
    assert_int_equal(err, 0);
    talk(sock);
    assert_int_equal(kill(f->servers.pids[0], SIGKILL), 0);
    assert_int_equal(gn_sock_recv(sock, &byte, 1, 0), -ECONNRESET);
    drop(sock);
}

static void a_guest_killed_in_the_middle_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct gn_stats stats;
    struct gn_sock *sock;
    char line[LINE];
    unsigned i;
    int err;

    serve(f, "good.pem");
    begin(f, f->ca, 0);
    sock = dial(f, NAME, &err);
    assert_int_equal(err, 0);
    memset(line, 'x', sizeof(line));
    line[LINE - 1] = '\n';
    for (i = 0; i < 64; i++)
        assert_true(gn_sock_send(sock, line, LINE, 0) > 0);
    gn_namespace_kill(f->eg.guest);
    for (i = 0; i < 10000; i++) {
        gn_namespace_stats(f->eg.guest, &stats);
        if (!stats.descriptors)
            break;
        assert_int_equal(gn_sleep_ns(gn_network_gateway(f->eg.net), 1000000),
                         0);
    }
    assert_int_equal(stats.descriptors, 0);
    drop(sock);
}

/* Line @i: letters that depend on it, and an end. */
static void fill_line(char *line, unsigned i)
{
    unsigned k;

    for (k = 0; k < LINE - 1; k++)
        line[k] = (char)('a' + (i * 7 + k * k) % 26);
    line[LINE - 1] = '\n';
}

static void *send_lines(void *arg)
{
    struct gn_sock *sock = arg;
    char line[LINE];
    unsigned i;

    for (i = 0; i < LINES; i++) {
        size_t at = 0;

        fill_line(line, i);
        while (at < LINE) {
            ssize_t n = gn_sock_send(sock, line + at, LINE - at, 0);

            if (n <= 0)
                return arg;
            at += (size_t)n;
        }
    }
    return NULL;
}

static void a_hundred_mebibytes_go_each_way(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    char line[LINE], back[LINE];
    unsigned i, k;
    pthread_t thread;
    void *failed;
    int err;

    serve(f, "good.pem");
    begin(f, f->ca, 0);
    sock = dial(f, NAME, &err);
    assert_int_equal(err, 0);
    assert_int_equal(pthread_create(&thread, NULL, send_lines, sock), 0);
    for (i = 0; i < LINES; i++) {
        assert_int_equal(gn_sock_recv(sock, back, LINE, MSG_WAITALL), LINE);
        fill_line(line, i);
        for (k = 0; k < LINE - 1 && back[k] == line[LINE - 2 - k]; k++)
            continue;
        assert_int_equal(k, LINE - 1);
    }
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    drop(sock);
}

/* ---- asking by an option or by a rule ---- */

static void a_rule_asks_for_it(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    int err;

    serve(f, "good.pem");
    (void)snprintf(f->rule, sizeof(f->rule), "allow tcp 127.0.0.1 port %u tls",
                   f->port);
    begin(f, f->ca, 0);
    sock = dial(f, NULL, &err); /* The address is the name. */
    assert_int_equal(err, 0);
    talk(sock);
    drop(sock);
}

/* ... and by the system's certificates, which this names. */
static void a_rule_takes_the_name_that_was_looked_up(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    int err;

    serve(f, "good.pem");
    (void)snprintf(f->rule, sizeof(f->rule), "allow tcp 127.0.0.1 port %u tls",
                   f->port);
    assert_int_equal(setenv("SSL_CERT_FILE", f->ca, 1), 0);
    eg_begin_names(&f->eg, f->rules,
                   "127.0.0.1 " NAME "\n127.0.0.1 other.test\n", 60);
    assert_int_equal(eg_lookup(&f->eg, NAME), 0);
    sock = dial(f, NULL, &err);
    assert_int_equal(err, 0);
    talk(sock);
    drop(sock);
    assert_int_equal(eg_lookup(&f->eg, "other.test"), 0);
    refused(f, NULL, -EPROTO, "ostname mismatch");
    assert_int_equal(unsetenv("SSL_CERT_FILE"), 0);
}

static void without_an_egress_it_is_refused(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace_config config = {.size = sizeof(config)};
    struct gn_namespace *other;
    struct gn_sock *sock;
    int err;

    begin(f, NULL, 0);
    assert_int_equal(gn_namespace_create(f->eg.net, &config, &other), 0);
    sock = eg_open(&f->eg, AF_INET, SOCK_STREAM);
    ask_tls(sock, NAME);
    err = eg_connect(sock, "10.77.0.3", 80); /* A guest. */
    assert_int_equal(err, -EOPNOTSUPP);
    assert_int_equal(
        gn_sock_setopt(sock, GN_SOL_GUESTNET, GN_TLS_SERVER_NAME, "", 0), 0);
    assert_int_equal(eg_connect(sock, "10.77.0.3", 80), -ECONNREFUSED);
    drop(sock);
}

/* It would be asked of the other guest's way outside, which hears no name. */
static void by_another_guest_it_is_refused(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .forwarding = true};
    struct gn_namespace *other; /* 10.77.0.3 */
    struct gn_sock *sock;

    begin(f, NULL, 0);
    assert_int_equal(gn_namespace_create(f->eg.net, &config, &other), 0);
    assert_int_equal(gn_route_add(f->eg.guest, "192.0.2.0/24", "10.77.0.3"), 0);
    sock = eg_open(&f->eg, AF_INET, SOCK_STREAM);
    ask_tls(sock, NAME);
    assert_int_equal(eg_connect(sock, "192.0.2.1", 443), -EOPNOTSUPP);
    drop(sock);
}

static int dial_out(void *self, struct gn_egress_dial *request, int family,
                    int type, const struct sockaddr *address,
                    const char *looked_up_name)
{
    (void)request;
    (void)family;
    (void)type;
    (void)address;
    (void)looked_up_name;
    (*(unsigned *)self)++;
    return -EIO;
}

static void an_egress_of_ones_own_is_not_asked(void **state)
{
    static const struct gn_egress_ops ops = {.name = "own", .dial = dial_out};
    struct fixture *f = *state;
    struct gn_egress *egress;
    unsigned n = 0;
    int err;

    eg_clear(&f->eg);
    assert_int_equal(gn_egress_create(&ops, &n, &egress), 0);
    eg_begin_egress(&f->eg, egress);
    assert_null(dial(f, NAME, &err));
    assert_int_equal(err, -EPROTONOSUPPORT);
    assert_int_equal(n, 0);
}

static void the_option_says_what_is_wrong(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *stream, *dgram;
    char name[64];
    socklen_t len = sizeof(name);

    begin(f, NULL, 0);
    stream = eg_open(&f->eg, AF_INET, SOCK_STREAM);
    dgram = eg_open(&f->eg, AF_INET, SOCK_DGRAM);
#define SET(sock, text)                                             \
    gn_sock_setopt(sock, GN_SOL_GUESTNET, GN_TLS_SERVER_NAME, text, \
                   (socklen_t)sizeof(text))
    assert_int_equal(SET(dgram, NAME), -ENOPROTOOPT);
    assert_int_equal(SET(stream, "no name"), -EINVAL);
    assert_int_equal(SET(stream, "a..b"), -EINVAL);
    assert_int_equal(SET(stream, "a\0b"), -EINVAL);
    assert_int_equal(SET(stream, "EXAMPLE.test."), 0);
    assert_int_equal(
        gn_sock_getopt(stream, GN_SOL_GUESTNET, GN_TLS_SERVER_NAME, name, &len),
        0);
    assert_string_equal(name, NAME);
    assert_int_equal(len, sizeof(NAME));
    assert_int_equal(SET(stream, "fd77::2"), 0);
    assert_int_equal(gn_sock_listen(stream, 1), 0);
    assert_int_equal(SET(stream, NAME), -EISCONN);
    drop(stream);
    drop(dgram);
}

static void a_file_that_is_none_says_why(void **state)
{
    struct fixture *f = *state;
    struct gn_egress *egress;
    char why[256] = "";
    struct gn_policy policy = {.size = sizeof(policy),
                               .tls_ca_file = "/nowhere/ca.pem",
                               .why = why,
                               .why_len = sizeof(why)};

    (void)f;
    assert_int_equal(gn_egress_system(&policy, &egress), -EINVAL);
    assert_non_null(strstr(why, "tls_ca_file \"/nowhere/ca.pem\""));
    assert_null(strchr(why, '\n'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_guest_is_charged_for_each),
        CASE(the_right_name_is_served),
        CASE(a_wrong_name_is_not),
        CASE(an_old_certificate_is_not),
        CASE(an_unknown_authority_is_not),
        CASE(one_that_speaks_something_else_is_not),
        CASE(one_that_ends_tls_at_once_says_so),
        CASE(a_handshake_that_never_ends_times_out),
        CASE(a_handshake_may_end_early),
        CASE(the_guest_ends_by_close_notify),
        CASE(a_server_that_cuts_is_a_reset),
        CASE(a_guest_killed_in_the_middle_leaves_nothing),
        CASE(a_hundred_mebibytes_go_each_way),
        CASE(a_rule_asks_for_it),
        CASE(a_rule_takes_the_name_that_was_looked_up),
        CASE(by_another_guest_it_is_refused),
        CASE(without_an_egress_it_is_refused),
        CASE(an_egress_of_ones_own_is_not_asked),
        CASE(the_option_says_what_is_wrong),
        CASE(a_file_that_is_none_says_why),
    };

    if (!GN__HAS_TLS) {
        puts("skipped: this library was built without TLS (GUESTNET_TLS)");
        return 77;
    }
    return cmocka_run_group_tests_name("tls", tests, setup_group,
                                       teardown_group);
}
