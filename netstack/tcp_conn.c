/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection as its socket uses it.
 *
 * Payload is never copied here but for a few bytes: what is sent stays in its
 * chunk, to which lwIP's segments and the packets on their way refer, until
 * no segment that begins before its end is left (not merely until it is
 * acknowledged: an acknowledgement may cut through a segment that is kept).
 *
 * Held memory is charged to the guest's budget by chunk, not by byte. A small
 * slice that would hold on to a large chunk while its reader sleeps is copied
 * together with its neighbours instead.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/units.h"
#include "netstack/tcp_internal.h"

#define SEND_LIMIT_START (256u * 1024)
/* When a SYN is repeated first, RFC 6298. */
#define SYN_AGAIN_NS GN__NS_PER_S
/* What is copied rather than referred to: slices under this share of their
 * chunk, once so many slices are waiting already. */
#define SMALL_SHARE 2u
#define ANY_SLICES  4u
/* Chunks for small payload, bytes: the first, and those after a full one. */
#define SMALL_CHUNK_FIRST 480u
#define SMALL_CHUNK       2000u
/* The largest piece lwIP is given at once, bytes. */
#define WRITE_MAX 32768u

static void conn_fired(struct gn__timer *timer);

void gn__tcp_params_default(struct gn__tcp_params *params)
{
    memset(params, 0, sizeof(*params));
    params->ttl = 64;
    params->keep_idle_s = 7200;
    params->keep_interval_s = 75;
    params->keep_count = 9;
    params->syn_count = 6;
}

/* ---- charging: a chunk once for each run of slices that refer to it ---- */

static struct gn__budget *budget_of(struct gn__conn *conn)
{
    return &conn->stack->budget;
}

static bool last_is(struct gn__ring *ring, const struct gn__chunk *chunk)
{
    return ring->n && gn__ring_at(ring, ring->n - 1)->chunk == chunk;
}

static void push_charged(struct gn__conn *conn, struct gn__ring *ring,
                         const struct gn__slice *slice)
{
    if (!last_is(ring, slice->chunk))
        gn__budget_force(budget_of(conn), gn__chunk_cost(slice->chunk));
    gn__ring_push(ring, slice);
}

static struct gn__slice pop_charged(struct gn__conn *conn,
                                    struct gn__ring *ring)
{
    struct gn__slice slice = gn__ring_pop(ring);

    if (!ring->n || gn__ring_at(ring, 0)->chunk != slice.chunk)
        gn__budget_give(budget_of(conn), gn__chunk_cost(slice.chunk));
    return slice;
}

static void ring_clear(struct gn__conn *conn, struct gn__ring *ring)
{
    while (ring->n) {
        struct gn__slice slice = pop_charged(conn, ring);

        gn__chunk_unref(slice.chunk);
    }
    gn__ring_done(ring, &conn->stack->net->mem);
}

/* A lone byte between large slices shall not cost a large chunk. */
static size_t small_chunk(struct gn__ring *ring, uint32_t len)
{
    if (len > SMALL_CHUNK)
        return len;
    if (len > SMALL_CHUNK_FIRST ||
        (ring->n &&
         gn__ring_at(ring, ring->n - 1)->len >= SMALL_CHUNK_FIRST / 2))
        return SMALL_CHUNK;
    return SMALL_CHUNK_FIRST;
}

bool gn__conn_append(struct gn__conn *conn, struct gn__ring *ring,
                     uint32_t *room, const uint8_t *data, uint32_t len)
{
    struct gn__netstack *net = conn->stack->net;
    struct gn__slice slice;

    if (ring->n && *room >= len) {
        struct gn__slice *last = gn__ring_at(ring, ring->n - 1);

        memcpy(gn__chunk_data(last->chunk) +
                   (last->data - gn__chunk_data(last->chunk)) + last->len,
               data, len);
        last->len += len;
        *room -= len;
        return true;
    }
    if (gn__ring_reserve(ring, &net->mem))
        return false;
    slice.chunk = gn__chunk_alloc(net->chunks, small_chunk(ring, len));
    if (!slice.chunk)
        return false;
    slice.data = gn__chunk_data(slice.chunk);
    slice.len = len;
    memcpy(gn__chunk_data(slice.chunk), data, len);
    *room = (uint32_t)gn__chunk_room(slice.chunk) - len;
    push_charged(conn, ring, &slice);
    return true;
}

