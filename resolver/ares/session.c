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
 * been answered ends on a later turn, so nobody enters c-ares from its own
 * callbacks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct watch {
    struct gn__io_watch watch;
    struct gn__list link;
    struct gn__ares_session *session;
};

/* One event, as often as there are datagrams, but not for ever. */
static void process(struct gn__ares_session *session, int fd, unsigned events)
{
    struct gn__ares *ares = session->ares;
    ares_fd_events_t event = {.fd = fd, .events = events};
    unsigned i;

    for (i = 0; i < GN__ARES_DATAGRAMS; i++) {
        session->n_answers = 0;
        session->n_outcomes = 0;
        session->tcp_bytes = 0;
        (void)ares_process_fds(session->channel, &event, 1,
                               ARES_PROCESS_FLAG_NONE);
        if (!session->n_answers)
            break;
        atomic_fetch_add(&ares->answers, 1);
        if (!session->n_outcomes)
            atomic_fetch_add(&ares->dropped, 1);
    }
    gn__ares_settle(session);
}

static void ready(struct gn__io_watch *base, short revents)
{
    struct watch *watch = gn__container_of(base, struct watch, watch);
    unsigned events = 0;

    if (revents & (POLLIN | POLLERR | POLLHUP | POLLRDHUP))
        events |= ARES_FD_EVENT_READ;
    if (revents & POLLOUT)
        events |= ARES_FD_EVENT_WRITE;
    process(watch->session, base->fd, events);
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
    watch->watch.ready = ready;
    gn__list_add_tail(&session->watches, &watch->link);
    return watch;
}

/* c-ares wants a socket watched, or is about to close it. It cannot be told
 * that this failed; gn__ares_settle() sees to it. */
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

static void fire(struct gn__io_timer *timer)
{
    struct gn__ares_session *session =
        gn__container_of(timer, struct gn__ares_session, timer);

    (void)ares_process_fds(session->channel, NULL, 0, ARES_PROCESS_FLAG_NONE);
    gn__ares_settle(session);
}

