/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Machines: lives, crashes, pauses, clocks, groups, and plans that play them.
 * The heap says that nothing is left of a life.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/guestnet.h>

#include "tests/lib/case.h"
#include "tests/lib/simnet.h"
#include "tests/lib/units.h"

#define PORT "7"

static const char *const prefixes[] = {"10.77.0.0/24", NULL};

struct fixture {
    struct gn_simnet sim;
    struct gn_machine *machines[4];
    struct gn_listener *listener;
    int n_booted, n_crashed, n_said;
    int last;
};

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    gn_simnet_setup(&f->sim, prefixes, 1);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    int i;

    for (i = 0; i < 4; i++)
        gn_machine_close(f->machines[i]);
    gn_simnet_teardown(&f->sim);
    test_free(f);
    return 0;
}

static void count_crash(void *arg)
{
    struct fixture *f = arg;

    f->n_crashed++;
}

static struct gn_machine *create(struct fixture *f, int i, gn_task_fn boot)
{
    char name[16];
    struct gn_namespace_config ns = {.size = sizeof(ns), .name = name};
    struct gn_machine_config config = {.size = sizeof(config),
                                       .ns = &ns,
                                       .boot = boot,
                                       .arg = f,
                                       .crashed = count_crash};

    (void)snprintf(name, sizeof(name), "n%d", i);
    assert_int_equal(gn_machine_create(f->sim.net, &config, &f->machines[i]),
                     0);
    return f->machines[i];
}

static struct gn_machine *start(struct fixture *f, int i, gn_task_fn boot)
{
    struct gn_machine *machine = create(f, i, boot);

    assert_int_equal(gn_machine_start(machine), 0);
    return machine;
}

static enum gn_sim_end run(struct fixture *f, uint64_t ns)
{
    struct gn_sim_report report = {.size = sizeof(report)};

    assert_int_equal(
        gn_clock_run(f->sim.clock, gn_clock_now_ns(f->sim.clock) + ns, &report),
        0);
    if (report.end == GN_SIM_FAILED)
        print_message("%s\n", report.text);
    return report.end;
}

static void plan(struct fixture *f, const char *text)
{
    struct gn_plan *parsed;
    char why[256] = "";

    if (gn_plan_parse(text, strlen(text), why, sizeof(why), &parsed) ||
        gn_plan_apply(f->sim.clock, parsed, why, sizeof(why)))
        fail_msg("%s", why);
    gn_plan_close(parsed);
}

/* ---- what machines do ---- */

static int sleep_long(void *arg)
{
    struct fixture *f = arg;

    f->n_booted++;
    (void)gn_sleep_ns(gn_task_namespace(), 1000 * GN_S);
    f->n_said++;
    return 0;
}

static int wait_join(void *arg)
{
    return gn_task_join(arg, NULL);
}

/* A task, a handle of it, another that joins a third, a listener and a poll. */
static int hold_much(void *arg)
{
    struct fixture *f = arg;
    struct gn_namespace *ns = gn_task_namespace();
    struct gn_task *one, *two, *three;
    struct gn_pollfd fds[2] = {{.events = POLLIN}, {.events = POLLIN}};

    f->n_booted++;
    if (gn_task_start(ns, NULL, sleep_long, f, &one) ||
        gn_task_start(ns, NULL, sleep_long, f, &two) ||
        gn_task_start(ns, NULL, wait_join, two, &three) ||
        !gn_machine_alloc(gn_task_machine(), 1000) ||
        gn_sock_open(ns, AF_INET, SOCK_DGRAM, 0, &fds[0].sock) ||
        gn_sock_listen_at(ns, "tcp4", ":" PORT, 1, NULL, 0, &fds[1].sock))
        return 1;
    return gn_sock_poll(fds, 2, -1);
}

/* Say "x" to n0 each second. */
static int say_on(void *arg)
{
    struct fixture *f = arg;
    struct gn_sock *sock;
    struct sockaddr_storage to;
    socklen_t len;

    f->n_booted++;
    if (gn_addr_parse("10.77.0.2:" PORT, &to, &len) ||
        gn_sock_open(gn_task_namespace(), AF_INET, SOCK_DGRAM, 0, &sock))
        return 1;
    for (;;) {
        if (gn_sleep_ns(gn_task_namespace(), GN_S) ||
            gn_sock_sendto(sock, "x", 1, 0, (struct sockaddr *)&to, len) != 1)
            gn_sim_fail("cannot say");
        f->n_said++;
    }
}

