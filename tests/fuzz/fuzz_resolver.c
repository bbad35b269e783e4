/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What guests ask: each line of the input is one question, whose first byte
 * says of what kind, put to a chain of a list with wildcards and the network's
 * own names. Every question that is taken is answered exactly once, by
 * addresses of the version that was asked for; and what looks like an address
 * to getaddrinfo() looks like the same one here. Other lines are text of the
 * host's: hosts(5), services(5), a pattern of a fault.
 */
#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <guestnet/guestnet.h>

#include "tests/fuzz/check.h"

/* A line longer than any name may be. */
#define LINE_MAX_LEN 600u

struct fuzz {
    struct gn_clock *clock;
    struct gn_resolver *list;
    struct gn_resolver *own;
    struct gn_resolver *chain;
    struct gn_network *net;
    struct gn_namespace *guest;
};

struct said {
    int calls;
    int status;
    int family; /* that was asked for */
    size_t n;
    struct gn_answer first;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gn_namespace *add_guest(struct fuzz *fuzz, const char *name)
{
    struct gn_namespace_config config = {.size = sizeof(config), .name = name};
    struct gn_namespace *guest;

    CHECK(!gn_namespace_create(fuzz->net, &config, &guest));
    return guest;
}

static struct fuzz *fuzz_get(void)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    static struct fuzz fuzz;
    struct gn_resolver *members[3];
    struct gn_resolver_static_config list = {
        .size = sizeof(list),
        .hosts = "192.0.2.1 db.test a.b\n2001:db8::1 db.test\n"
                 "192.0.2.2 *.svc.test *.c",
        .services = "db 5432/tcp"};
    struct gn_resolver_chain_config chain = {.size = sizeof(chain),
                                             .resolvers = members};
    struct gn_network_config net = {
        .size = sizeof(net), .drive = GN_DRIVE_VIRTUAL, .prefixes = prefixes};

    if (fuzz.clock)
        return &fuzz;
    CHECK(!gn_clock_create(NULL, &fuzz.clock));
    CHECK(!gn_resolver_static(&list, &fuzz.list));
    CHECK(!gn_resolver_network(&fuzz.own));
    members[0] = fuzz.list;
    members[1] = fuzz.own;
    members[2] = NULL;
    CHECK(!gn_resolver_chain(&chain, &fuzz.chain));
    net.clock = fuzz.clock;
    net.resolver = fuzz.chain;
    CHECK(!gn_network_create(&net, &fuzz.net));
    fuzz.guest = add_guest(&fuzz, "web");
    (void)add_guest(&fuzz, "a");
    return &fuzz;
}

/* ---- what is said ---- */

static void said_ip(struct gn_lookup *lookup, int status,
                    const struct gn_answer *answers, size_t n, void *arg)
{
    struct said *said = arg;
    size_t i;

    (void)lookup;
    said->calls++;
    said->status = status;
    said->n = n;
    CHECK((status == 0) == (n > 0));
    CHECK(n <= GN_LOOKUP_ANSWERS_MAX);
    for (i = 0; i < n; i++)
        CHECK(said->family == AF_UNSPEC
                  ? answers[i].addr.ss_family == AF_INET ||
                        answers[i].addr.ss_family == AF_INET6
                  : answers[i].addr.ss_family == said->family);
    if (n)
        said->first = answers[0];
}

static void said_port(struct gn_lookup *lookup, int status, uint16_t port,
                      void *arg)
{
    struct said *said = arg;

    (void)lookup;
    (void)port;
    said->calls++;
    said->status = status;
}

static void said_addr(struct gn_lookup *lookup, int status, const char *name,
                      void *arg)
{
    struct said *said = arg;

    (void)lookup;
    said->calls++;
    said->status = status;
    CHECK((status == 0) == (name != NULL));
}

static void said_message(struct gn_lookup *lookup, int status,
                         const void *message, size_t len, void *arg)
{
    struct said *said = arg;

    (void)lookup;
    (void)message;
    (void)len;
    said->calls++;
    said->status = status;
}

/* ---- questions ---- */

static void ends(struct fuzz *fuzz, const struct said *said, int err)
{
    CHECK(!err || err == -EINVAL);
    CHECK(said->calls == 0);
    gn_clock_advance(fuzz->clock, 0);
    CHECK(said->calls == (err ? 0 : 1));
}

static void compare_literal(struct fuzz *fuzz, const char *text,
                            const struct said *said)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST,
                             .ai_family = said->family};
    struct addrinfo *list = NULL;
    const struct sockaddr_in6 *sin6;

    if (gn_getaddrinfo(fuzz->guest, text, NULL, &hints, &list))
        return;
    sin6 = (const struct sockaddr_in6 *)(const void *)list->ai_addr;
    if (list->ai_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr))
        CHECK(said->calls == 1 && !said->status &&
              !memcmp(&said->first.addr, list->ai_addr, list->ai_addrlen));
    gn_freeaddrinfo(list);
}