/* In whole milliseconds, the next one: c-ares is to agree that it is time. */
static void set_timer(struct gn__ares_session *session)
{
    struct timeval tv;
    uint64_t wait;

    if (!ares_timeout(session->channel, NULL, &tv)) {
        gn__io_stop(session->io, &session->timer);
        return;
    }
    wait = (uint64_t)tv.tv_sec * 1000 + (uint64_t)tv.tv_usec / 1000 + 1;
    gn__io_start(session->io, &session->timer,
                 gn__io_now(session->io) + wait * 1000000);
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
 * is one more. Questions under way keep their servers. */
static void empty_cache(struct gn__ares_session *session)
{
    static const char nobody[] = ",192.0.2.1:9"; /* RFC 5737 */
    char *servers = list_servers(&session->ares->settings);
    char *more = servers ? malloc(strlen(servers) + sizeof(nobody)) : NULL;

    if (more) {
        strcpy(stpcpy(more, servers), *servers ? nobody : nobody + 1);
        (void)ares_set_servers_ports_csv(session->channel, more);
        (void)ares_set_servers_ports_csv(session->channel, servers);
        session->cached = 0;
    }
    free(more);
    free(servers);
}

void gn__ares_settle(struct gn__ares_session *session)
{
    /* Whom nobody waits for need not be waited for; one alone cannot be
     * cancelled. */
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
    int flags = ARES_FLAG_NOALIASES;

    if (!settings->servers)
        flags |= ARES_FLAG_NO_DFLT_SVR;
    if (!(settings->flags & GN_ARES_NO_EDNS))
        flags |= ARES_FLAG_EDNS;
    if (settings->flags & GN_ARES_TCP)
        flags |= ARES_FLAG_USEVC;
    if (settings->flags & GN_ARES_MIX_CASE)
        flags |= ARES_FLAG_DNS0x20;
    if (!settings->n_search && !(settings->flags & GN_ARES_SYSTEM_SEARCH))
        flags |= ARES_FLAG_NOSEARCH;
    return flags;
}

/* c-ares copies what it is given, but does not promise so by a const. */
static void *borrow(const void *p)
{
    return (void *)(uintptr_t)p;
}

/* What is not given is left to resolv_conf. Servers that are given replace the
 * one that c-ares takes when it finds none. */
static int options(const struct gn__ares_settings *settings,
                   struct ares_options *out)
{
    int mask = ARES_OPT_FLAGS | ARES_OPT_LOOKUPS | ARES_OPT_RESOLVCONF |
               ARES_OPT_QUERY_CACHE | ARES_OPT_UDP_MAX_QUERIES;

    *out = (struct ares_options){
        .flags = option_flags(settings),
        .lookups = settings->hosts_file ? borrow("fb") : borrow("b"),
        .resolvconf_path =
            settings->servers ? borrow("/dev/null") : settings->resolv_conf,
        .hosts_path = settings->hosts_file,
        .qcache_max_ttl = settings->cache_ttl_s,
        .udp_max_queries = GN__ARES_SHARE,
        .domains = borrow(settings->search),
        .ndomains = settings->n_search,
        .ndots = settings->ndots,
        .timeout = settings->timeout_ms,
        .maxtimeout = settings->timeout_ms,
        .tries = settings->tries,
        .ednspsz = settings->edns_bytes,
    };
    mask |= settings->hosts_file ? ARES_OPT_HOSTS_FILE : 0;
    mask |= settings->n_search ? ARES_OPT_DOMAINS : 0;
    mask |= settings->ndots ? ARES_OPT_NDOTS : 0;
    mask |= settings->timeout_ms ? ARES_OPT_TIMEOUTMS : 0;
    mask |= settings->timeout_ms > 5000 ? ARES_OPT_MAXTIMEOUTMS : 0;
    mask |= settings->tries ? ARES_OPT_TRIES : 0;
    mask |= settings->edns_bytes ? ARES_OPT_EDNSPSZ : 0;
    if (settings->flags & GN_ARES_ROTATE)
        mask |= ARES_OPT_ROTATE;
    else if (settings->servers)
        mask |= ARES_OPT_NOROTATE;
    return mask;
}

int gn__ares_channel(const struct gn__ares_settings *settings,
                     ares_sock_state_cb state, void *arg, ares_channel_t **out)
{
    static const uint8_t any[16];
    struct ares_options opts;
    ares_channel_t *channel;
    int mask = options(settings, &opts);
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

static void look_at_system(struct gn__ares_session *session, struct stat *out)
{
    if (stat(session->ares->settings.resolv_conf, out))
        memset(out, 0, sizeof(*out));
    session->checked = gn__io_now(session->io);
}

/* resolv_conf may have been written anew: laptops travel. */
static void follow_system(struct gn__ares_session *session)
{
    struct stat *was = &session->system, now;

    if (session->ares->settings.servers ||
        gn__io_now(session->io) < session->checked + GN__ARES_RECHECK)
        return;
    look_at_system(session, &now);
    if (now.st_ino == was->st_ino && now.st_dev == was->st_dev &&
        now.st_size == was->st_size &&
        now.st_mtim.tv_sec == was->st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == was->st_mtim.tv_nsec)
        return;
    *was = now;
    reload_servers(session);
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
    free(session);
    gn__ares_unref(ares);
}

static void network_closes(struct gn__io_end *end)
{
    end_session(gn__container_of(end, struct gn__ares_session, end));
}

static int start_session(struct gn__ares *ares, struct gn__io *io,
                         struct gn__ares_session **out)
{
    struct gn__ares_session *session = calloc(1, sizeof(*session));
    int err;

    if (!session)
        return -ENOMEM;
    session->ares = ares;
    session->io = io;
    session->timer.fire = fire;
    session->end.run = network_closes;
    gn__list_init(&session->watches);
    look_at_system(session, &session->system);
    err = gn__ares_channel(&ares->settings, socket_state, session,
                           &session->channel);
    if (err)
        goto undo_alloc;
    err = gn__ares_use_sockets(session);
    if (err)
        goto undo_channel;
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
    free(session);
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
