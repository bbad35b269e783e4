/* SPDX-License-Identifier: BSD-3-Clause */

/* Options of level GN_SOL_GUESTNET. */
#include <errno.h>
#include <string.h>

#include "namespace/sock/opt/opt.h"
#include "namespace/sock/tcp.h"
#include "switch/switch.h"

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

/* A DNS name in its normal form, or an address. */
static int read_name(const void *value, socklen_t len, struct gn__name *out)
{
    struct gn__addr addr;
    struct gn__name text;
    const char *p;

    if (len && ((const char *)value)[len - 1] == '\0')
        len--;
    if (len >= sizeof(text.text) || memchr(value, '\0', len))
        return -EINVAL;
    memcpy(text.text, value, len);
    text.text[len] = '\0';
    if (!gn__addr_parse(text.text, &addr)) {
        *out = text;
        return 0;
    }
    if (!gn__name_normal(text.text, out))
        return -EINVAL;
    for (p = out->text; *p; p++) {
        if (!is_name_byte(*p))
            return -EINVAL;
    }
    return 0;
}

static int set_server_name(struct gn_sock *sock, const void *value,
                           socklen_t len)
{
    const struct gn__mem *mem = &sock->engine->net.mem;
    struct gn__tcp_sock *tcp = gn__tcp_of(sock);
    struct gn__name name;
    char *copy = NULL;
    int err = 0;

    if (!GN__HAS_TLS)
        return -ENOPROTOOPT;
    if (tcp->phase != GN__PHASE_UNCONNECTED || tcp->listener)
        return -EISCONN;
    if (len)
        err = read_name(value, len, &name);
    if (err)
        return err;
    if (len) {
        copy = gn__strdup(mem, name.text);
        if (!copy)
            return -ENOMEM;
    }
    gn__strfree(mem, tcp->tls_name);
    tcp->tls_name = copy;
    return 0;
}

static int get_server_name(struct gn_sock *sock, void *value, socklen_t *len)
{
    const char *name = gn__tcp_of(sock)->tls_name;

    if (!GN__HAS_TLS)
        return -ENOPROTOOPT;
    if (!name)
        *len = 0;
    else
        gn__option_put(name, strlen(name) + 1, value, len);
    return 0;
}

static const struct gn__option table[] = {
    {GN_SOL_GUESTNET, GN_TLS_SERVER_NAME, GN__OPT_STREAM,
     .set = set_server_name, .get = get_server_name},
};

const struct gn__options gn__options_guestnet = {table, sizeof(table) /
                                                            sizeof(*table)};