/* ---- life ---- */

struct gn__conn *gn__conn_alloc(struct gn__stack *stack,
                                const struct gn__endpoint *local,
                                const struct gn__endpoint *remote,
                                const struct gn__tcp_params *params)
{
    struct gn__netstack *net = stack->net;
    struct gn__conn *conn = gn__slab_take(&net->slab, &net->mem, sizeof(*conn));

    if (!conn)
        return NULL;
    memset(conn, 0, sizeof(*conn));
    gn__tuple_key(stack, local, remote, &conn->tuple.key);
    conn->local = *local;
    conn->remote = *remote;
    conn->stack = stack;
    conn->params = *params;
    conn->state = GN__TCP_CLOSE;
    conn->timer.fire = conn_fired;
    conn->mtu = stack->ops->mtu(stack, &remote->addr);
    conn->opened_at = stack->net->now;
    conn->progress_at = stack->net->now;
    conn->quick_acks = GN__QUICK_ACKS;
    conn->tx_limit =
        params->send_buffer ? params->send_buffer : SEND_LIMIT_START;
    gn__ring_init(&conn->rx);
    gn__ring_init(&conn->tx);
    gn__list_init(&conn->queued);
    gn__list_init(&conn->opening);
    gn__window_begin(conn);
    gn__list_add_tail(&stack->conns, &conn->all);
    stack->n_conns++;
    return conn;
}

static void forget_tuple(struct gn__conn *conn)
{
    struct gn__stack *stack = conn->stack;

    if (conn->in_table) {
        gn__tuple_del(stack, &conn->tuple);
        if (!conn->connected && stack->ops->gave_up)
            stack->ops->gave_up(stack, &conn->local, &conn->remote);
    }
    conn->in_table = false;
    if (conn->binding)
        stack->ops->released(stack, conn->binding);
    conn->binding = NULL;
}

void gn__conn_free(struct gn__conn *conn)
{
    struct gn__stack *stack = conn->stack;

    forget_tuple(conn);
    gn__wheel_disarm(&stack->net->wheel, &conn->timer.node);
    ring_clear(conn, &conn->rx);
    ring_clear(conn, &conn->tx);
    gn__list_del(&conn->queued);
    gn__list_del(&conn->all);
    stack->n_conns--;
    gn__slab_give(&stack->net->slab, &stack->net->mem, conn, sizeof(*conn));
    if (stack->ops->freed)
        stack->ops->freed(stack);
}

void gn__conn_enter(struct gn__conn *conn)
{
    gn__swap_reenter(conn->stack);
}

/* Give back what lwIP no longer refers to. */
static void release_sent(struct gn__conn *conn, uint32_t first_kept)
{
    if (gn__seq_before(conn->tx_end, first_kept))
        first_kept = conn->tx_end; /* a FIN takes a number, too */
    while (conn->tx.n) {
        uint32_t len = gn__ring_at(&conn->tx, 0)->len;
        struct gn__slice slice;

        if (gn__seq_before(first_kept, conn->tx_first + len) ||
            (conn->tx.n == 1 && conn->held_back_len))
            break;
        slice = pop_charged(conn, &conn->tx);
        gn__chunk_unref(slice.chunk);
        conn->tx_first += len;
    }
    if (gn__seq_before(conn->tx_una, first_kept)) {
        conn->tx_una = first_kept;
        conn->progress_at = conn->stack->net->now;
    }
}

/* Room to write again, and every change of state, is news. */
static void note_changes(struct gn__conn *conn, enum gn__tcp_state state)
{
    bool writable = gn__tcp_writable(conn);

    if (state != conn->state || (writable && !conn->writable))
        conn->woken = true;
    conn->state = (uint8_t)state;
    conn->writable = writable;
}

