/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a DNS server answers. The first byte says what is asked, and whether the
 * question is repeated in the answer; then come the flags and the counts of the
 * answer's head (RFC 1035 section 4.1.1), and then the rest of it. Whatever is
 * answered, a lookup ends at most once, and with what can be: addresses of the
 * version that was asked for, names that are some, messages.
 */
#include "tests/fuzz/check.h"
#include "tests/unit/resolver/ares_fixture.h"

enum {
    KINDS = 8,        /* in the first byte */
    REPEAT = 1 << 3,  /* the question */
    HEAD_LEN = 10,    /* without the id */
    ANSWER_MAX = 4096 /* of the input */
};

/* In turns: a question, its answer, and the same by TCP. */
#define TURNS 40u

struct input {
    const uint8_t *data;
    size_t len;
    bool repeats;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where the question ends; there is one, and c-ares wrote it. */
static size_t question_end(const struct gn_test_ask *ask)
{
    size_t at = 12;

    while (at < ask->len && ask->message[at])
        at += ask->message[at] + 1u;
    return at + 5;
}

static void answer(const struct gn_test_ask *ask, void *arg)
{
    const struct input *input = arg;
    size_t head = input->len < HEAD_LEN ? input->len : HEAD_LEN;
    size_t at = 2 + head, len = question_end(ask) - 12;
    uint8_t framed[2 + 2 + ANSWER_MAX + 512], *message = framed + 2;

    memcpy(message, ask->message, 2);
    memcpy(message + 2, input->data, head);
    if (input->repeats && head == HEAD_LEN) {
        memcpy(message + at, ask->message + 12, len);
        at += len;
    }
    memcpy(message + at, input->data + head, input->len - head);
    at += input->len - head;
    framed[0] = (uint8_t)(at >> 8);
    framed[1] = (uint8_t)at;
    if (ask->conn < 0)
        gn_test_dnsd_send_raw(ask, message, at);
    else
        gn_test_dnsd_send_raw(ask, framed, at + 2);
}

static struct fixture *fixture_get(void)
{
    static struct fixture *f;
    void *state;

    if (f)
        return f;
    CHECK(fixture_setup(&state) == 0);
    f = state;
    start(f,
          (struct gn_ares_config){
              .tries = 1, .timeout_ms = 250, .flags = GN_ARES_NO_CACHE},
          answer);
    return f;
}

static const struct gn__question *question(unsigned kind)
{
    static const struct sockaddr_in v4 = {.sin_family = AF_INET,
                                          .sin_addr.s_addr = 0x080200c0};
    static const struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_addr.s6_addr = {0x20, 1, 0xd, 0xb8}};
    static struct gn__question questions[KINDS] = {
        {.kind = GN_QUERY_IP, .proto = "ip", .name = "web.test"},
        {.kind = GN_QUERY_IP, .proto = "ip4", .name = "web.test"},
        {.kind = GN_QUERY_IP, .proto = "ip6", .name = "web.test"},
        {.kind = GN_QUERY_ADDR},
        {.kind = GN_QUERY_ADDR},
        {.kind = GN_QUERY_RECORD, .name = "web.test", .type = 16},
        {.kind = GN_QUERY_RECORD, .name = "web.test", .type = 15},
        {.kind = GN_QUERY_RECORD, .name = "web.test", .type = 65},
    };

    questions[3].addr = (const struct sockaddr *)&v4;
    questions[4].addr = (const struct sockaddr *)&v6;
    return &questions[kind];
}

static void check_addresses(const struct gn_lookup *lookup, unsigned kind)
{
    size_t i;

    CHECK(lookup->result.n > 0 && lookup->result.n <= GN_LOOKUP_ANSWERS_MAX);
    for (i = 0; i < lookup->result.n; i++) {
        int family = lookup->result.answers[i].addr.ss_family;

        CHECK(family == AF_INET || family == AF_INET6);
        CHECK(kind != 1 || family == AF_INET);
        CHECK(kind != 2 || family == AF_INET6);
    }
}

static void check(const struct gn_lookup *lookup, unsigned kind)
{
    const char *name = lookup->result.name;

    if (lookup->result.status)
        return;
    if (kind < 3)
        check_addresses(lookup, kind);
    CHECK(kind < 3 || kind > 4 || name);
    CHECK(!name || gn__hostname_is_valid(name));
    CHECK(kind < 5 || (lookup->result.len >= 12 && lookup->result.len < 65536));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fixture *f = fixture_get();
    struct input input;
    unsigned kind, turns = 0;
    struct ask ask;

    if (size < 1 || size > ANSWER_MAX)
        return 0;
    kind = data[0] % KINDS;
    input = (struct input){data + 1, size - 1, (data[0] & REPEAT) != 0};
    f->dnsd.arg = &input;
    begin(f, &ask, question(kind));
    while (!ask.ended && turns++ < TURNS)
        gn_test_pollio_turn(&f->pollio, 0);
    if (ask.ended) {
        check(&ask.lookup, kind);
        gn__lookup_done(&ask.lookup);
    } else {
        gn__lookup_cancel(&ask.lookup);
    }
    f->dnsd.arg = NULL;
    return 0;
}
