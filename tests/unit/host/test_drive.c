/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/driver/drive.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "namespace/internal.h"
#include "tests/lib/case.h"
#include "tests/lib/simnet.h"

static const char *const prefixes[] = {"10.77.0.0/16", "fd77::/64", NULL};

struct fixture {
    struct gn_test_heap heap;
    struct gn_network *net;
    _Atomic int n_calls;
    char order[16];
    _Atomic bool go_on;
};

/* On the fixture's network, or on any. */
struct job {
    struct fixture *f;
    struct gn_network *net;
    struct gn__io *io;
    struct gn__io_timer timer;
    struct gn__deferred task;
    struct gn__io_end end;
    struct gn__io_watch watch;
    struct gn_sock *sock;
    uint64_t when, came;
    int result;
    char name;
};

static struct gn_network *network(struct gn_test_heap *heap)
{
    struct gn_network_config config = {
        .size = sizeof(config), .prefixes = prefixes, .alloc = &heap->alloc};
    struct gn_network *net;

    assert_int_equal(gn_network_create(&config, &net), 0);
    return net;
}

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    gn_test_heap_init(&f->heap);
    f->net = network(&f->heap);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_network_close(f->net, NULL, NULL);
    gn_test_heap_done(&f->heap);
    test_free(f);
    return 0;
}

static void note(struct job *job)
{
    size_t len = strlen(job->f->order);

    if (job->name && len < sizeof(job->f->order) - 1)
        job->f->order[len] = job->name;
    atomic_fetch_add(&job->f->n_calls, 1);
}

static void wait_for_calls(struct fixture *f, int n)
{
    while (atomic_load(&f->n_calls) < n)
        sched_yield();
    assert_int_equal(atomic_load(&f->n_calls), n);
}

/* ---- calls ---- */

static int is_driving(void *arg)
{
    struct fixture *f = arg;

    return gn__engine_is_driving(gn__network_engine(f->net)) ? 7 : -1;
}

static void a_call_runs_on_the_driving_thread(void **state)
{
    struct fixture *f = *state;
    unsigned i;

    assert_int_equal(is_driving(f), -1);
    for (i = 0; i < 100; i++)
        assert_int_equal(gn__drive_call(f->net, is_driving, f), 7);
}

static int call_again(void *arg)
{
    struct fixture *f = arg;

    return gn__drive_call(f->net, is_driving, f) + 1;
}

static void a_call_inside_a_call_is_a_plain_one(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(gn__drive_call(f->net, call_again, f), 8);
}

static void *call_often(void *arg)
{
    struct fixture *f = arg;
    unsigned i;

    for (i = 0; i < 500; i++)
        assert_int_equal(gn__drive_call(f->net, is_driving, f), 7);
    return NULL;
}

static void many_threads_may_call(void **state)
{
    pthread_t threads[4];
    unsigned i;

    for (i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, *state),
                         0);
    for (i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static int wait_to_go_on(void *arg)
{
    struct fixture *f = arg;

    atomic_fetch_add(&f->n_calls, 1);
    while (!atomic_load(&f->go_on))
        sched_yield();
    return 0;
}

static void *call_and_wait(void *arg)
{
    struct fixture *f = arg;

    assert_int_equal(gn__drive_call(f->net, wait_to_go_on, f), 0);
    return NULL;
}

static int not_reached(void *arg)
{
    (void)arg;
    fail();
    return 0;
}

static void count_call(void *arg)
{
    struct fixture *f = arg;

    atomic_fetch_add(&f->n_calls, 1);
}

static void a_closing_network_is_not_called(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, call_and_wait, f), 0);
    wait_for_calls(f, 1); /* The driving thread is busy now. */
    gn_network_close(f->net, count_call, f);
    assert_int_equal(gn__drive_call(f->net, not_reached, NULL), -ECANCELED);
    atomic_store(&f->go_on, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    wait_for_calls(f, 2);
    f->net = network(&f->heap);
}

static bool has_calls(struct gn_network *net)
{
    bool has;

    gn__engine_enter(net->engine);
    has = !gn__list_empty(&net->calls);
    gn__engine_leave(net->engine);
    return has;
}

static void *call_late(void *arg)
{
    struct fixture *f = arg;

    assert_int_equal(gn__drive_call(f->net, not_reached, NULL), -ECANCELED);
    return NULL;
}

static int close_before_the_call_comes(void *arg)
{
    struct fixture *f = arg;
    struct gn_network *net = f->net;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, call_late, f), 0);
    while (!has_calls(net))
        sched_yield();
    gn_network_close(net, NULL, NULL);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return 0;
}

static void a_call_on_its_way_is_cancelled(void **state)
{
    struct fixture *f = *state;
    struct gn_network *other = network(&f->heap);
    struct fixture late = {.net = network(&f->heap)};

    assert_int_equal(gn__drive_call(other, close_before_the_call_comes, &late),
                     0);
    gn_network_close(other, NULL, NULL);
}

/* ---- timers, tasks, descriptors ---- */

