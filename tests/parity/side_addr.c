/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "tests/parity/side.h"

/* ---- addresses given ---- */

struct form {
    sa_family_t family;
    const char *text;
    socklen_t len;  /* 0: the family's */
    uint32_t scope; /* of IPv6 */
};

/* Numbers of interfaces. */
#define IF_LO   1
#define IF_ETH0 2
#define IF_NONE 77

static const struct form forms[N_HOSTS] = {
    [LO4] = {AF_INET, "127.0.0.1", 0, 0},
    [LO4_OTHER] = {AF_INET, "127.0.0.2", 0, 0},
    [ANY4] = {AF_INET, "0.0.0.0", 0, 0},
    [FOREIGN4] = {AF_INET, "192.0.2.1", 0, 0},
    [GROUP4] = {AF_INET, "239.1.2.3", 0, 0},
    [HERE4] = {AF_INET, "10.77.0.2", 0, 0},
    [THERE4] = {AF_INET, "10.77.0.3", 0, 0},
    [SUBNET4] = {AF_INET, "10.77.0.255", 0, 0},
    [LO_SUBNET4] = {AF_INET, "127.255.255.255", 0, 0},
    [ALL_HOSTS4] = {AF_INET, "224.0.0.1", 0, 0},
    [BROADCAST4] = {AF_INET, "255.255.255.255", 0, 0},
    [LO6] = {AF_INET6, "::1", 0, 0},
    [ANY6] = {AF_INET6, "::", 0, 0},
    [FOREIGN6] = {AF_INET6, "2001:db8::1", 0, 0},
    [GROUP6] = {AF_INET6, "ff05::1:3", 0, 0},
    [HERE6] = {AF_INET6, "fd77::2", 0, 0},
    [THERE6] = {AF_INET6, "fd77::3", 0, 0},
    [LINK6] = {AF_INET6, "fe80::1", 0, 0},
    [LINK_HERE6] = {AF_INET6, NULL, 0, IF_ETH0},
    [LINK_THERE6] = {AF_INET6, NULL, 0, IF_ETH0},
    [LINK_THERE6_BARE] = {AF_INET6, NULL, 0, 0},
    [LINK_THERE6_LO] = {AF_INET6, NULL, 0, IF_LO},
    [LINK_THERE6_BAD] = {AF_INET6, NULL, 0, IF_NONE},
    [LINK_GROUP6] = {AF_INET6, "ff02::77", 0, IF_ETH0},
    [LINK_GROUP6_BARE] = {AF_INET6, "ff02::77", 0, 0},
    [ALL_NODES6] = {AF_INET6, "ff02::1", 0, IF_ETH0},
    [ALL_NODES6_BARE] = {AF_INET6, "ff02::1", 0, 0},
    [ALL_NODES6_LO] = {AF_INET6, "ff02::1", 0, IF_LO},
    [ALL_NODES6_BAD] = {AF_INET6, "ff02::1", 0, IF_NONE},
    [MAPPED_LO] = {AF_INET6, "::ffff:127.0.0.1", 0, 0},
    [MAPPED_OTHER] = {AF_INET6, "::ffff:127.0.0.2", 0, 0},
    [MAPPED_ANY] = {AF_INET6, "::ffff:0.0.0.0", 0, 0},
    [MAPPED_FOREIGN] = {AF_INET6, "::ffff:192.0.2.1", 0, 0},
    [MAPPED_GROUP] = {AF_INET6, "::ffff:239.1.2.3", 0, 0},
    [MAPPED_HERE] = {AF_INET6, "::ffff:10.77.0.2", 0, 0},
    [MAPPED_THERE] = {AF_INET6, "::ffff:10.77.0.3", 0, 0},
    [MAPPED_SUBNET] = {AF_INET6, "::ffff:10.77.0.255", 0, 0},
    [UNSPEC] = {AF_UNSPEC, "0.0.0.0", sizeof(struct sockaddr_in), 0},
    [UNSPEC6] = {AF_UNSPEC, "0.0.0.0", sizeof(struct sockaddr_in6), 0},
    [UNSPEC_SHORT] = {AF_UNSPEC, "0.0.0.0", sizeof(sa_family_t), 0},
    [UNSPEC_LO4] = {AF_UNSPEC, "127.0.0.1", sizeof(struct sockaddr_in), 0},
    [UNIX] = {AF_UNIX, "127.0.0.1", sizeof(struct sockaddr_in6), 0},
    [SHORT4] = {AF_INET, "127.0.0.1", sizeof(struct sockaddr_in) - 1, 0},
    [SHORT6] = {AF_INET6, "::1", sizeof(struct sockaddr_in6) - 4, 0},
    [SHORTER6] = {AF_INET6, "::1", sizeof(struct sockaddr_in6) - 5, 0},
    [LONG4] = {AF_INET, "127.0.0.1", sizeof(struct sockaddr_storage), 0},
    [TOO_LONG] = {AF_INET, "127.0.0.1", sizeof(struct sockaddr_storage) + 1, 0},
    [ONE_BYTE] = {AF_INET, "127.0.0.1", 1, 0},
    [EMPTY] = {AF_INET, "127.0.0.1", UINT32_MAX, 0}, /* says 0 */
};

