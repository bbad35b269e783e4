/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Dials: what waits for the outside to answer.
 *
 *     begun --(its deferred task)--> told --(accept, refuse)--> consumed
 *       |                       |
 *       +--(cancelled)--> freed +--(cancelled)--> over --(ops->cancel)--> freed
 *
 *   begun   the outside has not heard of it, and never will if the guest gives
 *           up now. Its deferred task is queued from when it is made, so that
 *           there is no way out of here that does not free it.
 *   told    the outside has it, and owes an end.
 *   over    it is the guest's no more: its place is free for the next one.
 *           Hooks that accept or refuse it meanwhile get an error instead of
 *           cancel().
 *
 * Guests' threads may end a dial at any time, the outside does so on the
 * driving thread only, where the deferred tasks run too.
 */
#include <errno.h>

#include "namespace/namespace.h"
#include "namespace/gateway/guest.h"
#include "namespace/sock/tcp.h"
#include "namespace/sock/bind.h"
#include "namespace/sock/udp.h"

/* ---- what waits ---- */

static size_t cost_of(const struct gn__packet *packet)
{
    size_t cost = sizeof(*packet);
    unsigned i;

    for (i = 0; i < packet->n_slices; i++)
        cost += gn__chunk_cost(packet->slices[i].chunk);
    return cost;
}

void gn__outside_queue_init(struct gn__outside_queue *queue)
{
    *queue = (struct gn__outside_queue){.tail = &queue->head};
}

void gn__outside_queue_charge(struct gn__outside_queue *queue,
                              struct gn__udp_sock *sender)
{
    if (queue->sender)
        gn__udp_sent(queue->sender, queue->bytes);
    queue->sender = sender;
    if (sender)
        gn__udp_sending(sender, queue->bytes);
}

void gn__outside_queue_add(struct gn__outside_guest *guest,
                           struct gn__outside_queue *queue,
                           struct gn__packet *packet)
{
    size_t cost = cost_of(packet);

    if (queue->n >= GN__OUTSIDE_WAITING_MAX ||
        queue->bytes > GN__OUTSIDE_WAITING_BYTES) {
        gn__outside_drop(guest, packet, GN_DROP_FLOW);
        return;
    }
    if (!gn__budget_take(&guest->stack.budget, cost)) {
        gn__outside_drop(guest, packet, GN_DROP_MEMORY);
        return;
    }
    packet->next = NULL;
    *queue->tail = packet;
    queue->tail = &packet->next;
    queue->n++;
    queue->bytes += cost;
    if (queue->sender)
        gn__udp_sending(queue->sender, cost);
}

struct gn__packet *gn__outside_queue_take(struct gn__outside_guest *guest,
                                          struct gn__outside_queue *queue)
{
    struct gn__packet *packet = queue->head;
    size_t cost;

    if (!packet)
        return NULL;
    cost = cost_of(packet);
    queue->head = packet->next;
    if (!queue->head)
        queue->tail = &queue->head;
    queue->n--;
    queue->bytes -= cost;
    if (queue->sender)
        gn__udp_sent(queue->sender, cost);
    gn__budget_give(&guest->stack.budget, cost);
    return packet;
}

void gn__outside_queue_end(struct gn__outside_guest *guest,
                           struct gn__outside_queue *queue)
{
    struct gn__packet *packet;

    while ((packet = gn__outside_queue_take(guest, queue)))
        gn__packet_free(packet);
}

/* ---- life ---- */

struct gn__dial *gn__dial_find(const struct gn__outside_guest *guest,
                               const struct gn__outside_key *key)
{
    struct gn__table_node *node =
        gn__table_find(&guest->dials, key, sizeof(*key));

    return node ? gn__container_of(node, struct gn__dial, node) : NULL;
}

void gn__dial_free(struct gn__dial *dial)
{
    struct gn__engine *engine = dial->engine;
    struct gn__guest *who = dial->pub.who;

    gn__strfree(&engine->net.mem, dial->tls_name);
    gn__free(&engine->net.mem, dial, sizeof(*dial));
    gn__guest_unref(who);
    gn__engine_unref(engine); /* The caller has another one. */
}

/* It is the guest's no more; what waits stays. */
static void leave_guest(struct gn__dial *dial)
{
    struct gn__outside_guest *guest = dial->guest;

    gn__table_del(&guest->dials, &dial->node);
    gn__outside_queue_charge(&dial->waiting, NULL);
    gn__list_del(&dial->of_sock);
    guest->net->outside.n_dials--;
    gn__budget_give(&guest->stack.budget, sizeof(*dial));
    dial->guest = NULL;
}

bool gn__dial_take(struct gn__dial *dial)
{
    if (!dial->guest) {
        gn__deferred_cancel(dial->engine, &dial->deferred);
        return false;
    }
    leave_guest(dial);
    return true;
}

static void tell_cancelled(struct gn__deferred *deferred)
{
    struct gn__dial *dial =
        gn__container_of(deferred, struct gn__dial, deferred);
    struct gn__engine *engine = dial->engine;

    dial->outside->ops->cancel(dial->outside, &dial->pub);
    gn__engine_ref(engine);
    gn__engine_enter(engine);
    gn__dial_free(dial);
    gn__engine_leave(engine);
    gn__engine_unref(engine);
}

