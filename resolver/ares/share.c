/* SPDX-License-Identifier: BSD-3-Clause */
#include "resolver/ares/internal.h"

/*
 * How guests share what may be under way in a network.
 *
 * A guest that asks is served as long as there is room. When there is none, a
 * guest that would still have fewer lookups than the one with most takes the
 * place of that guest's newest one, which ends with GN_EAI_AGAIN; all others
 * are refused as before. So one guest alone may have all, and however many take
 * what they can, the next one gets its part.
 *
 * A lookup that a guest has cancelled counts as its own until it is answered,
 * because c-ares cannot cancel one question. It goes on with a question that
 * lost its place, too, and with those of guests that are gone; these count for
 * no guest, and when they are too many the channel cancels all it has, and the
 * lookups that guests still wait for are asked anew (query.c). A guest can
 * bring that about only by being the one with most, and that no faster than
 * others ask.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static struct gn__ares_guest *guest_find(const struct gn__ares_session *session,
                                         struct gn__account *account)
{
    struct gn__table_node *node =
        gn__table_find(&session->guests, &account, sizeof(account));

    return node ? gn__container_of(node, struct gn__ares_guest, node) : NULL;
}

static struct gn__ares_guest *guest_create(struct gn__ares_session *session,
                                           struct gn__account *account)
{
    struct gn__ares_guest *guest = calloc(1, sizeof(*guest));

    if (!guest)
        return NULL;
    guest->account = account;
    gn__list_init(&guest->lookups);
    if (gn__table_add(&session->guests, &guest->node, &guest->account,
                      sizeof(guest->account))) {
        free(guest);
        return NULL;
    }
    if (account)
        gn__account_ref(account);
    return guest;
}

static bool has_gone(const struct gn__ares_guest *guest)
{
    return guest->account && gn__account_has_ended(guest->account);
}

bool gn__ares_is_wanted(const struct gn__ares_lookup *lookup)
{
    return lookup->outer && lookup->guest && !has_gone(lookup->guest);
}

static void leave_guest(struct gn__ares_lookup *lookup)
{
    struct gn__ares_guest *guest = lookup->guest;

    assert(guest);
    gn__list_del(&lookup->of_guest);
    lookup->session->n_pending--;
    lookup->guest = NULL;
    if (--guest->n_pending)
        return;
    gn__table_del(&lookup->session->guests, &guest->node);
    gn__account_unref(guest->account);
    free(guest);
}

/* From here on it counts for no guest. */
static void lose_place(struct gn__ares_lookup *lookup)
{
    struct gn_lookup *outer = lookup->outer;

    leave_guest(lookup);
    lookup->session->n_lost++;
    if (!outer)
        return;
    lookup->outer = NULL;
    lookup->session->n_live--;
    gn_lookup_set_user(outer, NULL);
    gn__lookup_fail(outer, GN_EAI_AGAIN);
}

static void guest_lose_place(struct gn__ares_guest *guest)
{
    lose_place(gn__container_of(gn__list_last(&guest->lookups),
                                struct gn__ares_lookup, of_guest));
}

static void end_those_gone(struct gn__ares_session *session)
{
    struct gn__table_node *it, *tmp;

    gn__table_foreach_safe (it, tmp, &session->guests) {
        struct gn__ares_guest *guest =
            gn__container_of(it, struct gn__ares_guest, node);
        uint32_t n = has_gone(guest) ? guest->n_pending : 0;

        while (n--)
            guest_lose_place(guest);
    }
}

static struct gn__ares_guest *guest_with_most(
    const struct gn__ares_session *session)
{
    struct gn__ares_guest *most = NULL;
    struct gn__table_node *it;

    gn__table_foreach (it, &session->guests) {
        struct gn__ares_guest *guest =
            gn__container_of(it, struct gn__ares_guest, node);

        if (!most || guest->n_pending > most->n_pending)
            most = guest;
    }
    return most;
}

/* Room for one more of the guest's. */
static bool make_room(struct gn__ares_session *session,
                      struct gn__account *account)
{
    uint32_t max = session->ares->settings.max_pending;
    struct gn__ares_guest *most;
    const struct gn__ares_guest *own;

    if (session->n_pending < max)
        return true;
    end_those_gone(session);
    if (session->n_pending >= max) {
        most = guest_with_most(session);
        own = guest_find(session, account);
        if ((own ? own->n_pending : 0) + 1 >= most->n_pending)
            return false;
        guest_lose_place(most);
    }
    return true;
}

/* Lookups that count for no guest are bounded, too. */
static void share_renew(struct gn__ares_session *session)
{
    if (session->n_lost < session->ares->settings.max_pending)
        return;
    session->is_renewing = true;
    ares_cancel(session->channel);
    session->is_renewing = false;
}

int gn__ares_share_take(struct gn__ares_lookup *lookup)
{
    struct gn__ares_session *session = lookup->session;
    struct gn__account *account = gn__lookup_account(lookup->outer);
    struct gn__ares_guest *guest;

    if (!make_room(session, account))
        return GN_EAI_AGAIN;
    share_renew(session);
    guest = guest_find(session, account);
    if (!guest)
        guest = guest_create(session, account);
    if (!guest)
        return -ENOMEM;
    guest->n_pending++;
    session->n_pending++;
    gn__list_add_tail(&guest->lookups, &lookup->of_guest);
    lookup->guest = guest;
    return 0;
}

void gn__ares_share_give(struct gn__ares_lookup *lookup)
{
    if (lookup->guest)
        leave_guest(lookup);
    else
        lookup->session->n_lost--;
}
