/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * gn_sim_main(), as a command: what it prints and returns, for scenarios that
 * fail in all the ways there are.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wordexp.h>

#include <cmocka.h>

#include <guestnet/guestnet.h>

#include "tests/lib/units.h"

/* ---- scenarios ---- */

static struct gn_machine *machines[3];
static uint64_t busy;
static int *n_setups; /* of all processes */

static int make_machines(struct gn_clock *clock, gn_task_fn boot)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_VIRTUAL,
                                       .clock = clock};
    struct gn_network *net;
    int i, err = gn_network_create(&config, &net);

    for (i = 0; i < 3 && !err; i++) {
        char name[16];
        struct gn_namespace_config ns = {.size = sizeof(ns), .name = name};
        struct gn_machine_config machine = {
            .size = sizeof(machine), .ns = &ns, .boot = boot};

        (void)snprintf(name, sizeof(name), "n%d", i);
        err = gn_machine_create(net, &machine, &machines[i]);
        if (!err)
            err = gn_machine_start(machines[i]);
    }
    return err;
}

static int set_up(struct gn_clock *clock, void *arg)
{
    return make_machines(clock, *(const gn_task_fn *)arg);
}

static int rest(void *arg)
{
    (void)arg;
    gn_sim_reached("rest");
    gn_sim_log("rests");
    return gn_sleep_ns(gn_task_namespace(), 100 * GN_S);
}

/* Wrong when n1 lives again. */
static int come_back(void *arg)
{
    char byte;

    if (!strcmp(gn_machine_name(gn_task_machine()), "n1") &&
        gn_disk_read(gn_task_machine(), "was", 0, &byte, 1) == 1)
        gn_sim_fail("it was here before");
    if (gn_disk_write(gn_task_machine(), "was", 0, "x", 1) != 1 ||
        gn_disk_sync(gn_task_machine(), "was"))
        gn_sim_fail("disk");
    return rest(arg);
}

static int wait_for_ever(void *arg)
{
    struct gn_sock *sock;

    (void)arg;
    if (gn_sock_listen_at(gn_task_namespace(), "tcp4", ":80", 1, NULL, 0,
                          &sock))
        return 1;
    return gn_sock_accept(sock, NULL, NULL, 0, &sock);
}

static int stand_still(void *arg)
{
    (void)arg;
    while (!gn_sleep_ns(gn_task_namespace(), 0))
        continue;
    return 0;
}

static int die(void *arg)
{
    (void)arg;
    (void)fprintf(stderr, "about to die\n");
    abort();
}

static int leave(void *arg)
{
    (void)arg;
    _exit(5);
}

static int spin(void *arg)
{
    (void)arg;
    while (__atomic_add_fetch(&busy, 1, __ATOMIC_RELAXED))
        continue;
    return 0;
}

/* The same, in a program that has signals of its own. */
static int spin_deaf(void *arg)
{
    sigset_t all;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
    return spin(arg);
}

static int be_alarmed(void *arg)
{
    (void)arg;
    return raise(SIGALRM);
}

__attribute__((noinline)) static int dig(int depth)
{
    volatile char room[512];

    room[depth % 512] = (char)depth;
    return depth < 0 ? 0 : dig(depth + 1) + room[depth % 512];
}

static int overrun(void *arg)
{
    (void)arg;
    return dig(1);
}

static int check_fails(struct gn_clock *clock, void *arg)
{
    (void)clock, (void)arg;
    return -EIO;
}

/* The process writes what it has at its end, and dies of that with a status, as
 * ThreadSanitizer would have it. */
static ssize_t end_with_66(void *cookie, const char *data, size_t len)
{
    (void)cookie, (void)data, (void)len;
    _exit(66);
}

static int check_late(struct gn_clock *clock, void *arg)
{
    static const cookie_io_functions_t calls = {.write = end_with_66};
    FILE *file = fopencookie(NULL, "w", calls);

    (void)clock, (void)arg;
    return file && fputs("x", file) >= 0 ? 0 : -ENOMEM;
}

static int check_says(struct gn_clock *clock, void *arg)
{
    (void)arg;
    gn_sim_fail("it is %llu", (unsigned long long)gn_clock_now_ns(clock));
}

/* Dies in the second process, before it has a plan. */
static int die_second(struct gn_clock *clock, void *arg)
{
    if (++*n_setups == 2)
        abort();
    return set_up(clock, arg);
}

static int no_setup(struct gn_clock *clock, void *arg)
{
    (void)clock, (void)arg;
    return -EADDRINUSE;
}

