/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The calls, and the life of a publication.
 *
 *     open --(gn_unpublish)--> closing --(a turn later: the callback)--> gone
 *       \                          \
 *        +---(the network closes)---+--(at once: the callback, if any)--> gone
 *
 * The descriptor is closed, which frees the port, and its clients end; none of
 * them calls back once they were told to.
 */
#include "host/publish/publish.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <guestnet/addr.h>

#include "base/config.h"
#include "base/lock.h"
#include "base/text.h"
#include "base/units.h"
#include "host/driver/drive.h"
#include "resolver/resolver.h"
#include "switch/switch.h"

#define MAX_CONNECTIONS 16384u
#define MAX_FLOWS       1024u
#define KEEPALIVE_S     60u

/* ---- the end ---- */

static void free_publication(struct gn_publication *pub)
{
    const struct gn__mem *mem = pub->io->mem;

    gn__account_unref(pub->account);
    gn__free(mem, pub, sizeof(*pub));
}

static void publish_destroy(struct gn_publication *pub)
{
    struct gn__io *io = pub->io;
    gn_close_cb closed = pub->closed;
    void *arg = pub->closed_arg;

    free_publication(pub);
    if (closed)
        closed(arg);
    gn__io_release(io);
}

static void publish_shut(struct gn_publication *pub)
{
    pub->closing = true;
    gn__published_del(pub->net, &pub->published);
    gn__publish_unlink(&pub->file);
    gn__publish_forget(pub);
    gn__reports_stop(&pub->reports);
    pub->ops->end(pub);
    close(pub->fd);
}

static void run_gone(struct gn__deferred *task)
{
    struct gn_publication *pub =
        gn__container_of(task, struct gn_publication, gone);

    gn__io_forget_end(&pub->end);
    publish_destroy(pub);
}

static void network_closes(struct gn__io_end *end)
{
    struct gn_publication *pub =
        gn__container_of(end, struct gn_publication, end);

    if (!pub->closing)
        publish_shut(pub);
    gn__io_cancel(pub->io, &pub->gone);
    publish_destroy(pub);
}

/** One call of gn_unpublish(), on the driving thread. */
struct unpublish_call {
    struct gn_publication *pub;
    gn_close_cb callback;
    void *arg;
};

static int publish_stop(void *arg)
{
    struct unpublish_call *call = arg;
    struct gn_publication *pub = call->pub;

    pub->closed = call->callback;
    pub->closed_arg = call->arg;
    publish_shut(pub);
    gn__io_defer(pub->io, &pub->gone);
    return 0;
}

static void publish_wake(void *arg)
{
    gn__spot_wake(arg);
}

void gn_unpublish(struct gn_publication *pub, gn_close_cb callback, void *arg)
{
    struct unpublish_call call = {.callback = callback, .arg = arg};
    _Atomic uint32_t spot = 0;
    bool waits;

    if (!pub)
        return;
    call.pub = pub;
    waits = !callback && !gn__engine_is_driving(gn__network_engine(pub->net));
    if (waits) {
        call.callback = publish_wake;
        call.arg = &spot;
    }
    if (!gn__drive_call(pub->net, publish_stop, &call) && waits)
        (void)gn__spot_sleep(&spot, GN__SPOT_NEVER);
}

/* ---- the beginning ---- */

/** One call of gn_publish(), on the driving thread. */
struct publish_call {
    struct gn_network *net;
    const char *to;
    const struct gn_publish_options *options;
    const struct gn__target *target;
    const struct gn__publish_file *file;
    int type;
    int fd;
    struct gn_publication *pub;
};

static int family_of(int fd)
{
    struct sockaddr_storage addr = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(addr);

    (void)getsockname(fd, (struct sockaddr *)&addr, &len);
    return addr.ss_family;
}

/* What lines of the log call it: by the port that it took. */
static void set_label(struct gn_publication *pub, const char *to)
{
    char at[sizeof(pub->file.path)];

    if (gn_publication_addr_text(pub, at, sizeof(at)))
        (void)snprintf(at, sizeof(at), "a descriptor");
    (void)snprintf(pub->label, sizeof(pub->label), "%s -> %s", at, to);
}

static void publish_configure(struct gn_publication *pub,
                              const struct publish_call *call)
{
    const struct gn_publish_options *options = call->options;
    bool stream = call->type == SOCK_STREAM;
    uint32_t max = stream ? options->max_connections : options->max_flows;

    pub->ops = stream ? &gn__publish_tcp : &gn__publish_udp;
    pub->target = *call->target;
    pub->as_gateway = options->as_gateway;
    pub->max_clients = max ? max : stream ? MAX_CONNECTIONS : MAX_FLOWS;
    pub->keepalive_s =
        options->keepalive_s ? options->keepalive_s : KEEPALIVE_S;
    pub->brief_ns = GN__NS_PER_S * options->flow_idle_s;
    pub->assured_ns = GN__NS_PER_S * options->flow_assured_s;
    pub->guest_room = UINT32_MAX;
    pub->fd = call->fd;
    pub->family = family_of(call->fd);
    pub->file = *call->file;
    set_label(pub, call->to);
}

