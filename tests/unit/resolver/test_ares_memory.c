/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Out of memory at every allocation that is ours. They are the C library's (the
 * linker's --wrap gets in between), as are c-ares' own; but those must not
 * fail: c-ares 1.34.5 would leak, and use what it has freed
 * (docs/decisions/0014).
 */
#include "tests/unit/resolver/ares_fixture.h"

#include <stdint.h>

#include "tests/lib/case.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *s);
void __wrap_free(void *p);

static struct {
    uint64_t n;       /* allocations since the start */
    uint64_t fail_at; /* the one that fails */
    bool fail_all;    /* and all behind it */
    int64_t n_live;
} heap = {.fail_at = UINT64_MAX};

static bool may_not(void)
{
    uint64_t i = heap.n++;

    return i == heap.fail_at || (heap.fail_all && i > heap.fail_at);
}

/* c-ares calls malloc() and realloc(), which work. */
void *__wrap_malloc(size_t size)
{
    void *p = __real_malloc(size);

    heap.n_live += p != NULL;
    return p;
}

void *__wrap_realloc(void *p, size_t size)
{
    void *new = __real_realloc(p, size);

    heap.n_live += new && !p;
    return new;
}

/* We call these. */
void *__wrap_calloc(size_t n, size_t size)
{
    void *p = may_not() ? NULL : __real_calloc(n, size);

    heap.n_live += p != NULL;
    return p;
}

char *__wrap_strdup(const char *s)
{
    size_t len = strlen(s) + 1;
    char *copy = __wrap_calloc(1, len);

    if (copy)
        memcpy(copy, s, len);
    return copy;
}

void __wrap_free(void *p)
{
    heap.n_live -= p != NULL;
    __real_free(p);
}

static void answer(const struct gn_test_ask *ask, void *arg)
{
    struct gn_test_dns dns;

    (void)arg;
    gn_test_dns_begin(&dns, ask, 0);
    if (ask->conn < 0 && ask->type == GN_TEST_DNS_TXT)
        gn_test_dns_truncate(&dns);
    else if (ask->type == GN_TEST_DNS_TXT)
        gn_test_dns_add(&dns, NULL, GN_TEST_DNS_TXT, 60, "\5hello", 6);
    else if (ask->type == GN_TEST_DNS_PTR)
        gn_test_dns_add_name(&dns, NULL, GN_TEST_DNS_PTR, 60, "web.test");
    else if (ask->type == GN_TEST_DNS_A)
        gn_test_dns_add_a(&dns, NULL, 60, "192.0.2.1");
    else
        gn_test_dns_add_aaaa(&dns, NULL, 60, "2001:db8::1");
    gn_test_dnsd_send(ask, &dns);
}

static void ask_one(struct fixture *f, const struct gn__question *question)
{
    struct ask ask;

    begin(f, &ask, question);
    (void)finish(&ask);
    assert_true(ask.status <= 0);
    gn__lookup_done(&ask.lookup);
}

static int make(struct fixture *f)
{
    static const char *const search[] = {"one.test", NULL};
    struct gn_ares_config config = {
        .size = sizeof(config),
        .servers = f->servers,
        .search = search,
        .hosts_file = "/nowhere/hosts",
        .tries = 1,
        .timeout_ms = 250,
    };

    f->dnsd.answer = answer;
    return gn_resolver_ares(&config, &f->resolver);
}

/* Everything, from nothing to nothing. */
static void run(struct fixture *f)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    int err = make(f);

    if (err) {
        assert_int_equal(err, -ENOMEM);
        return;
    }
    ask_one(f, &(struct gn__question){
                   .kind = GN_QUERY_IP, .proto = "ip", .name = "web"});
    ask_one(f, &(struct gn__question){.kind = GN_QUERY_ADDR,
                                      .addr = (struct sockaddr *)&addr});
    ask_one(f, &(struct gn__question){.kind = GN_QUERY_RECORD,
                                      .name = "text.test",
                                      .type = GN_TEST_DNS_TXT});
    gn__io_done(&f->pollio.turns.io);
    gn_resolver_close(f->resolver);
    f->resolver = NULL;
}

static uint64_t run_failing(struct fixture *f, uint64_t at, bool all)
{
    int64_t live = heap.n_live;

    heap.n = 0;
    heap.fail_at = at;
    heap.fail_all = all;
    run(f);
    heap.fail_at = UINT64_MAX;
    heap.fail_all = false;
    assert_int_equal(heap.n_live, live);
    return heap.n;
}

static void sweep(struct fixture *f, bool all)
{
    uint64_t at, n;

    for (at = 0; (n = run_failing(f, at, all)) > at; at++)
        ;
    printf("%u allocations\n", (unsigned)n);
    assert_true(n > 8);
}

static void each_allocation_may_fail(void **state)
{
    sweep(*state, false);
}

static void and_all_behind_it(void **state)
{
    sweep(*state, true);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE_OF(fixture, each_allocation_may_fail),
        CASE_OF(fixture, and_all_behind_it),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
