/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/lib/asker.h"
#include "tests/lib/case.h"

static const char hosts[] = "# a comment\n"
                            "10.0.0.1\tdb.test db   # and its short name\n"
                            "fd00::1 db.test\r\n"
                            "\n"
                            "10.0.0.2 *.svc.test\n"
                            "10.0.0.3 own.svc.test *.deep.svc.test\n"
                            "fd00::6 six.test";
static const char services[] = "postgres 5432/tcp pg  # comment\n"
                               "dns 53/udp\n";

struct fixture {
    struct asker asker;
    struct gn_resolver *resolver;
    char why[200];
};

static int create(struct fixture *f, const char *hosts_text,
                  const char *services_text)
{
    struct gn_resolver_static_config config = {.size = sizeof(config),
                                               .hosts = hosts_text,
                                               .services = services_text,
                                               .alloc = &f->asker.heap.alloc,
                                               .why = f->why,
                                               .why_len = sizeof(f->why)};

    return gn_resolver_static(&config, &f->resolver);
}

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    asker_init(&f.asker);
    assert_int_equal(create(&f, hosts, services), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_resolver_close(f->resolver);
    asker_done(&f->asker);
    return 0;
}

static const char *ip(struct fixture *f, const char *proto, const char *host)
{
    return asker_ip(&f->asker, f->resolver, proto, host);
}

static void names_lead_to_addresses(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(ip(f, "ip", "db.test"), "10.0.0.1/60 fd00::1/60");
    assert_string_equal(ip(f, "ip4", "DB.Test"), "10.0.0.1/60");
    assert_string_equal(ip(f, "ip6", "db.test"), "fd00::1/60");
    assert_string_equal(ip(f, "ip", "db"), "10.0.0.1/60");
}

static void a_name_without_the_version_has_no_data(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(ip(f, "ip4", "six.test"), "-3007");
    assert_string_equal(ip(f, "ip4", "seven.test"), "-3008");
}

static void the_nearest_wildcard_answers(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(ip(f, "ip", "a.svc.test"), "10.0.0.2/60");
    assert_string_equal(ip(f, "ip", "a.b.svc.test"), "10.0.0.2/60");
    assert_string_equal(ip(f, "ip", "own.svc.test"), "10.0.0.3/60");
    assert_string_equal(ip(f, "ip", "a.deep.svc.test"), "10.0.0.3/60");
    assert_string_equal(ip(f, "ip", "svc.test"), "-3008");
    assert_string_equal(ip(f, "ip", "asvc.test"), "-3008");
}

static void a_star_alone_is_every_name(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(gn_resolver_static_add(f->resolver, "*", "10.0.0.9", 5),
                     0);
    assert_string_equal(ip(f, "ip", "whatever"), "10.0.0.9/5");
    assert_string_equal(ip(f, "ip", "a.svc.test"), "10.0.0.2/60");
}

static void addresses_lead_back_to_the_first_name(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(asker_addr(&f->asker, f->resolver, "10.0.0.1"),
                        "db.test");
    assert_string_equal(asker_addr(&f->asker, f->resolver, "fd00::1"),
                        "db.test");
    assert_string_equal(asker_addr(&f->asker, f->resolver, "10.0.0.2"),
                        "-3008");
    assert_string_equal(asker_addr(&f->asker, f->resolver, "10.0.0.3"),
                        "own.svc.test");
    assert_string_equal(asker_addr(&f->asker, f->resolver, "10.0.0.4"),
                        "-3008");
}

static void services_lead_to_ports(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(asker_port(&f->asker, f->resolver, "tcp", "postgres"),
                        "5432");
    assert_string_equal(asker_port(&f->asker, f->resolver, "tcp", "pg"),
                        "5432");
    assert_string_equal(asker_port(&f->asker, f->resolver, "udp", "dns"), "53");
    assert_string_equal(asker_port(&f->asker, f->resolver, "tcp", "dns"),
                        "-3010");
}

static void other_records_are_not_there(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(asker_query(&f->asker, f->resolver, "db.test", 15),
                        "-3007");
    assert_string_equal(asker_query(&f->asker, f->resolver, "no.test", 15),
                        "-3008");
}

static void names_come_and_go(void **state)
{
    struct fixture *f = *state;
    struct gn_resolver *r = f->resolver;

    assert_int_equal(gn_resolver_static_add(r, "New.Test.", "10.1.0.1", 7), 0);
    assert_int_equal(gn_resolver_static_add(r, "new.test", "10.1.0.1", 9), 0);
    assert_int_equal(gn_resolver_static_add(r, "new.test", "10.1.0.2", 0), 0);
    assert_string_equal(ip(f, "ip", "new.test"), "10.1.0.1/7 10.1.0.2/60");
    assert_int_equal(gn_resolver_static_remove(r, "new.test", "10.1.0.1"), 0);
    assert_string_equal(ip(f, "ip", "new.test"), "10.1.0.2/60");
    assert_string_equal(asker_addr(&f->asker, r, "10.1.0.1"), "-3008");
    assert_int_equal(gn_resolver_static_remove(r, "new.test", "10.1.0.1"),
                     -ENOENT);
    assert_int_equal(gn_resolver_static_remove(r, "NEW.TEST", NULL), 0);
    assert_string_equal(ip(f, "ip", "new.test"), "-3008");
    assert_int_equal(gn_resolver_static_remove(r, "new.test", NULL), -ENOENT);
    assert_int_equal(gn_resolver_static_add(r, "none.test", NULL, 0), 0);
    assert_string_equal(ip(f, "ip", "none.test"), "-3007");
}

