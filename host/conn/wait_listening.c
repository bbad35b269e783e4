/* SPDX-License-Identifier: BSD-3-Clause */

/* gn_wait_listening(): an address in text, and the wait for its socket. */
#include <guestnet/conn.h>
#include <guestnet/error.h>

#include <errno.h>
#include <netinet/in.h>

#include "base/text.h"
#include "host/conn/listen.h"
#include "host/conn/target.h"
#include "namespace/namespace.h"
#include "resolver/resolver.h"

#define MS UINT64_C(1000000)

static int wait_served(struct gn_namespace *ns, struct gn__target *target,
                       uint64_t timeout_ms)
{
    struct gn__served what = {
        .proto = target->type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP,
        .family = target->family,
        .addr = target->has_addr ? &target->addr : NULL,
        .port = target->port};

    if (target->host[0]) {
        gn__hostname_lower(target->host, target->host);
        what.name = target->host;
    }
    return gn__ns_wait_served(
        ns, &what, timeout_ms < UINT64_MAX / MS ? timeout_ms * MS : 0);
}

int gn_wait_listening(struct gn_namespace *from, const char *proto,
                      const char *address, uint64_t timeout_ms, char *why,
                      size_t why_len)
{
    struct gn__target target;
    int err;

    if (!from)
        return gn__text_refuse(why, why_len, "from is NULL");
    if (gn__ns_is_system(from)) {
        (void)gn__text_refuse(why, why_len, "%s: the kernel does not tell",
                              address ? address : "");
        return -ENOTSUP;
    }
    err = gn__target_parse(proto, address, &target, why, why_len);
    if (err)
        return err;
    err = gn__listen_find_service(&target, why, why_len);
    if (err)
        return err;
    err = wait_served(from, &target, timeout_ms);
    if (err)
        (void)gn__text_refuse(why, why_len, "%s: nothing listens there: %s",
                              address, gn_strerror(err));
    return err;
}
