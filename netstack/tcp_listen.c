/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listeners: two queues, as on Linux. Handshakes under way are many and
 * cheap, and the oldest makes way when a flood fills them; established
 * connections wait for accept() and are bounded by the backlog.
 *
 * With TCP_DEFER_ACCEPT there is a third between them: established, but not to
 * be accepted until data is there or the time is over. To Linux those are
 * handshakes under way; they count as that, and no owner is told when one ends.
 */
#include <errno.h>
#include <string.h>

#include "base/units.h"
#include "netstack/tcp_internal.h"

/* Handshakes under way per listener, at least and at most. */
#define HALF_OPEN_MIN 128u
#define HALF_OPEN_MAX 4096u
/* Connections that one call for memory ends. */
#define SHED_AT_ONCE 8u

int gn__tcp_listen(struct gn__stack *stack, const struct gn__tcp_params *params,
                   uint32_t backlog, void *owner, struct gn__listener **out)
{
    struct gn__listener *listener =
        gn__zalloc(&stack->net->mem, sizeof(*listener));

    if (!listener)
        return -ENOMEM;
    listener->stack = stack;
    listener->owner = owner;
    listener->params = *params;
    listener->backlog = backlog;
    gn__list_init(&listener->half);
    gn__list_init(&listener->ready);
    gn__list_init(&listener->deferred);
    *out = listener;
    return 0;
}

void gn__tcp_listener_set(struct gn__listener *listener, uint32_t backlog,
                          const struct gn__tcp_params *params)
{
    listener->backlog = backlog;
    listener->params = *params;
}

static void abort_all(struct gn__list *queue)
{
    struct gn__list *node;

    while ((node = gn__list_first(queue)))
        gn__tcp_abort(gn__container_of(node, struct gn__conn, queued));
}

void gn__tcp_unlisten(struct gn__listener *listener)
{
    struct gn__list *node;

    while ((node = gn__list_first(&listener->deferred)))
        gn__tcp_vanish(gn__container_of(node, struct gn__conn, queued));
    abort_all(&listener->half);
    abort_all(&listener->ready);
    gn__free(&listener->stack->net->mem, listener, sizeof(*listener));
}

static uint32_t half_open_limit(const struct gn__listener *listener)
{
    if (listener->backlog < HALF_OPEN_MIN)
        return HALF_OPEN_MIN;
    return listener->backlog < HALF_OPEN_MAX ? listener->backlog
                                             : HALF_OPEN_MAX;
}

static void push_out(struct gn__conn *conn)
{
    gn__tcp_dropped(conn->stack, GN__TCP_DROP_HALF_OPEN);
    gn__tcp_vanish(conn);
}

/* As Linux's tcp_max_orphans: a peer that never reads what is left for it, and
 * says so for ever, could keep what its victim has closed for ever. */
static bool push_orphan_out(struct gn__stack *stack,
                            const struct gn__conn *spared,
                            enum gn__tcp_drop why)
{
    struct gn__list *oldest = gn__list_first(&stack->orphans);
    struct gn__conn *conn;

    if (!oldest)
        return false;
    conn = gn__container_of(oldest, struct gn__conn, queued);
    if (conn == spared)
        return false;
    gn__tcp_dropped(stack, why);
    gn__tcp_abort(conn);
    return true;
}

bool gn__stack_make_room(struct gn__stack *stack)
{
    struct gn__list *oldest = gn__list_first(&stack->half);

    if (stack->n_conns < stack->max_conns)
        return true;
    if (!oldest)
        return push_orphan_out(stack, NULL, GN__TCP_DROP_CONNECTIONS);
    push_out(gn__container_of(oldest, struct gn__conn, opening));
    return true;
}

void gn__stack_evict(struct gn__stack *stack, const struct gn__conn *spared)
{
    const struct gn__budget *budget = &stack->budget;
    unsigned left = SHED_AT_ONCE;

    while (left-- && budget->held >= budget->limit - budget->limit / 4 &&
           push_orphan_out(stack, spared, GN__TCP_DROP_MEMORY))
        continue;
}

