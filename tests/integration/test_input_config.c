/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Configurations and text that are wrong, for everything that is created or
 * set up: the errno that the header names, a line that says why where text was
 * read, and nothing changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/guestnet.h>

#include "tests/lib/arena.h"
#include "tests/lib/case.h"

/* Text of 64, 254 and 64 * 4 bytes. */
#define A16 "aaaaaaaaaaaaaaaa"
#define A64 A16 A16 A16 A16
#define LONG                                                    \
    A16 A16 A16 "." A16 A16 A16 "." A16 A16 A16 "." A16 A16 A16 \
                "." A16 A16 A16 "." A16 "a"

static int setup(void **state)
{
    struct arena *arena = calloc(1, sizeof(*arena));

    assert_non_null(arena);
    arena_begin(arena, NULL);
    *state = arena;
    return 0;
}

static int teardown(void **state)
{
    arena_end(*state);
    free(*state);
    return 0;
}

/* What there was before a call that must change nothing. */
struct before {
    struct arena *arena;
    uint64_t n_live;
    uint64_t live_bytes;
    uint64_t next_ns;
    char why[200];
};

static void look(struct before *before, struct arena *arena)
{
    memset(before, 0, sizeof(*before));
    before->arena = arena;
    before->n_live = arena->heap.n_live;
    before->live_bytes = arena->heap.live_bytes;
    before->next_ns = gn_clock_next_ns(arena->clock);
}

static void expect_unchanged(const struct before *before)
{
    assert_int_equal(before->arena->heap.n_live, before->n_live);
    assert_int_equal(before->arena->heap.live_bytes, before->live_bytes);
    assert_int_equal(gn_clock_next_ns(before->arena->clock), before->next_ns);
}

/* One line with these words; NULL: none was asked for. */
static void expect_why(const struct before *before, const char *words)
{
    const char *c;

    if (!words) {
        assert_string_equal(before->why, "");
        return;
    }
    if (!strstr(before->why, words))
        fail_msg("\"%s\" is not in: %s", words, before->why);
    for (c = before->why; *c; c++)
        assert_in_range(*c, ' ', '~');
}

/* ---- networks ---- */

struct bad_network {
    const char *prefixes[3];
    const char *name;
    const char *domain;
    uint32_t mtu;
    enum gn_drive drive;
    int err;
    const char *why;
};

