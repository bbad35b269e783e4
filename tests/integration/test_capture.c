/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Captures, read back by libpcap and by tshark: whole packets, right checksums,
 * right times, of all guests or of one.
 */
#include <guestnet/capture.h>
#include <guestnet/link.h>

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "netstack/netstack.h"
#include "tests/lib/case.h"
#include "tests/lib/simnet.h"

static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};

struct fixture {
    struct gn_simnet sim;
    struct gn_namespace *a, *b, *c;
    char path[64];
};

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    int fd;

    gn_simnet_setup(&f->sim, prefixes, 7);
    f->a = gn_simnet_guest(f->sim.net, "a"); /* 10.77.0.2 */
    f->b = gn_simnet_guest(f->sim.net, "b");
    f->c = gn_simnet_guest(f->sim.net, "c");
    (void)snprintf(f->path, sizeof(f->path), "capture-XXXXXX");
    fd = mkstemp(f->path);
    assert_true(fd >= 0);
    close(fd);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_simnet_teardown(&f->sim);
    unlink(f->path);
    test_free(f);
    return 0;
}

/* What a file holds. */
struct content {
    unsigned n, n_bad; /* packets, those with a wrong checksum */
    size_t bytes;
    int64_t first_ns, last_ns;
};

static void look(const uint8_t *bytes, size_t len, struct content *content)
{
    struct gn__mem mem;
    struct gn__chunk_pool *chunks;
    struct gn__packet_pool pool;
    struct gn__packet *packet;
    enum gn__ip_flaw flaw;

    gn__mem_init(&mem, NULL);
    assert_int_equal(gn__chunk_pool_create(&mem, &chunks), 0);
    gn__packet_pool_init(&pool, &mem, chunks);
    if (gn__packet_from_bytes(&pool, bytes, len, false, &flaw, &packet))
        content->n_bad++;
    else
        gn__packet_free(packet);
    gn__packet_pool_done(&pool);
    gn__chunk_pool_close(chunks);
}

static struct content read_back(const char *path)
{
    char why[PCAP_ERRBUF_SIZE];
    pcap_t *pcap = pcap_open_offline_with_tstamp_precision(
        path, PCAP_TSTAMP_PRECISION_NANO, why);
    struct content content = {0};
    struct pcap_pkthdr *header;
    const u_char *bytes;
    int more;

    assert_non_null(pcap);
    assert_int_equal(pcap_datalink(pcap), DLT_RAW);
    while ((more = pcap_next_ex(pcap, &header, &bytes)) == 1) {
        int64_t at = header->ts.tv_sec * 1000000000 + header->ts.tv_usec;

        assert_int_equal(header->len, header->caplen);
        if (content.n++ == 0)
            content.first_ns = at;
        content.last_ns = at;
        content.bytes += header->len;
        look(bytes, header->len, &content);
    }
    assert_int_equal(more, PCAP_ERROR_BREAK);
    pcap_close(pcap);
    return content;
}

static struct gn_capture *start(struct fixture *f, struct gn_namespace *only)
{
    struct gn_capture *capture;

    assert_int_equal(gn_capture_start(f->sim.net, only, f->path, &capture), 0);
    return capture;
}

/* A datagram, and the time that it takes. */
static void say(struct gn_sock *from, const char *to, size_t len)
{
    char data[2000] = "hello";

    assert_int_equal(gn_simnet_send(from, to, data, len), len);
}

static void every_packet_is_there_with_its_time(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *a = gn_simnet_udp(f->a, "0.0.0.0:1");
    struct gn_sock *b = gn_simnet_udp(f->b, "0.0.0.0:2");
    struct gn_capture *capture = start(f, NULL);
    struct gn_capture_stats stats;
    struct content content;
    uint64_t begin = gn_now_ns(f->a);

    say(a, "10.77.0.3:2", 5);
    gn_clock_advance(f->sim.clock, 1234567);
    say(b, "10.77.0.2:1", 1000);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(gn_capture_flush(capture), 0);
    content = read_back(f->path);
    assert_int_equal(content.n, 2);
    assert_int_equal(content.n_bad, 0);
    assert_int_equal(content.bytes, 28 + 5 + 28 + 1000);
    assert_int_equal(content.first_ns, begin);
    assert_int_equal(content.last_ns, begin + 1234567);
    gn_capture_stats(capture, &stats);
    assert_int_equal(stats.packets, 2);
    assert_int_equal(stats.bytes, content.bytes);
    assert_int_equal(stats.dropped, 0);
    assert_int_equal(gn_capture_stop(capture), 0);
    say(a, "10.77.0.3:2", 5);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(read_back(f->path).n, 2);
    gn_simnet_end(a);
    gn_simnet_end(b);
}

