/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A lookup and a resolver of the test's own that answers when it is told to:
 * exactly once, never from inside its answer, also from another thread; and
 * resolvers that ask others, chain and fault, on top of it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/lib/asker.h"
#include "tests/lib/case.h"

/** What the resolver does with a question. */
enum manner { WAITS, ANSWERS, FAILS, THREAD };

struct hand {
    enum manner manner;
    int status;
    const char *address;
    struct gn_lookup *asked; /* the question that waits */
    int questions;
    int cancels;
    int closes;
    pthread_t thread;
};

static void answer(struct hand *hand, struct gn_lookup *lookup)
{
    struct gn_answer one = {.ttl_s = 3};

    assert_int_equal(gn_addr_parse(hand->address, &one.addr, NULL), 0);
    gn_lookup_done_ip(lookup, hand->status, &one, 1, "Canon.Test");
}

static void *answer_there(void *arg)
{
    struct hand *hand = arg;

    answer(hand, hand->asked);
    return NULL;
}

static int hand_ip(void *self, struct gn_lookup *lookup, const char *proto,
                   const char *host)
{
    struct hand *hand = self;

    (void)proto;
    (void)host;
    hand->questions++;
    switch (hand->manner) {
    case ANSWERS:
        answer(hand, lookup);
        return 0;
    case FAILS:
        return hand->status;
    default:
        hand->asked = lookup;
        if (hand->manner == THREAD)
            assert_int_equal(
                pthread_create(&hand->thread, NULL, answer_there, hand), 0);
        return 0;
    }
}

static void hand_cancel(void *self, struct gn_lookup *lookup)
{
    struct hand *hand = self;

    assert_ptr_equal(lookup, hand->asked);
    hand->cancels++;
    hand->asked = NULL;
}

static void hand_close(void *self)
{
    struct hand *hand = self;

    hand->closes++;
}

static const struct gn_resolver_ops ops = {.size = sizeof(ops),
                                           .name = "hand",
                                           .lookup_ip = hand_ip,
                                           .cancel = hand_cancel,
                                           .close = hand_close};

struct fixture {
    struct asker asker;
    struct hand hand[2];
    struct gn_resolver *by_hand[2];
};

static int setup(void **state)
{
    static struct fixture f;
    size_t i;

    memset(&f, 0, sizeof(f));
    asker_init(&f.asker);
    for (i = 0; i < 2; i++) {
        f.hand[i].address = i ? "10.0.0.2" : "10.0.0.1";
        assert_int_equal(
            gn__resolver_create(&f.asker.mem, &ops, &f.hand[i], &f.by_hand[i]),
            0);
    }
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    size_t i;

    for (i = 0; i < 2; i++) {
        gn_resolver_close(f->by_hand[i]);
        assert_int_equal(f->hand[i].closes, 1);
    }
    asker_done(&f->asker);
    return 0;
}

static const struct gn__question question = {.kind = GN_QUERY_IP,
                                             .proto = "ip",
                                             .name = "a.test"};

/* ---- the lookup ---- */

static void an_answer_inside_the_question_ends_it_with_it(void **state)
{
    struct fixture *f = *state;

    f->hand[0].manner = ANSWERS;
    asker_start(&f->asker, f->by_hand[0], &question);
    assert_true(f->asker.over);
    assert_string_equal(f->asker.said, "10.0.0.1/3");
}

static void a_later_answer_ends_it_on_a_turn_of_its_own(void **state)
{
    struct fixture *f = *state;

    asker_start(&f->asker, f->by_hand[0], &question);
    answer(&f->hand[0], f->hand[0].asked);
    assert_false(f->asker.over);
    asker_pass(&f->asker, 0);
    assert_true(f->asker.over);
    assert_string_equal(f->asker.said, "10.0.0.1/3");
}

static void the_first_answer_counts(void **state)
{
    struct fixture *f = *state;

    asker_start(&f->asker, f->by_hand[0], &question);
    gn_lookup_done_ip(f->hand[0].asked, GN_EAI_AGAIN, NULL, 0, NULL);
    answer(&f->hand[0], f->hand[0].asked);
    asker_pass(&f->asker, 0);
    assert_string_equal(f->asker.said, "-3001");
}

