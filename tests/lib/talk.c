/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/talk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/kept.h"
#include "tests/lib/until.h"
#include "tests/lib/units.h"

#define MINUTE_MS 60000u

/* ---- the network ---- */

static int add_guest(struct talk *talk, const char *name,
                     struct gn_namespace **out)
{
    struct gn_namespace_config config = {.size = sizeof(config), .name = name};

    return gn_namespace_create(talk->net, &config, out);
}

int talk_open(struct talk *talk, bool threaded, const struct gn_limits *limits,
              const struct gn_allocator *alloc)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_clock_config clock = {.size = sizeof(clock), .alloc = alloc};
    struct gn_network_config config = {
        .size = sizeof(config), .prefixes = prefixes, .alloc = alloc};
    int err = 0;

    talk->clock = NULL;
    talk->net = NULL;
    if (limits)
        config.limits = *limits;
    if (!threaded)
        err = gn_clock_create(&clock, &talk->clock);
    config.clock = talk->clock;
    config.drive = threaded ? GN_DRIVE_THREAD : GN_DRIVE_VIRTUAL;
    if (!err)
        err = gn_network_create(&config, &talk->net);
    if (err)
        return err;
    talk->gateway = gn_network_gateway(talk->net);
    err = add_guest(talk, "a", &talk->a);
    return err ? err : add_guest(talk, "b", &talk->b);
}

void talk_close(struct talk *talk)
{
    gn_network_close(talk->net, NULL, NULL);
    gn_clock_close(talk->clock);
}

static int setup(void **state, bool threaded)
{
    struct talk *talk = calloc(1, sizeof(*talk));

    assert_non_null(talk);
    gn_test_heap_init(&talk->heap);
    assert_int_equal(talk_open(talk, threaded, NULL, &talk->heap.alloc), 0);
    gn_test_keep(talk->net);
    *state = talk;
    return 0;
}

int talk_setup(void **state)
{
    return setup(state, false);
}

int talk_threaded(void **state)
{
    return setup(state, true);
}

int talk_teardown(void **state)
{
    struct talk *talk = *state;

    talk_close(talk);
    gn_test_heap_done(&talk->heap);
    free(talk);
    return 0;
}

/* ---- time ---- */

void talk_pass_ms(struct talk *talk, uint64_t ms)
{
    gn_clock_advance(talk->clock, ms * GN_MS);
}

void talk_until(struct talk *talk, bool (*done)(void *arg), void *arg)
{
    if (talk->clock) {
        uint64_t now = gn_clock_now_ns(talk->clock);

        assert_true(gn_clock_run_until(talk->clock, now + MINUTE_MS * GN_MS,
                                       done, arg));
        return;
    }
    gn_test_until(done(arg));
}

struct counting {
    const _Atomic unsigned *counter;
    unsigned n;
};

static bool has_counted(void *arg)
{
    const struct counting *counting = arg;

    return atomic_load(counting->counter) >= counting->n;
}

void talk_count(struct talk *talk, const _Atomic unsigned *counter, unsigned n)
{
    struct counting counting = {counter, n};

    talk_until(talk, has_counted, &counting);
}

/* ---- parties ---- */

void party_done(struct party *party)
{
    free(party->data);
    party->data = NULL;
    party->room = 0;
}

void party_dialled(struct gn_dial *dial, int status, struct gn_conn *conn,
                   void *arg)
{
    struct party *party = arg;

    (void)dial;
    assert_true((status == 0) == (conn != NULL));
    party->conn = conn;
    party->dial_status = status;
    party->dialled++;
}

void party_accepted(struct gn_listener *listener, int status,
                    struct gn_conn *conn, void *arg)
{
    party_dialled(NULL, status, conn, arg);
    (void)listener;
}

static void keep(struct party *party, const void *data, size_t len)
{
    size_t n = party->n_read;

    if (n + len > party->room) {
        party->room = 2 * (n + len);
        party->data = realloc(party->data, party->room);
        assert_non_null(party->data);
    }
    memcpy(party->data + n, data, len);
}

void party_read(struct gn_conn *conn, ssize_t nread, const void *data,
                void *arg)
{
    struct party *party = arg;

    assert_ptr_equal(party->conn, conn);
    if (nread < 0) {
        assert_null(data);
        party->end = (int)nread;
        party->ended++;
        return;
    }
    assert_non_null(data);
    if (party->keep)
        keep(party, data, (size_t)nread);
    party->n_read += (size_t)nread;
    party->n_reads++;
}

void party_written(struct gn_conn *conn, int status, void *arg)
{
    struct party *party = arg;

    assert_ptr_equal(party->conn, conn);
    if (status)
        party->write_status = status;
    party->n_written++;
}

void party_drained(struct gn_conn *conn, void *arg)
{
    struct party *party = arg;

    assert_ptr_equal(party->conn, conn);
    party->n_drained++;
}

void party_closed(void *arg)
{
    struct party *party = arg;

    party->closed++;
}

/* ---- pairs ---- */

void talk_connect(struct talk *talk, struct gn_namespace *from,
                  struct gn_namespace *to, uint16_t port, struct party *client,
                  struct party *server)
{
    struct gn_listener *listener;
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    char address[GN_ADDRESS_MAX];
    struct gn_interface eth0;

    (void)snprintf(address, sizeof(address), ":%u", port);
    assert_int_equal(
        gn_listen(to, "tcp4", address, party_accepted, server, &listener), 0);
    assert_int_equal(gn_listener_addr(listener, (struct sockaddr *)&ss, &len),
                     0);
    assert_int_equal(gn_namespace_interface_by_name(to, "eth0", &eth0), 0);
    assert_int_equal(gn_ip_format(&eth0.addrs[0].ip, address, sizeof(address)),
                     0);
    (void)snprintf(address + strlen(address), 8, ":%u",
                   ntohs(((struct sockaddr_in *)&ss)->sin_port));
    assert_int_equal(
        gn_dial(from, "tcp", address, NULL, party_dialled, client, NULL), 0);
    talk_count(talk, &client->dialled, 1);
    talk_count(talk, &server->dialled, 1);
    assert_int_equal(client->dial_status, 0);
    assert_int_equal(server->dial_status, 0);
    assert_int_equal(gn_listener_close(listener, NULL, NULL), 0);
}

void talk_drop(struct talk *talk, struct party *party)
{
    unsigned before = party->closed;

    assert_int_equal(gn_conn_close(party->conn, party_closed, party), 0);
    talk_count(talk, &party->closed, before + 1);
    party_done(party);
}

void talk_part(struct talk *talk, struct party *client, struct party *server)
{
    talk_drop(talk, client);
    talk_drop(talk, server);
}

const char *talk_peer(struct gn_conn *conn, char *text, size_t cap)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);

    assert_int_equal(gn_conn_peer(conn, (struct sockaddr *)&ss, &len), 0);
    assert_int_equal(gn_addr_format((struct sockaddr *)&ss, text, cap), 0);
    return text;
}
