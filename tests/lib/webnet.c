/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/webnet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

int webnet_setup(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    struct gn_namespace_config web = {.size = sizeof(web), .name = "web"};
    struct webnet *w = test_calloc(1, sizeof(*w));

    assert_int_equal(gn_network_create(&config, &w->net), 0);
    assert_int_equal(gn_namespace_create(w->net, &web, &w->web), 0);
    assert_int_equal(gn_namespace_create(w->net, NULL, &w->client), 0);
    *state = w;
    return 0;
}

int webnet_teardown(void **state)
{
    struct webnet *w = *state;

    gn_network_close(w->net, NULL, NULL);
    test_free(w);
    return 0;
}

struct gn_sock *webnet_listen(struct webnet *w, const char *proto,
                              const char *address)
{
    struct gn_sock *sock = NULL;

    if (gn_sock_listen_at(w->web, proto, address, 0, w->why, sizeof(w->why),
                          &sock))
        fail_msg("%s", w->why);
    return sock;
}