/* lwIP has let go: nothing answers for the tuple unless it is in TIME_WAIT. */
static void conn_update_gone(struct gn__conn *conn)
{
    forget_tuple(conn);
    gn__wheel_disarm(&conn->stack->net->wheel, &conn->timer.node);
    ring_clear(conn, &conn->tx);
    conn->held_back_len = 0;
    conn->state = GN__TCP_CLOSE;
    if (conn->half_open || conn->deferred)
        gn__conn_unqueue(conn);
}

/* Is an acknowledgement waited for? */
static bool awaits_ack(const struct gn__conn *conn)
{
    switch (conn->state) {
    case GN__TCP_SYN_SENT:
    case GN__TCP_FIN_WAIT1:
    case GN__TCP_CLOSING:
    case GN__TCP_LAST_ACK:
        return true;
    default:
        return conn->tx_end != conn->tx_una;
    }
}

/* When TCP_USER_TIMEOUT ends it. A SYN is repeated once in any case, as on
 * Linux, which looks at it then for the first time. */
static uint64_t user_deadline(const struct gn__conn *conn)
{
    uint64_t ns = conn->params.user_timeout_ms * 1000000ull;

    if (!ns || !awaits_ack(conn))
        return GN__NEVER;
    if (conn->state == GN__TCP_SYN_SENT && ns < SYN_AGAIN_NS)
        ns = SYN_AGAIN_NS;
    return (conn->progress_at + ns + GN__TICK_NS - 1) / GN__TICK_NS;
}

/* Bytes that wait for more wait so long, as on Linux: TCP_RTO_MIN. */
#define HOLD_TICKS (200000000ull / GN__TICK_NS)

static void note_held(struct gn__conn *conn, bool held)
{
    if (!held)
        conn->hold_tick = 0;
    else if (!conn->hold_tick)
        conn->hold_tick = conn->stack->net->now / GN__TICK_NS + HOLD_TICKS;
}

static bool held_long_enough(const struct gn__conn *conn)
{
    return conn->hold_tick &&
           conn->hold_tick <= conn->stack->net->now / GN__TICK_NS;
}

/* @tick  When lwIP needs time next. */
static void conn_arm(struct gn__conn *conn, uint64_t tick)
{
    struct gn__wheel *wheel = &conn->stack->net->wheel;
    uint64_t user = user_deadline(conn);
    uint64_t deferred = gn__conn_deferred_until(conn);

    if (user < tick)
        tick = user;
    if (deferred < tick)
        tick = deferred;
    if (conn->hold_tick && conn->hold_tick < tick)
        tick = conn->hold_tick;
    if (conn->held_back_len)
        tick = conn->stack->net->now / GN__TICK_NS + 1;
    /* A node that is armed too early fires for nothing, once; that is less
     * than moving it at every segment. */
    if (tick == GN__NEVER ||
        (gn__wheel_armed(&conn->timer.node) && conn->timer.node.tick <= tick))
        return;
    gn__wheel_arm(wheel, &conn->timer.node, tick);
}

static void conn_update_live(struct gn__conn *conn)
{
    struct gn__pcb_look look;

    gn__netstack_ops.look(conn, &look);
    release_sent(conn, look.first_kept);
    if (look.state == GN__TCP_TIME_WAIT) {
        gn__time_wait_begin(conn);
        gn__netstack_ops.abandon(conn, false);
        conn_update_gone(conn);
        conn->woken = true;
        return;
    }
    gn__window_acked(conn, look.may_fly);
    note_changes(conn, look.state);
    if (conn->data_arrived)
        gn__window_arrived(conn, look.rcv_nxt);
    note_held(conn, look.held);
    conn_arm(conn, look.deadline);
}

void gn__conn_update(struct gn__conn *conn)
{
    struct gn__stack *stack = conn->stack;
    struct gn__listener *listener = conn->listener;
    bool woken;

    if (conn->pcb)
        conn_update_live(conn);
    else
        conn_update_gone(conn);
    conn->data_arrived = false;
    if (gn__conn_undefer(conn))
        conn->woken = true;
    woken = conn->woken;
    conn->woken = false;
    if (woken && conn->owner)
        stack->ops->changed(stack, conn->owner);
    else if (woken && listener && !conn->half_open)
        stack->ops->changed(stack, listener->owner);
    if (!conn->pcb && !conn->owner && !conn->listener)
        gn__conn_free(conn);
}

