/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/beyond.h"

#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include <cmocka.h>

#include "namespace/internal.h"

struct beyond_conn {
    struct gn__list link;
    struct beyond *beyond;
    struct gn_sock *sock;
};

struct beyond_flow {
    struct gn__list link;
    struct beyond *beyond;
    struct gn__outside_flow *flow;
    bool echo; /* of ICMP */
};

/* ---- connections ---- */

static void conn_end(struct beyond_conn *conn)
{
    gn__list_del(&conn->link);
    conn->beyond->n_conns--;
    (void)!gn_sock_watch(conn->sock, 0, NULL, NULL);
    gn_sock_close(conn->sock);
    gn_sock_unref(conn->sock);
    free(conn);
}

static void conn_ready(struct gn_sock *sock, short events, void *arg)
{
    struct beyond_conn *conn = arg;
    static char buf[65536];
    ssize_t n = -EAGAIN;

    if (events & POLLIN)
        n = gn_sock_recv(sock, buf, sizeof(buf), 0);
    if (n > 0) {
        conn->beyond->n_bytes += (uint64_t)n;
        /* Tests that send more than a buffer takes read meanwhile. */
        if (gn_sock_send(sock, buf, (size_t)n, 0) != n)
            conn_end(conn);
    } else if (n != -EAGAIN || events & (POLLERR | POLLHUP)) {
        conn_end(conn);
    }
}

void beyond_adopt(struct beyond *beyond, struct gn_sock *sock)
{
    struct beyond_conn *conn = calloc(1, sizeof(*conn));

    assert_non_null(conn);
    conn->beyond = beyond;
    conn->sock = sock;
    gn__list_add_tail(&beyond->conns, &conn->link);
    beyond->n_conns++;
    if (gn_sock_watch(sock, POLLIN, conn_ready, conn)) {
        beyond->n_unwatched++;
        conn_end(conn);
    }
}

/* ---- flows ---- */

static void flow_end(struct beyond_flow *flow)
{
    gn__list_del(&flow->link);
    flow->beyond->n_flows--;
    gn__outside_flow_close(flow->flow);
    free(flow);
}

static void flow_received(struct gn__outside_flow *flow, const void *data,
                          size_t len, void *user)
{
    struct beyond_flow *mine = user;
    uint8_t answer[2048];

    mine->beyond->n_bytes += len;
    if (!mine->echo) {
        (void)!gn__outside_flow_send(flow, data, len);
        return;
    }
    /* As a ping socket has it: the reply's type, an identifier of its own. */
    assert_true(len >= 8 && len <= sizeof(answer));
    memcpy(answer, data, len);
    assert_true(answer[0] == 8 || answer[0] == 128);
    answer[0] = answer[0] == 8 ? 0 : 129;
    answer[4] = answer[5] = 0xee;
    (void)!gn__outside_flow_send(flow, answer, len);
}

static void flow_failed(struct gn__outside_flow *flow, int error, void *user)
{
    struct beyond_flow *mine = user;

    (void)flow;
    assert_int_equal(error, -ECONNREFUSED);
    mine->beyond->n_flows_refused++;
}

static void flow_ended(struct gn__outside_flow *flow, int why, void *user)
{
    struct beyond_flow *mine = user;

    (void)flow;
    mine->beyond->n_flows_cancelled += why == -ECANCELED;
    mine->beyond->n_flows_idled += why == -ETIMEDOUT;
    mine->beyond->n_flows_evicted += why == -ENOBUFS;
    flow_end(mine);
}

static const struct gn__outside_flow_ops flow_ops = {
    .received = flow_received,
    .failed = flow_failed,
    .ended = flow_ended,
};

/* ---- dials ---- */

static int answer(struct beyond *beyond, struct gn__outside_dial *dial)
{
    struct gn__outside_flow_config config = {.ops = &flow_ops};
    struct beyond_flow *flow;
    struct gn_sock *sock;
    int err;

    if (dial->type == SOCK_STREAM) {
        err = gn__outside_accept(dial, &sock);
        if (!err)
            beyond_adopt(beyond, sock);
    } else {
        flow = calloc(1, sizeof(*flow));
        assert_non_null(flow);
        flow->beyond = beyond;
        flow->echo = dial->type == SOCK_RAW;
        config.user = flow;
        err = gn__outside_accept_flow(dial, &config, &flow->flow);
        if (!err) {
            gn__list_add_tail(&beyond->flows, &flow->link);
            beyond->n_flows++;
        } else {
            free(flow);
        }
    }
    beyond->last_accept_error = err;
    beyond->n_failed_accepts += err != 0;
    return err;
}