static const struct bad_network bad_networks[] = {
    {.prefixes = {"10.77.0.0"}, .why = "10.77.0.0"},
    {.prefixes = {""}, .why = "prefix"},
    {.prefixes = {"/"}, .why = "prefix"},
    {.prefixes = {"/24"}, .why = "prefix"},
    {.prefixes = {"10.77.0.0/"}, .why = "length"},
    {.prefixes = {"10.77.0.0/33"}, .why = "0 to 32"},
    {.prefixes = {"10.77.0.0/-1"}, .why = "length"},
    {.prefixes = {"10.77.0.0/ 24"}, .why = "length"},
    {.prefixes = {"10.77.0.0/024"}, .why = "length"},
    {.prefixes = {"10.77.0.0/24x"}, .why = "length"},
    {.prefixes = {"10.77.0.0/4294967320"}, .why = "length"},
    {.prefixes = {"10.77.0.1/24"}, .why = "10.77.0.0/24"},
    {.prefixes = {"10.77.0/24"}, .why = "address"},
    {.prefixes = {"300.0.0.0/8"}, .why = "address"},
    {.prefixes = {"guest/24"}, .why = "address"},
    {.prefixes = {"10.77.0.0\n/24"}, .why = "10.77.0.0?"},
    {.prefixes = {"fd77::/129"}, .why = "0 to 128"},
    {.prefixes = {"fd77::1/64"}, .why = "fd77::/64"},
    {.prefixes = {"fd77:::/64"}, .why = "address"},
    {.prefixes = {"::ffff:10.0.0.0/104"}, .why = "10.0.0.0/8"},
    {.prefixes = {"127.0.0.0/8"}, .why = "127.0.0.0/8"},
    {.prefixes = {"224.0.0.0/4"}, .why = "224.0.0.0/3"},
    {.prefixes = {"fe80::/64"}, .why = "fe80::/10"},
    {.prefixes = {"ff00::/8"}, .why = "ff00::/8"},
    {.prefixes = {"::1/128"}, .why = "::1/128"},
    {.prefixes = {"10.0.0.0/24", "10.0.0.0/24"}, .why = "overlaps"},
    {.prefixes = {"10.0.0.0/8", "10.77.0.0/24"}, .why = "overlaps"},
    {.prefixes = {"10.77.0.0/24", "0.0.0.0/0"}, .why = "overlaps"},
    {.prefixes = {"10.77.0.0/24", "fd77::/65x"}, .why = "fd77::/65x"},
    {.name = "", .why = "name"},
    {.name = "two words", .why = "name"},
    {.name = "one\nline", .why = "one?line"},
    {.name = A64, .why = "63"},
    {.domain = "", .why = "domain"},
    {.domain = ".", .why = "domain"},
    {.domain = "a..b", .why = "domain"},
    {.domain = ".a", .why = "domain"},
    {.domain = "-a.b", .why = "-a"},
    {.domain = "a.b-", .why = "b-"},
    {.domain = "under_score", .why = "under_score"},
    {.domain = "new\nline", .why = "new?line"},
    {.domain = A64 ".internal", .why = "DNS label"},
    {.domain = LONG, .why = "253"},
    {.domain = "localhost", .why = "RFC 6761"},
    {.domain = "a.LOCALHOST.", .why = "RFC 6761"},
    {.mtu = 575, .why = "576"},
    {.mtu = 65536, .why = "65535"},
    {.mtu = UINT32_MAX, .why = "65535"},
    {.prefixes = {"fd77::/64"}, .mtu = 1279, .why = "1280"},
    {.drive = GN_DRIVE_LOOP, .why = "clock"},
    {.drive = GN_N_DRIVES, .why = "drive"},
    {.drive = (enum gn_drive) - 1, .why = "drive"},
};

static void networks_refuse_what_is_wrong(void **state)
{
    struct gn_network *net = NULL;
    struct before before;
    size_t i;

    for (i = 0; i < sizeof(bad_networks) / sizeof(*bad_networks); i++) {
        const struct bad_network *bad = &bad_networks[i];
        struct gn_network_config config = {.size = sizeof(config),
                                           .prefixes = bad->prefixes,
                                           .name = bad->name,
                                           .domain = bad->domain,
                                           .mtu = bad->mtu,
                                           .drive = GN_DRIVE_VIRTUAL,
                                           .why = before.why,
                                           .why_len = sizeof(before.why)};
        int err = bad->err ? bad->err : -EINVAL;

        look(&before, *state);
        config.clock = before.arena->clock;
        if (bad->drive)
            config.drive = bad->drive;
        assert_int_equal(gn_network_create(&config, &net), err);
        assert_null(net);
        expect_why(&before, bad->why);
        expect_unchanged(&before);

        /* Without room for a line, and with little. */
        config.why_len = 0;
        assert_int_equal(gn_network_create(&config, &net), err);
        config.why = NULL;
        assert_int_equal(gn_network_create(&config, &net), err);
        config.why = before.why;
        config.why_len = 4;
        assert_int_equal(gn_network_create(&config, &net), err);
        assert_true(strlen(before.why) < 4 || !bad->why);
        expect_unchanged(&before);
    }
}

/* The same with the default drive, whose thread comes and goes. */
static void networks_of_threads_refuse_it_too(void **state)
{
    struct gn_network *net = NULL;
    struct gn_test_heap heap;
    char why[200];
    size_t i;

    (void)state;
    gn_test_heap_init(&heap);
    for (i = 0; i < sizeof(bad_networks) / sizeof(*bad_networks); i++) {
        const struct bad_network *bad = &bad_networks[i];
        struct gn_network_config config = {.size = sizeof(config),
                                           .prefixes = bad->prefixes,
                                           .name = bad->name,
                                           .domain = bad->domain,
                                           .mtu = bad->mtu,
                                           .drive = bad->drive,
                                           .alloc = &heap.alloc,
                                           .why = why,
                                           .why_len = sizeof(why)};

        assert_int_equal(gn_network_create(&config, &net),
                         bad->err ? bad->err : -EINVAL);
        assert_null(net);
    }
    gn_test_heap_done(&heap);
}