/* Is nothing held back any more? */
static bool write_held_back(struct gn__conn *conn)
{
    if (conn->held_back_len &&
        gn__netstack_ops.write(conn, conn->held_back,
                               (uint16_t)conn->held_back_len, false))
        return false;
    conn->held_back_len = 0;
    return true;
}

static void conn_fired(struct gn__timer *timer)
{
    struct gn__conn *conn = gn__container_of(timer, struct gn__conn, timer);
    uint64_t now = conn->stack->net->now / GN__TICK_NS;

    if (!conn->pcb)
        return;
    if (user_deadline(conn) <= now) {
        gn__tcp_fail(conn, -ETIMEDOUT);
        return;
    }
    if (!conn->held_back_len && !held_long_enough(conn) &&
        gn__conn_deferred_until(conn) > now && !gn__netstack_ops.due(conn)) {
        /* It was armed for something that has been done since. */
        conn_arm(conn, gn__netstack_ops.deadline(conn));
        return;
    }
    gn__conn_enter(conn);
    if (held_long_enough(conn)) {
        conn->hold_tick = 0; /* Without memory: later once more. */
        gn__netstack_ops.output(conn, false);
    }
    if (conn->held_back_len && write_held_back(conn))
        gn__netstack_ops.output(conn, conn->params.cork);
    gn__netstack_ops.tick(conn);
    gn__conn_update(conn);
}

/* ---- opening ---- */

int gn__tcp_connect(struct gn__stack *stack, const struct gn__endpoint *local,
                    const struct gn__endpoint *remote,
                    const struct gn__tcp_params *params, void *owner,
                    struct gn__conn **out)
{
    struct gn__tuple *tuple = gn__tuple_find(stack, local, remote);
    struct gn__time_wait *tw = NULL;
    struct gn__conn *conn;
    int err;

    if (tuple && !tuple->is_time_wait)
        return -EADDRNOTAVAIL;
    if (!gn__stack_make_room(stack)) {
        gn__tcp_dropped(stack, GN__TCP_DROP_CONNECTIONS);
        return -ENOBUFS;
    }
    err = gn__swap_enter(stack);
    if (err)
        return err;
    conn = gn__conn_alloc(stack, local, remote, params);
    if (!conn)
        return -ENOMEM;
    if (tuple) {
        tw = gn__container_of(tuple, struct gn__time_wait, tuple);
        conn->isn_floor = tw->snd_nxt + UINT16_MAX + 2;
        conn->isn_has_floor = true;
    }
    err = gn__tuple_add(stack, &conn->tuple);
    if (err)
        goto undo_alloc;
    conn->in_table = true;
    err = gn__netstack_ops.connect(conn);
    if (err)
        goto undo_alloc;
    if (tw)
        gn__time_wait_end(tw);
    conn->owner = owner;
    *out = conn;
    gn__conn_update(conn);
    return 0;

undo_alloc:
    gn__conn_free(conn);
    return err;
}

bool gn__conn_established(struct gn__conn *conn)
{
    struct gn__netstack *net = conn->stack->net;

    conn->connected = true;
    conn->rtt_ns = net->now - conn->opened_at;
    conn->window_at = net->now;
    conn->progress_at = net->now;
    if (conn->half_open)
        gn__conn_queue(conn);
    conn->woken = true;
    return true;
}

/* ---- what can be seen ---- */

enum gn__tcp_state gn__tcp_state(const struct gn__conn *conn)
{
    return conn->state;
}

bool gn__tcp_connected(const struct gn__conn *conn)
{
    return conn->connected;
}

size_t gn__tcp_readable(const struct gn__conn *conn)
{
    return conn->rx_bytes;
}

bool gn__tcp_eof(const struct gn__conn *conn)
{
    return conn->eof;
}

size_t gn__tcp_unsent(const struct gn__conn *conn)
{
    return conn->tx_end - conn->tx_una + conn->held_back_len;
}

size_t gn__tcp_space(const struct gn__conn *conn)
{
    size_t queued = gn__tcp_unsent(conn);

    if (!conn->pcb || conn->held_back_len || queued >= conn->tx_limit)
        return 0;
    return conn->tx_limit - queued;
}