static const gn_task_fn boots[] = {
    rest,  come_back, wait_for_ever, stand_still, die,
    leave, spin,      overrun,       spin_deaf,   be_alarmed};
static const struct gn_plan_config faults = {
    .size = sizeof(faults),
    .kinds = GN_PLAN_CRASH | GN_PLAN_LINK | GN_PLAN_PARTITION};
static const char *const strangers[] = {"n0", "n7", NULL};
static const struct gn_plan_config faults_of_strangers = {
    .size = sizeof(faults_of_strangers),
    .machines = strangers};
static const char *const marks[] = {"rest", "never", NULL};

#define SCENARIO(called, i, ...)                                               \
    {                                                                          \
        .size = sizeof(struct gn_scenario), .name = (called), .setup = set_up, \
        .arg = (void *)(uintptr_t)&boots[i], .duration_ns = 10 * GN_S,         \
        __VA_ARGS__                                                            \
    }

static const struct gn_scenario scenarios[] = {
    SCENARIO("good", 0, .faults = &faults, .marks = marks),
    SCENARIO("back", 1, .faults = &faults),
    SCENARIO("strangers", 0, .faults = &faults_of_strangers),
    SCENARIO("deadlock", 2, .faults = NULL),
    SCENARIO("livelock", 3, .faults = NULL),
    SCENARIO("impatient", 3, .max_still = 500),
    SCENARIO("dies", 4, .faults = NULL),
    SCENARIO("leaves", 5, .faults = NULL),
    SCENARIO("spins", 6, .faults = NULL),
    SCENARIO("overruns", 7, .faults = NULL),
    SCENARIO("deaf", 8, .faults = NULL),
    SCENARIO("alarmed", 9, .faults = NULL),
    SCENARIO("check", 0, .check = check_fails),
    SCENARIO("says", 0, .check = check_says),
    SCENARIO("late", 0, .check = check_late),
    {.size = sizeof(struct gn_scenario),
     .name = "second",
     .setup = die_second,
     .arg = (void *)(uintptr_t)&boots[0],
     .duration_ns = 10 * GN_S,
     .faults = &faults},
    {.size = sizeof(struct gn_scenario),
     .name = "setup",
     .setup = no_setup,
     .duration_ns = GN_S},
};

#define N_SCENARIOS (sizeof(scenarios) / sizeof(*scenarios))

/* ---- running it ---- */

static char output[65536];
static bool is_ignoring; /* its children, as what started it had it */

