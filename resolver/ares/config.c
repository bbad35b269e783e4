/* SPDX-License-Identifier: BSD-3-Clause */
#include "resolver/ares/internal.h"

/*
 * What the caller wants, checked and copied, so that a session has only memory
 * and descriptors to fail for.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "base/text.h"

/* A configuration while it is being read. */
struct reader {
    const struct gn_ares_config *config;
    struct gn__ares_settings *out;
};

#define refuse(r, ...) \
    gn__text_refuse((r)->config->why, (r)->config->why_len, __VA_ARGS__)

static const char *config_quote(const char *text, struct gn__quoted *buf)
{
    *buf = gn__text_quote(text, strlen(text));
    return buf->text;
}

static int config_copy(const char *text, char **out)
{
    *out = strdup(text);
    return *out ? 0 : -ENOMEM;
}

/* ---- servers ---- */

/* "[fe80::1]:53%2,[::1]:53,192.0.2.1:53": each with its port. */
static size_t write_server(const struct gn__endpoint *server, char *buf,
                           size_t cap)
{
    struct gn__endpoint plain = *server;
    char text[GN__ADDR_TEXT], scope[16] = "";
    int n;

    if (!plain.port)
        plain.port = 53;
    plain.scope = 0;
    if (server->scope)
        snprintf(scope, sizeof(scope), "%%%u", (unsigned)server->scope);
    gn__endpoint_format(&plain, text, sizeof(text));
    n = snprintf(buf, cap, "%s%s,", text, scope);
    return (size_t)n;
}

static int read_servers(struct reader *r)
{
    const size_t each = GN__ADDR_TEXT + 16;
    const char *const *servers = r->config->servers;
    char *buf = r->out->servers = calloc(GN_ARES_SERVERS_MAX + 1, each);
    struct gn__quoted quoted;
    size_t i, len = 0;

    if (!buf)
        return -ENOMEM;
    for (i = 0; servers[i]; i++) {
        struct sockaddr_storage addr;
        struct gn__endpoint server;
        socklen_t addr_len;

        if (i == GN_ARES_SERVERS_MAX)
            return refuse(r, "servers: more than %u", GN_ARES_SERVERS_MAX);
        if (gn_addr_parse(servers[i], &addr, &addr_len) ||
            gn__endpoint_from_sockaddr((struct sockaddr *)&addr, addr_len,
                                       AF_UNSPEC, &server))
            return refuse(r,
                          "server \"%s\" is no address: expected one such as "
                          "192.0.2.1, 192.0.2.1:53 or [2001:db8::1]:53",
                          config_quote(servers[i], &quoted));
        if (gn__addr_is_any(&server.addr) ||
            gn__addr_is_multicast(&server.addr))
            return refuse(r, "server \"%s\": nobody can have this address",
                          config_quote(servers[i], &quoted));
        len += write_server(&server, buf + len, each);
    }
    if (!i)
        return refuse(r, "servers: the list is empty; NULL stands for those "
                         "of the system");
    buf[len - 1] = '\0';
    return 0;
}

static int read_sources(struct reader *r)
{
    struct gn__quoted quoted;
    struct gn__addr addr;
    const char *text = r->config->source4;

    if (text) {
        if (gn__addr_parse(text, &addr) || !gn__addr_is_v4(&addr))
            return refuse(r, "source4 \"%s\" is no IPv4 address",
                          config_quote(text, &quoted));
        r->out->source4 = gn__addr_v4(&addr);
    }
    text = r->config->source6;
    if (text) {
        if (gn__addr_parse(text, &addr) || gn__addr_is_v4(&addr))
            return refuse(r, "source6 \"%s\" is no IPv6 address",
                          config_quote(text, &quoted));
        memcpy(r->out->source6, addr.bytes, sizeof(addr.bytes));
    }
    return 0;
}

/* ---- the rest ---- */