bool gn__tcp_writable(const struct gn__conn *conn)
{
    return gn__tcp_space(conn) >= conn->tx_limit / 3;
}

int gn__tcp_error(const struct gn__conn *conn)
{
    return conn->error;
}

int gn__tcp_soft_error(struct gn__conn *conn)
{
    int err = conn->soft_error;

    conn->soft_error = 0;
    return err;
}

const struct gn__endpoint *gn__tcp_local(const struct gn__conn *conn)
{
    return &conn->local;
}

const struct gn__endpoint *gn__tcp_remote(const struct gn__conn *conn)
{
    return &conn->remote;
}

void *gn__tcp_owner(const struct gn__conn *conn)
{
    return conn->owner;
}

void gn__tcp_bind(struct gn__conn *conn, void *binding)
{
    conn->binding = binding;
}

/* ---- sending ---- */

/* 0 if bytes may be queued now. */
static int may_send(struct gn__conn *conn)
{
    if (conn->error)
        return conn->error;
    if (conn->fin_sent || !conn->pcb)
        return -EPIPE;
    if (!conn->connected || !gn__tcp_space(conn))
        return -EAGAIN;
    if (gn__budget_tight(budget_of(conn)))
        gn__stack_evict(conn->stack, conn);
    if (gn__budget_tight(budget_of(conn)))
        return -ENOBUFS;
    return 0;
}

/*
 * Give lwIP bytes that stand in tx's last slice. Either all of them are
 * queued, or the rest is held back until there is memory; only if nothing at
 * all was queued is it an error.
 */
static int write_pieces(struct gn__conn *conn, const uint8_t *data,
                        uint32_t len, bool more)
{
    uint32_t done = 0;

    while (done < len) {
        uint32_t n = len - done < WRITE_MAX ? len - done : WRITE_MAX;
        bool last = done + n == len;

        if (gn__netstack_ops.write(conn, data + done, (uint16_t)n,
                                   more || !last))
            break;
        done += n;
    }
    if (!done)
        return -ENOMEM;
    conn->held_back = data + done;
    conn->held_back_len = len - done;
    return 0;
}

/* Something is sent behind what came: acknowledgements travel with answers. */
static void note_answer(struct gn__conn *conn)
{
    if (conn->quick_acks < GN__QUICK_ACKS)
        conn->quick_acks = 0;
}

/* An acknowledgement is waited for from now on, if none was. */
static void note_pending(struct gn__conn *conn)
{
    if (!conn->fin_sent && conn->tx_end == conn->tx_una)
        conn->progress_at = conn->stack->net->now;
}

int gn__tcp_send(struct gn__conn *conn, const struct gn__slice *slice,
                 bool more)
{
    struct gn__ring *tx = &conn->tx;
    int err = may_send(conn);

    if (err)
        return err;
    err = gn__ring_reserve(tx, &conn->stack->net->mem);
    if (err)
        return err;
    note_answer(conn);
    gn__conn_enter(conn);
    note_pending(conn);
    push_charged(conn, tx, slice);
    err = write_pieces(conn, slice->data, slice->len, more);
    if (err) {
        struct gn__chunk *chunk = slice->chunk;

        tx->n--;
        if (!last_is(tx, chunk))
            gn__budget_give(budget_of(conn), gn__chunk_cost(chunk));
    } else {
        conn->tx_room = 0;
        gn__netstack_ops.output(conn, more || conn->params.cork);
    }
    gn__conn_update(conn);
    return err;
}

ssize_t gn__tcp_send_copy(struct gn__conn *conn, const void *data, size_t len,
                          bool more)
{
    struct gn__ring *tx = &conn->tx;
    struct gn__slice *last;
    uint32_t n;
    int err = may_send(conn);

    if (err)
        return err;
    n = (uint32_t)(len < gn__tcp_space(conn) ? len : gn__tcp_space(conn));
    if (n > SMALL_CHUNK)
        n = SMALL_CHUNK;
    if (!gn__conn_append(conn, tx, &conn->tx_room, data, n))
        return -ENOMEM;
    note_answer(conn);
    gn__conn_enter(conn);
    note_pending(conn);
    last = gn__ring_at(tx, tx->n - 1);
    err = write_pieces(conn, last->data + last->len - n, n, more);
    if (err) {
        last->len -= n;
        conn->tx_room += n;
    } else {
        gn__netstack_ops.output(conn, more || conn->params.cork);
    }
    gn__conn_update(conn);
    return err ? err : (ssize_t)n;
}