/* What has no text is one of the hosts' link-local addresses. */
static void put_addr6(const struct side *side, enum host host,
                      struct sockaddr_in6 *out)
{
    const struct form *form = &forms[host];

    out->sin6_scope_id = form->scope;
    if (form->text)
        (void)inet_pton(AF_INET6, form->text, &out->sin6_addr);
    else if (side->place.hosts)
        out->sin6_addr = side->place.hosts->link6[host != LINK_HERE6];
}

socklen_t side_addr(const struct side *side, const struct step *step,
                    struct sockaddr_storage *out)
{
    enum host host = host_resolve(step->host, side->variant);
    const struct form *form = &forms[host];
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)out;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)out;
    uint16_t port = step->port < 0 ? side->slots[-1 - step->port].port
                                   : (uint16_t)step->port;

    memset(out, 0, sizeof(*out));
    in->sin_port = htons(port); /* At the same place in both. */
    if (form->family == AF_INET6)
        put_addr6(side, host, in6);
    else
        (void)inet_pton(AF_INET, form->text, &in->sin_addr);
    out->ss_family = form->family;
    if (form->len == UINT32_MAX)
        return 0;
    if (form->len)
        return form->len;
    return form->family == AF_INET6 ? sizeof(*in6) : sizeof(*in);
}

/* ---- addresses returned ---- */

static void add_port(struct side *side, struct outcome *out, bool stream,
                     uint16_t port)
{
    struct ports *ports = &side->ports[stream];
    unsigned i;

    if (port < 32768) { /* Neither side picks those. */
        outcome_add(out, ":%u", port);
        return;
    }
    for (i = 0; i < ports->n && ports->seen[i] != port; i++)
        continue;
    if (i == ports->n && i < PORTS_MAX)
        ports->seen[ports->n++] = port;
    outcome_add(out, ":p%u", i);
}

void side_add_addr(struct side *side, struct outcome *out, bool stream,
                   const struct sockaddr_storage *addr, socklen_t len,
                   socklen_t room)
{
    const struct sockaddr_in *in =
        (const struct sockaddr_in *)(const void *)addr;
    const struct sockaddr_in6 *in6 =
        (const struct sockaddr_in6 *)(const void *)addr;
    char text[INET6_ADDRSTRLEN];

    if (len > room || len < sizeof(*in)) {
        outcome_add(out, "%u bytes of address", len);
    } else if (addr->ss_family == AF_INET) {
        outcome_add(out, "%s",
                    inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)));
        add_port(side, out, stream, ntohs(in->sin_port));
    } else if (addr->ss_family == AF_INET6 && len >= sizeof(*in6)) {
        outcome_add(out, "[%s]",
                    inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text)));
        add_port(side, out, stream, ntohs(in6->sin6_port));
        if (in6->sin6_flowinfo || in6->sin6_scope_id)
            outcome_add(out, " flow %x scope %u", ntohl(in6->sin6_flowinfo),
                        in6->sin6_scope_id);
    } else {
        outcome_add(out, "family %u, %u bytes", addr->ss_family, len);
    }
}
