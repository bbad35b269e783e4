/* SPDX-License-Identifier: BSD-3-Clause */

/* A library that was built without TLS: nothing is ever created. */
#include "host/tls/tls.h"

#include <errno.h>

#include "base/text.h"

int gn__tls_trust_create(const struct gn__mem *mem, const char *ca_file,
                         char *why, size_t why_len, struct gn__tls_trust **out)
{
    (void)mem;
    (void)ca_file;
    (void)out;
    (void)gn__text_refuse(why, why_len,
                          "tls: this library was built without it "
                          "(GUESTNET_TLS)");
    return -ENOPROTOOPT;
}

void gn__tls_trust_unref(struct gn__tls_trust *trust)
{
    (void)trust;
}

int gn__tls_create(struct gn__tls_trust *trust, struct gn__guest *guest, int fd,
                   const char *name, struct gn__tls **out)
{
    (void)trust;
    (void)guest;
    (void)fd;
    (void)name;
    (void)out;
    return -ENOPROTOOPT;
}

void gn__tls_free(struct gn__tls *tls)
{
    (void)tls;
}

int gn__tls_step(struct gn__tls *tls, short *events)
{
    (void)tls;
    (void)events;
    return -EPROTO;
}

const char *gn__tls_reason(const struct gn__tls *tls)
{
    (void)tls;
    return "";
}

const struct gn__transport_ops gn__tls_transport = {.name = "tls"};