void gn__tcp_push(struct gn__conn *conn)
{
    if (!conn->pcb || !conn->connected)
        return;
    gn__conn_enter(conn);
    gn__netstack_ops.output(conn, false);
    gn__conn_update(conn);
}

/* ---- receiving ---- */

static bool conn_continues(const struct gn__slice *slice, const uint8_t *data)
{
    return slice->data + slice->len == data;
}

/* A few chunks may wait whatever their size; of more, only those of which a
 * good part is payload. */
static bool is_small(const struct gn__conn *conn, const struct gn__slice *slice)
{
    return conn->rx.n >= ANY_SLICES &&
           slice->len < gn__chunk_cost(slice->chunk) / SMALL_SHARE;
}

bool gn__conn_received(struct gn__conn *conn, const struct gn__packet *packet,
                       const uint8_t *data, uint32_t len)
{
    struct gn__slice slice = {.data = data, .len = len};
    bool in_head =
        data >= packet->head && data < packet->head + sizeof(packet->head);

    if (!in_head)
        slice.chunk = gn__chunk_of(data);
    if (!in_head && last_is(&conn->rx, slice.chunk) &&
        conn_continues(gn__ring_at(&conn->rx, conn->rx.n - 1), data)) {
        gn__ring_at(&conn->rx, conn->rx.n - 1)->len += len;
    } else if (in_head || is_small(conn, &slice)) {
        if (!gn__conn_append(conn, &conn->rx, &conn->rx_room, data, len))
            return false;
    } else {
        if (gn__ring_reserve(&conn->rx, &conn->stack->net->mem))
            return false;
        gn__chunk_ref(slice.chunk);
        push_charged(conn, &conn->rx, &slice);
        conn->rx_room = 0;
    }
    conn->rx_bytes += len;
    conn->data_arrived = true;
    conn->woken = true;
    return true;
}

/* Remove @len bytes from the front of rx. */
static void conn_consume(struct gn__conn *conn, size_t len)
{
    conn->rx_bytes -= len;
    while (len) {
        struct gn__slice *first = gn__ring_at(&conn->rx, 0);

        if (len < first->len) {
            first->data += len;
            first->len -= (uint32_t)len;
            return;
        }
        len -= first->len;
        gn__chunk_unref(pop_charged(conn, &conn->rx).chunk);
    }
}

/* The least advance of the window that is worth a segment of its own. */
static uint32_t window_edge(const struct gn__conn *conn)
{
    uint32_t half = conn->window / 2;
    uint32_t two_segments = 2 * (conn->mtu - GN__IP4_HDR_LEN - 20);

    return half < two_segments ? half : two_segments;
}

void gn__tcp_skip(struct gn__conn *conn, size_t n)
{
    conn_consume(conn, n);
    if (!conn->rx.n)
        conn->rx_room = 0;
    if (conn->pcb &&
        gn__netstack_ops.opened(conn, (uint32_t)n, window_edge(conn))) {
        gn__conn_enter(conn);
        gn__netstack_ops.ack_now(conn);
        gn__conn_update(conn);
    }
}

size_t gn__tcp_take(struct gn__conn *conn, size_t max, bool peek, size_t skip,
                    struct gn__slice *out, size_t cap)
{
    size_t n = 0, taken = 0;
    uint32_t i;

    for (i = 0; i < conn->rx.n && n < cap && taken < max; i++) {
        struct gn__slice slice = *gn__ring_at(&conn->rx, i);

        if (skip >= slice.len) {
            skip -= slice.len;
            continue;
        }
        slice.data += skip;
        slice.len -= (uint32_t)skip;
        skip = 0;
        if (slice.len > max - taken)
            slice.len = (uint32_t)(max - taken);
        gn__chunk_ref(slice.chunk);
        taken += slice.len;
        out[n++] = slice;
    }
    if (!peek && taken)
        gn__tcp_skip(conn, taken);
    return n;
}

