/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TIME_WAIT. lwIP's pcb is given back as soon as it gets there; what remains
 * is the tuple, two sequence numbers and a timer.
 *
 * A tuple rests for twice the slowest way its guest has met, for no older
 * duplicate can still be under way then, and at least a second. A new SYN
 * above the old connection's numbers ends it at once (RFC 6191), and so does
 * our own connect(), which begins above them.
 */
#include <errno.h>
#include <string.h>

#include "base/units.h"
#include "netstack/tcp_internal.h"

/* Rest this long where no link delays anything. */
#define REST_MIN_NS GN__NS_PER_S

static uint64_t rest_ns(struct gn__stack *stack)
{
    uint64_t ns = stack->ops->time_wait_ns(stack);

    return ns < REST_MIN_NS ? REST_MIN_NS : ns;
}

static void arm(struct gn__rest *rest)
{
    struct gn__netstack *net = rest->stack->net;

    gn__wheel_arm(&net->wheel, &rest->timer.node,
                  (net->now + rest_ns(rest->stack)) / GN__TICK_NS + 1);
}

static void rest_fired(struct gn__timer *timer)
{
    gn__rest_end(gn__container_of(timer, struct gn__rest, timer));
}

void gn__rest_end(struct gn__rest *rest)
{
    struct gn__stack *stack = rest->stack;

    gn__tuple_del(stack, &rest->tuple);
    gn__wheel_disarm(&stack->net->wheel, &rest->timer.node);
    gn__list_del(&rest->of_stack);
    stack->n_resting--;
    if (rest->binding)
        stack->ops->released(stack, rest->binding);
    gn__slab_give(&stack->net->slab, &stack->net->mem, rest, sizeof(*rest));
    if (stack->ops->freed)
        stack->ops->freed(stack);
}

static void make_room(struct gn__stack *stack)
{
    struct gn__list *oldest = gn__list_first(&stack->resting);

    if (stack->n_resting < stack->max_resting || !oldest)
        return;
    gn__tcp_dropped(stack, GN__TCP_DROP_TIME_WAIT);
    gn__rest_end(gn__container_of(oldest, struct gn__rest, of_stack));
}

void gn__rest_begin(struct gn__conn *conn)
{
    struct gn__stack *stack = conn->stack;
    struct gn__netstack *net = stack->net;
    struct gn__pcb_view view;
    struct gn__rest *rest;

    make_room(stack);
    rest = gn__slab_take(&net->slab, &net->mem, sizeof(*rest));
    if (!rest)
        return;
    memset(rest, 0, sizeof(*rest));
    gn__netstack_ops.view(conn, &view);
    rest->tuple.key = conn->tuple.key;
    rest->tuple.resting = true;
    rest->stack = stack;
    rest->rcv_nxt = view.rcv_nxt;
    rest->snd_nxt = view.snd_nxt;
    rest->timer.fire = rest_fired;
    gn__tuple_del(stack, &conn->tuple);
    conn->in_table = false;
    if (gn__tuple_add(stack, &rest->tuple)) {
        gn__slab_give(&net->slab, &net->mem, rest, sizeof(*rest));
        return;
    }
    rest->binding = conn->binding;
    conn->binding = NULL;
    conn->rested = true;
    gn__list_add_tail(&stack->resting, &rest->of_stack);
    stack->n_resting++;
    arm(rest);
}

/* No older duplicate can exist where nothing is ever delayed. */
static bool is_new_syn(struct gn__rest *rest, const struct gn__segment *segment)
{
    return gn__seq_before(rest->rcv_nxt, segment->seq) ||
           rest->stack->ops->time_wait_ns(rest->stack) <= REST_MIN_NS;
}

bool gn__rest_input(struct gn__rest *rest, const struct gn__segment *segment,
                    uint32_t *isn_floor)
{
    if (segment->flags & GN__FLAG_RST)
        return false; /* RFC 1337 */
    if ((segment->flags & (GN__FLAG_SYN | GN__FLAG_ACK)) == GN__FLAG_SYN &&
        is_new_syn(rest, segment)) {
        *isn_floor = rest->snd_nxt + UINT16_MAX + 2;
        gn__rest_end(rest);
        return true;
    }
    if (segment->flags & GN__FLAG_FIN)
        arm(rest);
    if (segment->len || segment->flags & (GN__FLAG_FIN | GN__FLAG_SYN))
        gn__tcp_reply(rest->stack, segment, rest->snd_nxt, rest->rcv_nxt,
                      GN__FLAG_ACK);
    return false;
}
