/* SPDX-License-Identifier: BSD-3-Clause */

/* Guests find each other by name, under a clock. */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <guestnet/guestnet.h>

#include "tests/lib/case.h"
#include "tests/lib/simnet.h"

/** What came of a lookup. */
struct said {
    int calls;
    int status;
    size_t n;
    char text[512]; /* the addresses, with spaces between */
    uint16_t port;
};

static void said_ip(struct gn_lookup *lookup, int status,
                    const struct gn_answer *answers, size_t n, void *arg)
{
    struct said *said = arg;
    char one[GN_ADDR_TEXT_MAX];
    size_t i;

    (void)lookup;
    said->calls++;
    said->status = status;
    said->n = n;
    for (i = 0; i < n; i++) {
        assert_int_equal(
            gn_addr_format((const struct sockaddr *)&answers[i].addr, one,
                           sizeof(one)),
            0);
        (void)snprintf(said->text + strlen(said->text),
                       sizeof(said->text) - strlen(said->text), "%s%s",
                       i ? " " : "", one);
    }
}

static void said_port(struct gn_lookup *lookup, int status, uint16_t port,
                      void *arg)
{
    struct said *said = arg;

    (void)lookup;
    said->calls++;
    said->status = status;
    said->port = port;
}

static void said_addr(struct gn_lookup *lookup, int status, const char *name,
                      void *arg)
{
    struct said *said = arg;

    (void)lookup;
    said->calls++;
    said->status = status;
    (void)snprintf(said->text, sizeof(said->text), "%s", name ? name : "");
}

static const char *const both[] = {"10.77.0.0/24", "fd77::/64", NULL};

static int setup(void **state)
{
    static struct gn_simnet sim;

    gn_simnet_setup(&sim, both, 1);
    *state = &sim;
    return 0;
}

static int teardown(void **state)
{
    gn_simnet_teardown(*state);
    return 0;
}

/* The addresses of a name, or the negative result. */
static const char *look(struct gn_simnet *sim, struct gn_namespace *ns,
                        const char *proto, const char *host)
{
    static struct said said;

    memset(&said, 0, sizeof(said));
    assert_int_equal(gn_lookup(ns, proto, host, said_ip, &said, NULL), 0);
    assert_int_equal(said.calls, 0);
    gn_clock_advance(sim->clock, 0);
    assert_int_equal(said.calls, 1);
    if (said.status)
        (void)snprintf(said.text, sizeof(said.text), "%d", said.status);
    return said.text;
}

static const char *look_back(struct gn_simnet *sim, struct gn_namespace *ns,
                             const char *address)
{
    static struct said said;
    struct sockaddr_storage addr;

    memset(&said, 0, sizeof(said));
    assert_int_equal(gn_addr_parse(address, &addr, NULL), 0);
    assert_int_equal(
        gn_lookup_addr(ns, (struct sockaddr *)&addr, said_addr, &said, NULL),
        0);
    gn_clock_advance(sim->clock, 0);
    assert_int_equal(said.calls, 1);
    if (said.status)
        (void)snprintf(said.text, sizeof(said.text), "%d", said.status);
    return said.text;
}

static void guests_find_each_other_by_name(void **state)
{
    struct gn_simnet *sim = *state;
    struct gn_namespace *web = gn_simnet_guest(sim->net, "web");
    struct gn_namespace *api = gn_simnet_guest(sim->net, "api");

    assert_string_equal(look(sim, api, "ip", "web"), "10.77.0.2 fd77::2");
    assert_string_equal(look(sim, api, "ip4", "web"), "10.77.0.2");
    assert_string_equal(look(sim, api, "ip6", "web"), "fd77::2");
    assert_string_equal(look(sim, web, "ip4", "api"), "10.77.0.3");
    assert_string_equal(look(sim, web, "ip4", "web"), "10.77.0.2");
}

static void the_domain_the_case_and_a_last_dot_do_not_matter(void **state)
{
    struct gn_simnet *sim = *state;
    struct gn_namespace *web = gn_simnet_guest(sim->net, "Web");

    assert_string_equal(look(sim, web, "ip4", "web.guest.internal"),
                        "10.77.0.2");
    assert_string_equal(look(sim, web, "ip4", "WEB.Guest.Internal."),
                        "10.77.0.2");
    assert_string_equal(look(sim, web, "ip4", "wEb."), "10.77.0.2");
    assert_string_equal(look(sim, web, "ip4", "web.internal"), "-3008");
    assert_string_equal(look(sim, web, "ip4", "web.x.guest.internal"), "-3008");
}

