/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/driver/realtime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/lock.h"
#include "tests/lib/case.h"

/** How long threads look when a case begins, ns: neither end of the range. */
#define LOOK_NS 20000u
/** Longer than any look. */
#define WAIT_NS 300000u

/** A driver on a machine of two processors that says nothing yet. */
static int setup(void **state)
{
    static struct gn__realtime rt;

    gn__realtime_init(&rt);
    gn__load_done(&rt.load);
    rt.n_processors = rt.load.n_processors = 2;
    rt.load.fd = memfd_create("loadavg", MFD_CLOEXEC);
    *state = &rt;
    return rt.load.fd < 0;
}

static int teardown(void **state)
{
    gn__realtime_done(*state);
    return 0;
}

/** Wait for nothing; true if the thread looked before it slept: then it has
 *  learnt that it was in vain. */
static bool looks(struct gn__realtime *rt, bool patient)
{
    struct gn__parker parker = {.patient = patient};

    atomic_store(&rt->spin_ns, LOOK_NS);
    (void)gn__realtime_park(rt, &parker, gn__monotonic_ns() + WAIT_NS);
    return atomic_load(&rt->spin_ns) != LOOK_NS;
}

static void make_busy(struct gn__realtime *rt)
{
    static const char text[] = "0.00 0.00 0.00 3/100 1\n";
    uint64_t now = gn__monotonic_ns();
    unsigned i;

    assert_true(write(rt->load.fd, text, strlen(text)) > 0);
    for (i = 0; i < 32; i++)
        (void)gn__load_is_high(&rt->load, now + i * 1000000ull);
}

static void a_thread_looks_before_it_sleeps(void **state)
{
    assert_true(looks(*state, false));
}

static void a_patient_thread_sleeps_at_once(void **state)
{
    assert_false(looks(*state, true));
}

static void no_thread_looks_on_a_busy_machine(void **state)
{
    make_busy(*state);
    assert_false(looks(*state, false));
}

static void no_thread_looks_where_there_is_one_processor(void **state)
{
    struct gn__realtime *rt = *state;

    rt->n_processors = 1;
    assert_false(looks(rt, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_thread_looks_before_it_sleeps),
        CASE(a_patient_thread_sleeps_at_once),
        CASE(no_thread_looks_on_a_busy_machine),
        CASE(no_thread_looks_where_there_is_one_processor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
