/* SPDX-License-Identifier: BSD-3-Clause */
#include "resolver/ares/internal.h"

/*
 * What a network has of its own: a channel of c-ares on the network's
 * descriptors and timers. It is made by the first lookup, and ends with the
 * network.
 *
 * c-ares says which sockets it wants watched, and when it wants to be called
 * again; after every call into it the timer is set anew. It answers from inside
 * any call, also from the one that asked. That is harmless: a lookup that has
 * been answered ends on a later turn, so c-ares is never entered from its own
 * callbacks.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NS_PER_MS 1000000ull

struct watch {
    struct gn__io_watch watch;
    struct gn__list link;
    struct gn__ares_session *session;
};

/* What c-ares does when it looks at its time-outs: also, it closes sockets that
 * are not used any more. */
static void look_at_timeouts(struct gn__ares_session *session)
{
    session->is_timing = true;
    (void)ares_process_fds(session->channel, NULL, 0, ARES_PROCESS_FLAG_NONE);
    session->is_timing = false;
}

/* Would it end a lookup that is waited for? */
static bool is_any_due(const struct gn__ares_session *session)
{
    struct timeval tv;

    return ares_timeout(session->channel, NULL, &tv) && !tv.tv_sec &&
           !tv.tv_usec;
}

/* One event, as often as there are datagrams, but not for ever. */
static void session_process(struct gn__ares_session *session, int fd,
                            unsigned events)
{
    struct gn__ares *ares = session->ares;
    ares_fd_events_t event = {.fd = fd, .events = events};
    unsigned i;

    for (i = 0; i < GN__ARES_DATAGRAMS; i++) {
        session->n_answers = 0;
        session->n_outcomes = 0;
        session->tcp_bytes = 0;
        (void)ares_process_fds(session->channel, &event, 1,
                               ARES_PROCESS_FLAG_SKIP_NON_FD);
        if (!session->n_answers)
            break;
        atomic_fetch_add(&ares->answers, 1);
        if (!session->n_outcomes)
            atomic_fetch_add(&ares->dropped, 1);
    }
    if (!is_any_due(session))
        look_at_timeouts(session);
    gn__ares_after_call(session);
}

static void session_ready(struct gn__io_watch *base, short revents)
{
    struct watch *watch = gn__container_of(base, struct watch, watch);
    unsigned events = 0;

    if (revents & (POLLIN | POLLERR | POLLHUP | POLLRDHUP))
        events |= ARES_FD_EVENT_READ;
    if (revents & POLLOUT)
        events |= ARES_FD_EVENT_WRITE;
    session_process(watch->session, base->fd, events);
}

static struct watch *find_watch(struct gn__ares_session *session, int fd)
{
    struct gn__list *it;

    gn__list_foreach (it, &session->watches) {
        struct watch *watch = gn__container_of(it, struct watch, link);

        if (watch->watch.fd == fd)
            return watch;
    }
    return NULL;
}

static void drop_watch(struct watch *watch)
{
    gn__io_unwatch(watch->session->io, &watch->watch);
    gn__list_del(&watch->link);
    free(watch);
}

static struct watch *add_watch(struct gn__ares_session *session)
{
    struct watch *watch = calloc(1, sizeof(*watch));

    if (!watch)
        return NULL;
    watch->session = session;
    watch->watch.ready = session_ready;
    gn__list_add_tail(&session->watches, &watch->link);
    return watch;
}

/* c-ares wants a socket watched, or is about to close it. It cannot be told
 * that this failed; gn__ares_after_call() sees to it. */
