/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TIME_WAIT. lwIP's pcb is given back as soon as it gets there; what remains
 * is the tuple, two sequence numbers and a timer.
 *
 * It lasts twice the slowest way its guest has met, for no older duplicate can
 * still be under way then, and at least a second. A new SYN above the old
 * connection's numbers ends it at once (RFC 6191), and so does our own
 * connect(), which begins above them.
 */
#include <errno.h>
#include <string.h>

#include "base/units.h"
#include "netstack/tcp_internal.h"

/* Where no link delays anything. */
#define TIME_WAIT_MIN_NS GN__NS_PER_S

static uint64_t time_wait_ns(struct gn__stack *stack)
{
    uint64_t ns = stack->ops->time_wait_ns(stack);

    return ns < TIME_WAIT_MIN_NS ? TIME_WAIT_MIN_NS : ns;
}

static void time_wait_arm(struct gn__time_wait *tw)
{
    struct gn__netstack *net = tw->stack->net;

    gn__wheel_arm(&net->wheel, &tw->timer.node,
                  (net->now + time_wait_ns(tw->stack)) / GN__TICK_NS + 1);
}

static void time_wait_fired(struct gn__timer *timer)
{
    gn__time_wait_end(gn__container_of(timer, struct gn__time_wait, timer));
}

void gn__time_wait_end(struct gn__time_wait *tw)
{
    struct gn__stack *stack = tw->stack;

    gn__tuple_del(stack, &tw->tuple);
    gn__wheel_disarm(&stack->net->wheel, &tw->timer.node);
    gn__list_del(&tw->of_stack);
    stack->n_time_wait--;
    if (tw->binding)
        stack->ops->released(stack, tw->binding);
    gn__slab_give(&stack->net->slab, &stack->net->mem, tw, sizeof(*tw));
    if (stack->ops->freed)
        stack->ops->freed(stack);
}

static void make_room(struct gn__stack *stack)
{
    struct gn__list *oldest = gn__list_first(&stack->time_wait);

    if (stack->n_time_wait < stack->max_time_wait || !oldest)
        return;
    gn__tcp_dropped(stack, GN__TCP_DROP_TIME_WAIT);
    gn__time_wait_end(gn__container_of(oldest, struct gn__time_wait, of_stack));
}

void gn__time_wait_begin(struct gn__conn *conn)
{
    struct gn__stack *stack = conn->stack;
    struct gn__netstack *net = stack->net;
    struct gn__pcb_view view;
    struct gn__time_wait *tw;

    make_room(stack);
    tw = gn__slab_take(&net->slab, &net->mem, sizeof(*tw));
    if (!tw)
        return;
    memset(tw, 0, sizeof(*tw));
    gn__netstack_ops.view(conn, &view);
    tw->tuple.key = conn->tuple.key;
    tw->tuple.is_time_wait = true;
    tw->stack = stack;
    tw->rcv_nxt = view.rcv_nxt;
    tw->snd_nxt = view.snd_nxt;
    tw->timer.fire = time_wait_fired;
    gn__tuple_del(stack, &conn->tuple);
    conn->in_table = false;
    if (gn__tuple_add(stack, &tw->tuple)) {
        gn__slab_give(&net->slab, &net->mem, tw, sizeof(*tw));
        return;
    }
    tw->binding = conn->binding;
    conn->binding = NULL;
    conn->time_wait = true;
    gn__list_add_tail(&stack->time_wait, &tw->of_stack);
    stack->n_time_wait++;
    time_wait_arm(tw);
}

/* No older duplicate can exist where nothing is ever delayed. */
static bool is_new_syn(struct gn__time_wait *tw,
                       const struct gn__segment *segment)
{
    return gn__seq_before(tw->rcv_nxt, segment->seq) ||
           tw->stack->ops->time_wait_ns(tw->stack) <= TIME_WAIT_MIN_NS;
}

bool gn__time_wait_input(struct gn__time_wait *tw,
                         const struct gn__segment *segment, uint32_t *isn_floor)
{
    if (segment->flags & GN__FLAG_RST)
        return false; /* RFC 1337 */
    if ((segment->flags & (GN__FLAG_SYN | GN__FLAG_ACK)) == GN__FLAG_SYN &&
        is_new_syn(tw, segment)) {
        *isn_floor = tw->snd_nxt + UINT16_MAX + 2;
        gn__time_wait_end(tw);
        return true;
    }
    if (segment->flags & GN__FLAG_FIN)
        time_wait_arm(tw);
    if (segment->len || segment->flags & (GN__FLAG_FIN | GN__FLAG_SYN))
        gn__tcp_reply(tw->stack, segment, tw->snd_nxt, tw->rcv_nxt,
                      GN__FLAG_ACK);
    return false;
}