static void dial_tell(struct gn__deferred *deferred)
{
    struct gn__dial *dial =
        gn__container_of(deferred, struct gn__dial, deferred);
    struct gn__engine *engine = dial->engine;
    bool over;

    gn__engine_ref(engine);
    gn__engine_enter(engine);
    over = !dial->guest;
    if (over)
        gn__dial_free(dial); /* In the moment between queue and call. */
    else
        dial->told = true;
    gn__engine_leave(engine);
    if (!over)
        dial->outside->ops->dial(dial->outside, &dial->pub);
    gn__engine_unref(engine);
}

void gn__dial_cancel(struct gn__dial *dial)
{
    struct gn__engine *engine = dial->engine;

    gn__outside_queue_end(dial->guest, &dial->waiting);
    leave_guest(dial);
    if (dial->told) {
        dial->deferred.run = tell_cancelled;
        gn__deferred_queue(engine, &dial->deferred);
    } else if (!gn__list_empty(&dial->deferred.link)) {
        gn__deferred_cancel(engine, &dial->deferred);
        gn__dial_free(dial);
    }
}

/* The bytes that wait in it fill the SO_SNDBUF of the sending socket. */
static void dial_join_sock(struct gn__dial *dial)
{
    struct gn__binding *binding = NULL;

    if (dial->pub.type == SOCK_DGRAM)
        binding = gn__outside_binding(dial->guest, &dial->key);
    if (!binding)
        return;
    gn__list_add_tail(&binding->dials, &dial->of_sock);
    gn__outside_queue_charge(&dial->waiting, gn__udp_of(binding->sock));
}

/* What the guest's socket asked for. -ENOMEM: it must not go out plain. */
static int dial_read_tls(struct gn__dial *dial, struct gn_namespace *ns)
{
    struct gn_sock *sock = NULL;

    if (ns && dial->key.type == SOCK_STREAM)
        sock =
            gn__tcp_owner_at(&ns->stack, &dial->key.guest, &dial->key.outside);
    if (!sock || !gn__tcp_of(sock)->tls_name)
        return 0;
    dial->tls_name =
        gn__strdup(&ns->engine->net.mem, gn__tcp_of(sock)->tls_name);
    dial->pub.tls_name = dial->tls_name;
    return dial->tls_name ? 0 : -ENOMEM;
}

static struct gn__dial *dial_alloc(struct gn__outside_guest *guest,
                                   const struct gn__outside_key *key)
{
    const struct gn__mem *mem = &guest->engine->net.mem;
    struct gn__dial *dial = gn__zalloc(mem, sizeof(*dial));

    if (!dial)
        return NULL;
    dial->key = *key;
    if (dial_read_tls(dial, guest->owner->ns)) {
        gn__free(mem, dial, sizeof(*dial));
        return NULL;
    }
    if (gn__table_add(&guest->dials, &dial->node, &dial->key,
                      sizeof(dial->key))) {
        gn__strfree(mem, dial->tls_name);
        gn__free(mem, dial, sizeof(*dial));
        return NULL;
    }
    gn__budget_force(&guest->stack.budget, sizeof(*dial));
    guest->net->outside.n_dials++;
    dial->pub.who = guest->owner;
    gn__guest_ref(guest->owner);
    dial->pub.type = (int)key->type;
    dial->pub.guest = key->guest;
    dial->pub.outside = key->outside;
    dial->engine = guest->engine;
    gn__engine_ref(dial->engine);
    dial->outside = gn__outside_for(guest, key);
    dial->guest = guest;
    dial->deferred.run = dial_tell;
    dial->deferred.account = guest->owner->account;
    gn__list_init(&dial->deferred.link);
    gn__list_init(&dial->of_sock);
    gn__outside_queue_init(&dial->waiting);
    dial_join_sock(dial);
    gn__deferred_queue(dial->engine, &dial->deferred);
    return dial;
}

void gn__dial_begin(struct gn__outside_guest *guest,
                    const struct gn__outside_key *key, uint32_t seq,
                    struct gn__packet *packet)
{
    struct gn__dial *dial;

    if (gn__table_count(&guest->dials) >= guest->max_dials ||
        guest->net->outside.n_dials >= GN__OUTSIDE_DIALS_MAX) {
        gn__log(guest->net, GN_LOG_WARN, GN__LOG_LIMITED,
                "guest %s: too much waits for the outside: max_outgoing is %u",
                gn__log_name(guest->owner), guest->max_dials);
        gn__outside_drop(guest, packet, GN_DROP_OUTGOING);
        return;
    }
    dial =
        gn__budget_full(&guest->stack.budget) ? NULL : dial_alloc(guest, key);
    if (!dial) {
        gn__outside_drop(guest, packet, GN_DROP_MEMORY);
        return;
    }
    dial->seq = seq;
    gn__outside_queue_add(guest, &dial->waiting, packet);
    if (!dial->waiting.head)
        gn__dial_cancel(dial);
}
