/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A node: a task that waits for the election's time to be out, one for each
 * peer that sends what it lacks, and one for each connection that answers. They
 * share the node under its mutex and wait for its condition.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "raft.h"

#define HEARTBEAT     (50 * MS)
#define ELECTION_MIN  (150 * MS)
#define ELECTION_MORE 150 /* ms */
#define RPC_MS        100
#define COMMAND_WAIT  (500 * MS)

enum role { FOLLOWER, CANDIDATE, LEADER };

struct peer {
    struct node *node;
    int id;
    uint32_t next, match;
    bool has_answered; /* in this election */
    bool has_granted;
    uint64_t sent_at;
};

struct vote {
    uint32_t term;
    int32_t to; /* -1: nobody */
};

struct node {
    int id;
    struct gn_machine *machine;
    struct gn_namespace *ns;
    struct gn_mutex mutex;
    struct gn_cond changed;
    enum role role;
    bool lags;        /* as a leader: entries go with some heartbeats only */
    struct vote vote; /* with the current term */
    struct entry log[LOG_MAX + 1];
    uint32_t last; /* index of the last entry */
    uint32_t commit, applied;
    uint64_t election_at;
    struct peer peers[N_NODES];
    uint32_t values[N_KEYS];
    uint32_t done[N_CLIENTS]; /* the last request of each, and its answer */
    uint32_t answers[N_CLIENTS];
};

struct serving {
    struct node *node;
    struct gn_sock *sock;
};

/* ---- files ---- */

static void must(bool ok, const char *what)
{
    if (!ok)
        gn_sim_fail("%s failed", what);
}

static void save_vote(struct node *n)
{
    must(gn_disk_write(n->machine, "vote", 0, &n->vote, sizeof(n->vote)) ==
             sizeof(n->vote),
         "writing a vote");
    if (world.bug != BUG_UNSYNCED_VOTE)
        must(!gn_disk_sync(n->machine, "vote"), "syncing a vote");
}

/* What is behind an entry that does not agree goes for sure before anything new
 * comes in its place. */
static void cut_log(struct node *n, uint32_t last)
{
    n->last = last;
    must(!gn_disk_truncate(n->machine, "log",
                           (uint64_t)last * sizeof(struct entry)) &&
             !gn_disk_sync(n->machine, "log"),
         "cutting the log");
}

static void add_entry(struct node *n, const struct entry *entry)
{
    if (n->last >= LOG_MAX)
        gn_sim_fail("the log is full");
    n->log[++n->last] = *entry;
    must(gn_disk_write(n->machine, "log",
                       (uint64_t)(n->last - 1) * sizeof(*entry), entry,
                       sizeof(*entry)) == sizeof(*entry),
         "writing the log");
}

static void sync_log(struct node *n)
{
    must(!gn_disk_sync(n->machine, "log"), "syncing the log");
}

static void load(struct node *n)
{
    struct entry entry;

    if (gn_disk_read(n->machine, "vote", 0, &n->vote, sizeof(n->vote)) !=
        sizeof(n->vote))
        n->vote = (struct vote){.to = -1};
    while (n->last < LOG_MAX &&
           gn_disk_read(n->machine, "log", n->last * sizeof(entry), &entry,
                        sizeof(entry)) == sizeof(entry) &&
           entry.index == n->last + 1)
        n->log[++n->last] = entry;
    if (gn_disk_size(n->machine, "log") >= 0)
        cut_log(n, n->last);
}

/* ---- the state machine; the mutex is held ---- */

static void apply(struct node *n, const struct entry *entry)
{
    world_applies(n->id, entry);
    if (n->done[entry->client] >= entry->number)
        return; /* A request that came twice. */
    if (entry->is_write)
        n->values[entry->key] = entry->value;
    n->done[entry->client] = entry->number;
    n->answers[entry->client] = n->values[entry->key];
}

