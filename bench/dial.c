/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the call that dials to the first byte that comes back, host and guest in
 * one process and on one libuv loop: our dial, listener and conns, and for
 * reference libuv's own over the kernel's loopback.
 *
 * One dial after the other. The server writes its byte as soon as it accepts;
 * the client takes the time, and resets, so that nothing is left in TIME_WAIT.
 */
#include "bench.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <guestnet/guestnet.h>

/* Times that are kept; what comes later is not measured. */
#define MAX_TRIPS 200000u

struct trips {
    uv_loop_t loop;
    uint64_t *ns;
    size_t n;
    size_t warm; /* The first so many do not count. */
    uint64_t from_ns;
    uint64_t until_ns;
    int err;
    bool over;
    void (*again)(struct trips *trips);
    /* Ours. */
    struct gn_network *net;
    struct gn_listener *listener;
    /* The reference. */
    uv_tcp_t server;
    struct sockaddr_in addr;
};

static void finish(struct trips *trips, int err)
{
    if (!trips->err)
        trips->err = err;
    trips->over = true;
    uv_stop(&trips->loop);
}

static void begin(struct trips *trips)
{
    trips->from_ns = bench_now_ns();
    trips->again(trips);
}

/* The first byte is here. */
static void note(struct trips *trips)
{
    uint64_t now = bench_now_ns();

    if (trips->warm)
        trips->warm--;
    else
        trips->ns[trips->n++] = now - trips->from_ns;
    if (now >= trips->until_ns || trips->n == MAX_TRIPS)
        trips->over = true;
}

static void next(struct trips *trips)
{
    if (trips->over)
        uv_stop(&trips->loop);
    else
        begin(trips);
}

/* ---- ours ---- */

static void our_client_gone(void *arg)
{
    next(arg);
}

static void our_client_read(struct gn_conn *conn, ssize_t nread,
                            const void *data, void *arg)
{
    struct trips *trips = arg;

    (void)data;
    if (nread <= 0) {
        finish(trips, (int)nread);
        return;
    }
    note(trips);
    (void)gn_conn_reset(conn, our_client_gone, trips);
}

static void our_dialled(struct gn_dial *dial, int status, struct gn_conn *conn,
                        void *arg)
{
    (void)dial;
    if (!status)
        status = gn_conn_read_start(conn, our_client_read, arg);
    if (status)
        finish(arg, status);
}

static void our_dial(struct trips *trips)
{
    int err = gn_dial(gn_network_gateway(trips->net), "tcp", "10.77.0.2:80",
                      NULL, our_dialled, trips, NULL);

    if (err)
        finish(trips, err);
}

static void our_server_read(struct gn_conn *conn, ssize_t nread,
                            const void *data, void *arg)
{
    (void)data;
    (void)arg;
    if (nread <= 0)
        (void)gn_conn_close(conn, NULL, NULL);
}

static void our_accepted(struct gn_listener *listener, int status,
                         struct gn_conn *conn, void *arg)
{
    (void)listener;
    if (status)
        return;
    if (gn_conn_try_write(conn, "!", 1) != 1 ||
        gn_conn_read_start(conn, our_server_read, arg))
        finish(arg, -EIO);
}

static void our_network_gone(void *arg)
{
    struct trips *trips = arg;

    uv_stop(&trips->loop);
}

static int measure_ours(struct trips *trips)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_LOOP,
                                       .loop = &trips->loop};
    struct gn_namespace *guest;
    int err = gn_network_create(&config, &trips->net);

    if (err)
        return err;
    err = gn_namespace_create(trips->net, NULL, &guest);
    if (!err)
        err = gn_listen(guest, "tcp", ":80", our_accepted, trips,
                        &trips->listener);
    trips->again = our_dial;
    if (!err) {
        begin(trips);
        (void)uv_run(&trips->loop, UV_RUN_DEFAULT);
    }
    gn_network_close(trips->net, our_network_gone, trips);
    (void)uv_run(&trips->loop, UV_RUN_DEFAULT);
    return err ? err : trips->err;
}

/* ---- the reference ---- */

struct uv_side {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    struct trips *trips;
    char byte;
};

static struct uv_side *side_of(void *handle)
{
    return handle; /* tcp is first. */
}

static void uv_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    (void)size;
    *buf = uv_buf_init(&side_of(handle)->byte, 1);
}

static void uv_side_gone(uv_handle_t *handle)
{
    free(handle);
}

