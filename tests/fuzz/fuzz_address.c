/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Networks and addresses as text: the network, a newline, the address, and
 * perhaps another newline and a local address. What is read can be written
 * again, and is then read as the same.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "host/conn/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_MAX 1024

static void expect(bool holds)
{
    if (!holds)
        abort();
}

static void check_why(const char *why, int err)
{
    expect(err == 0 || err == -EINVAL);
    expect((err != 0) == (why[0] != '\0'));
    for (; *why; why++)
        expect(*why >= ' ' && *why <= '~');
}

static void write_again(const struct gn__target *target, char *out, size_t cap)
{
    char host[GN__HOST_MAX + GN__ADDR_TEXT] = "", port[32], scope[16] = "";
    char addr[GN__ADDR_TEXT];

    if (target->scope)
        (void)snprintf(scope, sizeof(scope), "%%%u", target->scope);
    if (target->has_addr && gn__addr_is_v4(&target->addr))
        (void)gn__addr_format(&target->addr, host, sizeof(host));
    else if (target->has_addr)
        (void)snprintf(host, sizeof(host), "[%s%s]",
                       gn__addr_format(&target->addr, addr, sizeof(addr)),
                       scope);
    else
        (void)snprintf(host, sizeof(host), "%s", target->host);
    (void)snprintf(port, sizeof(port), "%u", target->port);
    (void)snprintf(out, cap, "%s:%s", host,
                   target->service[0] ? target->service : port);
}

static bool is_same(const struct gn__target *a, const struct gn__target *b)
{
    return a->type == b->type && a->family == b->family &&
           a->has_addr == b->has_addr && gn__addr_equal(&a->addr, &b->addr) &&
           a->scope == b->scope && a->port == b->port &&
           !strcmp(a->host, b->host) && !strcmp(a->service, b->service);
}

static void check_again(const char *proto, const struct gn__target *target)
{
    struct gn__target again;
    char text[TEXT_MAX];

    write_again(target, text, sizeof(text));
    expect(gn__target_parse(proto, text, &again, NULL, 0) == 0);
    expect(is_same(target, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_MAX], why[256] = "";
    char *proto = text, *address, *local = NULL;
    struct gn__endpoint endpoint;
    struct gn__target target;
    int err;

    if (size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    address = strchr(text, '\n');
    if (!address)
        return 0;
    *address++ = '\0';
    local = strchr(address, '\n');
    if (local)
        *local++ = '\0';
    err = gn__target_parse(proto, address, &target, why, sizeof(why));
    check_why(why, err);
    if (err)
        return 0;
    check_again(proto, &target);
    if (local) {
        why[0] = '\0';
        err =
            gn__target_parse_local(local, &target, &endpoint, why, sizeof(why));
        check_why(why, err);
    }
    return 0;
}