/* Guests may know of it. */
static void publish_show(struct gn_publication *pub)
{
    const struct gn__target *to = &pub->target;

    pub->published = (struct gn__published){
        .proto = to->type == SOCK_DGRAM ? GN__PROTO_UDP : GN__PROTO_TCP,
        .port = to->port,
        .addr = to->has_addr ? &to->addr : NULL,
        .name = to->host};
    gn__published_add(pub->net, &pub->published);
}

static struct gn_publication *publish_create(struct gn__io *io,
                                             const struct publish_call *call)
{
    struct gn_publication *pub = gn__zalloc(io->mem, sizeof(*pub));

    if (!pub)
        return NULL;
    pub->net = call->net;
    pub->io = io;
    publish_configure(pub, call);
    gn__list_init(&pub->visits);
    gn__list_init(&pub->waiting);
    gn__list_init(&pub->back);
    pub->found[0] = pub->found[1] = gn__addr_any(AF_INET6);
    pub->end.run = network_closes;
    pub->gone.run = run_gone;
    gn__reports_init(&pub->reports, io, gn__publish_report);
    pub->event = call->options->event;
    pub->event_arg = call->options->event_arg;
    return pub;
}

static int publish_start(void *arg)
{
    struct publish_call *call = arg;
    struct gn__io *io = gn__network_io(call->net);
    struct gn_publication *pub = io ? publish_create(io, call) : NULL;
    int err;

    if (!pub)
        return -ENOMEM;
    err = pub->ops->open(pub);
    if (!err && pub->target.has_addr)
        gn__publish_charge(pub, &pub->target.addr);
    if (err) {
        pub->ops->end(pub);
        free_publication(pub);
        return err;
    }
    gn__io_at_end(io, &pub->end);
    gn__io_hold(io);
    publish_show(pub);
    call->pub = pub;
    return 0;
}

/* Why nothing could ever be reached there, or NULL. */
static const char *never_reached(struct gn_network *net,
                                 const struct gn__target *target)
{
    const struct gn__addr *addr = &target->addr;

    if (gn__addr_is_any(addr) || gn__addr_is_multicast(addr) ||
        gn__addr_is_broadcast(addr) || gn__net_is_edge(net, addr))
        return "no guest can have this address";
    if (gn__addr_needs_scope(addr) && !target->scope)
        return "a link-local address needs its interface, as [fe80::2%2]:80";
    if (target->type == SOCK_DGRAM && gn__addr_is_loopback(addr))
        return "no datagrams go to a loopback address";
    return NULL;
}

static int check_address(struct gn_network *net, const char *target,
                         const struct gn_publish_options *options,
                         const struct gn__target *parsed)
{
    struct gn__quoted quoted = gn__text_quote(target, strlen(target));
    const char *never = never_reached(net, parsed);

    if (never)
        return gn__text_refuse(options->why, options->why_len,
                               "target \"%s\": %s", quoted.text, never);
    if (!gn__network_leads_to(net, &parsed->addr))
        return gn__text_refuse(options->why, options->why_len,
                               "target \"%s\": in none of the prefixes of "
                               "network \"%s\", and no route of its gateway "
                               "leads there",
                               quoted.text, gn_network_name(net));
    return 0;
}

/* Why a name can never lead to a guest, or NULL: names below localhost are the
 * loopback's, and those of guests are one label. */
static const char *never_named(struct gn_network *net,
                               const struct gn__target *target)
{
    const char *domain = gn_network_domain(net);
    const char *dot = strchr(target->host, '.');

    if (target->type == SOCK_DGRAM &&
        gn__hostname_is_below(target->host, "localhost"))
        return "no datagrams go to a loopback address";
    if (gn__hostname_is_below(target->host, domain) &&
        !gn__hostname_matches(domain, dot ? dot + 1 : ""))
        return "a guest's name is one label before the network's domain";
    return NULL;
}

static int check_name(struct gn_network *net, const char *text,
                      const struct gn_publish_options *options,
                      const struct gn__target *parsed)
{
    const char *never = never_named(net, parsed);

    return never
               ? gn__text_refuse(options->why, options->why_len,
                                 "target \"%s\": %s",
                                 gn__text_quote(text, strlen(text)).text, never)
               : 0;
}