static void commit_up_to(struct node *n, uint32_t index)
{
    if (index > n->last)
        index = n->last;
    if (index > n->commit)
        n->commit = index;
    while (n->applied < n->commit)
        apply(n, &n->log[++n->applied]);
    gn_cond_broadcast(&n->changed);
}

/* ---- roles; the mutex is held ---- */

static uint32_t draw(const struct node *n, uint32_t below)
{
    uint32_t drawn;

    gn_random(n->ns, &drawn, sizeof(drawn));
    return drawn % below;
}

static void restart_election(struct node *n)
{
    n->election_at =
        gn_now_ns(n->ns) + ELECTION_MIN + draw(n, ELECTION_MORE) * MS;
}

static void follow(struct node *n, uint32_t term)
{
    if (term > n->vote.term) {
        n->vote = (struct vote){.term = term, .to = -1};
        save_vote(n);
    }
    n->role = FOLLOWER;
    gn_cond_broadcast(&n->changed);
}

static void stand_for_election(struct node *n)
{
    int i;

    n->role = CANDIDATE;
    n->vote = (struct vote){.term = n->vote.term + 1, .to = n->id};
    save_vote(n);
    for (i = 0; i < N_NODES; i++)
        n->peers[i].has_answered = n->peers[i].has_granted = i == n->id;
    restart_election(n);
    gn_sim_reached("an election");
    gn_cond_broadcast(&n->changed);
}

static void lead(struct node *n)
{
    int i;

    n->role = LEADER;
    n->lags = gn_sim_chance("a leader lags", 500000);
    gn_sim_log("leads in term %u", n->vote.term);
    world_leads(n->id, n->vote.term);
    for (i = 0; i < N_NODES; i++) {
        n->peers[i].next = n->last + 1;
        n->peers[i].match = 0;
        n->peers[i].sent_at = 0;
    }
    gn_cond_broadcast(&n->changed);
}

static void count_votes(struct node *n)
{
    int i, votes = 0;

    for (i = 0; i < N_NODES; i++)
        votes += n->peers[i].has_granted;
    if (votes > N_NODES / 2)
        lead(n);
}

/* An entry of the leader's own term that a majority has, and all before it. One
 * of an older term that a majority has may still be replaced. */
static void count_matches(struct node *n)
{
    uint32_t index;
    int i, have;

    n->peers[n->id].match = n->last;
    for (index = n->last; index > n->commit; index--) {
        for (i = have = 0; i < N_NODES; i++)
            have += n->peers[i].match >= index;
        if (have <= N_NODES / 2)
            continue;
        if (n->log[index].term == n->vote.term ||
            world.bug == BUG_OLD_TERM_COMMIT)
            commit_up_to(n, index);
        else
            gn_sim_reached("an entry of an older term");
        return;
    }
}

/* ---- answering; the mutex is held ---- */

static void answer_vote(struct node *n, const struct message *in,
                        struct message *out)
{
    uint32_t last_term = n->log[n->last].term;

    if (in->term < n->vote.term ||
        (n->vote.to >= 0 && n->vote.to != (int)in->from) ||
        in->last_term < last_term ||
        (in->last_term == last_term && in->last_index < n->last))
        return;
    if (n->vote.to < 0) {
        n->vote.to = (int32_t)in->from;
        save_vote(n);
    }
    restart_election(n);
    out->ok = 1;
}

static void take_entries(struct node *n, const struct message *in)
{
    uint32_t i, n_added = 0;

    for (i = 0; i < in->n; i++) {
        const struct entry *entry = &in->entries[i];

        if (entry->index <= n->last && n->log[entry->index].term == entry->term)
            continue;
        if (entry->index <= n->last) {
            gn_sim_reached("entries that do not agree");
            must(entry->index > n->commit, "keeping what is committed");
            cut_log(n, entry->index - 1);
        }
        add_entry(n, entry);
        n_added++;
    }
    if (n_added)
        sync_log(n);
}