static void socket_state(void *arg, ares_socket_t fd, int readable,
                         int writable)
{
    struct gn__ares_session *session = arg;
    struct watch *watch = find_watch(session, fd);
    short events = (short)((readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
    int err;

    if (!events) {
        if (watch)
            drop_watch(watch);
        return;
    }
    if (!watch)
        watch = add_watch(session);
    err =
        watch ? gn__io_watch(session->io, &watch->watch, fd, events) : -ENOMEM;
    if (err) {
        session->watch_err = err;
        if (watch)
            drop_watch(watch);
    }
}

static void session_fire(struct gn__io_timer *timer)
{
    struct gn__ares_session *session =
        gn__container_of(timer, struct gn__ares_session, timer);

    look_at_timeouts(session);
    gn__ares_after_call(session);
}

/* When the question that was sent first has waited long enough, and c-ares
 * agrees: in whole milliseconds, the next one. */
static void set_timer(struct gn__ares_session *session)
{
    struct gn__list *first = gn__list_first(&session->by_sent);
    struct timeval tv;
    uint64_t wait, when;

    if (!ares_timeout(session->channel, NULL, &tv)) {
        gn__io_stop(session->io, &session->timer);
        return;
    }
    wait = (uint64_t)tv.tv_sec * 1000 + (uint64_t)tv.tv_usec / 1000 + 1;
    when = gn__io_now(session->io) + wait * NS_PER_MS;
    if (first) {
        const struct gn__ares_query *query =
            gn__container_of(first, struct gn__ares_query, by_sent);
        uint64_t own = query->sent + session->wait_ns;

        when = own > when ? own : when;
    }
    gn__io_start(session->io, &session->timer, when);
}

/* ---- servers ----
 *
 * ares_reinit() would read the system's anew and empty the cache; where c-ares
 * was built with threads, as an installed one is, on a thread of its own, which
 * would call us from there and be done at some later time. */

/* The list that is given, or the system's as it is now, in its own order (the
 * session's channel puts those that failed last). NULL: no memory. */
static char *list_servers(const struct gn__ares_settings *settings)
{
    struct ares_options opts = {
        .flags = ARES_FLAG_NO_DFLT_SVR,
        .resolvconf_path = settings->resolv_conf,
    };
    ares_channel_t *reader;
    char *theirs, *servers;

    if (settings->servers)
        return strdup(settings->servers);
    if (ares_init_options(&reader, &opts, ARES_OPT_FLAGS | ARES_OPT_RESOLVCONF))
        return NULL;
    theirs = ares_get_servers_csv(reader);
    servers = theirs ? strdup(theirs) : NULL;
    ares_free_string(theirs);
    ares_destroy(reader);
    return servers;
}

/* Without memory they stay as they were. */
static void reload_servers(struct gn__ares_session *session)
{
    char *servers = list_servers(&session->ares->settings);

    if (servers)
        (void)ares_set_servers_ports_csv(session->channel, servers);
    free(servers);
}

/* c-ares empties the cache when the list of servers changes: for a moment there
 * is one more, which no list can have. Questions under way keep their servers.
 */
static void empty_cache(struct gn__ares_session *session)
{
    static const char nobody[] = ",224.0.0.0:9"; /* a group, and reserved */
    char *servers = list_servers(&session->ares->settings);
    size_t cap = servers ? strlen(servers) + sizeof(nobody) : 0;
    char *more = servers ? malloc(cap) : NULL;

    if (more) {
        (void)snprintf(more, cap, "%s%s", servers,
                       *servers ? nobody : nobody + 1);
        (void)ares_set_servers_ports_csv(session->channel, more);
        (void)ares_set_servers_ports_csv(session->channel, servers);
        session->cached = 0;
    }
    free(more);
    free(servers);
}

void gn__ares_after_call(struct gn__ares_session *session)
{
    /* Lookups that no guest waits for any more are cancelled, all at once,
     * because one alone cannot be. */
    if (session->watch_err || (session->n_pending && !session->n_live))
        ares_cancel(session->channel);
    session->watch_err = 0;
    if (session->cached > GN__ARES_CACHE_BYTES)
        empty_cache(session);
    set_timer(session);
}

/* ---- the channel ---- */

static int option_flags(const struct gn__ares_settings *settings)
{
    int flags = ARES_FLAG_NOALIASES | ARES_FLAG_NOSEARCH;

    if (!settings->servers)
        flags |= ARES_FLAG_NO_DFLT_SVR;
    if (!(settings->flags & GN_ARES_NO_EDNS))
        flags |= ARES_FLAG_EDNS;
    if (settings->flags & GN_ARES_TCP)
        flags |= ARES_FLAG_USEVC;
    if (settings->flags & GN_ARES_MIX_CASE)
        flags |= ARES_FLAG_DNS0x20;
    return flags;
}

/* c-ares copies what it is given, but does not promise so by a const. */
static void *session_borrow(const void *p)
{
    return (void *)(uintptr_t)p;
}

/* Servers that are not given, and how they are taken in turn, are left to
 * resolv_conf. Servers that are given replace the one that c-ares takes when it
 * finds none. No try waits longer than the first. */
static int session_options(const struct gn__ares_settings *settings,
                           int timeout_ms, int tries, struct ares_options *out)
{
    int mask = ARES_OPT_FLAGS | ARES_OPT_LOOKUPS | ARES_OPT_RESOLVCONF |
               ARES_OPT_QUERY_CACHE | ARES_OPT_UDP_MAX_QUERIES |
               ARES_OPT_TIMEOUTMS | ARES_OPT_MAXTIMEOUTMS | ARES_OPT_TRIES;

    *out = (struct ares_options){
        .flags = option_flags(settings),
        .lookups = session_borrow("b"),
        .resolvconf_path = settings->servers ? session_borrow("/dev/null")
                                             : settings->resolv_conf,
        .qcache_max_ttl = settings->cache_ttl_s,
        .udp_max_queries = GN__ARES_SHARE,
        .timeout = timeout_ms,
        .maxtimeout = timeout_ms,
        .tries = tries,
        .ednspsz = settings->edns_bytes,
    };
    mask |= settings->edns_bytes ? ARES_OPT_EDNSPSZ : 0;
    if (settings->flags & GN_ARES_ROTATE)
        mask |= ARES_OPT_ROTATE;
    else if (settings->servers)
        mask |= ARES_OPT_NOROTATE;
    return mask;
}

int gn__ares_channel(const struct gn__ares_settings *settings, int timeout_ms,
                     int tries, ares_sock_state_cb state, void *arg,
                     ares_channel_t **out)
{
    static const uint8_t any[16];
    struct ares_options opts;
    ares_channel_t *channel;
    int mask = session_options(settings, timeout_ms, tries, &opts);
    int status;

    if (state) {
        opts.sock_state_cb = state;
        opts.sock_state_cb_data = arg;
        mask |= ARES_OPT_SOCK_STATE_CB;
    }
    status = ares_init_options(&channel, &opts, mask);
    if (status != ARES_SUCCESS)
        return gn__ares_error(status);
    if (settings->source4)
        ares_set_local_ip4(channel, settings->source4);
    if (memcmp(settings->source6, any, sizeof(any)) != 0)
        ares_set_local_ip6(channel, settings->source6);
    if (settings->servers) {
        status = ares_set_servers_ports_csv(channel, settings->servers);
        if (status != ARES_SUCCESS) {
            ares_destroy(channel);
            return gn__ares_error(status);
        }
    }
    *out = channel;
    return 0;
}

/* ---- sessions ---- */

/* Settings that are not given are the system's. */
static void choose_search(struct gn__ares_session *session)
{
    const struct gn__ares_settings *settings = &session->ares->settings;
    const struct gn__ares_system *system = &session->system;
    struct gn__ares_search_list *list = &session->list;

    memset(list, 0, sizeof(*list));
    list->ndots = settings->ndots ? settings->ndots : system->ndots;
    if (settings->n_search) {
        list->domains = settings->search;
        list->n = settings->n_search;
    } else if (settings->flags & GN_ARES_SYSTEM_SEARCH) {
        list->domains = system->search;
        list->n = system->n_search;
        list->no_tld_query = system->no_tld_query;
    }
}

static void count_servers(struct gn__ares_session *session)
{
    char *csv = ares_get_servers_csv(session->channel);
    const char *at;

    session->n_servers = 1;
    for (at = csv; at && (at = strchr(at, ',')); at++)
        session->n_servers++;
    ares_free_string(csv);
}

/* Where servers are given, nothing is the system's. */
static int read_system(struct gn__ares_session *session)
{
    const char *path = session->ares->settings.resolv_conf;
    struct gn__ares_system system;
    int err;

    if (session->ares->settings.servers) {
        choose_search(session);
        return 0;
    }
    session->checked = gn__io_now(session->io);
    if (!gn__ares_has_changed(path, &session->seen) && session->system.ndots)
        return 0;
    err = gn__ares_system_read(path, &system);
    if (err)
        return err;
    gn__ares_system_done(&session->system);
    session->system = system;
    choose_search(session);
    return 0;
}

/* resolv_conf may have been written anew: laptops travel. */
static void follow_system(struct gn__ares_session *session)
{
    struct stat was = session->seen;

    if (session->ares->settings.servers ||
        gn__io_now(session->io) < session->checked + GN__ARES_RECHECK ||
        read_system(session) || !memcmp(&was, &session->seen, sizeof(was)))
        return;
    reload_servers(session);
    count_servers(session);
}

static void session_free(struct gn__ares_session *session)
{
    gn__ares_system_done(&session->system);
    gn_resolver_close(session->hosts.resolver);
    gn__table_done(&session->by_id);
    gn__table_done(&session->guests);
    free(session);
}

/* The network closes, or had no use for the session in the end. */
static void end_session(struct gn__ares_session *session)
{
    struct gn__ares *ares = session->ares;

    pthread_mutex_lock(&ares->lock);
    gn__table_del(&ares->sessions, &session->node);
    pthread_mutex_unlock(&ares->lock);
    ares_destroy(session->channel);
    gn__io_stop(session->io, &session->timer);
    session_free(session);
    gn__ares_unref(ares);
}

static void network_closes(struct gn__io_end *end)
{
    end_session(gn__container_of(end, struct gn__ares_session, end));
}

static struct gn__ares_session *session_create(struct gn__ares *ares,
                                               struct gn__io *io)
{
    static const uint64_t key[2]; /* c-ares draws the ids. */
    struct gn__ares_session *session = calloc(1, sizeof(*session));

    if (!session)
        return NULL;
    session->ares = ares;
    session->io = io;
    session->timer.fire = session_fire;
    session->end.run = network_closes;
    gn__list_init(&session->watches);
    gn__list_init(&session->by_sent);
    gn__table_init(&session->by_id, &ares->mem, key);
    gn__table_init(&session->guests, &ares->mem, key);
    return session;
}

static int open_channel(struct gn__ares_session *session)
{
    const struct gn__ares_settings *settings = &session->ares->settings;
    int timeout_ms = settings->timeout_ms         ? settings->timeout_ms
                     : session->system.timeout_ms ? session->system.timeout_ms
                                                  : GN__ARES_TIMEOUT_MS;
    int tries = settings->tries         ? settings->tries
                : session->system.tries ? session->system.tries
                                        : GN__ARES_TRIES;
    int err = gn__ares_channel(settings, timeout_ms, tries, socket_state,
                               session, &session->channel);

    if (err)
        return err;
    session->wait_ns = (uint64_t)timeout_ms * NS_PER_MS;
    session->tries = (unsigned)tries;
    count_servers(session);
    err = gn__ares_use_sockets(session);
    if (err)
        ares_destroy(session->channel);
    return err;
}

static int start_session(struct gn__ares *ares, struct gn__io *io,
                         struct gn__ares_session **out)
{
    struct gn__ares_session *session = session_create(ares, io);
    int err;

    if (!session)
        return -ENOMEM;
    err = read_system(session);
    if (!err)
        err = open_channel(session);
    if (err)
        goto undo_alloc;
    pthread_mutex_lock(&ares->lock);
    err = gn__table_add(&ares->sessions, &session->node, &session->io,
                        sizeof(session->io));
    pthread_mutex_unlock(&ares->lock);
    if (err)
        goto undo_channel;
    gn__ares_ref(ares);
    gn__io_at_end(io, &session->end);
    *out = session;
    return 0;

undo_channel:
    ares_destroy(session->channel);
undo_alloc:
    session_free(session);
    return err;
}

int gn__ares_session(struct gn__ares *ares, struct gn_lookup *lookup,
                     struct gn__ares_session **out)
{
    struct gn__io *io = gn__lookup_io(lookup);
    struct gn__table_node *node;

    pthread_mutex_lock(&ares->lock);
    node = gn__table_find(&ares->sessions, &io, sizeof(io));
    pthread_mutex_unlock(&ares->lock);
    if (!node)
        return start_session(ares, io, out);
    *out = gn__container_of(node, struct gn__ares_session, node);
    follow_system(*out);
    return 0;
}
