/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RAFT_H
#define RAFT_H

/*
 * Raft (Ongaro and Ousterhout, "In Search of an Understandable Consensus
 * Algorithm", 2014) with blocking calls: elections, replication and restart
 * from files, for a store of some keys; without snapshots and changes of
 * membership. Real code of a user's would look like node.c and client.c; the
 * rest is what makes a test of it.
 */
#include <guestnet/guestnet.h>

#include <pthread.h>

#define N_NODES    5
#define N_CLIENTS  3
#define N_MACHINES (N_NODES + N_CLIENTS)
#define N_KEYS     2
#define N_OPS      20 /* of each client */
#define LOG_MAX    1024
#define BATCH      8 /* entries of a message */
#define PORT       ":7000"
#define MS         UINT64_C(1000000)

/** Mistakes that can be built in. */
enum bug { BUG_NONE, BUG_UNSYNCED_VOTE, BUG_OLD_TERM_COMMIT };

struct entry {
    uint32_t term;
    uint32_t index; /* from 1; 0: not written */
    uint32_t client;
    uint32_t number; /* of the client's requests, from 1 */
    uint32_t is_write, key, value;
    uint32_t unused;
};

enum kind { ASK_VOTE = 1, APPEND, COMMAND };

/** A request, and its answer. */
struct message {
    uint32_t kind, from, term;
    uint32_t ok;
    uint32_t last_index; /* votes: of the log; append: before the entries;
                            answers: what agrees */
    uint32_t last_term, commit;
    uint32_t value; /* of a command's answer */
    uint32_t n;     /* of entries */
    struct entry entries[BATCH];
};

/** Something that a client did, as it saw it. */
struct op {
    uint64_t begin, end; /* end: UINT64_MAX if no answer came */
    uint32_t key, value;
    bool is_write;
};

/** What the test knows and no node does. */
struct world {
    enum bug bug;
    struct gn_network *net;
    struct gn_machine *machines[N_MACHINES];
    pthread_mutex_t lock; /* in real time there are threads */
    struct entry applied[LOG_MAX + 1];
    int leaders[LOG_MAX]; /* by term: number and 1; 0: none */
    struct op ops[N_CLIENTS * N_OPS];
    size_t n_ops;
    _Atomic int n_done; /* clients */
};

extern struct world world;

/** Of a node, by arg: its number; of a client the same. */
int node_boot(void *arg);
int client_boot(void *arg);

/** A random number below @below. */
uint32_t draw(struct gn_namespace *ns, uint32_t below);
/** Send and receive one whole; 0, or a negative errno. */
int message_send(struct gn_sock *sock, const struct message *message);
int message_recv(struct gn_sock *sock, struct message *message);
/** Ask node @to, no longer than @ms, by *@sock: NULL at first, and after an
 *  error. */
int node_ask(struct gn_namespace *ns, int to, unsigned ms,
             struct gn_sock **sock, const struct message *out,
             struct message *in);

/** A node has become leader; has applied an entry. Fail if that is wrong. */
void world_leads(int node, uint32_t term);
void world_applies(int node, const struct entry *entry);

/** Is there an order of the operations of a key, each between its begin and its
 *  end, in which each read has what was written last? 1: yes; 0: no; -1: it was
 *  not found out within the budget. */
int history_is_linear(uint32_t key);

#endif /* RAFT_H */