static void network_has_room_for_sixteen_prefixes(void **state)
{
    const char *prefixes[20] = {NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_VIRTUAL};
    struct gn_network *net = NULL;
    struct before before;
    char text[20][32];
    unsigned i;

    look(&before, *state);
    config.clock = before.arena->clock;
    config.why = before.why;
    config.why_len = sizeof(before.why);
    for (i = 0; i < 17; i++) {
        (void)snprintf(text[i], sizeof(text[i]), "10.%u.0.0/16", i);
        prefixes[i] = text[i];
    }
    assert_int_equal(gn_network_create(&config, &net), -EINVAL);
    expect_why(&before, "16");
    expect_unchanged(&before);
    prefixes[16] = NULL;
    assert_int_equal(gn_network_create(&config, &net), 0);
    gn_network_close(net, NULL, NULL);
}

/* ---- sizes ---- */

/* A configuration of a later version: known fields, then some unknown. */
struct later_network {
    struct gn_network_config config;
    uint64_t more[2];
};

static void sizes_of_networks_are_checked(void **state)
{
    static const size_t wrong[] = {
        0, 1, 8, sizeof(struct gn_network_config) - 1, 100000, SIZE_MAX};
    struct later_network later = {.config = {.drive = GN_DRIVE_VIRTUAL}};
    struct gn_network *net = NULL;
    struct before before;
    size_t i;

    look(&before, *state);
    later.config.clock = before.arena->clock;
    assert_int_equal(gn_network_create(&later.config, NULL), -EINVAL);
    assert_int_equal(gn_network_create(NULL, NULL), -EINVAL);
    for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        later.config.size = wrong[i];
        assert_int_equal(gn_network_create(&later.config, &net), -EINVAL);
    }
    later.config.size = sizeof(later);
    later.more[1] = 1;
    assert_int_equal(gn_network_create(&later.config, &net), -EINVAL);
    assert_null(net);
    expect_unchanged(&before);
    later.more[1] = 0;
    assert_int_equal(gn_network_create(&later.config, &net), 0);
    gn_network_close(net, NULL, NULL);
}

static void sizes_of_namespaces_are_checked(void **state)
{
    struct {
        struct gn_namespace_config config;
        uint64_t more[2];
    } later = {.config = {.why_len = 0}};
    struct arena *arena = *state;
    struct gn_namespace *ns = NULL;
    struct before before;

    look(&before, arena);
    assert_int_equal(gn_namespace_create(arena->net, &later.config, &ns),
                     -EINVAL);
    later.config.size = sizeof(later.config) - 8;
    assert_int_equal(gn_namespace_create(arena->net, &later.config, &ns),
                     -EINVAL);
    later.config.size = sizeof(later);
    later.more[0] = 1;
    assert_int_equal(gn_namespace_create(arena->net, &later.config, &ns),
                     -EINVAL);
    assert_null(ns);
    expect_unchanged(&before);
    later.more[0] = 0;
    assert_int_equal(gn_namespace_create(arena->net, &later.config, &ns), 0);
    gn_namespace_close(ns, 0, NULL, NULL);
}

static void sizes_of_the_rest_are_checked(void **state)
{
    struct arena *arena = *state;
    struct gn_namespace *ns = arena->bystander[0];
    struct gn_attach_config attach = {.size = 8};
    struct gn_link_config link = {.size = 8};
    struct gn_path_config path = {.size = 8};
    struct gn_clock_config clock = {.size = 8};
    struct gn_pool_config pool = {.size = 8};
    struct gn_clock *other = NULL;
    struct gn_pool *addresses = NULL;
    struct before before;

    look(&before, arena);
    assert_int_equal(gn_namespace_attach(ns, arena->net, &attach), -EINVAL);
    assert_int_equal(gn_link_set(ns, NULL, &link), -EINVAL);
    assert_int_equal(gn_path_set(arena->net, ns, ns, &path), -EINVAL);
    assert_int_equal(gn_clock_create(&clock, &other), -EINVAL);
    assert_null(other);
    assert_int_equal(gn_pool_create("10.0.0.0/24", &pool, before.why,
                                    sizeof(before.why), &addresses),
                     -EINVAL);
    expect_why(&before, "sizeof");
    assert_null(addresses);
    expect_unchanged(&before);
}