static void one_guest_alone_is_what_it_sends_and_receives(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *a = gn_simnet_udp(f->a, "[::]:1");
    struct gn_sock *b = gn_simnet_udp(f->b, "[::]:2");
    struct gn_sock *c = gn_simnet_udp(f->c, "[::]:3");
    struct gn_capture *capture = start(f, f->c);

    say(a, "[fd77::3]:2", 5);
    say(a, "[fd77::4]:3", 5);
    say(c, "[fd77::3]:2", 5);
    say(c, "[::1]:3", 5);
    gn_clock_advance(f->sim.clock, GN_MS);
    gn_simnet_end(c);
    gn_namespace_close(f->c, 0, NULL, NULL);
    say(a, "[fd77::3]:2", 5);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(gn_capture_stop(capture), 0);
    assert_int_equal(read_back(f->path).n, 2);
    gn_simnet_end(a);
    gn_simnet_end(b);
}

static void a_damaged_packet_has_a_wrong_checksum(void **state)
{
    struct fixture *f = *state;
    struct gn_link_config noisy = {.size = sizeof(noisy),
                                   .corrupt_ppm = 1000000};
    struct gn_sock *a = gn_simnet_udp(f->a, "0.0.0.0:1");
    struct gn_capture *capture = start(f, NULL);
    struct content content;

    assert_int_equal(gn_link_set(f->a, "eth0", &noisy), 0);
    say(a, "10.77.0.3:2", 100);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(gn_capture_stop(capture), 0);
    content = read_back(f->path);
    assert_int_equal(content.n, 1);
    assert_int_equal(content.n_bad, 1);
    gn_simnet_end(a);
}

static void a_network_that_closes_ends_its_captures(void **state)
{
    struct fixture *f = *state;
    struct gn_network *net = gn_simnet_add(&f->sim, "other", prefixes);
    struct gn_namespace *guest = gn_simnet_guest(net, NULL);
    struct gn_sock *sock = gn_simnet_udp(guest, "0.0.0.0:1");
    struct gn_capture *capture;

    assert_int_equal(gn_capture_start(net, NULL, f->path, &capture), 0);
    say(sock, "10.77.0.1:9", 5);
    gn_simnet_end(sock);
    gn_network_close(net, NULL, NULL);
    assert_int_equal(read_back(f->path).n, 2); /* ICMP answered it. */
}

static void a_file_that_is_open_is_written_to(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *a = gn_simnet_udp(f->a, "0.0.0.0:1");
    struct gn_sock *b = gn_simnet_udp(f->b, "0.0.0.0:2");
    int fd = open(f->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int reader = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct gn_capture *capture = NULL;

    assert_int_equal(gn_capture_start_fd(f->sim.net, NULL, -1, &capture),
                     -EBADF);
    assert_int_equal(gn_capture_start_fd(f->sim.net, NULL, reader, &capture),
                     -EBADF);
    assert_int_equal(close(reader), 0);
    assert_int_equal(gn_capture_start_fd(f->sim.net, NULL, fd, &capture), 0);
    assert_int_equal(close(fd), 0); /* It was borrowed. */
    say(a, "10.77.0.3:2", 5);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(gn_capture_stop(capture), 0);
    assert_int_equal(read_back(f->path).n, 1);
    gn_simnet_end(a);
    gn_simnet_end(b);
}

static void what_cannot_be_written_is_said(void **state)
{
    struct fixture *f = *state;
    struct gn_network *other = gn_simnet_add(&f->sim, "other", prefixes);
    struct gn_capture *capture = NULL;

    assert_int_equal(
        gn_capture_start(f->sim.net, NULL, "no/such/folder", &capture),
        -ENOENT);
    assert_int_equal(gn_capture_start(f->sim.net, NULL, ".", &capture),
                     -EISDIR);
    assert_int_equal(gn_capture_start(f->sim.net, NULL, NULL, &capture),
                     -EFAULT);
    assert_int_equal(gn_capture_start(other, f->a, f->path, &capture), -EINVAL);
    assert_null(capture);
    gn_network_close(other, NULL, NULL);
}

static void a_full_disk_ends_the_writing_only(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *a = gn_simnet_udp(f->a, "0.0.0.0:1");
    struct gn_sock *b = gn_simnet_udp(f->b, "0.0.0.0:2");
    struct gn_capture_stats stats;
    struct gn_capture *capture;

    if (access("/dev/full", W_OK)) {
        print_message("skipped: no /dev/full here\n");
        skip();
    }
    assert_int_equal(gn_capture_start(f->sim.net, NULL, "/dev/full", &capture),
                     0);
    say(a, "10.77.0.3:2", 5);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(gn_capture_flush(capture), -ENOSPC);
    say(a, "10.77.0.3:2", 5);
    gn_clock_advance(f->sim.clock, GN_MS);
    gn_capture_stats(capture, &stats);
    assert_int_equal(stats.error, -ENOSPC);
    assert_int_equal(stats.dropped, 1);
    assert_int_equal(gn_capture_stop(capture), -ENOSPC);
    assert_int_equal(gn_sock_available(b), 5);
    gn_simnet_end(a);
    gn_simnet_end(b);
}

static void what_waits_is_bounded(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *a = gn_simnet_udp(f->a, "0.0.0.0:1");
    struct gn_sock *b = gn_simnet_udp(f->b, "0.0.0.0:2");
    struct gn_capture *capture = start(f, NULL);
    struct gn_capture_stats stats;
    unsigned i;

    for (i = 0; i < 40000; i++)
        say(a, "10.77.0.3:2", 1000); /* The clock is not driven meanwhile. */
    assert_int_equal(gn_capture_flush(capture), 0);
    gn_capture_stats(capture, &stats);
    assert_true(stats.dropped > 20000);
    assert_int_equal(stats.packets + stats.dropped, 40000);
    say(a, "10.77.0.3:2", 1000);
    assert_int_equal(gn_capture_stop(capture), 0);
    assert_int_equal(read_back(f->path).n, stats.packets + 1);
    gn_simnet_end(a);
    gn_simnet_end(b);
}

static int start_and_stop(struct gn_test_heap *heap, void *arg)
{
    struct fixture *f = arg;
    struct gn_clock_config clock_config = {
        .size = sizeof(clock_config), .seed = 1, .alloc = &heap->alloc};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_VIRTUAL};
    struct gn_capture *capture;
    struct gn_network *net;
    int err;

    err = gn_clock_create(&clock_config, &config.clock);
    if (err)
        return err;
    err = gn_network_create(&config, &net);
    if (!err) {
        err = gn_capture_start(net, NULL, f->path, &capture);
        if (!err)
            assert_int_equal(gn_capture_stop(capture), 0);
        gn_network_close(net, NULL, NULL);
    }
    gn_clock_close(config.clock);
    return err;
}