static void answer_append(struct node *n, const struct message *in,
                          struct message *out)
{
    uint32_t agreed = in->last_index + in->n;

    if (in->term < n->vote.term)
        return;
    follow(n, in->term);
    restart_election(n);
    out->last_index = n->last < in->last_index ? n->last : in->last_index - 1;
    if (in->last_index > n->last ||
        n->log[in->last_index].term != in->last_term)
        return;
    take_entries(n, in);
    commit_up_to(n, in->commit < agreed ? in->commit : agreed);
    out->last_index = agreed;
    out->ok = 1;
}

/* Into the log, and wait until it is applied, or something else is. */
static void answer_command(struct node *n, const struct message *in,
                           struct message *out)
{
    struct entry entry = in->entries[0];
    uint64_t until = gn_now_ns(n->ns) + COMMAND_WAIT, now;

    if (n->role == LEADER && n->done[entry.client] < entry.number) {
        entry.term = n->vote.term;
        entry.index = n->last + 1;
        add_entry(n, &entry);
        sync_log(n);
        gn_cond_broadcast(&n->changed);
        while (n->done[entry.client] < entry.number && n->role == LEADER &&
               (now = gn_now_ns(n->ns)) < until) {
            if (gn_cond_wait(&n->changed, &n->mutex, until - now) == -ECANCELED)
                return;
        }
    }
    out->ok = n->done[entry.client] == entry.number;
    out->value = n->answers[entry.client];
}

static void answer(struct node *n, const struct message *in,
                   struct message *out)
{
    if (in->kind != COMMAND && in->term > n->vote.term)
        follow(n, in->term);
    *out = (struct message){.kind = in->kind, .from = (uint32_t)n->id};
    if (in->kind == ASK_VOTE)
        answer_vote(n, in, out);
    else if (in->kind == APPEND)
        answer_append(n, in, out);
    else
        answer_command(n, in, out);
    out->term = n->vote.term;
}

static int serve(void *arg)
{
    struct serving *serving = arg;
    struct node *n = serving->node;
    struct gn_sock *sock = serving->sock;
    struct message in, out;

    while (!message_recv(sock, &in) && !gn_mutex_lock(&n->mutex)) {
        answer(n, &in, &out);
        gn_mutex_unlock(&n->mutex);
        if (message_send(sock, &out))
            break;
    }
    gn_sock_close(sock);
    gn_sock_unref(sock);
    gn_machine_free(n->machine, serving);
    return 0;
}

/* ---- asking ---- */

static bool has_work(const struct peer *peer)
{
    const struct node *n = peer->node;

    if (n->role == CANDIDATE)
        return !peer->has_answered;
    return n->role == LEADER && ((peer->next <= n->last && !n->lags) ||
                                 gn_now_ns(n->ns) >= peer->sent_at + HEARTBEAT);
}

static void make_request(struct peer *peer, struct message *out)
{
    const struct node *n = peer->node;
    uint32_t before = n->role == LEADER ? peer->next - 1 : n->last;

    *out = (struct message){.kind = n->role == LEADER ? APPEND : ASK_VOTE,
                            .from = (uint32_t)n->id,
                            .term = n->vote.term,
                            .last_index = before,
                            .last_term = n->log[before].term,
                            .commit = n->commit};
    if (n->role != LEADER)
        return;
    peer->sent_at = gn_now_ns(n->ns);
    if (n->lags && draw(n, 5))
        return;
    while (out->n < BATCH && before + out->n < n->last) {
        out->entries[out->n] = n->log[before + out->n + 1];
        out->n++;
    }
}

static void take_answer(struct peer *peer, const struct message *asked,
                        const struct message *in)
{
    struct node *n = peer->node;

    if (in->term > n->vote.term)
        follow(n, in->term);
    if (asked->term != n->vote.term)
        return;
    if (asked->kind == ASK_VOTE && n->role == CANDIDATE) {
        peer->has_answered = true;
        peer->has_granted = in->ok;
        count_votes(n);
    } else if (asked->kind == APPEND && n->role == LEADER) {
        if (in->ok && in->last_index > peer->match)
            peer->match = in->last_index;
        peer->next = (in->ok ? peer->match : in->last_index) + 1;
        count_matches(n);
    }
}

