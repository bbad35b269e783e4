/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_RESOLVER_ARES_INTERNAL_H
#define GN_RESOLVER_ARES_INTERNAL_H

/*
 * Lookups by c-ares.
 *
 *     gn_resolver_ares()        one configuration, any number of networks
 *       session                 of one network: a channel, sockets, a cache
 *         ask                   a lookup that the channel works on
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
/** How often the system's configuration is looked at, ns. */
#define GN__ARES_RECHECK 1000000000ull

/** gn_ares_config, read. Strings are owned. */
struct gn__ares_settings {
    char *servers; /* as c-ares reads them; NULL: the system's */
    char *resolv_conf;
    char *hosts_file; /* or NULL */
    char *search[GN_ARES_SEARCH_MAX];
    int n_search;
    int ndots, timeout_ms, tries, edns_bytes; /* 0: as the system says */
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

struct gn__ares_session {
    struct gn__table_node node; /* by io */
    struct gn__ares *ares;
    struct gn__io *io;
    ares_channel_t *channel;
    struct gn__io_end end;
    struct gn__io_timer timer;
    struct gn__list watches;
    uint32_t n_pending; /* asks */
    uint32_t n_live;    /* asks that somebody waits for */
    int watch_err;      /* a socket could not be watched */
    uint32_t cached;    /* bytes, see GN__ARES_CACHE_BYTES */

    /* What came in and what came of it, while one event is processed. */
    uint32_t n_answers, n_outcomes;
    uint32_t tcp_bytes;

    uint64_t checked;   /* when resolv_conf was looked at */
    struct stat system; /* what it was then */
};

struct gn__ares_ask {
    struct gn__ares_session *session;
    struct gn_lookup *lookup; /* NULL: nobody waits any more */
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
void gn__ares_settle(struct gn__ares_session *session);
/** A channel as the settings have it, for nobody yet. */
GN_WARN_UNUSED int gn__ares_channel(const struct gn__ares_settings *settings,
                                    ares_sock_state_cb state, void *arg,
                                    ares_channel_t **out);

/* ---- socket.c ---- */

/** Let the channel's sockets be opened, read and counted by us. */
GN_WARN_UNUSED int gn__ares_use_sockets(struct gn__ares_session *session);

/* ---- ask.c ---- */

extern const struct gn_resolver_ops gn__ares_ops;
/** A status of c-ares as lookups end with it. */
int gn__ares_error(int status);

#endif /* GN_RESOLVER_ARES_INTERNAL_H */