static int hear(void *arg)
{
    struct fixture *f = arg;
    struct gn_sock *sock = gn_simnet_udp(gn_task_namespace(), "0.0.0.0:" PORT);
    char byte;

    (void)gn_sock_set_nonblock(sock, false);
    while (gn_sock_recv(sock, &byte, 1, 0) == 1)
        f->last++;
    return 0;
}

/* ---- lives ---- */

static void a_crash_ends_all_of_a_life(void **state)
{
    struct fixture *f = *state;
    struct gn_machine *machine = start(f, 0, hold_much);
    uint64_t before;
    int life;

    for (life = 0; life < 3; life++) {
        assert_int_equal(run(f, GN_S), GN_SIM_DEADLINE);
        assert_int_equal(gn_machine_crash(machine), 0);
        assert_int_equal(gn_machine_crash(machine), -EALREADY);
        assert_null(gn_machine_namespace(machine));
        if (!life)
            before = f->sim.heap.n_live;
        assert_int_equal(f->sim.heap.n_live, before);
        assert_int_equal(gn_machine_start(machine), 0);
        assert_int_equal(gn_machine_start(machine), -EALREADY);
    }
    assert_int_equal(run(f, GN_S), GN_SIM_DEADLINE);
    assert_int_equal(f->n_crashed, 3);
    assert_int_equal(f->n_booted, 12);
    assert_int_equal(f->n_said, 0);
}

static void accepted(struct gn_listener *listener, int status,
                     struct gn_conn *conn, void *arg)
{
    (void)listener, (void)status, (void)conn, (void)arg;
}

static int listen_for_calls(void *arg)
{
    struct fixture *f = arg;

    f->n_booted++;
    return gn_listen(gn_task_namespace(), "tcp4", ":" PORT, accepted, f,
                     &f->listener);
}

static void a_handle_keeps_its_socket_over_a_crash(void **state)
{
    struct fixture *f = *state;
    struct gn_machine *machine = start(f, 0, listen_for_calls);

    assert_int_equal(run(f, GN_S), GN_SIM_DONE);
    assert_int_equal(gn_machine_crash(machine), 0);
    assert_int_equal(run(f, GN_S), GN_SIM_DONE);
    gn_listener_close(f->listener, NULL, NULL);
    assert_int_equal(run(f, GN_S), GN_SIM_DONE);
}

static int crash_myself(void *arg)
{
    struct fixture *f = arg;

    f->n_booted++;
    (void)gn_machine_crash(gn_task_machine());
    f->n_said++;
    return 0;
}

static void a_task_that_crashes_its_machine_does_not_go_on(void **state)
{
    struct fixture *f = *state;
    struct gn_machine *machine = start(f, 0, crash_myself);

    assert_int_equal(run(f, GN_S), GN_SIM_DONE);
    assert_int_equal(gn_machine_start(machine), 0);
    assert_int_equal(run(f, GN_S), GN_SIM_DONE);
    assert_int_equal(f->n_booted, 2);
    assert_int_equal(f->n_crashed, 2);
    assert_int_equal(f->n_said, 0);
}

static int join_other(void *arg)
{
    struct fixture *f = arg;

    f->last = gn_task_join((struct gn_task *)(void *)f->machines[3], NULL);
    return 0;
}

static void a_task_that_joins_a_crashed_one_is_told(void **state)
{
    struct fixture *f = *state;
    struct gn_machine *machine = start(f, 0, sleep_long);
    struct gn_namespace *other = gn_simnet_guest(f->sim.net, "other");
    struct gn_task *task;

    assert_int_equal(gn_task_start(gn_machine_namespace(machine), NULL,
                                   sleep_long, f, &task),
                     0);
    f->machines[3] = (struct gn_machine *)(void *)task;
    assert_int_equal(gn_task_start(other, NULL, join_other, f, NULL), 0);
    assert_int_equal(run(f, GN_S), GN_SIM_DEADLINE);
    assert_int_equal(gn_machine_crash(machine), 0);
    assert_int_equal(run(f, GN_S), GN_SIM_DONE);
    f->machines[3] = NULL;
    assert_int_equal(f->last, -ECANCELED);
}

/* Its handle is gone when its guest is killed within the call. */
static int join_and_crash(void *arg)
{
    struct fixture *f = arg;
    struct gn_task *task;

    if (!gn_task_start(gn_task_namespace(), NULL, sleep_long, f, &task))
        f->last = gn_task_join(task, NULL);
    return gn_machine_crash(gn_task_machine());
}

