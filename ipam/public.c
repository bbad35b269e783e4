/* SPDX-License-Identifier: BSD-3-Clause */

/* <guestnet/ipam.h> on top of the pool: text, NULLs and the public types. */
#include <guestnet/ipam.h>

#include <errno.h>
#include <string.h>

#include "base/config.h"
#include "base/text.h"
#include "ipam/ipam.h"

struct gn_pool {
    struct gn__mem mem;
    struct gn__pool pool;
};

static int check_config(const struct gn_pool_config *config, char *why,
                        size_t why_len)
{
    if (config->size < sizeof(*config) || config->size > GN__CONFIG_MAX)
        return gn__text_refuse(why, why_len,
                               "the configuration's size is %zu: set it to "
                               "sizeof(struct gn_pool_config), %zu",
                               config->size, sizeof(*config));
    if (!gn__config_is_known(config, config->size, sizeof(*config)))
        return gn__text_refuse(
            why, why_len,
            "the configuration has settings that this version "
            "of the library does not know: its size is %zu, "
            "known are %zu bytes",
            config->size, sizeof(*config));
    if (config->flags & ~(uint64_t)GN_POOL_NO_GATEWAY)
        return gn__text_refuse(why, why_len,
                               "the configuration has unknown flags: known is "
                               "GN_POOL_NO_GATEWAY");
    if (config->gateway && config->flags & GN_POOL_NO_GATEWAY)
        return gn__text_refuse(why, why_len,
                               "the configuration has a gateway and says "
                               "GN_POOL_NO_GATEWAY: choose one");
    return 0;
}

static int read_gateway(const char *text, struct gn__addr *out, char *why,
                        size_t why_len)
{
    if (gn__addr_parse(text, out))
        return gn__text_refuse(
            why, why_len,
            "gateway \"%s\" is no IPv4 or IPv6 address: expected "
            "one such as 10.77.0.1 or fd77::1",
            gn__text_quote(text, strlen(text)).text);
    return 0;
}

static int init_pool(struct gn_pool *pool, const struct gn__prefix *prefix,
                     const struct gn__pool_options *options, char *why,
                     size_t why_len)
{
    int err = gn__pool_init(&pool->pool, &pool->mem, prefix, options);
    char prefix_text[GN__ADDR_TEXT], gateway[GN__ADDR_TEXT];

    if (err == -EINVAL)
        (void)gn__text_refuse(
            why, why_len,
            "gateway %s is no usable address of %s: expected one "
            "inside it that is no network, broadcast or anycast "
            "address",
            gn__addr_format(options->gateway, gateway, sizeof(gateway)),
            gn__prefix_format(prefix, prefix_text, sizeof(prefix_text)));
    return err;
}

int gn_pool_create(const char *prefix, const struct gn_pool_config *config,
                   char *why, size_t why_len, struct gn_pool **out)
{
    static const struct gn_pool_config defaults = {.size = sizeof(defaults)};
    struct gn__pool_options options = {0};
    struct gn__prefix parsed;
    struct gn__addr gateway;
    struct gn__mem mem;
    struct gn_pool *pool;
    int err;

    if (!out)
        return gn__text_refuse(why, why_len,
                               "there is nowhere to put the pool");
    config = config ? config : &defaults;
    err = check_config(config, why, why_len);
    if (!err)
        err = gn__prefix_parse(prefix, &parsed, why, why_len);
    if (!err && config->gateway)
        err = read_gateway(config->gateway, &gateway, why, why_len);
    if (err)
        return err;
    options.gateway = config->gateway ? &gateway : NULL;
    options.no_gateway = config->flags & GN_POOL_NO_GATEWAY;

    gn__mem_init(&mem, config->alloc);
    pool = gn__alloc(&mem, sizeof(*pool));
    if (!pool)
        return -ENOMEM;
    pool->mem = mem;
    err = init_pool(pool, &parsed, &options, why, why_len);
    if (err)
        goto undo_alloc;
    *out = pool;
    return 0;

undo_alloc:
    gn__free(&mem, pool, sizeof(*pool));
    return err;
}

void gn_pool_close(struct gn_pool *pool)
{
    struct gn__mem mem;

    if (!pool)
        return;
    mem = pool->mem;
    gn__pool_done(&pool->pool);
    gn__free(&mem, pool, sizeof(*pool));
}

int gn_pool_take(struct gn_pool *pool, struct gn_ip *out)
{
    struct gn__addr addr;
    int err;

    if (!pool || !out)
        return -EINVAL;
    err = gn__pool_take(&pool->pool, &addr);
    if (err)
        return err;
    *out = gn__addr_to_ip(&addr);
    return 0;
}

int gn_pool_take_exact(struct gn_pool *pool, const struct gn_ip *ip)
{
    struct gn__addr addr;

    if (!pool || !ip || gn__addr_from_ip(ip, &addr))
        return -EINVAL;
    return gn__pool_take_exact(&pool->pool, &addr);
}

int gn_pool_give(struct gn_pool *pool, const struct gn_ip *ip)
{
    struct gn__addr addr;

    if (!pool || !ip || gn__addr_from_ip(ip, &addr))
        return -EINVAL;
    return gn__pool_give(&pool->pool, &addr);
}

int gn_pool_reserve(struct gn_pool *pool, const struct gn_ip *first,
                    const struct gn_ip *last)
{
    struct gn__addr from, to;

    if (!pool || !first || !last || gn__addr_from_ip(first, &from) ||
        gn__addr_from_ip(last, &to))
        return -EINVAL;
    return gn__pool_reserve(&pool->pool, &from, &to);
}

int gn_pool_release(struct gn_pool *pool, const struct gn_ip *first,
                    const struct gn_ip *last)
{
    struct gn__addr from, to;

    if (!pool || !first || !last || gn__addr_from_ip(first, &from) ||
        gn__addr_from_ip(last, &to))
        return -EINVAL;
    return gn__pool_release(&pool->pool, &from, &to);
}

int gn_pool_gateway(const struct gn_pool *pool, struct gn_ip *out)
{
    if (!pool || !out)
        return -EINVAL;
    if (!pool->pool.has_gateway)
        return -ENOENT;
    *out = gn__addr_to_ip(&pool->pool.gateway);
    return 0;
}

int gn_pool_prefix(const struct gn_pool *pool, struct gn_ip *out, unsigned *len)
{
    if (!pool || !out)
        return -EINVAL;
    *out = gn__addr_to_ip(&pool->pool.prefix.addr);
    if (len)
        *len = pool->pool.prefix.len;
    return 0;
}

uint64_t gn_pool_taken(const struct gn_pool *pool)
{
    return pool ? pool->pool.n_taken : 0;
}
