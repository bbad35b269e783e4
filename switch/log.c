/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/log.h"

#include <errno.h>
#include <stdio.h>

#include "base/units.h"
#include "switch/internal.h"

#define LINES    16u
#define PER_SPAN 10u
#define SPAN_NS  GN__NS_PER_S

struct line {
    enum gn_log_level level;
    char text[224];
};

/** How much of a kind has been said in this span. */
struct rate {
    uint64_t since;
    uint32_t n;
    uint64_t n_more; /* not said */
};

struct gn__logger {
    struct gn_network *net;
    struct rate rates[GN__LOG_N_KINDS];
    struct line lines[LINES];
    unsigned first;
    unsigned n;
    struct gn__deferred deferred;
};

const char *gn__log_name(const struct gn__guest *guest)
{
    return guest->name[0] ? guest->name : guest->identity;
}

/* False: too much of it has been said. */
static bool rate_allows(struct gn__logger *logger, enum gn__log_kind kind)
{
    struct rate *rate = &logger->rates[kind];
    uint64_t now = gn__now(logger->net->engine);

    if (now - rate->since >= SPAN_NS) {
        rate->since = now;
        rate->n = 0;
    }
    if (rate->n >= PER_SPAN || logger->n == LINES) {
        rate->n_more++;
        return false;
    }
    rate->n++;
    return true;
}

static void add_more(struct line *line, size_t at, struct rate *rate)
{
    if (!rate->n_more || at >= sizeof(line->text))
        return;
    (void)snprintf(line->text + at, sizeof(line->text) - at,
                   " (and %llu more like it before)",
                   (unsigned long long)rate->n_more);
    rate->n_more = 0;
}

__attribute__((format(printf, 4, 0))) static void log_va(
    struct gn_network *net, enum gn_log_level level, enum gn__log_kind kind,
    const char *format, va_list args)
{
    struct gn__logger *logger = net ? net->logger : NULL;
    struct line *line;
    int n, at;

    if (!logger || !rate_allows(logger, kind))
        return;
    line = &logger->lines[(logger->first + logger->n++) % LINES];
    line->level = level;
    at = snprintf(line->text, sizeof(line->text), "network %s: ", net->name);
    n = vsnprintf(line->text + at, sizeof(line->text) - (size_t)at, format,
                  args);
    add_more(line, (size_t)at + (size_t)(n > 0 ? n : 0), &logger->rates[kind]);
    gn__deferred_queue(net->engine, &logger->deferred);
}

void gn__log(struct gn_network *net, enum gn_log_level level,
             enum gn__log_kind kind, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_va(net, level, kind, format, args);
    va_end(args);
}

void gn__network_log(struct gn_network *net, enum gn_log_level level,
                     enum gn__log_kind kind, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    gn__engine_enter(net->engine);
    log_va(net, level, kind, format, args);
    gn__engine_leave(net->engine);
    va_end(args);
}

void gn__guest_log(struct gn__guest *guest, enum gn_log_level level,
                   enum gn__log_kind kind, const char *format, ...)
{
    char text[sizeof(((struct line *)0)->text)];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    gn__engine_enter(guest->engine);
    gn__log(guest->home, level, kind, "guest %s: %s", gn__log_name(guest),
            text);
    gn__engine_leave(guest->engine);
}

/** What a drop says of a limit; its text is NULL where it is no limit's. */
struct drop_line {
    enum gn_log_level level;
    enum gn__log_kind kind;
    const char *text;
};

static const struct drop_line drop_lines[GN_N_DROPS] = {
    [GN_DROP_HALF_OPEN] = {GN_LOG_INFO, GN__LOG_EVICTED,
                           "a half-open connection made room for another"},
    [GN_DROP_TIME_WAIT] = {GN_LOG_INFO, GN__LOG_EVICTED,
                           "a connection in TIME_WAIT made room for another: "
                           "max_time_wait"},
    [GN_DROP_CONNECTIONS] = {GN_LOG_WARN, GN__LOG_LIMITED,
                             "no more connections: max_connections"},
    [GN_DROP_QUEUE] =
        {GN_LOG_WARN, GN__LOG_LIMITED,
         "no more packets at once: it has its share of the queue"},
    [GN_DROP_MEMORY] = {GN_LOG_WARN, GN__LOG_LIMITED,
                        "no memory for a packet: max_buffered, or the "
                        "process's"},
    [GN_DROP_UNDER_WAY] = {GN_LOG_WARN, GN__LOG_LIMITED,
                           "no more packets on links: it has its share of the "
                           "memory for them"},
    [GN_DROP_DESCRIPTORS] = {GN_LOG_WARN, GN__LOG_LIMITED,
                             "no more descriptors: max_descriptors, or its "
                             "share of what is left"},
};

void gn__log_drop(struct gn_network *net, const struct gn__guest *guest,
                  enum gn_drop why)
{
    const struct drop_line *line = &drop_lines[why];

    if (line->text)
        gn__log(net, line->level, line->kind, "guest %s: %s",
                gn__log_name(guest), line->text);
}

static bool take_line(struct gn__logger *logger, struct line *out)
{
    struct gn__engine *engine = logger->net->engine;
    bool taken;

    gn__engine_enter(engine);
    taken = logger->n > 0;
    if (taken) {
        *out = logger->lines[logger->first];
        logger->first = (logger->first + 1) % LINES;
        logger->n--;
    }
    gn__engine_leave(engine);
    return taken;
}

static void say_lines(struct gn__logger *logger)
{
    struct gn_network *net = logger->net;
    struct line line;

    while (take_line(logger, &line))
        net->log(line.level, line.text, net->log_arg);
}

static void deferred_run(struct gn__deferred *deferred)
{
    say_lines(gn__container_of(deferred, struct gn__logger, deferred));
}

int gn__logger_create(struct gn_network *net)
{
    struct gn__logger *logger;

    if (!net->log)
        return 0;
    logger = gn__zalloc(&net->engine->net.mem, sizeof(*logger));
    if (!logger)
        return -ENOMEM;
    logger->net = net;
    logger->deferred.run = deferred_run;
    gn__list_init(&logger->deferred.link);
    net->logger = logger;
    return 0;
}

void gn__logger_discard(struct gn_network *net)
{
    struct gn__logger *logger = net->logger;

    if (!logger)
        return;
    net->logger = NULL;
    gn__deferred_cancel(net->engine, &logger->deferred);
    gn__free(&net->engine->net.mem, logger, sizeof(*logger));
}

void gn__logger_end(struct gn_network *net)
{
    struct gn__logger *logger = net->logger;

    if (!logger)
        return;
    say_lines(logger);
    gn__engine_enter(net->engine);
    gn__logger_discard(net);
    gn__engine_leave(net->engine);
}