static void a_join_that_is_cancelled_leaves_no_handle(void **state)
{
    struct fixture *f = *state;
    struct gn_machine *machine = start(f, 0, join_and_crash);

    assert_int_equal(run(f, GN_S), GN_SIM_DEADLINE);
    gn_namespace_kill(gn_machine_namespace(machine));
    assert_int_equal(run(f, GN_S), GN_SIM_DONE);
    assert_int_equal(f->last, -ECANCELED);
    assert_int_equal(f->n_crashed, 1);
    assert_int_equal(f->n_said, 0);
}

static int dial_n1(void *arg)
{
    struct gn_sock *sock;

    (void)arg;
    return gn_sock_dial(gn_task_namespace(), "tcp4", "n1:" PORT, 0, NULL, 0,
                        &sock);
}

static void a_dial_in_the_middle_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct gn_machine *machine = start(f, 0, dial_n1);

    assert_int_equal(gn_machine_pause(start(f, 1, sleep_long), GN_PAUSE_ALL),
                     0);
    assert_int_equal(run(f, GN_S), GN_SIM_DEADLINE);
    assert_int_equal(gn_machine_crash(machine), 0);
}

static int draw(void *arg)
{
    struct fixture *f = arg;

    gn_random(gn_task_namespace(), &f->last, sizeof(f->last));
    return 0;
}

static void each_life_has_its_address_and_its_numbers(void **state)
{
    struct fixture *f = *state;
    struct gn_machine *machine = start(f, 0, draw);
    struct gn_namespace *other;
    struct gn_interface eth0;
    int first;

    assert_int_equal(run(f, GN_S), GN_SIM_DONE);
    first = f->last;
    assert_int_equal(gn_machine_crash(machine), 0);
    assert_int_equal(gn_machine_start(machine), 0);
    assert_int_equal(run(f, GN_S), GN_SIM_DONE);
    assert_int_not_equal(f->last, first);
    other = gn_machine_namespace(machine);
    assert_int_equal(gn_namespace_interface_by_name(other, "eth0", &eth0), 0);
    assert_int_equal(eth0.addrs[0].ip.bytes[3], 2);
}

static uint8_t last_byte(struct gn_namespace *ns)
{
    struct gn_interface eth0;

    assert_int_equal(gn_namespace_interface_by_name(ns, "eth0", &eth0), 0);
    return eth0.addrs[0].ip.bytes[3];
}

static void its_address_is_its_own_while_it_is_off(void **state)
{
    struct fixture *f = *state;
    struct gn_machine *machine = start(f, 0, sleep_long);
    char why[128];
    struct gn_namespace_config at_2 = {
        .size = sizeof(at_2),
        .addresses = (const char *const[]){"10.77.0.2", NULL},
        .why = why,
        .why_len = sizeof(why)};
    struct gn_namespace *other;

    assert_int_equal(gn_machine_crash(machine), 0);
    assert_int_equal(gn_namespace_create(f->sim.net, &at_2, &other),
                     -EADDRINUSE);
    assert_string_equal(why, "address \"10.77.0.2\": the network's own, its "
                             "broadcast address, reserved, or that of a "
                             "machine that is off");
    other = gn_simnet_guest(f->sim.net, NULL);
    assert_int_equal(last_byte(other), 3);
    assert_int_equal(gn_machine_start(machine), 0);
    assert_int_equal(last_byte(gn_machine_namespace(machine)), 2);
    assert_int_equal(gn_machine_crash(machine), 0);
    gn_machine_close(machine);
    f->machines[0] = NULL;
    assert_int_equal(gn_namespace_create(f->sim.net, &at_2, &other), 0);
}

/* Its name is another guest's for a time. */
static void a_start_that_fails_leaves_it_its_address(void **state)
{
    struct fixture *f = *state;
    struct gn_machine *machine = start(f, 0, sleep_long);
    struct gn_namespace *other;

    assert_int_equal(gn_machine_crash(machine), 0);
    other = gn_simnet_guest(f->sim.net, "n0");
    assert_int_equal(gn_machine_start(machine), -EADDRINUSE);
    assert_int_equal(last_byte(gn_simnet_guest(f->sim.net, NULL)), 4);
    gn_namespace_close(other, 0, NULL, NULL);
    assert_int_equal(gn_machine_start(machine), 0);
    assert_int_equal(last_byte(gn_machine_namespace(machine)), 2);
}

