/* SPDX-License-Identifier: BSD-3-Clause */
#include "resolver/ares/internal.h"

/*
 * One question to the servers, and how long it waits.
 *
 * c-ares waits five times as long as a server has taken on average, which is
 * 250 ms where answers are quick, and so gives up a name whose own servers take
 * a second: at a forwarder, quick answers say nothing about the next one. Here
 * each try waits as long as the configuration says, as in the C library. To
 * that end c-ares is allowed to look at its time-outs only when the question
 * that was sent first has waited long enough (session.c). It then ends the wait
 * of all whose time it thinks has come; a question that it gave up in this way,
 * too early, is put again until its own time is over.
 */
#include <string.h>

/* Its time, with all tries at all servers. */
static uint64_t whole_wait(const struct gn__ares_session *session)
{
    return session->wait_ns * session->tries * session->n_servers;
}

static void query_forget(struct gn__ares_query *query)
{
    if (query->is_listed)
        gn__list_del(&query->by_sent);
    if (query->is_in_table)
        gn__table_del(&query->lookup->session->by_id, &query->by_id);
    query->is_listed = query->is_in_table = false;
}

static void query_ask(struct gn__ares_query *query);

static bool query_was_hurried(const struct gn__ares_query *query)
{
    const struct gn__ares_session *session = query->lookup->session;
    uint64_t now = gn__io_now(session->io);

    return query->status == ARES_ETIMEOUT && query->lookup->outer &&
           now < query->until &&
           (query->is_hurried || now < query->sent + session->wait_ns);
}

/* Questions of guests that are gone were in the way (share.c). */
static bool query_is_renewed(const struct gn__ares_query *query)
{
    return query->status == ARES_ECANCELLED &&
           query->lookup->session->is_renewing &&
           gn__ares_is_wanted(query->lookup);
}

static void query_done(void *arg, ares_status_t status, size_t timeouts,
                       const ares_dns_record_t *record)
{
    struct gn__ares_query *query = arg;

    (void)timeouts;
    query->status = (int)status;
    query_forget(query);
    if (query->has_ended)
        *query->has_ended = true;
    query->has_ended = NULL;
    if (query_was_hurried(query) || query_is_renewed(query))
        query_ask(query);
    else
        gn__ares_query_ended(query, record);
}

static void query_ask(struct gn__ares_query *query)
{
    struct gn__ares_session *session = query->lookup->session;
    bool has_ended = false;

    query->is_hurried = false;
    query->sent = gn__io_now(session->io);
    gn__list_add_tail(&session->by_sent, &query->by_sent);
    query->is_listed = true;
    /* Reset when it ends, or below. */
    /* cppcheck-suppress autoVariables */
    query->has_ended = &has_ended;
    (void)ares_query_dnsrec(session->channel, query->lookup->name,
                            ARES_CLASS_IN, query->type, query_done, query,
                            &query->id);
    if (has_ended)
        return;
    query->has_ended = NULL;
    /* Without memory it is not found when it is sent again, and waits less. */
    query->is_in_table = !gn__table_add(&session->by_id, &query->by_id,
                                        &query->id, sizeof(query->id));
}

void gn__ares_query_start(struct gn__ares_query *query)
{
    const struct gn__ares_session *session = query->lookup->session;

    query->n = 0;
    query->until = gn__io_now(session->io) + whole_wait(session);
    query_ask(query);
}

void gn__ares_query_sent(struct gn__ares_session *session, uint16_t id)
{
    struct gn__table_node *node =
        gn__table_find(&session->by_id, &id, sizeof(id));
    struct gn__ares_query *query;
    uint64_t now = gn__io_now(session->io);

    if (!node)
        return;
    query = gn__container_of(node, struct gn__ares_query, by_id);
    if (session->is_timing && now < query->sent + session->wait_ns)
        query->is_hurried = true;
    query->sent = now;
    gn__list_del(&query->by_sent);
    gn__list_add_tail(&session->by_sent, &query->by_sent);
}