static void uv_client_gone(uv_handle_t *handle)
{
    struct trips *trips = side_of(handle)->trips;

    free(handle);
    next(trips);
}

static void uv_client_read(uv_stream_t *stream, ssize_t nread,
                           const uv_buf_t *buf)
{
    struct uv_side *side = side_of(stream);

    (void)buf;
    if (nread <= 0) {
        finish(side->trips, (int)nread);
        return;
    }
    note(side->trips);
    (void)uv_tcp_close_reset(&side->tcp, uv_client_gone);
}

static void uv_connected(uv_connect_t *connect, int status)
{
    struct uv_side *side = side_of(connect->handle);

    if (!status)
        status = uv_read_start(connect->handle, uv_alloc, uv_client_read);
    if (status)
        finish(side->trips, status);
}

static struct uv_side *uv_side_new(struct trips *trips)
{
    struct uv_side *side = calloc(1, sizeof(*side));

    if (!side || uv_tcp_init(&trips->loop, &side->tcp))
        abort();
    side->trips = trips;
    return side;
}

static void uv_dial(struct trips *trips)
{
    struct uv_side *side = uv_side_new(trips);
    int err =
        uv_tcp_connect(&side->connect, &side->tcp,
                       (const struct sockaddr *)&trips->addr, uv_connected);

    if (err)
        finish(trips, err);
}

static void uv_server_read(uv_stream_t *stream, ssize_t nread,
                           const uv_buf_t *buf)
{
    (void)buf;
    if (nread <= 0)
        uv_close((uv_handle_t *)stream, uv_side_gone);
}

static void uv_accepted(uv_stream_t *server, int status)
{
    struct trips *trips = server->data;
    struct uv_side *side = uv_side_new(trips);
    uv_buf_t buf = uv_buf_init(&side->byte, 1);

    if (status || uv_accept(server, (uv_stream_t *)&side->tcp) ||
        uv_try_write((uv_stream_t *)&side->tcp, &buf, 1) != 1 ||
        uv_read_start((uv_stream_t *)&side->tcp, uv_alloc, uv_server_read))
        finish(trips, status ? status : -EIO);
}

static int measure_uv(struct trips *trips)
{
    int len = sizeof(trips->addr);
    int err = uv_ip4_addr("127.0.0.1", 0, &trips->addr);

    if (!err)
        err = uv_tcp_init(&trips->loop, &trips->server);
    trips->server.data = trips;
    if (!err)
        err = uv_tcp_bind(&trips->server, (const struct sockaddr *)&trips->addr,
                          0);
    if (!err)
        err = uv_listen((uv_stream_t *)&trips->server, 128, uv_accepted);
    if (!err)
        err = uv_tcp_getsockname(&trips->server,
                                 (struct sockaddr *)&trips->addr, &len);
    if (err)
        return err;
    trips->again = uv_dial;
    begin(trips);
    (void)uv_run(&trips->loop, UV_RUN_DEFAULT);
    return trips->err;
}

/* ---- rows ---- */

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

static int fill(struct trips *trips, enum bench_side side)
{
    int err = uv_loop_init(&trips->loop); /* It goes with the process. */

    if (!err)
        err = side == BENCH_OURS ? measure_ours(trips) : measure_uv(trips);
    if (!err && !trips->n)
        err = -ETIMEDOUT;
    return err;
}

/* run->arg is the percentile. */
static int measure(const struct bench_run *run, double *out)
{
    struct trips *trips = calloc(1, sizeof(*trips));
    uint64_t *ns = calloc(MAX_TRIPS, sizeof(*ns));
    int err = -ENOMEM;

    if (trips && ns) {
        trips->ns = ns;
        trips->warm = run->quick ? 100 : 1000;
        trips->until_ns = bench_now_ns() + run->time_ns;
        err = fill(trips, run->side);
    }
    if (!err) {
        qsort(ns, trips->n, sizeof(*ns), compare);
        *out = (double)ns[trips->n * run->arg / 100] / 1000.0;
    }
    free(ns);
    free(trips);
    return err;
}

const struct bench_row bench_dial_rows[] = {
    {"dial_first_byte_p50",
     "us",
     "kernel loopback, libuv",
     measure,
     {50, 50},
     BENCH_RATIO_MAX,
     0.2},
    {"dial_first_byte_p99",
     "us",
     "kernel loopback, libuv",
     measure,
     {99, 99},
     BENCH_RATIO_MAX,
     0.2},
    {NULL, NULL, NULL, NULL, {0, 0}, BENCH_PRINTED, 0},
};