static void a_name_is_one_machine_s(void **state)
{
    struct fixture *f = *state;
    char why[128];
    struct gn_namespace_config ns = {
        .size = sizeof(ns), .name = "n0", .why = why, .why_len = sizeof(why)};
    struct gn_machine_config config = {
        .size = sizeof(config), .ns = &ns, .boot = sleep_long};
    struct gn_machine *other;

    create(f, 0, sleep_long);
    assert_int_equal(gn_machine_create(f->sim.net, &config, &other),
                     -EADDRINUSE);
    assert_string_equal(why, "name \"n0\": another machine of this clock has "
                             "it");
    assert_ptr_equal(gn_machine_find(f->sim.clock, "n0"), f->machines[0]);
    assert_null(gn_machine_find(f->sim.clock, "n1"));
}

static void what_no_life_could_have_is_refused(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace_config ns = {.size = sizeof(ns)};
    struct gn_link_config link = {.size = sizeof(link), .loss_ppm = 1000001};
    struct gn_machine_config config = {
        .size = sizeof(config), .ns = &ns, .boot = sleep_long};
    struct gn_machine *other;
    char why[128];

    ns.why = why;
    ns.why_len = sizeof(why);
    assert_int_equal(gn_machine_create(f->sim.net, &config, &other), -EINVAL);
    assert_string_equal(why, "ns->name is NULL");
    ns.name = "n 0";
    assert_int_equal(gn_machine_create(f->sim.net, &config, &other), -EINVAL);
    assert_non_null(strstr(why, "\"n 0\""));
    ns.name = "n0";
    config.link = &link;
    assert_int_equal(gn_machine_create(f->sim.net, &config, &other), -EINVAL);
    assert_string_equal(why, "link: a size that is unknown, or a portion above "
                             "1000000 ppm");
    config.link = NULL;
    config.stack_bytes = 16383;
    assert_int_equal(gn_machine_create(f->sim.net, &config, &other), -EINVAL);
    assert_string_equal(why, "stack_bytes 16383: at least 16384, or 0 for the "
                             "default");
}

/* ---- memory and files ---- */

static int remember(void *arg)
{
    struct fixture *f = arg;
    struct gn_machine *self = gn_task_machine();
    char *memory = gn_machine_alloc(self, 10);
    char buf[4] = "";

    gn_machine_free(self, gn_machine_alloc(self, 20));
    f->n_booted++;
    f->last = (int)gn_disk_read(self, "log", 0, buf, 4);
    if (!memory || memory[0])
        gn_sim_fail("memory of another life");
    memory[0] = 'x';
    if (gn_disk_write(self, "log", 0, "disk", 4) != 4 ||
        gn_disk_sync(self, "log"))
        gn_sim_fail("disk");
    return sleep_long(arg);
}

static void files_survive_and_memory_does_not(void **state)
{
    struct fixture *f = *state;
    struct gn_machine *machine = start(f, 0, remember);

    assert_int_equal(run(f, GN_S), GN_SIM_DEADLINE);
    assert_int_equal(f->last, -ENOENT);
    assert_int_equal(gn_machine_crash(machine), 0);
    assert_null(gn_machine_alloc(machine, 1));
    assert_int_equal(gn_disk_size(machine, "log"), 4);
    assert_int_equal(gn_machine_start(machine), 0);
    assert_int_equal(run(f, GN_S), GN_SIM_DEADLINE);
    assert_int_equal(f->last, 4);
}

/* ---- pauses ---- */

static void paused_tasks_stand_and_the_stack_answers(void **state)
{
    struct fixture *f = *state;
    struct gn_machine *machine = start(f, 0, hear);

    start(f, 1, say_on);
    (void)run(f, 3 * GN_S + 1);
    assert_int_equal(f->last, 3);
    assert_int_equal(gn_machine_pause(machine, GN_PAUSE_TASKS), 0);
    (void)run(f, 3 * GN_S);
    assert_int_equal(f->last, 3);
    assert_int_equal(gn_machine_pause(machine, GN_PAUSE_NONE), 0);
    (void)run(f, 1);
    assert_int_equal(f->last, 6); /* Its socket had them. */
}

static void a_machine_that_stands_still_is_not_reached(void **state)
{
    struct fixture *f = *state;
    struct gn_machine *machine = start(f, 0, hear);
    struct gn_stats stats;

    start(f, 1, say_on);
    assert_int_equal(gn_machine_pause(machine, GN_PAUSE_ALL), 0);
    (void)run(f, 3 * GN_S + 1);
    gn_namespace_stats(gn_machine_namespace(machine), &stats);
    assert_int_equal(stats.packets_in, 0);
    assert_int_equal(gn_machine_pause(machine, GN_PAUSE_NONE), 0);
    (void)run(f, 1);
    assert_int_equal(f->last, 0); /* They came before it had the socket. */
}