/* ---- namespaces ---- */

struct bad_namespace {
    const char *name;
    const char *addresses[3];
    int err;
    const char *why;
};

static const struct bad_namespace bad_namespaces[] = {
    {.name = "", .why = "DNS label"},
    {.name = "-a", .why = "\"-a\""},
    {.name = "a-", .why = "\"a-\""},
    {.name = "a.b", .why = "\"a.b\""},
    {.name = "a_b", .why = "\"a_b\""},
    {.name = " a", .why = "\" a\""},
    {.name = "a\nb", .why = "\"a?b\""},
    {.name = "\xc3\xa4", .why = "\"??\""},
    {.name = A64, .why = "63"},
    {.name = LONG, .why = "63"},
    {.name = "localhost", .why = "each guest's own loopback"},
    {.name = "LocalHost", .why = "LocalHost"},
    {.addresses = {"10.77.0"}, .why = "\"10.77.0\""},
    {.addresses = {""}, .why = "\"\""},
    {.addresses = {"10.77.0.9/16"}, .why = "10.77.0.9/16"},
    {.addresses = {"10.77.0.9:80"}, .why = "10.77.0.9:80"},
    {.addresses = {"10.77.0.9\n"}, .why = "10.77.0.9?"},
    {.addresses = {"[fd77::9]"}, .why = "[fd77::9]"},
    {.addresses = {"10.78.0.5"}, .why = "none of the prefixes"},
    {.addresses = {"fd78::5"}, .why = "none of the prefixes"},
    {.addresses = {"10.77.0.9", "192.168.0.1"}, .why = "192.168.0.1"},
    {.addresses = {"127.0.0.1"}, .why = "none of the prefixes"},
    {.addresses = {"fe80::1"}, .why = "none of the prefixes"},
    {.addresses = {"::ffff:10.78.0.5"}, .why = "::ffff:10.78.0.5"},
    {.addresses = {"10.77.0.0"},
     .err = -EADDRINUSE,
     .why = "\"10.77.0.0\": the network's own"},
    {.addresses = {"10.77.255.255"},
     .err = -EADDRINUSE,
     .why = "broadcast address"},
    {.addresses = {"10.77.0.1"},
     .err = -EADDRINUSE,
     .why = "the gateway has it"},
    {.addresses = {"10.77.0.2"},
     .err = -EADDRINUSE,
     .why = "another interface has it"},
    {.addresses = {"fd77::"}, .err = -EADDRINUSE, .why = "the network's own"},
    {.addresses = {"fd77::1"}, .err = -EADDRINUSE, .why = "the gateway"},
    {.addresses = {"10.77.0.9", "10.77.0.9"},
     .err = -EADDRINUSE,
     .why = "another interface has it"},
};

static void namespaces_refuse_what_is_wrong(void **state)
{
    struct arena *arena = *state;
    struct gn_namespace *ns = NULL;
    struct before before;
    size_t i;

    for (i = 0; i < sizeof(bad_namespaces) / sizeof(*bad_namespaces); i++) {
        const struct bad_namespace *bad = &bad_namespaces[i];
        struct gn_namespace_config config = {.size = sizeof(config),
                                             .name = bad->name,
                                             .why = before.why,
                                             .why_len = sizeof(before.why)};

        if (bad->addresses[0])
            config.addresses = bad->addresses;
        look(&before, arena);
        assert_int_equal(gn_namespace_create(arena->net, &config, &ns),
                         bad->err ? bad->err : -EINVAL);
        assert_null(ns);
        expect_why(&before, bad->why);
        expect_unchanged(&before);
        config.why_len = 3;
        assert_int_equal(gn_namespace_create(arena->net, &config, &ns),
                         bad->err ? bad->err : -EINVAL);
        assert_true(strlen(before.why) < 3 || !bad->why);
        config.why = NULL;
        assert_int_equal(gn_namespace_create(arena->net, &config, &ns),
                         bad->err ? bad->err : -EINVAL);
        expect_unchanged(&before);
    }
    /* The addresses they asked for are still there to be had. */
    ns = arena_guest(arena, "10.77.0.9", NULL);
    gn_namespace_close(ns, 0, NULL, NULL);
}

