/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Start-time fair queueing (Goyal, Vin and Cheng, 1996), of tasks whose cost is
 * known only when they have run. An account's `spent` is its virtual time; the
 * heap has the waiting accounts in its order, and equal ones as they came. One
 * that comes back from being idle starts at the floor, less its credit, so that
 * neither sleeping long nor sleeping often gains anything.
 *
 * An account whose tasks were all cancelled stays in the heap until it would be
 * picked: cancelling a task then touches nothing but the task's neighbours.
 */
#include "base/sched.h"

static void account_init(struct gn__account *account, const struct gn__mem *mem)
{
    *account = (struct gn__account){0};
    atomic_init(&account->ended, false);
    gn__ref_init(&account->refs, 1);
    if (mem)
        account->mem = *mem;
    gn__list_init(&account->tasks);
}

struct gn__account *gn__account_create(const struct gn__mem *mem)
{
    struct gn__account *account = gn__zalloc(mem, sizeof(*account));

    if (account)
        account_init(account, mem);
    return account;
}

struct gn__account *gn__account_ref(struct gn__account *account)
{
    gn__ref_take(&account->refs);
    return account;
}

void gn__account_unref(struct gn__account *account)
{
    struct gn__mem mem;

    if (!account || !gn__ref_give(&account->refs))
        return;
    mem = account->mem;
    gn__free(&mem, account, sizeof(*account));
}

void gn__sched_init(struct gn__sched *sched)
{
    *sched = (struct gn__sched){0};
    gn__heap_init(&sched->waiting);
    account_init(&sched->host, NULL);
}

static struct gn__account *first_waiting(struct gn__sched *sched)
{
    struct gn__heap_node *node = gn__heap_pop(&sched->waiting);
    struct gn__account *account;

    if (!node)
        return NULL;
    account = gn__container_of(node, struct gn__account, node);
    account->waiting = false;
    return account;
}

void gn__sched_done(struct gn__sched *sched)
{
    struct gn__account *account;

    gn__sched_charge(sched, 0);
    while ((account = first_waiting(sched)))
        gn__account_unref(account);
}

static struct gn__account *account_of(struct gn__sched *sched,
                                      const struct gn__deferred *task)
{
    struct gn__account *account = task->account;

    return account && !gn__account_has_ended(account) ? account : &sched->host;
}

/* It has something to do; consumes a reference. */
static void wait_turn(struct gn__sched *sched, struct gn__account *account)
{
    account->waiting = true;
    gn__heap_insert(&sched->waiting, &account->node, account->spent);
}

static void wake_account(struct gn__sched *sched, struct gn__account *account)
{
    uint64_t least =
        sched->floor > GN__SCHED_CREDIT ? sched->floor - GN__SCHED_CREDIT : 0;

    if (account->waiting || account == sched->running)
        return;
    if (account->spent < least)
        account->spent = least;
    wait_turn(sched, gn__account_ref(account));
}

void gn__sched_queue(struct gn__sched *sched, struct gn__deferred *task)
{
    struct gn__account *account = account_of(sched, task);

    if (!task->link.next)
        gn__list_init(&task->link);
    if (!gn__list_empty(&task->link))
        return;
    gn__list_add_tail(&account->tasks, &task->link);
    sched->n++;
    wake_account(sched, account);
}

void gn__sched_cancel(struct gn__sched *sched, struct gn__deferred *task)
{
    if (!task->link.next || gn__list_empty(&task->link))
        return;
    gn__list_del(&task->link);
    sched->n--;
}

struct gn__deferred *gn__sched_pick(struct gn__sched *sched)
{
    struct gn__account *account;
    struct gn__list *node;

    gn__sched_charge(sched, 0);
    while ((account = first_waiting(sched))) {
        node = gn__list_pop(&account->tasks);
        if (node) {
            if (account->spent > sched->floor)
                sched->floor = account->spent;
            sched->running = account;
            sched->n--;
            return gn__container_of(node, struct gn__deferred, link);
        }
        gn__account_unref(account);
    }
    return NULL;
}

void gn__sched_charge(struct gn__sched *sched, uint64_t cost_ns)
{
    struct gn__account *account = sched->running;

    if (!account)
        return;
    if (cost_ns < GN__SCHED_COST_MIN)
        cost_ns = GN__SCHED_COST_MIN;
    if (cost_ns > GN__SCHED_COST_MAX)
        cost_ns = GN__SCHED_COST_MAX;
    sched->running = NULL;
    account->spent += cost_ns;
    if (gn__list_empty(&account->tasks))
        gn__account_unref(account);
    else
        wait_turn(sched, account);
}

void gn__sched_hand_over(struct gn__sched *sched, struct gn__account *account)
{
    if (account == &sched->host || gn__list_empty(&account->tasks))
        return;
    gn__list_splice(&sched->host.tasks, &account->tasks);
    wake_account(sched, &sched->host);
}

void gn__sched_end(struct gn__sched *sched, struct gn__account *account)
{
    if (account == &sched->host)
        return;
    gn__sched_hand_over(sched, account);
    atomic_store_explicit(&account->ended, true, memory_order_relaxed);
}
