/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_RESOLVER_ARES_INTERNAL_H
#define GN_RESOLVER_ARES_INTERNAL_H

/*
 * Lookups by c-ares.
 *
 *     gn_resolver_ares()        one configuration, any number of networks
 *       session                 of one network: a channel, sockets, a cache
 *         lookup                what a guest asks for: names, one by one
 *           query               a question that the channel works on
 *
 * A channel belongs to the thread that drives its network, so c-ares needs no
 * locks and is built without. Only the list of sessions is shared, and guarded.
 * A session lives until its network closes, which may be after the resolver has
 * been (one that only a namespace of the network had): both hold a reference to
 * what they share.
 *
 * All of it, like c-ares, lives on malloc().
 */
#include <ares.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/list.h"
#include "base/ref.h"
#include "base/table.h"
#include "base/units.h"
#include "resolver/resolver.h"

/** Answers by UDP that are looked at before others of the driver's get their
 *  turn; and bytes by TCP. */
#define GN__ARES_DATAGRAMS 16u
#define GN__ARES_TCP_BYTES 65536u
/** Questions that share a socket, whose port a forger has to guess. */
#define GN__ARES_SHARE 32u
/** c-ares' cache knows no limit but the TTL: what of answers may have gone into
 *  it, as bytes on the wire, before it is emptied. */
#define GN__ARES_CACHE_BYTES (1u << 20)
/** How long an answer is waited for, and how often it is asked for, where
 *  neither the settings nor the system say anything. */
#define GN__ARES_TIMEOUT_MS 2000
#define GN__ARES_TRIES      3
/** How often files are looked at, ns. */
#define GN__ARES_RECHECK GN__NS_PER_S

/** gn_ares_config, read. Strings are owned. */
struct gn__ares_settings {
    char *servers; /* as c-ares reads them; NULL: the system's */
    char *resolv_conf;
    char *hosts_file; /* or NULL */
    char *search[GN_ARES_SEARCH_MAX];
    int n_search;
    int ndots, timeout_ms, tries; /* 0: as the system says */
    int edns_bytes;
    uint32_t cache_ttl_s;
    uint32_t max_pending;
    uint32_t source4;    /* host order; 0: any */
    uint8_t source6[16]; /* zero: any */
    unsigned flags;
};

struct gn__ares {
    struct gn__ref refs; /* the resolver's, and one for each session */
    struct gn__mem mem;
    struct gn__ares_settings settings;
    pthread_mutex_t lock; /* of sessions */
    struct gn__table sessions;
    atomic_ullong lookups, asked, answers, dropped, failures;
};

/** What resolv_conf says of searching and waiting. Strings are owned; one that
 *  is empty stands for the root. */
struct gn__ares_system {
    char *search[GN_ARES_SEARCH_MAX];
    int n_search;
    int ndots;
    int timeout_ms, tries; /* 0: nothing */
    bool no_tld_query;
};

/** Domains to search below, in order; borrowed. */
struct gn__ares_search_list {
    char *const *domains;
    int n;
    int ndots;
    bool no_tld_query;
};

/** A hosts file. */
struct gn__ares_hosts {
    struct gn_resolver *resolver; /* NULL: not read yet */
    uint64_t checked;
    struct stat seen;
};

struct gn__ares_session {
    struct gn__table_node node; /* by io */
    struct gn__ares *ares;
    struct gn__io *io;
    ares_channel_t *channel;
    struct gn__io_end end;
    struct gn__io_timer timer;
    struct gn__list watches;
    struct gn__table guests; /* struct gn__ares_guest: those that have some */
    bool is_renewing;   /* what is wanted is put anew when it is cancelled */
    uint32_t n_pending; /* lookups, without: */
    uint32_t n_lost;    /* those that have lost their place */
    uint32_t n_live;    /* lookups that a guest waits for */
    int watch_err;      /* a socket could not be watched */
    uint32_t cached;    /* bytes, see GN__ARES_CACHE_BYTES */
    /* Queries under way. */
    struct gn__table by_id;
    struct gn__list by_sent; /* the one first that was sent first */
    bool is_timing;          /* c-ares looks at its time-outs */
    uint64_t wait_ns;        /* for the answer to one try */
    unsigned tries, n_servers;
    /* What came in and what came of it, while one event is processed. */
    uint32_t n_answers, n_outcomes;
    uint32_t tcp_bytes;
    uint64_t checked; /* when resolv_conf was looked at */
    struct stat seen; /* what it was then */
    struct gn__ares_system system;
    struct gn__ares_search_list list;
    struct gn__ares_hosts hosts;
};

/** Where a search is. */
struct gn__ares_search {
    const struct gn__ares_search_list *list; /* the session's, as it is then */
    const char *name;
    int at;           /* the domain that is next */
    int first, last;  /* statuses: of the name as it is, of the last */
    bool is_absolute; /* no domain at all */
    bool as_is_first; /* the name as it is goes before the domains */
    bool tried_as_is;
    bool is_below;                /* the name given last is below a domain */
    bool is_stopped;              /* no further domain */
    bool has_given_up;            /* nothing further */
    bool has_no_data, has_failed; /* below some domain */
};

struct gn__ares_query {
    struct gn__ares_lookup *lookup;
    ares_dns_rec_type_t type;
    struct gn__table_node by_id;
    struct gn__list by_sent;
    uint16_t id;
    bool is_in_table, is_listed;
    bool is_hurried; /* sent again before its time */
    bool *has_ended; /* to be set when it does, or NULL */
    uint64_t sent;   /* when, ns; the last time */
    uint64_t until;  /* its time is over, ns */
    int status;      /* of the channel, when it has ended */
    size_t n;        /* addresses found */
};

