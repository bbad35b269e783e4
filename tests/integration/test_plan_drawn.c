/* SPDX-License-Identifier: BSD-3-Clause */

/* What seeds draw: every kind of fault, only what can be, and all of it can be
 * played. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/guestnet.h>

#define SECOND     UINT64_C(1000000000)
#define SEEDS      60
#define N_MACHINES 3

static int idle(void *arg)
{
    (void)arg;
    return gn_sleep_ns(gn_task_namespace(), 100 * SECOND);
}

/* n0 and n1 in one network, n2 in another. */
struct world {
    struct gn_clock *clock;
    struct gn_network *nets[2];
    struct gn_machine *machines[N_MACHINES];
};

static void world_open_network(struct world *w, int i)
{
    static const char *const prefixes[][2] = {{"10.1.0.0/24", NULL},
                                              {"10.2.0.0/24", NULL}};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes[i],
                                       .drive = GN_DRIVE_VIRTUAL,
                                       .clock = w->clock};

    assert_int_equal(gn_network_create(&config, &w->nets[i]), 0);
}

static void world_open(struct world *w, uint64_t seed)
{
    struct gn_clock_config config = {.size = sizeof(config), .seed = seed};
    int i;

    assert_int_equal(gn_clock_create(&config, &w->clock), 0);
    for (i = 0; i < 2; i++)
        world_open_network(w, i);
    for (i = 0; i < N_MACHINES; i++) {
        static const char *const names[] = {"n0", "n1", "n2"};
        struct gn_namespace_config ns = {.size = sizeof(ns), .name = names[i]};
        struct gn_machine_config machine = {
            .size = sizeof(machine), .ns = &ns, .boot = idle};

        assert_int_equal(
            gn_machine_create(w->nets[i == 2], &machine, &w->machines[i]), 0);
        assert_int_equal(gn_machine_start(w->machines[i]), 0);
    }
}

static void world_close(struct world *w)
{
    int i;

    for (i = 0; i < N_MACHINES; i++)
        gn_machine_close(w->machines[i]);
    for (i = 0; i < 2; i++)
        gn_network_close(w->nets[i], NULL, NULL);
    gn_clock_close(w->clock);
}

/* Draws, plays, and adds to the text of all plans. */
static void try_seed(uint64_t seed, unsigned kinds, char *text, size_t cap)
{
    struct gn_plan_config config = {
        .size = sizeof(config), .kinds = kinds, .max_faults = 8};
    struct gn_sim_report report = {.size = sizeof(report)};
    size_t len = strlen(text);
    struct gn_plan *drawn;
    struct world w;
    char why[256] = "";

    world_open(&w, seed);
    assert_int_equal(gn_plan_random(w.clock, &config, &drawn), 0);
    assert_in_range(gn_plan_format(drawn, text + len, cap - len), 0,
                    cap - len - 1);
    if (gn_plan_apply(w.clock, drawn, why, sizeof(why)))
        fail_msg("seed %d: %s", (int)seed, why);
    gn_plan_close(drawn);
    assert_int_equal(gn_clock_run(w.clock, 90 * SECOND, &report), 0);
    assert_int_equal(report.end, GN_SIM_DEADLINE);
    world_close(&w);
}

static const char *draw_all(unsigned kinds)
{
    static char text[1u << 20];
    uint64_t seed;

    text[0] = '\0';
    for (seed = 1; seed <= SEEDS; seed++)
        try_seed(seed, kinds, text, sizeof(text));
    return text;
}

static void wants(const char *text, const char *const *words)
{
    for (; *words; words++) {
        if (!strstr(text, *words))
            fail_msg("no seed has drawn \"%s\"", *words);
    }
}

static void paths_are_of_two_machines_of_a_network(void **state)
{
    static const char *const words[] = {
        " path n0 n1 latency ", " path n0 n1 loss ", " path n1 n0 block ",
        " path n1 n0 hold ", NULL};
    const char *text = draw_all(GN_PLAN_PATH);

    (void)state;
    wants(text, words);
    assert_null(strstr(text, "n2"));
}

static void every_limit_is_drawn(void **state)
{
    static const char *const words[] = {" limit n0 sockets ",
                                        " limit n1 connections ",
                                        " limit n2 lookups ",
                                        " buffered ",
                                        " disk ",
                                        NULL};

    (void)state;
    wants(draw_all(GN_PLAN_LIMIT), words);
}

static void all_kinds_but_limits_are_usual(void **state)
{
    static const char *const words[] = {
        " crash n",     " pause n",        " stop n",
        " partition n", " link n",         " clock n",
        " path n",      " crash n0 n1 n2", NULL};
    const char *text = draw_all(0);

    (void)state;
    wants(text, words);
    assert_null(strstr(text, " limit "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_of_two_machines_of_a_network),
        cmocka_unit_test(every_limit_is_drawn),
        cmocka_unit_test(all_kinds_but_limits_are_usual),
    };

    return cmocka_run_group_tests_name("plan_drawn", tests, NULL, NULL);
}