/* ---- clocks ---- */

static void clocks_go_wrong_and_stay_so(void **state)
{
    struct fixture *f = *state;
    struct gn_machine *machine = start(f, 0, sleep_long);
    struct gn_namespace *ns = gn_machine_namespace(machine);
    uint64_t wall = gn_wall_ns(ns), now;

    assert_int_equal(gn_machine_set_clock(machine, -5 * (int64_t)GN_S, 0), 0);
    assert_int_equal(gn_wall_ns(ns), wall - 5 * GN_S);
    assert_int_equal(gn_machine_set_clock(machine, 0, 500000000), 0);
    now = gn_now_ns(ns);
    (void)run(f, 2 * GN_S);
    assert_int_equal(gn_now_ns(ns), now + 3 * GN_S);
    assert_int_equal(gn_machine_crash(machine), 0);
    assert_int_equal(gn_machine_start(machine), 0);
    ns = gn_machine_namespace(machine);
    now = gn_now_ns(ns);
    (void)run(f, 2 * GN_S);
    assert_int_equal(gn_now_ns(ns), now + 3 * GN_S);
    assert_int_equal(gn_machine_set_clock(machine, 0, -1000000000), -EINVAL);
}

/* ---- plans ---- */

static void a_plan_crashes_and_starts(void **state)
{
    struct fixture *f = *state;

    start(f, 0, hear);
    start(f, 1, say_on);
    plan(f, "at 2500ms crash n1 for 4s");
    (void)run(f, 10 * GN_S + 1);
    assert_int_equal(f->last, 5); /* 1, 2; 7.5, 8.5, 9.5 */
    assert_int_equal(f->n_crashed, 1);
    assert_int_equal(f->n_booted, 2);
}

static void a_run_waits_for_machines_that_will_start(void **state)
{
    struct fixture *f = *state;

    start(f, 0, sleep_long);
    plan(f, "at 1s crash n0 for 4s");
    assert_int_equal(run(f, 2000 * GN_S), GN_SIM_DONE);
    assert_int_equal(f->n_booted, 2);
    assert_int_equal(f->n_said, 1);
}

static void a_plan_starts_what_is_off(void **state)
{
    struct fixture *f = *state;

    create(f, 0, sleep_long);
    create(f, 1, sleep_long);
    start(f, 2, sleep_long);
    plan(f, "at 1s crash n2\n" /* for good, but for what follows */
            "at 5s start n2\n" /* whose address is free */
            "at 5s start n0\n"
            "at 6s start *\n"); /* n1: the others are on */
    (void)run(f, 5 * GN_S - 1);
    assert_int_equal(f->n_booted, 1);
    assert_null(gn_machine_namespace(f->machines[0]));
    (void)run(f, 1);
    assert_int_equal(f->n_booted, 3);
    assert_null(gn_machine_namespace(f->machines[1]));
    assert_int_equal(run(f, 2000 * GN_S), GN_SIM_DONE);
    assert_int_equal(f->n_booted, 4);
    assert_int_equal(f->n_said, 3);
}

/* As n0 cannot have its name. */
static void a_start_that_fails_ends_the_run(void **state)
{
    struct gn_sim_report report = {.size = sizeof(report)};
    struct fixture *f = *state;

    start(f, 0, sleep_long);
    assert_int_equal(gn_machine_crash(f->machines[0]), 0);
    (void)gn_simnet_guest(f->sim.net, "n0");
    plan(f, "at 1s start n0");
    assert_int_equal(gn_clock_run(f->sim.clock, UINT64_MAX, &report), 0);
    assert_int_equal(report.end, GN_SIM_FAILED);
    assert_non_null(strstr(report.text, "the plan: n0 cannot start: "));
}

static void a_run_waits_for_no_machine_that_is_closed(void **state)
{
    struct fixture *f = *state;

    start(f, 0, sleep_long);
    plan(f, "at 1s crash n0 for 4s");
    assert_int_equal(run(f, 2 * GN_S), GN_SIM_DEADLINE);
    gn_machine_close(f->machines[0]);
    f->machines[0] = NULL;
    assert_int_equal(run(f, 2000 * GN_S), GN_SIM_DONE);
}

