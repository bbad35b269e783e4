/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * gn_getaddrinfo() and gn_getnameinfo() beside the C library's own, for what
 * both can answer without a name server: numbers of all kinds, no node, no
 * service, and whatever is wrong with the question. Random questions of every
 * part that matters; the seed is printed.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <guestnet/guestnet.h>

#include "tests/lib/seed.h"

#define ROUNDS 20000

static struct gn_network *net;
static struct gn_namespace *guest;
static struct gn_test_seed seed;

static int setup(void **state)
{
    static const char *const both[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = both};

    (void)state;
    gn_test_seed_init(&seed);
    assert_int_equal(gn_network_create(&config, &net), 0);
    assert_int_equal(gn_namespace_create(net, NULL, &guest), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gn_network_close(net, NULL, NULL);
    return 0;
}

/* ---- in words ---- */

static int translated(int theirs)
{
    static const int pairs[][2] = {
        {0, 0},
        {EAI_ADDRFAMILY, GN_EAI_ADDRFAMILY},
        {EAI_AGAIN, GN_EAI_AGAIN},
        {EAI_BADFLAGS, GN_EAI_BADFLAGS},
        {EAI_FAIL, GN_EAI_FAIL},
        {EAI_FAMILY, GN_EAI_FAMILY},
        {EAI_NODATA, GN_EAI_NODATA},
        {EAI_NONAME, GN_EAI_NONAME},
        {EAI_OVERFLOW, GN_EAI_OVERFLOW},
        {EAI_SERVICE, GN_EAI_SERVICE},
        {EAI_SOCKTYPE, GN_EAI_SOCKTYPE},
    };
    size_t i;

    for (i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        if (pairs[i][0] == theirs)
            return pairs[i][1];
    }
    return -1;
}

struct words {
    char line[16][200];
    size_t n;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* In some order: with no node it depends on the machine's own addresses. */
static void describe(const struct addrinfo *list, struct words *out)
{
    const struct addrinfo *it;
    const char *canonical = list->ai_canonname ? list->ai_canonname : "-";

    out->n = 0;
    for (it = list; it; it = it->ai_next) {
        char text[INET6_ADDRSTRLEN];
        const struct sockaddr_in6 *sin6 = (const void *)it->ai_addr;
        const struct sockaddr_in *sin = (const void *)it->ai_addr;
        bool v6 = it->ai_family == AF_INET6;

        assert_true(out->n < 16);
        assert_int_equal(it->ai_addr->sa_family, it->ai_family);
        (void)inet_ntop(it->ai_family,
                        v6 ? (const void *)&sin6->sin6_addr
                           : (const void *)&sin->sin_addr,
                        text, sizeof(text));
        (void)snprintf(out->line[out->n++], sizeof(out->line[0]),
                       "%x %d %d %d %u %s %u %u %s", (unsigned)it->ai_flags,
                       it->ai_family, it->ai_socktype, it->ai_protocol,
                       it->ai_addrlen, text,
                       ntohs(v6 ? sin6->sin6_port : sin->sin_port),
                       v6 ? sin6->sin6_scope_id : 0, canonical);
        if (it->ai_next)
            assert_null(it->ai_next->ai_canonname);
    }
    qsort(out->line, out->n, sizeof(out->line[0]), by_text);
}

/* ---- addresses ---- */

static const char *const nodes[] = {
    NULL,
    "127.0.0.1",
    "10.1",
    "0x7f.1",
    "1.2.3.4.5",
    "256.1.1.1",
    "::1",
    "::",
    "0.0.0.0",
    "::ffff:1.2.3.4",
    "2001:db8::1",
    "fe80::1",
    "fe80::1%1",
    "fe80::1%lo",
    "fe80::1%no",
    "ff02::1%1",
    "*",
    "1.2.3.4 ",
    "[::1]",
    "::1%",
    "09.1.1.1",
    "4294967295",
    "4294967296",
    "1.2.3.4:80",
    "::1%9",
    "::1%lo",
    "::1%09",
    "fe80::1%09",
    "ff01::1%lo",
    "fec0::1%lo",
    "2001:db8::1%4294967295",
    "::1%4294967296",
    "::ffff:1.2.3.4%7",
    "fe80::1%+1",
    "fe80::1% 1",
    "::1%1%1",
};
static const char *const services[] = {NULL,  "80", "http",   "0",     "65535",
                                       "ntp", "*",  "nosuch", "domain"};
static const int families[] = {AF_UNSPEC, AF_UNSPEC, AF_INET, AF_INET6,
                               AF_UNIX};
static const int types[] = {0, 0, SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, 77};
static const int protocols[] = {0, 0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};
static const int flags[] = {AI_PASSIVE,     AI_CANONNAME, AI_NUMERICHOST,
                            AI_NUMERICSERV, AI_V4MAPPED,  AI_ALL};

#define PICK(list) \
    (list)[gn_test_random_below(&seed, sizeof(list) / sizeof(*(list)))]

static int random_flags(void)
{
    int all = AI_NUMERICHOST; /* no name server is asked */
    size_t i;

    for (i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        if (gn_test_random_below(&seed, 3) == 0)
            all |= flags[i];
    }
    return gn_test_random_below(&seed, 200) ? all : all | 0x4000000;
}

static void compare(const char *node, const char *service,
                    const struct addrinfo *hints)
{
    struct addrinfo *theirs = NULL, *ours = NULL;
    int their_err = translated(getaddrinfo(node, service, hints, &theirs));
    int our_err = gn_getaddrinfo(guest, node, service, hints, &ours);
    struct words a = {.n = 0}, b = {.n = 0};
    size_t i;

    if (!their_err)
        describe(theirs, &a);
    if (!our_err)
        describe(ours, &b);
    if (their_err != our_err || a.n != b.n ||
        memcmp(a.line, b.line, a.n * sizeof(a.line[0])) != 0) {
        print_message("node %s service %s family %d type %d protocol %d "
                      "flags %x\n",
                      node ? node : "NULL", service ? service : "NULL",
                      hints->ai_family, hints->ai_socktype, hints->ai_protocol,
                      (unsigned)hints->ai_flags);
        for (i = 0; i < a.n; i++)
            print_message("  theirs %s\n", a.line[i]);
        for (i = 0; i < b.n; i++)
            print_message("  ours   %s\n", b.line[i]);
        assert_int_equal(our_err, their_err);
        fail();
    }
    if (theirs)
        freeaddrinfo(theirs);
    gn_freeaddrinfo(ours);
}

static void numbers_mean_the_same(void **state)
{
    bool named = getservbyname("http", "tcp") && getservbyname("ntp", "udp");
    int i;

    (void)state;
    if (!named)
        print_message("no /etc/services: only numbers of services\n");
    for (i = 0; i < ROUNDS; i++) {
        struct addrinfo hints = {.ai_flags = random_flags(),
                                 .ai_family = PICK(families),
                                 .ai_socktype = PICK(types),
                                 .ai_protocol = PICK(protocols)};
        const char *service = PICK(services);

        if (!named && service && service[0] > '9')
            service = NULL;
        compare(PICK(nodes), service, &hints);
    }
}

static struct gn_answer found;
static sem_t has_found;

static void keep_answer(struct gn_lookup *lookup, int status,
                        const struct gn_answer *answers, size_t n, void *arg)
{
    (void)lookup;
    (void)arg;
    assert_int_equal(status, 0);
    assert_int_equal(n, 1);
    found = answers[0];
    assert_int_equal(sem_post(&has_found), 0);
}

/* IPv4 in IPv6 is one thing to the network, and two to getaddrinfo(3). */
static bool is_mapped(const struct addrinfo *info)
{
    const struct sockaddr_in6 *sin6 = (const void *)info->ai_addr;

    return info->ai_family == AF_INET6 &&
           IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr);
}

static void lookups_read_numbers_as_getaddrinfo(void **state)
{
    static const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST};
    unsigned compared = 0;
    size_t i;

    (void)state;
    assert_int_equal(sem_init(&has_found, 0, 0), 0);
    for (i = 1; i < sizeof(nodes) / sizeof(*nodes); i++) {
        struct addrinfo *theirs;

        if (!strcmp(nodes[i], "*") ||
            getaddrinfo(nodes[i], NULL, &hints, &theirs))
            continue;
        assert_int_equal(
            gn_lookup(guest, "ip", nodes[i], keep_answer, NULL, NULL), 0);
        assert_int_equal(sem_wait(&has_found), 0);
        if (!is_mapped(theirs))
            assert_memory_equal(&found.addr, theirs->ai_addr,
                                theirs->ai_addrlen);
        freeaddrinfo(theirs);
        compared++;
    }
    assert_true(compared > 15);
    assert_int_equal(sem_destroy(&has_found), 0);
}