static void what_is_wrong_with_a_line_is_said(void **state)
{
    static const struct {
        const char *hosts, *services, *why;
    } lines[] = {
        {"10.0.0.1 a\n10.0.0.256 b", NULL,
         "hosts line 2: \"10.0.0.256\" is not an address such as 10.0.0.1"},
        {"10.0.0.1", NULL, "hosts line 1: no name"},
        {"10.0.0.1 a..b", NULL,
         "hosts line 1: \"a..b\" is not a name such as db.test or *.test"},
        {"10.0.0.1 a.*.b", NULL,
         "hosts line 1: \"a.*.b\" is not a name such as db.test or *.test"},
        {NULL, "db", "services line 1: \"db\" has no port such as 5432/tcp"},
        {NULL, "db 0/tcp",
         "services line 1: \"db\" has no port such as 5432/tcp"},
        {NULL, "db 65536/tcp",
         "services line 1: \"db\" has no port such as 5432/tcp"},
        {NULL, "ok 1/udp\ndb 80/sctp",
         "services line 2: \"db\" has no port such as 5432/tcp"},
    };
    struct fixture *f = *state;
    struct gn_resolver *kept = f->resolver;
    size_t i;

    for (i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        assert_int_equal(create(f, lines[i].hosts, lines[i].services), -EINVAL);
        assert_string_equal(f->why, lines[i].why);
    }
    assert_ptr_equal(f->resolver, kept);
}

static void what_makes_no_sense_is_refused(void **state)
{
    struct fixture *f = *state;
    struct gn_resolver *r = f->resolver;

    assert_int_equal(gn_resolver_static(NULL, NULL), -EINVAL);
    assert_int_equal(gn_resolver_static_add(NULL, "a", "10.0.0.1", 0), -EINVAL);
    assert_int_equal(gn_resolver_static_add(r, NULL, "10.0.0.1", 0), -EINVAL);
    assert_int_equal(gn_resolver_static_add(r, "a b", "10.0.0.1", 0), -EINVAL);
    assert_int_equal(gn_resolver_static_add(r, "a", "10.0.0.1:80", 0), -EINVAL);
    assert_int_equal(gn_resolver_static_remove(r, "a", "x"), -EINVAL);
}

static void only_so_many_addresses_are_answered(void **state)
{
    struct fixture *f = *state;
    char address[16] = "10.9.0.";
    size_t i;

    for (i = 0; i < 100; i++) {
        (void)snprintf(address, sizeof(address), "10.9.0.%zu", i + 1);
        assert_int_equal(
            gn_resolver_static_add(f->resolver, "many.test", address, 1), 0);
    }
    (void)ip(f, "ip", "many.test");
    assert_int_equal(strncmp(f->asker.said, "10.9.0.1/1 10.9.0.2/1 ", 22), 0);
    assert_string_equal(strrchr(f->asker.said, ' '), " 10.9.0.64/1");
}

/* From nothing to nothing, with memory that ends somewhere. */
static int whole_life(struct gn_test_heap *heap, void *arg)
{
    struct gn_resolver_static_config config = {.size = sizeof(config),
                                               .hosts = hosts,
                                               .services = services,
                                               .alloc = &heap->alloc};
    struct gn_resolver *resolver;
    int err = gn_resolver_static(&config, &resolver);

    (void)arg;
    if (err)
        return err;
    err = gn_resolver_static_add(resolver, "new.test", "10.1.0.1", 7);
    if (!err)
        err = gn_resolver_static_remove(resolver, "new.test", NULL);
    gn_resolver_close(resolver);
    return err;
}

static void running_out_of_memory_leaves_nothing(void **state)
{
    (void)state;
    assert_true(gn_test_heap_sweep(whole_life, NULL) > 5);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(names_lead_to_addresses),
        CASE(a_name_without_the_version_has_no_data),
        CASE(the_nearest_wildcard_answers),
        CASE(a_star_alone_is_every_name),
        CASE(addresses_lead_back_to_the_first_name),
        CASE(services_lead_to_ports),
        CASE(other_records_are_not_there),
        CASE(names_come_and_go),
        CASE(what_is_wrong_with_a_line_is_said),
        CASE(what_makes_no_sense_is_refused),
        CASE(only_so_many_addresses_are_answered),
        cmocka_unit_test(running_out_of_memory_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