static void dial(struct gn__outside *outside, struct gn__outside_dial *dial)
{
    struct beyond *beyond = (struct beyond *)(void *)outside;

    beyond->n_dials++;
    switch (beyond->mode) {
    case BEYOND_ECHO:
        (void)!answer(beyond, dial);
        break;
    case BEYOND_REFUSE:
        gn__outside_refuse(dial, beyond->error);
        break;
    case BEYOND_WAIT:
        assert_true(beyond->n_pending < BEYOND_PENDING);
        beyond->pending[beyond->n_pending++] = dial;
        break;
    }
}

static struct gn__outside_dial *take(struct beyond *beyond, size_t at)
{
    struct gn__outside_dial *dial = beyond->pending[at];

    assert_true(at < beyond->n_pending);
    beyond->n_pending--;
    for (; at < beyond->n_pending; at++)
        beyond->pending[at] = beyond->pending[at + 1];
    return dial;
}

static void cancel(struct gn__outside *outside, struct gn__outside_dial *dial)
{
    struct beyond *beyond = (struct beyond *)(void *)outside;
    size_t i;

    beyond->n_cancelled++;
    for (i = 0; i < beyond->n_pending; i++) {
        if (beyond->pending[i] == dial) {
            (void)take(beyond, i);
            return;
        }
    }
    fail_msg("a dial nobody knows is cancelled");
}

static void bound(struct gn__outside *outside, struct gn__outside_port *port)
{
    struct beyond *beyond = (struct beyond *)(void *)outside;

    assert_true(beyond->n_ports < BEYOND_PORTS);
    beyond->ports[beyond->n_ports++] = port;
    beyond->n_bound++;
}

static void unbound(struct gn__outside *outside, struct gn__outside_port *port)
{
    struct beyond *beyond = (struct beyond *)(void *)outside;
    size_t i;

    beyond->n_unbound++;
    for (i = 0; i < beyond->n_ports; i++) {
        if (beyond->ports[i] == port) {
            beyond->ports[i] = beyond->ports[--beyond->n_ports];
            return;
        }
    }
    fail_msg("a port nobody knows is unbound");
}

static void released(struct gn__outside *outside)
{
    struct beyond *beyond = (struct beyond *)(void *)outside;

    beyond->n_released++;
}

static const struct gn__outside_ops ops = {
    .name = "beyond",
    .dial = dial,
    .cancel = cancel,
    .bound = bound,
    .unbound = unbound,
    .released = released,
};

/* ---- for tests ---- */

void beyond_init(struct beyond *beyond)
{
    *beyond = (struct beyond){.outside = {.ops = &ops}};
    gn__list_init(&beyond->conns);
    gn__list_init(&beyond->flows);
}

void beyond_done(struct beyond *beyond)
{
    struct gn__list *it, *tmp;

    gn__list_foreach_safe (it, tmp, &beyond->conns) {
        conn_end(gn__container_of(it, struct beyond_conn, link));
    }
    gn__list_foreach_safe (it, tmp, &beyond->flows) {
        flow_end(gn__container_of(it, struct beyond_flow, link));
    }
    while (beyond->n_pending)
        beyond_refuse(beyond, -ECONNREFUSED);
}

void beyond_give(struct beyond *beyond, struct gn_namespace *ns)
{
    gn__engine_enter(ns->engine);
    assert_int_equal(gn__ns_set_outside(ns, &beyond->outside), 0);
    gn__engine_leave(ns->engine);
}

struct gn_namespace *beyond_guest(struct beyond *beyond, struct gn_network *net,
                                  const char *name,
                                  const struct gn_limits *limits)
{
    struct gn_namespace_config config = {.size = sizeof(config), .name = name};
    struct gn_namespace *ns;

    if (limits)
        config.limits = *limits;
    assert_int_equal(gn_namespace_create(net, &config, &ns), 0);
    beyond_give(beyond, ns);
    return ns;
}

int beyond_accept(struct beyond *beyond)
{
    return answer(beyond, take(beyond, 0));
}

void beyond_refuse(struct beyond *beyond, int error)
{
    gn__outside_refuse(take(beyond, 0), error);
}

struct gn__endpoint beyond_endpoint(const char *text)
{
    struct sockaddr_storage addr;
    struct gn__endpoint out;
    socklen_t len;

    assert_int_equal(gn_addr_parse(text, &addr, &len), 0);
    assert_int_equal(gn__endpoint_from_sockaddr((struct sockaddr *)&addr, len,
                                                AF_UNSPEC, &out),
                     0);
    return out;
}