static void names_are_taken_once_whatever_their_case(void **state)
{
    struct arena *arena = *state;
    struct gn_namespace_config config = {.size = sizeof(config), .name = "Web"};
    struct gn_namespace *ns, *other = NULL;
    struct before before;

    assert_int_equal(gn_namespace_create(arena->net, &config, &ns), 0);
    config.name = "wEB";
    config.why = before.why;
    config.why_len = sizeof(before.why);
    look(&before, arena);
    assert_int_equal(gn_namespace_create(arena->net, &config, &other),
                     -EADDRINUSE);
    expect_why(&before, "\"wEB\": another guest");
    assert_null(other);
    expect_unchanged(&before);
    gn_namespace_close(ns, 0, NULL, NULL);
    assert_int_equal(gn_namespace_create(arena->net, &config, &other), 0);
    gn_namespace_close(other, 0, NULL, NULL);
}

static void loops_and_clocks_go_with_their_drives(void **state)
{
    struct arena *arena = *state;
    struct gn_network_config network = {.size = sizeof(network),
                                        .drive = GN_DRIVE_VIRTUAL,
                                        .loop = (struct uv_loop_s *)arena};
    struct gn_network *net = NULL;
    struct before before;

    look(&before, arena);
    network.clock = arena->clock;
    assert_int_equal(gn_network_create(&network, &net), -EINVAL);
    network.loop = NULL;
    network.drive = GN_DRIVE_THREAD;
    assert_int_equal(gn_network_create(&network, &net), -EINVAL);
    assert_null(net);
    expect_unchanged(&before);
}

static void attach_refuses_what_is_wrong(void **state)
{
    struct arena *arena = *state;
    struct gn_namespace *ns = arena->bystander[0];
    const char *addresses[] = {"10.99.0.1", NULL};
    struct gn_attach_config config = {.size = sizeof(config)};
    struct gn_network_config bare = {.size = sizeof(bare),
                                     .drive = GN_DRIVE_VIRTUAL};
    struct gn_network *loop_only, *elsewhere;
    struct before before;
    unsigned i;

    bare.clock = arena->clock;
    assert_int_equal(gn_network_create(&bare, &loop_only), 0);
    bare.clock = NULL;
    bare.alloc = &arena->heap.alloc;
    bare.prefixes = (const char *const[]){"10.1.0.0/24", NULL};
    assert_int_equal(gn_network_create(&bare, &elsewhere), 0);

    look(&before, arena);
    config.why = before.why;
    config.why_len = sizeof(before.why);
    assert_int_equal(gn_namespace_attach(NULL, arena->net, NULL), -EINVAL);
    assert_int_equal(gn_namespace_attach(ns, NULL, NULL), -EINVAL);
    assert_int_equal(gn_namespace_attach(ns, elsewhere, NULL), -EXDEV);
    assert_int_equal(gn_namespace_attach(ns, loop_only, &config), -EINVAL);
    expect_why(&before, "no prefixes");
    config.mtu = 1279;
    assert_int_equal(gn_namespace_attach(ns, arena->net, &config), -EINVAL);
    expect_why(&before, "1280");
    config.mtu = GN_MTU_DEFAULT + 1;
    assert_int_equal(gn_namespace_attach(ns, arena->net, &config), -EINVAL);
    expect_why(&before, "16384");
    config.mtu = 0;
    config.addresses = addresses;
    assert_int_equal(gn_namespace_attach(ns, arena->net, &config), -EINVAL);
    expect_why(&before, "10.99.0.1");
    addresses[0] = "10.77.0.1";
    assert_int_equal(gn_namespace_attach(ns, arena->net, &config), -EADDRINUSE);
    expect_why(&before, "the gateway has it");
    expect_unchanged(&before);

    for (i = 2; i < 1024; i++)
        assert_int_equal(gn_namespace_attach(ns, arena->net, NULL), 0);
    look(&before, arena);
    assert_int_equal(gn_namespace_attach(ns, arena->net, NULL), -ENOSPC);
    expect_unchanged(&before);
    gn_network_close(loop_only, NULL, NULL);
    gn_network_close(elsewhere, NULL, NULL);
}