static void partitions_overlap(void **state)
{
    struct fixture *f = *state;

    start(f, 0, hear);
    start(f, 1, say_on);
    start(f, 2, say_on);
    plan(f, "at 1500ms partition n1 | * for 4s\n"     /* 2, 3, 4, 5 */
            "at 3500ms partition n0 n1 | n2 for 1s\n" /* 4 */
            "at 4s partition n0 > n2 for 1s\n");
    (void)run(f, 7 * GN_S + 1);
    assert_int_equal(f->last, 3 + 6);
}

static void a_link_is_what_all_faults_say(void **state)
{
    struct fixture *f = *state;
    struct gn_link_config link;

    start(f, 0, hear);
    plan(f, "at 1s link n0 latency 5ms loss 1% for 3s\n"
            "at 2s link * latency 7ms for 4s\n"
            "at 2500ms crash n0 for 100ms\n");
    (void)run(f, 3 * GN_S);
    assert_int_equal(
        gn_link_get(gn_machine_namespace(f->machines[0]), NULL, &link), 0);
    assert_int_equal(link.latency_us, 7000);
    assert_int_equal(link.loss_ppm, 10000);
    (void)run(f, 2 * GN_S);
    assert_int_equal(
        gn_link_get(gn_machine_namespace(f->machines[0]), NULL, &link), 0);
    assert_int_equal(link.loss_ppm, 0);
    assert_int_equal(link.latency_us, 7000);
    (void)run(f, 2 * GN_S);
    assert_int_equal(
        gn_link_get(gn_machine_namespace(f->machines[0]), NULL, &link), 0);
    assert_int_equal(link.latency_us, 0);
}

static void paths_and_limits_come_and_go(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *socks[2];
    struct gn_namespace *ns;

    start(f, 0, hear);
    start(f, 1, say_on);
    plan(f, "at 500ms path n1 n0 block for 2s\n"
            "at 500ms limit n0 sockets 1 for 2s\n");
    (void)run(f, GN_S);
    ns = gn_machine_namespace(f->machines[0]);
    assert_int_equal(gn_sock_open(ns, AF_INET, SOCK_DGRAM, 0, &socks[0]),
                     -EMFILE);
    (void)run(f, 3 * GN_S + 1);
    assert_int_equal(gn_sock_open(ns, AF_INET, SOCK_DGRAM, 0, &socks[0]), 0);
    gn_simnet_end(socks[0]);
    assert_int_equal(f->last, 2); /* 3, 4 */
}

static struct {
    int status;
    uint64_t took_ns;
} answers[5];

/* The same question, once a second. */
static int ask_on(void *arg)
{
    struct gn_namespace *ns = gn_task_namespace();
    struct addrinfo *list;
    uint64_t begin;
    size_t i;

    (void)arg;
    for (i = 0; i < 5; i++) {
        begin = gn_now_ns(ns);
        list = NULL;
        answers[i].status = gn_getaddrinfo(ns, "far.test", NULL, NULL, &list);
        answers[i].took_ns = gn_now_ns(ns) - begin;
        gn_freeaddrinfo(list);
        if (gn_sleep_ns(ns, GN_S - answers[i].took_ns))
            return 1;
    }
    return 0;
}

static void names_fail_as_the_plan_says(void **state)
{
    struct gn_resolver_static_config names = {.size = sizeof(names),
                                              .hosts = "10.77.0.99 far.test\n"};
    struct gn_namespace_config ns = {.size = sizeof(ns), .name = "n0"};
    struct gn_machine_config config = {
        .size = sizeof(config), .ns = &ns, .boot = ask_on};
    struct fixture *f = *state;

    assert_int_equal(gn_resolver_static(&names, &ns.resolver), 0);
    assert_int_equal(gn_machine_create(f->sim.net, &config, &f->machines[0]),
                     0);
    assert_int_equal(gn_machine_start(f->machines[0]), 0);
    plan(f, "at 500ms dns n0 servfail for 1s\n"
            "at 1500ms dns n0 nxdomain name *.test for 1s\n"
            "at 1500ms dns n0 servfail name *.else for 1s\n"
            "at 2500ms dns * delay 300ms for 1s\n");
    assert_int_equal(run(f, 10 * GN_S), GN_SIM_DONE);
    assert_int_equal(answers[0].status, 0);
    assert_int_equal(answers[1].status, GN_EAI_AGAIN);
    assert_int_equal(answers[2].status, GN_EAI_NONAME);
    assert_int_equal(answers[3].status, 0);
    assert_int_equal(answers[3].took_ns, 300000000);
    assert_int_equal(answers[4].status, 0);
    assert_int_equal(answers[4].took_ns, answers[0].took_ns);
    gn_machine_close(f->machines[0]);
    f->machines[0] = NULL;
    gn_resolver_close(ns.resolver);
}