static void ask_ip(struct fuzz *fuzz, const char *proto, int family,
                   const char *text)
{
    struct said said = {.family = family};

    ends(fuzz, &said,
         gn_lookup(fuzz->guest, proto, text, said_ip, &said, NULL));
    if (strcmp(text, "*") != 0)
        compare_literal(fuzz, text, &said);
}

static void ask_port(struct fuzz *fuzz, const char *proto, const char *text)
{
    struct said said = {.calls = 0};

    ends(fuzz, &said,
         gn_lookup_port(fuzz->guest, proto, text, said_port, &said, NULL));
}

static void ask_addr(struct fuzz *fuzz, const char *text)
{
    struct said said = {.calls = 0};
    struct sockaddr_storage addr;

    if (!gn_addr_parse(text, &addr, NULL))
        ends(fuzz, &said,
             gn_lookup_addr(fuzz->guest, (struct sockaddr *)&addr, said_addr,
                            &said, NULL));
}

static void ask_query(struct fuzz *fuzz, const char *text)
{
    struct said said = {.calls = 0};

    ends(fuzz, &said,
         gn_lookup_query(fuzz->guest, text, 15, said_message, &said, NULL));
}

/* ---- text of the host's ---- */

static void check_why(int err, const char *why)
{
    CHECK(!err || err == -EINVAL);
    CHECK(!err == !*why);
    for (; *why; why++)
        CHECK(*why >= ' ' && *why <= '~');
}

static void read_list(const char *hosts, const char *services)
{
    struct gn_resolver *resolver = NULL;
    char why[160] = "";
    struct gn_resolver_static_config config = {.size = sizeof(config),
                                               .hosts = hosts,
                                               .services = services,
                                               .why = why,
                                               .why_len = sizeof(why)};

    check_why(gn_resolver_static(&config, &resolver), why);
    gn_resolver_close(resolver);
}

static void read_pattern(struct fuzz *fuzz, const char *text)
{
    const char *addresses[] = {text, NULL};
    struct gn_fault_rule rules[] = {
        {.pattern = text, .fault = GN_FAULT_SERVFAIL},
        {.pattern = "*", .fault = GN_FAULT_ROTATE, .addresses = addresses}};
    struct gn_resolver *resolver = NULL;
    char why[160] = "";
    struct gn_resolver_fault_config config = {.size = sizeof(config),
                                              .inner = fuzz->list,
                                              .rules = rules,
                                              .n_rules = 2,
                                              .why = why,
                                              .why_len = sizeof(why)};

    check_why(gn_resolver_fault(&config, &resolver), why);
    gn_resolver_close(resolver);
}

static void change_list(struct fuzz *fuzz, const char *text)
{
    if (gn_resolver_static_add(fuzz->list, text, "192.0.2.7", 1))
        return;
    if (text[0] != '*')
        ask_ip(fuzz, "ip", AF_UNSPEC, text);
    CHECK(!gn_resolver_static_remove(fuzz->list, text, "192.0.2.7"));
}

static void do_line(struct fuzz *fuzz, char kind, const char *text)
{
    switch (kind) {
    case '4':
        ask_ip(fuzz, "ip4", AF_INET, text);
        break;
    case '6':
        ask_ip(fuzz, "ip6", AF_INET6, text);
        break;
    case 't':
        ask_port(fuzz, "tcp", text);
        break;
    case 'u':
        ask_port(fuzz, "udp6", text);
        break;
    case 'r':
        ask_addr(fuzz, text);
        break;
    case 'q':
        ask_query(fuzz, text);
        break;
    case 'h':
        read_list(text, NULL);
        break;
    case 's':
        read_list(NULL, text);
        break;
    case 'f':
        read_pattern(fuzz, text);
        break;
    case '+':
        change_list(fuzz, text);
        break;
    default:
        ask_ip(fuzz, "ip", AF_UNSPEC, text);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data, *end = at + size;
    struct fuzz *fuzz = fuzz_get();

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((newline ? newline : end) - at);
        char text[LINE_MAX_LEN + 1];
        size_t n = len ? len - 1 : 0;

        n = n < LINE_MAX_LEN ? n : LINE_MAX_LEN;
        memcpy(text, at + (len ? 1 : 0), n);
        text[n] = '\0';
        do_line(fuzz, len ? *at : 'i', text);
        at += len + (newline ? 1 : 0);
    }
    return 0;
}