static void full_prefixes_say_so(void **state)
{
    struct arena *arena = *state;
    struct gn_network_config config = {
        .size = sizeof(config),
        .drive = GN_DRIVE_VIRTUAL,
        .prefixes = (const char *const[]){"fd01::/64", "10.1.0.0/30", NULL}};
    struct gn_namespace *ns, *other = NULL;
    struct gn_network *net;
    struct before before;

    config.clock = arena->clock;
    assert_int_equal(gn_network_create(&config, &net), 0);
    assert_int_equal(gn_namespace_create(net, NULL, &ns), 0);
    look(&before, arena);
    assert_int_equal(gn_namespace_create(net, NULL, &other), -ENOSPC);
    assert_int_equal(gn_namespace_attach(ns, net, NULL), -ENOSPC);
    assert_null(other);
    expect_unchanged(&before);
    gn_namespace_close(ns, 0, NULL, NULL);
    assert_int_equal(gn_namespace_create(net, NULL, &other), 0);
    gn_network_close(net, NULL, NULL);
}

/* ---- routes ---- */

struct bad_route {
    const char *prefix;
    const char *gateway;
    int err;
};

static const struct bad_route bad_routes[] = {
    {NULL, "10.77.0.1", -EINVAL},
    {NULL, NULL, -EINVAL},
    {"", "10.77.0.1", -EINVAL},
    {"10.0.0.0", "10.77.0.1", -EINVAL},
    {"10.0.0.1/8", "10.77.0.1", -EINVAL},
    {"10.0.0.0/33", "10.77.0.1", -EINVAL},
    {"10.0.0.0/8", "", -EINVAL},
    {"10.0.0.0/8", "gateway", -EINVAL},
    {"10.0.0.0/8", "10.77.0.1/16", -EINVAL},
    {"10.0.0.0/8", "10.77.0.1:80", -EINVAL},
    {"10.0.0.0/8", "fd77::1", -EINVAL}, /* the other version */
    {"fd00::/8", "10.77.0.1", -EINVAL},
    {"10.0.0.0/8", "10.77.0.2", -EINVAL}, /* its own */
    {"10.0.0.0/8", "127.0.0.1", -EINVAL},
    {"10.0.0.0/8", "10.78.0.1", -ENETUNREACH},
    {"::/0", "fd78::1", -ENETUNREACH},
    {"::/0", "fe80::1%9", -ENETUNREACH},
    {"::/0", "fe80::1%1", -ENETUNREACH},
    {"10.0.0.0/8", NULL, -ESRCH},
};

static void routes_refuse_what_is_wrong(void **state)
{
    struct arena *arena = *state;
    struct gn_namespace *ns = arena->bystander[0];
    struct before before;
    char text[32];
    unsigned i;

    look(&before, arena);
    assert_int_equal(gn_route_add(NULL, "::/0", "fd77::1"), -EINVAL);
    for (i = 0; i < sizeof(bad_routes) / sizeof(*bad_routes); i++) {
        int err = gn_route_add(ns, bad_routes[i].prefix, bad_routes[i].gateway);

        if (err != bad_routes[i].err)
            fail_msg("route %u: %d", i, err);
    }
    expect_unchanged(&before);

    for (i = 0; i < 65536; i++) {
        (void)snprintf(text, sizeof(text), "12.%u.%u.0/24", i / 256, i % 256);
        assert_int_equal(gn_route_add(ns, text, "10.77.0.1"), 0);
    }
    look(&before, arena);
    assert_int_equal(gn_route_add(ns, "11.0.0.0/8", "10.77.0.1"), -ENOSPC);
    assert_int_equal(gn_route_add(ns, "12.0.0.0/24", "10.77.0.3"), 0);
    expect_unchanged(&before);
    assert_int_equal(gn_route_add(ns, "12.0.0.0/24", NULL), 0);
    assert_int_equal(gn_route_add(ns, "11.0.0.0/8", "10.77.0.1"), 0);
}