/* "unix" is a stream; a target has the version its network asks for, but the
 * port it is published at may be of either. */
static int parse_target(struct gn_network *net, const char *proto,
                        const char *target,
                        const struct gn_publish_options *options,
                        struct gn__target *out)
{
    const char *kind = !strncmp(proto, "udp", 3) ? "udp" : "tcp";
    struct gn__target ignored;
    int err;

    if (strcmp(proto, "unix") != 0 &&
        gn__target_parse(proto, ":0", &ignored, NULL, 0))
        return gn__text_refuse(
            options->why, options->why_len,
            "proto \"%s\": not one of \"tcp\", \"tcp4\", "
            "\"tcp6\", \"udp\", \"udp4\", \"udp6\", \"unix\"",
            gn__text_quote(proto, strlen(proto)).text);
    err = gn__target_parse(kind, target, out, options->why, options->why_len);
    if (err)
        return err;
    if (out->service[0])
        out->port = gn__service_port(kind, out->service);
    if (!out->port || (!out->has_addr && !out->host[0]))
        return gn__text_refuse(options->why, options->why_len,
                               "target \"%s\": a guest and a port, as "
                               "web:80, 10.77.0.2:80 or web:http",
                               gn__text_quote(target, strlen(target)).text);
    return out->has_addr ? check_address(net, target, options, out)
                         : check_name(net, target, options, out);
}

static int publish_check(const struct gn_publish_options *options,
                         const char *proto, const char *listen,
                         const char *target)
{
    if (!gn__config_is_known(options, options->size, sizeof(*options)))
        return -EINVAL; /* Not even `why` may be believed. */
    if (!proto || !target || !listen == !options->use_fd)
        return gn__text_refuse(options->why, options->why_len, "%s",
                               !proto    ? "proto is NULL"
                               : !target ? "target is NULL"
                               : listen  ? "listen: must be NULL with use_fd"
                                         : "listen is NULL");
    return 0;
}

int gn_publish(struct gn_network *net, const char *proto, const char *listen,
               const char *target, const struct gn_publish_options *options,
               struct gn_publication **out)
{
    static const struct gn_publish_options defaults = {.size =
                                                           sizeof(defaults)};
    struct gn__publish_request request;
    struct gn__publish_file file;
    struct gn__target parsed = {.port = 0};
    struct publish_call call = {.net = net};
    int err;

    if (!options)
        options = &defaults;
    if (!net || !out)
        return -EINVAL;
    err = publish_check(options, proto, listen, target);
    if (!err && gn_network_clock(net))
        err = -ENOTSUP;
    if (!err)
        err = parse_target(net, proto, target, options, &parsed);
    if (err)
        return err;
    request = (struct gn__publish_request){proto, listen, options, parsed.type};
    err = gn__publish_open(&request, &call.fd, &file);
    if (err)
        return err;
    call.to = target;
    call.options = options;
    call.target = &parsed;
    call.file = &file;
    call.type = parsed.type;
    err = gn__drive_call(net, publish_start, &call);
    if (!err) {
        *out = call.pub;
    } else if (!options->use_fd) {
        gn__publish_unlink(&file);
        close(call.fd);
    }
    return err;
}

/* ---- what can be seen ---- */

void gn_publication_addr(struct gn_publication *pub, struct sockaddr *addr,
                         socklen_t *len)
{
    if (pub && addr && len)
        (void)getsockname(pub->fd, addr, len);
}

int gn_publication_addr_text(struct gn_publication *pub, char *out, size_t cap)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    size_t n;

    if (!pub || !out)
        return -EINVAL;
    n = strlen(pub->file.path);
    if (n >= cap && n)
        return -ENOSPC;
    if (n)
        memcpy(out, pub->file.path, n + 1);
    gn_publication_addr(pub, (struct sockaddr *)&addr, &len);
    return n ? 0 : gn_addr_format((struct sockaddr *)&addr, out, cap);
}

/** One call of gn_publication_stats(), on the driving thread. */
struct stats_call {
    struct gn_publication *pub;
    struct gn_publication_stats *out;
};

static int copy_stats(void *arg)
{
    struct stats_call *call = arg;

    *call->out = call->pub->stats;
    if (!call->pub->closing)
        call->pub->ops->stats(call->pub, call->out);
    return 0;
}

void gn_publication_stats(struct gn_publication *pub,
                          struct gn_publication_stats *out)
{
    struct stats_call call = {pub, out};

    if (!pub || !out)
        return;
    memset(out, 0, sizeof(*out));
    (void)gn__drive_call(pub->net, copy_stats, &call);
}