static void hang_up(struct gn_sock **sock)
{
    if (!*sock)
        return;
    gn_sock_close(*sock);
    gn_sock_unref(*sock);
    *sock = NULL;
}

/* Over the connection that there is, or a new one. */
static int ask(struct peer *peer, struct gn_sock **sock,
               const struct message *out, struct message *in)
{
    int err = 0;

    if (!*sock)
        err = node_dial(peer->node->ns, peer->id, RPC_MS, sock);
    if (!err)
        err = message_send(*sock, out);
    if (!err)
        err = message_recv(*sock, in);
    if (err)
        hang_up(sock);
    return err;
}

static int talk(struct peer *peer, struct gn_sock **sock)
{
    struct node *n = peer->node;
    struct message out, in;
    int err;

    while (!gn_mutex_lock(&n->mutex)) {
        while (!has_work(peer)) {
            err = gn_cond_wait(&n->changed, &n->mutex, HEARTBEAT);
            if (err == -ECANCELED)
                return err;
        }
        make_request(peer, &out);
        gn_mutex_unlock(&n->mutex);
        err = ask(peer, sock, &out, &in);
        if (err) {
            err = gn_sleep_ns(n->ns, 20 * MS);
            if (err)
                return err;
            continue;
        }
        if (gn_mutex_lock(&n->mutex))
            break;
        take_answer(peer, &out, &in);
        gn_mutex_unlock(&n->mutex);
    }
    return 0;
}

static int talk_to_peer(void *arg)
{
    struct gn_sock *sock = NULL;
    int err = talk(arg, &sock);

    hang_up(&sock);
    return err;
}

static int watch_time(void *arg)
{
    struct node *n = arg;
    uint64_t now;
    int err = gn_mutex_lock(&n->mutex);

    while (err != -ECANCELED) {
        now = gn_now_ns(n->ns);
        if (n->role == LEADER)
            restart_election(n);
        else if (now >= n->election_at)
            stand_for_election(n);
        err = gn_cond_wait(&n->changed, &n->mutex,
                           n->election_at > now ? n->election_at - now : 1);
    }
    return 0;
}

/* ---- a life ---- */

static struct node *make_node(int id)
{
    struct gn_machine *machine = gn_task_machine();
    struct node *n = gn_machine_alloc(machine, sizeof(*n));
    int i;

    must(n != NULL, "allocating");
    n->id = id;
    n->machine = machine;
    n->ns = gn_task_namespace();
    load(n);
    restart_election(n);
    must(!gn_task_start(n->ns, NULL, watch_time, n, NULL), "starting a task");
    for (i = 0; i < N_NODES; i++) {
        n->peers[i] = (struct peer){.node = n, .id = i};
        if (i != id)
            must(!gn_task_start(n->ns, NULL, talk_to_peer, &n->peers[i], NULL),
                 "starting a task");
    }
    return n;
}

int node_boot(void *arg)
{
    struct node *n = make_node((int)(intptr_t)arg);
    struct gn_sock *listener, *sock;
    struct serving *serving;

    must(!gn_sock_listen_at(n->ns, "tcp4", PORT, 16, NULL, 0, &listener),
         "listening");
    while (!gn_sock_accept(listener, NULL, NULL, 0, &sock)) {
        serving = gn_machine_alloc(n->machine, sizeof(*serving));
        must(serving != NULL, "allocating");
        *serving = (struct serving){.node = n, .sock = sock};
        must(!gn_task_start(n->ns, NULL, serve, serving, NULL),
             "starting a task");
    }
    hang_up(&listener);
    return 0;
}