/* ---- links and paths ---- */

static void links_refuse_what_is_wrong(void **state)
{
    static const struct gn_link_config bad[] = {
        {.loss_ppm = 1000001},
        {.reorder_ppm = 1000001},
        {.duplicate_ppm = 1000001},
        {.corrupt_ppm = UINT32_MAX},
        {.size = 1},
    };
    struct arena *arena = *state;
    struct gn_namespace *ns = arena->bystander[0];
    const struct gn_link_config fine = {.latency_us = 7};
    struct gn_link_config config;
    struct before before;
    size_t i;

    assert_int_equal(gn_link_set(ns, "eth0", &fine), 0);
    look(&before, arena);
    for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(gn_link_set(ns, NULL, &bad[i]), -EINVAL);
    assert_int_equal(gn_link_set(NULL, NULL, &fine), -EINVAL);
    assert_int_equal(gn_link_set(ns, "lo", &fine), -EINVAL);
    assert_int_equal(gn_link_set(ns, "eth1", &fine), -ENODEV);
    assert_int_equal(gn_link_set(ns, "", &fine), -ENODEV);
    assert_int_equal(gn_link_set(ns, "ETH0", &fine), -ENODEV);
    assert_int_equal(gn_link_get(NULL, NULL, &config), -EINVAL);
    assert_int_equal(gn_link_get(ns, NULL, NULL), -EINVAL);
    assert_int_equal(gn_link_get(ns, "lo", &config), -EINVAL);
    assert_int_equal(gn_link_get(ns, "eth7", &config), -ENODEV);
    expect_unchanged(&before);
    assert_int_equal(gn_link_get(ns, NULL, &config), 0);
    assert_int_equal(config.size, sizeof(config));
    assert_int_equal(config.latency_us, 7);
    assert_int_equal(gn_link_set(ns, NULL, NULL), 0);
}

static void paths_refuse_what_is_wrong(void **state)
{
    struct arena *arena = *state;
    struct gn_namespace *const *guest = arena->bystander;
    const struct gn_path_config fine = {.loss_ppm = 1000000};
    const struct gn_path_config lossy = {.loss_ppm = 1000001};
    const struct gn_path_config size = {.size = 9};
    struct gn_network_config config = {.size = sizeof(config),
                                       .drive = GN_DRIVE_VIRTUAL};
    struct gn_network *other;
    struct before before;

    config.clock = arena->clock;
    assert_int_equal(gn_network_create(&config, &other), 0);
    look(&before, arena);
    assert_int_equal(gn_path_set(NULL, guest[0], guest[1], &fine), -EINVAL);
    assert_int_equal(gn_path_set(arena->net, NULL, guest[1], &fine), -EINVAL);
    assert_int_equal(gn_path_set(arena->net, guest[0], NULL, &fine), -EINVAL);
    assert_int_equal(gn_path_set(arena->net, guest[0], guest[1], &lossy),
                     -EINVAL);
    assert_int_equal(gn_path_set(arena->net, guest[0], guest[1], &size),
                     -EINVAL);
    assert_int_equal(gn_path_set(other, guest[0], guest[1], &fine), -ENODEV);
    assert_int_equal(gn_path_set(arena->net, guest[0], guest[1], NULL), 0);
    expect_unchanged(&before);
    gn_network_close(other, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(networks_refuse_what_is_wrong),
        cmocka_unit_test(networks_of_threads_refuse_it_too),
        CASE(network_has_room_for_sixteen_prefixes),
        CASE(sizes_of_networks_are_checked),
        CASE(sizes_of_namespaces_are_checked),
        CASE(sizes_of_the_rest_are_checked),
        CASE(namespaces_refuse_what_is_wrong),
        CASE(names_are_taken_once_whatever_their_case),
        CASE(loops_and_clocks_go_with_their_drives),
        CASE(attach_refuses_what_is_wrong),
        CASE(full_prefixes_say_so),
        CASE(routes_refuse_what_is_wrong),
        CASE(links_refuse_what_is_wrong),
        CASE(paths_refuse_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
