/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/driver/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/units.h"

/** What a machine of two processors says, as a file of our own. */
struct fixture {
    struct gn__load load;
    uint64_t now;
};

static int setup(void **state)
{
    static struct fixture f;

    gn__load_init(&f.load);
    gn__load_done(&f.load);
    f.load.fd = memfd_create("loadavg", MFD_CLOEXEC);
    f.load.n_processors = 2;
    f.now = 1;
    *state = &f;
    return f.load.fd < 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn__load_done(&f->load);
    return 0;
}

static void say(struct fixture *f, unsigned running)
{
    char text[64];
    int n =
        snprintf(text, sizeof(text), "9.00 8.00 7.00 %u/211 4711\n", running);

    assert_int_equal(ftruncate(f->load.fd, 0), 0);
    assert_int_equal(pwrite(f->load.fd, text, (size_t)n, 0), n);
}

/** Ask once a millisecond, @n times; the last answer. */
static bool ask(struct fixture *f, unsigned n)
{
    bool high = false;

    while (n--) {
        f->now += GN_MS;
        high = gn__load_is_high(&f->load, f->now);
    }
    return high;
}

static void running_is_the_fourth_figure(void **state)
{
    (void)state;
    assert_int_equal(gn__load_running("0.20 0.18 0.12 3/80 11206\n"), 3);
    assert_int_equal(gn__load_running("0.20 0.18 0.12 12/80 11206\n"), 12);
}

static void another_text_says_nothing(void **state)
{
    (void)state;
    assert_int_equal(gn__load_running(""), 0);
    assert_int_equal(gn__load_running("0.20 0.18"), 0);
    assert_int_equal(gn__load_running("0.20 0.18 0.12 3"), 3);
    assert_int_equal(gn__load_running("busy 0.18 0.12 3/80"), 0);
}

static void more_threads_than_processors_are_a_high_load(void **state)
{
    struct fixture *f = *state;

    say(f, 3);
    assert_true(ask(f, 10));
}

static void as_many_threads_as_processors_are_not(void **state)
{
    struct fixture *f = *state;

    say(f, 2);
    assert_false(ask(f, 1000));
}

static void one_look_decides_nothing(void **state)
{
    struct fixture *f = *state;

    say(f, 3);
    assert_false(ask(f, 1));
    say(f, 2);
    assert_false(ask(f, 10));
    say(f, 3);
    assert_false(ask(f, 1));
}

static void a_load_that_is_over_is_forgotten(void **state)
{
    struct fixture *f = *state;

    say(f, 3);
    assert_true(ask(f, 1000));
    say(f, 2);
    assert_true(ask(f, 5));
    assert_false(ask(f, 100));
}

static void it_asks_once_a_millisecond(void **state)
{
    struct fixture *f = *state;
    unsigned i;

    say(f, 3);
    for (i = 0; i < 1000; i++)
        assert_false(gn__load_is_high(&f->load, f->now));
}

static void a_machine_that_does_not_say_is_not_busy(void **state)
{
    struct fixture *f = *state;

    say(f, 0);
    assert_false(ask(f, 100));
    gn__load_done(&f->load);
    assert_false(ask(f, 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(running_is_the_fourth_figure),
        cmocka_unit_test(another_text_says_nothing),
        CASE(more_threads_than_processors_are_a_high_load),
        CASE(as_many_threads_as_processors_are_not),
        CASE(one_look_decides_nothing),
        CASE(a_load_that_is_over_is_forgotten),
        CASE(it_asks_once_a_millisecond),
        CASE(a_machine_that_does_not_say_is_not_busy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