static void fire(struct gn__io_timer *timer)
{
    struct job *job = gn__container_of(timer, struct job, timer);

    job->came = gn__io_now(job->io);
    note(job);
}

static int start_timer(void *arg)
{
    struct job *job = arg;

    job->io = gn__network_io(job->net);
    assert_non_null(job->io);
    assert_ptr_equal(gn__network_io(job->net), job->io);
    job->timer.fire = fire;
    if (!job->when)
        job->when = gn__io_now(job->io) + 150000;
    gn__io_start(job->io, &job->timer, job->when);
    return 0;
}

static void a_timer_fires_in_real_time(void **state)
{
    struct fixture *f = *state;
    struct job job = {.f = f, .net = f->net};

    assert_int_equal(gn__drive_call(f->net, start_timer, &job), 0);
    wait_for_calls(f, 1);
    assert_true(job.came >= job.when);
}

static void a_timer_fires_on_a_clock_to_the_nanosecond(void **state)
{
    struct fixture *f = *state;
    struct gn_simnet sim;
    struct job job = {.f = f};

    gn_simnet_setup(&sim, prefixes, 1);
    job.net = sim.net;
    job.when = gn_clock_now_ns(sim.clock) + 1234567;
    assert_int_equal(gn__drive_call(sim.net, start_timer, &job), 0);
    assert_int_equal(gn_clock_next_ns(sim.clock), job.when);
    gn_clock_advance(sim.clock, 1234566);
    assert_int_equal(f->n_calls, 0);
    gn_clock_advance(sim.clock, 1);
    assert_int_equal(f->n_calls, 1);
    assert_int_equal(job.came, job.when);
    gn_simnet_teardown(&sim);
}

static void a_stopped_timer_is_no_deadline(void **state)
{
    struct gn_simnet sim;
    struct job job = {.f = *state};

    gn_simnet_setup(&sim, prefixes, 1);
    job.net = sim.net;
    assert_int_equal(start_timer(&job), 0);
    gn__io_stop(job.io, &job.timer);
    assert_int_equal(gn_clock_next_ns(sim.clock), UINT64_MAX);
    gn_simnet_teardown(&sim);
}

static void run(struct gn__deferred *task)
{
    note(gn__container_of(task, struct job, task));
}

static int defer(void *arg)
{
    struct job *job = arg;

    job->io = gn__network_io(job->net);
    job->task.run = run;
    gn__io_defer(job->io, &job->task);
    return atomic_load(&job->f->n_calls);
}

static void a_task_runs_on_a_later_turn(void **state)
{
    struct fixture *f = *state;
    struct job job = {.f = f, .net = f->net};

    assert_int_equal(gn__drive_call(f->net, defer, &job), 0);
    wait_for_calls(f, 1);
}

static void readable(struct gn__io_watch *watch, short revents)
{
    struct job *job = gn__container_of(watch, struct job, watch);

    assert_int_equal(revents, POLLIN);
    gn__io_unwatch(job->io, watch);
    note(job);
}

static int watch_event(void *arg)
{
    struct job *job = arg;

    job->io = gn__network_io(job->net);
    job->watch.ready = readable;
    return gn__io_watch(job->io, &job->watch, job->result, POLLIN);
}

static void a_descriptor_is_watched(void **state)
{
    struct fixture *f = *state;
    struct job job = {.f = f, .net = f->net};
    uint64_t one = 1;

    job.result = eventfd(0, EFD_CLOEXEC);
    assert_int_equal(gn__drive_call(f->net, watch_event, &job), 0);
    assert_int_equal(write(job.result, &one, sizeof(one)), sizeof(one));
    wait_for_calls(f, 1);
    close(job.result);
}

static void a_clock_has_no_descriptors(void **state)
{
    struct gn_simnet sim;
    struct job job = {.f = *state};

    gn_simnet_setup(&sim, prefixes, 1);
    job.net = sim.net;
    assert_int_equal(watch_event(&job), -ENOTSUP);
    gn__io_unwatch(job.io, &job.watch);
    gn_simnet_teardown(&sim);
}

static void io_of_a_namespace_is_its_networks(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *ns = gn_simnet_guest(f->net, "a");

    assert_ptr_equal(gn__namespace_network(ns), f->net);
    gn_namespace_close(ns, 0, NULL, NULL);
}

/* ---- the end ---- */

/* What is there at the end: guests still are, and timers can be stopped. */
static void at_end(struct gn__io_end *end)
{
    struct job *job = gn__container_of(end, struct job, end);

    assert_true(gn__engine_is_driving(gn__network_engine(job->net)));
    assert_null(gn__network_io(job->net)); /* Nothing new is begun. */
    assert_int_equal(gn__drive_call(job->net, not_reached, NULL), -ECANCELED);
    gn__io_stop(job->io, &job->timer);
    gn__io_cancel(job->io, &job->task);
    gn__io_unwatch(job->io, &job->watch);
    if (job->sock) {
        job->result = (int)gn_simnet_send(job->sock, "10.77.0.2:9", "still", 5);
        gn_simnet_end(job->sock);
    }
    note(job);
}

