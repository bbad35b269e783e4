/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/asker.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define MINUTE (60000 * ASKER_MS)

static struct asker *of_io(struct gn__io *io)
{
    return gn__container_of(io, struct asker, turns.io);
}

static struct asker *of_home(struct gn__lookup_home *home)
{
    return gn__container_of(home, struct asker, home);
}

static uint64_t now(struct gn__io *io)
{
    return of_io(io)->now;
}

static void rearm(struct gn__io *io)
{
    (void)io;
}

static void done(struct gn__io *io)
{
    (void)io;
}

static const struct gn__io_ops ops = {
    .now = now,
    .rearm = rearm,
    .queue = gn_test_turns_queue,
    .cancel = gn_test_turns_cancel,
    .done = done,
};

static void post(struct gn__lookup_home *home)
{
    of_home(home)->posts++;
}

static bool is_driving(struct gn__lookup_home *home)
{
    return pthread_equal(pthread_self(), of_home(home)->thread);
}

void asker_init(struct asker *asker)
{
    memset(asker, 0, sizeof(*asker));
    gn_test_heap_init(&asker->heap);
    gn__mem_init(&asker->mem, &asker->heap.alloc);
    gn_test_turns_init(&asker->turns, &ops, &asker->mem);
    asker->now = 1;
    asker->thread = pthread_self();
    asker->home.io = &asker->turns.io;
    asker->home.mem = &asker->mem;
    asker->home.post = post;
    asker->home.is_driving = is_driving;
}

void asker_done(struct asker *asker)
{
    assert_int_equal(gn_test_turns_deadline(&asker->turns), UINT64_MAX);
    gn_test_heap_done(&asker->heap);
}

/* ---- one lookup ---- */

static void say(struct asker *asker, const char *text)
{
    size_t len = strlen(asker->said);

    (void)snprintf(asker->said + len, sizeof(asker->said) - len, "%s%s",
                   len ? " " : "", text);
}

static void say_answer(struct asker *asker, const struct gn_answer *answer)
{
    char one[GN__ADDR_TEXT], all[GN__ADDR_TEXT + 16];

    assert_int_equal(gn_addr_format((const struct sockaddr *)&answer->addr, one,
                                    sizeof(one)),
                     0);
    (void)snprintf(all, sizeof(all), "%s/%u", one, answer->ttl_s);
    say(asker, all);
}

static void say_result(struct asker *asker, const struct gn__result *result)
{
    char number[16];
    size_t i;

    (void)snprintf(number, sizeof(number), "%d",
                   result->status ? result->status : result->port);
    if (result->status || result->port)
        say(asker, number);
    else if (result->n)
        for (i = 0; i < result->n; i++)
            say_answer(asker, &result->answers[i]);
    else if (result->name)
        say(asker, result->name);
    else
        say(asker, "a message");
}

static void ended(struct gn_lookup *lookup)
{
    struct asker *asker = gn__container_of(lookup, struct asker, lookup);

    assert_false(asker->over);
    asker->over = true;
    say_result(asker, &lookup->result);
    gn__lookup_done(lookup);
}

void asker_start(struct asker *asker, struct gn_resolver *resolver,
                 const struct gn__question *question)
{
    asker->over = false;
    asker->said[0] = '\0';
    asker->question = *question;
    gn__lookup_init(&asker->lookup, &asker->home, question);
    asker->lookup.ended = ended;
    gn__lookup_start(&asker->lookup, resolver);
}

void asker_pass(struct asker *asker, uint64_t ns)
{
    uint64_t until = asker->now + ns, next;

    while (!asker->over) {
        if (asker->posts) {
            asker->posts--;
            gn__lookup_arrived(&asker->home);
        }
        next = gn_test_turns_deadline(&asker->turns);
        if (next > until)
            break;
        if (next > asker->now)
            asker->now = next;
        (void)gn_test_turns_run(&asker->turns, 16);
    }
    if (!asker->over)
        asker->now = until;
}

void asker_cancel(struct asker *asker)
{
    gn__lookup_cancel(&asker->lookup);
}

static const char *ask(struct asker *asker, struct gn_resolver *resolver,
                       const struct gn__question *question)
{
    asker_start(asker, resolver, question);
    asker_pass(asker, MINUTE);
    if (asker->over)
        return asker->said;
    asker_cancel(asker);
    return "nothing";
}

const char *asker_ip(struct asker *asker, struct gn_resolver *resolver,
                     const char *proto, const char *host)
{
    struct gn__question question = {
        .kind = GN_QUERY_IP, .proto = proto, .name = host};

    return ask(asker, resolver, &question);
}

const char *asker_port(struct asker *asker, struct gn_resolver *resolver,
                       const char *proto, const char *service)
{
    struct gn__question question = {
        .kind = GN_QUERY_PORT, .proto = proto, .name = service};

    return ask(asker, resolver, &question);
}

const char *asker_addr(struct asker *asker, struct gn_resolver *resolver,
                       const char *address)
{
    struct gn__question question = {.kind = GN_QUERY_ADDR,
                                    .addr = (struct sockaddr *)&asker->addr};

    assert_int_equal(gn_addr_parse(address, &asker->addr, NULL), 0);
    return ask(asker, resolver, &question);
}

const char *asker_query(struct asker *asker, struct gn_resolver *resolver,
                        const char *name, uint16_t type)
{
    struct gn__question question = {
        .kind = GN_QUERY_RECORD, .name = name, .type = type};

    return ask(asker, resolver, &question);
}