static void an_error_of_the_operation_is_the_answer(void **state)
{
    struct fixture *f = *state;

    f->hand[0].manner = FAILS;
    f->hand[0].status = GN_EAI_FAIL;
    assert_string_equal(asker_ip(&f->asker, f->by_hand[0], "ip", "a"), "-3004");
    assert_string_equal(asker_port(&f->asker, f->by_hand[0], "tcp", "a"),
                        "-3010");
    assert_string_equal(asker_addr(&f->asker, f->by_hand[0], "10.0.0.1"),
                        "-3008");
    assert_string_equal(asker_query(&f->asker, f->by_hand[0], "a", 15),
                        "-3007");
}

static void cancelling_tells_the_resolver_once(void **state)
{
    struct fixture *f = *state;

    asker_start(&f->asker, f->by_hand[0], &question);
    asker_cancel(&f->asker);
    asker_cancel(&f->asker);
    assert_int_equal(f->hand[0].cancels, 1);
    asker_pass(&f->asker, 1);
    assert_false(f->asker.over);
}

static void cancelling_after_the_answer_tells_no_user(void **state)
{
    struct fixture *f = *state;

    asker_start(&f->asker, f->by_hand[0], &question);
    answer(&f->hand[0], f->hand[0].asked);
    asker_cancel(&f->asker);
    assert_int_equal(f->hand[0].cancels, 0);
    asker_pass(&f->asker, 1);
    assert_false(f->asker.over);
}