/** A guest with lookups under way. */
struct gn__ares_guest {
    struct gn__table_node node;
    struct gn__account *account; /* a reference; NULL: the host program's */
    struct gn__list lookups;     /* struct gn__ares_lookup, newest last */
    uint32_t n_pending;
};

struct gn__ares_lookup {
    struct gn__ares_session *session;
    struct gn__ares_guest *guest; /* NULL: it has lost its place */
    struct gn__list of_guest;
    struct gn_lookup *outer; /* NULL: no lookup waits any more */
    enum gn_query_kind kind;
    struct gn__ares_search search;   /* IP */
    char name[GN__HOSTNAME_MAX + 1]; /* that is asked for now */
    struct gn__ares_query queries[2];
    unsigned n_queries, n_left;
    bool is_starting;
    /* What was found. */
    struct gn_answer *answers;        /* IP: GN__ANSWERS_MAX for each query */
    char found[GN__HOSTNAME_MAX + 1]; /* IP: canonical name; ADDR */
    uint32_t ttl_s;                   /* ADDR */
    unsigned char *message;           /* RECORD; c-ares' */
    size_t len;
};

/* ---- ares.c ---- */

void gn__ares_ref(struct gn__ares *ares);
void gn__ares_unref(struct gn__ares *ares);

/* ---- config.c ---- */

/** 0, -EINVAL (then the configuration's why says it), -ENOMEM; in any case @out
 *  is to be forgotten. */
GN_WARN_UNUSED int gn__ares_read(const struct gn_ares_config *config,
                                 struct gn__ares_settings *out);
void gn__ares_forget(struct gn__ares_settings *settings);

/* ---- session.c ---- */

/** The session of the network that looks up; made when there is none. */
GN_WARN_UNUSED int gn__ares_session(struct gn__ares *ares,
                                    struct gn_lookup *lookup,
                                    struct gn__ares_session **out);
/** After each call into c-ares, and not from inside one. */
void gn__ares_after_call(struct gn__ares_session *session);
/** A channel as the settings have it, without any session yet. */
GN_WARN_UNUSED int gn__ares_channel(const struct gn__ares_settings *settings,
                                    int timeout_ms, int tries,
                                    ares_sock_state_cb state, void *arg,
                                    ares_channel_t **out);

/* ---- share.c ---- */

/** One more of its guest's: GN_EAI_AGAIN, -ENOMEM. */
GN_WARN_UNUSED int gn__ares_share_take(struct gn__ares_lookup *lookup);
void gn__ares_share_give(struct gn__ares_lookup *lookup);
/** Does a lookup that still exists wait for it? */
bool gn__ares_is_wanted(const struct gn__ares_lookup *lookup);

/* ---- socket.c ---- */

/** Let the channel's sockets be opened, read and counted by us. */
GN_WARN_UNUSED int gn__ares_use_sockets(struct gn__ares_session *session);

/* ---- files.c ---- */

/** Is the file another one than was seen? Then it has been now. */
bool gn__ares_has_changed(const char *path, struct stat *seen);
/** 0 or -ENOMEM with nothing in @out. */
GN_WARN_UNUSED int gn__ares_system_read(const char *path,
                                        struct gn__ares_system *out);
void gn__ares_system_done(struct gn__ares_system *system);
/** The hosts file as it is now; NULL: none is wanted. -ENOMEM. */
GN_WARN_UNUSED int gn__ares_hosts(struct gn__ares_session *session,
                                  struct gn_resolver **out);

/* ---- search.c ---- */

/** @list, @name: borrowed. */
void gn__ares_search_init(struct gn__ares_search *search,
                          const struct gn__ares_search_list *list,
                          const char *name, bool is_absolute);
/** The next name to ask for; false: there is none. */
bool gn__ares_search_next(struct gn__ares_search *search,
                          char out[GN__HOSTNAME_MAX + 1]);
/** That name has no answer; @status: of the channel. */
void gn__ares_search_note(struct gn__ares_search *search, int status);
/** What a search that found nothing ends with; of the channel. */
int gn__ares_search_status(const struct gn__ares_search *search);

/* ---- query.c ---- */

/** Ask for lookup->name; gn__ares_query_ended() follows, perhaps at once. */
void gn__ares_query_start(struct gn__ares_query *query);
/** A message with this id leaves. */
void gn__ares_query_sent(struct gn__ares_session *session, uint16_t id);

/* ---- records.c ---- */

/** The addresses of @name, and if there are some, where its aliases lead to, if
 *  that is not known yet. Returns how many. */
size_t gn__ares_read_addresses(const ares_dns_record_t *record,
                               ares_dns_rec_type_t type, const char *name,
                               struct gn_answer out[GN__ANSWERS_MAX],
                               char canonical[GN__HOSTNAME_MAX + 1]);
/** The first name that PTR records of @name give; false: none that could be a
 *  host's. */
bool gn__ares_read_name(const ares_dns_record_t *record, const char *name,
                        char out[GN__HOSTNAME_MAX + 1], uint32_t *ttl_s);

/* ---- lookup.c ---- */

extern const struct gn_resolver_ops gn__ares_ops;
/** @record: of an answer, borrowed; or NULL. */
void gn__ares_query_ended(struct gn__ares_query *query,
                          const ares_dns_record_t *record);
/** A status of c-ares as lookups end with it. */
int gn__ares_error(int status);

#endif /* GN_RESOLVER_ARES_INTERNAL_H */
