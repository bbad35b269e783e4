/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/lookups.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

void gn_test_lookups_open_with(struct gn_test_lookups *f,
                               struct gn_resolver *resolver)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {
        .size = sizeof(config),
        .prefixes = prefixes,
        .resolver = resolver,
    };
    struct gn_namespace_config guest = {
        .size = sizeof(guest),
        .name = "guest",
    };

    memset(f, 0, sizeof(*f));
    f->resolver = resolver;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->ended, NULL);
    assert_int_equal(gn_network_create(&config, &f->net), 0);
    assert_int_equal(gn_namespace_create(f->net, &guest, &f->guest), 0);
}

void gn_test_lookups_open(struct gn_test_lookups *f,
                          const struct gn_ares_config *config)
{
    struct gn_resolver *resolver;

    assert_int_equal(gn_resolver_ares(config, &resolver), 0);
    gn_test_lookups_open_with(f, resolver);
}

void gn_test_lookups_close(struct gn_test_lookups *f)
{
    gn_network_close(f->net, NULL, NULL);
    gn_resolver_close(f->resolver);
    pthread_cond_destroy(&f->ended);
    pthread_mutex_destroy(&f->lock);
}

static const char *error_text(int status)
{
    static char text[16];

    switch (status) {
    case GN_EAI_NONAME:
        return "no name";
    case GN_EAI_NODATA:
        return "no data";
    case GN_EAI_AGAIN:
        return "again";
    case GN_EAI_FAIL:
        return "failed";
    case -ETIMEDOUT:
        return "timed out";
    default:
        snprintf(text, sizeof(text), "%d", status);
        return text;
    }
}

static void end(struct gn_test_lookups *f, int status)
{
    pthread_mutex_lock(&f->lock);
    if (status)
        snprintf(f->text, sizeof(f->text), "%s", error_text(status));
    f->status = status;
    f->has_ended = true;
    pthread_cond_signal(&f->ended);
    pthread_mutex_unlock(&f->lock);
}

static void begin(struct gn_test_lookups *f)
{
    f->has_ended = false;
    f->found = false;
    f->text[0] = '\0';
}

static void finish(struct gn_test_lookups *f)
{
    pthread_mutex_lock(&f->lock);
    while (!f->has_ended)
        pthread_cond_wait(&f->ended, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

static void got_ip(struct gn_lookup *lookup, int status,
                   const struct gn_answer *answers, size_t n, void *arg)
{
    struct gn_test_lookups *f = arg;
    char one[GN_ADDR_TEXT_MAX];
    size_t i, at = 0;

    (void)lookup;
    for (i = 0; i < n && at < sizeof(f->text) - 64; i++) {
        assert_int_equal(
            gn_addr_format((const struct sockaddr *)&answers[i].addr, one,
                           sizeof(one)),
            0);
        at += (size_t)snprintf(f->text + at, sizeof(f->text) - at, "%s%s/%u",
                               i ? " " : "", one, (unsigned)answers[i].ttl_s);
    }
    end(f, status);
}

const char *gn_test_look(struct gn_test_lookups *f, const char *proto,
                         const char *host)
{
    begin(f);
    assert_int_equal(gn_lookup(f->guest, proto, host, got_ip, f, NULL), 0);
    finish(f);
    return f->text;
}

static void got_name(struct gn_lookup *lookup, int status, const char *name,
                     void *arg)
{
    struct gn_test_lookups *f = arg;

    (void)lookup;
    if (!status)
        snprintf(f->text, sizeof(f->text), "%s", name);
    end(f, status);
}

const char *gn_test_look_back(struct gn_test_lookups *f, const char *address)
{
    struct sockaddr_storage addr;

    assert_int_equal(gn_addr_parse(address, &addr, NULL), 0);
    begin(f);
    assert_int_equal(
        gn_lookup_addr(f->guest, (struct sockaddr *)&addr, got_name, f, NULL),
        0);
    finish(f);
    return f->text;
}

static void got_message(struct gn_lookup *lookup, int status,
                        const void *message, size_t len, void *arg)
{
    struct gn_test_lookups *f = arg;

    (void)lookup;
    f->found = !status && memmem(message, len, f->wanted, f->wanted_len);
    end(f, status);
}

bool gn_test_query_finds(struct gn_test_lookups *f, const char *name,
                         uint16_t type, const void *bytes, size_t len)
{
    begin(f);
    f->wanted = bytes;
    f->wanted_len = len;
    assert_int_equal(
        gn_lookup_query(f->guest, name, type, got_message, f, NULL), 0);
    finish(f);
    return f->found;
}
