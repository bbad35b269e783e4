/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A node: a task that waits for the election's time to be out, one for each
 * peer that sends what it lacks, and one for each connection that answers. They
 * share the node under its mutex and wait for its condition.
 */
#include <errno.h>

#include "raft.h"

#define HEARTBEAT     (50 * MS)
#define ELECTION_MIN  (150 * MS)
#define ELECTION_MORE 150 /* ms */
#define RPC_MS        100
#define COMMAND_WAIT  (500 * MS)

struct peer {
    struct node *node;
    int id;
    uint32_t next, match;
    uint32_t answered; /* the term of the last election it answered in */
    uint64_t sent_at;
    struct gn_sock *sock; /* NULL: none */
};

struct node {
    int id;
    struct gn_machine *machine;
    struct gn_namespace *ns;
    struct gn_sock *listener;
    struct gn_mutex mutex;
    struct gn_cond changed;
    enum { FOLLOWER, CANDIDATE, LEADER } role;
    bool lags; /* as a leader: entries go with some heartbeats only */
    struct vote {
        uint32_t term; /* the current one */
        int32_t to;    /* -1: none */
    } vote;
    uint32_t n_votes; /* for it, as a candidate */
    struct entry log[LOG_MAX + 1];
    uint32_t last;   /* index of the last entry */
    uint32_t commit; /* applied as well */
    uint64_t election_at, deaf_until;
    struct peer peers[N_NODES];
    uint32_t values[N_KEYS];
    uint32_t done[N_CLIENTS], answers[N_CLIENTS]; /* of each the last request */
};

static void must(bool ok, const char *what)
{
    if (!ok)
        gn_sim_fail("%s failed", what);
}

static void start(struct node *n, gn_task_fn fn, void *arg)
{
    must(!gn_task_start(n->ns, NULL, fn, arg, NULL), "starting a task");
}

static void write_at(struct node *n, const char *file, size_t i,
                     const void *data, size_t size)
{
    must(gn_disk_write(n->machine, file, i * size, data, size) == (ssize_t)size,
         "writing");
}

static void sync_file(struct node *n, const char *file)
{
    must(!gn_disk_sync(n->machine, file), "syncing");
}

static void save_vote(struct node *n)
{
    write_at(n, "vote", 0, &n->vote, sizeof(n->vote));
    if (world.bug != BUG_UNSYNCED_VOTE)
        sync_file(n, "vote");
}

/* What is behind an entry that does not agree goes for sure before anything new
 * comes in its place. */
static void cut_log(struct node *n, uint32_t last)
{
    n->last = last;
    must(!gn_disk_truncate(n->machine, "log", last * sizeof(struct entry)),
         "cutting the log");
    sync_file(n, "log");
}

static void add_entry(struct node *n, const struct entry *entry)
{
    must(n->last < LOG_MAX, "finding room in the log");
    write_at(n, "log", n->last, entry, sizeof(*entry));
    n->log[++n->last] = *entry;
}

static void load(struct node *n)
{
    n->vote.to = -1;
    (void)gn_disk_read(n->machine, "vote", 0, &n->vote, sizeof(n->vote));
    if (gn_disk_read(n->machine, "log", 0, &n->log[1],
                     LOG_MAX * sizeof(n->log[1])) <= 0)
        return;
    while (n->last < LOG_MAX && n->log[n->last + 1].index == n->last + 1)
        n->last++;
    cut_log(n, n->last);
}

/* ---- with the mutex held: the state machine, and roles ---- */

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
    while (n->commit < index)
        apply(n, &n->log[++n->commit]);
    gn_cond_broadcast(&n->changed);
}

static void restart_election(struct node *n)
{
    n->election_at =
        gn_now_ns(n->ns) + ELECTION_MIN + draw(n->ns, ELECTION_MORE) * MS;
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
    n->role = CANDIDATE;
    n->vote = (struct vote){.term = n->vote.term + 1, .to = n->id};
    save_vote(n);
    n->n_votes = 1;
    restart_election(n);
    gn_sim_reached("an election");
    gn_cond_broadcast(&n->changed);
}