static int read_search(struct reader *r)
{
    const char *const *search = r->config->search;
    struct gn__quoted quoted;
    int err;

    for (; search && *search; search++) {
        if (r->out->n_search == (int)GN_ARES_SEARCH_MAX)
            return refuse(r, "search: more than %u domains",
                          GN_ARES_SEARCH_MAX);
        if (!gn__hostname_is_valid(*search))
            return refuse(r, "search: \"%s\" is no domain",
                          config_quote(*search, &quoted));
        err = config_copy(*search, &r->out->search[r->out->n_search]);
        if (err)
            return err;
        r->out->n_search++;
    }
    return 0;
}

/* A number of the configuration; 0 selects the default. */
static int read_number(struct reader *r, const char *name, uint32_t value,
                       uint32_t min, uint32_t max, int *out)
{
    if (!value)
        return 0;
    if (value < min || value > max)
        return refuse(r, "%s: %u is not from %u to %u", name, (unsigned)value,
                      (unsigned)min, (unsigned)max);
    *out = (int)value;
    return 0;
}

static int read_numbers(struct reader *r)
{
    const struct gn_ares_config *config = r->config;
    struct gn__ares_settings *out = r->out;
    int pending = 1024;
    int err;

    if (config->servers) {
        out->ndots = 1;
        out->timeout_ms = GN__ARES_TIMEOUT_MS;
        out->tries = GN__ARES_TRIES;
    }
    out->edns_bytes = 1232;
    err = read_number(r, "ndots", config->ndots, 1, 15, &out->ndots);
    if (!err)
        err = read_number(r, "timeout_ms", config->timeout_ms, 250, 60000,
                          &out->timeout_ms);
    if (!err)
        err = read_number(r, "tries", config->tries, 1, 10, &out->tries);
    if (!err)
        err = read_number(r, "edns_bytes", config->edns_bytes, 512, 4096,
                          &out->edns_bytes);
    if (!err)
        err = read_number(r, "max_pending", config->max_pending, 1, 1u << 20,
                          &pending);
    out->max_pending = (uint32_t)pending;
    out->cache_ttl_s = config->cache_ttl_s ? config->cache_ttl_s : 3600;
    if (config->flags & GN_ARES_NO_CACHE)
        out->cache_ttl_s = 0;
    return err;
}

static int read_flags(struct reader *r)
{
    unsigned known = GN_ARES_ROTATE | GN_ARES_TCP | GN_ARES_NO_EDNS |
                     GN_ARES_MIX_CASE | GN_ARES_NO_CACHE |
                     GN_ARES_SYSTEM_SEARCH;

    if (r->config->flags & ~known)
        return refuse(r, "flags: 0x%x is unknown", r->config->flags & ~known);
    if (r->config->flags & GN_ARES_SYSTEM_SEARCH && r->config->servers)
        return refuse(r, "flags: GN_ARES_SYSTEM_SEARCH has no meaning where "
                         "servers are given");
    r->out->flags = r->config->flags;
    return 0;
}

static int read_files(struct reader *r)
{
    const char *conf = r->config->resolv_conf;
    int err =
        config_copy(conf ? conf : "/etc/resolv.conf", &r->out->resolv_conf);

    if (!err && r->config->hosts_file)
        err = config_copy(r->config->hosts_file, &r->out->hosts_file);
    return err;
}

int gn__ares_read(const struct gn_ares_config *config,
                  struct gn__ares_settings *out)
{
    static const struct gn_ares_config defaults = {.size = sizeof(defaults)};
    struct reader r = {.config = config ? config : &defaults, .out = out};
    int err;

    memset(out, 0, sizeof(*out));
    if (!gn__config_is_known(r.config, r.config->size, sizeof(*config)))
        return -EINVAL;
    err = read_flags(&r);
    if (!err)
        err = read_files(&r);
    if (!err && r.config->servers)
        err = read_servers(&r);
    if (!err)
        err = read_sources(&r);
    if (!err)
        err = read_search(&r);
    if (!err)
        err = read_numbers(&r);
    return err;
}

void gn__ares_forget(struct gn__ares_settings *settings)
{
    int i;

    free(settings->servers);
    free(settings->resolv_conf);
    free(settings->hosts_file);
    for (i = 0; i < settings->n_search; i++)
        free(settings->search[i]);
}