/* As gn_machine_pause() and gn_machine_set_clock() do it, and it is over. */
static void pauses_and_clocks_come_and_go(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *ns;
    struct gn_stats before, after;
    uint64_t ahead;

    start(f, 0, hear);
    start(f, 1, say_on);
    plan(f, "at 500ms pause n0 for 2s\n"
            "at 3500ms stop n0 for 2s\n"
            "at 500ms clock n0 offset +3s for 2s\n");
    ns = gn_machine_namespace(f->machines[0]);
    ahead = gn_wall_ns(ns) - gn_now_ns(ns);
    (void)run(f, 2 * GN_S + 1); /* 1 and 2 are in the socket. */
    assert_int_equal(f->last, 0);
    gn_namespace_stats(ns, &before);
    assert_true(before.packets_in > 0);
    assert_int_equal(gn_wall_ns(ns) - gn_now_ns(ns), ahead + 3 * GN_S);
    (void)run(f, GN_S); /* 3 */
    assert_int_equal(f->last, 3);
    assert_int_equal(gn_wall_ns(ns) - gn_now_ns(ns), ahead);
    gn_namespace_stats(ns, &before);
    (void)run(f, 2 * GN_S); /* 4 and 5 are on their way. */
    gn_namespace_stats(ns, &after);
    assert_int_equal(after.packets_in, before.packets_in);
    assert_int_equal(f->last, 3);
    (void)run(f, GN_S);
    assert_int_equal(f->last, 6);
}

static void a_plan_names_machines_that_are_there(void **state)
{
    struct fixture *f = *state;
    struct gn_plan *parsed;
    char why[256];

    create(f, 0, hear);
    assert_int_equal(
        gn_plan_parse("at 1s crash n0\nat 1s stop n7", 28, NULL, 0, &parsed),
        0);
    assert_int_equal(gn_plan_apply(f->sim.clock, parsed, why, sizeof(why)),
                     -EINVAL);
    assert_string_equal(why, "line 2, column 12: there is no machine \"n7\"");
    gn_plan_close(parsed);
    assert_int_equal(gn_plan_parse("at 1s dns n0 hang", 17, NULL, 0, &parsed),
                     0);
    assert_int_equal(gn_plan_apply(f->sim.clock, parsed, why, sizeof(why)),
                     -EINVAL);
    assert_string_equal(why, "line 1, column 11: \"n0\" has no resolver; see "
                             "gn_network_config.resolver");
    gn_plan_close(parsed);
}

/* ---- drawn plans ---- */

static void draw_text(struct fixture *f, const struct gn_plan_config *config,
                      char *buf, size_t cap)
{
    struct gn_plan *drawn, *again;
    char why[256] = "";
    ssize_t n;

    assert_int_equal(gn_plan_random(f->sim.clock, config, &drawn), 0);
    n = gn_plan_format(drawn, buf, cap);
    assert_in_range(n, 0, cap - 1);
    if (gn_plan_parse(buf, (size_t)n, why, sizeof(why), &again))
        fail_msg("%s in\n%s", why, buf);
    gn_plan_close(again);
    gn_plan_close(drawn);
}

static void plans_are_drawn_from_the_seed(void **state)
{
    static char text[2][16384];
    struct fixture *f = *state;
    struct gn_plan_config config = {.size = sizeof(config),
                                    .kinds = GN_PLAN_PARTITION | GN_PLAN_LINK |
                                             GN_PLAN_CLOCK | GN_PLAN_PATH |
                                             GN_PLAN_LIMIT};
    unsigned kind, kinds = config.kinds;
    size_t len;

    create(f, 0, hear);
    create(f, 1, hear);
    create(f, 2, hear);
    draw_text(f, &config, text[0], sizeof(text[0]));
    draw_text(f, &config, text[1], sizeof(text[1]));
    assert_string_equal(text[0], text[1]);
    len = 0;
    for (kind = 1; kind < GN_PLAN_ALL; kind <<= 1) {
        config.kinds = kind & kinds;
        if (!config.kinds)
            continue;
        draw_text(f, &config, text[1], sizeof(text[1]));
        len += strlen(text[1]);
    }
    assert_int_equal(len, strlen(text[0])); /* Streams of their own. */
    config.machines = (const char *const[]){"n7", NULL};
    {
        struct gn_plan *drawn;

        assert_int_equal(gn_plan_random(f->sim.clock, &config, &drawn),
                         -EINVAL);
    }
}