static void what_was_not_asked_for_is_left_out(void **state)
{
    struct gn_answer answers[4];
    struct fixture *f = *state;
    struct gn__question v6 = question;

    memset(answers, 0, sizeof(answers));
    assert_int_equal(gn_addr_parse("10.0.0.1", &answers[0].addr, NULL), 0);
    assert_int_equal(gn_addr_parse("[fd00::1]:80", &answers[1].addr, NULL), 0);
    assert_int_equal(gn_addr_parse("::1", &answers[2].addr, NULL), 0);
    memcpy(((struct sockaddr_in6 *)&answers[2].addr)->sin6_addr.s6_addr,
           "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16);
    answers[3].addr.ss_family = AF_UNIX;
    v6.proto = "ip6";
    asker_start(&f->asker, f->by_hand[0], &v6);
    gn_lookup_done_ip(f->hand[0].asked, 0, answers, 4, "not a name");
    asker_pass(&f->asker, 0);
    assert_string_equal(f->asker.said, "fd00::1/0");
    asker_start(&f->asker, f->by_hand[0], &v6);
    gn_lookup_done_ip(f->hand[0].asked, 0, answers, 1, NULL);
    asker_pass(&f->asker, 0);
    assert_string_equal(f->asker.said, "-3007");
}

static void an_answer_of_another_kind_is_a_failure(void **state)
{
    struct fixture *f = *state;

    asker_start(&f->asker, f->by_hand[0], &question);
    gn_lookup_done_port(f->hand[0].asked, 0, 80);
    asker_pass(&f->asker, 0);
    assert_string_equal(f->asker.said, "-3004");
}

static void another_thread_may_answer(void **state)
{
    struct fixture *f = *state;
    int i;

    f->hand[0].manner = THREAD;
    for (i = 0; i < 100; i++) {
        asker_start(&f->asker, f->by_hand[0], &question);
        while (!f->asker.over)
            asker_pass(&f->asker, 1);
        assert_int_equal(pthread_join(f->hand[0].thread, NULL), 0);
        assert_string_equal(f->asker.said, "10.0.0.1/3");
    }
}

static void memory_for_the_answer_may_be_missing(void **state)
{
    struct fixture *f = *state;

    asker_start(&f->asker, f->by_hand[0], &question);
    gn_test_heap_fail_at(&f->asker.heap, 0, true);
    answer(&f->hand[0], f->hand[0].asked);
    gn_test_heap_fail_at(&f->asker.heap, GN_TEST_HEAP_NEVER, false);
    asker_pass(&f->asker, 0);
    assert_string_equal(f->asker.said, "-12");
}

static void a_resolver_needs_its_operations(void **state)
{
    struct gn_resolver_ops bad = ops;
    struct gn_resolver *r = NULL;

    (void)state;
    bad.cancel = NULL;
    assert_int_equal(gn_resolver_create(&bad, NULL, &r), -EINVAL);
    bad = ops;
    bad.lookup_ip = NULL;
    assert_int_equal(gn_resolver_create(&bad, NULL, &r), -EINVAL);
    bad = ops;
    bad.size = 0;
    assert_int_equal(gn_resolver_create(&bad, NULL, &r), -EINVAL);
    assert_int_equal(gn_resolver_create(NULL, NULL, &r), -EINVAL);
    assert_null(r);
    gn_resolver_close(NULL);
}

/* ---- the chain ---- */

static struct gn_resolver *chain_of(struct fixture *f)
{
    struct gn_resolver *list[] = {f->by_hand[0], f->by_hand[1], NULL};
    struct gn_resolver_chain_config config = {.size = sizeof(config),
                                              .resolvers = list,
                                              .alloc = &f->asker.heap.alloc};
    struct gn_resolver *chain;

    assert_int_equal(gn_resolver_chain(&config, &chain), 0);
    return chain;
}

static void the_first_that_knows_answers(void **state)
{
    static const struct {
        enum manner manner;
        int status;
        const char *said;
        int second; /* was asked so often */
    } firsts[] = {
        {ANSWERS, 0, "10.0.0.1/3", 0},
        {FAILS, GN_EAI_NONAME, "10.0.0.2/3", 1},
        {ANSWERS, GN_EAI_NONAME, "10.0.0.2/3", 1},
        {FAILS, GN_EAI_NODATA, "-3007", 0},
        {FAILS, GN_EAI_AGAIN, "-3001", 0},
        {FAILS, GN_EAI_FAIL, "-3004", 0},
        {FAILS, -ETIMEDOUT, "-110", 0},
    };
    struct fixture *f = *state;
    struct gn_resolver *chain = chain_of(f);
    size_t i;

    f->hand[1].manner = ANSWERS;
    for (i = 0; i < sizeof(firsts) / sizeof(*firsts); i++) {
        f->hand[0].manner = firsts[i].manner;
        f->hand[0].status = firsts[i].status;
        f->hand[1].questions = 0;
        assert_string_equal(asker_ip(&f->asker, chain, "ip", "a"),
                            firsts[i].said);
        assert_int_equal(f->hand[1].questions, firsts[i].second);
    }
    f->hand[0].manner = f->hand[1].manner = FAILS;
    f->hand[0].status = f->hand[1].status = GN_EAI_NONAME;
    assert_string_equal(asker_ip(&f->asker, chain, "ip", "a"), "-3008");
    assert_string_equal(asker_query(&f->asker, chain, "a", 15), "-3007");
    gn_resolver_close(chain);
}

static void a_chain_passes_on_what_belongs_to_the_name(void **state)
{
    struct gn_answer answer = {.addr.ss_family = AF_INET};
    struct gn__question absolute = question;
    struct fixture *f = *state;
    struct gn_resolver *chain = chain_of(f);

    absolute.is_absolute = true;
    asker_start(&f->asker, chain, &absolute);
    assert_true(gn_lookup_is_absolute(f->hand[0].asked));
    gn_lookup_set_searched(f->hand[0].asked, "a.searched.test.");
    gn_lookup_done_ip(f->hand[0].asked, 0, &answer, 1, NULL);
    asker_pass(&f->asker, 0);
    assert_true(f->asker.over);
    assert_string_equal(f->asker.lookup.searched, "a.searched.test");
    gn_resolver_close(chain);
}

static void a_chain_is_cancelled_at_any_member(void **state)
{
    struct fixture *f = *state;
    struct gn_resolver *chain = chain_of(f);

    asker_start(&f->asker, chain, &question);
    asker_cancel(&f->asker);
    assert_int_equal(f->hand[0].cancels, 1);
    asker_start(&f->asker, chain, &question);
    gn_lookup_done_ip(f->hand[0].asked, GN_EAI_NONAME, NULL, 0, NULL);
    asker_cancel(&f->asker); /* between two */
    asker_start(&f->asker, chain, &question);
    gn_lookup_done_ip(f->hand[0].asked, GN_EAI_NONAME, NULL, 0, NULL);
    asker_pass(&f->asker, 0);
    asker_cancel(&f->asker);
    assert_int_equal(f->hand[0].cancels, 1);
    assert_int_equal(f->hand[1].cancels, 1);
    gn_resolver_close(chain);
}

static void a_chain_has_1_to_16_members(void **state)
{
    struct gn_resolver *list[18] = {NULL};
    struct gn_resolver_chain_config config = {.size = sizeof(config),
                                              .resolvers = list};
    struct fixture *f = *state;
    struct gn_resolver *chain = NULL;
    size_t i;

    assert_int_equal(gn_resolver_chain(&config, &chain), -EINVAL);
    assert_int_equal(gn_resolver_chain(NULL, &chain), -EINVAL);
    for (i = 0; i < 17; i++)
        list[i] = f->by_hand[0];
    assert_int_equal(gn_resolver_chain(&config, &chain), -EINVAL);
    list[16] = NULL;
    assert_int_equal(gn_resolver_chain(&config, &chain), 0);
    f->hand[0].manner = FAILS;
    f->hand[0].status = GN_EAI_NONAME;
    assert_string_equal(asker_ip(&f->asker, chain, "ip", "a"), "-3008");
    assert_int_equal(f->hand[0].questions, 16);
    gn_resolver_close(chain);
}

/* ---- faults ---- */

static struct gn_resolver *faults_of(struct fixture *f,
                                     const struct gn_fault_rule *rules,
                                     size_t n)
{
    struct gn_resolver_fault_config config = {.size = sizeof(config),
                                              .inner = f->by_hand[0],
                                              .rules = rules,
                                              .n_rules = n,
                                              .seed = 7,
                                              .alloc = &f->asker.heap.alloc};
    struct gn_resolver *faults;

    f->hand[0].manner = ANSWERS;
    assert_int_equal(gn_resolver_fault(&config, &faults), 0);
    return faults;
}

static void faults_are_by_name(void **state)
{
    static const struct gn_fault_rule rules[] = {
        {.pattern = "fail.test", .fault = GN_FAULT_SERVFAIL},
        {.pattern = "gone.test", .fault = GN_FAULT_NXDOMAIN},
        {.pattern = "*.empty.test", .fault = GN_FAULT_EMPTY},
        {.pattern = "hang.test", .fault = GN_FAULT_HANG},
        {.pattern = "10.0.0.7", .fault = GN_FAULT_SERVFAIL},
    };
    struct fixture *f = *state;
    struct gn_resolver *faults = faults_of(f, rules, 5);
    struct asker *a = &f->asker;

    assert_string_equal(asker_ip(a, faults, "ip", "fail.test"), "-3001");
    assert_string_equal(asker_ip(a, faults, "ip", "GONE.test"), "-3008");
    assert_string_equal(asker_ip(a, faults, "ip", "a.empty.test"), "-3007");
    assert_string_equal(asker_ip(a, faults, "ip", "hang.test"), "nothing");
    assert_string_equal(asker_ip(a, faults, "ip", "good.test"), "10.0.0.1/3");
    assert_string_equal(asker_addr(a, faults, "10.0.0.7"), "-3001");
    assert_string_equal(asker_addr(a, faults, "10.0.0.8"), "-3008");
    assert_int_equal(f->hand[0].questions, 1);
    gn_resolver_close(faults);
}

static void delays_take_their_time(void **state)
{
    static const struct gn_fault_rule rules[] = {
        {.pattern = "slow.test", .delay_ms = 250},
        {.pattern = "dead.test", .fault = GN_FAULT_SERVFAIL, .delay_ms = 30},
    };
    struct fixture *f = *state;
    struct gn_resolver *faults = faults_of(f, rules, 2);
    struct asker *a = &f->asker;
    uint64_t began = a->now;

    assert_string_equal(asker_ip(a, faults, "ip", "slow.test"), "10.0.0.1/3");
    assert_int_equal(a->now - began, 250 * ASKER_MS);
    began = a->now;
    assert_string_equal(asker_ip(a, faults, "ip", "dead.test"), "-3001");
    assert_int_equal(a->now - began, 30 * ASKER_MS);
    gn_resolver_close(faults);
}

static void addresses_take_turns(void **state)
{
    static const char *const addresses[] = {"10.1.0.1", "fd00::1", "10.1.0.2",
                                            NULL};
    static const struct gn_fault_rule rule = {.pattern = "*",
                                              .fault = GN_FAULT_ROTATE,
                                              .addresses = addresses,
                                              .ttl_s = 5};
    struct fixture *f = *state;
    struct gn_resolver *faults = faults_of(f, &rule, 1);
    struct asker *a = &f->asker;

    assert_string_equal(asker_ip(a, faults, "ip", "a"), "10.1.0.1/5");
    assert_string_equal(asker_ip(a, faults, "ip", "a"), "fd00::1/5");
    assert_string_equal(asker_ip(a, faults, "ip", "a"), "10.1.0.2/5");
    assert_string_equal(asker_ip(a, faults, "ip", "a"), "10.1.0.1/5");
    assert_string_equal(asker_ip(a, faults, "ip4", "a"), "10.1.0.2/5");
    assert_string_equal(asker_port(a, faults, "tcp", "a"), "-3010");
    gn_resolver_close(faults);
}

static void rules_skip_and_count(void **state)
{
    static const struct gn_fault_rule rule = {
        .pattern = "a", .fault = GN_FAULT_SERVFAIL, .skip = 1, .count = 2};
    static const char *const said[] = {"10.0.0.1/3", "-3001", "-3001",
                                       "10.0.0.1/3"};
    struct fixture *f = *state;
    struct gn_resolver *faults = faults_of(f, &rule, 1);
    size_t i;

    for (i = 0; i < 4; i++)
        assert_string_equal(asker_ip(&f->asker, faults, "ip", "a"), said[i]);
    gn_resolver_close(faults);
}

static unsigned failures_of(struct fixture *f, uint32_t ppm)
{
    struct gn_fault_rule rule = {
        .pattern = "a", .fault = GN_FAULT_SERVFAIL, .probability_ppm = ppm};
    struct gn_resolver *faults = faults_of(f, &rule, 1);
    unsigned i, n = 0;

    for (i = 0; i < 1000; i++)
        n += *asker_ip(&f->asker, faults, "ip", "a") == '-';
    gn_resolver_close(faults);
    return n;
}

static void chance_follows_the_seed(void **state)
{
    struct fixture *f = *state;
    unsigned n = failures_of(f, 250000);

    assert_in_range(n, 180, 320);
    assert_int_equal(failures_of(f, 250000), n);
    assert_int_equal(failures_of(f, 1000000), 1000);
}

static void rules_can_be_changed(void **state)
{
    static const struct gn_fault_rule before = {.pattern = "*",
                                                .fault = GN_FAULT_NXDOMAIN};
    static const struct gn_fault_rule wrong = {.pattern = "a b"};
    struct fixture *f = *state;
    struct gn_resolver *faults = faults_of(f, &before, 1);
    struct asker *a = &f->asker;

    assert_string_equal(asker_ip(a, faults, "ip", "a"), "-3008");
    assert_int_equal(gn_resolver_fault_set(faults, &wrong, 1), -EINVAL);
    assert_string_equal(asker_ip(a, faults, "ip", "a"), "-3008");
    assert_int_equal(gn_resolver_fault_set(faults, NULL, 0), 0);
    assert_string_equal(asker_ip(a, faults, "ip", "a"), "10.0.0.1/3");
    assert_int_equal(gn_resolver_fault_set(f->by_hand[0], NULL, 0), -EINVAL);
    assert_int_equal(gn_resolver_static_add(faults, "a", "10.0.0.1", 0),
                     -EINVAL);
    gn_resolver_close(faults);
}

static void faults_are_cancelled_at_every_step(void **state)
{
    static const struct gn_fault_rule rules[] = {
        {.pattern = "slow", .delay_ms = 1000},
        {.pattern = "hang", .fault = GN_FAULT_HANG},
    };
    struct fixture *f = *state;
    struct gn_resolver *faults = faults_of(f, rules, 2);
    struct gn__question q = question;

    f->hand[0].manner = WAITS;
    q.name = "slow";
    asker_start(&f->asker, faults, &q); /* during the delay */
    asker_cancel(&f->asker);
    asker_start(&f->asker, faults, &q); /* while the inner one is asked */
    asker_pass(&f->asker, 1001 * ASKER_MS);
    asker_cancel(&f->asker);
    assert_int_equal(f->hand[0].cancels, 1);
    q.name = "hang";
    asker_start(&f->asker, faults, &q);
    asker_cancel(&f->asker);
    gn_resolver_close(faults);
}

static void wrong_rules_are_explained(void **state)
{
    static const char *const none[] = {NULL};
    static const char *const bad[] = {"10.0.0.1", "x", NULL};
    const struct {
        struct gn_fault_rule rule;
        const char *why;
    } rules[] = {
        {{.pattern = NULL},
         "rule 0: pattern \"\" is not \"db.test\", \"*.test\" or \"*\""},
        {{.pattern = "a", .fault = GN_N_FAULTS},
         "rule 0: no such fault, or a probability above a million"},
        {{.pattern = "a", .probability_ppm = 1000001},
         "rule 0: no such fault, or a probability above a million"},
        {{.pattern = "a", .fault = GN_FAULT_ROTATE},
         "rule 0: 0 addresses, not 1 to 64"},
        {{.pattern = "a", .fault = GN_FAULT_ROTATE, .addresses = none},
         "rule 0: 0 addresses, not 1 to 64"},
        {{.pattern = "a", .fault = GN_FAULT_ROTATE, .addresses = bad},
         "rule 0: \"x\" is not an address such as 10.0.0.1"},
    };
    struct fixture *f = *state;
    struct gn_resolver *faults = NULL;
    char why[200];
    size_t i;

    for (i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
        struct gn_resolver_fault_config config = {.size = sizeof(config),
                                                  .inner = f->by_hand[0],
                                                  .rules = &rules[i].rule,
                                                  .n_rules = 1,
                                                  .alloc = &f->asker.heap.alloc,
                                                  .why = why,
                                                  .why_len = sizeof(why)};

        assert_int_equal(gn_resolver_fault(&config, &faults), -EINVAL);
        assert_string_equal(why, rules[i].why);
    }
    assert_int_equal(gn_resolver_fault(NULL, &faults), -EINVAL);
    assert_null(faults);
}

/* A chain of faults over a list, asked once, as long as memory lasts. */
static int whole_life(struct gn_test_heap *heap, void *arg)
{
    static const char *const addresses[] = {"10.1.0.1", NULL};
    static const struct gn_fault_rule rules[] = {
        {.pattern = "a", .delay_ms = 5},
        {.pattern = "b", .fault = GN_FAULT_ROTATE, .addresses = addresses}};
    struct gn_resolver_static_config names = {
        .size = sizeof(names), .hosts = "10.0.0.1 a", .alloc = &heap->alloc};
    struct gn_resolver_fault_config fault = {.size = sizeof(fault),
                                             .rules = rules,
                                             .n_rules = 2,
                                             .alloc = &heap->alloc};
    struct gn_resolver *list[3] = {NULL};
    struct gn_resolver_chain_config chain = {
        .size = sizeof(chain), .resolvers = list, .alloc = &heap->alloc};
    struct gn_resolver *top = NULL;
    struct asker *asker = arg;
    int err;

    gn__mem_init(&asker->mem, &heap->alloc);
    err = gn_resolver_static(&names, &fault.inner);
    if (!err)
        err = gn_resolver_fault(&fault, &list[0]);
    if (!err)
        err = gn_resolver_chain(&chain, &top);
    if (!err)
        err = atoi(asker_ip(asker, top, "ip", "a")) == -ENOMEM ? -ENOMEM : 0;
    if (!err)
        err = gn_resolver_fault_set(list[0], rules, 1);
    gn_resolver_close(top);
    gn_resolver_close(list[0]);
    gn_resolver_close(fault.inner);
    return err;
}

static void running_out_of_memory_leaves_nothing(void **state)
{
    struct fixture *f = *state;

    assert_true(gn_test_heap_sweep(whole_life, &f->asker) > 10);
    gn__mem_init(&f->asker.mem, &f->asker.heap.alloc);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(an_answer_inside_the_question_ends_it_with_it),
        CASE(a_later_answer_ends_it_on_a_turn_of_its_own),
        CASE(the_first_answer_counts),
        CASE(an_error_of_the_operation_is_the_answer),
        CASE(cancelling_tells_the_resolver_once),
        CASE(cancelling_after_the_answer_tells_no_user),
        CASE(what_was_not_asked_for_is_left_out),
        CASE(an_answer_of_another_kind_is_a_failure),
        CASE(another_thread_may_answer),
        CASE(memory_for_the_answer_may_be_missing),
        CASE(a_resolver_needs_its_operations),
        CASE(the_first_that_knows_answers),
        CASE(a_chain_passes_on_what_belongs_to_the_name),
        CASE(a_chain_is_cancelled_at_any_member),
        CASE(a_chain_has_1_to_16_members),
        CASE(faults_are_by_name),
        CASE(delays_take_their_time),
        CASE(addresses_take_turns),
        CASE(rules_skip_and_count),
        CASE(chance_follows_the_seed),
        CASE(rules_can_be_changed),
        CASE(faults_are_cancelled_at_every_step),
        CASE(wrong_rules_are_explained),
        CASE(running_out_of_memory_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
