/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Networks and addresses as text. The last colon outside brackets divides host
 * and port, so an IPv6 address needs its brackets: "fd77::1:80" could be two
 * things, and is refused with a hint rather than guessed at.
 */
#include "host/conn/target.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <guestnet/conn.h>

#include "base/text.h"

#define PORT_MAX     65535u
#define HOST_LEN_MAX 253u

/** What is being read, for the code that gives up. */
struct reader {
    const char *address;
    char *why;
    size_t why_len;
};

#define REFUSE(reader, format, ...)                                        \
    gn__text_refuse(                                                       \
        (reader)->why, (reader)->why_len, "address \"%s\": " format,       \
        gn__text_quote((reader)->address, strlen((reader)->address)).text, \
        __VA_ARGS__)

/* ---- networks ---- */

static const struct {
    const char *name;
    int type;
    int family;
} networks[] = {
    {"tcp", SOCK_STREAM, AF_UNSPEC}, {"tcp4", SOCK_STREAM, AF_INET},
    {"tcp6", SOCK_STREAM, AF_INET6}, {"udp", SOCK_DGRAM, AF_UNSPEC},
    {"udp4", SOCK_DGRAM, AF_INET},   {"udp6", SOCK_DGRAM, AF_INET6},
};

static int read_network(const char *name, struct gn__target *out, char *why,
                        size_t why_len)
{
    size_t i;

    for (i = 0; i < sizeof(networks) / sizeof(*networks); i++) {
        if (strcmp(networks[i].name, name))
            continue;
        out->type = networks[i].type;
        out->family = networks[i].family;
        return 0;
    }
    return gn__text_refuse(why, why_len,
                           "proto \"%s\": not one of \"tcp\", \"tcp4\", "
                           "\"tcp6\", \"udp\", \"udp4\", \"udp6\"",
                           gn__text_quote(name, strlen(name)).text);
}

/* ---- services ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* RFC 6335 section 5.1: letters, digits, inner hyphens, one letter at least. */
static bool is_service(const char *text, size_t len)
{
    bool has_letter = false;
    size_t i;

    if (len == 0 || len >= GN__SERVICE_MAX || text[0] == '-' ||
        text[len - 1] == '-')
        return false;
    for (i = 0; i < len; i++) {
        if (!is_letter(text[i]) && !is_digit(text[i]) && text[i] != '-')
            return false;
        has_letter |= is_letter(text[i]);
    }
    return has_letter;
}

static bool is_number(const char *text)
{
    while (is_digit(*text))
        text++;
    return !*text;
}

static int read_port(const struct reader *reader, const char *text,
                     struct gn__target *out)
{
    size_t len = strlen(text);
    uint32_t port;

    out->service[0] = '\0';
    if (!len)
        return REFUSE(reader, "no %s after the colon", "port");
    if (gn__text_number(text, PORT_MAX, &port)) {
        out->port = (uint16_t)port;
        return 0;
    }
    if (is_number(text))
        return REFUSE(reader, "port \"%s\" is not a number from 0 to %u",
                      gn__text_quote(text, len).text, PORT_MAX);
    if (!is_service(text, len))
        return REFUSE(reader,
                      "port \"%s\" is neither a number nor a service's name",
                      gn__text_quote(text, len).text);
    out->port = 0;
    memcpy(out->service, text, len + 1);
    return 0;
}

/* ---- hosts ---- */

/* As resolvers take them: labels of 1 to 63, an underscore is allowed. */
static bool is_name(const char *text)
{
    size_t len = 0;

    for (; *text; text++) {
        if (*text == '.') {
            if (len == 0)
                return false;
            len = 0;
            continue;
        }
        if (!is_letter(*text) && !is_digit(*text) && *text != '-' &&
            *text != '_')
            return false;
        if (++len > 63)
            return false;
    }
    return true;
}

/* No name ends in a number (RFC 3696 section 2): an address was meant. */
static bool ends_in_number(const char *text)
{
    const char *dot = strrchr(text, '.');

    return is_number(dot ? dot + 1 : text);
}

static int check_version(const struct reader *reader,
                         const struct gn__target *out)
{
    if (out->family == AF_UNSPEC || out->family == gn__addr_family(&out->addr))
        return 0;
    return REFUSE(reader, "not an %s address, as the proto asks for",
                  out->family == AF_INET ? "IPv4" : "IPv6");
}

static int read_v6(const struct reader *reader, char *host,
                   struct gn__target *out)
{
    char *percent = strchr(host, '%');