/* As a command of a shell: its exit status, and what it wrote in `output`. */
static int run_these(const struct gn_scenario *these, size_t n,
                     const char *line)
{
    int status, fd = memfd_create("output", 0);
    wordexp_t words;
    ssize_t len;
    pid_t pid;

    assert_int_equal(wordexp(line, &words, WRDE_NOCMD), 0);
    (void)fflush(NULL);
    pid = fork();
    assert_true(pid >= 0 && fd >= 0);
    if (!pid) {
        (void)dup2(fd, STDOUT_FILENO);
        (void)dup2(fd, STDERR_FILENO);
        if (is_ignoring)
            (void)signal(SIGCHLD, SIG_IGN);
        status = gn_sim_main((int)words.we_wordc, words.we_wordv, these, n);
        (void)fflush(NULL);
        _exit(status);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    len = pread(fd, output, sizeof(output) - 1, 0);
    output[len > 0 ? len : 0] = '\0';
    (void)close(fd);
    wordfree(&words);
    if (!WIFEXITED(status))
        fail_msg("signal %d:\n%s", WTERMSIG(status), output);
    return WEXITSTATUS(status);
}

static int run(const char *line)
{
    return run_these(scenarios, N_SCENARIOS, line);
}

static void says(const char *text)
{
    if (!strstr(output, text))
        fail_msg("not there: %s\nin:\n%s", text, output);
}

/* ---- cases ---- */

static void good_seeds_are_good(void **state)
{
    (void)state;
    assert_int_equal(run("x --scenario good --seeds 50 --jobs 3"), 0);
    says("good: 50 seeds in ");
    says("  no seed reached \"never\"\n");
    assert_null(strstr(output, "\"rest\""));
}

static void digests_are_the_same_however_many_run_at_once(void **state)
{
    char first[sizeof(output)];

    (void)state;
    assert_int_equal(run("x --scenario good --seeds 20 --jobs 1 --digest"), 0);
    says("good: digest of 20 seeds from 1: ");
    memcpy(first, strstr(output, "digest"),
           strlen(strstr(output, "digest")) + 1);
    assert_int_equal(run("x --scenario good --seeds 20 --jobs 7 --digest"), 0);
    assert_string_equal(strstr(output, "digest"), first);
    assert_int_equal(run("x --scenario good --seeds 21 --jobs 7 --digest"), 0);
    assert_string_not_equal(strstr(output, "digest"), first);
}

/* What a run that failed says about it, up to the command that replays it, into
 * @replay, which has room for more. */
static char *take_replay(char *replay, size_t cap)
{
    char *at = strstr(output, "  replay: ");

    assert_non_null(at);
    (void)snprintf(replay, cap, "%s", at + strlen("  replay: "));
    replay[strcspn(replay, "\n")] = '\0';
    *at = '\0';
    return strdup(output);
}

static void a_seed_that_fails_is_shrunk_and_replayed(void **state)
{
    char replay[512], *said;

    (void)state;
    assert_int_equal(run("x --scenario back --seeds 1000"), 1);
    says("n1/boot: it was here before");
    says("  with 1 of its ");
    says("each of which it takes");
    says(" crash n1 for ");
    said = take_replay(replay, sizeof(replay));
    *strstr(said, "  with 1 of its ") = '\0'; /* Then it was shrunk. */
    assert_int_equal(run(replay), 1);
    says("n1/boot rests");
    says(said);
    says("  with 1 of its 1 faults");
    says(strstr(replay, " --fault 'at ")); /* As it was. */
    (void)strncat(replay, " --no-fork", sizeof(replay) - strlen(replay) - 1);
    assert_int_equal(run(replay), 1);
    says("n1/boot: it was here before");
    free(said);
}

/* Also none at all, and as they were given: quotes too. */
static void a_replay_has_the_faults_that_were_run(void **state)
{
    char replay[512];

    (void)state;
    assert_int_equal(
        run("x --scenario check --seed 1 --fault 'at 1s pause n1 for 1s'"), 1);
    says("without any fault");
    free(take_replay(replay, sizeof(replay)));
    assert_string_equal(replay,
                        "x --scenario check --seed 1 --fault '' --trace");
    assert_int_equal(run("x --scenario back --seed 1 --no-shrink "
                         "--fault 'at 1s crash n1 for 2s' "
                         "--fault 'at 1s pause n2 for 1s # n2'\\''s turn'"),
                     1);
    free(take_replay(replay, sizeof(replay)));
    assert_string_equal(replay,
                        "x --scenario back --seed 1 "
                        "--fault 'at 1s crash n1 for 2s' "
                        "--fault 'at 1s pause n2 for 1s # n2'\\''s turn' "
                        "--trace");
    assert_int_equal(run("x --scenario back --seed 1 --fault 'at 1s crash n1' "
                         "--fault 'at 2s crash n9'"),
                     2);
    assert_string_equal(output, "--fault: line 2, column 13: there is no "
                                "machine \"n9\"\n");
    assert_int_equal(run("x --fault 'at 1s' --plan /dev/null"), 2);
    says("--plan /dev/null: a plan has all of its faults: write what --fault "
         "says into it\n");
}

static void the_lowest_seed_that_fails_is_told(void **state)
{
    char one[64];

    (void)state;
    assert_int_equal(run("x --scenario back --jobs 1 --no-shrink"), 1);
    assert_int_equal(sscanf(output, "back: seed %63s", one), 1);
    assert_int_equal(run("x --scenario back --jobs 16 --no-shrink"), 1);
    says(one);
}

static void a_plan_can_be_given(void **state)
{
    char path[] = "/tmp/guestnet-plan-XXXXXX", line[128];
    int fd = mkstemp(path);

    (void)state;
    assert_int_equal(write(fd, "at 1s crash n1 for 1s\n", 22), 22);
    (void)snprintf(line, sizeof(line), "x --scenario back --seed 1 --plan %s",
                   path);
    assert_int_equal(run(line), 1);
    says("  with 1 of its 1 faults, each of which it takes");
    says("  at 1s crash n1 for 1ms\n"); /* As short as it may be. */
    (void)snprintf(line, sizeof(line),
                   "x --scenario back --seed 1 --no-shrink --plan %s", path);
    assert_int_equal(run(line), 1);
    says("  with these faults:\n    at 1s crash n1 for 1s\n");
    (void)snprintf(line, sizeof(line),
                   "x --scenario back --seed 1 --plan /dev/null --plan %s",
                   path);
    assert_int_equal(run(line), 1);
    assert_int_equal(pwrite(fd, "at 1s crash n1 for 1x\n", 22, 0), 22);
    assert_int_equal(run(line), 2);
    says("line 1, column 20: \"1x\": here goes a time as 10ms or 2.5s");
    (void)close(fd);
    (void)unlink(path);
}

/* Once, and with the line that it has in the file. */
static void a_plan_for_other_machines_is_refused(void **state)
{
    static const char text[] = "at 1s crash n1\n# n3 is not there\n"
                               "at 2s crash n2 n3 for 1s\n";
    char path[] = "/tmp/guestnet-plan-XXXXXX", line[128], why[128];
    int fd = mkstemp(path);

    (void)state;
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    (void)close(fd);
    (void)snprintf(why, sizeof(why),
                   "--plan %s: line 3, column 16: there is no machine \"n3\"\n",
                   path);
    (void)snprintf(line, sizeof(line), "x --scenario good --plan %s", path);
    assert_int_equal(run(line), 2);
    assert_string_equal(output, why);
    (void)snprintf(line, sizeof(line),
                   "x --scenario good --seed 1 --no-fork --plan %s", path);
    assert_int_equal(run(line), 2);
    assert_string_equal(output, why);
    (void)unlink(path);
}

static void each_end_has_its_name(void **state)
{
    (void)state;
    assert_int_equal(run("x --scenario deadlock --seeds 1"), 1);
    says(
        "deadlock: seed 1 deadlock at 1.000000000:\n    n0/boot waits in accept"
        " at 0.0.0.0:80\n");
    says("without any fault");
    assert_int_equal(run("x --scenario livelock --seeds 1"), 1);
    says(
        "seed 1 livelock at 1.000000000:\n    n0/boot: time stands still after "
        "100000 calls");
    assert_int_equal(run("x --scenario impatient --seeds 1"), 1);
    says("n0/boot: time stands still after 500 calls");
    assert_int_equal(run("x --scenario check --seeds 1"), 1);
    says("its check returned -5");
    assert_int_equal(run("x --scenario says --seeds 1"), 1);
    says("    it is 11000000000\n");
    assert_int_equal(run("x --scenario says --seed 1 --no-fork"), 1);
    says("it is 11000000000\n");
    assert_int_equal(run("x --scenario setup --seeds 1"), 1);
    says("its setup returned -98 (Address already in use)");
    assert_int_equal(run("x --scenario strangers --seeds 1"), 1);
    says("its faults are for \"n7\", and there is no machine of that name");
}

static void a_process_that_dies_is_a_seed_that_fails(void **state)
{
    (void)state;
    assert_int_equal(run("x --scenario dies --seeds 1"), 1);
    says("seed 1 died:\n    signal 6 (Aborted)\n  it wrote:\n");
    says("about to die\n");
    assert_int_equal(run("x --scenario leaves --seeds 1"), 1);
    says("the process ended with status 5");
    assert_int_equal(run("x --scenario late --seeds 1"), 1);
    says("late: seed 1 died:\n    the process ended with status 66");
}

static void a_seed_that_dies_before_it_has_a_plan_has_none(void **state)
{
    (void)state;
    n_setups = mmap(NULL, sizeof(*n_setups), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(n_setups, MAP_FAILED);
    assert_int_equal(run("x --scenario second --seeds 2 --jobs 1"), 1);
    says("second: seed 2 died:\n    signal 6 (Aborted)\n  without any fault\n");
    says("  run again it ended otherwise: not all of it is decided by the "
         "seed\n");
    (void)munmap(n_setups, sizeof(*n_setups));
}

static void a_parent_that_ignores_children_is_told_of_their_end(void **state)
{
    (void)state;
    is_ignoring = true;
    assert_int_equal(run("x --scenario good --seeds 3 --jobs 2"), 0);
    says("good: 3 seeds in ");
    assert_int_equal(run("x --scenario good --seed 1"), 0);
    assert_int_equal(run("x --scenario dies --seed 1"), 1);
    is_ignoring = false;
}

static void an_overrun_has_a_name(void **state)
{
    (void)state;
    assert_int_equal(run("x --scenario overruns --seeds 1"), 1);
    says("n0/boot has used more than the 65536 bytes of its stack");
}

static void a_seed_that_takes_too_long_is_given_up(void **state)
{
    (void)state;
    assert_int_equal(run("x --scenario spins --seeds 1 --limit 1"), 3);
    says("seed 1 gave up:");
    says("more real time than it may; see --limit");
    assert_null(strstr(output, "faults"));
    assert_int_equal(run("x --scenario deaf --seed 1 --limit 1"), 3);
    says("more real time than it may; see --limit");
}

static void an_alarm_of_the_program_is_no_limit(void **state)
{
    (void)state;
    assert_int_equal(run("x --scenario alarmed --seeds 1"), 1);
    says("alarmed: seed 1 died:\n    signal 14 (Alarm clock)");
}

static void results_are_written_for_ci(void **state)
{
    char path[] = "/tmp/guestnet-junit-XXXXXX", line[128], text[4096];
    int fd = mkstemp(path);
    ssize_t n;

    (void)state;
    (void)snprintf(line, sizeof(line),
                   "'x<y' --scenario deadlock --seeds 1 --junit %s", path);
    assert_int_equal(run(line), 1);
    (void)close(fd);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = read(fd, text, sizeof(text) - 1);
    assert_true(n > 0);
    text[n] = '\0';
    assert_non_null(strstr(text, "<testsuite name=\"x&lt;y\" tests=\"1\" "
                                 "failures=\"1\" errors=\"0\">"));
    assert_non_null(strstr(text, "<failure message=\"seed 1 deadlock\">"));
    assert_non_null(strstr(text, "</testsuite>\n"));
    (void)close(fd);
    (void)unlink(path);
}

static void packets_are_captured(void **state)
{
    char path[] = "/tmp/guestnet-pcap-XXXXXX", line[128];
    int fd = mkstemp(path);

    (void)state;
    (void)snprintf(line, sizeof(line), "x --scenario good --seed 1 --pcap %s",
                   path);
    assert_int_equal(run(line), 0);
    (void)close(fd);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(lseek(fd, 0, SEEK_END) > 0);
    (void)close(fd);
    (void)unlink(path);
}

static void a_wrong_command_line_is_explained(void **state)
{
    static const struct gn_scenario endless = {
        .size = sizeof(endless), .name = "endless", .setup = set_up};

    (void)state;
    assert_int_equal(run("x --seeds many"), 2);
    says("--seeds \"many\": not a number from 1 to 1000000000");
    assert_int_equal(run("x --seed 0"), 2);
    says("--seed \"0\": not a number from 1 to ");
    assert_int_equal(run("x --scenario none"), 2);
    says("--scenario \"none\": there is none of that name; see --list");
    assert_int_equal(run("x --trace"), 2);
    says("--trace, --pcap and --no-fork are of one seed: add --seed N");
    assert_int_equal(run("x --seed 3 --seeds 5"), 2);
    assert_string_equal(output, "--seed N is one seed, and --seeds and --first "
                                "are of many: leave out one or the other\n");
    assert_int_equal(run("x --first 3 --seed 5"), 2);
    assert_int_equal(run("x --plan /none"), 2);
    says("--plan /none: No such file or directory");
    assert_int_equal(run("x --plan /tmp"), 2);
    says("--plan /tmp: Is a directory");
    assert_int_equal(run("x --scenario good --seed 1 --pcap /none/x"), 2);
    says("--pcap /none/x: No such file or directory");
    assert_int_equal(run("x --scenario good --seeds 3 --junit /tmp"), 2);
    says("--junit /tmp: Is a directory");
    assert_null(strstr(output, "good"));
    assert_int_equal(run("x 17"), 2);
    says("\"17\": what is this for? See --help");
    assert_int_equal(run("x --sedes 1"), 2);
    assert_int_equal(run_these(&endless, 1, "x"), 2);
    says("scenario \"endless\": it has no duration_ns");
    assert_int_equal(run("x --help"), 0);
    says("usage: x [OPTION...]");
    assert_int_equal(run("x --list"), 0);
    says("good\nback\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_seeds_are_good),
        cmocka_unit_test(digests_are_the_same_however_many_run_at_once),
        cmocka_unit_test(a_seed_that_fails_is_shrunk_and_replayed),
        cmocka_unit_test(a_replay_has_the_faults_that_were_run),
        cmocka_unit_test(the_lowest_seed_that_fails_is_told),
        cmocka_unit_test(a_plan_can_be_given),
        cmocka_unit_test(a_plan_for_other_machines_is_refused),
        cmocka_unit_test(each_end_has_its_name),
        cmocka_unit_test(a_process_that_dies_is_a_seed_that_fails),
        cmocka_unit_test(a_seed_that_dies_before_it_has_a_plan_has_none),
        cmocka_unit_test(a_parent_that_ignores_children_is_told_of_their_end),
        cmocka_unit_test(an_overrun_has_a_name),
        cmocka_unit_test(a_seed_that_takes_too_long_is_given_up),
        cmocka_unit_test(an_alarm_of_the_program_is_no_limit),
        cmocka_unit_test(results_are_written_for_ci),
        cmocka_unit_test(packets_are_captured),
        cmocka_unit_test(a_wrong_command_line_is_explained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