/* ---- marks ---- */

static int take_chances(void *arg)
{
    struct fixture *f = arg;
    char name[24];
    int i, j;

    for (i = 0; i < 64; i++) {
        (void)snprintf(name, sizeof(name), "place %d", i);
        f->last = 0;
        for (j = 0; j < 1000; j++)
            f->last += gn_sim_chance(name, 500000);
        f->n_said += f->last == 0;
        if (f->last && (f->last < 400 || f->last > 600))
            return 1;
    }
    gn_sim_reached("end");
    return 0;
}

static void chances_come_in_half_of_the_places(void **state)
{
    struct fixture *f = *state;

    start(f, 0, take_chances);
    assert_int_equal(run(f, GN_S), GN_SIM_DONE);
    assert_in_range(f->n_said, 16, 48);
    assert_false(gn_sim_chance("outside", 1000000));
}

/* ---- memory ---- */

static int whole_life(struct gn_test_heap *heap, void *arg)
{
    struct gn_clock_config config = {.size = sizeof(config),
                                     .alloc = &heap->alloc};
    struct gn_network_config net_config = {.size = sizeof(net_config),
                                           .prefixes = prefixes,
                                           .drive = GN_DRIVE_VIRTUAL};
    struct gn_namespace_config ns = {.size = sizeof(ns), .name = "n0"};
    struct gn_machine_config machine = {
        .size = sizeof(machine), .ns = &ns, .boot = sleep_long, .arg = arg};
    struct gn_machine *m = NULL;
    struct gn_network *net = NULL;
    struct gn_plan *parsed = NULL;
    struct gn_clock *clock;
    int err = gn_clock_create(&config, &clock);

    if (err)
        return err;
    net_config.clock = clock;
    err = gn_network_create(&net_config, &net);
    if (!err)
        err = gn_machine_create(net, &machine, &m);
    if (!err)
        err = gn_machine_start(m);
    if (!err)
        err = gn_plan_parse("at 1s partition n0 | *", 22, NULL, 0, &parsed);
    if (!err)
        err = gn_plan_apply(clock, parsed, NULL, 0);
    if (!err)
        err = gn_machine_crash(m);
    gn_plan_close(parsed);
    gn_machine_close(m);
    gn_network_close(net, NULL, NULL);
    gn_clock_close(clock);
    return err;
}

static void lack_of_memory_is_survived(void **state)
{
    struct fixture f = {.last = 0};

    (void)state;
    assert_in_range(gn_test_heap_sweep(whole_life, &f), 20, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_crash_ends_all_of_a_life),
        CASE(a_handle_keeps_its_socket_over_a_crash),
        CASE(a_task_that_crashes_its_machine_does_not_go_on),
        CASE(a_task_that_joins_a_crashed_one_is_told),
        CASE(a_join_that_is_cancelled_leaves_no_handle),
        CASE(a_dial_in_the_middle_leaves_nothing),
        CASE(each_life_has_its_address_and_its_numbers),
        CASE(its_address_is_its_own_while_it_is_off),
        CASE(a_start_that_fails_leaves_it_its_address),
        CASE(a_name_is_one_machine_s),
        CASE(what_no_life_could_have_is_refused),
        CASE(files_survive_and_memory_does_not),
        CASE(paused_tasks_stand_and_the_stack_answers),
        CASE(a_machine_that_stands_still_is_not_reached),
        CASE(clocks_go_wrong_and_stay_so),
        CASE(a_plan_crashes_and_starts),
        CASE(a_run_waits_for_machines_that_will_start),
        CASE(a_plan_starts_what_is_off),
        CASE(a_start_that_fails_ends_the_run),
        CASE(a_run_waits_for_no_machine_that_is_closed),
        CASE(partitions_overlap),
        CASE(a_link_is_what_all_faults_say),
        CASE(paths_and_limits_come_and_go),
        CASE(names_fail_as_the_plan_says),
        CASE(pauses_and_clocks_come_and_go),
        CASE(a_plan_names_machines_that_are_there),
        CASE(plans_are_drawn_from_the_seed),
        CASE(chances_come_in_half_of_the_places),
        cmocka_unit_test(lack_of_memory_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