static void lead(struct node *n)
{
    int i;

    n->role = LEADER;
    n->lags = gn_sim_chance("a leader lags", 1000000);
    n->deaf_until = n->lags ? gn_now_ns(n->ns) + draw(n->ns, 800) * MS : 0;
    gn_sim_log("leads in term %u", n->vote.term);
    world_leads(n->id, n->vote.term);
    for (i = 0; i < N_NODES; i++) {
        n->peers[i].next = n->last + 1;
        n->peers[i].match = 0;
        n->peers[i].sent_at = 0;
    }
    gn_cond_broadcast(&n->changed);
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

static bool grants_vote(struct node *n, const struct message *in)
{
    uint32_t last_term = n->log[n->last].term;

    if (in->term < n->vote.term ||
        (n->vote.to >= 0 && n->vote.to != (int)in->from) ||
        in->last_term < last_term ||
        (in->last_term == last_term && in->last_index < n->last))
        return false;
    if (n->vote.to < 0) {
        n->vote.to = (int32_t)in->from;
        save_vote(n);
    }
    restart_election(n);
    return true;
}

static void take_entries(struct node *n, const struct message *in)
{
    uint32_t i;

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
    }
    if (in->n)
        sync_file(n, "log");
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
    uint64_t now = gn_now_ns(n->ns), until = now + COMMAND_WAIT;

    if (n->role == LEADER && now >= n->deaf_until &&
        n->done[entry.client] < entry.number) {
        entry.term = n->vote.term;
        entry.index = n->last + 1;
        add_entry(n, &entry);
        sync_file(n, "log");
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
        out->ok = grants_vote(n, in);
    else if (in->kind == APPEND)
        answer_append(n, in, out);
    else
        answer_command(n, in, out);
    out->term = n->vote.term;
}

/* A task for each connection: the one that accepts it starts the next. */
static int serve(void *arg)
{
    struct node *n = arg;
    struct message in, out;
    struct gn_sock *sock = NULL;

    if (gn_sock_accept(n->listener, NULL, NULL, 0, &sock) ||
        gn_task_start(n->ns, NULL, serve, n, NULL))
        gn_sock_unref(n->listener); /* No other waits there. */
    while (sock && !message_recv(sock, &in) && !gn_mutex_lock(&n->mutex)) {
        answer(n, &in, &out);
        gn_mutex_unlock(&n->mutex);
        if (message_send(sock, &out))
            break;
    }
    gn_sock_unref(sock);
    return 0;
}

static bool has_work(const struct peer *peer)
{
    const struct node *n = peer->node;

    if (n->role == CANDIDATE)
        return peer->answered != n->vote.term;
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
    if (n->lags && draw(n->ns, 5))
        return;
    for (; out->n < BATCH && before + out->n < n->last; out->n++)
        out->entries[out->n] = n->log[before + out->n + 1];
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
        peer->answered = n->vote.term;
        n->n_votes += in->ok;
        if (n->n_votes > N_NODES / 2)
            lead(n);
    } else if (asked->kind == APPEND && n->role == LEADER) {
        if (in->ok && in->last_index > peer->match)
            peer->match = in->last_index;
        peer->next = (in->ok ? peer->match : in->last_index) + 1;
        count_matches(n);
    }
}

/* Until there is something to ask; with the mutex. */
static int wait_for_work(struct peer *peer)
{
    struct node *n = peer->node;
    int err = gn_mutex_lock(&n->mutex);

    while (err != -ECANCELED && !has_work(peer))
        err = gn_cond_wait(&n->changed, &n->mutex, HEARTBEAT);
    return err == -ECANCELED;
}

static int talk(void *arg)
{
    struct peer *peer = arg;
    struct node *n = peer->node;
    struct message out, in;

    while (!wait_for_work(peer)) {
        make_request(peer, &out);
        gn_mutex_unlock(&n->mutex);
        if (node_ask(n->ns, peer->id, RPC_MS, &peer->sock, &out, &in)) {
            (void)gn_sleep_ns(n->ns, 20 * MS);
        } else if (!gn_mutex_lock(&n->mutex)) {
            take_answer(peer, &out, &in);
            gn_mutex_unlock(&n->mutex);
        }
    }
    gn_sock_unref(peer->sock);
    return 0;
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

int node_boot(void *arg)
{
    struct gn_machine *machine = gn_task_machine();
    struct node *n = gn_machine_alloc(machine, sizeof(*n));
    int i;

    must(n != NULL, "allocating");
    n->id = (int)(intptr_t)arg;
    n->machine = machine;
    n->ns = gn_task_namespace();
    load(n);
    restart_election(n);
    must(!gn_sock_listen_at(n->ns, "tcp4", PORT, 16, NULL, 0, &n->listener),
         "listening");
    start(n, watch_time, n);
    start(n, serve, n);
    for (i = 0; i < N_NODES; i++) {
        n->peers[i].node = n;
        n->peers[i].id = i;
        if (i != n->id)
            start(n, talk, &n->peers[i]);
    }
    return 0;
}