static void out_of_memory_leaves_nothing_behind(void **state)
{
    assert_true(gn_test_heap_sweep(start_and_stop, *state) > 3);
}

/* A TCP conversation, as a program of another project reads it. */
static void tshark_has_nothing_to_complain_of(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *listener, *client, *server;
    struct sockaddr_storage addr;
    struct gn_capture *capture = start(f, NULL);
    static char data[100000];
    char command[512], line[256];
    socklen_t len;
    size_t n = 0;
    FILE *pipe;

    if (system("tshark --version >/dev/null 2>&1") != 0) {
        assert_int_equal(gn_capture_stop(capture), 0);
        print_message("skipped: no tshark here\n");
        skip();
    }
    assert_int_equal(
        gn_sock_open(f->b, AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0, &listener),
        0);
    assert_int_equal(gn_addr_parse("[::]:80", &addr, &len), 0);
    assert_int_equal(gn_sock_bind(listener, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(gn_sock_listen(listener, 1), 0);
    assert_int_equal(
        gn_sock_open(f->a, AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0, &client),
        0);
    assert_int_equal(gn_addr_parse("[fd77::3]:80", &addr, &len), 0);
    assert_int_equal(gn_sock_connect(client, (struct sockaddr *)&addr, len),
                     -EINPROGRESS);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(
        gn_sock_accept(listener, NULL, NULL, SOCK_NONBLOCK, &server), 0);
    while (n < sizeof(data)) {
        ssize_t sent = gn_sock_send(client, data, sizeof(data), 0);

        assert_true(sent > 0 || sent == -EAGAIN);
        gn_clock_advance(f->sim.clock, 30 * GN_MS);
        while ((sent = gn_sock_recv(server, data, sizeof(data), 0)) > 0)
            n += (size_t)sent;
    }
    gn_simnet_end(client);
    gn_simnet_end(server);
    gn_simnet_end(listener);
    gn_clock_advance(f->sim.clock, 1000 * GN_MS);
    assert_int_equal(gn_capture_stop(capture), 0);

    (void)snprintf(command, sizeof(command),
                   "tshark -r %s -o ip.check_checksum:TRUE"
                   " -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE"
                   " -Y '_ws.expert.severity >= \"Warning\" || _ws.malformed'"
                   " 2>&1 | grep -v 'Running as user'",
                   f->path);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    while (fgets(line, sizeof(line), pipe))
        fail_msg("tshark: %s", line);
    assert_int_not_equal(pclose(pipe), -1);
    assert_true(read_back(f->path).n > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(every_packet_is_there_with_its_time),
        CASE(one_guest_alone_is_what_it_sends_and_receives),
        CASE(a_damaged_packet_has_a_wrong_checksum),
        CASE(a_network_that_closes_ends_its_captures),
        CASE(a_file_that_is_open_is_written_to),
        CASE(what_cannot_be_written_is_said),
        CASE(a_full_disk_ends_the_writing_only),
        CASE(what_waits_is_bounded),
        CASE(out_of_memory_leaves_nothing_behind),
        CASE(tshark_has_nothing_to_complain_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