bool gn__listener_make_room(struct gn__listener *listener)
{
    struct gn__list *oldest = gn__list_first(&listener->half);

    if (!oldest)
        oldest = gn__list_first(&listener->deferred);
    if (listener->n_half + listener->n_deferred >= half_open_limit(listener))
        push_out(gn__container_of(oldest, struct gn__conn, queued));
    return gn__stack_make_room(listener->stack);
}

void gn__conn_leave_half(struct gn__conn *conn)
{
    conn->half_open = false;
    conn->listener->n_half--;
    gn__list_del(&conn->queued);
    gn__list_del(&conn->opening);
}

int gn__conn_half_open(struct gn__conn *conn, struct gn__listener *listener)
{
    int err = gn__tuple_add(conn->stack, &conn->tuple);

    if (err)
        return err;
    conn->in_table = true;
    conn->listener = listener;
    conn->half_open = true;
    gn__list_add_tail(&listener->half, &conn->queued);
    gn__list_add_tail(&conn->stack->half, &conn->opening);
    listener->n_half++;
    return 0;
}

/* ---- established ---- */

static void make_ready(struct gn__conn *conn)
{
    gn__list_add_tail(&conn->listener->ready, &conn->queued);
    conn->listener->n_ready++;
}

static void leave_deferred(struct gn__conn *conn)
{
    conn->deferred = false;
    conn->listener->n_deferred--;
    gn__list_del(&conn->queued);
}

void gn__conn_queue(struct gn__conn *conn)
{
    struct gn__listener *listener = conn->listener;

    gn__conn_leave_half(conn);
    if (conn->params.defer_s == 0) {
        make_ready(conn);
        return;
    }
    conn->deferred = true;
    gn__list_add_tail(&listener->deferred, &conn->queued);
    listener->n_deferred++;
}

void gn__conn_unqueue(struct gn__conn *conn)
{
    if (conn->half_open) {
        gn__conn_leave_half(conn);
    } else if (conn->deferred) {
        leave_deferred(conn);
    } else {
        conn->listener->n_ready--;
        gn__list_del(&conn->queued);
    }
    conn->listener = NULL;
}

uint64_t gn__conn_deferred_until(const struct gn__conn *conn)
{
    uint64_t ns = conn->params.defer_s * GN__NS_PER_S;

    if (!conn->deferred)
        return GN__NEVER;
    return (conn->opened_at + ns + GN__TICK_NS - 1) / GN__TICK_NS;
}

bool gn__conn_undefer(struct gn__conn *conn)
{
    uint64_t now = conn->stack->net->now / GN__TICK_NS;

    if (!conn->deferred ||
        (!conn->rx_bytes && !conn->eof && gn__conn_deferred_until(conn) > now))
        return false;
    leave_deferred(conn);
    make_ready(conn);
    return true;
}

bool gn__tcp_acceptable(const struct gn__listener *listener)
{
    return listener->n_ready > 0;
}

struct gn__conn *gn__tcp_adopt(struct gn__listener *listener, void *owner)
{
    struct gn__list *newest = gn__list_last(&listener->half);
    struct gn__conn *conn;

    if (!newest)
        return NULL;
    conn = gn__container_of(newest, struct gn__conn, queued);
    gn__conn_leave_half(conn);
    conn->listener = NULL;
    conn->owner = owner;
    return conn;
}

struct gn__conn *gn__tcp_accept(struct gn__listener *listener, void *owner)
{
    struct gn__list *oldest = gn__list_first(&listener->ready);
    struct gn__conn *conn;

    if (!oldest)
        return NULL;
    conn = gn__container_of(oldest, struct gn__conn, queued);
    gn__conn_unqueue(conn);
    conn->owner = owner;
    return conn;
}