/* ---- back to text ---- */

static const int name_flags[] = {NI_NUMERICHOST, NI_NUMERICSERV, NI_DGRAM,
                                 NI_NAMEREQD, NI_NOFQDN};

static void compare_names(const struct sockaddr *addr, socklen_t len,
                          socklen_t host_len, socklen_t service_len, int how)
{
    char theirs[2][NI_MAXHOST] = {"", ""}, ours[2][NI_MAXHOST] = {"", ""};
    int their_err = translated(getnameinfo(addr, len, theirs[0], host_len,
                                           theirs[1], service_len, how));
    int our_err = gn_getnameinfo(guest, addr, len, ours[0], host_len, ours[1],
                                 service_len, how);

    if (their_err == our_err && (their_err || (!strcmp(theirs[0], ours[0]) &&
                                               !strcmp(theirs[1], ours[1]))))
        return;
    print_message("family %d len %u host %u service %u flags %x\n"
                  "  theirs %s %s\n  ours   %s %s\n",
                  addr->sa_family, len, host_len, service_len, (unsigned)how,
                  theirs[0], theirs[1], ours[0], ours[1]);
    assert_int_equal(our_err, their_err);
    fail();
}

static void texts_are_the_same(void **state)
{
    static const char *const addresses[] = {
        "127.0.0.1:80",  "10.77.0.2:53",          "[2001:db8::1]:443",
        "[fe80::1%1]:7", "[::ffff:1.2.3.4]:4443", "[::]:0",
        "0.0.0.0:65535"};
    static const socklen_t host_lens[] = {0, 1, 8, 12, NI_MAXHOST};
    static const socklen_t service_lens[] = {0, 1, 3, 32};
    static const socklen_t lens[] = {0, 2, 15, 16, 24, 28, 128};
    bool named = getservbyname("http", "tcp") != NULL;
    int i;

    (void)state;
    for (i = 0; i < ROUNDS; i++) {
        int how = NI_NUMERICHOST | (named ? 0 : NI_NUMERICSERV);
        struct sockaddr_storage addr;
        socklen_t len;
        size_t f;

        assert_int_equal(gn_addr_parse(PICK(addresses), &addr, &len), 0);
        for (f = 0; f < sizeof(name_flags) / sizeof(*name_flags); f++) {
            if (gn_test_random_below(&seed, 3) == 0)
                how |= name_flags[f];
        }
        if (gn_test_random_below(&seed, 8) == 0)
            len = PICK(lens);
        if (gn_test_random_below(&seed, 50) == 0)
            addr.ss_family = 77;
        if (gn_test_random_below(&seed, 200) == 0)
            how |= 0x4000000;
        compare_names((struct sockaddr *)&addr, len, PICK(host_lens),
                      PICK(service_lens), how);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_mean_the_same),
        cmocka_unit_test(lookups_read_numbers_as_getaddrinfo),
        cmocka_unit_test(texts_are_the_same),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