static void names_come_and_go_with_their_guests(void **state)
{
    struct gn_simnet *sim = *state;
    struct gn_namespace *web, *api = gn_simnet_guest(sim->net, "api");

    assert_string_equal(look(sim, api, "ip4", "web"), "-3008");
    web = gn_simnet_guest(sim->net, "web");
    assert_string_equal(look(sim, api, "ip4", "web"), "10.77.0.3");
    assert_string_equal(look_back(sim, api, "10.77.0.3"), "web.guest.internal");
    gn_namespace_close(web, 0, NULL, NULL);
    assert_string_equal(look(sim, api, "ip4", "web"), "-3008");
    assert_string_equal(look_back(sim, api, "10.77.0.3"), "-3008");
}

static void addresses_lead_back_to_names(void **state)
{
    struct gn_simnet *sim = *state;
    struct gn_namespace *web = gn_simnet_guest(sim->net, "web");

    assert_string_equal(look_back(sim, web, "10.77.0.2"), "web.guest.internal");
    assert_string_equal(look_back(sim, web, "fd77::2"), "web.guest.internal");
    assert_string_equal(look_back(sim, web, "10.77.0.1"),
                        "gateway.guest.internal");
    assert_string_equal(look_back(sim, web, "127.0.0.1"), "localhost");
    assert_string_equal(look_back(sim, web, "::1"), "localhost");
    assert_string_equal(look_back(sim, web, "192.0.2.1"), "-3008");
}

static void the_host_is_the_gateway(void **state)
{
    struct gn_simnet *sim = *state;
    struct gn_namespace *web = gn_simnet_guest(sim->net, "web");

    assert_string_equal(look(sim, web, "ip", "gateway"), "10.77.0.1 fd77::1");
    assert_string_equal(look(sim, web, "ip4", "gateway.guest.internal"),
                        "10.77.0.1");
    assert_string_equal(look(sim, gn_network_gateway(sim->net), "ip4", "web"),
                        "10.77.0.2");
}

static void a_guest_called_gateway_goes_first(void **state)
{
    struct gn_simnet *sim = *state;
    struct gn_namespace *guest = gn_simnet_guest(sim->net, "gateway");

    assert_string_equal(look(sim, guest, "ip4", "gateway"), "10.77.0.2");
    assert_string_equal(look_back(sim, guest, "10.77.0.1"), "-3008");
}

static void localhost_is_the_guests_own(void **state)
{
    struct gn_simnet *sim = *state;
    struct gn_namespace *web = gn_simnet_guest(sim->net, "web");

    assert_string_equal(look(sim, web, "ip", "localhost"), "::1 127.0.0.1");
    assert_string_equal(look(sim, web, "ip4", "a.b.LOCALHOST."), "127.0.0.1");
    assert_string_equal(look(sim, web, "ip4", "notlocalhost"), "-3008");
}

static void addresses_in_text_are_looked_up_too(void **state)
{
    struct gn_simnet *sim = *state;
    struct gn_namespace *web = gn_simnet_guest(sim->net, "web");

    assert_string_equal(look(sim, web, "ip", "192.0.2.7"), "192.0.2.7");
    assert_string_equal(look(sim, web, "ip", "2001:db8::7"), "2001:db8::7");
    assert_string_equal(look(sim, web, "ip6", "fe80::1%eth0"), "fe80::1%2");
    assert_string_equal(look(sim, web, "ip4", "2001:db8::7"), "-3007");
    assert_string_equal(look(sim, web, "ip4", "0x7f.1"), "127.0.0.1");
}

static void an_unnamed_guest_finds_itself(void **state)
{
    struct gn_simnet *sim = *state;
    struct gn_namespace *guest = gn_simnet_guest(sim->net, NULL);

    assert_string_equal(look(sim, guest, "ip4", "ip-10-77-0-2"), "10.77.0.2");
    assert_string_equal(look_back(sim, guest, "10.77.0.2"), "-3008");
}