static int prepare_end(void *arg)
{
    struct job *job = arg;

    assert_int_equal(start_timer(job), 0);
    gn__io_hold(job->io); /* Given back by itself. */
    job->task.run = run;
    job->end.run = at_end;
    gn__io_at_end(job->io, &job->end);
    return 0;
}

static void prepare_ends(struct fixture *f, struct job *first,
                         struct job *second)
{
    const struct job zero = {.f = f, .net = f->net, .when = UINT64_MAX - 1};

    *first = *second = zero;
    first->name = 'a';
    second->name = 'b';
    first->sock =
        gn_simnet_udp(gn_simnet_guest(f->net, "guest"), "10.77.0.2:8");
    assert_int_equal(gn__drive_call(f->net, prepare_end, first), 0);
    assert_int_equal(gn__drive_call(f->net, prepare_end, second), 0);
}

static void ends_run_before_guests_end(void **state)
{
    struct fixture *f = *state;
    struct job first, second;

    prepare_ends(f, &first, &second);
    gn_network_close(f->net, NULL, NULL);
    assert_string_equal(f->order, "ba");
    assert_int_equal(first.result, 5);
    f->net = network(&f->heap);
}

static void ends_run_before_the_close_callback(void **state)
{
    struct fixture *f = *state;
    struct job first, second;

    prepare_ends(f, &first, &second);
    gn_network_close(f->net, count_call, f);
    wait_for_calls(f, 3);
    assert_string_equal(f->order, "ba");
    f->net = network(&f->heap);
}

static int close_here(void *arg)
{
    gn_network_close(arg, NULL, NULL);
    return 0;
}

static void ends_run_when_the_driving_thread_closes(void **state)
{
    struct fixture *f = *state;
    struct gn_network *other = network(&f->heap);
    struct job first, second;

    prepare_ends(f, &first, &second);
    assert_int_equal(gn__drive_call(other, close_here, f->net), 0);
    assert_string_equal(f->order, "ba");
    f->net = other;
}

static void fire_and_close(struct gn__io_timer *timer)
{
    struct job *job = gn__container_of(timer, struct job, timer);

    gn__io_defer(job->io, &job->task); /* Cancelled by the end. */
    gn_network_close(job->net, NULL, NULL);
    note(job);
}

static int close_by_timer(void *arg)
{
    struct job *job = arg;

    assert_int_equal(prepare_end(job), 0);
    job->timer.fire = fire_and_close;
    gn__io_start(job->io, &job->timer, 0);
    return 0;
}

static void a_timer_may_close_the_network(void **state)
{
    struct fixture *f = *state;
    struct gn_network *other = network(&f->heap);
    struct job job = {.f = f, .net = f->net};

    assert_int_equal(gn__drive_call(f->net, close_by_timer, &job), 0);
    wait_for_calls(f, 2);
    f->net = other;
}

static int ask_while_closing(void *arg)
{
    struct fixture *f = arg;
    struct gn_network *net = f->net;

    gn_network_close(net, count_call, f);
    assert_null(gn__network_io(net));
    return 0;
}

static void a_closing_network_makes_none(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(gn__drive_call(f->net, ask_while_closing, f), 0);
    wait_for_calls(f, 1);
    f->net = network(&f->heap);
}

static int get_io(struct gn_test_heap *heap, void *arg)
{
    struct gn_network_config config = {
        .size = sizeof(config),
        .prefixes = prefixes,
        .drive = GN_DRIVE_VIRTUAL,
        .alloc = &heap->alloc,
    };
    struct gn_network *net;
    int err = gn_network_create(&config, &net);

    (void)arg;
    if (err)
        return err;
    if (!gn__network_io(net))
        err = -ENOMEM;
    gn_network_close(net, NULL, NULL);
    return err;
}

static void no_memory_for_it_is_null(void **state)
{
    (void)state;
    assert_true(gn_test_heap_sweep(get_io, NULL) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_call_runs_on_the_driving_thread),
        CASE(a_call_inside_a_call_is_a_plain_one),
        CASE(many_threads_may_call),
        CASE(a_closing_network_is_not_called),
        CASE(a_call_on_its_way_is_cancelled),
        CASE(a_timer_fires_in_real_time),
        CASE(a_timer_fires_on_a_clock_to_the_nanosecond),
        CASE(a_stopped_timer_is_no_deadline),
        CASE(a_task_runs_on_a_later_turn),
        CASE(a_descriptor_is_watched),
        CASE(a_clock_has_no_descriptors),
        CASE(io_of_a_namespace_is_its_networks),
        CASE(ends_run_before_guests_end),
        CASE(ends_run_before_the_close_callback),
        CASE(ends_run_when_the_driving_thread_closes),
        CASE(a_timer_may_close_the_network),
        CASE(a_closing_network_makes_none),
        CASE(no_memory_for_it_is_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