/* ---- ending ---- */

int gn__tcp_shutdown(struct gn__conn *conn)
{
    bool whole;

    if (!conn->connected)
        return -ENOTCONN;
    if (!conn->pcb || conn->fin_sent)
        return 0;
    gn__conn_enter(conn);
    whole = write_held_back(conn);
    if (whole) {
        note_pending(conn);
        conn->fin_sent = true;
        gn__netstack_ops.shutdown(conn);
    }
    gn__conn_update(conn);
    return whole ? 0 : -ENOMEM;
}

/* Take the connection off its listener's queue. */
static void leave_listener(struct gn__conn *conn)
{
    if (conn->listener)
        gn__conn_unqueue(conn);
}

static void let_go(struct gn__conn *conn)
{
    leave_listener(conn);
    conn->owner = NULL;
}

static void conn_end(struct gn__conn *conn, bool reset)
{
    let_go(conn);
    if (conn->pcb) {
        gn__conn_enter(conn);
        gn__netstack_ops.abandon(conn, reset && conn->connected);
    }
    gn__conn_update(conn);
}

void gn__tcp_abort(struct gn__conn *conn)
{
    conn_end(conn, true);
}

void gn__tcp_vanish(struct gn__conn *conn)
{
    conn_end(conn, false);
}

void gn__tcp_close(struct gn__conn *conn)
{
    if (conn->rx_bytes || !conn->connected || conn->held_back_len) {
        conn_end(conn, true);
        return;
    }
    let_go(conn);
    note_pending(conn);
    conn->fin_sent = true;
    conn->deaf = true;
    if (conn->pcb) {
        gn__list_add_tail(&conn->stack->orphans, &conn->queued);
        gn__conn_enter(conn);
        gn__netstack_ops.close(conn);
    }
    gn__conn_update(conn);
}

void gn__tcp_fail(struct gn__conn *conn, int error)
{
    if (conn->pcb) {
        gn__conn_enter(conn);
        gn__netstack_ops.abandon(conn, false);
    }
    if (!conn->error)
        conn->error = error;
    conn->woken = true;
    gn__conn_update(conn);
}

void gn__tcp_deafen(struct gn__conn *conn)
{
    conn->deaf = true;
}

void gn__tcp_set(struct gn__conn *conn, const struct gn__tcp_params *params)
{
    conn->params = *params;
    if (params->send_buffer)
        conn->tx_limit = params->send_buffer;
    if (!conn->pcb)
        return;
    gn__conn_enter(conn);
    gn__netstack_ops.apply(conn);
    gn__conn_update(conn);
}

void gn__tcp_info(const struct gn__conn *conn, struct tcp_info *out)
{
    struct gn__pcb_view view;

    memset(out, 0, sizeof(*out));
    out->tcpi_state = conn->state;
    if (!conn->pcb)
        return;
    gn__netstack_ops.view(conn, &view);
    out->tcpi_retransmits = (uint8_t)view.retransmits;
    out->tcpi_options = view.window_scaling ? TCPI_OPT_WSCALE : 0;
    out->tcpi_rto = view.rto_ms * 1000;
    out->tcpi_rtt =
        view.rtt_ms ? view.rtt_ms * 1000 : (uint32_t)(conn->rtt_ns / 1000);
    if (conn->connected && !out->tcpi_rtt)
        out->tcpi_rtt = 1; /* It took no time. 0 means: not known. */
    out->tcpi_snd_mss = view.mss;
    out->tcpi_rcv_mss = view.mss;
    out->tcpi_unacked =
        (view.in_flight + view.mss - 1) / (view.mss ? view.mss : 1);
    out->tcpi_snd_cwnd = view.mss ? view.cwnd / view.mss : 0;
    out->tcpi_snd_ssthresh = view.mss ? view.ssthresh / view.mss : 0;
    out->tcpi_rcv_space = conn->window;
    out->tcpi_pmtu = conn->mtu;
}