static void what_cannot_be_a_name_is_refused(void **state)
{
    static const char *const bad[] = {"",         ".",   "a..b", ".a",
                                      "a b",      "a\n", "a/b",  "a%b",
                                      "\xc3\xa4", "*.a", "a:b",  "a.."};
    struct gn_simnet *sim = *state;
    struct gn_namespace *web = gn_simnet_guest(sim->net, "web");
    struct said said = {0};
    char name[300];
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(gn_lookup(web, "ip", bad[i], said_ip, &said, NULL),
                         -EINVAL);
    memset(name, 'a', sizeof(name));
    name[64] = '\0'; /* a label of 64 */
    assert_int_equal(gn_lookup(web, "ip", name, said_ip, &said, NULL), -EINVAL);
    name[63] = '\0';
    assert_string_equal(look(sim, web, "ip", name), "-3008");
    for (i = 0; i < 253; i++)
        name[i] = i % 2 ? '.' : 'a';
    name[253] = '\0';
    assert_string_equal(look(sim, web, "ip", name), "-3008");
    memcpy(name + 253, ".", 2); /* does not count */
    assert_string_equal(look(sim, web, "ip", name), "-3008");
    memcpy(name + 253, ".a", 3);
    assert_int_equal(gn_lookup(web, "ip", name, said_ip, &said, NULL), -EINVAL);
    assert_int_equal(gn_lookup(web, "tcp", "a", said_ip, &said, NULL), -EINVAL);
    assert_int_equal(gn_lookup(NULL, "ip", "a", said_ip, &said, NULL), -EINVAL);
    assert_int_equal(gn_lookup(web, NULL, "a", said_ip, &said, NULL), -EINVAL);
    assert_int_equal(gn_lookup(web, "ip", NULL, said_ip, &said, NULL), -EINVAL);
    assert_int_equal(gn_lookup(web, "ip", "a", NULL, &said, NULL), -EINVAL);
    gn_clock_advance(sim->clock, 0);
    assert_int_equal(said.calls, 0);
}

static uint16_t port_of(struct gn_simnet *sim, struct gn_namespace *ns,
                        const char *proto, const char *service)
{
    struct said said = {0};

    assert_int_equal(gn_lookup_port(ns, proto, service, said_port, &said, NULL),
                     0);
    gn_clock_advance(sim->clock, 0);
    assert_int_equal(said.calls, 1);
    assert_int_equal(said.status, said.port ? 0 : GN_EAI_SERVICE);
    return said.port;
}

static void the_usual_services_are_known(void **state)
{
    struct gn_simnet *sim = *state;
    struct gn_namespace *web = gn_simnet_guest(sim->net, "web");

    assert_int_equal(port_of(sim, web, "tcp", "http"), 80);
    assert_int_equal(port_of(sim, web, "udp", "domain"), 53);
    assert_int_equal(port_of(sim, web, "tcp6", "8080"), 8080);
    assert_int_equal(port_of(sim, web, "udp", "ssh"), 0);
    assert_int_equal(port_of(sim, web, "tcp", "65536"), 0);
}

static void a_guest_in_two_networks_asks_both(void **state)
{
    static const char *const other[] = {"10.88.0.0/24", NULL};
    struct gn_simnet *sim = *state;
    struct gn_network *net2 = gn_simnet_add(sim, "two", other);
    struct gn_namespace *router = gn_simnet_guest(sim->net, "router");
    struct gn_namespace *far = gn_simnet_guest(net2, "far");
    struct gn_namespace *near = gn_simnet_guest(sim->net, "near");

    assert_string_equal(look(sim, router, "ip4", "far"), "-3008");
    assert_int_equal(gn_namespace_attach(router, net2, NULL), 0);
    assert_string_equal(look(sim, router, "ip4", "far"), "10.88.0.2");
    assert_string_equal(look(sim, near, "ip4", "far"), "-3008");
    assert_string_equal(look(sim, near, "ip4", "router"), "10.77.0.2");
    assert_string_equal(look(sim, far, "ip4", "router"), "-3008");
    gn_namespace_detach(router);
    assert_string_equal(look(sim, router, "ip4", "near"), "-3008");
    assert_string_equal(look(sim, router, "ip4", "far"), "10.88.0.2");
    assert_string_equal(look(sim, near, "ip4", "router"), "-3007");
    gn_network_close(net2, NULL, NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(guests_find_each_other_by_name),
        CASE(the_domain_the_case_and_a_last_dot_do_not_matter),
        CASE(names_come_and_go_with_their_guests),
        CASE(addresses_lead_back_to_names),
        CASE(the_host_is_the_gateway),
        CASE(a_guest_called_gateway_goes_first),
        CASE(localhost_is_the_guests_own),
        CASE(addresses_in_text_are_looked_up_too),
        CASE(an_unnamed_guest_finds_itself),
        CASE(what_cannot_be_a_name_is_refused),
        CASE(the_usual_services_are_known),
        CASE(a_guest_in_two_networks_asks_both),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
