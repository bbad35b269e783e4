/* SPDX-License-Identifier: BSD-3-Clause */

/* The guests of a network: by name, and all of them as copies. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/arena.h"

struct seen {
    size_t n;
    struct gn_namespace_info last;
    char names[512];
    struct gn_namespace *closes; /* one that the callback closes */
};

static void see(const struct gn_namespace_info *info, void *arg)
{
    struct seen *seen = arg;

    seen->n++;
    seen->last = *info;
    strncat(seen->names, info->name[0] ? info->name : "-",
            sizeof(seen->names) - strlen(seen->names) - 1);
    if (seen->closes)
        gn_namespace_close(seen->closes, 0, NULL, NULL);
    seen->closes = NULL;
}

static struct gn_namespace *add_guest(struct gn_network *net, const char *name)
{
    struct gn_limits limits = {.max_sockets = 7};
    struct gn_namespace_config config = {
        .size = sizeof(config), .name = name, .limits = limits};
    struct gn_namespace *ns;

    assert_int_equal(gn_namespace_create(net, &config, &ns), 0);
    return ns;
}

static struct seen see_all(struct gn_network *net)
{
    struct seen seen = {0};

    assert_int_equal(gn_network_each_namespace(net, see, &seen), 0);
    return seen;
}

static void guests_are_found_by_name(void **state)
{
    struct arena arena;
    struct gn_namespace *web;

    (void)state;
    arena_begin(&arena, NULL);
    web = add_guest(arena.net, "web");
    assert_ptr_equal(gn_namespace_find(arena.net, "web"), web);
    assert_ptr_equal(gn_namespace_find(arena.net, "WEB"), web);
    assert_null(gn_namespace_find(arena.net, "we"));
    assert_null(gn_namespace_find(arena.net, ""));
    assert_null(gn_namespace_find(arena.net, "gateway"));
    assert_null(gn_namespace_find(arena.net, NULL));
    assert_null(gn_namespace_find(NULL, "web"));
    gn_namespace_close(web, 0, NULL, NULL);
    assert_null(gn_namespace_find(arena.net, "web"));
    arena_end(&arena);
}

static void a_copy_has_what_a_guest_has(void **state)
{
    struct arena arena;
    struct gn_namespace *web;
    struct gn_sock *sock;
    struct seen seen;
    char text[GN_ADDR_TEXT_MAX];

    (void)state;
    arena_begin(&arena, NULL);
    web = add_guest(arena.net, "web");
    sock = arena_open(web, SOCK_DGRAM, "10.77.0.4:1");
    seen = see_all(arena.net);
    assert_int_equal(seen.n, 3); /* With two bystanders. */
    assert_ptr_equal(seen.last.ns, web);
    assert_string_equal(seen.last.name, "web");
    assert_int_equal(seen.last.n_addrs, 2);
    assert_int_equal(gn_ip_format(&seen.last.addrs[0], text, sizeof(text)), 0);
    assert_string_equal(text, "10.77.0.4");
    assert_int_equal(seen.last.limits.max_sockets, 7);
    assert_int_equal(seen.last.limits.max_lookups, 256); /* Filled in. */
    assert_int_equal(seen.last.stats.sockets, 1);
    arena_drop(sock);
    gn_namespace_close(web, 0, NULL, NULL);
    arena_end(&arena);
}

static void guests_of_other_networks_come_once(void **state)
{
    static const char *const prefixes[] = {"10.78.0.0/24", NULL};
    struct arena arena;
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_VIRTUAL};
    struct gn_network *other;
    struct gn_namespace *own, *router;
    struct seen seen;

    (void)state;
    arena_begin(&arena, NULL);
    config.clock = arena.clock;
    assert_int_equal(gn_network_create(&config, &other), 0);
    router = add_guest(arena.net, "router");
    assert_int_equal(gn_namespace_attach(router, other, NULL), 0);
    assert_int_equal(gn_namespace_attach(router, other, NULL), 0);
    own = add_guest(other, "own");
    seen = see_all(other);
    assert_string_equal(seen.names, "ownrouter");
    assert_int_equal(seen.last.n_addrs, 2);
    gn_namespace_close(own, 0, NULL, NULL);
    gn_namespace_close(router, 0, NULL, NULL);
    gn_network_close(other, NULL, NULL);
    arena_end(&arena);
}

static void a_callback_may_close_guests(void **state)
{
    struct arena arena;
    struct gn_namespace *first, *second;
    struct seen seen = {0};

    (void)state;
    arena_begin(&arena, NULL);
    first = add_guest(arena.net, "first");
    second = add_guest(arena.net, "second");
    seen.closes = second; /* It is left out then. */
    assert_int_equal(gn_network_each_namespace(arena.net, see, &seen), 0);
    assert_string_equal(seen.names, "--first");
    gn_namespace_close(first, 0, NULL, NULL);
    arena_end(&arena);
}

static void many_guests_are_all_told(void **state)
{
    struct gn_namespace *guests[300];
    struct arena arena;
    size_t i;

    (void)state;
    arena_begin(&arena, NULL);
    for (i = 0; i < 300; i++)
        guests[i] = add_guest(arena.net, NULL);
    assert_int_equal(see_all(arena.net).n, 302);
    for (i = 0; i < 300; i++)
        gn_namespace_close(guests[i], 0, NULL, NULL);
    assert_int_equal(gn_network_each_namespace(arena.net, NULL, NULL), -EINVAL);
    assert_int_equal(gn_network_each_namespace(NULL, see, NULL), -EINVAL);
    arena_end(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guests_are_found_by_name),
        cmocka_unit_test(a_copy_has_what_a_guest_has),
        cmocka_unit_test(guests_of_other_networks_come_once),
        cmocka_unit_test(a_callback_may_close_guests),
        cmocka_unit_test(many_guests_are_all_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
