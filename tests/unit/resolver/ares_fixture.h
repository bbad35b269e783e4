/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_RESOLVER_ARES_FIXTURE_H
#define TESTS_UNIT_RESOLVER_ARES_FIXTURE_H

/*
 * A resolver of gn_resolver_ares(), a DNS server that answers what the test
 * wants, and lookups from one to the other. The test is the driving thread.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "resolver/resolver.h"
#include "tests/lib/dnsd.h"
#include "tests/lib/pollio.h"

/* Longer than anything here takes, but no reason to wait. */
#define SOON_MS 20000

struct fixture {
    struct gn_test_pollio pollio;
    struct gn_test_dnsd dnsd;
    struct gn_resolver *resolver;
    struct gn__lookup_home home;
    const char *servers[4];
};

/* A lookup, and what it ended with. */
struct ask {
    struct fixture *f;
    struct gn_lookup lookup;
    bool ended;
    int status;
};

static bool always(struct gn__lookup_home *home)
{
    (void)home;
    return true;
}

static inline void answer_nothing(const struct gn_test_ask *ask, void *arg)
{
    (void)ask, (void)arg;
}

static inline int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    gn_test_pollio_init(&f->pollio);
    gn_test_dnsd_init(&f->dnsd, &f->pollio, answer_nothing, f);
    f->home.io = &f->pollio.turns.io;
    f->home.mem = &f->pollio.mem;
    f->home.is_driving = always;
    f->servers[0] = f->dnsd.address;
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    gn_test_dnsd_done(&f->dnsd);
    gn_test_pollio_done(&f->pollio);
    gn_resolver_close(f->resolver);
    free(f);
    return 0;
}

/* The resolver, by a configuration whose servers are those of the fixture. */
static inline void start(struct fixture *f, struct gn_ares_config config,
                         void (*answer)(const struct gn_test_ask *, void *))
{
    char why[128] = "";

    config.size = sizeof(config);
    config.servers = f->servers;
    config.why = why;
    config.why_len = sizeof(why);
    if (gn_resolver_ares(&config, &f->resolver))
        fail_msg("%s", why);
    f->dnsd.answer = answer;
}

static inline void ended(struct gn_lookup *lookup)
{
    struct ask *ask = gn__container_of(lookup, struct ask, lookup);

    ask->status = lookup->result.status;
    ask->ended = true;
}

static inline void begin(struct fixture *f, struct ask *ask,
                         const struct gn__question *question)
{
    ask->f = f;
    ask->ended = false;
    ask->status = 1;
    gn__lookup_init(&ask->lookup, &f->home, question);
    ask->lookup.ended = ended;
    gn__lookup_start(&ask->lookup, f->resolver);
}

static inline void begin_ip(struct fixture *f, struct ask *ask,
                            const char *proto, const char *name)
{
    begin(f, ask,
          &(struct gn__question){
              .kind = GN_QUERY_IP, .proto = proto, .name = name});
}

static inline int finish(struct ask *ask)
{
    assert_true(gn_test_pollio_until(&ask->f->pollio, &ask->ended, SOON_MS));
    return ask->status;
}

/* The status; the result stays in the ask until gn__lookup_done(). */
static inline int look_up(struct fixture *f, struct ask *ask, const char *proto,
                          const char *name)
{
    begin_ip(f, ask, proto, name);
    return finish(ask);
}

/* The same where nothing but the status matters. */
static inline int status_of(struct fixture *f, const char *name)
{
    struct ask ask;
    int status = look_up(f, &ask, "ip4", name);

    gn__lookup_done(&ask.lookup);
    return status;
}

static inline void assert_answer(const struct ask *ask, size_t i,
                                 const char *address, uint32_t ttl_s)
{
    const struct gn_answer *answer = &ask->lookup.result.answers[i];
    char text[GN_ADDR_TEXT_MAX];

    assert_true(i < ask->lookup.result.n);
    assert_int_equal(gn_addr_format((const struct sockaddr *)&answer->addr,
                                    text, sizeof(text)),
                     0);
    assert_string_equal(text, address);
    assert_int_equal(answer->ttl_s, ttl_s);
}

static inline struct gn_ares_stats stats_of(const struct fixture *f)
{
    struct gn_ares_stats stats;

    assert_int_equal(gn_resolver_ares_stats(f->resolver, &stats), 0);
    return stats;
}

/* Sockets that c-ares has open: all that are watched but the server's own. */
static inline unsigned n_sockets(const struct fixture *f)
{
    unsigned i, n = f->pollio.n_watches - 2;

    for (i = 0; i < GN_TEST_DNSD_CONNS; i++)
        n -= f->dnsd.conns[i].fd >= 0;
    return n;
}

#endif /* TESTS_UNIT_RESOLVER_ARES_FIXTURE_H */
