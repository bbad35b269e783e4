/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A client: reads and writes, one after the other, and tries each of them at
 * one node after the other until it has an answer.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "raft.h"

#define ANSWER_MS 1000

/* ---- messages ---- */

int message_send(struct gn_sock *sock, const struct message *message)
{
    const char *at = (const char *)message;
    size_t left = sizeof(*message);
    ssize_t n;

    for (; left > 0; at += n, left -= (size_t)n) {
        n = gn_sock_send(sock, at, left, 0);
        if (n <= 0)
            return n ? (int)n : -EPIPE;
    }
    return 0;
}

int message_recv(struct gn_sock *sock, struct message *message)
{
    char *at = (char *)message;
    size_t left = sizeof(*message);
    ssize_t n;

    for (; left > 0; at += n, left -= (size_t)n) {
        n = gn_sock_recv(sock, at, left, 0);
        if (n <= 0)
            return n ? (int)n : -EPIPE;
    }
    return 0;
}

int node_dial(struct gn_namespace *ns, int to, unsigned ms,
              struct gn_sock **out)
{
    struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    char address[32];
    int err, on = 1;

    (void)snprintf(address, sizeof(address), "n%d" PORT, to);
    err = gn_sock_dial(ns, "tcp4", address, ms, NULL, 0, out);
    if (err)
        return err;
    err = gn_sock_setopt(*out, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    if (!err)
        err = gn_sock_setopt(*out, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (err) {
        gn_sock_unref(*out);
        *out = NULL;
    }
    return err;
}

/* ---- requests ---- */

/* At one node; the answer's value if it has one. */
static int try_at(struct gn_namespace *ns, int node, const struct message *out,
                  uint32_t *value)
{
    struct message in = {.ok = 0};
    struct gn_sock *sock;
    int err = node_dial(ns, node, ANSWER_MS, &sock);

    if (err)
        return err;
    err = message_send(sock, out);
    if (!err)
        err = message_recv(sock, &in);
    gn_sock_close(sock);
    gn_sock_unref(sock);
    if (!err && !in.ok)
        err = -EAGAIN; /* It does not lead, or could not agree in time. */
    if (!err)
        *value = in.value;
    return err;
}

static int request(struct gn_namespace *ns, const struct message *out,
                   uint32_t *value)
{
    static const uint64_t pause = 20 * MS;
    unsigned node;
    int err;

    gn_random(ns, &node, sizeof(node));
    for (node %= N_NODES;; node = (node + 1) % N_NODES) {
        if (!try_at(ns, (int)node, out, value))
            return 0;
        err = gn_sleep_ns(ns, pause);
        if (err)
            return err;
    }
}

/* ---- what it did ---- */

static struct op *op_begin(struct gn_namespace *ns, const struct entry *entry)
{
    struct op *op;

    (void)pthread_mutex_lock(&world.lock);
    op = &world.ops[world.n_ops++];
    *op = (struct op){.begin = gn_now_ns(ns),
                      .end = UINT64_MAX,
                      .client = entry->client,
                      .key = entry->key,
                      .value = entry->value,
                      .is_write = entry->is_write};
    (void)pthread_mutex_unlock(&world.lock);
    return op;
}

static void op_end(struct gn_namespace *ns, struct op *op, uint32_t value)
{
    (void)pthread_mutex_lock(&world.lock);
    op->end = gn_now_ns(ns);
    if (!op->is_write)
        op->value = value;
    (void)pthread_mutex_unlock(&world.lock);
}

int client_boot(void *arg)
{
    struct gn_namespace *ns = gn_task_namespace();
    uint32_t id = (uint32_t)(uintptr_t)arg, number, drawn, value;
    struct message out = {.kind = COMMAND, .n = 1};
    struct op *op;

    for (number = 1; number <= N_OPS; number++) {
        gn_random(ns, &drawn, sizeof(drawn));
        out.entries[0] = (struct entry){.client = id,
                                        .number = number,
                                        .is_write = drawn % 2,
                                        .key = drawn / 2 % N_KEYS,
                                        .value = id * 1000 + number};
        if (gn_sleep_ns(ns, drawn / 4 % 500 * MS))
            return 1;
        op = op_begin(ns, &out.entries[0]);
        if (request(ns, &out, &value))
            return 1;
        op_end(ns, op, value);
    }
    return 0;
}
