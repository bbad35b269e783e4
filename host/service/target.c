/* SPDX-License-Identifier: BSD-3-Clause */

/* What gn_forward() was asked for: a name and a port, and where it leads. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "base/text.h"
#include "host/conn/target.h"
#include "host/service/service.h"
#include "resolver/resolver.h"

/* A line for the caller; returns @err. */
#define SAY(options, err, ...) \
    (gn__text_refuse((options)->why, (options)->why_len, __VA_ARGS__), (err))

static struct gn__quoted target_quoted(const char *text)
{
    return gn__text_quote(text, strlen(text));
}

static int parse_name(const char *kind, const char *name,
                      const struct gn_forward_options *options,
                      struct gn__forward_request *out)
{
    struct gn__target parsed;
    int err =
        gn__target_parse(kind, name, &parsed, options->why, options->why_len);

    if (err)
        return err;
    if (parsed.service[0])
        parsed.port = gn__service_port(kind, parsed.service);
    if (!parsed.port || parsed.has_addr || !parsed.host[0] ||
        strlen(parsed.host) >= sizeof(out->name))
        return SAY(options, -EINVAL,
                   "name \"%s\": one DNS label and a port, as db:5432 or "
                   "db:postgresql",
                   target_quoted(name).text);
    memcpy(out->name, parsed.host, strlen(parsed.host) + 1);
    out->port = parsed.port;
    return 0;
}

static int parse_path(const char *target,
                      const struct gn_forward_options *options,
                      struct gn__forward_request *out)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&out->target;
    size_t len = strlen(target);

    if (len == 0 || len >= sizeof(un->sun_path))
        return SAY(options, -EINVAL,
                   "target \"%s\": a path has 1 to %zu bytes, not %zu",
                   target_quoted(target).text, sizeof(un->sun_path) - 1, len);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, target, len + 1);
    return 0;
}

static int parse_address(const char *kind, const char *target,
                         const struct gn_forward_options *options,
                         struct gn__forward_request *out)
{
    struct gn__endpoint to = {.port = 0};
    struct gn__target parsed;
    int err =
        gn__target_parse(kind, target, &parsed, options->why, options->why_len);

    if (err)
        return err;
    if (!strcasecmp(parsed.host, "localhost"))
        parsed.has_addr = !gn__addr_parse("127.0.0.1", &parsed.addr);
    if (parsed.service[0])
        parsed.port = gn__service_port(kind, parsed.service);
    if (!parsed.has_addr || !parsed.port || gn__addr_is_any(&parsed.addr) ||
        gn__addr_is_multicast(&parsed.addr) ||
        gn__addr_is_broadcast(&parsed.addr))
        return SAY(options, -EINVAL,
                   "target \"%s\": an address that is connected to, by number, "
                   "and a port, as 127.0.0.1:15432",
                   target_quoted(target).text);
    to.addr = parsed.addr;
    to.scope = parsed.scope;
    to.port = parsed.port;
    gn__endpoint_to_sockaddr(&to, AF_UNSPEC, (struct sockaddr *)&out->target,
                             sizeof(out->target));
    return 0;
}

static int target_check(const char *proto, const char *name, const char *target,
                        const struct gn_forward_options *options)
{
    const char *missing = !proto    ? "proto"
                          : !name   ? "name"
                          : !target ? "target"
                                    : NULL;

    if (missing)
        return SAY(options, -EINVAL, "%s is NULL", missing);
    if (strcmp(proto, "tcp") != 0 && strcmp(proto, "udp") != 0 &&
        strcmp(proto, "unix") != 0)
        return SAY(options, -EINVAL,
                   "proto \"%s\": not one of \"tcp\", \"udp\", \"unix\"",
                   target_quoted(proto).text);
    if (options->proxy && !strcmp(proto, "udp"))
        return SAY(options, -EINVAL, "proxy: goes with streams only");
    return 0;
}

int gn__forward_parse(const char *proto, const char *name, const char *target,
                      const struct gn_forward_options *options,
                      struct gn__forward_request *out)
{
    const char *kind;
    int err = target_check(proto, name, target, options);

    if (err)
        return err;
    *out = (struct gn__forward_request){.type = SOCK_STREAM};
    kind = !strcmp(proto, "udp") ? "udp" : "tcp";
    if (!strcmp(kind, "udp"))
        out->type = SOCK_DGRAM;
    err = parse_name(kind, name, options, out);
    if (!err)
        err = !strcmp(proto, "unix")
                  ? parse_path(target, options, out)
                  : parse_address(kind, target, options, out);
    if (!err)
        (void)snprintf(out->label, sizeof(out->label), "%s:%u -> %s", out->name,
                       out->port, target);
    return err;
}
