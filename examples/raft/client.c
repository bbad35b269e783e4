/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A client: reads and writes, one after the other, and tries each of them at
 * one node after the other until it has an answer. And what nodes do as clients
 * of each other: messages, and dialling.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "raft.h"

#define ANSWER_MS 1000

uint32_t draw(struct gn_namespace *ns, uint32_t below)
{
    uint32_t drawn;

    gn_random(ns, &drawn, sizeof(drawn));
    return drawn % below;
}

static int whole(ssize_t n)
{
    return n == (ssize_t)sizeof(struct message) ? 0 : n < 0 ? (int)n : -EPIPE;
}

int message_send(struct gn_sock *sock, const struct message *message)
{
    return whole(gn_sock_send(sock, message, sizeof(*message), 0));
}

int message_recv(struct gn_sock *sock, struct message *message)
{
    return whole(gn_sock_recv(sock, message, sizeof(*message), MSG_WAITALL));
}

int node_ask(struct gn_namespace *ns, int to, unsigned ms,
             struct gn_sock **sock, const struct message *out,
             struct message *in)
{
    struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    char address[32];
    int err = 0;

    (void)snprintf(address, sizeof(address), "n%d" PORT, to);
    if (!*sock)
        err = gn_sock_dial(ns, "tcp4", address, ms, NULL, 0, sock);
    if (!err)
        err =
            gn_sock_setopt(*sock, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    if (!err)
        err = message_send(*sock, out);
    if (!err)
        err = message_recv(*sock, in);
    if (err) {
        gn_sock_unref(*sock);
        *sock = NULL;
    }
    return err;
}

/* A node that does not lead, or could not agree in time, says no. */
static int request(struct gn_namespace *ns, const struct message *out,
                   struct message *in)
{
    uint32_t node = draw(ns, N_NODES);
    struct gn_sock *sock;
    int err = 0;

    for (in->ok = 0; !err; node = (node + 1) % N_NODES) {
        sock = NULL;
        err = node_ask(ns, (int)node, ANSWER_MS, &sock, out, in);
        gn_sock_unref(sock);
        if (!err && in->ok)
            return 0;
        err = gn_sleep_ns(ns, 20 * MS);
    }
    return err;
}

/* What it does is written down: since when, and what it was told in the end. */
static int operate(struct gn_namespace *ns, const struct entry *entry)
{
    struct message out = {.kind = COMMAND, .n = 1, .entries = {*entry}}, in;
    struct op *op;

    (void)pthread_mutex_lock(&world.lock);
    op = &world.ops[world.n_ops++];
    *op = (struct op){.begin = gn_now_ns(ns),
                      .end = UINT64_MAX,
                      .key = entry->key,
                      .value = entry->value,
                      .is_write = entry->is_write};
    (void)pthread_mutex_unlock(&world.lock);
    if (request(ns, &out, &in))
        return 1;
    (void)pthread_mutex_lock(&world.lock);
    op->end = gn_now_ns(ns);
    if (!op->is_write)
        op->value = in.value;
    (void)pthread_mutex_unlock(&world.lock);
    return 0;
}

int client_boot(void *arg)
{
    struct gn_namespace *ns = gn_task_namespace();
    uint32_t id = (uint32_t)(uintptr_t)arg, number;

    for (number = 1; number <= N_OPS; number++) {
        struct entry entry = {.client = id,
                              .number = number,
                              .is_write = draw(ns, 2),
                              .value = id * 1000 + number};

        entry.key = draw(ns, N_KEYS);
        if (gn_sleep_ns(ns, draw(ns, 500) * MS) || operate(ns, &entry))
            return 1;
    }
    world.n_done++;
    return 0;
}