    out->scope = 0;
    if (percent)
        *percent = '\0';
    if (!strchr(host, ':') || gn__addr_parse(host, &out->addr))
        return REFUSE(reader, "\"%s\" in brackets is not an IPv6 address",
                      gn__text_quote(host, strlen(host)).text);
    if (percent && (!gn__addr_needs_scope(&out->addr) ||
                    !gn__text_number(percent + 1, UINT32_MAX, &out->scope)))
        return REFUSE(reader,
                      "\"%%%s\": only a link-local address has one, and it is "
                      "an interface's number",
                      gn__text_quote(percent + 1, strlen(percent + 1)).text);
    out->has_addr = true;
    return check_version(reader, out);
}

static int read_host(const struct reader *reader, const char *text, size_t len,
                     struct gn__target *out)
{
    if (len == 0)
        return 0;
    if (len > HOST_LEN_MAX || !gn__text_cut(text, len, out->host, GN__HOST_MAX))
        return REFUSE(reader, "the host's name has more than %u bytes",
                      HOST_LEN_MAX);
    if (!gn__addr_parse(out->host, &out->addr)) {
        out->host[0] = '\0';
        out->has_addr = true;
        return check_version(reader, out);
    }
    if (out->host[len - 1] == '.' && len > 1)
        out->host[len - 1] = '\0';
    if (ends_in_number(out->host) || !is_name(out->host))
        return REFUSE(reader, "\"%s\" is neither an address nor a host's name",
                      gn__text_quote(out->host, strlen(out->host)).text);
    return 0;
}

static int read_bracketed(const struct reader *reader, struct gn__target *out)
{
    const char *text = reader->address + 1, *close = strchr(text, ']');
    char host[GN_ADDR_TEXT_MAX];

    if (!close)
        return REFUSE(reader, "no \"%s\" behind the \"[\"", "]");
    if (!gn__text_cut(text, (size_t)(close - text), host, sizeof(host)))
        return REFUSE(reader, "what is in brackets is %s",
                      "not an IPv6 address");
    if (close[1] != ':')
        return REFUSE(reader, "no port; \"%s:80\" would have one",
                      gn__text_quote(reader->address,
                                     (size_t)(close - reader->address) + 1)
                          .text);
    if (read_v6(reader, host, out))
        return -EINVAL;
    return read_port(reader, close + 2, out);
}

static int read_plain(const struct reader *reader, struct gn__target *out)
{
    const char *text = reader->address, *colon = strrchr(text, ':');
    struct gn__addr ignored;

    if (!colon)
        return REFUSE(reader, "no port; \"%s:80\" would have one",
                      *text ? gn__text_quote(text, strlen(text)).text : "");
    if (!gn__addr_parse(text, &ignored))
        return REFUSE(reader, "no port; \"[%s]:80\" would have one",
                      gn__text_quote(text, strlen(text)).text);
    if (strchr(text, ':') != colon)
        return REFUSE(
            reader,
            "more than one colon; an IPv6 address stands in brackets, "
            "\"%s\"",
            "[fd77::2]:80");
    if (read_host(reader, text, (size_t)(colon - text), out))
        return -EINVAL;
    return read_port(reader, colon + 1, out);
}

int gn__target_parse(const char *proto, const char *address,
                     struct gn__target *out, char *why, size_t why_len)
{
    struct reader reader = {address, why, why_len};
    int err;

    if (!proto || !address)
        return gn__text_refuse(why, why_len, "%s is NULL",
                               proto ? "address" : "proto");
    memset(out, 0, sizeof(*out));
    err = read_network(proto, out, why, why_len);
    if (err)
        return err;
    return address[0] == '[' ? read_bracketed(&reader, out)
                             : read_plain(&reader, out);
}

/* ---- where from ---- */

int gn__target_parse_local(const char *address, const struct gn__target *to,
                           struct gn__endpoint *out, char *why, size_t why_len)
{
    struct gn__target local = {.type = to->type, .family = to->family};
    struct reader reader = {address, why, why_len};
    int err = 0;

    if (to->has_addr)
        local.family = gn__addr_family(&to->addr);
    if (!gn__addr_parse(address, &local.addr)) {
        local.has_addr = true;
        err = check_version(&reader, &local);
    } else {
        err = address[0] == '[' ? read_bracketed(&reader, &local)
                                : read_plain(&reader, &local);
    }
    if (err)
        return err;
    if (local.host[0] || local.service[0])
        return REFUSE(&reader, "%s", "a local address is given by number");
    memset(out, 0, sizeof(*out));
    out->addr =
        local.has_addr
            ? local.addr
            : gn__addr_any(local.family == AF_INET ? AF_INET : AF_INET6);
    out->scope = local.scope;
    out->port = local.port;
    return 0;
}

int gn_address_check(const char *proto, const char *address, char *why,
                     size_t why_len)
{
    struct gn__target target;

    return gn__target_parse(proto, address, &target, why, why_len);
}
